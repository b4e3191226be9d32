package org

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/outbound"
)

// Row OUT-01: only addresses that everybody can reach are dialled.
func TestOUT01_InsideAddresses(t *testing.T) {
	for _, inside := range []string{
		"127.0.0.1", "127.255.1.1", "0.0.0.0", "0.1.2.3", "::", "::1", "::ffff:127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1",
		"169.254.169.254", "fe80::1", "fc00::1", "fd00:ec2::254", "100.64.0.1", "198.18.0.1", "224.0.0.1", "ff02::1", "255.255.255.255",
		"240.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "2001:db8::1", "::127.0.0.1", "192.0.2.1",
	} {
		if outbound.OnInternet(netip.MustParseAddr(inside)) {
			t.Errorf("%s would be dialled", inside)
		}
	}
	for _, outside := range []string{"9.9.9.9", "::ffff:9.9.9.9", "2620:fe::fe", "172.32.0.1", "100.128.0.1"} {
		if !outbound.OnInternet(netip.MustParseAddr(outside)) {
			t.Errorf("%s would be refused", outside)
		}
	}
}

// testCA issues the certificates of a test.
type testCA struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func privateCA(t *testing.T) *testCA {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := &testCA{}
	a.certificate, a.key = sign(t, template, nil)
	return a
}

// sign signs a template with an authority; nil: with its own new key.
func sign(t *testing.T, template *x509.Certificate, by *testCA) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by = &testCA{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, &key.PublicKey, by.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

func (a *testCA) issue(t *testing.T, name string, until time.Time) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until}
	certificate, key := sign(t, template, a)
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
}

func (a *testCA) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// site is a web site on loopback that counts its visitors.
type site struct {
	domain   identity.Domain
	requests atomic.Int32
	dialled  atomic.Int32
}

func newSite(t *testing.T, config *tls.Config, serve http.HandlerFunc) *site {
	t.Helper()
	s := &site{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		serve(w, r)
	}))
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.dialled.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// A port stands in a domain here alone: the site is not on 443.
	s.domain = identity.Domain{Name: "localhost:" + port, Challenge: "S3CRETofTHEproof", VerificationType: identity.ProofHTTP}
	return s
}

const rightLine = "token=S3CRETofTHEproof,expiry=never"

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// wantUnproven wants the one refusal, with words for the admin and none of
// what the site sent or where it is.
func wantUnproven(t *testing.T, failed *identity.Error, words string) {
	t.Helper()
	if failed == nil {
		t.Fatal("proven")
	}
	if failed.Kind != identity.Invalid || failed.Code != "organization_domain_verification_failed" {
		t.Errorf("kind %v, code %s", failed.Kind, failed.Code)
	}
	if !strings.Contains(failed.Message, words) {
		t.Errorf("%q does not say %q", failed.Message, words)
	}
	for _, leak := range []string{"127.0.0.1", "::1", "inside"} {
		if strings.Contains(failed.Message, leak) {
			t.Errorf("%q tells %q", failed.Message, leak)
		}
	}
}

// Rows OUT-02 and OUT-03: the file itself counts, as far as 64 KiB, and a
// redirect leads nowhere.
func TestOUT02_OUT03_ProofFile(t *testing.T) {
	ca := privateCA(t)
	config := func() *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "localhost", time.Now().Add(time.Hour))}}
	}
	other := newSite(t, config(), text(rightLine))
	redirect := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+other.domain.Name+r.URL.Path, code)
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, rightLine+"\ninside")
		}
	}
	const notIn, broken = "the line is not in it", "it cannot be fetched"
	for _, c := range []struct {
		name  string
		serve http.HandlerFunc
		words string // empty: proven
	}{
		{"the line", text(rightLine), ""},
		{"the line among others", text("# ours\r\n" + rightLine + "\r\nend\r\n"), ""},
		{"just within 64 KiB", text(strings.Repeat("0123456\n", maxProof/8-8) + rightLine), ""},
		{"another token", text("token=other,expiry=never\ninside"), notIn},
		{"other letters", text(strings.ToLower(rightLine)), notIn},
		{"within a line", text("x " + rightLine), notIn},
		{"nothing", text(""), notIn},
		{"beyond 64 KiB", text(strings.Repeat("0123456\n", maxProof/8) + rightLine), notIn},
		{"behind a line of 64 KiB", text(strings.Repeat("x", maxProof) + "\n" + rightLine), notIn},
		{"packed", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "" {
				_, _ = io.WriteString(w, rightLine) // proves it: the test fails
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed(t, rightLine+"\n"))
		}, notIn},
		{"a bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed(t, strings.Repeat("0", 64<<20)))
		}, notIn},
		{"1 MiB, the line at the end", text(strings.Repeat("0123456\n", 1<<17) + rightLine), notIn},
		{"a large header", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", 1<<20))
			_, _ = io.WriteString(w, rightLine)
		}, broken},
		{"302 to itself", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "redirects are not followed"},
		{"302 to http", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+other.domain.Name+r.URL.Path, http.StatusFound)
		}, "redirects are not followed"},
		{"301", redirect(http.StatusMovedPermanently), "redirects are not followed"},
		{"302", redirect(http.StatusFound), "redirects are not followed"},
		{"307", redirect(http.StatusTemporaryRedirect), "redirects are not followed"},
		{"308", redirect(http.StatusPermanentRedirect), "redirects are not followed"},
		{"404", status(http.StatusNotFound), "a status of 4xx"},
		{"503", status(http.StatusServiceUnavailable), "a status of 5xx"},
		{"201", status(http.StatusCreated), "a status of 2xx"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var path atomic.Value
			here := newSite(t, config(), func(w http.ResponseWriter, r *http.Request) {
				path.Store(r.URL.Path)
				c.serve(w, r)
			})
			s := &Service{Brand: "Sallyport", Prober: Prober{AllowPrivate: true, Roots: ca.pool()}}
			failed := s.proven(t.Context(), here.domain)
			if c.words != "" {
				wantUnproven(t, failed, c.words)
			} else if failed != nil {
				t.Errorf("%v: %v", failed, failed.Cause)
			}
			if n := here.requests.Load(); n != 1 || path.Load() != "/.well-known/sallyport" {
				t.Errorf("%d requests, the last for %v", n, path.Load())
			}
		})
	}
	if n := other.dialled.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

