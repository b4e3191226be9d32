package sallyport

import (
	"context"
	"net/http"
	"time"
)

// Session is one login of the caller that has not ended.
type Session struct {
	SessionID string `json:"session_id"` // names it, and opens nothing
	// Method is how its owner logged in: "password", "passkey", "google",
	// "microsoft", "github", "saml" or "oidc".
	Method          string     `json:"method"`
	SecondFactor    bool       `json:"second_factor"` // whether the login used one
	CurrentlyActive bool       `json:"currently_active"`
	CreateTime      time.Time  `json:"create_time"`
	ExpiryTime      *time.Time `json:"expiry_time"`    // unless it is used before, where extend_when_used
	EndTime         *time.Time `json:"end_time"`       // no use moves this
	LastUsedTime    *time.Time `json:"last_used_time"` // null: not used yet
	ExtendWhenUsed  bool       `json:"extend_when_used"`
	LastIP          *string    `json:"last_ip"`
	LastUserAgent   *string    `json:"last_user_agent"`
	// LastUserAgentHumanReadable is null for a program that is not recognised.
	LastUserAgentHumanReadable *string `json:"last_user_agent_human_readable"`
}

// SessionList is the answer of GET /v1/me/sessions, newest first.
type SessionList struct {
	Sessions []Session `json:"sessions"`
}

// EndedSessions is the answer of DELETE /v1/me/sessions.
type EndedSessions struct {
	EndedSessions int64 `json:"ended_sessions"`
}

// Sessions returns the caller's sessions.
func (c *Client) Sessions(ctx context.Context) ([]Session, error) {
	var out SessionList
	err := c.call(ctx, http.MethodGet, []string{"v1", "me", "sessions"}, nil, nil, &out)
	return out.Sessions, err
}

// EndSession ends one of the caller's sessions, which may be that of this
// client.
func (c *Client) EndSession(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, []string{"v1", "me", "sessions", id}, nil, nil, nil)
}

// EndOtherSessions ends all of the caller's sessions but that of this client,
// and returns how many it ended.
func (c *Client) EndOtherSessions(ctx context.Context) (int64, error) {
	var out EndedSessions
	err := c.call(ctx, http.MethodDelete, []string{"v1", "me", "sessions"}, nil, nil, &out)
	return out.EndedSessions, err
}
