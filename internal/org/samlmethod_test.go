package org_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
)

// signing is a certificate that a provider could sign with.
type signing struct {
	text, fingerprint string
	der               []byte
}

// certificate makes one that ends in so many days of the test's clock.
func (g *ground) certificate(name string, days int) signing {
	g.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.must(err)
	return g.selfSigned(name, days, key)
}

func (g *ground) selfSigned(name string, days int, key crypto.Signer) signing {
	g.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name},
		NotBefore: g.now.AddDate(-1, 0, 0), NotAfter: g.now.AddDate(0, 0, days),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	g.must(err)
	sum := sha256.Sum256(der)
	return signing{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), hex.EncodeToString(sum[:]), der}
}

// admin is Alice as she was checked once, whatever the test does to the clock
// afterwards.
func (g *ground) admin() *identity.Principal {
	g.Helper()
	if g.checked == nil {
		g.checked = g.as(g.alice, g.a.ID)
	}
	return g.checked
}

// samlProvider registers a SAML provider of organization A.
func (g *ground) samlProvider(c org.SAMLChange) org.Method {
	g.Helper()
	c.KeyAlgorithm = to(identity.KeyECDSAP256) // quick to make
	m, err := g.CreateAuthenticationMethod(g.Context(), g.admin(), g.a.AccountID, "saml", org.MethodChange{Name: to("Okta"), SAML: c}, nil)
	g.must(err)
	return m
}

// working is all that a SAML provider needs.
func working(c signing) org.SAMLChange {
	return org.SAMLChange{IDPURL: to("https://id.example.com/sso"), EntityID: to("urn:example:idp"), Certificate: &c.text}
}

func (g *ground) setSAML(id string, c org.SAMLChange) (org.Method, error) {
	g.Helper()
	return g.ChangeAuthenticationMethod(g.Context(), g.admin(), g.a.AccountID, id, org.MethodChange{SAML: c})
}

func (g *ground) samlMethod(id string) org.Method {
	g.Helper()
	m, err := g.AuthenticationMethod(g.Context(), g.admin(), g.a.AccountID, id)
	g.must(err)
	return m
}

