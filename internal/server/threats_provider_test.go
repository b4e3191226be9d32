package server_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// Row SML-05: a provider is changed by an admin who is present, and by nobody
// and nothing else.
func TestSML05_ProviderEdits(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		_, bob := c.AddMember(t, bobEmail, bobPassword)
		id := c.provider(t, c.OrganizationID, aVerified, nil)
		one := "/v1/account/" + c.AccountID + "/authentication/" + id
		domain := c.organizationPath("/authentication-methods/" + id + "/domains")
		edits := []struct {
			method, path string
			body         any
		}{
			{http.MethodPut, one, claims{"oidc_issuer": c.google.URL}},
			{http.MethodPut, one, claims{"oidc_client_secret": "another"}},
			{http.MethodPut, one, claims{"authentication_method_enabled": false}},
			{http.MethodPost, "/v1/account/" + c.AccountID + "/authentication", claims{"authentication_method_name": "New", "authentication_method_type": "oidc"}},
			{http.MethodPut, domain, claims{"domain_id": "dom0123456789a"}},
			{http.MethodDelete, domain + "/dom0123456789a", nil},
			{http.MethodDelete, one, nil},
		}
		personal := c.Personal(t, c.AdminID)
		stale := c.Session(t, c.AdminID)
		_, app := c.App(t, identity.AdminRole)
		c.advance(11 * time.Minute)
		before := c.Value(t, `SELECT COUNT(*) FROM authentication_methods WHERE deleted_at = 0 AND enabled`)
		stored := c.Rows(t, `SELECT config, secret FROM authentication_methods`)
		for _, e := range edits {
			c.Do(t, e.method, e.path, bob, e.body).WantCode(http.StatusForbidden, "request_forbidden")
			c.Do(t, e.method, e.path, personal, e.body).WantCode(http.StatusForbidden, "session_required")
			c.Do(t, e.method, e.path, app, e.body).WantCode(http.StatusForbidden, "session_required")
			c.Do(t, e.method, e.path, stale, e.body).WantCode(http.StatusForbidden, "fresh_login_required")
		}
		if after := c.Value(t, `SELECT COUNT(*) FROM authentication_methods WHERE deleted_at = 0 AND enabled`); after != before {
			t.Errorf("%s providers, %s before", after, before)
		}
		if now := c.Rows(t, `SELECT config, secret FROM authentication_methods`); now[0][0] != stored[0][0] || now[0][1] != stored[0][1] {
			t.Error("a refused edit changed the provider")
		}
	})
}

// Row POL-08: a provider that is deleted while a login is on the way.
func TestPOL08_DeletedWhileALoginIsOnTheWay(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		id := c.provider(t, c.OrganizationID, aVerified, nil)
		who := claims{"sub": "new", "email": "new@" + aVerified, "email_verified": true}
		// Switched off: people log in and reach their own things.
		c.Do(t, http.MethodPut, "/v1/account/"+c.AccountID+"/authentication/"+id, c.AdminToken, claims{"authentication_method_enabled": false}).Want(http.StatusOK)
		in := c.guest(t, login.Begin{})
		if err := in.at(t, id, c.own, who); err != nil {
			t.Fatal(err)
		}
		c.Do(t, http.MethodGet, "/v1/me", in.flow.Done.Token, nil).Want(http.StatusOK)
		c.Do(t, http.MethodGet, c.organizationPath(""), in.flow.Done.Token, nil).WantCode(http.StatusForbidden, policy.CodeIdentityProvider)
		on := c.guest(t, login.Begin{})
		callback := c.own.login(t, on.leave(t, id), who)
		c.Do(t, http.MethodDelete, "/v1/account/"+c.AccountID+"/authentication/"+id, c.AdminToken, nil).Want(http.StatusOK)
		c.untouched(t, func() {
			refusedAs(t, on.back(t, id, callback), identity.NotFound, "authentication_method_not_found")
		})
		c.Do(t, http.MethodGet, "/v1/me", in.flow.Done.Token, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
	})
}

// Row POL-08: nor does it leave a link or an account that is finished after it.
func TestPOL08_DeletedBeforeAnAnswer(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		c.AddUser(t, c.OrganizationID, bobEmail, bobPassword, false)
		id := c.provider(t, c.OrganizationID, "", nil)
		known, fresh := c.guest(t, login.Begin{Provider: id, SignUp: true}), c.guest(t, login.Begin{Provider: id, SignUp: true})
		if err := known.at(t, id, c.own, claims{"sub": "bob", "email": bobEmail, "email_verified": true}); err != nil {
			t.Fatal(err)
		}
		for _, step := range []func() (login.Flow, error){
			func() (login.Flow, error) { return c.Login.Decline(t.Context(), c.from(), known.secret) }, // has an account
			func() (login.Flow, error) { return c.Login.Identify(t.Context(), c.from(), known.secret, bobEmail) },
		} {
			if err := known.take(step()); err != nil {
				t.Fatal(err)
			}
		}
		if err := known.take(c.Login.Password(t.Context(), c.from(), known.secret, bobPassword)); err != nil || known.flow.Step != login.StepLink {
			t.Fatalf("after the password: step %s, %v; want the question whether to link", known.flow.Step, err)
		}
		if err := fresh.at(t, id, c.own, claims{"sub": "new", "email": "new@somewhere.example", "email_verified": true}); err != nil || fresh.flow.Step != login.StepSignUp {
			t.Fatalf("step %s, %v", fresh.flow.Step, err)
		}
		c.Do(t, http.MethodDelete, "/v1/account/"+c.AccountID+"/authentication/"+id, c.AdminToken, nil).Want(http.StatusOK)
		c.untouched(t, func() {
			refusedAs(t, known.accept(t, ""), identity.NotFound, "authentication_method_not_found")
			refusedAs(t, fresh.accept(t, "Newton"), identity.NotFound, "authentication_method_not_found")
		})
		// Who was asked goes on without.
		if err := known.take(c.Login.Decline(t.Context(), c.from(), known.secret)); err != nil || known.flow.Step != login.StepDone {
			t.Errorf("step %s, %v", known.flow.Step, err)
		}
	})
}

