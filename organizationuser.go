package sallyport

import (
	"context"
	"net/http"
	"time"
)

// OrganizationUser is a member of an organization: a user, or an application
// user.
type OrganizationUser struct {
	UserID           string     `json:"user_id"`
	IsSuperAdmin     bool       `json:"is_super_admin"`
	JoinTime         time.Time  `json:"join_time"`
	LastActivityTime *time.Time `json:"last_activity_time"` // null when never active
	UserInfo         UserInfo   `json:"user_info"`
}

// UserInfo is what the members of an organization see of one another.
type UserInfo struct {
	UserEmail              string    `json:"user_email"`
	RealName               string    `json:"real_name"`
	State                  string    `json:"state"` // "active", "deactivated" or "deleted"
	IsApplicationUser      bool      `json:"is_application_user"`
	ManagedBySCIM          bool      `json:"managed_by_scim"`
	CreateTime             time.Time `json:"create_time"`
	ManagingOrganizationID *string   `json:"managing_organization_id"` // null unless a managed user
	City                   *string   `json:"city"`
	Country                *string   `json:"country"`
	Department             *string   `json:"department"`
	JobTitle               *string   `json:"job_title"`
}

// OrganizationUserList is the answer of GET
// /v1/organization/{organization_id}/user.
type OrganizationUserList struct {
	Users []OrganizationUser `json:"users"` // never null
}

// UpdateOrganizationUser is the body of PATCH
// /v1/organization/{organization_id}/user/{member_user_id}. Unset fields stay
// as they are.
type UpdateOrganizationUser struct {
	IsSuperAdmin *bool   `json:"is_super_admin,omitzero"`
	State        *string `json:"state,omitzero"`     // "active", "deactivated" or "deleted"; managed users only
	RealName     *string `json:"real_name,omitzero"` // at most 256 characters; managed users only, as the rest
	City         *string `json:"city,omitzero"`
	Country      *string `json:"country,omitzero"`
	Department   *string `json:"department,omitzero"`
	JobTitle     *string `json:"job_title,omitzero"`
}

// MemberToken is a token of a member as an organization admin sees it.
type MemberToken struct {
	TokenPrefix   string     `json:"token_prefix"`
	Description   *string    `json:"description"`
	IPAllowlist   []string   `json:"ip_allowlist"` // never null; empty: no restriction
	LastIP        *string    `json:"last_ip"`
	LastUsedTime  *time.Time `json:"last_used_time"`
	LastUserAgent *string    `json:"last_user_agent"`
	// State says of a personal token whether the organization accepts it now,
	// TokenActive or TokenAsleep, and Asleep why not. Absent for sessions.
	State  string       `json:"state,omitzero"`
	Asleep []TokenSleep `json:"asleep,omitzero"`
}

// MemberTokenList is the answer of GET
// /v1/organization/{organization_id}/user/{member_user_id}/access-tokens.
type MemberTokenList struct {
	Tokens []MemberToken `json:"tokens"` // never null
}

// MemberAuthMethod is a way in which a member may log in, as an organization
// admin sees it.
type MemberAuthMethod struct {
	RemoteProviderID string     `json:"remote_provider_id"`
	MethodID         string     `json:"method_id,omitzero"`
	LocalProviderID  string     `json:"local_provider_id,omitzero"`
	OrganizationID   string     `json:"organization_id,omitzero"`
	UserID           string     `json:"user_id,omitzero"`
	UserEmail        string     `json:"user_email,omitzero"`
	Name             string     `json:"name,omitzero"`
	Type             string     `json:"type,omitzero"`
	LastUsedTime     *time.Time `json:"last_used_time"`
	IsEnabled2FA     bool       `json:"is_enabled_2fa"`
}

// MemberAuthMethodList is the answer of GET
// /v1/organization/{organization_id}/user/{member_user_id}/authentication_methods.
type MemberAuthMethodList struct {
	AuthenticationMethods []MemberAuthMethod `json:"authentication_methods"` // never null
}

// OrganizationUsers returns the members of an organization, application users
// included.
func (c *Client) OrganizationUsers(ctx context.Context, organizationID string) ([]OrganizationUser, error) {
	var out OrganizationUserList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "user"), nil, nil, &out)
	return out.Users, err
}

// OrganizationUser returns one member.
func (c *Client) OrganizationUser(ctx context.Context, organizationID, userID string) (out OrganizationUser, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "user", userID), nil, nil, &out)
	return out, err
}

// UpdateOrganizationUser changes a member.
func (c *Client) UpdateOrganizationUser(ctx context.Context, organizationID, userID string, in UpdateOrganizationUser) (out OrganizationUser, err error) {
	err = c.call(ctx, http.MethodPatch, organizationPath(organizationID, "user", userID), nil, in, &out)
	return out, err
}

// RemoveOrganizationUser ends a membership.
func (c *Client) RemoveOrganizationUser(ctx context.Context, organizationID, userID string) error {
	return c.call(ctx, http.MethodDelete, organizationPath(organizationID, "user", userID), nil, nil, nil)
}

// MemberAuthMethods returns the ways in which a member may log in.
func (c *Client) MemberAuthMethods(ctx context.Context, organizationID, userID string) ([]MemberAuthMethod, error) {
	var out MemberAuthMethodList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "user", userID, "authentication_methods"), nil, nil, &out)
	return out.AuthenticationMethods, err
}

// RemoveMemberAuthMethod takes a linked identity or a passkey of a managed user
// away, by its MethodID. It takes a session of the last 10 minutes.
func (c *Client) RemoveMemberAuthMethod(ctx context.Context, organizationID, userID, methodID string) error {
	return c.call(ctx, http.MethodDelete, organizationPath(organizationID, "user", userID, "authentication_methods", methodID), nil, nil, nil)
}

// ResetMemberSecondFactor clears all second factors of a managed user and ends
// their sessions. It takes a session of the last 10 minutes.
func (c *Client) ResetMemberSecondFactor(ctx context.Context, organizationID, userID string) error {
	return c.call(ctx, http.MethodPost, organizationPath(organizationID, "user", userID, "reset_second_factor"), nil, nil, nil)
}

// ResetMemberPassword sends a managed user a link to set a new password.
func (c *Client) ResetMemberPassword(ctx context.Context, organizationID, userID string) error {
	return c.call(ctx, http.MethodPost, organizationPath(organizationID, "user", userID, "reset_password"), nil, nil, nil)
}

// MemberTokens returns the tokens of a member.
func (c *Client) MemberTokens(ctx context.Context, organizationID, userID string) ([]MemberToken, error) {
	var out MemberTokenList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "user", userID, "access-tokens"), nil, nil, &out)
	return out.Tokens, err
}

// RevokeMemberToken ends a token of a managed user. The path says
// "access-token" where that of the list says "access-tokens".
func (c *Client) RevokeMemberToken(ctx context.Context, organizationID, userID, prefix string) error {
	return c.call(ctx, http.MethodDelete, organizationPath(organizationID, "user", userID, "access-token", tokenPrefix(prefix)), nil, nil, nil)
}
