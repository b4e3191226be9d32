package credential

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
	"pgregory.net/rapid"
)

// cheap costs next to nothing: these tests are about what is compared, not about how slowly.
var cheap = Params{MemoryKiB: 64, Passes: 1, Lanes: 1}

func cheapHasher(t testing.TB) *Hasher {
	return &Hasher{Keys: ring(t, keyLine("k1", 1)), Params: cheap, Rand: fixed()}
}

func mustHash(t testing.TB, h *Hasher, password string) string {
	t.Helper()
	phc, err := h.Hash(context.Background(), password)
	if err != nil {
		t.Fatal(err)
	}
	return phc
}

func verify(t testing.TB, h *Hasher, phc, password string) (ok, needsRehash bool) {
	t.Helper()
	ok, needsRehash, err := h.Verify(context.Background(), phc, password)
	if err != nil {
		t.Fatal(err)
	}
	return ok, needsRehash
}

// The stored form, made by hand from the parts the package comment of the format promises.
func TestHashFormat(t *testing.T) {
	h := cheapHasher(t)
	phc := mustHash(t, h, "correct horse battery staple")
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=64,t=1,p=1,keyid=k1$") {
		t.Errorf("stored as %s", phc)
	}
	stored, err := parsePHC(phc)
	if err != nil {
		t.Fatal(err)
	}
	plain := argon2.IDKey([]byte("correct horse battery staple"), stored.salt, 1, 64, 1, 32)
	if string(plain) == string(stored.sum) {
		t.Error("the result is stored without the keyed step")
	}
	if again := mustHash(t, h, "correct horse battery staple"); again == phc {
		t.Error("two hashes of one password are the same: the salt is not random")
	}
	if stored.keyID != "k1" {
		t.Errorf("it names the key %q", stored.keyID)
	}
}

func TestDefaultParams(t *testing.T) {
	h := &Hasher{Keys: ring(t, keyLine("k1", 1))}
	phc := mustHash(t, h, "correct horse battery staple")
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1,keyid=k1$") {
		t.Errorf("stored as %s", phc)
	}
	if ok, needsRehash := verify(t, h, phc, "correct horse battery staple"); !ok || needsRehash {
		t.Errorf("Verify = %v, %v", ok, needsRehash)
	}
}

// PWD-01: nothing is cut off, and what cannot be a password is refused before any hashing.
func TestPWD01Lengths(t *testing.T) {
	h := cheapHasher(t)
	hashed := 0
	h.idKey = func(p, s []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
		hashed++
		return argon2.IDKey(p, s, time, memory, threads, keyLen)
	}
	long := strings.Repeat("abcde fghi", 20)
	phc := mustHash(t, h, long)
	if ok, _ := verify(t, h, phc, long[:199]+"j"); ok {
		t.Error("200 characters with another last one were accepted")
	}
	if ok, _ := verify(t, h, phc, long); !ok {
		t.Error("200 characters were refused")
	}
	hashed = 0
	for name, password := range impossible {
		if got, err := h.Hash(context.Background(), password); !errors.Is(err, ErrPassword) || got != "" {
			t.Errorf("hash %s: %q, %v", name, got, err)
		}
		if len(password) < MinPasswordLength { // a wrong one like any other, and paid for like any other
			continue
		}
		if ok, _ := verify(t, h, phc, password); ok {
			t.Errorf("verify %s: accepted", name)
		}
		if err := h.VerifyUnknown(context.Background(), password); err != nil {
			t.Errorf("verify unknown %s: %v", name, err)
		}
	}
	if hashed != 0 {
		t.Errorf("%d hashes for what can be no password", hashed)
	}
	for name, password := range map[string]string{
		"eight":           "abcdefgh",
		"256":             strings.Repeat("x", 256),
		"256 wide":        strings.Repeat("\U0001f600", 256), // 1,024 bytes
		"256 long typed":  strings.Repeat("e\u0301", 256),    // 512 code points as typed
		"30 words":        "lower case letters and spaces.",
		"spaces all over": strings.Repeat(" ", 20),
	} {
		if ok, _ := verify(t, h, mustHash(t, h, password), password); !ok {
			t.Errorf("%s: refused", name)
		}
	}
}

var impossible = map[string]string{
	"nothing":             "",
	"seven characters":    "abcdefg",
	"257 characters":      strings.Repeat("x", 257),
	"1,025 bytes":         strings.Repeat("\U0001f600", 255) + "12345",
	"a megabyte":          strings.Repeat("x", 1<<20),
	"a megabyte of marks": strings.Repeat("\u0301", 1<<19),
	"invalid UTF-8":       "invalid \xff password text",
	"a NUL":               "password text\x00 with more",
}

