package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/policy"
)

var accessTokenColumns = []string{
	"expiry_time", "token_prefix", "description", "max_age_seconds",
	"extend_when_used", "last_used_time", "last_ip", "last_user_agent",
}

func (a *app) accessToken() *cobra.Command {
	return noun("access-token", "Your personal tokens",
		a.accessTokenCreate(), a.accessTokenList(), a.accessTokenUpdate(), a.accessTokenRebind(), a.accessTokenRevoke())
}

// tokenFlags are the flags that make a token.
type tokenFlags struct {
	description    string
	maxAge         int64
	extendWhenUsed bool
	allowlist      []string
	scopes         []string
}

// on adds the flags to c; ranges is the name of that for addresses.
func (f *tokenFlags) on(c *cobra.Command, ranges string) {
	c.Flags().StringVar(&f.description, "description", "", "what the token is for")
	c.Flags().Int64Var(&f.maxAge, "max-age-seconds", 0, "lifetime, 600 to 315360000 seconds; default: the server's")
	c.Flags().BoolVar(&f.extendWhenUsed, "extend-when-used", false, "each use begins the lifetime anew")
	c.Flags().StringSliceVar(&f.allowlist, ranges, nil, "address ranges (CIDR) the token may be used from")
	c.Flags().StringSliceVar(&f.scopes, "scopes", nil, "what the token may do; default: all that its owner may")
}

func (f *tokenFlags) request(c *cobra.Command) (sallyport.CreateToken, error) {
	maxAge := changed(c, "max-age-seconds", f.maxAge)
	if f.extendWhenUsed && maxAge == nil {
		return sallyport.CreateToken{}, usagef("--extend-when-used needs --max-age-seconds")
	}
	return sallyport.CreateToken{
		Description: f.description, MaxAgeSeconds: maxAge, ExtendWhenUsed: f.extendWhenUsed,
		IPAllowlist: f.allowlist, Scopes: f.scopes,
	}, nil
}

func (a *app) accessTokenCreate() *cobra.Command {
	var f tokenFlags
	var asJSON bool
	var c *cobra.Command
	c = a.verb("create", "Make a personal token and show it once", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, _ []string) error {
			in, err := f.request(c)
			if err != nil {
				return err
			}
			token, err := api.CreateToken(ctx, in)
			if err != nil {
				return err
			}
			defer a.noteSecret()
			return row(a, asJSON, token, "expiry_time", "description", "max_age_seconds", "extend_when_used", "full_token")
		})
	f.on(c, "ip-allowlist")
	jsonFlag(c, &asJSON)
	return require(c, "description")
}

func (a *app) accessTokenList() *cobra.Command {
	var asJSON bool
	c := a.verb("list", "Show your tokens and sessions", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		tokens, err := api.Tokens(ctx)
		if err != nil {
			return err
		}
		if err := table(a, asJSON, tokens, "no tokens: make one with \"sallyport user access-token create --description WORDS\"", accessTokenColumns...); err != nil || asJSON {
			return err
		}
		for _, t := range tokens {
			a.noteSleep(t)
		}
		return nil
	})
	jsonFlag(c, &asJSON)
	return c
}

// noteSleep says where a token is not accepted now, and why.
func (a *app) noteSleep(t sallyport.Token) {
	for _, s := range t.Asleep {
		bind := ""
		if !slices.ContainsFunc(s.Reasons, func(code string) bool { return !policy.AboutLogin(code) }) {
			bind = fmt.Sprintf("; or bind it to a login that is allowed with \"sallyport user access-token rebind %s\"", t.TokenPrefix)
		}
		a.note("%s sleeps at %s (%s): %s To use it again: %s%s", t.TokenPrefix, s.OrganizationName, s.OrganizationID, s.Message, s.Remedy, bind)
	}
}

func (a *app) accessTokenRebind() *cobra.Command {
	var asJSON bool
	c := a.verb("rebind PREFIX", "Bind a personal token to the login of this session, so that it counts as made with it", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, args []string) error {
			token, err := api.RebindToken(ctx, args[0])
			if err != nil {
				return err
			}
			return row(a, asJSON, token, accessTokenColumns...)
		})
	c.Long = `Bind a personal token, and those that were made with it, to the login of this
session: for a token that sleeps because the login it was made with is not
allowed any more. Its secret, its end and what it may do stay as they are. Log in
with a method that the organization allows first: this takes a login of the
last 10 minutes.`
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) accessTokenUpdate() *cobra.Command {
	var description string
	var asJSON bool
	c := a.verb("update PREFIX", "Change the description of a token", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, args []string) error {
			token, err := api.UpdateToken(ctx, args[0], sallyport.UpdateToken{Description: description})
			if err != nil {
				return err
			}
			return row(a, asJSON, token, accessTokenColumns...)
		})
	c.Flags().StringVar(&description, "description", "", "what the token is for")
	jsonFlag(c, &asJSON)
	return require(c, "description")
}

func (a *app) accessTokenRevoke() *cobra.Command {
	return a.verb("revoke PREFIX", "End a token", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, args []string) error {
		if err := api.RevokeToken(ctx, args[0]); err != nil {
			return err
		}
		fmt.Fprintln(a.Stdout, "Revoked")
		return nil
	})
}
