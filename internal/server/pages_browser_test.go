package server_test

import (
	"context"
	"encoding/base32"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/server/servertest/browser"
	"github.com/sallyport/sallyport/internal/thirdparty/githubtest"
)

// The tests of this file use the pages in a real browser: without scripts, with
// the keyboard alone, and with axe-core looking at each page.

// window is a browser at a server's pages.
type window struct {
	*browser.Browser
	s *scene
	c *club
	t *testing.T
}

func newWindow(t *testing.T) *window {
	t.Helper()
	b := browser.Start(t) // first: it skips the test where there is none
	c := newClub(t, false)
	return &window{b, c.scene, c, t}
}

func (w *window) open(path string)            { w.t.Helper(); w.Open(w.t, w.s.URL+path) }
func (w *window) fill(selector, text string)  { w.t.Helper(); w.Fill(w.t, selector, text) }
func (w *window) submit(selector string)      { w.t.Helper(); w.Submit(w.t, selector) }
func (w *window) text(selector string) string { w.t.Helper(); return w.Text(w.t, selector) }

// on fails the test unless the page is the one at a path.
func (w *window) on(path string) {
	w.t.Helper()
	if at, _, _ := strings.Cut(w.Path(w.t), "?"); at != path {
		w.t.Fatalf("the page is %s, want %s: %s", w.Path(w.t), path, w.text("main"))
	}
}

// logIn logs somebody in by the pages.
func (w *window) logIn(email, password string) {
	w.t.Helper()
	w.open("/login")
	w.fill("#email", email)
	w.submit("main form button")
	w.fill("#password", password)
	w.submit("form.stack > button")
}

// secretOf reads the key of an authenticator off the page that offers it.
func (w *window) secretOf() []byte {
	w.t.Helper()
	text := strings.ReplaceAll(w.text("#secret"), " ", "")
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	if err != nil {
		w.t.Fatalf("the key %q: %v", text, err)
	}
	return secret
}

// code is the next one-time code.
func (w *window) code(secret []byte) string {
	w.s.advance(30 * time.Second)
	return credential.Code(secret, w.s.now())
}

// setUp sets an authenticator up on the page of authentication.
func (w *window) setUp(password string) (secret []byte) {
	w.t.Helper()
	w.open("/profile/authentication?open=authenticator")
	w.fill("#offer-password", password)
	w.submit("#authenticator-panel form button:not(.reveal)")
	secret = w.secretOf()
	w.fill("#code", w.code(secret))
	w.fill("#confirm-password", password)
	w.submit("#authenticator-panel form .row button:not([data-copy])")
	return secret
}

