package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Every refusing rule of the table, and what would let the request in.
func TestMends(t *testing.T) {
	for _, c := range []struct {
		name, facts string
		want        []string
		apart       bool // all first mends at once are not enough
	}{
		{name: "deactivated", facts: "state deactivated", want: []string{"4 admin principal.state=active"}},
		{name: "the token's own addresses", facts: "credential personal_token\naddresses 203.0.113.0/24", want: []string{"5 owner client=203.0.113.0", "5 owner credential.addresses="}},
		{
			name: "ranges", facts: "policy api_client_ip_allowlist 203.0.113.0/24\npolicy api_client_ip_allowlist_enabled true",
			want: []string{"6 admin policy.api_client_ip_allowlist=198.51.100.7/32", "6 owner client=203.0.113.0", "6 admin policy.api_client_ip_allowlist_enabled=false"},
		},
		{
			name: "ranges, from an unknown address", facts: "client unknown\npolicy api_client_ip_allowlist 203.0.113.0/24\npolicy api_client_ip_allowlist_enabled true",
			want: []string{"6 owner client=203.0.113.0", "6 admin policy.api_client_ip_allowlist_enabled=false"},
		},
		{name: "no member", facts: "member no", want: []string{"7 admin principal.member=true"}},
		{name: "personal tokens off", facts: "credential personal_token\npolicy personal_tokens_enabled false", want: []string{"9 admin policy.personal_tokens_enabled=true", "9 owner credential.kind=session"}},
		{
			// A session would meet that passwords are off, so it is no mend.
			name: "personal tokens off where passwords are", facts: "credential personal_token\npolicy personal_tokens_enabled false\npolicy password_auth_enabled false",
			want: []string{"9 admin policy.personal_tokens_enabled=true"},
		},
		{name: "personal tokens of managed users off", facts: "credential personal_token\npolicy personal_tokens_managed_users_enabled false", want: []string{"10 admin policy.personal_tokens_managed_users_enabled=true", "10 owner credential.kind=session"}},
		{name: "making a token, managed", facts: "action create_personal_token\nmanaged_by acme\npolicy personal_tokens_managed_users_enabled false", want: []string{"11 admin policy.personal_tokens_managed_users_enabled=true"}},
		{
			name: "making a token, all off", facts: "action create_personal_token\nmanaged_by acme\npolicy personal_tokens_managed_users_enabled false\npolicy personal_tokens_enabled false",
			want: []string{"11 admin policy.personal_tokens_enabled, personal_tokens_managed_users_enabled=true"},
		},
		{name: "making a token, off everywhere", facts: "action create_personal_token\nmembership personal_tokens_enabled false", want: []string{"11 admin memberships=personal_tokens_enabled: true"}},
		{name: "making a token with an application token", facts: "action create_personal_token\ncredential application_token", want: nil, apart: true},
		{
			name: "passwords off", facts: "policy password_auth_enabled false",
			want: []string{
				"12 admin policy.password_auth_enabled=true", "12 owner credential.authentication.method=saml", "12 owner credential.authentication.method=google",
				"12 owner credential.authentication.method=microsoft", "12 owner credential.authentication.method=github", "12 owner credential.authentication.method=passkey",
			},
		},
		{
			name: "one provider off, everything but passkeys off", facts: "method github\npolicy {\"oauth_enabled\": false, \"saml_enabled\": false, \"password_auth_enabled\": false}",
			want: []string{"13 admin policy.oauth_enabled, oauth_providers_allowed=github", "13 owner credential.authentication.method=passkey"},
		},
		{
			name: "identity providers off, and that one too", facts: "method saml\nprovider p\nprovider_organization acme\nprovider_off yes\npolicy {\"oauth_enabled\": false, \"saml_enabled\": false, \"passkey_auth_enabled\": false}",
			want: []string{"14 admin policy.saml_enabled, credential.provider_off=true, false", "14 owner credential.authentication.method=password"},
		},
		{
			name: "another organization's", facts: "method saml\nprovider p\nprovider_organization other\npolicy {\"saml_allow_external\": false, \"oauth_enabled\": false, \"passkey_auth_enabled\": false, \"password_auth_enabled\": false}",
			want: []string{"15 admin policy.saml_allow_external=true"},
		},
		{
			name: "passkeys off", facts: "method passkey\npolicy {\"passkey_auth_enabled\": false, \"oauth_enabled\": false, \"saml_enabled\": false}",
			want: []string{"16 admin policy.passkey_auth_enabled=true", "16 owner credential.authentication.method=password"},
		},
		{name: "second factor", facts: "policy two_factor_required true", want: []string{"17 owner credential.authentication.second_factor=true", "17 admin policy.two_factor_required=false"}},
		{name: "too old", facts: "policy session_max_age_seconds 900", want: []string{"18 owner credential.created=now", "18 admin policy.session_max_age_seconds=null"}},
		{name: "too old and idle", facts: "policy session_max_age_seconds 900\npolicy session_idle_seconds 300", want: []string{"18 owner credential.created=now", "18 admin policy.session_max_age_seconds, session_idle_seconds=null"}},
		{name: "an old application token", facts: "credential application_token\npolicy max_application_token_age_seconds 600", want: []string{"18 owner credential.created=now", "18 admin policy.max_application_token_age_seconds=null"}},
		{name: "not covered", facts: "covered no", want: []string{"19 admin covered=true"}},
		{
			name: "two rules", facts: "state deactivated\npolicy two_factor_required true",
			want: []string{
				"4 admin principal.state=active then mfa_required_by_organization",
				"17 owner credential.authentication.second_factor=true then user_deactivated", "17 admin policy.two_factor_required=false then user_deactivated",
			},
		},
		{name: "a dead token", facts: "revoked yes\nstate deactivated", want: nil, apart: true},
		{name: "an unreadable policy", facts: "policy unreadable", want: nil, apart: true},
		{name: "nothing refuses", facts: "covered yes", want: nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := one(t, c.facts)
			var got []string
			for _, m := range Mends(f) {
				line := fmt.Sprintf("%d %s %s=%s", m.Rule, m.By, m.Fact, m.Value)
				if len(m.Left) > 0 {
					line += " then " + strings.Join(m.Left, " ")
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if Together(f) == c.apart {
				t.Errorf("all at once are enough: %t", !c.apart)
			}
		})
	}
}

// Mends are of refusing rules, leave the facts alone, and answer every rule
// that can be answered.
func TestMendsOfAnyFacts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		before, err := f.MarshalJSON()
		if err != nil {
			t.Skip("facts that are not recorded")
		}
		d := Decide(&f)
		mends := Mends(&f)
		Together(&f)
		if after, _ := f.MarshalJSON(); string(after) != string(before) {
			t.Fatalf("the facts became %s", after)
		}
		answered := map[int]bool{}
		for _, m := range mends {
			answered[m.Rule] = true
			for _, code := range m.Left {
				if !slices.Contains(d.Codes(), code) {
					t.Fatalf("%+v makes %s refuse", m, code)
				}
			}
		}
		unanswerable := []int{0, 1, 2, 3, 11, 15} // dead, unreadable, or a machine's, or of no known method
		for _, r := range d.Reasons() {
			if !answered[r.Rule] && !slices.Contains(unanswerable, r.Rule) {
				t.Fatalf("nothing mends rule %d", r.Rule)
			}
			delete(answered, r.Rule)
		}
		if len(answered) > 0 {
			t.Fatalf("mends of rules that do not refuse: %v", answered)
		}
	})
}
