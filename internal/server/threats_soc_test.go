package server_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/thirdparty/githubtest"
	"github.com/sallyport/sallyport/internal/thirdparty/oidctest"
	"github.com/sallyport/sallyport/policy"
)

type claims = map[string]any

// club is a scene with providers: Google, Microsoft and GitHub stand-ins, and
// an issuer for the organizations' own.
type club struct {
	*scene
	google, microsoft, own *issuer
	github                 *githubtest.Server
}

const (
	tenant    = "11111111-2222-3333-4444-555555555555"
	evesGUID  = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	aVerified = "a-verified.com"
)

func newClub(tb testing.TB, postgres bool) *club {
	tb.Helper()
	c := &club{google: newIssuer(tb), microsoft: newIssuer(tb), own: newIssuer(tb), github: githubtest.Start(tb)}
	c.scene = newScene(tb, servertest.Options{Postgres: postgres, Config: func(config *server.Config) {
		config.AllowPrivate = true
		config.Google = server.ThirdParty{ClientID: "g", ClientSecret: "s", Issuer: c.google.URL}
		config.Microsoft = server.ThirdParty{ClientID: "m", ClientSecret: "s", Issuer: c.microsoft.URL}
		config.GitHub = server.ThirdParty{ClientID: c.github.ClientID, ClientSecret: c.github.ClientSecret, URL: c.github.URL, APIURL: c.github.APIURL}
	}})
	c.own.now = c.now // the others' clients have the machine's clock
	return c
}

// clubs runs a test on both engines.
func clubs(t *testing.T, test func(t *testing.T, c *club)) {
	t.Helper()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, newClub(t, engine == "postgres"))
		})
	}
}

// guest is one browser at the login page.
type guest struct {
	*club
	secret string
	flow   login.Flow
}

func (c *club) from() login.Caller {
	return login.Caller{Client: addr("198.51.100.7"), UserAgent: "test"}
}

func (c *club) guest(tb testing.TB, in login.Begin) *guest {
	tb.Helper()
	b := &guest{club: c}
	b.take(c.Login.Begin(tb.Context(), c.from(), in))
	return b
}

// take keeps what a step answered.
func (b *guest) take(flow login.Flow, err error) error {
	if err == nil {
		b.flow = flow
		if flow.Secret != "" {
			b.secret = flow.Secret
		}
	}
	return err
}

// leave sends the browser to a provider, and returns where.
func (b *guest) leave(tb testing.TB, provider string) string {
	tb.Helper()
	if err := b.take(b.Login.Leave(tb.Context(), b.from(), b.secret, provider)); err != nil {
		tb.Fatalf("leave for %s: %v", provider, err)
	}
	return b.flow.Redirect
}

func (b *guest) back(tb testing.TB, provider string, callback url.Values) error {
	tb.Helper()
	return b.take(b.Login.Return(tb.Context(), b.from(), b.secret, provider, callback))
}

// at logs in at an OpenID provider with some claims and comes back.
func (b *guest) at(tb testing.TB, provider string, i *issuer, with claims) error {
	tb.Helper()
	return b.back(tb, provider, i.login(tb, b.leave(tb, provider), with))
}

func (b *guest) atGitHub(tb testing.TB, name string) error {
	tb.Helper()
	callback, err := b.github.Login(b.leave(tb, "github"), name)
	if err != nil {
		tb.Fatal(err)
	}
	return b.back(tb, "github", callback.Query())
}

func (b *guest) accept(tb testing.TB, name string) error {
	tb.Helper()
	return b.take(b.Login.Accept(tb.Context(), b.from(), b.secret, name))
}

// user is who is logged in now.
func (b *guest) user(tb testing.TB) identity.User {
	tb.Helper()
	if b.flow.Step != login.StepDone || b.flow.Done == nil {
		tb.Fatalf("nobody is logged in: step %s", b.flow.Step)
	}
	return b.flow.Done.User
}

