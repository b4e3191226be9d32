package org_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// refusal is the id of the decision that refuses a credential.
func (s *stage) refusal(bearer, code string) string {
	s.t.Helper()
	_, err := s.try(bearer)
	return wantCode(s.t, err, code).Metadata["decision_id"].(string)
}

// self is the caller of a credential, at no organization.
func (s *stage) self(bearer string) *identity.Principal {
	s.t.Helper()
	p, err := s.access.Check(s.t.Context(), access.Request{Bearer: bearer})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func TestDecisionsAreExplainedInTheirOwnOrganization(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		bob := s.session(s.person("bob@b.example", false))
		s.pass(time.Second)
		s.policyIs(`{"two_factor_required": true}`)
		id := s.refusal(bob, policy.CodeSecondFactor)
		s.policyIs(`{}`)
		x, err := s.org.ExplainDecision(t.Context(), s.admin(), id)
		if err != nil {
			t.Fatal(err)
		}
		if x.Decision.Code() != policy.CodeSecondFactor || x.Refusal.PolicyVersion != 2 || x.Now.PolicyVersion != 3 || !x.Now.Decision.Allowed() {
			t.Errorf("explained as %+v", x)
		}
		mends := []string{}
		for _, m := range x.Mends {
			mends = append(mends, fmt.Sprintf("%s %s", m.By, m.Fact))
		}
		if diff := cmp.Diff([]string{"owner credential.authentication.second_factor", "admin policy.two_factor_required"}, mends); diff != "" || !x.Together {
			t.Errorf("mends, together %t: %s", x.Together, diff)
		}

		other, err := s.org.CreateOrganization(t.Context(), s.admin(), "B", "business")
		if err != nil {
			t.Fatal(err)
		}
		elsewhere := *s.admin()
		elsewhere.Organization = &other
		_, err = s.org.ExplainDecision(t.Context(), &elsewhere, id)
		wantCode(t, err, "decision_not_found")
	})
}

// The same request under the policy of now, which for some is that of a pilot.
func TestDecisionsAreReplayedUnderThePresentPolicy(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		user := s.person("bob@b.example", false)
		bob := s.session(user)
		s.pass(time.Second)
		s.policyIs(`{"two_factor_required": true}`)
		id := s.refusal(bob, policy.CodeSecondFactor)
		s.policyIs(`{}`)
		now := func() *org.Replay {
			t.Helper()
			x, err := s.org.ExplainDecision(t.Context(), s.admin(), id)
			if err != nil || x.Decision.Code() != policy.CodeSecondFactor {
				t.Fatalf("%+v, %v", x, err)
			}
			return x.Now
		}
		if n := now(); !n.Decision.Allowed() || n.PolicyVersion != 3 {
			t.Errorf("after the change: %+v", n)
		}
		s.change(store.Organization(s.first.OrganizationID), func(tx *store.Tx) error {
			return tx.AddPilot(t.Context(), identity.Pilot{ID: "plt-1", OrganizationID: s.first.OrganizationID, Users: []string{user}, Change: `{"password_auth_enabled": false}`})
		})
		if n := now(); n.Decision.Code() != policy.CodePassword {
			t.Errorf("under a pilot: %+v", n)
		}
	})
}

// What the refused may see: the reasons and the remedy that they were told,
// nothing that is the organization's; and only they.
func TestOwnDecisionsShowNothingOfTheOrganization(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		user := s.person("bob@b.example", false)
		bob, eve := s.session(user), s.session(s.person("eve@b.example", false))
		s.pass(time.Second)
		s.policyIs(`{"api_client_ip_allowlist": ["203.0.113.0/24"], "api_client_ip_allowlist_enabled": true, "password_auth_enabled": false}`)
		id := s.refusal(bob, policy.CodeAddress)
		d, err := s.org.OwnDecision(t.Context(), s.self(bob), id)
		if err != nil {
			t.Fatal(err)
		}
		codes := []string{}
		for _, r := range d.Reasons {
			codes = append(codes, r.Code)
		}
		if !slices.Equal(codes, []string{policy.CodeAddress, policy.CodePassword}) || d.Remedy.Text == "" || d.Organization.ID != s.first.OrganizationID || d.Action != policy.Access {
			t.Errorf("bob sees %+v", d)
		}
		if shown := fmt.Sprint(d.Reasons, d.Remedy); strings.Contains(shown, "203.0.113") {
			t.Errorf("bob sees ranges: %s", shown)
		}
		for name, asker := range map[string]*identity.Principal{"another member": s.self(eve), "an admin": s.self(s.first.Token)} {
			if _, err := s.org.OwnDecision(t.Context(), asker, id); code(err) != "decision_not_found" {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, none := range []string{"", "dec_0000000000000000000000000000"} {
			if _, err := s.org.OwnDecision(t.Context(), s.self(bob), none); code(err) != "decision_not_found" {
				t.Errorf("%q: %v", none, err)
			}
		}
		// Who has left does not hear the organization's name any more.
		s.change(store.Organization(s.first.OrganizationID).And(store.User(user)), func(tx *store.Tx) error {
			return tx.RemoveMember(t.Context(), s.first.OrganizationID, user)
		})
		if d, err := s.org.OwnDecision(t.Context(), s.self(bob), id); err != nil || d.Organization.ID != "" {
			t.Errorf("after leaving: %+v, %v", d, err)
		}
	})
}
