package sallyport

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// AccessPreview is the body of POST
// /v1/organization/{organization_id}/config/authentication/preview: that of a
// change of the policy, with the fields of the address ranges beside it. Or it
// has Change alone.
type AccessPreview struct {
	AuthenticationConfigUpdate
	APIClientIPAllowlist        []string          `json:"api_client_ip_allowlist,omitzero"` // nil: unchanged; empty: none
	APIClientIPAllowlistEnabled *bool             `json:"api_client_ip_allowlist_enabled,omitzero"`
	Descriptions                map[string]string `json:"api_client_ip_allowlist_descriptions,omitzero"`
	AcceptAllAddresses          bool              `json:"accept_all_addresses,omitzero"` // changes nothing here

	Change *PreviewedChange `json:"change,omitzero"`
}

// PreviewedChange is a change of something else than the policy: kind
// "identity_provider" with action "disable" or "delete", "domain" with
// "remove", "user" with "remove" or "deactivate", "user_group" with
// "delete" or "revoke_permissions" (all that it holds on the organization).
type PreviewedChange struct {
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	Action string `json:"action"`
}

// AccessImpact is what a change would do to who gets in. Each credential is
// judged at the address of its last use; one that was never used at an address
// that is allowed. One made at another organization's identity provider is judged
// as new and from an allowed address; it is counted, and the lists do not name
// it.
type AccessImpact struct {
	AdminHasAccess   bool           `json:"admin_has_access"`   // an admin can log in now
	AdminKeepsAccess bool           `json:"admin_keeps_access"` // an admin can log in after the change
	RemainingAdmins  []AffectedUser `json:"remaining_admins"`   // who they are then; never null
	// RecentUsesRefused counts the credentials whose last use would have been
	// refused after the change.
	RecentUsesRefused RecentUses     `json:"recent_uses_refused"`
	Loses             AffectedAccess `json:"loses"`
	Regains           AffectedAccess `json:"regains"`
}

// RecentUses counts uses by how long ago they were.
type RecentUses struct {
	LastSevenDays  int `json:"last_7_days"`
	LastThirtyDays int `json:"last_30_days"`
}

// AffectedAccess are those whose access a change takes or gives back. People
// lose it when they had a way to log in or a credential that is accepted, and
// keep none.
type AffectedAccess struct {
	Users             AffectedUsers  `json:"users"`
	Sessions          AffectedTokens `json:"sessions"`
	PersonalTokens    AffectedTokens `json:"personal_tokens"`
	ApplicationTokens AffectedTokens `json:"application_tokens"`
}

// AffectedUsers are one page of people, by address.
type AffectedUsers struct {
	Total int            `json:"total"`
	Users []AffectedUser `json:"users"` // never null
}

// AffectedTokens are one page of credentials, by their owners' addresses.
type AffectedTokens struct {
	Total  int             `json:"total"`
	Tokens []AffectedToken `json:"tokens"` // never null
}

// AffectedUser is a person.
type AffectedUser struct {
	UserID    string `json:"user_id"`
	UserEmail string `json:"user_email"`
	RealName  string `json:"real_name"`
	IsAdmin   bool   `json:"is_admin"`
	// Reasons are why they are refused: after the change where access is lost,
	// before it where it comes back. Never null; empty for who is not refused.
	Reasons []DecisionReason `json:"reasons"`
	Remedy  string           `json:"remedy,omitzero"` // what they can do
}

// AffectedToken is a credential.
type AffectedToken struct {
	TokenPrefix  string           `json:"token_prefix"`
	UserID       string           `json:"user_id"`
	UserEmail    string           `json:"user_email"`
	RealName     string           `json:"real_name"`
	LastUsedTime *time.Time       `json:"last_used_time"` // null: never
	LastIP       string           `json:"last_ip,omitzero"`
	Reasons      []DecisionReason `json:"reasons"` // as of AffectedUser
	Remedy       string           `json:"remedy,omitzero"`
}

// PreviewAccess says what a change would do to who gets in, and changes
// nothing. limit and offset cut each of its lists; a limit of 0 is that of the
// server, 100.
func (c *Client) PreviewAccess(ctx context.Context, organizationID string, in AccessPreview, limit, offset int) (out AccessImpact, err error) {
	query := url.Values{}
	for name, n := range map[string]int{"limit": limit, "offset": offset} {
		if n > 0 {
			query.Set(name, strconv.Itoa(n))
		}
	}
	err = c.call(ctx, http.MethodPost, organizationPath(organizationID, "config", "authentication", "preview"), query, in, &out)
	return out, err
}
