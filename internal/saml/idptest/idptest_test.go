package idptest_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/saml/idptest"
)

// starters are the providers and what they cannot do.
var starters = map[string]struct {
	start     func(testing.TB, idptest.Options) *idptest.Provider
	signs     []idptest.Signing
	publishes bool // the next key
	formless  bool // NameID has no format
}{
	"simplesamlphp": {idptest.StartSimpleSAMLphp, []idptest.Signing{idptest.SignBoth, idptest.SignResponse, idptest.SignAssertion, idptest.SignNeither}, true, false},
	"lemonldap":     {idptest.StartLemonLDAP, []idptest.Signing{idptest.SignBoth}, false, false},
	"samlp":         {idptest.StartSAMLP, []idptest.Signing{idptest.SignBoth, idptest.SignResponse, idptest.SignAssertion}, false, true},
}

// each runs a test with each provider, which knows alice and our service.
func each(t *testing.T, test func(t *testing.T, name string, p *idptest.Provider, key idptest.KeyPair)) {
	if testing.Short() {
		t.Skip("starts identity providers")
	}
	for name, starter := range starters {
		t.Run(name, func(t *testing.T) {
			key := idptest.NewKeyPair(t, "service")
			p := starter.start(t, idptest.Options{
				SP: idptest.SP{EntityID: spEntity, ACS: spACS, SLO: spSLO, CertificatePEM: key.CertificatePEM},
				Users: []idptest.User{
					{Name: "alice", Email: "alice@corp.example", FirstName: "Alice", LastName: "Anders", Groups: []string{"admins", "developers"}},
					{Name: "bob", FirstName: "Bob", LastName: "Berg"},
				},
			})
			test(t, name, p, key)
		})
	}
}

// Nothing listens there: the answers are not sent on.
const (
	spEntity = "http://sp.invalid/saml/m1"
	spACS    = spEntity + "/acs"
	spSLO    = spEntity + "/slo"
)

// request is the text of a request (SAML core, section 3.4.1).
func request(p *idptest.Provider, id string) string { return requestTo(p, id, spACS) }

func requestTo(p *idptest.Provider, id, acs string) string {
	return fmt.Sprintf(`<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" `+
		`ID="%s" Version="2.0" IssueInstant="%s" Destination="%s" AssertionConsumerServiceURL="%s" ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST">`+
		`<saml:Issuer>%s</saml:Issuer><samlp:NameIDPolicy Format="%s" AllowCreate="true"/></samlp:AuthnRequest>`,
		id, time.Now().UTC().Format(time.RFC3339), p.SSOURL, acs, spEntity, idptest.NameIDEmail)
}

// redirect is the request in the redirect binding (SAML bindings, section 3.4),
// signed if there is a key.
func redirect(t *testing.T, p *idptest.Provider, id string, key *rsa.PrivateKey) string {
	t.Helper()
	return send(t, p.SSOURL, request(p, id), key)
}

func send(t *testing.T, to, message string, key *rsa.PrivateKey) string {
	t.Helper()
	var deflated bytes.Buffer
	w, err := flate.NewWriter(&deflated, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte(message))
	_ = w.Close()
	query := "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(deflated.Bytes())) + "&RelayState=relay-1"
	if key != nil {
		query += "&SigAlg=" + url.QueryEscape(idptest.RSASHA256)
		digest := sha256.Sum256([]byte(query))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
	}
	return to + "?" + query
}

// response is what the tests look at of an answer.
type response struct {
	Destination  string     `xml:"Destination,attr"`
	InResponseTo string     `xml:"InResponseTo,attr"`
	Signature    *signature `xml:"Signature"`
	Assertion    *assertion `xml:"Assertion"`
	Encrypted    *struct{}  `xml:"EncryptedAssertion"`

	text []byte
}

type signature struct {
	Method struct {
		Algorithm string `xml:"Algorithm,attr"`
	} `xml:"SignedInfo>SignatureMethod"`
}

type assertion struct {
	Statement struct {
		SessionIndex string `xml:"SessionIndex,attr"`
	} `xml:"AuthnStatement"`
	Issuer    string     `xml:"Issuer"`
	Signature *signature `xml:"Signature"`
	NameID    struct {
		Value  string `xml:",chardata"`
		Format string `xml:"Format,attr"`
	} `xml:"Subject>NameID"`
	Audience   string `xml:"Conditions>AudienceRestriction>Audience"`
	Attributes []struct {
		Name   string   `xml:"Name,attr"`
		Values []string `xml:"AttributeValue"`
	} `xml:"AttributeStatement>Attribute"`
}

