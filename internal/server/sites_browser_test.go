package server_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/server/servertest/browser"
)

// TestOwnCookiesAcrossSites: with a form that another site's page posts to us,
// as a SAML provider's does, comes the cookie of the login that is under way and
// not the session's; with a link comes the session's, too.
func TestOwnCookiesAcrossSites(t *testing.T) {
	t.Parallel()
	s := newScene(t, servertest.Options{Host: "sp.test"}) // first: its end would wait for the browser's connections
	s.Do(t, http.MethodGet, "/openapi.json", "", nil).Want(http.StatusOK)
	b := browser.Start(t)
	sent := watchCookies(t, b)
	w := &window{Browser: b, s: s, t: t}
	other := otherSite(t, fmt.Sprintf(`<form method="post" action="%s/login"><button>Continue</button></form><a href="%[1]s/profile/sessions">Go</a>`, s.URL))
	const session, flow = "__Host-sallyport_session", "__Host-sallyport_flow"

	w.open("/login")
	w.fill("#email", servertest.AdminEmail)
	w.submit("main form button")
	w.Open(t, other)
	sent.forget()
	w.submit("button")
	if got := sent.with(t, "POST /login"); !slices.Contains(got, flow) {
		t.Errorf("while a login is under way the post came with %q", got)
	}

	w.open("/login") // which goes on with the login
	w.fill("#password", servertest.AdminPassword)
	w.submit("form.stack > button")
	w.open("/profile/sessions")
	w.on("/profile/sessions")
	w.Open(t, other)
	sent.forget()
	w.submit("button")
	if got := sent.with(t, "POST /login"); slices.Contains(got, session) {
		t.Errorf("the post came with %q", got)
	}
	w.Open(t, other)
	sent.forget()
	w.submit("a")
	w.on("/profile/sessions")
	if got := sent.with(t, "GET /profile/sessions"); !slices.Contains(got, session) {
		t.Errorf("the link came with %q", got)
	}
}

// otherSite is a page at idp.test, over https.
func otherSite(t *testing.T, body string) string {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Another site</title>%s</html>`, body)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "https://" + net.JoinHostPort("idp.test", port)
}

// sentCookies are the names of the cookies that came with the last request of a
// method to a path.
type sentCookies struct {
	mu  sync.Mutex
	all map[string][]string
}

func watchCookies(t *testing.T, b *browser.Browser) *sentCookies {
	t.Helper()
	c := &sentCookies{all: map[string][]string{}}
	err := chromedp.Listen(b.Context(), func(event any) {
		e, ok := event.(*network.EventRequestWillBeSentExtraInfo)
		if !ok {
			return
		}
		names := []string{}
		for _, cookie := range e.AssociatedCookies {
			if len(cookie.BlockedReasons) == 0 {
				names = append(names, cookie.Cookie.Name)
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all[fmt.Sprintf("%v %v", e.Headers[":method"], e.Headers[":path"])] = names // HTTP/2
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// forget forgets the requests so far.
func (c *sentCookies) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.all)
}

// with are the cookies of a request since then, such as "GET /login". The browser
// may tell of them after it has shown the page.
func (c *sentCookies) with(t *testing.T, request string) (names []string) {
	t.Helper()
	until(t, "the browser tells what it sent with "+request, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		names = c.all[request]
		return names != nil
	})
	return names
}