// What a provider calls a person is stored as people see it, and keeps nobody
// out.
func TestNamesFromProvidersAreSeen(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		id := c.provider(t, c.OrganizationID, aVerified, nil)
		for name, want := range map[string]string{"Ne\u202ew\u3164ton": "Newton", "\u202e\u3164": "user8"} { // of the latter nothing is left but the address
			local := fmt.Sprint("user", len(name)+2)
			who := claims{"sub": local, "email": local + "@" + aVerified, "email_verified": true, "name": name}
			b := c.guest(t, login.Begin{})
			if err := b.at(t, id, c.own, who); err != nil {
				t.Fatal(err)
			}
			if got := b.user(t).RealName; got != want {
				t.Errorf("%+q is called %+q, want %+q", name, got, want)
			}
		}
	})
}

// A domain whose proof has been missing lets its provider bring nobody new
// (docs/parameters.md 3.11); whoever is linked goes on.
func TestDomainAtRiskBringsNobody(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		id := c.provider(t, c.OrganizationID, aVerified, nil)
		known := claims{"sub": "known", "email": "known@" + aVerified, "email_verified": true}
		if err := c.guest(t, login.Begin{}).at(t, id, c.own, known); err != nil {
			t.Fatal(err)
		}
		c.change(t, store.Organization(c.OrganizationID), func(ctx context.Context, tx *store.Tx) error {
			d, err := tx.VerifiedDomain(ctx, aVerified)
			if err != nil {
				return err
			}
			return tx.SetDomainCheck(ctx, store.DomainCheck{Domain: d, AbsentChecks: 2, AbsentSince: tx.Now, Next: tx.Now.Add(time.Hour)})
		})
		if err := c.guest(t, login.Begin{}).at(t, id, c.own, known); err != nil {
			t.Errorf("who was linked before: %v", err)
		}
		c.untouched(t, func() {
			err := c.guest(t, login.Begin{}).at(t, id, c.own, claims{"sub": "new", "email": "new@" + aVerified, "email_verified": true})
			refusedAs(t, err, identity.Forbidden, "unknown_user_sso_login_attempt")
		})
	})
}

// At the sign-up page of a provider people without an account make one, and
// confirm its address by mail: the provider speaks for no domain.
func TestSignUpPageOfAProvider(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		id := c.provider(t, c.OrganizationID, "", nil)
		who := claims{"sub": "new", "email": "new@somewhere.example", "email_verified": true}
		b := c.guest(t, login.Begin{Provider: id, SignUp: true})
		if err := b.at(t, id, c.own, who); err != nil || b.flow.Step != login.StepSignUp {
			t.Fatalf("step %s, %v", b.flow.Step, err)
		}
		if err := b.accept(t, "Newton"); err != nil {
			t.Fatal(err)
		}
		if u := b.user(t); !u.EmailConfirmed.IsZero() || u.ManagingOrganizationID != "" {
			t.Errorf("the account: %+v", u)
		}
		c.Do(t, http.MethodPost, "/v1/organizations", b.flow.Done.Token, claims{"organization_name": "X", "tier": "business"}).WantCode(http.StatusForbidden, "email_not_confirmed")
		code := c.MailedCode(t, "new@somewhere.example", identity.MailVerifyEmail)
		c.Do(t, http.MethodPost, "/v1/user/verify_email/"+code, "", nil).Want(http.StatusOK)
		again := c.guest(t, login.Begin{})
		if err := again.at(t, id, c.own, who); err != nil || again.user(t).EmailConfirmed.IsZero() {
			t.Errorf("the next login: %v", err)
		}
	})
}

// A managed user's login is judged by the managing organization, and one that
// it refuses leaves nothing behind.
func TestManagedLoginsByProvider(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		id := c.provider(t, c.OrganizationID, aVerified, nil)
		for _, change := range []func(*policy.Policy){
			func(p *policy.Policy) { p.OAuthEnabled = false },
			func(p *policy.Policy) { p.SAMLEnabled = false },
		} {
			c.setPolicy(t, c.OrganizationID, change)
		}
		c.untouched(t, func() {
			err := c.guest(t, login.Begin{}).at(t, id, c.own, claims{"sub": "new", "email": "new@" + aVerified, "email_verified": true})
			refusedAs(t, err, identity.Forbidden, policy.CodeIdentityProvider)
			b := c.guest(t, login.Begin{})
			if err := b.at(t, "google", c.google, claims{"sub": "g", "email": "g@" + aVerified, "email_verified": true, "hd": aVerified}); err != nil || b.flow.Step != login.StepSignUp {
				t.Fatalf("step %s, %v", b.flow.Step, err)
			}
			refusedAs(t, b.accept(t, "G"), identity.Forbidden, policy.CodeThirdParty)
		})
	})
}