// principal is the session of a token, as a page knows it.
func (c *club) principal(tb testing.TB, token string) *identity.Principal {
	tb.Helper()
	p, err := c.Access.Check(tb.Context(), access.Request{Bearer: token, Address: identity.Address{Client: addr("198.51.100.7")}, Need: access.Need{Session: true}})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// link links a provider's identity to the account of a session.
func (c *club) link(tb testing.TB, token, provider string, i *issuer, with claims) error {
	tb.Helper()
	b := c.guest(tb, login.Begin{Purpose: identity.AttemptLink, Provider: provider, Principal: c.principal(tb, token)})
	return b.at(tb, provider, i, with)
}

// provider registers an OpenID provider of an organization; domain, unless
// empty, is made its own, verified, and linked.
func (c *club) provider(tb testing.TB, organizationID, domain string, more claims) (id string) {
	tb.Helper()
	id = "am" + strings.TrimPrefix(organizationID, "org")
	c.change(tb, store.Organization(organizationID), func(ctx context.Context, tx *store.Tx) error {
		o, err := tx.Organization(ctx, organizationID)
		if err != nil {
			return err
		}
		m := identity.AuthenticationMethod{
			ID: id, OrganizationID: o.ID, AccountID: o.AccountID, Name: "Acme SSO", Type: identity.MethodTypeOIDC, Enabled: true, State: identity.MethodActive,
			TokenMaxAge: time.Hour, TokenExtend: true, Secret: c.Keys.Seal(identity.MethodSecretPurpose, id, []byte("s")),
		}
		if group, ok := more["group"].(string); ok {
			m.AutoJoinGroupID = group
		}
		trust, _ := more["trust"].(bool)
		if err := m.SetOIDC(identity.OIDCConfig{Issuer: c.own.URL, ClientID: "sallyport", TrustEmail: trust}); err != nil {
			return err
		}
		if err := tx.AddAuthenticationMethod(ctx, m); err != nil || domain == "" {
			return err
		}
		d := identity.Domain{ID: "dom" + strings.TrimPrefix(organizationID, "org"), OrganizationID: o.ID, Name: domain, Challenge: "x", VerificationType: "dns"}
		if err := errors.Join(tx.AddDomain(ctx, d), tx.VerifyDomain(ctx, d)); err != nil {
			return err
		}
		return tx.LinkMethodDomain(ctx, o.ID, id, d.ID)
	})
	return id
}

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// refusedAs fails unless an error has a kind and a code.
func refusedAs(tb testing.TB, err error, kind identity.Kind, code string) {
	tb.Helper()
	var e *identity.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Code != code {
		tb.Errorf("got %v, want %s of kind %d", err, code, kind)
	}
}

// untouched fails if fn changes who there is, who is in, and who is linked.
func (c *club) untouched(tb testing.TB, fn func()) {
	tb.Helper()
	before := c.people(tb)
	fn()
	if after := c.people(tb); after != before {
		tb.Errorf("changed:\n%s\nbefore:\n%s", after, before)
	}
}

func (c *club) people(tb testing.TB) string {
	var b strings.Builder
	for _, q := range []string{
		`SELECT id, email, state, email_confirmed_at, managing_organization_id FROM users ORDER BY id`, `SELECT prefix, revoked_at FROM tokens ORDER BY prefix`,
		`SELECT id, user_id, deleted_at FROM linked_identities ORDER BY id`, `SELECT organization_id, user_id FROM memberships ORDER BY 1, 2`,
	} {
		fmt.Fprintln(&b, c.Rows(tb, q))
	}
	return b.String()
}

func (c *club) events(tb testing.TB, action string) string {
	tb.Helper()
	return c.Value(tb, `SELECT COUNT(*) FROM events WHERE action = $1`, action)
}

func TestSOC01_ForgedCallback(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		c.AddMember(t, bobEmail, "")
		b := c.guest(t, login.Begin{})
		good := c.google.login(t, b.leave(t, "google"), nil)
		without := maps.Clone(good)
		delete(without, "state")
		other := c.guest(t, login.Begin{})
		otherGood := c.google.login(t, other.leave(t, "google"), nil)
		c.untouched(t, func() {
			before := c.Dump(t)
			for name, callback := range map[string]url.Values{
				"no state": without, "wrong state": {"state": {strings.Repeat("A", 43)}, "code": good["code"]}, "two states": {"state": {good.Get("state"), "x"}, "code": good["code"]},
				"state of another browser": otherGood,
			} {
				t.Log(name)
				refusedAs(t, b.back(t, "google", callback), identity.Invalid, "login_attempt_expired")
			}
			_, err := c.Login.Return(t.Context(), c.from(), "", "google", good)
			refusedAs(t, err, identity.Invalid, "login_attempt_expired")
			if c.Dump(t) != before {
				t.Error("a forged callback changed something")
			}
			if err := b.back(t, "google", good); err != nil { // offers an account
				t.Fatal(err)
			}
			refusedAs(t, b.back(t, "google", good), identity.Invalid, "login_attempt_expired")
			old := c.google.login(t, other.leave(t, "google"), nil)
			c.advance(10*time.Minute + time.Second)
			refusedAs(t, other.back(t, "google", old), identity.Invalid, "login_attempt_expired")
		})
	})
}

func TestSOC02_InjectedCode(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		c.untouched(t, func() {
			eve, alice := c.guest(t, login.Begin{}), c.guest(t, login.Begin{})
			eves := c.google.login(t, eve.leave(t, "google"), claims{"sub": "eve"})
			alices := c.google.login(t, alice.leave(t, "google"), claims{"sub": "alice"})
			alices.Set("code", eves.Get("code"))
			refusedAs(t, alice.back(t, "google", alices), identity.Invalid, "code_refused")
			for name, nonce := range map[string]any{"no nonce": nil, "another nonce": "x"} {
				t.Log(name)
				refusedAs(t, alice.at(t, "google", c.google, claims{"nonce": nonce}), identity.Invalid, "invalid_id_token")
			}
		})
	})
}

