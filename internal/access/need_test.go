package access

import (
	"context"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

func TestScopes(t *testing.T) {
	for _, c := range []struct {
		held   []string
		wanted string
		want   bool
	}{
		{nil, "user:read", true},
		{[]string{}, "projects:write", true},
		{nil, identity.IntrospectPermission, true},
		{[]string{"user:read"}, "user:read", true},
		{[]string{"user:read"}, "user:write", false},
		{[]string{"user:write"}, "user:read", false},
		{[]string{"user"}, "user:read", true},
		{[]string{"user"}, "user:write", true},
		{[]string{"user:read"}, "user", false},
		{[]string{"use"}, "user:read", false},
		{[]string{"projects"}, "user:read", false},
		{[]string{"projects", "user:read"}, "user:read", true},
		{[]string{"all"}, "billing:write", true},
		{[]string{"all"}, identity.IntrospectPermission, false},
		{[]string{"all", identity.IntrospectPermission}, identity.IntrospectPermission, true},
		{[]string{identity.IntrospectPermission}, "user:read", false},
		{[]string{""}, "user:read", false},
		{[]string{"User:Read"}, "user:read", false},
	} {
		if got := identity.ScopesCover(c.held, c.wanted); got != c.want {
			t.Errorf("%q covers %q: %v, want %v", c.held, c.wanted, got, c.want)
		}
	}
	// The three ways to hold each published name.
	for _, wanted := range identity.Scopes {
		if !identity.ScopesCover([]string{wanted}, wanted) || !identity.ScopesCover(nil, wanted) {
			t.Errorf("%s does not cover itself", wanted)
		}
		if got := identity.ScopesCover([]string{"all"}, wanted); got != (wanted != identity.IntrospectPermission) {
			t.Errorf("all covers %s: %v", wanted, got)
		}
	}
}

func TestNeeds(t *testing.T) {
	const write = "organization:users:write"
	for _, c := range []struct {
		name    string
		kind    policy.CredentialKind
		super   bool
		granted []string
		scopes  []string
		need    Need
		want    bool
	}{
		{name: "nothing", kind: policy.Session, want: true},
		{name: "member", kind: policy.Session, need: Need{Permission: Member}, want: true},
		{name: "permission missing", kind: policy.Session, need: Need{Permission: write}},
		{name: "another permission", kind: policy.Session, granted: []string{"organization:groups:write"}, need: Need{Permission: write}},
		{name: "permission", kind: policy.Session, granted: []string{write}, need: Need{Permission: write}, want: true},
		{name: "admin by role", kind: policy.Session, granted: []string{identity.AdminRole}, need: Need{Permission: Admin}, want: true},
		{name: "admin may all", kind: policy.Session, granted: []string{identity.AdminRole}, need: Need{Permission: write}, want: true},
		{name: "an admin is no super admin", kind: policy.Session, granted: []string{identity.AdminRole}, need: Need{Permission: SuperAdmin}},
		{name: "super admin", kind: policy.Session, super: true, need: Need{Permission: SuperAdmin}, want: true},
		{name: "super admin may all", kind: policy.Session, super: true, need: Need{Permission: write}, want: true},
		{name: "permission by no admin", kind: policy.Session, granted: []string{write}, need: Need{Permission: Admin}},
		{name: "scope and permission", kind: policy.PersonalToken, granted: []string{write}, scopes: []string{"user"}, need: Need{Permission: write, Scopes: []string{"user:write"}}, want: true},
		{name: "permission without scope", kind: policy.PersonalToken, granted: []string{write}, scopes: []string{"projects"}, need: Need{Permission: write, Scopes: []string{"user:write"}}},
		{name: "scope without permission", kind: policy.PersonalToken, scopes: []string{"user"}, need: Need{Permission: write, Scopes: []string{"user:write"}}},
		{name: "all of two scopes", kind: policy.PersonalToken, scopes: []string{"user:read"}, need: Need{Scopes: []string{"user:read", "projects:read"}}},
		{name: "an admin's narrow token", kind: policy.PersonalToken, super: true, scopes: []string{"user:read"}, need: Need{Permission: Admin, Scopes: []string{"user:write"}}},
		{name: "introspection by scope", kind: policy.ApplicationToken, scopes: []string{identity.IntrospectPermission}, need: Need{Permission: identity.IntrospectPermission}, want: true},
		{name: "introspection by permission", kind: policy.ApplicationToken, granted: []string{identity.IntrospectPermission}, need: Need{Permission: identity.IntrospectPermission}, want: true},
		{name: "introspection by neither", kind: policy.ApplicationToken, need: Need{Permission: identity.IntrospectPermission}},
		{name: "introspection narrowed away", kind: policy.ApplicationToken, granted: []string{identity.IntrospectPermission}, scopes: []string{"all"}, need: Need{Permission: identity.IntrospectPermission}},
		{name: "introspection by a person's token", kind: policy.PersonalToken, super: true, scopes: []string{identity.IntrospectPermission}, need: Need{Permission: identity.IntrospectPermission}},
		{name: "introspection by a session", kind: policy.Session, super: true, need: Need{Permission: identity.IntrospectPermission}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &identity.Principal{
				User: &identity.User{}, Token: &identity.Token{Kind: c.kind, Scopes: c.scopes},
				Organization: &identity.Organization{ID: "o"}, Member: true, SuperAdmin: c.super, Granted: c.granted,
			}
			if got := c.need.covered(p); got != c.want {
				t.Errorf("covered: %v, want %v", got, c.want)
			}
		})
	}
}

