package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

var domainColumns = []string{"domain_name", "domain_id", "state", "verification_type", "challenge_token", "create_time"}

// domainsOffered keeps the codes by which a server with domains says "no such".
func domainsOffered(err error) error {
	return notOffered(err, "domains", "organization_not_found", "organization_domain_not_found")
}

// domainVerb is a verb about one domain of an organization, named by a flag.
func (a *app) domainVerb(use, short string, run func(ctx context.Context, api *sallyport.Client, org, domain string) (sallyport.Domain, error)) *cobra.Command {
	var domain string
	var asJSON bool
	c := a.organizationVerb(use, short, cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		answer, err := run(ctx, api, org, domain)
		if err != nil {
			return domainsOffered(err)
		}
		return row(a, asJSON, answer, domainColumns...)
	})
	c.Flags().StringVar(&domain, "domain", "", "name of the domain, such as example.com")
	jsonFlag(c, &asJSON)
	return require(c, "domain")
}

func (a *app) domainAdd() *cobra.Command {
	return a.domainVerb("domain-add", "Claim an e-mail domain", func(ctx context.Context, api *sallyport.Client, org, domain string) (sallyport.Domain, error) {
		return api.CreateDomain(ctx, org, sallyport.CreateDomain{DomainName: domain})
	})
}

func (a *app) domainGet() *cobra.Command {
	return a.domainVerb("domain-get", "Show a domain and its challenge", a.findDomain)
}

func (a *app) domainVerify() *cobra.Command {
	return a.domainVerb("domain-verify", "Ask the server to look for the challenge", func(ctx context.Context, api *sallyport.Client, org, domain string) (sallyport.Domain, error) {
		found, err := a.findDomain(ctx, api, org, domain)
		if err != nil {
			return found, err
		}
		return api.VerifyDomain(ctx, org, found.DomainID)
	})
}

// findDomain looks a domain up in the list: the API has no call for one.
func (a *app) findDomain(ctx context.Context, api *sallyport.Client, org, domain string) (sallyport.Domain, error) {
	domains, err := api.Domains(ctx, org)
	if err != nil {
		return sallyport.Domain{}, err
	}
	for _, d := range domains {
		if strings.EqualFold(d.DomainName, domain) {
			return d, nil
		}
	}
	return sallyport.Domain{}, fmt.Errorf("the organization has no domain %s: add it with \"sallyport organization domain-add\"", domain)
}

func (a *app) domainList() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("domain-list", "Show the domains", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		domains, err := api.Domains(ctx, org)
		if err != nil {
			return domainsOffered(err)
		}
		return table(a, asJSON, domains, "no domains: add one with \"sallyport organization domain-add\"", domainColumns...)
	})
	jsonFlag(c, &asJSON)
	return c
}
