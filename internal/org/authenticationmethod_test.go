package org_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/outbound"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// to is a field that a change sets.
func to[T any](v T) *T { return &v }

// identityProvider registers an OpenID provider of organization A.
func (g *ground) identityProvider(c org.MethodChange, domainIDs ...string) org.Method {
	g.Helper()
	if c.Name == nil {
		c.Name = to("Okta")
	}
	m, err := g.CreateAuthenticationMethod(g.Context(), g.as(g.alice, g.a.ID), g.a.AccountID, "oidc", c, domainIDs)
	g.must(err)
	return m
}

func complete() org.MethodChange {
	return org.MethodChange{OIDC: org.OIDCChange{Issuer: to("https://id.example.com"), ClientID: to("sallyport"), ClientSecret: to("hush-hush")}}
}

// domain adds a domain to an organization, verified or not.
func (g *ground) domain(o identity.Organization, name string, verified bool) string {
	g.Helper()
	id, err := g.DB.NewID("dom")
	g.must(err)
	g.prepare(store.Organization(o.ID), func(tx *store.Tx) error {
		d := identity.Domain{ID: id, OrganizationID: o.ID, Name: name, Challenge: "x", VerificationType: "dns"}
		if err := tx.AddDomain(g.Context(), d); err != nil || !verified {
			return err
		}
		return tx.VerifyDomain(g.Context(), d)
	})
	return id
}

func TestAuthenticationMethodLife(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		var asked []string
		g.Discover = func(_ context.Context, issuer string) error { asked = append(asked, issuer); return nil }
		var draft org.Method
		g.wantEvents(func() { draft = g.identityProvider(org.MethodChange{}) }, "authentication_method_created")
		if draft.State != identity.MethodPending || !draft.Enabled || draft.TokenMaxAge != 10*time.Hour || !draft.TokenExtend {
			t.Errorf("draft: %+v", draft)
		}
		var m org.Method
		g.wantEvents(func() {
			var err error
			m, err = g.ChangeAuthenticationMethod(t.Context(), p, g.a.AccountID, draft.ID, complete())
			g.must(err)
		}, "authentication_method_changed")
		if m.State != identity.MethodActive || len(asked) != 1 || strings.Contains(m.Secret, "hush") {
			t.Errorf("completed: %+v, asked %v", m, asked)
		}
		if secret, err := g.Keys.Open(identity.MethodSecretPurpose, m.ID, m.Secret); string(secret) != "hush-hush" {
			t.Errorf("the secret opens as %q, %v", secret, err)
		}
		// A change of nothing leaves no trace; one of another field asks nobody.
		g.wantEvents(func() {
			_, err := g.ChangeAuthenticationMethod(t.Context(), p, g.a.AccountID, m.ID, org.MethodChange{TokenExtend: to(true)})
			g.must(err)
		})
		list, err := g.AuthenticationMethods(t.Context(), p, g.a.AccountID)
		g.must(err)
		if len(list) != 2 || list[0].Type != identity.MethodTypeInternal || list[1].ID != m.ID || len(asked) != 1 {
			t.Errorf("list: %+v", list)
		}
		g.refused("bad_request", func() error {
			_, err := g.ChangeAuthenticationMethod(t.Context(), p, g.a.AccountID, list[0].ID, org.MethodChange{Enabled: to(false)})
			return err
		})
		g.refused("bad_request", func() error { return g.DeleteAuthenticationMethod(t.Context(), p, g.a.AccountID, list[0].ID, nil) })
		g.wantEvents(func() { g.must(g.DeleteAuthenticationMethod(t.Context(), p, g.a.AccountID, m.ID, nil)) }, "authentication_method_deleted")
		g.refused("authentication_method_not_found", func() error {
			_, err := g.AuthenticationMethod(t.Context(), p, g.a.AccountID, m.ID)
			return err
		})
	})
}

