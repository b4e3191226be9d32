package org_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

func (s *stage) organization() identity.Organization {
	s.t.Helper()
	var o identity.Organization
	err := s.db.View(s.t.Context(), func(r *store.Read) (err error) {
		o, err = r.Organization(s.t.Context(), s.first.OrganizationID)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

// unchanged runs something that must leave policy and events alone.
func (s *stage) unchanged(do func()) {
	s.t.Helper()
	before, events := s.organization(), s.all()
	do()
	if after := s.organization(); after != before || s.all() != events {
		s.t.Errorf("the policy became version %d with %d events, want nothing changed", after.PolicyVersion, s.all()-events)
	}
}

func TestChangesOfThePolicyAreRecordedByField(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		version := s.organization().PolicyVersion
		after, err := s.org.ChangePolicy(t.Context(), s.admin(), []byte(`{"oauth_enabled": false, "saml_enabled": true, "session_max_age_seconds": 3600}`))
		if err != nil {
			t.Fatal(err)
		}
		want := policy.Default()
		want.OAuthEnabled, want.SessionMaxAge = false, time.Hour
		if diff := cmp.Diff(want, after, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("answered (-want +got):\n%s", diff)
		}
		if got, err := s.org.Policy(s.admin()); err != nil || got.OAuthEnabled || got.SessionMaxAge != time.Hour {
			t.Errorf("the next request sees %+v, %v", got, err)
		}
		if got := s.organization().PolicyVersion; got != version+1 {
			t.Errorf("version %d, want %d", got, version+1)
		}
		e := s.events("policy_changed")
		if len(e) != 1 || string(e[0].Detail) != `{"before":{"oauth_enabled":true,"session_max_age_seconds":null},"after":{"oauth_enabled":false,"session_max_age_seconds":3600}}` {
			t.Errorf("events %+v", e)
		}
		s.unchanged(func() {
			if _, err := s.org.ChangePolicy(t.Context(), s.admin(), []byte(`{"oauth_enabled": false, "accept_lockout": null}`)); err != nil {
				t.Error(err)
			}
			if _, err := s.org.ChangePolicy(t.Context(), s.admin(), nil); err != nil {
				t.Error(err)
			}
		})
		if after, err = s.org.ChangePolicy(t.Context(), s.admin(), []byte(`{"session_max_age_seconds": null}`)); err != nil || after.SessionMaxAge != 0 {
			t.Errorf("null leaves the limit %v, %v", after.SessionMaxAge, err)
		}
	})
}

func TestPOL11_TypesThatMeanYes(t *testing.T) {
	s := emptyStage(t, migrated.SQLite(t))
	s.bootstrap()
	for document, want := range map[string]string{
		`{"two_factor_required": "false"}`:                  "bad_request",
		`{"two_factor_required": 0}`:                        "bad_request",
		`{"two_factor_required": null}`:                     "bad_request",
		`{"two_factor_required": []}`:                       "bad_request",
		`{"oauth_providers_allowed": null}`:                 "bad_request",
		`{"oauth_providers_allowed": ["google", "google"]}`: "bad_request",
		`{"oauth_providers_allowed": ["gitlab"]}`:           "bad_request",
		`{"Two_Factor_Required": true}`:                     "bad_request",
		`{"unknown": true}`:                                 "bad_request",
		`{"mcp_enabled": true, "mcp_enabled": true}`:        "bad_request",
		`{"accept_lockout": true, "accept_lockout": false}`: "bad_request",
		`{"accept_lockout": "true"}`:                        "bad_request",
		`{"accept_lockout": 1}`:                             "bad_request",
		`{"session_max_age_seconds": "900"}`:                "bad_request",
		`{"session_max_age_seconds": 899}`:                  "bad_request",
		`{"session_max_age_seconds": 0}`:                    "bad_request",
		`{"session_max_age_seconds": 900.5}`:                "bad_request",
		`{"max_personal_token_age_seconds": 599}`:           "bad_request",
		`{"api_client_ip_allowlist_enabled": false}`:        "bad_request",
		`{"api_client_ip_allowlist": []}`:                   "bad_request",
		`[]`:                                                "bad_request",
		`null`:                                              "bad_request",
		`true`:                                              "bad_request",
		`{`:                                                 "bad_request",
		`{} {}`:                                             "bad_request",
		`{"password_auth_enabled": false, "saml_enabled": false, "oauth_enabled": false, "passkey_auth_enabled": false}`:        policy.CodeNoMethod,
		`{"password_auth_enabled": false, "saml_enabled": false, "oauth_providers_allowed": [], "passkey_auth_enabled": false}`: policy.CodeNoMethod,
	} {
		s.unchanged(func() {
			_, err := s.org.ChangePolicy(t.Context(), s.admin(), []byte(document))
			if got := code(err); got != want {
				t.Errorf("%s: %q, want %q (%v)", document, got, want, err)
			}
		})
	}
}

func TestPOL09_SawingOffOnesOwnBranch(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		session, token := s.session(s.first.UserID), s.mustToken(s.admin(), org.TokenRequest{})
		s.pass(time.Second)
		for _, c := range []struct{ by, document, reason string }{
			{session, `{"password_auth_enabled": false}`, policy.CodePassword},
			{session, `{"two_factor_required": true}`, policy.CodeSecondFactor},
			{token.Plain.Reveal(), `{"personal_tokens_enabled": false}`, policy.CodePersonalToken},
			{token.Plain.Reveal(), `{"personal_tokens_managed_users_enabled": false}`, policy.CodePersonalToken},
			{token.Plain.Reveal(), `{"personal_tokens_require_allowed_auth_method": true, "password_auth_enabled": false}`, policy.CodePassword},
		} {
			s.unchanged(func() {
				_, err := s.org.ChangePolicy(t.Context(), s.as(c.by), []byte(c.document))
				e := wantCode(t, err, "authentication_method_disable_current_not_allowed")
				if e.Kind != identity.Invalid || !slices.Contains(e.Metadata["reasons"].([]string), c.reason) || !strings.Contains(e.Message, `"accept_lockout"`) {
					t.Errorf("%s: %+v, want the reason %s", c.document, e, c.reason)
				}
			})
		}
		// Each by the other credential harms nobody present.
		if _, err := s.org.ChangePolicy(t.Context(), s.as(session), []byte(`{"personal_tokens_enabled": false}`)); err != nil {
			t.Error(err)
		}
		// On purpose.
		if _, err := s.org.ChangePolicy(t.Context(), s.as(session), []byte(`{"password_auth_enabled": false, "accept_lockout": true}`)); err != nil {
			t.Fatal(err)
		}
		_, err := s.try(session)
		wantCode(t, err, policy.CodePassword)
		e := s.events("policy_changed")
		if last := e[len(e)-1]; !strings.Contains(last.Description, "locks out the admin") {
			t.Errorf("the event says %q", last.Description)
		}
	})
}

