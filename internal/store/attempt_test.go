package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// attempt is one in which bob has given his password.
func attempt(id string, expires time.Time) identity.Attempt {
	return identity.Attempt{
		ID: id, Purpose: identity.AttemptLogin, Step: "factor", Email: "bob@a.example", UserID: "u-bob", Session: "sps_bob00000",
		Authentication: policy.Authentication{Method: policy.MethodPassword, Provider: "p", ProviderOrganization: "o", At: start.UTC().Truncate(time.Microsecond)},
		Identity:       "uam1", State: "state of " + id, Sealed: "sealed", Next: "/profile", Device: "device", Client: identity.ClientBrowser, Tries: 2, Expires: expires,
	}
}

func addAttempts(tb testing.TB, db *DB, list ...identity.Attempt) {
	tb.Helper()
	maintain(tb, db, func(ctx context.Context, tx *Tx) (err error) {
		for _, a := range list {
			err = errors.Join(err, tx.AddAttempt(ctx, a))
		}
		return err
	})
}

func attemptOf(tb testing.TB, db *DB, id string) (identity.Attempt, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.Attempt, error) { return r.Attempt(ctx, id) })
}

func attemptByState(tb testing.TB, db *DB, state string) (identity.Attempt, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.Attempt, error) { return r.AttemptByState(ctx, state) })
}

func wantNoAttempt(tb testing.TB, _ identity.Attempt, err error) {
	tb.Helper()
	wantKind(tb, err, identity.Invalid, "login_attempt_expired")
}

func changeAttempt(tb testing.TB, db *DB, a identity.Attempt) (ok bool) {
	tb.Helper()
	maintain(tb, db, func(ctx context.Context, tx *Tx) (err error) {
		ok, err = tx.ChangeAttempt(ctx, a)
		return err
	})
	return ok
}

func endOf(tb testing.TB, db *DB, id string, version int64) (ok bool) {
	tb.Helper()
	maintain(tb, db, func(ctx context.Context, tx *Tx) (err error) {
		ok, err = tx.EndAttempt(ctx, id, version)
		return err
	})
	return ok
}

func TestAttemptRoundTrip(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		now := start.Truncate(time.Microsecond)
		want := attempt("one", now.Add(10*time.Minute))
		addAttempts(t, db, want, identity.Attempt{ID: "bare", Expires: want.Expires}, identity.Attempt{ID: "bare too", Expires: want.Expires})
		want.Version, want.Created = 1, now
		for name, read := range map[string]func() (identity.Attempt, error){
			"by id":    func() (identity.Attempt, error) { return attemptOf(t, db, "one") },
			"by state": func() (identity.Attempt, error) { return attemptByState(t, db, "state of one") },
		} {
			got, err := read()
			if err != nil {
				t.Fatal(err)
			}
			wantSame(t, name, got, want)
		}
		got, err := attemptOf(t, db, "bare")
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "bare", got, identity.Attempt{ID: "bare", Version: 1, Created: now, Expires: want.Expires})
		for _, id := range []string{"", "nope", "o%"} {
			_, err := attemptOf(t, db, id)
			wantNoAttempt(t, got, err)
			_, err = attemptByState(t, db, id) // two attempts have no state
			wantNoAttempt(t, got, err)
		}
		c.add(10 * time.Minute)
		_, err = attemptOf(t, db, "one")
		wantNoAttempt(t, got, err)
		_, err = attemptByState(t, db, "state of one")
		wantNoAttempt(t, got, err)
	})
}