func TestAuthenticationMethodRefusals(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		g.Discover = func(context.Context, string) error { return errors.New("it cannot be reached") }
		m := g.identityProvider(org.MethodChange{})
		foreign := g.domain(g.b, "b-foreign.com", true)
		unverified := g.domain(g.a, "a-unverified.com", false)
		name := org.MethodChange{Name: to("Okta")}
		scim := identity.Group{ID: "ug0123456789b", OrganizationID: g.a.ID, Name: "from elsewhere", ManagedBySCIM: true}
		g.prepare(store.Organization(g.a.ID), func(tx *store.Tx) error { return tx.AddGroup(t.Context(), scim) })
		create := func(account, kind string, c org.MethodChange, domains ...string) func() error {
			return func() error {
				_, err := g.CreateAuthenticationMethod(t.Context(), p, account, kind, c, domains)
				return err
			}
		}
		change := func(c org.MethodChange) func() error {
			return func() error {
				_, err := g.ChangeAuthenticationMethod(t.Context(), p, g.a.AccountID, m.ID, c)
				return err
			}
		}
		issuer := func(s string) func() error { return change(org.MethodChange{OIDC: org.OIDCChange{Issuer: &s}}) }
		for _, c := range []struct {
			code string
			call func() error
		}{
			{"nested_account_cannot_have_authentication_method", create("a0123456789a", "oidc", name)},
			{"bad_request", create(g.a.AccountID, "internal", name)},
			{"bad_request", create(g.a.AccountID, "oidc", org.MethodChange{Name: to("  ")})},
			{"organization_domain_not_found", create(g.a.AccountID, "oidc", name, foreign)},
			{"organization_domain_not_verified", create(g.a.AccountID, "oidc", name, unverified)},
			{"auth_token_max_age_too_low", change(org.MethodChange{TokenMaxAgeSeconds: to(int64(299))})},
			{"bad_request", change(org.MethodChange{TokenMaxAgeSeconds: to(int64(1296001))})},
			{"user_group_not_found", change(org.MethodChange{AutoJoinGroupID: to("ug0123456789a")})},
			{"cannot_set_groups_managed_by_scim_as_auto_join_group", change(org.MethodChange{AutoJoinGroupID: &scim.ID})},
			{"bad_request", change(org.MethodChange{OIDC: org.OIDCChange{ClientID: to("two words")}})},
			{"bad_request", change(org.MethodChange{OIDC: org.OIDCChange{Scopes: to([]string{"openid email"})}})},
			{"invalid_issuer", issuer("https://id.example.com")}, // which is not reached
			{"organization_domain_not_verified", func() error { return g.LinkMethodDomain(t.Context(), p, m.ID, unverified, nil) }},
			{"organization_domain_not_found", func() error { return g.LinkMethodDomain(t.Context(), p, m.ID, foreign, nil) }},
			{"authentication_method_not_found", func() error { return g.LinkMethodDomain(t.Context(), g.as(g.eve, g.b.ID), m.ID, foreign, nil) }},
			{"authentication_method_incomplete", func() error { return g.TestAuthenticationMethod(t.Context(), p, m.ID) }},
		} {
			g.refused(c.code, c.call)
		}
	})
}

// Row OUT-01: an issuer inside is refused when it is saved, nobody is asked, and
// there is an event.
func TestOUT01_IssuersInside(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		m := g.identityProvider(org.MethodChange{})
		asked := 0
		g.Discover = func(context.Context, string) error { asked++; return nil }
		save := func(issuer string) error {
			_, err := g.ChangeAuthenticationMethod(t.Context(), p, g.a.AccountID, m.ID, org.MethodChange{OIDC: org.OIDCChange{Issuer: &issuer}})
			return err
		}
		for _, inside := range []string{
			"https://127.0.0.1", "https://0.0.0.0", "https://[::]", "https://[::ffff:127.0.0.1]", "https://10.0.0.1", "https://169.254.169.254",
			"https://[fd00::1]", "https://100.64.0.1", "https://198.18.0.1", "https://224.0.0.1", "https://127.1", "https://2130706433", "https://0x7f.1",
			"https://localhost.", "https://localhost", "https://intranet", "https://id.internal", "https://id.example.com:22", "https://id.example.com:5432",
		} {
			g.now = g.now.Add(2 * time.Minute)
			p = g.as(g.alice, g.a.ID)
			g.wantEvents(func() { wantCode(t, save(inside), "invalid_issuer") }, "outbound_blocked")
		}
		for _, wrong := range []string{
			"http://id.example.com", "https://user@id.example.com", "https://id.example.com/?a=b", "https://id.example.com/#a", "file:///etc/passwd",
			"gopher://id.example.com", "unix:/run/socket", "id.example.com", "https://", "https://id.example.com/" + strings.Repeat("x", 2048),
		} {
			g.refused("invalid_issuer", func() error { return save(wrong) })
		}
		if asked != 0 {
			t.Errorf("asked %d times", asked)
		}
		// The name alone looks fine, and leads inside.
		g.Discover = func(context.Context, string) error { return outbound.ErrPrivate }
		g.now = g.now.Add(2 * time.Minute)
		p = g.as(g.alice, g.a.ID)
		g.wantEvents(func() { wantCode(t, save("https://id.example.com"), "invalid_issuer") }, "outbound_blocked")
		g.Discover = func(context.Context, string) error { return nil }
		g.must(save("https://id.example.com:8443/realms/a"))
	})
}

