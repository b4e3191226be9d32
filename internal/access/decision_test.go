package access

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest"
	"github.com/sallyport/sallyport/policy"
)

func rangesOf(list ...string) policy.Ranges {
	r := policy.Ranges{Enabled: true}
	for _, text := range list {
		r.List = append(r.List, policy.Range{Prefix: netip.MustParsePrefix(text)})
	}
	return r
}

func loggedIn(a policy.Authentication) func(*identity.Token) {
	return func(t *identity.Token) { t.Authentication = a }
}

// refusals by each rule that access can reach (docs/spec/policy.md 3): what the
// caller hears, and what is recorded.
func TestEachRuleRefuses(t *testing.T) {
	cases := []struct {
		name   string
		policy func(*policy.Policy)
		kind   policy.CredentialKind
		token  func(*identity.Token)
		change []func(*Request)
		later  time.Duration // between making the token and using it

		code    string
		reasons []string // of all refusing rules; nil: code alone
		remedy  string
		path    string // of the console; empty: no page helps
	}{
		{
			name: "5: the token's own ranges", kind: policy.PersonalToken,
			token: func(t *identity.Token) { t.AddressTexts = []string{"203.0.113.0/24"} },
			code:  policy.CodeAddress, path: "/profile/tokens",
			remedy: "your address 198.51.100.7 is outside the addresses this credential may be used from; use it from there, or make another",
		},
		{
			name: "5: a damaged list is no permission", kind: policy.PersonalToken,
			token: func(t *identity.Token) { t.AddressTexts = []string{"198.51.100.7"} },
			code:  policy.CodeAddress, path: "/profile/tokens",
			remedy: "your address 198.51.100.7 is outside the addresses this credential may be used from; use it from there, or make another",
		},
		{
			name: "6: the organization's ranges", kind: policy.Session,
			policy: func(p *policy.Policy) { p.Ranges = rangesOf("203.0.113.0/24") },
			code:   policy.CodeAddress, remedy: "your address 198.51.100.7 is outside this organization's ranges; ask an admin of the organization",
		},
		{
			name: "6: an unknown address is in no range", kind: policy.Session, change: []func(*Request){from("")},
			policy: func(p *policy.Policy) { p.Ranges = rangesOf("0.0.0.0/0", "::/0") },
			code:   policy.CodeAddress, remedy: "your address could not be determined, so it counts as outside this organization's ranges; ask an admin of the organization",
		},
		{
			name: "6: application tokens too", kind: policy.ApplicationToken,
			policy: func(p *policy.Policy) { p.Ranges = rangesOf("203.0.113.0/24") },
			code:   policy.CodeAddress, remedy: "your address 198.51.100.7 is outside this organization's ranges; ask an admin of the organization",
		},
		{
			name: "9: personal tokens off", kind: policy.PersonalToken,
			policy: func(p *policy.Policy) { p.PersonalTokensEnabled = false },
			code:   policy.CodePersonalToken, remedy: "log in instead of using a personal token, or ask an admin of the organization for an application token", path: "/login",
		},
		{
			name: "10: off for managed users refuses all", kind: policy.PersonalToken,
			policy: func(p *policy.Policy) { p.PersonalTokensManagedUsersEnabled = false },
			code:   policy.CodePersonalToken, remedy: "log in instead of using a personal token, or ask an admin of the organization for an application token", path: "/login",
		},
		{
			name: "12: passwords off", kind: policy.Session,
			policy: func(p *policy.Policy) { p.PasswordEnabled, p.OAuthEnabled, p.PasskeyEnabled = false, false, false },
			code:   policy.CodePassword, remedy: "log in with your organization's identity provider", path: "/login",
		},
		{
			name: "12: a token under enforcement", kind: policy.PersonalToken,
			policy: func(p *policy.Policy) {
				p.PasswordEnabled, p.OAuthEnabled, p.PasskeyEnabled = false, false, false
				p.PersonalTokensRequireAllowedMethod = true
			},
			code: policy.CodePassword, remedy: "log in with your organization's identity provider, then make a new personal token", path: "/login",
		},
		{
			name: "13: third parties off", kind: policy.Session, token: loggedIn(policy.Authentication{Method: policy.MethodGoogle}),
			policy: func(p *policy.Policy) { p.OAuthEnabled, p.SAMLEnabled = false, false },
			code:   policy.CodeThirdParty, remedy: "log in with a passkey or your password", path: "/login",
		},
		{
			name: "13: that third party off", kind: policy.Session, token: loggedIn(policy.Authentication{Method: policy.MethodGitHub}),
			policy: func(p *policy.Policy) {
				p.OAuthProviders, p.SAMLEnabled, p.PasskeyEnabled = policy.Google, false, false
			},
			code: policy.CodeThirdParty, remedy: "log in with Google or your password", path: "/login",
		},
		{
			name: "14: identity providers off", kind: policy.Session, token: loggedIn(policy.Authentication{Method: policy.MethodSAML, Provider: "idp1", ProviderOrganization: "elsewhere"}),
			policy: func(p *policy.Policy) { p.SAMLEnabled, p.OAuthEnabled, p.PasskeyEnabled = false, false, false },
			code:   policy.CodeIdentityProvider, remedy: "log in with your password", path: "/login",
		},
		{
			name: "15: another organization's provider", kind: policy.Session, token: loggedIn(policy.Authentication{Method: policy.MethodOIDC, Provider: "idp1", ProviderOrganization: "elsewhere"}),
			policy: func(p *policy.Policy) {
				p.SAMLAllowExternal, p.OAuthEnabled, p.PasskeyEnabled, p.PasswordEnabled = false, false, false, false
			},
			code: policy.CodeOtherOrganization, remedy: "log in with your organization's identity provider", path: "/login",
		},
		{
			name: "16: passkeys off", kind: policy.Session, token: loggedIn(policy.Authentication{Method: policy.MethodPasskey, SecondFactor: true}),
			policy: func(p *policy.Policy) { p.PasskeyEnabled, p.OAuthEnabled, p.SAMLEnabled = false, false, false },
			code:   policy.CodePasskey, remedy: "log in with your password", path: "/login",
		},
		{
			name: "17: a second factor required", kind: policy.Session,
			policy: func(p *policy.Policy) { p.TwoFactorRequired = true },
			code:   policy.CodeSecondFactor, remedy: "set up a second factor, then log in again", path: "/profile/authentication",
		},
		{
			name: "18: a session too old", kind: policy.Session, later: 2 * time.Hour,
			policy: func(p *policy.Policy) { p.SessionMaxAge = time.Hour },
			code:   policy.CodeTooOld, remedy: "log in again", path: "/login",
		},
		{
			name: "18: a session idle too long", kind: policy.Session, later: 20 * time.Minute,
			policy: func(p *policy.Policy) { p.SessionIdle = 15 * time.Minute },
			code:   policy.CodeTooOld, remedy: "log in again", path: "/login",
		},
		{
			name: "18: an application token too old", kind: policy.ApplicationToken, later: 2 * time.Hour,
			policy: func(p *policy.Policy) { p.MaxApplicationTokenAge = time.Hour },
			code:   policy.CodeTooOld, remedy: "ask an admin of the organization for a new application token",
		},
		{
			name: "19: a permission missing", kind: policy.Session, change: []func(*Request){needing(Need{Permission: Admin})},
			code: policy.CodeForbidden, remedy: "ask an admin of the organization for the permission, or use a credential with the scope",
		},
		{
			name: "19: a scope missing", kind: policy.PersonalToken, change: []func(*Request){needing(Need{Scopes: []string{"projects:write"}})},
			token: func(t *identity.Token) { t.Scopes = []string{"projects:read"} },
			code:  policy.CodeForbidden, remedy: "ask an admin of the organization for the permission, or use a credential with the scope",
		},
		{
			name: "several at once", kind: policy.PersonalToken, later: 2 * time.Hour, change: []func(*Request){needing(Need{Permission: Admin})},
			policy: func(p *policy.Policy) {
				p.Ranges, p.PersonalTokensEnabled, p.MaxPersonalTokenAge = rangesOf("203.0.113.0/24"), false, time.Hour
			},
			code: policy.CodeAddress, reasons: []string{policy.CodeAddress, policy.CodePersonalToken, policy.CodeTooOld, policy.CodeForbidden},
			remedy: "your address 198.51.100.7 is outside this organization's ranges; ask an admin of the organization",
		},
	}
	each(t, func(t *testing.T, w *world) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				w.tb = t
				o := w.organization()
				if c.policy != nil {
					w.setPolicy(o, c.policy)
				}
				if c.token == nil {
					c.token = func(*identity.Token) {}
				}
				bearer := w.token(c.kind, w.user(o), c.token)
				w.clock.advance(c.later)
				e := w.refused(bearer, o, c.code, c.change...)
				if e.Kind != identity.Forbidden {
					t.Errorf("kind %d, want forbidden", e.Kind)
				}
				reasons := c.reasons
				if reasons == nil {
					reasons = []string{c.code}
				}
				id, _ := e.Metadata["decision_id"].(string)
				want := map[string]any{"reasons": reasons, "remedy": c.remedy, "decision_id": id, "decision_url": publicURL + "/decisions/" + id}
				if c.path != "" {
					want["remedy_url"] = publicURL + c.path
				}
				if diff := cmp.Diff(want, e.Metadata); diff != "" {
					t.Errorf("metadata (-want +got):\n%s", diff)
				}
				if !strings.Contains(e.Message, c.remedy) || strings.Contains(e.Message, "203.0.113") {
					t.Errorf("message %q has no remedy, or names ranges", e.Message)
				}
				recorded(t, w, bearer, o, e)
			})
		}
	})
}

