package credential

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
)

// Kind says whose token it is; it is written in the token's first four characters.
type Kind uint8

// The kinds of token. The zero Kind is none of them.
const (
	KindSession     Kind = iota + 1 // sps_, a signed-in person
	KindPersonal                    // spp_, a program acting for a person
	KindApplication                 // spa_, an application user
	KindSCIM                        // spc_, an identity provider that provisions users
)

// String returns the kind as a word: "session", "personal", "application", "scim", or "unknown".
func (k Kind) String() string {
	switch k {
	case KindSession:
		return "session"
	case KindPersonal:
		return "personal"
	case KindApplication:
		return "application"
	case KindSCIM:
		return "scim"
	}
	return "unknown"
}

// The shape of a token, in characters.
const (
	TokenLength  = 100 // the whole
	PrefixLength = 12  // tag and name: public, unique, used to list and to revoke

	tagLength      = 4
	checksumLength = 6
	checksumStart  = TokenLength - checksumLength
)

// Pattern is a regular expression (RE2 and PCRE syntax) that finds tokens in text, for secret scanners. A match whose last
// six characters are the CRC-32 (IEEE) of the 94 before them, in base 62 with the digits 0-9A-Za-z and the most significant
// first, has the form of a real token: a scanner can tell without asking the server. A chance text passes once in 2^32.
const Pattern = `\bsp[spac]_[0-9A-Za-z]{96}\b`

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// New makes a token of the kind: the plain text, shown to its owner once and never stored; the 12-character prefix, its
// public name; and the SHA-256 of the plain text, under which it is stored and found. The prefix holds 47 random bits and is
// not promised to be unique: where it must be, a unique index decides and the caller makes another. The secret holds 488
// bits. New panics when the kind is not one of the constants, or the random source fails.
func New(kind Kind, rand io.Reader) (plain, prefix string, hash [32]byte) {
	tag := kind.tag()
	if tag == 0 {
		panic("credential: new token of unknown kind")
	}
	b := make([]byte, 0, TokenLength)
	b = append(b, 's', 'p', tag, '_')
	b = appendBase62(b, rand, checksumStart-tagLength)
	sum := checksum(b)
	b = append(b, sum[:]...)
	plain = string(b)
	return plain, plain[:PrefixLength], sha256.Sum256(b)
}

// Parsed is what a well-formed token says by itself. Whether it was ever issued, and still is good, only the store knows.
type Parsed struct {
	Kind   Kind
	Prefix [PrefixLength]byte
	Hash   [32]byte // SHA-256 of the whole token
}

// String returns the public prefix.
func (p Parsed) String() string { return string(p.Prefix[:]) }

// Matches reports, in constant time, whether the token hashes to the stored value. Use it after finding a row by prefix; a
// row found by the hash itself needs no second look.
func (p Parsed) Matches(stored [32]byte) bool {
	return subtle.ConstantTimeCompare(p.Hash[:], stored[:]) == 1
}

// Parse reads a token and reports whether it has the right length, alphabet, tag and checksum. Nothing is trimmed and nothing
// forgiven: what is refused here never reaches the database. It allocates nothing and takes little longer than the hash alone.
//
// The checksum is there for scanners and typing errors; it is no proof of anything.
func Parse[T ~string | ~[]byte](token T) (Parsed, bool) {
	var p Parsed
	if len(token) != TokenLength {
		return p, false
	}
	var b [TokenLength]byte
	copy(b[:], token)
	kind, ok := parsePrefix(b[:])
	if !ok || !isBase62(b[PrefixLength:]) {
		return p, false
	}
	if checksum(b[:checksumStart]) != [checksumLength]byte(b[checksumStart:]) {
		return p, false
	}
	p.Kind = kind
	p.Prefix = [PrefixLength]byte(b[:PrefixLength])
	p.Hash = sha256.Sum256(b[:])
	return p, true
}

// Prefix returns the 12-character prefix named by s, which is either that prefix or a whole token; people paste both where a
// token is to be revoked. It reports false for anything else.
func Prefix(s string) (string, bool) {
	if len(s) == TokenLength {
		p, ok := Parse(s)
		if !ok {
			return "", false
		}
		return p.String(), true
	}
	if len(s) != PrefixLength {
		return "", false
	}
	var b [PrefixLength]byte
	copy(b[:], s)
	if _, ok := parsePrefix(b[:]); !ok {
		return "", false
	}
	return s, true
}

