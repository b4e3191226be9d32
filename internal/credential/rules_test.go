package credential

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var alice = Person{
	Email:         "alice.smith@corp.example",
	RealName:      "Alice Smith",
	Organizations: []string{"Example Works Ltd", "Zoo"},
}

// testdata/verdicts.txt holds one case per line: a code or "ok", the least length, a bar, the password.
func TestPWD02Verdicts(t *testing.T) {
	f, err := os.Open("testdata/verdicts.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cases := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		head, password, found := strings.Cut(lines.Text(), "|")
		if strings.HasPrefix(head, "#") || strings.TrimSpace(head) == "" {
			continue
		}
		fields := strings.Fields(head)
		if !found || len(fields) != 2 {
			t.Fatalf("cannot read the case %q", lines.Text())
		}
		cases++
		want := strings.Replace(fields[0], "ok", "", 1)
		rules := Rules{Brand: "Sallyport"}
		if fields[1] == "8" {
			rules.MinLength = 8
		}
		got := rules.Check(password, alice)
		if got.Code != want {
			t.Errorf("%q at least %s: %q, want %q", password, fields[1], got.Code, want)
		}
		checkVerdict(t, password, got)
	}
	if cases < 40 {
		t.Errorf("only %d cases were read", cases)
	}
}

// checkVerdict holds what is true of every verdict.
func checkVerdict(t *testing.T, password string, v Verdict) {
	t.Helper()
	if v.Acceptable != (v.Code == "") {
		t.Errorf("%q: acceptable %v with code %q", password, v.Acceptable, v.Code)
	}
	if v.Acceptable && (v.Score < 1 || v.Score > 4) || !v.Acceptable && (v.Score < 0 || v.Score > 1) {
		t.Errorf("%q: acceptable %v with score %d", password, v.Acceptable, v.Score)
	}
	if v.Message == "" || len(password) > 10 && strings.Contains(v.Message, password) {
		t.Errorf("%q: message %q", password, v.Message)
	}
}

func TestPWD01Rules(t *testing.T) {
	many := strings.Repeat("ein Bündel Wörter; ", 20)
	cut := func(n int) string { return string([]rune(many)[:n]) }
	for _, test := range []struct {
		name     string
		min      int
		password string
		code     string
	}{
		{"minimum less one", 0, cut(14), CodeTooShort},
		{"minimum", 0, cut(15), ""},
		{"minimum of 8, less one", 8, "kq zv x", CodeTooShort},
		{"minimum of 8", 8, "kq zv xj", ""},
		{"minimum below the floor", 3, "kq zv x", CodeTooShort},
		{"minimum above the default", 20, cut(19), CodeTooShort},
		{"256", 0, cut(256), ""},
		{"257", 0, cut(257), CodeTooLong},
		{"a megabyte", 0, strings.Repeat("x", 1<<20), CodeTooLong},
		{"bytes", 0, strings.Repeat("😀😃😄", 85) + "12345", CodeTooLong},
		{"256 emoji", 0, strings.Repeat("😀😃😄😁", 64), ""},
		{"counted as composed", 0, strings.Repeat("e\u0301a\u0308", 7), CodeTooShort},
		{"invalid UTF-8", 0, "not really text \xff", CodeNotText},
		{"NUL", 0, "not really\x00text at all", CodeNotText},
	} {
		got := Rules{MinLength: test.min}.Check(test.password, Person{})
		if got.Code != test.code {
			t.Errorf("%s: %q, want %q", test.name, got.Code, test.code)
		}
		checkVerdict(t, test.password, got)
	}
	if v := (Rules{MinLength: 9}).Check("short", Person{}); !strings.Contains(v.Message, "9") {
		t.Errorf("the message does not say how long: %q", v.Message)
	}
}

