package org_test

import (
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

// metadataServer is where a provider tells its metadata.
type metadataServer struct {
	*httptest.Server
	document string
	etag     string
	status   int    // instead of 200
	read     int    // full answers
	before   func() // called once, before an answer; nil: nothing
}

func (g *ground) metadataServer() *metadataServer {
	g.Helper()
	s := &metadataServer{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before := s.before; before != nil {
			s.before = nil
			before()
		}
		switch {
		case s.status != 0:
			w.WriteHeader(s.status)
			return
		case s.etag != "" && r.Header.Get("If-None-Match") == s.etag:
			w.WriteHeader(http.StatusNotModified)
			return
		}
		s.read++
		w.Header().Set("ETag", s.etag)
		_, _ = w.Write([]byte(s.document))
	}))
	g.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	g.Prober = org.Prober{AllowPrivate: true, Roots: roots}
	return s
}

// document is the metadata of a provider.
func document(entityID, login string, certificates ...signing) string {
	var keys strings.Builder
	for _, c := range certificates {
		keys.WriteString(`<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
			base64.StdEncoding.EncodeToString(c.der) + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor>`)
	}
	service := func(name, binding, location string) string {
		return `<` + name + ` Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-` + binding + `" Location="` + location + `"/>`
	}
	return `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + entityID + `"><IDPSSODescriptor WantAuthnRequestsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` +
		keys.String() + service("SingleLogoutService", "POST", login+"/logout") + service("SingleSignOnService", "POST", login+"/post") + service("SingleSignOnService", "Redirect", login) + `</IDPSSODescriptor></EntityDescriptor>`
}

func (g *ground) importMetadata(id string, in org.MetadataImport) (org.Method, error) {
	g.Helper()
	return g.ImportMetadata(g.Context(), g.admin(), g.a.AccountID, id, in)
}

func TestImportMetadata(t *testing.T) {
	onGround(t, func(g *ground) {
		server := g.metadataServer()
		certificate := g.certificate("idp", 365)
		server.document = document("urn:example:idp", "https://id.example.com/sso", certificate)
		for name, in := range map[string]org.MetadataImport{"xml": {XML: server.document}, "url": {URL: server.URL + "/metadata?app=1", Auto: to(true)}} {
			m := g.samlProvider(org.SAMLChange{})
			g.wantEvents(func() {
				var err error
				m, err = g.importMetadata(m.ID, in)
				g.must(err)
			}, "authentication_method_metadata_imported")
			c := settings(t, m)
			if m.State != identity.MethodActive || c.EntityID != "urn:example:idp" || c.IDPURL != "https://id.example.com/sso" || c.IDPPostURL != "https://id.example.com/sso/post" ||
				c.RequestBinding != "redirect" || c.IDPLogoutURL != "https://id.example.com/sso/logout" || c.LogoutBinding != "post" || !c.RequestsSigned {
				t.Errorf("%s: %s, %+v", name, m.State, c)
			}
			if active := m.Active(); len(active) != 1 || active[0].Fingerprint != certificate.fingerprint {
				t.Errorf("%s: %+v may sign", name, active)
			}
			if c.MetadataURL != in.URL || c.MetadataAuto != (in.Auto != nil) {
				t.Errorf("%s: read again at %q", name, c.MetadataURL)
			}
		}
		// Of several providers the one is taken that is meant.
		m := g.samlProvider(org.SAMLChange{})
		several := `<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">` + document("urn:one", "https://one.example.com", certificate) + document("urn:two", "https://two.example.com", certificate) + `</EntitiesDescriptor>`
		g.refused("invalid_saml_metadata", func() error { _, err := g.importMetadata(m.ID, org.MetadataImport{XML: several}); return err })
		m, err := g.importMetadata(m.ID, org.MetadataImport{XML: several, EntityID: "urn:two"})
		g.must(err)
		if c := settings(t, m); c.IDPURL != "https://two.example.com" {
			t.Errorf("took %+v", c)
		}
		if _, err := g.importMetadata(m.ID, org.MetadataImport{XML: several}); err != nil {
			t.Errorf("the configured one is not meant: %v", err)
		}
		for name, wrong := range map[string]string{
			"not xml": "<a", "html": "<html/>", "service provider": strings.ReplaceAll(server.document, "IDPSSO", "SPSSO"), "doctype": "<!DOCTYPE a>" + server.document,
			"no certificate": document("urn:x", "https://id.example.com"), "address": document("urn:x", "http://id.example.com\u00a0", certificate),
		} {
			g.refused("invalid_saml_metadata", func() error {
				_, err := g.importMetadata(m.ID, org.MetadataImport{XML: wrong})
				if err == nil {
					t.Errorf("%s was taken", name)
				}
				return err
			})
		}
		server.document = "<secret>of somebody else</secret"
		_, err = g.importMetadata(m.ID, org.MetadataImport{URL: server.URL})
		wantCode(t, err, "invalid_saml_metadata")
		if err == nil || strings.Contains(err.Error(), "somebody") || strings.Contains(err.Error(), "secret") {
			t.Errorf("row OUT-03: the admin reads %v", err)
		}
		server.status = http.StatusInternalServerError
		_, err = g.importMetadata(m.ID, org.MetadataImport{URL: server.URL})
		wantCode(t, err, "invalid_saml_metadata_url")
	})
}

