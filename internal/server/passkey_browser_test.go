package server_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/server/servertest/browser"
)

// localhost puts the server's pages where browsers have passkeys.
func localhost(c *server.Config) {
	c.PublicURL = strings.Replace(c.PublicURL, "127.0.0.1", "localhost", 1)
}

// newPasskeyWindow is a browser with an authenticator such as that of a
// telephone; touch says whether its owner says yes to whatever asks.
func newPasskeyWindow(t *testing.T, config func(*server.Config)) (w *window, touch func(at bool)) {
	t.Helper()
	b := browser.Start(t)
	w = &window{Browser: b, s: newScene(t, servertest.Options{Config: config}), t: t}
	if _, err := chromedp.Call(b.Context(), webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	key, err := chromedp.Call(b.Context(), webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return w, func(at bool) {
		t.Helper()
		in := webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: key.AuthenticatorID, Enabled: at}
		if _, err := chromedp.Call(b.Context(), webauthn.SetAutomaticPresenceSimulation, in); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	addPasskey = "#passkeys-panel form[data-needs-passkeys] button"
	usePasskey = "form[data-passkey-get] button"
	logOut     = ".bar form button"
)

// register makes a passkey on the page of authentication.
func (w *window) register(name string) {
	w.t.Helper()
	w.open("/profile/authentication")
	w.submit(addPasskey)
	w.fill("#passkey-name", name)
	w.submit("form[data-passkey-create] button")
}

// TestPasskeyPages: a real browser registers a passkey, logs in with it, uses
// it after a password, and removes it.
func TestPasskeyPages(t *testing.T) {
	t.Parallel()
	w, touch := newPasskeyWindow(t, localhost)
	w.s.AddMember(t, bobEmail, bobPassword)
	w.logIn(bobEmail, bobPassword)
	w.on("/profile/authentication")
	w.register("Blue key")
	if codes := browser.Value(t, w.Browser, chromedp.Evaluate[int]("document.querySelectorAll('main ol li').length")); codes != 10 {
		t.Errorf("%d recovery codes: %s", codes, w.text("main"))
	}
	w.open("/profile/authentication")
	if got := w.text("#passkeys-panel"); !strings.Contains(got, "Blue key") {
		t.Errorf("the page does not show it: %s", got)
	}
	touch(false)
	w.submit(logOut)
	w.Open(t, "about:blank")

	// The address field offers it, and this authenticator takes it up at once.
	touch(true)
	w.open("/login")
	w.Do(t, chromedp.WaitVisible(chromedp.CSS("#passkeys-panel")))
	w.open("/profile/sessions")
	if got := w.text("main"); !strings.Contains(got, "by passkey") {
		t.Errorf("the session: %s", got)
	}
	touch(false)
	w.submit(logOut)

	w.logIn(bobEmail, bobPassword)
	w.on("/login")
	touch(true)
	w.submit(usePasskey)
	w.on("/profile/authentication")

	w.Do(t, chromedp.Click(chromedp.CSS("#passkeys-panel a.danger")), chromedp.WaitVisible(chromedp.CSS("#danger[open]")))
	w.submit("#danger-yes")
	if keys := w.s.Value(t, `SELECT count(*) FROM passkeys`); keys != "0" {
		t.Errorf("%s passkeys are left: %s", keys, w.text("main"))
	}
	w.WantOnly(t, w.s.URL)
}

// TestPasskeyOfAForeignPage: the page of another origin, which a browser lets
// ask the same authenticator because it has the same host, opens nothing; one
// of another host is not even let.
func TestPasskeyOfAForeignPage(t *testing.T) {
	t.Parallel()
	w, _ := newPasskeyWindow(t, localhost)
	w.s.AddMember(t, bobEmail, bobPassword)
	w.logIn(bobEmail, bobPassword)
	w.register("Blue key")
	page := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "<!DOCTYPE html><title>Foreign</title>") }))
	defer page.Close()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(page.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	answer := func(origin string) (flow, answer string) {
		challenge := w.s.Do(t, http.MethodPost, "/v1/userauth/passkey/options", "", nil).Want(http.StatusOK)
		w.Open(t, origin)
		script := fmt.Sprintf(`navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(%s)}).then(JSON.stringify, e => e.name)`, optionsOf(t, challenge))
		return challenge.String("flow"), browser.Value(t, w.Browser, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	}
	login := func(flow, response string) servertest.Answer {
		return w.s.passkeyLogin(t, map[string]any{"flow": flow, "response": json.RawMessage(response)})
	}
	login(answer("http://localhost:"+port)).WantCode(http.StatusBadRequest, passkeyRefused)
	login(answer(w.s.URL + "/login")).Want(http.StatusOK)
	own, _ := url.Parse(w.s.URL)
	if _, got := answer("http://127.0.0.1:" + own.Port()); got != "SecurityError" {
		t.Errorf("at an address the browser answers %s", got)
	}
}

// TestPasskeysAtAnAddress: at the address of a trial browsers have no passkeys;
// the page leads to the same server's name, where they work.
func TestPasskeysAtAnAddress(t *testing.T) {
	t.Parallel()
	w, _ := newPasskeyWindow(t, nil)
	w.s.AddMember(t, bobEmail, bobPassword)
	w.logIn(bobEmail, bobPassword)
	w.open("/profile/authentication")
	if w.Has(t, addPasskey) {
		t.Error("a passkey can be added, which the browser would refuse")
	}
	w.s.URL = strings.Replace(w.s.URL, "127.0.0.1", "localhost", 1)
	w.submit(`#passkeys-panel a[href^="` + w.s.URL + `"]`)
	w.on("/login")
	w.logIn(bobEmail, bobPassword)
	w.register("Blue key")
	w.open("/profile/authentication")
	if got := w.text("#passkeys-panel"); !strings.Contains(got, "Blue key") {
		t.Errorf("no passkey at %s: %s", w.s.URL, got)
	}
}
