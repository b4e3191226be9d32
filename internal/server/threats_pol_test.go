package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/policy"
)

// changePolicy changes the organization's policy as alice, from a fresh session that
// accepts whatever it costs her.
func (s *scene) changePolicy(tb testing.TB, fields map[string]any) {
	tb.Helper()
	fields["accept_lockout"] = true
	token, _, err := s.Org.Recover(tb.Context(), s.OrganizationID, servertest.AdminEmail) // lasts whatever is changed
	if err != nil {
		tb.Fatal(err)
	}
	s.Do(tb, http.MethodPatch, s.organizationPath("/config/authentication"), token, fields).Want(http.StatusOK)
}

// TestPOL01_OldSessionNewPolicy: a session that a policy no longer accepts is
// refused with the next request, at that organization only.
func TestPOL01_OldSessionNewPolicy(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		other := s.otherOrganization(t, "C")
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		s.join(t, other, bob)
		sso := s.provenBy(t, policy.Session, bob, s.OrganizationID)
		s.Do(t, http.MethodGet, s.organizationPath(""), session, nil).Want(http.StatusOK)
		e := s.one(t, "policy_changed", func() {
			s.Do(t, http.MethodPatch, s.organizationPath("/config/authentication"), s.AdminToken, map[string]any{
				"password_auth_enabled": false, "oauth_enabled": false, "passkey_auth_enabled": false, "saml_allow_external": false, "accept_lockout": true,
			}).Want(http.StatusOK)
		})
		if e.actor != s.AdminID || !strings.Contains(e.detail, `"before"`) || !strings.Contains(e.detail, `"password_auth_enabled":false`) || !strings.Contains(e.description, "locks out") {
			t.Errorf("the change is recorded as %+v", e)
		}
		events := s.nothing(t, "an old session", func() {
			a := s.Do(t, http.MethodGet, s.organizationPath(""), session, nil).WantCode(http.StatusForbidden, "user_password_authentication_method_not_allowed")
			m := a.Metadata()
			if m["remedy"] != "log in with your organization's identity provider" || m["remedy_url"] != s.URL+"/login" || reasonsOf(a) != "[user_password_authentication_method_not_allowed]" {
				t.Errorf("the refusal is %v", m)
			}
		}, "access_refused")
		if e := events[0]; e.actor != bob || e.credential != session[:12] || e.organization != s.OrganizationID || e.outcome != "refused" || e.decision == "" || e.request == "" || e.client != "127.0.0.1" {
			t.Errorf("the event is %+v", e)
		}
		s.Do(t, http.MethodGet, "/v1/me", session, nil).Want(http.StatusOK)
		s.Do(t, http.MethodGet, "/v1/organization/"+other, session, nil).Want(http.StatusOK)
		s.Do(t, http.MethodGet, s.organizationPath(""), sso, nil).Want(http.StatusOK)
		list := string(s.Do(t, http.MethodGet, "/v1/organizations", session, nil).Want(http.StatusOK).Body)
		if strings.Contains(list, s.OrganizationID) || !strings.Contains(list, other) {
			t.Errorf("the list is %s", list)
		}
		// Back again, and the same session passes.
		s.changePolicy(t, map[string]any{"password_auth_enabled": true})
		s.Do(t, http.MethodGet, s.organizationPath(""), session, nil).Want(http.StatusOK)
	})
}

// TestPOL02_EnforcementOffOnOff judges old tokens by how their owner logged in
// when they were made, and only while it is on.
func TestPOL02_EnforcementOffOnOff(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, _ := s.AddMember(t, bobEmail, bobPassword)
		session := s.login(t, bobEmail, bobPassword, "")
		byPassword := s.Do(t, http.MethodPost, "/v1/access_token", session, map[string]string{"description": "by password"}).Want(http.StatusOK).String("full_token")
		sso := s.provenBy(t, policy.Session, bob, s.OrganizationID)
		bySAML := s.Do(t, http.MethodPost, "/v1/access_token", sso, map[string]string{"description": "by SAML"}).Want(http.StatusOK).String("full_token")
		s.changePolicy(t, map[string]any{"password_auth_enabled": false})
		const refused = "user_password_authentication_method_not_allowed"
		for step, enforced := range []bool{false, true, false, true, false} {
			s.changePolicy(t, map[string]any{"personal_tokens_require_allowed_auth_method": enforced})
			a := s.Do(t, http.MethodGet, s.organizationPath(""), byPassword, nil)
			if !enforced {
				a.Want(http.StatusOK)
			} else {
				a.WantCode(http.StatusForbidden, refused)
				if got := a.Metadata()["remedy"].(string); !strings.HasSuffix(got, "then make a new personal token") {
					t.Errorf("step %d: the remedy is %q", step, got)
				}
			}
			s.Do(t, http.MethodGet, s.organizationPath(""), bySAML, nil).Want(http.StatusOK)
			s.Do(t, http.MethodGet, s.organizationPath(""), session, nil).WantCode(http.StatusForbidden, refused)
			s.Do(t, http.MethodGet, "/v1/me", byPassword, nil).Want(http.StatusOK)
		}
		refusals := s.Rows(t, `SELECT actor_id FROM events WHERE action = 'access_refused' AND credential_prefix = $1 AND organization_id = $2`, byPassword[:12], s.OrganizationID)
		if len(refusals) != 1 || refusals[0][0] != bob {
			t.Errorf("the refusals of the token within the minute are %q", refusals)
		}
	})
}

