package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

func (a *API) policyRoutes() []route {
	const (
		tag    = "policy"
		config = "/v1/organization/{organization_id}/config/authentication"
		ranges = "/v1/organization/{organization_id}/config/api-client-ip-allowlist"
	)
	return []route{
		{
			method: "GET", path: config, id: "OrganizationAuthenticationConfigGet", tag: tag, summary: "Show the authentication policy",
			resource: organization, need: access.Need{Scopes: []string{"accounts:read", "authentication:read"}, Permission: access.Member},
			status: http.StatusOK, handler: read(a.policy),
		},
		{
			method: "PATCH", path: config, id: "OrganizationAuthenticationConfigUpdate", tag: tag, summary: "Change fields of the authentication policy",
			resource: organization, need: access.Need{Scopes: []string{"accounts:write", "authentication:write"}, Permission: access.Admin, Fresh: true},
			status: http.StatusOK, event: "policy_changed", own: true,
			handler: raw[sallyport.AuthenticationConfigUpdate](a.changePolicy),
		},
		{
			method: "GET", path: ranges, id: "OrganizationIPAllowListGet", tag: tag, summary: "Show the address ranges",
			resource: organization, need: access.Need{Scopes: []string{"accounts:read"}, Permission: access.Admin},
			status: http.StatusOK, handler: read(a.ranges),
		},
		{
			method: "PUT", path: ranges, id: "OrganizationIPAllowListSet", tag: tag, summary: "Replace the address ranges",
			resource: organization, need: access.Need{Scopes: []string{"accounts:write"}, Permission: access.Admin, Fresh: true},
			status: http.StatusNoContent, event: "ip_allowlist_changed", own: true,
			fields: fields{
				"api_client_ip_allowlist":         {required: true, max: policy.MaxRanges},
				"api_client_ip_allowlist_enabled": {required: true},
			},
			handler: put(a.setRanges),
		},
	}
}

func (a *API) policy(ctx context.Context, c *Call) (sallyport.AuthenticationConfig, error) {
	p, err := a.Org.Policy(c.Principal)
	return a.configOf(ctx, c, p, err)
}

// configOf is a policy with the switch beside it.
func (a *API) configOf(ctx context.Context, c *Call, p policy.Policy, err error) (sallyport.AuthenticationConfig, error) {
	if err != nil {
		return sallyport.AuthenticationConfig{}, err
	}
	config := configOf(p)
	config.AccessNotices, err = a.Org.AccessNotices(ctx, c.Principal)
	return config, err
}

func (a *API) changePolicy(ctx context.Context, c *Call, body []byte) (sallyport.AuthenticationConfig, error) {
	p, err := a.Org.ChangePolicy(ctx, c.Principal, body)
	return a.configOf(ctx, c, p, err)
}

func configOf(p policy.Policy) sallyport.AuthenticationConfig {
	return sallyport.AuthenticationConfig{
		PasswordAuthEnabled: p.PasswordEnabled, TwoFactorRequired: p.TwoFactorRequired,
		OAuthEnabled: p.OAuthEnabled, OAuthProvidersAllowed: p.OAuthProviders.Names(),
		SAMLEnabled: p.SAMLEnabled, SAMLAllowExternal: p.SAMLAllowExternal, PasskeyAuthEnabled: p.PasskeyEnabled,
		PersonalTokensEnabled:                  p.PersonalTokensEnabled,
		PersonalTokensManagedUsersEnabled:      p.PersonalTokensManagedUsersEnabled,
		PersonalTokensRequireAllowedAuthMethod: p.PersonalTokensRequireAllowedMethod,
		MCPEnabled:                             p.MCPEnabled,
		MaxPersonalTokenAgeSeconds:             secondsOrNull(p.MaxPersonalTokenAge),
		MaxApplicationTokenAgeSeconds:          secondsOrNull(p.MaxApplicationTokenAge),
		SessionMaxAgeSeconds:                   secondsOrNull(p.SessionMaxAge),
		SessionIdleSeconds:                     secondsOrNull(p.SessionIdle),
	}
}

func secondsOrNull(d time.Duration) *int64 {
	if d == 0 {
		return nil
	}
	seconds := int64(d / time.Second)
	return &seconds
}

func (a *API) ranges(_ context.Context, c *Call) (sallyport.IPAllowlist, error) {
	p, err := a.Org.Policy(c.Principal)
	out := sallyport.IPAllowlist{APIClientIPAllowlist: []string{}, APIClientIPAllowlistEnabled: p.Ranges.Enabled, Descriptions: map[string]string{}}
	for _, r := range p.Ranges.List {
		text := r.Prefix.String()
		out.APIClientIPAllowlist = append(out.APIClientIPAllowlist, text)
		if r.Description != "" {
			out.Descriptions[text] = r.Description
		}
	}
	return out, err
}

func (a *API) setRanges(ctx context.Context, c *Call, in sallyport.IPAllowlistUpdate) error {
	return a.Org.SetRanges(ctx, c.Principal, org.RangesChange{
		List: in.APIClientIPAllowlist, Enabled: isTrue(in.APIClientIPAllowlistEnabled), Descriptions: in.Descriptions,
		AcceptLockout: in.AcceptLockout, AcceptAllAddresses: in.AcceptAllAddresses, ConfirmWithinSeconds: in.ConfirmWithinSeconds,
	})
}

// addressText is an address on the wire; empty when it is unknown.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
