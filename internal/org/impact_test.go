package org_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

// linked links a person to an identity at the organization's own provider, which
// it returns.
func (g *ground) linked(o identity.Organization, people ...string) (methodID string) {
	g.Helper()
	methodID = "am" + strings.TrimPrefix(o.ID, "org")
	g.prepare(store.Organization(o.ID), func(tx *store.Tx) error {
		m := identity.AuthenticationMethod{
			ID: methodID, OrganizationID: o.ID, AccountID: o.AccountID, Name: "SSO", Type: identity.MethodTypeSAML, Enabled: true,
			State: identity.MethodActive, TokenMaxAge: time.Hour, Config: "{}",
		}
		if err := tx.AddAuthenticationMethod(g.Context(), m); err != nil {
			return err
		}
		for i, id := range people {
			l := identity.LinkedIdentity{ID: fmt.Sprintf("uam%d", i), UserID: id, Provider: methodID, OrganizationID: o.ID, Subject: id}
			if err := tx.AddLinkedIdentity(g.Context(), l); err != nil {
				return err
			}
		}
		return nil
	})
	return methodID
}

func (g *ground) password(userID string) {
	g.Helper()
	g.prepare(store.User(userID), func(tx *store.Tx) error { return tx.SetPassword(g.Context(), userID, "$argon2id$") })
}

func (g *ground) preview(document string) org.Impact {
	g.Helper()
	var i org.Impact
	g.wantEvents(func() {
		var err error
		if i, err = g.Preview(g.Context(), g.as(g.alice, g.a.ID), []byte(document), everything); err != nil {
			g.Fatalf("%s: %v", document, err)
		}
	})
	return i
}

func codesOf(h org.Hit) (codes []string) {
	for _, r := range h.Reasons {
		codes = append(codes, r.Code)
	}
	return codes
}

// A preview names people who keep no way in, with what they can do; who has
// another way keeps access and only loses the session.
func TestPreviewOfPeople(t *testing.T) {
	onGround(t, func(g *ground) {
		g.password(g.bob)
		g.password(g.alice)
		g.linked(g.a, g.alice)
		i := g.preview(`{"password_auth_enabled": false}`)
		if n := i.Loses.People.Total; n != 1 || i.Loses.People.Page[0].ID != g.bob {
			t.Fatalf("%d people lose access: %+v, want bob", n, i.Loses.People.Page)
		}
		bob := i.Loses.People.Page[0]
		if got := codesOf(bob); fmt.Sprint(got) != fmt.Sprint([]string{policy.CodePassword}) || !strings.Contains(bob.Remedy.Text, "log in with") || bob.Admin {
			t.Errorf("bob: %+v", bob)
		}
		if i.Loses.Sessions.Total != 2 || !i.AdminKeepsAccess || len(i.Admins) != 1 || i.Admins[0].ID != g.alice {
			t.Errorf("%d sessions; admins %+v", i.Loses.Sessions.Total, i.Admins)
		}
		// Who was kept out comes back.
		_, err := g.ChangePolicy(t.Context(), g.as(g.alice, g.a.ID), []byte(`{"password_auth_enabled": false, "accept_lockout": true}`))
		g.must(err)
		back, err := g.PreviewPolicy(t.Context(), &identity.Principal{Organization: &g.a}, []byte(`{"password_auth_enabled": true}`), everything)
		if err != nil || back.Regains.People.Total != 1 || back.Loses.People.Total != 0 || back.Regains.Sessions.Total != 2 {
			t.Errorf("%+v, %v", back, err)
		}
	})
}

