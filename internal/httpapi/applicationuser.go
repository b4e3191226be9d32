package httpapi

import (
	"context"
	"net/http"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

func (a *API) applicationUserRoutes() []route {
	const (
		tag  = "application users"
		list = "/v1/organization/{organization_id}/application-users"
		one  = list + "/{user_id}"
	)
	named := fields{"name": {required: true, max: identity.MaxRealName}}
	need := func(scopes ...string) access.Need {
		return access.Need{Scopes: scopes, Permission: "organization:app_users:write"}
	}
	reading, writing := need("accounts:read", "authentication:read"), need("accounts:write", "authentication:write")
	return []route{
		{
			method: "GET", path: list, id: "ApplicationUsersList", tag: tag, summary: "List the application users",
			resource: organization, need: reading, status: http.StatusOK, handler: read(a.applicationUsers),
		},
		{
			method: "POST", path: list, id: "ApplicationUserCreate", tag: tag, summary: "Create an application user",
			resource: organization, need: writing, status: http.StatusOK, event: "application_user_created", fields: named, handler: write(a.createApplicationUser),
		},
		{
			method: "GET", path: one, id: "ApplicationUserGet", tag: tag, summary: "Show an application user",
			resource: organization, need: reading, status: http.StatusOK, handler: read(a.applicationUser),
		},
		{
			method: "PATCH", path: one, id: "ApplicationUserUpdate", tag: tag, summary: "Rename an application user",
			resource: organization, need: need("accounts:write"), status: http.StatusOK, event: "application_user_updated", fields: named, handler: write(a.updateApplicationUser),
		},
		{
			method: "DELETE", path: one, id: "ApplicationUserDelete", tag: tag, summary: "Delete an application user and its tokens",
			resource: organization, need: writing, status: http.StatusNoContent, event: "application_user_deleted", handler: do(a.deleteApplicationUser),
		},
		{
			method: "GET", path: one + "/access-tokens", id: "ApplicationUserAccessTokensList", tag: tag, summary: "List the tokens of an application user",
			resource: organization, need: reading, status: http.StatusOK, handler: read(a.applicationTokens),
		},
		{
			method: "POST", path: one + "/access-tokens", id: "ApplicationUserAccessTokenCreate", tag: tag, summary: "Make a token of an application user",
			resource: organization, need: writing, status: http.StatusOK, event: "token_created", fields: createTokenFields,
			handler: takes[sallyport.CreateToken](write(a.createApplicationToken)),
		},
		{
			method: "DELETE", path: one + "/access-tokens/{token_prefix}", id: "ApplicationUserAccessTokenDelete", tag: tag, summary: "Revoke a token of an application user",
			resource: organization, need: writing, status: http.StatusNoContent, event: "token_revoked", handler: do(a.revokeApplicationToken),
		},
	}
}

func (a *API) applicationUsers(ctx context.Context, c *Call) (sallyport.ApplicationUserList, error) {
	list, err := a.Org.ApplicationUsers(ctx, c.Principal)
	out := sallyport.ApplicationUserList{ApplicationUsers: make([]sallyport.ApplicationUser, len(list))}
	for i, m := range list {
		out.ApplicationUsers[i] = applicationUserOf(m)
	}
	return out, err
}

func (a *API) applicationUser(ctx context.Context, c *Call) (sallyport.ApplicationUser, error) {
	m, err := a.Org.ApplicationUser(ctx, c.Principal, c.Path("user_id"))
	return applicationUserOf(m), err
}

func (a *API) createApplicationUser(ctx context.Context, c *Call, in sallyport.ApplicationUserRequest) (sallyport.ApplicationUser, error) {
	m, err := a.Org.CreateApplicationUser(ctx, c.Principal, in.Name, isTrue(in.IsSuperAdmin))
	return applicationUserOf(m), err
}

func (a *API) updateApplicationUser(ctx context.Context, c *Call, in sallyport.ApplicationUserRequest) (sallyport.ApplicationUser, error) {
	m, err := a.Org.RenameApplicationUser(ctx, c.Principal, c.Path("user_id"), in.Name, isTrue(in.IsSuperAdmin))
	return applicationUserOf(m), err
}

func (a *API) deleteApplicationUser(ctx context.Context, c *Call) error {
	return a.Org.DeleteApplicationUser(ctx, c.Principal, c.Path("user_id"))
}

func (a *API) applicationTokens(ctx context.Context, c *Call) (sallyport.TokenList, error) {
	list, err := a.Org.ApplicationTokens(ctx, c.Principal, c.Path("user_id"))
	return tokenListOf(list, c), err
}

func (a *API) createApplicationToken(ctx context.Context, c *Call, in tokenBody) (sallyport.CreatedApplicationToken, error) {
	made, err := a.Org.CreateApplicationToken(ctx, c.Principal, c.Path("user_id"), in.request())
	return sallyport.CreatedApplicationToken{FullToken: made.Plain.Reveal(), TokenPrefix: made.Prefix}, err
}

func (a *API) revokeApplicationToken(ctx context.Context, c *Call) error {
	return a.Org.RevokeApplicationToken(ctx, c.Principal, c.Path("user_id"), c.Path("token_prefix"))
}

func applicationUserOf(m identity.Member) sallyport.ApplicationUser {
	return sallyport.ApplicationUser{
		UserID: m.User.ID, Name: m.User.RealName, UserEmail: m.User.Email, IsSuperAdmin: m.SuperAdmin, CreateTime: m.User.Created,
	}
}

func isTrue(b *bool) bool { return b != nil && *b }
