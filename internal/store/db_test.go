package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport/sallyport/internal/identity"
)

// hang bounds waits that only a broken program would sit out.
const hang = time.Minute

func nameOfA(r *Read, ctx context.Context) (string, error) {
	o, err := r.Organization(ctx, "org-a")
	return o.Name, err
}

func rename(name string) func(ctx context.Context, tx *Tx) error {
	return func(ctx context.Context, tx *Tx) error {
		return tx.SetOrganizationName(ctx, organization("org-a"), name, "business")
	}
}

func TestAUD01ChangeWithoutEventIsRolledBack(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		db.Changed = func(scopes []string) { t.Errorf("caches were told of %v", scopes) }
		before := number(t, db, `SELECT COUNT(*) FROM changes`)
		err := db.Update(t.Context(), alice, Organization("org-a"), func(tx *Tx) error { return rename("Silent")(t.Context(), tx) })
		if !errors.Is(err, ErrNoEvent) {
			t.Errorf("got %v, want ErrNoEvent", err)
		}
		// A refusal is an event, but not one of a change.
		err = db.Update(t.Context(), alice, Organization("org-a"), func(tx *Tx) error {
			return errors.Join(rename("Silent")(t.Context(), tx), tx.RecordRefusal(t.Context(), identity.Event{Action: "access_refused", Outcome: identity.Refused}))
		})
		if !errors.Is(err, ErrNoEvent) {
			t.Errorf("with a refusal alone: got %v, want ErrNoEvent", err)
		}
		if got := read(t, db, nameOfA); got != "Name of org-a" {
			t.Errorf("the name is %q after the roll-back", got)
		}
		if after := number(t, db, `SELECT COUNT(*) FROM changes`); after != before {
			t.Errorf("%d entries of the change log are left", after-before)
		}
	})
}

// refuseEvents makes every insert into the audit log fail.
func refuseEvents(t *testing.T, db *DB) {
	t.Helper()
	if db.Engine() == "sqlite" {
		raw(t, db, `CREATE TRIGGER full_log BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'the log is full'); END`)
		return
	}
	raw(t, db, `CREATE FUNCTION full_log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the log is full'; END $$;
		CREATE TRIGGER full_log BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION full_log()`)
}

func TestAUD01ChangeFailsWithItsEvent(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		refuseEvents(t, db)
		if err := update(t.Context(), db, rename("Untraced")); err == nil || !strings.Contains(err.Error(), "the log is full") {
			t.Errorf("got %v, want the error of the log", err)
		}
		// Even when the closure swallows the error, which on PostgreSQL only the
		// commit hears of.
		err := db.Update(t.Context(), alice, Organization("org-a"), func(tx *Tx) error {
			if err := rename("Untraced")(t.Context(), tx); err != nil {
				return err
			}
			_ = tx.Record(t.Context(), identity.Event{Action: "renamed"})
			return nil
		})
		if err == nil {
			t.Error("a change was committed without its event")
		}
		if got := read(t, db, nameOfA); got != "Name of org-a" {
			t.Errorf("the name is %q after the roll-back", got)
		}
	})
}

