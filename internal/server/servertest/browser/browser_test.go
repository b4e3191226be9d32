package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest/browser"
)

// TestBrowserFillsFormsWithoutScripts: typing, clicking and reading do not need
// the page's scripts.
func TestBrowserFillsFormsWithoutScripts(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>A form</title><link rel="icon" href="data:,"><main><h1>Hello</h1><p id="said">%s</p>
			<form method="post"><label for="word">Word</label><input id="word" name="word"><button>Send</button></form></main></html>`, r.PostFormValue("word"))
	}))
	defer s.Close()
	b := browser.Start(t)
	b.Scripts(t, false)
	b.Open(t, s.URL+"/page?a=b")
	b.Fill(t, "#word", "sallyport")
	b.Submit(t, "button")
	if got := b.Text(t, "#said"); got != "sallyport" {
		t.Errorf("the page says %q", got)
	}
	if b.Path(t) != "/page?a=b" || !b.Has(t, "form") || b.Has(t, "table") {
		t.Errorf("the page is %s", b.Path(t))
	}
	b.Scripts(t, true)
	b.Open(t, s.URL)
	b.WantAccessible(t, "the form")
	// The icon above, refused by the policy, is a complaint that is seen.
	seen := &recorder{TB: t}
	b.WantOnly(seen, s.URL)
	if len(seen.said) == 0 || !strings.Contains(seen.said[0], "Content Security Policy") {
		t.Errorf("complaints: %q", seen.said)
	}
}

// recorder keeps what a test would have failed with.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}
