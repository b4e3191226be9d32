package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

// bench is a small table of routes behind a real server: the adapter without
// the product. Its routes need no credential; the access of real ones is for
// the tests of the whole server.
type bench struct {
	*API
	server *httptest.Server

	mu   sync.Mutex
	logs bytes.Buffer
	last *Call // of the last request that reached a handler
}

// thing is a body with one field of each kind.
type thing struct {
	Name     string            `json:"name"`
	Password bool              `json:"password_auth_enabled"`
	Super    bool              `json:"is_super_admin"`
	Count    int64             `json:"count"`
	Share    float64           `json:"share"`
	List     []string          `json:"list"`
	Tags     map[string]string `json:"tags"`
	Nested   *thing            `json:"nested"`
	Anything any               `json:"anything"`
}

func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logs.Write(p)
}

func (b *bench) logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logs.String()
}

func (b *bench) keep(c *Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = c
}

func (b *bench) reached() *Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.last
	b.last = nil
	return c
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	b := &bench{}
	n := 0
	b.API = &API{
		Log: slog.New(slog.NewJSONHandler(b, nil)), PublicURL: "https://id.example",
		NewRequestID: func() string {
			b.mu.Lock()
			defer b.mu.Unlock()
			n++
			return fmt.Sprintf("req_%d", n)
		},
	}
	// The mux redirects what it would rather have in another form.
	pages := http.NewServeMux()
	pages.HandleFunc("GET /page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page\n") })
	pages.HandleFunc("GET /half", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half a page")
		panic("the other half")
	})
	pages.HandleFunc("GET /abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	b.Fallback = pages
	root := newRouter(b.table())
	b.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { b.serve(root, w, req) }))
	b.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	b.server.Config.MaxHeaderBytes = 32 << 10
	b.server.Start()
	tb.Cleanup(b.server.Close)
	return b
}

func (b *bench) table() []route {
	echo := func(_ context.Context, c *Call, in thing) (thing, error) {
		b.keep(c)
		return in, nil
	}
	shown := func(_ context.Context, c *Call) (map[string]string, error) {
		b.keep(c)
		return c.path, nil
	}
	fails := func(err error) handler {
		return do(func(context.Context, *Call) error { return err })
	}
	routes := []route{
		{method: "POST", path: "/v1/thing", status: 200, handler: write(echo)},
		{method: "GET", path: "/v1/thing", status: 200, handler: read(shown)},
		{method: "POST", path: "/v1/own", status: 200, own: true, handler: write(echo)},
		{method: "POST", path: "/v1/ruled", status: 200, fields: fields{"name": {required: true, max: 5}, "list": {max: 3}, "count": {from: -2, to: 9}}, handler: write(echo)},
		{method: "PUT", path: "/v1/thing", status: 204, handler: put(func(_ context.Context, c *Call, _ thing) error {
			b.keep(c)
			return nil
		})},
		{method: "DELETE", path: "/v1/thing", status: 204, handler: do(func(_ context.Context, c *Call) error {
			b.keep(c)
			return nil
		})},
		{method: "POST", path: "/v1/raw", status: 200, handler: raw[thing](func(_ context.Context, c *Call, body []byte) (map[string]int, error) {
			b.keep(c)
			return map[string]int{"bytes": len(body)}, nil
		})},
		{method: "POST", path: "/v1/form", status: 200, form: true, handler: handler{in: thing{}, run: func(_ context.Context, c *Call, body []byte, _ *route) (any, error) {
			b.keep(c)
			return map[string]string{"form": string(body)}, nil
		}}},
		{method: "GET", path: "/v1/organization/{organization_id}", status: 200, handler: read(shown)},
		{method: "GET", path: "/v1/organization/{organization_id}/user/{user_id}", status: 200, handler: read(shown)},
		{method: "GET", path: "/v1/project/{project}/tags", status: 200, handler: read(shown)},
		{method: "GET", path: "/v1/secret", status: 200, handler: read(shown)},
		{method: "GET", path: "/v1/panic", status: 200, handler: do(func(context.Context, *Call) error { panic("SELECT secret FROM /srv/data") })},
		{method: "GET", path: "/v1/unencodable", status: 200, handler: read(func(context.Context, *Call) (map[string]any, error) {
			return map[string]any{"x": func() {}}, nil
		})},
		{method: "GET", path: "/v1/html", status: 200, handler: read(func(context.Context, *Call) (map[string]string, error) {
			return map[string]string{"x": "<script>&"}, nil
		})},
	}
	for name, err := range failures {
		routes = append(routes, route{method: "GET", path: "/v1/fail/" + name, status: 204, handler: fails(err)})
	}
	for i := range routes {
		routes[i].anonymous = true
	}
	// This one needs a credential, so that requests without one are refused.
	return append(routes, route{method: "GET", path: "/v1/closed", status: 200, handler: read(shown)})
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (b *bench) do(t testing.TB, method, path, contentType string, body io.Reader) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.server.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return b.send(t, req)
}

