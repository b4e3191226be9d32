// Package oidctest starts OpenID providers of other authors on loopback, for
// tests: [Start] one that keeps to the standards and asks people to log in with
// forms, [StartMisbehaving] one that lets everybody in and lies when it is told
// to. Both run in Node.js; scripts/install-deps.sh installs them.
package oidctest

import (
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"testing"
)

//go:embed testdata/provider.mjs
var providerScript string

//go:embed testdata/misbehaving.mjs
var misbehavingScript string

// Options say who is known to a provider.
type Options struct {
	// RedirectURLs are the callbacks that the provider sends browsers to.
	RedirectURLs []string
	// People are claims by login; any password is right. The claim sub is the
	// login when it is not among them.
	People map[string]map[string]any
	// IDTokenClaims puts the claims into ID tokens, as Google and Microsoft do.
	// Without, an ID token says only who, and the userinfo endpoint the rest.
	IDTokenClaims bool
}

// Provider is a running OpenID provider with one client.
type Provider struct {
	Issuer       string
	ClientID     string
	ClientSecret string
}

// Start starts the package oidc-provider. It demands PKCE, takes the secret by
// HTTP Basic, sends iss to the callback and signs with RS256. It ends with the
// test.
func Start(tb testing.TB, options Options) *Provider {
	tb.Helper()
	p := &Provider{ClientID: "sallyport", ClientSecret: rand.Text()}
	people := options.People
	if people == nil {
		people = map[string]map[string]any{}
	}
	line, err := json.Marshal(map[string]any{
		"clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURLs": options.RedirectURLs,
		"people": people, "idTokenClaims": options.IDTokenClaims,
	})
	if err != nil {
		tb.Fatal(err)
	}
	running := run(tb, providerScript)
	if _, err := fmt.Fprintf(running.in, "%s\n", line); err != nil {
		tb.Fatal(err)
	}
	p.Issuer = running.await(tb, "issuer ")
	return p
}

// Spoiled is what a misbehaving provider gets wrong.
type Spoiled struct {
	Claims   map[string]any    `json:"claims,omitempty"`   // set in ID and access tokens
	Remove   []string          `json:"remove,omitempty"`   // claims that are left out
	Header   map[string]any    `json:"header,omitempty"`   // set in the tokens' headers, but for alg
	Metadata map[string]any    `json:"metadata,omitempty"` // set in the metadata
	Callback map[string]string `json:"callback,omitempty"` // set in the URL of the callback
	Status   int               `json:"status,omitempty"`   // of the token endpoint
}

// Misbehaving is a running provider that takes every client and logs everybody
// in as "johndoe".
type Misbehaving struct {
	Issuer  string
	running program
}

// StartMisbehaving starts the package oauth2-mock-server. It ends with the test.
func StartMisbehaving(tb testing.TB) *Misbehaving {
	tb.Helper()
	m := &Misbehaving{running: run(tb, misbehavingScript)}
	m.Issuer = m.running.await(tb, "issuer ")
	return m
}

// Spoil decides what it gets wrong from now on. The zero Spoiled is nothing.
func (m *Misbehaving) Spoil(tb testing.TB, s Spoiled) {
	tb.Helper()
	line, err := json.Marshal(s)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := fmt.Fprintf(m.running.in, "%s\n", line); err != nil {
		tb.Fatal(err)
	}
	m.running.await(tb, "ready")
}
