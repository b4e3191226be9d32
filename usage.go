package sallyport

import (
	"context"
	"net/http"
	"time"
)

// OrganizationUsage is the answer of GET /v1/organization/{organization_id}/usage:
// how much an organization has of what it may have.
type OrganizationUsage struct {
	Usage    []UsageCount  `json:"usage"` // never null
	AuditLog AuditLogUsage `json:"audit_log"`
}

// UsageCount is how many things of a kind there are, such as people, domains or
// user_groups, and how many there may be.
type UsageCount struct {
	Kind    string `json:"kind"`
	Used    int64  `json:"used"`
	Allowed int64  `json:"allowed,omitzero"` // left out: there is no limit
}

// AuditLogUsage is how long the audit log of an organization is.
type AuditLogUsage struct {
	Events        int64     `json:"events"`               // counted up to 100,000
	MoreEvents    bool      `json:"more_events"`          // there are more than that
	OldestTime    time.Time `json:"oldest_time,omitzero"` // of the oldest that is kept; left out: there is none
	RetentionDays int       `json:"retention_days"`       // after which events go
}

// OrganizationUsage returns how much an organization has of what it may have;
// for its admins.
func (c *Client) OrganizationUsage(ctx context.Context, organizationID string) (out OrganizationUsage, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "usage"), nil, nil, &out)
	return out, err
}
