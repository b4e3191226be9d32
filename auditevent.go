package sallyport

import (
	"encoding/json"
	"time"
)

// The outcomes of an AuditEvent.
const (
	OutcomeSuccess = "success"
	OutcomeRefused = "refused"
)

// The kinds of Actor.
const (
	ActorUser            = "user"
	ActorApplicationUser = "application_user"
	ActorOperator        = "operator" // somebody on the server's own machine
	ActorSystem          = "system"   // the server by itself
	ActorAnonymous       = "anonymous"
)

// AuditEvent is one change, or one refusal of a known credential. Texts that
// do not apply are empty.
type AuditEvent struct {
	EventID          int64           `json:"event_id"` // grows with time on one server
	CreateTime       time.Time       `json:"create_time"`
	Action           string          `json:"action"`  // lower case with underscores
	Outcome          string          `json:"outcome"` // OutcomeSuccess or OutcomeRefused
	Actor            Actor           `json:"actor"`
	CredentialPrefix string          `json:"credential_prefix"` // the first 12 characters of the token that was used
	OrganizationID   string          `json:"organization_id"`
	Target           Target          `json:"target"`
	ClientIP         string          `json:"client_ip"`
	RequestID        string          `json:"request_id"`
	DecisionID       string          `json:"decision_id"` // of a refusal
	Detail           json.RawMessage `json:"detail"`      // an object, mostly with "before" and "after"; null when there is none
}

// Actor is who did something.
type Actor struct {
	Kind string `json:"kind"` // ActorUser, ...
	ID   string `json:"id"`
	Name string `json:"name"` // e-mail address, or name of an application user
}

// Target is what something was done to.
type Target struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// AuditEventPage is the answer of GET
// /v1/organization/{organization_id}/audit-events, newest first.
type AuditEventPage struct {
	Events     []AuditEvent `json:"events"`      // never null
	NextCursor *string      `json:"next_cursor"` // of the following page; null on the last
}
