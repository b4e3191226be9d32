package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

var (
	providerColumns = []string{
		"authentication_method_name", "authentication_method_id", "authentication_method_type", "authentication_method_enabled", "state",
	}
	providerDetails = append(append([]string{}, providerColumns...),
		"auth_token_max_age_seconds", "auth_token_extend_when_used", "auto_join_user_group_id", "oidc_issuer", "oidc_client_id", "oidc_client_secret_set",
		"oidc_redirect_url", "oidc_signup_url", "oidc_link_url", "linked_user_count", "last_login_time", "create_time", "update_time")
	// samlDetails say what is pasted on both sides.
	samlDetails = append(append([]string{}, providerColumns...),
		"auth_token_max_age_seconds", "auth_token_extend_when_used", "auto_join_user_group_id", "saml_idp_kind", "saml_acs_url", "saml_metadata_url", "saml_slo_url",
		"saml_signup_url", "saml_link_url", "saml_idp_url", "saml_entity_id", "saml_certificate_subject", "saml_certificate_issuer", "saml_certificate_not_valid_before",
		"saml_certificate_not_valid_after", "saml_idp_logout_url", "saml_assertion_signed_enabled", "saml_authn_requests_signed_enabled",
		"saml_requested_authn_context_enabled", "saml_idp_login_allowed", "saml_join_groups", "saml_sha1_allowed", "saml_name_id_format", "saml_clock_skew_seconds",
		"saml_auto_link_enabled", "saml_idp_metadata_url", "saml_idp_metadata_auto", "saml_idp_metadata_problem", "linked_user_count", "last_login_time", "create_time", "update_time")
)

// provider prints an identity provider: one of the type saml has too much for
// one line.
func (a *app) provider(asJSON bool, m sallyport.AuthenticationMethod) error {
	if m.AuthenticationMethodType == "saml" {
		return fields(a, asJSON, m, samlDetails...)
	}
	return row(a, asJSON, m, providerDetails...)
}

// providersOffered keeps the codes by which a server with identity providers
// says "no such".
func providersOffered(err error) error {
	return notOffered(err, "identity providers", "organization_not_found", "account_not_found", "authentication_method_not_found", "organization_domain_not_found", "user_group_not_found",
		"saml_certificate_not_found", "saml_key_not_found", "saml_response_not_found")
}

// providerFlags are what can be said of an identity provider.
type providerFlags struct {
	issuer, clientID, group string
	scopes                  []string
	secretFromStdin, trust  bool
	enabled, extend         bool
	maxAge                  int64
	saml                    samlFlags
}

func (f *providerFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.issuer, "issuer", "", "the provider's OpenID issuer, such as https://id.example.com")
	flags.StringVar(&f.clientID, "client-id", "", "client id of this server at the provider")
	flags.BoolVar(&f.secretFromStdin, "client-secret-stdin", false, "read the client secret from standard input")
	flags.StringSliceVar(&f.scopes, "scopes", nil, "scopes to ask for; openid, email and profile by default")
	flags.BoolVar(&f.trust, "trust-email", false, "count addresses in the linked domains although the provider sends no email_verified")
	flags.Int64Var(&f.maxAge, "token-max-age-seconds", 0, "life of the sessions that it makes, 300 to 1296000")
	flags.BoolVar(&f.extend, "token-extend-when-used", true, "let use extend such a session")
	flags.StringVar(&f.group, "auto-join-group-id", "", "group for those who sign up with it; empty takes it away")
	f.saml.add(flags)
}

// update is what the flags that were given say.
//
// ask asks a terminal for the secret that belongs to a client id.
func (f *providerFlags) update(a *app, c *cobra.Command, ask bool) (in sallyport.UpdateAuthenticationMethod, err error) {
	in = sallyport.UpdateAuthenticationMethod{
		AuthTokenMaxAgeSeconds: changed(c, "token-max-age-seconds", f.maxAge), AuthTokenExtendWhenUsed: changed(c, "token-extend-when-used", f.extend),
		AutoJoinUserGroupID: changed(c, "auto-join-group-id", f.group), OIDCIssuer: changed(c, "issuer", f.issuer), OIDCClientID: changed(c, "client-id", f.clientID),
		OIDCScopes: f.scopes, OIDCTrustEmail: changed(c, "trust-email", f.trust),
	}
	if f.secretFromStdin || ask && in.OIDCClientID != nil {
		secret, err := a.secret("Client secret", f.secretFromStdin, "--client-secret-stdin")
		if err != nil {
			return in, err
		}
		in.OIDCClientSecret = &secret
	}
	in.SAMLSettings, err = f.saml.settings(a, c)
	return in, err
}

