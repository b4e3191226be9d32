package server_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestMFA06_HalfALoginEnrolsNothing: the right password is no credential while
// the code is missing, whatever one tries with what was answered.
func TestMFA06_HalfALoginEnrolsNothing(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		_, session := s.AddMember(t, bobEmail, bobPassword)
		secret, _ := s.enrol(t, session, bobPassword)
		body := map[string]string{"email": bobEmail, "password": bobPassword}
		s.Do(t, http.MethodPost, "/v1/userauth", "", body).WantCode(http.StatusNotExtended, "user_otp_required") // mails bob (row RAT-08)
		s.nothing(t, "half a login", func() {
			half := s.Do(t, http.MethodPost, "/v1/userauth", "", body).WantCode(http.StatusNotExtended, "user_otp_required")
			if half.Header.Get("Set-Cookie") != "" {
				t.Errorf("it sets %s", half.Header.Get("Set-Cookie"))
			}
			// Every word of the answer, as if it were a credential.
			tries := append(regexp.MustCompile(`[0-9A-Za-z_]+`).FindAllString(string(half.Body), -1), "", half.Header.Get("X-Request-Id"))
			for _, token := range tries {
				for _, c := range []struct {
					method, path string
					body         any
				}{
					{http.MethodPut, "/v1/me/2fa", map[string]any{"method": "otp", "password": bobPassword}},
					{http.MethodPut, "/v1/me/2fa", map[string]any{"method": nil, "password": bobPassword}},
					{http.MethodPut, "/v1/me/2fa/otp", map[string]any{"password": bobPassword, "uri": "otpauth://totp/x", "otp": "000000"}},
					{http.MethodPut, "/v1/me/password", map[string]any{"password": bobPassword, "new_password": "some entirely new words"}},
					{http.MethodPost, "/v1/access_token", map[string]any{"description": "mine"}},
					{http.MethodGet, "/v1/me", nil},
				} {
					s.send(t, c.method, c.path, token, map[string]string{"Cookie": "session=" + token + "; __Host-sallyport_device=" + token}, c.body).
						WantCode(http.StatusUnauthorized, "authentication_failed")
				}
			}
		})
		s.login(t, bobEmail, bobPassword, s.code(secret)) // the factor is as it was
	})
}

// TestMFA08_RequiredButNotSetUp: the session of a password alone does for
// setting the factor up, and for nothing of the organization.
func TestMFA08_RequiredButNotSetUp(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob := s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
		personal := s.Personal(t, bob)
		s.AddProject(t, s.OrganizationID, s.AccountID, "rockets")
		s.Do(t, http.MethodPatch, s.organizationPath("/config/authentication"), s.AdminToken,
			map[string]any{"two_factor_required": true, "accept_lockout": true}).Want(http.StatusOK)
		session := s.login(t, bobEmail, bobPassword, "")
		events := s.nothing(t, "a session without the factor", func() {
			for _, path := range []string{s.organizationPath(""), s.organizationPath("/user"), "/v1/account/" + s.AccountID, "/v1/project/rockets", "/v1/organizations"} {
				a := s.Do(t, http.MethodGet, path, session, nil).WantCode(http.StatusForbidden, "mfa_required_by_organization")
				if m := a.Metadata(); m["remedy"] != "set up a second factor, then log in again" || m["remedy_url"] != s.URL+"/profile/authentication" || reasonsOf(a) != "[mfa_required_by_organization]" {
					t.Errorf("%s: %v", path, m)
				}
			}
		}, "access_refused")
		if e := events[0]; e.actor != bob || e.credential != session[:12] || e.organization != s.OrganizationID || e.outcome != "refused" || e.client != "127.0.0.1" || e.request == "" || e.decision == "" {
			t.Errorf("the event is %+v", e)
		}
		if got := s.Do(t, http.MethodGet, "/v1/me", session, nil).Want(http.StatusOK); strings.Contains(string(got.Body), "rockets") {
			t.Errorf("the profile shows the organization's projects: %s", got.Body)
		}
		// Rule 17 is for sessions only.
		s.Do(t, http.MethodGet, s.organizationPath(""), personal, nil).Want(http.StatusOK)

		secret, proven := s.enrol(t, session, bobPassword)
		s.Do(t, http.MethodGet, s.organizationPath(""), session, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
		s.Do(t, http.MethodGet, s.organizationPath(""), proven, nil).Want(http.StatusOK)
		s.Do(t, http.MethodGet, s.organizationPath(""), personal, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
		s.Do(t, http.MethodGet, s.organizationPath(""), s.login(t, bobEmail, bobPassword, s.code(secret)), nil).Want(http.StatusOK)
		// A session from before, or of a door without the factor, says how to
		// get one that has it.
		a := s.Do(t, http.MethodGet, s.organizationPath(""), s.Session(t, bob), nil).WantCode(http.StatusForbidden, "mfa_required_by_organization")
		if got := a.Metadata()["remedy"]; got != "log in again with your second factor" {
			t.Errorf("the remedy is %v", got)
		}
	})
}
