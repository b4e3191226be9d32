package credential

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

func TestCode(t *testing.T) {
	source := fixed()
	plain, hash := NewCode(source)
	other, _ := NewCode(source)
	if plain == other {
		t.Error("the same code came twice")
	}
	if len(plain) != 43 || strings.Trim(plain, base62+"-_") != "" {
		t.Errorf("code %q: want 43 characters that need no escaping in a link", plain)
	}
	if sum := sha256.Sum256([]byte(plain)); hash != hex.EncodeToString(sum[:]) {
		t.Errorf("hash %q is not the SHA-256 of the code", hash)
	}
	if got, ok := HashCode(plain); !ok || got != hash {
		t.Errorf("HashCode = %q, %v; want %q", got, ok, hash)
	}
}

func TestHashCodeRefuses(t *testing.T) {
	plain, _ := NewCode(fixed())
	// 32 bytes fill 42 characters and four bits: only every fourth letter can be the last.
	last := string(base64URL[strings.IndexByte(base64URL, plain[42])|1])
	for name, s := range map[string]string{
		"empty":               "",
		"cut":                 plain[:42],
		"longer":              plain + "A",
		"padded":              plain + "=",
		"space behind":        plain + " ",
		"space within":        plain[:20] + " " + plain[21:],
		"line break":          plain[:20] + "\n" + plain[21:],
		"line break in zeros": strings.Repeat("A", 20) + "\n" + strings.Repeat("A", 22),
		"standard sign":       plain[:20] + "+" + plain[21:],
		"other last bits":     plain[:42] + last,
		"not ASCII":           plain[:41] + "é",
		"far too long":        strings.Repeat("A", 1<<20),
		"forty-three of 0":    strings.Repeat("\x00", 43),
	} {
		if got, ok := HashCode(s); ok || got != "" {
			t.Errorf("%s: accepted", name)
		}
	}
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func FuzzHashCode(f *testing.F) {
	plain, _ := NewCode(fixed())
	f.Add(plain)
	f.Add(plain[:42] + "\n")
	f.Fuzz(func(t *testing.T, s string) {
		hash, ok := HashCode(s)
		if ok != (hash != "") {
			t.Fatalf("HashCode(%q) = %q, %v", s, hash, ok)
		}
		if !ok {
			return
		}
		b, err := codeEncoding.DecodeString(s)
		if err != nil || codeEncoding.EncodeToString(b) != s {
			t.Errorf("accepted %q, which NewCode does not write", s)
		}
	})
}

// A command line takes what begins with a hyphen for a flag.
func TestCodesBeginWithNoHyphen(t *testing.T) {
	for first := range 256 {
		plain, hash := NewCode(bytes.NewReader(append([]byte{byte(first)}, make([]byte, 31)...)))
		if got, ok := HashCode(plain); plain[0] == '-' || !ok || got != hash {
			t.Errorf("%d: %s, hash %s, %v", first, plain, got, ok)
		}
	}
}
