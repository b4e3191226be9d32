package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

func addToken(tb testing.TB, db *DB, list ...identity.Token) {
	tb.Helper()
	change(tb, db, func(ctx context.Context, tx *Tx) (err error) {
		for _, t := range list {
			err = errors.Join(err, tx.AddToken(ctx, t))
		}
		return err
	})
}

// personal is a personal token of bob's.
func personal(prefix string) identity.Token {
	return identity.Token{Prefix: prefix, Kind: policy.PersonalToken, UserID: "u-bob"}
}

func session(prefix string) identity.Token {
	return identity.Token{Prefix: prefix, Kind: policy.Session, UserID: "u-bob"}
}

func token(tb testing.TB, db *DB, user, prefix string) (identity.Token, error) {
	tb.Helper()
	return tryRead(tb, db, func(r *Read, ctx context.Context) (identity.Token, error) { return r.Token(ctx, user, prefix) })
}

// prefixes are those of a user's live tokens, in order.
func prefixes(tb testing.TB, db *DB, user string) []string {
	tb.Helper()
	list := []string{}
	for _, t := range read(tb, db, func(r *Read, ctx context.Context) ([]identity.Token, error) { return r.Tokens(ctx, user) }) {
		list = append(list, t.Prefix)
	}
	return list
}

func wantPrefixes(tb testing.TB, got []string, want ...string) {
	tb.Helper()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		tb.Errorf("got tokens %v, want %v", got, want)
	}
}

func TestTokenRoundTrip(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		now := start.Truncate(time.Microsecond)
		full := identity.Token{
			Prefix: "spp_full0000", Hash: [32]byte{0: 1, 31: 0xff}, Kind: policy.PersonalToken, UserID: "u-bob", Description: "ci 🔑", Manual: true,
			Created: now, Expires: now.Add(time.Hour), Ends: now.Add(24 * time.Hour), MaxAge: time.Hour, ExtendWhenUsed: true,
			Addresses:    []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")},
			AddressTexts: []string{"10.0.0.0/8", "2001:DB8::/32"}, Scopes: []string{"user:read", "projects"}, Parent: "spp_parent00",
			Authentication: policy.Authentication{Method: policy.MethodPassword, Provider: "idp", ProviderOrganization: "org-a", SecondFactor: true, At: now.Add(-time.Minute)},
			Identity:       "uam1",
			BreakGlass:     "org-a",
		}
		bare := personal("spp_bare0000")
		addToken(t, db, full, bare)
		bare.Created, bare.AddressTexts, bare.Scopes = now, []string{}, []string{}
		for _, want := range []identity.Token{full, bare} {
			got, err := token(t, db, "u-bob", want.Prefix)
			if err != nil {
				t.Fatal(err)
			}
			wantSame(t, want.Prefix, got, want)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetTokenDescription(ctx, full.Prefix, "new") })
		if got, err := token(t, db, "u-bob", full.Prefix); err != nil || got.Description != "new" {
			t.Errorf("the description is %q, %v", got.Description, err)
		}
		for _, c := range [][2]string{{"u-bob", "nope"}, {"u-eve", full.Prefix}, {"u-bob", "spp_%"}, {"u-bob", ""}} {
			_, err := token(t, db, c[0], c[1])
			wantKind(t, err, identity.NotFound, "token_not_found")
		}
		if err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error { return tx.AddToken(ctx, full) }); !duplicate(err) {
			t.Errorf("a prefix was taken twice: %v", err)
		}
		owner := read(t, db, func(r *Read, ctx context.Context) (string, error) { return r.TokenOwner(ctx, full.Prefix) })
		if owner != "u-bob" {
			t.Errorf("the owner is %q", owner)
		}
		_, err := tryRead(t, db, func(r *Read, ctx context.Context) (string, error) { return r.TokenOwner(ctx, "nope") })
		wantKind(t, err, identity.Unauthenticated, "authentication_failed")
	})
}

