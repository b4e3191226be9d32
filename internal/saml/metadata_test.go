package saml

import (
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"
)

const (
	idpSSO = "https://idp.corp.example/sso"
	idpSLO = "https://idp.corp.example/slo"
)

func keyDescriptor(use string, cert *x509.Certificate) string {
	if use != "" {
		use = ` use="` + use + `"`
	}
	return `<md:KeyDescriptor` + use + `><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>
` + base64.StdEncoding.EncodeToString(cert.Raw) + `
</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
}

// idpMetadata is a provider's, the shape that most of them publish.
func idpMetadata() string {
	return `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + idpEntity + `" validUntil="2026-12-24T00:00:00Z"><md:IDPSSODescriptor WantAuthnRequestsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` +
		keyDescriptor("signing", fixedKey().cert) + keyDescriptor("encryption", fixedKey().cert) + keyDescriptor("", fixedKey().cert) +
		`<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="` + idpSLO + `" ResponseLocation="` + idpSLO + `/response"/><md:NameIDFormat>` + FormatEmail +
		`</md:NameIDFormat><md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://idp.corp.example/soap"/><md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="` + idpSSO + `"/><md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="` + idpSSO + `/post?x=1&amp;y=2"/></md:IDPSSODescriptor></md:EntityDescriptor>`
}

func TestMetadataOfAProvider(t *testing.T) {
	m, err := ParseMetadata([]byte(idpMetadata()), MetadataOptions{}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if m.EntityID != idpEntity || m.SSO[Redirect] != idpSSO || m.SSO[POST] != idpSSO+"/post?x=1&y=2" || len(m.SSO) != 2 ||
		m.SLO[Redirect] != idpSLO || m.SLOResponse[Redirect] != idpSLO+"/response" || !m.WantAuthnRequestsSigned ||
		len(m.Certificates) != 1 || !m.Certificates[0].Equal(fixedKey().cert) || len(m.NameIDFormats) != 1 || m.ValidUntil.IsZero() {
		t.Errorf("read %+v", m)
	}
}

func TestMetadataAmongMany(t *testing.T) {
	other := strings.ReplaceAll(idpMetadata(), idpEntity, "urn:other")
	all := `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + idpMetadata() + other + `</md:EntitiesDescriptor>`
	if _, err := ParseMetadata([]byte(all), MetadataOptions{}, noon); err == nil || !strings.Contains(err.Error(), "several") {
		t.Errorf("two providers without a choice: %v", err)
	}
	m, err := ParseMetadata([]byte(all), MetadataOptions{EntityID: "urn:other"}, noon)
	if err != nil || m.EntityID != "urn:other" {
		t.Errorf("read %+v, %v", m, err)
	}
	if _, err := ParseMetadata([]byte(all), MetadataOptions{EntityID: "urn:none"}, noon); err == nil {
		t.Error("a provider was found that is not there")
	}
}

func TestMetadataRefused(t *testing.T) {
	swap := func(old, replacement string) func(string) string {
		return func(text string) string {
			if !strings.Contains(text, old) {
				t.Fatalf("the metadata has no %q", old)
			}
			return strings.ReplaceAll(text, old, replacement)
		}
	}
	for _, c := range []struct {
		name string
		edit func(string) string
		want string
	}{
		{"http", swap(`Location="https`, `Location="http`), "https"},
		{"script", swap(idpSSO+`"`, `javascript:alert(1)"`), "SingleSignOnService"},
		{"markup", swap(idpSSO+`"`, idpSSO+`?&quot;&gt;&lt;/form&gt;"`), "SingleSignOnService"},
		{"user", swap("https://idp.corp.example/sso\"", "https://x@idp.corp.example/sso\""), "user"},
		{"expired", swap("2026-12-24", "2026-11-24"), "valid until"},
		{"no addresses", swap("md:SingleSignOnService", "md:Other"), "SingleSignOnService"},
		{"no certificate", swap("KeyDescriptor", "Other"), "certificate"},
		{"small key", func(s string) string {
			return strings.Replace(s, keyDescriptor("signing", fixedKey().cert), keyDescriptor("signing", smallKey().cert), 1)
		}, "2048"},
		{"not a certificate", swap("MII", "AAA"), "certificate"},
		{"a service provider's", swap("IDPSSODescriptor", "SPSSODescriptor"), "service provider"},
		{"no entity id", swap(`entityID="`+idpEntity+`"`, ""), "entityID"},
		{"DTD", func(s string) string { return "<!DOCTYPE x>" + s }, "DTD"},
		{"HTML", func(string) string { return "<html><body>Login</body></html>" }, "not SAML metadata"},
		{"JSON", func(string) string { return `{"a":1}` }, "XML"},
		{"empty", func(string) string { return "" }, "empty"},
		{"too large", func(s string) string { return s + strings.Repeat(" ", maxMetadata) }, "large"},
		{"unclear flag", swap(`WantAuthnRequestsSigned="true"`, `WantAuthnRequestsSigned="yes"`), "neither"},
		{"eleven certificates", func(s string) string {
			var more strings.Builder
			for range 11 {
				more.WriteString(keyDescriptor("signing", makePair(fixedKey().private, "n", year(2020), year(2040)).cert))
			}
			return strings.Replace(s, "<md:KeyDescriptor", more.String()+"<md:KeyDescriptor", 1)
		}, "ten"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := ParseMetadata([]byte(c.edit(idpMetadata())), MetadataOptions{}, noon)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v (%+v), want something about %q", err, m, c.want)
			}
		})
	}
}

func TestMetadataOnTheSameMachine(t *testing.T) {
	text := strings.ReplaceAll(idpMetadata(), "https://idp.corp.example/s", "http://127.0.0.1:8081/s")
	if _, err := ParseMetadata([]byte(text), MetadataOptions{AllowHTTP: true}, noon); err != nil {
		t.Error(err)
	}
}

func TestOurMetadata(t *testing.T) {
	sp := ServiceProvider{
		EntityID: spEntity, ACS: spACS, SLO: spSLO, AuthnRequestsSigned: true, WantAssertionsSigned: true, NameIDFormat: FormatPersistent,
		Certificates: []*x509.Certificate{spKey().cert, curveKey().cert},
	}
	document, err := sp.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	root, refusal := parse(document, defaultElements)
	if refusal != nil {
		t.Fatal(refusal)
	}
	role := root.only(nsMetadata, "SPSSODescriptor")
	uses := []string{}
	for _, key := range role.named(nsMetadata, "KeyDescriptor") {
		uses = append(uses, key.value("use"))
	}
	if got := strings.Join(uses, " "); got != "signing encryption signing" {
		t.Errorf("keys for %q: RSA signs and decrypts, ECDSA signs", got)
	}
	if first := role.named(nsMetadata, "KeyDescriptor")[1].first(nsMetadata, "EncryptionMethod").value("Algorithm"); first != gcm256 {
		t.Errorf("%s is offered first, want AES-256-GCM", first)
	}
	acs := role.only(nsMetadata, "AssertionConsumerService")
	if root.value("entityID") != spEntity || acs.value("Location") != spACS || acs.value("Binding") != string(POST) ||
		role.value("AuthnRequestsSigned") != "true" || role.value("WantAssertionsSigned") != "true" {
		t.Errorf("wrote %s", document)
	}
	if _, err := (ServiceProvider{EntityID: spEntity}).Metadata(); err == nil {
		t.Error("metadata without an address was written")
	}
	if _, err := ParseMetadata(document, MetadataOptions{}, noon); err == nil || !strings.Contains(err.Error(), "our own") {
		t.Errorf("our own metadata as a provider's: %v", err)
	}
}