// Permissions end at the organization: no right of one is a right at another,
// or on the owner's own things.
func TestPermissionsEndAtTheOrganization(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		mine, other := w.organization(), w.organization()
		u := w.user(mine, other)
		w.update(store.Organization(mine), func(ctx context.Context, tx *store.Tx) error { return tx.SetSuperAdmin(ctx, mine, u, true) })
		bearer := w.token(policy.Session, u)
		for _, level := range []string{Admin, SuperAdmin, "organization:users:write"} {
			w.accepted(bearer, mine, needing(Need{Permission: level}))
			w.refused(bearer, other, policy.CodeForbidden, needing(Need{Permission: level}))
			w.refused(bearer, "", policy.CodeForbidden, needing(Need{Permission: level}))
		}
	})
}

func TestDemands(t *testing.T) {
	totp := policy.Authentication{Method: policy.MethodPassword, SecondFactor: true, At: start}
	password := policy.Authentication{Method: policy.MethodPassword, At: start}
	passkey := policy.Authentication{Method: policy.MethodPasskey, At: start}
	for _, c := range []struct {
		name        string
		kind        policy.CredentialKind
		login       policy.Authentication
		application bool
		factor      bool // set up
		need        Need
		after       time.Duration
		code        string
		remedy      string
	}{
		{name: "person", kind: policy.Session, need: Need{Person: true}},
		{name: "person by token", kind: policy.PersonalToken, need: Need{Person: true}},
		{name: "application user", kind: policy.ApplicationToken, application: true, need: Need{Person: true}, code: "action_forbidden_for_application_users"},
		{name: "session", kind: policy.Session, need: Need{Session: true}},
		{name: "personal token as session", kind: policy.PersonalToken, need: Need{Session: true}, code: "session_required"},
		{name: "application token as session", kind: policy.ApplicationToken, application: true, need: Need{Session: true}, code: "session_required"},
		{name: "fresh", kind: policy.Session, login: password, need: Need{Fresh: true}},
		{name: "fresh to the last microsecond", kind: policy.Session, login: password, need: Need{Fresh: true}, after: 10 * time.Minute},
		{name: "stale", kind: policy.Session, login: password, need: Need{Fresh: true}, after: 10*time.Minute + time.Microsecond, code: "fresh_login_required", remedy: "log in again and repeat it within 10 minutes"},
		{name: "without the factor that is set up", kind: policy.Session, login: password, factor: true, need: Need{Fresh: true}, code: "fresh_login_required", remedy: "log in again with your second factor and repeat it within 10 minutes"},
		{name: "with the factor", kind: policy.Session, login: totp, factor: true, need: Need{Fresh: true}},
		{name: "with the factor, stale", kind: policy.Session, login: totp, factor: true, need: Need{Fresh: true}, after: time.Hour, code: "fresh_login_required", remedy: "log in again and repeat it within 10 minutes"},
		{name: "a passkey is two factors", kind: policy.Session, login: passkey, factor: true, need: Need{Fresh: true}},
		{name: "a token is not asked for freshness", kind: policy.PersonalToken, login: password, need: Need{Fresh: true}, after: time.Hour},
		{name: "but for a session it is", kind: policy.PersonalToken, login: password, need: Need{Fresh: true, Session: true}, code: "session_required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &identity.Principal{User: &identity.User{Application: c.application, SecondFactor: c.factor, EmailConfirmed: start}, Token: &identity.Token{Kind: c.kind, Authentication: c.login}}
			err := c.need.demand(p, start.Add(c.after))
			if c.code == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			e, ok := err.(*identity.Error)
			if !ok || e.Code != c.code || e.Kind != identity.Forbidden {
				t.Fatalf("error %v, want %s", err, c.code)
			}
			if c.remedy != "" && e.Metadata["remedy"] != c.remedy {
				t.Errorf("remedy %q, want %q", e.Metadata["remedy"], c.remedy)
			}
		})
	}
}

// Row EML-07: before the address is confirmed, only what confirms it is open.
func TestEML07UnconfirmedPeopleOnlyConfirm(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		unconfirmed := func(u *identity.User) { u.EmailConfirmed = time.Time{} }
		o := w.organization()
		for _, kind := range []policy.CredentialKind{policy.Session, policy.PersonalToken} {
			bearer := w.token(kind, w.addUser(unconfirmed, o))
			for _, organization := range []string{"", o} {
				w.refused(bearer, organization, "email_not_confirmed")
				w.accepted(bearer, organization, needing(Need{Unconfirmed: true}))
			}
		}
		// Application users have no address of their own.
		w.accepted(w.token(policy.ApplicationToken, w.addUser(func(u *identity.User) {
			u.Application, u.OrganizationID, u.EmailConfirmed = true, o, time.Time{}
		}, o)), o)
	})
}

// The policy comes first: what a route demands of callers is not told to those
// whom it does not let in.
func TestDemandsComeAfterTheDecision(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization(func(p *policy.Policy) { p.PersonalTokensEnabled = false })
		bearer := w.token(policy.PersonalToken, w.user(o))
		w.refused(bearer, o, policy.CodePersonalToken, needing(Need{Session: true}))
		w.refused(bearer, "", "session_required", needing(Need{Session: true}))
		w.refused(bearer, "org-none", policy.CodeNotFound, needing(Need{Session: true}))
	})
}