func settings(t *testing.T, m org.Method) identity.SAMLConfig {
	t.Helper()
	c, err := m.SAML()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// In three steps: a draft, what is missing one by one, and it works.
func TestSAMLProviderInThreeSteps(t *testing.T) {
	onGround(t, func(g *ground) {
		var m org.Method
		g.wantEvents(func() {
			var err error
			m, err = g.CreateAuthenticationMethod(t.Context(), g.admin(), g.a.AccountID, "saml", org.MethodChange{Name: to("Okta")}, nil)
			g.must(err)
		}, "authentication_method_created")
		key, found := m.SigningKey()
		if m.State != identity.MethodPending || !found || key.Algorithm != identity.KeyRSA3072 || strings.Contains(key.Secret, "PRIVATE") {
			t.Errorf("draft: %s, key %+v", m.State, key)
		}
		certificate := g.certificate("idp", 365)
		for _, step := range []struct {
			change org.SAMLChange
			state  string
		}{
			{org.SAMLChange{IDPURL: to("https://id.example.com/sso")}, identity.MethodPending},
			{org.SAMLChange{EntityID: to("urn:example:idp")}, identity.MethodPending},
			{org.SAMLChange{Certificate: to("\n " + certificate.text + "\n\n")}, identity.MethodActive},
			{org.SAMLChange{Certificate: to("")}, identity.MethodPending},
			{org.SAMLChange{Certificate: &certificate.text}, identity.MethodActive},
			{org.SAMLChange{IDPURL: to("")}, identity.MethodPending},
		} {
			g.wantEvents(func() {
				_, err := g.setSAML(m.ID, step.change)
				g.must(err)
			}, "authentication_method_changed")
			if m = g.samlMethod(m.ID); m.State != step.state {
				t.Errorf("after %+v it is %s, want %s", step.change, m.State, step.state)
			}
		}
		// The same again is no change, however the white space around it is.
		g.wantEvents(func() {
			_, err := g.setSAML(m.ID, org.SAMLChange{Certificate: to(certificate.text + "\n"), EntityID: to("urn:example:idp")})
			g.must(err)
		})
		if got := m.CertificateText(); got != strings.TrimSpace(certificate.text) {
			t.Errorf("read back as %q", got)
		}
		g.must(g.DeleteAuthenticationMethod(t.Context(), g.admin(), g.a.AccountID, m.ID, nil))
	})
}

// Row BND-8 among others: what cannot be used is refused when it is set.
func TestSAMLProviderRefusals(t *testing.T) {
	onGround(t, func(g *ground) {
		m := g.samlProvider(org.SAMLChange{})
		key, err := rsa.GenerateKey(rand.Reader, 1024)
		g.must(err)
		weak := g.selfSigned("weak", 30, key)
		private := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
		dsa, err := os.ReadFile("testdata/dsa.pem")
		g.must(err)
		var eleven strings.Builder
		for range 11 {
			eleven.WriteString(g.certificate("one of many", 30).text)
		}
		set := func(c org.SAMLChange) func() error {
			return func() error { _, err := g.setSAML(m.ID, c); return err }
		}
		for _, address := range []string{
			"javascript:alert(1)", "data:text/html,x", "http://id.example.com/sso", `https://id.example.com/"></form>`, "https://id.example.com/'x", "https://user@id.example.com",
			"https://id.example.com/#x", "//id.example.com", "id.example.com", "https://", "https://id.example.com/\r\nx", "https://id.example.com/" + strings.Repeat("x", 2048),
		} {
			g.refused("invalid_saml_url", set(org.SAMLChange{IDPURL: &address}))
			g.refused("invalid_saml_url", set(org.SAMLChange{IDPPostURL: &address}))
			g.refused("invalid_saml_url", set(org.SAMLChange{IDPLogoutURL: &address}))
			g.refused("invalid_saml_url", set(org.SAMLChange{IDPLogoutResponseURL: &address}))
		}
		for name, text := range map[string]string{
			"private key": private, "certificate and private key": g.certificate("x", 3).text + private, "1024 bits": weak.text, "dsa": string(dsa), "words": "my certificate",
			"damaged": strings.Replace(g.certificate("x", 3).text, "-----END", "-----", 1), "eleven": eleven.String(), "request": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
		} {
			err := set(org.SAMLChange{Certificate: &text})()
			wantCode(t, err, "invalid_saml_certificate")
			if err != nil && strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(key))[:32]) {
				t.Errorf("%s: the error quotes the key", name)
			}
		}
		for _, c := range []org.SAMLChange{
			{EntityID: to(" urn:x")},
			{EntityID: to(strings.Repeat("é", 2049))},
			{ClockSkewSeconds: to(int64(181))},
			{ClockSkewSeconds: to(int64(-1))},
			{SCIM: to(true)},
			{DigestAlgorithm: to("sha1")},
			{SignatureAlgorithm: to("rsa-sha1")},
			{SignatureAlgorithm: to("dsa-sha1")},
			{SignatureAlgorithm: to("hmac-sha256")},
			{Variant: to("okta")},
			{Kind: to("Okta")},
			{NameIDFormat: to("transient")},
			{RequestBinding: to("artifact")},
			{LogoutBinding: to("soap")},
			{Email: to(strings.Repeat("x", 257))},
			{Groups: to("email"), Email: to("email")},
		} {
			g.refused("bad_request", set(c))
		}
		for _, c := range []org.SAMLChange{{EntityID: to("urn:\nx")}, {EntityID: to("urn:\u2066x")}, {Groups: to("a\nb")}} {
			g.refused(identity.CodeUnseen, set(c))
		}
		create := func(algorithm string) func() error {
			return func() error {
				_, err := g.CreateAuthenticationMethod(t.Context(), g.admin(), g.a.AccountID, "saml", org.MethodChange{Name: to("x"), SAML: org.SAMLChange{KeyAlgorithm: &algorithm}}, nil)
				return err
			}
		}
		g.refused("bad_request", create("rsa-1024"))
		oidc := g.identityProvider(org.MethodChange{})
		p := g.admin()
		for _, call := range []func() error{
			func() error { _, err := g.AddMethodKey(t.Context(), p, g.a.AccountID, oidc.ID, ""); return err },
			func() error {
				_, err := g.ImportMetadata(t.Context(), p, g.a.AccountID, oidc.ID, org.MetadataImport{XML: "<a/>"})
				return err
			},
			func() error {
				_, err := g.ImportMetadata(t.Context(), p, g.a.AccountID, m.ID, org.MetadataImport{})
				return err
			},
		} {
			g.refused("bad_request", call)
		}
		g.refused("authentication_method_incomplete", func() error { return g.TestAuthenticationMethod(t.Context(), p, m.ID) })
	})
}

