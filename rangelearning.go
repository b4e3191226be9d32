package sallyport

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// RangeLearning is what an organization learned about the addresses that it is
// used from, GET
// /v1/organization/{organization_id}/config/api-client-ip-allowlist/learn.
// Nothing of it is adopted by itself: a thief with a stolen token is seen like
// anybody else. To adopt a range, add it to the allow-list.
type RangeLearning struct {
	Learning      bool            `json:"learning"`
	LearningUntil *time.Time      `json:"learning_until"` // null: it never was on, or was switched off
	AddressesSeen int             `json:"addresses_seen"`
	Proposals     []RangeProposal `json:"proposals"`      // by how many people use them
	MoreProposals int             `json:"more_proposals"` // that are left out
	Hints         []RangeHint     `json:"hints"`          // about the whole
	UnusedRanges  []string        `json:"unused_ranges"`  // of the list, in which nobody was seen
}

// RangeProposal is a range that holds addresses which were seen and which the
// allow-list does not hold.
type RangeProposal struct {
	CIDR            string           `json:"cidr"`
	Addresses       []string         `json:"addresses"`
	FirstSeenTime   time.Time        `json:"first_seen_time"`
	LastSeenTime    time.Time        `json:"last_seen_time"`
	Uses            int64            `json:"uses"`
	People          int              `json:"people"`      // application users included
	Credentials     []SeenCredential `json:"credentials"` // the last used first, at most 50
	MoreCredentials int              `json:"more_credentials"`
	Hints           []RangeHint      `json:"hints"`
}

// SeenCredential is a credential that was used from a proposed range.
type SeenCredential struct {
	TokenPrefix  string    `json:"token_prefix"`
	Kind         string    `json:"kind"` // session, personal_token, application_token, scim_token
	Description  string    `json:"description"`
	UserID       string    `json:"user_id"`
	Owner        string    `json:"owner"` // e-mail address, or the name of an application user
	LastUsedTime time.Time `json:"last_used_time"`
	Uses         int64     `json:"uses"`
	Addresses    int       `json:"addresses"` // from how many in this range
}

// RangeHint is something to think about before a range is adopted.
type RangeHint struct {
	Code string `json:"code"` // one_credential, shared_address, carrier_grade_nat, private_address, only_ipv4, only_ipv6
	Text string `json:"text"`
}

// StartRangeLearning is the body of PUT on the same path.
type StartRangeLearning struct {
	Days int64 `json:"days"` // from now, 1 to 30
}

// AddressTest is the answer of GET
// /v1/organization/{organization_id}/config/api-client-ip-allowlist/test.
type AddressTest struct {
	Address string           `json:"address"` // in the form that is compared: IPv4 never as ::ffff:…
	Ranges  []DescribedRange `json:"ranges"`  // that hold it
	Enabled bool             `json:"enabled"` // the ranges are applied
	Allowed bool             `json:"allowed"` // the organization is reached from it
	// Pilots are those for whose people it is otherwise.
	Pilots []PilotAddressTest `json:"pilots"`
}

// PilotAddressTest is what an address means for the people whom a pilot holds.
type PilotAddressTest struct {
	PilotID string `json:"pilot_id"`
	Name    string `json:"name"`
	Allowed bool   `json:"allowed"`
}

// DescribedRange is a range of an allow-list with its description.
type DescribedRange struct {
	CIDR        string `json:"cidr"`
	Description string `json:"description"`
}

func allowlistPath(organizationID string, more ...string) []string {
	return organizationPath(organizationID, append([]string{"config", "api-client-ip-allowlist"}, more...)...)
}

// RangeLearning returns what an organization learned about its addresses.
func (c *Client) RangeLearning(ctx context.Context, organizationID string) (out RangeLearning, err error) {
	err = c.call(ctx, http.MethodGet, allowlistPath(organizationID, "learn"), nil, nil, &out)
	return out, err
}

// StartRangeLearning has an organization observe from where it is used, or
// changes until when it does.
func (c *Client) StartRangeLearning(ctx context.Context, organizationID string, in StartRangeLearning) (out RangeLearning, err error) {
	err = c.call(ctx, http.MethodPut, allowlistPath(organizationID, "learn"), nil, in, &out)
	return out, err
}

// StopRangeLearning ends that. What was seen is kept for 30 days.
func (c *Client) StopRangeLearning(ctx context.Context, organizationID string) error {
	return c.call(ctx, http.MethodDelete, allowlistPath(organizationID, "learn"), nil, nil, nil)
}

// TestAddress asks what the ranges of an organization mean for an address.
func (c *Client) TestAddress(ctx context.Context, organizationID, address string) (out AddressTest, err error) {
	err = c.call(ctx, http.MethodGet, allowlistPath(organizationID, "test"), url.Values{"address": {address}}, nil, &out)
	return out, err
}