func TestTOK10_LockoutIsAcceptedByAPersonWhoJustLoggedIn(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		token := s.as(s.mustToken(s.admin(), org.TokenRequest{}).Plain.Reveal())
		session := s.as(s.session(s.first.UserID))
		everywhere := org.RangesChange{List: []string{"203.0.113.0/24"}, Enabled: true, AcceptLockout: true}
		accept := []byte(`{"mcp_enabled": true, "accept_lockout": true}`)
		s.unchanged(func() {
			_, err := s.org.ChangePolicy(t.Context(), token, accept)
			wantCode(t, err, "session_required")
			wantCode(t, s.org.SetRanges(t.Context(), token, everywhere), "session_required")
			s.pass(11 * time.Minute)
			_, err = s.org.ChangePolicy(t.Context(), session, accept)
			wantCode(t, err, "fresh_login_required")
			wantCode(t, s.org.SetRanges(t.Context(), session, everywhere), "fresh_login_required")
		})
		fresh := s.as(s.session(s.first.UserID))
		if _, err := s.org.ChangePolicy(t.Context(), fresh, accept); err != nil {
			t.Error(err)
		}
		if err := s.org.SetRanges(t.Context(), fresh, everywhere); err != nil {
			t.Error(err)
		}
	})
}

func TestPOL12_TwoAdminsAtOnceLoseNoField(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		documents := []string{
			`{"oauth_enabled": false}`, `{"mcp_enabled": true}`, `{"saml_allow_external": false}`, `{"session_idle_seconds": 600}`,
			`{"max_personal_token_age_seconds": 86400}`, `{"passkey_auth_enabled": false}`,
		}
		p := s.admin()
		errs := make(chan error)
		for _, d := range documents {
			go func() {
				_, err := s.org.ChangePolicy(t.Context(), p, []byte(d))
				errs <- err
			}()
		}
		go func() {
			errs <- s.org.SetRanges(t.Context(), p, org.RangesChange{List: []string{"198.51.100.0/24"}, Enabled: true})
		}()
		for range len(documents) + 1 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		got, err := s.org.Policy(s.admin())
		if err != nil {
			t.Fatal(err)
		}
		if got.OAuthEnabled || !got.MCPEnabled || got.SAMLAllowExternal || got.SessionIdle != 10*time.Minute ||
			got.MaxPersonalTokenAge != 24*time.Hour || got.PasskeyEnabled || !got.Ranges.Enabled || len(got.Ranges.List) != 1 {
			t.Errorf("a change was lost: %+v", got)
		}
		// Each event tells one change, and no other's.
		changes := map[string]int{}
		for _, e := range append(s.events("policy_changed"), s.events("ip_allowlist_changed")...) {
			var detail struct{ After map[string]any }
			if err := json.Unmarshal(e.Detail, &detail); err != nil {
				t.Fatal(err)
			}
			changes[strings.Join(slices.Sorted(maps.Keys(detail.After)), " ")]++
		}
		if len(changes) != len(documents)+1 {
			t.Errorf("events %v, want one for each change", changes)
		}
	})
}

