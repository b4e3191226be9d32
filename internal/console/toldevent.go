package console

import "strings"

// partOfSentence is what a verb of an event's format stands for. Names that
// people gave are quoted, so that no name ends where it would like to.
func partOfSentence(verb string) string {
	switch verb {
	case "%q":
		return `("(?:[^"\\]|\\.)*")`
	case "%d":
		return `(\d+)`
	}
	return "(.+?)"
}

// tellEvent is what an event says, in the tongue; told is false where that is
// the English that is stored.
func (t *tongue) tellEvent(sentence string) (words string, told bool) {
	return t.happened().tell(sentence)
}

// tell is a sentence by its format. What people call things stays as it is,
// whatever it reads like.
func (list told) tell(sentence string) (words string, told bool) {
	for _, one := range list {
		found := one.message.FindStringSubmatch(sentence)
		if found == nil {
			continue
		}
		var parts []string
		for i, part := range found[1:] {
			at := "%[" + string(rune('1'+i)) + "]"
			if parts = append(parts, at+"s", part); !strings.Contains(one.words, at+"v") {
				continue
			}
			inner, known := list.tell(part)
			if !known && strings.HasPrefix(one.words, at) { // half a sentence of each language
				return sentence, false
			}
			parts = append(parts, at+"v", inner)
		}
		return strings.NewReplacer(parts...).Replace(one.words), true
	}
	return sentence, false
}
