package sallyport

import "time"

// Account is the root of an organization, or one of its organizational units.
type Account struct {
	AccountID             string         `json:"account_id"`
	AccountName           string         `json:"account_name"` // at most 83 characters; equals the organization's name on a root
	OrganizationID        string         `json:"organization_id"`
	RootAccountID         string         `json:"root_account_id"`          // itself for a root
	ParentAccountID       *string        `json:"parent_account_id"`        // null for a root
	AccountOwnerTeamID    string         `json:"account_owner_team_id"`    // always empty
	PrimaryBillingGroupID *string        `json:"primary_billing_group_id"` // always null
	IsAccountOwner        bool           `json:"is_account_owner"`
	IsAccountMember       bool           `json:"is_account_member"`
	AccessSource          string         `json:"access_source,omitzero"` // such as "organization_membership"
	Features              map[string]any `json:"features"`               // never null
	TenantID              string         `json:"tenant_id"`
	CreateTime            time.Time      `json:"create_time"`
	UpdateTime            time.Time      `json:"update_time"`
}

// AccountList is the answer of GET /v1/account: roots and units.
type AccountList struct {
	Accounts []Account `json:"accounts"` // never null
}

// AccountAnswer wraps an Account.
type AccountAnswer struct {
	Account Account `json:"account"`
}

// CreateAccount is the body of POST /v1/account. Without a parent it creates
// an organization.
type CreateAccount struct {
	AccountName           string  `json:"account_name"` // at most 83 characters
	ParentAccountID       *string `json:"parent_account_id,omitzero"`
	PrimaryBillingGroupID *string `json:"primary_billing_group_id,omitzero"` // accepted and ignored
}

// UpdateAccount is the body of PUT /v1/account/{account_id}. Unset fields
// stay as they are.
type UpdateAccount struct {
	AccountName           *string `json:"account_name,omitzero"`             // at most 83 characters
	PrimaryBillingGroupID *string `json:"primary_billing_group_id,omitzero"` // accepted and ignored
}

// MoveAccount is the body of PUT /v1/account/{account_id}/parent_account.
type MoveAccount struct {
	ParentAccountID string `json:"parent_account_id"`
}