func (b *bench) send(t testing.TB, req *http.Request) answer {
	t.Helper()
	client := *b.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return read1(t, resp)
}

func read1(t testing.TB, resp *http.Response) answer {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// line sends a request whose target no client library would send.
func (b *bench) line(t testing.TB, method, target string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", b.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: id.example\r\nConnection: close\r\n\r\n", method, target); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	return read1(t, resp)
}

// failed checks the form of an error and returns it.
func failed(t testing.TB, a answer, status int, code string) errorItem {
	t.Helper()
	var body errorBody
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil || len(body.Errors) != 1 {
		t.Fatalf("status %d with body %q is no error: %v", a.status, a.body, err)
	}
	e := body.Errors[0]
	if a.status != status || e.Status != status || e.ErrorCode != code {
		t.Fatalf("status %d, body %s; want %d %s", a.status, a.body, status, code)
	}
	if body.Message == "" || body.Message != e.Message {
		t.Errorf("messages %q and %q", body.Message, e.Message)
	}
	if id := a.header.Get("X-Request-Id"); id == "" || e.Metadata["request_id"] != id {
		t.Errorf("request id %q in the header, %v in the body", id, e.Metadata["request_id"])
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	return e
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	b := newBench(t)
	for name, a := range map[string]answer{
		"200":  b.do(t, "GET", "/v1/thing", "", nil),
		"204":  b.do(t, "DELETE", "/v1/thing", "", nil),
		"400":  b.do(t, "POST", "/v1/thing", "application/json", strings.NewReader("{")),
		"401":  b.do(t, "GET", "/v1/closed", "", nil),
		"404":  b.do(t, "GET", "/v1/none", "", nil),
		"405":  b.do(t, "PATCH", "/v1/thing", "", nil),
		"415":  b.do(t, "POST", "/v1/thing", "text/plain", strings.NewReader("{}")),
		"500":  b.do(t, "GET", "/v1/fail/plain", "", nil),
		"page": b.do(t, "GET", "/page", "", nil),
	} {
		for header, want := range map[string]string{
			"Strict-Transport-Security":    "max-age=63072000; includeSubDomains",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control":                "no-store",
			"X-Frame-Options":              "DENY",
			"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
		} {
			if got := a.header.Get(header); got != want {
				t.Errorf("%s: %s %q, want %q", name, header, got, want)
			}
		}
		if a.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", name)
		}
		if a.header.Get("Server") != "" {
			t.Errorf("%s: says what it is: %q", name, a.header.Get("Server"))
		}
	}
}

