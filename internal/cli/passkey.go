package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) passkey() *cobra.Command {
	c := noun("passkey", "Passkeys: logins without a password", a.passkeyList(), a.passkeyRename(), a.passkeyRemove())
	c.Long = `Look after your passkeys. They are added in a browser, on the server's page
/profile/authentication: only browsers can make one. To log in here with a
passkey, use "sallyport user login --sso".`
	return c
}

func (a *app) passkeyList() *cobra.Command {
	var asJSON bool
	c := a.verb("list", "Show your passkeys", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		list, err := api.Passkeys(ctx)
		if err != nil {
			return err
		}
		return table(a, asJSON, list, "no passkeys: add one in a browser, at "+api.URL+"/profile/authentication",
			"passkey_id", "name", "state", "backed_up", "create_time", "last_used_time")
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) passkeyRename() *cobra.Command {
	return a.verb("rename ID NAME", "Give a passkey another name", cobra.ExactArgs(2), func(ctx context.Context, api *sallyport.Client, args []string) error {
		key, err := api.RenamePasskey(ctx, args[0], args[1])
		if err != nil {
			return err
		}
		a.note("passkey %s is now called %s", key.PasskeyID, key.Name)
		return nil
	})
}

func (a *app) passkeyRemove() *cobra.Command {
	return a.verb("remove ID", "Remove a passkey, with the sessions and tokens that came from it", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, args []string) error {
		if err := api.RemovePasskey(ctx, args[0]); err != nil {
			return err
		}
		a.note("passkey %s is removed; delete it from your device as well", args[0])
		return nil
	})
}
