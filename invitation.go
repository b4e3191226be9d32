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
