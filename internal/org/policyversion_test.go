package org_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

func (s *stage) versions(limit int, cursor string) org.PolicyVersionPage {
	s.t.Helper()
	page, err := s.org.PolicyVersions(s.t.Context(), s.admin(), limit, cursor)
	if err != nil {
		s.t.Fatal(err)
	}
	return page
}

// versionLine is a version in short: number, action and what differs.
func versionLine(v org.PolicyVersion) string {
	line := fmt.Sprintf("%d %s %s", v.Version, v.Action, v.Actor.Name)
	for _, d := range v.Differences {
		line += fmt.Sprintf(" %s:%s>%s", d.Field, d.Before, d.After)
	}
	return line
}

func TestHistoryOfAPolicy(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		if _, err := s.org.ChangePolicy(t.Context(), s.admin(), []byte(`{"oauth_enabled": false}`)); err != nil {
			t.Fatal(err)
		}
		if err := s.org.SetRanges(t.Context(), s.admin(), org.RangesChange{List: []string{"198.51.100.0/24"}, Enabled: true}); err != nil {
			t.Fatal(err)
		}
		page := s.versions(2, "")
		want := []string{
			`3 ip_allowlist_changed alice@a.example api_client_ip_allowlist:[]>["198.51.100.0/24"] api_client_ip_allowlist_enabled:false>true`,
			`2 policy_changed alice@a.example oauth_enabled:true>false`,
		}
		for i, v := range page.Versions {
			if got := versionLine(v); got != want[i] || v.Current != (i == 0) {
				t.Errorf("version %q, current %t; want %q", got, v.Current, want[i])
			}
		}
		older := s.versions(2, page.Next)
		if len(older.Versions) != 1 || versionLine(older.Versions[0]) != "1 organization_created operator" || older.Versions[0].Before != nil || older.Next != "" {
			t.Errorf("the page of older versions: %+v", older)
		}
		v, err := s.org.PolicyVersion(t.Context(), s.admin(), 2)
		if err != nil || versionLine(v) != want[1] || v.Policy.OAuthEnabled {
			t.Errorf("version 2: %+v, %v", v, err)
		}
		_, err = s.org.PolicyVersion(t.Context(), s.admin(), 99)
		wantCode(t, err, "policy_version_not_found")
		_, err = s.org.PolicyVersions(t.Context(), s.admin(), 0, "nonsense")
		wantCode(t, err, "bad_request")
	})
}

func TestRestoringAVersion(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		born := s.organization().Policy
		if err := s.org.SetRanges(t.Context(), s.admin(), org.RangesChange{List: []string{"198.51.100.0/24"}, Enabled: true, Descriptions: map[string]string{"198.51.100.0/24": "office"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.org.ChangePolicy(t.Context(), s.admin(), []byte(`{"passkey_auth_enabled": false}`)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.org.RestorePolicy(t.Context(), s.admin(), 1, org.Consent{}); err != nil {
			t.Fatal(err)
		}
		if o := s.organization(); o.Policy != born || o.PolicyVersion != 4 {
			t.Errorf("version %d is %s, want that of the beginning as version 4", o.PolicyVersion, o.Policy)
		}
		e := s.events("policy_restored")
		if len(e) != 1 || !strings.HasPrefix(e[0].Description, "restored version 1 of the authentication policy: ") || !strings.Contains(string(e[0].Detail), "198.51.100.0/24") {
			t.Errorf("events %+v", e)
		}
		got, err := s.org.RestorePolicy(t.Context(), s.admin(), 2, org.Consent{})
		if err != nil || got.Version != 5 || len(got.Policy.Ranges.List) != 1 || got.Policy.Ranges.List[0].Description != "office" {
			t.Errorf("version 2 came back as %+v, %v", got, err)
		}
		s.unchanged(func() {
			if _, err := s.org.RestorePolicy(t.Context(), s.admin(), 2, org.Consent{}); err != nil {
				t.Error(err)
			}
			_, err := s.org.RestorePolicy(t.Context(), s.admin(), 77, org.Consent{})
			wantCode(t, err, "policy_version_not_found")
		})
	})
}

// An old version is no way round the guards of a change.
func TestPOL09_RestoringIsGuarded(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		s.policyIs(`{"password_auth_enabled": false}`)                                                            // version 2
		s.policyIs(`{"api_client_ip_allowlist": ["203.0.113.0/24"], "api_client_ip_allowlist_enabled": true}`)    // version 3
		s.policyIs(`{"api_client_ip_allowlist": ["0.0.0.0/0", "::/0"], "api_client_ip_allowlist_enabled": true}`) // version 4
		s.policyIs(`{}`)                                                                                          // version 5
		session := s.session(s.first.UserID)
		s.pass(time.Second)
		for version, want := range map[int64]string{2: "authentication_method_disable_current_not_allowed", 3: "api_client_ip_allowlist_blocks_caller", 4: policy.CodeBadRange} {
			s.unchanged(func() {
				_, err := s.org.RestorePolicy(t.Context(), s.as(session), version, org.Consent{})
				wantCode(t, err, want)
			})
		}
		if _, err := s.org.RestorePolicy(t.Context(), s.as(session), 4, org.Consent{AcceptAllAddresses: true}); err != nil {
			t.Error(err)
		}
		if _, err := s.org.RestorePolicy(t.Context(), s.as(session), 2, org.Consent{AcceptLockout: true}); err != nil {
			t.Error(err)
		}
		if _, err := s.try(session); code(err) != policy.CodePassword {
			t.Errorf("after the accepted lock-out: %v", err)
		}
	})
}