// TestPagesWithoutScripts goes the whole way of a newcomer with scripts off.
func TestPagesWithoutScripts(t *testing.T) {
	t.Parallel()
	w := newWindow(t)
	w.Scripts(t, false)
	const email, password = "newcomer@c.example", "violet teapots sail at dawn"

	w.open("/")
	w.on("/login")
	w.submit(".below a")
	w.fill("#real_name", "New Comer")
	w.fill("#email", email)
	w.fill("#password", "short")
	w.submit("form button:not(.reveal)")
	if got := w.text("#password-wrong"); got == "" || w.text("#problem") != got {
		t.Errorf("beside the field: %q, on top: %q", got, w.text("#problem"))
	}
	if focused := browser.Value(t, w.Browser, chromedp.Evaluate[string]("document.activeElement.id")); focused != "problem" {
		t.Errorf("the focus is on %q", focused)
	}
	w.fill("#password", password)
	w.submit("form button:not(.reveal)")
	if !strings.Contains(w.text("main"), email) {
		t.Errorf("after the sign-up: %s", w.text("main"))
	}
	w.open("/verify?code=" + url.QueryEscape(w.s.MailedCode(t, email, identity.MailVerifyEmail)))
	w.submit("form button")
	w.submit("main a.button")
	w.on("/login")
	w.fill("#email", email)
	w.submit("form button")
	w.fill("#password", "not my password at all")
	w.submit("form.stack button:not(.reveal)")
	if w.text("#password-wrong") == "" {
		t.Error("a wrong password is not said beside the field")
	}
	w.fill("#password", password)
	w.submit("form.stack button:not(.reveal)")
	w.on("/profile/authentication")

	secret := w.setUp(password)
	codes := strings.Fields(w.text("#codes"))
	if len(codes) != 10 {
		t.Errorf("recovery codes: %q", codes)
	}
	w.submit(".bar form button")
	w.on("/login")
	w.fill("#email", email)
	w.submit("form button")
	w.fill("#password", password)
	w.submit("form.stack button:not(.reveal)")
	w.fill("#code", "000000")
	w.submit("form.stack button")
	if w.text("#code-wrong") == "" {
		t.Error("a wrong code is not said beside the field")
	}
	w.fill("#code", w.code(secret))
	w.submit("form.stack button")
	w.on("/profile/authentication")

	w.open("/profile/tokens")
	w.submit("a.button.compact")
	w.fill("#description", "a first token")
	w.submit("form.panel .row button")
	token := w.text("#token")
	if a := w.s.Do(t, "GET", "/v1/me", token, nil).Want(200); !strings.Contains(string(a.Body), email) {
		t.Errorf("the token is of %s", a.Body)
	}
	w.open("/profile/tokens")
	w.submit("a.danger")
	w.on("/profile/tokens/" + token[:12] + "/revoke")
	w.submit("#confirm button")
	w.on("/profile/tokens")
	w.s.Do(t, "GET", "/v1/me", token, nil).Want(401)
	w.WantOnly(t, w.s.URL)
}

// press sends keys to whatever has the focus; the focus must be seen.
func (w *window) press(keys string) {
	w.t.Helper()
	w.Do(w.t, chromedp.KeyEvent(keys))
}

// tabTo presses the tab key until the focus is on an element, and makes sure
// that a person sees each stop on the way. Headings that a page puts the focus
// on, to be read first, are no stops.
func (w *window) tabTo(selector string) {
	w.t.Helper()
	state := "(() => { const e = document.activeElement; return e.matches(" + quote(selector) + ") ? 'there' : e.matches('body, h2, h3') || e.matches(':focus-visible, input:focus-within, #problem') && getComputedStyle(e).outlineStyle !== 'none' ? '' : e.matches(':focus') + ' ' + e.matches(':focus-visible') + ' ' + getComputedStyle(e).outline + ' ' + e.outerHTML })()"
	for range 120 {
		switch at := browser.Value(w.t, w.Browser, chromedp.Evaluate[string](state)); at {
		case "there":
			return
		case "":
		default:
			w.t.Fatalf("at %s the focus is not seen on %s", w.Path(w.t), at)
		}
		w.press(kb.Tab)
	}
	w.t.Fatalf("at %s no number of tabs leads to %s", w.Path(w.t), selector)
}

