package org_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// listed is a token as its owner's list shows it.
func (s *stage) listed(bearer, prefix string) identity.Token {
	s.t.Helper()
	list, err := s.org.Tokens(s.t.Context(), s.self(bearer))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, t := range list {
		if t.Prefix == prefix {
			return t
		}
	}
	s.t.Fatalf("%s is not in the list", prefix)
	return identity.Token{}
}

// by is a login that the organization's policy may judge.
func by(m policy.Method, at time.Time) policy.Authentication {
	return policy.Authentication{Method: m, At: at, SecondFactor: m == policy.MethodPasskey}
}

const passwordsOff = `{"password_auth_enabled": false, "personal_tokens_require_allowed_auth_method": true}`

func TestSleepingTokensAreShownAndWake(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		user := s.person("bob@b.example", false)
		session := s.session(user)
		s.pass(time.Second)
		token := s.mustToken(s.self(session), org.TokenRequest{})
		prefix, plain := token.Prefix, token.Plain.Reveal()
		if got := s.listed(session, prefix); got.State() != identity.TokenActive || len(got.Standings) != 1 {
			t.Errorf("before: %q %+v", got.State(), got.Standings)
		}
		if got := s.listed(session, session[:12]); got.State() != "" {
			t.Errorf("a session has the state %q", got.State())
		}

		s.policyIs(passwordsOff)
		events := s.all()
		got := s.listed(session, prefix)
		if got.State() != identity.TokenAsleep || got.Asleep()[0].Reasons[0].Code != policy.CodePassword || got.Asleep()[0].OrganizationID != s.first.OrganizationID || got.Asleep()[0].Remedy.Text == "" {
			t.Errorf("asleep: %q %+v", got.State(), got.Standings)
		}
		if s.all() != events {
			t.Error("looking at a list recorded something")
		}
		if _, err := s.try(plain); code(err) != policy.CodePassword {
			t.Errorf("its use: %v", err)
		}
		// The managing admin's list says the same of their own organization.
		s.policyIs(`{}`)
		admin := s.admin()
		s.policyIs(passwordsOff)
		list, err := s.org.MemberTokens(t.Context(), adminUnder(admin, s.organization()), user)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if m.Prefix == prefix && m.State() != identity.TokenAsleep {
				t.Errorf("the admin's list: %q", m.State())
			}
		}

		s.policyIs(`{}`)
		if got := s.listed(session, prefix); got.State() != identity.TokenActive {
			t.Errorf("after the policy returned: %+v", got.Standings)
		}
		s.as(plain)
		// Ranges say nothing: from where it will be used is not known.
		s.policyIs(`{"api_client_ip_allowlist": ["203.0.113.0/24"], "api_client_ip_allowlist_enabled": true}`)
		if got := s.listed(session, prefix); got.State() != identity.TokenActive {
			t.Errorf("outside the ranges: %+v", got.Standings)
		}
	})
}

// adminUnder is an admin's principal after the policy changed.
func adminUnder(p *identity.Principal, o identity.Organization) *identity.Principal {
	now := *p
	now.Organization = &o
	return &now
}

// Each organization is asked by itself.
func TestATokenSleepsInOneOrganizationOnly(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		session := s.session(s.first.UserID)
		s.pass(time.Second)
		other, err := s.org.CreateOrganization(t.Context(), s.self(session), "B", "business")
		if err != nil {
			t.Fatal(err)
		}
		prefix := s.mustToken(s.self(session), org.TokenRequest{}).Prefix
		s.policyIs(passwordsOff)
		got := s.listed(session, prefix)
		if asleep := got.Asleep(); got.State() != identity.TokenPartlyAsleep || len(asleep) != 1 || asleep[0].OrganizationID == other.ID {
			t.Errorf("%q %+v", got.State(), got.Standings)
		}
	})
}