func TestLiveTokens(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		at := func(expires time.Duration, t identity.Token) identity.Token {
			t.Expires = start.Add(expires)
			return t
		}
		addToken(t, db, personal("ever"), at(time.Hour, personal("hour")), at(time.Minute, personal("minute")), personal("revoked"),
			session("session"), identity.Token{Prefix: "eves", Kind: policy.PersonalToken, UserID: "u-eve"})
		c.add(time.Microsecond)
		addToken(t, db, personal("younger"))
		change(t, db, func(ctx context.Context, tx *Tx) error { _, err := tx.RevokeToken(ctx, "u-bob", "revoked"); return err })
		if got := prefixes(t, db, "u-bob"); len(got) == 0 || got[0] != "younger" {
			t.Errorf("got %v, want the newest first", got)
		}
		count := func() int64 {
			t.Helper()
			return read(t, db, func(r *Read, ctx context.Context) (int64, error) {
				return r.CountTokens(ctx, "u-bob", policy.PersonalToken)
			})
		}
		wantPrefixes(t, prefixes(t, db, "u-bob"), "ever", "hour", "minute", "session", "younger")
		if n := count(); n != 4 {
			t.Errorf("%d personal tokens, want 4", n)
		}
		_, err := token(t, db, "u-bob", "revoked")
		wantKind(t, err, identity.NotFound, "token_not_found")
		c.t = start.Add(time.Minute)
		wantPrefixes(t, prefixes(t, db, "u-bob"), "ever", "hour", "session", "younger")
		c.t = start.Add(time.Hour)
		wantPrefixes(t, prefixes(t, db, "u-bob"), "ever", "session", "younger")
		if n := count(); n != 2 {
			t.Errorf("%d personal tokens, want 2", n)
		}
		wantPrefixes(t, prefixes(t, db, "nobody"))
	})
}

func TestSES10TokensOfTheSameMicrosecondAreVoid(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		addToken(t, db, personal("before"), identity.Token{Prefix: "eves", Kind: policy.PersonalToken, UserID: "u-eve"})
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.VoidTokens(ctx, "u-bob") })
		addToken(t, db, personal("same"))
		wantPrefixes(t, prefixes(t, db, "u-bob"))
		wantPrefixes(t, prefixes(t, db, "u-eve"), "eves")
		c.add(time.Microsecond)
		addToken(t, db, personal("after"))
		wantPrefixes(t, prefixes(t, db, "u-bob"), "after")

		// A clock that was set back revives nothing and leaves nothing alive.
		raw(t, db, `DELETE FROM tokens WHERE user_id = 'u-eve'`)
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.VoidTokens(ctx, "u-eve") })
		before, err := user(t, db, "u-eve")
		if err != nil {
			t.Fatal(err)
		}
		c.add(-time.Hour)
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(tx.VoidTokens(ctx, "u-bob"), tx.VoidTokens(ctx, "u-eve"))
		})
		wantPrefixes(t, prefixes(t, db, "u-bob"))
		if after, err := user(t, db, "u-eve"); err != nil || !after.TokensValidFrom.Equal(before.TokensValidFrom) {
			t.Errorf("tokens are valid from %v, %v; it was %v before", after.TokensValidFrom, err, before.TokensValidFrom)
		}
	})
}

func TestSES06LeavingTheActiveStateEndsTokensForGood(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		addToken(t, db, personal("old"))
		for _, state := range []string{identity.StateDeactivated, identity.StateActive} {
			change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetUserState(ctx, "u-bob", state) })
			wantPrefixes(t, prefixes(t, db, "u-bob"))
		}
	})
}