func TestSOC03_WeakIDTokens(t *testing.T) {
	c := newClub(t, false)
	now := time.Now()
	c.untouched(t, func() {
		b := c.guest(t, login.Begin{})
		for name, wrong := range map[string]claims{
			"issuer": {"iss": "https://evil.example"}, "audience": {"aud": "other"}, "two audiences": {"aud": []string{"g", "other"}}, "no expiry": {"exp": nil},
			"expired": {"exp": now.Add(-time.Hour).Unix()}, "of the future": {"iat": now.Add(time.Hour).Unix()}, "no subject": {"sub": nil},
		} {
			if err := b.at(t, "google", c.google, wrong); err == nil {
				t.Errorf("%s: came to step %s", name, b.flow.Step)
			}
		}
	})
}

// Row SOC-04: only the boolean true makes an address count.
func TestSOC04_UnverifiedAddress(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		own := c.provider(t, c.OrganizationID, aVerified, nil)
		for i, verified := range []any{false, "true", "false", 1, nil} {
			t.Logf("email_verified %#v", verified)
			who := claims{"sub": fmt.Sprint("g", i), "email": "alice@a.example", "email_verified": verified, "hd": "a.example"}
			b := c.guest(t, login.Begin{})
			if err := b.at(t, "google", c.google, who); err != nil || b.flow.Step != login.StepSignUp {
				t.Errorf("Google: step %s, %v; want the offer of an account, as for any address", b.flow.Step, err)
			}
			who["email"] = fmt.Sprintf("new%d@%s", i, aVerified)
			b = c.guest(t, login.Begin{})
			c.untouched(t, func() {
				refusedAs(t, b.at(t, own, c.own, who), identity.Forbidden, "unknown_user_sso_login_attempt")
			})
		}
		b := c.guest(t, login.Begin{})
		if err := b.at(t, own, c.own, claims{"sub": "true", "email": "new@" + aVerified, "email_verified": true}); err != nil {
			t.Fatal(err)
		}
		if u := b.user(t); u.ManagingOrganizationID != c.OrganizationID || u.EmailConfirmed.IsZero() {
			t.Errorf("joined as %+v", u)
		}
	})
}

// Row SOC-05: nOAuth.
func TestSOC05_MicrosoftAddress(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		c.microsoft.metadata["issuer"] = c.microsoft.URL
		who := claims{"tid": tenant, "oid": evesGUID, "sub": "eve", "email": servertest.AdminEmail}
		b := c.guest(t, login.Begin{})
		c.untouched(t, func() {
			if err := b.at(t, "microsoft", c.microsoft, who); err != nil || b.flow.Step != login.StepSignUp {
				t.Fatalf("step %s, %v", b.flow.Step, err)
			}
			// Signing up with alice's address answers like any sign-up; the
			// session opens nothing, and alice gets a mail.
			if err := b.accept(t, "Eve"); err != nil || b.flow.Done == nil {
				t.Fatalf("step %s, %v", b.flow.Step, err)
			}
			c.Do(t, http.MethodGet, "/v1/me", b.flow.Done.Token, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
			who["email_verified"], who["xms_edov"] = true, true
			b = c.guest(t, login.Begin{})
			if err := b.at(t, "microsoft", c.microsoft, who); err != nil || b.flow.Step != login.StepChoose || b.flow.Email != servertest.AdminEmail {
				t.Errorf("verified domain: step %s for %s, %v; want to log in first", b.flow.Step, b.flow.Email, err)
			}
		})
		if mails := c.Mails(t, servertest.AdminEmail); !slices.ContainsFunc(mails, func(m identity.Mail) bool { return m.Kind == identity.MailAccountExists }) {
			t.Errorf("alice got %v", mails)
		}
		// The identity is tenant and object: the same sub elsewhere is somebody
		// else.
		if got := c.Value(t, `SELECT COUNT(*) FROM linked_identities`); got != "0" {
			t.Errorf("%s identities are linked", got)
		}
	})
}

func TestSOC06_Google(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		c.provider(t, c.OrganizationID, aVerified, nil)
		address := "somebody@" + aVerified
		for name, hd := range map[string]any{"a consumer account": nil, "another Workspace": "b.example"} {
			b := c.guest(t, login.Begin{})
			if err := b.at(t, "google", c.google, claims{"sub": name, "email": address, "email_verified": true, "hd": hd}); err != nil || b.flow.Step != login.StepSignUp {
				t.Fatalf("%s: step %s, %v", name, b.flow.Step, err)
			}
			if err := b.accept(t, "Somebody"); err != nil {
				t.Fatal(err)
			}
			if hd == nil { // the first of the two; the other meets its account
				continue
			}
		}
		if got := c.Rows(t, `SELECT email_confirmed_at, managing_organization_id FROM users WHERE email = $1`, address); len(got) != 1 || got[0][0] != "0" || got[0][1] != "" {
			t.Errorf("the account: %v; want one that is neither confirmed nor managed", got)
		}
		// The Workspace of the domain itself takes the account over.
		b := c.guest(t, login.Begin{})
		if err := b.at(t, "google", c.google, claims{"sub": "real", "email": address, "email_verified": true, "hd": aVerified}); err != nil {
			t.Fatal(err)
		}
		u := b.user(t)
		if u.ManagingOrganizationID != c.OrganizationID {
			t.Errorf("managed by %q", u.ManagingOrganizationID)
		}
		// A changed address changes nothing here.
		again := c.guest(t, login.Begin{})
		if err := again.at(t, "google", c.google, claims{"sub": "real", "email": servertest.AdminEmail, "email_verified": true, "hd": "a.example"}); err != nil {
			t.Fatal(err)
		}
		if got := again.user(t); got.ID != u.ID || got.Email != address {
			t.Errorf("logged in as %s %s, want %s", got.ID, got.Email, u.ID)
		}
	})
}

