package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

var domainColumns = []string{"domain_name", "domain_id", "state", "verification_type", "challenge_dns_name", "challenge_url", "challenge_value", "create_time"}

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
		d, err := api.CreateDomain(ctx, org, sallyport.CreateDomain{DomainName: domain})
		if err == nil {
			a.note("add this record at your DNS provider:")
			a.note("  name   %s", d.ChallengeDNSName)
			a.note("  type   TXT")
			a.note("  value  %s", d.ChallengeValue)
			a.note("or serve a text file with the value as a line at %s and verify with --type http", d.ChallengeURL)
			a.note("then run: sallyport organization domain-verify --wait --domain %s", d.DomainName)
		}
		return d, err
	})
}

func (a *app) domainGet() *cobra.Command {
	return a.domainVerb("domain-get", "Show a domain and its challenge", a.findDomain)
}

func (a *app) domainVerify() *cobra.Command {
	var wait bool
	var timeout time.Duration
	var proof string
	c := a.domainVerb("domain-verify", "Ask the server to look for the challenge", func(ctx context.Context, api *sallyport.Client, org, domain string) (sallyport.Domain, error) {
		found, err := a.findDomain(ctx, api, org, domain)
		if err == nil && proof != "" && proof != found.VerificationType {
			found, err = api.UpdateDomain(ctx, org, found.DomainID, sallyport.UpdateDomain{VerificationType: proof})
		}
		if err != nil {
			return found, err
		}
		if !wait {
			return api.VerifyDomain(ctx, org, found.DomainID)
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return a.awaitDomain(ctx, api, found)
	})
	c.Flags().StringVar(&proof, "type", "", "where to look from now on: dns or http")
	c.Flags().BoolVar(&wait, "wait", false, "ask again until the challenge is there")
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long --wait asks")
	return c
}

// Pauses of --wait: below the server's ten tries a minute.
const (
	firstPause   = 7 * time.Second
	longestPause = time.Minute
)

// awaitDomain asks until a domain is verified, another error than the missing
// challenge comes, or ctx ends: then the last answer is the error.
func (a *app) awaitDomain(ctx context.Context, api *sallyport.Client, d sallyport.Domain) (sallyport.Domain, error) {
	for pause := firstPause; ; pause = min(pause*3/2, longestPause) {
		verified, err := api.VerifyDomain(ctx, d.OrganizationID, d.DomainID)
		var failed *sallyport.Error
		if err == nil || !errors.As(err, &failed) || failed.Code != "organization_domain_verification_failed" {
			return verified, err
		}
		a.note("%s is not verified yet; asking again in %s", d.DomainName, pause.Round(time.Second))
		select {
		case <-ctx.Done():
			return d, err
		case <-time.After(pause):
		}
	}
}

func (a *app) domainRemove() *cobra.Command {
	var domain string
	var preview, asJSON bool
	var c *cobra.Command
	c = a.organizationVerb("domain-remove", "Give a domain up for good; its managed users become ordinary ones", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		found, err := a.findDomain(ctx, api, org, domain)
		if err != nil {
			return domainsOffered(err)
		}
		if preview {
			return a.previewChange(ctx, api, org, "domain", found.DomainID, "remove", asJSON)
		}
		if err := api.DeleteDomain(ctx, org, found.DomainID, confirmOption(c)...); err != nil {
			return err
		}
		a.noteConfirm(c)
		return nil
	})
	confirmFlag(c)
	previewFlag(c, &preview)
	previewJSONFlag(c, &asJSON)
	c.Flags().StringVar(&domain, "domain", "", "name of the domain, such as example.com")
	return require(c, "domain")
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
	return sallyport.Domain{}, fmt.Errorf("the organization has no domain %s: add it with \"sallyport organization domain-add --domain NAME\"", domain)
}

func (a *app) domainList() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("domain-list", "Show the domains", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		domains, err := api.Domains(ctx, org)
		if err != nil {
			return domainsOffered(err)
		}
		return table(a, asJSON, domains, "no domains: add one with \"sallyport organization domain-add --domain NAME\"", domainColumns...)
	})
	jsonFlag(c, &asJSON)
	return c
}
