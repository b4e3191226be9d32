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

func link(id, user, provider, subject string) identity.LinkedIdentity {
	return identity.LinkedIdentity{ID: id, UserID: user, Provider: provider, Subject: subject, PublicIdentity: "name of " + subject}
}

func addLinks(tb testing.TB, db *DB, list ...identity.LinkedIdentity) {
	tb.Helper()
	change(tb, db, func(ctx context.Context, tx *Tx) (err error) {
		for _, l := range list {
			err = errors.Join(err, tx.AddLinkedIdentity(ctx, l))
		}
		return err
	})
}

func linkOf(tb testing.TB, db *DB, provider, subject string) (identity.LinkedIdentity, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.LinkedIdentity, error) {
		return r.LinkedIdentityBySubject(ctx, provider, subject)
	})
}

func removeLink(tb testing.TB, db *DB, user, id string) error {
	tb.Helper()
	return update(tb.Context(), db, func(ctx context.Context, tx *Tx) error { return tx.RemoveLinkedIdentity(ctx, user, id) })
}

func TestLinkedIdentities(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		now := start.Truncate(time.Microsecond)
		one, two := link("uam1", "u-bob", identity.ProviderGitHub, "42"), link("uam2", "u-bob", "am1", "https://id.example|42")
		two.OrganizationID = "org-a"
		addLinks(t, db, one)
		c.add(time.Second)
		addLinks(t, db, two, link("uam3", "u-eve", identity.ProviderGoogle, "42"))
		one.Created, one.Updated = now, now
		two.Created, two.Updated = now.Add(time.Second), now.Add(time.Second)
		list := func(user string) []identity.LinkedIdentity {
			t.Helper()
			return read(t, db, func(r *Read, ctx context.Context) ([]identity.LinkedIdentity, error) {
				return r.LinkedIdentities(ctx, user)
			})
		}
		wantSame(t, "bob's", list("u-bob"), []identity.LinkedIdentity{one, two})
		wantSame(t, "alice's", list("u-alice"), []identity.LinkedIdentity{})
		if l, err := linkOf(t, db, identity.ProviderGitHub, "42"); err != nil || l.UserID != "u-bob" {
			t.Errorf("github's 42 is %+v, %v", l, err)
		}
		for _, c := range [][2]string{{identity.ProviderMicrosoft, "42"}, {identity.ProviderGitHub, "4"}, {"", ""}} {
			_, err := linkOf(t, db, c[0], c[1])
			wantKind(t, err, identity.NotFound, "user_authentication_method_not_found")
		}
		c.add(time.Second)
		use := func(id, name string, want bool) {
			t.Helper()
			maintain(t, db, func(ctx context.Context, tx *Tx) error {
				ok, err := tx.UseLinkedIdentity(ctx, id, name)
				if ok != want {
					t.Errorf("using %s: %v, want %v", id, ok, want)
				}
				return err
			})
		}
		use("uam1", one.PublicIdentity, true)
		use("uam2", "renamed", true)
		used := now.Add(2 * time.Second)
		one.LastUsed, two.LastUsed, two.Updated, two.PublicIdentity = used, used, used, "renamed"
		wantSame(t, "after use", list("u-bob"), []identity.LinkedIdentity{one, two})
		addLinks(t, db, link("uam5", "u-alice", "am1", "https://id.example|43"))
		useOf := func(provider string) identity.ProviderUse {
			t.Helper()
			return read(t, db, func(r *Read, ctx context.Context) (identity.ProviderUse, error) { return r.ProviderUse(ctx, provider) })
		}
		wantSame(t, "use", useOf("am1"), identity.ProviderUse{People: 2, LastLogin: used})
		wantSame(t, "use of none", useOf("am2"), identity.ProviderUse{})
		wantKind(t, removeLink(t, db, "u-eve", "uam1"), identity.NotFound, "user_authentication_method_not_found")
		if err := removeLink(t, db, "u-bob", "uam1"); err != nil {
			t.Fatal(err)
		}
		wantKind(t, removeLink(t, db, "u-bob", "uam1"), identity.NotFound, "user_authentication_method_not_found")
		use("uam1", "x", false)
		wantSame(t, "after removal", list("u-bob"), []identity.LinkedIdentity{two})
		_, err := tryRead(t, db, func(r *Read, ctx context.Context) (identity.LinkedIdentity, error) {
			return r.LinkedIdentity(ctx, "u-bob", "uam1")
		})
		wantKind(t, err, identity.NotFound, "user_authentication_method_not_found")
		// What was removed may be linked again, by anybody.
		addLinks(t, db, link("uam4", "u-eve", identity.ProviderGitHub, "42"))
		if l, err := linkOf(t, db, identity.ProviderGitHub, "42"); err != nil || l.ID != "uam4" {
			t.Errorf("linked again: %+v, %v", l, err)
		}
	})
}

