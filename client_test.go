package sallyport

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// serve answers every request with status and body, and keeps the last one.
func serve(t *testing.T, status int, body string) (*Client, *seen) {
	t.Helper()
	s := &seen{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.keep(r)
		w.Header().Set("X-Request-Id", "req_1")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return New(server.URL+"/", "sps_secret"), s
}

type seen struct {
	calls                  int
	method, uri, body      string
	authorization, content string
	cookie                 string
}

func (s *seen) keep(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.calls++
	s.method, s.uri, s.body = r.Method, r.RequestURI, string(body)
	s.authorization, s.content = r.Header.Get("Authorization"), r.Header.Get("Content-Type")
	s.cookie = r.Header.Get("Cookie")
}

func TestCallsReachTheirRoute(t *testing.T) {
	id := "org1"
	cases := []struct {
		name, method, uri, body string
		call                    func(context.Context, *Client) error
	}{
		{"me", "GET", "/v1/me", "", func(ctx context.Context, c *Client) error { _, err := c.Me(ctx); return err }},
		{"segment with reserved characters", "DELETE", "/v1/access_token/a%2Fb+c=%20%3F", "", func(ctx context.Context, c *Client) error {
			return c.RevokeToken(ctx, "a/b+c= ?")
		}},
		{"full token is cut", "DELETE", "/v1/access_token/spp_abcdefgh", "", func(ctx context.Context, c *Client) error {
			return c.RevokeToken(ctx, "spp_abcdefgh"+strings.Repeat("x", 88))
		}},
		{"no max age leaves it out", "POST", "/v1/access_token", `{"description":"d"}`, func(ctx context.Context, c *Client) error {
			_, err := c.CreateToken(ctx, CreateToken{Description: "d"})
			return err
		}},
		{"list and delete differ", "DELETE", "/v1/organization/org1/user/u1/access-token/p", "", func(ctx context.Context, c *Client) error {
			return c.RevokeMemberToken(ctx, id, "u1", "p")
		}},
		{"discovered organizations", "GET", "/v1/organization/org1/discovered-organizations", "", func(ctx context.Context, c *Client) error {
			_, err := c.DiscoveredOrganizations(ctx, id)
			return err
		}},
		{"groups of a member", "GET", "/v1/organization/org1/user/u1/user-groups", "", func(ctx context.Context, c *Client) error {
			_, err := c.MemberGroups(ctx, id, "u1")
			return err
		}},
		{"delete a user", "DELETE", "/v1/user/u1", "", func(ctx context.Context, c *Client) error { return c.DeleteUser(ctx, "u1") }},
		{"recursive", "DELETE", "/v1/organization/org1?recursive=true", "", func(ctx context.Context, c *Client) error {
			return c.DeleteOrganization(ctx, id, true)
		}},
		{"policy update keeps false and null apart from unset", "PATCH", "/v1/organization/org1/config/authentication", `{"password_auth_enabled":false,"oauth_providers_allowed":[],"max_personal_token_age_seconds":null,"session_idle_seconds":600}`, func(ctx context.Context, c *Client) error {
			_, err := c.UpdateAuthenticationConfig(ctx, id, AuthenticationConfigUpdate{
				PasswordAuthEnabled: new(bool), OAuthProvidersAllowed: []string{},
				MaxPersonalTokenAgeSeconds: NoLimit(), SessionIdleSeconds: SetSeconds(600),
			})
			return err
		}},
		{"audit filter", "GET", "/v1/organization/org1/audit-events?action=login&limit=5&since=2026-01-02T03%3A04%3A05Z", "", func(ctx context.Context, c *Client) error {
			_, err := c.AuditEvents(ctx, id, AuditFilter{Action: "login", Limit: 5, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
			return err
		}},
		{"any other route", "GET", "/openapi.json?a=b", "", func(ctx context.Context, c *Client) error {
			return c.Do(ctx, "GET", "/openapi.json?a=b", nil, nil)
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			client, s := serve(t, 200, "{}")
			if err := tc.call(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			got := []string{s.method, s.uri, s.body, s.authorization}
			want := []string{tc.method, tc.uri, tc.body, "Bearer sps_secret"}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if wantType := map[bool]string{true: "application/json"}[tc.body != ""]; s.content != wantType {
				t.Errorf("content type %q, want %q", s.content, wantType)
			}
		})
	}
}

func TestSegmentsThatWouldReachAnotherRouteAreRefused(t *testing.T) {
	for _, segment := range []string{"", ".", ".."} {
		client, s := serve(t, 200, "{}")
		if err := client.RevokeToken(t.Context(), segment); err == nil || s.calls != 0 {
			t.Errorf("RevokeToken(%q): error %v after %d calls, want an error and no call", segment, err, s.calls)
		}
	}
}

func TestErrorCarriesTheRefusal(t *testing.T) {
	client, _ := serve(t, 403, `{"message":"personal tokens are switched off","errors":[{"message":"m","status":403,
		"error_code":"user_personal_token_not_allowed","metadata":{"reasons":["user_personal_token_not_allowed","credential_too_old"],
		"remedy":"log in","remedy_url":"https://x/login","decision_id":"dec_1"}}]}`)
	_, err := client.Me(t.Context())
	got, ok := errors.AsType[*Error](err)
	want := &Error{
		Status: 403, Code: "user_personal_token_not_allowed", Message: "personal tokens are switched off",
		Reasons: []string{"user_personal_token_not_allowed", "credential_too_old"},
		Remedy:  "log in", RemedyURL: "https://x/login", DecisionID: "dec_1", RequestID: "req_1",
	}
	if diff := gocmp.Diff(want, got); !ok || diff != "" {
		t.Fatalf("error (-want +got):\n%s", diff)
	}
	for _, tc := range []struct {
		target error
		want   bool
	}{
		{ErrForbidden, true},
		{ErrNotFound, false},
		{&Error{Code: "user_personal_token_not_allowed"}, true},
		{&Error{Code: "credential_too_old"}, false},
		{&Error{}, false},
		{io.EOF, false},
	} {
		if got := errors.Is(err, tc.target); got != tc.want {
			t.Errorf("errors.Is(err, %#v) = %v, want %v", tc.target, got, tc.want)
		}
	}
}

func TestAnswersThatAreNotOurs(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"page of a proxy", 502, "<html>", "the server answered 502 Bad Gateway without an explanation (status 502)"},
		{"unknown status", 599, "", "the server answered 599 without an explanation (status 599)"},
		{"message only in the list", 400, `{"errors":[{"message":"bad","error_code":"bad_request"}]}`, "bad (bad_request)"},
		{"page with status 200", 200, "<html>", "right server URL"},
		{"list with status 200", 200, "[]", "right server URL"},
		{"empty with status 200", 200, "", "right server URL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client, s := serve(t, tc.status, tc.body)
			_, err := client.Me(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if s.calls != 1 {
				t.Errorf("%d calls, want 1: no call is repeated", s.calls)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30": 30 * time.Second, "": 0, "-1": 0, "soon": 0, "99999999999999999999": 0,
	} {
		e := parseError(429, http.Header{"Retry-After": {text}}, nil)
		if e.RetryAfter != want {
			t.Errorf("Retry-After %q: %v, want %v", text, e.RetryAfter, want)
		}
	}
}

func TestLargeAnswerIsRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		blanks := []byte(strings.Repeat(" ", 1<<20))
		for range maxAnswerBytes/len(blanks) + 1 {
			w.Write(blanks)
		}
		io.WriteString(w, "{}")
	}))
	defer server.Close()
	_, err := New(server.URL, "").Me(t.Context())
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error %v, want one about the size", err)
	}
}

