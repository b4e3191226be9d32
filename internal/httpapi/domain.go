package httpapi

import (
	"context"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

func (a *API) domainRoutes() []route {
	const tag, domains, domain = "domains", "/v1/organization/{organization_id}/domains", "/v1/organization/{organization_id}/domains/{domain_id}"
	const permission = "organization:domains:write" // for reading too
	reads := access.Need{Scopes: []string{"accounts:read"}, Permission: permission}
	writes := access.Need{Scopes: []string{"accounts:write"}, Permission: permission, Fresh: true}
	return []route{
		{
			method: "GET", path: domains, id: "OrganizationDomainsList", tag: tag, summary: "List the domains of an organization, verified or not",
			resource: organization, need: reads, status: 200, handler: read(a.domains),
		},
		{
			method: "POST", path: domains, id: "OrganizationDomainAdd", tag: tag, summary: "Claim an e-mail domain",
			resource: organization, need: writes, status: 200, event: "domain_added",
			fields: fields{"domain_name": {required: true}}, handler: write(a.addDomain),
		},
		{
			method: "PATCH", path: domain, id: "OrganizationDomainUpdate", tag: tag, summary: "Change how a domain is verified",
			resource: organization, need: writes, status: 200, event: "domain_changed", handler: write(a.updateDomain),
		},
		{
			method: "POST", path: domain + "/verify", id: "OrganizationDomainVerify", tag: tag, summary: "Look for the proof of a domain; members with an address in it become managed users",
			resource: organization, need: writes, status: 200, event: "domain_verified", handler: read(a.verifyDomain),
		},
		{
			method: "DELETE", path: domain, id: "OrganizationDomainsRemove", tag: tag, summary: "Remove a domain for good; its managed users become ordinary ones",
			resource: organization, need: writes, status: 204, event: "domain_removed", query: []string{confirmQuery}, handler: do(a.removeDomain),
		},
	}
}

func (a *API) domainWire(d identity.Domain) sallyport.Domain {
	proof := a.Org.ProofOf(d)
	return sallyport.Domain{
		DomainID: d.ID, DomainName: d.Name, OrganizationID: d.OrganizationID, ChallengeToken: d.Challenge,
		VerificationType: d.VerificationType, State: d.State, CreateTime: d.Created, LinkedAuthenticationMethodIDs: []string{},
		ChallengeDNSName: proof.DNSName, ChallengeURL: proof.URL, ChallengeValue: proof.Line,
	}
}

func (a *API) domains(ctx context.Context, c *Call) (out sallyport.DomainList, err error) {
	list, err := a.Org.Domains(ctx, c.Principal)
	if err != nil {
		return out, err
	}
	out.Domains, err = a.linkedDomains(ctx, c, list)
	return out, err
}

func (a *API) addDomain(ctx context.Context, c *Call, in sallyport.CreateDomain) (sallyport.Domain, error) {
	d, err := a.Org.AddDomain(ctx, c.Principal, in.DomainName, in.VerificationType)
	return a.domainWire(d), err
}

func (a *API) updateDomain(ctx context.Context, c *Call, in sallyport.UpdateDomain) (sallyport.Domain, error) {
	d, err := a.Org.ChangeDomain(ctx, c.Principal, c.Path("domain_id"), in.VerificationType)
	return a.domainWire(d), err
}

func (a *API) verifyDomain(ctx context.Context, c *Call) (sallyport.Domain, error) {
	d, err := a.Org.VerifyDomain(ctx, c.Principal, c.Path("domain_id"))
	return a.domainWire(d), err
}

func (a *API) removeDomain(ctx context.Context, c *Call) error {
	confirm, err := confirmOf(c)
	if err != nil {
		return err
	}
	return a.Org.RemoveDomain(ctx, c.Principal, c.Path("domain_id"), confirm)
}
