package identity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// Names of people and things as the world writes them.
func TestNamesOfTheWorld(t *testing.T) {
	for what, name := range map[string]string{
		"ASCII":                      "Acme, Inc. (#1) <ops@acme.example>",
		"German":                     "Müller & Söhne GmbH – „Straße“",
		"taken apart":                "Mu\u0308ller",
		"Vietnamese":                 "Nguyễn Thị Minh Khai",
		"Greek":                      "Ελληνική Δημοκρατία",
		"Russian":                    "Ёлкина и сыновья",
		"Hebrew":                     "בְּרֵאשִׁית",
		"Arabic":                     "شركة الاتصالات ٢٠٢٦",
		"Arabic beside Latin":        "Acme شركة (EU)",
		"an Arabic sign of a number": "\u0600\u0661\u0662",
		"Persian with ZWNJ":          "می\u200cخواهم",
		"Persian, of a noun":         "خانه\u200cای",
		"Syriac":                     "ܫܠܡܐ",
		"Hindi":                      "प्रिया शर्मा",
		"Hindi with ZWJ":             "क्\u200dष",
		"Hindi with ZWNJ":            "क्\u200cष",
		"Sinhala with ZWJ":           "ශ්\u200dරී ලංකා",
		"Malayalam with ZWJ":         "അവന്\u200d",
		"Thai":                       "กรุงเทพมหานคร",
		"Chinese":                    "山田太郎株式会社",
		"a wide space":               "山田\u3000太郎",
		"Korean":                     "김철수",
		"Korean, taken apart":        "\u1100\u1175\u11b7",
		"Mongolian":                  "ᠮᠣᠩᠭᠣᠯ",
		"Adlam":                      "𞤀𞤣𞤤𞤢𞤥",
		"an emoji":                   "🚀 Rockets",
		"a heart":                    "❤\ufe0f",
		"a sun as text":              "☀\ufe0e",
		"a family":                   "👩\u200d👩\u200d👧\u200d👦",
		"a pilot of some colour":     "👩🏽\u200d✈\ufe0f",
		"a heart on fire":            "❤\ufe0f\u200d🔥",
		"a rainbow":                  "🏳\ufe0f\u200d🌈",
		"a bird in black":            "🐦\u200d⬛",
		"a nod":                      "🙂\u200d↕\ufe0f",
		"a key":                      "1\ufe0f\u20e3 #\ufe0f\u20e3",
		"a flag":                     "🇫🇮",
		"Scotland":                   "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f!",
		"trade marks":                "Acme™ ©\ufe0f ®\ufe0e",
		"a replacement":              "\ufffd",
	} {
		if err := identity.CheckName("name", name); err != nil {
			t.Errorf("%s: %q is refused: %v", what, name, err)
		}
		if got := identity.Seen(name); got != name {
			t.Errorf("%s: of %q is left %q", what, name, got)
		}
	}
}

