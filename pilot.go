package sallyport

import (
	"context"
	"net/http"
	"time"
)

// PilotPolicy are the fields of the policy, ranges included, that a pilot sets.
// What is nil it leaves to the organization's policy.
type PilotPolicy struct {
	AuthenticationConfigUpdate
	APIClientIPAllowlist        []string          `json:"api_client_ip_allowlist,omitzero"`
	APIClientIPAllowlistEnabled *bool             `json:"api_client_ip_allowlist_enabled,omitzero"`
	Descriptions                map[string]string `json:"api_client_ip_allowlist_descriptions,omitzero"`
}

// Pilot sets fields of an organization's policy for some people first. Of
// several that hold a person the one counts that names them before one that
// names a group of theirs, and then the oldest.
type Pilot struct {
	PilotID    string    `json:"pilot_id"`
	Name       string    `json:"name"`
	Users      []string  `json:"users"`       // ids of members; never null
	UserGroups []string  `json:"user_groups"` // never null
	CreatedBy  string    `json:"created_by"`
	CreateTime time.Time `json:"create_time"`
	UpdateTime time.Time `json:"update_time"`
	PilotPolicy
}

// PilotList is the answer of GET
// /v1/organization/{organization_id}/config/authentication/pilots.
type PilotList struct {
	Pilots []Pilot `json:"pilots"` // oldest first; never null
}

// PilotChange is the body of POST on the same path, and of PATCH on one pilot,
// where what is unset stays.
type PilotChange struct {
	Name       *string  `json:"name,omitzero"`
	Users      []string `json:"users,omitzero"`       // ids of members
	UserGroups []string `json:"user_groups,omitzero"` // nil: unchanged, or none
	// Unset names fields that the pilot is to leave to the organization's policy
	// again; only of PATCH.
	Unset []string `json:"unset,omitzero"`
	PilotPolicy
	AcceptAllAddresses bool `json:"accept_all_addresses,omitzero"`
}

// PromotePilot is the body of POST …/pilots/{pilot_id}/promote.
type PromotePilot struct {
	AcceptLockout        bool   `json:"accept_lockout,omitzero"`
	AcceptAllAddresses   bool   `json:"accept_all_addresses,omitzero"`
	ConfirmWithinSeconds *int64 `json:"confirm_within_seconds,omitzero"`
}

// PilotReport is the answer of GET …/pilots/{pilot_id}/report.
type PilotReport struct {
	PilotID   string        `json:"pilot_id"`
	LockedOut int           `json:"locked_out"` // people who do not get in
	Overruled int           `json:"overruled"`  // people whom it names, and whom another pilot holds
	People    []PilotPerson `json:"people"`     // whom it holds; never null
}

// PilotPerson is how somebody fares whom a pilot holds.
type PilotPerson struct {
	UserID            string `json:"user_id"`
	UserEmail         string `json:"user_email"`
	RealName          string `json:"real_name"`
	IsApplicationUser bool   `json:"is_application_user"`
	// GetsIn says that a way to log in that they have set up, or a live
	// credential, is accepted. Reasons are the error codes that refuse where
	// none is; empty: there is nothing to get in with.
	GetsIn   bool            `json:"gets_in"`
	Reasons  []string        `json:"reasons"` // never null
	LastUsed *time.Time      `json:"last_used"`
	Refused  []PilotRefusals `json:"refused"` // since the pilot began; never null
}

// PilotRefusals is how often one reason refused somebody: at most once a minute
// for each credential.
type PilotRefusals struct {
	ErrorCode string `json:"error_code"`
	Count     int    `json:"count"`
}

// PilotReport says how the people of a pilot fare.
func (c *Client) PilotReport(ctx context.Context, organizationID, pilotID string) (out PilotReport, err error) {
	err = c.call(ctx, http.MethodGet, pilotsPath(organizationID, pilotID, "report"), nil, nil, &out)
	return out, err
}

func pilotsPath(organizationID string, more ...string) []string {
	return organizationPath(organizationID, append([]string{"config", "authentication", "pilots"}, more...)...)
}

// Pilots returns the pilots of an organization.
func (c *Client) Pilots(ctx context.Context, organizationID string) ([]Pilot, error) {
	var out PilotList
	err := c.call(ctx, http.MethodGet, pilotsPath(organizationID), nil, nil, &out)
	return out.Pilots, err
}

// Pilot returns one of them.
func (c *Client) Pilot(ctx context.Context, organizationID, pilotID string) (out Pilot, err error) {
	err = c.call(ctx, http.MethodGet, pilotsPath(organizationID, pilotID), nil, nil, &out)
	return out, err
}

// CreatePilot begins a pilot, from the next request on.
func (c *Client) CreatePilot(ctx context.Context, organizationID string, in PilotChange) (out Pilot, err error) {
	err = c.call(ctx, http.MethodPost, pilotsPath(organizationID), nil, in, &out)
	return out, err
}

// UpdatePilot changes a pilot.
func (c *Client) UpdatePilot(ctx context.Context, organizationID, pilotID string, in PilotChange) (out Pilot, err error) {
	err = c.call(ctx, http.MethodPatch, pilotsPath(organizationID, pilotID), nil, in, &out)
	return out, err
}

// DropPilot ends a pilot: its people meet the organization's policy again.
func (c *Client) DropPilot(ctx context.Context, organizationID, pilotID string, options ...ChangeOption) error {
	return c.call(ctx, http.MethodDelete, pilotsPath(organizationID, pilotID), changeQuery(options), nil, nil)
}

// PromotePilot makes what a pilot sets the policy of everybody, and ends the
// pilot. It returns the policy after that.
func (c *Client) PromotePilot(ctx context.Context, organizationID, pilotID string, in PromotePilot) (out AuthenticationConfig, err error) {
	err = c.call(ctx, http.MethodPost, pilotsPath(organizationID, pilotID, "promote"), nil, in, &out)
	return out, err
}
