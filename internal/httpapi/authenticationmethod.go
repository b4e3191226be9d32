package httpapi

import (
	"context"
	"maps"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

func (a *API) authenticationMethodRoutes() []route {
	const (
		tag     = "identity providers"
		list    = "/v1/account/{account_id}/authentication"
		one     = list + "/{account_authentication_method_id}"
		beside  = "/v1/organization/{organization_id}/authentication-methods/{authentication_method_id}"
		domains = beside + "/domains"
	)
	needs := func(present bool, scopes ...string) access.Need {
		return access.Need{Scopes: scopes, Permission: access.Admin, Fresh: present, Session: present}
	}
	reads, writes := needs(false, "accounts:read", "authentication:read"), needs(true, "accounts:write", "authentication:write")
	limits := fields{
		"authentication_method_name": {max: identity.MaxMethodName}, "auto_join_user_group_id": {max: 36},
		"oidc_issuer": {max: identity.MaxMethodURL}, "oidc_client_id": {max: identity.MaxMethodClient}, "oidc_client_secret": {max: identity.MaxMethodClient},
		"oidc_scopes": {max: identity.MaxMethodScopes},
	}
	maps.Copy(limits, samlLimits())
	creating := fields{"authentication_method_type": {required: true}, "linked_domains": {max: 50}}
	for name, rule := range limits {
		creating[name] = rule
	}
	creating["authentication_method_name"] = field{required: true, max: identity.MaxMethodName}
	return append(a.samlMethodRoutes(one+"/saml", tag, reads, writes), []route{
		{
			method: "GET", path: list, id: "AccountAuthenticationMethodsList", tag: tag, summary: "List how people log in to an organization: its identity providers, and the entry of the type internal",
			resource: account, need: reads, status: 200, handler: read(a.authenticationMethods),
		},
		{
			method: "POST", path: list, id: "AccountAuthenticationMethodCreate", tag: tag, summary: "Register an identity provider",
			resource: account, need: writes, status: 200, event: "authentication_method_created", fields: creating, handler: write(a.createAuthenticationMethod),
		},
		{
			method: "GET", path: one, id: "AccountAuthenticationMethodGet", tag: tag, summary: "Show an identity provider",
			resource: account, need: reads, status: 200, handler: read(a.authenticationMethod),
		},
		{
			method: "PUT", path: one, id: "AccountAuthenticationMethodUpdate", tag: tag, summary: "Change an identity provider; what is not sent stays",
			resource: account, need: writes, status: 200, event: "authentication_method_changed", fields: limits, handler: write(a.updateAuthenticationMethod),
		},
		{
			method: "DELETE", path: one, id: "AccountAuthenticationMethodDelete", tag: tag, summary: "Remove an identity provider for good; sessions and tokens made with it end",
			resource: account, need: writes, status: 200, event: "authentication_method_deleted", query: []string{confirmQuery}, handler: read(a.deleteAuthenticationMethod),
		},
		{
			method: "POST", path: beside + "/test", id: "AuthenticationMethodTest", tag: tag, summary: "Ask an identity provider for its metadata", own: true,
			resource: organization, need: writes, status: 204, handler: do(a.testAuthenticationMethod),
		},
		{
			method: "GET", path: domains, id: "OrganizationAuthDomainList", tag: tag, summary: "List the domains for whose addresses an identity provider speaks",
			resource: organization, need: needs(false, "accounts:read"), status: 200, handler: read(a.methodDomains),
		},
		{
			method: "PUT", path: domains, id: "OrganizationAuthDomainLink", tag: tag, summary: "Link one more verified domain to an identity provider",
			resource: organization, need: needs(true, "accounts:write"), status: 204, event: "authentication_method_domain_linked",
			fields: fields{"domain_id": {required: true, max: 36}}, handler: put(a.linkMethodDomain),
		},
		{
			method: "DELETE", path: domains + "/{domain_id}", id: "OrganizationAuthDomainUnlink", tag: tag, summary: "Take the link of a domain to an identity provider away",
			resource: organization, need: needs(true, "accounts:write"), status: 204, event: "authentication_method_domain_unlinked", query: []string{confirmQuery}, handler: do(a.unlinkMethodDomain),
		},
	}...)
}

func (a *API) authenticationMethodWire(m org.Method) sallyport.AuthenticationMethod {
	w := sallyport.AuthenticationMethod{
		AccountID: m.AccountID, OrganizationID: m.OrganizationID, AuthenticationMethodID: m.ID,
		AuthenticationMethodName: m.Name, AuthenticationMethodType: m.Type, AuthenticationMethodEnabled: m.Enabled, State: m.State,
		AuthTokenMaxAgeSeconds: int64(m.TokenMaxAge / time.Second), AuthTokenExtendWhenUsed: m.TokenExtend,
		LinkedUserCount: m.People, LastLoginTime: timeOrNull(m.LastLogin),
		AutoJoinUserGroupID: nullable(m.AutoJoinGroupID), CreateTime: m.Created, UpdateTime: m.Updated,
	}
	if m.Type == identity.MethodTypeSAML {
		w.SAMLSettings, w.SAMLAnswer = a.samlSettingsWire(m), a.samlAnswerWire(m)
	}
	if m.Type != identity.MethodTypeOIDC {
		return w
	}
	config, err := m.OIDC()
	if err != nil {
		a.Log.Error("an identity provider's settings cannot be read; set them again", "authentication_method_id", m.ID, "error", err)
	}
	set := m.Secret != ""
	w.OIDCIssuer, w.OIDCClientID, w.OIDCClientSecretSet = config.Issuer, config.ClientID, &set
	w.OIDCScopes, w.OIDCTrustEmail = append([]string{}, config.Scopes...), &config.TrustEmail
	w.OIDCRedirectURL, w.OIDCSignUpURL, w.OIDCLinkURL = a.PublicURL+"/login/callback/"+m.ID, a.PublicURL+"/signup/"+m.ID, a.PublicURL+"/link/"+m.ID
	return w
}

func (a *API) authenticationMethods(ctx context.Context, c *Call) (out sallyport.AuthenticationMethodList, err error) {
	list, err := a.Org.AuthenticationMethods(ctx, c.Principal, c.Path("account_id"))
	out.AuthenticationMethods = wireList(list, a.authenticationMethodWire)
	return out, err
}

func (a *API) authenticationMethod(ctx context.Context, c *Call) (out sallyport.AuthenticationMethodAnswer, err error) {
	m, err := a.Org.AuthenticationMethod(ctx, c.Principal, c.Path("account_id"), c.Path("account_authentication_method_id"))
	out.AuthenticationMethod = a.authenticationMethodWire(m)
	return out, err
}

func (a *API) createAuthenticationMethod(ctx context.Context, c *Call, in sallyport.CreateAuthenticationMethod) (out sallyport.AuthenticationMethodAnswer, err error) {
	change := org.MethodChange{
		Name: &in.AuthenticationMethodName, TokenMaxAgeSeconds: in.AuthTokenMaxAgeSeconds, TokenExtend: in.AuthTokenExtendWhenUsed, AutoJoinGroupID: in.AutoJoinUserGroupID,
		OIDC: oidcChange(in.OIDCIssuer, in.OIDCClientID, in.OIDCClientSecret, in.OIDCScopes, in.OIDCTrustEmail),
		SAML: samlChange(in.SAMLSettings),
	}
	change.SAML.KeyAlgorithm = &in.SAMLKeyAlgorithm
	domainIDs := wireList(in.LinkedDomains, func(d sallyport.LinkedDomain) string { return d.DomainID })
	m, err := a.Org.CreateAuthenticationMethod(ctx, c.Principal, c.Path("account_id"), in.AuthenticationMethodType, change, domainIDs)
	out.AuthenticationMethod = a.authenticationMethodWire(m)
	return out, err
}

func oidcChange(issuer, clientID, secret *string, scopes []string, trust *bool) org.OIDCChange {
	change := org.OIDCChange{Issuer: issuer, ClientID: clientID, ClientSecret: secret, TrustEmail: trust}
	if scopes != nil {
		change.Scopes = &scopes
	}
	return change
}

func (a *API) updateAuthenticationMethod(ctx context.Context, c *Call, in sallyport.UpdateAuthenticationMethod) (out sallyport.AuthenticationMethodAnswer, err error) {
	m, err := a.Org.ChangeAuthenticationMethod(ctx, c.Principal, c.Path("account_id"), c.Path("account_authentication_method_id"), org.MethodChange{
		Name: in.AuthenticationMethodName, Enabled: in.AuthenticationMethodEnabled,
		TokenMaxAgeSeconds: in.AuthTokenMaxAgeSeconds, TokenExtend: in.AuthTokenExtendWhenUsed, AutoJoinGroupID: in.AutoJoinUserGroupID,
		OIDC: oidcChange(in.OIDCIssuer, in.OIDCClientID, in.OIDCClientSecret, in.OIDCScopes, in.OIDCTrustEmail),
		SAML: samlChange(in.SAMLSettings), ConfirmWithinSeconds: in.ConfirmWithinSeconds,
	})
	out.AuthenticationMethod = a.authenticationMethodWire(m)
	return out, err
}

func (a *API) deleteAuthenticationMethod(ctx context.Context, c *Call) (sallyport.Message, error) {
	confirm, err := confirmOf(c)
	if err != nil {
		return sallyport.Message{}, err
	}
	err = a.Org.DeleteAuthenticationMethod(ctx, c.Principal, c.Path("account_id"), c.Path("account_authentication_method_id"), confirm)
	if confirm != nil {
		return sallyport.Message{Message: "Switched off until the removal is confirmed"}, err
	}
	return sallyport.Message{Message: "Deleted"}, err
}

func (a *API) testAuthenticationMethod(ctx context.Context, c *Call) error {
	return a.Org.TestAuthenticationMethod(ctx, c.Principal, c.Path("authentication_method_id"))
}

func (a *API) methodDomains(ctx context.Context, c *Call) (out sallyport.DomainList, err error) {
	id := c.Path("authentication_method_id")
	list, err := a.Org.MethodDomains(ctx, c.Principal, id)
	if err != nil {
		return out, err
	}
	out.Domains, err = a.linkedDomains(ctx, c, list)
	return out, err
}

// linkedDomains are domains with the identity providers they are linked to.
func (a *API) linkedDomains(ctx context.Context, c *Call, list []identity.Domain) ([]sallyport.Domain, error) {
	linked, err := a.Org.LinkedMethods(ctx, c.Principal)
	return wireList(list, func(d identity.Domain) sallyport.Domain {
		w := a.domainWire(d)
		w.LinkedAuthenticationMethodIDs = append(w.LinkedAuthenticationMethodIDs, linked[d.ID]...)
		return w
	}), err
}

func (a *API) linkMethodDomain(ctx context.Context, c *Call, in sallyport.LinkDomain) error {
	return a.Org.LinkMethodDomain(ctx, c.Principal, c.Path("authentication_method_id"), in.DomainID, in.ConfirmWithinSeconds)
}

func (a *API) unlinkMethodDomain(ctx context.Context, c *Call) error {
	confirm, err := confirmOf(c)
	if err != nil {
		return err
	}
	return a.Org.UnlinkMethodDomain(ctx, c.Principal, c.Path("authentication_method_id"), c.Path("domain_id"), confirm)
}
