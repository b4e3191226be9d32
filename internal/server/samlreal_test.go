package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml/idptest"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
)

// realSAML is a server that people reach by https, and a provider of another
// author that an organization set up over the API.
type realSAML struct {
	*scene
	idp     *idptest.Provider
	id, url string // of the method
}

func newRealSAML(t *testing.T, begin func(testing.TB, idptest.Options) *idptest.Provider) *realSAML {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a provider of another author")
	}
	s := newScene(t, servertest.Options{Host: "sp.test", Config: func(config *server.Config) { config.AllowPrivate = true }})
	s.set(0) // the provider's clock is the machine's
	r := &realSAML{scene: s}
	made := s.Do(t, http.MethodPost, "/v1/account/"+s.AccountID+"/authentication", s.AdminToken, claims{"authentication_method_name": "Real", "authentication_method_type": "saml"}).
		Want(http.StatusOK).Object()["authentication_method"].(map[string]any)
	text := func(name string) string { return made[name].(string) }
	r.id = text("authentication_method_id")
	r.url = "/v1/account/" + s.AccountID + "/authentication/" + r.id
	sp := idptest.SP{EntityID: text("saml_metadata_url"), ACS: text("saml_acs_url"), CertificatePEM: text("saml_sp_certificate")}
	sp.SLO = strings.TrimSuffix(sp.ACS, "acs") + "slo"
	r.idp = begin(t, idptest.Options{SP: sp, Users: []idptest.User{{Name: "ann", Email: "ann@" + aVerified, FirstName: "Ann", LastName: "Other", Groups: []string{"Pilots"}}}})
	r.set(t, claims{
		"saml_idp_url": r.idp.SSOURL, "saml_entity_id": r.idp.EntityID, "saml_certificate": r.idp.CertificatePEM, "saml_idp_logout_url": r.idp.SLOURL,
		"saml_field_mapping": claims{"email": r.idp.Attributes.Email, "first_name": r.idp.Attributes.FirstName, "last_name": r.idp.Attributes.LastName},
	})
	s.change(t, store.Organization(s.OrganizationID), func(ctx context.Context, tx *store.Tx) error {
		d := identity.Domain{ID: "dom00000000001", OrganizationID: s.OrganizationID, Name: aVerified, Challenge: "x", VerificationType: "dns"}
		if err := tx.AddDomain(ctx, d); err != nil {
			return err
		}
		if err := tx.VerifyDomain(ctx, d); err != nil {
			return err
		}
		return tx.LinkMethodDomain(ctx, s.OrganizationID, r.id, d.ID)
	})
	return r
}

func (r *realSAML) set(t *testing.T, change claims) {
	t.Helper()
	r.Do(t, http.MethodPut, r.url, r.AdminToken, change).Want(http.StatusOK)
}

// start is the page that leads to the provider.
func (r *realSAML) start() string { return r.URL + "/login/with/" + r.id }

// logIn does what ann does, from a page to the end; the answer is the last page.
func (r *realSAML) logIn(t *testing.T, browser *http.Client, start string) (status int, page string) {
	t.Helper()
	r.advance(4 * time.Second) // calls are limited by address; providers must not notice
	form, err := idptest.Login(browser, start, "ann", "ann")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := form.Post(browser)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, answer)
}