func TestASleepingTokenIsBoundToAnotherLogin(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		user := s.person("bob@a.example", true)
		session := s.session(user)
		s.pass(time.Second)
		token := s.mustToken(s.as(session), org.TokenRequest{MaxAgeSeconds: float(3600)})
		child := s.mustToken(s.as(token.Plain.Reveal()), org.TokenRequest{})
		s.policyIs(passwordsOff)
		before := s.listed(session, token.Prefix)
		s.pass(time.Minute)

		// POL-03: a login by an allowed method wakes nothing by itself.
		passkey := s.sessionBy(user, by(policy.MethodPasskey, s.db.Now()))
		s.pass(time.Second)
		if _, err := s.try(token.Plain.Reveal()); code(err) != policy.CodePassword {
			t.Errorf("after a login by passkey: %v", err)
		}
		// Nor does a session that is refused itself lend its login.
		_, err := s.org.RebindToken(t.Context(), s.self(session), token.Prefix)
		wantCode(t, err, policy.CodePassword)

		got, err := s.org.RebindToken(t.Context(), s.as(passkey), token.Prefix)
		if err != nil {
			t.Fatal(err)
		}
		after := s.listed(passkey, token.Prefix)
		if got.Authentication != after.Authentication || after.Authentication.Method != policy.MethodPasskey || !after.Authentication.SecondFactor {
			t.Errorf("bound to %+v, answered %+v", after.Authentication, got.Authentication)
		}
		if !after.Expires.Equal(before.Expires) || !after.Created.Equal(before.Created) || after.Hash != before.Hash || after.State() != identity.TokenActive {
			t.Errorf("before %+v, after %+v", before, after)
		}
		s.as(token.Plain.Reveal())
		s.as(child.Plain.Reveal()) // what was made with it follows
		e := s.events("token_rebound")
		if len(e) != 1 || e[0].OrganizationID != s.first.OrganizationID || e[0].Target.ID != token.Prefix ||
			!strings.Contains(string(e[0].Detail), `"before":{"at":"2026-07-01T12:00:00Z","method":"password","second_factor":false}`) ||
			!strings.Contains(string(e[0].Detail), `"method":"passkey"`) || !strings.Contains(string(e[0].Detail), child.Prefix) {
			t.Errorf("events %+v", e)
		}
	})
}

// What cannot be bound, and who cannot bind.
func TestTOKRebindingIsRefused(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		user := s.person("bob@a.example", true)
		session, eve := s.session(user), s.session(s.person("eve@b.example", false))
		s.pass(time.Second)
		token := s.mustToken(s.as(session), org.TokenRequest{})
		child := s.mustToken(s.as(token.Plain.Reveal()), org.TokenRequest{})
		short := s.mustToken(s.as(session), org.TokenRequest{MaxAgeSeconds: float(600)})
		dead := s.mustToken(s.as(session), org.TokenRequest{})
		if err := s.org.RevokeToken(t.Context(), s.as(session), dead.Prefix); err != nil {
			t.Fatal(err)
		}
		old := s.session(user)
		s.pass(11 * time.Minute)
		session = s.session(user)
		eve = s.session(s.self(eve).User.ID)
		bare := s.sessionBy(user, policy.Authentication{At: s.db.Now()})
		s.pass(time.Second)
		s.unchanged(func() {
			for _, c := range []struct{ name, by, token, want string }{
				{"somebody else's", eve, token.Prefix, "token_not_found"},
				{"one made with another", session, child.Prefix, "token_made_with_another"},
				{"an expired one", session, short.Prefix, "token_not_found"},
				{"a revoked one", session, dead.Prefix, "token_not_found"},
				{"a session", session, session[:12], "bad_request"},
				{"none", session, "spp_00000000", "token_not_found"},
				{"by the token itself", token.Plain.Reveal(), token.Prefix, "session_required"},
				{"by an old session", old, token.Prefix, "fresh_login_required"},
				{"by a session without a login", bare, token.Prefix, "action_forbidden"},
			} {
				_, err := s.org.RebindToken(t.Context(), s.self(c.by), c.token)
				if got := code(err); got != c.want {
					t.Errorf("%s: %v, want %s", c.name, err, c.want)
				}
			}
		})
		for document, want := range map[string]string{
			`{"personal_tokens_managed_users_enabled": false}`: policy.CodePersonalToken,
			`{"two_factor_required": true}`:                    policy.CodeSecondFactor,
			`{"password_auth_enabled": false}`:                 policy.CodePassword,
		} {
			s.policyIs(document)
			_, err := s.org.RebindToken(t.Context(), s.self(session), token.Prefix)
			wantCode(t, err, want)
		}
		s.policyIs(`{}`)
		if n := len(s.events("token_rebound")); n != 0 {
			t.Errorf("%d tokens were bound", n)
		}
	})
}

// Of a revocation and a binding at once, the revocation stays.
func TestRebindingDoesNotReviveARevokedToken(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		user := s.person("bob@a.example", true)
		for range 8 {
			session := s.session(user)
			s.pass(time.Second)
			p := s.as(session)
			token := s.mustToken(p, org.TokenRequest{})
			var both sync.WaitGroup
			both.Go(func() {
				if _, err := s.org.RebindToken(t.Context(), p, token.Prefix); err != nil && code(err) != "token_not_found" {
					t.Error(err)
				}
			})
			both.Go(func() {
				if err := s.org.RevokeToken(t.Context(), p, token.Prefix); err != nil {
					t.Error(err)
				}
			})
			both.Wait()
			if _, err := s.try(token.Plain.Reveal()); err == nil {
				t.Fatal("the token was revoked, and is accepted")
			}
			s.change(store.User(user), func(tx *store.Tx) error {
				_, err := tx.RevokeSessions(t.Context(), user, "")
				return err
			})
		}
	})
}