// TestPOL05_OwnProviderRequired: a login at another organization's identity
// provider counts until external ones do not, and again as soon as they do.
func TestPOL05_OwnProviderRequired(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		other := s.otherOrganization(t, "B")
		bob, _ := s.AddMember(t, bobEmail, bobPassword)
		s.join(t, other, bob)
		own, external := s.provenBy(t, policy.Session, bob, s.OrganizationID), s.provenBy(t, policy.Session, bob, other)
		for _, allowed := range []bool{true, false, true, false} {
			s.changePolicy(t, map[string]any{"saml_allow_external": allowed})
			s.Do(t, http.MethodGet, s.organizationPath(""), own, nil).Want(http.StatusOK)
			a := s.Do(t, http.MethodGet, s.organizationPath(""), external, nil)
			if allowed {
				a.Want(http.StatusOK)
				continue
			}
			a.WantCode(http.StatusForbidden, "user_not_signed_in_with_account_authentication_method")
			if got := a.Metadata()["remedy"].(string); !strings.HasPrefix(got, "log in with your organization's identity provider") || strings.Contains(string(a.Body), other) {
				t.Errorf("the refusal is %s", a.Body)
			}
			s.Do(t, http.MethodGet, "/v1/organization/"+other, external, nil).Want(http.StatusOK)
			s.Do(t, http.MethodGet, "/v1/organization/"+other, own, nil).Want(http.StatusOK) // B allows external ones
		}
		s.changePolicy(t, map[string]any{"saml_enabled": false})
		a := s.Do(t, http.MethodGet, s.organizationPath(""), external, nil).WantCode(http.StatusForbidden, "user_saml_authentication_method_not_allowed")
		if got := reasonsOf(a); got != "[user_saml_authentication_method_not_allowed user_not_signed_in_with_account_authentication_method]" {
			t.Errorf("the reasons are %s", got)
		}
	})
}

// TestPOL07_ApplicationTokens do not care how people log in; ranges are for
// them too.
func TestPOL07_ApplicationTokens(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "sqlite", true: "postgres"}[postgres], func(t *testing.T) {
			t.Parallel()
			s := newScene(t, servertest.Options{Postgres: postgres, Config: trustLoopback})
			appID, app := s.App(t)
			methods := []string{"password_auth_enabled", "oauth_enabled", "saml_enabled", "passkey_auth_enabled"}
			for _, kept := range methods {
				fields := map[string]any{
					"two_factor_required": true, "personal_tokens_enabled": false, "personal_tokens_managed_users_enabled": false,
					"personal_tokens_require_allowed_auth_method": true, "saml_allow_external": false, "session_idle_seconds": 300, "session_max_age_seconds": 900,
					"max_personal_token_age_seconds": 600, "mcp_enabled": false,
				}
				for _, m := range methods {
					fields[m] = m == kept
				}
				s.changePolicy(t, fields)
				s.Do(t, http.MethodGet, s.organizationPath(""), app, nil).Want(http.StatusOK)
				s.Do(t, http.MethodGet, "/v1/me", app, nil).Want(http.StatusOK)
			}
			s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) {
				p.PasswordEnabled, p.OAuthEnabled, p.SAMLEnabled, p.PasskeyEnabled, p.OAuthProviders = false, false, false, false, 0
			})
			s.Do(t, http.MethodGet, s.organizationPath(""), app, nil).Want(http.StatusOK)

			s.setRanges(t, "203.0.113.0/24")
			s.from(t, "203.0.113.9", app, s.organizationPath("")).Want(http.StatusOK)
			events := s.nothing(t, "an application token outside the ranges", func() {
				a := s.from(t, "198.51.100.7", app, s.organizationPath("")).WantCode(http.StatusForbidden, "client_ip_address_policy_violation")
				if got := a.Metadata()["remedy"].(string); !strings.Contains(got, "198.51.100.7") || strings.Contains(string(a.Body), "203.0.113") {
					t.Errorf("the refusal is %s", a.Body)
				}
			}, "access_refused")
			if e := events[0]; e.actor != appID || e.client != "198.51.100.7" || e.organization != s.OrganizationID {
				t.Errorf("the event is %+v", e)
			}
		})
	}
}