// create turns an update into what makes a provider.
func create(name, kind string, in sallyport.UpdateAuthenticationMethod, domains []sallyport.LinkedDomain) sallyport.CreateAuthenticationMethod {
	return sallyport.CreateAuthenticationMethod{
		AuthenticationMethodName: name, AuthenticationMethodType: kind, LinkedDomains: domains,
		AuthTokenMaxAgeSeconds: in.AuthTokenMaxAgeSeconds, AuthTokenExtendWhenUsed: in.AuthTokenExtendWhenUsed, AutoJoinUserGroupID: in.AutoJoinUserGroupID,
		OIDCIssuer: in.OIDCIssuer, OIDCClientID: in.OIDCClientID, OIDCClientSecret: in.OIDCClientSecret, OIDCScopes: in.OIDCScopes, OIDCTrustEmail: in.OIDCTrustEmail,
		SAMLSettings: in.SAMLSettings,
	}
}

func (a *app) identityProvider() *cobra.Command {
	return noun("identity-provider", "The organization's own identity providers",
		a.providerAdd(), a.providerList(), a.providerShow(), a.providerUpdate(), a.providerTest(), a.providerRemove(),
		a.providerImport(), a.providerCertificates(), a.providerKeys(), a.providerResponses(), a.providerShowResponse(), a.providerReplay(),
		a.providerDomain("link-domain", "Let a provider speak for addresses in a verified domain", (*sallyport.Client).LinkMethodDomain),
		a.providerDomain("unlink-domain", "Take the say over addresses in a domain from a provider", (*sallyport.Client).UnlinkMethodDomain))
}

// rootVerb is a verb about an organization, by its root account.
func (a *app) rootVerb(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, api *sallyport.Client, account string, args []string) error) *cobra.Command {
	return a.organizationVerb(use, short, args, func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
		o, err := api.Organization(ctx, org)
		if err != nil {
			return err
		}
		return providersOffered(run(ctx, api, o.AccountID, args))
	})
}

func (a *app) providerAdd() *cobra.Command {
	var f providerFlags
	var kind, keyAlgorithm string
	var domains []string
	var asJSON bool
	var c *cobra.Command
	c = a.rootVerb("add NAME", "Register an identity provider", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, account string, args []string) error {
		in, err := f.update(a, c, true)
		if err != nil {
			return err
		}
		linked, err := a.linkedDomains(ctx, api, account, domains)
		if err != nil {
			return err
		}
		request := create(args[0], kind, in, linked)
		request.SAMLKeyAlgorithm = keyAlgorithm
		m, err := api.CreateAuthenticationMethod(ctx, account, request)
		if err != nil {
			return err
		}
		a.noteOurAddresses(m)
		return a.provider(asJSON, m)
	})
	f.add(c)
	c.Flags().StringVar(&kind, "type", "oidc", "type of the provider: saml or oidc")
	c.Flags().StringVar(&keyAlgorithm, "key-algorithm", "", "of our key for a SAML provider: rsa-3072 (the default) or ecdsa-p256")
	c.Flags().StringSliceVar(&domains, "domain", nil, "verified domains for whose addresses it speaks")
	jsonFlag(c, &asJSON)
	return c
}

// noteOurAddresses tells what the provider wants to know of us.
func (a *app) noteOurAddresses(m sallyport.AuthenticationMethod) {
	if m.AuthenticationMethodType == "saml" {
		a.note("paste at the provider, as ACS URL: %s", m.SAMLACSURL)
		a.note("and as entity id, audience or metadata URL: %s", m.SAMLMetadataURL)
		return
	}
	a.note("register this redirect URL at the provider: %s", m.OIDCRedirectURL)
}

