package saml

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// good is a message that must be accepted, and what must be read from it.
type good struct {
	name     string
	make     func(f forge) string
	provider func(*Provider)
	expect   func(*Expectation)
	check    func(t *testing.T, v Verified)
	// xmlsecOnly marks what goxmldsig canonicalizes wrongly.
	xmlsecOnly bool
}

const (
	rsa384 = xmldsigMore + "rsa-sha384"
	rsa512 = xmldsigMore + "rsa-sha512"
)

func signedOnce(f forge, edit func(string) string) string {
	return f.build(message{assertion: &sigs{}, edit: edit})
}

// manyGroups adds group values.
func manyGroups(f forge, n int) func(string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `<saml:AttributeValue xsi:type="xs:string">group %d</saml:AttributeValue>`, i)
	}
	return f.swap(`<saml:AttributeValue>admins</saml:AttributeValue>`, b.String())
}

// defaultNamespace rewrites the prefix saml to the default namespace, declared at
// the Response only.
func defaultNamespace(text string) string {
	text = strings.ReplaceAll(text, ` xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`, "")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "<saml:", "<"), "</saml:", "</")
	return strings.Replace(text, "<samlp:Response ", `<samlp:Response xmlns="urn:oasis:names:tc:SAML:2.0:assertion" `, 1)
}

func idpInitiated(f forge) string {
	return signedOnce(f, f.swap(` InResponseTo="`+requestID+`"`, ""))
}

func format(name string) func(f forge) string {
	return func(f forge) string {
		return f.edited(` Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"`, name)
	}
}

// status-last and signature-last forms, after signing: the place of a Signature
// among its siblings is not signed.
func moveSignature(f forge, text, behind string) string {
	signature := signaturePattern.FindString(text)
	text = strings.Replace(text, signature, "", 1)
	return f.change(text, behind, behind+signature)
}

