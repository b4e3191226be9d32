package org

import (
	"bufio"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/outbound"
)

const (
	fetchTime = 10 * time.Second
	maxProof  = 64 << 10 // bytes of the file that are read, and of its header
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
	values, err := outbound.Ask(ctx, p.DNSServers, func(ctx context.Context, r *net.Resolver) ([]string, error) {
		// The dot at the end keeps the system's search list out.
		return r.LookupTXT(ctx, name+".")
	})
	if outbound.NotFound(err) {
		return nil, nil
	}
	return values, err
}

// Probe asks the name servers for a name that cannot exist (RFC 6761, section
// 6.4): that it does not is an answer. The error says which trouble each had.
func (p *Prober) Probe(ctx context.Context) error {
	_, err := p.txt(ctx, "doctor.invalid")
	return err
}

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
	case errors.Is(err, outbound.ErrPrivate): // what is around it names the address
		return "but " + outbound.ErrPrivate.Error()
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
	transport := p.client().Transport()
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
	// A site that ends its answer because it was given up has not ended it.
	if err := ctx.Err(); err != nil {
		return err
	}
	return errNoLine
}

// client goes out as the prober may.
func (p *Prober) client() *outbound.Client {
	return &outbound.Client{DNSServers: p.DNSServers, AllowPrivate: p.AllowPrivate, Roots: p.Roots}
}
