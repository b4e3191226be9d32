package credential

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"io"
	"strings"
	"unicode"
)

// RecoveryCodes is how many codes a set has.
const RecoveryCodes = 10

const (
	recoveryBytes  = 15 // 120 bits: above the 112 from which a plain hash is enough (ASVS 6.5.2)
	recoveryLength = 24 // characters without the hyphens
	recoveryGroup  = 4  // characters between hyphens

	// maxRecoveryTyped bounds what is looked at: a code with a sign around each character is shorter.
	maxRecoveryTyped = 128 // bytes

	recoveryPurpose = "recovery code"
)

// crockford is Douglas Crockford's base 32: the letters that look like digits, and U, are not in it.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var recoveryEncoding = base32.NewEncoding(crockford).WithPadding(base32.NoPadding)

// NewRecoveryCodes makes a set of ten codes that each stand in for the second factor once. A code is 120 random bits as 24
// characters of Crockford's base 32 in six groups of four with hyphens between them, 29 characters. hashes has the same
// order: HMAC-SHA-256 of the code under the current master key, 64 lower-case hexadecimal digits, and the only thing to
// store. Codes are shown once and never sent by mail (docs/parameters.md section 3.6).
func (k *Keyring) NewRecoveryCodes(rand io.Reader) (codes, hashes []string) {
	key := k.Derive(recoveryPurpose)
	for range RecoveryCodes {
		text := recoveryEncoding.EncodeToString(random(rand, recoveryBytes))
		codes = append(codes, grouped(text))
		hashes = append(hashes, hashRecovery(key, text))
	}
	return codes, hashes
}

// HashRecoveryCode returns what may be stored for a typed code: one hash for each master key, the current one first, because
// codes outlive a rotation of the keys. False for what no code can be. Lower case, spaces and hyphens wherever they stand, O
// for 0 and I or L for 1 are understood.
//
// The caller looks for each in turn, among the codes of the user who gave the password, and uses up the one that is there.
func (k *Keyring) HashRecoveryCode(typed string) (hashes []string, ok bool) {
	text, ok := cleanRecovery(typed)
	if !ok {
		return nil, false
	}
	for _, key := range k.keys {
		hashes = append(hashes, hashRecovery(key.derive("mac", recoveryPurpose), text))
	}
	return hashes, true
}

func hashRecovery(key []byte, text string) string {
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, text)
	return hex.EncodeToString(mac.Sum(nil))
}

func grouped(text string) string {
	var groups []string
	for i := 0; i < len(text); i += recoveryGroup {
		groups = append(groups, text[i:i+recoveryGroup])
	}
	return strings.Join(groups, "-")
}

// cleanRecovery returns the 24 characters as NewRecoveryCodes writes them. What programs turn hyphens and spaces into when
// text is copied, dashes and spaces that do not break, is taken away as well.
func cleanRecovery(typed string) (string, bool) {
	if len(typed) > maxRecoveryTyped {
		return "", false
	}
	text := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r):
			return -1
		case r == 'O' || r == 'o':
			return '0'
		case strings.ContainsRune("IiLl", r):
			return '1'
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, typed)
	if len(text) != recoveryLength || strings.Trim(text, crockford) != "" {
		return "", false
	}
	return text, true
}