func TestURLThatCannotWork(t *testing.T) {
	for _, url := range []string{"", "auth.example.com", "ftp://x", "https://", "https://user:hunter2@x", "https://x?a=b", "https://x#a", "https://x\x7f"} {
		err := New(url, "sps_secret").Do(t.Context(), "GET", "/v1/me", nil, nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("URL %q: error %v, want one without what the URL holds", url, err)
		}
	}
}

func TestErrorsHoldNoURL(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := New(server.URL, "sps_secret").RevokeToken(t.Context(), "not-a-prefix-but-a-secret")
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v, want one without the path", err)
	}
}

func TestLogin(t *testing.T) {
	s := &seen{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.keep(r)
		w.Header().Add("Set-Cookie", "other=1; Path=/")
		w.Header().Add("Set-Cookie", "__Host-sallyport_device=abc; Path=/; Secure; HttpOnly")
		if !strings.Contains(s.body, "otp") {
			w.WriteHeader(http.StatusNotExtended)
			io.WriteString(w, `{"message":"one-time code needed","errors":[]}`)
			return
		}
		io.WriteString(w, `{"token":"sps_new","state":"active","user_email":"a@example.com"}`)
	}))
	defer server.Close()
	client := New(server.URL, "sps_old")

	in := UserAuthRequest{Email: "a@example.com", Password: "p"}
	_, device, err := client.Login(t.Context(), in, "broken cookie\n")
	if !errors.Is(err, ErrSecondFactorNeeded) || device != "__Host-sallyport_device=abc" {
		t.Fatalf("first step: device %q, error %v", device, err)
	}
	if s.cookie != "" || s.authorization != "" {
		t.Errorf("sent cookie %q and authorization %q, want neither", s.cookie, s.authorization)
	}
	in.OTP = "123456"
	out, _, err := client.Login(t.Context(), in, device)
	if err != nil || out.Token != "sps_new" {
		t.Fatalf("second step: %+v, error %v", out, err)
	}
	if s.cookie != device {
		t.Errorf("sent cookie %q, want %q", s.cookie, device)
	}
}

