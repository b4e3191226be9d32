package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// machine is where a command runs in tests: its own configuration folder and
// environment, no terminal.
type machine struct {
	dir    string
	vars   map[string]string
	typed  []string // what is typed at hidden prompts; nil: no terminal
	stdout string
	stderr string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	return &machine{dir: t.TempDir(), vars: map[string]string{}}
}

// run runs one command line and returns its exit code.
func (m *machine) run(t *testing.T, stdin string, args ...string) int {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := Env{
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr,
		Getenv:        func(name string) string { return m.vars[name] },
		UserConfigDir: func() (string, error) { return m.dir, nil },
		Version:       "test",
	}
	if m.typed != nil {
		env.ReadSecret = func() (string, error) {
			if len(m.typed) == 0 {
				return "", io.EOF
			}
			line := m.typed[0]
			m.typed = m.typed[1:]
			return line, nil
		}
	}
	root := &cobra.Command{Use: "sallyport"}
	root.AddCommand(Commands(env)...)
	code := Run(context.Background(), root, env, args)
	m.stdout, m.stderr = stdout.String(), stderr.String()
	return code
}

// must runs a command line that is to succeed.
func (m *machine) must(t *testing.T, args ...string) {
	t.Helper()
	if code := m.run(t, "", args...); code != 0 {
		t.Fatalf("%q: exit %d\n%s%s", args, code, m.stdout, m.stderr)
	}
}

// server answers by "METHOD /path" and keeps "METHOD /path body" of each call.
type server struct {
	*httptest.Server
	answers map[string]string // an answer that begins with a number has that status
	calls   []string
	auth    string
	cookie  string
}

func newServer(t *testing.T, answers map[string]string) *server {
	t.Helper()
	s := &server{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.calls = append(s.calls, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+string(body)))
	s.auth, s.cookie = r.Header.Get("Authorization"), r.Header.Get("Cookie")
	answer, ok := s.answers[r.Method+" "+r.URL.EscapedPath()]
	if !ok {
		answer = "{}"
	}
	if r.URL.Path == "/v1/userauth" {
		w.Header().Set("Set-Cookie", "__Host-sallyport_device=dev1; Path=/")
	}
	if status, rest, found := strings.Cut(answer, " "); found && len(status) == 3 {
		var n int
		if json.Unmarshal([]byte(status), &n) == nil {
			w.WriteHeader(n)
			answer = rest
		}
	}
	io.WriteString(w, answer)
}

// connected is a machine with a token for s.
func connected(t *testing.T, s *server) *machine {
	t.Helper()
	m := newMachine(t)
	m.vars["SALLYPORT_URL"] = s.URL
	m.vars["SALLYPORT_TOKEN"] = "sps_secret"
	m.vars["SALLYPORT_ORGANIZATION"] = "org1"
	return m
}

