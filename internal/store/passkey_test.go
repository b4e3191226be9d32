package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

func passkey(id, user, credential string) identity.Passkey {
	return identity.Passkey{
		ID: id, UserID: user, CredentialID: credential, PublicKey: []byte{0xa5, 1, 2, 0xff}, Name: "laptop 🔑", AAGUID: "a-guid",
		Transports: []string{"internal", "hybrid"}, SignCount: 7, BackupEligible: true, BackedUp: true, UserVerified: true,
	}
}

func addPasskeys(tb testing.TB, db *DB, list ...identity.Passkey) {
	tb.Helper()
	change(tb, db, func(ctx context.Context, tx *Tx) (err error) {
		for _, p := range list {
			err = errors.Join(err, tx.AddPasskey(ctx, p))
		}
		return err
	})
}

func passkeyOf(tb testing.TB, db *DB, user, id string) (identity.Passkey, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.Passkey, error) { return r.Passkey(ctx, user, id) })
}

func hasSecondFactor(tb testing.TB, db *DB, id string) bool {
	tb.Helper()
	u, err := user(tb, db, id)
	if err != nil {
		tb.Fatal(err)
	}
	return u.SecondFactor
}

func TestPasskeyRoundTrip(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		full, bare := passkey("pk-full", "u-bob", "Y3JlZA"), identity.Passkey{ID: "pk-bare", UserID: "u-bob", CredentialID: "YmFyZQ", PublicKey: []byte{1}}
		addPasskeys(t, db, full)
		c.add(time.Second)
		addPasskeys(t, db, bare)
		full.Created = start.Truncate(time.Microsecond)
		bare.Created, bare.Transports = full.Created.Add(time.Second), []string{}
		got := read(t, db, func(r *Read, ctx context.Context) ([]identity.Passkey, error) { return r.Passkeys(ctx, "u-bob") })
		wantSame(t, "bob's", got, []identity.Passkey{full, bare})
		none := read(t, db, func(r *Read, ctx context.Context) ([]identity.Passkey, error) { return r.Passkeys(ctx, "u-eve") })
		wantSame(t, "eve's", none, []identity.Passkey{})
		byCredential := func(id string) (identity.Passkey, error) {
			return tryRead(t, db, func(r *Read, ctx context.Context) (identity.Passkey, error) { return r.PasskeyByCredential(ctx, id) })
		}
		if p, err := byCredential("Y3JlZA"); err != nil || p.ID != "pk-full" {
			t.Errorf("got %+v, %v", p, err)
		}
		for _, id := range []string{"", "nope", "y3jlza"} {
			_, err := byCredential(id)
			wantKind(t, err, identity.NotFound, "passkey_not_found")
		}
		for _, c := range [][2]string{{"u-eve", "pk-full"}, {"u-bob", "nope"}} {
			_, err := passkeyOf(t, db, c[0], c[1])
			wantKind(t, err, identity.NotFound, "passkey_not_found")
			for name, fn := range map[string]func(ctx context.Context, tx *Tx) error{
				"rename": func(ctx context.Context, tx *Tx) error { return tx.RenamePasskey(ctx, c[0], c[1], "x") },
				"remove": func(ctx context.Context, tx *Tx) error { return tx.RemovePasskey(ctx, c[0], c[1]) },
			} {
				t.Log(name)
				wantKind(t, update(t.Context(), db, fn), identity.NotFound, "passkey_not_found")
			}
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.RenamePasskey(ctx, "u-bob", "pk-full", "phone") })
		if p, err := passkeyOf(t, db, "u-bob", "pk-full"); err != nil || p.Name != "phone" {
			t.Errorf("renamed to %q, %v", p.Name, err)
		}
	})
}

// The database decides, not what was read before; a credential id is taken for
// everybody.
func TestPasskeysAreRegisteredOnce(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		addPasskeys(t, db, passkey("pk1", "u-bob", "Ym9i"))
		err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error { return tx.AddPasskey(ctx, passkey("pk2", "u-eve", "Ym9i")) })
		wantKind(t, err, identity.Conflict, "passkey_already_registered")
		wantOneWinner(t, func(round int) (bool, error) {
			id, err := db.NewID("pk")
			if err != nil {
				return false, err
			}
			err = db.Maintain(t.Context(), func(tx *Tx) error {
				return tx.AddPasskey(t.Context(), passkey(id, "u-bob", fmt.Sprint("round", round)))
			})
			return err == nil, unless(err, "passkey_already_registered")
		})
	})
}

// unless is an error but for the one that losers of a race get.
func unless(err error, code string) error {
	if errors.Is(err, &identity.Error{Code: code}) {
		return nil
	}
	return err
}

