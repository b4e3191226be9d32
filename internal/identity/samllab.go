package identity

import "time"

// SAMLLab is the sealed content of a SAMLResponse.
type SAMLLab struct {
	// Response is the response as admins may see it: XML without the values of
	// signatures, ciphers and attributes that nobody mapped; empty: it was none.
	Response string `json:"response,omitempty"`
	// Message is the response as it came, in base64, for judging it once more
	// under other settings. It is never shown; empty: it was too long to keep.
	Message string `json:"message,omitempty"`
	// RequestID is of the request that its browser was sent to the provider
	// with, and RequestSent when; empty and zero: none was.
	RequestID   string    `json:"request_id,omitempty"`
	RequestSent time.Time `json:"request_sent,omitzero"`
	Purpose     string    `json:"purpose,omitempty"` // of the attempt, one of the Attempt constants
	RelayState  string    `json:"relay_state"`       // "ours", "other" or "none"
	// Checks are the steps of its verification in their order.
	Checks []SAMLCheck `json:"checks"`
	// Problem is why it was refused; Expected and Found are what was compared.
	Problem  string `json:"problem,omitempty"`
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`
	// Code is the error that the person was answered, also after a response
	// that was accepted; empty: none.
	Code string `json:"code,omitempty"`
	// Account is what would have come of a test: a LinkOutcome, with a colon and
	// the reason behind one that refuses; empty: it was no test, or got not so far.
	Account string `json:"account,omitempty"`
	// What was verified; zero for a response that was refused.
	NameID       string            `json:"name_id,omitempty"`
	NameIDFormat string            `json:"name_id_format,omitempty"`
	SessionIndex string            `json:"session_index,omitempty"`
	Attributes   map[string]string `json:"attributes,omitempty"` // by our names: email, identity, first_name …
	Groups       []string          `json:"groups,omitempty"`
	Signed       string            `json:"signed,omitempty"` // "response", "assertion" or "both"
	Encrypted    bool              `json:"encrypted,omitempty"`
	Algorithms   []string          `json:"algorithms,omitempty"`
	Fingerprint  string            `json:"fingerprint,omitempty"` // of the certificate that signed
}

// SAMLCheck is one step of a verification.
type SAMLCheck struct {
	Step     string `json:"step"`    // stable names
	Verdict  string `json:"verdict"` // "passed", "failed", "skipped" or "not_reached"
	Note     string `json:"note,omitempty"`
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`
}