func TestIntrospectSendsAForm(t *testing.T) {
	client, s := serve(t, 200, `{"active":true,"sub":"u1","exp":12}`)
	out, err := client.Introspect(t.Context(), IntrospectionRequest{Token: "a+b", ClientIP: "2001:db8::1"})
	if err != nil || !out.Active || out.Sub != "u1" || out.Exp != 12 {
		t.Fatalf("answer %+v, error %v", out, err)
	}
	if s.content != "application/x-www-form-urlencoded" || s.body != "client_ip=2001%3Adb8%3A%3A1&token=a%2Bb" {
		t.Errorf("sent %s %q", s.content, s.body)
	}
}

// Row CLI-03: the token goes to the configured server and nowhere else.
func TestCLI03RedirectsAreNotFollowed(t *testing.T) {
	other := &seen{}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { other.keep(r) }))
	defer elsewhere.Close()
	for _, tc := range []struct{ name, scheme, location string }{
		{"another host", "http", elsewhere.URL + "/v1/me"},
		{"plain http", "https", elsewhere.URL + "/v1/me"},
		{"the same host", "http", "/v1/me"},
		{"no place", "http", ""},
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(tc.name+" "+http.StatusText(status), func(t *testing.T) {
				*other = seen{}
				calls := 0
				start := map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer, "https": httptest.NewTLSServer}[tc.scheme]
				server := start(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					calls++
					w.Header().Set("Location", tc.location)
					w.WriteHeader(status)
				}))
				defer server.Close()
				client := New(server.URL, "sps_secret")
				client.HTTP = server.Client()
				err := client.Do(t.Context(), "POST", "/v1/me", map[string]string{}, nil)
				if err == nil || !strings.Contains(err.Error(), "redirects") {
					t.Errorf("error %v, want one about the redirect", err)
				}
				if calls != 1 || other.calls != 0 {
					t.Errorf("%d calls here and %d elsewhere, want 1 and 0", calls, other.calls)
				}
			})
		}
	}
}