func TestUnseenCharactersAreRefused(t *testing.T) {
	for what, c := range map[string]struct{ name, character, place string }{
		"written backwards":                {"Acme \u202etxt.exe", "U+202E", "place 6,"},
		"left to right":                    {"\u202aAcme", "U+202A", "place 1,"},
		"isolated":                         {"Acme\u2066", "U+2066", "place 5,"},
		"isolated to the end":              {"a\u2069", "U+2069", "turns the direction"},
		"a mark of direction":              {"שלום\u200f", "U+200F", "turns the direction"},
		"an Arabic mark of direction":      {"\u061cا", "U+061C", "turns the direction"},
		"a space of no width":              {"Ac\u200bme", "U+200B", "could look alike"},
		"a word joiner":                    {"Ac\u2060me", "U+2060", "could look alike"},
		"a byte order mark":                {"\ufeffAcme", "U+FEFF", "could look alike"},
		"a soft hyphen":                    {"Ac\u00adme", "U+00AD", "could look alike"},
		"a grapheme joiner":                {"Ac\u034fme", "U+034F", "could look alike"},
		"a Hangul filler":                  {"Acme\u3164", "U+3164", "could look alike"},
		"a half filler":                    {"\uffa0", "U+FFA0", "could look alike"},
		"a Khmer vowel that is none":       {"ក\u17b4", "U+17B4", "could look alike"},
		"a reserved one that is not shown": {"a\u2065", "U+2065", "could look alike"},
		"ZWJ in Latin":                     {"Ac\u200dme", "U+200D", "could look alike"},
		"ZWNJ in Latin":                    {"Ac\u200cme", "U+200C", "could look alike"},
		"ZWNJ at the end":                  {"می\u200c", "U+200C", "could look alike"},
		"ZWNJ twice":                       {"می\u200c\u200cخواهم", "U+200C", "could look alike"},
		"ZWNJ that changes nothing":        {"دا\u200cرد", "U+200C", "could look alike"},
		"ZWJ behind an emoji":              {"🚀\u200d", "U+200D", "could look alike"},
		"ZWJ before an emoji":              {"a\u200d🚀", "U+200D", "could look alike"},
		"a style of a letter":              {"a\ufe0f", "U+FE0F", "could look alike"},
		"a style of a digit":               {"1\ufe0f", "U+FE0F", "could look alike"},
		"a style of a style":               {"❤\ufe0f\ufe0f", "U+FE0F", "could look alike"},
		"a style of a sign":                {"+\ufe0f", "U+FE0F", "could look alike"},
		"another selector":                 {"葛\U000e0100", "U+E0100", "could look alike"},
		"tags":                             {"a\U000e0061\U000e007f", "U+E0061", "could look alike"},
		"a flag with a message":            {"\U0001f3f4\U000e0068\U000e0069\U000e007f", "U+E0068", "could look alike"},
		"half a flag":                      {"\U0001f3f4\U000e0067\U000e0062", "U+E0067", "could look alike"},
		"an annotation":                    {"a\ufff9b", "U+FFF9", "could look alike"},
		"a line break":                     {"a\nb", "U+000A", "place 2,"},
		"an escape":                        {"\x1b[2J", "U+001B", "control character"},
		"NEL":                              {"a\u0085b", "U+0085", "control character"},
		"a line separator":                 {"a\u2028b", "U+2028", "could look alike"},
		"a private character":              {"a\ue000", "U+E000", "each machine"},
		"no character":                     {"a\ufdd0", "U+FDD0", "each machine"},
		"the last of all":                  {"a\U0010ffff", "U+10FFFF", "each machine"},
	} {
		var e *identity.Error
		err := identity.CheckName("real_name", c.name)
		if !errors.As(err, &e) || e.Kind != identity.Invalid || e.Code != identity.CodeUnseen || e.Metadata["field"] != "real_name" {
			t.Errorf("%s: %+q gets %v", what, c.name, err)
			continue
		}
		for _, part := range []string{`"real_name"`, c.character, c.place} {
			if !strings.Contains(e.Message, part) {
				t.Errorf("%s: no %q in %q", what, part, e.Message)
			}
		}
		if left := identity.Seen(c.name); left == c.name || identity.CheckName("x", left) != nil {
			t.Errorf("%s: of %+q is left %+q", what, c.name, left)
		}
	}
	if err := identity.CheckName("name", "a\xff"); err == nil {
		t.Error("bytes that are no text pass")
	}
}

func TestDescriptionsHaveLines(t *testing.T) {
	const lines = "for the pipeline\r\n\t- of \"web\"\n"
	if err := identity.CheckDescription("description", lines); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"a\n\u202eb", "a\x00", "a\vb", "a\u2028b"} {
		if err := identity.CheckDescription("description", text); err == nil {
			t.Errorf("%+q passes", text)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"Acme", "می\u200cخواهم", "👩🏽\u200d✈\ufe0f", "a\u202e", "\xff", "1\ufe0f\u20e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		// What is left is not always taken: what stood apart may be beside each
		// other then. Nothing that turns the direction is ever left.
		if left := identity.Seen(name); strings.ContainsAny(left, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\x00\n") {
			t.Errorf("of %+q is left %+q", name, left)
		}
		if identity.CheckName("x", name) == nil && identity.Seen(name) != name {
			t.Errorf("%+q is taken, and something left out of it", name)
		}
	})
}
