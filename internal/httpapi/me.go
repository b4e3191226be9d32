package httpapi

import (
	"context"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/org"
)

func (a *API) meRoutes() []route {
	const tag = "me"
	text := field{max: identity.MaxRealName}
	reads, writes := []string{"user:read", "authentication:read"}, []string{"user:write", "authentication:write"}
	return []route{
		{
			method: "GET", path: "/v1/me", id: "UserInfo", tag: tag, summary: "Show yourself",
			need: access.Need{Scopes: []string{"user:read"}}, status: 200, handler: read(a.me),
		},
		{
			method: "PATCH", path: "/v1/me", id: "UserUpdate", tag: tag, summary: "Change your profile",
			need: access.Need{Scopes: []string{"user:write"}, Person: true}, status: 200, event: "user_updated",
			fields:  fields{"real_name": {required: true, max: identity.MaxRealName}, "job_title": text, "country": text, "city": text, "department": text},
			handler: write(a.updateMe),
		},
		{
			method: "GET", path: "/v1/me/authentication_methods", id: "UserAuthenticationMethodsList", tag: tag, summary: "List the ways in which you may log in",
			need: access.Need{Scopes: reads}, status: 200, handler: read(a.loginMethods),
		},
		{
			method: "DELETE", path: "/v1/me/authentication_methods/{user_authentication_method_id}", id: "UserAuthenticationMethodDelete", tag: tag, summary: "Unlink an identity at a provider; sessions and tokens made with it end",
			need: access.Need{Scopes: writes, Person: true, Session: true, Fresh: true}, status: 200, event: "identity_unlinked", handler: read(a.unlink),
		},
		{
			method: "GET", path: "/v1/me/account/invites", id: "UserAccountInvitesList", tag: tag, summary: "Nothing: invitations belong to organizations (deprecated)",
			need: access.Need{Scopes: reads}, status: 200, handler: read(accountInvites),
		},
		{
			method: "POST", path: "/v1/me/account/invites/accept", id: "UserAccountInvitesAccept", tag: tag, summary: "Nothing: invitations belong to organizations (deprecated)",
			need: access.Need{Scopes: writes, Person: true}, status: 200, handler: read(accountInvites),
		},
		{
			method: "POST", path: "/v1/me/account/invites/reject", id: "UserAccountInvitesReject", tag: tag, summary: "Nothing: invitations belong to organizations (deprecated)",
			need: access.Need{Scopes: writes, Person: true}, status: 200, handler: read(accountInvites),
		},
	}
}

func (a *API) me(ctx context.Context, c *Call) (sallyport.UserAnswer, error) {
	me, err := a.Login.Me(ctx, c.Principal)
	if err != nil {
		return sallyport.UserAnswer{}, err
	}
	return a.meAnswer(ctx, c, me)
}

func (a *API) updateMe(ctx context.Context, c *Call, in sallyport.UpdateUser) (sallyport.UserAnswer, error) {
	me, err := a.Login.UpdateMe(ctx, c.Principal, login.ProfileChange{
		RealName: in.RealName, JobTitle: in.JobTitle, Country: in.Country, City: in.City, Department: in.Department,
	})
	if err != nil {
		return sallyport.UserAnswer{}, err
	}
	return a.meAnswer(ctx, c, me)
}

// meAnswer shows a profile together with the projects of those organizations
// that accept the caller's credential.
func (a *API) meAnswer(ctx context.Context, c *Call, me login.Profile) (sallyport.UserAnswer, error) {
	list, err := a.Org.ProjectsOf(ctx, c.Principal)
	if err != nil {
		return sallyport.UserAnswer{}, err
	}
	list, err = reachable(ctx, a, c, list, func(p org.ProjectAccess) string { return p.OrganizationID })
	u := userWire(me)
	u.Projects = wireList(list, func(p org.ProjectAccess) string { return p.Name })
	u.ProjectMembership, u.ProjectMemberships = memberships(list)
	return sallyport.UserAnswer{User: u}, err
}

func userWire(me login.Profile) sallyport.User {
	u := &me.User
	return sallyport.User{
		Email: u.Email, UserID: u.ID, RealName: u.RealName, State: u.State, Tenant: tenant, Auth: me.Methods,
		Invitations: []sallyport.ProjectInvitation{}, Features: map[string]any{},
		TokenValidityBegin: nullable(u.TokensValidFrom), CreateTime: nullable(u.Created),
		City: nullable(u.City), Country: nullable(u.Country), Department: nullable(u.Department), JobTitle: nullable(u.JobTitle),
		ManagingOrganizationID: nullable(u.ManagingOrganizationID),
	}
}

func (a *API) loginMethods(ctx context.Context, c *Call) (sallyport.UserAuthMethodList, error) {
	list, err := a.Login.LoginMethods(ctx, c.Principal)
	return sallyport.UserAuthMethodList{AuthenticationMethods: wireList(list, loginMethodWire)}, err
}

func loginMethodWire(m login.LoginMethod) sallyport.UserAuthMethod {
	provider := m.Method.String()
	if m.Provider != "" {
		provider = m.Provider
	}
	return sallyport.UserAuthMethod{
		MethodID: m.ID, RemoteProviderID: provider, PublicRemoteIdentity: m.Identity, UserEmail: m.Email, Name: nullable(m.Name),
		AccountID: nullable(m.AccountID),
		State:     identity.StateActive, CurrentlyActive: m.Active,
		CreateTime: m.Created, UpdateTime: m.Updated, LastUsedTime: nullable(m.LastLogin),
	}
}

func (a *API) unlink(ctx context.Context, c *Call) (sallyport.Message, error) {
	err := a.Login.Unlink(ctx, c.Principal, c.Path("user_authentication_method_id"))
	return sallyport.Message{Message: "Unlinked"}, err
}

// invites is the answer of the deprecated account invitations.
type invites struct {
	AccountInvites []struct{} `json:"account_invites"` // always empty
}

func accountInvites(context.Context, *Call) (invites, error) {
	return invites{AccountInvites: []struct{}{}}, nil
}
