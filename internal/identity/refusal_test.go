package identity

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/policy"
)

// TestRefusedError: what a caller hears of each kind of refusal, with and
// without a record of it.
func TestRefusedError(t *testing.T) {
	p, now := policy.Default(), time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	p.PasswordEnabled = false
	facts := policy.Facts{
		Action: policy.Access, Now: now, Client: netip.MustParseAddr("198.51.100.7"), Organization: "org-a", Policy: &p, Covered: true,
		Principal:  policy.Principal{Kind: policy.User, State: policy.Active, Member: true},
		Credential: policy.Credential{Kind: policy.Session, Created: now, LastUsed: now, Authentication: policy.Authentication{Method: policy.MethodPassword, At: now}},
	}
	stranger, expired := facts, facts
	stranger.Principal.Member = false
	expired.Credential.Expires = now.Add(-time.Second)
	const code = policy.CodePassword
	for _, c := range []struct {
		name     string
		facts    policy.Facts
		id       string
		kind     Kind
		code     string
		metadata []string
		recorded bool
	}{
		{"recorded", facts, "dec_1", Forbidden, code, []string{"decision_id", "decision_url", "reasons", "remedy", "remedy_url"}, true},
		{"not recorded", facts, "", Forbidden, code, []string{"reasons", "remedy", "remedy_url"}, false},
		{"a stranger", stranger, "dec_1", NotFound, "organization_not_found", nil, false},
		{"an expired credential", expired, "dec_1", Unauthenticated, "authentication_failed", nil, false},
	} {
		e := RefusedError(policy.Decide(&c.facts), &c.facts, c.id, "https://sallyport.example")
		if e.Kind != c.kind || e.Code != c.code || e.Recorded != c.recorded {
			t.Errorf("%s: %d %s, recorded %v", c.name, e.Kind, e.Code, e.Recorded)
		}
		if diff := cmp.Diff(c.metadata, keys(e.Metadata)); diff != "" {
			t.Errorf("%s: metadata (-want +got):\n%s", c.name, diff)
		}
	}
}

func keys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