func TestAttemptsChangeByVersion(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		a := attempt("one", start.Add(10*time.Minute).Truncate(time.Microsecond))
		addAttempts(t, db, a, attempt("two", a.Expires))
		a.Version, a.Created = 1, start.Truncate(time.Microsecond)
		a.Step, a.Email, a.UserID, a.Identity, a.State, a.Sealed, a.Next, a.Device, a.Tries = "choose", "eve@b.example", "u-eve", "pk1", "new", "other", "/tokens", "d2", 3
		a.Authentication = policy.Authentication{Method: policy.MethodPasskey, SecondFactor: true, At: a.Created}
		if !changeAttempt(t, db, a) {
			t.Fatal("the version it has was refused")
		}
		stale := a
		a.Version = 2
		got, err := attemptOf(t, db, "one")
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, "changed", got, a)
		stale.Step = "done"
		if changeAttempt(t, db, stale) || endOf(t, db, "one", 1) {
			t.Error("an older version was changed")
		}
		// Its purpose, session, client and times are for ever.
		other := a
		other.Purpose, other.Session, other.Client, other.Expires = identity.AttemptLink, "x", identity.ClientCommandLine, a.Expires.Add(time.Hour)
		if !changeAttempt(t, db, other) {
			t.Fatal("the second change was refused")
		}
		a.Version = 3
		got, _ = attemptOf(t, db, "one")
		wantSame(t, "changed again", got, a)
		c.add(10 * time.Minute)
		if changeAttempt(t, db, a) || endOf(t, db, "one", 3) {
			t.Error("an expired attempt was changed or ended")
		}
		if n := number(t, db, `SELECT version FROM attempts WHERE id = 'two'`); n != 1 {
			t.Errorf("another attempt has version %d", n)
		}
	})
}

func TestEndedAttemptsHoldNoSecret(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		later := start.Add(time.Hour)
		addAttempts(t, db, attempt("one", later), attempt("two", later), identity.Attempt{ID: "nobodys", Sealed: "kept", Expires: later})
		if !endOf(t, db, "one", 1) || endOf(t, db, "one", 1) || endOf(t, db, "one", 2) {
			t.Error("an attempt ends once")
		}
		for _, user := range []string{"u-eve", ""} {
			maintain(t, db, func(ctx context.Context, tx *Tx) error { return tx.EndAttemptsOf(ctx, user) })
		}
		if _, err := attemptOf(t, db, "two"); err != nil {
			t.Errorf("ended with somebody else's: %v", err)
		}
		maintain(t, db, func(ctx context.Context, tx *Tx) error { return tx.EndAttemptsOf(ctx, "u-bob") })
		for _, id := range []string{"one", "two"} {
			a, err := attemptOf(t, db, id)
			wantNoAttempt(t, a, err)
			a, err = attemptByState(t, db, "state of "+id)
			wantNoAttempt(t, a, err)
			if changeAttempt(t, db, attempt(id, later)) {
				t.Errorf("%s was changed after its end", id)
			}
		}
		if n := number(t, db, `SELECT COUNT(*) FROM attempts WHERE sealed <> '' OR state <> ''`); n != 1 {
			t.Errorf("%d attempts hold a secret, want the one that goes on", n)
		}
	})
}

// A changed credential ends what the old one began; so does leaving the active
// state.
func TestCredentialChangesEndAttempts(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, tx *Tx) error{
		"a new password": func(ctx context.Context, tx *Tx) error { return tx.SetPassword(ctx, "u-bob", "new") },
		"no password":    func(ctx context.Context, tx *Tx) error { return tx.RemovePassword(ctx, "u-bob") },
		"deactivated": func(ctx context.Context, tx *Tx) error {
			return tx.SetUserState(ctx, "u-bob", identity.StateDeactivated)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachTown(t, func(t *testing.T, db *DB) {
				change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetPassword(ctx, "u-bob", "old") })
				eves := attempt("eves", start.Add(time.Hour))
				eves.UserID = "u-eve"
				addAttempts(t, db, attempt("bobs", start.Add(time.Hour)), eves)
				change(t, db, end)
				got, err := attemptOf(t, db, "bobs")
				wantNoAttempt(t, got, err)
				if _, err := attemptOf(t, db, "eves"); err != nil {
					t.Errorf("somebody else's ended: %v", err)
				}
				if name == "no password" && password(t, db, "u-bob") != "" {
					t.Error("the password is there still")
				}
			})
		})
	}
}