func TestPWD03UnicodeForms(t *testing.T) {
	h := cheapHasher(t)
	for _, test := range []struct {
		name, set, typed string
		ok               bool
	}{
		{"composed, decomposed", "caf\u00e9 au lait", "cafe\u0301 au lait", true},
		{"decomposed, composed", "cafe\u0301 au lait", "caf\u00e9 au lait", true},
		{"Hangul", "\ud55c\uad6d\uc5b4 password", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165 password", true},
		{"ligature", "\ufb01nd the way", "find the way", false},
		{"full width", "\uff41bcdefgh", "abcdefgh", false},
		{"trailing space", "find the way", "find the way ", false},
		{"leading space", "find the way", " find the way", false},
		{"case", "find the way", "Find the way", false},
		{"no-break space", "find the way", "find\u00a0the way", false},
		{"line break", "find the way", "find the way\n", false},
	} {
		if ok, _ := verify(t, h, mustHash(t, h, test.set), test.typed); ok != test.ok {
			t.Errorf("%s: %v, want %v", test.name, ok, test.ok)
		}
	}
}

func TestNeedsRehash(t *testing.T) {
	const password = "correct horse battery staple"
	phc := mustHash(t, cheapHasher(t), password)
	for _, test := range []struct {
		name string
		h    *Hasher
		want bool
	}{
		{"as today", &Hasher{Keys: ring(t, keyLine("k1", 1)), Params: cheap}, false},
		{"more memory", &Hasher{Keys: ring(t, keyLine("k1", 1)), Params: Params{128, 1, 1}}, true},
		{"more passes", &Hasher{Keys: ring(t, keyLine("k1", 1)), Params: Params{64, 2, 1}}, true},
		{"less memory", &Hasher{Keys: ring(t, keyLine("k1", 1)), Params: Params{32, 1, 1}}, true},
		{"new server key", &Hasher{Keys: ring(t, keyLine("k2", 2), keyLine("k1", 1)), Params: cheap}, true},
	} {
		ok, needsRehash := verify(t, test.h, phc, password)
		if !ok || needsRehash != test.want {
			t.Errorf("%s: ok %v, needs rehash %v; want true, %v", test.name, ok, needsRehash, test.want)
		}
		if ok, needsRehash := verify(t, test.h, phc, password+"x"); ok || needsRehash {
			t.Errorf("%s, wrong password: %v, %v", test.name, ok, needsRehash)
		}
	}
}

// A stolen database is of no use without the key file.
func TestServerKey(t *testing.T) {
	const password = "correct horse battery staple"
	phc := mustHash(t, cheapHasher(t), password)
	other := &Hasher{Keys: ring(t, keyLine("k1", 9)), Params: cheap}
	if ok, _ := verify(t, other, phc, password); ok {
		t.Error("verified under another server key")
	}
	missing := &Hasher{Keys: ring(t, keyLine("k2", 1)), Params: cheap}
	_, _, err := missing.Verify(context.Background(), phc, password)
	var unknown *UnknownKeyError
	if !errors.As(err, &unknown) || unknown.ID != "k1" {
		t.Errorf("without the key: %v; want an error that names it", err)
	}
}

func TestVerifyUnknownCostsOneHash(t *testing.T) {
	type cost struct {
		Params
		length uint32
		salt   int
	}
	var costs []cost
	h := cheapHasher(t)
	h.idKey = func(p, s []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
		costs = append(costs, cost{Params{memory, time, threads}, keyLen, len(s)})
		return argon2.IDKey(p, s, time, memory, threads, keyLen)
	}
	phc := mustHash(t, h, "correct horse battery staple")
	verify(t, h, phc, "wrong password, really")
	if err := h.VerifyUnknown(context.Background(), "wrong password, really"); err != nil {
		t.Fatal(err)
	}
	if len(costs) != 3 || costs[1] != costs[2] {
		t.Errorf("costs %+v; want one hash each, and the unknown user's like the known one's", costs)
	}
}

func TestParsePHCRefuses(t *testing.T) {
	salt, sum := strings.Repeat("A", 22), strings.Repeat("A", 43)
	good := "$argon2id$v=19$m=64,t=1,p=1,keyid=k1$" + salt + "$" + sum
	if _, err := parsePHC(good); err != nil {
		t.Fatalf("%v; the other cases prove nothing", err)
	}
	for name, r := range map[string][2]string{
		"argon2i":            {"argon2id", "argon2i"},
		"older version":      {"v=19", "v=16"},
		"no version":         {"$v=19", ""},
		"memory over limit":  {"m=64", "m=262145"},
		"memory overflow":    {"m=64", "m=4294967360"},
		"memory under floor": {"m=64", "m=7"},
		"lanes want memory":  {"m=64,t=1,p=1", "m=63,t=1,p=8"},
		"passes over limit":  {"t=1", "t=17"},
		"no passes":          {"t=1", "t=0"},
		"lanes over limit":   {"m=64,t=1,p=1", "m=128,t=1,p=9"},
		"lanes overflow":     {"m=64,t=1,p=1", "m=4096,t=1,p=257"},
		"no lanes":           {"p=1", "p=0"},
		"negative":           {"t=1", "t=-1"},
		"plus":               {"t=1", "t=+1"},
		"leading zero":       {"m=64", "m=064"},
		"other order":        {"m=64,t=1", "t=1,m=64"},
		"no key id":          {",keyid=k1", ""},
		"empty key id":       {"keyid=k1", "keyid="},
		"odd key id":         {"keyid=k1", "keyid=k_1"},
		"more parameters":    {"keyid=k1", "keyid=k1,data=AAAA"},
		"space":              {"p=1", "p=1 "},
		"short salt":         {salt, strings.Repeat("A", 20)},
		"long salt":          {salt, strings.Repeat("A", 88)},
		"padded salt":        {salt, salt + "=="},
		"stray bits":         {salt, salt[:21] + "B"},
		"line break in salt": {salt, salt[:10] + "\n" + salt[10:]},
		"short hash":         {"$" + sum, "$" + salt},
		"no hash":            {"$" + sum, ""},
		"empty hash":         {"$" + sum, "$"},
		"more fields":        {"$" + sum, "$" + sum + "$"},
		"something before":   {"$argon2id", "x$argon2id"},
	} {
		bad := strings.Replace(good, r[0], r[1], 1)
		if bad == good {
			t.Fatalf("%s: the case changes nothing", name)
		}
		_, err := parsePHC(bad)
		if err == nil {
			t.Errorf("%s: %s was accepted", name, bad)
		} else if strings.Contains(err.Error(), salt) {
			t.Errorf("%s: the error quotes the stored value", name)
		}
	}
	for _, limit := range []string{"m=262144,t=16,p=8", "m=8,t=1,p=1"} {
		if s := strings.Replace(good, "m=64,t=1,p=1", limit, 1); !readable(s) {
			t.Errorf("%s was refused", s)
		}
	}
}

func readable(phc string) bool {
	_, err := parsePHC(phc)
	return err == nil
}

func TestVerifyUnreadable(t *testing.T) {
	if ok, _, err := cheapHasher(t).Verify(context.Background(), "plain text", "plain text password"); ok || err == nil {
		t.Errorf("Verify = %v, %v; want an error", ok, err)
	}
}

func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1,keyid=k1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			return
		}
		if h.String() != s || !h.withinLimits() {
			t.Errorf("%q reads as %+v, which is written %q", s, h, h)
		}
	})
}