func TestCLI03BadCertificateIsRefused(t *testing.T) {
	s := &seen{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { s.keep(r) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, err := New(server.URL, "sps_secret").Me(t.Context())
	if err == nil || s.calls != 0 {
		t.Errorf("error %v after %d calls, want an error and none", err, s.calls)
	}
}

func TestOptionalSeconds(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want OptionalSeconds
		fail bool
	}{
		{in: `{}`, want: OptionalSeconds{}},
		{in: `{"session_idle_seconds":null}`, want: NoLimit()},
		{in: `{"session_idle_seconds":5}`, want: SetSeconds(5)},
		{in: `{"session_idle_seconds":5.5}`, fail: true},
		{in: `{"session_idle_seconds":"5"}`, fail: true},
	} {
		var got AuthenticationConfigUpdate
		err := json.Unmarshal([]byte(tc.in), &got)
		if (err != nil) != tc.fail {
			t.Errorf("%s: error %v, want failure %v", tc.in, err, tc.fail)
		}
		if diff := gocmp.Diff(tc.want, got.SessionIdleSeconds); !tc.fail && diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.in, diff)
		}
	}
}

// lossy is a network that loses connections and answers of a server.
type lossy struct {
	answer func(n int) (status int, err error) // of the nth request; 0 and nil: it is answered
	keys   []string
}

func (l *lossy) RoundTrip(req *http.Request) (*http.Response, error) {
	l.keys = append(l.keys, req.Header.Get("Idempotency-Key"))
	status, err := l.answer(len(l.keys))
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: cmp.Or(status, http.StatusOK), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{}`)), Request: req}, nil
}

// API-08: what may have been carried out is sent again under the same key, some
// times; what was refused, and what has no key, is not.
func TestAPI08LostAnswersAreAskedForAgain(t *testing.T) {
	lost := errors.New("connection reset by peer")
	for _, tc := range []struct {
		name   string
		client Client
		method string
		path   string
		answer func(n int) (int, error)
		sent   int
		failed bool
	}{
		{"a connection that is lost twice", Client{Token: "t"}, "POST", "/v1/organizations", func(n int) (int, error) {
			if n < 3 {
				return 0, lost
			}
			return 200, nil
		}, 3, false},
		{"an answer of a proxy", Client{Token: "t"}, "POST", "/v1/organizations", func(n int) (int, error) { return []int{502, 503, 200}[n-1], nil }, 3, false},
		{"no end", Client{Token: "t"}, "POST", "/v1/organizations", func(int) (int, error) { return 503, nil }, 4, true},
		{"as often as asked", Client{Token: "t", Repeats: 6}, "POST", "/v1/organizations", func(int) (int, error) { return 0, lost }, 7, true},
		{"never", Client{Token: "t", Repeats: -1}, "POST", "/v1/organizations", func(int) (int, error) { return 0, lost }, 1, true},
		{"a refusal", Client{Token: "t"}, "POST", "/v1/organizations", func(int) (int, error) { return 409, nil }, 1, true},
		{"a code is missing", Client{Token: "t"}, "POST", "/v1/me/2fa", func(int) (int, error) { return 510, nil }, 1, true},
		{"a login", Client{Token: "t"}, "POST", "/v1/userauth", func(int) (int, error) { return 503, nil }, 1, true},
		{"a change of what is there", Client{Token: "t"}, "PATCH", "/v1/me", func(int) (int, error) { return 503, nil }, 1, true},
		{"nobody in particular", Client{}, "POST", "/v1/user", func(int) (int, error) { return 503, nil }, 1, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := &lossy{answer: tc.answer}
				c := tc.client
				c.URL, c.HTTP = "https://a.example", &http.Client{Transport: network}
				err := c.Do(t.Context(), tc.method, tc.path, map[string]string{"a": "b"}, nil)
				if len(network.keys) != tc.sent || (err != nil) != tc.failed {
					t.Fatalf("sent %d times, want %d; error %v", len(network.keys), tc.sent, err)
				}
				if keys := slices.Compact(network.keys); len(keys) != 1 || (keys[0] == "") != (tc.method != "POST" || c.Token == "" || tc.path == "/v1/userauth") {
					t.Errorf("keys %q", network.keys)
				}
			})
		})
	}
}
