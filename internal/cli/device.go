package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) userConfirmDevice() *cobra.Command {
	var request string
	ask := a.open(func(ctx context.Context, api *sallyport.Client, _ []string) error {
		message, err := api.RequestDeviceConfirmation(ctx, request)
		if err != nil {
			return err
		}
		fmt.Fprintln(a.Stdout, escape(message))
		return nil
	})
	confirm := a.open(func(ctx context.Context, api *sallyport.Client, args []string) error {
		email, device, err := api.ConfirmDevice(ctx, args[0])
		if err != nil {
			return err
		}
		if err := a.keepDevice(api.URL, email, device); err != nil {
			return fmt.Errorf("this machine is not remembered: %w", err)
		}
		a.note("this machine is confirmed: log in with \"sallyport user login %s\"", email)
		return nil
	})
	c := &cobra.Command{
		Use: "confirm-device [CODE]", Short: "Confirm this machine with a mailed code, or ask for the mail", Args: cobra.MaximumNArgs(1),
		Long: `When strangers have tried too many wrong passwords for your address, logins
from machines that you have not used before stay closed. Ask for a mail with
--request EMAIL, and confirm this machine with its code; then log in as usual.`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case request != "" && len(args) == 0:
				return ask(c, args)
			case request == "" && len(args) == 1:
				return confirm(c, args)
			}
			return usagef("name the code of the mail, or ask for one with --request EMAIL")
		},
	}
	c.Flags().StringVar(&request, "request", "", "e-mail address to send a code to")
	return c
}