// parsePrefix reads the kind from the first 12 bytes of b and reports whether they have the form of a prefix.
func parsePrefix(b []byte) (Kind, bool) {
	if b[0] != 's' || b[1] != 'p' || b[3] != '_' {
		return 0, false
	}
	kind := kindOfTag(b[2])
	return kind, kind != 0 && isBase62(b[tagLength:PrefixLength])
}

func (k Kind) tag() byte {
	switch k {
	case KindSession:
		return 's'
	case KindPersonal:
		return 'p'
	case KindApplication:
		return 'a'
	case KindSCIM:
		return 'c'
	}
	return 0
}

func kindOfTag(tag byte) Kind {
	for k := KindSession; k <= KindSCIM; k++ {
		if k.tag() == tag {
			return k
		}
	}
	return 0
}

// isBase62 looks at all of b, which most often is whole: a branch for each
// character would take several times as long.
func isBase62(b []byte) bool {
	var strange byte
	for _, c := range b {
		strange |= notBase62[c]
	}
	return strange == 0
}

// notBase62 is 1 for the bytes that are no digits.
var notBase62 = func() (strange [256]byte) {
	for i := range strange {
		strange[i] = 1
	}
	for _, c := range []byte(base62) {
		strange[c] = 0
	}
	return strange
}()

// checksum is the CRC-32 (IEEE) of b in base 62, most significant digit first. Six digits hold more than 32 bits, so the
// first is never above "4". The loops are crc32.ChecksumIEEE written out, eight bytes at a time: that one is called through
// a variable, which would put every token parsed on the heap.
func checksum(b []byte) (digits [checksumLength]byte) {
	sum := ^uint32(0)
	for ; len(b) >= 8; b = b[8:] {
		sum ^= binary.LittleEndian.Uint32(b)
		sum = ahead[7][byte(sum)] ^ ahead[6][byte(sum>>8)] ^ ahead[5][byte(sum>>16)] ^ ahead[4][sum>>24] ^
			ahead[3][b[4]] ^ ahead[2][b[5]] ^ ahead[1][b[6]] ^ ahead[0][b[7]]
	}
	for _, c := range b {
		sum = crc32.IEEETable[byte(sum)^c] ^ sum>>8
	}
	sum = ^sum
	for i := checksumLength - 1; i >= 0; i-- {
		digits[i] = base62[sum%62]
		sum /= 62
	}
	return digits
}

// ahead are the tables of the CRC for a byte that so many others follow.
var ahead = func() (t [8]crc32.Table) {
	t[0] = *crc32.IEEETable
	for n := 1; n < len(t); n++ {
		for c, sum := range t[n-1] {
			t[n][c] = t[0][byte(sum)] ^ sum>>8
		}
	}
	return t
}()

// appendBase62 appends n uniformly random characters. Six bits of each random byte are used and the two values above 61
// thrown away: a remainder would make some characters likelier than others.
func appendBase62(b []byte, rand io.Reader, n int) []byte {
	for want := len(b) + n; len(b) < want; {
		for _, r := range random(rand, want-len(b)) {
			if r &= 63; r < 62 {
				b = append(b, base62[r])
			}
		}
	}
	return b
}

// Token holds a token's plain text and keeps it out of sight: every way of formatting, logging or encoding it shows the
// public prefix. The text is behind a pointer so that it stays hidden in a struct whose fields fmt reads by reflection. The
// zero Token is the empty string.
type Token struct{ plain *string }

// Conceal wraps a plain token, well-formed or not.
func Conceal(plain string) Token { return Token{plain: &plain} }

// Reveal returns the plain token.
func (t Token) Reveal() string {
	if t.plain == nil {
		return ""
	}
	return *t.plain
}

// String returns the public prefix and an ellipsis, or "[redacted]" for what is not a token.
func (t Token) String() string {
	prefix, ok := Prefix(t.Reveal())
	if !ok {
		return "[redacted]"
	}
	return prefix + "…"
}

// GoString is String: %#v shows no more.
func (t Token) GoString() string { return t.String() }

// Format is String for every verb, the wrong ones included.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue implements [slog.LogValuer] with String.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText implements [encoding.TextMarshaler] with String, so that a token put into JSON by mistake is useless. The one
// answer that hands out a token uses Reveal.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
