package credential

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// MFA-10: ten codes of 120 bits, of which only a keyed hash is kept.
func TestMFA10_RecoveryCodes(t *testing.T) {
	source := fixed()
	k := ring(t, string(GenerateKeys(source)))
	codes, hashes := k.NewRecoveryCodes(source)
	if len(codes) != 10 || len(hashes) != 10 {
		t.Fatalf("%d codes with %d hashes, want 10", len(codes), len(hashes))
	}
	shape := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){5}$`)
	for i, code := range codes {
		if !shape.MatchString(code) {
			t.Errorf("code %q: want six groups of four of Crockford's base 32", code)
		}
		if got, ok := k.HashRecoveryCode(code); !ok || !slices.Equal(got, hashes[i:i+1]) {
			t.Errorf("code %d: hashes %q, %v; want %q", i, got, ok, hashes[i])
		}
		if slices.Contains(codes[:i], code) || slices.Contains(hashes[:i], hashes[i]) {
			t.Errorf("code %d came twice", i)
		}
	}
	if stranger := ring(t, string(GenerateKeys(source))); slices.Contains(stranger.must(t, codes[0]), hashes[0]) {
		t.Error("the hash does not depend on the server's key")
	}
}

func (k *Keyring) must(t *testing.T, typed string) []string {
	t.Helper()
	hashes, ok := k.HashRecoveryCode(typed)
	if !ok {
		t.Fatalf("%q is taken for no code", typed)
	}
	return hashes
}

func TestRecoveryCodesOutliveARotation(t *testing.T) {
	first, second := keyLine("a", 1), keyLine("b", 2)
	codes, hashes := ring(t, first).NewRecoveryCodes(fixed())
	rotated := ring(t, second, first)
	if got := rotated.must(t, codes[3]); len(got) != 2 || got[1] != hashes[3] || got[0] == got[1] {
		t.Errorf("hashes after a rotation: %q, want %q as the second", got, hashes[3])
	}
}

func TestRecoveryCodesAsPeopleTypeThem(t *testing.T) {
	const plain = "0123456789ABCDEFGH10KMNP"
	k := ring(t, string(GenerateKeys(fixed())))
	want := k.must(t, plain)
	for name, test := range map[string]struct {
		typed string
		ok    bool
	}{
		"in groups":            {"0123-4567-89AB-CDEF-GH10-KMNP", true},
		"lower case":           {"0123-4567-89ab-cdef-gh10-kmnp", true},
		"spaces":               {" 0123 4567 89AB CDEF GH10 KMNP ", true},
		"a line break behind":  {plain + "\r\n", true},
		"en dashes":            {"0123–4567–89AB–CDEF–GH10–KMNP", true},
		"spaces that stay":     {"0123\u00a04567\u00a089AB\u00a0CDEF\u00a0GH10\u00a0KMNP", true},
		"letters for digits":   {"OI23-4567-89AB-CDEF-GHLo-KMNP", true},
		"more letters":         {"oi23-4567-89AB-CDEF-GHlO-KMNP", true},
		"empty":                {"", false},
		"one too few":          {plain[1:], false},
		"one too many":         {plain + "0", false},
		"u is in no code":      {"U123-4567-89AB-CDEF-GH10-KMNP", false},
		"another sign":         {"0123_4567_89AB_CDEF_GH10_KMNP", false},
		"digits of an app":     {"123456", false},
		"wide digits":          {"０123-4567-89AB-CDEF-GH10-KMN", false},
		"a letter that folds":  {"0123456789ABCDEFGH10\u212aMNP", false}, // the Kelvin sign is K in lower case
		"not UTF-8":            {plain[:23] + "\xff", false},
		"NUL":                  {plain[:23] + "\x00", false},
		"hidden in much space": {strings.Repeat(" ", 200) + plain, false},
	} {
		got, ok := k.HashRecoveryCode(test.typed)
		if ok != test.ok {
			t.Errorf("%s: accepted %v, want %v", name, ok, test.ok)
		}
		if ok && !slices.Equal(got, want) {
			t.Errorf("%s: it is another code", name)
		}
	}
}

func FuzzHashRecoveryCode(f *testing.F) {
	k := ring(f, string(GenerateKeys(fixed())))
	codes, _ := k.NewRecoveryCodes(fixed())
	f.Add(codes[0])
	f.Add(strings.ToLower(codes[1]) + "\n")
	f.Add("OIL-" + codes[2])
	f.Add("\u2014" + strings.Repeat("Z", 24))
	f.Fuzz(func(t *testing.T, typed string) {
		hashes, ok := k.HashRecoveryCode(typed)
		if ok != (len(hashes) == 1) {
			t.Fatalf("%d hashes, %v", len(hashes), ok)
		}
		if !ok {
			return
		}
		text, _ := cleanRecovery(typed)
		b, err := recoveryEncoding.DecodeString(text)
		if err != nil || len(b) != recoveryBytes || recoveryEncoding.EncodeToString(b) != text {
			t.Errorf("accepted %q as %q, which is no code", typed, text)
		}
	})
}
