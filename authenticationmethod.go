package sallyport

import (
	"context"
	"net/http"
	"time"
)

// AuthenticationMethod is an identity provider of an organization, or its one
// entry of the type internal, which stands for all other ways to log in.
type AuthenticationMethod struct {
	AccountID                   string `json:"account_id"`
	OrganizationID              string `json:"organization_id"`
	AuthenticationMethodID      string `json:"authentication_method_id"`
	AuthenticationMethodName    string `json:"authentication_method_name"` // at most 128 characters
	AuthenticationMethodType    string `json:"authentication_method_type"` // "internal", "saml" or "oidc"
	AuthenticationMethodEnabled bool   `json:"authentication_method_enabled"`
	State                       string `json:"state"` // "pending_configuration" or "active"

	AuthTokenMaxAgeSeconds  int64      `json:"auth_token_max_age_seconds"` // of the sessions that it makes
	AuthTokenExtendWhenUsed bool       `json:"auth_token_extend_when_used"`
	LinkedUserCount         int64      `json:"linked_user_count"`       // (+) people whom an identity there logs in
	LastLoginTime           *time.Time `json:"last_login_time"`         // (+) null: nobody logged in by it yet
	AutoJoinTeamID          *string    `json:"auto_join_team_id"`       // always null
	AutoJoinUserGroupID     *string    `json:"auto_join_user_group_id"` // null: none
	CreateTime              time.Time  `json:"create_time"`
	UpdateTime              time.Time  `json:"update_time"`
	DeleteTime              *time.Time `json:"delete_time"` // always null: deleted ones are not listed

	// Of providers of the type saml only.
	SAMLSettings
	SAMLAnswer

	// Of providers of the type oidc only; the compatible API has none of them.
	OIDCIssuer          string   `json:"oidc_issuer,omitzero"`
	OIDCClientID        string   `json:"oidc_client_id,omitzero"`
	OIDCClientSecretSet *bool    `json:"oidc_client_secret_set,omitzero"` // the secret itself is never answered
	OIDCScopes          []string `json:"oidc_scopes,omitzero"`
	OIDCTrustEmail      *bool    `json:"oidc_trust_email,omitzero"`  // addresses count without email_verified
	OIDCRedirectURL     string   `json:"oidc_redirect_url,omitzero"` // to register at the provider
	OIDCSignUpURL       string   `json:"oidc_signup_url,omitzero"`   // where people without an account make one with it
	OIDCLinkURL         string   `json:"oidc_link_url,omitzero"`     // where people link it to the account they have
}

// AuthenticationMethodList is the answer of GET
// /v1/account/{account_id}/authentication.
type AuthenticationMethodList struct {
	AuthenticationMethods []AuthenticationMethod `json:"authentication_methods"` // never null
}

// AuthenticationMethodAnswer wraps an AuthenticationMethod.
type AuthenticationMethodAnswer struct {
	AuthenticationMethod AuthenticationMethod `json:"authentication_method"`
}

// LinkedDomain names a domain of the organization.
type LinkedDomain struct {
	DomainID string `json:"domain_id"`
}

// CreateAuthenticationMethod is the body of POST on the same path. Without all
// that its type needs it makes a draft: issuer, client id and client secret, or
// the URL, entity id and certificate of a SAML provider.
type CreateAuthenticationMethod struct {
	AuthenticationMethodName string         `json:"authentication_method_name"`
	AuthenticationMethodType string         `json:"authentication_method_type"` // "saml" or "oidc"
	LinkedDomains            []LinkedDomain `json:"linked_domains,omitzero"`    // verified ones

	AuthTokenMaxAgeSeconds  *int64   `json:"auth_token_max_age_seconds,omitzero"` // 300 to 1296000; 36000 by default
	AuthTokenExtendWhenUsed *bool    `json:"auth_token_extend_when_used,omitzero"`
	AutoJoinUserGroupID     *string  `json:"auto_join_user_group_id,omitzero"`
	OIDCIssuer              *string  `json:"oidc_issuer,omitzero"`
	OIDCClientID            *string  `json:"oidc_client_id,omitzero"`
	OIDCClientSecret        *string  `json:"oidc_client_secret,omitzero"`
	OIDCScopes              []string `json:"oidc_scopes,omitzero"`
	OIDCTrustEmail          *bool    `json:"oidc_trust_email,omitzero"`

	SAMLSettings
	SAMLKeyAlgorithm string `json:"saml_key_algorithm,omitzero"` // (+) of our key, as SAMLKey; rsa-3072 by default
}