func TestTOK05RevokingReachesEveryDepth(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		child := func(prefix, parent, user string) identity.Token {
			return identity.Token{Prefix: prefix, Parent: parent, Kind: policy.PersonalToken, UserID: user}
		}
		addToken(t, db, personal("root"), child("a", "root", "u-bob"), child("b", "root", "u-bob"), child("aa", "a", "u-bob"),
			child("aaa", "aa", "u-app"), personal("other"), child("x", "other", "u-bob"))
		revoke := func(prefix string) (ended []string) {
			t.Helper()
			change(t, db, func(ctx context.Context, tx *Tx) (err error) {
				ended, err = tx.RevokeToken(ctx, "u-bob", prefix)
				return err
			})
			return ended
		}
		var told []string
		db.Changed = func(scopes []string) { told = scopes }
		wantPrefixes(t, revoke("root"), "a", "aa", "aaa", "b", "root")
		if want := []string{"organization:org-a", "user:u-app", "user:u-bob"}; !slices.Equal(told, want) {
			t.Errorf("caches were told %v, want %v: the owner of a token that was made with it, too", told, want)
		}
		wantPrefixes(t, prefixes(t, db, "u-bob"), "other", "x")
		wantPrefixes(t, prefixes(t, db, "u-app"))
		if again := revoke("root"); again == nil || len(again) != 0 {
			t.Errorf("the second time it ended %v", again)
		}
		if none := revoke("o%"); len(none) != 0 {
			t.Errorf("a pattern ended %v", none)
		}
		// One that has ended gets no child any more; one that it has all the same is
		// reached.
		wantKind(t, update(t.Context(), db, func(ctx context.Context, tx *Tx) error { return tx.AddToken(ctx, child("late", "aa", "u-bob")) }),
			identity.Unauthenticated, "authentication_failed")
		change(t, db, func(ctx context.Context, tx *Tx) error {
			_, err := tx.exec(ctx, `UPDATE tokens SET revoked_at = 0 WHERE prefix = 'aaa'`)
			return err
		})
		wantPrefixes(t, revoke("aa"), "aaa")
	})
}

func TestRevokePasswordTokensSparesOthers(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		by := func(m policy.Method, t identity.Token) identity.Token {
			t.Authentication.Method = m
			return t
		}
		addToken(
			t, db,
			by(policy.MethodPassword, personal("p1")), by(policy.MethodPassword, personal("p2")), by(policy.MethodNone, personal("p3")),
			by(policy.MethodSAML, personal("p4")), by(policy.MethodPassword, session("s1")), by(policy.MethodSAML, session("s2")),
			identity.Token{Prefix: "eves", Kind: policy.PersonalToken, UserID: "u-eve", Authentication: policy.Authentication{Method: policy.MethodPassword}},
		)
		revoke := func(except string, want int64, kinds ...policy.CredentialKind) {
			t.Helper()
			change(t, db, func(ctx context.Context, tx *Tx) error {
				n, err := tx.RevokePasswordTokens(ctx, "u-bob", except, kinds...)
				if n != want {
					t.Errorf("ended %d tokens, want %d", n, want)
				}
				return err
			})
		}
		revoke("p1", 1, policy.PersonalToken)
		wantPrefixes(t, prefixes(t, db, "u-bob"), "p1", "p3", "p4", "s1", "s2")
		revoke("", 2, policy.Session, policy.PersonalToken)
		wantPrefixes(t, prefixes(t, db, "u-bob"), "p3", "p4", "s2")
		revoke("", 0)
		wantPrefixes(t, prefixes(t, db, "u-eve"), "eves")
	})
}

func TestRevokeSessions(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		addToken(t, db, session("s1"), session("s2"), session("s3"), personal("p"), identity.Token{Prefix: "eves", Kind: policy.Session, UserID: "u-eve"})
		for _, c := range []struct {
			except string
			want   int64
			left   []string
		}{{"s2", 2, []string{"p", "s2"}}, {"", 1, []string{"p"}}} {
			change(t, db, func(ctx context.Context, tx *Tx) error {
				n, err := tx.RevokeSessions(ctx, "u-bob", c.except)
				if n != c.want {
					t.Errorf("except %q: ended %d sessions, want %d", c.except, n, c.want)
				}
				return err
			})
			wantPrefixes(t, prefixes(t, db, "u-bob"), c.left...)
		}
		wantPrefixes(t, prefixes(t, db, "u-eve"), "eves")
	})
}

