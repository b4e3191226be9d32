package sallyport

import (
	"context"
	"net/http"
	"time"
)

// DiscoveredOrganization is another organization that users managed by one
// belong to.
type DiscoveredOrganization struct {
	OrganizationID   string           `json:"organization_id"`
	OrganizationName string           `json:"organization_name"`
	CreateTime       time.Time        `json:"create_time"`
	Users            []DiscoveredUser `json:"users"` // the managed users only; never empty
}

// DiscoveredUser is a managed user in a DiscoveredOrganization.
type DiscoveredUser struct {
	UserID       string    `json:"user_id"`
	UserEmail    string    `json:"user_email"`
	RealName     string    `json:"real_name"`
	IsSuperAdmin bool      `json:"is_super_admin"` // of the discovered organization
	CreateTime   time.Time `json:"create_time"`    // of the user
}

// DiscoveredOrganizationList is the answer of GET
// /v1/organization/{organization_id}/discovered-organizations.
type DiscoveredOrganizationList struct {
	DiscoveredOrganizations []DiscoveredOrganization `json:"discovered_organizations"` // never null
}

// DiscoveredOrganizations returns the other organizations of the users whom an
// organization manages. It takes organization:users:write.
func (c *Client) DiscoveredOrganizations(ctx context.Context, organizationID string) ([]DiscoveredOrganization, error) {
	var out DiscoveredOrganizationList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "discovered-organizations"), nil, nil, &out)
	return out.DiscoveredOrganizations, err
}
