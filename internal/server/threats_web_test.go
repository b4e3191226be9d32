package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/internal/cli"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// TestWEB01_NoOtherOriginIsLetIn: no answer allows another origin anything, and
// what a browser sends along by itself opens nothing.
func TestWEB01_NoOtherOriginIsLetIn(t *testing.T) {
	s := newScene(t, servertest.Options{})
	login := s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": servertest.AdminEmail, "password": servertest.AdminPassword}).Want(http.StatusOK)
	cookie, _, _ := strings.Cut(login.Header.Get("Set-Cookie"), ";")
	sites := []map[string]string{
		{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
		{"Origin": s.URL + ".evil.example", "Sec-Fetch-Site": "same-site"},
		{"Origin": "null"},
		{"Origin": s.URL, "Sec-Fetch-Site": "same-origin"},
		{},
	}
	s.AddProject(t, s.OrganizationID, s.AccountID, "rockets")
	fill := strings.NewReplacer("{organization_id}", s.OrganizationID, "{account_id}", s.AccountID, "{project}", "rockets")
	noCORS := func(what string, a servertest.Answer) {
		t.Helper()
		for name := range a.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s answers %d with %s: %s", what, a.Status, name, a.Header.Get(name))
			}
		}
	}
	s.nothing(t, "a request of another site", func() {
		for operation := range s.Contract(t).Operations() {
			method, path, _ := strings.Cut(operation, " ")
			path = fill.Replace(path)
			if path == beginsALogin {
				continue
			}
			for _, site := range sites {
				headers := map[string]string{"Cookie": cookie}
				for name, value := range site {
					headers[name] = value
				}
				a := s.send(t, method, path, "", headers, nil)
				noCORS(operation, a)
				// Options are read by POST, and by everybody.
				reading := method == http.MethodGet || operation == "POST /v1/userauth/login_options"
				if !reading && a.Status < 400 {
					t.Errorf("%s with a cookie alone answers %d %s", operation, a.Status, a.Body)
				}
				headers["Access-Control-Request-Method"], headers["Access-Control-Request-Headers"] = method, "authorization, content-type"
				preflight := s.send(t, http.MethodOptions, path, "", headers, nil).Want(http.StatusMethodNotAllowed)
				noCORS("the preflight of "+operation, preflight)
			}
			if method == http.MethodGet {
				noCORS(operation, s.send(t, method, path, s.AdminToken, sites[0], nil))
			}
		}
	})
	// It begins a login for anybody, and no cookie has a part in it.
	noCORS(beginsALogin, s.send(t, http.MethodPost, beginsALogin, "", sites[0], nil).Want(http.StatusOK))
	for _, page := range []string{"/", "/login", "/reset?code=x", "/style.css", "/healthz", "/nowhere"} {
		noCORS(page, s.send(t, http.MethodGet, page, "", sites[0], nil))
		noCORS("the preflight of "+page, s.send(t, http.MethodOptions, page, "", sites[0], nil))
	}
}

// beginsALogin is the one route that writes something for anybody who calls.
const beginsALogin = "/v1/userauth/passkey/options"

// TestWEB01_TheResetFormIsOurs: other sites cannot send it, not even with a
// code that is good.
func TestWEB01_TheResetFormIsOurs(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		form := url.Values{"code": {s.resetCode(t, s.AdminID)}, "password": {"another nine words of sense"}}
		s.nothing(t, "a form of another site", func() {
			for _, site := range []map[string]string{
				{"Sec-Fetch-Site": "cross-site"},
				{"Sec-Fetch-Site": "same-site"},
				{"Sec-Fetch-Site": "cross-site", "Origin": s.URL},
				{"Origin": "https://evil.example"},
				{"Origin": s.URL + ".evil.example"},
				{"Origin": "null"},
				{"Origin": "http://127.0.0.1:1"},
				{"Sec-Fetch-Site": "nonsense"},
			} {
				if a := s.postForm(t, "/reset", form, site); a.Status != http.StatusForbidden || strings.Contains(string(a.Body), form.Get("code")) {
					t.Errorf("%v: %d %s", site, a.Status, a.Body)
				}
			}
		})
		s.one(t, "password_reset", func() {
			s.postForm(t, "/reset", form, map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": s.URL}).Want(http.StatusOK)
		})
	})
}

// hostile are texts that do something where they are not taken as text.
var hostile = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`</code></pre><svg/onload=alert(1)>`,
	`{{.Code}} ${7*7} {{constructor.constructor('alert(1)')()}}`,
	"line one\r\nSet-Cookie: a=b\r\n\r\n<html>",
	"\x1b[2J\x1b]0;owned\x07 red",
	"safe\u202egnp.exe\u2066\u200b",
	`=cmd|'/c calc'!A1`,
	"\u2028\u2029\ufeff",
	`%s%n %0d%0a ../../etc/passwd`,
}

