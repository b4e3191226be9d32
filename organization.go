package sallyport

import "time"

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
