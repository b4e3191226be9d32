package sallyport

import (
	"context"
	"net/http"
	"time"
)

// User is the caller as GET /v1/me shows them.
type User struct {
	Email    string   `json:"user"` // the e-mail address; the key is the compatible API's
	UserID   string   `json:"user_id"`
	RealName string   `json:"real_name"` // at most 256 characters
	State    string   `json:"state"`     // "active", "deactivated" or "deleted"
	Tenant   string   `json:"tenant"`
	Auth     []string `json:"auth"` // authentication methods of the user, such as "password"; never null

	Projects           []string            `json:"projects"`            // names; never null
	ProjectMembership  map[string]string   `json:"project_membership"`  // project name to one role; never null
	ProjectMemberships map[string][]string `json:"project_memberships"` // project name to all roles; never null
	Invitations        []ProjectInvitation `json:"invitations"`         // never null

	// TokenValidityBegin is the moment at or before which issued tokens are
	// void; null when the user never expired them.
	TokenValidityBegin *time.Time `json:"token_validity_begin"`

	Features               map[string]any `json:"features"` // never null
	CreateTime             *time.Time     `json:"create_time"`
	City                   *string        `json:"city"`
	Country                *string        `json:"country"` // ISO 3166-1 alpha-2
	Department             *string        `json:"department"`
	JobTitle               *string        `json:"job_title"`
	ManagedBySCIM          bool           `json:"managed_by_scim"`
	ManagingOrganizationID *string        `json:"managing_organization_id"` // null unless a managed user
}

// ProjectInvitation is an open invitation to a project.
type ProjectInvitation struct {
	InviteCode        string    `json:"invite_code"`
	InviteTime        time.Time `json:"invite_time"`
	InvitingUserEmail string    `json:"inviting_user_email"`
	ProjectName       string    `json:"project_name"`
}

// UserAnswer wraps a User, as GET and PATCH /v1/me answer it.
type UserAnswer struct {
	User User `json:"user"`
}

// UpdateUser is the body of PATCH /v1/me. Unset fields stay as they are.
type UpdateUser struct {
	RealName   string  `json:"real_name"` // required, at most 256 characters
	JobTitle   *string `json:"job_title,omitzero"`
	Country    *string `json:"country,omitzero"` // ISO 3166-1 alpha-2
	City       *string `json:"city,omitzero"`
	Department *string `json:"department,omitzero"`
}

// UserAuthMethod is a way in which the caller may log in, one element of GET
// /v1/me/authentication_methods.
type UserAuthMethod struct {
	MethodID             string `json:"method_id"`
	RemoteProviderID     string `json:"remote_provider_id"`
	PublicRemoteIdentity string `json:"public_remote_identity"` // identity at the provider, may be an e-mail address
	UserEmail            string `json:"user_email"`
	// AccountID is the account that owns the identity provider, null for
	// methods that belong to no organization.
	AccountID       *string    `json:"authentication_method_account_id"`
	Name            *string    `json:"name"`
	State           string     `json:"state"`            // "active" or "deleted"
	CurrentlyActive bool       `json:"currently_active"` // this request used this method
	CreateTime      time.Time  `json:"create_time"`
	UpdateTime      time.Time  `json:"update_time"`
	DeleteTime      *time.Time `json:"delete_time"`
	LastUsedTime    *time.Time `json:"last_used_time"`
}

// UserAuthMethodList is the answer of GET /v1/me/authentication_methods.
type UserAuthMethodList struct {
	AuthenticationMethods []UserAuthMethod `json:"authentication_methods"`
}

// Me returns the caller.
func (c *Client) Me(ctx context.Context) (User, error) {
	var out UserAnswer
	err := c.call(ctx, http.MethodGet, []string{"v1", "me"}, nil, nil, &out)
	return out.User, err
}

// UpdateMe changes the caller's profile.
func (c *Client) UpdateMe(ctx context.Context, in UpdateUser) (User, error) {
	var out UserAnswer
	err := c.call(ctx, http.MethodPatch, []string{"v1", "me"}, nil, in, &out)
	return out.User, err
}

// AuthMethods returns the ways in which the caller may log in.
func (c *Client) AuthMethods(ctx context.Context) ([]UserAuthMethod, error) {
	var out UserAuthMethodList
	err := c.call(ctx, http.MethodGet, []string{"v1", "me", "authentication_methods"}, nil, nil, &out)
	return out.AuthenticationMethods, err
}

// DeleteAuthMethod unlinks a way to log in and revokes every token that
// descends from it.
func (c *Client) DeleteAuthMethod(ctx context.Context, methodID string) error {
	return c.call(ctx, http.MethodDelete, []string{"v1", "me", "authentication_methods", methodID}, nil, nil, nil)
}

// DeleteUser deletes a user: the caller, or a deactivated managed user of an
// organization the caller administers.
func (c *Client) DeleteUser(ctx context.Context, userID string) error {
	return c.call(ctx, http.MethodDelete, []string{"v1", "user", userID}, nil, nil, nil)
}
