package org

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"time"
)

// authorityYears is how long a project's authority is valid.
const authorityYears = 10

// newAuthority returns the certificate (PEM) of a new certificate authority
// for a project. Clients of the compatible API read it on every refresh;
// nothing is signed with it yet, so its key is forgotten.
func newAuthority(project string, now time.Time) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make the certificate of project %s: %w", project, err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: project + " project CA"},
		NotBefore: now, NotAfter: now.AddDate(authorityYears, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", fmt.Errorf("make the certificate of project %s: %w", project, err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}
