package sallyport

import (
	"context"
	"net/http"
	"time"
)

// SAMLResponseSummary is a response that a SAML provider sent for one login. The
// last hundred of a provider are kept, for seven days.
type SAMLResponseSummary struct {
	SAMLResponseID string    `json:"saml_response_id"` // the number that the person was shown
	ReceiveTime    time.Time `json:"receive_time"`
	ExpireTime     time.Time `json:"expire_time"` // when it is forgotten
	Outcome        string    `json:"outcome"`     // "accepted" or "refused"
	// Stage is where it was refused: a stage of the verification, such as
	// "audience", or "account"; null: it was accepted.
	Stage  *string `json:"stage"`
	UserID *string `json:"user_id"` // who logged in by it; null: nobody
	TestID *string `json:"test_id"` // of the test login that it answers; null: it was a true one
}

// SAMLResponseList is the answer of GET
// /v1/account/{account_id}/authentication/{id}/saml/responses.
type SAMLResponseList struct {
	SAMLResponses []SAMLResponseSummary `json:"saml_responses"` // newest first; never null
}

// SAMLResponse is one of them with all that is known of it. Personal data in it
// is the NameID and what is mapped; the values of other attributes, of
// signatures and of what is encrypted are not kept for display.
type SAMLResponse struct {
	SAMLResponseSummary
	Steps    []SAMLStep    `json:"steps"` // the way of the login, in its order
	Cause    *SAMLCause    `json:"cause"` // null: it was accepted
	Message  SAMLMessage   `json:"message"`
	Verified *SAMLVerified `json:"verified"` // null: it was refused by the verification
	Response string        `json:"response"` // XML, with … for what is left out; empty: it was none
}

// SAMLStep is the verdict of one step of a login.
type SAMLStep struct {
	Step     string `json:"step"`              // stable names, such as "request_sent", "issuer", "conditions", "account"
	Verdict  string `json:"verdict"`           // "passed", "failed", "skipped" or "not_reached"
	Note     string `json:"note,omitzero"`     // for people
	Expected string `json:"expected,omitzero"` // what was compared
	Found    string `json:"found,omitzero"`
}

// SAMLCause is the one reason why a login came to nothing.
type SAMLCause struct {
	Cause    string `json:"cause"`   // stable names, such as "audience", "clock", "certificate", "attribute_mapping"
	Side     string `json:"side"`    // where to change it: "identity_provider", "server", "both"; "person": start again
	Problem  string `json:"problem"` // for people
	Remedy   string `json:"remedy"`  // what to change, in the words of the provider's console
	Expected string `json:"expected,omitzero"`
	Found    string `json:"found,omitzero"`
}

// SAMLMessage is what a response says of itself, whether that is true or not.
// What it does not say is left out.
type SAMLMessage struct {
	ID              string                 `json:"id,omitzero"`
	Issuer          string                 `json:"issuer,omitzero"`
	Destination     string                 `json:"destination,omitzero"`
	InResponseTo    string                 `json:"in_response_to,omitzero"`
	IssueInstant    string                 `json:"issue_instant,omitzero"`
	Status          []string               `json:"status"`    // codes, outermost first; never null
	Encrypted       bool                   `json:"encrypted"` // the assertion: then nothing below is known
	AssertionIssuer string                 `json:"assertion_issuer,omitzero"`
	NameID          string                 `json:"name_id,omitzero"`
	NameIDFormat    string                 `json:"name_id_format,omitzero"`
	Recipient       string                 `json:"recipient,omitzero"`
	ConfirmedUntil  string                 `json:"confirmed_until,omitzero"`
	NotBefore       string                 `json:"not_before,omitzero"`
	NotOnOrAfter    string                 `json:"not_on_or_after,omitzero"`
	Audiences       []string               `json:"audiences"` // never null
	AuthnInstant    string                 `json:"authn_instant,omitzero"`
	AuthnContext    string                 `json:"authn_context,omitzero"`
	SessionUntil    string                 `json:"session_until,omitzero"`
	Attributes      []SAMLMessageAttribute `json:"attributes"` // never null
}

// SAMLMessageAttribute is an attribute of an assertion.
type SAMLMessageAttribute struct {
	Name   string   `json:"name"`
	Values []string `json:"values"` // never null
	Hidden bool     `json:"hidden"` // it is not mapped, and its values were not kept
}

// SAMLVerified is what a provider truly said.
type SAMLVerified struct {
	NameID       string            `json:"name_id"`
	NameIDFormat string            `json:"name_id_format,omitzero"`
	SessionIndex string            `json:"session_index,omitzero"`
	Attributes   map[string]string `json:"attributes"` // by our names: email, identity, first_name, last_name, real_name
	Groups       []string          `json:"groups"`     // never null
	Signed       string            `json:"signed"`     // "response", "assertion" or "both"
	Encrypted    bool              `json:"encrypted"`
	Algorithms   []string          `json:"algorithms"`  // of the signatures, such as rsa-sha256; never null
	Fingerprint  string            `json:"fingerprint"` // of the certificate that signed
}

// SAMLResponseAnswer wraps a SAMLResponse.
type SAMLResponseAnswer struct {
	SAMLResponse SAMLResponse `json:"saml_response"`
}

// SAMLTest is a login at a SAML provider that opens nothing. URL is to be opened
// in a browser, once; the responses of the provider then have one with the
// TestID.
type SAMLTest struct {
	URL        string    `json:"url"`
	TestID     string    `json:"test_id"`
	ExpireTime time.Time `json:"expire_time"`
}

// SAMLResponses returns the responses of a SAML provider that are kept.
func (c *Client) SAMLResponses(ctx context.Context, accountID, id string) ([]SAMLResponseSummary, error) {
	var out SAMLResponseList
	err := c.call(ctx, http.MethodGet, authenticationPath(accountID, id, "saml", "responses"), nil, nil, &out)
	return out.SAMLResponses, err
}

// SAMLResponse returns one of them with all that is known of it.
func (c *Client) SAMLResponse(ctx context.Context, accountID, id, responseID string) (SAMLResponse, error) {
	var out SAMLResponseAnswer
	err := c.call(ctx, http.MethodGet, authenticationPath(accountID, id, "saml", "responses", responseID), nil, nil, &out)
	return out.SAMLResponse, err
}

// ReplaySAMLResponse says what would have become of a response under other
// settings, of which nil ones are as they are now. Nothing is stored, and
// nobody is logged in.
func (c *Client) ReplaySAMLResponse(ctx context.Context, accountID, id, responseID string, draft SAMLSettings) (SAMLResponse, error) {
	var out SAMLResponseAnswer
	err := c.call(ctx, http.MethodPost, authenticationPath(accountID, id, "saml", "responses", responseID, "replay"), nil, draft, &out)
	return out.SAMLResponse, err
}

// TestSAML begins a login at a SAML provider that opens nothing.
func (c *Client) TestSAML(ctx context.Context, accountID, id string) (out SAMLTest, err error) {
	err = c.call(ctx, http.MethodPost, authenticationPath(accountID, id, "saml", "test"), nil, nil, &out)
	return out, err
}