func TestCommandsCallTheirRoutes(t *testing.T) {
	const org = "/v1/organization/org1"
	answers := map[string]string{
		"GET " + org:              `{"organization_id":"org1","account_id":"a1"}`,
		"GET " + org + "/domains": `{"domains":[{"domain_id":"d1","domain_name":"Example.com"}]}`,
		"GET /v1/project":         `{"projects":[{"project_name":"p1"}]}`,
		"POST /v1/project":        `{"project":{"project_name":"p1"}}`,
		"GET " + org + "/application-users/u1/access-tokens": `{"tokens":[{"token_prefix":"spa_1"}]}`,
		"GET " + org + "/config/api-client-ip-allowlist":     `{"api_client_ip_allowlist":["10.0.0.0/8"],"api_client_ip_allowlist_enabled":true,"api_client_ip_allowlist_descriptions":{"10.0.0.0/8":"office"}}`,
	}
	for _, tc := range []struct{ args, want string }{
		{"user info", "GET /v1/me"},
		{"user tokens-expire", "POST /v1/me/expire_tokens"},
		{"user access-token create --description d", `POST /v1/access_token {"description":"d"}`},
		{"user access-token create --description d --max-age-seconds 600 --extend-when-used", `POST /v1/access_token {"description":"d","max_age_seconds":600,"extend_when_used":true}`},
		{"user access-token list", "GET /v1/access_token"},
		{"user access-token update p/q --description x", `PUT /v1/access_token/p%2Fq {"description":"x"}`},
		{"user access-token revoke spp_1", "DELETE /v1/access_token/spp_1"},
		{"organization list", "GET /v1/organizations"},
		{"organization create N -f", `POST /v1/account {"account_name":"N"}`},
		{"organization update org1 -n N", "GET " + org + "\nPUT /v1/account/a1 {\"account_name\":\"N\"}\nGET " + org},
		{"organization delete org1 -f", "GET " + org + "\nDELETE /v1/account/a1"},
		{"organization user list", "GET " + org + "/user"},
		{"organization user list --organization-id org2", "GET /v1/organization/org2/user"},
		{"organization user invite a@b.c", "POST " + org + `/invitation {"user_email":"a@b.c"}`},
		{"organization user-token list u1", "GET " + org + "/user/u1/access-tokens"},
		{"organization user-token revoke u1 p", "DELETE " + org + "/user/u1/access-token/p"},
		{"organization group list", "GET " + org + "/user-groups"},
		{"organization group show g", "GET " + org + "/user-groups/g/members"},
		{"organization group create N", "POST " + org + `/user-groups {"user_group_name":"N","description":""}`},
		{"organization group update g --description x", "PATCH " + org + `/user-groups/g {"description":"x"}`},
		{"organization group delete g -f", "DELETE " + org + "/user-groups/g"},
		{"organization unit list", "GET /v1/account"},
		{"organization unit create N", "GET " + org + "\n" + `POST /v1/account {"account_name":"N","parent_account_id":"a1"}`},
		{"organization unit rename a2 N", `PUT /v1/account/a2 {"account_name":"N"}`},
		{"organization unit delete a2 -f", "DELETE /v1/account/a2"},
		{"organization domain-add --domain example.com", "POST " + org + `/domains {"domain_name":"example.com"}`},
		{"organization domain-get --domain example.com", "GET " + org + "/domains"},
		{"organization domain-verify --domain example.com", "GET " + org + "/domains\nPOST " + org + "/domains/d1/verify"},
		{"organization domain-list", "GET " + org + "/domains"},
		{"organization authentication-policy show", "GET " + org + "/config/authentication\nGET " + org + "/config/authentication/pending"},
		{
			"organization authentication-policy update --password-auth-enabled=false --saml-enabled --oauth-providers-allowed google,github --max-personal-token-age-seconds none --session-idle-seconds 600 --accept-lockout",
			"PATCH " + org + `/config/authentication {"password_auth_enabled":false,"oauth_providers_allowed":["google","github"],"saml_enabled":true,"max_personal_token_age_seconds":null,"session_idle_seconds":600,"accept_lockout":true}`,
		},
		{"organization authentication-policy update --oauth-providers-allowed none", "PATCH " + org + `/config/authentication {"oauth_providers_allowed":[]}`},
		{"organization ip-allowlist show", "GET " + org + "/config/api-client-ip-allowlist\nGET " + org + "/config/authentication/pending"},
		{
			"organization ip-allowlist set --enabled=false",
			"GET " + org + "/config/api-client-ip-allowlist\nPUT " + org + `/config/api-client-ip-allowlist {"api_client_ip_allowlist":["10.0.0.0/8"],"api_client_ip_allowlist_enabled":false,"api_client_ip_allowlist_descriptions":{"10.0.0.0/8":"office"}}`,
		},
		{
			"organization ip-allowlist set --cidr 192.0.2.0/24=a=b --cidr ::/0 --accept-lockout --accept-all-addresses",
			"GET " + org + "/config/api-client-ip-allowlist\nPUT " + org + `/config/api-client-ip-allowlist {"api_client_ip_allowlist":["192.0.2.0/24","::/0"],"api_client_ip_allowlist_enabled":true,"api_client_ip_allowlist_descriptions":{"192.0.2.0/24":"a=b"},"accept_lockout":true,"accept_all_addresses":true}`,
		},
		{
			"organization ip-allowlist adopt 192.0.2.7/32 ::1/128 --description d",
			"GET " + org + "/config/api-client-ip-allowlist\nPUT " + org + `/config/api-client-ip-allowlist {"api_client_ip_allowlist":["10.0.0.0/8","192.0.2.7/32","::1/128"],"api_client_ip_allowlist_enabled":true,"api_client_ip_allowlist_descriptions":{"10.0.0.0/8":"office","192.0.2.7/32":"d","::1/128":"d"}}`,
		},
		{"organization ip-allowlist test ::1", "GET " + org + "/config/api-client-ip-allowlist/test?address=%3A%3A1"},
		{"organization ip-allowlist learn stop", "DELETE " + org + "/config/api-client-ip-allowlist/learn"},
		{"organization ip-allowlist learn show", "GET " + org + "/config/api-client-ip-allowlist/learn"},
		{"address", "GET /v1/me/client-address"},
		{
			"organization ip-allowlist set --cidr none",
			"GET " + org + "/config/api-client-ip-allowlist\nPUT " + org + `/config/api-client-ip-allowlist {"api_client_ip_allowlist":[],"api_client_ip_allowlist_enabled":true}`,
		},
		{
			"organization application-user-token-create --organization-id org2 --user-id u1 --description d --cidr-blocks 10.0.0.0/8,192.0.2.0/24 --max-age-seconds 600 --scopes user:read",
			`POST /v1/organization/org2/application-users/u1/access-tokens {"description":"d","max_age_seconds":600,"ip_allowlist":["10.0.0.0/8","192.0.2.0/24"],"scopes":["user:read"]}`,
		},
		{"application-user list", "GET " + org + "/application-users"},
		{"application-user create --name N", "POST " + org + `/application-users {"name":"N"}`},
		{"application-user info u1", "GET " + org + "/application-users/u1"},
		{"application-user update u1 --name N", "PATCH " + org + `/application-users/u1 {"name":"N"}`},
		{"application-user delete u1 -f", "DELETE " + org + "/application-users/u1"},
		{"application-user token create u1 --description d --ip-allowlist 10.0.0.0/8 --ip-allowlist ::1/128", "POST " + org + `/application-users/u1/access-tokens {"description":"d","ip_allowlist":["10.0.0.0/8","::1/128"]}`},
		{"application-user token list u1 --verbose", "GET " + org + "/application-users/u1/access-tokens"},
		{"application-user token info u1 spa_1", "GET " + org + "/application-users/u1/access-tokens"},
		{"application-user token revoke u1 spa_1 -f", "DELETE " + org + "/application-users/u1/access-tokens/spa_1"},
		{"permissions list --resource-type organization", "GET " + org + "/permissions/organization/org1"},
		{"permissions list --resource-type project --resource-id p1", "GET " + org + "/permissions/project/p1"},
		{
			"permissions set --resource-type organization --principal-type user --principal-id u1 --permission role:organization:admin -f",
			"PATCH " + org + `/permissions/organization/org1 {"permissions":[{"principal_type":"user","principal_id":"u1","permissions":["role:organization:admin"]}],"operation":"set"}`,
		},
		{
			"permissions set --resource-type organization --principal-type user --principal-id u1 -f",
			"PATCH " + org + `/permissions/organization/org1 {"permissions":[{"principal_type":"user","principal_id":"u1","permissions":[]}],"operation":"set"}`,
		},
		{"account list", "GET /v1/account"},
		{"account create -n N", `POST /v1/account {"account_name":"N"}`},
		{"account update a1 -n N", `PUT /v1/account/a1 {"account_name":"N"}`},
		{"account delete a1", "DELETE /v1/account/a1"},
		{"project list", "GET /v1/project"},
		{"project details --project p1", "GET /v1/project/p1"},
		{"project create p1 --parent-id org1", "GET " + org + "\n" + `POST /v1/project {"project":"p1","account_id":"a1"}`},
		{"project create p1 --parent-id a2 --tech-email a@b.c", `POST /v1/project {"project":"p1","account_id":"a2","tech_emails":[{"email":"a@b.c"}]}`},
		{"project update --project p1 --name p2", `PUT /v1/project/p1 {"project_name":"p2"}`},
		{"project delete p1", "DELETE /v1/project/p1"},
		{"project switch p1", "GET /v1/project"},
		{"events --project p1 -n 5", "GET /v1/project/p1/events?limit=5"},
		{"audit list --actor u1 --target t --action login --since 2026-01-31 --limit 7", "GET " + org + "/audit-events?action=login&actor=u1&limit=7&since=2026-01-31T00%3A00%3A00Z&target=t"},
		{"explain dec_1", "GET " + org + "/decisions/dec_1"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			s := newServer(t, answers)
			m := connected(t, s)
			m.must(t, strings.Fields(tc.args)...)
			if diff := cmp.Diff(strings.Split(tc.want, "\n"), s.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if s.auth != "Bearer sps_secret" {
				t.Errorf("authorization %q", s.auth)
			}
		})
	}
}

