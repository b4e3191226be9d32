package sallyport

import (
	"context"
	"net/http"
	"time"
)

// ApplicationUser is a member of one organization for programs: it has tokens
// and cannot log in.
type ApplicationUser struct {
	UserID       string    `json:"user_id"`
	Name         string    `json:"name"`
	UserEmail    string    `json:"user_email"`     // made by the server, receives no mail
	IsSuperAdmin bool      `json:"is_super_admin"` // always false
	CreateTime   time.Time `json:"create_time"`
}

// ApplicationUserList is the answer of GET
// /v1/organization/{organization_id}/application-users.
type ApplicationUserList struct {
	ApplicationUsers []ApplicationUser `json:"application_users"` // never null
}

// ApplicationUserRequest is the body that creates (POST) and renames (PATCH)
// an application user.
type ApplicationUserRequest struct {
	Name string `json:"name"`
	// IsSuperAdmin may be false; true is refused.
	IsSuperAdmin *bool `json:"is_super_admin,omitzero"`
}

// CreatedApplicationToken is the answer that creates a token of an
// application user. The request is CreateToken, the list TokenList.
type CreatedApplicationToken struct {
	FullToken   string `json:"full_token"` // shown once, never again
	TokenPrefix string `json:"token_prefix"`
}

// ApplicationUsers returns the application users of an organization.
func (c *Client) ApplicationUsers(ctx context.Context, organizationID string) ([]ApplicationUser, error) {
	var out ApplicationUserList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "application-users"), nil, nil, &out)
	return out.ApplicationUsers, err
}

// ApplicationUser returns one application user.
func (c *Client) ApplicationUser(ctx context.Context, organizationID, userID string) (out ApplicationUser, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "application-users", userID), nil, nil, &out)
	return out, err
}

// CreateApplicationUser creates an application user.
func (c *Client) CreateApplicationUser(ctx context.Context, organizationID string, in ApplicationUserRequest) (out ApplicationUser, err error) {
	err = c.call(ctx, http.MethodPost, organizationPath(organizationID, "application-users"), nil, in, &out)
	return out, err
}

// UpdateApplicationUser renames an application user.
func (c *Client) UpdateApplicationUser(ctx context.Context, organizationID, userID string, in ApplicationUserRequest) (out ApplicationUser, err error) {
	err = c.call(ctx, http.MethodPatch, organizationPath(organizationID, "application-users", userID), nil, in, &out)
	return out, err
}

// DeleteApplicationUser deletes an application user and all its tokens.
func (c *Client) DeleteApplicationUser(ctx context.Context, organizationID, userID string) error {
	return c.call(ctx, http.MethodDelete, organizationPath(organizationID, "application-users", userID), nil, nil, nil)
}

// ApplicationTokens returns the tokens of an application user.
func (c *Client) ApplicationTokens(ctx context.Context, organizationID, userID string) ([]Token, error) {
	var out TokenList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "application-users", userID, "access-tokens"), nil, nil, &out)
	return out.Tokens, err
}

// CreateApplicationToken makes a token of an application user. Its full form
// is in this answer only.
func (c *Client) CreateApplicationToken(ctx context.Context, organizationID, userID string, in CreateToken) (out CreatedApplicationToken, err error) {
	err = c.call(ctx, http.MethodPost, organizationPath(organizationID, "application-users", userID, "access-tokens"), nil, in, &out)
	return out, err
}

// RevokeApplicationToken ends a token of an application user, named by its
// prefix or whole.
func (c *Client) RevokeApplicationToken(ctx context.Context, organizationID, userID, prefix string) error {
	return c.call(ctx, http.MethodDelete, organizationPath(organizationID, "application-users", userID, "access-tokens", tokenPrefix(prefix)), nil, nil, nil)
}
