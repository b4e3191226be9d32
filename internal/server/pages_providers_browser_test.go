package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
)

// everyProviderPage opens each page of identity providers, in the states that
// look different, and shows it to look.
func (w *window) everyProviderPage(look func(name string)) {
	base := "/organizations/" + w.s.OrganizationID + "/identity-providers"
	at := func(name, path string) { w.open(path); look(name) }
	w.logIn(servertest.AdminEmail, servertest.AdminPassword)
	at("providers-none", base)
	at("provider-new", base+"/new")
	m := w.c.saml(w.t, w.s.OrganizationID, aVerified, newSAMLIDP(w.t, idpEntity, 0), func(m *identity.AuthenticationMethod, s *identity.SAMLConfig) {
		m.Name, s.Kind = "Acme, with quite a long name for an identity provider", identity.SAMLOkta
	})
	w.open(base + "/new")
	w.Do(w.t, chromedp.Click(chromedp.CSS(`input[value="onelogin"]`)))
	w.fill("#authentication_method_name", "People and culture")
	w.submit("#new-provider .row button")
	look("provider-setup")
	draft := strings.TrimSuffix(w.Path(w.t), "/setup")
	at("provider-connect-draft", draft+"/connect")
	w.fill("#url", "http://127.0.0.1:1/nothing")
	w.submit("#by-url button")
	look("provider-connect-problem")
	at("provider-draft", draft)
	at("providers", base)
	one := base + "/" + m.ID
	ann := w.c.guest(w.t, login.Begin{})
	_ = ann.atSAML(w.t, m, "ann@"+aVerified, nil)
	eve := w.c.guest(w.t, login.Begin{})
	_ = eve.atSAML(w.t, m, "ann@"+aVerified, func(s *said) { s.to.EntityID += "/other" })
	at("provider", one)
	at("provider-connect", one+"/connect")
	at("provider-settings", one+"/settings")
	w.fill("#saml_idp_url", "javascript:alert(1)")
	w.submit("#settings > .row button")
	look("provider-settings-problem")
	w.s.Do(w.t, http.MethodPost, "/v1/account/"+m.AccountID+"/authentication/"+m.ID+"/saml/keys", w.s.AdminToken, map[string]any{"algorithm": "ecdsa-p256"}).Want(http.StatusOK)
	at("provider-certificates", one+"/certificates")
	at("provider-responses", one+"/responses")
	refused, _ := m.newest(w.t)
	at("provider-response-refused", one+"/responses/"+refused.SAMLResponseID)
	w.Do(w.t, chromedp.Click(chromedp.CSS("#try > summary")))
	w.submit(`#try button[value="replay"]`)
	look("provider-response-tried")
	at("provider-responses-accepted", one+"/responses?show=accepted")
	w.submit(".table th a")
	look("provider-response")
	at("provider-delete", one+"/confirm?do=delete")
	w.everyProviderState(m, at)
	w.s.advance(11 * time.Minute)
	at("provider-old", one)
	at("provider-settings-old", one+"/settings")
}

// everyProviderState shows a provider that is tested and not on yet, and one that
// waits for an admin in every way.
func (w *window) everyProviderState(m *samlMethod, at func(name, path string)) {
	one := w.s.providers() + "/" + m.ID
	api := "/v1/account/" + m.AccountID + "/authentication/" + m.ID
	w.s.Do(w.t, http.MethodPut, api, w.s.AdminToken, map[string]any{"authentication_method_enabled": false}).Want(http.StatusOK)
	w.c.tested(w.t, w.s.as(w.t, w.s.AdminToken), m.ID, m.idp)
	at("provider-connect-tested", one+"/connect")
	w.s.Do(w.t, http.MethodPut, api, w.s.AdminToken, map[string]any{"saml_entity_id": "urn:another"}).Want(http.StatusOK)
	w.s.change(w.t, store.Organization(m.OrganizationID), func(ctx context.Context, tx *store.Tx) error {
		now := w.s.now()
		for i, c := range []identity.MethodCertificate{
			{Subject: "CN=next.idp.example,O=Acme and Daughters", State: identity.CertificateStaged, NotBefore: now, NotAfter: now.AddDate(2, 0, 0)},
			{Subject: "CN=idp.example", State: identity.CertificateActive, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(0, 0, 12)},
			{Subject: "CN=old.idp.example", State: identity.CertificateRetired, NotBefore: now.AddDate(-2, 0, 0), NotAfter: now.AddDate(0, -3, 0)},
		} {
			c.MethodID, c.PEM, c.Source, c.Fingerprint = m.ID, m.idp.pem(), identity.CertificateFromMetadata, strings.Repeat(string(rune('a'+i)), 64)
			if err := tx.SetMethodCertificate(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	at("provider-waiting", one)
	at("provider-certificates-waiting", one+"/certificates")
	at("providers-waiting", w.s.providers())
}

// TestProviderPagesAreAccessible has axe-core look at the pages of identity
// providers, in light and dark, wide and narrow.
func TestProviderPagesAreAccessible(t *testing.T) {
	t.Parallel()
	lookAt(t, (*window).everyProviderPage)
}
