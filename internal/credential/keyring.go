package credential

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	masterKeyLength = 32        // bytes
	maxKeyFile      = 64 * 1024 // bytes
	maxKeyID        = 32        // characters
)

// Keyring holds the server's master keys. The first, the current one, makes everything new; the others only read what they
// once made, until nothing of theirs is left and they are taken out of the file. Safe for use by several goroutines.
type Keyring struct {
	// Rand is the source of nonces; nil means crypto/rand.Reader. Set it before first use.
	Rand io.Reader

	keys []masterKey
}

type masterKey struct {
	id     string
	secret []byte
	lost   bool // the secret is not what it was: nothing opens
}

// lostWord stands in the key file for a key that nobody has any more.
const lostWord = "lost"

// ErrLost says that the key file declares the master key of a stored value lost.
var ErrLost = errors.New("its master key is lost")

// UnknownKeyError says that a stored value was made with a master key that is not in the key file.
type UnknownKeyError struct {
	ID string // the missing key
}

func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("master key %q is missing: put it back into the key file, after the current one", e.ID)
}

// LoadKeys reads a key file: one key per line as id:base64 (standard alphabet, padded, 32 bytes), the current one first. An
// id is 1 to 32 of [0-9A-Za-z-] and, once used, never given to another key. Empty lines and lines that begin with # are
// skipped. What common tools write is understood too, `openssl rand -base64 32` or `-hex 32` as a line without an id and
// `head -c 32 /dev/urandom` as the whole file; the id of such a key is made from its hash. A line id:lost declares that
// nobody has a key any more: no password matches what was made with it, nothing sealed with it opens. Errors name the line
// and never quote it.
func LoadKeys(data []byte) (*Keyring, error) {
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("read the key file: %d bytes are too many, %d at most", len(data), maxKeyFile)
	}
	ring := &Keyring{}
	if len(data) == masterKeyLength && !isText(data) {
		return ring, ring.add(unnamedKey(data))
	}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := parseKey(string(line))
		if err != nil {
			return nil, fmt.Errorf("read the key file: line %d: %w", number, err)
		}
		if len(ring.keys) == 0 && key.lost {
			return nil, fmt.Errorf("read the key file: line %d: the first key is the one that everything new is made with, so put a lost one after it", number)
		}
		if err := ring.add(key); err != nil {
			return nil, fmt.Errorf("read the key file: line %d: %w", number, err)
		}
	}
	if len(ring.keys) == 0 {
		return nil, errors.New("read the key file: it holds no key; each line is id:base64 of 32 random bytes, the current key first")
	}
	return ring, nil
}

func parseKey(line string) (masterKey, error) {
	id, encoded, found := strings.Cut(line, ":")
	if !found {
		return parseUnnamedKey(line)
	}
	if !validKeyID(id) {
		return masterKey{}, fmt.Errorf("want a key id of 1 to %d letters, digits or hyphens before the colon", maxKeyID)
	}
	if encoded == lostWord {
		return masterKey{id: id, secret: random(rand.Reader, masterKeyLength), lost: true}, nil
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(secret) != masterKeyLength {
		return masterKey{}, fmt.Errorf("key %s: want %d bytes in padded base64 after the colon", id, masterKeyLength)
	}
	return masterKey{id: id, secret: secret}, nil
}

func parseUnnamedKey(line string) (masterKey, error) {
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if secret, err := decode(line); err == nil && len(secret) == masterKeyLength {
			return unnamedKey(secret), nil
		}
	}
	return masterKey{}, fmt.Errorf("want id:base64, or %d random bytes in base64 or hex", masterKeyLength)
}

// unnamedKey gives a key without an id one that says nothing about it.
func unnamedKey(secret []byte) masterKey {
	sum := sha256.Sum256(append([]byte("sallyport key id\x00"), secret...))
	return masterKey{id: "k" + hex.EncodeToString(sum[:6]), secret: bytes.Clone(secret)}
}

func isText(data []byte) bool {
	for _, b := range data {
		if b < ' ' && b != '\n' && b != '\r' && b != '\t' || b > '~' {
			return false
		}
	}
	return true
}

// fewestBytes is how many different bytes a key has at least: 32 random ones
// have fewer once in 10^20 keys, examples and placeholders nearly always.
const fewestBytes = 16

