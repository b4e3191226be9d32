// Package thirdparty logs people in with Google, Microsoft, GitHub and any
// OpenID provider: it sends the browser there and reads what comes back.
//
// One login is a [Challenge], made by [NewChallenge] and kept secret by the
// caller, between two calls:
//
//	p := thirdparty.New(thirdparty.Config{Kind: thirdparty.Google, …}, client)
//	url, err := p.Start(ctx, challenge)                 // the browser goes there
//	who, err := p.Finish(ctx, callback, challenge)      // it came back with these values
//
// Every login is an authorization code with PKCE (RFC 7636, S256), a state and,
// where there are ID tokens, a nonce. What the package promises of an [Identity]:
// its Subject never changes at the provider and is nobody else's, and
// EmailVerified is true only when the provider vouches for the address now. It
// does not decide whose account that is, and it never asks by address.
//
// The package keeps no login and no secret of a person. It remembers a
// provider's metadata and keys, in memory, for an hour (docs/parameters.md,
// 3.10 for the limits of its requests).
package thirdparty

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Kind says which provider's ways a [Provider] follows.
type Kind string

// The kinds. OpenID is every provider that follows OpenID Connect Core and
// Discovery to the letter.
const (
	Google    Kind = "google"
	Microsoft Kind = "microsoft"
	GitHub    Kind = "github"
	OpenID    Kind = "oidc"
)

// Where the three live unless [Config] says otherwise. The "common" endpoint of
// Microsoft takes accounts of every organization and of consumers.
const (
	googleIssuer    = "https://accounts.google.com"
	microsoftIssuer = "https://login.microsoftonline.com/common/v2.0"
	githubURL       = "https://github.com"
	githubAPIURL    = "https://api.github.com"
)

// Config is what an operator or an administrator knows of a provider.
type Config struct {
	Kind Kind
	// Issuer is the provider's identifier exactly as its metadata writes it,
	// with or without a final slash; the metadata is read below it. Empty: the
	// public one of Google and Microsoft. GitHub has none.
	Issuer       string
	ClientID     string
	ClientSecret string
	// URL and APIURL are of GitHub alone: the site and its REST interface, for
	// GitHub Enterprise Server https://HOST and https://HOST/api/v3. Empty:
	// github.com.
	URL    string
	APIURL string
	// RedirectURL is our callback, as registered with the provider.
	RedirectURL string
	// Scopes are what is asked for; nil is what an [Identity] needs. "openid"
	// is always among them where there are ID tokens.
	Scopes []string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Provider logs people in with one provider. It is safe for concurrent use.
type Provider struct {
	config   Config
	client   *http.Client
	metadata cached[metadata]
	keys     cached[[]signingKey]
}

// New returns a provider without asking it anything: its metadata is read at
// the first login. The client's transport decides which addresses may be
// called; time, size and redirects are bounded here.
func New(config Config, client *http.Client) *Provider {
	if config.Now == nil {
		config.Now = time.Now
	}
	switch config.Kind {
	case Google:
		config.Issuer = defaultTo(config.Issuer, googleIssuer)
	case Microsoft:
		config.Issuer = defaultTo(config.Issuer, microsoftIssuer)
	case GitHub:
		config.URL = strings.TrimSuffix(defaultTo(config.URL, githubURL), "/")
		config.APIURL = strings.TrimSuffix(defaultTo(config.APIURL, githubAPIURL), "/")
	}
	config.Scopes = scopesOf(config)
	return &Provider{config: config, client: bounded(client)}
}

func defaultTo(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// Kind is the kind the provider was made with.
func (p *Provider) Kind() Kind { return p.config.Kind }

// Start returns the URL at the provider that the browser is sent to. The
// errors are of type *[Error].
func (p *Provider) Start(ctx context.Context, c Challenge) (string, error) {
	if !c.complete() {
		return "", p.failed(ReasonConfiguration, "the challenge lacks its state, nonce or verifier")
	}
	exchange, _, err := p.exchange(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(c.Verifier)}
	for name, value := range p.parameters(c) {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	return exchange.AuthCodeURL(c.State, options...), nil
}

// parameters are what the kinds ask for beside OAuth's own parameters. Fresh
// asks for the person and not for the provider's session: Google and GitHub
// know no more than asking which account it shall be.
func (p *Provider) parameters(c Challenge) map[string]string {
	parameters := map[string]string{}
	hint := "login_hint"
	if p.config.Kind == GitHub {
		hint = "login"
	} else {
		parameters["nonce"] = c.Nonce
	}
	if c.LoginHint != "" {
		parameters[hint] = c.LoginHint
	}
	if c.Fresh {
		switch p.config.Kind {
		case Google, GitHub:
			parameters["prompt"] = "select_account"
		default:
			parameters["prompt"] = "login"
			parameters["max_age"] = "0"
		}
	}
	return parameters
}

// Finish checks what the browser brought back to our callback against the
// challenge that Start was given, asks the provider who it is and returns it.
// A challenge is for one Finish: the caller uses it up before the call. The
// errors are of type *[Error]; only those that are Temporary may go away.
func (p *Provider) Finish(ctx context.Context, callback url.Values, c Challenge) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	if !c.complete() {
		return Identity{}, p.failed(ReasonConfiguration, "the challenge lacks its state, nonce or verifier")
	}
	if !sameState(callback, c) { // before anything is asked of anybody
		return Identity{}, p.failed(ReasonCallback, "the state is missing or of another login")
	}
	exchange, m, err := p.exchange(ctx)
	if err != nil {
		return Identity{}, err
	}
	code, err := p.codeOf(callback, m)
	if err != nil {
		return Identity{}, err
	}
	token, err := p.redeem(ctx, exchange, code, c)
	if err != nil {
		return Identity{}, err
	}
	if p.config.Kind == GitHub {
		return p.githubIdentity(ctx, token)
	}
	return p.openIDIdentity(ctx, m, token, callback.Get("iss"), c)
}

// exchange is the provider's side of OAuth. GitHub has no metadata to ask for.
func (p *Provider) exchange(ctx context.Context) (*oauth2.Config, metadata, error) {
	exchange := &oauth2.Config{
		ClientID:     p.config.ClientID,
		ClientSecret: p.config.ClientSecret,
		RedirectURL:  p.config.RedirectURL,
		Scopes:       p.config.Scopes,
	}
	if p.config.Kind == GitHub {
		exchange.Endpoint = oauth2.Endpoint{
			AuthURL:   p.config.URL + "/login/oauth/authorize",
			TokenURL:  p.config.URL + "/login/oauth/access_token",
			AuthStyle: oauth2.AuthStyleInParams,
		}
		return exchange, metadata{}, nil
	}
	m, err := p.discover(ctx)
	if err != nil {
		return nil, metadata{}, err
	}
	exchange.Endpoint = oauth2.Endpoint{
		AuthURL:   m.AuthorizationEndpoint,
		TokenURL:  m.TokenEndpoint,
		AuthStyle: p.authStyle(m),
	}
	return exchange, m, nil
}