func TestSOC07_GitHub(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		c.github.Put(githubtest.User{ID: int64(7), Login: "octo", Name: "Octo", Emails: []githubtest.Email{{Email: "octo@new.example", Primary: true, Verified: true}}})
		b := c.guest(t, login.Begin{})
		if err := b.atGitHub(t, "octo"); err != nil || b.flow.Step != login.StepSignUp {
			t.Fatalf("step %s, %v", b.flow.Step, err)
		}
		if err := b.accept(t, ""); err != nil {
			t.Fatal(err)
		}
		octo := b.user(t)
		// The login is renamed, and registered by somebody else.
		c.github.Put(githubtest.User{ID: int64(7), Login: "octo-renamed"})
		c.github.Put(githubtest.User{ID: int64(8), Login: "octo"})
		b = c.guest(t, login.Begin{})
		if err := b.atGitHub(t, "octo-renamed"); err != nil || b.user(t).ID != octo.ID {
			t.Errorf("after the rename: %+v, %v", b.flow, err)
		}
		b = c.guest(t, login.Begin{})
		if err := b.atGitHub(t, "octo"); err != nil || b.flow.Step != login.StepIdentify {
			t.Errorf("the next owner of the login: step %s, %v; want nobody", b.flow.Step, err)
		}
		// Addresses that are not both primary and verified are none.
		for id, email := range map[int64]githubtest.Email{10: {Email: servertest.AdminEmail, Primary: true}, 11: {Email: servertest.AdminEmail, Verified: true}} {
			c.github.Put(githubtest.User{ID: id, Login: "eve", Email: servertest.AdminEmail, Emails: []githubtest.Email{email}})
			b = c.guest(t, login.Begin{})
			if err := b.atGitHub(t, "eve"); err != nil || b.flow.Step != login.StepIdentify || b.flow.Email != "" {
				t.Errorf("%+v: step %s for %q, %v", email, b.flow.Step, b.flow.Email, err)
			}
		}
		c.github.Put(githubtest.User{ID: "7", Login: "text"})
		if err := c.guest(t, login.Begin{}).atGitHub(t, "text"); err == nil {
			t.Error("an id in a text was accepted")
		}
	})
}

func TestSOC08_SilentMerge(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		bob := c.AddUser(t, c.OrganizationID, bobEmail, bobPassword, false)
		// Before the provider's login, nothing tells whether there is an
		// account.
		var answers []string
		for _, email := range []string{bobEmail, "bub@a.example"} {
			b := c.guest(t, login.Begin{})
			if err := b.take(c.Login.Identify(t.Context(), c.from(), b.secret, email)); err != nil {
				t.Fatal(err)
			}
			flow := b.flow
			flow.Secret, flow.Email, flow.Passkey = "", "", nil // random, typed, random
			u, err := url.Parse(b.leave(t, "google"))
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			for _, random := range []string{"state", "nonce", "code_challenge", "login_hint"} {
				q.Del(random)
			}
			answers = append(answers, fmt.Sprintf("%+v %s", flow, q.Encode()))
		}
		if answers[0] != answers[1] {
			t.Errorf("the answers differ:\n%s\n%s", answers[0], answers[1])
		}
		who := claims{"sub": "bob", "email": bobEmail, "email_verified": true, "hd": "a.example"}
		b := c.guest(t, login.Begin{})
		c.untouched(t, func() {
			if err := b.at(t, "google", c.google, who); err != nil || b.flow.Step != login.StepChoose || b.flow.Email != bobEmail || b.flow.Provider != "Google" {
				t.Fatalf("step %s, %v; want to log in first", b.flow.Step, err)
			}
			if err := b.take(c.Login.Password(t.Context(), c.from(), b.secret, bobPassword)); err != nil || b.flow.Step != login.StepLink {
				t.Fatalf("after the password: step %s, %v; want the question whether to link", b.flow.Step, err)
			}
		})
		if err := b.accept(t, ""); err != nil || b.user(t).ID != bob {
			t.Fatalf("%v", err)
		}
		if p := c.principal(t, b.flow.Done.Token); p.Token.Authentication.Method != policy.MethodPassword || p.Token.Identity != "" {
			t.Errorf("the session was made with %+v", p.Token.Authentication)
		}
		b = c.guest(t, login.Begin{})
		if err := b.at(t, "google", c.google, who); err != nil || b.user(t).ID != bob {
			t.Fatalf("the next login: %v", err)
		}
	})
}

