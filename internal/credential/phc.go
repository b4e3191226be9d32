package credential

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Params are the costs of argon2id (RFC 9106).
type Params struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// DefaultParams is the setting that the OWASP password storage guide and ASVS appendix C name as sufficient. One lane: more
// would only spread a hash over cores that other sign-ins need.
var DefaultParams = Params{MemoryKiB: 19456, Passes: 2, Lanes: 1}

// The most a stored hash may ask for. A stored value is input too: a row somebody wrote must not exhaust the machine.
const (
	maxMemoryKiB = 256 * 1024
	maxPasses    = 16
	maxLanes     = 8
)

const (
	saltLength   = 16 // bytes, of a new hash
	maxSalt      = 64
	resultLength = 32 // bytes, of argon2id and of the keyed step
	maxPHC       = 256
)

var phcEncoding = base64.RawStdEncoding.Strict()

// errPHC names no part of the value it refuses.
var errPHC = errors.New("stored password hash cannot be read: want $argon2id$v=19$m=…,t=…,p=…,keyid=…$salt$hash within the limits")

// storedHash is a password hash as it is stored, in the PHC string format:
//
//	$argon2id$v=19$m=19456,t=2,p=1,keyid=<master key id>$<salt>$<hash>
//
// Salt and hash are base 64 without padding. The hash is HMAC-SHA-256, under a key derived from the named master key, over
// the 32 bytes that argon2id made. The id is written as it stands in the key file, so that a query can count the rows that
// still need a key; its characters are within what the format allows for a value.
type storedHash struct {
	params Params
	keyID  string
	salt   []byte
	sum    []byte
}

// keyIDParameter stands before the id of the master key.
const keyIDParameter = ",keyid="

func (h storedHash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d%s%s$%s$%s", argon2.Version,
		h.params.MemoryKiB, h.params.Passes, h.params.Lanes, keyIDParameter, h.keyID,
		phcEncoding.EncodeToString(h.salt), phcEncoding.EncodeToString(h.sum))
}

// parsePHC accepts exactly what String writes: one hash has one spelling.
func parsePHC(s string) (storedHash, error) {
	if len(s) > maxPHC {
		return storedHash{}, errPHC
	}
	parts := strings.Split(s, "$")
	if len(parts) != 6 {
		return storedHash{}, errPHC
	}
	h, err := parsePHCParams(parts[3])
	if err != nil {
		return storedHash{}, err
	}
	if h.salt, err = phcEncoding.DecodeString(parts[4]); err != nil {
		return storedHash{}, errPHC
	}
	if h.sum, err = phcEncoding.DecodeString(parts[5]); err != nil {
		return storedHash{}, errPHC
	}
	if !h.withinLimits() || h.String() != s {
		return storedHash{}, errPHC
	}
	return h, nil
}

func parsePHCParams(s string) (storedHash, error) {
	var h storedHash
	fields := strings.Split(s, ",")
	if len(fields) != 4 {
		return h, errPHC
	}
	var n [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, _ := strings.CutPrefix(fields[i], name)
		v, err := strconv.ParseUint(digits, 10, 20)
		if err != nil {
			return h, errPHC
		}
		n[i] = v
	}
	// Should the number of lanes not fit its type, writing the hash again shows the difference.
	h.params = Params{MemoryKiB: uint32(n[0]), Passes: uint32(n[1]), Lanes: uint8(n[2])}
	h.keyID, _ = strings.CutPrefix(fields[3], "keyid=")
	return h, nil
}

func (h storedHash) withinLimits() bool {
	p := h.params
	return p.Lanes >= 1 && p.Lanes <= maxLanes &&
		p.Passes >= 1 && p.Passes <= maxPasses &&
		p.MemoryKiB >= 8*uint32(p.Lanes) && p.MemoryKiB <= maxMemoryKiB && // RFC 9106 section 3.1: at least 8 per lane
		validKeyID(h.keyID) &&
		len(h.salt) >= saltLength && len(h.salt) <= maxSalt &&
		len(h.sum) == resultLength
}