// Short and empty names forbid nothing but themselves.
func TestCheckHarmlessPersons(t *testing.T) {
	const password = "purple elephants dance at noon"
	for name, p := range map[string]Person{
		"nobody":         {},
		"one letter":     {Email: "a@b.c", RealName: "a e", Organizations: []string{"p", ""}},
		"three letters":  {RealName: "ele pha nts", Organizations: []string{"noo"}},
		"a word of many": {RealName: "Purple Dance"},
		"signs":          {Email: "@", RealName: "-- ..", Organizations: []string{" ", "\x00"}},
		"endless":        {RealName: strings.Repeat("x", 1<<16), Organizations: make([]string, 10_000)},
	} {
		if v := (Rules{}).Check(password, p); !v.Acceptable {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// The work of a check is bounded whatever the text: the estimate sees so many characters, and there are so many variations.
func TestCheckBounds(t *testing.T) {
	for _, s := range []string{
		strings.Repeat("(4@8{[<3691!|70$5+%2", 13)[:256],
		strings.Repeat("a1!", 86)[:256],
		strings.Repeat("\U0001f600", 256),
		strings.Repeat("password1", 29)[:256],
	} {
		if n := len(variations(s)); n > 240 {
			t.Errorf("%d variations of %q", n, s)
		}
		end := 0
		for i := range s {
			if utf8.RuneCountInString(s[:i]) == scoredRunes {
				end = i
			}
		}
		if got, want := strength(s, nil), strength(s[:end], nil); got != want {
			t.Errorf("%q: score %d, and %d for its first %d characters", s, got, want, scoredRunes)
		}
	}
}

func TestPersonalWords(t *testing.T) {
	got := Rules{Brand: "Acme"}.personalWords(Person{Email: "al.bo@x.example", RealName: "Zo\u0308e O'Hara"})
	want := []string{"al.bo@x.example", "alboxexample", "zöe o'hara", "x.example", "zöeohara", "xexample", "example", "al.bo", "acme", "albo", "hara", "zöe"}
	if slices.Compare(got, want) != 0 {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("organization%d", i))
	}
	if n := len((Rules{}).personalWords(Person{Organizations: many})); n > maxPersonalWords {
		t.Errorf("%d words of 1000 organizations", n)
	}
}

func TestCommonTable(t *testing.T) {
	n := len(commonTable) / commonEntry
	if len(commonTable)%commonEntry != 0 || n < 100_000 {
		t.Fatalf("the table has %d bytes", len(commonTable))
	}
	for i := 1; i < n; i++ {
		if commonAt(i-1) >= commonAt(i) {
			t.Fatalf("entries %d and %d are out of order", i-1, i)
		}
	}
	for _, word := range []string{"password", "PassWord", "12345678", "1q2w3e4r5t", "dragon", "123456789987654321"} {
		if !isCommon(word) {
			t.Errorf("%q is not in the table", word)
		}
	}
	for _, word := range []string{"", "kqzvxjwmpyrbtfh", "purple elephants dance"} {
		if isCommon(word) {
			t.Errorf("%q is in the table", word)
		}
	}
	if n := testing.AllocsPerRun(100, func() { isCommon("purpleelephants") }); n > 1 {
		t.Errorf("a look-up allocates %v times", n)
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"password1234567", "caf\u00e9 au lait with milk", "(4@8{[<3691!|70$5+%2", "1/1/1111 2/2/2222", "\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301"} {
		f.Add(s, "Alice Smith", "alice@a.example")
	}
	f.Fuzz(func(t *testing.T, password, name, email string) {
		rules := Rules{MinLength: 8, Brand: name}
		v := rules.Check(password, Person{Email: email, RealName: name, Organizations: []string{email}})
		checkVerdict(t, "", v)
		if !v.Acceptable {
			return
		}
		if name == password || email == password {
			t.Errorf("the owner's name or address %q was accepted", password)
		}
		if form, problem := passwordForm(password); problem != "" || utf8.RuneCountInString(form) < 8 {
			t.Errorf("%q was accepted", password)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Rules{}.Check("purple elephants dance at noon", alice)
	}
}

// A password of a breach is refused whatever its strength; a list that cannot be read refuses nobody.
func TestPWD02Exposed(t *testing.T) {
	const known, unknown = "gravel sonnet umbrella tuesday", "gravel sonnet umbrella thursday"
	rules := Rules{Exposed: opened(t, writeList(t, []string{sha1Hex(known) + ":2"}, "\n"))}
	v := rules.Check(known, alice)
	checkVerdict(t, known, v)
	if v.Code != CodeExposed || v.Err != nil {
		t.Errorf("exposed: %+v, want %s", v, CodeExposed)
	}
	if v := rules.Check(unknown, alice); !v.Acceptable || v.Err != nil {
		t.Errorf("not exposed: %+v", v)
	}
	want := Rules{}.Check(known, alice)
	_ = rules.Exposed.Close()
	v = rules.Check(known, alice)
	if v.Err == nil {
		t.Error("the list could not be read, and nobody is told")
	}
	if v.Err = nil; v != want || !v.Acceptable {
		t.Errorf("list not readable: %+v, want %+v", v, want)
	}
}
