package credential

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"log/slog"
	mathrand "math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

var kinds = []Kind{KindSession, KindPersonal, KindApplication, KindSCIM}

// fixed is a repeatable random source.
func fixed() *mathrand.ChaCha8 { return mathrand.NewChaCha8([32]byte{1}) }

func TestNewToken(t *testing.T) {
	tags := map[Kind]string{KindSession: "sps_", KindPersonal: "spp_", KindApplication: "spa_", KindSCIM: "spc_"}
	pattern := regexp.MustCompile(Pattern)
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			plain, prefix, hash := New(kind, fixed())
			if len(plain) != 100 || !strings.HasPrefix(plain, tags[kind]) {
				t.Errorf("token %q: want 100 characters that begin with %s", plain, tags[kind])
			}
			if prefix != plain[:12] {
				t.Errorf("prefix %q, want the first 12 characters of %q", prefix, plain)
			}
			if hash != sha256.Sum256([]byte(plain)) {
				t.Error("the hash is not the SHA-256 of the whole token")
			}
			if got := pattern.FindString("token=" + plain + "\n"); got != plain {
				t.Errorf("the published pattern finds %q, want %q", got, plain)
			}
			got, ok := Parse(plain)
			if want := (Parsed{Kind: kind, Prefix: [12]byte([]byte(prefix)), Hash: hash}); !ok || got != want {
				t.Errorf("Parse = %+v, %v; want %+v", got, ok, want)
			}
			if got, ok := Parse([]byte(plain)); !ok || got.Kind != kind {
				t.Errorf("Parse of bytes = %+v, %v", got, ok)
			}
		})
	}
}

// The checksum is published: scanners of other people compute it. 0xCBF43926 is the check value of CRC-32 (IEEE).
func TestChecksumVector(t *testing.T) {
	sum := checksum([]byte("123456789"))
	value := 0
	for _, c := range sum {
		value = value*62 + strings.IndexByte(base62, c)
	}
	if value != 0xCBF43926 {
		t.Errorf("checksum of 123456789 = %s, which is %#x; want 0xcbf43926", sum, value)
	}
	if zero := checksum(nil); string(zero[:]) != "000000" {
		t.Errorf("checksum of nothing = %s, want 000000", zero)
	}
}

func TestTOK01Unique(t *testing.T) {
	const n = 100_000
	seen := make(map[[32]byte]bool, n)
	pattern := regexp.MustCompile("^" + Pattern + "$")
	var used [256]int
	for range n {
		plain, _, hash := New(KindPersonal, rand.Reader)
		if seen[hash] {
			t.Fatal("the same token came twice")
		}
		seen[hash] = true
		if !pattern.MatchString(plain) {
			t.Fatalf("%s does not match the published pattern", plain)
		}
		if _, ok := Parse(plain); !ok {
			t.Fatalf("%s does not parse", plain)
		}
		for _, c := range []byte(plain[4:94]) {
			used[c]++
		}
	}
	// Nine million characters over 62: a fair one is 145,161 ± 378 times there. Ten deviations never happen; taking the
	// remainder of a byte would put the first eight characters 25 % above the others.
	for _, c := range []byte(base62) {
		if mean := n * 90 / 62; used[c] < mean-3780 || used[c] > mean+3780 {
			t.Errorf("character %c came %d times, want about %d", c, used[c], mean)
		}
	}
}

// Everything that is nearly the token is refused.
func TestTOK02NearlyTheToken(t *testing.T) {
	for _, kind := range kinds {
		plain, _, _ := New(kind, fixed())
		refuse := func(what, s string) {
			t.Helper()
			if s == plain {
				return
			}
			if p, ok := Parse(s); ok || p != (Parsed{}) {
				t.Errorf("%s: %q was accepted", what, s)
			}
			if _, ok := Parse([]byte(s)); ok {
				t.Errorf("%s: bytes %q were accepted", what, s)
			}
		}
		for i := range plain {
			for c := range 256 {
				refuse("one changed", plain[:i]+string([]byte{byte(c)})+plain[i+1:])
			}
			refuse("one dropped", plain[:i]+plain[i+1:])
			refuse("one doubled", plain[:i+1]+plain[i:])
			refuse("cut", plain[:i])
			refuse("beginning cut", plain[i+1:])
			if i > 0 {
				refuse("two exchanged", plain[:i-1]+plain[i:i+1]+plain[i-1:i]+plain[i+1:])
			}
		}
		for _, tail := range []string{" ", "\n", "\x00", "\r\n", "=", plain} {
			refuse("something behind", plain+tail)
			refuse("something before", tail+plain)
		}
		swapped := strings.Map(func(r rune) rune {
			if upper := []rune(strings.ToUpper(string(r)))[0]; upper != r {
				return upper
			}
			return []rune(strings.ToLower(string(r)))[0]
		}, plain)
		refuse("case swapped", swapped)
		refuse("case of the body swapped", plain[:4]+swapped[4:])
		refuse("upper case", strings.ToUpper(plain))
		refuse("scheme", "Bearer "+plain)
		refuse("full-width digit", plain[:50]+"\uff10"+plain[51:])
	}
}

// A right checksum does not make up for a wrong alphabet or tag.
func TestParseChecksAlphabetAndTag(t *testing.T) {
	for _, head := range []string{"spx_", "sp__", "Spp_", "spp-", "spp\x00"} {
		if s := withChecksum(head + strings.Repeat("A", 90)); parses(s) {
			t.Errorf("%q was accepted", s)
		}
	}
	for _, c := range []string{"_", "-", " ", "\x00", "\xff"} {
		for _, at := range []int{4, 11, 12, 93} {
			body := []byte("spp_" + strings.Repeat("A", 90))
			body[at] = c[0]
			if s := withChecksum(string(body)); parses(s) {
				t.Errorf("%q at %d was accepted", c, at)
			}
		}
	}
	if s := withChecksum("spp_" + strings.Repeat("A", 90)); !parses(s) {
		t.Errorf("%q was refused; the other cases prove nothing", s)
	}
}