func read(t *testing.T, answer *http.Response) (status int, page string) {
	t.Helper()
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// in fails unless ann is logged in, in a browser of her own, by a page.
func (r *realSAML) in(t *testing.T, what, start string) *http.Client {
	t.Helper()
	browser := idptest.Browser(t)
	if status, page := r.logIn(t, browser, start); status != http.StatusOK || !strings.Contains(page, "ann@"+aVerified) || !strings.Contains(page, "/logout") {
		t.Fatalf("%s: status %d, %.1500s", what, status, page)
	}
	return browser
}

// out fails unless a browser is logged out.
func (r *realSAML) out(t *testing.T, what string, browser *http.Client) {
	t.Helper()
	answer, err := browser.Get(r.URL + "/profile/authentication")
	if err != nil {
		t.Fatal(err)
	}
	if _, page := read(t, answer); strings.Contains(page, "/logout") {
		t.Errorf("%s: still logged in", what)
	}
}

// matrix are the ways of a provider that can all be had from one.
func (r *realSAML) matrix(t *testing.T) {
	t.Helper()
	r.in(t, "by redirect", r.start())
	r.set(t, claims{"saml_authn_requests_signed_enabled": true})
	r.idp.Change(t, func(o *idptest.Options) { o.DemandSignedRequests = true })
	r.in(t, "by signed redirect", r.start())
	r.set(t, claims{"saml_request_binding": "post", "saml_idp_post_url": r.idp.SSOURL})
	r.in(t, "by signed form", r.start())
	r.set(t, claims{"saml_authn_requests_signed_enabled": false})
	if _, err := idptest.Login(idptest.Browser(t), r.start(), "ann", "ann"); err == nil {
		t.Error("the provider takes a request that is not signed")
	}
	r.set(t, claims{"saml_authn_requests_signed_enabled": true, "saml_request_binding": "redirect"})
	if status, page := r.logIn(t, idptest.Browser(t), r.idp.IdPInitiatedURL("")); status != http.StatusBadRequest || !strings.Contains(page, "was not started here") {
		t.Errorf("begun at the provider: status %d, %.800s", status, page)
	}
	r.set(t, claims{"saml_idp_login_allowed": true})
	r.in(t, "begun at the provider", r.idp.IdPInitiatedURL(r.URL+"/profile/authentication"))
	r.idp.Change(t, func(o *idptest.Options) { o.Encrypt = true })
	r.in(t, "encrypted", r.start())
	if name := r.Value(t, `SELECT real_name FROM users WHERE email = $1`, "ann@"+aVerified); name != "Ann Other" {
		t.Errorf("the name is %q", name)
	}
}

// rotate turns to another key of the provider.
func (r *realSAML) rotate(t *testing.T) {
	t.Helper()
	r.idp.Stage(t)
	r.set(t, claims{"saml_certificate": r.idp.CertificatePEM + r.idp.NextCertificatePEM})
	r.in(t, "before the rotation", r.start())
	old := r.idp.CertificatePEM
	r.idp.Rotate(t)
	r.in(t, "during the rotation", r.start())
	r.set(t, claims{"saml_certificate": r.idp.CertificatePEM})
	r.in(t, "after the rotation", r.start())
	r.set(t, claims{"saml_certificate": old})
	if status, page := r.logIn(t, idptest.Browser(t), r.start()); status != http.StatusBadRequest || !strings.Contains(page, "signature") {
		t.Errorf("with the old certificate alone: status %d, %.800s", status, page)
	}
	r.set(t, claims{"saml_certificate": r.idp.CertificatePEM})
}

// logOut ends a session here, which goes on to the provider and comes back.
func (r *realSAML) logOut(t *testing.T) {
	t.Helper()
	browser := r.in(t, "before the logout", r.start())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL+"/logout", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", r.URL)
	answer, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_, page := read(t, answer)
	_, to, ok := strings.Cut(page, `content="0; url=`)
	to, _, _ = strings.Cut(to, `"`)
	if !ok {
		t.Fatalf("the logout does not go on to the provider: %.800s", page)
	}
	to = strings.NewReplacer("&amp;", "&", "&#43;", "+").Replace(to)
	back, err := idptest.Follow(browser, to, r.URL)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err = browser.Get(back.String()); err != nil {
		t.Fatal(err)
	}
	if status, page := read(t, answer); status != http.StatusOK || answer.Request.URL.RawQuery != "done=logged-out" {
		t.Errorf("came back to %s: status %d, %.800s", answer.Request.URL, status, page)
	}
	r.out(t, "logged out here", browser)
	// The provider ended its session too: it asks for the password again.
	if _, err := idptest.Login(browser, r.start(), "nobody", "wrong"); err == nil {
		t.Error("the provider's session goes on")
	}
}

// logOutThere ends the session at the provider, which tells us.
func (r *realSAML) logOutThere(t *testing.T) {
	t.Helper()
	browser := r.in(t, "before the provider's logout", r.start())
	answer, err := browser.Get(r.idp.LogoutURL(r.URL + "/login"))
	if err != nil {
		t.Fatal(err)
	}
	read(t, answer)
	r.out(t, "logged out at the provider", browser)
}

// Real logins, and logouts, at SimpleSAMLphp.
func TestSAMLAtSimpleSAMLphp(t *testing.T) {
	t.Parallel()
	r := newRealSAML(t, idptest.StartSimpleSAMLphp)
	r.matrix(t)
	for _, sign := range []idptest.Signing{idptest.SignResponse, idptest.SignAssertion} {
		for _, encrypt := range []bool{false, true} {
			r.idp.Change(t, func(o *idptest.Options) { o.Sign, o.Encrypt = sign, encrypt })
			r.in(t, fmt.Sprintf("signed %s, encrypted %v", sign, encrypt), r.start())
		}
	}
	r.idp.Change(t, func(o *idptest.Options) { o.Sign = idptest.SignNeither })
	if status, _ := r.logIn(t, idptest.Browser(t), r.start()); status != http.StatusBadRequest {
		t.Errorf("signed nowhere: status %d", status)
	}
	r.idp.Change(t, func(o *idptest.Options) { o.Sign = idptest.SignBoth })
	r.rotate(t)
	r.logOut(t)
	r.logOutThere(t)
}

// The same at LemonLDAP::NG, which shares no code with it.
func TestSAMLAtLemonLDAP(t *testing.T) {
	t.Parallel()
	r := newRealSAML(t, idptest.StartLemonLDAP)
	r.matrix(t)
	r.rotate(t)
	r.logOut(t)
}