// Row POL-08: what a provider made ends with it, and nothing is revived; while
// it is off its sessions open nothing of the organization, and nobody closes
// the door they came in by.
func TestPOL08_ProviderOffOrDeleted(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		m := g.identityProvider(complete())
		how := policy.Authentication{Method: policy.MethodOIDC, Provider: m.ID, ProviderOrganization: g.a.ID}
		session := g.token(identity.Token{UserID: g.bob, Kind: policy.Session, Authentication: how})
		personal := g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken, Authentication: how})
		g.prepare(store.User(g.bob), func(tx *store.Tx) error {
			return tx.AddLinkedIdentity(t.Context(), identity.LinkedIdentity{ID: "uam0123456789a", UserID: g.bob, Provider: m.ID, OrganizationID: g.a.ID, Subject: "bob"})
		})
		enters := func(token, organization string) string {
			_, err := g.access.Check(t.Context(), accessRequest(token, organization))
			var refused *identity.Error
			if errors.As(err, &refused) {
				return refused.Code
			}
			return ""
		}
		enable := func(on bool) {
			_, err := g.ChangeAuthenticationMethod(t.Context(), p, g.a.AccountID, m.ID, org.MethodChange{Enabled: &on})
			g.must(err)
		}
		if got := enters(session, g.a.ID); got != "" {
			t.Fatalf("at first: %s", got)
		}
		enable(false)
		if got := enters(session, g.a.ID); got != policy.CodeIdentityProvider {
			t.Errorf("session, switched off: %q", got)
		}
		if got := enters(session, ""); got != "" {
			t.Errorf("own profile, switched off: %q", got)
		}
		if got := enters(personal, g.a.ID); got != "" {
			t.Errorf("personal token without enforcement: %q", got)
		}
		g.refusedTokenSays(session, m.ID)
		enable(true)
		if got := enters(session, g.a.ID); got != "" {
			t.Errorf("switched on again: %q", got)
		}
		own := g.as(g.alice, g.a.ID)
		own.Token.Authentication = how
		g.refused("authentication_method_disable_current_not_allowed", func() error {
			_, err := g.ChangeAuthenticationMethod(t.Context(), own, g.a.AccountID, m.ID, org.MethodChange{Enabled: to(false)})
			return err
		})
		g.refused("authentication_method_disable_current_not_allowed", func() error { return g.DeleteAuthenticationMethod(t.Context(), own, g.a.AccountID, m.ID, nil) })
		g.must(g.DeleteAuthenticationMethod(t.Context(), p, g.a.AccountID, m.ID, nil))
		for _, token := range []string{session, personal} {
			if got := enters(token, ""); got != "authentication_failed" {
				t.Errorf("after the provider was deleted: %q", got)
			}
		}
		err := g.DB.Once(func(r *store.Read) error {
			links, err := r.LinkedIdentities(t.Context(), g.bob)
			if len(links) != 0 {
				t.Errorf("still linked: %+v", links)
			}
			return err
		})
		g.must(err)
	})
}

// refusedTokenSays has a session ask for a token that the policy refuses, and
// its admins read that the provider of the session is off.
func (g *ground) refusedTokenSays(session, provider string) {
	g.Helper()
	g.manage(g.a, g.bob)
	g.patch(`{"personal_tokens_enabled": false}`)
	events := g.wantEvents(func() {
		if _, err := g.CreateToken(g.Context(), g.with(session, ""), org.TokenRequest{}); err == nil {
			g.Error("a token was made")
		}
	}, "token_refused")
	g.patch(`{"personal_tokens_enabled": true}`)
	if len(events) != 1 {
		return
	}
	_, f, _, err := identity.Replay(events[0].Detail)
	if g.must(err); !f.Credential.ProviderOff || f.Credential.Authentication.Provider != provider {
		g.Errorf("the refusal is recorded with the credential %+v", f.Credential)
	}
}

func TestMethodDomains(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		first, second := g.domain(g.a, "a-first.com", true), g.domain(g.a, "a-second.com", true)
		m := g.identityProvider(org.MethodChange{}, first)
		g.wantEvents(func() { g.must(g.LinkMethodDomain(t.Context(), p, m.ID, second, nil)) }, "authentication_method_domain_linked")
		g.wantEvents(func() { g.must(g.LinkMethodDomain(t.Context(), p, m.ID, second, nil)) })
		names := func() (list []string) {
			domains, err := g.MethodDomains(t.Context(), p, m.ID)
			g.must(err)
			for _, d := range domains {
				list = append(list, d.Name)
			}
			return list
		}
		if got := names(); len(got) != 2 {
			t.Errorf("linked: %v", got)
		}
		g.wantEvents(func() { g.must(g.UnlinkMethodDomain(t.Context(), p, m.ID, first, nil)) }, "authentication_method_domain_unlinked")
		g.refused("organization_domain_not_found", func() error { return g.UnlinkMethodDomain(t.Context(), p, m.ID, first, nil) })
		if got := names(); len(got) != 1 || got[0] != "a-second.com" {
			t.Errorf("linked: %v", got)
		}
		linked, err := g.LinkedMethods(t.Context(), p)
		g.must(err)
		if len(linked) != 1 || len(linked[second]) != 1 || linked[second][0] != m.ID {
			t.Errorf("by domain: %v", linked)
		}
	})
}
