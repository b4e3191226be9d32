package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha1" // some old providers sign with nothing else; see Provider.AllowSHA1
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"errors"
	"math/big"
	"strconv"
)

// keyKind is the kind of key that a signature algorithm needs.
type keyKind string

const (
	keyRSA   keyKind = "rsa"
	keyECDSA keyKind = "ecdsa"
)

// signatureAlgorithm is one that we verify and, but for SHA-1, make.
type signatureAlgorithm struct {
	uri  string
	name string // for people
	kind keyKind
	hash crypto.Hash
}

// weak reports SHA-1, for which two documents with one digest have been made.
func (a signatureAlgorithm) weak() bool { return a.hash == crypto.SHA1 }

// signatureAlgorithms are all (RFC 9231 section 2.3; PSS is not among what
// providers send).
var signatureAlgorithms = []signatureAlgorithm{
	{"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "rsa-sha256", keyRSA, crypto.SHA256},
	{"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384", "rsa-sha384", keyRSA, crypto.SHA384},
	{"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", "rsa-sha512", keyRSA, crypto.SHA512},
	{"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", "ecdsa-sha256", keyECDSA, crypto.SHA256},
	{"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", "ecdsa-sha384", keyECDSA, crypto.SHA384},
	{"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512", "ecdsa-sha512", keyECDSA, crypto.SHA512},
	{"http://www.w3.org/2000/09/xmldsig#rsa-sha1", "rsa-sha1", keyRSA, crypto.SHA1},
	{"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1", "ecdsa-sha1", keyECDSA, crypto.SHA1},
}

// digests by their identifier.
var digests = map[string]crypto.Hash{
	"http://www.w3.org/2000/09/xmldsig#sha1":        crypto.SHA1,
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

const acceptedAlgorithms = "RSA or ECDSA with SHA-256, SHA-384 or SHA-512"

func signatureAlgorithmOf(uri string) (signatureAlgorithm, bool) {
	for _, a := range signatureAlgorithms {
		if a.uri == uri {
			return a, true
		}
	}
	return signatureAlgorithm{}, false
}

// sum hashes.
func sum(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// verifyBytes checks a signature as XML Signature and the Redirect binding write
// it: RSA PKCS #1 v1.5, or the two halves of ECDSA one after the other (XML
// Signature 6.4.2).
func verifyBytes(key crypto.PublicKey, algorithm signatureAlgorithm, data, signature []byte) bool {
	digest := sum(algorithm.hash, data)
	switch public := key.(type) {
	case *rsa.PublicKey:
		return algorithm.kind == keyRSA && rsa.VerifyPKCS1v15(public, algorithm.hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		size := (public.Params().BitSize + 7) / 8
		if algorithm.kind != keyECDSA || len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(public, digest, r, s)
	default:
		return false
	}
}

// checkKey says whether a provider may sign with this key.
func checkKey(cert *x509.Certificate) error {
	switch public := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSA {
			return errors.New("its RSA key has " + strconv.Itoa(bits) + " bits: use one of 2048 or more")
		}
		return nil
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return errors.New("its curve is not P-256, P-384 or P-521")
	default:
		return errors.New("its key is neither RSA nor ECDSA")
	}
}
