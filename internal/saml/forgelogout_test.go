package saml

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/beevik/etree"
)

const logoutRequestText = `<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_logout1" Version="2.0" IssueInstant="2026-11-24T11:59:55Z" Destination="` + spSLO + `" NotOnOrAfter="2026-11-24T12:05:00Z"><saml:Issuer>` + idpEntity + `</saml:Issuer>{{S}}<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">` + alice + `</saml:NameID><samlp:SessionIndex>_session1</samlp:SessionIndex></samlp:LogoutRequest>`

const logoutResponseText = `<samlp:LogoutResponse xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_logout2" Version="2.0" IssueInstant="2026-11-24T11:59:55Z" Destination="` + spSLO + `" InResponseTo="` + requestID + `"><saml:Issuer>` + idpEntity + `</saml:Issuer>{{S}}<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status></samlp:LogoutResponse>`

func (f forge) logoutRequest(edit func(string) string) string {
	f.Helper()
	return f.logout(logoutRequestText, "_logout1", edit, idpKey())
}

func (f forge) logoutResponse(edit func(string) string) string {
	f.Helper()
	return f.logout(logoutResponseText, "_logout2", edit, idpKey())
}

func (f forge) logout(text, id string, edit func(string) string, key pair) string {
	f.Helper()
	if edit != nil {
		text = edit(text)
	}
	s := sigs{key: key}.withDefaults()
	return f.sign(f, strings.Replace(text, "{{S}}", s.template(id), 1), id, key)
}

// hmacSigned is an evil response whose assertion is signed by HMAC, correctly.
func hmacSigned(f forge, key []byte) string {
	f.Helper()
	s := sigs{algorithm: xmldsigMore + "hmac-sha256"}.withDefaults()
	text := evilResponse("_r", "")
	text = strings.Replace(text, evil, into(evil, s.template("_evil")), 1)
	text = f.sign(f, text, "_evil", idpKey()) // the digest is right; the value is replaced
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		f.Fatal(err)
	}
	covered, err := libraryCanonicalizer("", "").Canonicalize(detached(f, doc.FindElement("//SignedInfo")))
	if err != nil {
		f.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(covered)
	from, to := strings.Index(text, "<ds:SignatureValue>"), strings.Index(text, "</ds:SignatureValue>")
	return text[:from] + "<ds:SignatureValue>" + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + text[to:]
}
