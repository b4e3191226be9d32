package saml

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// canonical is Exclusive XML Canonicalization 1.0 without comments of an element
// in its document, without one of its children (the Signature that it envelops;
// nil for none) and with the prefixes of an InclusiveNamespaces list.
//
// It is our own because goxmldsig's orders attributes by prefix instead of
// namespace and writes an xmlns="" that is not due; both refuse good messages. A
// mistake here could do no more than that: what is believed is the text parsed
// from the bytes that were digested, whatever made them.
func canonical(e, without *element, prefixes string) []byte {
	c := &canonicalizer{without: without, inclusive: strings.Fields(prefixes)}
	c.apex(e)
	return c.out.Bytes()
}

type canonicalizer struct {
	out       bytes.Buffer
	without   *element
	inclusive []string
	rendered  []binding // declarations in force in the output, innermost last
}

// apex writes the element where the output begins: inclusive prefixes may have
// been declared by ancestors that are not written.
func (c *canonicalizer) apex(e *element) {
	var due []binding
	for _, prefix := range c.inclusive {
		if space, bound := e.scope(prefix); bound {
			due = append(due, binding{prefix, space})
		}
	}
	c.element(e, due)
}

// scope is the namespace that a prefix has at an element.
func (e *element) scope(prefix string) (string, bool) {
	for at := e; at != nil; at = at.parent {
		for _, a := range at.attributes {
			if declared, declares := a.declares(); declares && declared == prefix {
				return a.value, true
			}
		}
	}
	return "", false
}

// element writes one element with the declarations that are due: those asked
// for, those that its own name and attributes use, and inclusive ones of its own.
func (c *canonicalizer) element(e *element, due []binding) {
	mark := len(c.rendered)
	due = append(due, binding{e.prefix, e.space})
	var attributes []attribute
	for _, a := range e.attributes {
		if prefix, declares := a.declares(); declares {
			if slices.Contains(c.inclusive, prefix) {
				due = append(due, binding{prefix, a.value})
			}
			continue
		}
		attributes = append(attributes, a)
		if a.prefix != "" {
			due = append(due, binding{a.prefix, a.space})
		}
	}
	c.out.WriteByte('<')
	c.name(e.prefix, e.local)
	c.declarations(due, mark)
	c.attributes(attributes)
	c.out.WriteByte('>')
	for _, n := range e.children {
		switch {
		case n.element == nil:
			c.escape(n.text, textEscapes)
		case n.element != c.without:
			c.element(n.element, nil)
		}
	}
	c.out.WriteString("</")
	c.name(e.prefix, e.local)
	c.out.WriteByte('>')
	c.rendered = c.rendered[:mark]
}

// declarations writes what is due and not in force, ordered by prefix with the
// default namespace first.
func (c *canonicalizer) declarations(due []binding, mark int) {
	for _, b := range due {
		if b.prefix == "xml" || c.inForce(b.prefix) == b.space {
			continue
		}
		c.rendered = append(c.rendered, b)
	}
	written := c.rendered[mark:]
	slices.SortFunc(written, func(a, b binding) int { return cmp.Compare(a.prefix, b.prefix) })
	for _, b := range written {
		c.out.WriteString(" xmlns")
		if b.prefix != "" {
			c.out.WriteByte(':')
			c.out.WriteString(b.prefix)
		}
		c.out.WriteString(`="`)
		c.escape(b.space, valueEscapes)
		c.out.WriteByte('"')
	}
}

// inForce is the namespace that a prefix has in the output so far; "" when it
// has none, which for the default namespace needs no declaration.
func (c *canonicalizer) inForce(prefix string) string {
	for i := len(c.rendered) - 1; i >= 0; i-- {
		if c.rendered[i].prefix == prefix {
			return c.rendered[i].space
		}
	}
	return ""
}

// attributes writes them ordered by namespace, then by name.
func (c *canonicalizer) attributes(attributes []attribute) {
	slices.SortFunc(attributes, func(a, b attribute) int {
		return cmp.Or(cmp.Compare(a.space, b.space), cmp.Compare(a.local, b.local))
	})
	for _, a := range attributes {
		c.out.WriteByte(' ')
		c.name(a.prefix, a.local)
		c.out.WriteString(`="`)
		c.escape(a.value, valueEscapes)
		c.out.WriteByte('"')
	}
}

func (c *canonicalizer) name(prefix, local string) {
	if prefix != "" {
		c.out.WriteString(prefix)
		c.out.WriteByte(':')
	}
	c.out.WriteString(local)
}

// Characters that are written as references (Canonical XML 1.0, 2.3).
const (
	textEscapes  = "&<>\r"
	valueEscapes = "&<\"\t\n\r"
)

func (c *canonicalizer) escape(s, special string) {
	for {
		at := strings.IndexAny(s, special)
		if at < 0 {
			c.out.WriteString(s)
			return
		}
		c.out.WriteString(s[:at])
		switch s[at] {
		case '&':
			c.out.WriteString("&amp;")
		case '<':
			c.out.WriteString("&lt;")
		case '>':
			c.out.WriteString("&gt;")
		case '"':
			c.out.WriteString("&quot;")
		case '\t':
			c.out.WriteString("&#x9;")
		case '\n':
			c.out.WriteString("&#xA;")
		case '\r':
			c.out.WriteString("&#xD;")
		}
		s = s[at+1:]
	}
}
