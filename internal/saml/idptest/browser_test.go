package idptest_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/saml/idptest"
	"github.com/sallyport/sallyport/internal/server/servertest/browser"
)

// TestRealBrowser: Chromium logs alice in at idp.test, whose page posts the
// answer to sp.test with the SameSite=None cookie and without the Lax one.
func TestRealBrowser(t *testing.T) {
	for name, starter := range starters {
		t.Run(name, func(t *testing.T) {
			service := serveService(t)
			p := starter.start(t, idptest.Options{
				Host: "idp.test", HTTPS: true,
				SP:    idptest.SP{EntityID: spEntity, ACS: service + "/acs"},
				Users: []idptest.User{{Name: "alice", Email: "alice@corp.example"}},
			})
			start := send(t, p.SSOURL, requestTo(p, "_request1", service+"/acs"), nil)
			b := browser.Start(t)
			b.Open(t, service)
			for _, round := range []string{"with a password", "remembered"} {
				b.Open(t, start)
				if round == "with a password" {
					user := `input[name="username"], input[name="user"]`
					b.Fill(t, user, "alice")
					b.Fill(t, `input[name="password"]`, "alice")
					b.Do(t, chromedp.Submit(chromedp.CSS(`input[name="password"]`)))
				}
				b.Do(t, chromedp.WaitVisible(chromedp.CSS("#came")))
				if got := b.Text(t, "#came"); got != "POST, answer true, lax false, none true" {
					t.Errorf("%s: %s", round, got)
				}
				b.Open(t, "about:blank")
			}
		})
	}
}

// serveService is a service at sp.test that sets cookies and says what comes.
func serveService(t *testing.T) (origin string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "lax", Value: "1", Path: "/", Secure: true, SameSite: http.SameSiteLaxMode})
		http.SetCookie(w, &http.Cookie{Name: "none", Value: "1", Path: "/", Secure: true, SameSite: http.SameSiteNoneMode})
	})
	mux.HandleFunc("/acs", func(w http.ResponseWriter, r *http.Request) {
		_, noLax := r.Cookie("lax")
		_, noNone := r.Cookie("none")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><p id="came">%s, answer %t, lax %t, none %t</p>`,
			r.Method, r.PostFormValue("SAMLResponse") != "", noLax == nil, noNone == nil)
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "https://" + net.JoinHostPort("sp.test", port)
}
