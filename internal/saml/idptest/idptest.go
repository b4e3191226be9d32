// Package idptest starts SAML identity providers of other authors on loopback,
// for tests: [StartSimpleSAMLphp], [StartLemonLDAP] and [StartSAMLP], and does
// with [Login] what a person with a browser does there. All of them end with
// the test; scripts/install-deps.sh installs them.
package idptest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// Signing is what a provider signs of its answers.
type Signing string

// Neither is what no real provider does, and must be refused. LemonLDAP signs
// both whatever it is told; samlp always signs one.
const (
	SignBoth      Signing = ""
	SignResponse  Signing = "response"
	SignAssertion Signing = "assertion"
	SignNeither   Signing = "neither"
)

// Formats of NameID (SAML core, section 8.3). The value is the person's address,
// their name, and something new each time.
const (
	NameIDEmail      = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	NameIDPersistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	NameIDTransient  = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
)

// Signature algorithms (RFC 9231); samlp has the first two only.
const (
	RSASHA1   = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
	RSASHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	RSASHA512 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
)

// User is a person whom a provider knows. The password is the name. Attributes
// without a value are left out of answers.
type User struct {
	Name      string
	Email     string
	FirstName string
	LastName  string
	Groups    []string
}

// SP is a service that a provider answers to.
type SP struct {
	EntityID string
	ACS      string // where answers are posted to
	SLO      string // where logouts are sent to by redirect; may be empty
	// CertificatePEM is the key that requests are checked with and assertions
	// encrypted for; may be empty.
	CertificatePEM string
}

// Options say what a provider knows and does. The zero value knows nobody and
// signs both response and assertion with RSA and SHA-256.
type Options struct {
	// EntityID is the address of the metadata by default.
	EntityID string
	// Host is a name of loopback that browsers are told; by default 127.0.0.1, for
	// LemonLDAP localhost.
	Host string
	// HTTPS serves with a certificate that no client trusts. It cannot be changed.
	HTTPS bool

	// SP is the service that people go to; without EntityID there is none yet.
	SP      SP
	MoreSPs []SP
	Users   []User

	Sign               Signing
	SignatureAlgorithm string // RSASHA256 by default
	// NameIDFormat is NameIDEmail by default. samlp always sends the name,
	// without a format.
	NameIDFormat string
	// Encrypt encrypts assertions for the service's certificate, with AES-128-CBC
	// and RSA-OAEP but for samlp, which uses EncryptionAlgorithm, AES-256-GCM by
	// default.
	Encrypt             bool
	EncryptionAlgorithm string
	// DemandSignedRequests refuses requests, and logouts, that are not signed by
	// the service's certificate.
	DemandSignedRequests bool
}

// Attributes are the names under which a provider sends what it knows of people.
type Attributes struct{ Email, FirstName, LastName, Groups string }

// Provider is a running identity provider with one tenant.
type Provider struct {
	EntityID    string
	SSOURL      string // takes requests by redirect and by POST
	SLOURL      string // empty where the provider has no logout
	MetadataURL string
	Attributes  Attributes
	// CertificatePEM is of the key that signs now.
	CertificatePEM string
	// NextCertificatePEM is of the key that Rotate turns to, after Stage.
	NextCertificatePEM string

	options   Options
	front     *front
	key, next KeyPair
	engine    engine
}

// engine is what differs between the programs.
type engine interface {
	// apply brings the program to what the provider says by now, and returns when
	// that holds. The first call starts it.
	apply(tb testing.TB, p *Provider)
	// initiate is the URL at which people begin who come from the provider.
	initiate(p *Provider, relay string) string
	// logout is the URL that ends the person's session there; empty: there is none.
	logout(p *Provider, back string) string
}

// start gives a provider its address and its key, and starts it.
func start(tb testing.TB, o Options, e engine, locate func(p *Provider, base string)) *Provider {
	tb.Helper()
	p := &Provider{options: o, engine: e, front: newFront(tb, o), key: NewKeyPair(tb, "identity provider")}
	locate(p, p.front.url)
	e.apply(tb, p.settle())
	return p
}

// settle derives the public fields from options and keys.
func (p *Provider) settle() *Provider {
	p.EntityID = p.options.EntityID
	if p.EntityID == "" {
		p.EntityID = p.MetadataURL
	}
	p.CertificatePEM, p.NextCertificatePEM = p.key.CertificatePEM, p.next.CertificatePEM
	return p
}

// Change changes options of the running provider. People who are logged in there
// keep the attributes with which they came.
func (p *Provider) Change(tb testing.TB, change func(o *Options)) {
	tb.Helper()
	change(&p.options)
	p.engine.apply(tb, p.settle())
}

// Stage announces the next key, which does not sign yet. SimpleSAMLphp has it in
// its metadata from now on; the others publish one key only.
func (p *Provider) Stage(tb testing.TB) {
	tb.Helper()
	p.next = NewKeyPair(tb, "identity provider, next")
	p.engine.apply(tb, p.settle())
}

// Rotate signs with the next key from now on, which nobody has seen when it was
// not staged, and forgets the old one.
func (p *Provider) Rotate(tb testing.TB) {
	tb.Helper()
	if p.next.CertificatePEM == "" {
		p.next = NewKeyPair(tb, "identity provider, next")
	}
	p.key, p.next = p.next, KeyPair{}
	p.engine.apply(tb, p.settle())
}

// IdPInitiatedURL is where a person begins who comes from the provider's side:
// it answers with a response that no request asked for. relay may be empty.
func (p *Provider) IdPInitiatedURL(relay string) string { return p.engine.initiate(p, relay) }

// LogoutURL is where a person logs out at the provider, which then sends a signed
// LogoutRequest to the SLO of each service that they are logged in at, and at
// last the person to back. SimpleSAMLphp sends the browser there by redirects,
// LemonLDAP shows a page with frames, and samlp has none: the URL is empty.
func (p *Provider) LogoutURL(back string) string { return p.engine.logout(p, back) }

// Metadata is what the provider publishes of itself.
func (p *Provider) Metadata(tb testing.TB) string {
	tb.Helper()
	response, err := Browser(tb).Get(p.MetadataURL)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		tb.Fatalf("metadata: status %d, %v: %.500s", response.StatusCode, err, text)
	}
	return string(text)
}

// Browser is a client with cookies of its own that nobody has used. It trusts
// every certificate, and takes names below "test" (RFC 6761) for this machine.
func Browser(tb testing.TB) *http.Client {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DialContext: dial}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport}
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && strings.HasSuffix(host, ".test") {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// services are the services that the provider knows.
func (o Options) services() []SP {
	if o.SP.EntityID == "" {
		return o.MoreSPs
	}
	return append([]SP{o.SP}, o.MoreSPs...)
}

// nameIDFormat is the format with its default.
func (o Options) nameIDFormat() string {
	if o.NameIDFormat == "" {
		return NameIDEmail
	}
	return o.NameIDFormat
}

// algorithm is the signature algorithm with its default.
func (o Options) algorithm() string {
	if o.SignatureAlgorithm == "" {
		return RSASHA256
	}
	return o.SignatureAlgorithm
}

// query appends parameters that have a value to an address.
func query(address string, pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	return address + "?" + values.Encode()
}
