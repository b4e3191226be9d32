package credential

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	qr "github.com/piglig/go-qr"
)

const (
	totpSecretLength = 20 // bytes; RFC 4226 section 4 recommends 160 bits
	totpDigits       = 6
	totpPeriod       = 30 // seconds
)

// TOTP checks the six digits of an authenticator app (RFC 6238 with SHA-1 and steps of 30 seconds). The zero value is the
// usual configuration.
type TOTP struct {
	// Strict accepts the code of the current step only. Otherwise the step before (RFC 6238 section 5.2 recommends at most
	// one, for slow typing) and the step after (for phones that run ahead) are good too.
	Strict bool
}

// NewSecret makes the secret of a new factor, 20 bytes. Store it sealed.
func NewSecret(rand io.Reader) []byte { return random(rand, totpSecretLength) }

// Code returns the six digits an authenticator app shows at t.
func Code(secret []byte, t time.Time) string { return codeAt(secret, step(t)) }

// Match checks a typed code against the secret. lastStep is the last step accepted for this factor, by whatever door; 0 means
// none yet. Only a later step is accepted, which is the whole rule against using a code twice.
//
// When ok, the caller stores matched as the new last step, by an update conditional on the stored value being lower, and
// treats losing that race as a replay. When replayed, the code was right but belongs to a step that is used up; it is refused
// like a wrong one and worth an event. ASCII spaces in the code are ignored; anything else but six ASCII digits is wrong.
func (v TOTP) Match(secret []byte, code string, now time.Time, lastStep int64) (matched int64, ok, replayed bool) {
	code, valid := cleanCode(code)
	if !valid {
		return 0, false, false
	}
	ahead := int64(1)
	if v.Strict {
		ahead = 0
	}
	current := step(now)
	// All steps are tried, so that time does not tell which one matched. Should one code belong to two steps, the later
	// counts: both are used up.
	for s := max(current-ahead, 1); s <= current+ahead; s++ {
		if subtle.ConstantTimeCompare([]byte(codeAt(secret, s)), []byte(code)) == 1 {
			matched = s
		}
	}
	if matched == 0 {
		return 0, false, false
	}
	return matched, matched > lastStep, matched <= lastStep
}

// step is the number of whole periods since 1970, RFC 6238's T.
func step(t time.Time) int64 { return t.Unix() / totpPeriod }

// codeAt is HOTP of RFC 4226 section 5.3 with the step as the counter.
func codeAt(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, step)
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	number := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, number%1_000_000)
}

func cleanCode(typed string) (string, bool) {
	if len(typed) > 64 {
		return "", false
	}
	code := strings.ReplaceAll(typed, " ", "")
	if len(code) != totpDigits || strings.Trim(code, "0123456789") != "" {
		return "", false
	}
	return code, true
}

// URI returns the otpauth: address that sets up an authenticator app for the person. Brand is the name shown in the app.
func URI(brand, email string, secret []byte) string {
	encoded := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	return "otpauth://totp/" + percent(brand) + ":" + percent(email) +
		"?secret=" + encoded + "&issuer=" + percent(brand) + "&algorithm=SHA1&digits=6&period=30"
}

// percent encodes everything but letters, digits and -_.~ ; unlike a form it writes a space as %20, because apps show a
// plus sign as it stands.
func percent(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// QRCode draws the address as a PNG image, black on white with the quiet zone that scanners need, 6 pixels to a module. It
// fails only when the text is too long for a QR code, more than about 2,300 bytes.
func QRCode(uri string) ([]byte, error) {
	code, err := qr.EncodeText(uri, qr.Medium)
	if err != nil {
		// The address holds the secret, and the library's error might quote it.
		return nil, fmt.Errorf("draw the qr code: %d bytes do not fit; shorten the brand name", len(uri))
	}
	png, err := code.ToPNGBytes(qr.NewQrCodeImgConfig(6, 4))
	if err != nil {
		return nil, fmt.Errorf("draw the qr code: %w", err)
	}
	return png, nil
}
