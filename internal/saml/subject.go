package saml

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const methodBearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer"

// checkSubject reads who the assertion is about and finds a confirmation that
// lets this browser present it here and now.
func (v *verification) checkSubject() *Error {
	subject := v.assertion.first(nsAssertion, "Subject")
	if subject.hasText() {
		return refuse(StageSubject, "the Subject has text between its elements")
	}
	for child := range subject.elements() {
		if !child.is(nsAssertion, "NameID") && !child.is(nsAssertion, "SubjectConfirmation") {
			return refuse(StageSubject, "the Subject has an element that does not belong there").but("", child.local)
		}
	}
	name, err := readNameID(subject)
	if err != nil {
		return err
	}
	if v.provider.RefuseTransient && name.Format == FormatTransient {
		return refuse(StageSubject, "the NameID is transient: it is another one at each login").
			but("a NameID that stays, or an attribute that is mapped as the identity", name.Format).
			saying("Your identity provider does not say who you are by a name that stays.")
	}
	v.verified.NameID = name.Value
	v.verified.NameIDFormat = name.Format
	v.verified.NameQualifier = name.NameQualifier
	v.verified.SPNameQualifier = name.SPNameQualifier
	v.note("NameID of "+strconv.Itoa(len(name.Value))+" bytes", "", name.Format)
	return v.checkConfirmations(subject.named(nsAssertion, "SubjectConfirmation"))
}

// NameID is how a provider calls a person (SAML Core 2.2.3).
type NameID struct {
	Value           string
	Format          string // empty: unspecified
	NameQualifier   string
	SPNameQualifier string
}

// readNameID reads the one NameID below an element.
func readNameID(parent *element) (NameID, *Error) {
	e := parent.only(nsAssertion, "NameID")
	if e == nil {
		return NameID{}, refuse(StageSubject, "there is not exactly one NameID")
	}
	text, plain := e.text()
	if !plain {
		return NameID{}, refuse(StageSubject, "the NameID has elements inside")
	}
	switch {
	case text == "" || len(text) > maxNameID:
		return NameID{}, refuse(StageSubject, "the NameID is empty or longer than 256 bytes").
			but("1 to 256 bytes", strconv.Itoa(len(text))+" bytes")
	case strings.TrimSpace(text) != text:
		return NameID{}, refuse(StageSubject, "the NameID begins or ends with white space")
	case !isPlainText(text):
		return NameID{}, refuse(StageSubject, "the NameID has control characters")
	}
	return NameID{
		Value: text, Format: e.value("Format"),
		NameQualifier: e.value("NameQualifier"), SPNameQualifier: e.value("SPNameQualifier"),
	}, nil
}

// isPlainText reports text without control and formatting characters, which
// make two names look alike.
func isPlainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
	})
}

// checkConfirmations demands one bearer confirmation that passes everything
// (SAML Profiles 4.1.4.2). When none does, the refusal is that of the one that
// came furthest. Of several that do, each could let the assertion pass again.
func (v *verification) checkConfirmations(confirmations []*element) *Error {
	best := refuse(StageSubject, "the Subject has no bearer confirmation")
	furthest, passed := -1, false
	for _, confirmation := range confirmations {
		reached, end, err := v.checkConfirmation(confirmation)
		if err == nil {
			passed = true
			v.until(end)
		} else if reached > furthest {
			best, furthest = err, reached
		}
	}
	if passed {
		return nil
	}
	return best
}

// checkConfirmation checks one SubjectConfirmation. reached counts the checks
// that passed.
func (v *verification) checkConfirmation(confirmation *element) (reached int, end time.Time, refusal *Error) {
	if method := confirmation.value("Method"); method != methodBearer {
		return 0, end, refuse(StageSubject, "the confirmation's method is not bearer").but(methodBearer, method)
	}
	data := confirmation.only(nsAssertion, "SubjectConfirmationData")
	if data == nil {
		return 1, end, refuse(StageSubject, "the bearer confirmation has no data")
	}
	if recipient := data.value("Recipient"); recipient != v.expected.ACS {
		return 2, end, refuse(StageRecipient, "the assertion is for another address").but(v.expected.ACS, recipient)
	}
	if notBefore, present := data.attribute("NotBefore"); present {
		return 3, end, refuse(StageTime, "a bearer confirmation must not have NotBefore").but("", notBefore)
	}
	end, refusal = v.clock.until(data.value("NotOnOrAfter"), "the confirmation's NotOnOrAfter")
	if refusal != nil {
		return 4, end, refusal
	}
	request, present := data.attribute("InResponseTo")
	if refusal = v.checkRequest(request, present, "the confirmation"); refusal != nil {
		return 5, end, refusal
	}
	v.verified.InResponseTo = request
	return 6, end, nil
}

// checkRequest applies the rule of InResponseTo: the attempt of this browser, or
// nothing at all where the provider may begin.
func (v *verification) checkRequest(request string, present bool, where string) *Error {
	switch expected := v.expected.RequestID; {
	case expected == "" && present:
		return refuse(StageRequest, where+" answers a request that this browser did not make").but("no InResponseTo", request)
	case expected == "" && !v.provider.AllowIDPInitiated:
		return refuse(StageRequest, "the response answers no request, and the provider may not begin a login")
	case expected != "" && request != expected:
		return refuse(StageRequest, where+" answers another request").but(expected, request)
	default:
		return nil
	}
}
