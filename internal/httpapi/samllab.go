package httpapi

import (
	"context"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// samlLabRoutes are about the responses of SAML providers, below the path of
// one. A replay changes nothing, so who may read may ask for it.
func (a *API) samlLabRoutes(below, tag string, reads, writes access.Need) []route {
	one := below + "/responses/{response_id}"
	return []route{
		{
			method: "GET", path: below + "/responses", id: "SAMLResponsesList", tag: tag, summary: "List the last responses of a SAML provider", own: true,
			resource: account, need: reads, status: 200, handler: read(a.samlResponses),
		},
		{
			method: "GET", path: one, id: "SAMLResponseGet", tag: tag, summary: "Show a response of a SAML provider: every check, the cause of a refusal, and what to change", own: true,
			resource: account, need: reads, status: 200, handler: read(a.samlResponse),
		},
		{
			method: "POST", path: one + "/replay", id: "SAMLResponseReplay", tag: tag, summary: "Judge a response of a SAML provider once more, under other settings; nothing comes of it", own: true,
			resource: account, need: reads, status: 200, fields: samlLimits(), handler: write(a.replaySAMLResponse),
		},
		{
			method: "POST", path: below + "/test", id: "SAMLTest", tag: tag, summary: "Begin a login at a SAML provider that opens nothing", own: true,
			resource: account, need: writes, status: 200, handler: read(a.testSAML),
		},
	}
}

func (a *API) samlResponses(ctx context.Context, c *Call) (out sallyport.SAMLResponseList, err error) {
	account, id := theMethod(c)
	list, err := a.Org.SAMLResponses(ctx, c.Principal, account, id)
	out.SAMLResponses = wireList(list, samlSummaryWire)
	return out, err
}

func (a *API) samlResponse(ctx context.Context, c *Call) (out sallyport.SAMLResponseAnswer, err error) {
	account, id := theMethod(c)
	r, err := a.Org.SAMLResponse(ctx, c.Principal, account, id, c.Path("response_id"))
	out.SAMLResponse = samlResponseWire(r)
	return out, err
}

func (a *API) replaySAMLResponse(ctx context.Context, c *Call, in sallyport.SAMLSettings) (out sallyport.SAMLResponseAnswer, err error) {
	account, id := theMethod(c)
	r, err := a.Org.ReplaySAMLResponse(ctx, c.Principal, account, id, c.Path("response_id"), samlChange(in))
	out.SAMLResponse = samlResponseWire(r)
	return out, err
}

func (a *API) testSAML(ctx context.Context, c *Call) (out sallyport.SAMLTest, err error) {
	account, id := theMethod(c)
	t, err := a.Login.BeginTest(ctx, c.caller(), c.Principal, account, id)
	return sallyport.SAMLTest{URL: t.URL, TestID: t.ID, ExpireTime: t.Expires}, err
}

func samlSummaryWire(r org.SAMLResponse) sallyport.SAMLResponseSummary {
	w := sallyport.SAMLResponseSummary{
		SAMLResponseID: r.ID, ReceiveTime: r.Received, ExpireTime: r.Expires, Outcome: "accepted",
		Stage: nullable(r.Stage), UserID: nullable(r.UserID), TestID: nullable(r.TestID),
	}
	if !r.Accepted {
		w.Outcome = "refused"
	}
	return w
}

func samlResponseWire(r org.SAMLResponse) sallyport.SAMLResponse {
	m := r.Said
	w := sallyport.SAMLResponse{
		SAMLResponseSummary: samlSummaryWire(r), Response: r.Response,
		Steps: wireList(r.Steps, func(s identity.SAMLCheck) sallyport.SAMLStep {
			return sallyport.SAMLStep{Step: s.Step, Verdict: s.Verdict, Note: s.Note, Expected: s.Expected, Found: s.Found}
		}),
		Message: sallyport.SAMLMessage{
			ID: m.ID, Issuer: m.Issuer, Destination: m.Destination, InResponseTo: m.InResponseTo, IssueInstant: m.IssueInstant,
			Status: append([]string{}, m.Status...), Encrypted: m.Encrypted, AssertionIssuer: m.AssertionIssuer, NameID: m.NameID, NameIDFormat: m.NameIDFormat,
			Recipient: m.Recipient, ConfirmedUntil: m.ConfirmedUntil, NotBefore: m.NotBefore, NotOnOrAfter: m.NotOnOrAfter, Audiences: append([]string{}, m.Audiences...),
			AuthnInstant: m.AuthnInstant, AuthnContext: m.AuthnContext, SessionUntil: m.SessionUntil,
			Attributes: wireList(m.Attributes, func(a org.SAMLAttribute) sallyport.SAMLMessageAttribute {
				return sallyport.SAMLMessageAttribute{Name: a.Name, Values: append([]string{}, a.Values...), Hidden: a.Hidden}
			}),
		},
	}
	if c := r.Cause; c != nil {
		w.Cause = &sallyport.SAMLCause{Cause: c.Name, Side: c.Side, Problem: c.Problem, Remedy: c.Remedy, Expected: c.Expected, Found: c.Found}
	}
	if l := r.Lab; l.NameID != "" {
		w.Verified = &sallyport.SAMLVerified{
			NameID: l.NameID, NameIDFormat: l.NameIDFormat, SessionIndex: l.SessionIndex, Attributes: l.Attributes, Groups: append([]string{}, l.Groups...),
			Signed: l.Signed, Encrypted: l.Encrypted, Algorithms: append([]string{}, l.Algorithms...), Fingerprint: l.Fingerprint,
		}
	}
	return w
}
