package store

import (
	"context"
	"errors"

	"github.com/sallyport/sallyport/internal/identity"
)

// errRehearsed rolls a transaction back that was only to be looked at.
var errRehearsed = errors.New("store: rehearsed")

// errNotRehearsed is a programming error: housekeeping has no part in what a
// use case is asked to change.
var errNotRehearsed = errors.New("store: housekeeping cannot be rehearsed")

// rehearsal is whose worlds are wanted, and where they go.
type rehearsal struct {
	organizationID string
	before, after  *World
}

// Rehearsal is the same database for use cases that are only to be tried: Update
// rolls back all it did, and then before and after are the worlds of an
// organization without it and with it. What would be refused is refused, but
// Guard is not asked. Reads outside of Update are real, and see nothing of it.
//
// Nobody waits while the worlds are read: what the change alters is looked at in
// its transaction, and everything else, which is most of a large organization,
// after its end, in a snapshot that was taken before it.
func (db *DB) Rehearsal(organizationID string, before, after *World) *DB {
	return &DB{
		Now: db.Now, Rand: db.Rand, Seal: db.Seal, Open: db.Open, MailOff: db.MailOff,
		write: db.write, read: db.read, dialect: db.dialect, turns: db.turns, policies: db.policies, writers: db.writers, surveys: db.surveys,
		rehearsal: &rehearsal{organizationID, before, after},
	}
}

func (db *DB) rehearse(ctx context.Context, actor identity.Actor, scope Scope, work func(*Tx) error) error {
	leave, err := db.survey(ctx, db.rehearsal.organizationID)
	if err != nil {
		return db.judge(err)
	}
	defer leave()
	r, err := db.tried(ctx, actor, scope, work)
	if err != nil {
		return db.judge(err)
	}
	defer r.still.t.rollback()
	w, err := r.still.World(ctx, db.rehearsal.organizationID)
	if err != nil {
		return db.judge(err)
	}
	*db.rehearsal.before, *db.rehearsal.after = w, r.World(&w)
	return nil
}

// rehearsed is what is left of a transaction that was rolled back.
type rehearsed struct {
	still snapshotRead
	alterations
}

// snapshotRead sees one moment until its transaction ends.
type snapshotRead struct {
	Read
	t transaction
}

// tried runs a change, looks at what it alters, and rolls it back. The caller
// ends the transaction of still.
func (db *DB) tried(ctx context.Context, actor identity.Actor, scope Scope, work func(*Tx) error) (r rehearsed, err error) {
	var failed error
	err = db.change(ctx, actor, scope, func(tx *Tx) error {
		if failed = work(tx); failed == nil {
			r, failed = tx.rehearsed(ctx)
		}
		if failed != nil && busy(failed) {
			return failed
		}
		return errRehearsed
	})
	if errors.Is(err, errRehearsed) {
		return r, failed
	}
	return r, err
}

// rehearsed looks at what the transaction altered. The snapshot beside it is
// taken at its end, when it waits for nobody any more: who holds a connection
// for a snapshot and waits for a lock may wait for somebody who needs one.
//
// It holds its scopes, and SQLite's file, so little else can have changed. But
// people change themselves on PostgreSQL: then it looks again, though not for
// ever.
func (tx *Tx) rehearsed(ctx context.Context) (r rehearsed, err error) {
	for attempt := 1; ; attempt++ {
		from, err := tx.snapshot(ctx)
		if err != nil {
			return r, err
		}
		if r.alterations, err = tx.alterations(ctx, tx.db.rehearsal.organizationID); err != nil {
			return r, err
		}
		if r.still.t, err = tx.dialect.begin(ctx, tx.db.read, true); err != nil {
			return r, err
		}
		r.still.Read = Read{q: r.still.t, dialect: tx.dialect, policies: tx.policies, Now: tx.Now}
		moved, err := r.still.changedSince(ctx, from, r.scopes)
		if err == nil && (!moved || attempt == maxAttempts) {
			return r, nil
		}
		r.still.t.rollback()
		if err != nil {
			return r, err
		}
	}
}

// snapshot is what the present moment shows of the change log.
func (r *Read) snapshot(ctx context.Context) (snapshot, error) {
	text, err := one(ctx, r.q, scanText, `SELECT `+r.dialect.snapshotText)
	if err != nil {
		return snapshot{}, err
	}
	return parseSnapshot(text)
}

// changedSince says whether one of some scopes was changed since a snapshot.
func (r *Read) changedSince(ctx context.Context, s snapshot, scopes []string) (bool, error) {
	entries, err := collect(ctx, r.q, scanInt, `SELECT `+r.dialect.order+` FROM changes WHERE `+r.dialect.order+` >= $1 AND scope IN (SELECT value FROM `+r.dialect.texts("$2")+`)`,
		s.low, toJSON(scopes))
	for _, at := range entries {
		if !s.shows(at) {
			return true, err
		}
	}
	return false, err
}