// linkedDomains names domains by their ids.
func (a *app) linkedDomains(ctx context.Context, api *sallyport.Client, account string, names []string) (list []sallyport.LinkedDomain, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	root, err := api.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		d, err := a.findDomain(ctx, api, root.OrganizationID, name)
		if err != nil {
			return nil, err
		}
		list = append(list, sallyport.LinkedDomain{DomainID: d.DomainID})
	}
	return list, nil
}

func (a *app) providerList() *cobra.Command {
	var asJSON bool
	c := a.rootVerb("list", "Show the identity providers, and the entry for all other login methods", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, account string, _ []string) error {
		methods, err := api.AuthenticationMethods(ctx, account)
		if err != nil {
			return err
		}
		return table(a, asJSON, methods, "no identity providers", providerColumns...)
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) providerShow() *cobra.Command {
	var asJSON bool
	c := a.rootVerb("show ID", "Show an identity provider", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, account string, args []string) error {
		m, err := api.AuthenticationMethod(ctx, account, args[0])
		if err != nil {
			return err
		}
		return a.provider(asJSON, m)
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) providerUpdate() *cobra.Command {
	var f providerFlags
	var name string
	var preview, asJSON bool
	var c *cobra.Command
	c = a.rootVerb("update ID", "Change an identity provider; what is not given stays", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, account string, args []string) error {
		in, err := f.update(a, c, false)
		if err != nil {
			return err
		}
		in.AuthenticationMethodName, in.AuthenticationMethodEnabled = changed(c, "name", name), changed(c, "enabled", f.enabled)
		if preview {
			if !c.Flags().Changed("enabled") || f.enabled {
				return usagef("what can be previewed is --enabled=false")
			}
			return a.previewProvider(ctx, api, account, args[0], "disable", asJSON)
		}
		in.ConfirmWithinSeconds = confirmSeconds(c)
		m, err := api.UpdateAuthenticationMethod(ctx, account, args[0], in)
		if err != nil {
			return err
		}
		a.noteConfirm(c)
		return a.provider(asJSON, m)
	})
	f.add(c)
	c.Flags().StringVar(&name, "name", "", "new name")
	confirmFlag(c)
	previewFlag(c, &preview)
	c.Flags().BoolVar(&f.enabled, "enabled", true, "false: people still log in with it, and reach nothing of the organization")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) providerTest() *cobra.Command {
	var wait bool
	c := a.organizationVerb("test ID", "Have the server ask a provider for its metadata; at a SAML provider, try a login that opens nothing", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
		if err := api.TestAuthenticationMethod(ctx, org, args[0]); err != nil {
			return providersOffered(err)
		}
		o, err := api.Organization(ctx, org)
		if err != nil {
			return err
		}
		m, err := api.AuthenticationMethod(ctx, o.AccountID, args[0])
		if err != nil {
			return err
		}
		if m.AuthenticationMethodType == "saml" {
			return a.testLogin(ctx, api, o.AccountID, args[0], wait)
		}
		fmt.Fprintln(a.Stdout, "The provider answers as it should")
		return nil
	})
	c.Flags().BoolVar(&wait, "wait", false, "at a SAML provider: wait for the login, and show what came of it")
	return c
}

func (a *app) providerRemove() *cobra.Command {
	var force, preview, asJSON bool
	var c *cobra.Command
	c = a.rootVerb("remove ID", "Remove an identity provider for good; sessions and tokens made with it end", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, account string, args []string) error {
		if preview {
			return a.previewProvider(ctx, api, account, args[0], "delete", asJSON)
		}
		if err := a.confirm(force, "Remove the identity provider %s, and end what was made with it?", args[0]); err != nil {
			return err
		}
		if err := api.DeleteAuthenticationMethod(ctx, account, args[0], confirmOption(c)...); err != nil {
			return err
		}
		if confirmSeconds(c) != nil {
			fmt.Fprintln(a.Stdout, "Switched off until the removal is confirmed")
			a.noteConfirm(c)
			return nil
		}
		fmt.Fprintln(a.Stdout, "Removed")
		return nil
	})
	confirmFlag(c)
	previewFlag(c, &preview)
	previewJSONFlag(c, &asJSON)
	forceFlag(c, &force)
	return c
}