// recorded checks the one event of a refusal: by whom, of what, and that its
// facts decide as they did.
func recorded(t *testing.T, w *world, bearer, organization string, e *identity.Error) {
	t.Helper()
	list := w.refusalEvents(bearer)
	if len(list) != 1 {
		t.Fatalf("%d events, want 1", len(list))
	}
	event := list[0]
	if event.DecisionID != e.Metadata["decision_id"] || !strings.HasPrefix(event.DecisionID, "dec_") {
		t.Errorf("decision id %q, the caller got %v", event.DecisionID, e.Metadata["decision_id"])
	}
	if event.Outcome != identity.Refused || event.OrganizationID != organization || event.AccountID != "a-"+organization ||
		event.Target.Kind != "organization" || event.Target.ID != organization || event.Actor.RequestID != "req_1" || event.Actor.ID == "" {
		t.Errorf("event %+v", event)
	}
	refusal, facts, decision, err := identity.Replay(event.Detail)
	if err != nil {
		t.Fatal(err)
	}
	if refusal.ErrorCode != e.Code || decision.Code() != e.Code || !slices.Equal(decision.Codes(), refusal.Reasons) {
		t.Errorf("replayed to %s %v, recorded %s %v, answered %s", decision.Code(), decision.Codes(), refusal.ErrorCode, refusal.Reasons, e.Code)
	}
	if remedy := decision.Remedy(&facts).Text; remedy != e.Metadata["remedy"] || remedy != refusal.Remedy {
		t.Errorf("replayed remedy %q, recorded %q, answered %q", remedy, refusal.Remedy, e.Metadata["remedy"])
	}
	if strings.Contains(string(event.Detail)+event.Description, bearer[len(bearer)-20:]) {
		t.Error("the event holds the secret part of the token")
	}
}