var goodMessages = []good{
	{name: "OK-01 assertion signed", make: forge.b1, check: func(t *testing.T, v Verified) { wantSigned(t, v, SignedAssertion) }},
	{name: "OK-01 response signed", make: forge.b2, check: func(t *testing.T, v Verified) { wantSigned(t, v, SignedResponse) }},
	{name: "OK-01 both signed", make: forge.b3, check: func(t *testing.T, v Verified) { wantSigned(t, v, SignedBoth) }},
	{
		name: "OK-02 no KeyInfo, two certificates, the second signs",
		make: func(f forge) string {
			return f.build(message{response: &sigs{keyInfo: " "}, assertion: &sigs{keyInfo: " "}})
		},
		provider: func(p *Provider) {
			p.Certificates = []*x509.Certificate{otherKey().cert, idpKey().cert}
		},
	},
	{name: "OK-02 the new key of a rotation signs", make: func(f forge) string {
		return f.build(message{assertion: &sigs{key: otherKey(), keyInfo: " "}})
	}, provider: func(p *Provider) {
		p.Certificates = []*x509.Certificate{idpKey().cert, otherKey().cert}
	}},
	{name: "OK-03 KeyInfo with a bare RSAKeyValue", make: func(f forge) string {
		return f.build(message{response: &sigs{keyInfo: `<ds:KeyInfo><ds:KeyValue/></ds:KeyInfo>`}})
	}},
	{name: "OK-04 Signature behind Status", make: func(f forge) string { return moveSignature(f, f.b2(), "</samlp:Status>") }},
	{name: "OK-04 Signature last", make: func(f forge) string { return moveSignature(f, f.b2(), "</saml:Assertion>") }},
	{name: "OK-05 default namespace inherited, assertion signed", make: func(f forge) string {
		return f.build(message{assertion: &sigs{}, edit: defaultNamespace})
	}},
	{name: "OK-05 default namespace inherited, both signed", make: func(f forge) string {
		return f.build(message{response: &sigs{}, assertion: &sigs{}, edit: defaultNamespace})
	}},
	{name: "OK-06 EncryptedData redeclares a prefix of the root", make: func(f forge) string {
		text := f.build(message{response: nil, assertion: &sigs{}, encrypt: func(a string) string {
			sealed := sealing{}.seal(f)(a)
			sealed = strings.ReplaceAll(sealed, "xenc:", "ns0:")
			sealed = strings.ReplaceAll(sealed, "xmlns:xenc=", "xmlns:ns0=")
			return sealed
		}})
		text = strings.ReplaceAll(text, "samlp:", "ns0:")
		return strings.ReplaceAll(text, "xmlns:samlp=", "xmlns:ns0=")
	}, check: wantEncrypted},
	{name: "OK-07 our audience first", make: func(f forge) string {
		return f.edited("<saml:Audience>"+spEntity, "<saml:Audience>"+spEntity+"</saml:Audience><saml:Audience>urn:other")
	}},
	{name: "OK-07 our audience last", make: func(f forge) string {
		return f.edited("<saml:Audience>"+spEntity, "<saml:Audience>urn:other</saml:Audience><saml:Audience>"+spEntity)
	}},
	{name: "OK-08 300 groups, assertion signed", make: func(f forge) string {
		return f.build(message{assertion: &sigs{}, edit: manyGroups(f, 300)})
	}, check: func(t *testing.T, v Verified) { wantGroups(t, v, 301) }},
	{name: "OK-08 1500 groups, response signed", make: func(f forge) string {
		return f.build(message{response: &sigs{}, edit: manyGroups(f, 1500)})
	}, check: func(t *testing.T, v Verified) { wantGroups(t, v, 1501) }},
	{name: "OK-08 1500 groups, both signed", make: func(f forge) string {
		return f.build(message{response: &sigs{}, assertion: &sigs{}, edit: manyGroups(f, 1500)})
	}, check: func(t *testing.T, v Verified) { wantGroups(t, v, 1501) }},
	{name: "OK-09 no Response Issuer", make: func(f forge) string {
		return signedOnce(f, func(s string) string {
			return strings.Replace(s, "<saml:Issuer>"+idpEntity+"</saml:Issuer>", "", 1)
		})
	}},
	{name: "OK-09 no Destination, assertion signed", make: func(f forge) string {
		return f.edited(` Destination="`+spACS+`"`, "")
	}},
	{name: "OK-10 PrefixList xs saml", make: func(f forge) string {
		return f.build(message{assertion: &sigs{transforms: envelopedXML +
			`<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"><ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="xs saml"/></ds:Transform>`}})
	}},
	{name: "OK-11 ECDSA P-256", make: func(f forge) string {
		return f.build(message{assertion: &sigs{key: curveKey()}, response: &sigs{key: curveKey()}})
	}, provider: func(p *Provider) { p.Certificates = []*x509.Certificate{curveKey().cert} }},
	{name: "OK-12 AES-128-CBC inside", make: encrypted("http://www.w3.org/2001/04/xmlenc#aes128-cbc", false), check: wantEncrypted},
	{name: "OK-12 AES-256-CBC inside", make: encrypted("http://www.w3.org/2001/04/xmlenc#aes256-cbc", false), check: wantEncrypted},
	{name: "OK-12 AES-128-GCM inside", make: encrypted("http://www.w3.org/2009/xmlenc11#aes128-gcm", false), check: wantEncrypted},
	{name: "OK-12 AES-256-GCM inside", make: encrypted("http://www.w3.org/2009/xmlenc11#aes256-gcm", false), check: wantEncrypted},
	{name: "OK-12 AES-128-CBC beside", make: encrypted("http://www.w3.org/2001/04/xmlenc#aes128-cbc", true), check: wantEncrypted},
	{name: "OK-12 AES-256-GCM beside", make: encrypted("http://www.w3.org/2009/xmlenc11#aes256-gcm", true), check: wantEncrypted},
	{name: "OK-12 encrypted, only the Response signed", make: func(f forge) string {
		return f.build(message{response: &sigs{}, encrypt: sealing{}.seal(f)})
	}, check: wantEncrypted},
	{name: "OK-12 encrypted to the old key", make: func(f forge) string {
		return f.build(message{assertion: &sigs{}, encrypt: sealing{to: spOldKey()}.seal(f)})
	}, check: wantEncrypted},
	{name: "OK-13 RSA-SHA384", make: func(f forge) string {
		return f.build(message{assertion: &sigs{algorithm: rsa384, digest: xmldsigMore + "sha384"}})
	}},
	{name: "OK-13 RSA-SHA512", make: func(f forge) string {
		return f.build(message{response: &sigs{algorithm: rsa512, digest: "http://www.w3.org/2001/04/xmlenc#sha512"}})
	}},
	{name: "OK-14 IdP-initiated", make: idpInitiated, provider: func(p *Provider) { p.AllowIDPInitiated = true }, expect: unasked},
	{name: "OK-15 Address in the confirmation", make: func(f forge) string {
		return f.edited(`<saml:SubjectConfirmationData `, `<saml:SubjectConfirmationData Address="192.0.2.1" `)
	}},
	{name: "OK-15 the second confirmation fits", make: func(f forge) string {
		return f.edited(`<saml:SubjectConfirmation Method`, `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="2026-11-24T12:05:00Z" Recipient="https://elsewhere.example/"/></saml:SubjectConfirmation><saml:SubjectConfirmation Method`)
	}},
	// It is remembered as long as the later confirmation would let it pass again.
	{name: "OK-15 two confirmations fit, CON-13", make: func(f forge) string {
		first := `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="` + requestID + `" NotOnOrAfter="2026-11-24T12:01:00Z" Recipient="` + spACS + `"/></saml:SubjectConfirmation>`
		ends := f.swap(` NotOnOrAfter="2026-11-24T12:05:00Z"><saml:AudienceRestriction>`, `><saml:AudienceRestriction>`)
		confirmed := f.swap(`<saml:SubjectConfirmation Method`, first+`<saml:SubjectConfirmation Method`)
		return f.build(message{assertion: &sigs{}, edit: func(text string) string { return confirmed(ends(text)) }})
	}},
	{name: "OK-16 fractions of a second", make: func(f forge) string {
		return signedOnce(f, func(s string) string {
			s = strings.ReplaceAll(s, "11:59:55Z", "11:59:55.1Z")
			s = strings.ReplaceAll(s, "12:05:00Z", "12:05:00.123456789012345Z")
			return strings.ReplaceAll(s, "11:58:00Z", "11:58:00.999Z")
		})
	}},
	{name: "OK-17 persistent", make: format(` Format="` + FormatPersistent + `"`)},
	{name: "OK-17 transient", make: format(` Format="` + FormatTransient + `"`)},
	{name: "OK-17 unspecified", make: format(` Format="` + FormatUnspecified + `"`)},
	{name: "OK-17 no format", make: format("")},
	{name: "OK-18 names that are URIs", make: func(f forge) string {
		return f.edited(`Name="email"`, `Name="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri" FriendlyName="mail"`)
	}, provider: func(p *Provider) {
		p.Mapping.Email = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
	}},
	{name: "OK-18 one group", make: func(f forge) string {
		return f.edited(`<saml:AttributeValue>developers</saml:AttributeValue>`, "")
	}, check: func(t *testing.T, v Verified) { wantGroups(t, v, 1) }},
	{name: "OK-18 a group twice", make: func(f forge) string {
		return f.edited(`<saml:AttributeValue>developers</saml:AttributeValue>`, "<saml:AttributeValue>admins</saml:AttributeValue>")
	}, check: func(t *testing.T, v Verified) { wantGroups(t, v, 1) }},
	{name: "OK-19 the Okta way", make: func(f forge) string {
		return f.build(message{response: &sigs{}, assertion: &sigs{}, encrypt: sealing{beside: true}.seal(f)})
	}, check: func(t *testing.T, v Verified) { wantSigned(t, v, SignedBoth); wantEncrypted(t, v) }},

	// Not in the list, but sent.
	{name: "declaration and byte order mark", make: func(f forge) string {
		return "\uFEFF<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" + f.b1() + "\n"
	}},
	{name: "SHA-1 where it is allowed", make: func(f forge) string {
		return f.build(message{assertion: &sigs{algorithm: "http://www.w3.org/2000/09/xmldsig#rsa-sha1", digest: "http://www.w3.org/2000/09/xmldsig#sha1"}})
	}, provider: func(p *Provider) { p.AllowSHA1 = true }},
	{name: "SIG-8 the Response's signature removed", make: func(f forge) string {
		text := f.b3()
		return strings.Replace(text, signaturePattern.FindString(text), "", 1)
	}, check: func(t *testing.T, v Verified) { wantSigned(t, v, SignedAssertion) }},
	{name: "TXT-2 a character reference for a letter", make: func(f forge) string {
		return strings.ReplaceAll(f.b1(), alice, "&#97;lice@corp.example")
	}},
	{name: "an unmapped attribute twice", make: func(f forge) string {
		return f.edited(`<saml:Attribute Name="first_name">`, `<saml:Attribute Name="Role"><saml:AttributeValue>a</saml:AttributeValue></saml:Attribute><saml:Attribute Name="Role"><saml:AttributeValue>b</saml:AttributeValue></saml:Attribute><saml:Attribute Name="first_name">`)
	}},
	{name: "attributes of several namespaces", xmlsecOnly: true, make: func(f forge) string {
		return f.edited(`<saml:AttributeValue xsi:type="xs:string">`, `<saml:AttributeValue xml:lang="en" xsi:type="xs:string">`)
	}},
	{name: "a value that leaves the default namespace", xmlsecOnly: true, make: func(f forge) string {
		return f.edited(`<saml:AttributeValue>developers</saml:AttributeValue>`, `<saml:AttributeValue><a xmlns="urn:a"><b xmlns=""/></a><c xmlns=""/></saml:AttributeValue>`)
	}},
	{name: "limited session", make: func(f forge) string {
		return f.edited(`SessionIndex=`, `SessionNotOnOrAfter="2026-11-24T20:00:00Z" SessionIndex=`)
	}, check: func(t *testing.T, v Verified) {
		if want := time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC); !v.SessionEnd.Equal(want) {
			t.Errorf("the session ends at %v, want %v", v.SessionEnd, want)
		}
	}},
	{name: "the clocks differ by less than the skew", make: func(f forge) string {
		return signedOnce(f, func(s string) string {
			s = strings.ReplaceAll(s, "11:59:55Z", "12:01:00Z")
			return strings.ReplaceAll(s, "11:59:00Z", "12:01:00Z")
		})
	}},
	{name: "a context that is good enough", make: forge.b1, expect: func(e *Expectation) {
		e.AuthnContexts = []string{"urn:other", PasswordProtectedTransport}
	}},
}

