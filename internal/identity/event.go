package identity

import (
	"encoding/json"
	"net/netip"
	"time"
)

// Kinds of actor.
const (
	ActorUser            = "user"
	ActorApplicationUser = "application_user"
	ActorOperator        = "operator" // somebody at the server's own command line
	ActorSystem          = "system"   // background work
	ActorAnonymous       = "anonymous"
)

// Actor is who does something, through which credential, from where.
type Actor struct {
	Kind       string
	ID         string
	Name       string // e-mail address, or an application user's name
	Credential string // prefix of the credential, never more of it
	Client     netip.Addr
	RequestID  string
}

// Target is what something was done to.
type Target struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Outcomes of an event.
const (
	Success = "success"
	Refused = "refused"
)

// Event is one entry of the audit log. Entries are append-only and chained by
// hash within one chain (an organization, or a user).
type Event struct {
	ID             int64
	Chain          string
	ChainSeq       int64
	Hash           string
	At             time.Time
	Action         string // lower case with underscores: token_created
	Outcome        string
	Actor          Actor
	OrganizationID string
	AccountID      string // the unit or root account concerned
	Project        string
	Target         Target
	DecisionID     string
	// Description is one sentence for people.
	Description string
	// Detail holds before and after, or the reasons of a refusal; no secrets.
	Detail json.RawMessage
}
