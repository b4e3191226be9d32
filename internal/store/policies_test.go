package store

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

const (
	officeOnly   = `{"api_client_ip_allowlist_enabled": true, "api_client_ip_allowlist": ["192.0.2.0/24"], "api_client_ip_allowlist_descriptions": {"192.0.2.0/24": "office"}}`
	passwordsOff = `{"password_auth_enabled": false}`
)

// TestPoliciesOfOneText: what is kept says the same as what is read, and nobody
// who got it can change it for others: neither a field nor a range.
func TestPoliciesOfOneText(t *testing.T) {
	r := &Read{policies: &policies{}}
	for _, text := range []policyText{{officeOnly, ""}, {officeOnly, passwordsOff}, {"{}", ""}, {"{", ""}, {"{}", "{"}, {"{}", officeOnly}} {
		want := identity.EffectivePolicy(text.stored, text.change)
		for range 3 {
			got := r.EffectivePolicy(text.stored, text.change)
			wantSame(t, text.stored+" with "+text.change, got, want)
			if got == nil {
				continue
			}
			got.PasswordEnabled = !got.PasswordEnabled
			for i := range got.Ranges.List {
				got.Ranges.List[i].Description = "spoiled"
			}
		}
	}
}

// TestPoliciesAreBounded: however many texts there are, and however long one is.
func TestPoliciesAreBounded(t *testing.T) {
	m := &policies{}
	pad := strings.Repeat(" ", onePolicyText-100)
	for i := range 3 * mostPolicyText / onePolicyText {
		text := policyText{fmt.Sprintf(`{"session_idle_seconds": %d}`, 600+i) + pad, ""}
		if p := m.effective(text); p == nil || int(p.SessionIdle.Seconds()) != 600+i {
			t.Fatalf("policy %d: %v", i, p)
		}
		if m.read[text] == nil {
			t.Fatalf("policy %d was not kept", i)
		}
	}
	size := 0
	for text := range m.read {
		size += text.size()
	}
	if size != m.size || size > mostPolicyText {
		t.Errorf("%d bytes of policies are kept and %d counted, of %d", size, m.size, mostPolicyText)
	}
	long := policyText{"{}" + strings.Repeat(" ", onePolicyText), ""}
	if m.effective(long) == nil {
		t.Error("a long policy cannot be read")
	}
	if _, kept := m.read[long]; kept {
		t.Error("one that is too long was kept")
	}
}

// TestPoliciesAtTheSameTime is for the race detector.
func TestPoliciesAtTheSameTime(t *testing.T) {
	r := &Read{policies: &policies{}}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 200 {
				p := r.EffectivePolicy(officeOnly, fmt.Sprintf(`{"session_idle_seconds": %d}`, 600+i%7))
				if p == nil || int(p.SessionIdle.Seconds()) != 600+i%7 || p.Ranges.List[0].Description != "office" {
					t.Errorf("policy %d: %+v", i, p)
					return
				}
				p.SessionIdle, p.Ranges.List[0].Description = 0, "spoiled"
			}
		})
	}
	all.Wait()
}
