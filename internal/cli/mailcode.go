package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

// open is a command that needs nobody to be logged in.
func (a *app) open(run func(ctx context.Context, api *sallyport.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		stored, err := a.loadCredentials()
		if err != nil {
			return err
		}
		return run(c.Context(), a.newClient(a.server(stored), ""), args)
	}
}

func (a *app) userVerifyEmail() *cobra.Command {
	var resend bool
	c := a.verb("verify-email [CODE]", "Confirm your e-mail address with a mailed code, or ask for another mail", cobra.MaximumNArgs(1),
		func(ctx context.Context, api *sallyport.Client, _ []string) error {
			message, err := api.ResendVerification(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, escape(message))
			return nil
		})
	again := c.RunE
	loggedIn := a.verb("", "", nil, func(ctx context.Context, api *sallyport.Client, args []string) error {
		return a.confirmed(api.VerifyOwnEmail(ctx, args[0]))
	}).RunE
	confirm := a.open(func(ctx context.Context, api *sallyport.Client, args []string) error {
		return a.confirmed(api.VerifyEmail(ctx, args[0]))
	})
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case resend && len(args) == 0:
			return again(c, args)
		case !resend && len(args) == 1:
			err := confirm(c, args)
			var refused *sallyport.Error
			if errors.As(err, &refused) && refused.Code == "email_confirmation_needs_login" {
				return loggedIn(c, args)
			}
			return err
		}
		return usagef("name the code of the mail, or ask for another one with --resend")
	}
	c.Flags().BoolVar(&resend, "resend", false, "ask for another mail")
	return c
}

func (a *app) confirmed(email string, err error) error {
	if err == nil {
		a.note("%s is confirmed", email)
	}
	return err
}

func (a *app) userPasswordResetRequest() *cobra.Command {
	return &cobra.Command{
		Use: "password-reset-request EMAIL", Short: "Ask for a mail to set a new password with", Args: cobra.ExactArgs(1),
		RunE: a.open(func(ctx context.Context, api *sallyport.Client, args []string) error {
			message, err := api.RequestPasswordReset(ctx, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, escape(message))
			return nil
		}),
	}
}

func (a *app) userPasswordReset() *cobra.Command {
	var passwordStdin bool
	c := &cobra.Command{
		Use: "password-reset CODE", Short: "Set a new password with a mailed code", Args: cobra.ExactArgs(1),
		RunE: a.open(func(ctx context.Context, api *sallyport.Client, args []string) (err error) {
			password, err := a.newPassword(passwordStdin)
			if err != nil {
				return err
			}
			message, err := api.ResetPassword(ctx, args[0], password)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, escape(message))
			return nil
		}),
	}
	c.Flags().BoolVar(&passwordStdin, "password-stdin", false, "read the password from the first line of standard input")
	return c
}