// refresh reads all metadata that is due at a time.
func (g *ground) refresh(after time.Duration) {
	g.Helper()
	g.now = g.now.Add(after)
	for {
		found, err := g.RefreshMetadata(g.Context())
		g.must(err)
		if !found {
			return
		}
	}
}

// anotherDay logs the admin in again, whose session has ended.
func (g *ground) anotherDay() {
	g.Helper()
	g.sessions[g.alice], g.checked = g.token(identity.Token{UserID: g.alice, Kind: policy.Session}), nil
}

// A refresh stages what is new and changes nothing else; the last good state is
// kept through trouble.
func TestRefreshMetadata(t *testing.T) {
	onGround(t, func(g *ground) {
		server := g.metadataServer()
		g.DB.Seal, g.DB.Open = g.Keys.Seal, g.Keys.Open
		old, next := g.certificate("old", 30), g.certificate("next", 400)
		server.document, server.etag = document("urn:example:idp", "https://id.example.com/sso", old), `"1"`
		m, err := g.importMetadata(g.samlProvider(org.SAMLChange{}).ID, org.MetadataImport{URL: server.URL})
		g.must(err)
		look := func() (org.Method, identity.SAMLConfig) { m := g.samlMethod(m.ID); return m, settings(t, m) }
		states := func() (list []string) {
			m, _ := look()
			for _, c := range m.Certificates {
				list = append(list, c.State)
			}
			slices.Sort(list)
			return list
		}
		g.wantEvents(func() { g.refresh(23 * time.Hour); g.refresh(2 * time.Hour) })
		if server.read != 1 {
			t.Errorf("what did not change was read %d times", server.read)
		}
		// Another address and another certificate.
		server.document, server.etag = document("urn:example:idp", "https://evil.example.com/sso", old, next), `"2"`
		e := g.wantEvents(func() { g.refresh(25 * time.Hour) }, "authentication_method_certificate_staged")
		g.detail(e[0], next.fingerprint)
		m, c := look()
		if c.IDPURL != "https://id.example.com/sso" || c.EntityID != "urn:example:idp" || !slices.Equal(states(), []string{"active", "staged"}) {
			t.Errorf("after the refresh: %+v, %v", c, states())
		}
		if len(m.Active()) != 1 || !strings.Contains(m.MetadataProblem, "another address") {
			t.Errorf("%d may sign; the admin reads %q", len(m.Active()), m.MetadataProblem)
		}
		if !slices.Contains(g.mails("alice@a.example"), identity.MailCertificateStaged) {
			t.Error("alice was not told")
		}
		g.wantEvents(func() { g.refresh(25 * time.Hour) }) // once
		g.anotherDay()
		_, err = g.RetireMethodCertificate(t.Context(), g.admin(), g.a.AccountID, m.ID, next.fingerprint)
		g.must(err)
		g.wantEvents(func() { g.refresh(25 * time.Hour) }) // and not again what an admin did not want
		// Another entity id is another provider: nothing of it is taken.
		third := g.certificate("third", 400)
		server.document = document("urn:example:other", "https://id.example.com/sso", third)
		g.wantEvents(func() { g.refresh(25 * time.Hour) })
		if m, _ := look(); len(m.Certificates) != 2 || m.MetadataProblem == "" {
			t.Errorf("another provider: %d certificates, %q", len(m.Certificates), m.MetadataProblem)
		}
		// Trouble changes nothing, and is tried again soon.
		server.status = http.StatusServiceUnavailable
		g.wantEvents(func() { g.refresh(25 * time.Hour) })
		m, _ = look()
		if m.MetadataFailing.IsZero() || !strings.Contains(m.MetadataProblem, "5xx") || len(m.Active()) != 1 {
			t.Errorf("trouble: since %v, %q", m.MetadataFailing, m.MetadataProblem)
		}
		since := m.MetadataFailing
		g.refresh(2 * time.Hour)
		if m, _ := look(); !m.MetadataFailing.Equal(since) {
			t.Errorf("trouble began at %v, then at %v", since, m.MetadataFailing)
		}
		// Where an admin wants it, new ones may sign at once.
		g.anotherDay()
		_, err = g.setSAML(m.ID, org.SAMLChange{MetadataAuto: to(true)})
		g.must(err)
		server.status, server.document = 0, document("urn:example:idp", "https://id.example.com/sso", old, third)
		g.wantEvents(func() { g.refresh(2 * time.Hour) }, "authentication_method_certificate_added")
		if m, _ := look(); len(m.Active()) != 2 || m.MetadataProblem != "" || !m.MetadataFailing.IsZero() {
			t.Errorf("%d may sign, %q", len(m.Active()), m.MetadataProblem)
		}
		// Without an address nothing is read.
		_, err = g.setSAML(m.ID, org.SAMLChange{MetadataURL: to("")})
		g.must(err)
		read := server.read
		g.refresh(48 * time.Hour)
		if server.read != read {
			t.Error("it is read without an address")
		}
	})
}

