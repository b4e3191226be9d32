package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/server/servertest/browser"
)

const languageCookie = "__Host-sallyport_language"

// TestPagesSpeakTheLanguageAsked: what was chosen comes first, then what the
// browser asks for, then English; nonsense is none of them.
func TestPagesSpeakTheLanguageAsked(t *testing.T) {
	t.Parallel()
	s := newScene(t, servertest.Options{})
	const german, english = `<html lang="de">`, `<html lang="en">`
	for _, c := range []struct{ accept, cookie, want string }{
		{"", "", english},
		{"de", "", german},
		{"de-AT,de;q=0.8,en;q=0.5", "", german},
		{"gsw, fr;q=0.5", "", german}, // whose speakers read German
		{"en-GB,de;q=0.9", "", english},
		{"fr,es", "", english},
		{"fr;q=0.9,de;q=0.1", "", german},
		{"*", "", english},
		{strings.Repeat("x-", 4000), "", english},
		{"de;q=nonsense,,;;=", "", english},
		{"en", "de", german},
		{"de", "en", english},
		{"de", "../../etc/passwd", german},
		{"", "<script>", english},
	} {
		v := s.visitor(t)
		if c.cookie != "" {
			v.cookies[languageCookie] = c.cookie
		}
		page := string(v.send(http.MethodGet, "/login", nil, map[string]string{"Accept-Language": c.accept}).Body)
		if !strings.Contains(page, c.want) {
			t.Errorf("Accept-Language %.40q with the choice %q: want %s, got %.120s", c.accept, c.cookie, c.want, page)
		}
		if strings.Contains(page, "etc/passwd") {
			t.Errorf("the page repeats what the cookie says")
		}
	}
}

// TestLanguageIsChosenByAForm: the choice is kept by a cookie that tells nothing
// else, and leads back to the page; a link, another site and another value
// choose nothing.
func TestLanguageIsChosenByAForm(t *testing.T) {
	t.Parallel()
	s := newScene(t, servertest.Options{})
	anonymous := s.visitor(t)
	answer := anonymous.post("/language", "language", "de", "next", "/reset?x=1")
	if answer.Status != http.StatusSeeOther || answer.Header.Get("Location") != "/reset?x=1" {
		t.Errorf("the choice leads to %d %q", answer.Status, answer.Header.Get("Location"))
	}
	set := answer.Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-sallyport_language=de;", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"} {
		if !strings.Contains(set, want) {
			t.Errorf("the cookie is %q, without %s", set, want)
		}
	}
	for _, next := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""} {
		if at := anonymous.post("/language", "language", "de", "next", next).Header.Get("Location"); at != "/" {
			t.Errorf("next %q leads to %q", next, at)
		}
	}
	for _, code := range []string{"", "fr", "DE", "de\r\nX: y", "de; Domain=evil.example"} {
		answer := anonymous.post("/language", "language", code, "next", "/login")
		if answer.Status != http.StatusBadRequest || answer.Header.Get("Set-Cookie") != "" {
			t.Errorf("%q is chosen: %d %q", code, answer.Status, answer.Header.Get("Set-Cookie"))
		}
	}
	if answer := anonymous.get("/language?language=de"); answer.Header.Get("Set-Cookie") != "" {
		t.Errorf("a link chooses a language: %d %q", answer.Status, answer.Header.Get("Set-Cookie"))
	}
}

// TestPagesInGerman goes from the login to the policy of an organization, in the
// language that is chosen at the foot of the first page, without scripts.
func TestPagesInGerman(t *testing.T) {
	t.Parallel()
	w := newWindow(t)
	w.Look(t, 360, "light")
	w.Scripts(t, false)
	w.open("/login?next=%2Forganizations")
	w.submit(`.foot button[value="de"]`)
	if at := w.Path(t); at != "/login?next=%2Forganizations" {
		t.Errorf("the choice of a language leads to %s", at)
	}
	says := func(want ...string) {
		t.Helper()
		if got := w.text("html"); browser.Value(t, w.Browser, chromedp.Evaluate[string]("document.documentElement.lang")) != "de" {
			t.Errorf("at %s the language is another: %s", w.Path(t), got)
		} else {
			for _, words := range want {
				if !strings.Contains(got, words) {
					t.Errorf("%s does not say %q: %s", w.Path(t), words, got)
				}
			}
		}
	}
	says("Anmelden", "Neu hier?", "Gesichert durch Sallyport", "English")
	w.fill("#email", servertest.AdminEmail)
	w.submit("main form button")
	w.fill("#password", "wrong words of sense")
	w.submit("form.stack > button")
	says("E-Mail-Adresse oder Passwort ist falsch.")
	w.fill("#password", servertest.AdminPassword)
	w.submit("form.stack > button")
	w.on("/organizations")
	says("Ihre Organisationen", "Mit dieser Anmeldung offen")
	w.submit(".rows h3 a")
	says("Nächste Schritte", "0 von 4 erledigt", "Superadmin")
	w.submit(`.rooms a[href$="/authentication-policy"]`)
	says("Authentifizierungs\u00adrichtlinie", "Persönliche Token", "Änderung prüfen")
	w.Do(t, chromedp.Click(chromedp.CSS(`input[name="password"][value="factor"]`)))
	w.submit("main form > .row button")
	says("Richtlinie ändern?", "Mit oder ohne zweiten Faktor", "Mit zweitem Faktor")
	w.submit(`.foot button[value="en"]`)
	w.on("/organizations/" + w.s.OrganizationID + "/authentication-policy")
	if !strings.Contains(w.text("main"), "Authentication policy") {
		t.Errorf("it is not English again: %s", w.text("main"))
	}
	w.WantOnly(t, w.s.URL)
}
