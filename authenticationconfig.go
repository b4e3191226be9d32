package sallyport

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// AuthenticationConfig is the authentication policy of an organization, GET
// /v1/organization/{organization_id}/config/authentication. The package
// policy says what each field does to a request.
type AuthenticationConfig struct {
	PasswordAuthEnabled   bool     `json:"password_auth_enabled"`
	TwoFactorRequired     bool     `json:"two_factor_required"` // for logins by password
	OAuthEnabled          bool     `json:"oauth_enabled"`
	OAuthProvidersAllowed []string `json:"oauth_providers_allowed"` // of "google", "microsoft", "github"; never null
	SAMLEnabled           bool     `json:"saml_enabled"`
	SAMLAllowExternal     bool     `json:"saml_allow_external"` // identity providers of other organizations count too
	PasskeyAuthEnabled    bool     `json:"passkey_auth_enabled"`

	PersonalTokensEnabled                  bool `json:"personal_tokens_enabled"`
	PersonalTokensManagedUsersEnabled      bool `json:"personal_tokens_managed_users_enabled"`
	PersonalTokensRequireAllowedAuthMethod bool `json:"personal_tokens_require_allowed_auth_method"`
	MCPEnabled                             bool `json:"mcp_enabled"`

	// The longest lifetimes, in seconds; null: the organization sets none.
	MaxPersonalTokenAgeSeconds    *int64 `json:"max_personal_token_age_seconds"`
	MaxApplicationTokenAgeSeconds *int64 `json:"max_application_token_age_seconds"`
	SessionMaxAgeSeconds          *int64 `json:"session_max_age_seconds"`
	SessionIdleSeconds            *int64 `json:"session_idle_seconds"`

	// AccessNotices says whether people are written to whom a change of the
	// organization keeps out. It is no part of the policy itself.
	AccessNotices bool `json:"access_notices"`
}

// AuthenticationConfigUpdate is the body of PATCH
// /v1/organization/{organization_id}/config/authentication. Fields that are
// nil, or OptionalSeconds that are zero, stay as they are.
type AuthenticationConfigUpdate struct {
	PasswordAuthEnabled   *bool    `json:"password_auth_enabled,omitzero"`
	TwoFactorRequired     *bool    `json:"two_factor_required,omitzero"`
	OAuthEnabled          *bool    `json:"oauth_enabled,omitzero"`
	OAuthProvidersAllowed []string `json:"oauth_providers_allowed,omitzero"` // nil: unchanged; empty: none
	SAMLEnabled           *bool    `json:"saml_enabled,omitzero"`
	SAMLAllowExternal     *bool    `json:"saml_allow_external,omitzero"`
	PasskeyAuthEnabled    *bool    `json:"passkey_auth_enabled,omitzero"`

	PersonalTokensEnabled                  *bool `json:"personal_tokens_enabled,omitzero"`
	PersonalTokensManagedUsersEnabled      *bool `json:"personal_tokens_managed_users_enabled,omitzero"`
	PersonalTokensRequireAllowedAuthMethod *bool `json:"personal_tokens_require_allowed_auth_method,omitzero"`
	MCPEnabled                             *bool `json:"mcp_enabled,omitzero"`

	MaxPersonalTokenAgeSeconds    OptionalSeconds `json:"max_personal_token_age_seconds,omitzero"`
	MaxApplicationTokenAgeSeconds OptionalSeconds `json:"max_application_token_age_seconds,omitzero"`
	SessionMaxAgeSeconds          OptionalSeconds `json:"session_max_age_seconds,omitzero"`
	SessionIdleSeconds            OptionalSeconds `json:"session_idle_seconds,omitzero"`

	AccessNotices *bool `json:"access_notices,omitzero"`

	// AcceptLockout lets a change pass under which the caller's own
	// credential would be refused.
	AcceptLockout bool `json:"accept_lockout,omitzero"`
	// ConfirmWithinSeconds makes the change undo itself unless it is confirmed
	// in time, from a minute to seven days; see Client.ConfirmChange.
	ConfirmWithinSeconds *int64 `json:"confirm_within_seconds,omitzero"`
}

// OptionalSeconds is a limit in an update, where leaving it alone and lifting
// it are two things. The zero value leaves it alone; see SetSeconds and
// NoLimit.
type OptionalSeconds struct {
	Set     bool   // the update names the limit
	Seconds *int64 // the new limit; nil: none
}

// SetSeconds sets a limit of n seconds.
func SetSeconds(n int64) OptionalSeconds { return OptionalSeconds{Set: true, Seconds: &n} }

// NoLimit lifts the limit.
func NoLimit() OptionalSeconds { return OptionalSeconds{Set: true} }

// IsZero reports whether the limit is left alone, so that it is omitted.
func (o OptionalSeconds) IsZero() bool { return !o.Set }

// MarshalJSON writes the number of seconds, or null for no limit.
func (o OptionalSeconds) MarshalJSON() ([]byte, error) { return json.Marshal(o.Seconds) }

// UnmarshalJSON reads a number of seconds or null. It is called only when the
// key is present, which is how Set is known.
func (o *OptionalSeconds) UnmarshalJSON(data []byte) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		*o = NoLimit()
		return nil
	}
	var n int64
	if err := json.Unmarshal(data, &n); err != nil {
		return fmt.Errorf("seconds must be a whole number or null: %w", err)
	}
	*o = SetSeconds(n)
	return nil
}

// AuthenticationConfig returns the authentication policy of an organization.
func (c *Client) AuthenticationConfig(ctx context.Context, organizationID string) (out AuthenticationConfig, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "config", "authentication"), nil, nil, &out)
	return out, err
}

// UpdateAuthenticationConfig changes it, from the next request on.
func (c *Client) UpdateAuthenticationConfig(ctx context.Context, organizationID string, in AuthenticationConfigUpdate) (out AuthenticationConfig, err error) {
	err = c.call(ctx, http.MethodPatch, organizationPath(organizationID, "config", "authentication"), nil, in, &out)
	return out, err
}
