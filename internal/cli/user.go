package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) user() *cobra.Command {
	return noun("user", "Log in, and look after your own account",
		a.userLogin(), a.userLogout(), a.userInfo(), a.userCreate(), a.userVerifyEmail(),
		a.userPasswordChange(), a.userPasswordResetRequest(), a.userPasswordReset(),
		a.userTokensExpire(), a.userAcceptInvitation(), a.userDelete(), a.accessToken(), a.twoFactor(), a.passkey(), a.session(), a.userConfirmDevice())
}

// login is what "user login" was asked for.
type login struct {
	otp, tenant              string
	passwordStdin, withToken bool
	sso                      bool
}

func (a *app) userLogin() *cobra.Command {
	var l login
	c := &cobra.Command{
		Use: "login [EMAIL]", Short: "Log in and keep the session", Args: cobra.MaximumNArgs(1),
		Long: `Log in by e-mail and password, and keep the session in your configuration
folder. The password comes from AIVEN_PASSWORD, from standard input with
--password-stdin, or from the terminal. With --token a token is kept instead,
after the server has accepted it. With --sso you log in with a browser on this
machine, in any way your organization offers: its identity provider, a passkey,
Google, Microsoft or GitHub. The browser of BROWSER is opened, else the system's.`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case l.sso && len(args) > 0:
				return usagef("with --sso the e-mail address is asked for in the browser")
			case l.sso:
				return a.loginByBrowser(c.Context())
			case l.withToken:
				return a.loginByToken(c.Context())
			}
			email := ""
			if len(args) > 0 {
				email = args[0]
			}
			return a.loginByPassword(c.Context(), email, l)
		},
	}
	c.Flags().StringVar(&l.otp, "otp", "", "one-time code of the second factor, or a recovery code")
	c.Flags().StringVar(&l.tenant, "tenant", "", "accepted for compatibility")
	c.Flags().BoolVar(&l.passwordStdin, "password-stdin", false, "read the password from the first line of standard input")
	c.Flags().BoolVar(&l.withToken, "token", false, "keep a token instead, asked for or read from standard input")
	c.Flags().BoolVar(&l.sso, "sso", false, "log in with a browser on this machine")
	c.MarkFlagsMutuallyExclusive("sso", "token")
	c.MarkFlagsMutuallyExclusive("sso", "otp")
	c.MarkFlagsMutuallyExclusive("sso", "password-stdin")
	c.MarkFlagsMutuallyExclusive("token", "otp")
	c.MarkFlagsMutuallyExclusive("token", "password-stdin")
	return c
}

func (a *app) loginByToken(ctx context.Context) error {
	stored, err := a.loadCredentials()
	if err != nil {
		return err
	}
	token, err := a.secret("Token", a.ReadSecret == nil, "a pipe")
	if err != nil {
		return err
	}
	api := a.newClient(a.server(stored), token)
	me, err := api.Me(ctx)
	if err != nil {
		return fmt.Errorf("the token was not kept: %w", err)
	}
	return a.keep(api.URL, me.Email, token)
}

func (a *app) loginByPassword(ctx context.Context, email string, l login) error {
	stored, err := a.loadCredentials()
	if err != nil {
		return err
	}
	if email == "" {
		if email, err = a.email(l); err != nil {
			return err
		}
	}
	password := a.Getenv("AIVEN_PASSWORD")
	if password == "" || l.passwordStdin {
		if password, err = a.secret("Password", l.passwordStdin, "--password-stdin"); err != nil {
			return err
		}
	}
	api := a.newClient(a.server(stored), "")
	answer, err := a.loginSteps(ctx, api, sallyport.UserAuthRequest{Email: email, Password: password, OTP: l.otp, Tenant: l.tenant}, stored.at(api.URL).Devices[email])
	if err != nil {
		return err
	}
	return a.keep(api.URL, cmp.Or(answer.UserEmail, email), answer.Token)
}

func (a *app) email(l login) (string, error) {
	if l.passwordStdin || a.ReadSecret == nil {
		return "", usagef("name the e-mail address")
	}
	return a.ask("E-mail")
}

// loginSteps logs in, asking for a one-time code when exactly that is missing.
func (a *app) loginSteps(ctx context.Context, api *sallyport.Client, in sallyport.UserAuthRequest, device string) (sallyport.UserAuth, error) {
	for {
		answer, newDevice, err := api.Login(ctx, in, device)
		if newDevice != "" {
			device = newDevice
			if err := a.keepDevice(api.URL, in.Email, device); err != nil {
				a.note("this machine is not remembered: %v", err)
			}
		}
		if !errors.Is(err, sallyport.ErrSecondFactorNeeded) || in.OTP != "" {
			return answer, err
		}
		if a.ReadSecret == nil {
			return answer, usagef("the second factor is needed: repeat with --otp CODE")
		}
		if in.OTP, err = a.ask("One-time code"); err != nil {
			return answer, err
		}
		if in.OTP == "" {
			return answer, errors.New("the second factor is needed to log in")
		}
	}
}

