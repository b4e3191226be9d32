package saml

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

func ourSigner(key pair) *Signer {
	return &Signer{Key: Key{Private: key.private, Certificate: key.cert}, Random: rand.Reader}
}

func authnRequest() AuthnRequest {
	return AuthnRequest{
		ID: "_request1", Issuer: spEntity, Destination: idpSSO, ACS: spACS, IssueInstant: noon,
		NameIDFormat: FormatPersistent, ForceAuthn: true, AuthnContexts: []string{PasswordProtectedTransport},
	}
}

// readRequest checks what every form of the request must say.
func readRequest(t *testing.T, document []byte) *element {
	t.Helper()
	root, refusal := parse(document, defaultElements)
	if refusal != nil {
		t.Fatalf("our own request is refused: %v\n%s", refusal, document)
	}
	policy := root.only(nsProtocol, "NameIDPolicy")
	context := root.only(nsProtocol, "RequestedAuthnContext")
	if !root.is(nsProtocol, "AuthnRequest") || root.value("ID") != "_request1" || root.value("Version") != "2.0" ||
		root.value("IssueInstant") != "2026-11-24T12:00:00Z" || root.value("Destination") != idpSSO ||
		root.value("AssertionConsumerServiceURL") != spACS || root.value("ProtocolBinding") != string(POST) || root.value("ForceAuthn") != "true" ||
		policy.value("Format") != FormatPersistent || policy.value("AllowCreate") != "true" || context.value("Comparison") != "exact" {
		t.Errorf("wrote %s", document)
	}
	if text, _ := root.only(nsAssertion, "Issuer").text(); text != spEntity {
		t.Errorf("the issuer is %q", text)
	}
	return root
}

func TestAuthnRequestRedirect(t *testing.T) {
	for name, key := range map[string]pair{"RSA": spKey(), "ECDSA": curveKey(), "unsigned": {}} {
		t.Run(name, func(t *testing.T) {
			var signer *Signer
			if key.private != nil {
				signer = ourSigner(key)
			}
			address, err := authnRequest().RedirectURL("a state & more", signer)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			m, refusal := readRedirect(u.RawQuery)
			if refusal != nil || m.RelayState != "a state & more" || m.Parameter != ParameterRequest {
				t.Fatalf("read %+v, %v", m, refusal)
			}
			readRequest(t, m.document)
			if signer == nil {
				if m.value != nil {
					t.Error("there is a signature")
				}
				return
			}
			provider := idp()
			provider.Certificates = provider.Certificates[:0]
			provider.Certificates = append(provider.Certificates, key.cert)
			if refusal := provider.trust(noon).verifyQuery(m); refusal != nil {
				t.Errorf("the signature is wrong: %v", refusal)
			}
			// The standard's order, as providers rebuild it.
			if !strings.HasPrefix(u.RawQuery, "SAMLRequest=") || !strings.Contains(u.RawQuery, "&RelayState=a+state+%26+more&SigAlg=http%3A%2F%2F") {
				t.Errorf("the query is %s", u.RawQuery)
			}
		})
	}
}

func TestAuthnRequestPOST(t *testing.T) {
	for name, key := range map[string]pair{"RSA": spKey(), "ECDSA": curveKey()} {
		t.Run(name, func(t *testing.T) {
			form, err := authnRequest().Form("state", ourSigner(key))
			if err != nil {
				t.Fatal(err)
			}
			document, err := base64.StdEncoding.DecodeString(form.Value)
			if err != nil {
				t.Fatal(err)
			}
			root := readRequest(t, document)
			if form.Action != idpSSO || form.Parameter != ParameterRequest || form.RelayState != "state" {
				t.Errorf("the form is %+v", form)
			}
			if second := root.children[1].element; !second.is(nsSignature, "Signature") {
				t.Error("the Signature does not follow the Issuer")
			}
			provider := idp()
			provider.Certificates = append(provider.Certificates[:0], key.cert)
			if _, refusal := provider.trust(noon).verify(root); refusal != nil {
				t.Errorf("the signature is wrong: %v", refusal)
			}
			needXmlsec(t)
			if !xmlsecVerifies(t, document, "_request1", key) {
				t.Errorf("xmlsec1 refuses the signature of\n%s", document)
			}
		})
	}
}