// A refusal has to be explained later, however long the organization's ranges
// and their descriptions are: the store cuts details that are too long.
func TestRefusalUnderALongPolicyReplays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization(func(p *policy.Policy) {
			p.Ranges.Enabled = true
			for i := range policy.MaxRanges {
				p.Ranges.List = append(p.Ranges.List, policy.Range{
					Prefix:      netip.MustParsePrefix(fmt.Sprintf("2001:db8:ffff:ffff:ffff:ffff:%x:ffff/128", 0xff00+i)),
					Description: strings.Repeat("é", 250),
				})
			}
		})
		bearer := w.token(policy.PersonalToken, w.user(o), func(t *identity.Token) {
			for i := range 100 {
				t.AddressTexts = append(t.AddressTexts, fmt.Sprintf("2001:db8:ffff:ffff:ffff:ffff:%x:ffff/128", 0xff00+i))
			}
		})
		e := w.refused(bearer, o, policy.CodeAddress)
		recorded(t, w, bearer, o, e)
	})
}

// Rules 1 to 3: nobody can tell bad credentials apart, and nothing is recorded
// of them.
func TestTOK02_BadCredentialsAreAlike(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization()
		u := w.user(o)
		good := w.token(policy.PersonalToken, u)
		revoked := w.token(policy.PersonalToken, u)
		w.update(store.User(u), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.RevokeToken(ctx, u, prefixOf(revoked))
			return err
		})
		voided := w.token(policy.Session, w.user(o))
		w.update(store.User("u"), func(ctx context.Context, tx *store.Tx) error {
			owner, err := tx.TokenOwner(ctx, prefixOf(voided))
			if err != nil {
				return err
			}
			return tx.VoidTokens(ctx, owner)
		})
		gone := w.user(o)
		leaver := w.token(policy.Session, gone)
		w.update(store.User(gone), func(ctx context.Context, tx *store.Tx) error {
			return tx.SetUserState(ctx, gone, identity.StateDeleted)
		})
		bad := map[string]string{
			"unknown": unknownToken(t), "revoked": revoked, "voided": voided, "deleted owner": leaver,
			"expired":           w.token(policy.PersonalToken, u, func(t *identity.Token) { t.Expires = w.clock.now() }),
			"empty":             "",
			"with a space":      good + " ",
			"with a line feed":  good + "\n",
			"with a NUL":        good + "\x00",
			"behind a space":    " " + good,
			"cut":               good[:99],
			"doubled":           good + good,
			"in upper case":     strings.ToUpper(good),
			"bearer twice":      "Bearer " + good,
			"prefix only":       good[:12],
			"another tag":       "spx_" + good[4:],
			"a session's tag":   "sps_" + good[4:],
			"long":              strings.Repeat("x", 1<<20),
			"right prefix only": resealed(good),
		}
		want := fmt.Sprintf("%+v", identity.BadCredential())
		for _, organization := range []string{"", o, "org-none"} {
			for name, bearer := range bad {
				// Twice: the second time some of it is in memory.
				for range 2 {
					_, err := w.ask(bearer, organization, needing(Need{Permission: Admin, Session: true}))
					e, ok := err.(*identity.Error)
					if !ok {
						t.Fatalf("%s on %q: error %v", name, organization, err)
					}
					if got := fmt.Sprintf("%+v", e); got != want {
						t.Errorf("%s on %q: %s, want %s", name, organization, got, want)
					}
				}
			}
			w.accepted(good, "")
		}
		var events []identity.Event
		w.must(w.db.View(context.Background(), func(r *store.Read) (err error) {
			events, err = r.Events(context.Background(), store.EventFilter{Action: "access_refused", Limit: 10})
			return err
		}))
		if len(events) != 0 {
			t.Errorf("%d events, want none: %+v", len(events), events[0])
		}
	})
}