func TestAnswers(t *testing.T) {
	b := newBench(t)
	a := b.do(t, "GET", "/v1/thing", "", nil)
	if a.status != 200 || a.body != "{}\n" || a.header.Get("Content-Type") != "application/json" || a.header.Get("Content-Length") != "3" {
		t.Errorf("%+v", a)
	}
	for _, method := range []string{"PUT", "DELETE"} {
		a := b.do(t, method, "/v1/thing", "", nil)
		if a.status != 204 || a.body != "" || a.header.Get("Content-Type") != "" {
			t.Errorf("%s: %+v", method, a)
		}
	}
	if a := b.do(t, "GET", "/v1/html", "", nil); strings.ContainsAny(a.body, "<>&") {
		t.Errorf("a browser could read %q as a page", a.body)
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	b := newBench(t)
	get, head := b.do(t, "GET", "/v1/thing", "", nil), b.do(t, "HEAD", "/v1/thing", "", nil)
	if head.status != 200 || head.body != "" || head.header.Get("Content-Length") != get.header.Get("Content-Length") {
		t.Errorf("%+v", head)
	}
	if a := b.do(t, "HEAD", "/v1/fail/plain", "", nil); a.status != 500 || a.body != "" {
		t.Errorf("%+v", a)
	}
	if a := b.do(t, "HEAD", "/v1/raw", "", nil); a.status != 405 {
		t.Errorf("HEAD of a route without GET: %d", a.status)
	}
}

// TestEveryAnswerStatesItsLength on both sides of what net/http holds back.
func TestEveryAnswerStatesItsLength(t *testing.T) {
	b := newBench(t)
	rest := len(b.do(t, "POST", "/v1/thing", "application/json", strings.NewReader(`{"name":""}`)).body)
	for _, length := range []int{heldBack - 1, heldBack, heldBack + 1, 4 * heldBack} {
		name := strings.Repeat("n", length-rest)
		a := b.do(t, "POST", "/v1/thing", "application/json", strings.NewReader(`{"name":"`+name+`"}`))
		if a.status != 200 || len(a.body) != length || a.header.Get("Content-Length") != strconv.Itoa(length) {
			t.Errorf("an answer of %d bytes: status %d, %d came, length %q", length, a.status, len(a.body), a.header.Get("Content-Length"))
		}
	}
}

func TestOtherMethodsAreTold(t *testing.T) {
	b := newBench(t)
	for _, method := range []string{"PATCH", "OPTIONS", "TRACE", "get", "PROPFIND", strings.Repeat("X", 1000)} {
		a := b.line(t, method, "/v1/thing")
		failed(t, a, 405, "method_not_allowed")
		if got := a.header.Get("Allow"); got != "DELETE, GET, HEAD, POST, PUT" {
			t.Errorf("%.20s: Allow %q", method, got)
		}
	}
	a := b.do(t, "GET", "/v1/raw", "", nil)
	failed(t, a, 405, "method_not_allowed")
	if got := a.header.Get("Allow"); got != "POST" {
		t.Errorf("Allow %q", got)
	}
}

func TestAPI07_PanicsAreAnswered(t *testing.T) {
	b := newBench(t)
	for range 3 { // the process lives
		e := failed(t, b.do(t, "GET", "/v1/panic", "", nil), 500, "internal_server_error")
		for _, secret := range []string{"SELECT", "/srv", "goroutine", ".go:", "panic"} {
			if strings.Contains(e.Message, secret) {
				t.Errorf("the caller is told %q", e.Message)
			}
		}
	}
	if got := b.logged(); !strings.Contains(got, "SELECT secret") || !strings.Contains(got, "goroutine") || !strings.Contains(got, `"status":500`) {
		t.Errorf("the log does not tell what happened: %s", got)
	}
}

// What panics when its answer has begun cannot take it back: the connection is
// cut, so that nobody takes the half for the whole.
func TestAPI07_HalfAnAnswerIsCut(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/half", "/abort"} {
		resp, err := b.server.Client().Get(b.server.URL + path)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: looks whole", path)
		}
	}
	if b.do(t, "GET", "/v1/thing", "", nil).status != 200 {
		t.Error("the process is gone")
	}
	if got := b.logged(); strings.Count(got, `"route":"(page)"`) < 2 || !strings.Contains(got, "the other half") {
		t.Errorf("logged %s", got)
	}
}

func TestAPI07_AnswersThatCannotBeWritten(t *testing.T) {
	b := newBench(t)
	failed(t, b.do(t, "GET", "/v1/unencodable", "", nil), 500, "internal_server_error")
}

// One line for each request, with the route's pattern and never what a caller
// wrote in a path, a query or a header.
func TestLogLine(t *testing.T) {
	b := newBench(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", b.server.URL+"/v1/organization/org-secret1?token=secret2", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret3")
	req.Header.Set("User-Agent", "secret4")
	b.send(t, req)
	b.do(t, "GET", "/v1/secret5", "", nil)
	b.line(t, "PATCH", "/v1/organization/secret6")
	b.server.Close() // the lines follow the answers
	lines := strings.Split(strings.TrimSpace(b.logged()), "\n")
	if len(lines) != 3 || strings.Contains(b.logged(), "secret") {
		t.Fatalf("logged %s", b.logged())
	}
	for i, want := range []map[string]any{
		{"route": "GET /v1/organization/{organization_id}", "status": 200.0, "method": "GET", "code": "", "request_id": "req_1"},
		{"route": "(none)", "status": 404.0, "code": "not_found", "request_id": "req_2"},
		{"route": "(method)", "status": 405.0, "method": "PATCH", "code": "method_not_allowed", "request_id": "req_3"},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("line %d: %s is %v, want %v", i+1, name, got[name], value)
			}
		}
	}
}

