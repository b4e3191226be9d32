package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

var accountColumns = []string{
	"account_name", "account_id", "organization_id", "root_account_id", "parent_account_id",
	"is_account_owner", "create_time", "update_time",
}

func (a *app) account() *cobra.Command {
	return noun("account", "Accounts: the roots of organizations, and units",
		a.accountList(), a.accountCreate(), a.accountUpdate(), a.accountDelete(), a.accountMethods())
}

func (a *app) accountList() *cobra.Command {
	var asJSON bool
	c := a.verb("list", "Show your accounts", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		accounts, err := api.Accounts(ctx)
		if err != nil {
			return err
		}
		return table(a, asJSON, accounts, "no accounts: create an organization with \"sallyport organization create NAME\"", accountColumns...)
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) accountCreate() *cobra.Command {
	var name string
	var asJSON bool
	c := a.verb("create", "Create an organization by its root account", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		account, err := api.CreateAccount(ctx, sallyport.CreateAccount{AccountName: name})
		if err != nil {
			return err
		}
		return row(a, asJSON, account, accountColumns...)
	})
	c.Flags().StringVarP(&name, "name", "n", "", "its name")
	jsonFlag(c, &asJSON)
	return require(c, "name")
}

func (a *app) accountUpdate() *cobra.Command {
	var name string
	var asJSON bool
	c := a.verb("update ACCOUNT_ID", "Rename an account", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, args []string) error {
		account, err := api.UpdateAccount(ctx, args[0], sallyport.UpdateAccount{AccountName: &name})
		if err != nil {
			return err
		}
		return row(a, asJSON, account, accountColumns...)
	})
	c.Flags().StringVarP(&name, "name", "n", "", "new name")
	jsonFlag(c, &asJSON)
	return require(c, "name")
}

func (a *app) accountDelete() *cobra.Command {
	return a.verb("delete ACCOUNT_ID", "Delete an account without projects and units", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, args []string) error {
			if err := api.DeleteAccount(ctx, args[0]); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Deleted")
			return nil
		})
}
