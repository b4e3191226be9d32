package identity

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// CodeUnseen is the error of a text with a character that people cannot see.
const CodeUnseen = "character_not_allowed"

// CheckName refuses a name that is stored otherwise than people see it: with
// control characters, characters that turn the direction of writing (UAX #9),
// others that are not shown (Default_Ignorable_Code_Point), and those that mean
// something else on each machine. Two names could look alike, and one could put
// the words around it, in the audit log or a mail, into another order.
//
// That is what the FreeformClass of PRECIS refuses (RFC 8264 section 9). Besides
// it takes what emoji are made of (UTS #51): joiners, variation selectors and the
// flags of England, Scotland and Wales, where they stand in one. Joiners of
// scripts are taken where they change the shape of the letters beside them (RFC
// 5892 appendix A.1, A.2), as in Persian. Names stay as they were sent: nothing
// is composed, folded or compared by its looks (UTS #39), because no name decides
// about access.
//
// field is the wire's name of what is checked.
func CheckName(field, name string) error { return checkSeen(field, name, false) }

// CheckDescription is CheckName for a text of several lines.
func CheckDescription(field, text string) error { return checkSeen(field, text, true) }

func checkSeen(field, text string, lines bool) error {
	if !utf8.ValidString(text) {
		return Invalidf("bad_request", "the field %q is not UTF-8", field)
	}
	all := []rune(text)
	for at, r := range all {
		if seen(all, at) || lines && (r == '\n' || r == '\r' || r == '\t') {
			continue
		}
		return unseen(field, r, at+1)
	}
	return nil
}

// Seen is a text of somebody else's making, such as what an identity provider
// calls a person, without the characters that CheckName refuses.
func Seen(text string) string {
	all := []rune(strings.ToValidUTF8(text, ""))
	kept := make([]rune, 0, len(all))
	for at, r := range all {
		if seen(all, at) {
			kept = append(kept, r)
		}
	}
	return string(kept)
}

// unseen is the refusal of a character, of which it is the nth.
func unseen(field string, r rune, nth int) error {
	code := fmt.Sprintf("U+%04X", r)
	var e *Error
	switch {
	case unicode.Is(unicode.Cc, r):
		e = Invalidf(CodeUnseen, "the field %q has the control character %s at place %d, such as a line break: write it without", field, code, nth)
	case unicode.Is(unicode.Bidi_Control, r):
		e = Invalidf(CodeUnseen, "the field %q has the character %s at place %d, which nobody sees and which turns the direction of what is written beside it: write it without, scripts from right to left need none", field, code, nth)
	case unicode.In(r, unicode.Co, unicode.Noncharacter_Code_Point):
		e = Invalidf(CodeUnseen, "the field %q has the character %s at place %d, which each machine shows otherwise: write it without", field, code, nth)
	default:
		e = Invalidf(CodeUnseen, "the field %q has the character %s at place %d, which nobody sees there, so that two names could look alike: type the text anew rather than copying it", field, code, nth)
	}
	e.Metadata = map[string]any{"field": field}
	return e
}

const (
	nonJoiner  = '\u200c'
	joiner     = '\u200d'
	textStyle  = '\ufe0e' // VARIATION SELECTOR-15
	emojiStyle = '\ufe0f' // VARIATION SELECTOR-16
	keycap     = '\u20e3'
)

// seen says whether people see one of the characters of a text, or what it does
// to its neighbours.
func seen(text []rune, at int) bool {
	switch r := text[at]; {
	case shown(r):
		return true
	case r == textStyle || r == emojiStyle:
		return at > 0 && pictured(text[at-1]) || inKeycap(text, at)
	case r == joiner:
		return inEmoji(text, at) || shapes(text, at)
	case r == nonJoiner:
		return shapes(text, at)
	}
	return inFlag(text, at)
}

// shown says whether a character is seen wherever it stands.
func shown(r rune) bool {
	if unicode.Is(unicode.Prepended_Concatenation_Mark, r) { // signs of numbers and years, of the category Cf
		return true
	}
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp,
		unicode.Noncharacter_Code_Point, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// pictured says whether a character may be shown as an emoji; of a few it says
// so that are none.
func pictured(r rune) bool {
	switch {
	case r >= 0x1f000 && r <= 0x1faff, r == '©', r == '®', r == 'ℹ', r == '‼', r == '⁉', r == '〰':
		return true
	}
	return r >= 0x2100 && r <= 0x3299 && unicode.In(r, unicode.So, unicode.Sm)
}

// inKeycap finds the selector of a key, such as 1️⃣.
func inKeycap(text []rune, at int) bool {
	return text[at] == emojiStyle && at > 0 && strings.ContainsRune("0123456789#*", text[at-1]) && at+1 < len(text) && text[at+1] == keycap
}

// inEmoji finds the joiner of two emoji, the first of which may have a selector or
// a colour of skin.
func inEmoji(text []rune, at int) bool {
	first := at - 1
	if first > 0 && text[first] == emojiStyle {
		first--
	}
	return first >= 0 && pictured(text[first]) && at+1 < len(text) && pictured(text[at+1])
}

// shapes says whether a joiner changes the shape of the letters beside it. The
// rule looks past marks, of which a word has few in a row.
func shapes(text []rune, at int) bool {
	const far = 8
	from, to := at, at+1
	for from > 0 && at-from < far && inWord(text[from-1]) {
		from--
	}
	for to < len(text) && to-at <= far && inWord(text[to]) {
		to++
	}
	_, err := freeform.String(string(text[from:to]))
	return err == nil
}

var freeform = precis.NewFreeform()

func inWord(r rune) bool { return unicode.In(r, unicode.L, unicode.M) }

// flags are the three that are written with tags, which are seen nowhere else.
var flags = [][]rune{
	[]rune("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"),
	[]rune("\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"),
	[]rune("\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"),
}

func inFlag(text []rune, at int) bool {
	for _, flag := range flags {
		for i, r := range flag {
			from := at - i
			if r == text[at] && from >= 0 && from+len(flag) <= len(text) && slices.Equal(text[from:from+len(flag)], flag) {
				return true
			}
		}
	}
	return false
}