func TestIPX07_BadRanges(t *testing.T) {
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("10.0.%d.0/24", i)
	}
	s := emptyStage(t, migrated.SQLite(t))
	s.bootstrap()
	for _, c := range []struct {
		change     org.RangesChange
		want, says string
	}{
		{org.RangesChange{List: []string{"203.0.113.7/24"}}, policy.CodeBadRange, "203.0.113.0/24"},
		{org.RangesChange{List: []string{"::ffff:203.0.113.0/120"}}, policy.CodeBadRange, "203.0.113.0/24"},
		{org.RangesChange{List: []string{"203.0.113.0/33"}}, policy.CodeBadRange, ""},
		{org.RangesChange{List: []string{"203.0.113.0/024"}}, policy.CodeBadRange, ""},
		{org.RangesChange{List: []string{"fe80::%1/10"}}, policy.CodeBadRange, ""},
		{org.RangesChange{List: []string{"10.0.0.0/8 "}}, policy.CodeBadRange, "10.0.0.0/8"},
		{org.RangesChange{List: []string{"203.0.113.5"}}, policy.CodeBadRange, "203.0.113.5/32"},
		{org.RangesChange{List: []string{"office"}}, policy.CodeBadRange, ""},
		{org.RangesChange{List: []string{""}}, policy.CodeBadRange, ""},
		{org.RangesChange{List: many}, policy.CodeBadRequest, "100"},
		{org.RangesChange{List: []string{"10.0.0.0/8", "10.0.0.0/8"}}, policy.CodeBadRequest, "twice"},
		{org.RangesChange{List: []string{"0.0.0.0/0"}, Enabled: true}, policy.CodeBadRange, "accept_all_addresses"},
		{org.RangesChange{List: []string{"198.51.100.0/24", "::/0"}, Enabled: true}, policy.CodeBadRange, "accept_all_addresses"},
		{org.RangesChange{Enabled: true}, policy.CodeBadRequest, "add a range"},
		{org.RangesChange{List: []string{"198.51.100.0/24"}, Descriptions: map[string]string{"203.0.113.0/24": "x"}}, policy.CodeBadRequest, "not in"},
		{org.RangesChange{List: []string{"198.51.100.0/24"}, Descriptions: map[string]string{"198.51.100.0/24": strings.Repeat("x", 1001)}}, policy.CodeBadRequest, "1000"},
		{org.RangesChange{List: []string{"198.51.100.0/24"}, Descriptions: map[string]string{"198.51.100.0/24": "a\nb"}}, identity.CodeUnseen, "control"},
		{org.RangesChange{List: []string{"203.0.113.0/24"}, Enabled: true}, "api_client_ip_allowlist_blocks_caller", inside},
	} {
		s.unchanged(func() {
			err := s.org.SetRanges(t.Context(), s.admin(), c.change)
			if got := code(err); got != c.want || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+.200v: %q (%v), want %q saying %q", c.change, got, err, c.want, c.says)
			}
		})
	}
	if err := s.org.SetRanges(t.Context(), s.admin(), org.RangesChange{List: many[:100]}); err != nil {
		t.Errorf("100 ranges: %v", err)
	}
	if err := s.org.SetRanges(t.Context(), s.admin(), org.RangesChange{List: []string{"0.0.0.0/0"}, Enabled: true, AcceptAllAddresses: true}); err != nil {
		t.Errorf("all addresses, confirmed: %v", err)
	}
}

