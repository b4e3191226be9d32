package sallyport

import (
	"context"
	"net/http"
	"time"
)

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

// Accounts returns the roots and units the caller may see.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	var out AccountList
	err := c.call(ctx, http.MethodGet, []string{"v1", "account"}, nil, nil, &out)
	return out.Accounts, err
}

// Account returns one root or unit.
func (c *Client) Account(ctx context.Context, accountID string) (Account, error) {
	var out AccountAnswer
	err := c.call(ctx, http.MethodGet, []string{"v1", "account", accountID}, nil, nil, &out)
	return out.Account, err
}

// CreateAccount creates a unit, or without a parent an organization.
func (c *Client) CreateAccount(ctx context.Context, in CreateAccount) (Account, error) {
	var out AccountAnswer
	err := c.call(ctx, http.MethodPost, []string{"v1", "account"}, nil, in, &out)
	return out.Account, err
}

// UpdateAccount renames a root or unit.
func (c *Client) UpdateAccount(ctx context.Context, accountID string, in UpdateAccount) (Account, error) {
	var out AccountAnswer
	err := c.call(ctx, http.MethodPut, []string{"v1", "account", accountID}, nil, in, &out)
	return out.Account, err
}

// DeleteAccount deletes a unit, or an organization by its root; it must be
// empty.
func (c *Client) DeleteAccount(ctx context.Context, accountID string) error {
	return c.call(ctx, http.MethodDelete, []string{"v1", "account", accountID}, nil, nil, nil)
}

// MoveAccount gives a unit another parent.
func (c *Client) MoveAccount(ctx context.Context, accountID string, in MoveAccount) (Account, error) {
	var out AccountAnswer
	err := c.call(ctx, http.MethodPut, []string{"v1", "account", accountID, "parent_account"}, nil, in, &out)
	return out.Account, err
}
