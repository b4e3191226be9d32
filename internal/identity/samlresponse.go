package identity

import "time"

// SAMLResponsePurpose binds the Sealed of a SAMLResponse to its place; the row
// is its id.
const SAMLResponsePurpose = "saml_lab.sealed"

// How long, and how many, responses of a provider are kept for its admins.
const (
	SAMLResponseTime = 7 * 24 * time.Hour
	MaxSAMLResponses = 100 // of one method; older ones make room
)

// SAMLResponse is what a SAML provider sent for one login, kept for a while so
// that its admins can see what was wrong.
type SAMLResponse struct {
	ID             string // the trace id that the person was shown
	MethodID       string
	OrganizationID string
	AttemptID      string // empty: nobody here had begun it
	Received       time.Time
	Outcome        string // "accepted", "refused" or "test"
	Stage          string // of the pipeline that refused it; empty: none did
	UserID         string // who logged in by it; empty: nobody
	Sealed         string // JSON: the redacted response and the report
	Expires        time.Time
}
