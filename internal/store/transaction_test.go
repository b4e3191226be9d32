package store

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"testing"
	"time"
)

// begun begins a transaction that writes.
func begun(t *testing.T, db *DB) transaction {
	t.Helper()
	tx, err := db.dialect.begin(t.Context(), db.write, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tx.rollback)
	return tx
}

const (
	addUnit  = `INSERT INTO changes (scope, created_at) VALUES ($1, 1)`
	allUnits = `SELECT scope FROM changes WHERE created_at = 1 ORDER BY scope`
)

// TestLaterIsBeforeTheNextStatement: what later is given has happened for the
// next statement, in its order.
func TestLaterIsBeforeTheNextStatement(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		tx, ctx := begun(t, db), t.Context()
		var taken []string
		take := func(rows rows) (err error) {
			taken, err = gather(rows, scanText)
			return err
		}
		for _, err := range []error{tx.later(ctx, nil, addUnit, "a"), tx.later(ctx, nil, addUnit, "b"), tx.later(ctx, take, allUnits), tx.later(ctx, nil, addUnit, "c")} {
			if err != nil {
				t.Fatal(err)
			}
		}
		list, err := collect(ctx, tx, scanText, allUnits)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "what the next statement saw", list, []string{"a", "b", "c"})
		wantSame(t, "what was taken", taken, []string{"a", "b"})
		if err := tx.later(ctx, nil, addUnit, "d"); err != nil {
			t.Fatal(err)
		}
		if n, err := tx.exec(ctx, `UPDATE changes SET scope = scope WHERE created_at = 1`); n != 4 || err != nil {
			t.Errorf("%d rows, %v; want 4", n, err)
		}
		if err := errors.Join(tx.later(ctx, nil, addUnit, "e"), tx.commit(ctx)); err != nil {
			t.Fatal(err)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM changes WHERE created_at = 1`); n != 5 {
			t.Errorf("%d rows were committed, want 5", n)
		}
		if _, err := tx.query(ctx, allUnits); !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("after the end: got %v, want ErrTxDone", err)
		}
	})
}

// TestWhatFailsLaterCommitsNothing: also when nobody looks at an error.
func TestWhatFailsLaterCommitsNothing(t *testing.T) {
	const impossible = `INSERT INTO changes (scope, created_at) VALUES (NULL, 1)`
	for name, end := range map[string]func(ctx context.Context, tx transaction) error{
		"commit": func(ctx context.Context, tx transaction) error { return tx.commit(ctx) },
		"flush":  func(ctx context.Context, tx transaction) error { return errors.Join(tx.flush(ctx), tx.commit(ctx)) },
		"query": func(ctx context.Context, tx transaction) error {
			_, err := collect(ctx, tx, scanText, allUnits)
			return errors.Join(err, tx.commit(ctx))
		},
		"exec": func(ctx context.Context, tx transaction) error {
			_, err := tx.exec(ctx, addUnit, "c")
			return errors.Join(err, tx.commit(ctx))
		},
		"take": func(ctx context.Context, tx transaction) error {
			return errors.Join(tx.later(ctx, func(rows) error { return errAnswered }, allUnits), tx.commit(ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := migrated(t, "postgres")
			tx, ctx := begun(t, db), t.Context()
			if err := errors.Join(tx.later(ctx, nil, addUnit, "a"), tx.later(ctx, nil, impossible)); err != nil {
				t.Fatal(err)
			}
			if err := end(ctx, tx); err == nil {
				t.Error("it was committed")
			}
			tx.rollback()
			if n := number(t, db, `SELECT COUNT(*) FROM changes WHERE created_at = 1`); n != 0 {
				t.Errorf("%d rows were committed", n)
			}
			if !givenBack(db) {
				t.Errorf("%d connections were kept", db.write.Stats().InUse)
			}
		})
	}
}

// TestCancelledTransactionKeepsNothing: a caller who goes away in the middle
// leaves neither a lock nor a connection behind, and the next gets one that
// works.
func TestCancelledTransactionKeepsNothing(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		for _, statement := range []string{allUnits, ``} {
			ctx, cancel := context.WithCancel(t.Context())
			err := db.change(ctx, alice, Organization("org-a"), func(tx *Tx) error {
				if err := tx.t.later(ctx, nil, addUnit, "a"); err != nil {
					return err
				}
				cancel()
				if statement == "" {
					return ctx.Err()
				}
				_, err := collect(ctx, tx.q, scanText, statement)
				return err
			})
			if err == nil {
				t.Error("a cancelled change was answered")
			}
			if !givenBack(db) {
				t.Errorf("%d connections were kept", db.write.Stats().InUse)
			}
			if n := number(t, db, `SELECT COUNT(*) FROM changes WHERE created_at = 1`); n != 0 {
				t.Errorf("%d rows were committed", n)
			}
			if err := db.change(t.Context(), alice, Organization("org-a"), func(*Tx) error { return nil }); err != nil {
				t.Error(err)
			}
		}
	})
}

// givenBack waits for every connection to be free again: database/sql ends a
// cancelled transaction beside whoever began it, who may hear of the end first.
func givenBack(db *DB) bool {
	for begun := time.Now(); db.write.Stats().InUse > 0; runtime.Gosched() {
		if time.Since(begun) > hang {
			return false
		}
	}
	return true
}

// TestQueryOutsideKeepsNothing: whatever becomes of a query outside of a
// transaction, its connection goes back once, and the next one works.
func TestQueryOutsideKeepsNothing(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		raw(t, db, addUnit, "a")
		raw(t, db, addUnit, "b")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for name, c := range map[string]struct {
			ctx  context.Context
			fail bool
			ask  func(ctx context.Context, r *Read) error
		}{
			"all rows": {ctx: t.Context(), ask: func(ctx context.Context, r *Read) error {
				_, err := collect(ctx, r.q, scanText, allUnits)
				return err
			}},
			"the first of some": {ctx: t.Context(), ask: func(ctx context.Context, r *Read) error {
				_, err := one(ctx, r.q, scanText, allUnits)
				return err
			}},
			"none": {ctx: t.Context(), fail: true, ask: func(ctx context.Context, r *Read) error {
				_, err := one(ctx, r.q, scanText, allUnits+` LIMIT 0`)
				return err
			}},
			"closed twice": {ctx: t.Context(), ask: func(ctx context.Context, r *Read) error {
				rows, err := r.q.query(ctx, allUnits)
				if err != nil {
					return err
				}
				return errors.Join(rows.Close(), rows.Close())
			}},
			"a row of another kind": {ctx: t.Context(), fail: true, ask: func(ctx context.Context, r *Read) error {
				_, err := collect(ctx, r.q, scanInt, allUnits)
				return err
			}},
			"no statement": {ctx: t.Context(), fail: true, ask: func(ctx context.Context, r *Read) error {
				_, err := collect(ctx, r.q, scanText, `SELECT nothing FROM nowhere`)
				return err
			}},
			"no argument": {ctx: t.Context(), fail: true, ask: func(ctx context.Context, r *Read) error {
				_, err := collect(ctx, r.q, scanText, allUnits, struct{}{})
				return err
			}},
			"the caller has gone": {ctx: gone, fail: true, ask: func(ctx context.Context, r *Read) error {
				_, err := collect(ctx, r.q, scanText, allUnits)
				return err
			}},
		} {
			if err := db.Once(func(r *Read) error { return c.ask(c.ctx, r) }); (err != nil) != c.fail {
				t.Errorf("%s: got %v", name, err)
			}
			if !givenBack(db) {
				t.Fatalf("%s: %d connections were kept", name, db.write.Stats().InUse)
			}
			if n := number(t, db, `SELECT COUNT(*) FROM changes WHERE created_at = 1`); n != 2 {
				t.Errorf("after %s: %d rows", name, n)
			}
		}
	})
}