func TestClosureErrorRollsBack(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		events := number(t, db, `SELECT COUNT(*) FROM events`)
		want := identity.Forbiddenf("nope", "not today")
		err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(rename("Half")(ctx, tx), tx.Record(ctx, identity.Event{Action: "renamed"}), want)
		})
		wantKind(t, err, identity.Forbidden, "nope")
		if got := read(t, db, nameOfA); got != "Name of org-a" {
			t.Errorf("the name is %q after the roll-back", got)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM events`); n != events {
			t.Errorf("%d events are left", n-events)
		}
	})
}

func TestPanicRollsBackAndFreesTheWriter(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		func() {
			defer func() { _ = recover() }()
			change(t, db, func(ctx context.Context, tx *Tx) error {
				if err := rename("Half")(ctx, tx); err != nil {
					return err
				}
				panic("a bug")
			})
		}()
		if got := read(t, db, nameOfA); got != "Name of org-a" {
			t.Errorf("the name is %q after the panic", got)
		}
		change(t, db, rename("After"))
	})
}

func TestViewSeesOneMoment(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		err := db.View(t.Context(), func(r *Read) error {
			before, err := nameOfA(r, t.Context())
			if err != nil {
				return err
			}
			change(t, db, rename("New"))
			after, err := nameOfA(r, t.Context())
			if before != after {
				t.Errorf("one view saw %q, then %q", before, after)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, db, nameOfA); got != "New" {
			t.Errorf("the next view sees %q", got)
		}
	})
}

func TestReadsCannotWrite(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		err := db.View(t.Context(), func(r *Read) error {
			_, err := r.q.exec(t.Context(), `DELETE FROM projects`)
			return err
		})
		if err == nil {
			t.Error("a view deleted rows")
		}
	})
}

func TestCachesAreToldBeforeTheAnswer(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		var told [][]string
		db.Changed = func(scopes []string) {
			told = append(told, scopes)
			if got := read(t, db, nameOfA); got != "New" {
				t.Errorf("caches were told before the commit: the name is still %q", got)
			}
		}
		err := db.Update(t.Context(), alice, Organization("org-a").And(User("u-bob")), func(tx *Tx) error {
			tx.Touch(User("u-eve"), User("u-bob"), Installation())
			return errors.Join(rename("New")(t.Context(), tx), tx.Record(t.Context(), identity.Event{Action: "renamed"}))
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"installation", "organization:org-a", "user:u-bob", "user:u-eve"}
		if len(told) != 1 || !slices.Equal(told[0], want) {
			t.Errorf("caches were told %v, want once %v", told, want)
		}
		told = nil
		err = db.Update(t.Context(), alice, User("u-bob"), func(tx *Tx) error {
			return tx.RecordRefusal(t.Context(), identity.Event{Action: "access_refused", Outcome: identity.Refused})
		})
		if err != nil || told != nil {
			t.Errorf("a refusal: error %v, caches were told %v, want neither", err, told)
		}
		maintain(t, db, func(ctx context.Context, tx *Tx) error { return tx.Rehash(ctx, "u-bob", "a", "b") })
		if told != nil {
			t.Errorf("housekeeping: caches were told %v", told)
		}
	})
}

func TestEventsNeedAScope(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		err := db.Maintain(t.Context(), func(tx *Tx) error { return tx.Record(t.Context(), identity.Event{Action: "changed"}) })
		if err == nil {
			t.Error("an event without a chain was stored")
		}
	})
}

// Each change reads a number and writes the next one.
func TestWritersOfOneScopeQueue(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		const writers = 64
		atOnce(writers, func(int) {
			err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
				o, err := tx.Organization(ctx, "org-a")
				if err != nil {
					return err
				}
				n, _ := strconv.Atoi(o.Tier)
				return tx.SetOrganizationName(ctx, o, o.Name, strconv.Itoa(n+1))
			})
			if err != nil {
				t.Error(err)
			}
		})
		o := read(t, db, func(r *Read, ctx context.Context) (identity.Organization, error) { return r.Organization(ctx, "org-a") })
		if o.Tier != strconv.Itoa(writers) {
			t.Errorf("%d changes counted to %s", writers, o.Tier)
		}
		if _, err := tryRead(t, db, (*Read).VerifyEvents); err != nil {
			t.Error(err)
		}
	})
}

func TestWritersOfDifferentScopesDoNotMeet(t *testing.T) {
	db := migrated(t, "postgres")
	town(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	var inside sync.WaitGroup
	inside.Add(2)
	both := make(chan struct{})
	go func() {
		inside.Wait()
		close(both)
	}()
	atOnce(2, func(i int) {
		scope := []Scope{Organization("org-a"), Organization("org-b")}[i]
		err := db.Update(ctx, alice, scope, func(tx *Tx) error {
			if err := tx.Record(ctx, identity.Event{Action: "changed"}); err != nil {
				return err
			}
			inside.Done()
			select {
			case <-both:
				return nil
			case <-ctx.Done():
				return errors.New("the other scope's writer is not let in")
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// Two changes take the same two scopes in opposite order.
func TestScopesAreTakenInOneOrder(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		var attempts atomic.Int64
		atOnce(32, func(i int) {
			scope := Organization("org-a").And(Organization("org-b"))
			if i%2 == 1 {
				scope = Organization("org-b").And(Organization("org-a"))
			}
			err := db.Update(t.Context(), alice, scope, func(tx *Tx) error {
				attempts.Add(1)
				return tx.Record(t.Context(), identity.Event{Action: "changed"})
			})
			if err != nil {
				t.Error(err)
			}
		})
		if n := attempts.Load(); n != 32 {
			t.Errorf("32 changes took %d attempts: they met in a deadlock", n)
		}
	})
}

// Two changes of different scopes write the same rows in opposite order. The
// one that PostgreSQL ends runs again.
func TestDeadlockedChangeRunsAgain(t *testing.T) {
	db := migrated(t, "postgres")
	town(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	var first sync.WaitGroup
	first.Add(2)
	var attempts atomic.Int64
	users := []string{"u-alice", "u-bob"}
	atOnce(2, func(i int) {
		met := false
		err := db.Update(ctx, alice, User(users[i]), func(tx *Tx) error {
			attempts.Add(1)
			if err := errors.Join(tx.VoidTokens(ctx, users[i]), tx.t.flush(ctx)); err != nil {
				return err
			}
			if !met {
				met = true
				first.Done()
				first.Wait()
			}
			return errors.Join(tx.VoidTokens(ctx, users[1-i]), tx.Record(ctx, identity.Event{Action: "changed"}))
		})
		if err != nil {
			t.Error(err)
		}
	})
	// One of the two runs again; on a slow machine it may meet the other twice.
	if n := attempts.Load(); n < 3 || n > 2+maxAttempts {
		t.Errorf("two changes took %d attempts, want 3 or a few more", n)
	}
}

func TestBusyTransactionsRunAgain(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		conflict := &pgconn.PgError{Code: "40001", Message: "could not serialize access"}
		for _, c := range []struct {
			name     string
			conflict int
			attempts int
			ok       bool
		}{
			{"none", 0, 1, true},
			{"one", 1, 2, true},
			{"as many as are borne", maxAttempts - 1, maxAttempts, true},
			{"for ever", 1000, maxAttempts, false},
		} {
			t.Run(c.name, func(t *testing.T) {
				attempts := 0
				err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
					attempts++
					if attempts <= c.conflict {
						return errors.Join(tx.VoidTokens(ctx, "u-bob"), fmt.Errorf("read: %w", conflict))
					}
					return nil
				})
				if attempts != c.attempts {
					t.Errorf("ran %d times, want %d", attempts, c.attempts)
				}
				if c.ok && err != nil {
					t.Error(err)
				}
				if !c.ok {
					wantKind(t, err, identity.Unavailable, "service_unavailable")
				}
			})
		}
	})
}

func TestEndedContextStopsAChange(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		ctx, cancel := context.WithCancel(t.Context())
		err := db.Update(ctx, alice, Organization("org-a"), func(tx *Tx) error {
			defer cancel()
			return errors.Join(rename("Late")(ctx, tx), tx.Record(ctx, identity.Event{Action: "renamed"}))
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		if got := read(t, db, nameOfA); got != "Name of org-a" {
			t.Errorf("the name is %q", got)
		}
	})
}

func TestOnceReadsWithoutATransaction(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		err := db.Once(func(r *Read) error {
			_, err := r.User(t.Context(), "nobody")
			return err
		})
		wantKind(t, err, identity.NotFound, "user_not_found")
		if err := db.Once(func(r *Read) error { _, err := r.User(t.Context(), "u-bob"); return err }); err != nil {
			t.Error(err)
		}
	})
}

func TestNewID(t *testing.T) {
	db := migrated(t, "sqlite")
	db.Rand = bytes.NewReader([]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab})
	id, err := db.NewID("org")
	if id != "org0123456789a" || err != nil {
		t.Errorf("got %q, %v", id, err)
	}
	if id, err := db.NewID("org"); id != "" || err == nil {
		t.Errorf("without randomness: got %q, %v, want an error", id, err)
	}
}
