package cli

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport"
)

var (
	certificateColumns = []string{"state", "not_valid_before", "not_valid_after", "source", "subject", "fingerprint"}
	keyColumns         = []string{"key_id", "state", "algorithm", "create_time", "retire_time"}
)

func readAll(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = errors.New("the file is larger than 1 MiB")
	}
	return string(text), err
}

// samlFlags are what can be said of a SAML provider.
type samlFlags struct {
	kind, url, postURL, binding, logoutURL, logoutBinding  string
	entityID, certificate, digest, signature, format       string
	email, identity, firstName, lastName, realName, groups string
	metadataURL, variant                                   string
	assertionSigned, requestsSigned, context, idpLogin     bool
	joinGroups, sha1, autoLink, metadataAuto               bool
	skew                                                   int64
}

func (f *samlFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.kind, "kind", "", "of a SAML provider: okta, auth0, entra, google, fusionauth, jumpcloud, onelogin or custom")
	flags.StringVar(&f.url, "idp-url", "", "where people log in at a SAML provider")
	flags.StringVar(&f.postURL, "idp-post-url", "", "the same for the POST binding, where it is another address")
	flags.StringVar(&f.binding, "request-binding", "", "how requests travel: redirect or post")
	flags.StringVar(&f.logoutURL, "idp-logout-url", "", "where single logout happens at a SAML provider")
	flags.StringVar(&f.logoutBinding, "logout-binding", "", "how logout messages travel: redirect or post")
	flags.StringVar(&f.entityID, "entity-id", "", "a SAML provider's name for itself, also called issuer")
	flags.StringVar(&f.certificate, "certificate", "", "file with all certificates that a SAML provider may sign with; - is standard input")
	flags.StringVar(&f.digest, "digest-algorithm", "", "of our requests: sha256, sha384 or sha512")
	flags.StringVar(&f.signature, "signature-algorithm", "", "of our requests: rsa-sha256, rsa-sha384 or rsa-sha512")
	flags.StringVar(&f.format, "name-id-format", "", "what requests ask for: unspecified, emailAddress or persistent")
	flags.StringVar(&f.email, "email-attribute", "", "attribute that holds the address; email by default")
	flags.StringVar(&f.identity, "identity-attribute", "", "attribute that names people for good; the NameID by default")
	flags.StringVar(&f.firstName, "first-name-attribute", "", "first_name by default")
	flags.StringVar(&f.lastName, "last-name-attribute", "", "last_name by default")
	flags.StringVar(&f.realName, "real-name-attribute", "", "instead of first and last name")
	flags.StringVar(&f.groups, "groups-attribute", "", "groups by default")
	flags.StringVar(&f.metadataURL, "metadata-url", "", "address of a SAML provider's metadata, read daily for new certificates; empty: never")
	flags.StringVar(&f.variant, "variant", "", "adfs, or empty")
	flags.BoolVar(&f.assertionSigned, "assertion-signed", false, "demand that assertions themselves are signed")
	flags.BoolVar(&f.requestsSigned, "requests-signed", false, "sign our requests")
	flags.BoolVar(&f.context, "requested-authn-context", false, "ask for a login with a password over a protected connection")
	flags.BoolVar(&f.idpLogin, "idp-login-allowed", false, "accept logins that began at the provider")
	flags.BoolVar(&f.joinGroups, "join-groups", false, "set group membership at each login as the provider says")
	flags.BoolVar(&f.sha1, "sha1-allowed", false, "accept what the provider signs with SHA-1")
	flags.BoolVar(&f.autoLink, "auto-link", true, "link people by their addresses; confirms a changed entity id")
	flags.BoolVar(&f.metadataAuto, "metadata-auto", false, "trust certificates that appear in the metadata at once")
	flags.Int64Var(&f.skew, "clock-skew-seconds", 60, "how far a SAML provider's clock may be off, 0 to 180")
}

// settings are what the flags that were given say.
func (f *samlFlags) settings(a *app, c *cobra.Command) (s sallyport.SAMLSettings, err error) {
	s = sallyport.SAMLSettings{
		SAMLIDPKind: changed(c, "kind", f.kind), SAMLIDPURL: changed(c, "idp-url", f.url), SAMLIDPPostURL: changed(c, "idp-post-url", f.postURL),
		SAMLRequestBinding: changed(c, "request-binding", f.binding), SAMLIDPLogoutURL: changed(c, "idp-logout-url", f.logoutURL),
		SAMLLogoutBinding: changed(c, "logout-binding", f.logoutBinding), SAMLEntityID: changed(c, "entity-id", f.entityID),
		SAMLDigestAlgorithm: changed(c, "digest-algorithm", f.digest), SAMLSignatureAlgorithm: changed(c, "signature-algorithm", f.signature),
		SAMLNameIDFormat: changed(c, "name-id-format", f.format), SAMLIDPMetadataURL: changed(c, "metadata-url", f.metadataURL), SAMLVariant: changed(c, "variant", f.variant),
		SAMLAssertionSignedEnabled: changed(c, "assertion-signed", f.assertionSigned), SAMLAuthnRequestsSignedEnabled: changed(c, "requests-signed", f.requestsSigned),
		SAMLRequestedAuthnContextEnabled: changed(c, "requested-authn-context", f.context), SAMLIDPLoginAllowed: changed(c, "idp-login-allowed", f.idpLogin),
		SAMLJoinGroups: changed(c, "join-groups", f.joinGroups), SAMLSHA1Allowed: changed(c, "sha1-allowed", f.sha1),
		SAMLAutoLinkEnabled: changed(c, "auto-link", f.autoLink), SAMLIDPMetadataAuto: changed(c, "metadata-auto", f.metadataAuto),
		SAMLClockSkewSeconds: changed(c, "clock-skew-seconds", f.skew),
	}
	mapping := sallyport.SAMLFieldMapping{
		Email: changed(c, "email-attribute", f.email), Identity: changed(c, "identity-attribute", f.identity),
		FirstName: changed(c, "first-name-attribute", f.firstName), LastName: changed(c, "last-name-attribute", f.lastName),
		RealName: changed(c, "real-name-attribute", f.realName), Groups: changed(c, "groups-attribute", f.groups),
	}
	if mapping != (sallyport.SAMLFieldMapping{}) {
		s.SAMLFieldMapping = &mapping
	}
	if c.Flags().Changed("certificate") {
		text := ""
		if f.certificate != "" {
			text, err = a.file(f.certificate)
		}
		s.SAMLCertificate = &text
	}
	return s, err
}

