package sallyport

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// AccountEvent is an audit event in the form of GET
// /v1/account/{account_id}/events, newest first.
type AccountEvent struct {
	LogEntryID        int64     `json:"log_entry_id"`
	CreateTime        time.Time `json:"create_time"`
	Actor             string    `json:"actor"`
	ActorUserID       *string   `json:"actor_user_id"` // null when nobody's
	ActionType        string    `json:"action_type"`   // lower case with underscores
	ActionDescription string    `json:"action_description"`
	AccountID         string    `json:"account_id"`
	TeamID            *string   `json:"team_id"` // always null
}

// AccountEventList is the answer of GET /v1/account/{account_id}/events.
type AccountEventList struct {
	Events []AccountEvent `json:"events"` // never null
}

// ProjectEvent is an audit event in the form of GET
// /v1/project/{project}/events, newest first.
type ProjectEvent struct {
	ID          string    `json:"id"` // at most 40 characters
	Time        time.Time `json:"time"`
	Actor       string    `json:"actor"`
	EventType   string    `json:"event_type"`
	ServiceName string    `json:"service_name"` // always empty
	EventDesc   string    `json:"event_desc"`
}

// ProjectEventList is the answer of GET /v1/project/{project}/events.
type ProjectEventList struct {
	Events []ProjectEvent `json:"events"` // never null
}

// AccountEvents returns the events of an organization (by its root account)
// or a unit.
func (c *Client) AccountEvents(ctx context.Context, accountID string) ([]AccountEvent, error) {
	var out AccountEventList
	err := c.call(ctx, http.MethodGet, []string{"v1", "account", accountID, "events"}, nil, nil, &out)
	return out.Events, err
}

// ProjectEvents returns at most limit events of a project.
func (c *Client) ProjectEvents(ctx context.Context, project string, limit int) ([]ProjectEvent, error) {
	var out ProjectEventList
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	err := c.call(ctx, http.MethodGet, []string{"v1", "project", project, "events"}, query, nil, &out)
	return out.Events, err
}
