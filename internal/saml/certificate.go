package saml

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"time"
)

const (
	maxCertificates    = 10
	maxCertificateText = 64 << 10 // bytes
)

// CertificateInfo is what a certificate says, for people.
type CertificateInfo struct {
	Subject, Issuer     string // distinguished names
	Serial              string // hexadecimal
	Fingerprint         string // SHA-256, hexadecimal
	Key                 string // such as "RSA 2048" or "ECDSA P-256"
	NotBefore, NotAfter time.Time
}

// Describe reads a certificate for people.
func Describe(certificate *x509.Certificate) CertificateInfo {
	return CertificateInfo{
		Subject: certificate.Subject.String(), Issuer: certificate.Issuer.String(),
		Serial: certificate.SerialNumber.Text(16), Fingerprint: Fingerprint(certificate),
		Key:       describeKey(certificate),
		NotBefore: certificate.NotBefore.UTC(), NotAfter: certificate.NotAfter.UTC(),
	}
}

func describeKey(certificate *x509.Certificate) string {
	switch public := certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA " + strconv.Itoa(public.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + public.Params().Name
	default:
		return certificate.PublicKeyAlgorithm.String()
	}
}

// ParseCertificates reads what an administrator pastes: one or several
// certificates in PEM, or one in base64 or DER. At most ten, without the
// repetitions, each with a key that may sign. Their dates are not judged.
func ParseCertificates(pasted []byte) ([]*x509.Certificate, error) {
	if len(pasted) > maxCertificateText {
		return nil, errors.New("the certificate is larger than 64 KiB")
	}
	pasted = trimSpace(pasted)
	if bytes.Contains(pasted, []byte("PRIVATE KEY")) {
		return nil, errors.New("this is a private key: paste the certificate, and replace that key if others could see it")
	}
	if len(pasted) == 0 {
		return nil, errors.New("the certificate is empty")
	}
	ders, err := splitCertificates(pasted)
	if err != nil {
		return nil, err
	}
	var found certificates
	for _, der := range ders {
		if err := found.add(der); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// trimSpace takes away white space around what was pasted, but no byte of a
// value in DER: one in forty ends with a byte that is white space in a text.
func trimSpace(pasted []byte) []byte {
	var value asn1.RawValue
	begins := bytes.TrimLeft(pasted, " \t\r\n")
	if rest, err := asn1.Unmarshal(begins, &value); err == nil && len(bytes.TrimSpace(rest)) == 0 {
		return value.FullBytes
	}
	return bytes.TrimSpace(pasted)
}

// splitCertificates finds the DER of each certificate.
func splitCertificates(pasted []byte) ([][]byte, error) {
	if !bytes.Contains(pasted, []byte("-----BEGIN ")) {
		if der, ok := decodeText(string(pasted)); ok {
			return [][]byte{der}, nil
		}
		return [][]byte{pasted}, nil // DER, or the parser says what it is not
	}
	var ders [][]byte
	for rest := pasted; len(rest) > 0; {
		block, after := pem.Decode(rest)
		if block == nil {
			if bytes.Contains(rest, []byte("-----BEGIN ")) {
				return nil, errors.New("a certificate in PEM is damaged: copy it again from -----BEGIN to the end of its last line")
			}
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("there is a %s: paste certificates only", display(block.Type))
		}
		ders, rest = append(ders, block.Bytes), after
	}
	return ders, nil
}

// certificates are distinct ones that may sign.
type certificates []*x509.Certificate

func (c *certificates) add(der []byte) error {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		// The cause may quote what was pasted, and that could be a key.
		if isPrivateKey(der) {
			return errors.New("this is a private key: paste the certificate, and replace that key if others could see it")
		}
		return errors.New("this is not a certificate: paste it in PEM, with its first and last line")
	}
	if err := checkKey(certificate); err != nil {
		return fmt.Errorf("the certificate %s cannot be used: %w", Fingerprint(certificate), err)
	}
	for _, known := range *c {
		if known.Equal(certificate) {
			return nil
		}
	}
	if len(*c) == maxCertificates {
		return errors.New("there are more than ten certificates: remove those that are no longer used")
	}
	*c = append(*c, certificate)
	return nil
}

func isPrivateKey(der []byte) bool {
	if _, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return true
	}
	if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return true
	}
	_, err := x509.ParseECPrivateKey(der)
	return err == nil
}
