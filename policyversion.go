package sallyport

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// PolicyVersion is one policy that an organization has had, GET
// /v1/organization/{organization_id}/config/authentication/versions. Its
// address ranges are part of it.
type PolicyVersion struct {
	Version    int64     `json:"version"` // rises by one with each change
	CreateTime time.Time `json:"create_time"`
	Action     string    `json:"action"` // of the audit event; empty for one from before versions were kept
	Actor      Actor     `json:"actor"`
	Current    bool      `json:"current"` // the policy of now
	// Differences are the fields in which it differs from the version before;
	// empty for the oldest that is kept. Never null.
	Differences []PolicyDifference `json:"differences"`
}

// PolicyDifference is a field that two policies do not share.
type PolicyDifference struct {
	Field  string          `json:"field"`
	Before json.RawMessage `json:"before"` // null: no limit, or not there
	After  json.RawMessage `json:"after"`
}

// PolicyVersionPage is a page of versions, newest first.
type PolicyVersionPage struct {
	Versions   []PolicyVersion `json:"versions"`    // never null
	NextCursor *string         `json:"next_cursor"` // of the following page; null on the last
}

// PolicyVersionDetail is one version with the whole policy, GET
// /v1/organization/{organization_id}/config/authentication/versions/{version}.
type PolicyVersionDetail struct {
	PolicyVersion
	Policy json.RawMessage `json:"policy"` // an object with every field; null when what is stored cannot be read
}

// PolicyDocument is the whole policy of an organization with its address
// ranges, GET /v1/organization/{organization_id}/config/authentication/document.
type PolicyDocument struct {
	Version int64           `json:"version"`
	Policy  json.RawMessage `json:"policy"` // an object; the package policy reads it
}

// PolicyReplacement is the body of PUT
// /v1/organization/{organization_id}/config/authentication/document.
type PolicyReplacement struct {
	// Version is the one that the policy was written for. When the
	// organization's is another by now the answer is 409. 0 replaces whatever
	// there is.
	Version int64           `json:"version,omitzero"`
	Policy  json.RawMessage `json:"policy"` // an object with every field but the descriptions of ranges
	PolicyConsent
}

// PolicyConsent is what a change of a whole policy needs in doubtful cases; it
// is the body of POST
// /v1/organization/{organization_id}/config/authentication/versions/{version}/restore.
type PolicyConsent struct {
	// AcceptLockout lets a policy pass under which the caller's own
	// credential would be refused.
	AcceptLockout bool `json:"accept_lockout,omitzero"`
	// AcceptAllAddresses lets a range pass that holds every address.
	AcceptAllAddresses bool `json:"accept_all_addresses,omitzero"`
	// ConfirmWithinSeconds makes the change undo itself unless it is confirmed
	// in time, 60 to 604800; nil: it stays.
	ConfirmWithinSeconds *int64 `json:"confirm_within_seconds,omitzero"`
}

// PolicyVersions returns a page of the policies that an organization has had,
// newest first. limit 0 is the server's, cursor "" the first page.
func (c *Client) PolicyVersions(ctx context.Context, organizationID string, limit int, cursor string) (out PolicyVersionPage, err error) {
	query := url.Values{}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "config", "authentication", "versions"), query, nil, &out)
	return out, err
}

// PolicyVersion returns one of them.
func (c *Client) PolicyVersion(ctx context.Context, organizationID string, version int64) (out PolicyVersionDetail, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "config", "authentication", "versions", strconv.FormatInt(version, 10)), nil, nil, &out)
	return out, err
}

// RestorePolicyVersion brings a version back, from the next request on, and
// returns the policy after it.
func (c *Client) RestorePolicyVersion(ctx context.Context, organizationID string, version int64, consent PolicyConsent) (out PolicyDocument, err error) {
	err = c.call(ctx, http.MethodPost, organizationPath(organizationID, "config", "authentication", "versions", strconv.FormatInt(version, 10), "restore"), nil, consent, &out)
	return out, err
}

// PolicyDocument returns the whole policy of an organization.
func (c *Client) PolicyDocument(ctx context.Context, organizationID string) (out PolicyDocument, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "config", "authentication", "document"), nil, nil, &out)
	return out, err
}

// ReplacePolicy puts a whole policy in the place of an organization's, from
// the next request on, and returns the policy after it.
func (c *Client) ReplacePolicy(ctx context.Context, organizationID string, in PolicyReplacement) (out PolicyDocument, err error) {
	err = c.call(ctx, http.MethodPut, organizationPath(organizationID, "config", "authentication", "document"), nil, in, &out)
	return out, err
}
