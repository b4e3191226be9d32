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
// The login is sent there by a redirect and by a form; the way back with the
// browser's button opens nothing a second time.
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

	sessions := r.Value(t, `SELECT COUNT(*) FROM tokens WHERE auth_provider = '`+r.id+`'`)
	b.Do(t, chromedp.NavigateBack())
	if again := r.Value(t, `SELECT COUNT(*) FROM tokens WHERE auth_provider = '`+r.id+`'`); sessions != "1" || again != "1" {
		t.Errorf("%s sessions, after going back %s", sessions, again)
	}

	r.set(t, claims{"saml_request_binding": "post", "saml_idp_post_url": r.idp.SSOURL, "saml_authn_requests_signed_enabled": true})
	b.Open(t, r.URL+"/profile/authentication")
	b.Submit(t, `form[action="/logout"] button`)
	b.Open(t, r.start()) // the provider remembers ann
	in("by a form")
}
