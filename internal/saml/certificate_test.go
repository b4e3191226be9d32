package saml

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

func pemOf(blockType string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der}))
}

func TestPastedCertificates(t *testing.T) {
	one, two := idpKey().cert, curveKey().cert
	private, err := x509.MarshalPKCS8PrivateKey(idpKey().private)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spaced := makePair(p256, "x", year(2020), year(2040)).cert
	for !bytes.ContainsAny(spaced.Raw[len(spaced.Raw)-1:], " \t\r\n") { // one signature in 64
		spaced = makePair(p256, "x", year(2020), year(2040)).cert
	}
	onePEM, twoPEM := pemOf("CERTIFICATE", one.Raw), pemOf("CERTIFICATE", two.Raw)
	for _, c := range []struct {
		name, pasted string
		want         int
		problem      string
	}{
		{"PEM", onePEM, 1, ""},
		{"PEM with white space", "\r\n  " + onePEM + "  \n", 1, ""},
		{"PEM with Windows line ends", strings.ReplaceAll(onePEM, "\n", "\r\n"), 1, ""},
		{"two", onePEM + twoPEM, 2, ""},
		{"twice the same", onePEM + twoPEM + onePEM, 2, ""},
		{"bare base64", base64.StdEncoding.EncodeToString(one.Raw), 1, ""},
		{"base64 in lines", strings.TrimSuffix(strings.TrimPrefix(onePEM, "-----BEGIN CERTIFICATE-----\n"), "-----END CERTIFICATE-----\n"), 1, ""},
		{"DER", string(one.Raw), 1, ""},
		{"DER that ends like a text", string(spaced.Raw), 1, ""},
		{"DER and a line end", string(spaced.Raw) + "\r\n", 1, ""},
		{"private key", pemOf("PRIVATE KEY", private), 0, "private key"},
		{"certificate and private key", onePEM + pemOf("RSA PRIVATE KEY", private), 0, "private key"},
		{"private key in base64", base64.StdEncoding.EncodeToString(private), 0, "private key"},
		{"request", pemOf("CERTIFICATE REQUEST", one.Raw), 0, "certificates only"},
		{"damaged", onePEM[:len(onePEM)-40], 0, "damaged"},
		{"nothing", " \n", 0, "empty"},
		{"words", "the certificate", 0, "not a certificate"},
		{"1024 bits", pemOf("CERTIFICATE", smallKey().cert.Raw), 0, "2048"},
		{"P-224", pemOf("CERTIFICATE", makePair(p224, "x", year(2020), year(2040)).cert.Raw), 0, "curve"},
		{"too large", strings.Repeat("A", maxCertificateText+1), 0, "64 KiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := ParseCertificates([]byte(c.pasted))
			if len(found) != c.want || (err == nil) != (c.problem == "") {
				t.Fatalf("%d certificates, %v", len(found), err)
			}
			if err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("the problem is %q, want something about %q", err, c.problem)
			}
		})
	}
}

func FuzzCertificates(f *testing.F) {
	f.Add([]byte(pemOf("CERTIFICATE", fixedKey().cert.Raw)))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"))
	f.Fuzz(func(t *testing.T, pasted []byte) {
		found, err := ParseCertificates(pasted)
		if err == nil && (len(found) == 0 || len(found) > maxCertificates) {
			t.Errorf("%d certificates", len(found))
		}
	})
}

func TestDescribe(t *testing.T) {
	info := Describe(curveKey().cert)
	if info.Subject != "CN=curve" || info.Key != "ECDSA P-256" || len(info.Fingerprint) != 64 || info.NotAfter != year(2040) || info.Serial == "" {
		t.Errorf("described as %+v", info)
	}
	if key := Describe(idpKey().cert).Key; key != "RSA 2048" {
		t.Errorf("described as %q", key)
	}
}

func TestGeneratedKeys(t *testing.T) {
	for _, kind := range []KeyType{RSA3072, ECDSAP256} {
		t.Run(string(kind), func(t *testing.T) {
			key, err := GenerateKey(rand.Reader, kind, strings.Repeat("sallyport ", 10), noon, 24*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			private, der, err := key.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseKey(private, der)
			if err != nil || !again.Certificate.Equal(key.Certificate) {
				t.Fatalf("read again: %v", err)
			}
			cert := key.Certificate
			if !cert.NotAfter.Equal(noon.Add(24*time.Hour)) || !cert.NotBefore.Before(noon) || len(cert.Subject.CommonName) > 64 || checkKey(cert) != nil {
				t.Errorf("the certificate is %+v", Describe(cert))
			}
			if public, isRSA := cert.PublicKey.(*rsa.PublicKey); isRSA && public.N.BitLen() != 3072 {
				t.Errorf("the key has %d bits", public.N.BitLen())
			}
			if _, decrypts := key.Decrypter(); decrypts != (kind == RSA3072) {
				t.Errorf("decrypts: %v", decrypts)
			}
			if _, err := ParseKey(private, idpKey().cert.Raw); err == nil {
				t.Error("another key's certificate was taken")
			}
		})
	}
	if _, err := GenerateKey(rand.Reader, "dsa", "x", noon, time.Hour); err == nil {
		t.Error("a DSA key was made")
	}
	if _, err := GenerateKey(bytes.NewReader(nil), ECDSAP256, "x", noon, time.Hour); err == nil {
		t.Error("a certificate was made without randomness")
	}
	if _, err := ParseKey([]byte("x"), nil); err == nil {
		t.Error("rubbish was taken for a key")
	}
}
