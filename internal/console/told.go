package console

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// told are messages of errors, of refusals and their remedies in another
// language, by the English format as it stands in the code. What is put into
// them is found again in the message; other languages put it in with %[1]s.
type told []telling

type telling struct {
	format  string
	message *regexp.Regexp
	words   string
}

// formatVerb is what a format puts something in by.
var formatVerb = regexp.MustCompile(`%[.0-9]*[a-z]`)

func newTold(byFormat map[string]string) told {
	return newTelling(byFormat, func(string) string { return "(.+?)" })
}

// newTelling is newTold where a verb of a format stands for what a pattern
// matches.
func newTelling(byFormat map[string]string, pattern func(verb string) string) told {
	var list told
	// Of formats that fit the same message, the longer one says more.
	formats := slices.SortedFunc(maps.Keys(byFormat), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, format := range formats {
		verbs := formatVerb.FindAllString(format, -1)
		var message strings.Builder
		for i, part := range formatVerb.Split(format, -1) {
			message.WriteString(regexp.QuoteMeta(part))
			if i < len(verbs) {
				message.WriteString(pattern(verbs[i]))
			}
		}
		list = append(list, telling{format, regexp.MustCompile("(?s)^" + message.String() + "$"), byFormat[format]})
	}
	return list
}

// verdicts are the messages about passwords, which a script asks for, and what
// to say instead, as JSON.
func (t *tongue) verdicts() (string, error) {
	list := map[string]string{}
	for _, one := range t.told() {
		if strings.HasPrefix(one.format, "Use ") || strings.HasPrefix(one.format, "This password ") {
			list[one.format] = one.words
		}
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// find is the first that fits a message, and what is put into it.
func (list told) find(message string) (one telling, parts []string, found bool) {
	for _, one := range list {
		if fit := one.message.FindStringSubmatch(message); fit != nil {
			return one, fit[1:], true
		}
	}
	return telling{}, nil, false
}

// tell is a message in the tongue; empty: only its English is there.
func (t *tongue) tell(message string) string {
	one, parts, _ := t.told().find(message)
	words := one.words
	for i, part := range parts {
		verb, told := "%["+string(rune('1'+i))+"]s", t.tellList(part)
		if strings.HasSuffix(told, ".") { // a sentence, which ends once
			words = strings.ReplaceAll(words, verb+".", told)
		}
		words = strings.ReplaceAll(words, verb, told)
	}
	return words
}

// tellWhole is tell for a message that may end with what to write instead, as
// those of the policy do.
func (t *tongue) tellWhole(message string) string {
	wrong, right, found := strings.Cut(message, ": write ")
	if told := t.tell(wrong); found && told != "" {
		return told + " " + t.say("word.write", right)
	}
	return t.tell(message)
}

// tellList is what is put into a message: “your password or a passkey”, whose
// parts are messages themselves, or what people call something, as it is.
func (t *tongue) tellList(part string) string {
	if whole := t.tell(part); whole != "" {
		return whole
	}
	list := strings.Split(part, " or ")
	for i, one := range list {
		if list[i] = t.tell(one); list[i] == "" {
			list[i] = one
			if len(list) > 1 && !asItIs[one] {
				return part
			}
		}
	}
	return strings.Join(list, t.say("word.or"))
}

// asItIs are parts of such lists that are the same in each language.
var asItIs = map[string]bool{"Google": true, "Microsoft": true, "GitHub": true}

// tellAll is a text of several messages, each of which ends with a full stop.
func (t *tongue) tellAll(text string) string {
	var list []string
	for one := range strings.SplitAfterSeq(text, ". ") {
		one = strings.TrimSpace(one)
		list = append(list, cmp.Or(t.tell(one), one))
	}
	return strings.Join(list, " ")
}