func TestOldestSessionIsTheLeastRecentlyUsed(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		oldest := func() (string, error) {
			t.Helper()
			s, err := tryRead(t, db, func(r *Read, ctx context.Context) (identity.Token, error) { return r.OldestSession(ctx, "u-bob") })
			return s.Prefix, err
		}
		_, err := oldest()
		wantKind(t, err, identity.NotFound, "token_not_found")
		addToken(t, db, personal("p"))
		for _, prefix := range []string{"s1", "s2", "s3"} {
			c.add(time.Minute)
			addToken(t, db, session(prefix))
		}
		if got, err := oldest(); got != "s1" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		c.add(time.Minute)
		maintain(t, db, func(ctx context.Context, tx *Tx) error {
			_, err := tx.RecordUses(ctx, []identity.Use{{Prefix: "s1", UserID: "u-bob", At: tx.Now}})
			return err
		})
		if got, err := oldest(); got != "s2" || err != nil {
			t.Errorf("after a use of s1: got %q, %v", got, err)
		}
	})
}

func TestRecordedUsesOnlyMoveForward(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		setClock(db)
		now := start.Truncate(time.Microsecond)
		hour := personal("hour")
		hour.Expires = now.Add(time.Hour)
		addToken(t, db, hour, personal("ever"))
		use := func(list ...identity.Use) {
			t.Helper()
			maintain(t, db, func(ctx context.Context, tx *Tx) error { _, err := tx.RecordUses(ctx, list); return err })
		}
		want := func(prefix string, at time.Time, ip string, expires time.Time) {
			t.Helper()
			got, err := token(t, db, "u-bob", prefix)
			if err != nil {
				t.Fatal(err)
			}
			if !got.LastUsed.Equal(at) || got.LastIP != ip || !got.Expires.Equal(expires) {
				t.Errorf("%s was used %v from %q and expires %v; want %v, %q, %v", prefix, got.LastUsed, got.LastIP, got.Expires, at, ip, expires)
			}
		}
		second := func(n int) time.Time { return now.Add(time.Duration(n) * time.Second) }
		use(identity.Use{Prefix: "hour", UserID: "u-bob", At: second(10), IP: "192.0.2.1", UserAgent: "curl/8"})
		want("hour", second(10), "192.0.2.1", now.Add(time.Hour))
		use(identity.Use{Prefix: "hour", UserID: "u-bob", At: second(9), IP: "192.0.2.2", Expires: now.Add(9 * time.Hour)})
		want("hour", second(10), "192.0.2.1", now.Add(time.Hour))
		use(identity.Use{Prefix: "hour", UserID: "u-bob", At: second(11), IP: "192.0.2.3", Expires: now.Add(time.Minute)})
		want("hour", second(11), "192.0.2.3", now.Add(time.Hour))
		use(identity.Use{Prefix: "hour", UserID: "u-bob", At: second(12), IP: "192.0.2.4", Expires: now.Add(2 * time.Hour)})
		want("hour", second(12), "192.0.2.4", now.Add(2*time.Hour))
		// A token without an end does not get one.
		use(identity.Use{Prefix: "ever", UserID: "u-bob", At: second(1), IP: "192.0.2.5", Expires: now.Add(time.Hour)}, identity.Use{Prefix: "gone", UserID: "gone", At: now})
		want("ever", second(1), "192.0.2.5", time.Time{})

		u, err := user(t, db, "u-bob")
		if err != nil || !u.LastActive.Equal(second(12)) {
			t.Errorf("bob was last active %v, %v; want %v", u.LastActive, err, second(12))
		}
	})
}

// One client's user agent must not cost the others of its batch their records.
func TestBadUserAgentsAreKept(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		addToken(t, db, personal("one"), personal("two"))
		maintain(t, db, func(ctx context.Context, tx *Tx) error {
			_, err := tx.RecordUses(ctx, []identity.Use{
				{Prefix: "one", UserID: "u-bob", At: tx.Now, UserAgent: "cut in a rune \xf0\x9f\x94, NUL \x00, long " + strings.Repeat("x", 2*maxEventText)},
				{Prefix: "two", UserID: "u-bob", At: tx.Now, UserAgent: "curl/8"},
			})
			return err
		})
		got, err := token(t, db, "u-bob", "one")
		if err != nil || !strings.HasPrefix(got.LastUserAgent, "cut in a rune \ufffd, NUL \ufffd, long xx") || len(got.LastUserAgent) > maxEventText+len("…") {
			t.Errorf("got %q, %v", got.LastUserAgent, err)
		}
		if got, err := token(t, db, "u-bob", "two"); err != nil || got.LastUserAgent != "curl/8" {
			t.Errorf("got %q, %v", got.LastUserAgent, err)
		}
	})
}

