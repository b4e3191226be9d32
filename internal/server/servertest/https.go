package servertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/server"
)

// secure makes a server answer over https under a name, on the port that it
// listens on.
func secure(tb testing.TB, config *server.Config, host string) {
	tb.Helper()
	_, port, err := net.SplitHostPort(config.Listen)
	if err != nil {
		tb.Fatal(err)
	}
	config.PublicURL = "https://" + net.JoinHostPort(host, port)
	config.TLSCert = filepath.Join(config.DataDir, "test.crt")
	config.TLSKey = filepath.Join(config.DataDir, "test.key")
	certificate, key := throwAway(tb, host)
	writeFile(tb, config.TLSCert, certificate)
	writeFile(tb, config.TLSKey, key)
}

// throwAway is a certificate for a name, and its key, for one test.
func throwAway(tb testing.TB, host string) (certificatePEM, keyPEM string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: host},
		DNSNames:     []string{host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}

// trusting trusts the certificate of a server; nil without one.
func trusting(tb testing.TB, config server.Config) *tls.Config {
	tb.Helper()
	if config.TLSCert == "" {
		return nil
	}
	certificate, err := os.ReadFile(config.TLSCert)
	if err != nil {
		tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) {
		tb.Fatalf("no certificate in %s", config.TLSCert)
	}
	return &tls.Config{RootCAs: roots}
}

// Names dials, and takes names below "test" (RFC 6761) for this machine: the
// DialContext of clients of servers with Options.Host.
func Names(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && strings.HasSuffix(host, ".test") {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}
