package httpapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

// The lengths of the lists of a preview.
const (
	impactLimit = 100
	impactMost  = 1000
)

func (a *API) accessImpactRoutes() []route {
	return []route{{
		method: "POST", path: "/v1/organization/{organization_id}/config/authentication/preview", id: "OrganizationAccessPreview", tag: "policy",
		summary: "Say who would lose and regain access by a change, and change nothing", query: []string{"limit", "offset"},
		// It names people and where they come from, so it is for admins.
		resource: organization, need: access.Need{Scopes: []string{"accounts:read", "authentication:read"}, Permission: access.Admin},
		status: http.StatusOK, own: true, handler: raw[sallyport.AccessPreview](a.previewAccess),
	}}
}

func (a *API) previewAccess(ctx context.Context, c *Call, body []byte) (sallyport.AccessImpact, error) {
	page, err := c.impactPage()
	if err != nil {
		return sallyport.AccessImpact{}, err
	}
	i, err := a.Org.Preview(ctx, c.Principal, body, page)
	return impactWire(i), err
}

func (c *Call) impactPage() (org.Page, error) {
	limit, err := c.limit()
	if err != nil {
		return org.Page{}, err
	}
	page := org.Page{Limit: min(limit, impactMost)}
	if limit == 0 {
		page.Limit = impactLimit
	}
	if text := c.Query("offset"); text != "" {
		if page.Offset, err = strconv.Atoi(text); err != nil || page.Offset < 0 {
			return page, badRequest("offset is not a whole number from 0 on")
		}
	}
	return page, nil
}

func impactWire(i org.Impact) sallyport.AccessImpact {
	out := sallyport.AccessImpact{
		AdminHasAccess: i.AdminHasAccess, AdminKeepsAccess: i.AdminKeepsAccess, RemainingAdmins: []sallyport.AffectedUser{},
		RecentUsesRefused: sallyport.RecentUses{LastSevenDays: i.UsesOfWeek, LastThirtyDays: i.UsesOfMonth},
		Loses:             affectedWire(i.Loses), Regains: affectedWire(i.Regains),
	}
	for _, p := range i.Admins[:min(len(i.Admins), impactLimit)] {
		out.RemainingAdmins = append(out.RemainingAdmins, affectedUser(org.Hit{Person: p, Admin: true}))
	}
	return out
}

func affectedWire(a org.Affected) sallyport.AffectedAccess {
	out := sallyport.AffectedAccess{
		Users:    sallyport.AffectedUsers{Total: a.People.Total, Users: []sallyport.AffectedUser{}},
		Sessions: affectedTokens(a.Sessions), PersonalTokens: affectedTokens(a.PersonalTokens), ApplicationTokens: affectedTokens(a.ApplicationTokens),
	}
	for _, h := range a.People.Page {
		out.Users.Users = append(out.Users.Users, affectedUser(h))
	}
	return out
}

func affectedUser(h org.Hit) sallyport.AffectedUser {
	return sallyport.AffectedUser{
		UserID: h.ID, UserEmail: h.Email, RealName: h.RealName, IsAdmin: h.Admin, Reasons: reasonsWire(h.Reasons), Remedy: h.Remedy.Text,
	}
}

func affectedTokens(hits org.Hits) sallyport.AffectedTokens {
	out := sallyport.AffectedTokens{Total: hits.Total, Tokens: []sallyport.AffectedToken{}}
	for _, h := range hits.Page {
		out.Tokens = append(out.Tokens, sallyport.AffectedToken{
			TokenPrefix: h.Prefix, UserID: h.ID, UserEmail: h.Email, RealName: h.RealName, LastUsedTime: timeOrNull(h.LastUsed), LastIP: h.LastIP,
			Reasons: reasonsWire(h.Reasons), Remedy: h.Remedy.Text,
		})
	}
	return out
}

func reasonsWire(reasons []policy.Reason) []sallyport.DecisionReason {
	out := []sallyport.DecisionReason{}
	for _, r := range reasons {
		out = append(out, sallyport.DecisionReason{Code: r.Code, Message: r.Message})
	}
	return out
}