func TestExitCodesAndErrorLines(t *testing.T) {
	const refusal = `403 {"message":"personal tokens are switched off in this organization","errors":[{"status":403,"error_code":"user_personal_token_not_allowed",
		"metadata":{"remedy":"log in and use a session, or ask an admin.","decision_id":"dec_x"}}]}`
	for _, tc := range []struct {
		name, args string
		answer     string // to GET /v1/me and the like
		code       int
		want       string
	}{
		{"refusal", "user info", refusal, 1, "error: personal tokens are switched off in this organization (user_personal_token_not_allowed); log in and use a session, or ask an admin. Decision dec_x\n"},
		{"remedy at the end of the message", "user info", strings.Replace(refusal, "in this organization", "in this organization. What to do: log in and use a session, or ask an admin.", 1), 1, "error: personal tokens are switched off in this organization (user_personal_token_not_allowed); log in and use a session, or ask an admin. Decision dec_x\n"},
		{"remedy inside the message", "user info", strings.Replace(refusal, "in this organization", "here: log in and use a session, or ask an admin, or wait", 1), 1, "error: personal tokens are switched off here: log in and use a session, or ask an admin, or wait (user_personal_token_not_allowed). Decision dec_x\n"},
		{"bad token", "user info", `401 {"message":"Invalid token","errors":[{"error_code":"authentication_failed"}]}`, 1, "error: Invalid token (authentication_failed); the token is that of SALLYPORT_TOKEN: set another, or unset it to use the session of \"sallyport user login EMAIL\"\n"},
		{"no server of ours", "user info", "404 <html>", 1, "without an explanation (status 404); check that a Sallyport server is at that URL (--url or SALLYPORT_URL)\n"},

		{"field of the API", "user info", `400 {"message":"this change would lock you out; or repeat the change with \"accept_lockout\": true","errors":[]}`, 1, "or repeat the change with --accept-lockout (status 400)\n"},
		{"control characters", "user info", "400 {\"message\":\"a\\u001b[31m\\nb\\u202e\",\"errors\":[]}", 1, `error: a\x1b[31m\nb\u202e (status 400)` + "\n"},
		{"unknown command", "usr info", "{}", 2, `error: unknown command "usr" for "sallyport" (did you mean "user"?); see "sallyport --help"` + "\n"},
		{"unknown verb", "user inf", "{}", 2, `error: unknown command "inf" for "sallyport user" (did you mean "info"?); see "sallyport user --help"` + "\n"},
		{"help on nothing", "help usr", "{}", 2, `error: unknown command "usr" for "sallyport" (did you mean "user"?); see`},
		{"unknown verb like no other", "user xyzzy", "{}", 2, `error: unknown command "xyzzy" for "sallyport user"; see`},
		{"noun alone", "user", "{}", 2, "needs one more word"},
		{"unknown flag", "user info --nope", "{}", 2, "unknown flag: --nope"},
		{"too many words", "user info x", "{}", 2, `error: "x" is one word too many; see "sallyport user info --help"` + "\n"},
		{"missing word", "application-user token info u1", "{}", 2, "error: PREFIX is missing; see"},
		{"missing repeated word", "organization ip-allowlist adopt", "{}", 2, "error: CIDR is missing; see"},
		{"missing flag", "user access-token create", "{}", 2, "error: --description is missing; see"},
		{"missing flags", "account authentication-method create a1", "{}", 2, "error: --name and --type are missing; see"},
		{"flag that is no number", "audit list --limit x", "{}", 2, `error: --limit: "x" is not a whole number; see`},
		{"flag that is no switch", "organization authentication-policy update --saml-enabled=maybe", "{}", 2, `error: --saml-enabled: "maybe" is not true or false; see`},
		{"flag that is no time", "policy apply p --confirm-within soon", "{}", 2, `error: --confirm-within: "soon" is not a length of time such as 10m or 24h; see`},
		{"extend without age", "user access-token create --description d --extend-when-used", "{}", 2, "--max-age-seconds"},
		{"no terminal to confirm", "organization delete org1", "{}", 2, "--force"},
		{"no terminal for a password", "user login a@b.c", "{}", 2, "--password-stdin"},
		{"no e-mail", "user login --password-stdin", "{}", 2, "name the e-mail address"},
		{"nothing to change", "organization authentication-policy update --accept-lockout", "{}", 2, "at least one"},
		{"limit that is no number", "organization authentication-policy update --session-idle-seconds x", "{}", 2, "seconds, or none"},
		{"time that is none", "audit list --since yesterday", "{}", 2, "--since"},
		{"resource without id", "permissions list --resource-type project", "{}", 2, "--resource-id"},
		{"dot segment", "user access-token revoke ..", "{}", 1, "cannot be an id"},
		{"no such domain", "organization domain-get --domain x.org", "{}", 1, "domain-add"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := connected(t, newServer(t, map[string]string{"GET /v1/me": tc.answer}))
			if code := m.run(t, "", strings.Fields(tc.args)...); code != tc.code {
				t.Errorf("exit %d, want %d", code, tc.code)
			}
			if !strings.Contains(m.stderr, tc.want) || strings.Count(m.stderr, "\n") != 1 || m.stdout != "" {
				t.Errorf("stderr %q, want one line with %q; stdout %q, want none", m.stderr, tc.want, m.stdout)
			}
		})
	}
}