func TestSignerAlgorithms(t *testing.T) {
	for _, c := range []struct {
		key               pair
		algorithm, digest string
		ok                bool
	}{
		{spKey(), "rsa-sha512", "sha256", true},
		{spKey(), "rsa-sha384", "", true},
		{spKey(), "rsa-sha1", "", false},
		{spKey(), "ecdsa-sha256", "", false},
		{spKey(), "", "sha1", false},
		{spKey(), "dsa-sha1", "", false},
		{curveKey(), "ecdsa-sha384", "sha512", true},
		{curveKey(), "rsa-sha256", "", false},
	} {
		signer := ourSigner(c.key)
		signer.Algorithm, signer.Digest = c.algorithm, c.digest
		form, err := authnRequest().Form("", signer)
		if (err == nil) != c.ok {
			t.Errorf("%s with %s: %v", c.algorithm, c.digest, err)
		}
		if err != nil {
			continue
		}
		document, _ := base64.StdEncoding.DecodeString(form.Value)
		root, refusal := parse(document, defaultElements)
		if refusal != nil {
			t.Fatal(refusal)
		}
		provider := idp()
		provider.Certificates = append(provider.Certificates[:0], c.key.cert)
		if p, refusal := provider.trust(noon).verify(root); refusal != nil || (c.algorithm != "" && p.algorithm != c.algorithm) {
			t.Errorf("%s with %s: signed by %q, %v", c.algorithm, c.digest, p.algorithm, refusal)
		}
	}
}

// BND-8: no browser is sent to an address that is no plain https address.
func TestBND8Addresses(t *testing.T) {
	for _, c := range []struct {
		address string
		http    bool
		ok      bool
	}{
		{"https://idp.example/sso", false, true},
		{"https://idp.example:8443/sso?tenant=a&b=%20", false, true},
		{"http://127.0.0.1:8080/sso", true, true},
		{"http://127.0.0.1:8080/sso", false, false},
		{"javascript:alert(1)", true, false},
		{"javascript://idp.example/%0aalert(1)", true, false},
		{"data:text/html,x", true, false},
		{`https://idp.example/"onload="x`, true, false},
		{"https://idp.example/</form>", true, false},
		{"https://idp.example/'", true, false},
		{"https://idp.example/\r\nx", true, false},
		{"https://idp.example/ä", true, false},
		{"https://user@idp.example/", true, false},
		{"https://idp.example/#x", true, false},
		{"https://idp.example/#", true, false},
		{"//idp.example/", true, false},
		{"https:idp.example", true, false},
		{"https:///x", true, false},
		{"", true, false},
		{"https://idp.example/" + strings.Repeat("a", 2048), true, false},
	} {
		if err := CheckAddress(c.address, c.http); (err == nil) != c.ok {
			t.Errorf("%q: %v", c.address, err)
		}
		if c.ok {
			continue
		}
		r := authnRequest()
		r.Destination = c.address
		if _, err := r.RedirectURL("", nil); err == nil && !strings.HasPrefix(c.address, "http://") {
			t.Errorf("a redirect to %q was made", c.address)
		}
		if _, err := r.Form("", nil); err == nil && !strings.HasPrefix(c.address, "http://") {
			t.Errorf("a form to %q was made", c.address)
		}
	}
}

func TestRedirectToAnAddressWithAQuery(t *testing.T) {
	r := authnRequest()
	r.Destination = "https://idp.example/sso?tenant=a"
	if address, err := r.RedirectURL("", nil); err != nil || !strings.HasPrefix(address, "https://idp.example/sso?tenant=a&SAMLRequest=") {
		t.Errorf("made %q, %v", address, err)
	}
	r.Destination = "https://idp.example/sso?RelayState=a"
	if _, err := r.RedirectURL("", nil); err == nil {
		t.Error("the address brings its own relay state")
	}
	if _, err := authnRequest().RedirectURL(strings.Repeat("a", 81), nil); err == nil {
		t.Error("a relay state of 81 bytes was sent")
	}
}

func TestNewID(t *testing.T) {
	id, err := NewID(bytes.NewReader(make([]byte, 16)))
	if err != nil || id != "_"+strings.Repeat("0", 32) || !isName(id) {
		t.Errorf("made %q, %v", id, err)
	}
	if _, err := NewID(bytes.NewReader(nil)); err == nil {
		t.Error("an id was made without randomness")
	}
}

// What a person types into a name cannot leave its place in our documents.
func TestWrittenTextIsEscaped(t *testing.T) {
	r := LogoutRequest{
		ID: "_1", Issuer: "<&\"'>", Destination: idpSLO, IssueInstant: noon, NameID: NameID{Value: "</saml:NameID>\x00\r\n", Format: "\"\t>"},
	}
	form, err := r.Form("", nil)
	if err != nil {
		t.Fatal(err)
	}
	document, _ := base64.StdEncoding.DecodeString(form.Value)
	root, refusal := parse(document, defaultElements)
	if refusal != nil {
		t.Fatalf("%v\n%s", refusal, document)
	}
	name := root.only(nsAssertion, "NameID")
	if text, _ := name.text(); text != "</saml:NameID>\uFFFD\r\n" || name.value("Format") != "\"\t>" {
		t.Errorf("read %q, %q", text, name.value("Format"))
	}
}
