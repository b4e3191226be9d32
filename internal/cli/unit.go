package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

var unitColumns = []string{"account_name", "account_id", "parent_account_id", "create_time", "update_time"}

func (a *app) unit() *cobra.Command {
	return noun("unit", "Organizational units", a.unitList(), a.unitCreate(), a.unitRename(), a.unitDelete())
}

func (a *app) unitList() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("list", "Show the units", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		accounts, err := api.Accounts(ctx)
		if err != nil {
			return err
		}
		units := []sallyport.Account{}
		for _, account := range accounts {
			if account.OrganizationID == org && account.ParentAccountID != nil {
				units = append(units, account)
			}
		}
		return table(a, asJSON, units, "no units: create one with \"sallyport organization unit create NAME\"", unitColumns...)
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) unitCreate() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("create NAME", "Create a unit", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			root, err := api.Organization(ctx, org)
			if err != nil {
				return err
			}
			unit, err := api.CreateAccount(ctx, sallyport.CreateAccount{AccountName: args[0], ParentAccountID: &root.AccountID})
			if err != nil {
				return err
			}
			return row(a, asJSON, unit, unitColumns...)
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) unitRename() *cobra.Command {
	var asJSON bool
	c := a.verb("rename UNIT_ID NAME", "Rename a unit", cobra.ExactArgs(2), func(ctx context.Context, api *sallyport.Client, args []string) error {
		unit, err := api.UpdateAccount(ctx, args[0], sallyport.UpdateAccount{AccountName: &args[1]})
		if err != nil {
			return err
		}
		return row(a, asJSON, unit, unitColumns...)
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) unitDelete() *cobra.Command {
	var force bool
	c := a.verb("delete UNIT_ID", "Delete a unit without projects", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, args []string) error {
		if err := a.confirm(force, "Delete the unit %s?", args[0]); err != nil {
			return err
		}
		if err := api.DeleteAccount(ctx, args[0]); err != nil {
			return err
		}
		fmt.Fprintln(a.Stdout, "Deleted")
		return nil
	})
	forceFlag(c, &force)
	return c
}