func TestSAMLAddressesOnPrivateNetworks(t *testing.T) {
	onGround(t, func(g *ground) {
		g.Prober.AllowPrivate = true // the operator's word
		_, err := g.setSAML(g.samlProvider(org.SAMLChange{}).ID, org.SAMLChange{IDPURL: to("http://127.0.0.1:8081/sso")})
		g.must(err)
	})
}

// Keys of the field mapping that are not sent stay; empty ones are the default
// again.
func TestSAMLDefaultsAndPartialChanges(t *testing.T) {
	onGround(t, func(g *ground) {
		m := g.samlProvider(org.SAMLChange{Kind: to("entra"), Groups: to("teams"), Email: to("mail")})
		c := settings(t, m)
		if c.FieldMapping.Email != "mail" || c.FieldMapping.Groups != "teams" || c.FieldMapping.FirstName != "first_name" || c.IdentityAttribute() != "" ||
			c.DigestAlgorithm != "sha256" || c.SignatureAlgorithm != "rsa-sha256" || c.ClockSkew() != time.Minute || c.IDPLoginAllowed || c.JoinGroups || c.AllowSHA1 {
			t.Errorf("the defaults are %+v", c)
		}
		changed, err := g.setSAML(m.ID, org.SAMLChange{Email: to(""), Identity: to("uid"), RealName: to("display"), ClockSkewSeconds: to(int64(0))})
		g.must(err)
		c = settings(t, changed)
		if f := c.FieldMapping; f.Email != "email" || f.Groups != "teams" || f.RealName != "display" || c.IdentityAttribute() != "uid" || c.ClockSkew() != 0 || c.Kind != "entra" {
			t.Errorf("after a partial change: %+v", c)
		}
		if format := settings(t, g.samlProvider(org.SAMLChange{Kind: to("okta")})).NameIDFormatURN(); format != saml.FormatEmail {
			t.Errorf("Okta is asked for %s", format)
		}
	})
}

