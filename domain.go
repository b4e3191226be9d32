package sallyport

import (
	"context"
	"net/http"
	"time"
)

// Domain is an e-mail domain that an organization claims.
type Domain struct {
	DomainID         string    `json:"domain_id"`
	DomainName       string    `json:"domain_name"`
	OrganizationID   string    `json:"organization_id"`
	ChallengeToken   string    `json:"challenge_token"`
	VerificationType string    `json:"verification_type"` // "dns" or "http"
	State            string    `json:"state"`             // "unverified", "verified" or "deleted"
	CreateTime       time.Time `json:"create_time"`

	LinkedAuthenticationMethodIDs []string `json:"linked_authentication_method_ids"` // never null

	// Where the proof is looked for, and what it is. The compatible API has
	// none of these three.
	ChallengeDNSName string `json:"challenge_dns_name"` // of a TXT record
	ChallengeURL     string `json:"challenge_url"`      // of a text file
	ChallengeValue   string `json:"challenge_value"`    // the record's value, a line of the file
}

// DomainList is the answer of GET /v1/organization/{organization_id}/domains.
type DomainList struct {
	Domains []Domain `json:"domains"` // never null
}

// CreateDomain is the body of POST on the same path.
type CreateDomain struct {
	DomainName       string `json:"domain_name"`
	VerificationType string `json:"verification_type,omitzero"` // "dns" (the default) or "http"
}

// UpdateDomain is the body of PATCH on one domain. What is empty stays.
type UpdateDomain struct {
	VerificationType string `json:"verification_type,omitzero"` // "dns" or "http"
}

// Domains returns the domains of an organization, verified or not.
func (c *Client) Domains(ctx context.Context, organizationID string) ([]Domain, error) {
	var out DomainList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "domains"), nil, nil, &out)
	return out.Domains, err
}

// CreateDomain claims a domain.
func (c *Client) CreateDomain(ctx context.Context, organizationID string, in CreateDomain) (out Domain, err error) {
	err = c.call(ctx, http.MethodPost, organizationPath(organizationID, "domains"), nil, in, &out)
	return out, err
}

// UpdateDomain changes how a domain is verified.
func (c *Client) UpdateDomain(ctx context.Context, organizationID, domainID string, in UpdateDomain) (out Domain, err error) {
	err = c.call(ctx, http.MethodPatch, organizationPath(organizationID, "domains", domainID), nil, in, &out)
	return out, err
}

// VerifyDomain asks the server to look for the challenge.
func (c *Client) VerifyDomain(ctx context.Context, organizationID, domainID string) (out Domain, err error) {
	err = c.call(ctx, http.MethodPost, organizationPath(organizationID, "domains", domainID, "verify"), nil, nil, &out)
	return out, err
}

// DeleteDomain gives a domain up.
func (c *Client) DeleteDomain(ctx context.Context, organizationID, domainID string, options ...ChangeOption) error {
	return c.call(ctx, http.MethodDelete, organizationPath(organizationID, "domains", domainID), changeQuery(options), nil, nil)
}
