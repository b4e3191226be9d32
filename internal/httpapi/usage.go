package httpapi

import (
	"context"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
)

func (a *API) usageRoutes() []route {
	return []route{{
		method: "GET", path: "/v1/organization/{organization_id}/usage", id: "OrganizationUsageGet", tag: "organizations",
		summary:  "Show how much an organization has of what it may have, and how long its audit log is",
		resource: organization, need: access.Need{Scopes: []string{"accounts:read"}, Permission: access.Admin}, status: 200, handler: read(a.usage),
	}}
}

func (a *API) usage(ctx context.Context, c *Call) (out sallyport.OrganizationUsage, err error) {
	u, err := a.Org.Usage(ctx, c.Principal)
	if err != nil {
		return out, err
	}
	out.Usage = []sallyport.UsageCount{}
	for _, of := range u.Counts {
		out.Usage = append(out.Usage, sallyport.UsageCount{Kind: of.Kind, Used: of.Used, Allowed: of.Allowed})
	}
	out.AuditLog = sallyport.AuditLogUsage{Events: u.Events, MoreEvents: u.MoreEvents, OldestTime: u.OldestEvent, RetentionDays: u.AuditDays}
	return out, nil
}
