package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/policy"
)

// TestSES03_NoOtherCookie: nothing but a login sets a cookie.
func TestSES03_NoOtherCookie(t *testing.T) {
	s := newScene(t, servertest.Options{})
	s.AddProject(t, s.OrganizationID, s.AccountID, "rockets")
	fill := strings.NewReplacer("{organization_id}", s.OrganizationID, "{account_id}", s.AccountID, "{project}", "rockets", "{member_user_id}", s.AdminID)
	for operation := range s.Contract(t).Operations() {
		method, path, _ := strings.Cut(operation, " ")
		if method == http.MethodDelete || path == "/v1/me/logout" || path == "/v1/me/expire_tokens" {
			continue
		}
		for _, token := range []string{s.AdminToken, ""} {
			if a := s.Do(t, method, fill.Replace(path), token, nil); a.Header.Get("Set-Cookie") != "" {
				t.Errorf("%s answers %d and sets %q", operation, a.Status, a.Header.Values("Set-Cookie"))
			}
		}
	}
	for _, path := range []string{"/", "/login", "/reset?code=x", "/style.css", "/healthz", "/readyz", "/nowhere", "/v1/nowhere"} {
		if a := s.Do(t, http.MethodGet, path, "", nil); a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s sets %q", path, a.Header.Values("Set-Cookie"))
		}
	}
}

// TestSES04_SessionsEnd after twelve hours, however busy they are and whatever
// time the client believes it is.
func TestSES04_SessionsEnd(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob := s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
		session := s.login(t, bobEmail, bobPassword, "")
		for range 11 {
			s.advance(time.Hour)
			s.Do(t, http.MethodGet, s.organizationPath(""), session, nil).Want(http.StatusOK)
		}
		s.advance(time.Hour - 30*time.Second)
		s.Do(t, http.MethodGet, "/v1/me", session, nil).Want(http.StatusOK)
		s.nothing(t, "a session that has ended", func() {
			s.advance(31 * time.Second)
			for _, path := range []string{"/v1/me", s.organizationPath(""), "/v1/access_token"} {
				wrongClock := map[string]string{"Date": s.now().Add(-24 * time.Hour).Format(http.TimeFormat), "If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}
				s.send(t, http.MethodGet, path, session, wrongClock, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
			}
		})
		next := s.login(t, bobEmail, bobPassword, "")
		if got := string(s.Do(t, http.MethodGet, "/v1/access_token", next, nil).Want(http.StatusOK).Body); strings.Contains(got, session[:12]) {
			t.Errorf("it is still listed: %s", got)
		}
		expires := s.Value(t, `SELECT expires_at FROM tokens WHERE prefix = $1 AND user_id = $2`, session[:12], bob)
		if expires > fmt.Sprint(s.now().UnixMicro()) {
			t.Errorf("the row lives until %s", expires)
		}
	})
}

// TestSES04_PolicyShortensSessions at the organization's door only.
func TestSES04_PolicyShortensSessions(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		other := s.otherOrganization(t, "B")
		bob := s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
		s.join(t, other, bob)
		s.Do(t, http.MethodPatch, s.organizationPath("/config/authentication"), s.AdminToken,
			map[string]any{"session_idle_seconds": 300, "session_max_age_seconds": 3600}).Want(http.StatusOK)
		enter := func(session string, status int) servertest.Answer {
			t.Helper()
			return s.Do(t, http.MethodGet, s.organizationPath(""), session, nil).Want(status)
		}
		tooOld := func(session string) {
			t.Helper()
			a := enter(session, http.StatusForbidden)
			if a.Code() != "credential_too_old" || a.Metadata()["remedy"] != "log in again" || a.Metadata()["remedy_url"] != s.URL+"/login" {
				t.Errorf("got %s", a.Body)
			}
		}
		session := s.login(t, bobEmail, bobPassword, "")
		s.advance(299 * time.Second)
		enter(session, http.StatusOK)
		s.advance(299 * time.Second)
		enter(session, http.StatusOK) // use begins the wait anew
		s.advance(303 * time.Second)
		e := s.one(t, "access_refused", func() { tooOld(session) })
		if e.actor != bob || e.credential != session[:12] || e.organization != s.OrganizationID || e.decision == "" {
			t.Errorf("the event is %+v", e)
		}
		// Whoever found the session lying about does not wake it elsewhere.
		s.Do(t, http.MethodGet, "/v1/me", session, nil).Want(http.StatusOK)
		s.Do(t, http.MethodGet, "/v1/organization/"+other, session, nil).Want(http.StatusOK)
		tooOld(session)
		if err := s.Access.FlushUses(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { p.PasskeyEnabled = !p.PasskeyEnabled }) // read again
		tooOld(session)

		busy := s.login(t, bobEmail, bobPassword, "")
		for range 12 {
			s.advance(299 * time.Second)
			enter(busy, http.StatusOK)
		}
		s.advance(13 * time.Second)
		tooOld(busy)
		enter(s.login(t, bobEmail, bobPassword, ""), http.StatusOK)
	})
}

