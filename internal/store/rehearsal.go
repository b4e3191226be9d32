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

// rehearsal is what looks at a transaction before it is rolled back.
type rehearsal struct{ before, after func(*Read) error }

// Rehearsal is the same database for use cases that are only to be tried:
// Update works between before and after, which see what is stored at those
// moments, and then rolls all of it back. What would be refused is refused, but
// Guard is not asked. Reads outside of Update are real, and see nothing of it.
// before and after may be run again.
func (db *DB) Rehearsal(before, after func(*Read) error) *DB {
	return &DB{
		Now: db.Now, Rand: db.Rand, Seal: db.Seal, Open: db.Open, MailOff: db.MailOff,
		write: db.write, read: db.read, dialect: db.dialect, turns: db.turns, policies: db.policies, writers: db.writers, rehearsal: &rehearsal{before, after},
	}
}

func (db *DB) rehearse(ctx context.Context, actor identity.Actor, scope Scope, work func(*Tx) error) (failed error) {
	err := db.change(ctx, actor, scope, func(tx *Tx) error {
		failed = db.rehearsal.run(tx, work)
		if failed != nil && busy(failed) {
			return failed
		}
		return errRehearsed
	})
	if errors.Is(err, errRehearsed) {
		return db.judge(failed)
	}
	return err
}

func (r *rehearsal) run(tx *Tx, work func(*Tx) error) error {
	if err := r.before(&tx.Read); err != nil {
		return err
	}
	if err := work(tx); err != nil {
		return err
	}
	return r.after(&tx.Read)
}
