package credential

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// keyLine is a line of a key file with a key made of one byte.
func keyLine(id string, b byte) string {
	return id + ":" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) + "\n"
}

func ring(t testing.TB, lines ...string) *Keyring {
	t.Helper()
	k, err := LoadKeys([]byte(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealOpen(t *testing.T) {
	k := ring(t, keyLine("a", 1))
	for _, plain := range []string{"", "x", strings.Repeat("secret", 10_000)} {
		sealed := k.Seal("user.totp_secret", "u1", []byte(plain))
		if len(plain) > 1 && strings.Contains(sealed, plain[:6]) {
			t.Error("the sealed value shows the plain text")
		}
		got, err := k.Open("user.totp_secret", "u1", sealed)
		if err != nil || string(got) != plain {
			t.Errorf("Open = %q, %v; want %q", got, err, plain)
		}
	}
	if a, b := k.Seal("p", "r", []byte("x")), k.Seal("p", "r", []byte("x")); a == b {
		t.Error("the same value sealed twice looks the same")
	}
}

// A value opens where it was sealed and nowhere else.
func TestSealedValueCannotMove(t *testing.T) {
	k := ring(t, keyLine("a", 1))
	sealed := k.Seal("user.totp_secret", "u1", []byte("secret"))
	for _, place := range [][2]string{
		{"user.totp_secret", "u2"},
		{"user.totp_secret", ""},
		{"user.recovery", "u1"},
		{"user.totp_secre", "tu1"},
		{"user.totp_secretu1", ""},
		{"", "user.totp_secretu1"},
	} {
		if got, err := k.Open(place[0], place[1], sealed); !errors.Is(err, ErrSealed) || got != nil {
			t.Errorf("opened at %q: %q, %v", place, got, err)
		}
	}
}

func TestSealedValueTampered(t *testing.T) {
	k := ring(t, keyLine("a", 1), keyLine("b", 2))
	sealed := k.Seal("p", "r", []byte("secret"))
	refuse := func(what, s string) {
		t.Helper()
		got, err := k.Open("p", "r", s)
		if err == nil || got != nil {
			t.Errorf("%s: %q opened to %q", what, s, got)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error quotes the value: %v", what, err)
		}
	}
	for i := range sealed {
		for _, c := range []byte("AZaz09-_.\n=\x00") {
			if sealed[i] != c {
				refuse("one changed", sealed[:i]+string([]byte{c})+sealed[i+1:])
			}
		}
		refuse("cut", sealed[:i])
		refuse("one dropped", sealed[:i]+sealed[i+1:])
		refuse("line break", sealed[:i]+"\n"+sealed[i:])
	}
	refuse("longer", sealed+"A")
	refuse("padded", sealed+"=")
	refuse("another key's id", strings.Replace(sealed, "s1.a.", "s1.b.", 1))
	refuse("version", strings.Replace(sealed, "s1.", "s2.", 1))
}

// OPS-05: a new key in front, the old one kept; then the old one taken away too early.
func TestOPS05Rotation(t *testing.T) {
	old := ring(t, keyLine("old", 1))
	sealed := old.Seal("p", "r", []byte("secret"))

	both := ring(t, keyLine("new", 2), keyLine("old", 1))
	got, err := both.Open("p", "r", sealed)
	if err != nil || string(got) != "secret" {
		t.Errorf("the old value after the rotation: %q, %v", got, err)
	}
	again := both.Seal("p", "r", got)
	if id, _, ok := cutSealed(again); !ok || id != "new" {
		t.Errorf("sealed with %q, %v; want the new key", id, ok)
	}

	late := ring(t, keyLine("new", 2))
	if got, err := late.Open("p", "r", again); err != nil || string(got) != "secret" {
		t.Errorf("the new value without the old key: %q, %v", got, err)
	}
	_, err = late.Open("p", "r", sealed)
	var unknown *UnknownKeyError
	if !errors.As(err, &unknown) || unknown.ID != "old" || !strings.Contains(err.Error(), `"old"`) {
		t.Errorf("the old value without the old key: %v; want an error that names the key", err)
	}
	// The same id with another secret is not the old key.
	if _, err := ring(t, keyLine("old", 3)).Open("p", "r", sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("opened under another secret: %v", err)
	}
}

// A key that nobody has any more is declared lost: what was made with it stays closed, and is known by its id.
func TestOPS05LostKey(t *testing.T) {
	old := ring(t, keyLine("old", 1))
	sealed := old.Seal("p", "r", []byte("secret"))
	k := ring(t, keyLine("new", 2), "old:lost")
	if _, err := k.Open("p", "r", sealed); !errors.Is(err, ErrLost) {
		t.Errorf("opened with a lost key: %v", err)
	}
	hash, err := (&Hasher{Keys: old}).Hash(t.Context(), "a very long passphrase")
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := (&Hasher{Keys: k}).Verify(t.Context(), hash, "a very long passphrase"); ok || err != nil {
		t.Errorf("a password of a lost key: %v, %v; want that it is wrong", ok, err)
	}
	if _, err := LoadKeys([]byte("old:lost\n" + keyLine("new", 2))); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a lost key in front: %v", err)
	}
	hashed, marks := k.Marks()
	for _, c := range []struct{ stored, mark string }{{hash, hashed[1]}, {sealed, marks[1]}} {
		if id, ok := KeyOf(c.stored); id != "old" || !ok || !strings.Contains(c.stored, c.mark) {
			t.Errorf("%s: key %q, %v, and the mark %q; want old", c.stored, id, ok, c.mark)
		}
	}
	for _, stored := range []string{"", "s1.", "s1.old", "$argon2id$v=19$m=1,t=2,p=1,keyid=old", "keyid=old$"} {
		if id, ok := KeyOf(stored); ok {
			t.Errorf("%q needs the key %q", stored, id)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k := ring(f, keyLine("a", 1))
	k.Rand = fixed()
	sealed := k.Seal("p", "r", []byte("secret"))
	f.Add(sealed)
	f.Add("s1.a.")
	f.Add("s1..AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := k.Open("p", "r", s); err == nil && s != sealed {
			t.Errorf("%q opened", s)
		}
	})
}
