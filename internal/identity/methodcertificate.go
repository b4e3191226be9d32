package identity

import "time"

// States of a certificate of a provider.
const (
	CertificateActive  = "active"  // may sign
	CertificateStaged  = "staged"  // was found in the provider's metadata and waits for an admin
	CertificateRetired = "retired" // may sign no more; kept so that a refresh does not stage it again
)

// Where a certificate of a provider is from.
const (
	CertificateFromAdmin    = "admin"
	CertificateFromMetadata = "metadata"
)

// MethodCertificate is a certificate that a SAML provider signs with.
type MethodCertificate struct {
	MethodID    string
	Fingerprint string // SHA-256 of the DER form, 64 hexadecimal digits, lower case
	PEM         string
	Subject     string // as RFC 2253 writes it, cut for display
	Issuer      string
	NotBefore   time.Time
	NotAfter    time.Time
	State       string // CertificateActive, CertificateStaged or CertificateRetired
	Source      string // CertificateFromAdmin or CertificateFromMetadata
	Created     time.Time
	// WarnedDays is the last warning that admins were sent before it ends: 30,
	// 14, 7 or 1 days; 0: none yet.
	WarnedDays int64
}