// Changes of something else are made, looked at and undone.
func TestPreviewsOfOtherChanges(t *testing.T) {
	onGround(t, func(g *ground) {
		g.password(g.alice)
		provider := g.linked(g.a, g.bob)
		g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken, Authentication: policy.Authentication{
			Method: policy.MethodSAML, Provider: provider, ProviderOrganization: g.a.ID,
		}})
		for _, c := range []struct {
			change         string
			people, tokens int
			code           string
		}{
			{`{"kind": "identity_provider", "id": "` + provider + `", "action": "disable"}`, 1, 0, policy.CodeIdentityProvider},
			{`{"kind": "identity_provider", "id": "` + provider + `", "action": "delete"}`, 1, 1, policy.CodeIdentityProvider},
			{`{"kind": "user", "id": "` + g.bob + `", "action": "remove"}`, 1, 1, policy.CodeNotFound},
		} {
			// By a session of his own bob keeps access while the provider is off.
			g.prepare(store.User(g.bob), func(tx *store.Tx) error {
				_, err := tx.RevokeSessions(t.Context(), g.bob, "")
				return err
			})
			i := g.preview(`{"change": ` + c.change + `}`)
			if i.Loses.People.Total != c.people || i.Loses.PersonalTokens.Total != c.tokens {
				// With the token he keeps a live credential.
				if c.tokens != 0 || i.Loses.People.Total != 0 {
					t.Errorf("%s: %d people, %d tokens, want %d and %d", c.change, i.Loses.People.Total, i.Loses.PersonalTokens.Total, c.people, c.tokens)
				}
				continue
			}
			if !strings.Contains(fmt.Sprint(codesOf(i.Loses.People.Page[0])), c.code) {
				t.Errorf("%s: because of %v, want %s", c.change, codesOf(i.Loses.People.Page[0]), c.code)
			}
		}
		err := g.DB.View(t.Context(), func(r *store.Read) error {
			_, err := r.Member(t.Context(), g.a.ID, g.bob)
			return err
		})
		g.must(err)
	})
}

// Who administers through a group is one admin less without it.
func TestPreviewOfTheAdminsOfAGroup(t *testing.T) {
	onGround(t, func(g *ground) {
		g.password(g.alice)
		g.password(g.bob)
		admins := g.group("admins", g.bob)
		g.grantGroup(admins, identity.AdminRole)
		for _, action := range []string{"revoke_permissions", "delete"} {
			var i org.Impact
			g.wantEvents(func() {
				i = g.preview(`{"change": {"kind": "user_group", "id": "` + admins.ID + `", "action": "` + action + `"}}`)
			})
			if len(i.Admins) != 1 || i.Admins[0].ID != g.alice || i.Loses.People.Total != 0 {
				t.Errorf("%s: admins %+v, %d people lose access; want alice alone, and none", action, i.Admins, i.Loses.People.Total)
			}
		}
		if i := g.preview(`{"two_factor_required": false}`); len(i.Admins) != 2 {
			t.Errorf("admins of now are %+v, want alice and bob", i.Admins)
		}
	})
}

