package server_test

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// attempt goes through the steps of a login in a browser and returns the last
// one, with the flow secret that holds then.
func (s *scene) attempt(tb testing.TB, in login.Begin, email, password, code string) login.Flow {
	tb.Helper()
	ctx, from := tb.Context(), login.Caller{}
	flow, err := s.Login.Begin(ctx, from, in)
	secret := flow.Secret
	for _, step := range []func() (login.Flow, error){
		func() (login.Flow, error) { return s.Login.Identify(ctx, from, secret, email) },
		func() (login.Flow, error) { return s.Login.Password(ctx, from, secret, password) },
		func() (login.Flow, error) { return s.Login.Code(ctx, from, secret, code) },
	} {
		if err != nil {
			tb.Fatal(err)
		}
		if flow.Step == login.StepDone || flow.Step == login.StepFactor && code == "" {
			break
		}
		flow, err = step()
		secret = cmp.Or(flow.Secret, secret)
	}
	if err != nil {
		tb.Fatal(err)
	}
	flow.Secret = secret
	return flow
}

// TestSES04_BrowserSessionsEnd after an hour without use, and after a day
// however busy they are.
func TestSES04_BrowserSessionsEnd(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
		session := func() string { return s.attempt(t, login.Begin{}, bobEmail, bobPassword, "").Done.Token }
		me := func(token string, status int) {
			t.Helper()
			s.Do(t, http.MethodGet, "/v1/me", token, nil).Want(status)
		}
		idle, busy := session(), session()
		s.advance(time.Hour - 30*time.Second)
		me(busy, http.StatusOK)
		s.advance(31 * time.Second)
		me(idle, http.StatusUnauthorized)
		for range 23 {
			s.advance(59 * time.Minute)
			me(busy, http.StatusOK)
		}
		s.advance(22*time.Minute + 30*time.Second) // 23 h 59 m 31 s
		me(busy, http.StatusOK)
		s.advance(30 * time.Second)
		me(busy, http.StatusUnauthorized)
		if err := s.Access.FlushUses(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{idle, busy} {
			if expires := s.Value(t, `SELECT expires_at FROM tokens WHERE prefix = $1`, token[:12]); expires > fmt.Sprint(s.now().UnixMicro()) {
				t.Errorf("the row lives until %s", expires)
			}
		}
	})
}

// TestSES07_SessionsOfOthers are neither listed nor ended.
func TestSES07_SessionsOfOthers(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		_, bob := s.AddMember(t, bobEmail, bobPassword)
		eve := s.Eve(t)
		second := s.login(t, bobEmail, bobPassword, "")
		list := string(s.Do(t, http.MethodGet, "/v1/me/sessions", bob, nil).Want(http.StatusOK).Body)
		for prefix, own := range map[string]bool{bob[:12]: true, second[:12]: true, s.AdminToken[:12]: false, eve.Session[:12]: false} {
			if strings.Contains(list, prefix) != own {
				t.Errorf("%s is listed: %t", prefix, !own)
			}
		}
		s.nothing(t, "ending sessions of others", func() {
			for _, victim := range []string{s.AdminToken[:12], s.AdminToken, eve.Session[:12], "sps_00000000", "%25", "..%2f"} {
				s.Do(t, http.MethodDelete, "/v1/me/sessions/"+victim, bob, nil).Want(http.StatusNotFound)
			}
			s.Do(t, http.MethodDelete, "/v1/me/sessions/"+s.AdminToken[:12], eve.Session, nil).WantCode(http.StatusNotFound, "session_not_found")
		})
		e := s.one(t, "session_ended", func() {
			s.Do(t, http.MethodDelete, "/v1/me/sessions/"+second[:12], bob, nil).Want(http.StatusNoContent)
		})
		if e.target != second[:12] || e.credential != bob[:12] {
			t.Errorf("the event is %+v", e)
		}
		s.Do(t, http.MethodGet, "/v1/me", second, nil).Want(http.StatusUnauthorized)
		third := s.login(t, bobEmail, bobPassword, "")
		if a := s.Do(t, http.MethodDelete, "/v1/me/sessions", bob, nil).Want(http.StatusOK); a.Object()["ended_sessions"] != float64(1) {
			t.Errorf("it says %s", a.Body)
		}
		s.Do(t, http.MethodGet, "/v1/me", third, nil).Want(http.StatusUnauthorized)
		for _, token := range []string{bob, s.AdminToken, eve.Session} {
			s.Do(t, http.MethodGet, "/v1/me", token, nil).Want(http.StatusOK)
		}
	})
}