// TestWEB05_TextStaysText: what people may call things is stored as it is or
// refused, leaves as JSON that no browser takes for a page, and does nothing
// to a terminal.
func TestWEB05_TextStaysText(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		made := map[string]bool{}
		for _, text := range hostile {
			for _, c := range []struct {
				method, path, field string
				body                map[string]any
			}{
				{http.MethodPost, "/v1/access_token", "description", map[string]any{"description": text}},
				{http.MethodPost, s.organizationPath("/application-users"), "name", map[string]any{"name": text}},
				{http.MethodPatch, s.organizationPath(""), "organization_name", map[string]any{"name": text}},
				{http.MethodPost, "/v1/account", "account.account_name", map[string]any{"account_name": text, "parent_account_id": s.AccountID}},
				{http.MethodPatch, "/v1/me", "user.real_name", map[string]any{"real_name": text}},
				{http.MethodPost, "/v1/project", "project.project_name", map[string]any{"project": text, "account_id": s.AccountID}},
			} {
				before := s.Dump(t)
				a := s.Do(t, c.method, c.path, s.AdminToken, c.body)
				harmlessJSON(t, c.path, a)
				if a.Status == http.StatusBadRequest {
					if s.Dump(t) != before {
						t.Errorf("%s refused %q and changed something", c.path, text)
					}
					continue
				}
				got := any(a.Want(http.StatusOK).Object())
				for name := range strings.SplitSeq(c.field, ".") {
					got, _ = got.(map[string]any)[name]
				}
				if got != strings.TrimSpace(text) && got != text {
					t.Errorf("%s made %q of %q", c.path, got, text)
				}
				made[c.path] = true
			}
		}
		if len(made) < 5 {
			t.Errorf("only %v took any", made)
		}
		for _, agent := range []string{hostile[0], hostile[1], strings.Repeat("<b>\u00fc\u202e", 1200)} {
			s.send(t, http.MethodGet, "/v1/me", s.AdminToken, map[string]string{"User-Agent": agent}, nil).Want(http.StatusOK)
			s.send(t, http.MethodPost, "/v1/userauth", "", map[string]string{"User-Agent": agent},
				map[string]string{"email": servertest.AdminEmail, "password": servertest.AdminPassword}).Want(http.StatusOK)
		}
		for _, path := range []string{"/v1/access_token", "/v1/me", "/v1/organizations", "/v1/account", s.organizationPath("/application-users"), s.organizationPath("/audit-events"), s.organizationPath("/audit-events?format=jsonl"), "/v1/account/" + s.AccountID + "/events"} {
			harmlessJSON(t, path, s.Do(t, http.MethodGet, path, s.AdminToken, nil).Want(http.StatusOK))
		}
		for _, path := range []string{"/%3Cscript%3Ealert(1)%3C/script%3E", "/reset?code=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"} {
			a := s.Do(t, http.MethodGet, path, "", nil)
			if strings.Contains(string(a.Body), "<script>") || !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s answers %v %s", path, a.Header, a.Body)
			}
		}
		for line := range strings.Lines(s.Logs.String()) {
			if !json.Valid([]byte(line)) || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), unicode.IsControl) {
				t.Errorf("the log has the line %q", line)
			}
		}
		s.quietTerminal(t)
	})
}

// harmlessJSON fails the test when a browser or a terminal could take an answer
// for something else.
func harmlessJSON(tb testing.TB, what string, a servertest.Answer) {
	tb.Helper()
	kind := a.Header.Get("Content-Type")
	if kind != "application/json" && kind != "application/x-ndjson" || a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Set-Cookie") != "" {
		tb.Errorf("%s answers with %v", what, a.Header)
	}
	if bytes.ContainsAny(a.Body, "<>&") || bytes.ContainsFunc(bytes.ReplaceAll(a.Body, []byte("\n"), nil), unicode.IsControl) {
		tb.Errorf("%s answers %q", what, a.Body)
	}
}

// quietTerminal runs the command line on what the server holds, and looks for
// bytes that would do something to a terminal.
func (s *scene) quietTerminal(t *testing.T) {
	t.Helper()
	settings := map[string]string{"SALLYPORT_URL": s.URL, "SALLYPORT_TOKEN": s.AdminToken, "SALLYPORT_ORGANIZATION": s.OrganizationID}
	dir := t.TempDir()
	for _, args := range []string{
		"user access-token list", "user info", "organization list", "account list", "application-user list", "audit list",
		"user access-token list --json", "audit list --json", "user access-token revoke \x1b[31m",
	} {
		var stdout, stderr bytes.Buffer
		env := cli.Env{
			Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Version: "test",
			Getenv: func(name string) string { return settings[name] }, UserConfigDir: func() (string, error) { return dir, nil },
		}
		root := &cobra.Command{Use: "sallyport"}
		root.AddCommand(cli.Commands(env)...)
		code := cli.Run(t.Context(), root, env, strings.Split(args, " "))
		if failed := strings.Contains(args, "revoke"); (code != 0) != failed || (stdout.Len() == 0) != failed {
			t.Errorf("%s: exit %d\n%s%s", args, code, stdout.Bytes(), stderr.Bytes())
		}
		for _, out := range []string{stdout.String(), stderr.String()} {
			if at := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); at >= 0 {
				t.Errorf("%s prints %q", args, out[at:min(at+40, len(out))])
			}
		}
	}
}
