package org

import (
	"encoding/xml"
	"slices"
	"strings"
)

// SAMLMessage is what a response says of itself, read from its redacted text as
// far as that goes. It is for people to compare, and nothing is decided by it:
// of a response that was refused it may be a lie.
type SAMLMessage struct {
	ID, Issuer, Destination, InResponseTo, IssueInstant string
	Status                                              []string // the codes, outermost first
	Encrypted                                           bool     // the assertion, of which then nothing is known here

	AssertionIssuer, NameID, NameIDFormat    string
	Recipient, ConfirmedUntil                string // of the first confirmation
	NotBefore, NotOnOrAfter                  string
	Audiences                                []string
	AuthnInstant, AuthnContext, SessionUntil string
	Attributes                               []SAMLAttribute
}

// SAMLAttribute is an attribute of an assertion.
type SAMLAttribute struct {
	Name   string
	Values []string
	Hidden bool // it is not mapped, and its values were not kept
}

// redactedValue is what stands for a value that was not kept.
const redactedValue = "…"

// readResponse is a response as the decoder fills it, whatever the namespaces.
type readResponse struct {
	ID           string `xml:"ID,attr"`
	Destination  string `xml:"Destination,attr"`
	InResponseTo string `xml:"InResponseTo,attr"`
	IssueInstant string `xml:"IssueInstant,attr"`
	Issuer       string `xml:"Issuer"`
	Status       struct {
		Code struct {
			Value string `xml:"Value,attr"`
			Code  struct {
				Value string `xml:"Value,attr"`
			} `xml:"StatusCode"`
		} `xml:"StatusCode"`
	} `xml:"Status"`
	Encrypted *struct{}      `xml:"EncryptedAssertion"`
	Assertion *readAssertion `xml:"Assertion"`
}

type readAssertion struct {
	Issuer  string `xml:"Issuer"`
	Subject struct {
		NameID struct {
			Format string `xml:"Format,attr"`
			Value  string `xml:",chardata"`
		} `xml:"NameID"`
		Confirmations []struct {
			Data struct {
				Recipient    string `xml:"Recipient,attr"`
				NotOnOrAfter string `xml:"NotOnOrAfter,attr"`
			} `xml:"SubjectConfirmationData"`
		} `xml:"SubjectConfirmation"`
	} `xml:"Subject"`
	Conditions struct {
		NotBefore    string   `xml:"NotBefore,attr"`
		NotOnOrAfter string   `xml:"NotOnOrAfter,attr"`
		Audiences    []string `xml:"AudienceRestriction>Audience"`
	} `xml:"Conditions"`
	Statements []struct {
		AuthnInstant        string `xml:"AuthnInstant,attr"`
		SessionNotOnOrAfter string `xml:"SessionNotOnOrAfter,attr"`
		Context             string `xml:"AuthnContext>AuthnContextClassRef"`
	} `xml:"AuthnStatement"`
	Attributes []struct {
		Name   string   `xml:"Name,attr"`
		Values []string `xml:"AttributeValue"`
	} `xml:"AttributeStatement>Attribute"`
}

// decodeSAML reads a redacted response. Text that ends early, or is none, gives
// what was read before.
func decodeSAML(text string) (m SAMLMessage) {
	var r readResponse
	_ = xml.Unmarshal([]byte(text), &r) // what was read is shown, however it ended
	m = SAMLMessage{ID: r.ID, Issuer: trim(r.Issuer), Destination: r.Destination, InResponseTo: r.InResponseTo, IssueInstant: r.IssueInstant, Encrypted: r.Encrypted != nil}
	for _, code := range []string{r.Status.Code.Value, r.Status.Code.Code.Value} {
		if code != "" {
			m.Status = append(m.Status, code)
		}
	}
	if a := r.Assertion; a != nil {
		m.assert(a)
	}
	return m
}

func (m *SAMLMessage) assert(a *readAssertion) {
	m.AssertionIssuer, m.NameID, m.NameIDFormat = trim(a.Issuer), trim(a.Subject.NameID.Value), a.Subject.NameID.Format
	if len(a.Subject.Confirmations) > 0 {
		m.Recipient, m.ConfirmedUntil = a.Subject.Confirmations[0].Data.Recipient, a.Subject.Confirmations[0].Data.NotOnOrAfter
	}
	m.NotBefore, m.NotOnOrAfter = a.Conditions.NotBefore, a.Conditions.NotOnOrAfter
	for _, audience := range a.Conditions.Audiences {
		m.Audiences = append(m.Audiences, trim(audience))
	}
	if len(a.Statements) > 0 {
		s := a.Statements[0]
		m.AuthnInstant, m.AuthnContext, m.SessionUntil = s.AuthnInstant, trim(s.Context), s.SessionNotOnOrAfter
	}
	for _, attribute := range a.Attributes {
		values := slices.DeleteFunc(attribute.Values, func(v string) bool { return v == redactedValue })
		m.Attributes = append(m.Attributes, SAMLAttribute{attribute.Name, values, len(values) < len(attribute.Values)})
	}
}

func trim(s string) string { return strings.TrimSpace(s) }