// TestSES08_SessionListsShowNoValue.
func TestSES08_SessionListsShowNoValue(t *testing.T) {
	s := newScene(t, servertest.Options{})
	s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
	session := s.login(t, bobEmail, bobPassword, "")
	a := s.Do(t, http.MethodGet, "/v1/me/sessions", session, nil).Want(http.StatusOK)
	if !strings.Contains(string(a.Body), session[:12]) || strings.Contains(string(a.Body), session[12:]) {
		t.Errorf("the list is %s", a.Body)
	}
	b := s.Do(t, http.MethodDelete, "/v1/me/sessions/"+session, session, nil).Want(http.StatusNotFound)
	if strings.Contains(string(b.Body)+s.Logs.String(), session[12:]) {
		t.Error("an error or the log holds the value that was sent in a path")
	}
}

// TestMFA05_TheFlowSecretIsNoCredential: after the password nothing but the
// code is taken, whatever one tries with what the browser holds.
func TestMFA05_TheFlowSecretIsNoCredential(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		_, token := s.AddMember(t, bobEmail, bobPassword)
		secret, _ := s.enrol(t, token, bobPassword)
		flow := s.attempt(t, login.Begin{}, bobEmail, bobPassword, "")
		if flow.Step != login.StepFactor || flow.Done != nil {
			t.Fatalf("the password led to %+v", flow)
		}
		fill := strings.NewReplacer("{organization_id}", s.OrganizationID, "{account_id}", s.AccountID, "{member_user_id}", s.AdminID)
		s.nothing(t, "half a login", func() {
			for operation := range s.Contract(t).Operations() {
				method, path, _ := strings.Cut(operation, " ")
				if !strings.HasPrefix(path, "/v1/me") && !strings.HasPrefix(path, "/v1/organization") {
					continue
				}
				for _, value := range []string{flow.Secret, ""} {
					cookies := "__Host-sallyport_session=" + flow.Secret + "; __Host-sallyport_flow=" + flow.Secret
					s.send(t, method, fill.Replace(path), value, map[string]string{"Cookie": cookies}, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
				}
			}
		})
		if done, err := s.Login.Code(t.Context(), login.Caller{}, flow.Secret, s.code(secret)); err != nil || done.Done == nil {
			t.Errorf("the code leads to %+v, %v", done, err)
		}
	})
}

// TestMFA10_RecoveryCodesAreShownOnce: neither the database, nor mails, events
// or the log hold one.
func TestMFA10_RecoveryCodesAreShownOnce(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		_, token := s.AddMember(t, bobEmail, bobPassword)
		secret, session := s.enrol(t, token, bobPassword)
		var codes []string
		e := s.one(t, "recovery_codes_renewed", func() {
			for _, code := range s.Do(t, http.MethodPost, "/v1/me/2fa/recovery_codes", session, nil).Want(http.StatusOK).Object()["recovery_codes"].([]any) {
				codes = append(codes, code.(string))
			}
		})
		if e.detail == "" && e.description == "" || len(codes) != 10 || len(codes[0]) != 29 {
			t.Fatalf("%d codes like %q", len(codes), codes[0])
		}
		places := map[string]string{"the database": s.Dump(t), "events": fmt.Sprint(s.since(t, "0")), "the log": s.Logs.String(), "mails": fmt.Sprint(s.Mails(t, bobEmail))}
		for place, text := range places {
			for _, code := range codes {
				if strings.Contains(text, code) || strings.Contains(text, strings.ReplaceAll(code, "-", "")) {
					t.Errorf("%s hold a code", place)
				}
			}
		}
		// MFA-09 and MFA-10: used once, mailed, the authenticator stays on.
		s.login(t, bobEmail, bobPassword, codes[0])
		s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": bobEmail, "password": bobPassword, "otp": codes[0]}).
			WantCode(http.StatusForbidden, "user_config_2fa_otp_verification_failed")
		s.login(t, bobEmail, bobPassword, s.code(secret))
		kinds := s.kinds(t, bobEmail)
		for _, kind := range []string{identity.MailFactorAdded, identity.MailRecoveryRenewed, identity.MailRecoveryUsed} {
			if strings.Count(kinds, kind) != 1 {
				t.Errorf("mails %q, want one %s", kinds, kind)
			}
		}
		if a := s.Do(t, http.MethodGet, "/v1/me/2fa", session, nil).Want(http.StatusOK); a.Object()["recovery_codes_left"] != float64(9) || a.Object()["method"] != "otp" {
			t.Errorf("the state is %s", a.Body)
		}
	})
}