// What is written reads back, and normalising twice is normalising once.
func TestPasswordProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := storedHash{
			params: Params{uint32(rapid.IntRange(64, maxMemoryKiB).Draw(t, "m")), uint32(rapid.IntRange(1, 16).Draw(t, "t")), uint8(rapid.IntRange(1, 8).Draw(t, "p"))},
			keyID:  rapid.StringMatching(`[0-9A-Za-z-]{1,32}`).Draw(t, "id"),
			salt:   rapid.SliceOfN(rapid.Byte(), 16, 64).Draw(t, "salt"),
			sum:    rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sum"),
		}
		got, err := parsePHC(h.String())
		if err != nil || got.String() != h.String() {
			t.Fatalf("%s reads as %s, %v", h, got, err)
		}
		form, problem := passwordForm(rapid.String().Draw(t, "password"))
		if again, _ := passwordForm(form); problem == "" && again != form {
			t.Fatalf("%q becomes %q", form, again)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h := &Hasher{Keys: ring(b, keyLine("k1", 1))}
	phc := mustHash(b, h, "correct horse battery staple")
	b.ReportAllocs()
	for b.Loop() {
		if ok, _ := verify(b, h, phc, "correct horse battery staple"); !ok {
			b.Fatal("refused")
		}
	}
}