func TestSOC09_ForcedLinking(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		bob := c.AddUser(t, c.OrganizationID, bobEmail, bobPassword, false)
		token := c.login(t, bobEmail, bobPassword, "")
		eve := c.Eve(t)
		c.untouched(t, func() {
			// eve's link, finished in bob's browser.
			b := c.guest(t, login.Begin{Purpose: identity.AttemptLink, Provider: "google", Principal: c.principal(t, eve.Session)})
			callback := c.google.login(t, b.leave(t, "google"), claims{"sub": "eve"})
			bobs := c.guest(t, login.Begin{Purpose: identity.AttemptLink, Provider: "google", Principal: c.principal(t, token)})
			bobs.leave(t, "google")
			before := c.people(t)
			refusedAs(t, bobs.back(t, "google", callback), identity.Invalid, "login_attempt_expired")
			if c.people(t) != before {
				t.Error("something was linked")
			}
		})
		personal := c.Personal(t, bob)
		c.advance(11 * time.Minute)
		p, err := c.Access.Check(t.Context(), access.Request{Bearer: token, Address: identity.Address{Client: addr("198.51.100.7")}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Login.Begin(t.Context(), c.from(), login.Begin{Purpose: identity.AttemptLink, Provider: "google", Principal: p})
		refusedAs(t, err, identity.Forbidden, "fresh_login_required")
		if p, err = c.Access.Check(t.Context(), access.Request{Bearer: personal, Address: identity.Address{Client: addr("198.51.100.7")}}); err != nil {
			t.Fatal(err)
		}
		_, err = c.Login.Begin(t.Context(), c.from(), login.Begin{Purpose: identity.AttemptLink, Provider: "google", Principal: p})
		refusedAs(t, err, identity.Forbidden, "session_required")
		refusedAs(t, c.Login.Unlink(t.Context(), c.principal(t, token), "uam0123456789a"), identity.Forbidden, "fresh_login_required")
		// The session that began it has ended meanwhile.
		ended := c.login(t, bobEmail, bobPassword, "")
		late := c.guest(t, login.Begin{Purpose: identity.AttemptLink, Provider: "google", Principal: c.principal(t, ended)})
		callback := c.google.login(t, late.leave(t, "google"), claims{"sub": "late"})
		c.Do(t, http.MethodPost, "/v1/me/logout", ended, nil).Want(http.StatusOK)
		c.untouched(t, func() {
			refusedAs(t, late.back(t, "google", callback), identity.Invalid, "login_attempt_expired")
		})
		fresh := c.login(t, bobEmail, bobPassword, "")
		if err := c.link(t, fresh, "google", c.google, claims{"sub": "bob"}); err != nil {
			t.Fatal(err)
		}
		if got := c.events(t, "identity_linked"); got != "1" {
			t.Errorf("%s events", got)
		}
		if mails := c.Mails(t, bobEmail); !slices.ContainsFunc(mails, func(m identity.Mail) bool { return m.Kind == identity.MailMethodLinked }) {
			t.Errorf("bob got %v", mails)
		}
	})
}

func TestSOC10_InUseAndLastWayIn(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		c.AddUser(t, c.OrganizationID, bobEmail, bobPassword, false)
		c.AddUser(t, c.OrganizationID, "carol@a.example", bobPassword, false)
		// Two accounts, at the same instant.
		var browsers []*guest
		var callbacks []url.Values
		for _, email := range []string{bobEmail, "carol@a.example"} {
			b := c.guest(t, login.Begin{Purpose: identity.AttemptLink, Provider: "google", Principal: c.principal(t, c.login(t, email, bobPassword, ""))})
			browsers, callbacks = append(browsers, b), append(callbacks, c.google.login(t, b.leave(t, "google"), claims{"sub": "shared"}))
		}
		errs := make([]error, 2)
		var both sync.WaitGroup
		for i := range browsers {
			both.Go(func() { errs[i] = browsers[i].back(t, "google", callbacks[i]) })
		}
		both.Wait()
		winner := slices.Index(errs, nil)
		if winner < 0 || errs[1-winner] == nil {
			t.Fatalf("linked: %v", errs)
		}
		refusedAs(t, errs[1-winner], identity.Conflict, "user_authentication_method_already_linked")
		if got := c.Value(t, `SELECT COUNT(*) FROM linked_identities WHERE deleted_at = 0`); got != "1" {
			t.Errorf("%s links", got)
		}
		// Somebody who has nothing but Google.
		b := c.guest(t, login.Begin{})
		if err := errors.Join(b.at(t, "google", c.google, claims{"sub": "only", "email": "only@gmail.com", "email_verified": true}), b.accept(t, "Only")); err != nil {
			t.Fatal(err)
		}
		token := b.flow.Done.Token
		id := c.Value(t, `SELECT id FROM linked_identities WHERE user_id = $1`, b.user(t).ID)
		c.Do(t, http.MethodDelete, "/v1/me/authentication_methods/"+id, token, nil).WantCode(http.StatusConflict, "user_authentication_method_last")
		if err := c.link(t, token, "microsoft", c.microsoft, claims{"tid": tenant, "oid": evesGUID}); err != nil {
			t.Fatal(err)
		}
		second := c.guest(t, login.Begin{})
		if err := second.at(t, "microsoft", c.microsoft, claims{"tid": tenant, "oid": evesGUID}); err != nil || second.user(t).ID != b.user(t).ID {
			t.Fatalf("by Microsoft: %v", err)
		}
		other := second.flow.Done.Token
		personal := c.Do(t, http.MethodPost, "/v1/access_token", token, claims{"description": "made by Google"}).Want(http.StatusOK).String("full_token")
		c.Do(t, http.MethodDelete, "/v1/me/authentication_methods/"+id, other, nil).Want(http.StatusOK)
		for _, dead := range []string{token, personal} {
			c.Do(t, http.MethodGet, "/v1/me", dead, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
		}
		c.Do(t, http.MethodGet, "/v1/me", other, nil).Want(http.StatusOK)
		if got := c.events(t, "identity_unlinked"); got != "1" {
			t.Errorf("%s events", got)
		}
	})
}