func TestDeadTokensGo(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		hour := personal("hour")
		hour.Expires = start.Add(time.Hour)
		voided := personal("voided")
		voided.UserID = "u-alice"
		addToken(t, db, personal("ever"), hour, personal("revoked"), personal("later"), voided)
		change(t, db, func(ctx context.Context, tx *Tx) error {
			_, err := tx.RevokeToken(ctx, "u-bob", "revoked")
			return errors.Join(err, tx.VoidTokens(ctx, "u-alice"))
		})
		c.add(2 * time.Hour)
		after := personal("after")
		after.UserID = "u-alice"
		addToken(t, db, after)
		change(t, db, func(ctx context.Context, tx *Tx) error { _, err := tx.RevokeToken(ctx, "u-bob", "later"); return err })
		left := func() []string {
			list, err := collect(t.Context(), db.read, scanText, `SELECT prefix FROM tokens`)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		c.add(deadTokensKept - 2*time.Hour)
		cleanUp(t, db)
		wantPrefixes(t, left(), "after", "ever", "hour", "later", "revoked", "voided")
		c.add(90 * time.Minute)
		cleanUp(t, db)
		wantPrefixes(t, left(), "after", "ever", "later")
	})
}

func facts(tb testing.TB, db *DB, prefix, organization string) (f Facts, err error) {
	tb.Helper()
	err = db.Once(func(r *Read) (err error) {
		f, err = r.Facts(tb.Context(), prefix, organization)
		return err
	})
	return f, err
}

func TestFacts(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		fixture := func(ctx context.Context, tx *Tx) error {
			if err := errors.Join(
				tx.AddToken(ctx, personal("bobs")),
				tx.AddToken(ctx, identity.Token{Prefix: "alices", Kind: policy.Session, UserID: "u-alice"}),
				tx.SetGrant(ctx, grant("organization", "org-a", "u-bob", "organization:users:write")),
				tx.SetGrant(ctx, grant("organization_unit", "unit-a", "u-bob", "read")),
				tx.SetGrant(ctx, grant("organization", "org-a", "u-eve", "role:organization:admin")), // left over from somewhere
				tx.AddToken(ctx, identity.Token{Prefix: "eves", Kind: policy.PersonalToken, UserID: "u-eve"}),
			); err != nil {
				return err
			}
			return tx.OfferTOTP(ctx, "u-bob", "sealed", tx.Now.Add(time.Hour))
		}
		change(t, db, fixture)
		stored := read(t, db, func(r *Read, ctx context.Context) (identity.Organization, error) { return r.Organization(ctx, "org-a") })
		want := identity.Organization{ID: "org-a", Name: stored.Name, Tier: stored.Tier, AccountID: stored.AccountID, Policy: stored.Policy, PolicyVersion: stored.PolicyVersion}
		for _, c := range []struct {
			name, prefix, organization string
			want                       Facts
		}{
			{"member", "bobs", "org-a", Facts{Organization: want, Member: true, Granted: []string{"organization:users:write"}}},
			{"super admin", "alices", "org-a", Facts{Organization: want, Member: true, SuperAdmin: true}},
			{"a grant without membership is none", "eves", "org-a", Facts{Organization: want}},
			{"no organization", "bobs", "", Facts{}},
			{"unknown organization", "bobs", "nowhere", Facts{}},
		} {
			t.Run(c.name, func(t *testing.T) {
				got, err := facts(t, db, c.prefix, c.organization)
				if err != nil {
					t.Fatal(err)
				}
				c.want.Token, err = token(t, db, got.User.ID, c.prefix)
				if err != nil {
					t.Fatal(err)
				}
				if c.want.User, err = user(t, db, got.User.ID); err != nil {
					t.Fatal(err)
				}
				wantSame(t, "facts", got, c.want)
			})
		}
		_, err := facts(t, db, "unknown", "org-a")
		wantKind(t, err, identity.Unauthenticated, "authentication_failed")
		if f, err := facts(t, db, "bobs", ""); err != nil || f.User.SecondFactor {
			t.Errorf("an offered authenticator counts as set up: %v", err)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { _, err := tx.SetTOTP(ctx, "u-bob", "sealed", 1); return err })
		if f, err := facts(t, db, "bobs", ""); err != nil || !f.User.SecondFactor {
			t.Errorf("the second factor is not seen: %v", err)
		}
		// A dead token has facts: it is the decision that refuses it.
		change(t, db, func(ctx context.Context, tx *Tx) error { _, err := tx.RevokeToken(ctx, "u-bob", "bobs"); return err })
		if f, err := facts(t, db, "bobs", ""); err != nil || f.Token.Revoked.IsZero() {
			t.Errorf("a revoked token is revoked %v, %v", f.Token.Revoked, err)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.DeleteOrganization(ctx, "org-a") })
		f, err := facts(t, db, "bobs", "org-a")
		if err != nil || f.Organization != (identity.Organization{}) || f.Member || f.SuperAdmin || len(f.Granted) != 0 {
			t.Errorf("of a deleted organization: %+v, %v", f, err)
		}
	})
}