// What somebody does at another organization's identity provider is not this
// one's business: its previews count such credentials and neither name them nor
// let an admin reckon, change by change, from where and when they are used.
func TestPreviewsTellNothingOfOtherOrganizations(t *testing.T) {
	onGround(t, func(g *ground) {
		provider := g.linked(g.a)
		g.join(g.b, g.bob, false)
		var plain []string
		for _, kind := range []policy.CredentialKind{policy.Session, policy.PersonalToken} {
			plain = append(plain, g.token(identity.Token{UserID: g.bob, Kind: kind, AddressTexts: []string{"198.51.100.0/24"}, Authentication: policy.Authentication{
				Method: policy.MethodSAML, Provider: provider, ProviderOrganization: g.a.ID,
			}}))
		}
		own := g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken})
		g.now = g.now.Add(time.Hour)
		for _, token := range append(plain, own) {
			_, err := g.access.Check(t.Context(), access.Request{
				Bearer: token, Organization: g.a.ID, Address: identity.Address{Client: netip.MustParseAddr("198.51.100.77")}, RequestID: "req_1", Need: access.Need{Permission: access.Member},
			})
			g.must(err)
		}
		g.now = g.now.Add(time.Hour)
		preview := func(admin string, o identity.Organization, document string) org.Impact {
			t.Helper()
			i, err := g.Preview(t.Context(), g.as(admin, o.ID), []byte(document), everything)
			g.must(err)
			shown := fmt.Sprintf("%+v", i)
			for _, token := range plain {
				if admin == g.eve && strings.Contains(shown, token[:12]) {
					t.Errorf("%s: eve reads of %s: %s", document, token[:12], shown)
				}
			}
			return i
		}
		counted := func(i org.Impact) [4]int {
			return [4]int{i.Loses.Sessions.Total, len(i.Loses.Sessions.Page), i.Loses.PersonalTokens.Total, len(i.Loses.PersonalTokens.Page)}
		}
		// That a change would refuse them is said, as their owner would hear it.
		external := `{"saml_allow_external": false, "personal_tokens_require_allowed_auth_method": true}`
		i := preview(g.eve, g.b, external)
		if got, want := counted(i), [4]int{1, 0, 1, 0}; got != want || i.UsesOfWeek != 0 {
			t.Errorf("external providers: %v, %d uses, want %v and none", got, i.UsesOfWeek, want)
		}
		i = preview(g.eve, g.b, `{"personal_tokens_enabled": false}`)
		if got, want := counted(i), [4]int{0, 0, 2, 1}; got != want || i.Loses.PersonalTokens.Page[0].Prefix != own[:12] || i.Loses.PersonalTokens.Page[0].LastIP != "198.51.100.77" {
			t.Errorf("no personal tokens: %v %+v, want %v and bob's own", got, i.Loses.PersonalTokens.Page, want)
		}
		// Ranges and ages say nothing of them.
		for document, want := range map[string][4]int{
			`{"api_client_ip_allowlist": ["0.0.0.0/1"], "api_client_ip_allowlist_enabled": true}`:        {1, 1, 1, 1}, // eve's session
			`{"api_client_ip_allowlist": ["128.0.0.0/1"], "api_client_ip_allowlist_enabled": true}`:      {0, 0, 0, 0},
			`{"api_client_ip_allowlist": ["198.51.100.0/25"], "api_client_ip_allowlist_enabled": true}`:  {0, 0, 0, 0},
			`{"api_client_ip_allowlist": ["198.51.100.64/29"], "api_client_ip_allowlist_enabled": true}`: {1, 1, 1, 1},
			`{"max_personal_token_age_seconds": 3600}`:                                                   {0, 0, 1, 1},
			`{"session_max_age_seconds": 5400}`:                                                          {2, 2, 0, 0}, // eve's and bob's first
			`{"session_idle_seconds": 3000}`:                                                             {2, 2, 0, 0},
		} {
			if got := counted(preview(g.eve, g.b, document)); got != want {
				t.Errorf("%s: %v, want %v", document, got, want)
			}
		}
		// Their own organization reads all of it.
		if got, want := counted(preview(g.alice, g.a, `{"saml_enabled": false, "personal_tokens_require_allowed_auth_method": true}`)), [4]int{1, 1, 1, 1}; got != want {
			t.Errorf("at home: %v, want %v", got, want)
		}
		if got, want := counted(preview(g.alice, g.a, `{"api_client_ip_allowlist": ["0.0.0.0/1"], "api_client_ip_allowlist_enabled": true}`)), [4]int{2, 2, 2, 2}; got != want {
			t.Errorf("at home, ranges: %v, want %v", got, want)
		}
	})
}