func (a *app) keepDevice(url, email, device string) error {
	return a.changeCredentials(url, func(_ *credentials, s *atServer) {
		if s.Devices == nil {
			s.Devices = map[string]string{}
		}
		s.Devices[email] = device
	})
}

// keep stores a session and says so.
func (a *app) keep(url, email, token string) error {
	err := a.changeCredentials(url, func(c *credentials, s *atServer) {
		c.Current, s.Email, s.Token = url, email, token
	})
	if err != nil {
		return err
	}
	a.note("logged in as %s at %s", email, url)
	if name := a.tokenVariable(); name != "" {
		a.note("but %s is set, and other commands use that token: unset it to use this session", name)
	}
	return nil
}

// keepToken replaces the stored token of a session that goes on. Nothing is
// stored for a caller whose token came from the environment.
func (a *app) keepToken(api *sallyport.Client, token string) error {
	stored, err := a.loadCredentials()
	if err != nil {
		return err
	}
	if stored.at(api.URL).Token != api.Token {
		a.note("your token comes from the environment and may have ended: log in again")
		return nil
	}
	return a.changeCredentials(api.URL, func(_ *credentials, s *atServer) { s.Token = token })
}

func (a *app) userLogout() *cobra.Command {
	var keepAlive bool
	c := &cobra.Command{
		Use: "logout", Short: "End the kept session and forget it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.logout(c.Context(), !keepAlive) },
	}
	c.Flags().BoolVar(&keepAlive, "no-token-revoke", false, "forget the token, but leave it valid")
	return c
}

// logout is about the stored session, never about a token of the environment.
func (a *app) logout(ctx context.Context, revoke bool) error {
	stored, err := a.loadCredentials()
	if err != nil {
		return err
	}
	url := a.server(stored)
	token := stored.at(url).Token
	if token == "" {
		return fmt.Errorf("nobody is logged in at %s", url)
	}
	if revoke {
		err := a.newClient(url, token).Logout(ctx)
		if err != nil && !errors.Is(err, sallyport.ErrUnauthorized) {
			return fmt.Errorf("the session goes on: %w", err)
		}
	}
	return a.changeCredentials(url, func(_ *credentials, s *atServer) { s.Token = "" })
}

func (a *app) userInfo() *cobra.Command {
	var asJSON bool
	c := a.verb("info", "Show who you are", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		me, err := api.Me(ctx)
		if err != nil {
			return err
		}
		return row(a, asJSON, me, "user", "real_name", "state", "token_validity_begin", "projects", "auth")
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) userCreate() *cobra.Command {
	var realName string
	var passwordStdin bool
	c := &cobra.Command{
		Use: "create EMAIL", Short: "Sign up and keep the session", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			stored, err := a.loadCredentials()
			if err != nil {
				return err
			}
			password, err := a.newPassword(passwordStdin)
			if err != nil {
				return err
			}
			api := a.newClient(a.server(stored), "")
			answer, err := api.CreateUser(c.Context(), sallyport.CreateUser{Email: args[0], RealName: realName, Password: password})
			if err != nil {
				return err
			}
			a.note("open the link that was mailed to %s: until then the account cannot be used", args[0])
			return a.keep(api.URL, args[0], answer.Token)
		},
	}
	c.Flags().StringVar(&realName, "real-name", "", "your name")
	c.Flags().BoolVar(&passwordStdin, "password-stdin", false, "read the password from the first line of standard input")
	return require(c, "real-name")
}

func (a *app) userPasswordChange() *cobra.Command {
	var passwordStdin bool
	c := a.verb("password-change", "Change your password; all your tokens and sessions end", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, _ []string) error {
			current, err := a.secret("Current password", passwordStdin, "--password-stdin")
			if err != nil {
				return err
			}
			password, err := a.newSecret(passwordStdin)
			if err != nil {
				return err
			}
			token, err := api.ChangePassword(ctx, sallyport.PasswordChange{Password: current, NewPassword: password})
			if err != nil {
				return err
			}
			a.note("password changed: your other sessions and all your tokens have ended")
			return a.keepToken(api, token)
		})
	c.Flags().BoolVar(&passwordStdin, "password-stdin", false, "read the current and the new password from two lines of standard input")
	ignoredVerbose(c)
	return c
}

func (a *app) userTokensExpire() *cobra.Command {
	c := a.verb("tokens-expire", "End all your tokens and sessions, this one too", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, _ []string) error {
			message, err := api.ExpireTokens(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, escape(message))
			return a.keepToken(api, "")
		})
	ignoredVerbose(c)
	return c
}

// ignoredVerbose takes -v from scripts of the compatible command line, where
// these verbs have it.
func ignoredVerbose(c *cobra.Command) {
	c.Flags().BoolP("verbose", "v", false, "accepted for compatibility")
}
