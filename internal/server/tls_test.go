package server_test

import (
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
)

// certificate writes a self-signed certificate and its key, valid until a
// time, into two files of a folder.
func certificate(tb testing.TB, dir, name string, until time.Time) (certFile, keyFile string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeFile(tb, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	writeFile(tb, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return certFile, keyFile
}

// subject connects with TLS and returns the name in the server's certificate.
func subject(address string, c *tls.Config) (string, error) {
	c.InsecureSkipVerify = true // the certificate is self-signed; its name is compared
	conn, err := tls.Dial("tcp", address, c)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

// TestOPS04_OldTLS is row OPS-04: the settings reach the listener.
func TestOPS04_OldTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir, "one.example", time.Now().Add(time.Hour))
	i := onSQLite(t, filepath.Join(dir, "data"))
	n := startTLS(t, i, cert, key)
	address := strings.TrimPrefix(n.url, "http://")
	for _, c := range []struct {
		name   string
		config *tls.Config
		want   bool
	}{
		{"TLS 1.0", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, false},
		{"TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false},
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, true},
		{"TLS 1.3", &tls.Config{MinVersion: tls.VersionTLS13}, true},
		{"RC4", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}}, false},
		{"3DES", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA}}, false},
		{"CBC", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}}, false},
	} {
		if _, err := subject(address, c.config); (err == nil) != c.want {
			t.Errorf("%s: %v, want a connection: %v", c.name, err, c.want)
		}
	}
}

// startTLS starts a server that speaks TLS.
func startTLS(t *testing.T, i *installation, cert, key string) *node {
	t.Helper()
	n, err := launch(t, nil, i.with("--tls-cert", cert, "--tls-key", key)...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCertificateRenewed: new files are served without a restart, a spoilt
// pair does not replace a good one, and links are followed, because renewing
// tools make them.
func TestCertificateRenewed(t *testing.T) {
	dir := t.TempDir()
	live := filepath.Join(dir, "live")
	if err := os.Mkdir(live, 0o700); err != nil {
		t.Fatal(err)
	}
	use := func(version string) {
		t.Helper()
		for _, name := range []string{"cert.pem", "key.pem"} {
			next := filepath.Join(live, name+".next")
			if err := os.Symlink(filepath.Join("..", version, name), next); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(next, filepath.Join(live, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for version, name := range map[string]string{"v1": "one.example", "v2": "two.example", "v3": "three.example"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		certificate(t, filepath.Join(dir, version), name, time.Now().Add(time.Hour))
	}
	use("v1")
	i := onSQLite(t, filepath.Join(dir, "data"))
	n := startTLS(t, i, filepath.Join(live, "cert.pem"), filepath.Join(live, "key.pem"))
	address := strings.TrimPrefix(n.url, "http://")
	await := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; {
			got, err := subject(address, &tls.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if got == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the certificate is that of %s, want %s", got, want)
			}
		}
	}
	await("one.example")
	use("v2")
	await("two.example")
	// A certificate without its key, and a key that others can read.
	copyFile(t, filepath.Join(dir, "v1", "cert.pem"), filepath.Join(dir, "v2", "cert.pem"))
	awaitLog(t, n, "cannot be used")
	await("two.example")
	if err := os.Chmod(filepath.Join(dir, "v3", "key.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	use("v3")
	awaitLog(t, n, "chmod 600")
	await("two.example")
}

// awaitLog connects until the server has logged some words: it looks at its
// files when somebody connects.
func awaitLog(t *testing.T, n *node, words string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(n.stderr.String(), words); {
		if _, err := subject(strings.TrimPrefix(n.url, "http://"), &tls.Config{}); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say %q: %s", words, n.stderr)
		}
	}
}
