package console

import (
	"encoding/json"
	"fmt"
	"testing"
)

// TestChangesOf: what an event changed reads as a difference, whatever its
// detail holds.
func TestChangesOf(t *testing.T) {
	for _, c := range []struct{ detail, want, rest string }{
		{``, ``, ``},
		{`{}`, ``, ``},
		{`{"before":{"name":"a"},"after":{"name":"b"}}`, `name: [a]→[b]`, ``},
		{`{"before":{"a":1,"b":true},"after":{"a":1,"b":false}}`, `b: [true]→[false]`, ``},
		{`{"after":{"name":"new","empty":""}}`, `empty: []→[""]; name: []→[new]`, ``},
		{`{"before":{"name":"gone"}}`, `name: [gone]→[]`, ``},
		{`{"before":{"l":["a","b","c"]},"after":{"l":["b","c","d"]}}`, `l: [a]→[d] +2`, ``},
		{`{"before":{"l":["a","b"]},"after":{"l":["b","a"]}}`, `l: [a b]→[b a] +2`, ``},
		{`{"before":{"l":null},"after":{"l":["a"]}}`, `l: []→[a] +0`, ``},
		{`{"before":{"p":{"x":{"y":1},"z":[]}},"after":{"p":{"x":{"y":2},"z":[]}}}`, `p.x.y: [1]→[2]`, ``},
		{`{"before":{"n":12345678901234567890},"after":{"n":1}}`, `n: [12345678901234567890]→[1]`, ``},
		{`{"before":{"v":"x"},"after":{"v":["x"]}}`, `v: [x]→[["x"]]`, ``},
		{`{"before":{"a":{}},"after":{"a":{"b":1}}}`, `a: [{}]→[]; a.b: []→[1]`, ``},
		{`{"after":{"a":1},"reasons":["x"]}`, `a: []→[1]`, "{\n  \"reasons\": [\n    \"x\"\n  ]\n}"},
		{`{"before":"text","after":[1]}`, ``, ``},
		{`["a"]`, ``, "[\n  \"a\"\n]"},
		{`{"cut":"the detail was longer than 16 KiB"}`, ``, "{\n  \"cut\": \"the detail was longer than 16 KiB\"\n}"},
		{`{broken`, ``, ``},
	} {
		changed, rest := changesOf(json.RawMessage(c.detail))
		got := ""
		for i, f := range changed {
			if i > 0 {
				got += "; "
			}
			got += fmt.Sprintf("%s: %v→%v", f.Name, f.Before, f.After)
			if f.List {
				got += fmt.Sprintf(" +%d", f.Same)
			}
		}
		if got != c.want || rest != c.rest {
			t.Errorf("%s is %s with %q, want %s with %q", c.detail, got, rest, c.want, c.rest)
		}
	}
}
