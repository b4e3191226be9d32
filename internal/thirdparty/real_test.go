package thirdparty_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/thirdparty"
	"github.com/sallyport/sallyport/internal/thirdparty/oidctest"
)

// The tests of this file log in with providers of other authors.

const callbackURL = "http://127.0.0.1:9/login/callback/test"

func newChallenge(t *testing.T) thirdparty.Challenge {
	t.Helper()
	c, err := thirdparty.NewChallenge(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// login goes the whole way; the browser is nil or one that was used before.
func login(t *testing.T, p *thirdparty.Provider, browser *http.Client, who string, c thirdparty.Challenge) (thirdparty.Identity, error) {
	t.Helper()
	start, err := p.Start(t.Context(), c)
	if err != nil {
		return thirdparty.Identity{}, err
	}
	callback, err := oidctest.Login(browser, start, who)
	if err != nil {
		t.Fatal(err)
	}
	return p.Finish(t.Context(), callback.Query(), c)
}

const (
	tenant = "11111111-2222-3333-4444-555555555555"
	object = "AAAAAAAA-bbbb-cccc-dddd-eeeeeeeeeeee"
)

func TestRealProvider(t *testing.T) {
	people := map[string]map[string]any{
		"alice":    {"email": "alice@a.example", "email_verified": true, "name": "Alice A", "groups": []string{"ops", "dev"}},
		"texts":    {"email": "texts@a.example", "email_verified": "true", "name": 7},
		"nobody":   {"name": "No Address"},
		"worker":   {"email": "w@a.example", "email_verified": true, "hd": "a.example"},
		"consumer": {"email": "c@a.example", "email_verified": true},
		"gmail":    {"email": "c@Gmail.com", "email_verified": true},
		"entra":    {"email": "e@a.example", "email_verified": true, "tid": tenant, "oid": object, "preferred_username": "e@upn.example"},
		"owner":    {"email": "o@a.example", "xms_edov": true, "tid": tenant, "oid": object},
	}
	for _, idTokenClaims := range []bool{true, false} {
		server := oidctest.Start(t, oidctest.Options{RedirectURLs: []string{callbackURL}, People: people, IDTokenClaims: idTokenClaims})
		config := thirdparty.Config{
			Issuer: server.Issuer, ClientID: server.ClientID, ClientSecret: server.ClientSecret, RedirectURL: callbackURL,
		}
		for _, c := range []struct {
			kind thirdparty.Kind
			who  string
			want thirdparty.Identity
		}{
			{thirdparty.OpenID, "alice", thirdparty.Identity{
				Subject: server.Issuer + "|alice", Email: "alice@a.example", EmailVerified: true, Name: "Alice A",
				PublicIdentity: "alice@a.example", Groups: []string{"ops", "dev"},
			}},
			{thirdparty.OpenID, "texts", thirdparty.Identity{
				Subject: server.Issuer + "|texts", Email: "texts@a.example", PublicIdentity: "texts@a.example",
			}},
			{thirdparty.OpenID, "nobody", thirdparty.Identity{Subject: server.Issuer + "|nobody", Name: "No Address", PublicIdentity: "nobody"}},
			{thirdparty.Google, "worker", thirdparty.Identity{
				Subject: server.Issuer + "|worker", Email: "w@a.example", EmailVerified: true, HostedDomain: "a.example", PublicIdentity: "w@a.example",
			}},
			{thirdparty.Google, "consumer", thirdparty.Identity{
				Subject: server.Issuer + "|consumer", Email: "c@a.example", PublicIdentity: "c@a.example",
			}},
			{thirdparty.Google, "gmail", thirdparty.Identity{
				Subject: server.Issuer + "|gmail", Email: "c@Gmail.com", EmailVerified: true, PublicIdentity: "c@Gmail.com",
			}},
			{thirdparty.Microsoft, "entra", thirdparty.Identity{
				Subject: tenant + "|" + strings.ToLower(object), Email: "e@a.example", Tenant: tenant, PublicIdentity: "e@a.example",
			}},
			{thirdparty.Microsoft, "owner", thirdparty.Identity{
				Subject: tenant + "|" + strings.ToLower(object), Email: "o@a.example", EmailVerified: true, Tenant: tenant, PublicIdentity: "o@a.example",
			}},
		} {
			if c.kind == thirdparty.Microsoft && !idTokenClaims {
				continue // whose ID tokens say everything
			}
			t.Run(string(c.kind)+"/"+c.who, func(t *testing.T) {
				config.Kind = c.kind
				got, err := login(t, thirdparty.New(config, http.DefaultClient), nil, c.who, newChallenge(t))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestRealProviderAsksAgainWhenFresh(t *testing.T) {
	server := oidctest.Start(t, oidctest.Options{
		RedirectURLs: []string{callbackURL},
		People:       map[string]map[string]any{"alice": {}, "bob": {}},
	})
	p := thirdparty.New(thirdparty.Config{
		Kind: thirdparty.OpenID, Issuer: server.Issuer, ClientID: server.ClientID, ClientSecret: server.ClientSecret, RedirectURL: callbackURL,
	}, http.DefaultClient)
	browser := newBrowser(t)
	for _, c := range []struct {
		who   string
		fresh bool
		want  string
	}{
		{"alice", false, "alice"},
		{"bob", false, "alice"}, // the provider's session, without a form
		{"bob", true, "bob"},
	} {
		challenge := newChallenge(t)
		challenge.Fresh = c.fresh
		got, err := login(t, p, browser, c.who, challenge)
		if err != nil {
			t.Fatal(err)
		}
		if want := server.Issuer + "|" + c.want; got.Subject != want {
			t.Errorf("%s, fresh %t: %s, want %s", c.who, c.fresh, got.Subject, want)
		}
	}
}

func TestSOC02RealProviderRefusesInjectedCodes(t *testing.T) {
	server := oidctest.Start(t, oidctest.Options{
		RedirectURLs: []string{callbackURL}, People: map[string]map[string]any{"alice": {}, "eve": {}},
	})
	config := thirdparty.Config{
		Kind: thirdparty.OpenID, Issuer: server.Issuer, ClientID: server.ClientID, ClientSecret: server.ClientSecret, RedirectURL: callbackURL,
	}
	p := thirdparty.New(config, http.DefaultClient)
	eve, alice := newChallenge(t), newChallenge(t)
	start, err := p.Start(t.Context(), eve)
	if err != nil {
		t.Fatal(err)
	}
	callback, err := oidctest.Login(nil, start, "eve")
	if err != nil {
		t.Fatal(err)
	}
	injected := callback.Query()
	injected.Set("state", alice.State)
	_, err = p.Finish(t.Context(), injected, alice) // alice's verifier
	wantReason(t, err, thirdparty.ReasonCode)
	if _, err := p.Finish(t.Context(), callback.Query(), eve); err != nil {
		t.Fatal(err)
	}
	_, err = p.Finish(t.Context(), callback.Query(), eve) // used
	wantReason(t, err, thirdparty.ReasonCode)

	config.ClientSecret = "wrong"
	_, err = login(t, thirdparty.New(config, http.DefaultClient), nil, "alice", newChallenge(t))
	wantReason(t, err, thirdparty.ReasonConfiguration)
}

func TestSOC11RealProviderNamesItself(t *testing.T) {
	server := oidctest.Start(t, oidctest.Options{RedirectURLs: []string{callbackURL}, People: map[string]map[string]any{"alice": {}}})
	config := thirdparty.Config{
		Kind: thirdparty.OpenID, Issuer: server.Issuer, ClientID: server.ClientID, ClientSecret: server.ClientSecret, RedirectURL: callbackURL,
	}
	p := thirdparty.New(config, http.DefaultClient)
	c := newChallenge(t)
	start, err := p.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	callback, err := oidctest.Login(nil, start, "alice")
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(url.Values){
		"no iss":    func(v url.Values) { v.Del("iss") },
		"other iss": func(v url.Values) { v.Set("iss", "https://other.example") },
		"two iss":   func(v url.Values) { v.Add("iss", server.Issuer) },
	} {
		values := callback.Query()
		spoil(values)
		_, err := p.Finish(t.Context(), values, c)
		if reason(err) != thirdparty.ReasonCallback {
			t.Errorf("%s: %v, want %s", name, err, thirdparty.ReasonCallback)
		}
	}
	if _, err := p.Finish(t.Context(), callback.Query(), c); err != nil { // the code was not spent on those
		t.Error(err)
	}
	config.Issuer += "/"
	_, err = thirdparty.New(config, http.DefaultClient).Start(t.Context(), c)
	wantReason(t, err, thirdparty.ReasonMetadata)
}

func TestMisbehavingProvider(t *testing.T) {
	server := oidctest.StartMisbehaving(t)
	openID := thirdparty.Config{
		Kind: thirdparty.OpenID, Issuer: server.Issuer, ClientID: "sallyport", ClientSecret: "secret", RedirectURL: callbackURL,
	}
	microsoft := openID
	microsoft.Kind = thirdparty.Microsoft
	ids := map[string]any{"tid": tenant, "oid": object}
	hour := time.Now().Add(time.Hour).Unix()
	for _, c := range []struct {
		name    string
		config  thirdparty.Config
		spoiled oidctest.Spoiled
		want    thirdparty.Reason
	}{
		{"nothing", openID, oidctest.Spoiled{}, ""},
		{"wrong aud", openID, oidctest.Spoiled{Claims: map[string]any{"aud": "other"}}, thirdparty.ReasonToken},
		{"no aud", openID, oidctest.Spoiled{Remove: []string{"aud"}}, thirdparty.ReasonToken},
		{"wrong nonce", openID, oidctest.Spoiled{Claims: map[string]any{"nonce": "other"}}, thirdparty.ReasonToken},
		{"no nonce", openID, oidctest.Spoiled{Remove: []string{"nonce"}}, thirdparty.ReasonToken},
		{"wrong iss", openID, oidctest.Spoiled{Claims: map[string]any{"iss": "https://other.example"}}, thirdparty.ReasonToken},
		{"no exp", openID, oidctest.Spoiled{Remove: []string{"exp"}}, thirdparty.ReasonToken},
		{"iat in an hour", openID, oidctest.Spoiled{Claims: map[string]any{"iat": hour}}, thirdparty.ReasonToken},
		{"unknown kid", openID, oidctest.Spoiled{Header: map[string]any{"kid": "other"}}, thirdparty.ReasonToken},
		{"jku", openID, oidctest.Spoiled{Header: map[string]any{"jku": server.Issuer + "/jwks"}}, thirdparty.ReasonToken},
		{"metadata of another", openID, oidctest.Spoiled{Metadata: map[string]any{"issuer": "https://other.example"}}, thirdparty.ReasonMetadata},
		{"script as endpoint", openID, oidctest.Spoiled{Metadata: map[string]any{"authorization_endpoint": "javascript:alert(1)"}}, thirdparty.ReasonMetadata},
		{"only MACs", openID, oidctest.Spoiled{Metadata: map[string]any{"id_token_signing_alg_values_supported": []string{"HS256", "none"}}}, thirdparty.ReasonMetadata},
		{"iss is announced and missing", openID, oidctest.Spoiled{Metadata: map[string]any{"authorization_response_iss_parameter_supported": true}}, thirdparty.ReasonCallback},
		{"iss of another", openID, oidctest.Spoiled{Callback: map[string]string{"iss": "https://other.example"}}, thirdparty.ReasonCallback},
		{"down", openID, oidctest.Spoiled{Status: 503}, thirdparty.ReasonUnavailable},
		{"tenant and object", microsoft, oidctest.Spoiled{Claims: ids}, ""},
		{"no tenant", microsoft, oidctest.Spoiled{Claims: map[string]any{"oid": object}}, thirdparty.ReasonToken},
		{"no object", microsoft, oidctest.Spoiled{Claims: map[string]any{"tid": tenant}}, thirdparty.ReasonIdentity},
		{"tenant that is none", microsoft, oidctest.Spoiled{Claims: map[string]any{"tid": "common", "oid": object}}, thirdparty.ReasonToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			server.Spoil(t, c.spoiled)
			_, err := login(t, thirdparty.New(c.config, http.DefaultClient), nil, "", newChallenge(t))
			wantReason(t, err, c.want)
		})
	}
}
