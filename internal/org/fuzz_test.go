package org

import (
	"encoding/json"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "YmVmb3JlIDE", cursorAfter(identity.Event{ID: 1<<63 - 1}), "YmVmb3JlIC0x", "!!", "YmVmb3JlICsx"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		id, err := parseCursor(cursor)
		if err != nil || cursor == "" {
			return
		}
		if id < 1 {
			t.Errorf("%q is read as %d", cursor, id)
		}
		if again, err := parseCursor(cursorAfter(identity.Event{ID: id})); err != nil || again != id {
			t.Errorf("%d comes back as %d, %v", id, again, err)
		}
	})
}

// Whatever comes, a change is either refused or touches nothing but fields of
// the policy resource: never the ranges.
func FuzzPolicyChange(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"accept_lockout": true}`, `{"mcp_enabled": true}`, `{"api_client_ip_allowlist": []}`, `{"a":1,"a":2}`,
		`{"\u0061pi_client_ip_allowlist_enabled": true}`, `{"accept_lockout": true, "accept_lockout": true}`, "null", "[]", "\xff",
	} {
		f.Add([]byte(seed))
	}
	base := policy.Default()
	f.Fuzz(func(t *testing.T, document []byte) {
		_, rest, err := splitAccept(document)
		if err != nil {
			return
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(rest, &fields); err != nil || fields[acceptLockout] != nil {
			t.Fatalf("%q leaves %q, %v", document, rest, err)
		}
		next, err := policy.ParseOver(base, rest)
		if err == nil && (next.Ranges.Enabled || len(next.Ranges.List) > 0) {
			t.Errorf("%q changes the ranges", document)
		}
	})
}
