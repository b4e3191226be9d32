package access

import (
	"crypto/rand"
	"hash/crc32"
	"testing"

	"github.com/sallyport/sallyport/internal/credential"
)

// unknownToken has the form of a token and was never issued.
func unknownToken(tb testing.TB) string {
	tb.Helper()
	plain, _, _ := credential.New(credential.KindPersonal, rand.Reader)
	return plain
}

// resealed is a token with the same prefix, another secret and a right
// checksum.
func resealed(token string) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	b := []byte(token)
	if b[50]++; b[50] == 'z'+1 || b[50] == 'Z'+1 || b[50] == '9'+1 {
		b[50] = '0'
	}
	sum := crc32.ChecksumIEEE(b[:94])
	for i := 99; i >= 94; i-- {
		b[i] = alphabet[sum%62]
		sum /= 62
	}
	return string(b)
}
