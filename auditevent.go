package sallyport

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
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

// AuditFilter chooses audit events. Zero fields choose all.
type AuditFilter struct {
	Actor  string // id or name
	Target string // id or name
	Action string
	Since  time.Time // not before
	Until  time.Time // before
	Limit  int       // at most this many in one page; 0: the server's default
	Cursor string    // AuditEventPage.NextCursor of the page before
}

// AuditEvents returns one page of an organization's audit events, newest
// first.
func (c *Client) AuditEvents(ctx context.Context, organizationID string, filter AuditFilter) (out AuditEventPage, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "audit-events"), filter.query(), nil, &out)
	return out, err
}

func (f AuditFilter) query() url.Values {
	q := url.Values{}
	for key, value := range map[string]string{
		"actor": f.Actor, "target": f.Target, "action": f.Action, "cursor": f.Cursor,
	} {
		if value != "" {
			q.Set(key, value)
		}
	}
	for key, value := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !value.IsZero() {
			q.Set(key, value.UTC().Format(time.RFC3339Nano))
		}
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return q
}