// TestPOL13_ManagedLogin: a managed user whose organization has no passwords
// gets no session for the right one, and hears why only then.
func TestPOL13_ManagedLogin(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob := s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
		s.Manage(t, bob)
		s.login(t, bobEmail, bobPassword, "")
		s.changePolicy(t, map[string]any{"password_auth_enabled": false})
		try := func(email, password string) servertest.Answer {
			return s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": email, "password": password})
		}
		events := s.nothing(t, "a refused login", func() {
			for range 2 {
				a := try(bobEmail, bobPassword).WantCode(http.StatusForbidden, "user_password_authentication_method_not_allowed")
				m := a.Metadata()
				if a.Header.Get("Set-Cookie") != "" || strings.Contains(string(a.Body), "sps_") || m["remedy_url"] != s.URL+"/login" || !strings.HasPrefix(m["remedy"].(string), "log in with your organization's identity provider") {
					t.Errorf("the refusal is %v %s", a.Header, a.Body)
				}
			}
		}, "login_refused")
		if e := events[0]; e.actor != bob || e.target != bob || e.organization != s.OrganizationID || e.outcome != "refused" || e.decision == "" || e.credential != "" || e.client != "127.0.0.1" {
			t.Errorf("the event is %+v", e)
		}
		s.nothing(t, "a wrong password", func() {
			wrong := try(bobEmail, "wrong words").WantCode(http.StatusForbidden, "authentication_failed")
			unknown := try("nobody@a.example", "wrong words").WantCode(http.StatusForbidden, "authentication_failed")
			if w, u := comparableAnswer(wrong), comparableAnswer(unknown); w != u {
				t.Errorf("a wrong password is answered\n%s\nan unknown name\n%s", w, u)
			}
		})
		token, _, err := s.Org.Recover(t.Context(), s.OrganizationID, servertest.AdminEmail)
		if err != nil {
			t.Fatal(err)
		}
		d := s.Do(t, http.MethodGet, s.organizationPath("/decisions/"+events[0].decision), token, nil).Want(http.StatusOK)
		if d.String("error_code") != "user_password_authentication_method_not_allowed" {
			t.Errorf("the explanation is %s", d.Body)
		}
		// Nobody manages uma: she logs in, and is stopped at the door.
		s.AddUser(t, s.OrganizationID, "uma@a.example", bobPassword, false)
		s.Do(t, http.MethodGet, s.organizationPath(""), s.login(t, "uma@a.example", bobPassword, ""), nil).
			WantCode(http.StatusForbidden, "user_password_authentication_method_not_allowed")
	})
}

// TestPOL14_TwoOrganizationsDisagree: each door decides alone, and tells
// nothing of the other.
func TestPOL14_TwoOrganizationsDisagree(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		other := s.otherOrganization(t, "C")
		bob, byPassword := s.AddMember(t, bobEmail, bobPassword)
		s.join(t, other, bob)
		bySAML := s.provenBy(t, policy.Session, bob, s.OrganizationID)
		s.AddProject(t, s.OrganizationID, s.AccountID, "rockets")
		idpOnly := func(p *policy.Policy) {
			p.PasswordEnabled, p.OAuthEnabled, p.PasskeyEnabled, p.SAMLAllowExternal = false, false, false, false
		}
		s.setPolicy(t, s.OrganizationID, idpOnly)
		s.setPolicy(t, other, func(p *policy.Policy) {
			p.SAMLEnabled, p.OAuthEnabled, p.PasskeyEnabled = false, false, false
		})
		in := func(organization, token string) servertest.Answer {
			return s.Do(t, http.MethodGet, "/v1/organization/"+organization, token, nil)
		}
		in(s.OrganizationID, bySAML).Want(http.StatusOK)
		in(other, byPassword).Want(http.StatusOK)
		stopped := in(s.OrganizationID, byPassword).WantCode(http.StatusForbidden, "user_password_authentication_method_not_allowed")
		turned := in(other, bySAML).WantCode(http.StatusForbidden, "user_saml_authentication_method_not_allowed")
		if got := turned.Metadata()["remedy"]; got != "log in with your password" {
			t.Errorf("C says %v", got)
		}
		for a, foreign := range map[*servertest.Answer]string{&stopped: other, &turned: s.OrganizationID} {
			if strings.Contains(string(a.Body), foreign) {
				t.Errorf("an answer names the other organization: %s", a.Body)
			}
		}
		for token, seen := range map[string]string{byPassword: other, bySAML: s.OrganizationID} {
			list := string(s.Do(t, http.MethodGet, "/v1/organizations", token, nil).Want(http.StatusOK).Body)
			for _, id := range []string{s.OrganizationID, other} {
				if strings.Contains(list, id) != (id == seen) {
					t.Errorf("the list for %s is %s", token[:12], list)
				}
			}
		}
		if got := string(s.Do(t, http.MethodGet, "/v1/me", byPassword, nil).Want(http.StatusOK).Body); strings.Contains(got, "rockets") {
			t.Errorf("the profile shows A's project: %s", got)
		}
		rows := s.Rows(t, `SELECT organization_id, credential_prefix, detail FROM events WHERE action = 'access_refused' ORDER BY id`)
		if len(rows) != 2 || rows[0][0] != s.OrganizationID || rows[1][0] != other {
			t.Fatalf("the events are %q", rows)
		}
		if strings.Contains(rows[0][2], other) {
			t.Errorf("the event names the other organization: %s", rows[0][2])
		}
	})
}
