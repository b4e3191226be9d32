package org

import (
	"bufio"
	"cmp"
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
	// DNSServers are host:port of the name servers to ask, in this order, for
	// records and for the addresses of sites; empty: the system's.
	DNSServers []string
	// AllowPrivate lets files be fetched from loopback and private networks.
	AllowPrivate bool
	// Roots replaces the system's certificate authorities; for tests.
	Roots *x509.CertPool

	patience time.Duration // with a site, instead of fetchTime; for tests
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
	values, err := firstAnswer(ctx, p.DNSServers, func(ctx context.Context, r *net.Resolver) ([]string, error) {
		// The dot at the end keeps the system's search list out.
		return r.LookupTXT(ctx, name+".")
	})
	if notFound(err) {
		return nil, nil
	}
	return values, err
}

// firstAnswer asks one server after the other until one gives a usable answer:
// records, or that there are none, which is the error notFound. What is wrong
// with a server is no answer; the error of all of them is trouble.
func firstAnswer[T any](ctx context.Context, servers []string, ask func(context.Context, *net.Resolver) (T, error)) (answer T, err error) {
	if len(servers) == 0 {
		servers = []string{""} // the resolver's own list
	}
	var trouble error
	for _, server := range servers {
		answer, err = askOne(ctx, server, ask)
		if err == nil || notFound(err) {
			return answer, err
		}
		trouble = errors.Join(trouble, err)
	}
	return answer, trouble
}

// notFound says whether an error is an answer: no such name, or no record.
func notFound(err error) bool {
	var missing *net.DNSError
	return errors.As(err, &missing) && missing.IsNotFound
}

// Probe asks the name servers for a name that cannot exist (RFC 6761, section
// 6.4): that it does not is an answer. The error says which trouble each had.
func (p *Prober) Probe(ctx context.Context) error {
	_, err := p.txt(ctx, "doctor.invalid")
	return err
}

// askOne asks one server, over UDP and, when the answer is cut off, TCP.
func askOne[T any](ctx context.Context, server string, ask func(context.Context, *net.Resolver) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTime)
	defer cancel()
	resolver := &net.Resolver{PreferGo: true, StrictErrors: true}
	if server != "" {
		resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server)
		}
	}
	return ask(ctx, resolver)
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
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(p.patience, fetchTime))
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
	return &http.Transport{
		DialContext: p.dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.Roots},
		TLSHandshakeTimeout: connectTime, MaxResponseHeaderBytes: maxProof, DisableKeepAlives: true, DisableCompression: true,
	}
}

// dial connects to the first address of a site that answers. A name that also
// leads to a private address is connected to nowhere: whose name does that has
// nothing good in mind. Names are looked up once, so what is dialled is what was
// looked at.
func (p *Prober) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host, ".") {
		host += "." // keeps the search list out
	}
	list, err := firstAnswer(ctx, p.DNSServers, func(ctx context.Context, r *net.Resolver) ([]netip.Addr, error) {
		return r.LookupNetIP(ctx, "ip", host)
	})
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(list, p.refuses) {
		return nil, errPrivate
	}
	err = errors.New("the site has no address")
	for _, a := range list {
		var conn net.Conn
		if conn, err = p.dialer().DialContext(ctx, network, net.JoinHostPort(a.Unmap().String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (p *Prober) refuses(a netip.Addr) bool { return !p.AllowPrivate && !onInternet(a) }

// dialer checks every address once more, when its socket is there already.
func (p *Prober) dialer() *net.Dialer {
	return &net.Dialer{Timeout: connectTime, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err == nil && p.refuses(to.Addr()) {
			err = errPrivate
		}
		return err
	}}
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