func TestMFA05_AttemptEndsOnce(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		for round := range rounds {
			addAttempts(t, db, attempt(fmt.Sprint("a", round), start.Add(time.Hour)))
		}
		wantOneWinner(t, func(round int) (ok bool, err error) {
			err = db.Maintain(t.Context(), func(tx *Tx) (err error) {
				ok, err = tx.EndAttempt(t.Context(), fmt.Sprint("a", round), 1)
				return err
			})
			return ok, err
		})
	})
}

func TestAttemptVersionChangesOnce(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		for round := range rounds {
			addAttempts(t, db, attempt(fmt.Sprint("a", round), start.Add(time.Hour)))
		}
		wantOneWinner(t, func(round int) (ok bool, err error) {
			a := attempt(fmt.Sprint("a", round), time.Time{})
			a.Version = 1
			err = db.Maintain(t.Context(), func(tx *Tx) (err error) {
				ok, err = tx.ChangeAttempt(t.Context(), a)
				return err
			})
			return ok, err
		})
	})
}

func TestCleanUpTakesAttemptsThatAreOver(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		addAttempts(t, db, attempt("over", start.Add(time.Minute)), attempt("ended", start.Add(time.Hour)), attempt("live", start.Add(time.Hour)))
		if !endOf(t, db, "ended", 1) {
			t.Fatal("not ended")
		}
		c.add(time.Minute)
		cleanUp(t, db)
		if n := number(t, db, `SELECT COUNT(*) FROM attempts`); n != 1 {
			t.Errorf("%d attempts are left, want the live one", n)
		}
		if _, err := attemptOf(t, db, "live"); err != nil {
			t.Error(err)
		}
	})
}

// What was proved with an identity or at a provider is worth nothing once that
// is gone, also in logins that are under way (rows SOC-10 and POL-08).
func TestAttemptsEndWithWhatProvedThem(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		later := start.Add(time.Hour)
		proved := func(id, user, identityID, provider string) identity.Attempt {
			a := attempt(id, later)
			a.UserID, a.Identity, a.Authentication.Provider = user, identityID, provider
			return a
		}
		addAttempts(t, db, proved("link", "u-bob", "uam1", "am1"), proved("other link", "u-bob", "uam2", "am2"), proved("passkey", "u-bob", "pk1", ""),
			proved("none", "u-bob", "", ""), proved("of eve", "u-eve", "uam1", ""), proved("eve there", "u-eve", "uam3", "am1"))
		live := func(want ...string) {
			t.Helper()
			got, err := collect(t.Context(), db.read, scanText, `SELECT id FROM attempts WHERE ended_at = 0 ORDER BY id`)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%q go on, %v; want %q", got, err, want)
			}
		}
		revoke := func(fn func(ctx context.Context, tx *Tx) (int64, error)) {
			maintain(t, db, func(ctx context.Context, tx *Tx) error { _, err := fn(ctx, tx); return err })
		}
		revoke(func(ctx context.Context, tx *Tx) (int64, error) { return tx.RevokeTokensOfIdentity(ctx, "u-bob", "") })
		revoke(func(ctx context.Context, tx *Tx) (int64, error) { return tx.RevokeTokensOfProvider(ctx, "") })
		live("eve there", "link", "none", "of eve", "other link", "passkey")
		revoke(func(ctx context.Context, tx *Tx) (int64, error) {
			return tx.RevokeTokensOfIdentity(ctx, "u-bob", "pk1")
		})
		live("eve there", "link", "none", "of eve", "other link")
		revoke(func(ctx context.Context, tx *Tx) (int64, error) {
			return tx.RevokeTokensOfIdentity(ctx, "u-bob", "uam2")
		})
		live("eve there", "link", "none", "of eve")
		revoke(func(ctx context.Context, tx *Tx) (int64, error) { return tx.RevokeTokensOfProvider(ctx, "am1") })
		live("none", "of eve")
	})
}