func (a *app) providerDomain(use, short string, change func(c *sallyport.Client, ctx context.Context, organizationID, id, domainID string, options ...sallyport.ChangeOption) error) *cobra.Command {
	var domain string
	var c *cobra.Command
	c = a.organizationVerb(use+" ID", short, cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
		d, err := a.findDomain(ctx, api, org, domain)
		if err != nil {
			return domainsOffered(err)
		}
		if err := change(api, ctx, org, args[0], d.DomainID, confirmOption(c)...); err != nil {
			return providersOffered(err)
		}
		a.noteConfirm(c)
		return nil
	})
	confirmFlag(c)
	c.Flags().StringVar(&domain, "domain", "", "name of the domain, such as example.com")
	return require(c, "domain")
}

// accountMethods are the same by the names that older clients of the
// compatible API gave them.
func (a *app) accountMethods() *cobra.Command {
	return noun("authentication-method", "The identity providers of an account",
		a.accountMethodList(), a.accountMethodCreate(), a.accountMethodUpdate(), a.accountMethodDelete())
}

func (a *app) accountMethodList() *cobra.Command {
	var asJSON bool
	c := a.verb("list ACCOUNT_ID", "Show the identity providers of an account", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, args []string) error {
		methods, err := api.AuthenticationMethods(ctx, args[0])
		if err != nil {
			return providersOffered(err)
		}
		return table(a, asJSON, methods, "no identity providers", providerColumns...)
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) accountMethodCreate() *cobra.Command {
	var f providerFlags
	var options methodOptions
	var name, kind string
	var asJSON bool
	var c *cobra.Command
	c = a.verb("create ACCOUNT_ID", "Register an identity provider", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, args []string) error {
		in, err := f.update(a, c, true)
		if err != nil {
			return err
		}
		if err := options.lay(a, &in); err != nil {
			return err
		}
		m, err := api.CreateAuthenticationMethod(ctx, args[0], create(name, kind, in, nil))
		if err != nil {
			return providersOffered(err)
		}
		a.noteOurAddresses(m)
		return a.provider(asJSON, m)
	})
	f.add(c)
	c.Flags().StringVarP(&name, "name", "n", "", "its name")
	options.add(c.Flags())
	c.Flags().StringVarP(&kind, "type", "t", "", "type of the provider: saml or oidc")
	jsonFlag(c, &asJSON)
	return require(c, "name", "type")
}

func (a *app) accountMethodUpdate() *cobra.Command {
	var f providerFlags
	var options methodOptions
	var name string
	var enable, disable, asJSON bool
	var c *cobra.Command
	c = a.verb("update ACCOUNT_ID AUTHENTICATION_ID", "Change an identity provider; what is not given stays", cobra.ExactArgs(2), func(ctx context.Context, api *sallyport.Client, args []string) error {
		if enable && disable {
			return usagef("give --enable or --disable, not both")
		}
		in, err := f.update(a, c, false)
		if err != nil {
			return err
		}
		in.AuthenticationMethodName = changed(c, "name", name)
		if enable || disable {
			in.AuthenticationMethodEnabled = &enable
		}
		if err := options.lay(a, &in); err != nil {
			return err
		}
		m, err := api.UpdateAuthenticationMethod(ctx, args[0], args[1], in)
		if err != nil {
			return providersOffered(err)
		}
		return a.provider(asJSON, m)
	})
	f.add(c)
	c.Flags().StringVarP(&name, "name", "n", "", "new name")
	options.add(c.Flags())
	c.Flags().BoolVar(&enable, "enable", false, "let it give access to the organization")
	c.Flags().BoolVar(&disable, "disable", false, "people still log in with it, and reach nothing of the organization")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) accountMethodDelete() *cobra.Command {
	return a.verb("delete ACCOUNT_ID AUTHENTICATION_ID", "Remove an identity provider; sessions and tokens made with it end", cobra.ExactArgs(2), func(ctx context.Context, api *sallyport.Client, args []string) error {
		if err := api.DeleteAuthenticationMethod(ctx, args[0], args[1]); err != nil {
			return providersOffered(err)
		}
		fmt.Fprintln(a.Stdout, "Deleted")
		return nil
	})
}
