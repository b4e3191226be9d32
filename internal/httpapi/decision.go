package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

func (a *API) decisionRoutes() []route {
	return []route{
		{
			method: "GET", path: "/v1/organization/{organization_id}/decisions/{decision_id}", id: "OrganizationDecisionGet", tag: "policy", summary: "Explain a recorded refusal",
			resource: organization, need: access.Need{Scopes: []string{"accounts:read"}, Permission: "organization:event_logs:read"},
			status: http.StatusOK, own: true, handler: read(a.decision),
		},
		{
			method: "GET", path: "/v1/decisions/{decision_id}", id: "DecisionGet", tag: "policy", summary: "Explain a refusal of the caller's own",
			resource: none, need: access.Need{Scopes: []string{"user:read"}},
			status: http.StatusOK, own: true, handler: read(a.ownDecision),
		},
	}
}

func (a *API) decision(ctx context.Context, c *Call) (sallyport.Decision, error) {
	x, err := a.Org.ExplainDecision(ctx, c.Principal, c.Path("decision_id"))
	if err != nil {
		return sallyport.Decision{}, err
	}
	judged, err := json.Marshal(x.Facts.Policy)
	out := sallyport.Decision{
		DecisionID: x.Event.DecisionID, OrganizationID: x.Event.OrganizationID, CreateTime: x.Event.At,
		Action:           x.Facts.Action.String(),
		Actor:            sallyport.Actor{Kind: x.Event.Actor.Kind, ID: x.Event.Actor.ID, Name: x.Event.Actor.Name},
		CredentialPrefix: x.Event.Actor.Credential, RequestID: x.Event.Actor.RequestID,
		ErrorCode: x.Refusal.ErrorCode, Reasons: x.Refusal.Reasons, Remedy: x.Refusal.Remedy,
		Rules: rulesOf(x.Decision, &x.Facts), Facts: x.Refusal.Facts, Policy: judged, PolicyVersion: x.Refusal.PolicyVersion,
		Address: addressOf(x.Refusal.Address), Mends: mendsOf(x.Mends), MendedTogether: x.Together,
	}
	if n := x.Now; n != nil {
		out.Now = &sallyport.DecisionReplay{
			PolicyVersion: n.PolicyVersion, Allowed: n.Decision.Allowed(), ErrorCode: n.Decision.Code(),
			Reasons: append([]string{}, n.Decision.Codes()...), Rules: rulesOf(n.Decision, &n.Facts),
		}
	}
	return out, err
}

func rulesOf(d policy.Decision, f *policy.Facts) []sallyport.DecisionRule {
	rules := []sallyport.DecisionRule{}
	for _, v := range d.Verdicts(f) {
		rules = append(rules, sallyport.DecisionRule{Rule: v.Rule, Code: v.Code, Verdict: string(v.Outcome), Explanation: v.Text})
	}
	return rules
}

func mendsOf(list []policy.Mend) []sallyport.DecisionMend {
	out := make([]sallyport.DecisionMend, len(list))
	for i, m := range list {
		out[i] = sallyport.DecisionMend{Rule: m.Rule, By: string(m.By), Fact: m.Fact, Value: m.Value, Text: m.Text, Left: m.Left}
	}
	return out
}

func (a *API) ownDecision(ctx context.Context, c *Call) (sallyport.OwnDecision, error) {
	d, err := a.Org.OwnDecision(ctx, c.Principal, c.Path("decision_id"))
	if err != nil {
		return sallyport.OwnDecision{}, err
	}
	return ownDecisionOf(d, a.PublicURL), nil
}

func ownDecisionOf(d org.OwnDecision, publicURL string) sallyport.OwnDecision {
	out := sallyport.OwnDecision{
		DecisionID: d.Event.DecisionID, CreateTime: d.Event.At, Action: d.Action.String(),
		Reasons: []sallyport.DecisionReason{}, Remedy: d.Remedy.Text,
		CredentialPrefix: d.Event.Actor.Credential, ClientIP: addressText(d.Event.Actor.Client),
		OrganizationID: textOrNull(d.Organization.ID), OrganizationName: textOrNull(d.Organization.Name),
	}
	for _, r := range d.Reasons {
		out.Reasons = append(out.Reasons, sallyport.DecisionReason{Code: r.Code, Message: r.Message})
	}
	if d.Remedy.Path != "" {
		out.RemedyURL = publicURL + d.Remedy.Path
	}
	return out
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