func TestPreviewsThatCannotBe(t *testing.T) {
	onGround(t, func(g *ground) {
		provider := g.linked(g.b)
		for document, want := range map[string]string{
			`{"unknown": true}`:                  "bad_request",
			`{"password_auth_enabled": "false"}`: "bad_request",
			`[]`:                                 "bad_request",
			`{"password_auth_enabled": false, "saml_enabled": false, "oauth_enabled": false, "passkey_auth_enabled": false}`: policy.CodeNoMethod,
			`{"api_client_ip_allowlist": ["203.0.113.7/24"]}`:                                                                policy.CodeBadRange,
			`{"change": {"kind": "identity_provider", "id": "` + provider + `", "action": "delete"}}`:                        "authentication_method_not_found",
			`{"change": {"kind": "identity_provider", "id": "x", "action": "explode"}}`:                                      "bad_request",
			`{"change": {"kind": "user", "id": "` + g.eve + `", "action": "remove"}}`:                                        "organization_user_not_found",
			`{"change": {"kind": "user"}, "saml_enabled": false}`:                                                            "bad_request",
			`{"change": {"kind": "user", "id": "x", "action": "remove", "more": 1}}`:                                         "bad_request",
			`{"change": null}`: "bad_request",
		} {
			g.wantEvents(func() {
				_, err := g.Preview(t.Context(), g.as(g.alice, g.a.ID), []byte(document), everything)
				if got := code(err); got != want {
					t.Errorf("%s: %q, want %q (%v)", document, got, want, err)
				}
			})
		}
	})
}

// The last way in of the last admin stays, whatever takes it; consent and a
// break-glass operator let it go.
func TestTheLastAdminKeepsAWayIn(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := func() *identity.Principal { return g.as(g.alice, g.a.ID) }
		g.password(g.alice)
		change := func(more string) error {
			// From a session by SSO, which the change does not touch.
			p := admin()
			p.Facts.Credential.Authentication = policy.Authentication{Method: policy.MethodGoogle}
			_, err := g.ChangePolicy(t.Context(), p, []byte(`{"password_auth_enabled": false`+more+`}`))
			return err
		}
		g.refused("would_leave_no_admin", func() error { return change("") })
		g.BreakGlass = true
		g.wantEvents(func() { g.must(change("")) }, "policy_changed")
		g.BreakGlass = false
		// Nobody gets in now: nothing is refused that was the case before.
		second := g.member(g.a, "second@a.example")
		asGoogle := g.token(identity.Token{UserID: g.alice, Kind: policy.Session, Authentication: policy.Authentication{Method: policy.MethodGoogle}})
		g.wantEvents(func() {
			_, err := g.ChangePolicy(t.Context(), g.with(asGoogle, g.a.ID), []byte(`{"oauth_providers_allowed": ["google"]}`))
			g.must(err)
		}, "policy_changed")
		provider := g.linked(g.a, second)
		g.must(g.UpdatePermissions(t.Context(), g.with(asGoogle, g.a.ID), organizationResource(g.a), "grant", []org.NamedGrant{{PrincipalType: "user", PrincipalID: second, Permissions: []string{identity.AdminRole}}}))
		for _, work := range []func(p *identity.Principal) error{
			func(p *identity.Principal) error {
				off := false
				_, err := g.ChangeAuthenticationMethod(t.Context(), p, g.a.AccountID, provider, org.MethodChange{Enabled: &off})
				return err
			},
			func(p *identity.Principal) error {
				return g.DeleteAuthenticationMethod(t.Context(), p, g.a.AccountID, provider, nil)
			},
			func(p *identity.Principal) error {
				return g.UpdatePermissions(t.Context(), p, organizationResource(g.a), "revoke", []org.NamedGrant{{PrincipalType: "user", PrincipalID: second, Permissions: []string{identity.AdminRole}}})
			},
			func(p *identity.Principal) error { return g.RemoveMember(t.Context(), p, second) },
		} {
			g.refused("would_leave_no_admin", func() error { return work(g.with(asGoogle, g.a.ID)) })
		}
		e := g.wantEvents(func() {
			_, err := g.ChangePolicy(t.Context(), g.with(asGoogle, g.a.ID), []byte(`{"saml_enabled": false, "accept_lockout": true}`))
			g.must(err)
		}, "policy_changed")
		if !strings.Contains(e[0].Description, "NO ADMIN can log in any more") {
			t.Errorf("the event says %q", e[0].Description)
		}
	})
}