// Every single character of a token counts.
func TestTOK02_EveryCharacterCounts(t *testing.T) {
	w := onSQLite(t)
	good := w.token(policy.PersonalToken, w.user())
	w.accepted(good, "")
	w.must(w.db.Close())
	for i := range good {
		for _, changed := range []string{good[:i] + good[i+1:], good[:i] + good[i:i+1] + good[i:], good[:i] + "~" + good[i+1:], good[:i], good[:i] + swap(good[i]) + good[i+1:]} {
			if changed == good {
				continue
			}
			// On a closed database: a wrong token never reaches it.
			w.refused(changed, "", policy.CodeAuthentication)
		}
	}
}

// swap is another character of the alphabet.
func swap(c byte) string {
	switch {
	case c >= 'a' && c <= 'z':
		return string(c - 'a' + 'A')
	case c >= 'A' && c <= 'Z':
		return string(c - 'A' + 'a')
	case c == '9':
		return "0"
	case c == '_':
		return "-"
	}
	return string(c + 1)
}

func TestTOK02_MalformedNeverReachesTheDatabase(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		good := w.token(policy.PersonalToken, w.user())
		w.must(w.db.Close())
		for _, bad := range []string{"", "x", good[:99], good[:99] + "!", "spx_" + good[4:]} {
			w.refused(bad, "org1", policy.CodeAuthentication)
			if _, err := w.Check(context.Background(), Request{Bearer: bad, Home: true}); err == nil || err.Error() != identity.BadCredential().Error() {
				t.Errorf("home of %q: %v", bad, err)
			}
		}
		// What has the form of a token does reach it, and nobody is let in
		// when the database cannot be asked.
		for _, form := range []string{good, unknownToken(t)} {
			p, err := w.ask(form, "")
			if p != nil || err == nil || err.Error() == identity.BadCredential().Error() {
				t.Errorf("got %v, %v from a closed database", p, err)
			}
		}
	})
}

