package sallyport

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The tiers of an organization. A personal one has no units.
const (
	TierBusiness = "business"
	TierPersonal = "personal"
)

// Organization owns users, policy, providers and projects.
type Organization struct {
	OrganizationID   string    `json:"organization_id"`
	OrganizationName string    `json:"organization_name"` // at most 83 characters
	AccountID        string    `json:"account_id"`        // of its root account
	Tier             string    `json:"tier"`              // TierBusiness or TierPersonal
	CreateTime       time.Time `json:"create_time"`
	UpdateTime       time.Time `json:"update_time"`

	DefaultGovernanceUserGroupID string `json:"default_governance_user_group_id,omitzero"`
}

// OrganizationList is the answer of GET /v1/organizations.
type OrganizationList struct {
	Organizations []Organization `json:"organizations"` // never null
}

// CreateOrganization is the body of POST /v1/organizations.
type CreateOrganization struct {
	OrganizationName      string  `json:"organization_name"`                 // at most 83 characters
	Tier                  string  `json:"tier"`                              // TierBusiness or TierPersonal
	PrimaryBillingGroupID *string `json:"primary_billing_group_id,omitzero"` // accepted and ignored
}

// UpdateOrganization is the body of PATCH /v1/organization/{organization_id}.
// Unset fields stay as they are.
type UpdateOrganization struct {
	Name *string `json:"name,omitzero"` // at most 83 characters
	Tier *string `json:"tier,omitzero"`
}

// organizationPath is the path of something that belongs to an organization.
func organizationPath(organizationID string, segments ...string) []string {
	return append([]string{"v1", "organization", organizationID}, segments...)
}

// Organizations returns the organizations of the caller.
func (c *Client) Organizations(ctx context.Context) ([]Organization, error) {
	var out OrganizationList
	err := c.call(ctx, http.MethodGet, []string{"v1", "organizations"}, nil, nil, &out)
	return out.Organizations, err
}

// Organization returns one organization.
func (c *Client) Organization(ctx context.Context, organizationID string) (out Organization, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID), nil, nil, &out)
	return out, err
}

// CreateOrganization creates an organization with the caller as super admin.
func (c *Client) CreateOrganization(ctx context.Context, in CreateOrganization) (out Organization, err error) {
	err = c.call(ctx, http.MethodPost, []string{"v1", "organizations"}, nil, in, &out)
	return out, err
}

// UpdateOrganization changes name or tier.
func (c *Client) UpdateOrganization(ctx context.Context, organizationID string, in UpdateOrganization) (out Organization, err error) {
	err = c.call(ctx, http.MethodPatch, organizationPath(organizationID), nil, in, &out)
	return out, err
}

// DeleteOrganization deletes an organization; with recursive also its units
// and projects, which otherwise stand in the way.
func (c *Client) DeleteOrganization(ctx context.Context, organizationID string, recursive bool) error {
	query := url.Values{"recursive": {strconv.FormatBool(recursive)}}
	return c.call(ctx, http.MethodDelete, organizationPath(organizationID), query, nil, nil)
}
