package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/outbound"
	"github.com/sallyport/sallyport/internal/thirdparty"
)

// ThirdParty is Google, Microsoft or GitHub as the operator registered this
// server there.
type ThirdParty struct {
	ClientID, ClientSecret string
	Issuer                 string // of Google and Microsoft; empty: theirs
	URL, APIURL            string // of GitHub; empty: github.com's
}

// thirdPartySettings are the settings of the three.
func thirdPartySettings() []setting {
	google := func(c *Config) *ThirdParty { return &c.Google }
	microsoft := func(c *Config) *ThirdParty { return &c.Microsoft }
	github := func(c *Config) *ThirdParty { return &c.GitHub }
	var list []setting
	for _, t := range []struct {
		name, label string
		of          func(*Config) *ThirdParty
	}{{"google", "Google", google}, {"microsoft", "Microsoft", microsoft}, {"github", "GitHub", github}} {
		list = append(list,
			setting{t.name + "-client-id", "none: not offered", "client id of this server at " + t.label, word(func(c *Config) *string { return &t.of(c).ClientID })},
			setting{t.name + "-client-secret", "none", "client secret of this server at " + t.label, word(func(c *Config) *string { return &t.of(c).ClientSecret })},
		)
	}
	return append(list,
		setting{"google-issuer", "https://accounts.google.com", "another OpenID issuer in Google's place, such as a test server", address(func(c *Config) *string { return &c.Google.Issuer })},
		setting{"microsoft-issuer", "https://login.microsoftonline.com/common/v2.0", "issuer of one tenant, or another OpenID issuer in Microsoft's place", address(func(c *Config) *string { return &c.Microsoft.Issuer })},
		setting{"github-url", "https://github.com", "GitHub Enterprise Server, or a test server", address(func(c *Config) *string { return &c.GitHub.URL })},
		setting{"github-api-url", "https://api.github.com", "the REST interface of that server, such as https://HOST/api/v3", address(func(c *Config) *string { return &c.GitHub.APIURL })},
	)
}

// word sets a value without spaces.
func word(of func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return errors.New("write it as the provider shows it, without spaces")
		}
		*of(c) = v
		return nil
	}
}

// address sets the URL of a server.
func address(of func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		u, err := url.Parse(v)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return errors.New("write http(s)://HOST, perhaps with a path")
		}
		*of(c) = v
		return nil
	}
}

// complete refuses half a registration.
func (t ThirdParty) complete(name string) error {
	if (t.ClientID == "") != (t.ClientSecret == "") {
		prefix := "SALLYPORT_" + strings.ToUpper(name) + "_CLIENT_"
		return &ConfigError{prefix + "ID and " + prefix + "SECRET", errors.New("set both or neither")}
	}
	return nil
}

// thirdParties are those that the operator has registered.
func (c *Config) thirdParties() (names []string) {
	for _, t := range []struct {
		name string
		ThirdParty
	}{{identity.ProviderGoogle, c.Google}, {identity.ProviderMicrosoft, c.Microsoft}, {identity.ProviderGitHub, c.GitHub}} {
		if t.ClientID != "" {
			names = append(names, t.name)
		}
	}
	return names
}

// connectProviders lets people log in with those that the operator has
// registered, and with organizations' own. The operator's may be anywhere: it
// is the operator's word. Those of organizations are kept off private networks.
func (s *Server) connectProviders() {
	anywhere := (&outbound.Client{AllowPrivate: true}).HTTP()
	s.Login.Providers = map[string]*thirdparty.Provider{}
	for _, t := range []struct {
		name string
		kind thirdparty.Kind
		ThirdParty
	}{
		{identity.ProviderGoogle, thirdparty.Google, s.Config.Google},
		{identity.ProviderMicrosoft, thirdparty.Microsoft, s.Config.Microsoft},
		{identity.ProviderGitHub, thirdparty.GitHub, s.Config.GitHub},
	} {
		if t.ClientID == "" {
			continue
		}
		s.Login.Providers[t.name] = thirdparty.New(thirdparty.Config{
			Kind: t.kind, Issuer: t.Issuer, ClientID: t.ClientID, ClientSecret: t.ClientSecret, URL: t.URL, APIURL: t.APIURL,
			RedirectURL: s.Login.RedirectURL(t.name), Now: s.DB.Now,
		}, anywhere)
	}
	s.Login.Outbound = (&outbound.Client{DNSServers: s.Config.DNSServers, AllowPrivate: s.Config.AllowPrivate}).HTTP()
	s.Login.ThirdParties = s.Config.thirdParties()
	s.Org.Discover, s.Org.ThirdParties = s.discover, s.Login.ThirdParties
}

// discover reads an issuer's metadata. What it answered stays here: an admin
// must not read others' servers through ours (row OUT-03).
func (s *Server) discover(ctx context.Context, issuer string) error {
	challenge, err := thirdparty.NewChallenge(rand.Reader)
	if err != nil {
		return err
	}
	may := &s.Org.Prober
	client := &outbound.Client{DNSServers: may.DNSServers, AllowPrivate: may.AllowPrivate, Roots: may.Roots}
	asked := thirdparty.New(thirdparty.Config{
		Kind: thirdparty.OpenID, Issuer: issuer, ClientID: "discovery", RedirectURL: s.Config.PublicURL + "/login/callback/discovery", Now: s.DB.Now,
	}, client.HTTP())
	_, err = asked.Start(ctx, challenge)
	failed, ok := errors.AsType[*thirdparty.Error](err)
	switch {
	case !ok:
		return err
	case errors.Is(err, outbound.ErrPrivate):
		return outbound.ErrPrivate
	case failed.Reason == thirdparty.ReasonUnavailable:
		return errors.New("it cannot be reached over https with a good certificate, or has trouble of its own; try again later")
	}
	return fmt.Errorf("below it, %s has to answer with the metadata of exactly this issuer; check the spelling, a slash at the end counts", "/.well-known/openid-configuration")
}
