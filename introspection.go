package sallyport

import (
	"context"
	"net/http"
	"net/url"
)

// IntrospectionRequest is the form of POST /oauth2/introspect (RFC 7662
// section 2.1).
type IntrospectionRequest struct {
	Token string
	// OrganizationID is the organization being accessed; empty: that of the
	// asking application user.
	OrganizationID string
	// ClientIP is the address of the token's bearer, as the asking service
	// saw it; empty: an unknown address, which no address range contains.
	ClientIP string
}

// Introspection is the answer of POST /oauth2/introspect (RFC 7662 section
// 2.2). When Active is false nothing else is set, but ErrorCode and
// DecisionID where the token itself is genuine.
type Introspection struct {
	Active         bool     `json:"active"`
	Sub            string   `json:"sub,omitzero"`        // user id
	Username       string   `json:"username,omitzero"`   // e-mail address, or name of an application user
	TokenType      string   `json:"token_type,omitzero"` // "session", "personal_token", "application_token" or "scim_token"
	OrganizationID string   `json:"organization_id,omitzero"`
	Exp            int64    `json:"exp,omitzero"`    // seconds since 1970; absent: never expires
	Iat            int64    `json:"iat,omitzero"`    // seconds since 1970
	Scope          *string  `json:"scope,omitzero"`  // separated by spaces; empty: everything the owner may do
	Groups         []string `json:"groups,omitzero"` // group names
	Roles          []string `json:"roles,omitzero"`  // roles and permissions on the organization
	AMR            []string `json:"amr,omitzero"`    // RFC 8176: how the owner logged in; empty for application users
	Managed        *bool    `json:"managed,omitzero"`
	ErrorCode      string   `json:"error_code,omitzero"`
	DecisionID     string   `json:"decision_id,omitzero"`
}

// Introspect asks what a token that somebody presented is worth (RFC 7662).
// The token of this client must be an application token that holds
// organization:tokens:introspect.
func (c *Client) Introspect(ctx context.Context, in IntrospectionRequest) (out Introspection, err error) {
	form := url.Values{"token": {in.Token}}
	if in.OrganizationID != "" {
		form.Set("organization_id", in.OrganizationID)
	}
	if in.ClientIP != "" {
		form.Set("client_ip", in.ClientIP)
	}
	_, err = c.do(ctx, request{
		method: http.MethodPost, path: "/oauth2/introspect",
		body: []byte(form.Encode()), contentType: "application/x-www-form-urlencoded",
	}, &out)
	return out, err
}
