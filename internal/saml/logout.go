package saml

import "time"

// LogoutRequest asks to end sessions of a person (SAML Core 3.7.1).
type LogoutRequest struct {
	ID             string
	Issuer         string // who asks; of a verified one the provider's entity id
	Destination    string
	IssueInstant   time.Time
	NotOnOrAfter   time.Time // zero: not said
	NameID         NameID
	SessionIndexes []string // empty: all sessions of that NameID
	// ReplayUntil is until when the ID of a verified request must be remembered.
	ReplayUntil time.Time
}

// RedirectURL is the address to send the browser to. Providers accept signed
// requests only.
func (r LogoutRequest) RedirectURL(relayState string, signer *Signer) (string, error) {
	return r.outgoing().redirect(relayState, signer)
}

// Form is what a page has to post.
func (r LogoutRequest) Form(relayState string, signer *Signer) (Form, error) {
	return r.outgoing().post(relayState, signer)
}

func (r LogoutRequest) outgoing() outgoing {
	root := newMessage("LogoutRequest", r.ID, r.IssueInstant, r.Destination, r.Issuer)
	if !r.NotOnOrAfter.IsZero() {
		root.set("NotOnOrAfter", stamp(r.NotOnOrAfter))
	}
	root.add("saml", nsAssertion, "NameID").
		set("Format", r.NameID.Format).
		set("NameQualifier", r.NameID.NameQualifier).
		set("SPNameQualifier", r.NameID.SPNameQualifier).
		say(r.NameID.Value)
	for _, index := range r.SessionIndexes {
		root.add("samlp", nsProtocol, "SessionIndex").say(index)
	}
	return outgoing{parameter: ParameterRequest, destination: r.Destination, root: root}
}

// LogoutStatus is the outcome that a LogoutResponse reports.
type LogoutStatus string

// The outcomes that we send. A verified response may have any top-level code of
// the standard, or "other".
const (
	LogoutSuccess LogoutStatus = "Success"
	LogoutPartial LogoutStatus = "PartialLogout" // sent below Responder (SAML Core 3.7.3.2)
	LogoutDenied  LogoutStatus = "Requester"
)

// LogoutResponse answers a LogoutRequest (SAML Core 3.7.2).
type LogoutResponse struct {
	ID           string
	Issuer       string
	Destination  string
	InResponseTo string
	IssueInstant time.Time
	Status       LogoutStatus
}

// RedirectURL is the address to send the browser to.
func (r LogoutResponse) RedirectURL(relayState string, signer *Signer) (string, error) {
	return r.outgoing().redirect(relayState, signer)
}

// Form is what a page has to post.
func (r LogoutResponse) Form(relayState string, signer *Signer) (Form, error) {
	return r.outgoing().post(relayState, signer)
}

func (r LogoutResponse) outgoing() outgoing {
	root := newMessage("LogoutResponse", r.ID, r.IssueInstant, r.Destination, r.Issuer).
		set("InResponseTo", r.InResponseTo)
	status := root.add("samlp", nsProtocol, "Status")
	if r.Status == LogoutPartial {
		status.add("samlp", nsProtocol, "StatusCode").set("Value", statusPrefix+"Responder").
			add("samlp", nsProtocol, "StatusCode").set("Value", statusPrefix+string(LogoutPartial))
	} else {
		status.add("samlp", nsProtocol, "StatusCode").set("Value", statusPrefix+string(r.Status))
	}
	return outgoing{parameter: ParameterResponse, destination: r.Destination, root: root}
}

// VerifyLogoutRequest checks a request that arrived at our logout address. It
// must be signed, in either binding. The caller spends its ID and ends only
// sessions of this provider and NameID. The error is an *[Error].
func VerifyLogoutRequest(m Message, provider Provider, address string, now time.Time) (LogoutRequest, error) {
	r, err := verifyLogoutRequest(m, provider, address, now)
	if err != nil {
		return LogoutRequest{}, err
	}
	return r, nil
}

func verifyLogoutRequest(m Message, provider Provider, address string, now time.Time) (LogoutRequest, *Error) {
	if m.Parameter != ParameterRequest {
		return LogoutRequest{}, refuse(StageShape, "the message is not a request")
	}
	root, at, err := verifyLogout(m, "LogoutRequest", provider, address, now)
	if err != nil {
		return LogoutRequest{}, err
	}
	r := LogoutRequest{
		ID: root.value("ID"), Issuer: provider.EntityID, Destination: address, IssueInstant: at,
		ReplayUntil: at.Add(maxAge + 2*provider.skew()),
	}
	if text, present := root.attribute("NotOnOrAfter"); present {
		if r.NotOnOrAfter, err = (clock{now, provider.skew()}).until(text, "the request's NotOnOrAfter"); err != nil {
			return LogoutRequest{}, err
		}
	}
	for child := range root.elements() {
		if !child.is(nsAssertion, "Issuer") && !child.is(nsAssertion, "NameID") && !child.is(nsProtocol, "SessionIndex") {
			return LogoutRequest{}, refuse(StageShape, "the LogoutRequest has an element that does not belong there").but("", child.local)
		}
	}
	if r.NameID, err = readNameID(root); err != nil {
		return LogoutRequest{}, err
	}
	r.SessionIndexes, err = readSessionIndexes(root)
	return r, err
}

