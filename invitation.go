package sallyport

import (
	"context"
	"net/http"
	"time"
)

// Invitation asks somebody into an organization by e-mail.
type Invitation struct {
	UserEmail  string    `json:"user_email"`
	InvitedBy  string    `json:"invited_by"` // a name
	CreateTime time.Time `json:"create_time"`
	ExpiryTime time.Time `json:"expiry_time"`
}

// InvitationList is the answer of GET
// /v1/organization/{organization_id}/invitation.
type InvitationList struct {
	Invitations []Invitation `json:"invitations"` // never null
}

// CreateInvitation is the body of POST on the same path.
type CreateInvitation struct {
	UserEmail string `json:"user_email"` // at most 254 bytes
}

// Invitations returns the open invitations of an organization.
func (c *Client) Invitations(ctx context.Context, organizationID string) ([]Invitation, error) {
	var out InvitationList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "invitation"), nil, nil, &out)
	return out.Invitations, err
}

// Invite asks somebody into an organization.
func (c *Client) Invite(ctx context.Context, organizationID string, in CreateInvitation) error {
	return c.call(ctx, http.MethodPost, organizationPath(organizationID, "invitation"), nil, in, nil)
}

// DeleteInvitation takes an invitation back.
func (c *Client) DeleteInvitation(ctx context.Context, organizationID, email string) error {
	return c.call(ctx, http.MethodDelete, organizationPath(organizationID, "invitation", email), nil, nil, nil)
}

// AcceptInvitation joins the organization, as the invited user.
func (c *Client) AcceptInvitation(ctx context.Context, organizationID, email string) error {
	return c.call(ctx, http.MethodPost, organizationPath(organizationID, "invitation", email), nil, nil, nil)
}

// InvitationLink is the answer of POST
// /v1/organization/{organization_id}/invitation-link (ours).
type InvitationLink struct {
	InvitationLink string    `json:"invitation_link"` // shown this once
	ExpiryTime     time.Time `json:"expiry_time"`
}

// InvitationAccepted is the answer of POST
// /v1/invitation/{invitation_code}/accept (ours).
type InvitationAccepted struct {
	OrganizationID string `json:"organization_id"`
}

// InvitationSignUp is the body of POST
// /v1/invitation/{invitation_code}/sign-up (ours).
type InvitationSignUp struct {
	RealName string `json:"real_name"` // at most 256 characters
	Password string `json:"password"`  // at most 256 characters
}

// InvitedUser is the answer to an InvitationSignUp.
type InvitedUser struct {
	OrganizationID string `json:"organization_id"`
	UserID         string `json:"user_id"`
	UserEmail      string `json:"user_email"`
	// Token is a session, shown this once; null when the organization manages
	// the new user, who then has to log in.
	Token *string `json:"token"`
}

// InviteByLink invites somebody and returns the link to hand over, on a server
// that sends no mail; for admins.
func (c *Client) InviteByLink(ctx context.Context, organizationID string, in CreateInvitation) (out InvitationLink, err error) {
	err = c.call(ctx, http.MethodPost, organizationPath(organizationID, "invitation-link"), nil, in, &out)
	return out, err
}

// AcceptInvitationCode joins the organization that a mailed code invites to,
// as the invited user, and returns the organization's id.
func (c *Client) AcceptInvitationCode(ctx context.Context, code string) (organizationID string, err error) {
	var out InvitationAccepted
	err = c.call(ctx, http.MethodPost, []string{"v1", "invitation", code, "accept"}, nil, nil, &out)
	return out.OrganizationID, err
}

// SignUpInvited makes an account for the address that a mailed code was sent
// to, and joins the organization with it.
func (c *Client) SignUpInvited(ctx context.Context, code string, in InvitationSignUp) (out InvitedUser, err error) {
	anonymous := *c
	anonymous.Token = ""
	err = anonymous.call(ctx, http.MethodPost, []string{"v1", "invitation", code, "sign-up"}, nil, in, &out)
	return out, err
}