// Row OUT-03: an answer without an end is read as far as 64 KiB.
func TestOUT03_EndlessFile(t *testing.T) {
	ca := privateCA(t)
	ended := make(chan struct{})
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "localhost", time.Now().Add(time.Hour))}}
	here := newSite(t, config, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		block := bytes.Repeat([]byte("0123456\n"), 1<<10)
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	s := &Service{Brand: "Sallyport", Prober: Prober{AllowPrivate: true, Roots: ca.pool()}}
	wantUnproven(t, s.proven(t.Context(), here.domain), "the line is not in it")
	here.wantEnd(t, ended)
}

// wantEnd waits until the one request that the site got has ended, because the
// connection was given up.
func (s *site) wantEnd(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	if n := s.requests.Load(); n != 1 {
		t.Fatalf("%d requests, want 1", n)
	}
	<-ended
}

// packed is a text as gzip has it.
func packed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Row OUT-03: a site that sends a little and then nothing more is given up.
func TestOUT03_SlowFile(t *testing.T) {
	ca := privateCA(t)
	ended := make(chan struct{})
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "localhost", time.Now().Add(time.Hour))}}
	here := newSite(t, config, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		_, _ = io.WriteString(w, "t")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // until the connection is given up
	})
	// On a slow machine the patience may end before the site hears of it.
	for patience := 100 * time.Millisecond; here.requests.Load() == 0 && patience < time.Minute; patience *= 2 {
		s := &Service{Brand: "Sallyport", Prober: Prober{AllowPrivate: true, Roots: ca.pool(), patience: patience}}
		failed := s.proven(t.Context(), here.domain)
		wantUnproven(t, failed, "it cannot be fetched")
		if !errors.Is(failed.Cause, context.DeadlineExceeded) {
			t.Errorf("cause: %v", failed.Cause)
		}
	}
	here.wantEnd(t, ended)
}

// Row OUT-04: a site has to prove who it is.
func TestOUT04_Certificates(t *testing.T) {
	ca, unknown := privateCA(t), privateCA(t)
	later := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name   string
		config *tls.Config
	}{
		{"expired", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "localhost", time.Now().Add(-time.Minute))}}},
		{"wrong name", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "www.localhost", later)}}},
		{"unknown root", &tls.Config{Certificates: []tls.Certificate{unknown.issue(t, "localhost", later)}}},
		{"TLS 1.1", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "localhost", later)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}},
	} {
		t.Run(c.name, func(t *testing.T) {
			here := newSite(t, c.config, text(rightLine))
			s := &Service{Brand: "Sallyport", Prober: Prober{AllowPrivate: true, Roots: ca.pool()}}
			wantUnproven(t, s.proven(t.Context(), here.domain), "it cannot be fetched")
			if n := here.requests.Load(); n != 0 {
				t.Errorf("%d requests were sent to it", n)
			}
		})
	}
}

// Row OUT-01: a name that leads to a private address is not connected to.
func TestOUT01_NothingInsideIsDialled(t *testing.T) {
	ca := privateCA(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "localhost", time.Now().Add(time.Hour))}}
	here := newSite(t, config, text(rightLine))
	s := &Service{Brand: "Sallyport", Prober: Prober{Roots: ca.pool()}}
	failed := s.proven(t.Context(), here.domain)
	wantUnproven(t, failed, "the name leads to a private address")
	if !errors.Is(failed.Cause, outbound.ErrPrivate) {
		t.Errorf("cause: %v", failed.Cause)
	}
	if n := here.dialled.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}