func TestSOC11_MixedUpProviders(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		c.untouched(t, func() {
			b := c.guest(t, login.Begin{})
			callback := c.google.login(t, b.leave(t, "google"), nil)
			refusedAs(t, b.back(t, "microsoft", callback), identity.Invalid, "login_attempt_expired")
			callback.Set("iss", "https://evil.example")
			refusedAs(t, b.back(t, "google", callback), identity.Invalid, "invalid_callback")
			own := c.provider(t, c.OrganizationID, "", nil)
			c.own.metadata["issuer"] = "https://evil.example"
			_, err := c.Login.Leave(t.Context(), c.from(), b.secret, own)
			refusedAs(t, err, identity.Invalid, "provider_metadata")
		})
	})
}

func TestSOC12_Deactivated(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		bob := c.AddUser(t, c.OrganizationID, bobEmail, bobPassword, false)
		own := c.provider(t, c.OrganizationID, aVerified, nil)
		ours := c.AddUser(t, c.OrganizationID, "ours@"+aVerified, "", false)
		if err := c.link(t, c.login(t, bobEmail, bobPassword, ""), "google", c.google, claims{"sub": "bob"}); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{bob, ours} {
			c.change(t, store.User(id), func(ctx context.Context, tx *store.Tx) error {
				return tx.SetUserState(ctx, id, identity.StateDeactivated)
			})
		}
		c.untouched(t, func() {
			refusedAs(t, c.guest(t, login.Begin{}).at(t, "google", c.google, claims{"sub": "bob"}), identity.Forbidden, policy.CodeDeactivated)
			refusedAs(t, c.guest(t, login.Begin{}).at(t, own, c.own, claims{"sub": "ours", "email": "ours@" + aVerified, "email_verified": true}), identity.Forbidden, policy.CodeDeactivated)
		})
	})
}

func TestSOC13_HostileErrorText(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		own := c.provider(t, c.OrganizationID, "", nil)
		for _, hostile := range []string{"<script>alert(1)</script>", "a\r\nSet-Cookie: b=c", strings.Repeat("x", 1<<20)} {
			c.advance(2 * time.Minute)
			b := c.guest(t, login.Begin{})
			u, err := url.Parse(b.leave(t, own))
			if err != nil {
				t.Fatal(err)
			}
			err = b.back(t, own, url.Values{"state": u.Query()["state"], "error": {"access_denied"}, "error_description": {hostile}})
			refusedAs(t, err, identity.Invalid, "access_denied")
			var e *identity.Error
			if errors.As(err, &e) && (strings.ContainsAny(e.Message, "<\r\n") || len(e.Message) > 300 || strings.Contains(e.Message, "Set-Cookie")) {
				t.Errorf("the page would say %.400q", e.Message)
			}
		}
		rows := c.Rows(t, `SELECT detail FROM events WHERE action = 'login_refused' AND organization_id = $1`, c.OrganizationID)
		if len(rows) != 3 {
			t.Errorf("%d events, want 3", len(rows))
		}
		for _, r := range rows {
			if len(r[0]) > 1024 || strings.ContainsAny(r[0], "\r\n") {
				t.Errorf("an event of %d bytes: %.200q", len(r[0]), r[0])
			}
		}
	})
}