// attributes are the values by name, without repetitions.
func (a *assertion) attributes() map[string][]string {
	all := map[string][]string{}
	for _, attribute := range a.Attributes {
		values := append(all[attribute.Name], attribute.Values...)
		slices.Sort(values)
		all[attribute.Name] = slices.Compact(values)
	}
	return all
}

// login logs alice in and returns the answer.
func login(t *testing.T, start string) (*idptest.Form, response) {
	t.Helper()
	return loginWith(t, idptest.Browser(t), start)
}

func loginWith(t *testing.T, browser *http.Client, start string) (*idptest.Form, response) {
	t.Helper()
	form, err := idptest.Login(browser, start, "alice", "alice")
	if err != nil {
		t.Fatal(err)
	}
	if form.Action.String() != spACS {
		t.Errorf("the answer goes to %s", form.Action)
	}
	text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(form.Values.Get("SAMLResponse")), ""))
	if err != nil {
		t.Fatal(err)
	}
	r := response{text: text}
	if err := xml.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Destination != spACS {
		t.Errorf("destination %q", r.Destination)
	}
	return form, r
}

// xmlsec runs xmlsec1 on a text, which it returns changed.
func xmlsec(t *testing.T, text []byte, certificateOrKey string, args ...string) ([]byte, error) {
	t.Helper()
	program, err := exec.LookPath("xmlsec1")
	if err != nil {
		t.Skip("xmlsec1 is not installed: run scripts/install-deps.sh")
	}
	dir := t.TempDir()
	in, out, pem := filepath.Join(dir, "in.xml"), filepath.Join(dir, "out.xml"), filepath.Join(dir, "key.pem")
	for file, content := range map[string][]byte{in: text, pem: []byte(certificateOrKey)} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range args {
		args[i] = strings.NewReplacer("$PEM", pem, "$OUT", out).Replace(args[i])
	}
	said, err := exec.Command(program, append(args, in)...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("xmlsec1: %w: %s", err, said)
	}
	changed, _ := os.ReadFile(out)
	return changed, nil
}

