package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// proxyTo is a proxy in front of a server that treats headers in its way.
func proxyTo(t *testing.T, target string, treat func(*httputil.ProxyRequest)) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		treat(r)
	}})
	t.Cleanup(p.Close)
	return p.URL
}

// TestIPX01_TheDoctorForges headers at the public address, through what is in
// front of the server, and says whether one was believed.
func TestIPX01_TheDoctorForges(t *testing.T) {
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	plain := servertest.Start(t, servertest.Options{}).URL
	trusting := servertest.Start(t, servertest.Options{Config: trustLoopback}).URL
	forwarded := servertest.Start(t, servertest.Options{Config: func(c *server.Config) {
		trustLoopback(c)
		c.ForwardedHeader = true
	}}).URL
	careless := func(r *httputil.ProxyRequest) { r.Out.Header = r.In.Header.Clone() }
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }))
	defer other.Close()
	away := httptest.NewServer(http.RedirectHandler(trusting, http.StatusFound))
	defer away.Close()
	for _, c := range []struct {
		name, at string
		code     int
		line     string
	}{
		{"no proxy is trusted", plain, 0, `ok +forged headers +none is believed; from here the server sees 127\.0\.0\.1`},
		{"a careless proxy that is not trusted", proxyTo(t, plain, careless), 0, `ok +forged headers +none is believed`},
		{"everybody is trusted", trusting, 1, `problem +forged headers +the server believes X-Forwarded-For of anybody at http`},
		{"everybody is trusted with the other header", forwarded, 1, `problem +forged headers +the server believes Forwarded of anybody`},
		{"a careless proxy", proxyTo(t, trusting, careless), 1, `problem +forged headers +the server believes X-Forwarded-For of anybody`},
		{"a proxy that sets the header", proxyTo(t, trusting, func(r *httputil.ProxyRequest) { r.Out.Header.Set("X-Forwarded-For", "198.51.100.7") }), 0, `ok +forged headers +none is believed; from here the server sees 198\.51\.100\.7`},
		{"a proxy that adds to the header", proxyTo(t, trusting, func(r *httputil.ProxyRequest) {
			r.Out.Header.Set("X-Forwarded-For", r.In.Header.Get("X-Forwarded-For")+", 198.51.100.7")
		}), 0, `ok +forged headers +none is believed; from here the server sees 198\.51\.100\.7`},
		{"something else", other.URL, 0, `warning +forged headers +not tried, .*something else answers there, with status 200`},
		{"a redirect", away.URL, 0, `warning +forged headers +not tried, .*something else answers there, with status 302`},
		{"nobody", "http://127.0.0.1:1", 0, `warning +forged headers +not tried, .*does not answer`},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantFinding(t, c.code, c.line, i.with("doctor", "--public-url", c.at)...)
		})
	}
}