// TestSES07_OtherPeoplesSessions are neither seen nor ended by members; an
// admin ends those of managed people only.
func TestSES07_OtherPeoplesSessions(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, bobSession := s.AddMember(t, bobEmail, bobPassword)
		managed, managedSession := s.AddMember(t, "mia@a.example", "")
		s.Manage(t, managed)
		eve := s.Eve(t)
		for name, token := range map[string]string{"bob": bobSession, "alice": s.AdminToken} {
			list := string(s.Do(t, http.MethodGet, "/v1/access_token", token, nil).Want(http.StatusOK).Body)
			for _, prefix := range []string{s.AdminToken[:12], bobSession[:12], managedSession[:12], eve.Session[:12]} {
				if own := prefix == token[:12]; own != strings.Contains(list, prefix) {
					t.Errorf("%s's list has %s: %t", name, prefix, !own)
				}
			}
		}
		member := func(user, rest string) string { return s.organizationPath("/user/" + user + rest) }
		s.nothing(t, "ending sessions of others", func() {
			for _, token := range []string{bobSession, s.AdminToken, eve.Session} {
				for _, victim := range []string{managedSession, managedSession[:12], "spp_00000000"} {
					s.Do(t, http.MethodDelete, "/v1/access_token/"+victim, token, nil).WantCode(http.StatusNotFound, "token_not_found")
					s.Do(t, http.MethodPut, "/v1/access_token/"+victim, token, map[string]string{"description": "mine"}).WantCode(http.StatusNotFound, "token_not_found")
				}
			}
			s.Do(t, http.MethodDelete, member(bob, "/access-token/"+bobSession[:12]), s.AdminToken, nil).WantCode(http.StatusForbidden, "action_forbidden_on_unmanaged_users")
			s.Do(t, http.MethodDelete, member(managed, "/access-token/"+managedSession[:12]), eve.Session, nil).WantCode(http.StatusNotFound, "organization_not_found")
			s.Do(t, http.MethodDelete, member(managed, "/access-token/"+bobSession[:12]), s.AdminToken, nil).WantCode(http.StatusNotFound, "token_not_found")
		}, "access_refused", "access_refused")
		s.Do(t, http.MethodDelete, member(managed, "/access-token/"+managedSession[:12]), bobSession, nil).WantCode(http.StatusForbidden, "request_forbidden")
		e := s.one(t, "token_revoked", func() {
			s.Do(t, http.MethodDelete, member(managed, "/access-token/"+managedSession[:12]), s.AdminToken, nil).Want(http.StatusNoContent)
		})
		if e.actor != s.AdminID || e.credential != s.AdminToken[:12] || e.target != managedSession[:12] || e.organization != s.OrganizationID {
			t.Errorf("the event is %+v", e)
		}
		s.Do(t, http.MethodGet, "/v1/me", managedSession, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
		s.Do(t, http.MethodGet, "/v1/me", bobSession, nil).Want(http.StatusOK)
		if n := s.lastEvent(t); s.Do(t, http.MethodDelete, member(managed, "/access-token/"+managedSession[:12]), s.AdminToken, nil).Status != http.StatusNotFound || s.lastEvent(t) != n {
			t.Error("it was ended twice")
		}
	})
}

