package credential

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestLoadKeys(t *testing.T) {
	k := ring(t, "# the keys\n\n", keyLine("new-1", 1), "  ", keyLine("OLD", 2), "\r\n")
	if got, want := k.IDs(), []string{"new-1", "OLD"}; !slices.Equal(got, want) {
		t.Errorf("IDs = %q, want %q", got, want)
	}
	if k.Current() != "new-1" {
		t.Errorf("Current = %q, want the first", k.Current())
	}
}

func TestLoadKeysRefuses(t *testing.T) {
	good := keyLine("a", 0x5a)
	secret := good[2:20]
	for _, test := range []struct{ name, file, want string }{
		{"empty", "", "holds no key"},
		{"only a comment", "# nothing\n", "holds no key"},
		{"no colon", "\n" + secret + "\n", "line 2"},
		{"no id", good[1:], "line 1"},
		{"odd id", "a.b" + good[1:], "line 1"},
		{"id too long", strings.Repeat("a", 33) + good[1:], "line 1"},
		{"short key", "a:" + secret + "\n", "32 bytes"},
		{"not base64", "a:" + strings.Repeat("!", 44), "32 bytes"},
		{"URL alphabet", "a:" + strings.Repeat("_", 43) + "=", "32 bytes"},
		{"unpadded", strings.TrimRight(good, "=\n"), "32 bytes"},
		{"same id twice", good + keyLine("a", 2), "line 2: key a is there twice"},
		{"same key twice", good + "b" + good[1:], "keys a and b"},
		{"too big", strings.Repeat("#\n", 40_000), "too many"},
	} {
		_, err := LoadKeys([]byte(test.file))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want an error with %q", test.name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error quotes the key: %v", test.name, err)
		}
	}
}

func TestLoadKeysOfCommonTools(t *testing.T) {
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = byte(200 + i)
	}
	named := "k:" + base64.StdEncoding.EncodeToString(secret) + "\n"
	want := ring(t, named).Derive("x")
	var id string
	for name, file := range map[string][]byte{
		"base64":     []byte(base64.StdEncoding.EncodeToString(secret) + "\n"),
		"base64 url": []byte(base64.RawURLEncoding.EncodeToString(secret)),
		"hex":        []byte(hex.EncodeToString(secret) + "\n"),
		"raw":        secret,
	} {
		k, err := LoadKeys(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(k.Derive("x"), want) {
			t.Errorf("%s: another key than the one with an id", name)
		}
		if id == "" {
			id = k.Current()
		}
		if k.Current() != id || !validKeyID(id) {
			t.Errorf("%s: id %q, want %q", name, k.Current(), id)
		}
		if weak, found := k.Guessable(); found {
			t.Errorf("%s: key %s counts as guessable", name, weak)
		}
	}
	if _, err := LoadKeys([]byte("a sentence of thirty-two letters")); err == nil {
		t.Error("32 bytes of text were taken for a key")
	}
	if id, found := ring(t, named, keyLine("zeros", 0)).Guessable(); !found || id != "zeros" {
		t.Errorf("Guessable = %q, %v, want the key of zeros", id, found)
	}
}

func TestGenerateKeys(t *testing.T) {
	source := fixed()
	first, second := GenerateKeys(source), GenerateKeys(source)
	k, err := LoadKeys(slices.Concat(second, first))
	if err != nil {
		t.Fatal(err)
	}
	if len(k.IDs()) != 2 || bytes.Count(first, []byte("\n")) != 1 {
		t.Errorf("two generated keys make %q", k.IDs())
	}
}

func TestDerive(t *testing.T) {
	k := ring(t, keyLine("a", 1), keyLine("b", 2))
	got := k.Derive("decision")
	if len(got) != 32 {
		t.Errorf("%d bytes, want 32", len(got))
	}
	// Computed by another implementation of RFC 5869. Stored hashes depend on these bytes: a change of the derivation
	// loses them.
	if want := "efb3a43e99d7ceef"; !strings.HasPrefix(hex.EncodeToString(got), want) {
		t.Errorf("Derive = %x, want it to begin with %s", got, want)
	}
	withID, err := k.DeriveWith("a", "decision")
	if err != nil || !bytes.Equal(withID, got) {
		t.Errorf("DeriveWith the current key differs from Derive: %v", err)
	}
	old, err := k.DeriveWith("b", "decision")
	if err != nil || bytes.Equal(old, got) {
		t.Errorf("two master keys derive the same: %v", err)
	}
	if bytes.Equal(got, k.Derive("decisions")) || bytes.Equal(got, k.keys[0].derive("seal", "decision")) {
		t.Error("two purposes share a key")
	}
	var unknown *UnknownKeyError
	if _, err := k.DeriveWith("c", "decision"); !errors.As(err, &unknown) || unknown.ID != "c" {
		t.Errorf("DeriveWith an unknown key: %v", err)
	}
}

func TestIdentifier(t *testing.T) {
	k := ring(t, keyLine("a", 1))
	id := k.Identifier("login", "bob@a.example")
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		t.Errorf("Identifier = %q, want 32 hexadecimal digits", id)
	}
	if id != k.Identifier("login", "bob@a.example") {
		t.Error("the same address has two identifiers")
	}
	for name, other := range map[string]string{
		"another address": k.Identifier("login", "eve@a.example"),
		"another purpose": k.Identifier("reset", "bob@a.example"),
		"another key":     ring(t, keyLine("a", 2)).Identifier("login", "bob@a.example"),
	} {
		if other == id {
			t.Errorf("%s has the same identifier", name)
		}
	}
}

func FuzzLoadKeys(f *testing.F) {
	f.Add([]byte(keyLine("a", 1) + keyLine("b", 2)))
	f.Add([]byte("# \n\n:\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := LoadKeys(data)
		if err != nil {
			return
		}
		if got, err := k.Open("p", "r", k.Seal("p", "r", []byte("x"))); err != nil || string(got) != "x" {
			t.Errorf("loaded keys do not work: %v", err)
		}
	})
}
