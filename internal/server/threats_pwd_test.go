package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/console"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// rawRequest sends bytes that no HTTP client would, and returns the answer.
func (s *scene) rawRequest(tb testing.TB, text string) (status int, body string) {
	tb.Helper()
	conn, err := net.Dial("tcp", s.Config.Listen)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		tb.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// forgedHosts are headers from which careless servers make links.
var forgedHosts = []map[string]string{
	{"Host": "evil.example"},
	{"Host": "evil.example:443"},
	{"X-Forwarded-Host": "evil.example"},
	{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "444", "X-Forwarded-Prefix": "/evil.example"},
	{"Forwarded": "host=evil.example;proto=http"},
	{"X-Host": "evil.example", "X-Original-Host": "evil.example", "X-Forwarded-Server": "evil.example"},
	{"X-Original-URL": "http://evil.example/", "X-Rewrite-URL": "http://evil.example/", "Origin": "http://evil.example", "Referer": "http://evil.example/"},
}

// TestPWD06_LinksAreMadeOfThePublicURL: no header of a request gets into a link
// or a remedy, not even of a proxy that is believed about addresses.
func TestPWD06_LinksAreMadeOfThePublicURL(t *testing.T) {
	s := newScene(t, servertest.Options{Config: trustLoopback})
	_, bob := s.AddMember(t, bobEmail, bobPassword)
	s.Do(t, http.MethodPatch, s.organizationPath("/config/authentication"), s.AdminToken,
		map[string]any{"password_auth_enabled": false, "accept_lockout": true}).Want(http.StatusOK)
	for _, headers := range forgedHosts {
		a := s.send(t, http.MethodGet, s.organizationPath(""), bob, headers, nil).WantCode(http.StatusForbidden, "user_password_authentication_method_not_allowed")
		if got := a.Metadata()["remedy_url"]; got != s.URL+"/login" {
			t.Errorf("%v: remedy_url is %v", headers, got)
		}
		for _, path := range []string{"/openapi.json", "/docs", "/v1/nothing", "/v1/../login", "/login", "/", "/reset?code=x", "/nowhere"} {
			a := s.send(t, http.MethodGet, path, bob, headers, nil)
			if strings.Contains(string(a.Body), "evil.example") || strings.Contains(fmt.Sprint(a.Header), "evil.example") {
				t.Errorf("%v: %s answers %v %s", headers, path, a.Header, a.Body)
			}
		}
	}
	if link := console.ResetLink(s.URL, "a&b=c"); link != s.URL+"/reset?code=a%26b%3Dc" {
		t.Errorf("the link is %s", link)
	}
}

// TestPWD06_PagesKnowTheirHost: what is reached under a stranger's name is no
// page of ours; nor do two names make a choice of them.
func TestPWD06_PagesKnowTheirHost(t *testing.T) {
	s := newScene(t, servertest.Options{})
	code := s.resetCode(t, s.AdminID)
	form := url.Values{"code": {code}, "password": {"another nine words of sense"}}.Encode()
	post := func(target, hosts string) (int, string) {
		return s.rawRequest(t, fmt.Sprintf("POST %s HTTP/1.1\n%sContent-Type: application/x-www-form-urlencoded\nContent-Length: %d\nConnection: close\n\n%s", target, hosts, len(form), form))
	}
	own := "Host: " + s.Config.Listen + "\n"
	s.nothing(t, "a page under a stranger's name", func() {
		for _, c := range []struct {
			target, hosts string
			status        int
		}{
			{"/reset", "Host: evil.example\n", http.StatusMisdirectedRequest},
			{"/reset", "Host: 127.0.0.1.evil.example\n", http.StatusMisdirectedRequest},
			{"/reset", "Host: localhost.evil.example:80\n", http.StatusMisdirectedRequest},
			{"/reset", "Host: 127.0.0.1@evil.example\n", http.StatusBadRequest},
			{"/reset", "Host: \n", http.StatusMisdirectedRequest},
			{"/reset", "Host: evil.example\nX-Forwarded-Host: " + s.Config.Listen + "\n", http.StatusMisdirectedRequest},
			{"/reset", own + "Host: evil.example\n", http.StatusBadRequest},
			{"/reset", "Host: evil.example\n" + own, http.StatusBadRequest},
			{"/reset", "", http.StatusBadRequest},
			{"http://evil.example/reset", own, http.StatusMisdirectedRequest},
		} {
			status, body := post(c.target, c.hosts)
			if status != c.status || strings.Contains(body, "evil.example") || strings.Contains(body, code) {
				t.Errorf("%s %q answers %d %s, want %d", c.target, c.hosts, status, body, c.status)
			}
		}
	})
	for _, c := range []struct{ host, path string }{
		{"localhost:8080", "/reset"}, {"[::1]:8080", "/reset"}, {"lb.internal", "/healthz"}, {"lb.internal", "/readyz"}, {"lb.internal", "/openapi.json"},
	} {
		s.send(t, http.MethodGet, c.path, "", map[string]string{"Host": c.host}, nil).Want(http.StatusOK)
	}
	e := s.one(t, "password_reset", func() {
		if status, body := post("/reset", own); status != http.StatusOK {
			t.Errorf("the owner's own POST answers %d %s", status, body)
		}
	})
	if e.actor != s.AdminID || e.target != s.AdminID {
		t.Errorf("the event is %+v", e)
	}
}

// TestPWD08_MailScannersUseNothingUp: whoever opens the link before its owner
// does, however often.
func TestPWD08_MailScannersUseNothingUp(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob := s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
		code := s.resetCode(t, bob)
		page := "/reset?code=" + url.QueryEscape(code)
		s.nothing(t, "opening a mailed link", func() {
			for range 3 {
				s.Do(t, http.MethodGet, page, "", nil).Want(http.StatusOK)
				s.Do(t, http.MethodHead, page, "", nil).Want(http.StatusOK)
				s.send(t, http.MethodGet, page, "", map[string]string{"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch"}, nil).Want(http.StatusOK)
				s.Do(t, http.MethodOptions, page, "", nil)
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					s.Do(t, method, "/v1/user/password_reset/"+code, "", nil).Want(http.StatusMethodNotAllowed)
				}
				// The password in the address as well.
				s.Do(t, http.MethodGet, page+"&password=another+nine+words+of+sense", "", nil).Want(http.StatusOK)
			}
		})
		set := func() servertest.Answer {
			return s.postForm(t, "/reset", url.Values{"code": {code}, "password": {"another nine words of sense"}}, nil)
		}
		e := s.one(t, "password_reset", func() { set().Want(http.StatusOK) })
		if e.actor != bob || e.target != bob || strings.Contains(fmt.Sprint(e), code) {
			t.Errorf("the event is %+v", e)
		}
		s.nothing(t, "a used code", func() { set().Want(http.StatusBadRequest) })
		s.login(t, bobEmail, "another nine words of sense", "")
	})
}

// postForm sends a form as a browser does.
func (s *scene) postForm(tb testing.TB, path string, form url.Values, headers map[string]string) servertest.Answer {
	tb.Helper()
	all := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for name, value := range headers {
		all[name] = value
	}
	return s.send(tb, http.MethodPost, path, "", all, form.Encode())
}
