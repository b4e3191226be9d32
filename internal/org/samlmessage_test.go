package org

import (
	"strings"
	"testing"
)

const redactedResponse = `<samlp:Response xmlns:samlp="urn:p" xmlns:saml="urn:a" ID="_r" Destination="https://a/acs" InResponseTo="_q" IssueInstant="2026-11-24T12:00:00Z"><saml:Issuer> urn:idp </saml:Issuer><samlp:Status><samlp:StatusCode Value="a:Responder"><samlp:StatusCode Value="a:RequestDenied"/></samlp:StatusCode></samlp:Status>` +
	`<saml:Assertion><saml:Issuer>urn:idp</saml:Issuer><saml:Subject><saml:NameID Format="f">alice</saml:NameID><saml:SubjectConfirmation><saml:SubjectConfirmationData Recipient="https://a/acs" NotOnOrAfter="t1"/></saml:SubjectConfirmation></saml:Subject>` +
	`<saml:Conditions NotBefore="t0" NotOnOrAfter="t2"><saml:AudienceRestriction><saml:Audience>one</saml:Audience><saml:Audience>two</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
	`<saml:AuthnStatement AuthnInstant="t3" SessionNotOnOrAfter="t4"><saml:AuthnContext><saml:AuthnContextClassRef>c</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>` +
	`<saml:AttributeStatement><saml:Attribute Name="email"><saml:AttributeValue>a@b.example</saml:AttributeValue></saml:Attribute><saml:Attribute Name="salary"><saml:AttributeValue>…</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>`

func TestSAMLMessageIsRead(t *testing.T) {
	m := decodeSAML(redactedResponse)
	got := strings.Join([]string{
		m.ID, m.Issuer, m.Destination, m.InResponseTo, m.IssueInstant, strings.Join(m.Status, "+"), m.AssertionIssuer, m.NameID, m.NameIDFormat, m.Recipient, m.ConfirmedUntil,
		m.NotBefore, m.NotOnOrAfter, strings.Join(m.Audiences, "+"), m.AuthnInstant, m.AuthnContext, m.SessionUntil, m.Attributes[0].Name, m.Attributes[0].Values[0], m.Attributes[1].Name,
	}, " ")
	if want := "_r urn:idp https://a/acs _q 2026-11-24T12:00:00Z a:Responder+a:RequestDenied urn:idp alice f https://a/acs t1 t0 t2 one+two t3 c t4 email a@b.example salary"; got != want {
		t.Errorf("read\n%s, want\n%s", got, want)
	}
	if m.Encrypted || m.Attributes[0].Hidden || !m.Attributes[1].Hidden || len(m.Attributes[1].Values) != 0 {
		t.Errorf("%+v", m)
	}
	if m := decodeSAML(`<Response><EncryptedAssertion><x/></EncryptedAssertion></Response>`); !m.Encrypted || m.NameID != "" {
		t.Errorf("encrypted: %+v", m)
	}
	// Text that was cut is read as far as it goes.
	cut := decodeSAML(redactedResponse[:strings.Index(redactedResponse, "<saml:Conditions")])
	if cut.ID != "_r" || cut.Issuer != "urn:idp" {
		t.Errorf("cut: %+v", cut)
	}
	for _, none := range []string{"", "…", "<", "not XML", "<html>"} {
		if m := decodeSAML(none); m.ID != "" || m.NameID != "" || len(m.Attributes) != 0 {
			t.Errorf("%q: %+v", none, m)
		}
	}
}

// Whatever is read, a value that was left out is never shown as one.
func FuzzDecodeSAML(f *testing.F) {
	for _, text := range []string{redactedResponse, redactedResponse[:600], "<Response><Assertion><AttributeStatement><Attribute><AttributeValue>…", "<a", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range decodeSAML(text).Attributes {
			for _, v := range a.Values {
				if v == redactedValue {
					t.Errorf("%+v", a)
				}
			}
		}
	})
}