func TestRule4_DeactivatedUser(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization()
		u := w.user(o)
		w.update(store.User(u), func(ctx context.Context, tx *store.Tx) error {
			return tx.SetUserState(ctx, u, identity.StateDeactivated)
		})
		// Deactivation voids what there was; this one came after it.
		bearer := w.token(policy.Session, u)
		for _, organization := range []string{"", o, "org-none"} {
			e := w.refused(bearer, organization, policy.CodeDeactivated)
			if e.Kind != identity.Forbidden {
				t.Errorf("kind %d", e.Kind)
			}
		}
		// A service that asks about somebody else's member learns nothing.
		e := w.refused(bearer, "org-none", policy.CodeNotFound, func(r *Request) { r.Asked = true })
		if e.Kind != identity.NotFound {
			t.Errorf("kind %d", e.Kind)
		}
	})
}

// Rule 7: an organization of others is as if it did not exist, whatever its
// policy says.
func TestRule7_ForeignOrganizationsDoNotExist(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		plain := w.organization()
		strict := w.organization(func(p *policy.Policy) {
			p.Ranges, p.PersonalTokensEnabled, p.TwoFactorRequired = rangesOf("203.0.113.0/24"), false, true
		})
		deleted := w.organization()
		w.update(store.Organization(deleted), func(ctx context.Context, tx *store.Tx) error { return tx.DeleteOrganization(ctx, deleted) })
		damaged := w.organization()
		w.damage(damaged, `{"password_auth_enabled": "yes"}`)
		own := w.organization()
		for _, kind := range []policy.CredentialKind{policy.Session, policy.PersonalToken, policy.ApplicationToken} {
			bearer := w.token(kind, w.user(own))
			w.accepted(bearer, own)
			want := w.refused(bearer, "org-none", policy.CodeNotFound)
			if want.Kind != identity.NotFound || want.Metadata != nil {
				t.Fatalf("got %+v", want)
			}
			for _, organization := range []string{plain, strict, deleted, damaged, strings.Repeat("x", 8<<10)} {
				got := w.refused(bearer, organization, policy.CodeNotFound, needing(Need{Permission: Admin}))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s on %.20s differs (-none +this):\n%s", kind, organization, diff)
				}
			}
			for _, e := range w.refusalEvents(bearer) {
				if e.OrganizationID != "" || e.AccountID != "" || e.Target.Name != "" {
					t.Errorf("the event tells the other organization: %+v", e)
				}
			}
		}
	})
}

// damage writes a policy behind the store's back.
func (w *world) damage(organization, text string) {
	w.tb.Helper()
	db, err := storetest.Connect(w.url)
	w.must(err)
	defer db.Close()
	result, err := db.ExecContext(context.Background(), `UPDATE organizations SET policy = $1 WHERE id = $2`, text, organization)
	w.must(err)
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		w.tb.Fatalf("%d rows, %v", n, err)
	}
}

// A policy that cannot be read closes the door, to everybody but the operator.
func TestUnreadablePolicyRefuses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, text := range []string{"", "{", "null", "[]", `{"password_auth_enabled": "yes"}`, `{"password_auth_enabled": 1}`, `{"unknown_field": true}`, `{"api_client_ip_allowlist": ["203.0.113.7/24"]}`} {
			o := w.organization()
			u := w.user(o)
			w.update(store.Organization(o), func(ctx context.Context, tx *store.Tx) error { return tx.SetSuperAdmin(ctx, o, u, true) })
			w.damage(o, text)
			for _, kind := range []policy.CredentialKind{policy.Session, policy.PersonalToken, policy.ApplicationToken} {
				bearer := w.token(kind, u)
				e := w.refused(bearer, o, policy.CodePolicyUnreadable)
				if e.Kind != identity.Forbidden {
					t.Errorf("policy %q: kind %d", text, e.Kind)
				}
				recorded(t, w, bearer, o, e)
				w.accepted(bearer, "")
			}
		}
	})
}

