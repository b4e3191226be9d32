package saml

import (
	"testing"
)

// Once a signature is right, the tree that came with the message may say what it
// likes: nothing of it is read again.
func TestOnlySignedBytesAreRead(t *testing.T) {
	f := forge{t, librarySigner{}}
	for name, c := range map[string]struct {
		text  string
		spoil func(tree *element) *element // what is spoiled of the message
	}{
		"assertion signed": {f.b1(), func(tree *element) *element { return tree.first(nsAssertion, "Assertion") }},
		"response signed":  {f.b2(), func(tree *element) *element { return tree }},
		"both signed":      {f.b3(), func(tree *element) *element { return tree }},
	} {
		t.Run(name, func(t *testing.T) {
			v := &verification{
				provider: idp(), expected: expected(), clock: clock{noon, defaultSkew}, document: post(c.text),
				checks: []Check{{}},
			}
			var tree *element
			for _, s := range pipeline {
				if s.name == StepEnvelope {
					spoil(c.spoil(tree))
				}
				if s.applies != nil && !s.applies(v) {
					continue
				}
				if err := s.run(v); err != nil {
					t.Fatalf("step %s: %v", s.name, err)
				}
				if s.name == StepXML {
					tree = v.response
				}
			}
			v.conclude()
			wantAlice(t, v.verified)
		})
	}
}

// spoil makes an element and all below it say something else.
func spoil(e *element) {
	for i := range e.attributes {
		e.attributes[i].value = "spoiled"
	}
	for i, n := range e.children {
		if n.element == nil {
			e.children[i].text = victim
		} else {
			spoil(n.element)
		}
	}
	e.local = "Spoiled"
}
