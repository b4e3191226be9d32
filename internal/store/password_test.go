package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

func password(tb testing.TB, db *DB, user string) string {
	tb.Helper()
	return read(tb, db, func(r *Read, ctx context.Context) (string, error) { return r.Password(ctx, user) })
}

func codeOwner(tb testing.TB, db *DB, hash, purpose string) (string, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (string, error) { return r.CodeOwner(ctx, hash, purpose) })
}

func useCode(tb testing.TB, db *DB, hash, purpose string) (owner string, err error) {
	tb.Helper()
	err = db.Maintain(tb.Context(), func(tx *Tx) (err error) {
		owner, err = tx.UseCode(tb.Context(), hash, purpose)
		return err
	})
	return owner, err
}

func TestPasswords(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		now := start.Truncate(time.Microsecond)
		since := func(phc string, chosen time.Time) {
			t.Helper()
			if got := password(t, db, "u-bob"); got != phc {
				t.Errorf("the password is %q, want %q", got, phc)
			}
			err := db.View(t.Context(), func(r *Read) error {
				got, at, err := r.PasswordSince(t.Context(), "u-bob")
				if got != phc || !at.Equal(chosen) {
					t.Errorf("the password is %q since %v, want %q since %v", got, at, phc, chosen)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
		set := func(user, phc string) {
			t.Helper()
			change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetPassword(ctx, user, phc) })
		}
		rehash := func(from, to string) {
			t.Helper()
			maintain(t, db, func(ctx context.Context, tx *Tx) error { return tx.Rehash(ctx, "u-bob", from, to) })
		}
		since("", time.Time{})
		set("u-bob", "one")
		set("u-eve", "one")
		since("one", now)
		c.add(time.Hour)
		rehash("one", "one, stronger")
		since("one, stronger", now)
		set("u-bob", "two")
		since("two", now.Add(time.Hour))
		rehash("one, stronger", "one, much stronger")
		since("two", now.Add(time.Hour))
		if got := password(t, db, "u-eve"); got != "one" {
			t.Errorf("eve's password is %q", got)
		}
	})
}

func TestNewPasswordEndsCodesAndDevices(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			later := tx.Now.Add(time.Hour)
			return errors.Join(tx.AddCode(ctx, "bobs", "p", "u-bob", later), tx.AddDevice(ctx, "bobs", "", "u-bob", later),
				tx.AddCode(ctx, "eves", "p", "u-eve", later), tx.AddDevice(ctx, "eves", "", "u-eve", later))
		})
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetPassword(ctx, "u-bob", "new") })
		for hash, want := range map[string]int64{"bobs": 0, "eves": 1} {
			if n := number(t, db, `SELECT COUNT(*) FROM one_time_codes WHERE hash = $1`, hash); n != want {
				t.Errorf("%s codes: %d, want %d", hash, n, want)
			}
			if n := number(t, db, `SELECT COUNT(*) FROM known_devices WHERE hash = $1`, hash); n != want {
				t.Errorf("%s devices: %d, want %d", hash, n, want)
			}
		}
	})
}

func TestOneTimeCodes(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		add := func(hash, purpose, user string) {
			t.Helper()
			change(t, db, func(ctx context.Context, tx *Tx) error {
				return tx.AddCode(ctx, hash, purpose, user, tx.Now.Add(time.Hour))
			})
		}
		bad := func(name, hash, purpose string) {
			t.Helper()
			if _, err := codeOwner(t, db, hash, purpose); err == nil {
				t.Errorf("%s: it has an owner", name)
			} else {
				wantKind(t, err, identity.Invalid, "user_weblink_action_expired")
			}
			_, err := useCode(t, db, hash, purpose)
			wantKind(t, err, identity.Invalid, "user_weblink_action_expired")
		}
		add("h1", "reset", "u-bob")
		add("h2", "verify", "u-bob")
		add("h3", "reset", "u-eve")
		bad("unknown", "h0", "reset")
		bad("another purpose", "h1", "verify")
		for range 2 {
			if owner, err := codeOwner(t, db, "h1", "reset"); owner != "u-bob" || err != nil {
				t.Errorf("the owner is %q, %v", owner, err)
			}
		}
		add("h4", "reset", "u-bob")
		bad("replaced", "h1", "reset")
		if owner, err := useCode(t, db, "h4", "reset"); owner != "u-bob" || err != nil {
			t.Errorf("used by %q, %v", owner, err)
		}
		bad("used", "h4", "reset")
		if owner, err := useCode(t, db, "h2", "verify"); owner != "u-bob" || err != nil {
			t.Errorf("a code of another purpose: %q, %v", owner, err)
		}
		c.add(time.Hour)
		bad("expired at this microsecond", "h3", "reset")
	})
}

// rounds is how often each race is run.
const rounds = 5

// wantOneWinner calls fn 64 times at once, over some rounds. The callers hold
// no common scope: the statement alone must decide.
func wantOneWinner(t *testing.T, fn func(round int) (won bool, err error)) {
	t.Helper()
	const callers = 64
	for round := range rounds {
		var winners atomic.Int64
		atOnce(callers, func(int) {
			won, err := fn(round)
			if err != nil {
				t.Error(err)
			}
			if won {
				winners.Add(1)
			}
		})
		if n := winners.Load(); n != 1 {
			t.Fatalf("round %d: %d of %d had success, want 1", round, n, callers)
		}
	}
}

