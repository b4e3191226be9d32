package credential

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
)

// codeLength is 32 bytes in URL-safe base 64 without padding.
const codeLength = 43

// firstHyphen is what the first six bits are of a code that begins with -.
const firstHyphen = 62

var codeEncoding = base64.RawURLEncoding.Strict()

// NewCode makes a code for a mailed link (reset, verification, invitation): plain is 43 characters of [0-9A-Za-z_-], 256
// random bits, not beginning with a hyphen; hash is the SHA-256 of the plain text in lower-case hexadecimal, 64 characters, and the only thing to store.
// That a code works once and for a while is up to the row that holds the hash.
func NewCode(rand io.Reader) (plain, hash string) {
	b := random(rand, sha256.Size)
	if b[0]>>2 == firstHyphen {
		b[0] &= 0x7f // an e: a command line would take the hyphen for a flag
	}
	plain = codeEncoding.EncodeToString(b)
	return plain, hashText(plain)
}

// HashCode returns the stored form of a presented code, or false for what NewCode cannot have made.
func HashCode(plain string) (hash string, ok bool) {
	if len(plain) != codeLength {
		return "", false
	}
	// The decoder skips line breaks; the length it reports gives them away.
	if b, err := codeEncoding.DecodeString(plain); err != nil || len(b) != sha256.Size {
		return "", false
	}
	return hashText(plain), true
}

func hashText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
