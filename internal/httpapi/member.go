package httpapi

import (
	"cmp"
	"context"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// memberAdminRoutes are what admins do to members, and users to themselves.
func (a *API) memberAdminRoutes() []route {
	const tag, member = "organization users", "/v1/organization/{organization_id}/user/{member_user_id}"
	manage := func(scopes ...string) access.Need {
		return access.Need{Scopes: scopes, Permission: "organization:users:write"}
	}
	// What takes somebody's proofs away needs a person who is there.
	weaken := access.Need{Scopes: []string{"accounts:write"}, Permission: "organization:users:write", Session: true, Fresh: true}
	text := field{max: identity.MaxRealName}
	return []route{
		{
			method: "PATCH", path: member, id: "OrganizationUserUpdate", tag: tag, summary: "Change a member: super admin (by super admins in a fresh session), and of managed users the state and the profile",
			resource: organization, need: manage("accounts:write"), status: 200, event: "user_updated",
			fields:  fields{"real_name": text, "city": {max: 512}, "country": text, "department": text, "job_title": text},
			handler: write(a.updateMember),
		},
		{
			method: "GET", path: member + "/authentication_methods", id: "OrganizationUserAuthenticationMethodsList", tag: tag, summary: "List the ways in which a member may log in",
			resource: organization, need: manage("accounts:read"), status: 200, handler: read(a.memberLogins),
		},
		{
			method: "POST", path: member + "/reset_password", id: "OrganizationUserPasswordReset", tag: tag, summary: "Mail a managed user a link to set a new password",
			resource: organization, need: manage("accounts:write"), status: 204, event: "password_reset_sent", handler: do(a.resetMemberPassword),
		},
		{
			method: "DELETE", path: member + "/authentication_methods/{method_id}", id: "OrganizationUserAuthenticationMethodDelete", tag: tag, summary: "Take a linked identity or a passkey of a managed user away (in a fresh session); the user is told by mail", own: true,
			resource: organization, need: weaken, status: 204, event: "login_method_removed", handler: do(a.removeMemberLogin),
		},
		{
			method: "POST", path: member + "/reset_second_factor", id: "OrganizationUserSecondFactorReset", tag: tag, summary: "Clear the second factors of a managed user and end their sessions (in a fresh session); the user is told by mail", own: true,
			resource: organization, need: weaken, status: 204, event: "second_factor_cleared", handler: do(a.resetSecondFactor),
		},
		{
			method: "DELETE", path: "/v1/user/{user_id}", id: "UserAccountDelete", tag: "users", summary: "Delete your own account (in a fresh session), or a deactivated user whom your organization manages",
			need: access.Need{Scopes: []string{"user:write", "authentication:write"}, Person: true}, status: 204, event: "user_deleted", handler: do(a.deleteUser),
		},
		{
			method: "GET", path: "/v1/organization/{organization_id}/discovered-organizations", id: "OrganizationDiscoveredOrganizationsList", tag: tag, summary: "List the other organizations of the users whom an organization manages",
			resource: organization, need: manage("accounts:read", "user:read"), status: 200, handler: read(a.discoveredOrganizations),
		},
	}
}

func (a *API) updateMember(ctx context.Context, c *Call, in sallyport.UpdateOrganizationUser) (sallyport.OrganizationUser, error) {
	m, err := a.Org.UpdateMember(ctx, c.Principal, c.Path("member_user_id"), org.MemberChange{
		SuperAdmin: in.IsSuperAdmin, State: in.State, RealName: in.RealName,
		City: in.City, Country: in.Country, Department: in.Department, JobTitle: in.JobTitle,
	})
	return memberWire(m), err
}

func (a *API) memberLogins(ctx context.Context, c *Call) (out sallyport.MemberAuthMethodList, err error) {
	list, err := a.Org.MemberLogins(ctx, c.Principal, c.Path("member_user_id"))
	out.AuthenticationMethods = wireList(list, func(m org.MemberLogin) sallyport.MemberAuthMethod {
		name := m.Method.String()
		return sallyport.MemberAuthMethod{
			RemoteProviderID: cmp.Or(m.Provider, name), OrganizationID: m.OrganizationID, MethodID: m.ID, Name: name,
			UserID: m.User.ID, UserEmail: m.User.Email, LastUsedTime: nullable(m.LastUsed), IsEnabled2FA: m.SecondFactor,
		}
	})
	return out, err
}

func (a *API) removeMemberLogin(ctx context.Context, c *Call) error {
	return a.Org.RemoveMemberLogin(ctx, c.Principal, c.Path("member_user_id"), c.Path("method_id"))
}

func (a *API) resetSecondFactor(ctx context.Context, c *Call) error {
	return a.Org.ResetSecondFactor(ctx, c.Principal, c.Path("member_user_id"))
}

func (a *API) resetMemberPassword(ctx context.Context, c *Call) error {
	return a.Org.ResetMemberPassword(ctx, c.Principal, c.Path("member_user_id"))
}

func (a *API) deleteUser(ctx context.Context, c *Call) error {
	userID := c.Path("user_id")
	if userID == c.Principal.User.ID {
		return a.Org.DeleteMe(ctx, c.Principal)
	}
	organizationID, err := a.Org.OrganizationToDelete(ctx, c.Principal, userID)
	if err != nil {
		return err
	}
	p, err := a.recheck(ctx, c, organizationID, access.Need{Scopes: []string{"user:write", "authentication:write"}, Permission: "organization:users:write"})
	if err != nil {
		return err
	}
	deleted := identity.StateDeleted
	_, err = a.Org.UpdateMember(ctx, p, userID, org.MemberChange{State: &deleted})
	return err
}

func (a *API) discoveredOrganizations(ctx context.Context, c *Call) (out sallyport.DiscoveredOrganizationList, err error) {
	list, err := a.Org.DiscoveredOrganizations(ctx, c.Principal)
	out.DiscoveredOrganizations = wireList(list, func(d org.Discovered) sallyport.DiscoveredOrganization {
		return sallyport.DiscoveredOrganization{
			OrganizationID: d.Organization.ID, OrganizationName: d.Organization.Name, CreateTime: d.Organization.Created,
			Users: wireList(d.Members, discoveredUserWire),
		}
	})
	return out, err
}

func discoveredUserWire(m identity.Member) sallyport.DiscoveredUser {
	return sallyport.DiscoveredUser{UserID: m.UserID, UserEmail: m.User.Email, RealName: m.User.RealName, IsSuperAdmin: m.SuperAdmin, CreateTime: m.User.Created}
}
