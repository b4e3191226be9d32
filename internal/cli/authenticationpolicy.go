package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

var configColumns = []string{
	"password_auth_enabled", "two_factor_required", "passkey_auth_enabled",
	"oauth_enabled", "oauth_providers_allowed", "saml_enabled", "saml_allow_external",
	"personal_tokens_enabled", "personal_tokens_managed_users_enabled",
	"personal_tokens_require_allowed_auth_method", "mcp_enabled",
	"max_personal_token_age_seconds", "max_application_token_age_seconds",
	"session_max_age_seconds", "session_idle_seconds", "access_notices",
}

func (a *app) authenticationPolicy() *cobra.Command {
	return noun("authentication-policy", "How the members of an organization may log in and work",
		a.authenticationPolicyShow(), a.authenticationPolicyUpdate(), a.authenticationPolicyPreview(), a.pendingConfirm(), a.pendingRevert(), a.pilot())
}

func (a *app) authenticationPolicyShow() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("show", "Show the policy", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		config, err := api.AuthenticationConfig(ctx, org)
		if err != nil {
			return err
		}
		if err := fields(a, asJSON, config, configColumns...); err != nil {
			return err
		}
		return a.notePending(ctx, api, org)
	})
	jsonFlag(c, &asJSON)
	return c
}

// configSwitches and configLimits are the fields that are flags; the flag is
// named as the field on the wire, with dashes.
func configSwitches(u *sallyport.AuthenticationConfigUpdate) map[string]**bool {
	return map[string]**bool{
		"password-auth-enabled":                       &u.PasswordAuthEnabled,
		"two-factor-required":                         &u.TwoFactorRequired,
		"passkey-auth-enabled":                        &u.PasskeyAuthEnabled,
		"oauth-enabled":                               &u.OAuthEnabled,
		"saml-enabled":                                &u.SAMLEnabled,
		"saml-allow-external":                         &u.SAMLAllowExternal,
		"personal-tokens-enabled":                     &u.PersonalTokensEnabled,
		"personal-tokens-managed-users-enabled":       &u.PersonalTokensManagedUsersEnabled,
		"personal-tokens-require-allowed-auth-method": &u.PersonalTokensRequireAllowedAuthMethod,
		"mcp-enabled":                                 &u.MCPEnabled,
		"access-notices":                              &u.AccessNotices,
	}
}

func configLimits(u *sallyport.AuthenticationConfigUpdate) map[string]*sallyport.OptionalSeconds {
	return map[string]*sallyport.OptionalSeconds{
		"max-personal-token-age-seconds":    &u.MaxPersonalTokenAgeSeconds,
		"max-application-token-age-seconds": &u.MaxApplicationTokenAgeSeconds,
		"session-max-age-seconds":           &u.SessionMaxAgeSeconds,
		"session-idle-seconds":              &u.SessionIdleSeconds,
	}
}

func (a *app) authenticationPolicyUpdate() *cobra.Command {
	var asJSON bool
	var c *cobra.Command
	c = a.organizationVerb("update", "Change the policy, from the next request on", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			update, err := configUpdate(c)
			if err != nil {
				return err
			}
			config, err := api.UpdateAuthenticationConfig(ctx, org, update)
			if err != nil {
				return err
			}
			a.noteConfirm(c)
			return fields(a, asJSON, config, configColumns...)
		})
	c.Example = `  sallyport organization authentication-policy update --two-factor-required=true
  sallyport organization authentication-policy update --password-auth-enabled=false --confirm-within 10m`
	configFlags(c)
	confirmFlag(c)
	jsonFlag(c, &asJSON)
	return c
}

// fieldWords say what a field of the policy does, by its flag.
var fieldWords = map[string]string{
	"password-auth-enabled":                       "logins by password count",
	"two-factor-required":                         "a login by password needs a second factor",
	"passkey-auth-enabled":                        "logins by passkey count",
	"oauth-enabled":                               "logins with Google, Microsoft or GitHub count",
	"saml-enabled":                                "logins at identity providers count",
	"saml-allow-external":                         "logins at identity providers of other organizations count too",
	"personal-tokens-enabled":                     "personal tokens work here",
	"personal-tokens-managed-users-enabled":       "managed users may have and use them",
	"personal-tokens-require-allowed-auth-method": "a personal token works only while the login it was made with counts",
	"mcp-enabled":                                 "agents may act for users",
	"access-notices":                              "people whom a change keeps out are told by mail",
	"max-personal-token-age-seconds":              "refuse personal tokens that are older, in seconds",
	"max-application-token-age-seconds":           "refuse application tokens that are older, in seconds",
	"session-max-age-seconds":                     "refuse sessions that are older, in seconds",
	"session-idle-seconds":                        "refuse sessions that were unused for longer, in seconds",
}

// configFlags are the flags of the fields of a policy.
func configFlags(c *cobra.Command) {
	var names sallyport.AuthenticationConfigUpdate
	for flag := range configSwitches(&names) {
		c.Flags().Bool(flag, false, fieldWords[flag]+"; =true or =false")
	}
	for flag := range configLimits(&names) {
		c.Flags().String(flag, "", fieldWords[flag]+"; or none")
	}
	c.Flags().StringSlice("oauth-providers-allowed", nil, "which of google, microsoft, github count, with commas; or none")
	c.Flags().Bool("accept-lockout", false, "change it even if your own credential would be refused then")
}

// configUpdate is what the given flags ask for.
func configUpdate(c *cobra.Command) (u sallyport.AuthenticationConfigUpdate, err error) {
	if u, err = configFields(c); err != nil {
		return u, err
	}
	if empty := (u.OAuthProvidersAllowed == nil); empty && isUnchanged(c) {
		return u, usagef("name at least one setting to change")
	}
	u.ConfirmWithinSeconds = confirmSeconds(c)
	return u, nil
}

// configFields are the fields of a policy that the given flags name.
func configFields(c *cobra.Command) (u sallyport.AuthenticationConfigUpdate, err error) {
	for flag, field := range configSwitches(&u) {
		value, _ := c.Flags().GetBool(flag) // defined above
		*field = changed(c, flag, value)
	}
	for flag, field := range configLimits(&u) {
		if value, _ := c.Flags().GetString(flag); c.Flags().Changed(flag) {
			if *field, err = parseLimit(flag, value); err != nil {
				return u, err
			}
		}
	}
	if c.Flags().Changed("oauth-providers-allowed") {
		u.OAuthProvidersAllowed, _ = c.Flags().GetStringSlice("oauth-providers-allowed")
		if strings.Join(u.OAuthProvidersAllowed, "") == "none" {
			u.OAuthProvidersAllowed = []string{}
		}
	}
	u.AcceptLockout, _ = c.Flags().GetBool("accept-lockout")
	return u, nil
}

// isUnchanged reports whether no switch and no limit was given.
func isUnchanged(c *cobra.Command) bool {
	var u sallyport.AuthenticationConfigUpdate
	for flag := range configSwitches(&u) {
		if c.Flags().Changed(flag) {
			return false
		}
	}
	for flag := range configLimits(&u) {
		if c.Flags().Changed(flag) {
			return false
		}
	}
	return true
}

func parseLimit(flag, text string) (sallyport.OptionalSeconds, error) {
	if text == "none" {
		return sallyport.NoLimit(), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return sallyport.OptionalSeconds{}, usagef("--%s must be a number of seconds, or none", flag)
	}
	return sallyport.SetSeconds(n), nil
}
