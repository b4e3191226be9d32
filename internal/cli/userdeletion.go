package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) userDelete() *cobra.Command {
	var force bool
	c := a.verb("delete [USER_ID]", "Delete your own account, or a deactivated user whom your organization manages", cobra.MaximumNArgs(1),
		func(ctx context.Context, api *sallyport.Client, args []string) error {
			me, err := api.Me(ctx)
			if err != nil {
				return err
			}
			if len(args) == 0 || args[0] == me.UserID {
				return a.deleteMe(ctx, api, me, force)
			}
			if err := a.confirm(force, "Delete the user %s?", args[0]); err != nil {
				return err
			}
			return a.deleteUser(ctx, api, args[0])
		})
	c.Long = `Delete your own account, for good: leave your organizations first, or delete
them, and log in within the last 10 minutes. With USER_ID, delete a user whom
your organization manages, after deactivating them.`
	forceFlag(c, &force)
	return c
}

// deleteMe also forgets the kept session, which has ended.
func (a *app) deleteMe(ctx context.Context, api *sallyport.Client, me sallyport.User, force bool) error {
	if err := a.confirm(force, "Delete your account %s for good?", me.Email); err != nil {
		return err
	}
	if err := a.deleteUser(ctx, api, me.UserID); err != nil {
		return err
	}
	stored, err := a.loadCredentials()
	if err != nil || stored.at(api.URL).Token != api.Token {
		return err
	}
	return a.changeCredentials(api.URL, func(_ *credentials, s *atServer) { s.Token = "" })
}

func (a *app) deleteUser(ctx context.Context, api *sallyport.Client, userID string) error {
	if err := api.DeleteUser(ctx, userID); err != nil {
		return err
	}
	fmt.Fprintln(a.Stdout, "Deleted")
	return nil
}
