package httpapi_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// sink is an answer that nobody reads.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

// BenchmarkAnswer measures our part of the answers that services and proxies
// wait for: everything but net/http and the kernel.
func BenchmarkAnswer(b *testing.B) {
	s := servertest.New(b)
	_, asker := s.App(b, "organization:tokens:introspect")
	bob, _ := s.AddMember(b, "bob@a.example", "a password for bob to use")
	personal := s.Personal(b, bob)
	form := url.Values{"token": {personal}, "client_ip": {"198.51.100.7"}}.Encode()
	introspect := httptest.NewRequest(http.MethodPost, "/oauth2/introspect", strings.NewReader(form))
	introspect.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	introspect.Header.Set("Authorization", "Bearer "+asker)
	forward := httptest.NewRequest(http.MethodGet, "/forward-auth?organization_id="+s.OrganizationID, nil)
	for name, value := range map[string]string{
		"Authorization": "Bearer " + personal, "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Method": "GET", "X-Forwarded-Host": "wiki.example.com", "X-Forwarded-Uri": "/page",
	} {
		forward.Header.Set(name, value)
	}
	for name, req := range map[string]*http.Request{"introspection": introspect, "forward-auth": forward} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			body := bytes.NewReader(nil)
			w := &sink{header: http.Header{}}
			for b.Loop() {
				clear(w.header)
				if req.Method == http.MethodPost {
					body.Reset([]byte(form))
					req.Body = io.NopCloser(body)
				}
				s.Handler().ServeHTTP(w, req)
				if w.status != http.StatusOK {
					b.Fatalf("status %d", w.status)
				}
			}
		})
	}
}