// The counter only goes forward; an authenticator without one stays at zero.
func TestPasskeyCounterGoesForward(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		uncounted := passkey("pk-0", "u-bob", "emVybw")
		uncounted.SignCount = 0
		addPasskeys(t, db, passkey("pk-7", "u-bob", "c2V2ZW4"), uncounted)
		c.add(time.Hour)
		for _, use := range []struct {
			id    string
			count uint32
			want  bool
		}{
			{"pk-7", 7, false},
			{"pk-7", 6, false},
			{"pk-7", 0, false},
			{"pk-7", 8, true},
			{"pk-7", 8, false},
			{"pk-7", 1<<32 - 1, true},
			{"pk-0", 0, true},
			{"pk-0", 0, true},
			{"pk-0", 1, true},
			{"pk-0", 0, false},
			{"nope", 9, false},
		} {
			maintain(t, db, func(ctx context.Context, tx *Tx) error {
				ok, err := tx.UsePasskey(ctx, use.id, use.count, false)
				if ok != use.want {
					t.Errorf("%s, counter %d: %v, want %v", use.id, use.count, ok, use.want)
				}
				return err
			})
		}
		p, err := passkeyOf(t, db, "u-bob", "pk-7")
		if err != nil || p.SignCount != 1<<32-1 || p.BackedUp || !p.LastUsed.Equal(start.Add(time.Hour).Truncate(time.Microsecond)) {
			t.Errorf("after use %+v, %v", p, err)
		}
		wantOneWinner(t, func(round int) (ok bool, err error) {
			err = db.Maintain(t.Context(), func(tx *Tx) (err error) {
				ok, err = tx.UsePasskey(t.Context(), "pk-0", uint32(2+round), true)
				return err
			})
			return ok, err
		})
	})
}

// A passkey is a second factor while it may be used, and caches hear of it.
func TestPasskeysAreSecondFactors(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		var told []string
		db.Changed = func(scopes []string) { told = scopes }
		step := func(name string, want bool, fn func(ctx context.Context, tx *Tx) error) {
			t.Helper()
			told = nil
			change(t, db, fn)
			if hasSecondFactor(t, db, "u-bob") != want || hasSecondFactor(t, db, "u-eve") {
				t.Errorf("%s: second factor is not %v for bob and false for eve", name, want)
			}
			if f, err := facts(t, db, "spp_bob00000", ""); err != nil || f.User.SecondFactor != want {
				t.Errorf("%s: the facts say %v, %v", name, f.User.SecondFactor, err)
			}
			if !slices.Contains(told, "user:u-bob") {
				t.Errorf("%s: caches were told %v", name, told)
			}
		}
		addToken(t, db, personal("spp_bob00000"))
		step("added", true, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.AddPasskey(ctx, passkey("pk1", "u-bob", "b25l")), tx.AddPasskey(ctx, passkey("pk2", "u-bob", "dHdv")))
		})
		suspend := func(id string, want bool) func(context.Context, *Tx) error {
			return func(ctx context.Context, tx *Tx) error {
				ok, err := tx.SuspendPasskey(ctx, "u-bob", id)
				if ok != want {
					t.Errorf("suspending %s: %v, want %v", id, ok, want)
				}
				return err
			}
		}
		step("one suspended", true, suspend("pk1", true))
		step("suspended again", true, suspend("pk1", false))
		step("the other suspended", false, suspend("pk2", true))
		maintain(t, db, func(ctx context.Context, tx *Tx) error {
			if ok, err := tx.UsePasskey(ctx, "pk2", 99, true); ok || err != nil {
				t.Errorf("a suspended passkey was used: %v, %v", ok, err)
			}
			return nil
		})
		if p, err := passkeyOf(t, db, "u-bob", "pk2"); err != nil || p.Live() || p.SignCount != 7 {
			t.Errorf("suspended: %+v, %v", p, err)
		}
		step("a third", true, func(ctx context.Context, tx *Tx) error { return tx.AddPasskey(ctx, passkey("pk3", "u-bob", "dHJlcw")) })
		step("removed", false, func(ctx context.Context, tx *Tx) error { return tx.RemovePasskey(ctx, "u-bob", "pk3") })
	})
}

func TestDamagedPublicKeysAreErrors(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		addPasskeys(t, db, passkey("pk1", "u-bob", "b25l"))
		for _, text := range []string{"", "?", "AA"} {
			raw(t, db, `UPDATE passkeys SET public_key = $1`, text)
			if _, err := passkeyOf(t, db, "u-bob", "pk1"); err == nil {
				t.Errorf("%q is a key", text)
			}
		}
	})
}