// A domain that lapses cannot be refused: it takes nobody's way in, and neither
// does giving it up.
func TestALapsedDomainTakesNoWayIn(t *testing.T) {
	onGround(t, func(g *ground) {
		g.linked(g.a, g.alice)
		g.password(g.bob)
		for _, id := range []string{g.alice, g.bob} {
			g.manage(g.a, id)
		}
		id, err := g.DB.NewID("dom")
		g.must(err)
		d := identity.Domain{ID: id, OrganizationID: g.a.ID, Name: "a.example", Challenge: "x", VerificationType: "dns"}
		g.prepare(store.Organization(g.a.ID), func(tx *store.Tx) error {
			return errors.Join(tx.AddDomain(t.Context(), d), tx.VerifyDomain(t.Context(), d))
		})
		i := g.preview(`{"change": {"kind": "domain", "id": "` + id + `", "action": "remove"}}`)
		if i.Loses.People.Total+i.Loses.Sessions.Total+i.Loses.PersonalTokens.Total != 0 || !i.AdminKeepsAccess {
			t.Errorf("giving the domain up: %+v, admins %+v", i.Loses, i.Admins)
		}
		g.prepare(store.Organization(g.a.ID), func(tx *store.Tx) error {
			freed, lapsed, err := tx.LapseAddresses(t.Context(), g.a.ID, d.Name)
			if len(freed) != 2 || len(lapsed) != 2 {
				t.Errorf("%d people are free, %d addresses lapsed", len(freed), len(lapsed))
			}
			return err
		})
		closed, err := g.WithoutAdmin(t.Context())
		if g.must(err); strings.Contains(fmt.Sprint(closed), g.a.ID) {
			t.Error("no admin gets in after the domain lapsed")
		}
	})
}

// BenchmarkPreview previews a change in an organization of 10,000 people with
// 50,000 credentials, half of which it refuses.
func BenchmarkPreview(b *testing.B) {
	db, err := store.Open(migrated.SQLite(b))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	o := identity.Organization{ID: "org0", Name: "Crowd", Tier: "business", AccountID: "a0", Policy: "{}", PolicyVersion: 1}
	for from := range 10 {
		err := db.Update(b.Context(), identity.Actor{Kind: identity.ActorOperator}, store.Organization(o.ID), func(tx *store.Tx) error {
			if from == 0 {
				if err := tx.AddOrganization(b.Context(), o); err != nil {
					return err
				}
			}
			return errors.Join(crowd(b.Context(), tx, o.ID, from*1000, 1000), tx.Record(b.Context(), identity.Event{Action: "prepared"}))
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	s := &org.Service{DB: db}
	b.ResetTimer()
	for b.Loop() {
		i, err := s.PreviewPolicy(b.Context(), &identity.Principal{Organization: &o}, []byte(`{"password_auth_enabled": false}`), org.Page{Limit: 100})
		if err != nil || i.Loses.Sessions.Total != 30_000 {
			b.Fatal(i.Loses.Sessions.Total, err)
		}
	}
}

// crowd adds people with three sessions and two personal tokens each.
func crowd(ctx context.Context, tx *store.Tx, organizationID string, from, n int) error {
	for i := from; i < from+n; i++ {
		u := identity.User{ID: fmt.Sprintf("u%011x", i), Email: fmt.Sprintf("p%d@crowd.example", i), EmailConfirmed: tx.Now, State: identity.StateActive}
		if err := errors.Join(tx.AddUser(ctx, u), tx.AddMember(ctx, organizationID, u.ID, i == 0), tx.SetPassword(ctx, u.ID, "$argon2id$")); err != nil {
			return err
		}
		for j := range 5 {
			t := identity.Token{
				Prefix: fmt.Sprintf("sps_%07x%d", i, j), UserID: u.ID, Kind: policy.Session, Expires: tx.Now.Add(time.Hour),
				Authentication: policy.Authentication{Method: policy.MethodPassword, At: tx.Now},
			}
			if j > 2 {
				t.Kind = policy.PersonalToken
			}
			if err := tx.AddToken(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}