// Row POL-03: what was proved at login stays what a credential says.
func TestPOL03_UpgradingACredential(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		bob := c.AddUser(t, c.OrganizationID, bobEmail, bobPassword, false)
		token := c.login(t, bobEmail, bobPassword, "")
		personal := c.Do(t, http.MethodPost, "/v1/access_token", token, claims{"description": "by password"}).Want(http.StatusOK).String("full_token")
		if err := c.link(t, token, "google", c.google, claims{"sub": "bob"}); err != nil {
			t.Fatal(err)
		}
		b := c.guest(t, login.Begin{})
		if err := b.at(t, "google", c.google, claims{"sub": "bob"}); err != nil {
			t.Fatal(err)
		}
		c.Do(t, http.MethodGet, "/v1/me", personal, nil).Want(http.StatusOK)
		got := c.Rows(t, `SELECT auth_method, auth_second_factor, auth_identity FROM tokens WHERE user_id = $1 AND manual ORDER BY created_at`, bob)
		if len(got) != 1 || got[0][0] != "1" || got[0][2] != "" || got[0][1] != "0" && got[0][1] != "false" {
			t.Errorf("the old token says %v; want password, no second factor", got)
		}
		if p := c.principal(t, b.flow.Done.Token); p.Token.Authentication.Method != policy.MethodGoogle || p.Token.Identity == "" {
			t.Errorf("the new session says %+v", p.Token.Authentication)
		}
	})
}

// Row POL-04: B's identity provider asserts an address of A's.
func TestPOL04_SomebodyElsesProvider(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		eve := c.Eve(t)
		theirs := c.provider(t, eve.OrganizationID, "b-verified.com", claims{"trust": true})
		c.provider(t, c.OrganizationID, aVerified, nil)
		alice := c.AddUser(t, c.OrganizationID, "alice@"+aVerified, bobPassword, false)
		c.Manage(t, alice)
		for _, allowed := range []bool{true, false} {
			c.setPolicy(t, c.OrganizationID, func(p *policy.Policy) { p.SAMLAllowExternal = allowed })
			c.advance(2 * time.Minute)
			before := c.Value(t, `SELECT COUNT(*) FROM events WHERE action = 'login_refused' AND organization_id = $1`, eve.OrganizationID)
			for _, email := range []string{"alice@" + aVerified, servertest.AdminEmail, "nobody@" + aVerified} {
				b := c.guest(t, login.Begin{})
				c.untouched(t, func() {
					refusedAs(t, b.at(t, theirs, c.own, claims{"sub": email, "email": email, "email_verified": true}), identity.Forbidden, "unknown_user_sso_login_attempt")
				})
			}
			after := c.Value(t, `SELECT COUNT(*) FROM events WHERE action = 'login_refused' AND organization_id = $1`, eve.OrganizationID)
			if before == after {
				t.Error("no event")
			}
		}
	})
}

// Row POL-05, with providers that alice linked.
func TestPOL05_LinkedProvidersOfTwoOrganizations(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		eve := c.Eve(t)
		ours, theirs := c.provider(t, c.OrganizationID, "", nil), c.provider(t, eve.OrganizationID, "", nil)
		c.AddUser(t, c.OrganizationID, bobEmail, bobPassword, false)
		token := c.login(t, bobEmail, bobPassword, "")
		for _, provider := range []string{ours, theirs} {
			if err := c.link(t, token, provider, c.own, claims{"sub": "bob"}); err != nil {
				t.Fatal(err)
			}
		}
		b := c.guest(t, login.Begin{})
		if err := b.at(t, theirs, c.own, claims{"sub": "bob"}); err != nil {
			t.Fatal(err)
		}
		enter := func() servertest.Answer {
			return c.Do(t, http.MethodGet, c.organizationPath(""), b.flow.Done.Token, nil)
		}
		enter().Want(http.StatusOK)
		c.setPolicy(t, c.OrganizationID, func(p *policy.Policy) { p.SAMLAllowExternal = false })
		refused := enter().WantCode(http.StatusForbidden, policy.CodeOtherOrganization)
		// Which of B's providers it was is not for A's admins to know.
		explained := c.Do(t, http.MethodGet, c.organizationPath("/decisions/"+refused.Metadata()["decision_id"].(string)), c.AdminToken, nil).Want(http.StatusOK)
		told := string(explained.Body) + string(c.Do(t, http.MethodGet, c.organizationPath("/audit-events"), c.AdminToken, nil).Want(http.StatusOK).Body)
		if explained.String("error_code") != policy.CodeOtherOrganization || strings.Contains(told, theirs) || strings.Contains(told, eve.OrganizationID) {
			t.Errorf("A's admin reads %s", told)
		}
		if err := b.take(c.Login.Begin(t.Context(), c.from(), login.Begin{})); err != nil {
			t.Fatal(err)
		}
		if err := b.at(t, ours, c.own, claims{"sub": "bob"}); err != nil {
			t.Fatal(err)
		}
		enter().Want(http.StatusOK)
	})
}