// The session of the recover command passes every rule of its organization,
// and of no other.
func TestBreakGlassPassesItsOrganization(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		strict := func(p *policy.Policy) { p.Ranges, p.TwoFactorRequired = rangesOf("203.0.113.0/24"), true }
		o, other := w.organization(strict), w.organization(strict)
		bearer := w.token(policy.Session, w.user(o, other), func(t *identity.Token) { t.BreakGlass = o })
		p := w.accepted(bearer, o, needing(Need{Permission: Admin}))
		if !p.Admin() {
			t.Error("not an admin")
		}
		w.refused(bearer, other, policy.CodeAddress, needing(Need{Permission: Admin}))
	})
}

func TestAUD05_RefusalsAreRecordedOncePerReasonAndMinute(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization(func(p *policy.Policy) { p.TwoFactorRequired = true })
		u := w.user(o)
		bearer, second := w.token(policy.Session, u), w.token(policy.Session, u)
		id := func(b string, change ...func(*Request)) any {
			return w.refused(b, o, policy.CodeSecondFactor, change...).Metadata["decision_id"]
		}
		events := func(b string, want int) {
			t.Helper()
			if got := len(w.refusalEvents(b)); got != want {
				t.Errorf("%d events, want %d", got, want)
			}
		}
		first := id(bearer)
		if again := id(bearer, from("203.0.113.9")); again != first {
			t.Errorf("the same refusal in the same minute is %v and %v", first, again)
		}
		events(bearer, 1)
		if id(second) == first {
			t.Error("two credentials share a decision")
		}
		if id(bearer, needing(Need{Permission: Admin})) == first {
			t.Error("two sets of reasons share a decision")
		}
		events(bearer, 2)
		w.clock.advance(time.Minute)
		if id(bearer) == first {
			t.Error("two minutes share a decision")
		}
		events(bearer, 3)
		events(second, 1)
	})
}

func TestAUD05_TenThousandRefusalsLeaveOneEvent(t *testing.T) {
	w := onSQLite(t)
	o := w.organization(func(p *policy.Policy) { p.TwoFactorRequired = true })
	bearer := w.token(policy.Session, w.user(o))
	for range 10_000 {
		w.refused(bearer, o, policy.CodeSecondFactor)
	}
	if got := len(w.refusalEvents(bearer)); got != 1 {
		t.Errorf("%d events, want 1", got)
	}
	// Losing the memory of it writes no second event.
	clear(w.refusals.recent)
	w.refused(bearer, o, policy.CodeSecondFactor)
	if got := len(w.refusalEvents(bearer)); got != 1 {
		t.Errorf("%d events after forgetting, want 1", got)
	}
	// And within the minute nobody asks the database.
	w.must(w.db.Close())
	w.refused(bearer, o, policy.CodeSecondFactor)
}

func TestMemoryOfRefusalsIsBounded(t *testing.T) {
	w := onSQLite(t)
	o := w.organization(func(p *policy.Policy) { p.TwoFactorRequired = true })
	bearer := w.token(policy.Session, w.user(o))
	for i := range maxRecentRefusals {
		w.refusals.recent[refusalKey{prefix: fmt.Sprint(i)}] = ""
	}
	w.refused(bearer, o, policy.CodeSecondFactor)
	if got := len(w.refusals.recent); got > maxRecentRefusals {
		t.Errorf("%d refusals are remembered, at most %d should be", got, maxRecentRefusals)
	}
}

// Two servers on one database give a refusal the same id and one event.
func TestNodesAgreeOnDecisions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization(func(p *policy.Policy) { p.TwoFactorRequired = true })
		bearer := w.token(policy.Session, w.user(o))
		first := w.refused(bearer, o, policy.CodeSecondFactor)
		other := w.other()
		second := other.refused(bearer, o, policy.CodeSecondFactor)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
		if got := len(w.refusalEvents(bearer)); got != 1 {
			t.Errorf("%d events, want 1", got)
		}
	})
}

