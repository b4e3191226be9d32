package org

import (
	"bufio"
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

	"github.com/sallyport/sallyport/internal/identity"
)

const (
	dnsTime     = 3 * time.Second // for the answer of one name server
	connectTime = 5 * time.Second
	fetchTime   = 10 * time.Second
	maxProof    = 64 << 10 // bytes of the file that are read, and of its header
)

// Prober asks the outside for the proofs of domains. Its zero value asks the
// system's name servers and keeps off private networks.
type Prober struct {
	// DNSServers are host:port of the name servers to ask, in this order;
	// empty: the system's.
	DNSServers []string
	// AllowPrivate lets files be fetched from loopback and private networks.
	AllowPrivate bool
	// Roots replaces the system's certificate authorities; for tests.
	Roots *x509.CertPool
}

// Proof is where the proof of a domain is looked for, and what it is.
type Proof struct {
	DNSName string // of the TXT record
	URL     string // of the file
	Line    string // value of the record, a line of the file
}

// ProofOf returns what proves a domain.
func (s *Service) ProofOf(d identity.Domain) Proof {
	return Proof{
		DNSName: "_" + s.slug() + "-challenge." + d.Name, URL: "https://" + d.Name + "/.well-known/" + s.slug(),
		Line: "token=" + d.Challenge + ",expiry=never",
	}
}

// slug is the brand as it stands in names and paths.
func (s *Service) slug() string {
	slug := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(s.Brand))
	if slug == "" {
		return "server"
	}
	return slug
}

// proven is nil when the proof of a domain is where it belongs, now; else
// Invalid organization_domain_verification_failed.
func (s *Service) proven(ctx context.Context, d identity.Domain) *identity.Error {
	const code = "organization_domain_verification_failed"
	proof := s.ProofOf(d)
	line := proof.Line
	if d.VerificationType == identity.ProofHTTP {
		if err := s.Prober.file(ctx, proof.URL, line); err != nil {
			failed := identity.Invalidf(code, "%s must be a text file with the line %q, %s", proof.URL, line, blame(err))
			failed.Cause = err
			return failed
		}
		return nil
	}
	values, err := s.Prober.txt(ctx, proof.DNSName)
	switch {
	case err != nil:
		failed := identity.Invalidf(code, "the name servers of %s gave no usable answer; try again, or check them with `dig TXT %s`", d.Name, proof.DNSName)
		failed.Cause = err
		return failed
	case !slices.Contains(values, line):
		return identity.Invalidf(code, "there is no TXT record %s with the value %q; add it and try again: new records may take up to 72 hours to be seen", proof.DNSName, line)
	}
	return nil
}

// txt returns the TXT records of a name, the strings of each joined. None is
// an empty list (also when the name does not exist); an error is trouble: no
// server gave a usable answer.
func (p *Prober) txt(ctx context.Context, name string) ([]string, error) {
	servers := p.DNSServers
	if len(servers) == 0 {
		servers = []string{""} // the resolver's own list
	}
	var trouble error
	for _, server := range servers {
		values, err := lookUp(ctx, server, name)
		var missing *net.DNSError
		switch {
		case err == nil:
			return values, nil
		case errors.As(err, &missing) && missing.IsNotFound:
			return nil, nil
		}
		trouble = errors.Join(trouble, err)
	}
	return nil, trouble
}

// Probe asks the name servers for a name that cannot exist (RFC 6761, section
// 6.4): that it does not is an answer. The error says which trouble each had.
func (p *Prober) Probe(ctx context.Context) error {
	_, err := p.txt(ctx, "doctor.invalid")
	return err
}

// lookUp asks one server, over UDP and, when the answer is cut off, TCP.
func lookUp(ctx context.Context, server, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTime)
	defer cancel()
	resolver := &net.Resolver{PreferGo: true, StrictErrors: true}
	if server != "" {
		resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server)
		}
	}
	// The dot at the end keeps the system's search list out.
	return resolver.LookupTXT(ctx, name+".")
}

// errPrivate refuses a connection to an address that is not on the internet.
var errPrivate = errors.New("the name leads to a private address")

// statusError is an answer that is no file.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("the answer was status %d", int(e)) }

var errNoLine = errors.New("the line is not in it")

// blame words a failed fetch without what the other side sent and without its
// address: whoever claims a domain must not read through the server.
func blame(err error) string {
	var status statusError
	switch {
	case errors.Is(err, errNoLine):
		return "but " + errNoLine.Error()
	case errors.Is(err, errPrivate): // what is around it names the address
		return "but " + errPrivate.Error()
	case errors.As(err, &status) && status/100 == 3:
		return "but it redirects, and redirects are not followed"
	case errors.As(err, &status):
		return fmt.Sprintf("but the answer has a status of %dxx", status/100)
	}
	return "but it cannot be fetched; check that it opens in a browser without a warning"
}

// file is nil when a page holds a line.
func (p *Prober) file(ctx context.Context, url, line string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := p.transport()
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request) // unlike a client it follows nothing
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return statusError(answer.StatusCode)
	}
	lines := bufio.NewScanner(io.LimitReader(answer.Body, maxProof))
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == line {
			return nil
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return err
	}
	return errNoLine
}

// transport goes out without proxy, cookies or kept connections, and checks
// every address at the moment it is dialled.
func (p *Prober) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: connectTime, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !p.AllowPrivate && !onInternet(to.Addr()) {
			return errPrivate
		}
		return nil
	}}
	return &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.Roots},
		TLSHandshakeTimeout: connectTime, MaxResponseHeaderBytes: maxProof, DisableKeepAlives: true, DisableCompression: true,
	}
}

// notInternet are the special ranges that netip has no word for (RFC 6890).
var notInternet = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
}

// internet6 is all of IPv6 that is routed; embedded are the parts of it that
// lead to an IPv4 address or nowhere.
var (
	internet6 = netip.MustParsePrefix("2000::/3")
	embedded  = []netip.Prefix{netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16")}
)

// onInternet says whether an address is one that everybody can reach.
func onInternet(a netip.Addr) bool {
	a = a.Unmap()
	within := func(p netip.Prefix) bool { return p.Contains(a) }
	if a.Is4() {
		return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(notInternet, within)
	}
	return internet6.Contains(a) && !slices.ContainsFunc(embedded, within)
}
