package credential

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
	"golang.org/x/text/unicode/norm"
)

// DefaultMinLength is the least length of a password that stands alone (NIST SP 800-63B-4 section 3.1.1.2).
const DefaultMinLength = 15

// The codes of a verdict that is not acceptable.
const (
	CodeTooShort = "password_too_short"
	CodeTooLong  = "password_too_long" // in characters or in bytes
	CodeNotText  = "password_not_text" // not UTF-8, or with a NUL in it
	CodeRepeated = "password_repeated_character"
	CodeCommon   = "password_too_common"  // common, a simple variation of something common, or of the lowest score
	CodePersonal = "password_about_owner" // little more than names an attacker knows to try first
	CodeExposed  = "password_compromised" // on the operator's list of exposed passwords
)

// scoredRunes is how much of a password the score looks at. The estimate takes time that grows with the cube of the length
// and faster on text made for it: a quarter of a second at 100 characters, twenty milliseconds at this. A password that is
// worth the best score has it long before.
const scoredRunes = 32

// Rules decide which passwords people may choose. There are no rules about kinds of characters, and none about age.
type Rules struct {
	// MinLength in code points. 0 means DefaultMinLength, anything below MinPasswordLength means that.
	MinLength int
	// Brand is the product's name in this installation.
	Brand string
	// Exposed is the operator's list of passwords from breaches; nil when there is none.
	Exposed *Exposed
}

// Person is what an attacker knows about the owner of a password. All fields may be empty.
type Person struct {
	Email         string
	RealName      string
	Organizations []string // names
}

// Verdict is what Check found.
type Verdict struct {
	Acceptable bool
	Score      int    // estimated strength, 0 (guessed at once) to 4; 0 or 1 when not acceptable, never 0 when acceptable
	Code       string // why not, one of the Code constants; empty when acceptable
	Message    string // a sentence for the owner: what to change, or how strong it is

	// Err says that the list of exposed passwords could not be read, and nothing about the password. It changes nothing
	// else of the verdict, so that a broken disk keeps nobody from changing a password. Log it.
	Err error
}

// Check says whether the person may use the password. It asks nobody: the common passwords are in the program, those of
// breaches on this server's disk. Use it wherever a password is chosen, and never where one is checked: people whose passwords
// were accepted once can sign in; what becomes of one that was exposed since is told by [Exposed.Contains].
func (r Rules) Check(password string, person Person) Verdict {
	form, problem := passwordForm(password)
	if problem != "" {
		return r.refuse(problem, 0)
	}
	words := r.personalWords(person)
	score := strength(form, words)
	if code := r.problem(form, words); code != "" {
		return r.refuse(code, score)
	}
	if score == 0 { // at most a thousand guesses: alphabets, keyboard rows, dates
		return r.refuse(CodeCommon, score)
	}
	exposed, err := r.Exposed.Contains(form)
	if exposed {
		return r.refuse(CodeExposed, score)
	}
	return Verdict{Acceptable: true, Score: score, Message: praise[score], Err: err}
}

// praise is indexed by score; 0 is refused.
var praise = [...]string{
	1: "This password is allowed but weak; a few more unrelated words would help.",
	2: "This password is fair; another word or two would make it strong.",
	3: "This password is good.",
	4: "This password is strong.",
}

func (r Rules) refuse(code string, score int) Verdict {
	return Verdict{Score: min(score, 1), Code: code, Message: r.message(code)}
}

func (r Rules) message(code string) string {
	switch code {
	case CodeTooShort:
		return fmt.Sprintf("Use at least %d characters; several words are easier to remember than signs.", r.minLength())
	case CodeTooLong:
		return fmt.Sprintf("Use at most %d characters and %d bytes.", MaxPasswordLength, MaxPasswordBytes)
	case CodeNotText:
		return "Use characters that can be typed: this is not valid UTF-8 text or holds a NUL."
	case CodeRepeated:
		return "Use more than one character repeated."
	case CodePersonal:
		return "Use something other than your name, your address, or the name of the product or an organization."
	case CodeExposed:
		return "Use another password: this one became public in a breach somewhere, and such passwords are tried first."
	}
	return "Use something less common: this password, or one it is a simple variation of, is among the first that are tried."
}