// TestServersThatAreNotReached says what to do about an address at which no
// server answers.
func TestServersThatAreNotReached(t *testing.T) {
	s := newServer(t, nil)
	gone := newServer(t, nil)
	gone.Close()
	for _, tc := range []struct{ name, url, want string }{
		{"nobody listens", gone.URL, "; check that the server runs and that its URL is right (--url or SALLYPORT_URL)\n"},
		{"https of a server without", strings.Replace(s.URL, "http:", "https:", 1), "; it speaks http, so its URL begins with http:// (--url or SALLYPORT_URL)\n"},
		{"no scheme", strings.TrimPrefix(s.URL, "http://"), "error: server URL must begin with https:// or http:// and name a host\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := connected(t, s)
			if code := m.run(t, "", "user", "info", "--url", tc.url); code != 1 || !strings.HasSuffix(m.stderr, tc.want) || strings.Count(m.stderr, "\n") != 1 {
				t.Errorf("exit %d, stderr %q, want one line that ends in %q", code, m.stderr, tc.want)
			}
		})
	}
}

// TestHelpNamesEverything walks all commands: each says what it takes, by words
// and flags that have an explanation, and belongs to a part of the first help.
func TestHelpNamesEverything(t *testing.T) {
	root := &cobra.Command{Use: "sallyport"}
	root.AddCommand(Commands(Env{Stdin: strings.NewReader("")})...)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || c.Parent() == root && c.GroupID == "" {
			t.Errorf("%s: %q, group %q", c.CommandPath(), c.Short, c.GroupID)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if len(f.Usage) < 4 || strings.HasPrefix(f.Usage, ";") {
				t.Errorf("%s --%s: %q explains nothing", c.CommandPath(), f.Name, f.Usage)
			}
		})
		if named := len(wordsOf(c)); c.Args != nil && named > 0 && !strings.Contains(c.Use, "[") && c.Args(c, make([]string, named)) != nil {
			t.Errorf("%q does not name the words that it takes", c.Use)
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	for _, c := range root.Commands() {
		walk(c)
	}
}

