package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) organizationNoun() *cobra.Command {
	return noun("organization", "Organizations and what belongs to them",
		a.organizationList(), a.organizationUsage(), a.organizationCreate(), a.organizationUpdate(), a.organizationDelete(),
		a.organizationUser(), a.organizationUserToken(), a.discovered(), a.invitation(), a.group(), a.unit(),
		a.domainAdd(), a.domainGet(), a.domainVerify(), a.domainRemove(), a.domainList(), a.identityProvider(),
		a.authenticationPolicy(), a.ipAllowlist(), a.organizationApplicationUserToken())
}

func (a *app) organizationList() *cobra.Command {
	var asJSON bool
	c := a.verb("list", "Show your organizations", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		all, err := api.Organizations(ctx)
		if err != nil {
			return err
		}
		return table(a, asJSON, all, "no organizations: create one with \"sallyport organization create NAME\"",
			"organization_name", "organization_id", "account_id", "create_time", "update_time", "tier")
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) organizationCreate() *cobra.Command {
	var asJSON, force bool
	c := a.verb("create NAME", "Create an organization with you as super admin", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, args []string) error {
			if err := a.confirm(force, "Create the organization %s?", args[0]); err != nil {
				return err
			}
			account, err := api.CreateAccount(ctx, sallyport.CreateAccount{AccountName: args[0]})
			if err != nil {
				return err
			}
			return row(a, asJSON, account, "organization_id", "account_id", "create_time", "update_time")
		})
	jsonFlag(c, &asJSON)
	forceFlag(c, &force)
	return c
}

func forceFlag(c *cobra.Command, to *bool) {
	c.Flags().BoolVarP(to, "force", "f", false, "do not ask")
}

// organizationUpdate and organizationDelete go through the root account, as
// the compatible command line does.
func (a *app) organizationUpdate() *cobra.Command {
	var name string
	var asJSON bool
	c := a.verb("update ORGANIZATION_ID", "Rename an organization", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, args []string) error {
			org, err := api.Organization(ctx, args[0])
			if err != nil {
				return err
			}
			if _, err := api.UpdateAccount(ctx, org.AccountID, sallyport.UpdateAccount{AccountName: &name}); err != nil {
				return err
			}
			if org, err = api.Organization(ctx, args[0]); err != nil {
				return err
			}
			return row(a, asJSON, org, "organization_name", "organization_id", "account_id", "create_time", "update_time")
		})
	c.Flags().StringVarP(&name, "name", "n", "", "new name")
	jsonFlag(c, &asJSON)
	return require(c, "name")
}

func (a *app) organizationDelete() *cobra.Command {
	var force bool
	c := a.verb("delete ORGANIZATION_ID", "Delete an organization without projects and units", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, args []string) error {
			org, err := api.Organization(ctx, args[0])
			if err != nil {
				return err
			}
			if err := a.confirm(force, "Delete the organization %s?", org.OrganizationName); err != nil {
				return err
			}
			if err := api.DeleteAccount(ctx, org.AccountID); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Deleted")
			return nil
		})
	forceFlag(c, &force)
	return c
}
