package console

import "github.com/sallyport/sallyport/internal/org"

// diagnosis is a text in the language of the page, or else in English.
type diagnosis struct {
	Text string
	Told bool
}

// diagnosisOf is what is wrong with a response. What the message says of itself
// stays as it is.
func (t *tongue) diagnosisOf(english string) diagnosis {
	text, told := t.diagnosed().tell(english)
	return diagnosis{t.inPageWords(text), told}
}

// remedyOf is what to change. The provider's console speaks English to us: its
// words are those of the manual.
func (t *tongue) remedyOf(c *org.SAMLCause) diagnosis {
	kind, told := t.diagnosed().tell(c.Kind)
	if !told {
		return diagnosis{t.inPageWords(c.Remedy), false}
	}
	terms := map[string]string{}
	for name, term := range c.Terms {
		terms[name], _ = t.diagnosed().tell(term)
	}
	return diagnosis{t.inPageWords(org.Fill(kind, terms)), true}
}
