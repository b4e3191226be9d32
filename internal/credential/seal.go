package credential

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// sealVersion begins every sealed value. Another algorithm gets another number.
const sealVersion = "s1"

// ErrSealed says that a sealed value does not open: it was changed, cut, or moved from another row or column.
var ErrSealed = errors.New("sealed value does not open: it was changed or belongs to another row or column")

// Seal encrypts plain for one place: purpose names table and column ("user.totp_secret"), row is the row's id. The result is
// text, "s1.<key id>.<base64url>", for a TEXT column: AES-256-GCM under a key derived from the current master key for the
// purpose, with a random 96-bit nonce, and version, key id, purpose and row as additional data. Random nonces are safe for
// 2^32 values of one purpose and key (NIST SP 800-38D section 8.3).
func (k *Keyring) Seal(purpose, row string, plain []byte) string {
	key := k.keys[0]
	aead := key.aead(purpose)
	nonce := random(k.random(), aead.NonceSize())
	sealed := aead.Seal(nonce, nonce, plain, sealedPlace(key.id, purpose, row))
	return sealVersion + "." + key.id + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

// Open returns what was sealed for this purpose and row. It returns an [*UnknownKeyError] when the master key is not in the
// ring, and [ErrSealed] for everything else that does not open.
func (k *Keyring) Open(purpose, row, sealed string) ([]byte, error) {
	id, encoded, ok := cutSealed(sealed)
	if !ok {
		return nil, fmt.Errorf("open %s: %w", purpose, ErrSealed)
	}
	key, err := k.find(id)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", purpose, err)
	}
	if key.lost {
		return nil, fmt.Errorf("open %s: %w: key %s", purpose, ErrLost, id)
	}
	aead := key.aead(purpose)
	b, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(b) < aead.NonceSize()+aead.Overhead() {
		return nil, fmt.Errorf("open %s: %w", purpose, ErrSealed)
	}
	nonce, text := b[:aead.NonceSize()], b[aead.NonceSize():]
	plain, err := aead.Open(nil, nonce, text, sealedPlace(id, purpose, row))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", purpose, ErrSealed)
	}
	return plain, nil
}

// SealUnder seals like Seal, and under a secret beside the master key: what it returns opens for nobody who lacks one of
// them. The secret is somebody else's and may be easy to guess; then the master key protects the value alone.
func (k *Keyring) SealUnder(secret, purpose, row string, plain []byte) string {
	aead := aeadUnder(secret, purpose, row)
	nonce := random(k.random(), aead.NonceSize())
	return k.Seal(purpose, row, aead.Seal(nonce, nonce, plain, nil))
}

// OpenUnder returns what SealUnder sealed. Its errors are those of Open.
func (k *Keyring) OpenUnder(secret, purpose, row, sealed string) ([]byte, error) {
	inner, err := k.Open(purpose, row, sealed)
	if err != nil {
		return nil, err
	}
	aead := aeadUnder(secret, purpose, row)
	if len(inner) < aead.NonceSize() {
		return nil, fmt.Errorf("open %s: %w", purpose, ErrSealed)
	}
	plain, err := aead.Open(nil, inner[:aead.NonceSize()], inner[aead.NonceSize():], nil)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", purpose, ErrSealed)
	}
	return plain, nil
}

// aeadUnder is the cipher of a secret for one place (HKDF, RFC 5869).
func aeadUnder(secret, purpose, row string) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, []byte(secret), []byte(row), purpose, 32)
	if err != nil {
		panic(fmt.Sprintf("credential: %v", err)) // the length is a constant
	}
	return aeadOf(key)
}

func cutSealed(sealed string) (keyID, encoded string, ok bool) {
	rest, ok := strings.CutPrefix(sealed, sealVersion+".")
	if !ok {
		return "", "", false
	}
	keyID, encoded, ok = strings.Cut(rest, ".")
	// The decoder skips line breaks; one value has one spelling.
	if !ok || !validKeyID(keyID) || strings.ContainsAny(encoded, "\r\n") {
		return "", "", false
	}
	return keyID, encoded, true
}

func (m masterKey) aead(purpose string) cipher.AEAD { return aeadOf(m.derive("seal", purpose)) }

func aeadOf(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(fmt.Sprintf("credential: %v", err)) // the length is a constant
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(fmt.Sprintf("credential: %v", err))
	}
	return aead
}

// sealedPlace spells the place with each part's length before it, so that no two places have the same bytes.
func sealedPlace(keyID, purpose, row string) []byte {
	var b []byte
	for _, part := range []string{sealVersion, keyID, purpose, row} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return b
}