func TestSOC10_IdentityIsLinkedOnce(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		addLinks(t, db, link("uam1", "u-bob", identity.ProviderGitHub, "42"))
		for _, user := range []string{"u-eve", "u-bob"} {
			err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
				return tx.AddLinkedIdentity(ctx, link("uam2", user, identity.ProviderGitHub, "42"))
			})
			wantKind(t, err, identity.Conflict, "user_authentication_method_already_linked")
		}
		wantOneWinner(t, func(round int) (bool, error) {
			id, err := db.NewID("uam")
			if err != nil {
				return false, err
			}
			err = db.Maintain(t.Context(), func(tx *Tx) error {
				return tx.AddLinkedIdentity(t.Context(), link(id, "u-bob", identity.ProviderGoogle, fmt.Sprint(round)))
			})
			return err == nil, unless(err, "user_authentication_method_already_linked")
		})
	})
}

// Of a link and the removal of its provider at the same moment nothing is left,
// whichever comes first.
func TestLinksEndWithTheirProvider(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.AddAuthenticationMethod(ctx, method("am1", "org-a")), tx.AddAuthenticationMethod(ctx, method("am2", "org-a")))
		})
		linking := func(provider string) func(then func()) error {
			return func(then func()) error {
				return db.Update(ctx, alice, User("u-bob"), func(tx *Tx) error {
					if err := tx.HoldProvider(ctx, "org-a", provider); err != nil {
						return err
					}
					if err := tx.AddLinkedIdentity(ctx, link("uam-"+provider, "u-bob", provider, "bob")); err != nil {
						return err
					}
					then()
					return tx.Record(ctx, identity.Event{Action: "changed"})
				})
			}
		}
		removing := func(provider string) func(then func()) error {
			return func(then func()) error {
				return update(ctx, db, func(ctx context.Context, tx *Tx) error {
					if err := tx.DeleteAuthenticationMethod(ctx, "org-a", provider); err != nil {
						return err
					}
					then()
					return nil
				})
			}
		}
		if linked, removed := meeting(t, db, linking("am1"), removing("am1")); linked != nil || removed != nil {
			t.Errorf("linked first: %v, then removed: %v", linked, removed)
		}
		removed, linked := meeting(t, db, removing("am2"), linking("am2"))
		if removed != nil {
			t.Error(removed)
		}
		wantNoMethod(t, linked)
		for _, provider := range []string{"am1", "am2"} {
			if l, err := linkOf(t, db, provider, "bob"); err == nil {
				t.Errorf("of a provider that is gone there is the link %+v", l)
			}
		}
	})
}