func (a *app) providerImport() *cobra.Command {
	var in sallyport.ImportSAMLMetadata
	var file string
	var auto, asJSON bool
	var c *cobra.Command
	c = a.rootVerb("import-metadata ID", "Take over the metadata of a SAML provider: its entity id, addresses and certificates", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, account string, args []string) (err error) {
		if (file == "") == (in.URL == "") {
			return usagef("give --file or --url")
		}
		if file != "" {
			if in.XML, err = a.file(file); err != nil {
				return err
			}
		}
		in.Auto = changed(c, "auto", auto)
		m, err := api.ImportSAMLMetadata(ctx, account, args[0], in)
		if err != nil {
			return err
		}
		return a.provider(asJSON, m)
	})
	flags := c.Flags()
	flags.StringVar(&file, "file", "", "file with the metadata; - is standard input")
	flags.StringVar(&in.URL, "url", "", "address of the metadata, which is read daily from then on")
	flags.StringVar(&in.EntityID, "entity-id", "", "which provider is meant, where there are several")
	flags.BoolVar(&auto, "auto", false, "trust certificates that appear there later at once")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) providerCertificates() *cobra.Command {
	var approve, retire string
	var asJSON bool
	c := a.rootVerb("certificates ID", "Show what a SAML provider may sign with; approve or retire a certificate", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, account string, args []string) error {
		if approve != "" && retire != "" {
			return usagef("give --approve or --retire, not both")
		}
		var m sallyport.AuthenticationMethod
		var err error
		switch {
		case approve != "":
			m, err = api.ApproveSAMLCertificate(ctx, account, args[0], approve)
		case retire != "":
			m, err = api.RetireSAMLCertificate(ctx, account, args[0], retire)
		default:
			m, err = api.AuthenticationMethod(ctx, account, args[0])
		}
		if err != nil {
			return err
		}
		return table(a, asJSON, m.SAMLCertificates, "no certificates", certificateColumns...)
	})
	c.Flags().StringVar(&approve, "approve", "", "fingerprint of a certificate that may sign from now on")
	c.Flags().StringVar(&retire, "retire", "", "fingerprint of a certificate that may sign no more")
	jsonFlag(c, &asJSON)
	return c
}

// keyAction is what a flag of `keys` asks for.
type keyAction struct {
	given bool
	run   func() (sallyport.AuthenticationMethod, error)
}

func (a *app) providerKeys() *cobra.Command {
	var add, asJSON bool
	var algorithm, activate, retire string
	c := a.rootVerb("keys ID", "Show our keys for a SAML provider; make, activate or retire one", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, account string, args []string) error {
		run := func() (sallyport.AuthenticationMethod, error) { return api.AuthenticationMethod(ctx, account, args[0]) }
		asked := 0
		for _, action := range []keyAction{
			{add, func() (sallyport.AuthenticationMethod, error) {
				return api.AddSAMLKey(ctx, account, args[0], sallyport.CreateSAMLKey{Algorithm: algorithm})
			}},
			{activate != "", func() (sallyport.AuthenticationMethod, error) {
				return api.ActivateSAMLKey(ctx, account, args[0], activate)
			}},
			{retire != "", func() (sallyport.AuthenticationMethod, error) {
				return api.RetireSAMLKey(ctx, account, args[0], retire)
			}},
		} {
			if action.given {
				run, asked = action.run, asked+1
			}
		}
		if asked > 1 {
			return usagef("give one of --add, --activate and --retire")
		}
		m, err := run()
		if err != nil {
			return err
		}
		if add {
			a.note("the provider finds the new certificate in our metadata: %s", m.SAMLMetadataURL)
		}
		return table(a, asJSON, m.SAMLKeys, "no keys: only SAML providers have them", keyColumns...)
	})
	flags := c.Flags()
	flags.BoolVar(&add, "add", false, "make the next key, which signs nothing yet")
	flags.StringVar(&algorithm, "algorithm", "", "of the new key: rsa-3072 (the default) or ecdsa-p256")
	flags.StringVar(&activate, "activate", "", "id of a key that signs from now on")
	flags.StringVar(&retire, "retire", "", "id of a key that is forgotten")
	jsonFlag(c, &asJSON)
	return c
}
