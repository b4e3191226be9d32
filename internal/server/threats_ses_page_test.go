package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// TestSES01_PagesGiveNewValues: what a browser held before a login, a second
// factor or a step-up is worth nothing after it.
func TestSES01_PagesGiveNewValues(t *testing.T) {
	s := newScene(t, servertest.Options{})
	secret, _ := s.enrol(t, s.AdminToken, servertest.AdminPassword)
	bob := s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
	planted := s.Session(t, bob)
	v := s.as(t, planted)
	v.cookies[flowCookie] = "planted"
	old := map[string]bool{"planted": true}
	step := func(pairs ...string) {
		t.Helper()
		before := v.cookies[flowCookie]
		v.post("/login", pairs...).Want(http.StatusSeeOther)
		if v.cookies[flowCookie] == before {
			t.Errorf("%q leaves the flow cookie as it was", pairs[1])
		}
		old[before] = true
	}
	v.post("/login", "step", "identify", "email", servertest.AdminEmail).Want(http.StatusSeeOther)
	step("step", "password", "password", servertest.AdminPassword)
	step("step", "code", "code", s.code(secret))
	session := v.cookies[sessionCookie]
	if session == planted || v.cookies[flowCookie] != "" {
		t.Errorf("after the login the cookies are %v", v.cookies)
	}
	s.Do(t, http.MethodGet, "/v1/me", planted, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
	for secret := range old {
		thief := s.visitor(t)
		thief.cookies[flowCookie] = secret
		thief.post("/login", "step", "code", "code", s.code([]byte("12345678901234567890")))
		if thief.cookies[sessionCookie] != "" {
			t.Error("an old flow cookie goes on")
		}
	}
	s.advance(11 * time.Minute)
	v.post("/login", "step", "step-up", "next", "/profile/tokens/new").Want(http.StatusSeeOther)
	step("step", "password", "password", servertest.AdminPassword)
	step("step", "code", "code", s.code(secret))
	if v.cookies[sessionCookie] == session {
		t.Error("the step-up leaves the session as it was")
	}
	s.Do(t, http.MethodGet, "/v1/me", session, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
	v.get("/profile/sessions").Want(http.StatusOK)
}

// TestSES02_AnotherBrowsersLogin: a callback counts in the browser that left.
func TestSES02_AnotherBrowsersLogin(t *testing.T) {
	s := newScene(t, servertest.Options{})
	alice := s.as(t, s.AdminToken)
	for _, v := range []*visitor{s.visitor(t), alice} {
		for _, provider := range []string{"google", "microsoft", "github", "am0123456789a", "nobody"} {
			s.nothing(t, "somebody else's callback", func() {
				a := v.get("/login/callback/" + provider + "?state=abc&code=def")
				if a.Status != http.StatusBadRequest || v.cookies[sessionCookie] != "" && v.cookies[sessionCookie] != s.AdminToken {
					t.Errorf("%s answers %d", provider, a.Status)
				}
			})
		}
	}
}

// TestSES03_CookiesOfPages: every cookie that any page sets.
func TestSES03_CookiesOfPages(t *testing.T) {
	s := newScene(t, servertest.Options{})
	want := map[string][]string{
		sessionCookie: {"Path=/", "HttpOnly", "Secure", "SameSite=Lax"},
		flowCookie:    {"Path=/", "Max-Age=600", "HttpOnly", "Secure", "SameSite=None"},
		deviceCookie:  {"Path=/", "Expires=", "HttpOnly", "Secure", "SameSite=Lax"},

		languageCookie: {"Path=/", "Max-Age=31536000", "HttpOnly", "Secure", "SameSite=Lax"},
	}
	v := s.visitor(t)
	for _, path := range openPages {
		v.get(path)
	}
	if len(v.set) > 0 {
		t.Errorf("looking at pages sets %q", v.set)
	}
	for path, form := range forms {
		v.post(path, form...)
	}
	v.cookies = map[string]string{}
	v.logIn(servertest.AdminEmail, servertest.AdminPassword, "")
	for _, path := range s.ownPages() {
		v.get(path)
	}
	v.post("/profile/authentication", "do", "password", "current", servertest.AdminPassword, "chosen", "another nine words of sense")
	v.post("/login", "step", "step-up", "next", "/").Want(http.StatusSeeOther)
	v.post("/login", "step", "password", "password", "another nine words of sense").Want(http.StatusSeeOther)
	v.get("/login/cli?" + url.Values{"redirect_uri": {"http://127.0.0.1:1/"}, "state": {"x"}, "code_challenge": {strings.Repeat("a", 43)}}.Encode())
	v.post("/logout", "a", "b")
	seen := map[string]int{}
	for _, line := range v.set {
		parts := strings.Split(line, "; ")
		name, value, _ := strings.Cut(parts[0], "=")
		seen[name]++
		attributes := want[name]
		if value == "" { // taken away
			attributes = append([]string{"Path=/", "Max-Age=0"}, attributes[len(attributes)-3:]...)
		}
		if len(parts) != len(attributes)+1 {
			t.Errorf("%q: want %q", parts, attributes)
			continue
		}
		for i, a := range attributes {
			if got := parts[i+1]; got != a && (a != "Expires=" || !strings.HasPrefix(got, a)) {
				t.Errorf("%q: %q, want %q", parts, got, a)
			}
		}
		if strings.ContainsAny(value, "@ {") || strings.Contains(value, s.AdminID) {
			t.Errorf("%s says something: %q", name, value)
		}
	}
	if len(seen) != 4 || seen[sessionCookie] < 3 || seen[flowCookie] < 3 {
		t.Errorf("the cookies are %v", seen)
	}
}

const deviceCookie = "__Host-sallyport_device"

// TestSES05_LogoutOfPages ends the session, not only the cookie.
func TestSES05_LogoutOfPages(t *testing.T) {
	s := newScene(t, servertest.Options{})
	v := s.visitor(t)
	session := v.logIn(servertest.AdminEmail, servertest.AdminPassword, "")
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if a := v.send(method, "/logout", nil, nil); a.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") != http.MethodPost {
			t.Errorf("%s /logout answers %d", method, a.Status)
		}
	}
	v.send(http.MethodPost, "/logout", nil, map[string]string{"Sec-Fetch-Site": "cross-site"}).Want(http.StatusForbidden)
	v.get("/profile/sessions").Want(http.StatusOK)
	s.one(t, "logout", func() {
		a := v.post("/logout", "a", "b").Want(http.StatusSeeOther)
		if a.Header.Get("Clear-Site-Data") != `"cache", "storage"` {
			t.Errorf("the headers are %v", a.Header)
		}
	})
	if v.cookies[sessionCookie] != "" {
		t.Errorf("the cookies are %v", v.cookies)
	}
	v.cookies[sessionCookie] = session
	v.get("/profile/sessions").Want(http.StatusSeeOther)
	s.Do(t, http.MethodGet, "/v1/me", session, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
}

// TestSES04_BrowserSessionsIdle: an hour unused, a day in all.
func TestSES04_BrowserSessionsIdle(t *testing.T) {
	s := newScene(t, servertest.Options{})
	v := s.visitor(t)
	v.logIn(servertest.AdminEmail, servertest.AdminPassword, "")
	for range 25 {
		s.advance(55 * time.Minute)
		v.get("/profile/sessions").Want(http.StatusOK)
	}
	s.advance(55 * time.Minute)
	s.advance(11 * time.Minute) // a day and a minute
	v.get("/profile/sessions").Want(http.StatusSeeOther)
	v = s.visitor(t)
	session := v.logIn(servertest.AdminEmail, servertest.AdminPassword, "")
	s.advance(time.Hour + time.Second)
	v.cookies[sessionCookie] = session
	v.get("/profile/sessions").Want(http.StatusSeeOther)
	s.Do(t, http.MethodGet, "/v1/me", session, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
}

// TestSES07_OtherPeoplesSessions cannot be ended, nor their tokens revoked.
func TestSES07_OtherPeoplesSessionsByPage(t *testing.T) {
	s := newScene(t, servertest.Options{})
	bob := s.as(t, s.Session(t, s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)))
	token := s.Personal(t, s.AdminID)
	s.nothing(t, "another's session", func() {
		bob.post("/profile/sessions", "id", s.AdminToken[:12]).Want(http.StatusSeeOther)
		bob.get("/profile/tokens/" + token[:12] + "/revoke").Want(http.StatusNotFound)
		bob.post("/profile/tokens/"+token[:12]+"/revoke", "yes", "yes").Want(http.StatusSeeOther)
	})
	s.Do(t, http.MethodGet, "/v1/me", s.AdminToken, nil).Want(http.StatusOK)
	s.Do(t, http.MethodGet, "/v1/me", token, nil).Want(http.StatusOK)
}

// TestMFA05_HalfALoginOpensNoPage: after the password alone, only the form of
// the second factor goes on.
func TestMFA05_HalfALoginOpensNoPage(t *testing.T) {
	s := newScene(t, servertest.Options{})
	secret, _ := s.enrol(t, s.AdminToken, servertest.AdminPassword)
	v := s.visitor(t)
	v.post("/login", "step", "identify", "email", servertest.AdminEmail).Want(http.StatusSeeOther)
	v.post("/login", "step", "password", "password", servertest.AdminPassword).Want(http.StatusSeeOther)
	flow := v.cookies[flowCookie]
	s.nothing(t, "half a login", func() {
		for _, path := range s.ownPages() {
			v.get(path).Want(http.StatusSeeOther)
		}
		v.cookies[sessionCookie] = flow
		v.get("/profile/authentication").Want(http.StatusSeeOther)
		delete(v.cookies, sessionCookie)
		for _, do := range []string{"authenticator", "authenticator-off", "codes", "passkey", "password", "unlink"} {
			a := v.post("/profile/authentication", "do", do, "password", servertest.AdminPassword, "current", servertest.AdminPassword, "chosen", "another nine words of sense").Want(http.StatusSeeOther)
			if !strings.HasPrefix(a.Header.Get("Location"), "/login?") {
				t.Errorf("%s leads to %s", do, a.Header.Get("Location"))
			}
		}
		s.Do(t, http.MethodGet, "/v1/me", flow, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
	})
	if text := string(v.get("/login").Want(http.StatusOK).Body); !strings.Contains(text, "Six-digit code") {
		t.Errorf("the page is %s", text)
	}
	v.post("/login", "step", "code", "code", s.code(secret)).Want(http.StatusSeeOther)
	v.get("/profile/authentication").Want(http.StatusOK)
}