func TestSOC10_TokensEndWithTheirIdentity(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		by := func(identityID, provider string, t identity.Token) identity.Token {
			t.Identity, t.Authentication = identityID, policy.Authentication{Method: policy.MethodOIDC, Provider: provider}
			return t
		}
		eves := identity.Token{Prefix: "eves", Kind: policy.Session, UserID: "u-eve"}
		apps := identity.Token{Prefix: "apps", Kind: policy.ApplicationToken, UserID: "u-app", Parent: "p1"}
		appsApps := identity.Token{Prefix: "apps-apps", Kind: policy.ApplicationToken, UserID: "u-app", Parent: "apps"}
		addToken(t, db, by("uam1", "am1", session("s1")), by("uam1", "am1", personal("p1")), apps, appsApps, by("uam2", "am1", session("s2")),
			by("uam3", "am2", session("s3")), session("pw"), by("uam1", "am1", eves))
		var told []string
		db.Changed = func(scopes []string) { told = scopes }
		revoke := func(want int64, fn func(ctx context.Context, tx *Tx) (int64, error)) {
			t.Helper()
			change(t, db, func(ctx context.Context, tx *Tx) error {
				n, err := fn(ctx, tx)
				if n != want {
					t.Errorf("ended %d tokens, want %d", n, want)
				}
				return err
			})
		}
		revoke(0, func(ctx context.Context, tx *Tx) (int64, error) { return tx.RevokeTokensOfIdentity(ctx, "u-bob", "") })
		revoke(0, func(ctx context.Context, tx *Tx) (int64, error) { return tx.RevokeTokensOfProvider(ctx, "") })
		revoke(4, func(ctx context.Context, tx *Tx) (int64, error) {
			return tx.RevokeTokensOfIdentity(ctx, "u-bob", "uam1")
		})
		wantPrefixes(t, prefixes(t, db, "u-bob"), "pw", "s2", "s3")
		wantPrefixes(t, prefixes(t, db, "u-app"))
		wantPrefixes(t, prefixes(t, db, "u-eve"), "eves")
		revoke(2, func(ctx context.Context, tx *Tx) (int64, error) { return tx.RevokeTokensOfProvider(ctx, "am1") })
		wantPrefixes(t, prefixes(t, db, "u-bob"), "pw", "s3")
		wantPrefixes(t, prefixes(t, db, "u-eve"))
		if want := []string{"organization:org-a", "user:u-bob", "user:u-eve"}; !slices.Equal(told, want) {
			t.Errorf("caches were told %v, want %v", told, want)
		}
	})
}

// Whoever comes after a deleted user finds nothing of theirs, and nothing of
// theirs logs anybody in.
func TestDeletedUsersProveNothing(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		for _, user := range []string{"u-bob", "u-eve"} {
			setTOTP(t, db, user, "sealed", 1)
			addPasskeys(t, db, passkey("pk of "+user, user, user))
			setRecoveryCodes(t, db, user, "hash")
			addLinks(t, db, link("uam of "+user, user, identity.ProviderGitHub, user))
			a := attempt("of "+user, start.Add(time.Hour))
			a.UserID = user
			addAttempts(t, db, a)
		}
		counts := map[string]string{
			"totp_factors": `SELECT COUNT(*) FROM totp_factors WHERE user_id = $1`, "passkeys": `SELECT COUNT(*) FROM passkeys WHERE user_id = $1`,
			"recovery_codes":    `SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1`,
			"linked_identities": `SELECT COUNT(*) FROM linked_identities WHERE user_id = $1 AND deleted_at = 0`,
			"attempts":          `SELECT COUNT(*) FROM attempts WHERE user_id = $1 AND ended_at = 0`,
		}
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return tx.SetUserState(ctx, "u-bob", identity.StateDeactivated)
		})
		if !hasSecondFactor(t, db, "u-bob") {
			t.Error("a deactivated user, who may come back, lost the second factor")
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetUserState(ctx, "u-bob", identity.StateDeleted) })
		for table, query := range counts {
			if n := number(t, db, query, "u-bob"); n != 0 {
				t.Errorf("%s keeps %d rows of a deleted user", table, n)
			}
			if n := number(t, db, query, "u-eve"); n != 1 {
				t.Errorf("%s has %d rows of somebody else, want 1", table, n)
			}
		}
		addLinks(t, db, link("uam-new", "u-alice", identity.ProviderGitHub, "u-bob"))
	})
}
