package identity

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestEML02_LettersThatFold: what folds, composes or hides would be a second
// spelling of somebody else's address.
func TestEML02_LettersThatFold(t *testing.T) {
	for name, email := range map[string]string{
		"dotless i":           "m\u0131ke@a.example",
		"long s":              "\u017fam@a.example",
		"kelvin sign":         "\u212aate@a.example",
		"combining accent":    "re\u0301ne@a.example",
		"composed accent":     "ren\u00e9@a.example",
		"zero-width joiner":   "ali\u200dce@a.example",
		"right-to-left mark":  "ali\u200fce@a.example",
		"full-width letter":   "\uff41lice@a.example",
		"full-width at":       "alice\uff20a.example",
		"no-break space":      "\u00a0alice@a.example",
		"soft hyphen":         "ali\u00adce@a.example",
		"invalid UTF-8":       "ali\xffce@a.example",
		"invalid in a domain": "0@0.\xc60",
	} {
		t.Run(name, func(t *testing.T) { refuse(t, email) })
	}
}

// TestEML03_LookAlikeDomains are stored and shown as what they are.
func TestEML03_LookAlikeDomains(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"dotless i", "bob@gma\u0131l.com", "bob@xn--gmal-nza.com"},
		{"its A-label", "bob@xn--gmal-nza.com", "bob@xn--gmal-nza.com"},
		{"the A-label in capitals", "Bob@XN--GMAL-NZA.com", "bob@xn--gmal-nza.com"},
		{"umlaut", "bob@b\u00fccher.example", "bob@xn--bcher-kva.example"},
		{"umlaut in two characters", "bob@bu\u0308cher.example", "bob@xn--bcher-kva.example"},
		{"capital umlaut", "bob@B\u00dcCHER.example", "bob@xn--bcher-kva.example"},
		{"mixed scripts", "bob@\u0440aypal.example", "bob@xn--aypal-uye.example"},
		{"full-width letters are the plain ones", "bob@\uff47mail.com", "bob@gmail.com"},
		{"ideographic full stop", "bob@gmail\u3002com", "bob@gmail.com"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseEmail(c.in)
			if err != nil || got != c.want {
				t.Errorf("ParseEmail(%q) = %q, %v; want %q", c.in, got, err, c.want)
			}
		})
	}
	for name, email := range map[string]string{
		"A-label of plain ASCII":    "bob@xn--gmail-.com",
		"empty A-label":             "bob@xn--.com",
		"A-label that is no code":   "bob@xn--\u00fc.com",
		"A-label of capitals":       "bob@xn--GMAIL-.com",
		"zero-width joiner":         "bob@gma\u200dil.com",
		"mixed directions":          "bob@a\u05d0.com",
		"double hyphen, no A-label": "bob@ab--c\u00fc.com",
	} {
		t.Run(name, func(t *testing.T) { refuse(t, email) })
	}
}

// TestEML04_SyntaxThatParsersDisagreeOn.
func TestEML04_SyntaxThatParsersDisagreeOn(t *testing.T) {
	long := strings.Repeat("a", 60)
	longest := strings.Repeat("a", 63) + "@" + long + "." + long + "." + long + ".example"
	if len(longest) != MaxEmail {
		t.Fatalf("the longest address has %d characters", len(longest))
	}
	for name, email := range map[string]string{
		"header injection":   "a@b.example\r\nBcc: x@y.example",
		"line feed at end":   "a@b.example\n",
		"tab in front":       "\ta@b.example",
		"two at signs":       "a@b@c.example",
		"quoted local part":  `"a b"@x.example`,
		"quoted plain":       `"a"@x.example`,
		"escaped at":         `a\@b@c.example`,
		"display name":       "X <a@b.example>",
		"angle brackets":     "<a@b.example>",
		"comment":            "a@b.example (c)",
		"comment in front":   "(c)a@b.example",
		"address literal":    "a@[127.0.0.1]",
		"numeric address":    "a@127.0.0.1",
		"IPv6 literal":       "a@[IPv6:::1]",
		"two addresses":      "a@b.example,c@d.example",
		"space inside":       "a b@x.example",
		"NUL":                "a\x00@x.example",
		"255 characters":     "a" + longest,
		"local part of 65":   strings.Repeat("a", 65) + "@x.example",
		"dot in front":       ".a@x.example",
		"dot at the end":     "a.@x.example",
		"two dots":           "a..b@x.example",
		"two trailing dots":  "a@x.example..",
		"empty label":        "a@x..example",
		"label of 64":        "a@" + strings.Repeat("a", 64) + ".example",
		"hyphen in front":    "a@-x.example",
		"underscore":         "a@x_y.example",
		"one label":          "a@localhost",
		"port":               "a@x.example:25",
		"path":               "a@x.example/",
		"route":              "@b.example:a@c.example",
		"percent encoding":   "a%40b.example",
		"no local part":      "@x.example",
		"no domain":          "a@",
		"nothing":            "",
		"at sign":            "@",
		"100,000 characters": strings.Repeat("a", 100_000) + "@x.example",
	} {
		t.Run(name, func(t *testing.T) { refuse(t, email) })
	}
	for _, email := range []string{longest, "o'brien+tag@x.example", "a/b=c{d}@x.example", "1@1.example"} {
		if got, err := ParseEmail(email); err != nil || got != email {
			t.Errorf("ParseEmail(%q) = %q, %v", email, got, err)
		}
	}
}

// TestOneSpelling is what row EML-01 rests on.
func TestOneSpelling(t *testing.T) {
	for _, email := range []string{"alice@a.example", "ALICE@A.EXAMPLE", "alice@A.example.", " alice@a.example ", "Alice@a.EXAMPLE"} {
		if got, err := ParseEmail(email); err != nil || got != "alice@a.example" {
			t.Errorf("ParseEmail(%q) = %q, %v", email, got, err)
		}
	}
}

func refuse(t *testing.T, email string) {
	t.Helper()
	got, err := ParseEmail(email)
	if !errors.Is(err, &Error{Kind: Invalid, Code: "invalid_email_format"}) || got != "" {
		t.Errorf("ParseEmail(%q) = %q, %v", email, got, err)
	}
}

// FuzzParseEmail: a parsed address is what it parses to, and nothing but
// printable ASCII with one @.
func FuzzParseEmail(f *testing.F) {
	for _, seed := range []string{
		"alice@a.example", " ALICE@A.example. ", "0@0.\xc60", "bob@gma\u0131l.com", "bob@xn--gmal-nza.com", "a@\u3002b.c",
		"a@xn--a.b", "a@\u00df.de", "a@\uff11.\uff12", "a@b.c.", "a@\u0130.x", "a@xn--xn---epa.b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, err := ParseEmail(text)
		if err != nil {
			return
		}
		twice, err := ParseEmail(once)
		if err != nil || twice != once {
			t.Errorf("%q is parsed to %q, and that to %q, %v", text, once, twice, err)
		}
		if !utf8.ValidString(text) || strings.Count(once, "@") != 1 || len(once) > MaxEmail {
			t.Errorf("%q is parsed to %q", text, once)
		}
		for _, c := range []byte(once) {
			if c <= ' ' || c > '~' {
				t.Errorf("%q is parsed to %q", text, once)
			}
		}
	})
}
