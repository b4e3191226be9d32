package saml

import (
	"slices"
	"time"
)

// checkConditions checks when and for whom the assertion holds (SAML Core 2.5),
// and that the Response answers the same request as its assertion.
func (v *verification) checkConditions() *Error {
	if request, present := v.response.attribute("InResponseTo"); present {
		if err := v.checkRequest(request, present, "the Response"); err != nil {
			return err
		}
	}
	if err := v.checkIssueInstant(); err != nil {
		return err
	}
	conditions := v.assertion.first(nsAssertion, "Conditions")
	if text, present := conditions.attribute("NotBefore"); present {
		if _, err := v.clock.before(text, "the conditions' NotBefore"); err != nil {
			return err
		}
	}
	if text, present := conditions.attribute("NotOnOrAfter"); present {
		end, err := v.clock.until(text, "the conditions' NotOnOrAfter")
		if err != nil {
			return err
		}
		v.until(end)
	}
	return v.checkAudience(conditions)
}

// until moves the end of the memory of used assertions: the later of the two
// ends, so that nothing is forgotten while anything could still pass.
func (v *verification) until(end time.Time) {
	if end = end.Add(v.clock.skew); end.After(v.verified.ReplayUntil) {
		v.verified.ReplayUntil = end
	}
}

func (v *verification) checkIssueInstant() *Error {
	_, err := v.clock.issued(v.assertion.value("IssueInstant"), "the assertion")
	return err
}

// checkAudience demands an AudienceRestriction, and our entity id in every one
// of them: they narrow one another (SAML Core 2.5.1.4).
func (v *verification) checkAudience(conditions *element) *Error {
	restrictions := 0
	for condition := range conditions.elements() {
		switch {
		case condition.is(nsAssertion, "OneTimeUse"), condition.is(nsAssertion, "ProxyRestriction"):
		case condition.is(nsAssertion, "AudienceRestriction"):
			restrictions++
			audiences, err := readAudiences(condition)
			if err != nil {
				return err
			}
			if !slices.Contains(audiences, v.expected.EntityID) {
				found := ""
				if len(audiences) > 0 {
					found = audiences[0]
				}
				return refuse(StageAudience, "the assertion is for another service: compare the audience with our entity id").
					but(v.expected.EntityID, found)
			}
		default:
			return refuse(StageAudience, "the assertion has a condition that is not known").but("AudienceRestriction", condition.local)
		}
	}
	if restrictions == 0 {
		return refuse(StageAudience, "the assertion names no audience").but(v.expected.EntityID, "")
	}
	v.note("", v.expected.EntityID, v.expected.EntityID)
	return nil
}

func readAudiences(restriction *element) ([]string, *Error) {
	var audiences []string
	for e := range restriction.elements() {
		text, plain := e.text()
		if !plain || !e.is(nsAssertion, "Audience") {
			return nil, refuse(StageAudience, "an AudienceRestriction has something other than audiences")
		}
		audiences = append(audiences, text)
	}
	return audiences, nil
}

// checkContext reads how and when the person was authenticated (SAML Core 2.7.2),
// and that it was in one of the ways that are good enough.
func (v *verification) checkContext() *Error {
	for _, statement := range v.assertion.named(nsAssertion, "AuthnStatement") {
		if err := v.readAuthn(statement); err != nil {
			return err
		}
	}
	context := v.verified.AuthnContext
	if len(v.expected.AuthnContexts) > 0 && !slices.Contains(v.expected.AuthnContexts, context) {
		return refuse(StageContext, "the authentication context is not one of those required").
			but(v.expected.AuthnContexts[0], context)
	}
	if after := v.expected.AuthnAfter; !after.IsZero() && v.verified.AuthnInstant.Before(after.Add(-v.clock.skew)) {
		return refuse(StageContext, "the person did not authenticate anew, as the request demanded").
			but("after "+stamp(after), stamp(v.verified.AuthnInstant)).
			saying("Your identity provider did not ask you to log in again, as it was asked to.")
	}
	v.note("", "", context)
	return nil
}

// readAuthn reads one AuthnStatement. The first names the session and the
// context; every one may end the session.
func (v *verification) readAuthn(statement *element) *Error {
	at, ok := instant(statement.value("AuthnInstant"))
	if !ok {
		return refuse(StageTime, "the AuthnInstant is not a time in UTC").
			but("a time such as "+stamp(v.clock.now), statement.value("AuthnInstant"))
	}
	if text, present := statement.attribute("SessionNotOnOrAfter"); present {
		end, ok := instant(text)
		if !ok {
			return refuse(StageTime, "the SessionNotOnOrAfter is not a time in UTC").but("a time after "+stamp(v.clock.now), text)
		}
		if !end.After(v.clock.now) {
			return refuse(StageTime, "the session at the identity provider has ended").but("after "+stamp(v.clock.now), text)
		}
		if v.verified.SessionEnd.IsZero() || end.Before(v.verified.SessionEnd) {
			v.verified.SessionEnd = end
		}
	}
	if !v.verified.AuthnInstant.IsZero() {
		return nil
	}
	v.verified.AuthnInstant = at
	if index := statement.value("SessionIndex"); len(index) <= maxSessionIndex && isPlainText(index) {
		v.verified.SessionIndex = index
	} else {
		return refuse(StageSubject, "the SessionIndex is too long or has control characters")
	}
	if context := statement.only(nsAssertion, "AuthnContext"); context != nil {
		if class := context.only(nsAssertion, "AuthnContextClassRef"); class != nil {
			if text, plain := class.text(); plain {
				v.verified.AuthnContext = text
			}
		}
	}
	return nil
}
