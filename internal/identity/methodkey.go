package identity

import "time"

// MethodKeyPurpose binds the sealed Secret of a MethodKey to its place; the row
// is the key's id.
const MethodKeyPurpose = "method_keys.secret"

// States of a key.
const (
	KeyActive  = "active"  // signs and decrypts
	KeyNext    = "next"    // is in the metadata already, decrypts, and signs once it is activated
	KeyOld     = "old"     // was replaced: is in the metadata still, and decrypts until it is retired
	KeyRetired = "retired" // forgotten; the certificate is kept for display
)

// Algorithms of keys.
const (
	KeyRSA3072   = "rsa-3072"   // signs and decrypts
	KeyECDSAP256 = "ecdsa-p256" // signs only: nothing can be encrypted to it
)

// MethodKey is a key pair of ours for one SAML provider.
type MethodKey struct {
	ID          string // k + 11 hex digits
	MethodID    string
	Certificate string // PEM, self-signed
	Secret      string // sealed PKCS #8, DER; empty when retired
	Algorithm   string // KeyRSA3072 or KeyECDSAP256
	State       string // KeyActive, KeyNext, KeyOld or KeyRetired
	Created     time.Time
	Retired     time.Time // zero: it is not
}
