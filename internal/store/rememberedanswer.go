package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// AnswersRemembered is for how long a request may be sent again to get its first
// answer.
const AnswersRemembered = 24 * time.Hour

// errAnswered and errAnswering end the transaction of a request that was sent
// before: its effect is there, or is on its way.
var (
	errAnswered  = errors.New("store: the request was answered before")
	errAnswering = errors.New("store: the request is being answered")
)

// Held is the change that a request makes, from when it is made until the answer
// to it is known, so that both are committed together. It is for one goroutine.
type Held struct {
	db *DB
	id string

	tx     *Tx // nil: nothing is held
	leave  func()
	quick  bool // somebody was quicker
	others bool // somebody is at it
}

type heldKey struct{}

// Hold returns a context in which Update returns before the commit, which waits
// for Commit. Reads and housekeeping in that context then see the change and are
// part of it. id names the request; Update fails when its answer is remembered
// already, or when another node is making the same change (see Beaten).
//
// Call Drop at the end, whatever happened.
func (db *DB) Hold(ctx context.Context, id string) (context.Context, *Held) {
	h := &Held{db: db, id: id}
	return context.WithValue(ctx, heldKey{}, h), h
}

// heldIn is what a context holds; nil: changes commit as usual.
func (db *DB) heldIn(ctx context.Context) *Held {
	h, _ := ctx.Value(heldKey{}).(*Held)
	if h == nil || h.db != db { // a rehearsal is another database
		return nil
	}
	return h
}

// Beaten says that Update failed because of the same request: it was answered
// before, or somebody else is answering it.
func (h *Held) Beaten() (answered, answering bool) { return h.quick, h.others }

// Drop rolls back what is held.
func (h *Held) Drop() {
	if h.tx == nil {
		return
	}
	h.tx.t.rollback()
	h.end()
}

func (h *Held) end() {
	h.leave()
	h.tx, h.leave = nil, nil
}

// Commit commits what is held, and with it the answer; empty: none is
// remembered. It reports false when nothing was held: then there is no change
// that must not be made twice.
func (h *Held) Commit(ctx context.Context, answer string) (changed bool, err error) {
	if h.tx == nil {
		return false, nil
	}
	tx := h.tx
	logged, err := h.commit(ctx, answer)
	return true, h.db.told(tx, logged, tx.scope, err)
}

func (h *Held) commit(ctx context.Context, answer string) (logged entries, err error) {
	defer h.end()
	defer h.tx.t.rollback()
	if answer != "" {
		if err := h.tx.rememberAnswer(ctx, h.id, answer); err != nil {
			return logged, err
		}
	}
	return h.tx.commit(ctx)
}

// update is Update without the commit. What was held before is committed: it was
// a change of its own.
func (h *Held) update(ctx context.Context, actor identity.Actor, scope Scope, work func(*Tx) error) error {
	if _, err := h.Commit(ctx, ""); err != nil {
		return err
	}
	keys, leave, err := h.db.enter(ctx, scope)
	if err != nil {
		return wrap(err)
	}
	defer func() {
		if h.tx == nil {
			leave()
		}
	}()
	err = h.db.retry(ctx, func() error {
		tx, err := h.db.begin(ctx, actor, scope, keys)
		if err != nil {
			return err
		}
		defer func() {
			if h.tx == nil {
				tx.t.rollback()
			}
		}()
		if err := h.claim(ctx, tx); err != nil {
			return err
		}
		if err := work(tx); err != nil {
			return err
		}
		// What meets another transaction is tried again here, and not at the commit.
		if err := tx.t.flush(ctx); err != nil {
			return err
		}
		h.tx, h.leave = tx, leave
		return nil
	})
	if err == nil {
		return nil
	}
	return h.db.judge(h.db.settle(scope, err))
}

// maintain is Maintain as a part of what is held.
func (h *Held) maintain(fn func(*Tx) error) error {
	tx := &Tx{Read: h.tx.Read, t: h.tx.t, db: h.db, actor: identity.Actor{Kind: identity.ActorSystem}}
	err := fn(tx)
	h.tx.mailed = h.tx.mailed || tx.mailed
	return err
}

// claim makes this transaction the only one that answers the request.
func (h *Held) claim(ctx context.Context, tx *Tx) error {
	free, err := tx.dialect.tryLock(ctx, tx.q, "answer:"+h.id)
	if err != nil {
		return err
	}
	if h.others = !free; h.others {
		return errAnswering
	}
	at, err := one(ctx, tx.q, scanInt, `SELECT created_at FROM remembered_answers WHERE id = $1`, h.id)
	switch {
	case errors.Is(err, errNoRow):
		return nil
	case err != nil:
		return err
	}
	if h.quick = !forgotten(timeOf(at), tx.Now); h.quick {
		return errAnswered
	}
	// Not tx.exec: forgetting is no change of the caller's.
	return tx.t.later(ctx, nil, `DELETE FROM remembered_answers WHERE id = $1`, h.id)
}

func forgotten(at, now time.Time) bool { return !now.Before(at.Add(AnswersRemembered)) }

func (tx *Tx) rememberAnswer(ctx context.Context, id, answer string) error {
	return tx.t.later(ctx, nil, `INSERT INTO remembered_answers (id, scopes, answer, created_at) VALUES ($1, $2, $3, $4)`,
		id, toJSON(slices.Concat(tx.scope.keys, tx.recorded)), answer, micros(tx.Now))
}

// RememberedAnswer is the answer to a request that was sent before; empty: there
// is none. It returns when no node may answer from before the change any more:
// who repeats a request may rely on the second answer as on the first.
func (db *DB) RememberedAnswer(ctx context.Context, id string) (answer string, err error) {
	var scopes string
	err = db.View(ctx, func(r *Read) error {
		var at int64
		err := first(ctx, r.q, `SELECT scopes, answer, created_at FROM remembered_answers WHERE id = $1`, id).Scan(&scopes, &answer, &at)
		if errors.Is(err, errNoRow) || err == nil && forgotten(timeOf(at), r.Now) {
			answer = ""
			return nil
		}
		return err
	})
	if err != nil || answer == "" {
		return "", err
	}
	var scope Scope
	if err := json.Unmarshal([]byte(scopes), &scope.keys); err != nil {
		return "", err
	}
	return answer, wrap(db.settle(scope, nil))
}
