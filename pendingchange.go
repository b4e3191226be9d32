package sallyport

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// PendingChange is a change that is in force, and undoes itself at its deadline
// unless it is confirmed.
type PendingChange struct {
	PendingChangeID string `json:"pending_change_id"`
	// Kind is "authentication_policy", "ip_allowlist", "pilot_promotion",
	// "identity_provider", "identity_provider_removal",
	// "identity_provider_domain" or "domain_removal".
	Kind        string    `json:"kind"`
	Description string    `json:"description"` // what was done, in words
	CreatedBy   string    `json:"created_by"`
	CreateTime  time.Time `json:"create_time"`
	Deadline    time.Time `json:"deadline"`
}

// PendingChangeAnswer is the answer of GET
// /v1/organization/{organization_id}/config/authentication/pending.
type PendingChangeAnswer struct {
	PendingChange *PendingChange `json:"pending_change"` // null: none waits
}

// ChangeOption says how a change is made that has no body.
type ChangeOption func(*changeOptions)

type changeOptions struct {
	confirm *int64
	accept  bool
}

// ConfirmWithin makes a change undo itself unless Client.ConfirmChange comes in
// time: from a minute to seven days.
func ConfirmWithin(d time.Duration) ChangeOption {
	seconds := int64(d / time.Second)
	return func(o *changeOptions) { o.confirm = &seconds }
}

// AcceptLockout makes a change even if it locks the caller out, where a change
// knows that.
func AcceptLockout() ChangeOption {
	return func(o *changeOptions) { o.accept = true }
}

func changeOf(options []ChangeOption) (o changeOptions) {
	for _, option := range options {
		option(&o)
	}
	return o
}

func changeQuery(options []ChangeOption) url.Values {
	o, query := changeOf(options), url.Values{}
	if o.confirm != nil {
		query.Set("confirm_within_seconds", strconv.FormatInt(*o.confirm, 10))
	}
	if o.accept {
		query.Set("accept_lockout", "true")
	}
	return query
}

// PendingChange returns the change of an organization that waits for its
// confirmation; nil when none does.
func (c *Client) PendingChange(ctx context.Context, organizationID string) (*PendingChange, error) {
	var out PendingChangeAnswer
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "config", "authentication", "pending"), nil, nil, &out)
	return out.PendingChange, err
}

// ConfirmChange keeps the change that waits. The credential of this call must be
// accepted under it, which is what makes the confirmation worth something.
func (c *Client) ConfirmChange(ctx context.Context, organizationID string) error {
	return c.call(ctx, http.MethodPost, organizationPath(organizationID, "config", "authentication", "confirm"), nil, nil, nil)
}

// RevertChange undoes the change that waits, before its deadline.
func (c *Client) RevertChange(ctx context.Context, organizationID string) error {
	return c.call(ctx, http.MethodPost, organizationPath(organizationID, "config", "authentication", "revert"), nil, nil, nil)
}