// verify asks xmlsec1 whether the signature of an element is the certificate's.
func verify(t *testing.T, text []byte, element, certificate string) error {
	t.Helper()
	path := "/*[local-name()='Response']/*[local-name()='Signature']"
	if element == "Assertion" {
		path = "//*[local-name()='Assertion']/*[local-name()='Signature']"
	}
	_, err := xmlsec(t, text, certificate, "--verify", "--pubkey-cert-pem", "$PEM", "--enabled-key-data", "rsa",
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response", "--node-xpath", path)
	return err
}

func TestAnswersAsTold(t *testing.T) {
	each(t, func(t *testing.T, name string, p *idptest.Provider, _ idptest.KeyPair) {
		for i, signing := range starters[name].signs {
			if i > 0 {
				p.Change(t, func(o *idptest.Options) { o.Sign = signing })
			}
			form, r := login(t, redirect(t, p, "_request1", nil))
			if form.Values.Get("RelayState") != "relay-1" || r.InResponseTo != "_request1" {
				t.Errorf("relay state %q, in response to %q", form.Values.Get("RelayState"), r.InResponseTo)
			}
			if r.Assertion == nil || r.Encrypted != nil {
				t.Fatalf("no plain assertion in %s", r.text)
			}
			wantSigned(t, r, signing, p.CertificatePEM)
			wantAlice(t, r.Assertion, p, starters[name].formless)
		}
	})
}

func wantSigned(t *testing.T, r response, signing idptest.Signing, certificate string) {
	t.Helper()
	wantResponse := signing == idptest.SignBoth || signing == idptest.SignResponse
	wantAssertion := signing == idptest.SignBoth || signing == idptest.SignAssertion
	if (r.Signature != nil) != wantResponse || (r.Assertion.Signature != nil) != wantAssertion {
		t.Errorf("told to sign %q: response %t, assertion %t", signing, r.Signature != nil, r.Assertion.Signature != nil)
	}
	for element, signature := range map[string]*signature{"Response": r.Signature, "Assertion": r.Assertion.Signature} {
		if signature == nil {
			continue
		}
		if signature.Method.Algorithm != idptest.RSASHA256 {
			t.Errorf("%s is signed with %s", element, signature.Method.Algorithm)
		}
		if err := verify(t, r.text, element, certificate); err != nil {
			t.Errorf("%s: %v", element, err)
		}
	}
}

func wantAlice(t *testing.T, a *assertion, p *idptest.Provider, formless bool) {
	t.Helper()
	nameID, format := "alice@corp.example", idptest.NameIDEmail
	if formless {
		nameID, format = "alice", ""
	}
	if a.NameID.Value != nameID || format != "" && a.NameID.Format != format {
		t.Errorf("NameID %+v", a.NameID)
	}
	if a.Issuer != p.EntityID || a.Audience != spEntity {
		t.Errorf("issuer %q, audience %q", a.Issuer, a.Audience)
	}
	got := a.attributes()
	for attribute, want := range map[string]string{
		p.Attributes.Email: "alice@corp.example", p.Attributes.FirstName: "Alice", p.Attributes.LastName: "Anders",
		p.Attributes.Groups: "admins developers",
	} {
		if strings.Join(got[attribute], " ") != want {
			t.Errorf("attribute %s: %q, want %q", attribute, got[attribute], want)
		}
	}
}

func TestMetadata(t *testing.T) {
	each(t, func(t *testing.T, _ string, p *idptest.Provider, _ idptest.KeyPair) {
		var metadata struct {
			EntityID     string   `xml:"entityID,attr"`
			Certificates []string `xml:"IDPSSODescriptor>KeyDescriptor>KeyInfo>X509Data>X509Certificate"`
			SSO          []struct {
				Location string `xml:"Location,attr"`
			} `xml:"IDPSSODescriptor>SingleSignOnService"`
		}
		if err := xml.Unmarshal([]byte(p.Metadata(t)), &metadata); err != nil {
			t.Fatal(err)
		}
		if metadata.EntityID != p.EntityID {
			t.Errorf("entity id %q, want %q", metadata.EntityID, p.EntityID)
		}
		if !slices.ContainsFunc(metadata.Certificates, func(c string) bool { return certificate(c) == certificate(p.CertificatePEM) }) {
			t.Error("the certificate is not in the metadata")
		}
		for _, sso := range metadata.SSO {
			if sso.Location == p.SSOURL {
				return
			}
		}
		t.Errorf("%s is not among %v", p.SSOURL, metadata.SSO)
	})
}

// certificate is the base64 of a certificate, whatever is around it.
func certificate(text string) string {
	text = strings.NewReplacer("-----BEGIN CERTIFICATE-----", "", "-----END CERTIFICATE-----", "").Replace(text)
	return strings.Join(strings.Fields(text), "")
}

func TestEncryption(t *testing.T) {
	each(t, func(t *testing.T, name string, p *idptest.Provider, key idptest.KeyPair) {
		p.Change(t, func(o *idptest.Options) { o.Encrypt = true })
		_, r := login(t, redirect(t, p, "_request1", nil))
		if r.Assertion != nil || r.Encrypted == nil {
			t.Fatalf("no encrypted assertion in %s", r.text)
		}
		if bytes.Contains(r.text, []byte("alice")) {
			t.Error("the answer says who it is about")
		}
		plain, err := xmlsec(t, r.text, key.PrivateKeyPEM, "--decrypt", "--privkey-pem", "$PEM", "--output", "$OUT")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(plain, []byte("alice@corp.example")) {
			t.Errorf("decrypted: %s", plain)
		}
	})
}

func TestAlgorithms(t *testing.T) {
	each(t, func(t *testing.T, name string, p *idptest.Provider, _ idptest.KeyPair) {
		algorithms := []string{idptest.RSASHA1, idptest.RSASHA512}
		if name == "samlp" {
			algorithms = algorithms[:1]
		}
		for _, algorithm := range algorithms {
			p.Change(t, func(o *idptest.Options) { o.SignatureAlgorithm = algorithm })
			_, r := login(t, redirect(t, p, "_request1", nil))
			if r.Signature.Method.Algorithm != algorithm || r.Assertion.Signature.Method.Algorithm != algorithm {
				t.Errorf("told to sign with %s: %s and %s", algorithm, r.Signature.Method.Algorithm, r.Assertion.Signature.Method.Algorithm)
			}
			if err := verify(t, r.text, "Assertion", p.CertificatePEM); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAlgorithmsOfEncryption(t *testing.T) {
	key := idptest.NewKeyPair(t, "service")
	p := idptest.StartSAMLP(t, idptest.Options{
		SP:      idptest.SP{EntityID: spEntity, ACS: spACS, CertificatePEM: key.CertificatePEM},
		Users:   []idptest.User{{Name: "alice"}},
		Encrypt: true,
	})
	for _, algorithm := range []string{
		"http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
		"http://www.w3.org/2001/04/xmlenc#aes256-cbc",
		"http://www.w3.org/2009/xmlenc11#aes128-gcm",
	} {
		p.Change(t, func(o *idptest.Options) { o.EncryptionAlgorithm = algorithm })
		if _, r := login(t, redirect(t, p, "_request1", nil)); r.Encrypted == nil || !bytes.Contains(r.text, []byte(algorithm)) {
			t.Errorf("told to encrypt with %s: %s", algorithm, r.text)
		}
	}
}

// TestNamesOverTLS is how a browser meets a provider of another site.
func TestNamesOverTLS(t *testing.T) {
	for name, starter := range starters {
		t.Run(name, func(t *testing.T) {
			p := starter.start(t, idptest.Options{
				Host: "idp.test", HTTPS: true, EntityID: "urn:example:idp",
				SP:    idptest.SP{EntityID: spEntity, ACS: spACS},
				Users: []idptest.User{{Name: "alice", Email: "alice@corp.example"}},
			})
			if !strings.HasPrefix(p.SSOURL, "https://idp.test:") || !strings.Contains(p.Metadata(t), p.SSOURL) {
				t.Errorf("%s is not in the metadata", p.SSOURL)
			}
			if _, r := login(t, redirect(t, p, "_request1", nil)); r.Assertion.Issuer != "urn:example:idp" {
				t.Errorf("issuer %q", r.Assertion.Issuer)
			}
		})
	}
}

func TestRotation(t *testing.T) {
	each(t, func(t *testing.T, name string, p *idptest.Provider, _ idptest.KeyPair) {
		old := p.CertificatePEM
		p.Stage(t)
		staged := p.NextCertificatePEM
		if published := strings.Contains(certificate(p.Metadata(t)), certificate(staged)); published != starters[name].publishes {
			t.Errorf("the staged key is published: %t", published)
		}
		_, r := login(t, redirect(t, p, "_request1", nil))
		if err := verify(t, r.text, "Assertion", old); err != nil || p.CertificatePEM != old {
			t.Errorf("staged: the old key signs no more: %v", err)
		}
		p.Rotate(t)
		if p.CertificatePEM != staged || p.NextCertificatePEM != "" {
			t.Error("rotated to another key than the staged one")
		}
		if metadata := certificate(p.Metadata(t)); strings.Contains(metadata, certificate(old)) || !strings.Contains(metadata, certificate(staged)) {
			t.Error("the metadata has not the new key only")
		}
		_, r = login(t, redirect(t, p, "_request2", nil))
		if err := verify(t, r.text, "Assertion", staged); err != nil {
			t.Error(err)
		}
		if err := verify(t, r.text, "Assertion", old); err == nil {
			t.Error("the old key still signs")
		}
	})
}

func TestIdPInitiated(t *testing.T) {
	each(t, func(t *testing.T, name string, p *idptest.Provider, _ idptest.KeyPair) {
		form, r := login(t, p.IdPInitiatedURL("http://sp.invalid/there"))
		if r.InResponseTo != "" || form.Values.Get("RelayState") != "http://sp.invalid/there" {
			t.Errorf("in response to %q, relay state %q", r.InResponseTo, form.Values.Get("RelayState"))
		}
		wantAlice(t, r.Assertion, p, starters[name].formless)
	})
}

func TestDemandsSignedRequests(t *testing.T) {
	each(t, func(t *testing.T, _ string, p *idptest.Provider, key idptest.KeyPair) {
		p.Change(t, func(o *idptest.Options) { o.DemandSignedRequests = true })
		if form, err := idptest.Login(idptest.Browser(t), redirect(t, p, "_request1", nil), "alice", "alice"); err == nil {
			t.Errorf("answers an unsigned request: %v", form)
		}
		other := idptest.NewKeyPair(t, "other")
		if form, err := idptest.Login(idptest.Browser(t), redirect(t, p, "_request2", other.Key), "alice", "alice"); err == nil {
			t.Errorf("answers a request of another key: %v", form)
		}
		_, r := login(t, redirect(t, p, "_request3", key.Key))
		if r.InResponseTo != "_request3" {
			t.Errorf("in response to %q", r.InResponseTo)
		}
	})
}

func TestPostBinding(t *testing.T) {
	each(t, func(t *testing.T, _ string, p *idptest.Provider, _ idptest.KeyPair) {
		page := servePage(t, fmt.Sprintf(`<form method="post" action="%s"><input type="hidden" name="SAMLRequest" value="%s">`+
			`<input type="hidden" name="RelayState" value="relay-2"></form>`, p.SSOURL, base64.StdEncoding.EncodeToString([]byte(request(p, "_request1")))))
		form, r := login(t, page)
		if r.InResponseTo != "_request1" || form.Values.Get("RelayState") != "relay-2" {
			t.Errorf("in response to %q, relay state %q", r.InResponseTo, form.Values.Get("RelayState"))
		}
	})
}

func TestWhoMayLogIn(t *testing.T) {
	each(t, func(t *testing.T, _ string, p *idptest.Provider, _ idptest.KeyPair) {
		start := redirect(t, p, "_request1", nil)
		for user, password := range map[string]string{"alice": "wrong", "carol": "carol"} {
			if _, err := idptest.Login(idptest.Browser(t), start, user, password); err == nil || !strings.Contains(err.Error(), "asks for the password again") {
				t.Errorf("%s with the password %q: %v", user, password, err)
			}
		}
		p.Change(t, func(o *idptest.Options) {
			o.Users = append(o.Users, idptest.User{Name: "carol", Email: "carol@corp.example"})
		})
		if _, err := idptest.Login(idptest.Browser(t), start, "carol", "carol"); err != nil {
			t.Errorf("carol is new: %v", err)
		}
		p.Change(t, func(o *idptest.Options) { o.SP = idptest.SP{} })
		if form, err := idptest.Login(idptest.Browser(t), start, "alice", "alice"); err == nil {
			t.Errorf("answers a service that it does not know: %v", form)
		}
	})
}

// TestLogoutByService: a signed LogoutRequest of ours is answered, and the next
// login asks for the password.
func TestLogoutByService(t *testing.T) {
	each(t, func(t *testing.T, _ string, p *idptest.Provider, key idptest.KeyPair) {
		if p.SLOURL == "" {
			t.Skip("has no logout")
		}
		browser := idptest.Browser(t)
		_, r := loginWith(t, browser, redirect(t, p, "_request1", nil))
		if _, err := idptest.Login(browser, redirect(t, p, "_request2", nil), "alice", "not asked for"); err != nil {
			t.Errorf("the provider forgets alice: %v", err)
		}
		message := fmt.Sprintf(`<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" `+
			`ID="_logout1" Version="2.0" IssueInstant="%s" Destination="%s"><saml:Issuer>%s</saml:Issuer><saml:NameID Format="%s">%s</saml:NameID>`+
			`<samlp:SessionIndex>%s</samlp:SessionIndex></samlp:LogoutRequest>`,
			time.Now().UTC().Format(time.RFC3339), p.SLOURL, spEntity, r.Assertion.NameID.Format, r.Assertion.NameID.Value, r.Assertion.Statement.SessionIndex)
		answer, err := idptest.Follow(browser, send(t, p.SLOURL, message, key.Key), spSLO)
		if err != nil {
			t.Fatal(err)
		}
		if text := inflate(t, answer.Query().Get("SAMLResponse")); !strings.Contains(text, "_logout1") || !strings.Contains(text, "status:Success") {
			t.Errorf("the answer is %s", text)
		}
		if answer.Query().Get("Signature") == "" {
			t.Error("the answer is not signed")
		}
		if _, err := idptest.Login(browser, redirect(t, p, "_request3", nil), "alice", "wrong"); err == nil {
			t.Error("the provider still knows alice")
		}
	})
}

// TestLogoutByProvider: the services hear of a logout there.
func TestLogoutByProvider(t *testing.T) {
	each(t, func(t *testing.T, name string, p *idptest.Provider, _ idptest.KeyPair) {
		if p.LogoutURL(spEntity) == "" || name == "lemonldap" {
			t.Skip("sends nobody by redirects")
		}
		browser := idptest.Browser(t)
		loginWith(t, browser, redirect(t, p, "_request1", nil))
		message, err := idptest.Follow(browser, p.LogoutURL(spEntity+"/bye"), spSLO)
		if err != nil {
			t.Fatal(err)
		}
		if text := inflate(t, message.Query().Get("SAMLRequest")); !strings.Contains(text, "LogoutRequest") || !strings.Contains(text, "alice@corp.example") {
			t.Errorf("the request is %s", text)
		}
		if message.Query().Get("Signature") == "" {
			t.Error("the request is not signed")
		}
	})
}

// inflate reads a message of the redirect binding.
func inflate(t *testing.T, encoded string) string {
	t.Helper()
	deflated, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