func readSessionIndexes(root *element) ([]string, *Error) {
	var indexes []string
	for _, e := range root.named(nsProtocol, "SessionIndex") {
		text, plain := e.text()
		if !plain || text == "" || len(text) > maxSessionIndex || !isPlainText(text) || len(indexes) == maxSessionsNamed {
			return nil, refuse(StageSubject, "a SessionIndex cannot be used, or there are too many")
		}
		indexes = append(indexes, text)
	}
	return indexes, nil
}

// VerifyLogoutResponse checks the answer to a LogoutRequest of ours, whose id the
// caller remembered. It must be signed. A failure reported by the provider is no
// error: see its Status. The error is an *[Error].
func VerifyLogoutResponse(m Message, provider Provider, address, requestID string, now time.Time) (LogoutResponse, error) {
	r, err := verifyLogoutResponse(m, provider, address, requestID, now)
	if err != nil {
		return LogoutResponse{}, err
	}
	return r, nil
}

func verifyLogoutResponse(m Message, provider Provider, address, requestID string, now time.Time) (LogoutResponse, *Error) {
	if m.Parameter != ParameterResponse {
		return LogoutResponse{}, refuse(StageShape, "the message is not a response")
	}
	root, at, err := verifyLogout(m, "LogoutResponse", provider, address, now)
	if err != nil {
		return LogoutResponse{}, err
	}
	for child := range root.elements() {
		if !child.is(nsAssertion, "Issuer") && !child.is(nsProtocol, "Status") {
			return LogoutResponse{}, refuse(StageShape, "the LogoutResponse has an element that does not belong there").but("", child.local)
		}
	}
	request := root.value("InResponseTo")
	if requestID == "" || request != requestID {
		return LogoutResponse{}, refuse(StageRequest, "the LogoutResponse answers another request").but(requestID, request)
	}
	code, _, err := readStatus(root)
	if err != nil {
		return LogoutResponse{}, err
	}
	return LogoutResponse{
		ID: root.value("ID"), Issuer: provider.EntityID, Destination: address,
		InResponseTo: request, IssueInstant: at, Status: LogoutStatus(code),
	}, nil
}

// verifyLogout checks what the two messages have in common and returns the
// signed document and when it was issued.
func verifyLogout(m Message, local string, provider Provider, address string, now time.Time) (*element, time.Time, *Error) {
	var at time.Time
	root, err := parse(m.document, provider.elements())
	if err != nil {
		return nil, at, err
	}
	if !root.is(nsProtocol, local) || root.value("Version") != "2.0" {
		return nil, at, refuse(StageShape, "the message is not a "+local+" of SAML 2.0").but(local, root.local)
	}
	if err := wander(root); err != nil {
		return nil, at, err
	}
	if err := checkID(root); err != nil {
		return nil, at, err
	}
	if root, err = verifyLogoutSignature(m, root, provider.trust(now)); err != nil {
		return nil, at, err
	}
	if root.hasText() {
		return nil, at, refuse(StageShape, "the "+local+" has text between its elements")
	}
	if destination := root.value("Destination"); destination != address {
		return nil, at, refuse(StageDestination, "the "+local+" is addressed to another service").but(address, destination)
	}
	issuer := root.only(nsAssertion, "Issuer")
	if issuer == nil {
		return nil, at, refuse(StageIssuer, "the "+local+" names no Issuer").but(provider.EntityID, "")
	}
	if err := checkIssuer(issuer, provider.EntityID); err != nil {
		return nil, at, err
	}
	at, err = (clock{now, provider.skew()}).issued(root.value("IssueInstant"), "the "+local)
	return root, at, err
}

// verifyLogoutSignature checks the signature where its binding puts it. A
// redirected document must have none inside (SAML Bindings 3.4.4.1): it would
// be a signature that nobody checks.
func verifyLogoutSignature(m Message, root *element, t trust) (*element, *Error) {
	if !m.redirect {
		proof, err := t.verify(root)
		return proof.content, err
	}
	if root.first(nsSignature, "Signature") != nil {
		return nil, refuse(StageSignature, "a message of the Redirect binding is signed inside")
	}
	return root, t.verifyQuery(m)
}