// Experiment R20: a node that is stopped while it reads metadata, for longer than
// its claim, finds that another one has done it, and changes nothing.
func TestR20LateReadingOfMetadata(t *testing.T) {
	onGround(t, func(g *ground) {
		server := g.metadataServer()
		old, next := g.certificate("old", 30), g.certificate("next", 400)
		server.document = document("urn:example:idp", "https://id.example.com/sso", old)
		m, err := g.importMetadata(g.samlProvider(org.SAMLChange{}).ID, org.MetadataImport{URL: server.URL, Auto: to(true)})
		g.must(err)
		server.before = func() { // the first one is stopped here
			g.now = g.now.Add(time.Hour)
			server.document = document("urn:example:idp", "https://id.example.com/sso", old, next)
			found, err := g.RefreshMetadata(g.Context())
			if err != nil || !found {
				t.Errorf("the second node reads nothing: %v", err)
			}
			server.status = http.StatusInternalServerError // is what the first one is told
		}
		g.wantEvents(func() {
			g.now = g.now.Add(25 * time.Hour)
			if found, err := g.RefreshMetadata(g.Context()); err != nil || !found {
				t.Errorf("the first node: %v", err)
			}
		}, "authentication_method_certificate_added")
		if m := g.samlMethod(m.ID); len(m.Active()) != 2 || m.MetadataProblem != "" || !m.MetadataFailing.IsZero() {
			t.Errorf("%d may sign, %q since %v", len(m.Active()), m.MetadataProblem, m.MetadataFailing)
		}
	})
}

// Row OUT-01: metadata inside is refused when it is set, nobody is asked, and
// there is an event; a name that leads inside is kept from when it is dialled.
func TestOUT01_MetadataInside(t *testing.T) {
	onGround(t, func(g *ground) {
		server := g.metadataServer()
		g.Prober.AllowPrivate = false
		m := g.samlProvider(org.SAMLChange{})
		ways := map[string]func(address string) error{
			"import": func(address string) error {
				_, err := g.importMetadata(m.ID, org.MetadataImport{URL: address})
				return err
			},
			"change": func(address string) error {
				_, err := g.setSAML(m.ID, org.SAMLChange{MetadataURL: &address})
				return err
			},
		}
		for way, save := range ways {
			for _, inside := range []string{
				server.URL, "https://127.0.0.1", "https://0.0.0.0", "https://[::]", "https://[::ffff:127.0.0.1]", "https://10.0.0.1", "https://169.254.169.254/latest?a=b",
				"https://[fd00::1]", "https://100.64.0.1", "https://198.18.0.1", "https://224.0.0.1", "https://127.1", "https://2130706433", "https://0x7f.1",
				"https://localhost.", "https://intranet", "https://id.internal", "https://id.example.com:22", "https://id.example.com:5432",
			} {
				g.now = g.now.Add(2 * time.Minute)
				g.wantEvents(func() { wantCode(t, save(inside), "invalid_saml_metadata_url") }, "outbound_blocked")
			}
			for _, wrong := range []string{
				"http://id.example.com", "https://user@id.example.com", "https://id.example.com/#a", "file:///etc/passwd", "gopher://id.example.com", "unix:/run/socket", "id.example.com", "https://",
				"https://id.example.com/" + strings.Repeat("x", 2048),
			} {
				g.refused("invalid_saml_metadata_url", func() error { return save(wrong) })
			}
			if server.read != 0 {
				t.Errorf("%s: somebody was asked", way)
			}
		}
		// Allowed when it was set, and not any more.
		g.Prober.AllowPrivate = true
		_, err := g.setSAML(m.ID, org.SAMLChange{MetadataURL: to(server.URL)})
		g.must(err)
		g.Prober.AllowPrivate = false
		g.wantEvents(func() { g.refresh(time.Hour) }, "outbound_blocked")
		if m := g.samlMethod(m.ID); server.read != 0 || !strings.Contains(m.MetadataProblem, "private address") {
			t.Errorf("read %d times; the admin reads %q", server.read, m.MetadataProblem)
		}
	})
}

// Ten readings in a minute are enough for an organization.
func TestImportMetadataIsLimited(t *testing.T) {
	onGround(t, func(g *ground) {
		server := g.metadataServer()
		server.document = document("urn:example:idp", "https://id.example.com/sso", g.certificate("idp", 30))
		m := g.samlProvider(org.SAMLChange{})
		var err error
		for range 11 {
			_, err = g.importMetadata(m.ID, org.MetadataImport{URL: server.URL})
		}
		wantCode(t, err, "too_many_verifications")
		if server.read != 10 {
			t.Errorf("read %d times", server.read)
		}
	})
}
