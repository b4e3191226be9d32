package httpapi

import (
	"net/url"
	"strings"
)

// pairs is text such as a=1&b=2, of a query or a form, that can be read to its
// end. It is decoded where it is looked at, which for the few fields that
// requests have takes no memory.
type pairs string

// manyPairs is from how many on net/url reads them first: it has a bound.
const manyPairs = 64

// readPairs accepts what url.ParseQuery does.
func readPairs(raw string) (pairs, bool) {
	if isPlainQuery(raw) {
		return pairs(raw), true
	}
	return readOddPairs(raw)
}

// readOddPairs reads what has to be looked at in its parts.
func readOddPairs(raw string) (pairs, bool) {
	if strings.Count(raw, "&") >= manyPairs {
		_, err := url.ParseQuery(raw)
		return pairs(raw), err == nil
	}
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		if strings.Contains(part, ";") || !isEscaped(name) || !isEscaped(value) {
			return "", false
		}
	}
	return pairs(raw), true
}

// isPlainQuery says of most queries and forms at one look that they stand for
// themselves: few pairs of ASCII text without escapes.
func isPlainQuery(raw string) bool {
	others := 0
	for i := range len(raw) {
		switch c := raw[i]; {
		case c <= ' ', c > '~', c == '%', c == '+', c == ';':
			return false
		case c == '&':
			others++
		}
	}
	return others < manyPairs
}

func isEscaped(s string) bool {
	if strings.IndexByte(s, '%') < 0 {
		return true
	}
	_, err := url.QueryUnescape(s)
	return err == nil
}

// all yields names and values in their order.
func (p pairs) all(yield func(name, value string) bool) {
	for rest := string(p); rest != ""; {
		var part string
		if part, rest, _ = strings.Cut(rest, "&"); part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if !yield(unescaped(name), unescaped(value)) {
			return
		}
	}
}

// unescaped decodes what readPairs has tried.
func unescaped(s string) string {
	if strings.IndexByte(s, '%') >= 0 || strings.IndexByte(s, '+') >= 0 {
		s, _ = url.QueryUnescape(s)
	}
	return s
}

// get is the first value of a name; empty: there is none.
func (p pairs) get(name string) string {
	for other, value := range p.all {
		if other == name {
			return value
		}
	}
	return ""
}

// count is how often a name is there.
func (p pairs) count(name string) (n int) {
	for other := range p.all {
		if other == name {
			n++
		}
	}
	return n
}

// twice is a name that is there more than once.
func (p pairs) twice() (name string, found bool) {
	var room [8]string
	seen := room[:0]
	for name := range p.all {
		if len(seen) == cap(room[:]) {
			return p.twiceOfMany()
		}
		for _, other := range seen {
			if other == name {
				return name, true
			}
		}
		seen = append(seen, name)
	}
	return "", false
}

func (p pairs) twiceOfMany() (name string, found bool) {
	seen := map[string]bool{}
	for name := range p.all {
		if seen[name] {
			return name, true
		}
		seen[name] = true
	}
	return "", false
}