// Guessable returns the id of the first key that cannot have come from a source of random bytes; a server must not start
// with it.
func (k *Keyring) Guessable() (id string, found bool) {
	for _, key := range k.keys {
		seen := map[byte]bool{}
		for _, b := range key.secret {
			seen[b] = true
		}
		if len(seen) < fewestBytes {
			return key.id, true
		}
	}
	return "", false
}

func (k *Keyring) add(key masterKey) error {
	for _, other := range k.keys {
		if other.id == key.id {
			return fmt.Errorf("key %s is there twice", key.id)
		}
		if bytes.Equal(other.secret, key.secret) {
			return fmt.Errorf("keys %s and %s are the same secret under two names", other.id, key.id)
		}
	}
	k.keys = append(k.keys, key)
	return nil
}

func validKeyID(id string) bool {
	if id == "" || len(id) > maxKeyID {
		return false
	}
	return strings.Trim(id, base62+"-") == ""
}

// GenerateKeys makes one new master key with a random id as the text of a key file, one line with its line feed. To rotate,
// put it in front of the lines that are there.
func GenerateKeys(rand io.Reader) []byte {
	id := "k" + hex.EncodeToString(random(rand, 6))
	return []byte(id + ":" + base64.StdEncoding.EncodeToString(random(rand, masterKeyLength)) + "\n")
}

// IDs returns the ids of the keys, the current one first.
func (k *Keyring) IDs() []string {
	ids := make([]string, len(k.keys))
	for i, key := range k.keys {
		ids[i] = key.id
	}
	return ids
}

// Marks are texts by which a database finds what was made with one of the keys: the hash of a password holds one of hashed,
// what is sealed one of sealed. Both have the current key's first.
func (k *Keyring) Marks() (hashed, sealed []string) {
	for _, key := range k.keys {
		hashed, sealed = append(hashed, keyIDParameter+key.id+"$"), append(sealed, sealVersion+"."+key.id+".")
	}
	return hashed, sealed
}

// KeyOf returns the id of the master key that a stored hash of a password, or a sealed value, was made with.
func KeyOf(stored string) (id string, ok bool) {
	if id, _, ok := cutSealed(stored); ok {
		return id, true
	}
	_, rest, _ := strings.Cut(stored, keyIDParameter)
	id, _, ok = strings.Cut(rest, "$")
	return id, ok
}

// Current returns the id of the key that makes everything new.
func (k *Keyring) Current() string { return k.keys[0].id }

// Derive returns 32 bytes for a keyed hash, derived from the current master key by HKDF-SHA-256 (RFC 5869). Each purpose, a
// short constant text, has its own. After a rotation the result is another one: what has to be compared for longer stores
// the key's id and uses DeriveWith.
func (k *Keyring) Derive(purpose string) []byte { return k.keys[0].derive("mac", purpose) }

// DeriveWith is Derive with the named master key. It returns an [*UnknownKeyError] when there is no such key.
func (k *Keyring) DeriveWith(id, purpose string) ([]byte, error) {
	key, err := k.find(id)
	if err != nil {
		return nil, err
	}
	return key.derive("mac", purpose), nil
}

// Identifier returns a name for somebody the server does not know, so that failures can be counted and reported without
// storing what was typed: people type passwords into the wrong field. It is HMAC-SHA-256 of the canonical address, 128 bits
// in 32 hexadecimal digits, different for each purpose and after each rotation of the master key.
func (k *Keyring) Identifier(purpose, canonicalEmail string) string {
	mac := hmac.New(sha256.New, k.Derive("identifier/"+purpose))
	_, _ = io.WriteString(mac, canonicalEmail)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

func (k *Keyring) find(id string) (masterKey, error) {
	for _, key := range k.keys {
		if key.id == id {
			return key, nil
		}
	}
	return masterKey{}, &UnknownKeyError{ID: id}
}

func (k *Keyring) random() io.Reader {
	if k.Rand == nil {
		return rand.Reader
	}
	return k.Rand
}

// derive separates uses (sealing, keyed hashes) as well as purposes, so that no purpose text reaches another use's key.
func (m masterKey) derive(use, purpose string) []byte {
	b, err := hkdf.Key(sha256.New, m.secret, nil, "sallyport/"+use+"/"+purpose, masterKeyLength)
	if err != nil {
		panic(fmt.Sprintf("credential: derive key: %v", err)) // only for lengths above 8,160 bytes
	}
	return b
}