func TestHelpIsNoError(t *testing.T) {
	m := newMachine(t)
	if code := m.run(t, "", "user", "login", "--help"); code != 0 || !strings.Contains(m.stdout, "--password-stdin") {
		t.Errorf("exit %d, stdout %q", code, m.stdout)
	}
	flag := m.stdout
	if code := m.run(t, "", "help", "user", "login"); code != 0 || m.stdout != flag {
		t.Errorf("help user login: exit %d, stdout %q, want %q", code, m.stdout, flag)
	}
}

func TestWithoutAToken(t *testing.T) {
	m := newMachine(t)
	if code := m.run(t, "", "user", "info"); code != 1 || !strings.Contains(m.stderr, "sallyport user login") {
		t.Errorf("exit %d, stderr %q", code, m.stderr)
	}
}

func TestFeaturesTheServerDoesNotOffer(t *testing.T) {
	for _, tc := range []struct{ name, answer, want string }{
		{"no route", `404 {"message":"no such path","errors":[]}`, "this server does not offer domains"},
		{"no method", `405 {"message":"no","errors":[]}`, "this server does not offer domains"},
		{"not implemented", `501 {"message":"no","errors":[]}`, "this server does not offer domains"},
		{"no organization", `404 {"message":"no such organization","errors":[{"error_code":"organization_not_found"}]}`, "no such organization"},
		{"forbidden", `403 {"message":"not yours","errors":[]}`, "not yours"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := connected(t, newServer(t, map[string]string{"POST /v1/organization/org1/domains": tc.answer}))
			if code := m.run(t, "", "organization", "domain-add", "--domain", "example.com"); code != 1 || !strings.Contains(m.stderr, tc.want) {
				t.Errorf("exit %d, stderr %q, want %q", code, m.stderr, tc.want)
			}
		})
	}
}