// TestRAT02_LoginOptions: known and unknown addresses get the same answer.
func TestRAT02_LoginOptions(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
		s.AddUser(t, s.OrganizationID, "sso@a.example", "", false)
		deactivated := s.AddUser(t, s.OrganizationID, "gone@a.example", bobPassword, false)
		s.deactivate(t, deactivated)
		ask := func(body any) servertest.Answer {
			t.Helper()
			a := s.Do(t, http.MethodPost, "/v1/userauth/login_options", "", body).Want(http.StatusOK)
			if strings.Contains(string(a.Body), "signup") {
				t.Errorf("it offers a sign-up: %s", a.Body)
			}
			return a
		}
		want := ask(map[string]any{"email": bobEmail})
		if want.Object()["action"] != "password" || len(want.Object()["None"].([]any)) != 2 {
			t.Errorf("the answer is %s", want.Body)
		}
		s.nothing(t, "asking", func() {
			for _, email := range []any{"unknown@a.example", "sso@a.example", "gone@a.example", "nobody@elsewhere.example", "", nil} {
				if a := ask(map[string]any{"email": email, "tenant": "x"}); comparableAnswer(a) != comparableAnswer(want) {
					t.Errorf("%v is told apart: %s", email, a.Body)
				}
			}
		})
	})
}

// TestRAT04_DeviceConfirmationTellsNothing: the answer is the same whoever is
// asked about.
func TestRAT04_DeviceConfirmationTellsNothing(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
		s.AddUser(t, s.OrganizationID, "sso@a.example", "", false)
		s.deactivate(t, s.AddUser(t, s.OrganizationID, "gone@a.example", bobPassword, false))
		var want string
		for _, email := range []string{bobEmail, "unknown@a.example", "sso@a.example", "gone@a.example"} {
			a := s.Do(t, http.MethodPost, "/v1/userauth/device_confirmation", "", map[string]string{"email": email}).Want(http.StatusOK)
			if got := comparableAnswer(a); want == "" {
				want = got
			} else if got != want {
				t.Errorf("%s is told apart: %s", email, a.Body)
			}
		}
		code := s.MailedCode(t, bobEmail, identity.MailDeviceConfirmation)
		s.nothing(t, "PWD-08 mail scanners", func() {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				s.send(t, method, "/device?code="+code, "", nil, nil)
			}
		})
		a := s.Do(t, http.MethodPost, "/v1/userauth/device_confirmation/"+code, "", nil).Want(http.StatusOK)
		cookie := a.Header.Get("Set-Cookie")
		for _, part := range []string{"__Host-sallyport_device=", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
			if !strings.Contains(cookie, part) {
				t.Errorf("the cookie is %s", cookie)
			}
		}
		s.Do(t, http.MethodPost, "/v1/userauth/device_confirmation/"+code, "", nil).WantCode(http.StatusBadRequest, "user_weblink_action_expired")
	})
}