// A credential whose row is damaged opens nothing: it is an error, or it is
// narrower than it was, never wider.
func TestDamagedCredentialsCloseTheDoor(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		restricted := personal("spp_damaged0")
		restricted.AddressTexts, restricted.Scopes = []string{"10.0.0.0/8"}, []string{"user:read"}
		addToken(t, db, restricted)
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return tx.SetGrant(ctx, grant("organization", "org-a", "u-bob", "organization:users:write"))
		})
		closed := func(f Facts) string {
			switch {
			case len(f.Token.Addresses) == 0 || slices.ContainsFunc(f.Token.Addresses, func(p netip.Prefix) bool { return p.Contains(netip.MustParseAddr("192.0.2.1")) }):
				return "the allow-list lets everybody in"
			case len(f.Token.Scopes) == 0:
				return "the scopes are gone"
			case f.Token.Hash != restricted.Hash:
				return "another secret fits"
			case slices.Contains(f.Granted, identity.AdminRole):
				return "permissions grew"
			}
			return ""
		}
		if f, err := facts(t, db, restricted.Prefix, "org-a"); err != nil || closed(f) != "" {
			t.Fatalf("undamaged: %v, %s", err, closed(f))
		}
		broken := []string{``, `null`, `{}`, `"10.0.0.0/8"`, `["10.0.0.0/8"`, `[1]`, `[null]`, `[""]`, `["10.0.0.0/99"]`, `["\u0000"]`, `x`, `0`, `[[]]`, `["a"] x`}
		for table, columns := range map[string]map[string][]string{
			"tokens": {
				"addresses": broken, "scopes": broken,
				"hash": {``, `00`, strings.Repeat("0", 63), strings.Repeat("0", 65), strings.Repeat("g", 64), strings.Repeat("é", 32)},
			},
			"grants": {"permissions": broken},
		} {
			for column, values := range columns {
				for _, value := range values {
					original, err := one(t.Context(), db.read, scanText, `SELECT `+column+` FROM `+table)
					if err != nil {
						t.Fatal(err)
					}
					raw(t, db, `UPDATE `+table+` SET `+column+` = $1`, value)
					if f, err := facts(t, db, restricted.Prefix, "org-a"); err == nil && closed(f) != "" {
						t.Errorf("%s.%s = %q: %s", table, column, value, closed(f))
					}
					raw(t, db, `UPDATE `+table+` SET `+column+` = $1`, original)
				}
			}
		}
		for _, damage := range []string{`kind = 300`, `auth_method = -1`, `auth_method = 300`} {
			raw(t, db, `UPDATE tokens SET `+damage)
			if _, err := facts(t, db, restricted.Prefix, "org-a"); err == nil {
				t.Errorf("%s: no error", damage)
			}
			raw(t, db, `UPDATE tokens SET kind = $1, auth_method = 0`, int64(policy.PersonalToken))
		}
	})
}