func TestCON01CodeIsUsedOnce(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			var err error
			for round := range rounds {
				err = errors.Join(err, tx.AddCode(ctx, fmt.Sprint("hash", round), fmt.Sprint("purpose", round), "u-bob", tx.Now.Add(time.Hour)))
			}
			return err
		})
		wantOneWinner(t, func(round int) (bool, error) {
			owner, err := useCode(t, db, fmt.Sprint("hash", round), fmt.Sprint("purpose", round))
			if errors.Is(err, NoCode()) {
				return false, nil
			}
			return owner == "u-bob", err
		})
	})
}

func TestCON01TOTPStepIsAcceptedOnce(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		setTOTP(t, db, "u-bob", "sealed", 100)
		wantOneWinner(t, func(round int) (won bool, err error) {
			err = db.Maintain(t.Context(), func(tx *Tx) (err error) {
				won, err = tx.AcceptTOTPStep(t.Context(), "u-bob", int64(101+round))
				return err
			})
			return won, err
		})
	})
}

func TestCON01OfferedAuthenticatorIsTakenOnce(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		users := []string{"u-alice", "u-bob", "u-eve", "u-app", "u-zoe"}
		change(t, db, func(ctx context.Context, tx *Tx) error {
			err := tx.AddUser(ctx, person("u-zoe", "zoe@a.example"))
			for _, user := range users {
				err = errors.Join(err, tx.OfferTOTP(ctx, user, "sealed", tx.Now.Add(time.Hour)))
			}
			return err
		})
		wantOneWinner(t, func(round int) (won bool, err error) {
			err = db.Maintain(t.Context(), func(tx *Tx) (err error) {
				won, err = tx.SetTOTP(t.Context(), users[round], "sealed", 1)
				return err
			})
			return won, err
		})
	})
}

func setTOTP(tb testing.TB, db *DB, user, sealed string, step int64) {
	tb.Helper()
	change(tb, db, func(ctx context.Context, tx *Tx) error {
		if err := tx.OfferTOTP(ctx, user, sealed, tx.Now.Add(time.Hour)); err != nil {
			return err
		}
		ok, err := tx.SetTOTP(ctx, user, sealed, step)
		if !ok {
			tb.Error("the offer was not there")
		}
		return err
	})
}

func totp(tb testing.TB, db *DB, user string) (sealed string, step int64) {
	tb.Helper()
	err := db.View(tb.Context(), func(r *Read) (err error) {
		sealed, step, err = r.TOTPSecret(tb.Context(), user)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return sealed, step
}

func TestMFA01StepsOnlyMoveForward(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		setTOTP(t, db, "u-bob", "sealed", 100)
		for _, c := range []struct {
			user string
			step int64
			want bool
		}{
			{"u-bob", 100, false},
			{"u-bob", 99, false},
			{"u-bob", 101, true},
			{"u-bob", 101, false},
			{"u-bob", 100, false},
			{"u-bob", 103, true},
			{"u-bob", 102, false},
			{"u-eve", 200, false}, // has no authenticator
		} {
			maintain(t, db, func(ctx context.Context, tx *Tx) error {
				got, err := tx.AcceptTOTPStep(ctx, c.user, c.step)
				if got != c.want {
					t.Errorf("%s, step %d: accepted %v, want %v", c.user, c.step, got, c.want)
				}
				return err
			})
		}
		if sealed, step := totp(t, db, "u-bob"); sealed != "sealed" || step != 103 {
			t.Errorf("got %q, step %d", sealed, step)
		}
	})
}

func TestTOTPIsOfferedThenSet(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		offer := func() string {
			t.Helper()
			return read(t, db, func(r *Read, ctx context.Context) (string, error) { return r.TOTPOffer(ctx, "u-bob") })
		}
		makeOffer := func(sealed string) {
			t.Helper()
			change(t, db, func(ctx context.Context, tx *Tx) error {
				return tx.OfferTOTP(ctx, "u-bob", sealed, tx.Now.Add(time.Hour))
			})
		}
		if sealed, step := totp(t, db, "u-bob"); sealed != "" || step != 0 || offer() != "" {
			t.Errorf("without a factor: %q, %d", sealed, step)
		}
		makeOffer("one")
		makeOffer("two")
		if got := offer(); got != "two" {
			t.Errorf("the offer is %q", got)
		}
		if sealed, _ := totp(t, db, "u-bob"); sealed != "" {
			t.Errorf("an offer is a factor already: %q", sealed)
		}
		c.add(time.Hour)
		if got := offer(); got != "" {
			t.Errorf("an expired offer is %q", got)
		}
		setTOTP(t, db, "u-bob", "three", 7)
		if sealed, step := totp(t, db, "u-bob"); sealed != "three" || step != 7 {
			t.Errorf("the factor is %q at step %d", sealed, step)
		}
		maintain(t, db, func(ctx context.Context, tx *Tx) error {
			if ok, err := tx.SetTOTP(ctx, "u-bob", "four", 1); ok || err != nil {
				t.Errorf("an offer was used twice: %v, %v", ok, err)
			}
			return nil
		})
		if sealed, _ := totp(t, db, "u-bob"); sealed != "three" {
			t.Errorf("the factor became %q", sealed)
		}
		setTOTP(t, db, "u-bob", "five", 9)
		if sealed, step := totp(t, db, "u-bob"); sealed != "five" || step != 9 {
			t.Errorf("the new factor is %q at step %d", sealed, step)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.RemoveTOTP(ctx, "u-bob") })
		if sealed, _ := totp(t, db, "u-bob"); sealed != "" {
			t.Errorf("a removed factor is %q", sealed)
		}
	})
}
