package httpapi_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

// clock is a server's clock that a test moves on.
type clock struct{ ahead atomic.Int64 }

// Now is the true time and what the test has added to it.
func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// authenticator is an authenticator app that has scanned a URI: RFC 6238 with
// SHA-1, six digits and 30 seconds, written apart from the server's own.
type authenticator struct {
	clock  *clock
	secret []byte
}

func scan(t *testing.T, c *clock, uri string) authenticator {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Query().Get("issuer") == "" {
		t.Fatalf("no authenticator app can use %q: %v", uri, err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(u.Query().Get("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return authenticator{c, secret}
}

// next waits for the next code, on the server's clock, and reads it: no code
// is accepted twice.
func (a authenticator) next() string {
	a.clock.advance(30 * time.Second)
	return a.code()
}

func (a authenticator) code() string {
	mac := hmac.New(sha1.New, a.secret)
	_ = binary.Write(mac, binary.BigEndian, a.clock.Now().Unix()/30)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff)%1_000_000)
}
