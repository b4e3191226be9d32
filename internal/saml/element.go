package saml

import (
	"iter"
	"strings"
)

// element is one element of a document that passed the gate. Its names are
// resolved; prefixes are kept for canonicalization.
type element struct {
	prefix, local string
	space         string // namespace; empty for none
	attributes    []attribute
	children      []node
	parent        *element
}

// attribute of an element, namespace declarations included.
type attribute struct {
	prefix, local string
	space         string
	value         string
}

// node is a child: an element, or text.
type node struct {
	element *element
	text    string
}

// declares reports whether the attribute binds a prefix, and which ("" is the
// default namespace).
func (a attribute) declares() (string, bool) {
	switch {
	case a.prefix == "xmlns":
		return a.local, true
	case a.prefix == "" && a.local == "xmlns":
		return "", true
	default:
		return "", false
	}
}

// is reports whether the element has that expanded name.
func (e *element) is(space, local string) bool {
	return e != nil && e.local == local && e.space == space
}

// attribute is the value of an attribute without namespace.
func (e *element) attribute(name string) (string, bool) {
	for _, a := range e.attributes {
		if a.prefix == "" && a.local == name {
			return a.value, true
		}
	}
	return "", false
}

// value is the value of an attribute, "" when it is not there.
func (e *element) value(name string) string {
	v, _ := e.attribute(name)
	return v
}

// elements are the child elements.
func (e *element) elements() iter.Seq[*element] {
	return func(yield func(*element) bool) {
		for _, n := range e.children {
			if n.element != nil && !yield(n.element) {
				return
			}
		}
	}
}

// named are the child elements of that name.
func (e *element) named(space, local string) []*element {
	var found []*element
	for child := range e.elements() {
		if child.is(space, local) {
			found = append(found, child)
		}
	}
	return found
}

// first is the first child element of that name, nil when there is none.
func (e *element) first(space, local string) *element {
	for child := range e.elements() {
		if child.is(space, local) {
			return child
		}
	}
	return nil
}

// only is the one child element of that name; nil when there is none or more.
func (e *element) only(space, local string) *element {
	var found *element
	for child := range e.elements() {
		if !child.is(space, local) {
			continue
		}
		if found != nil {
			return nil
		}
		found = child
	}
	return found
}

// text is the character data of an element that has no child elements.
func (e *element) text() (string, bool) {
	switch len(e.children) {
	case 0:
		return "", true
	case 1:
		return e.children[0].text, e.children[0].element == nil
	}
	var b strings.Builder
	for _, n := range e.children {
		if n.element != nil {
			return "", false
		}
		b.WriteString(n.text)
	}
	return b.String(), true
}

// hasText reports character data, other than white space, between the children.
func (e *element) hasText() bool {
	for _, n := range e.children {
		if n.element == nil && !isWhite(n.text) {
			return true
		}
	}
	return false
}

// all are the element and everything below it, in document order.
func (e *element) all() iter.Seq[*element] {
	return func(yield func(*element) bool) { e.walk(yield) }
}

func (e *element) walk(yield func(*element) bool) bool {
	if !yield(e) {
		return false
	}
	for _, n := range e.children {
		if n.element != nil && !n.element.walk(yield) {
			return false
		}
	}
	return true
}

// within is the nearest of the element and its ancestors that has that name.
func (e *element) within(space, local string) *element {
	for at := e; at != nil; at = at.parent {
		if at.is(space, local) {
			return at
		}
	}
	return nil
}

// isWhite reports white space of XML 1.0 only (section 2.3).
func isWhite(s string) bool {
	return strings.Trim(s, " \t\r\n") == ""
}