func encrypted(algorithm string, beside bool) func(f forge) string {
	return func(f forge) string {
		return f.build(message{assertion: &sigs{}, encrypt: sealing{data: algorithm, beside: beside}.seal(f)})
	}
}

func unasked(e *Expectation) { e.RequestID = "" }

func wantSigned(t *testing.T, v Verified, want Signed) {
	t.Helper()
	if v.Signed != want {
		t.Errorf("signed is %q, want %q", v.Signed, want)
	}
}

func wantEncrypted(t *testing.T, v Verified) {
	t.Helper()
	if !v.Encrypted {
		t.Error("the assertion does not count as encrypted")
	}
}

func wantGroups(t *testing.T, v Verified, want int) {
	t.Helper()
	if got := len(v.Attributes.Groups); got != want {
		t.Errorf("%d groups, want %d", got, want)
	}
}

func TestAccepted(t *testing.T) {
	signers(t, func(t *testing.T, f forge) {
		for _, c := range goodMessages {
			t.Run(c.name, func(t *testing.T) {
				if _, library := f.signer.(librarySigner); library && c.xmlsecOnly {
					t.Skip("goxmldsig canonicalizes this wrongly")
				}
				provider, want := idp(), expected()
				if c.provider != nil {
					c.provider(&provider)
				}
				if c.expect != nil {
					c.expect(&want)
				}
				document := c.make(forge{t, f.signer})
				v, report, err := Verify(post(document), provider, want, noon)
				if err != nil {
					t.Fatalf("refused: %v; %+v\n%s", err, report.Cause, document)
				}
				wantAlice(t, v)
				if c.check != nil {
					c.check(t, v)
				}
			})
		}
	})
}

