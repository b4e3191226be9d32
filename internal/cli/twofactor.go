package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"rsc.io/qr"

	"github.com/sallyport/sallyport"
)

func (a *app) twoFactor() *cobra.Command {
	return noun("two-factor", "The second factor of your logins by password", a.twoFactorShow(), a.twoFactorEnable(), a.twoFactorDisable(), a.twoFactorRecoveryCodes())
}

func (a *app) twoFactorShow() *cobra.Command {
	var asJSON bool
	c := a.verb("show", "Show what is set up, and how many recovery codes are left", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, _ []string) error {
			state, err := api.TwoFactor(ctx)
			if err != nil {
				return err
			}
			return row(a, asJSON, state, "method", "passkeys", "recovery_codes_left")
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) twoFactorRecoveryCodes() *cobra.Command {
	var renew bool
	c := a.verb("recovery-codes", "Show how many recovery codes are left, or make new ones", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, _ []string) error {
			if renew {
				codes, err := api.RenewRecoveryCodes(ctx)
				if err != nil {
					return err
				}
				a.printRecoveryCodes(codes)
				return nil
			}
			state, err := api.TwoFactor(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, state.RecoveryCodesLeft)
			a.note("that many recovery codes are left; make new ones with --renew")
			return nil
		})
	c.Flags().BoolVar(&renew, "renew", false, "make ten new ones and show them once; the older ones end")
	return c
}

// printRecoveryCodes prints one code on a line.
func (a *app) printRecoveryCodes(codes []string) {
	for _, code := range codes {
		fmt.Fprintln(a.Stdout, escape(code))
	}
	a.note("keep these recovery codes in a safe place, they will not be shown again: each lets you log in once, together with the password, when your second factor is not at hand")
}

func (a *app) twoFactorEnable() *cobra.Command {
	var passwordStdin bool
	c := a.verb("enable", "Enable one-time codes; personal tokens made after a login by password end", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, _ []string) error {
			password, err := a.secret("Password", passwordStdin, "--password-stdin")
			if err != nil {
				return err
			}
			offer, err := api.ConfigureTwoFactor(ctx, sallyport.TwoFactorRequest{Method: sallyport.MethodOTP, Password: password})
			if err != nil {
				return err
			}
			return a.confirmTwoFactor(ctx, api, password, offer.URI)
		})
	c.Flags().BoolVar(&passwordStdin, "password-stdin", false, "read the password, and the code after it, from lines of standard input")
	return c
}

func (a *app) confirmTwoFactor(ctx context.Context, api *sallyport.Client, password, uri string) error {
	if a.ReadSecret != nil {
		fmt.Fprint(a.Stderr, qrText(uri))
	}
	fmt.Fprintln(a.Stdout, escape(uri))
	a.note("scan this or type the secret into your authenticator app: it will not be shown again")
	code, err := a.ask("One-time code")
	if err != nil {
		return err
	}
	answer, err := api.ConfirmTwoFactor(ctx, sallyport.TwoFactorConfirm{Password: password, URI: uri, OTP: code})
	if err != nil {
		return fmt.Errorf("the second factor is not enabled: %w", err)
	}
	if len(answer.RecoveryCodes) > 0 {
		a.printRecoveryCodes(answer.RecoveryCodes)
	}
	a.note("second factor enabled")
	return a.keepToken(api, answer.Token)
}

func (a *app) twoFactorDisable() *cobra.Command {
	var passwordStdin bool
	var otp string
	c := a.verb("disable", "Disable one-time codes; personal tokens made after a login by password end", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, _ []string) error {
			password, err := a.secret("Password", passwordStdin, "--password-stdin")
			if err != nil {
				return err
			}
			if _, err := api.ConfigureTwoFactor(ctx, sallyport.TwoFactorRequest{Password: password, OTP: otp}); err != nil {
				return err
			}
			a.note("second factor disabled")
			return nil
		})
	c.Flags().BoolVar(&passwordStdin, "password-stdin", false, "read the password from the first line of standard input")
	c.Flags().StringVar(&otp, "otp", "", "one-time code or recovery code, for a login that is older than 10 minutes")
	return c
}

// qrText draws a QR code with half blocks, light on dark as terminals mostly
// are, with the quiet zone of two modules that readers need at the least.
// Text that no code can hold gives an empty drawing.
func qrText(text string) string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return ""
	}
	const quiet = 2
	blocks := [2][2]string{{"█", "▀"}, {"▄", " "}} // by upper and lower module, black is true
	index := map[bool]int{true: 1}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			b.WriteString(blocks[index[code.Black(x, y)]][index[code.Black(x, y+1)]])
		}
		b.WriteByte('\n')
	}
	return b.String()
}
