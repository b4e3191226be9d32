package identity

import "time"

// Passkey is a WebAuthn credential (WebAuthn level 3, section 4, "credential
// record") that a user registered.
type Passkey struct {
	ID             string // pk + 11 hex digits
	UserID         string
	CredentialID   string // base64url, unpadded
	PublicKey      []byte // COSE_Key, RFC 9052 section 7
	Name           string
	AAGUID         string // the model of the authenticator; empty or zeros: not told
	Transports     []string
	SignCount      uint32 // stays 0 with authenticators that do not count
	BackupEligible bool
	BackedUp       bool
	UserVerified   bool
	Suspended      time.Time // when its counter went back: it may have been copied; zero: never
	Created        time.Time
	LastUsed       time.Time // zero: never
}

// Live says whether the passkey may be used.
func (p *Passkey) Live() bool { return p.Suspended.IsZero() }