// A refusal is no change: it does not make anybody's facts be read again.
func TestRefusalForgetsNothing(t *testing.T) {
	w := onSQLite(t)
	o := w.organization(func(p *policy.Policy) { p.TwoFactorRequired = true })
	bearer := w.token(policy.Session, w.user(o))
	w.accepted(bearer, "")
	told := false
	forget := w.db.Changed
	w.db.Changed = func(scopes []string) { told = true; forget(scopes) }
	w.refused(bearer, o, policy.CodeSecondFactor)
	if told || w.facts.cache.get(w.key(bearer, "")) == nil {
		t.Error("a refusal voided facts in memory")
	}
}

func (w *world) key(bearer, organization string) cacheKey {
	var k cacheKey
	copy(k.prefix[:], bearer)
	k.organization = organization
	return k
}

// The principal of a request is all that the use cases see.
func TestPrincipal(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization()
		u := w.user(o)
		w.update(store.Organization(o), func(ctx context.Context, tx *store.Tx) error {
			return tx.SetGrant(ctx, identity.Grant{OrganizationID: o, ResourceType: "organization", ResourceID: o, PrincipalType: "user", PrincipalID: u, Permissions: []string{"organization:users:write"}})
		})
		bearer := w.token(policy.PersonalToken, u)
		p := w.accepted(bearer, o, needing(Need{Permission: "organization:users:write"}))
		if p.User.ID != u || p.Token.Prefix != prefixOf(bearer) || p.Organization.ID != o || !p.Member || p.SuperAdmin || p.Policy == nil || p.UserAgent != "test/1" {
			t.Errorf("principal %+v", p)
		}
		want := identity.Actor{Kind: identity.ActorUser, ID: u, Name: p.User.Email, Credential: prefixOf(bearer), Client: home, RequestID: "req_1"}
		if diff := cmp.Diff(want, p.Actor(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("actor (-want +got):\n%s", diff)
		}
		if d := policy.Decide(&p.Facts); !d.Allowed() {
			t.Errorf("the facts of an accepted request refuse: %v", d.Codes())
		}
		if p := w.accepted(bearer, ""); p.Organization != nil || p.Member || p.Policy != nil || len(p.Granted) != 0 {
			t.Errorf("on the owner's own things: %+v", p)
		}
	})
}

func TestReachesAndHome(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		open := w.organization()
		closed := w.organization(func(p *policy.Policy) { p.TwoFactorRequired = true })
		foreign := w.organization()
		u := w.user(open, closed)
		bearer := w.token(policy.Session, u)
		p := w.accepted(bearer, "")
		for organization, want := range map[string]bool{open: true, closed: false, foreign: false, "org-none": false} {
			got, err := w.Reaches(context.Background(), p, organization)
			if err != nil || got != want {
				t.Errorf("reaches %s: %v, %v, want %v", organization, got, err, want)
			}
		}
		if n := len(w.refusalEvents(bearer)); n != 0 {
			t.Errorf("%d events of asking", n)
		}
		app := w.addUser(func(u *identity.User) { u.Application, u.OrganizationID = true, open }, open)
		for b, want := range map[string]string{bearer: "", w.token(policy.ApplicationToken, app): open} {
			p, err := w.Check(context.Background(), Request{Bearer: b, Home: true})
			if err != nil || (p.Organization != nil) != (want != "") || p.Organization != nil && p.Organization.ID != want {
				t.Errorf("home of %v: %v, want %q", p, err, want)
			}
		}
	})
}

// What is recorded is JSON of a fixed form.
func TestRecordedRefusal(t *testing.T) {
	w := onSQLite(t)
	o := w.organization(func(p *policy.Policy) { p.TwoFactorRequired = true })
	bearer := w.token(policy.Session, w.user(o))
	w.refused(bearer, o, policy.CodeSecondFactor)
	var detail map[string]json.RawMessage
	w.must(json.Unmarshal(w.refusalEvents(bearer)[0].Detail, &detail))
	var names []string
	for name := range detail {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"address", "error_code", "facts", "policy_version", "reasons", "remedy"}; !slices.Equal(names, want) {
		t.Errorf("fields %v, want %v", names, want)
	}
	for _, bad := range []string{"", "{}", "null", `{"facts":{"unknown":1}}`, `{"cut":"x"}`} {
		if _, _, _, err := identity.Replay([]byte(bad)); err == nil {
			t.Errorf("replayed %q", bad)
		}
	}
}
