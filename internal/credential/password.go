package credential

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Lengths of a password in its NFC form.
const (
	MinPasswordLength = 8    // code points: the least an operator may allow, and only beside a second factor for everybody
	MaxPasswordLength = 256  // code points
	MaxPasswordBytes  = 1024 // bytes of UTF-8

	// maxTypedBytes limits what is normalised at all. NFC makes text at most three times shorter.
	maxTypedBytes = 4 * MaxPasswordBytes
)

// ErrPassword says that a text can never be a password: too short for any setting, too long, not UTF-8, or with a NUL in it.
// [Rules.Check] tells people which.
var ErrPassword = errors.New("not a possible password: want 8 to 256 characters of utf-8 in at most 1024 bytes, without nul")

// passwordPurpose names the derived key of the keyed step.
const passwordPurpose = "password"

// Hasher makes and checks password hashes: argon2id, then HMAC-SHA-256 with a server key, so that a stolen database is of no
// use without the key file (NIST SP 800-63B section 3.1.1.2). It never runs more hashes at once than Concurrency; each takes
// MemoryKiB of memory and most of a tenth of a second, and a flood of sign-ins must not take the machine with it.
//
// Set the fields before first use; Keys is required, the others have defaults. A Hasher is used by pointer, by any number of
// goroutines.
type Hasher struct {
	Keys   *Keyring
	Params Params    // zero means DefaultParams
	Rand   io.Reader // source of salts, nil means crypto/rand.Reader

	Queue // how many at once, how many wait, how long

	// idKey is argon2.IDKey. Tests of the queue put a hash there that takes as long as they want.
	idKey func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte
}

// Hash returns the string to store for a password, see [Params] for its cost. It returns [ErrPassword] for what [Rules.Check]
// would refuse under any setting, a [*BusyError] when the queue is full or too slow, and the context's error when it ended
// before the hash began. A hash that has begun runs to its end.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	form, problem := passwordForm(password)
	if problem != "" || utf8.RuneCountInString(form) < MinPasswordLength {
		return "", ErrPassword
	}
	stored := storedHash{params: h.params(), keyID: h.Keys.Current(), salt: random(h.random(), saltLength)}
	sum, err := h.sum(ctx, stored, form)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	stored.sum = sum
	return stored.String(), nil
}

// Verify reports whether the password is the one that was stored, and, when it is, whether the stored string should be
// replaced by a new Hash because today's costs or server key are others. Errors are those of Hash; besides, an
// [*UnknownKeyError] when the server key of this hash is missing, and an error for a stored string that cannot be read. What
// can never have been a password is refused without a hash, here and in VerifyUnknown alike.
func (h *Hasher) Verify(ctx context.Context, phc, password string) (ok, needsRehash bool, err error) {
	stored, err := parsePHC(phc)
	if err != nil {
		return false, false, fmt.Errorf("verify password: %w", err)
	}
	form, problem := passwordForm(password)
	if problem != "" {
		return false, false, nil
	}
	sum, err := h.sum(ctx, stored, form)
	if err != nil {
		return false, false, fmt.Errorf("verify password: %w", err)
	}
	if subtle.ConstantTimeCompare(sum, stored.sum) != 1 {
		return false, false, nil
	}
	return true, h.outdated(stored), nil
}

// VerifyUnknown costs what Verify costs and always means no. Call it where there is no hash to verify (no such user, a user
// without a password), so that the time of the answer does not say so.
func (h *Hasher) VerifyUnknown(ctx context.Context, password string) error {
	dummy := storedHash{
		params: h.params(),
		keyID:  h.Keys.Current(),
		salt:   make([]byte, saltLength),
		sum:    make([]byte, resultLength),
	}
	_, _, err := h.Verify(ctx, dummy.String(), password)
	return err
}

// sum waits for its turn and computes what is stored for the password with these parameters, salt and key.
func (h *Hasher) sum(ctx context.Context, s storedHash, form string) ([]byte, error) {
	key, err := h.Keys.DeriveWith(s.keyID, passwordPurpose)
	if err != nil {
		return nil, err
	}
	leave, err := h.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	idKey := h.idKey
	if idKey == nil {
		idKey = argon2.IDKey
	}
	result := idKey([]byte(form), s.salt, s.params.Passes, s.params.MemoryKiB, s.params.Lanes, resultLength)
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(result)
	return mac.Sum(nil), nil
}

func (h *Hasher) outdated(s storedHash) bool {
	return s.params != h.params() || s.keyID != h.Keys.Current() || len(s.salt) != saltLength
}

func (h *Hasher) params() Params {
	if h.Params == (Params{}) {
		return DefaultParams
	}
	return h.Params
}

func (h *Hasher) random() io.Reader {
	if h.Rand == nil {
		return rand.Reader
	}
	return h.Rand
}

// passwordForm returns the password in Unicode normalization form C, which makes the same characters typed on two keyboards
// the same bytes (RFC 8265 section 4.2.2), and changes nothing else: no trimming, no case, no compatibility folding. The
// problem is the code of a verdict, empty when there is none.
func passwordForm(password string) (form, problem string) {
	switch {
	case len(password) > maxTypedBytes:
		return "", CodeTooLong
	case !utf8.ValidString(password), strings.ContainsRune(password, 0):
		return "", CodeNotText
	}
	form = norm.NFC.String(password)
	if len(form) > MaxPasswordBytes || utf8.RuneCountInString(form) > MaxPasswordLength {
		return "", CodeTooLong
	}
	return form, ""
}
