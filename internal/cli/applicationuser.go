package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

var (
	applicationUserColumns  = []string{"name", "user_email", "user_id", "is_super_admin"}
	applicationTokenColumns = []string{"token_prefix", "description", "last_used_time", "expiry_time", "currently_active"}
	// verboseTokenColumns are added by --verbose.
	verboseTokenColumns = []string{
		"create_time", "created_manually", "extend_when_used", "ip_allowlist",
		"last_ip", "last_user_agent_human_readable", "max_age_seconds", "scopes",
	}
)

func (a *app) applicationUser() *cobra.Command {
	return noun("application-user", "Users for programs",
		a.applicationUserList(), a.applicationUserCreate(), a.applicationUserInfo(),
		a.applicationUserUpdate(), a.applicationUserDelete(),
		noun("token", "The tokens of an application user",
			a.applicationTokenCreate(), a.applicationTokenList(), a.applicationTokenInfo(), a.applicationTokenRevoke()))
}

func (a *app) applicationUserList() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("list", "Show the application users", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		users, err := api.ApplicationUsers(ctx, org)
		if err != nil {
			return err
		}
		return table(a, asJSON, users, "no application users: create one with \"sallyport application-user create --name NAME\"", applicationUserColumns...)
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) applicationUserCreate() *cobra.Command {
	var name string
	var asJSON bool
	c := a.organizationVerb("create", "Create an application user", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		user, err := api.CreateApplicationUser(ctx, org, sallyport.ApplicationUserRequest{Name: name})
		if err != nil {
			return err
		}
		return row(a, asJSON, user, applicationUserColumns...)
	})
	c.Flags().StringVar(&name, "name", "", "its name")
	jsonFlag(c, &asJSON)
	return require(c, "name")
}

func (a *app) applicationUserInfo() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("info USER_ID", "Show an application user", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			user, err := api.ApplicationUser(ctx, org, args[0])
			if err != nil {
				return err
			}
			return row(a, asJSON, user, applicationUserColumns...)
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) applicationUserUpdate() *cobra.Command {
	var name string
	var asJSON bool
	c := a.organizationVerb("update USER_ID", "Rename an application user", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			user, err := api.UpdateApplicationUser(ctx, org, args[0], sallyport.ApplicationUserRequest{Name: name})
			if err != nil {
				return err
			}
			return row(a, asJSON, user, applicationUserColumns...)
		})
	c.Flags().StringVar(&name, "name", "", "new name")
	jsonFlag(c, &asJSON)
	return require(c, "name")
}

func (a *app) applicationUserDelete() *cobra.Command {
	var force bool
	c := a.organizationVerb("delete USER_ID", "Delete an application user and its tokens", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			if err := a.confirm(force, "Delete the application user %s and its tokens?", args[0]); err != nil {
				return err
			}
			if err := api.DeleteApplicationUser(ctx, org, args[0]); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Deleted")
			return nil
		})
	forceFlag(c, &force)
	return c
}

func (a *app) applicationTokenCreate() *cobra.Command {
	var f tokenFlags
	var asJSON bool
	var c *cobra.Command
	c = a.organizationVerb("create USER_ID", "Make a token and show it once", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			return a.createApplicationToken(ctx, api, c, &f, org, args[0], asJSON)
		})
	f.on(c, "ip-allowlist")
	jsonFlag(c, &asJSON)
	return require(c, "description")
}

// organizationApplicationUserToken is the same under the spelling of the
// product description, which names no description.
func (a *app) organizationApplicationUserToken() *cobra.Command {
	var f tokenFlags
	var user string
	var asJSON bool
	var c *cobra.Command
	c = a.organizationVerb("application-user-token-create", "Make a token of an application user and show it once", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			return a.createApplicationToken(ctx, api, c, &f, org, user, asJSON)
		})
	f.on(c, "cidr-blocks")
	c.Flags().StringVar(&user, "user-id", "", "the application user")
	jsonFlag(c, &asJSON)
	return require(c, "user-id")
}

func (a *app) createApplicationToken(ctx context.Context, api *sallyport.Client, c *cobra.Command, f *tokenFlags, org, user string, asJSON bool) error {
	in, err := f.request(c)
	if err != nil {
		return err
	}
	token, err := api.CreateApplicationToken(ctx, org, user, in)
	if err != nil {
		return err
	}
	defer a.noteSecret()
	return row(a, asJSON, token, "full_token", "token_prefix")
}

func (a *app) applicationTokenList() *cobra.Command {
	var asJSON, verbose bool
	c := a.organizationVerb("list USER_ID", "Show the tokens", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			tokens, err := api.ApplicationTokens(ctx, org, args[0])
			if err != nil {
				return err
			}
			return table(a, asJSON, tokens, "no tokens: make one with \"sallyport application-user token create USER_ID --description WORDS\"", tokenColumns(verbose)...)
		})
	verboseFlag(c, &verbose)
	jsonFlag(c, &asJSON)
	return c
}

func verboseFlag(c *cobra.Command, to *bool) {
	c.Flags().BoolVarP(to, "verbose", "v", false, "show more columns")
}

func tokenColumns(verbose bool) []string {
	if !verbose {
		return applicationTokenColumns
	}
	return append(append([]string{}, applicationTokenColumns...), verboseTokenColumns...)
}

func (a *app) applicationTokenInfo() *cobra.Command {
	var asJSON, verbose bool
	c := a.organizationVerb("info USER_ID PREFIX", "Show one token", cobra.ExactArgs(2),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			tokens, err := api.ApplicationTokens(ctx, org, args[0])
			if err != nil {
				return err
			}
			for _, token := range tokens {
				if token.TokenPrefix == args[1] {
					return row(a, asJSON, token, tokenColumns(verbose)...)
				}
			}
			return fmt.Errorf("the application user has no token with the prefix %s: see \"sallyport application-user token list\"", args[1])
		})
	verboseFlag(c, &verbose)
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) applicationTokenRevoke() *cobra.Command {
	var force bool
	c := a.organizationVerb("revoke USER_ID PREFIX", "End a token", cobra.ExactArgs(2),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			if err := a.confirm(force, "Revoke the token %s?", args[1]); err != nil {
				return err
			}
			if err := api.RevokeApplicationToken(ctx, org, args[0], args[1]); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Revoked")
			return nil
		})
	forceFlag(c, &force)
	return c
}