func withChecksum(s string) string {
	sum := checksum([]byte(s))
	return s + string(sum[:])
}

func parses(s string) bool {
	_, ok := Parse(s)
	return ok
}

func TestPrefix(t *testing.T) {
	plain, prefix, _ := New(KindApplication, fixed())
	for _, test := range []struct {
		name, in, want string
	}{
		{"prefix", prefix, prefix},
		{"whole token", plain, prefix},
		{"empty", "", ""},
		{"short", prefix[:11], ""},
		{"between", plain[:13], ""},
		{"damaged token", plain[:99] + "_", ""},
		{"other tag", "spx_" + prefix[4:], ""},
		{"sign in the name", prefix[:11] + "%", ""},
		{"underscore in the name", prefix[:11] + "_", ""},
		{"trailing space", prefix[:11] + " ", ""},
		{"like pattern", "spa_%_______", ""},
	} {
		if got, ok := Prefix(test.in); got != test.want || ok != (test.want != "") {
			t.Errorf("%s: Prefix(%q) = %q, %v; want %q", test.name, test.in, got, ok, test.want)
		}
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	plain, _, _ := New(KindPersonal, fixed())
	raw := []byte(plain)
	bad := plain[:99] + "_"
	for name, f := range map[string]func(){
		"string":  func() { _, _ = Parse(plain) },
		"bytes":   func() { _, _ = Parse(raw) },
		"refused": func() { _, _ = Parse(bad) },
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func TestParsedMatches(t *testing.T) {
	plain, _, hash := New(KindSession, fixed())
	p, _ := Parse(plain)
	if !p.Matches(hash) {
		t.Error("the token does not match its own hash")
	}
	hash[31] ^= 1
	if p.Matches(hash) {
		t.Error("the token matches another hash")
	}
}

// Whatever prints a token prints its prefix at most.
func TestTokenNeverPrints(t *testing.T) {
	plain, prefix, _ := New(KindPersonal, fixed())
	secret := plain[PrefixLength:]
	token := Conceal(plain)
	type wrapper struct {
		Public  Token
		private Token
		Pointer *Token
	}
	w := wrapper{token, token, &token}
	var out bytes.Buffer
	for _, verb := range strings.Split("v +v #v s q x X d t p U e c", " ") {
		fmt.Fprintf(&out, "%"+verb+"\n", token)
		fmt.Fprintf(&out, "%"+verb+"\n", &token)
		fmt.Fprintf(&out, "%"+verb+"\n", w)
		fmt.Fprintf(&out, "%"+verb+"\n", &w)
		fmt.Fprintf(&out, "%"+verb+"\n", []Token{token})
	}
	_ = json.NewEncoder(&out).Encode(map[string]any{"token": token, "in": w, "key": map[Token]int{token: 1}})
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "token", token, "in", w)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "token", token, "in", w)

	lower := strings.ToLower(out.String())
	for _, leak := range []string{secret, secret[:16], fmt.Sprintf("%x", secret[:16])} {
		if strings.Contains(lower, strings.ToLower(leak)) {
			t.Errorf("the secret part was printed:\n%s", out.String())
		}
	}
	if !strings.Contains(out.String(), prefix) {
		t.Errorf("the prefix was not printed:\n%s", out.String())
	}
	if token.Reveal() != plain {
		t.Error("Reveal does not return the token")
	}
	if got := Conceal("hunter2").String(); got != "[redacted]" {
		t.Errorf("something that is no token prints as %q", got)
	}
	if got := (Token{}).String(); got != "[redacted]" {
		t.Errorf("the zero token prints as %q", got)
	}
}

func TestNewPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"no kind":            func() { New(0, fixed()) },
		"unknown kind":       func() { New(5, fixed()) },
		"random source ends": func() { New(KindPersonal, strings.NewReader("short")) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func FuzzParse(f *testing.F) {
	for _, kind := range kinds {
		plain, _, _ := New(kind, fixed())
		f.Add(plain)
		f.Add(plain[:99])
		f.Add(plain[:12])
	}
	f.Add("")
	f.Add(strings.Repeat("_", 100))
	pattern := regexp.MustCompile("^" + Pattern + "$")
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := Parse(s)
		if b, okBytes := Parse([]byte(s)); b != p || okBytes != ok {
			t.Errorf("string and bytes differ for %q", s)
		}
		if !ok {
			if p != (Parsed{}) {
				t.Errorf("refused %q and returned %+v", s, p)
			}
			return
		}
		if !pattern.MatchString(s) || s != withChecksum(s[:94]) || p.Hash != sha256.Sum256([]byte(s)) {
			t.Errorf("accepted %q", s)
		}
	})
}

// TestChecksumIsCRC32 for all lengths: eight bytes are taken at a time.
func TestChecksumIsCRC32(t *testing.T) {
	text := []byte(base62 + base62)
	for n := range len(text) {
		value := uint64(0)
		for _, digit := range checksum(text[n/3 : n]) {
			value = value*62 + uint64(strings.IndexByte(base62, digit))
		}
		if want := crc32.ChecksumIEEE(text[n/3 : n]); value != uint64(want) {
			t.Errorf("%q: %#x, want %#x", text[n/3:n], value, want)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	plain, _, _ := New(KindPersonal, fixed())
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Parse(plain); !ok {
			b.Fatal("refused")
		}
	}
}
