package sallyport

import (
	"context"
	"net/http"
)

// IPAllowlist is the address ranges an organization may be reached from, GET
// /v1/organization/{organization_id}/config/api-client-ip-allowlist. While it
// is not enabled it is stored and not applied.
type IPAllowlist struct {
	APIClientIPAllowlist        []string `json:"api_client_ip_allowlist"` // IPv4 or IPv6 CIDR; never null
	APIClientIPAllowlistEnabled bool     `json:"api_client_ip_allowlist_enabled"`
	// Descriptions maps a CIDR of the list to the words its author gave it.
	Descriptions map[string]string `json:"api_client_ip_allowlist_descriptions,omitzero"`
}

// IPAllowlistUpdate is the body of PUT on the same path; it replaces all.
type IPAllowlistUpdate struct {
	APIClientIPAllowlist        []string          `json:"api_client_ip_allowlist"`         // required, may be empty
	APIClientIPAllowlistEnabled *bool             `json:"api_client_ip_allowlist_enabled"` // required
	Descriptions                map[string]string `json:"api_client_ip_allowlist_descriptions,omitzero"`

	// AcceptLockout lets a list pass that excludes the caller's own address.
	AcceptLockout bool `json:"accept_lockout,omitzero"`
	// AcceptAllAddresses lets a list pass that contains every address, such
	// as 0.0.0.0/0, which is most often a mistake.
	AcceptAllAddresses bool `json:"accept_all_addresses,omitzero"`
	// ConfirmWithinSeconds makes the change undo itself unless it is confirmed
	// in time; see Client.ConfirmChange.
	ConfirmWithinSeconds *int64 `json:"confirm_within_seconds,omitzero"`
}

// IPAllowlist returns the address ranges of an organization.
func (c *Client) IPAllowlist(ctx context.Context, organizationID string) (out IPAllowlist, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "config", "api-client-ip-allowlist"), nil, nil, &out)
	return out, err
}

// SetIPAllowlist replaces them, from the next request on.
func (c *Client) SetIPAllowlist(ctx context.Context, organizationID string, in IPAllowlistUpdate) error {
	return c.call(ctx, http.MethodPut, organizationPath(organizationID, "config", "api-client-ip-allowlist"), nil, in, nil)
}