func TestBearer(t *testing.T) {
	const token = "spp_x"
	for _, c := range []struct {
		name    string
		headers []string
		want    string
		code    string
	}{
		{"bearer", []string{"Bearer " + token}, token, ""},
		{"the other word", []string{"aivenv1 " + token}, token, ""},
		{"case of the word", []string{"bEARER " + token}, token, ""},
		{"what follows is the token", []string{"Bearer Bearer " + token}, "Bearer " + token, ""},
		{"two spaces", []string{"Bearer  " + token}, " " + token, ""},
		{"a space behind", []string{"Bearer " + token + " "}, token + " ", ""},
		{"none", nil, "", "authentication_failed"},
		{"empty", []string{""}, "", "authentication_failed"},
		{"token alone", []string{token}, "", "authentication_failed"},
		{"word alone", []string{"Bearer"}, "", "authentication_failed"},
		{"a tab", []string{"Bearer\t" + token}, "", "authentication_failed"},
		{"another scheme", []string{"Basic " + token}, "", "authentication_failed"},
		{"two headers", []string{"Bearer " + token, "Bearer " + token}, "", "authentication_failed"},
		{"8 KiB", []string{"Bearer " + strings.Repeat("x", 8<<10-7)}, strings.Repeat("x", 8<<10-7), ""},
		{"more", []string{"Bearer " + strings.Repeat("x", 8<<10-6)}, "", "request_header_too_large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := bearerOf(&http.Request{Header: http.Header{"Authorization": c.headers}})
			if c.code == "" && (err != nil || got != c.want) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
			var e *identity.Error
			if c.code != "" && (!errors.As(err, &e) || e.Code != c.code || got != "") {
				t.Errorf("%q, %v; want %s", got, err, c.code)
			}
		})
	}
}

// Without a credential nothing of a route is looked at but its path.
func TestNoCredential(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/v1/closed", "/v1/closed?access_token=x&token=y", "/v1/closed?%zz"} {
		a := b.do(t, "GET", path, "", nil)
		e := failed(t, a, 401, "authentication_failed")
		if !strings.Contains(e.Message, "Invalid token") || a.header.Get("WWW-Authenticate") != `Bearer realm="api"` {
			t.Errorf("%+v", a)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", b.server.URL+"/v1/closed", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.Repeat("x", 11<<10))
	failed(t, b.send(t, req), 431, "request_header_too_large")
	if b.reached() != nil {
		t.Error("a handler was reached")
	}
}

func TestAddressOfARequest(t *testing.T) {
	b := newBench(t)
	client := func(headers map[string]string) netip.Addr {
		req, err := http.NewRequestWithContext(t.Context(), "GET", b.server.URL+"/v1/thing", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range headers {
			req.Header.Set(name, value)
		}
		b.send(t, req)
		return b.reached().Client()
	}
	// IPX-01: headers that somebody trusts somewhere.
	forged := map[string]string{}
	for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP"} {
		forged[name] = "203.0.113.9"
	}
	if got := client(forged); got.String() != "127.0.0.1" {
		t.Errorf("client %s, want the socket's", got)
	}
	b.Proxies = access.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	if got := client(forged); got.String() != "203.0.113.9" {
		t.Errorf("client %s behind a proxy", got)
	}
	delete(forged, "X-Forwarded-For")
	if got := client(forged); got.IsValid() {
		t.Errorf("client %s although the one header is missing", got)
	}
	b.Proxies.Forwarded = true
	if got := client(map[string]string{"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=198.51.100.7"}); got.String() != "198.51.100.7" {
		t.Errorf("client %s by the other header", got)
	}
	if got := b.Proxies.Caller(&http.Request{RemoteAddr: "@"}).Client; got.IsValid() {
		t.Errorf("a socket without address is %s", got)
	}
}

func TestUserAgentIsText(t *testing.T) {
	b := newBench(t)
	req, err := http.NewRequestWithContext(t.Context(), "GET", b.server.URL+"/v1/thing", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "a\xffb")
	b.send(t, req)
	if got := b.reached().UserAgent; got != "a\uFFFDb" {
		t.Errorf("user agent %q", got)
	}
}