// UpdateAuthenticationMethod is the body of PUT on one method. What is unset
// stays as it is; an empty AutoJoinUserGroupID takes the group away.
type UpdateAuthenticationMethod struct {
	AuthenticationMethodName    *string  `json:"authentication_method_name,omitzero"`
	AuthenticationMethodEnabled *bool    `json:"authentication_method_enabled,omitzero"`
	AuthTokenMaxAgeSeconds      *int64   `json:"auth_token_max_age_seconds,omitzero"`
	AuthTokenExtendWhenUsed     *bool    `json:"auth_token_extend_when_used,omitzero"`
	AutoJoinUserGroupID         *string  `json:"auto_join_user_group_id,omitzero"`
	OIDCIssuer                  *string  `json:"oidc_issuer,omitzero"`
	OIDCClientID                *string  `json:"oidc_client_id,omitzero"`
	OIDCClientSecret            *string  `json:"oidc_client_secret,omitzero"`
	OIDCScopes                  []string `json:"oidc_scopes,omitzero"` // nil: unchanged
	OIDCTrustEmail              *bool    `json:"oidc_trust_email,omitzero"`
	// ConfirmWithinSeconds makes the change undo itself unless it is confirmed
	// in time; see Client.ConfirmChange.
	ConfirmWithinSeconds *int64 `json:"confirm_within_seconds,omitzero"`

	SAMLSettings
}

// LinkDomain is the body of PUT
// /v1/organization/{organization_id}/authentication-methods/{id}/domains.
type LinkDomain struct {
	DomainID string `json:"domain_id"`
	// ConfirmWithinSeconds makes the link undo itself unless it is confirmed in
	// time; see Client.ConfirmChange.
	ConfirmWithinSeconds *int64 `json:"confirm_within_seconds,omitzero"`
}

func authenticationPath(accountID string, more ...string) []string {
	return append([]string{"v1", "account", accountID, "authentication"}, more...)
}

// AuthenticationMethods returns the identity providers of an organization, by
// its root account, and the entry of the type internal.
func (c *Client) AuthenticationMethods(ctx context.Context, accountID string) ([]AuthenticationMethod, error) {
	var out AuthenticationMethodList
	err := c.call(ctx, http.MethodGet, authenticationPath(accountID), nil, nil, &out)
	return out.AuthenticationMethods, err
}

// AuthenticationMethod returns one of them.
func (c *Client) AuthenticationMethod(ctx context.Context, accountID, id string) (AuthenticationMethod, error) {
	var out AuthenticationMethodAnswer
	err := c.call(ctx, http.MethodGet, authenticationPath(accountID, id), nil, nil, &out)
	return out.AuthenticationMethod, err
}

// CreateAuthenticationMethod registers an identity provider.
func (c *Client) CreateAuthenticationMethod(ctx context.Context, accountID string, in CreateAuthenticationMethod) (AuthenticationMethod, error) {
	var out AuthenticationMethodAnswer
	err := c.call(ctx, http.MethodPost, authenticationPath(accountID), nil, in, &out)
	return out.AuthenticationMethod, err
}

// UpdateAuthenticationMethod changes what is set.
func (c *Client) UpdateAuthenticationMethod(ctx context.Context, accountID, id string, in UpdateAuthenticationMethod) (AuthenticationMethod, error) {
	var out AuthenticationMethodAnswer
	err := c.call(ctx, http.MethodPut, authenticationPath(accountID, id), nil, in, &out)
	return out.AuthenticationMethod, err
}

// DeleteAuthenticationMethod removes an identity provider, and ends the
// sessions and tokens that were made with it; with ConfirmWithin it is switched
// off until that is confirmed.
func (c *Client) DeleteAuthenticationMethod(ctx context.Context, accountID, id string, options ...ChangeOption) error {
	return c.call(ctx, http.MethodDelete, authenticationPath(accountID, id), changeQuery(options), nil, nil)
}

func methodDomainsPath(organizationID, id string, more ...string) []string {
	return organizationPath(organizationID, append([]string{"authentication-methods", id}, more...)...)
}

// TestAuthenticationMethod has the server ask the provider for its metadata.
func (c *Client) TestAuthenticationMethod(ctx context.Context, organizationID, id string) error {
	return c.call(ctx, http.MethodPost, methodDomainsPath(organizationID, id, "test"), nil, nil, nil)
}

// MethodDomains returns the domains that an identity provider is linked to.
func (c *Client) MethodDomains(ctx context.Context, organizationID, id string) ([]Domain, error) {
	var out DomainList
	err := c.call(ctx, http.MethodGet, methodDomainsPath(organizationID, id, "domains"), nil, nil, &out)
	return out.Domains, err
}

// LinkMethodDomain links one more verified domain.
func (c *Client) LinkMethodDomain(ctx context.Context, organizationID, id, domainID string, options ...ChangeOption) error {
	in := LinkDomain{DomainID: domainID, ConfirmWithinSeconds: changeOf(options).confirm}
	return c.call(ctx, http.MethodPut, methodDomainsPath(organizationID, id, "domains"), nil, in, nil)
}

// UnlinkMethodDomain takes a link away.
func (c *Client) UnlinkMethodDomain(ctx context.Context, organizationID, id, domainID string, options ...ChangeOption) error {
	return c.call(ctx, http.MethodDelete, methodDomainsPath(organizationID, id, "domains", domainID), changeQuery(options), nil, nil)
}
