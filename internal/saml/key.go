package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// KeyType is a kind of key pair of ours.
type KeyType string

// The kinds. ECDSA keys only sign: XML Encryption as providers speak it needs
// RSA.
const (
	RSA3072   KeyType = "rsa-3072"
	ECDSAP256 KeyType = "ecdsa-p256"
)

// Key is a key pair of ours at one provider, with its self-signed certificate.
type Key struct {
	Private     crypto.Signer
	Certificate *x509.Certificate
}

// GenerateKey makes a key pair and a certificate that is valid from a minute ago
// for the given time. The name becomes the certificate's common name, at most 64
// characters. Randomness comes from the reader, but for the key itself: Go's
// generators use the system's since 1.26.
func GenerateKey(random io.Reader, kind KeyType, name string, now time.Time, validity time.Duration) (Key, error) {
	var private crypto.Signer
	var err error
	switch kind {
	case RSA3072:
		private, err = rsa.GenerateKey(random, 3072)
	case ECDSAP256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), random)
	default:
		return Key{}, fmt.Errorf("generate a SAML key: unknown kind %q: use %s or %s", kind, RSA3072, ECDSAP256)
	}
	if err != nil {
		return Key{}, fmt.Errorf("generate a SAML key: %w", err)
	}
	certificate, err := selfSign(random, private, name, now, validity)
	if err != nil {
		return Key{}, fmt.Errorf("make the certificate of a SAML key: %w", err)
	}
	return Key{Private: private, Certificate: certificate}, nil
}

func selfSign(random io.Reader, private crypto.Signer, name string, now time.Time, validity time.Duration) (*x509.Certificate, error) {
	var serial [16]byte
	if _, err := io.ReadFull(random, serial[:]); err != nil {
		return nil, err
	}
	serial[0] &= 0x7F // positive, at most 20 octets (RFC 5280 4.1.2.2)
	if len(name) > 64 {
		name = name[:64] // ub-common-name (RFC 5280 appendix A)
	}
	usage := x509.KeyUsageDigitalSignature
	if _, isRSA := private.(*rsa.PrivateKey); isRSA {
		usage |= x509.KeyUsageKeyEncipherment
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.UTC().Add(-time.Minute),
		NotAfter:     now.UTC().Add(validity),
		KeyUsage:     usage,
	}
	der, err := x509.CreateCertificate(random, template, template, private.Public(), private)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Decrypter is the key as [Provider.Keys] wants it; false when it only signs.
func (k Key) Decrypter() (crypto.Decrypter, bool) {
	private, ok := k.Private.(*rsa.PrivateKey)
	return private, ok
}

// Marshal is the private key in PKCS #8, to be sealed, and the certificate in
// DER.
func (k Key) Marshal() (private, certificate []byte, err error) {
	if private, err = x509.MarshalPKCS8PrivateKey(k.Private); err != nil {
		return nil, nil, errors.New("encode a SAML key: not an RSA or ECDSA key")
	}
	return private, k.Certificate.Raw, nil
}

// ParseKey reads what Marshal wrote. It fails when the two do not belong
// together.
func ParseKey(private, certificate []byte) (Key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return Key{}, errors.New("read a SAML key: not a PKCS #8 private key") // the cause could quote the key
	}
	cert, err := x509.ParseCertificate(certificate)
	if err != nil {
		return Key{}, fmt.Errorf("read the certificate of a SAML key: %w", err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return Key{}, errors.New("read a SAML key: a key that cannot sign")
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) {
		return Key{}, errors.New("read a SAML key: the certificate is another key's")
	}
	return Key{Private: signer, Certificate: cert}, nil
}