// Row EML-06: the owner comes by Google.
func TestEML06_ClaimedByGoogle(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		const victim = "victim@gmail.com"
		eve := c.signUp(t, victim, "a stranger with a plan of her own").Want(http.StatusOK).String("token")
		c.change(t, store.User(c.Value(t, `SELECT id FROM users WHERE email = $1`, victim)), func(ctx context.Context, tx *store.Tx) error {
			u, err := tx.UserByEmail(ctx, victim)
			if err != nil {
				return err
			}
			sealed := c.Keys.Seal("totp", u.ID, []byte("eve has this one too"))
			if err := tx.OfferTOTP(ctx, u.ID, sealed, tx.Now.Add(time.Minute)); err != nil {
				return err
			}
			if _, err := tx.SetTOTP(ctx, u.ID, sealed, 1); err != nil {
				return err
			}
			return tx.AddLinkedIdentity(ctx, identity.LinkedIdentity{ID: "uam0123456789a", UserID: u.ID, Provider: "github", Subject: "666"})
		})
		code := c.MailedCode(t, victim, identity.MailVerifyEmail)
		b := c.guest(t, login.Begin{})
		if err := b.at(t, "google", c.google, claims{"sub": "victim", "email": victim, "email_verified": true}); err != nil {
			t.Fatal(err)
		}
		u := b.user(t)
		if u.EmailConfirmed.IsZero() || u.SecondFactor || u.Email != victim {
			t.Errorf("the account: %+v", u)
		}
		c.Do(t, http.MethodGet, "/v1/me", eve, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
		c.Do(t, http.MethodPost, "/v1/userauth", "", claims{"email": victim, "password": "a stranger with a plan of her own"}).WantCode(http.StatusForbidden, "authentication_failed")
		c.Do(t, http.MethodPost, "/v1/user/verify_email/"+code, "", nil).WantCode(http.StatusBadRequest, "user_weblink_action_expired")
		if got := c.Rows(t, `SELECT provider FROM linked_identities WHERE user_id = $1 AND deleted_at = 0`, u.ID); len(got) != 1 || got[0][0] != "google" {
			t.Errorf("linked: %v", got)
		}
		if got := c.events(t, "account_claimed"); got != "1" {
			t.Errorf("%s events", got)
		}
		c.Do(t, http.MethodGet, "/v1/me", b.flow.Done.Token, nil).Want(http.StatusOK)
	})
}

// An organization's own provider, with a real OpenID server: who has an address
// in its domain joins, and a group; who has an account is linked to it.
func TestOwnProviderBringsItsPeople(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		group := c.Do(t, http.MethodPost, c.organizationPath("/user-groups"), c.AdminToken, claims{"user_group_name": "crew", "description": ""}).Want(http.StatusOK).String("user_group_id")
		id := c.provider(t, c.OrganizationID, aVerified, claims{"group": group})
		c.set(0) // the provider's clock is the machine's
		real := oidctest.Start(t, oidctest.Options{RedirectURLs: []string{c.Login.RedirectURL(id)}, People: map[string]map[string]any{
			"new": {"email": "new@" + aVerified, "email_verified": true, "name": "Newton"},
			"old": {"email": "old@" + aVerified, "email_verified": true},
		}})
		c.Do(t, http.MethodPut, "/v1/account/"+c.AccountID+"/authentication/"+id, c.AdminToken,
			claims{"oidc_issuer": real.Issuer, "oidc_client_id": real.ClientID, "oidc_client_secret": real.ClientSecret}).Want(http.StatusOK)
		old := c.AddUser(t, c.OrganizationID, "old@"+aVerified, "", false)
		enter := func(name string) *guest {
			b := c.guest(t, login.Begin{})
			callback, err := oidctest.Login(nil, b.leave(t, id), name)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.back(t, id, callback.Query()); err != nil {
				t.Fatal(err)
			}
			return b
		}
		b := enter("new")
		u := b.user(t)
		if u.ManagingOrganizationID != c.OrganizationID || u.EmailConfirmed.IsZero() || u.RealName != "Newton" {
			t.Errorf("new: %+v", u)
		}
		if got := c.Value(t, `SELECT COUNT(*) FROM group_members WHERE group_id = $1`, group); got != "1" {
			t.Errorf("%s members of the group", got)
		}
		p := c.principal(t, b.flow.Done.Token)
		want := policy.Authentication{Method: policy.MethodOIDC, Provider: id, ProviderOrganization: c.OrganizationID, At: p.Token.Authentication.At}
		if p.Token.Authentication != want || p.Token.Identity == "" {
			t.Errorf("session: %+v", p.Token.Authentication)
		}
		if again := enter("new").user(t); again.ID != u.ID {
			t.Error("the second login made another account")
		}
		if got := enter("old").user(t); got.ID != old || got.ManagingOrganizationID != c.OrganizationID {
			t.Errorf("old: %+v", got)
		}
		if got := c.Value(t, `SELECT COUNT(*) FROM group_members WHERE group_id = $1`, group); got != "1" {
			t.Errorf("%s members of the group: who had an account joins none", got)
		}
		methods := c.Do(t, http.MethodGet, "/v1/me/authentication_methods", b.flow.Done.Token, nil).Want(http.StatusOK)
		if !strings.Contains(string(methods.Body), id) || !strings.Contains(string(methods.Body), `"currently_active":true`) {
			t.Errorf("login methods: %s", methods.Body)
		}
	})
}