func FuzzStoredAllowList(f *testing.F) {
	for _, seed := range []string{``, `[]`, `null`, `["10.0.0.0/8"]`, `["::/0", null]`, `{"a": 1}`, ` [] `, `[1]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, column string) {
		var token identity.Token
		if err := (addresses{&token}).Scan(column); err != nil {
			return
		}
		var list []any
		if err := json.Unmarshal([]byte(column), &list); err != nil || list == nil {
			t.Errorf("%q was read as a list", column)
		}
		if len(token.Addresses) != len(list) || len(token.AddressTexts) != len(list) {
			t.Errorf("%q has %d entries and was read as %v", column, len(list), token.Addresses)
		}
	})
}

// TestTOK_NothingOutlivesItsOrigin: a login with a provider, a token made with a
// token of that provider, and one that is bound to such a login, are changes of
// their owner; the provider's end is one of its organization. Whichever comes
// first, no token is left.
func TestTOK_NothingOutlivesItsOrigin(t *testing.T) {
	by := func(t identity.Token) identity.Token {
		t.Authentication = policy.Authentication{Method: policy.MethodOIDC, Provider: "am1"}
		return t
	}
	child := personal("child")
	child.Parent = "first"
	first := by(session("first"))
	for name, made := range map[string]func(context.Context, *Tx) error{
		"login": func(ctx context.Context, tx *Tx) error { return tx.AddToken(ctx, by(session("login"))) },
		"child": func(ctx context.Context, tx *Tx) error { return tx.AddToken(ctx, child) },
		"bound": func(ctx context.Context, tx *Tx) error {
			_, err := tx.RebindToken(ctx, "u-bob", "old", &first)
			return err
		},
	} {
		for _, endsFirst := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, ends first %t", name, endsFirst), func(t *testing.T) {
				eachTown(t, func(t *testing.T, db *DB) {
					change(t, db, func(ctx context.Context, tx *Tx) error {
						return tx.AddAuthenticationMethod(ctx, method("am1", "org-a"))
					})
					addToken(t, db, first)
					var left []string
					if name == "bound" {
						addToken(t, db, personal("old"))
					}
					add := func(then func()) error {
						return db.Update(t.Context(), alice, User("u-bob"), func(tx *Tx) error {
							err := made(t.Context(), tx)
							then()
							return errors.Join(err, tx.Record(t.Context(), identity.Event{Action: "token_created"}))
						})
					}
					end := func(then func()) error {
						return db.Update(t.Context(), alice, Organization("org-a"), func(tx *Tx) error {
							err := tx.DeleteAuthenticationMethod(t.Context(), "org-a", "am1")
							if err == nil {
								_, err = tx.RevokeTokensOfProvider(t.Context(), "am1")
							}
							then()
							return errors.Join(err, tx.Record(t.Context(), identity.Event{Action: "authentication_method_deleted"}))
						})
					}
					if endsFirst {
						first, second := meeting(t, db, end, add)
						if first != nil {
							t.Fatal(first)
						}
						wantKind(t, second, identity.Unauthenticated, "authentication_failed")
						if name == "bound" {
							left = []string{"old"} // and is bound to what it was
						}
					} else if first, second := meeting(t, db, add, end); first != nil || second != nil {
						t.Fatal(first, second)
					}
					wantPrefixes(t, prefixes(t, db, "u-bob"), left...)
				})
			})
		}
	}
}

// meeting runs a change and, before it is committed, another one that has to
// wait for it; on SQLite every change has to.
func meeting(t *testing.T, db *DB, first, second func(then func()) error) (firstErr, secondErr error) {
	t.Helper()
	var running sync.WaitGroup
	var over atomic.Bool // it did not wait
	firstErr = first(func() {
		running.Go(func() {
			defer over.Store(true)
			secondErr = second(func() {})
		})
		for waiting := int64(0); db.Engine() == "postgres" && waiting == 0 && !over.Load(); {
			var err error
			if waiting, err = one(t.Context(), db.read, scanInt, `SELECT COUNT(*) FROM pg_locks WHERE NOT granted`); err != nil {
				t.Error(err)
				return
			}
		}
	})
	running.Wait()
	return firstErr, secondErr
}
