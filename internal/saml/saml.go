// Package saml is a SAML 2.0 service provider as a function: bytes and settings
// in, a verified assertion or the one reason against it out.
//
//	verified, report, err := saml.Verify(message, provider, expectation, now)
//
// It builds what we send (AuthnRequest, logout messages, our metadata) and reads
// what an identity provider sends (Response, logout messages, its metadata). It
// touches no network, no disk, no clock: time and randomness are parameters.
//
// What it promises, whoever wrote the message:
//
//   - Nothing of a message is believed but the tree parsed again from the very
//     bytes whose digest a stored certificate signed. Wrapping, comments and
//     rebound prefixes have nothing left to deceive.
//   - No key, provider or organization is chosen by the message.
//   - A signature that is present must be right. There is no second try after a
//     repair, and no falling back from one signature to the other.
//   - Text outside the profile (comments, DTDs, CDATA, extensions, transforms) is
//     refused, not skipped.
//
// Verify is a row of stages, one file each: decode, gate (XML), shape, status,
// profile and signature, decrypt, envelope, subject, conditions, attributes. Every stage leaves
// its verdict in the [Report]; the first that refuses gives the [Error].
//
// Whether an assertion was used before, whose account it is and where the
// browser goes next is not decided here.
package saml

import (
	"crypto"
	"crypto/x509"
	"time"
)

// XML namespaces (SAML Core 1.1, XML Signature 2.3, XML Encryption 1.3, Exclusive
// Canonicalization 4).
const (
	nsProtocol   = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion  = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsMetadata   = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsSignature  = "http://www.w3.org/2000/09/xmldsig#"
	nsEncryption = "http://www.w3.org/2001/04/xmlenc#"
	nsEncrypt11  = "http://www.w3.org/2009/xmlenc11#"
	nsExclusive  = "http://www.w3.org/2001/10/xml-exc-c14n#"
	nsXML        = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS      = "http://www.w3.org/2000/xmlns/"
)

// Formats of a NameID (SAML Core 8.3).
const (
	FormatUnspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	FormatEmail       = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	FormatPersistent  = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	FormatTransient   = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	formatEntity      = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
)

// PasswordProtectedTransport is the authentication context that most providers
// can satisfy: a password over a protected connection (SAML AuthnContext 3.4.3).
const PasswordProtectedTransport = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"

// Binding is how a message travels.
type Binding string

// The bindings we speak (SAML Bindings 3.4, 3.5).
const (
	Redirect Binding = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	POST     Binding = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
)

// Limits and allowances of incoming messages.
const (
	maxMessage       = 512 << 10        // bytes of a decoded message
	maxInflated      = 128 << 10        // bytes of a message of the Redirect binding
	defaultElements  = 6000             // elements of a document
	ceilingElements  = 50000            // the most that a provider may be allowed
	maxDepth         = 40               // elements inside each other
	maxAttributes    = 32               // attributes of one element, namespace declarations included
	defaultSkew      = time.Minute      // how far the provider's clock may be off
	ceilingSkew      = 3 * time.Minute  // the most that a provider may be allowed
	maxAge           = 10 * time.Minute // from IssueInstant to now, skew added
	maxValidity      = 7 * 24 * time.Hour
	maxNameID        = 256  // bytes (SAML Core 8.3.7)
	maxSingleValue   = 1024 // bytes of an attribute that has one value
	minRSA           = 2048 // bits of a provider's RSA key
	maxSessionIndex  = 512  // bytes
	maxSessionsNamed = 256  // SessionIndex elements of one logout request
)

// Provider is one identity provider as its organization configured it. The
// caller finds it by the address that received the message, never by what the
// message says.
type Provider struct {
	ID       string // ours; copied into [Verified]
	EntityID string // the Issuer it must name, compared byte for byte
	// Certificates are the keys that may sign, each tried in turn: RSA from 2048
	// bits, or ECDSA on P-256, P-384, P-521. One outside its dates signs nothing.
	Certificates []*x509.Certificate
	// Keys decrypt assertions: our own pairs for this provider, old and new while
	// they rotate. Pairs that are not RSA are passed over.
	Keys []crypto.Decrypter
	// AllowSHA1 admits RSA and ECDSA with SHA-1, and SHA-1 digests.
	AllowSHA1 bool
	// One of the two elements must be signed in any case; these demand the one
	// named, or both.
	RequireSignedResponse  bool
	RequireSignedAssertion bool
	// AllowIDPInitiated admits responses that nobody asked for. They must then
	// name no request.
	AllowIDPInitiated bool
	// RefuseTransient refuses a NameID that is another one at each login, where
	// it is what tells people apart.
	RefuseTransient bool
	// MaxElements of a message; 0 means 6,000, the most is 50,000.
	MaxElements int
	// Skew of clocks; 0 means 60 s, the most is 180 s.
	Skew    time.Duration
	Mapping Mapping
}

// Mapping names the attributes that are read, exactly as the provider writes
// them in Name; FriendlyName is never looked at. An empty name reads nothing.
type Mapping struct {
	Email     string // must then be there, with one value
	Identity  string // must then be there, with one value; empty: the NameID is the identity
	FirstName string // at most one value
	LastName  string // at most one value
	RealName  string // at most one value
	Groups    string // any number of values
}

// Expectation is what we know about the answer before reading it.
type Expectation struct {
	EntityID string // ours at this provider: the audience
	ACS      string // the address that received the response
	// RequestID is the id of the attempt of this very browser at this provider,
	// unused so far; empty when there is none (IdP-initiated).
	RequestID string
	// AuthnContexts are the authentication contexts that are good enough; empty
	// takes any.
	AuthnContexts []string
	// AuthnAfter is when we asked for the person to authenticate anew (ForceAuthn,
	// SAML Core 3.4.1); zero: we did not.
	AuthnAfter time.Time
}

// Signed says which elements of a response a stored certificate had signed.
type Signed string

// The three ways.
const (
	SignedResponse  Signed = "response"
	SignedAssertion Signed = "assertion"
	SignedBoth      Signed = "both"
)

// Verified is what a provider truly said about one person, of use once: the
// caller still has to spend AssertionID. It carries no XML.
type Verified struct {
	ProviderID      string
	AssertionID     string
	ReplayUntil     time.Time // until then AssertionID must be remembered as used
	NameID          string
	NameIDFormat    string // as sent; empty means unspecified
	NameQualifier   string
	SPNameQualifier string
	Attributes      Attributes
	SessionIndex    string    // may be empty
	SessionEnd      time.Time // zero when the provider does not limit the session
	AuthnContext    string    // may be empty
	AuthnInstant    time.Time
	InResponseTo    string // empty when IdP-initiated

	Signed      Signed
	Encrypted   bool
	Algorithms  []string // short names such as rsa-sha256, of every signature that was checked
	Fingerprint string   // SHA-256 of the certificate that signed, in hexadecimal
}

// Attributes are the mapped attributes of an assertion.
type Attributes struct {
	Email, FirstName, LastName, RealName string
	// Identity is what the provider's users are told apart by: the mapped
	// attribute, or the NameID when none is mapped.
	Identity string
	Groups   []string // in the order sent, each once
}

// limits of parsing for this provider.
func (p Provider) elements() int {
	if p.MaxElements <= 0 {
		return defaultElements
	}
	return min(p.MaxElements, ceilingElements)
}

// skew that is granted to this provider's clock.
func (p Provider) skew() time.Duration {
	if p.Skew <= 0 {
		return defaultSkew
	}
	return min(p.Skew, ceilingSkew)
}
