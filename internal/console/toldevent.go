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
	one, parts, found := list.find(sentence)
	if !found {
		return sentence, false
	}
	var put []string
	for i, part := range parts {
		at := "%[" + string(rune('1'+i)) + "]"
		if put = append(put, at+"s", part); !strings.Contains(one.words, at+"v") {
			continue
		}
		inner, known := list.tell(part)
		if !known && strings.HasPrefix(one.words, at) { // half a sentence of each language
			return sentence, false
		}
		put = append(put, at+"v", inner)
	}
	return strings.NewReplacer(put...).Replace(one.words), true
}
