package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

var errGuarded = errors.New("guarded")

// asked are the organizations that the guard is asked about while fn runs.
func asked(db *DB, fn func() error) (ids []string, err error) {
	db.Guard = func(_ context.Context, _ *Tx, id string) error {
		ids = append(ids, id)
		return nil
	}
	defer func() { db.Guard = nil }()
	return ids, fn()
}

// The guard hears of the organizations that have a say: of one that changes
// something itself, of that one; of what people do to themselves, of all of
// theirs; of background work and of the operator, of none.
func TestWhomTheGuardIsAskedAbout(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddMember(ctx, "org-b", "u-alice", false) })
		person, operator, system := alice, identity.Actor{Kind: identity.ActorOperator}, identity.Actor{Kind: identity.ActorSystem}
		password := func(ctx context.Context, tx *Tx) error { return tx.RemovePassword(ctx, "u-alice") }
		leave := func(ctx context.Context, tx *Tx) error { return tx.RemoveMember(ctx, "org-b", "u-bob") }
		for _, c := range []struct {
			name  string
			actor identity.Actor
			scope Scope
			work  func(context.Context, *Tx) error
			want  []string
		}{
			{"what people do to themselves", person, User("u-alice"), password, []string{"org-a", "org-b"}},
			{"what one organization does to them", person, Organization("org-b").And(User("u-alice")), password, []string{"org-b"}},
			{"what one organization does to another", person, Organization("org-a"), leave, nil},
			{"its own members", person, Organization("org-b"), leave, []string{"org-b"}},
			{"the policy", person, Organization("org-a"), func(ctx context.Context, tx *Tx) error {
				return errors.Join(tx.SetPolicy(ctx, "org-a", "{}", "changed"), tx.SetPolicy(ctx, "org-a", "{}", "changed"))
			}, []string{"org-a"}},
			{"a consequence that was accepted", person, Organization("org-a"), func(ctx context.Context, tx *Tx) error {
				tx.AcceptLockout()
				return tx.SetPolicy(ctx, "org-a", "{}", "changed")
			}, nil},
			{"a profile", person, User("u-alice"), func(ctx context.Context, tx *Tx) error {
				return tx.SetProfile(ctx, identity.User{ID: "u-alice", RealName: "Alice"})
			}, nil},
			{"the operator", operator, User("u-alice"), password, nil},
			{"background work", system, User("u-alice"), password, nil},
		} {
			got, err := asked(db, func() error {
				return db.Update(t.Context(), c.actor, c.scope, func(tx *Tx) error {
					if err := c.work(t.Context(), tx); err != nil {
						return err
					}
					return tx.Record(t.Context(), identity.Event{Action: "changed", OrganizationID: "org-a"})
				})
			})
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s: asked about %q, want %q; %v", c.name, got, c.want, err)
			}
		}
	})
}

// What the guard refuses has not happened, and of two changes that each take
// one of two ways the second sees the first.
func TestOfTwoChangesTheGuardSeesTheFirst(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.SetSuperAdmin(ctx, "org-a", "u-bob", true), tx.SetPassword(ctx, "u-alice", "x"), tx.SetPassword(ctx, "u-bob", "x"))
		})
		var counted atomic.Int32
		db.Guard = func(ctx context.Context, tx *Tx, id string) error {
			n, err := one(ctx, tx.q, scanInt, `SELECT COUNT(*) FROM passwords p JOIN memberships m ON m.user_id = p.user_id WHERE m.organization_id = $1`, id)
			if err == nil && n == 0 {
				err = errGuarded
			}
			// Until the other one has counted too, or waits for this one.
			for counted.Add(1); db.Engine() == "postgres" && counted.Load() < 2 && err == nil; {
				waiting, failed := one(ctx, db.read, scanInt, `SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)
				if failed != nil || waiting > 0 {
					return failed
				}
			}
			return err
		}
		var done, refused atomic.Int32
		users := []string{"u-alice", "u-bob"}
		var removed sync.WaitGroup // in both transactions, where two can write
		removed.Add(len(users))
		atOnce(len(users), func(i int) {
			err := db.Update(context.Background(), alice, User(users[i]), func(tx *Tx) error {
				if err := tx.RemovePassword(context.Background(), users[i]); err != nil {
					return err
				}
				if db.Engine() == "postgres" {
					removed.Done()
					removed.Wait()
				}
				return tx.Record(context.Background(), identity.Event{Action: "changed"})
			})
			switch {
			case err == nil:
				done.Add(1)
			case errors.Is(err, errGuarded):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
		if done.Load() != 1 || refused.Load() != 1 {
			t.Errorf("%d changes were made and %d refused, want one of each", done.Load(), refused.Load())
		}
		left := read(t, db, func(r *Read, ctx context.Context) (n int64, err error) {
			return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM passwords`)
		})
		if left != 1 {
			t.Errorf("%d passwords are left, want 1", left)
		}
	})
}

// A rehearsal shows the worlds before and after, and leaves nothing behind.
func TestARehearsalLeavesNothing(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		var before, after World
		changed := false
		db.Changed = func([]string) { changed = true }
		trial := db.Rehearsal("org-a", &before, &after)
		work := func(fail error) error {
			return update(t.Context(), trial, func(ctx context.Context, tx *Tx) error {
				return errors.Join(tx.RemoveMember(ctx, "org-a", "u-bob"), fail)
			})
		}
		if err := work(nil); err != nil {
			t.Fatal(err)
		}
		if before.Resident("u-bob") == nil || after.Resident("u-bob") != nil {
			t.Errorf("before %+v, after %+v", before.Resident("u-bob"), after.Resident("u-bob"))
		}
		if err := work(errGuarded); !errors.Is(err, errGuarded) {
			t.Errorf("a use case that fails says %v", err)
		}
		if err := trial.Update(t.Context(), alice, User("u-bob"), func(tx *Tx) error { return tx.RemovePassword(t.Context(), "u-bob") }); !errors.Is(err, ErrNoEvent) {
			t.Errorf("one that records nothing says %v", err)
		}
		if err := trial.Maintain(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, errNotRehearsed) {
			t.Errorf("housekeeping says %v", err)
		}
		now := read(t, db, func(r *Read, ctx context.Context) (World, error) { return r.World(ctx, "org-a") })
		if now.Resident("u-bob") == nil || changed {
			t.Errorf("bob is %+v afterwards, caches were told: %t", now.Resident("u-bob"), changed)
		}
	})
}