func quote(text string) string { return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"` }

// enter presses a key that leads to another page.
func (w *window) enter(key string) {
	w.t.Helper()
	w.Leave(w.t, chromedp.KeyEvent(key))
}

// TestPagesByKeyboard logs in, looks at the sessions, makes a token and revokes
// it, without a mouse.
func TestPagesByKeyboard(t *testing.T) {
	t.Parallel()
	w := newWindow(t)
	w.open("/login")
	w.tabTo("#email")
	w.press(servertest.AdminEmail)
	w.enter(kb.Enter)
	w.tabTo("#password")
	w.press("wrong words of sense")
	w.enter(kb.Enter)
	w.tabTo("#problem a")
	w.press(kb.Enter) // leads to the field
	w.tabTo("#password")
	w.press(servertest.AdminPassword)
	w.tabTo(".reveal")
	w.press(" ")
	if kind := browser.Value(t, w.Browser, chromedp.Evaluate[string]("document.getElementById('password').type")); kind != "text" {
		t.Errorf("the password is not shown: %s", kind)
	}
	w.tabTo("form.stack > button")
	w.enter(kb.Enter)
	w.on("/profile/authentication")

	w.press(kb.Tab)
	if !browser.Value(t, w.Browser, chromedp.Evaluate[bool]("document.activeElement.matches('.skip:focus-visible') && document.activeElement.getBoundingClientRect().top >= 0")) {
		t.Error("the first tab does not show the link to the content")
	}
	w.tabTo(`a[href="/profile/sessions"]`)
	w.enter(kb.Enter)
	w.on("/profile/sessions")
	w.tabTo(`a[href="/profile/tokens"]`)
	w.enter(kb.Enter)
	w.tabTo(`a[href="/profile/tokens/new"]`)
	w.enter(kb.Enter)
	w.tabTo("#description")
	w.press("by keyboard")
	w.enter(kb.Enter)
	if w.text("#token") == "" {
		t.Error("no token was made")
	}
	w.open("/profile/tokens")
	w.tabTo("a.danger")
	w.press(kb.Enter)
	w.tabTo("#danger-yes")
	w.enter(" ")
	w.on("/profile/tokens")
	if strings.Contains(w.text("main"), "by keyboard") {
		t.Error("the token is still there")
	}
	w.tabTo(".bar form button")
	w.enter(kb.Enter)
	w.on("/login")
	w.WantOnly(t, w.s.URL)
}

// everyPage shows each page in turn.
func (w *window) everyPage(look func(name string)) {
	t, s := w.t, w.s
	at := func(name, path string) {
		w.open(path)
		look(name)
	}
	at("login-identify", "/login")
	w.open("/profile/tokens")
	w.on("/login")
	w.fill("#email", "no address")
	w.Do(t, noValidation)
	w.submit("main form button")
	look("login-identify-problem")
	w.fill("#email", servertest.AdminEmail)
	w.submit("main form button")
	look("login-choose")
	w.fill("#password", "wrong words of sense")
	w.submit("form.stack > button")
	look("login-choose-problem")
	at("signup", "/signup")
	at("reset-ask", "/reset")
	at("reset-set", "/reset?code="+url.QueryEscape(s.resetCode(t, s.AdminID)))
	at("verify", "/verify?code=abc")
	at("verify-nothing", "/verify")
	at("device", "/device")
	at("device-code", "/device?code=abc")
	at("invitation", "/invitation?code="+invite(t, s.Server, "new@c.example"))
	at("invitation-problem", "/invitation?code=none")
	at("mailbox", "/dev/mailbox")
	at("missing", "/nowhere")

	w.open("/login")
	w.submit(".account button")
	w.logIn(servertest.AdminEmail, servertest.AdminPassword)
	w.on("/profile/authentication")
	look("authentication")
	at("authentication-password", "/profile/authentication?open=password")
	w.fill("#chosen", "correct horse")
	w.Do(t, chromedp.WaitVisible(chromedp.CSS("#chosen-meter meter")))
	look("authentication-meter")
	w.open("/profile/authentication?open=authenticator")
	w.fill("#offer-password", servertest.AdminPassword)
	w.submit("#authenticator-panel form button:not(.reveal)")
	look("authenticator-offer")
	secret := w.secretOf()
	w.fill("#code", w.code(secret))
	w.fill("#confirm-password", servertest.AdminPassword)
	w.submit("#authenticator-panel form .row button:not([data-copy])")
	look("authentication-codes")
	at("authentication-on", "/profile/authentication")
	at("authentication-off", "/profile/authentication?open=authenticator-off")
	at("authentication-confirm", "/profile/authentication/remove?what=codes")
	s.Session(t, s.AdminID)
	at("sessions", "/profile/sessions")
	at("tokens-none", "/profile/tokens")
	at("token-new", "/profile/tokens/new")
	w.fill("#description", "Nightly backup of the billing database")
	w.Do(t, chromedp.Click(chromedp.CSS("details summary")), chromedp.SendKeys(chromedp.CSS("#ranges"), "203.0.113.0/24"), chromedp.Click(chromedp.CSS(`input[value="projects:read"]`)))
	look("token-new-narrow")
	w.submit("form.panel .row button")
	look("token-made")
	at("tokens", "/profile/tokens")
	w.Do(t, chromedp.Click(chromedp.CSS("a.danger")), chromedp.WaitVisible(chromedp.CSS("#danger[open]")))
	look("tokens-dialog")
	s.advance(11 * time.Minute)
	at("token-old", "/profile/tokens/new")
	w.submit("#main form button")
	look("login-step-up")
	w.fill("#password", servertest.AdminPassword)
	w.submit("form.stack > button")
	look("login-factor")
	w.fill("#code", w.code(secret))
	w.submit("form.stack > button")
	w.on("/profile/tokens/new")
	w.open("/login/cli?redirect_uri=" + url.QueryEscape("http://127.0.0.1:1/callback") + "&state=abc&code_challenge=" + strings.Repeat("a", 43))
	look("login-approve")
	w.submit("main form:last-of-type button")
	w.open("/link/github")
	look("link-confirm")
	w.open("/")
	w.submit(".bar form button")
	look("logged-out")
	w.signUpUnconfirmed()
	look("verify-wait")
}

// signUpUnconfirmed logs somebody in who has not confirmed their address.
func (w *window) signUpUnconfirmed() {
	w.t.Helper()
	const email, password = "dave@c.example", "violet teapots sail at dawn"
	w.s.visitor(w.t).post("/signup", "email", email, "real_name", "Dave", "password", password).Want(200)
	w.logIn(email, password)
	w.on("/verify")
}

// looks are the colour schemes and widths that pages are looked at in: a wide one
// in light, a narrow one in dark and in German, whose words are long; and where pictures are taken for people to look at, those of a
// telephone, a tablet and a desktop in both schemes.
func looks() []string {
	if os.Getenv("SALLYPORT_TEST_PICTURES") == "" {
		return []string{"light-1440", "german-360"}
	}
	all := []string{"german-360"}
	for _, width := range []string{"360", "768", "1440"} {
		all = append(all, "light-"+width, "dark-"+width)
	}
	return all
}

// lookAt goes through pages in each look: axe-core finds nothing, nothing is too
// wide, and nothing comes from elsewhere.
func lookAt(t *testing.T, everyPage func(*window, func(name string))) {
	lookFrom(t, newWindow, everyPage)
}

// lookFrom is lookAt at servers of another kind.
func lookFrom(t *testing.T, open func(*testing.T) *window, everyPage func(*window, func(name string))) {
	for _, look := range looks() {
		t.Run(look, func(t *testing.T) {
			t.Parallel()
			scheme, text, _ := strings.Cut(look, "-")
			width, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			w := open(t)
			if scheme == "german" {
				scheme = "dark"
				w.Language(t, "de")
			}
			w.Look(t, width, scheme)
			everyPage(w, func(name string) {
				w.Picture(t, name+"-"+look)
				w.WantAccessible(t, name)
				if over := browser.Value(t, w.Browser, chromedp.Evaluate[int]("document.documentElement.scrollWidth - document.documentElement.clientWidth")); over > 0 {
					t.Errorf("%s is %d pixels too wide", name, over)
				}
			})
			w.WantOnly(t, w.s.URL)
		})
	}
}

// TestPagesAreAccessible has axe-core look at every page, in light and dark,
// wide and narrow, English and German; the pictures go to where SALLYPORT_TEST_PICTURES says. No
// page asks for anything elsewhere, and none complains.
func TestPagesAreAccessible(t *testing.T) {
	t.Parallel()
	lookAt(t, (*window).everyPage)
}

// lookThrough is lookAt of one page that needs no login.
func lookThrough(t *testing.T, b *browser.Browser, name, address string) {
	t.Helper()
	for _, look := range looks() {
		scheme, text, _ := strings.Cut(look, "-")
		width, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		language := "en"
		if scheme == "german" {
			scheme, language = "dark", "de"
		}
		b.Language(t, language)
		b.Look(t, width, scheme)
		b.Open(t, address)
		b.Picture(t, name+"-"+look)
		b.WantAccessible(t, name+", "+look)
		if over := browser.Value(t, b, chromedp.Evaluate[int]("document.documentElement.scrollWidth - document.documentElement.clientWidth")); over > 0 {
			t.Errorf("%s is %d pixels too wide in %s", name, over, look)
		}
	}
}

// TestTheSetupPageIsAccessible as the others are (TestPagesAreAccessible).
func TestTheSetupPageIsAccessible(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	s := newScene(t, servertest.Options{Empty: true})
	lookThrough(t, b, "setup", s.URL+"/setup")
	b.WantOnly(t, s.URL)
}

// TestProvidersInTheBrowser signs somebody up with GitHub, disconnects and
// connects it again, and lets the owner of an account connect theirs.
func TestProvidersInTheBrowser(t *testing.T) {
	t.Parallel()
	w := newWindow(t)
	w.c.github.Put(githubtest.User{ID: 101, Login: "octo", Name: "Octo Cat", Emails: []githubtest.Email{{Email: "octo@c.example", Primary: true, Verified: true}}})
	w.c.github.Put(githubtest.User{ID: 102, Login: "ally", Name: "Alice", Emails: []githubtest.Email{{Email: servertest.AdminEmail, Primary: true, Verified: true}}})
	there := func(name string) {
		t.Helper()
		w.fill("input[name=login]", name)
		w.submit("button[value='1']")
	}
	see := func(name string) {
		t.Helper()
		w.Picture(t, name)
		w.WantAccessible(t, name)
	}
	w.open("/login")
	w.submit(`a[href^="/login/with/github"]`)
	there("octo")
	w.on("/login")
	see("login-sign-up")
	w.submit("form.stack > button")
	w.on("/profile/authentication")
	see("authentication-linked")
	// A password by mail, so that the identity is not the only way in.
	w.submit("#password-panel button")
	w.open("/reset?code=" + url.QueryEscape(w.s.MailedCode(t, "octo@c.example", identity.MailPasswordReset)))
	if w.Path(t) != "/reset" {
		t.Errorf("the address keeps the code: %s", w.Path(t))
	}
	w.fill("#password", "violet teapots sail at dawn")
	w.submit("form.stack > button")
	w.logIn("octo@c.example", "violet teapots sail at dawn")
	w.Do(t, chromedp.Click(chromedp.CSS("#linked-panel a.danger")), chromedp.WaitVisible(chromedp.CSS("#danger[open]")))
	w.submit("#danger-yes")
	if !strings.Contains(w.text("main"), "disconnected") {
		t.Errorf("the page is %s", w.text("main"))
	}
	w.submit(`#linked-panel form:has(input[value="github"]) button`)
	w.Do(t, chromedp.WaitVisible(chromedp.CSS("input[name=login]"))) // the page in between goes on by itself
	there("octo")
	w.on("/profile/authentication")
	if !strings.Contains(w.text("main"), "It is connected") {
		t.Errorf("the page is %s", w.text("main"))
	}
	w.submit(".bar form button")

	w.submit(`a[href^="/login/with/github"]`)
	there("ally")
	w.on("/login")
	see("login-link-first")
	w.fill("#password", servertest.AdminPassword)
	w.submit("form.stack > button")
	see("login-link")
	w.submit("main form button")
	w.on("/profile/authentication")
	if !strings.Contains(w.text("#linked-panel"), "ally") {
		t.Errorf("the identities are %s", w.text("#linked-panel"))
	}
	w.WantOnly(t, w.s.URL, w.c.github.URL)
}

// noValidation lets a form be sent that the browser would refuse.
var noValidation = chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
	_, err := chromedp.Evaluate[bool]("document.querySelector('form').noValidate = true")(ctx, target)
	return err
})
