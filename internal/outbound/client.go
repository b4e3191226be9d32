// Package outbound sends the requests that somebody else had the server send: to
// an organization's OpenID provider, to the site of a domain. It keeps off what
// is not on the internet, whatever a name leads to at the moment it is dialled,
// follows no redirect, and bounds time and size (docs/parameters.md 3.10).
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	connectTime = 5 * time.Second
	requestTime = 10 * time.Second
	maxHeader   = 64 << 10 // bytes
	maxBody     = 1 << 20  // bytes, unpacked
)

// ErrPrivate refuses a connection to an address that is not on the internet.
var ErrPrivate = errors.New("the name leads to a private address")

// ErrTooLarge ends a body of more than 1 MiB.
var ErrTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxBody)

// Client says how to go out. Its zero value asks the system's name servers and
// keeps off private networks.
type Client struct {
	// DNSServers are host:port of the name servers to ask, in this order;
	// empty: the system's.
	DNSServers []string
	// AllowPrivate lets it reach loopback and private networks.
	AllowPrivate bool
	// Roots replaces the system's certificate authorities; nil: it does not.
	Roots *x509.CertPool
}

// HTTP is a client under all the limits.
func (c *Client) HTTP() *http.Client {
	return &http.Client{
		Transport:     limited{c.Transport()},
		Timeout:       requestTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// limited cuts bodies off.
type limited struct{ inner http.RoundTripper }

func (t limited) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.inner.RoundTrip(r)
	if err == nil {
		answer.Body = &limitedBody{answer.Body, maxBody}
	}
	return answer, err
}

// limitedBody fails where an io.LimitedReader would end quietly.
type limitedBody struct {
	io.ReadCloser
	left int
}

func (b *limitedBody) Read(into []byte) (int, error) {
	if len(into) > b.left+1 {
		into = into[:b.left+1]
	}
	n, err := b.ReadCloser.Read(into)
	if n > b.left {
		return b.left, ErrTooLarge
	}
	b.left -= n
	return n, err
}

// Transport goes out without proxy, cookies or kept connections, and checks
// every address at the moment it is dialled.
func (c *Client) Transport() *http.Transport {
	return &http.Transport{
		DialContext: c.dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
		TLSHandshakeTimeout: connectTime, MaxResponseHeaderBytes: maxHeader, DisableKeepAlives: true, DisableCompression: true,
	}
}

// dial connects to the first address of a site that answers. A name that also
// leads to a private address is connected to nowhere: whose name does that has
// nothing good in mind. Names are looked up once, so what is dialled is what was
// looked at.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host, ".") {
		host += "." // keeps the search list out
	}
	list, err := Ask(ctx, c.DNSServers, func(ctx context.Context, r *net.Resolver) ([]netip.Addr, error) {
		return r.LookupNetIP(ctx, "ip", host)
	})
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(list, c.refuses) {
		return nil, ErrPrivate
	}
	err = errors.New("the site has no address")
	for _, a := range list {
		var conn net.Conn
		if conn, err = c.Dialer().DialContext(ctx, network, net.JoinHostPort(a.Unmap().String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (c *Client) refuses(a netip.Addr) bool { return !c.AllowPrivate && !OnInternet(a) }

// Dialer checks every address once more, when its socket is there already.
func (c *Client) Dialer() *net.Dialer {
	return &net.Dialer{Timeout: connectTime, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err == nil && c.refuses(to.Addr()) {
			err = ErrPrivate
		}
		return err
	}}
}