// TestSES08_SessionValuesStayHidden: the public name of a session is its
// prefix, and nothing shows more of it.
func TestSES08_SessionValuesStayHidden(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		managed := s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
		session := s.login(t, bobEmail, bobPassword, "")
		other := s.login(t, bobEmail, bobPassword, "")
		s.Manage(t, managed)
		var shown strings.Builder
		see := func(a servertest.Answer) servertest.Answer {
			fmt.Fprintln(&shown, a.Header, string(a.Body))
			return a
		}
		see(s.Do(t, http.MethodGet, "/v1/me", session, nil).Want(http.StatusOK))
		list := see(s.Do(t, http.MethodGet, "/v1/access_token", session, nil).Want(http.StatusOK))
		if !strings.Contains(string(list.Body), other[:12]) {
			t.Errorf("sessions have no public name: %s", list.Body)
		}
		see(s.Do(t, http.MethodGet, s.organizationPath("/user/"+managed+"/access-tokens"), s.AdminToken, nil).Want(http.StatusOK))
		see(s.Do(t, http.MethodPatch, s.organizationPath(""), session, map[string]string{"name": "x"}).Want(http.StatusForbidden))
		see(s.Do(t, http.MethodGet, "/nowhere?session="+session, session, nil).Want(http.StatusNotFound))
		see(s.Do(t, http.MethodGet, "/v1/"+session, session, nil).Want(http.StatusNotFound))
		see(s.Do(t, http.MethodPost, "/v1/access_token", session, `{"description": "`+session+`", `).Want(http.StatusBadRequest))
		see(s.Do(t, http.MethodDelete, "/v1/access_token/"+other, session, nil).Want(http.StatusOK))
		see(s.Do(t, http.MethodPost, "/v1/me/logout", session, nil).Want(http.StatusOK))
		see(s.Do(t, http.MethodGet, s.organizationPath("/audit-events"), s.AdminToken, nil).Want(http.StatusOK))
		see(s.Do(t, http.MethodGet, "/v1/account/"+s.AccountID+"/events", s.AdminToken, nil).Want(http.StatusOK))
		for place, text := range map[string]string{"answers": shown.String(), "events": fmt.Sprint(s.since(t, "0")), "the log": s.Logs.String()} {
			for _, token := range []string{session, other} {
				if strings.Contains(text, token[12:]) {
					t.Errorf("%s hold the secret part of a session", place)
				}
			}
		}
	})
}

// TestSES09_StepUpIsAFullLogin of the last ten minutes, as strong as the
// account, in a session.
func TestSES09_StepUpIsAFullLogin(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		secret, strong := s.enrol(t, s.AdminToken, servertest.AdminPassword)
		weak := s.Session(t, s.AdminID) // by the password alone
		personal := s.Personal(t, s.AdminID)
		bob, bobSession := s.AddMember(t, bobEmail, bobPassword)
		s.Grant(t, bob, identity.AdminRole)
		ranges := map[string]any{"api_client_ip_allowlist": []string{"192.0.2.0/24"}, "api_client_ip_allowlist_enabled": true, "accept_lockout": true}
		lockout := map[string]any{"password_auth_enabled": false, "accept_lockout": true}
		// A refusal is recorded once for each credential, reason and minute.
		refused := func(what, token, code string, actions ...string) {
			t.Helper()
			s.nothing(t, what, func() {
				s.Do(t, http.MethodPatch, s.organizationPath("/config/authentication"), token, lockout).WantCode(http.StatusForbidden, code)
				s.Do(t, http.MethodPut, s.organizationPath("/config/api-client-ip-allowlist"), token, ranges).WantCode(http.StatusForbidden, code)
			}, actions...)
		}
		refused("a session by password where there is a factor", weak, "fresh_login_required", "access_refused")
		refused("a token", personal, "session_required", "access_refused")
		s.advance(9 * time.Minute)
		s.Do(t, http.MethodPatch, s.organizationPath("/config/authentication"), strong, map[string]any{"mcp_enabled": true}).Want(http.StatusOK)
		s.advance(2 * time.Minute)
		for what, token := range map[string]string{"an old session": strong, "an old session of another admin": bobSession, "an old weak session": weak} {
			refused(what, token, "fresh_login_required", "access_refused")
			s.nothing(t, what, func() {
				s.Do(t, http.MethodPatch, s.organizationPath("/config/authentication"), token, map[string]any{"mcp_enabled": false}).WantCode(http.StatusForbidden, "fresh_login_required")
			})
		}
		s.nothing(t, "an old session", func() {
			s.Do(t, http.MethodDelete, s.organizationPath(""), strong, nil).WantCode(http.StatusForbidden, "fresh_login_required")
			s.Do(t, http.MethodDelete, s.organizationPath(""), personal, nil).WantCode(http.StatusForbidden, "session_required")
			s.Do(t, http.MethodPut, "/v1/me/2fa", strong, map[string]any{"method": nil, "password": servertest.AdminPassword}).WantCode(http.StatusForbidden, "fresh_login_required")
		}, "access_refused", "access_refused")
		// A fresh login of bob freshens no session of alice.
		s.login(t, bobEmail, bobPassword, "")
		refused("another's login", strong, "fresh_login_required")
		fresh := s.login(t, servertest.AdminEmail, servertest.AdminPassword, s.code(secret))
		s.Do(t, http.MethodPatch, s.organizationPath("/config/authentication"), fresh, map[string]any{"mcp_enabled": false}).Want(http.StatusOK)
	})
}