// wantAlice checks everything that the provider said about her.
func wantAlice(t testing.TB, v Verified) {
	t.Helper()
	if v.NameID != alice || v.Attributes.Email != alice || v.Attributes.Identity != alice || v.AssertionID != "_assertion1" ||
		v.Attributes.FirstName != "Alice" || v.Attributes.LastName != "Anders" || v.ProviderID != "am1" {
		t.Errorf("read %+v", v)
	}
	if v.SessionIndex != "_session1" || v.AuthnContext != PasswordProtectedTransport || v.AuthnInstant.IsZero() {
		t.Errorf("read the session %q, context %q, instant %v", v.SessionIndex, v.AuthnContext, v.AuthnInstant)
	}
	if want := time.Date(2026, 11, 24, 12, 6, 0, 0, time.UTC); v.ReplayUntil.Truncate(time.Second) != want {
		t.Errorf("to be remembered until %v, want %v", v.ReplayUntil, want)
	}
}

func TestVerifiedInFull(t *testing.T) {
	f := forge{t, librarySigner{}}
	v, report, err := Verify(post(f.b3()), idp(), expected(), noon)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(v.Attributes.Groups, []string{"admins", "developers"}) || v.NameIDFormat != FormatEmail || v.InResponseTo != requestID ||
		!slices.Equal(v.Algorithms, []string{"rsa-sha256", "rsa-sha256"}) || v.Fingerprint != Fingerprint(idpKey().cert) {
		t.Errorf("read %+v", v)
	}
	for i, check := range report.Checks {
		want := Passed
		if check.Step == StepDecrypt {
			want = Skipped
		}
		if check.Step != pipeline[i].name || check.Verdict != want {
			t.Errorf("check %d is %+v, want %s %s", i, check, pipeline[i].name, want)
		}
	}
	if len(report.Checks) != len(pipeline) || report.Cause != nil {
		t.Errorf("%d checks, cause %v", len(report.Checks), report.Cause)
	}
}

func TestIdentityAttribute(t *testing.T) {
	f := forge{t, librarySigner{}}
	provider := idp()
	provider.Mapping.Identity = "uid"
	v, _, err := Verify(post(f.edited(`<saml:Attribute Name="first_name">`, `<saml:Attribute Name="uid"><saml:AttributeValue>a-17</saml:AttributeValue></saml:Attribute><saml:Attribute Name="first_name">`)), provider, expected(), noon)
	if err != nil || v.Attributes.Identity != "a-17" || v.NameID != alice {
		t.Errorf("read %+v, %v", v.Attributes, err)
	}
	provider.Keys = []crypto.Decrypter{}
	if _, _, err = Verify(post(f.b1()), provider, expected(), noon); err == nil {
		t.Error("an assertion without its identity was accepted")
	}
}
