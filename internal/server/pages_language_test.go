package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest"
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
