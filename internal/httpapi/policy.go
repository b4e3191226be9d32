package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
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
		{
			method: "GET", path: "/v1/organization/{organization_id}/decisions/{decision_id}", id: "OrganizationDecisionGet", tag: tag, summary: "Explain a recorded refusal",
			resource: organization, need: access.Need{Scopes: []string{"accounts:read"}, Permission: "organization:event_logs:read"},
			status: http.StatusOK, own: true, handler: read(a.decision),
		},
	}
}

func (a *API) policy(_ context.Context, c *Call) (sallyport.AuthenticationConfig, error) {
	p, err := a.Org.Policy(c.Principal)
	return configOf(p), err
}

func (a *API) changePolicy(ctx context.Context, c *Call, body []byte) (sallyport.AuthenticationConfig, error) {
	p, err := a.Org.ChangePolicy(ctx, c.Principal, body)
	return configOf(p), err
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
		AcceptLockout: in.AcceptLockout, AcceptAllAddresses: in.AcceptAllAddresses,
	})
}

func (a *API) decision(ctx context.Context, c *Call) (sallyport.Decision, error) {
	e, err := a.Org.Decision(ctx, c.Principal, c.Path("decision_id"))
	if err != nil {
		return sallyport.Decision{}, err
	}
	return replayed(e)
}

// replayed decides a recorded refusal again and shows every rule.
func replayed(e identity.Event) (sallyport.Decision, error) {
	refusal, facts, decision, err := access.Replay(e.Detail)
	if err != nil {
		return sallyport.Decision{}, err
	}
	rules := []sallyport.DecisionRule{}
	for _, v := range decision.Verdicts(&facts) {
		rules = append(rules, sallyport.DecisionRule{Rule: v.Rule, Code: v.Code, Verdict: string(v.Outcome), Explanation: v.Text})
	}
	judged, err := json.Marshal(facts.Policy)
	return sallyport.Decision{
		DecisionID: e.DecisionID, OrganizationID: e.OrganizationID, CreateTime: e.At,
		ErrorCode: refusal.ErrorCode, Reasons: refusal.Reasons, Remedy: refusal.Remedy,
		Rules: rules, Facts: refusal.Facts, Policy: judged, Address: addressOf(refusal.Address),
	}, err
}

func addressOf(a identity.Address) sallyport.DecisionAddress {
	out := sallyport.DecisionAddress{Client: addressText(a.Client), Socket: addressText(a.Socket), Chain: []string{}}
	if a.Chain != "" {
		for entry := range strings.SplitSeq(a.Chain, ",") {
			out.Chain = append(out.Chain, strings.TrimSpace(entry))
		}
	}
	return out
}

// addressText is an address on the wire; empty when it is unknown.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