// Row SML-05: two certificates during a rotation; what retires may sign no
// more, and does not come back by itself.
func TestSML05_CertificatesRotate(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.admin()
		old, next := g.certificate("old", 20), g.certificate("next", 400)
		m := g.samlProvider(working(old))
		both, err := g.setSAML(m.ID, org.SAMLChange{Certificate: to(next.text + old.text)})
		g.must(err)
		active := func(m org.Method) (list []string) {
			for _, c := range m.Active() {
				list = append(list, c.Fingerprint)
			}
			return list
		}
		if got := active(both); !slices.Equal(got, []string{next.fingerprint, old.fingerprint}) {
			t.Errorf("during the rotation %v may sign", got)
		}
		e := g.wantEvents(func() {
			m, err = g.RetireMethodCertificate(t.Context(), p, g.a.AccountID, m.ID, strings.ToUpper(old.fingerprint))
			g.must(err)
		}, "authentication_method_certificate_retired")
		g.detail(e[0], old.fingerprint)
		if got := active(m); !slices.Equal(got, []string{next.fingerprint}) || m.CertificateText() != strings.TrimSpace(next.text) {
			t.Errorf("after it %v may sign, read back as %q", got, m.CertificateText())
		}
		g.wantEvents(func() { // again is no change
			_, err := g.RetireMethodCertificate(t.Context(), p, g.a.AccountID, m.ID, old.fingerprint)
			g.must(err)
		})
		g.wantEvents(func() {
			m, err = g.RetireMethodCertificate(t.Context(), p, g.a.AccountID, m.ID, next.fingerprint)
			g.must(err)
		}, "authentication_method_certificate_retired")
		if m.State != identity.MethodPending || m.CertificateText() != "" {
			t.Errorf("without certificates it is %s", m.State)
		}
		g.wantEvents(func() {
			m, err = g.ApproveMethodCertificate(t.Context(), p, g.a.AccountID, m.ID, next.fingerprint)
			g.must(err)
		}, "authentication_method_certificate_approved")
		if m.State != identity.MethodActive {
			t.Errorf("with a certificate again it is %s", m.State)
		}
		g.refused("saml_certificate_not_found", func() error {
			_, err := g.ApproveMethodCertificate(t.Context(), p, g.a.AccountID, m.ID, strings.Repeat("0", 64))
			return err
		})
		g.now = g.now.AddDate(2, 0, 0)
		g.refused("saml_certificate_expired", func() error { return g.TestAuthenticationMethod(t.Context(), p, m.ID) })
	})
}

func TestSAMLKeysRotate(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.admin()
		m := g.samlProvider(org.SAMLChange{})
		first, _ := m.SigningKey()
		states := func() (list []string) {
			for _, k := range g.samlMethod(m.ID).Keys {
				list = append(list, k.State)
			}
			return list
		}
		want := func(list ...string) {
			t.Helper()
			if got := states(); !slices.Equal(got, list) {
				t.Errorf("the keys are %v, want %v", got, list)
			}
		}
		add := func() error {
			_, err := g.AddMethodKey(t.Context(), p, g.a.AccountID, m.ID, identity.KeyECDSAP256)
			return err
		}
		activate := func(id string) error {
			_, err := g.ActivateMethodKey(t.Context(), p, g.a.AccountID, m.ID, id)
			return err
		}
		retire := func(id string) error {
			_, err := g.RetireMethodKey(t.Context(), p, g.a.AccountID, m.ID, id)
			return err
		}
		g.now = g.now.Add(time.Second)
		g.wantEvents(func() { g.must(add()) }, "authentication_method_key_created")
		want(identity.KeyActive, identity.KeyNext)
		g.refused("saml_key_exists", add)
		second := g.samlMethod(m.ID).Keys[1]
		secret, err := g.Keys.Open(identity.MethodKeyPurpose, second.ID, second.Secret)
		g.must(err)
		block, _ := pem.Decode([]byte(second.Certificate))
		if _, err := saml.ParseKey(secret, block.Bytes); err != nil {
			t.Errorf("the key cannot be used: %v", err)
		}
		g.refused("saml_key_active", func() error { return retire(first.ID) })
		g.wantEvents(func() { g.must(activate(second.ID)) }, "authentication_method_key_activated")
		g.wantEvents(func() { g.must(activate(second.ID)) })
		want(identity.KeyOld, identity.KeyActive)
		g.wantEvents(func() { g.must(retire(first.ID)) }, "authentication_method_key_retired")
		g.wantEvents(func() { g.must(retire(first.ID)) })
		want(identity.KeyRetired, identity.KeyActive)
		g.refused("saml_key_retired", func() error { return activate(first.ID) })
		g.refused("saml_key_not_found", func() error { return activate("k0123456789a") })
		if k := g.samlMethod(m.ID).Keys[0]; k.Secret != "" || k.Retired.IsZero() {
			t.Errorf("the retired key is %+v", k)
		}
		other := g.samlProvider(org.SAMLChange{})
		g.refused("saml_key_not_found", func() error {
			_, err := g.RetireMethodKey(t.Context(), p, g.a.AccountID, other.ID, second.ID)
			return err
		})
		g.refused("authentication_method_not_found", func() error {
			_, err := g.AddMethodKey(t.Context(), g.as(g.eve, g.b.ID), g.b.AccountID, m.ID, "")
			return err
		})
	})
}

