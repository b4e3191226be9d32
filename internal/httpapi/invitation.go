package httpapi

import (
	"context"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

func (a *API) invitationRoutes() []route {
	const tag, invitations = "invitations", "/v1/organization/{organization_id}/invitation"
	// The compatible API publishes a reading scope for the writing calls too.
	reads := []string{"accounts:read"}
	manage := access.Need{Scopes: reads, Permission: "organization:users:write"}
	email := fields{"user_email": {required: true, max: identity.MaxEmail}}
	return []route{
		{
			method: "GET", path: invitations, id: "OrganizationUserInvitationsList", tag: tag, summary: "List the invitations that were neither accepted nor withdrawn",
			resource: organization, need: manage, status: 200, handler: read(a.invitations),
		},
		{
			method: "POST", path: invitations, id: "OrganizationUserInvite", tag: tag, summary: "Invite somebody by e-mail, or send an invitation again",
			resource: organization, need: manage, status: 204, event: "invitation_sent", fields: email, handler: put(a.invite),
		},
		{
			method: "POST", path: "/v1/organization/{organization_id}/invitation-link", id: "OrganizationUserInvitationLink", tag: tag,
			summary:  "Invite somebody and answer the link, for admins of a server that sends no mail",
			resource: organization, need: access.Need{Scopes: []string{"accounts:write"}, Permission: access.Admin, Person: true}, status: 200, event: "invitation_sent",
			own: true, fields: email, handler: write(a.invitationLink),
		},
		{
			method: "DELETE", path: invitations + "/{user_email}", id: "OrganizationUserInvitationDelete", tag: tag, summary: "Withdraw an invitation",
			resource: organization, need: manage, status: 204, event: "invitation_withdrawn", handler: do(a.withdrawInvitation),
		},
		{
			method: "POST", path: invitations + "/{user_email}", id: "OrganizationUserInvitationAccept", tag: tag, summary: "Accept the invitation of your address",
			need: access.Need{Scopes: reads, Person: true}, status: 204, event: "invitation_accepted",
			fields: fields{"action": {max: 16}}, handler: put(a.acceptInvitation),
		},
		{
			method: "POST", path: "/v1/invitation/{invitation_code}/accept", id: "InvitationAccept", tag: tag, summary: "Accept an invitation by the code that was mailed to your address",
			need: access.Need{Scopes: []string{"accounts:write"}, Person: true, Session: true}, status: 200, event: "invitation_accepted",
			own: true, handler: read(a.acceptInvitationByCode),
		},
		{
			method: "POST", path: "/v1/invitation/{invitation_code}/sign-up", id: "InvitationSignUp", tag: tag, summary: "Sign up with the code that was mailed to your address, and accept the invitation",
			anonymous: true, status: 200, event: "invitation_accepted",
			own: true, fields: fields{"real_name": {required: true, max: identity.MaxRealName}, "password": {required: true}}, handler: write(a.signUpInvited),
		},
	}
}

func invitationWire(i identity.Invitation) sallyport.Invitation {
	return sallyport.Invitation{UserEmail: i.Email, InvitedBy: i.InviterName, CreateTime: i.Created, ExpiryTime: i.Expires}
}

func (a *API) invitations(ctx context.Context, c *Call) (out sallyport.InvitationList, err error) {
	list, err := a.Org.Invitations(ctx, c.Principal)
	out.Invitations = wireList(list, invitationWire)
	return out, err
}

func (a *API) invite(ctx context.Context, c *Call, in sallyport.CreateInvitation) error {
	return a.Org.Invite(ctx, c.Principal, in.UserEmail)
}

func (a *API) invitationLink(ctx context.Context, c *Call, in sallyport.CreateInvitation) (out sallyport.InvitationLink, err error) {
	out.InvitationLink, out.ExpiryTime, err = a.Org.NewInvitationLink(ctx, c.Principal, in.UserEmail)
	return out, err
}

func (a *API) withdrawInvitation(ctx context.Context, c *Call) error {
	return a.Org.WithdrawInvitation(ctx, c.Principal, c.Path("user_email"))
}

// invitationAnswer is the optional body of an acceptance.
type invitationAnswer struct {
	Action *string `json:"action,omitzero"` // "accept", which is the default
}

func (a *API) acceptInvitation(ctx context.Context, c *Call, in invitationAnswer) error {
	if in.Action != nil && *in.Action != "accept" {
		return badRequest(`the field "action" can only be "accept"; an invitation that is not wanted needs no answer`)
	}
	return a.Org.AcceptInvitation(ctx, c.Principal, c.Path("organization_id"), c.Path("user_email"))
}

func (a *API) acceptInvitationByCode(ctx context.Context, c *Call) (out sallyport.InvitationAccepted, err error) {
	out.OrganizationID, err = a.Org.AcceptInvitationByCode(ctx, c.Principal, c.Path("invitation_code"))
	return out, err
}

func (a *API) signUpInvited(ctx context.Context, c *Call, in sallyport.InvitationSignUp) (out sallyport.InvitedUser, err error) {
	made, err := a.Org.SignUpInvited(ctx, org.InvitedSignUp{
		Code: c.Path("invitation_code"), RealName: in.RealName, Password: in.Password, Client: c.Client(), RequestID: c.RequestID,
	})
	out = sallyport.InvitedUser{OrganizationID: made.OrganizationID, UserID: made.UserID, UserEmail: made.Email}
	if made.Token != "" {
		out.Token = &made.Token
	}
	return out, err
}
