package saml

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Messages of ours are built as elements and written in canonical form: one
// serializer for what we send and what we sign.

// newElement is an element with the declaration of its prefix.
func newElement(prefix, space, local string) *element {
	e := &element{prefix: prefix, space: space, local: local}
	return e.declare(prefix, space)
}

func (e *element) declare(prefix, space string) *element {
	if prefix == "" {
		e.attributes = append(e.attributes, attribute{local: "xmlns", space: nsXMLNS, value: space})
	} else {
		e.attributes = append(e.attributes, attribute{prefix: "xmlns", local: prefix, space: nsXMLNS, value: space})
	}
	return e
}

// set adds an attribute, unless the value is empty.
func (e *element) set(name, value string) *element {
	if value != "" {
		e.attributes = append(e.attributes, attribute{local: name, value: writable(value)})
	}
	return e
}

// add appends a child of a namespace whose prefix is declared above.
func (e *element) add(prefix, space, local string) *element {
	child := &element{prefix: prefix, space: space, local: local, parent: e}
	e.children = append(e.children, node{element: child})
	return child
}

// say appends text, unless it is empty.
func (e *element) say(text string) *element {
	if text != "" {
		e.children = append(e.children, node{text: writable(text)})
	}
	return e
}

// insert puts a child at a place among the children.
func (e *element) insert(at int, child *element) {
	child.parent = e
	e.children = append(e.children, node{})
	copy(e.children[at+1:], e.children[at:])
	e.children[at] = node{element: child}
}

// write serializes a document.
func (e *element) write() []byte { return canonical(e, nil, "") }

// writable replaces what XML 1.0 has no way to write (section 2.2).
func writable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return utf8.RuneError
		}
		return r
	}, s)
}

// NewID makes an id for a message: "_" and 128 random bits in hexadecimal (SAML
// Core 1.3.4).
func NewID(random io.Reader) (string, error) {
	var bits [16]byte
	if _, err := io.ReadFull(random, bits[:]); err != nil {
		return "", fmt.Errorf("make the id of a message: %w", err)
	}
	return "_" + hex.EncodeToString(bits[:]), nil
}