// Row LNK-4: with another entity id nobody is linked by address, until an admin
// says that it means the same people.
func TestLNK4_AnotherProviderLinksNobody(t *testing.T) {
	onGround(t, func(g *ground) {
		m := g.samlProvider(org.SAMLChange{EntityID: to("urn:typo")})
		set := func(c org.SAMLChange) bool {
			t.Helper()
			m, err := g.setSAML(m.ID, c)
			g.must(err)
			return settings(t, m).AutoLinkPaused
		}
		if set(working(g.certificate("idp", 30))) {
			t.Error("a draft that is completed is paused: nobody was linked to its first entity id")
		}
		for _, step := range []struct {
			name   string
			change org.SAMLChange
			paused bool
		}{
			{"another certificate", org.SAMLChange{Certificate: to(g.certificate("new", 30).text)}, false},
			{"another entity id", org.SAMLChange{EntityID: to("urn:example:other")}, true},
			{"something else", org.SAMLChange{JoinGroups: to(true)}, true},
			{"confirmed", org.SAMLChange{AutoLink: to(true)}, false},
			{"changed and confirmed at once", org.SAMLChange{EntityID: to("urn:example:third"), AutoLink: to(true)}, true},
			{"confirmed then", org.SAMLChange{AutoLink: to(true)}, false},
			{"switched off by an admin", org.SAMLChange{AutoLink: to(false)}, true},
			{"and on", org.SAMLChange{AutoLink: to(true)}, false},
			{"unset for a moment", org.SAMLChange{EntityID: to("")}, false},
			{"and another", org.SAMLChange{EntityID: to("urn:example:fourth")}, true},
		} {
			if got := set(step.change); got != step.paused {
				t.Errorf("%s: paused %v, want %v", step.name, got, step.paused)
			}
		}
	})
}

// Admins are told 30, 14, 7 and 1 days before a certificate ends, once each,
// whichever node looks.
func TestWarnOfCertificates(t *testing.T) {
	onGround(t, func(g *ground) {
		g.DB.Seal, g.DB.Open = g.Keys.Seal, g.Keys.Open // mail is on
		m := g.samlProvider(working(g.certificate("idp", 40)))
		start := g.now
		for _, step := range []struct {
			days  int
			warns bool
		}{{0, false}, {9, false}, {10, true}, {11, false}, {25, false}, {26, true}, {34, true}, {38, false}, {39, true}, {40, false}, {41, false}, {60, false}} {
			g.now = start.AddDate(0, 0, step.days).Add(time.Minute)
			want := []string{}
			if step.warns {
				want = append(want, "authentication_method_certificate_expiring")
			}
			g.wantEvents(func() {
				for range 2 {
					_, err := g.WarnOfCertificates(t.Context())
					g.must(err)
				}
			}, want...)
		}
		kinds := g.mails("alice@a.example")
		if n := strings.Count(strings.Join(kinds, " "), identity.MailCertificateEnds); n != 4 {
			t.Errorf("alice got %d warnings: %v", n, kinds)
		}
		if slices.Contains(g.mails("bob@a.example"), identity.MailCertificateEnds) || slices.Contains(g.mails("eve@b.example"), identity.MailCertificateEnds) {
			t.Error("somebody who is no admin was told")
		}
		// A certificate that may not sign any more warns nobody.
		g.now = start
		g.prepare(store.Organization(g.a.ID), func(tx *store.Tx) error {
			c := m.Certificates[0]
			c.State = identity.CertificateRetired
			return tx.SetMethodCertificate(context.Background(), c)
		})
		g.now = start.AddDate(0, 0, 39)
		g.wantEvents(func() {
			_, err := g.WarnOfCertificates(t.Context())
			g.must(err)
		})
	})
}