func TestOrganizationDefaults(t *testing.T) {
	for _, tc := range []struct{ name, list, want string }{
		{"the only one", `{"organizations":[{"organization_id":"org7"}]}`, ""},
		{"none", `{"organizations":[]}`, "not a member"},
		{"several", `{"organizations":[{"organization_id":"org8","organization_name":"B"},{"organization_id":"org7","organization_name":"A"}]}`, "(org7 A, org8 B)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, map[string]string{"GET /v1/organizations": tc.list})
			m := connected(t, s)
			delete(m.vars, "SALLYPORT_ORGANIZATION")
			code := m.run(t, "", "organization", "user", "list")
			if tc.want == "" {
				if last := s.calls[len(s.calls)-1]; code != 0 || last != "GET /v1/organization/org7/user" {
					t.Errorf("exit %d, last call %q", code, last)
				}
				return
			}
			if code != 1 || !strings.Contains(m.stderr, tc.want) {
				t.Errorf("exit %d, stderr %q, want %q", code, m.stderr, tc.want)
			}
		})
	}
}

func TestEnvironmentNames(t *testing.T) {
	s := newServer(t, nil)
	for _, name := range []string{"SALLYPORT_TOKEN", "AIVEN_TOKEN", "AIVEN_AUTH_TOKEN"} {
		m := newMachine(t)
		m.vars["AIVEN_WEB_URL"] = s.URL
		m.vars[name] = "sps_" + name
		m.must(t, "user", "info")
		if s.auth != "Bearer sps_"+name {
			t.Errorf("%s: authorization %q", name, s.auth)
		}
	}
}

func TestAuditListFollowsPages(t *testing.T) {
	pages := []string{
		`{"events":[{"event_id":3,"action":"c"},{"event_id":2,"action":"b"}],"next_cursor":"x"}`,
		`{"events":[{"event_id":1,"action":"a"}],"next_cursor":null}`,
	}
	var queries []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		io.WriteString(w, pages[len(queries)-1])
	}))
	defer server.Close()
	m := newMachine(t)
	m.vars = map[string]string{"SALLYPORT_URL": server.URL, "SALLYPORT_TOKEN": "t", "SALLYPORT_ORGANIZATION": "org1"}
	m.must(t, "audit", "list", "--json")
	if diff := cmp.Diff([]string{"limit=100", "cursor=x&limit=98"}, queries); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
	if n := strings.Count(m.stdout, "event_id"); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}
