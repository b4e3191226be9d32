package httpapi

import (
	"context"
	"slices"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// deletesOrganizations is what deleting an organization takes, through either
// door: a person who is present.
var deletesOrganizations = access.Need{Scopes: []string{"accounts:write"}, Permission: access.SuperAdmin, Person: true, Fresh: true, Session: true}

func (a *API) organizationRoutes() []route {
	const tag = "organizations"
	name := fields{"organization_name": {required: true, max: identity.MaxOrganizationName}, "tier": {required: true}}
	return append([]route{
		{
			method: "GET", path: "/v1/organizations", id: "UserOrganizationsList", tag: tag, summary: "List your organizations",
			resource: listed, need: access.Need{Scopes: []string{"accounts:read"}}, status: 200, handler: read(a.organizations),
		},
		{
			method: "POST", path: "/v1/organizations", id: "UserOrganizationCreate", tag: tag, summary: "Create an organization",
			need: access.Need{Scopes: []string{"accounts:write"}, Person: true}, status: 200, event: "organization_created",
			fields: name, handler: write(a.createOrganization),
		},
		{
			method: "GET", path: "/v1/organization/{organization_id}", id: "OrganizationGet", tag: tag, summary: "Show an organization",
			resource: organization, need: access.Need{Scopes: []string{"accounts:read"}, Permission: access.Member}, status: 200,
			handler: read(a.organization),
		},
		{
			method: "PATCH", path: "/v1/organization/{organization_id}", id: "OrganizationUpdate", tag: tag, summary: "Rename an organization, or raise its tier",
			resource: organization, need: access.Need{Scopes: []string{"accounts:write"}, Permission: access.SuperAdmin}, status: 200, event: "organization_renamed",
			fields: fields{"name": {max: identity.MaxOrganizationName}}, handler: write(a.updateOrganization),
		},
		{
			method: "DELETE", path: "/v1/organization/{organization_id}", id: "OrganizationDelete", tag: tag, summary: "Delete an organization for good",
			resource: organization, need: deletesOrganizations, status: 204, event: "organization_deleted",
			query: []string{"recursive"}, handler: do(a.deleteOrganization),
		},
	}, slices.Concat(a.accountRoutes(), a.memberRoutes(), a.memberAdminRoutes())...)
}

func (a *API) accountRoutes() []route {
	const tag = "accounts"
	reads, writes := []string{"accounts:read"}, []string{"accounts:write"}
	return []route{
		{
			method: "GET", path: "/v1/account", id: "AccountList", tag: tag, summary: "List the root accounts and units of your organizations",
			resource: listed, need: access.Need{Scopes: reads}, status: 200, handler: read(a.accounts),
		},
		{
			method: "POST", path: "/v1/account", id: "AccountCreate", tag: tag, summary: "Create an organization, or with a parent an organizational unit (for admins of the parent)",
			need: access.Need{Scopes: writes}, status: 200, event: "organization_created",
			fields: fields{"account_name": {required: true, max: identity.MaxOrganizationName}}, handler: write(a.createAccount),
		},
		{
			method: "GET", path: "/v1/account/{account_id}", id: "AccountGet", tag: tag, summary: "Show a root account or an organizational unit",
			resource: account, need: access.Need{Scopes: reads, Permission: access.Member}, status: 200, handler: read(a.account),
		},
		{
			method: "PUT", path: "/v1/account/{account_id}", id: "AccountUpdate", tag: tag, summary: "Rename an organizational unit, or by its root account an organization (for super admins)",
			resource: account, need: access.Need{Scopes: writes, Permission: access.Admin}, status: 200, event: "organization_renamed",
			fields: fields{"account_name": {max: identity.MaxOrganizationName}}, handler: write(a.updateAccount),
		},
		{
			method: "DELETE", path: "/v1/account/{account_id}", id: "AccountDelete", tag: tag, summary: "Delete an empty organizational unit, or by its root account an empty organization (for super admins in a fresh session)",
			resource: account, need: access.Need{Scopes: writes, Permission: access.Admin}, status: 200, event: "organization_deleted",
			handler: read(a.deleteAccount),
		},
		{
			method: "PUT", path: "/v1/account/{account_id}/parent_account", id: "AccountMove", tag: tag, summary: "Confirm the parent of an organizational unit: it cannot change",
			resource: account, need: access.Need{Scopes: writes, Permission: access.Admin}, status: 200,
			fields: fields{"parent_account_id": {required: true}}, handler: write(a.moveAccount),
		},
		{
			method: "POST", path: "/v1/account/{account_id}/users/search", id: "AccountUsersSearch", tag: tag, summary: "Search the members of an organization",
			resource: account, need: access.Need{Scopes: reads, Permission: access.Member}, status: 200,
			fields: fields{"query": {max: 128}}, handler: write(a.searchUsers),
		},
	}
}

func (a *API) memberRoutes() []route {
	const tag, members = "organization users", "/v1/organization/{organization_id}/user"
	manage := func(scopes ...string) access.Need {
		return access.Need{Scopes: scopes, Permission: "organization:users:write"}
	}
	return []route{
		{
			method: "GET", path: members, id: "OrganizationUserList", tag: tag, summary: "List the members of an organization",
			resource: organization, need: access.Need{Scopes: []string{"accounts:read"}, Permission: access.Member}, status: 200,
			query: []string{"include_application_users"}, handler: read(a.members),
		},
		{
			method: "GET", path: members + "/{member_user_id}", id: "OrganizationUserGet", tag: tag, summary: "Show a member",
			resource: organization, need: access.Need{Scopes: []string{"accounts:read"}, Permission: access.Member}, status: 200,
			handler: read(a.member),
		},
		{
			method: "DELETE", path: members + "/{member_user_id}", id: "OrganizationUserDelete", tag: tag, summary: "Remove a member (with organization:users:write), or leave the organization yourself",
			resource: organization, need: access.Need{Scopes: []string{"accounts:write"}, Permission: access.Member}, status: 204, event: "member_removed",
			handler: do(a.removeMember),
		},
		{
			method: "GET", path: members + "/{member_user_id}/access-tokens", id: "OrganizationUserTokensList", tag: tag, summary: "List the tokens of a member",
			resource: organization, need: manage("accounts:read"), status: 200, handler: read(a.memberTokens),
		},
		{
			method: "DELETE", path: members + "/{member_user_id}/access-token/{token_prefix}", id: "OrganizationUserRevokeToken", tag: tag, summary: "Revoke a token of a managed user or an application user",
			resource: organization, need: manage("user:write", "authentication:write"), status: 204, event: "token_revoked",
			handler: do(a.revokeMemberToken),
		},
		{
			method: "GET", path: members + "/{member_user_id}/permissions", id: "OrganizationMemberPermissionsList", tag: tag, summary: "List what a member was granted",
			resource: organization, need: manage("authentication:read"), status: 200, handler: read(a.memberPermissions),
		},
	}
}

func organizationWire(o identity.Organization) sallyport.Organization {
	return sallyport.Organization{
		OrganizationID: o.ID, OrganizationName: o.Name, AccountID: o.AccountID, Tier: o.Tier, CreateTime: o.Created, UpdateTime: o.Updated,
	}
}

func (a *API) organizations(ctx context.Context, c *Call) (out sallyport.OrganizationList, err error) {
	list, err := a.Org.Organizations(ctx, c.Principal)
	if err != nil {
		return out, err
	}
	list, err = reachable(ctx, a, c, list, func(o identity.Organization) string { return o.ID })
	out.Organizations = wireList(list, organizationWire)
	return out, err
}

func (a *API) organization(ctx context.Context, c *Call) (sallyport.Organization, error) {
	o, err := a.Org.Organization(ctx, c.Principal)
	return organizationWire(o), err
}

func (a *API) createOrganization(ctx context.Context, c *Call, in sallyport.CreateOrganization) (sallyport.Organization, error) {
	o, err := a.Org.CreateOrganization(ctx, c.Principal, in.OrganizationName, in.Tier)
	return organizationWire(o), err
}

func (a *API) updateOrganization(ctx context.Context, c *Call, in sallyport.UpdateOrganization) (sallyport.Organization, error) {
	o, err := a.Org.UpdateOrganization(ctx, c.Principal, org.OrganizationChange{Name: in.Name, Tier: in.Tier})
	return organizationWire(o), err
}

func (a *API) deleteOrganization(ctx context.Context, c *Call) error {
	recursive, err := flag(c, "recursive", false)
	if err != nil {
		return err
	}
	return a.Org.DeleteOrganization(ctx, c.Principal, recursive)
}

// tenant names this installation where the compatible API names its own.
const tenant = "sallyport"

func accountWire(a org.Account) sallyport.Account {
	return sallyport.Account{
		AccountID: a.ID, AccountName: a.Name, OrganizationID: a.OrganizationID, RootAccountID: a.RootID, ParentAccountID: nullable(a.ParentID),
		IsAccountOwner: a.Owner, IsAccountMember: true, AccessSource: "organization_membership",
		Features: map[string]any{}, TenantID: tenant, CreateTime: a.Created, UpdateTime: a.Updated,
	}
}

func accountAnswer(a org.Account, err error) (sallyport.AccountAnswer, error) {
	return sallyport.AccountAnswer{Account: accountWire(a)}, err
}

func (a *API) accounts(ctx context.Context, c *Call) (out sallyport.AccountList, err error) {
	list, err := a.Org.Accounts(ctx, c.Principal)
	if err != nil {
		return out, err
	}
	list, err = reachable(ctx, a, c, list, func(x org.Account) string { return x.OrganizationID })
	out.Accounts = wireList(list, accountWire)
	return out, err
}

func (a *API) account(ctx context.Context, c *Call) (sallyport.AccountAnswer, error) {
	return accountAnswer(a.Org.Account(ctx, c.Principal, c.Path("account_id")))
}

func (a *API) createAccount(ctx context.Context, c *Call, in sallyport.CreateAccount) (sallyport.AccountAnswer, error) {
	parent := value(in.ParentAccountID)
	if parent == "" {
		return accountAnswer(a.Org.CreateRoot(ctx, c.Principal, in.AccountName))
	}
	p, err := a.recheckParent(ctx, c, parent, access.Need{Scopes: []string{"accounts:write"}, Permission: access.Admin})
	if err != nil {
		return sallyport.AccountAnswer{}, err
	}
	return accountAnswer(a.Org.CreateUnit(ctx, p, parent, in.AccountName))
}

func (a *API) updateAccount(ctx context.Context, c *Call, in sallyport.UpdateAccount) (sallyport.AccountAnswer, error) {
	return accountAnswer(a.Org.RenameAccount(ctx, c.Principal, c.Path("account_id"), in.AccountName))
}

func (a *API) deleteAccount(ctx context.Context, c *Call) (sallyport.Message, error) {
	if id := c.Path("account_id"); id != c.Principal.Organization.AccountID {
		return sallyport.Message{Message: "deleted the organizational unit"}, a.Org.DeleteUnit(ctx, c.Principal, id)
	}
	p, err := a.recheck(ctx, c, c.Principal.Organization.ID, deletesOrganizations)
	if err != nil {
		return sallyport.Message{}, err
	}
	return sallyport.Message{Message: "deleted the organization"}, a.Org.DeleteOrganization(ctx, p, false)
}

func (a *API) moveAccount(ctx context.Context, c *Call, in sallyport.MoveAccount) (sallyport.AccountAnswer, error) {
	return accountAnswer(a.Org.MoveAccount(ctx, c.Principal, c.Path("account_id"), in.ParentAccountID))
}

// userSearch is the body of POST /v1/account/{account_id}/users/search.
type userSearch struct {
	Query   *string `json:"query,omitzero"`    // at most 128 characters; part of the address, the name or the id
	Limit   *int    `json:"limit,omitzero"`    // 1 to 500; 100 when missing
	OrderBy *string `json:"order_by,omitzero"` // user_email:asc, user_id:desc, …
}

type foundUsers struct {
	Users []foundUser `json:"users"`
}

type foundUser struct {
	UserID    string `json:"user_id"`
	UserEmail string `json:"user_email"`
	RealName  string `json:"real_name"`
}

func (a *API) searchUsers(ctx context.Context, c *Call, in userSearch) (foundUsers, error) {
	list, err := a.Org.SearchMembers(ctx, c.Principal, org.MemberSearch{Text: value(in.Query), OrderBy: value(in.OrderBy), Limit: in.Limit})
	return foundUsers{wireList(list, func(m identity.Member) foundUser {
		return foundUser{m.UserID, m.User.Email, m.User.RealName}
	})}, err
}

func memberWire(m identity.Member) sallyport.OrganizationUser {
	u := m.User
	return sallyport.OrganizationUser{
		UserID: u.ID, IsSuperAdmin: m.SuperAdmin, JoinTime: m.Joined, LastActivityTime: nullable(u.LastActive),
		UserInfo: sallyport.UserInfo{
			UserEmail: u.Email, RealName: u.RealName, State: u.State, IsApplicationUser: u.Application, CreateTime: u.Created,
			ManagingOrganizationID: nullable(u.ManagingOrganizationID), City: nullable(u.City), Country: nullable(u.Country),
			Department: nullable(u.Department), JobTitle: nullable(u.JobTitle),
		},
	}
}

func (a *API) members(ctx context.Context, c *Call) (out sallyport.OrganizationUserList, err error) {
	applicationUsers, err := flag(c, "include_application_users", true)
	if err != nil {
		return out, err
	}
	list, err := a.Org.Members(ctx, c.Principal, applicationUsers)
	out.Users = wireList(list, memberWire)
	return out, err
}

func (a *API) member(ctx context.Context, c *Call) (sallyport.OrganizationUser, error) {
	m, err := a.Org.Member(ctx, c.Principal, c.Path("member_user_id"))
	return memberWire(m), err
}

func (a *API) removeMember(ctx context.Context, c *Call) error {
	return a.Org.RemoveMember(ctx, c.Principal, c.Path("member_user_id"))
}

func memberTokenWire(t identity.Token) sallyport.MemberToken {
	return sallyport.MemberToken{
		TokenPrefix: t.Prefix, Description: nullable(t.Description), IPAllowlist: t.AddressTexts,
		LastIP: nullable(t.LastIP), LastUsedTime: nullable(t.LastUsed), LastUserAgent: nullable(t.LastUserAgent),
		State: t.State(), Asleep: sleepsOf(t),
	}
}

func (a *API) memberTokens(ctx context.Context, c *Call) (out sallyport.MemberTokenList, err error) {
	list, err := a.Org.MemberTokens(ctx, c.Principal, c.Path("member_user_id"))
	out.Tokens = wireList(list, memberTokenWire)
	return out, err
}

func (a *API) revokeMemberToken(ctx context.Context, c *Call) error {
	return a.Org.RevokeMemberToken(ctx, c.Principal, c.Path("member_user_id"), c.Path("token_prefix"))
}

func (a *API) memberPermissions(ctx context.Context, c *Call) (out sallyport.MemberPermissionList, err error) {
	list, err := a.Org.MemberPermissions(ctx, c.Principal, c.Path("member_user_id"))
	out.Permissions = wireList(list, func(g identity.Grant) sallyport.MemberPermission {
		return sallyport.MemberPermission{ResourceType: g.ResourceType, ResourceID: g.ResourceID, Permissions: g.Permissions}
	})
	return out, err
}

// wireList converts a list; the result is never null.
func wireList[From, To any](list []From, wire func(From) To) []To {
	out := make([]To, 0, len(list))
	for _, v := range list {
		out = append(out, wire(v))
	}
	return out
}
