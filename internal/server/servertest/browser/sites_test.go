package browser_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest/browser"
)

// TestCookiesAcrossSites: what an identity provider's page posts to us comes with
// a SameSite=None cookie and without a Lax or Strict one, which a test with two
// ports of one address does not show.
func TestCookiesAcrossSites(t *testing.T) {
	for _, c := range []struct{ name, service, provider, want string }{
		{"two sites", "sp.test", "idp.test", "none"},
		{"two names of one site", "sp.corp.test", "idp.corp.test", "lax none strict"},
		{"two ports", "127.0.0.1", "127.0.0.1", "lax none strict"},
	} {
		t.Run(c.name, func(t *testing.T) {
			service := siteOf(t, c.service, cookieSite())
			provider := siteOf(t, c.provider, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				page(w, fmt.Sprintf(`<form method="post" action="%s/acs"><button>Continue</button></form>`, service))
			}))
			b := browser.Start(t)
			b.Open(t, service+"/start")
			b.Open(t, service+"/acs")
			if got := b.Text(t, "#cookies"); got != "lax none strict" {
				t.Fatalf("of its own the site gets %q", got)
			}
			b.Open(t, provider)
			b.Submit(t, "button")
			if got := b.Text(t, "#method"); got != http.MethodPost {
				t.Errorf("method %s", got)
			}
			if got := b.Text(t, "#cookies"); got != c.want {
				t.Errorf("the post came with %q, want %q", got, c.want)
			}
		})
	}
}

// cookieSite sets a cookie of each kind and says which ones come back.
func cookieSite() http.Handler {
	kinds := []struct {
		name string
		same http.SameSite
	}{{"lax", http.SameSiteLaxMode}, {"none", http.SameSiteNoneMode}, {"strict", http.SameSiteStrictMode}}
	mux := http.NewServeMux()
	mux.HandleFunc("/start", func(w http.ResponseWriter, _ *http.Request) {
		for _, k := range kinds {
			http.SetCookie(w, &http.Cookie{Name: k.name, Value: "1", Path: "/", Secure: true, HttpOnly: true, SameSite: k.same})
		}
		page(w, "started")
	})
	mux.HandleFunc("/acs", func(w http.ResponseWriter, r *http.Request) {
		var came []string
		for _, k := range kinds {
			if _, err := r.Cookie(k.name); err == nil {
				came = append(came, k.name)
			}
		}
		page(w, fmt.Sprintf(`<p id="method">%s</p><p id="cookies">%s</p>`, r.Method, strings.Join(came, " ")))
	})
	return mux
}

func page(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="en"><title>A page</title>%s</html>`, body)
}

// siteOf serves over https under a name and returns the origin.
func siteOf(t *testing.T, name string, h http.Handler) string {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "https://" + net.JoinHostPort(name, port)
}
