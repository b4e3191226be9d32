// Package servertest starts whole servers for tests: real database, real
// listener, cheap password hashing.
package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
)

// The admin that every server starts with.
const (
	AdminEmail    = "alice@a.example"
	AdminPassword = "correct horse battery staple"
	Organization  = "Organization A"
)

// Server is a running server with one organization and its super admin.
type Server struct {
	*server.Server
	URL            string
	OrganizationID string
	AccountID      string
	AdminID        string
	// AdminToken is the bootstrap session of the admin, fresh for ten minutes.
	AdminToken string
	Logs       *Logs

	client *http.Client
	tb     testing.TB
	own    connection
	dumped dump
	// Stop ends the server before the end of its test: for tests that start
	// many, which would all go on beside each other.
	Stop func()
}

// Options change how a server starts. The zero value is SQLite.
type Options struct {
	Postgres bool
	Config   func(*server.Config)
	// Clock replaces the server's clock.
	Clock func() time.Time
	// Host is a name below "test" under which the server answers over https with a
	// certificate of its own; browsers of package browser and [Names] find it. Start
	// it before the browser: its end waits for the browser's connections.
	Host string
	// RealHashing keeps the production cost of password hashing.
	RealHashing bool
	// Empty leaves the server as new: no organization, no admin.
	Empty bool
}

// Logs gathers what a server logs, for tests that look for secrets in it.
type Logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *Logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// New starts a server on SQLite, stopped at the end of the test.
func New(tb testing.TB) *Server { return Start(tb, Options{}) }

// Each runs a test on both engines; PostgreSQL is left out of short runs.
func Each(t *testing.T, test func(t *testing.T, s *Server)) {
	t.Run("sqlite", func(t *testing.T) { test(t, Start(t, Options{})) })
	t.Run("postgres", func(t *testing.T) { test(t, Start(t, Options{Postgres: true})) })
}

// Start starts a server.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	dir := tb.TempDir()
	flags := map[string]string{"data-dir": dir, "listen": "127.0.0.1:0"}
	if o.Postgres {
		flags["database-url"] = migrated.Postgres(tb)
		flags["secret-key-file"] = filepath.Join(dir, "secret.key")
		if err := server.GenerateKey(flags["secret-key-file"]); err != nil {
			tb.Fatal(err)
		}
	}
	config, err := server.LoadConfig(flags, func(string) string { return "" }, "")
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	config.Listen, config.PublicURL = l.Addr().String(), "http://"+l.Addr().String()
	if o.Host != "" {
		secure(tb, &config, o.Host)
	}
	config.HoldMail = true // see Server.Mails
	if o.Config != nil {
		o.Config(&config)
	}
	copySchema(tb, config)
	return start(tb, config, l, o)
}

func start(tb testing.TB, config server.Config, l net.Listener, o Options) *Server {
	tb.Helper()
	logs := &Logs{}
	log := slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := server.New(tb.Context(), config, log)
	if err != nil {
		tb.Fatal(err)
	}
	if !o.RealHashing {
		s.Hasher.Params = credential.Params{MemoryKiB: 64, Passes: 1, Lanes: 1}
	}
	if o.Clock != nil {
		s.DB.Now = o.Clock
	}
	s.Start()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(ctx, l); err != nil {
			tb.Errorf("serve: %v", err)
		}
	}()
	t := &Server{Server: s, URL: config.PublicURL, Logs: logs, tb: tb, client: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64, DialContext: Names, TLSClientConfig: trusting(tb, config)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Stop = sync.OnceFunc(func() {
		t.client.CloseIdleConnections()
		stop()
		<-done
		if err := s.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	tb.Cleanup(t.Stop)
	if o.Empty {
		return t
	}
	out, err := s.Bootstrap(tb.Context(), AdminEmail, Organization, AdminPassword)
	if err != nil {
		tb.Fatal(err)
	}
	t.OrganizationID, t.AccountID, t.AdminID, t.AdminToken = out.OrganizationID, out.AccountID, out.UserID, out.Token
	return t
}

// Answer is an HTTP answer with its body read.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	tb     testing.TB
	what   string
}

// Do sends a request. body may be nil, a string sent as it is, or a value sent
// as JSON; token may be empty.
func (s *Server) Do(tb testing.TB, method, path, token string, body any) Answer {
	tb.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = bytes.NewReader([]byte(b))
	default:
		text, err := json.Marshal(b)
		if err != nil {
			tb.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(tb.Context(), method, s.URL+path, reader)
	if err != nil {
		tb.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return s.Send(tb, req)
}

// Send sends a request made by the test. An answer that is not as the OpenAPI
// document says fails the test.
func (s *Server) Send(tb testing.TB, req *http.Request) Answer {
	tb.Helper()
	resp, err := s.client.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Body: text, tb: tb, what: req.Method + " " + req.URL.Path}
	s.conform(tb, req, a)
	return a
}

// Want fails the test unless the status is the wanted one.
func (a Answer) Want(status int) Answer {
	a.tb.Helper()
	if a.Status != status {
		a.tb.Fatalf("%s: status %d, want %d; body: %s", a.what, a.Status, status, a.Body)
	}
	return a
}

// WantCode fails the test unless status and error_code are the wanted ones.
func (a Answer) WantCode(status int, code string) Answer {
	a.tb.Helper()
	a.Want(status)
	if got := a.Code(); got != code {
		a.tb.Fatalf("%s: error_code %q, want %q; body: %s", a.what, got, code, a.Body)
	}
	return a
}

// Code is the error_code of an error answer.
func (a Answer) Code() string {
	var body struct {
		Errors []struct {
			ErrorCode string `json:"error_code"`
		} `json:"errors"`
	}
	if json.Unmarshal(a.Body, &body) != nil || len(body.Errors) == 0 {
		return ""
	}
	return body.Errors[0].ErrorCode
}

// Metadata is the metadata of an error answer.
func (a Answer) Metadata() map[string]any {
	a.tb.Helper()
	var body struct {
		Errors []struct {
			Metadata map[string]any `json:"metadata"`
		} `json:"errors"`
	}
	a.Decode(&body)
	if len(body.Errors) == 0 {
		a.tb.Fatalf("%s: no errors in %s", a.what, a.Body)
	}
	return body.Errors[0].Metadata
}

// Decode reads the body into v.
func (a Answer) Decode(v any) Answer {
	a.tb.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		a.tb.Fatalf("%s: %v; body: %s", a.what, err, a.Body)
	}
	return a
}

// Object is the body as a map.
func (a Answer) Object() map[string]any {
	a.tb.Helper()
	m := map[string]any{}
	a.Decode(&m)
	return m
}

// String is a text field of the body.
func (a Answer) String(field string) string {
	a.tb.Helper()
	text, ok := a.Object()[field].(string)
	if !ok {
		a.tb.Fatalf("%s: no text %q in %s", a.what, field, a.Body)
	}
	return text
}