func TestRangesAreReplacedWhole(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		set := func(change org.RangesChange) policy.Ranges {
			t.Helper()
			if err := s.org.SetRanges(t.Context(), s.admin(), change); err != nil {
				t.Fatal(err)
			}
			p, err := s.org.Policy(s.admin())
			if err != nil {
				t.Fatal(err)
			}
			return p.Ranges
		}
		office, vpn := netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/32")
		got := set(org.RangesChange{
			List: []string{office.String(), vpn.String()}, Enabled: true, Descriptions: map[string]string{office.String(): "office", vpn.String(): "vpn"},
		})
		if want := (policy.Ranges{Enabled: true, List: []policy.Range{{Prefix: office, Description: "office"}, {Prefix: vpn, Description: "vpn"}}}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("stored %v, want %v", got, want)
		}
		if got = set(org.RangesChange{List: []string{office.String()}, Enabled: true}); fmt.Sprint(got.List) != fmt.Sprint([]policy.Range{{Prefix: office, Description: "office"}}) {
			t.Errorf("a list without descriptions makes %v, want the words of what stays", got)
		}
		if got = set(org.RangesChange{List: nil}); got.Enabled || len(got.List) != 0 {
			t.Errorf("nothing makes %v", got)
		}
		if e := s.events("ip_allowlist_changed"); len(e) != 3 || !strings.Contains(string(e[0].Detail), `"2001:db8::/32"`) || len(s.events("policy_changed")) != 0 {
			t.Errorf("events %+v", e)
		}
		// A hundred ranges with long words: the event keeps the ranges.
		long := org.RangesChange{Descriptions: map[string]string{}}
		for i := range 100 {
			text := fmt.Sprintf("10.0.%d.0/24", i)
			long.List = append(long.List, text)
			long.Descriptions[text] = strings.Repeat("w", 1000)
		}
		set(long)
		e := s.events("ip_allowlist_changed")
		if last := string(e[3].Detail); !strings.Contains(last, `"10.0.99.0/24"`) || strings.Contains(last, "wwww") {
			t.Errorf("the event holds %.300s", last)
		}
	})
}

func TestAnUnreadablePolicyIsNotWrittenOver(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		p := s.admin() // let in before the damage
		s.change(store.Organization(s.first.OrganizationID), func(tx *store.Tx) error {
			return tx.SetPolicy(t.Context(), s.first.OrganizationID, `{"damaged`, "prepared")
		})
		s.unchanged(func() {
			_, err := s.org.ChangePolicy(t.Context(), p, []byte(`{"mcp_enabled": true}`))
			wantCode(t, err, "policy_unreadable")
			wantCode(t, s.org.SetRanges(t.Context(), p, org.RangesChange{}), "policy_unreadable")
		})
		// Only the operator's session opens this door, and mends it.
		token, _, err := s.org.Recover(t.Context(), s.first.OrganizationID, s.first.Email)
		if err != nil {
			t.Fatal(err)
		}
		after, err := s.org.ChangePolicy(t.Context(), s.as(token), []byte(`{"mcp_enabled": true}`))
		if err != nil || !after.MCPEnabled || !after.PasswordEnabled {
			t.Fatalf("mended policy %+v: %v", after, err)
		}
		s.admin() // gets in again
		if e := s.events("policy_changed"); len(e) != 1 {
			t.Errorf("events %+v", e)
		}
	})
}
