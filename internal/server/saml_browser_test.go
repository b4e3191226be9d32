package server_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/saml/idptest"
	"github.com/sallyport/sallyport/internal/server/servertest/browser"
)

// TestSAMLInARealBrowser: provider and server are two sites over https, so that
// the browser's own rules decide which cookie comes with the provider's form.
func TestSAMLInARealBrowser(t *testing.T) {
	t.Parallel()
	r := newRealSAML(t, func(tb testing.TB, o idptest.Options) *idptest.Provider {
		o.Host, o.HTTPS = "idp.test", true
		return idptest.StartSimpleSAMLphp(tb, o)
	})
	b := browser.Start(t)
	in := func(what string) {
		t.Helper()
		b.Do(t, chromedp.WaitVisible(chromedp.CSS(`form[action="/logout"] button`)))
		if path := b.Path(t); path != "/profile/authentication" || !strings.Contains(b.Text(t, "header"), "ann@"+aVerified) {
			t.Errorf("%s: at %s as %q", what, path, b.Text(t, "header"))
		}
	}
	b.Open(t, r.start())
	b.Fill(t, `input[name="username"]`, "ann")
	b.Fill(t, `input[name="password"]`, "ann")
	b.Do(t, chromedp.Submit(chromedp.CSS(`input[name="password"]`)))
	in("by redirect")
}
