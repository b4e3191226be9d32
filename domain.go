package sallyport

import "time"

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