func TestAWholePolicyReplacesAnother(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		d, err := s.org.PolicyDocument(t.Context(), s.admin())
		if err != nil || d.Version != 1 {
			t.Fatal(d, err)
		}
		same, err := json.Marshal(d.Policy)
		if err != nil {
			t.Fatal(err)
		}
		s.unchanged(func() {
			if _, err := s.org.ReplacePolicy(t.Context(), s.admin(), 1, same, org.Consent{}); err != nil {
				t.Error(err)
			}
		})
		changed := []byte(strings.Replace(string(same), `"saml_enabled":true`, `"saml_enabled":false`, 1))
		if got, err := s.org.ReplacePolicy(t.Context(), s.admin(), 1, changed, org.Consent{}); err != nil || got.Version != 2 || got.Policy.SAMLEnabled {
			t.Errorf("replaced: %+v, %v", got, err)
		}
		s.unchanged(func() {
			_, err := s.org.ReplacePolicy(t.Context(), s.admin(), 1, same, org.Consent{})
			if e := wantCode(t, err, "policy_version_moved"); e.Kind != identity.Conflict {
				t.Errorf("a change for another version: %+v", e)
			}
			for document, want := range map[string]string{
				`{"saml_enabled": true}`: "bad_request", `[]`: "bad_request", `null`: "bad_request", ``: "bad_request",
				strings.Replace(string(same), `"mcp_enabled":false`, `"mcp_enabled":false,"mcp_enabled":true`, 1):            "bad_request",
				strings.Replace(string(same), `"mcp_enabled"`, `"MCP_enabled"`, 1):                                           "bad_request",
				strings.Replace(string(same), `"api_client_ip_allowlist":[]`, `"api_client_ip_allowlist":["10.0.0.1/8"]`, 1): policy.CodeBadRange,
			} {
				if _, err := s.org.ReplacePolicy(t.Context(), s.admin(), 0, []byte(document), org.Consent{}); code(err) != want {
					t.Errorf("%s: %v, want %s", document, err, want)
				}
			}
		})
		if _, err := s.org.ReplacePolicy(t.Context(), s.admin(), 0, same, org.Consent{}); err != nil {
			t.Errorf("without a version: %v", err)
		}
		if actions := s.versions(0, "").Versions; !slices.Equal([]string{actions[0].Action, actions[1].Action}, []string{"policy_changed", "policy_changed"}) {
			t.Errorf("versions %+v", actions)
		}
	})
}

// A version that is brought back on trial undoes itself like every change.
func TestRestoringOnTrial(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		s.policyIs(`{"saml_enabled": false}`)
		s.policyIs(`{}`)
		soon, trial := int64(59), int64(600)
		s.unchanged(func() {
			_, err := s.org.RestorePolicy(t.Context(), s.admin(), 2, org.Consent{ConfirmWithinSeconds: &soon})
			wantCode(t, err, "bad_request")
		})
		if _, err := s.org.RestorePolicy(t.Context(), s.admin(), 2, org.Consent{ConfirmWithinSeconds: &trial}); err != nil {
			t.Fatal(err)
		}
		if c, found, err := s.org.PendingChange(t.Context(), s.admin()); err != nil || !found || c.Kind != identity.PendingPolicy {
			t.Errorf("waiting: %+v, %t, %v", c, found, err)
		}
		_, err := s.org.RestorePolicy(t.Context(), s.admin(), 1, org.Consent{})
		wantCode(t, err, "change_pending")
	})
}
