package store

import (
	"context"
	"fmt"
	"testing"
)

func setRecoveryCodes(tb testing.TB, db *DB, user string, hashes ...string) {
	tb.Helper()
	change(tb, db, func(ctx context.Context, tx *Tx) error { return tx.SetRecoveryCodes(ctx, user, hashes) })
}

func useRecoveryCode(tb testing.TB, db *DB, user, hash string) (ok bool) {
	tb.Helper()
	maintain(tb, db, func(ctx context.Context, tx *Tx) (err error) {
		ok, err = tx.UseRecoveryCode(ctx, user, hash)
		return err
	})
	return ok
}

func TestMFA09_RecoveryCodesAreTheUsersOwn(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		left := func(user string, want int64) {
			t.Helper()
			n := read(t, db, func(r *Read, ctx context.Context) (int64, error) { return r.RecoveryCodesLeft(ctx, user) })
			if n != want {
				t.Errorf("%s has %d codes, want %d", user, n, want)
			}
		}
		left("u-bob", 0)
		setRecoveryCodes(t, db, "u-bob", "b1", "b2", "same")
		setRecoveryCodes(t, db, "u-eve", "e1", "same")
		for _, use := range []struct {
			user, hash string
			want       bool
		}{
			{"u-eve", "b1", false},
			{"u-bob", "e1", false},
			{"u-bob", "", false},
			{"u-bob", "b1", true},
			{"u-bob", "b1", false},
			{"u-bob", "same", true},
			{"u-eve", "same", true},
		} {
			if ok := useRecoveryCode(t, db, use.user, use.hash); ok != use.want {
				t.Errorf("%s, %q: %v, want %v", use.user, use.hash, ok, use.want)
			}
		}
		left("u-bob", 1)
		setRecoveryCodes(t, db, "u-bob", "n1", "n2")
		left("u-bob", 2)
		if useRecoveryCode(t, db, "u-bob", "b2") {
			t.Error("renewing left an old code")
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.RemoveRecoveryCodes(ctx, "u-bob") })
		left("u-bob", 0)
		left("u-eve", 1)
	})
}

func TestMFA09_RecoveryCodeIsUsedOnce(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		hashes := make([]string, rounds)
		for round := range hashes {
			hashes[round] = fmt.Sprint("h", round)
		}
		setRecoveryCodes(t, db, "u-bob", hashes...)
		wantOneWinner(t, func(round int) (ok bool, err error) {
			err = db.Maintain(t.Context(), func(tx *Tx) (err error) {
				ok, err = tx.UseRecoveryCode(t.Context(), "u-bob", hashes[round])
				return err
			})
			return ok, err
		})
	})
}