func (r Rules) problem(form string, words []string) string {
	if utf8.RuneCountInString(form) < r.minLength() {
		return CodeTooShort
	}
	lower := strings.ToLower(form)
	if utf8.RuneCountInString(unit(lower)) == 1 {
		return CodeRepeated
	}
	forms := variations(lower)
	if slices.ContainsFunc(forms, isCommon) {
		return CodeCommon
	}
	if slices.ContainsFunc(forms, func(s string) bool { return isPersonal(s, words) }) {
		return CodePersonal
	}
	return ""
}

func (r Rules) minLength() int {
	return max(cmp.Or(r.MinLength, DefaultMinLength), MinPasswordLength)
}

// isPersonal reports whether the text is one of the words, or is nothing that could stand alone once the words are taken out:
// fewer letters and digits than the shortest password, or something common.
func isPersonal(text string, words []string) bool {
	if slices.Contains(words, text) {
		return true
	}
	rest := text
	for _, w := range words {
		if utf8.RuneCountInString(w) >= 4 { // shorter ones are part of many other words
			rest = strings.ReplaceAll(rest, w, " ")
		}
	}
	if rest == text {
		return false
	}
	rest = lettersAndDigits(rest)
	return utf8.RuneCountInString(rest) < MinPasswordLength || slices.ContainsFunc(edges(rest), isCommon)
}

// maxPersonalWords keeps somebody with hundreds of organizations from making a check slow.
const maxPersonalWords = 100

// personalWords returns the names in lower case and their parts, the longest first, so that a name goes before its parts.
func (r Rules) personalWords(p Person) []string {
	local, domain, _ := strings.Cut(p.Email, "@")
	names := append([]string{p.Email, local, domain, p.RealName, r.Brand}, p.Organizations...)
	var words []string
	for _, name := range names {
		name = strings.ToLower(norm.NFC.String(name))
		words = append(words, name, lettersAndDigits(name))
		words = append(words, strings.FieldsFunc(name, isSeparator)...)
	}
	words = slices.DeleteFunc(words, func(w string) bool {
		n := utf8.RuneCountInString(w)
		return n < 3 || n > MaxPasswordLength
	})
	words = words[:min(len(words), maxPersonalWords)]
	slices.SortFunc(words, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(words)
}

// strength estimates how many guesses the password would take, on a scale of 0 to 4.
func strength(form string, words []string) int {
	end, n := len(form), 0
	for i := range form {
		if n == scoredRunes {
			end = i
			break
		}
		n++
	}
	return zxcvbn.PasswordStrength(form[:end], words).Score
}

// variations returns the text and what is left of it when the usual embellishments are undone: signs between the letters,
// repetition, digits and signs around a word, digits and signs in place of letters, writing backwards.
func variations(lower string) []string {
	forms := []string{lower}
	for _, undo := range []func(string) []string{
		func(s string) []string { return []string{lettersAndDigits(s)} },
		func(s string) []string { return []string{unit(s)} },
		edges,
		func(s string) []string { return []string{leetI.Replace(s), leetL.Replace(s)} },
		func(s string) []string { return []string{unit(s)} },
		func(s string) []string { return []string{backwards(s)} },
	} {
		for _, s := range slices.Clone(forms) {
			for _, u := range undo(s) {
				if u != "" && !slices.Contains(forms, u) {
					forms = append(forms, u)
				}
			}
		}
	}
	return forms
}

// The digits and signs people write for letters; 1 and | stand for two.
var (
	leetI = strings.NewReplacer(append([]string{"1", "i", "|", "i"}, leet...)...)
	leetL = strings.NewReplacer(append([]string{"1", "l", "|", "l"}, leet...)...)
	leet  = []string{"0", "o", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "9", "g", "@", "a", "$", "s", "!", "i", "+", "t", "(", "c"}
)

// edges returns the text without the digits and signs at its end, at its beginning, and at both, and without the signs alone.
func edges(s string) []string {
	return []string{
		s,
		strings.TrimRightFunc(s, notLetter),
		strings.TrimLeftFunc(s, notLetter),
		strings.TrimFunc(s, notLetter),
		strings.TrimFunc(s, isSeparator),
	}
}

// unit returns the shortest text that, repeated, makes s: "ab" of "ababab", s itself when there is none.
func unit(s string) string {
	if s == "" {
		return s
	}
	return s[:1+strings.Index((s + s)[1:], s)]
}

func backwards(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}

func lettersAndDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if isSeparator(r) {
			return -1
		}
		return r
	}, s)
}

// A mark belongs to the letter before it: taking it away would make another word.
func notLetter(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }

func isSeparator(r rune) bool { return notLetter(r) && !unicode.IsDigit(r) }
