package server_test

import (
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// foreignSites are what browsers say of a request that another site makes.
func (s *scene) foreignSites() []map[string]string {
	return []map[string]string{
		{"Sec-Fetch-Site": "cross-site"},
		{"Sec-Fetch-Site": "same-site"},
		{"Sec-Fetch-Site": "cross-site", "Origin": s.URL},
		{"Origin": "https://evil.example"},
		{"Origin": s.URL + ".evil.example"},
		{"Origin": "null"},
		{"Origin": "http://127.0.0.1:1"},
		{}, // says nothing, with a cookie
	}
}

// TestWEB01_FormsOfPagesAreOurs: no form is taken from another site, nor with
// our cookies from a browser that does not say where it comes from.
func TestWEB01_FormsOfPagesAreOurs(t *testing.T) {
	s := newScene(t, servertest.Options{})
	alice := s.as(t, s.AdminToken)
	prefix := s.Personal(t, s.AdminID)[:12]
	all := maps.Clone(forms)
	all["/profile/tokens/"+prefix+"/revoke"] = []string{"yes", "yes"}
	all["/profile/tokens/"+prefix+"/rebind"] = []string{"yes", "yes"}
	for path, form := range all {
		for _, site := range s.foreignSites() {
			s.nothing(t, "a form of another site", func() {
				a := alice.send(http.MethodPost, path, form, site)
				if a.Status != http.StatusForbidden || len(a.Header.Values("Set-Cookie")) > 0 {
					t.Errorf("%s from %v answers %d and sets %q", path, site, a.Status, a.Header.Values("Set-Cookie"))
				}
				for name := range a.Header {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s from %v answers with %s", path, site, name)
					}
				}
			})
		}
	}
	alice.get("/profile/sessions").Want(http.StatusOK) // still logged in
	// The flow cookie is a cookie of ours as well.
	eve := s.visitor(t)
	eve.post("/login", "step", "identify", "email", servertest.AdminEmail).Want(http.StatusSeeOther)
	eve.send(http.MethodPost, "/login", []string{"step", "password", "password", servertest.AdminPassword}, nil).Want(http.StatusForbidden)
}

// TestWEB02_PagesThatAreReadChangeNothing, and only forms change something.
func TestWEB02_PagesThatAreReadChangeNothing(t *testing.T) {
	s := newScene(t, servertest.Options{})
	alice := s.as(t, s.AdminToken)
	s.nothing(t, "reading pages", func() {
		for _, path := range slices.Concat(openPages, s.ownPages()) {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
				for _, v := range []*visitor{s.visitor(t), alice} {
					v.send(method, path, nil, map[string]string{"X-HTTP-Method-Override": "POST"})
					v.send(method, path+"?_method=POST&do=codes&others=yes&again=yes", nil, nil)
				}
			}
		}
	})
	own := map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": s.URL}
	for path := range forms {
		if path == "/logout" { // takes nothing out of its body
			continue
		}
		for _, kind := range []string{"application/json", "text/plain", "multipart/form-data; boundary=x", ""} {
			headers := maps.Clone(own)
			headers["Content-Type"] = kind
			s.nothing(t, "a body that is no form", func() {
				if a := alice.send(http.MethodPost, path, forms[path], headers); a.Status != http.StatusUnsupportedMediaType {
					t.Errorf("%s with %q answers %d", path, kind, a.Status)
				}
			})
		}
		encoded := maps.Clone(own)
		encoded["Content-Encoding"] = "gzip"
		s.nothing(t, "a form that is compressed", func() {
			if a := alice.send(http.MethodPost, path, forms[path], encoded); a.Status != http.StatusUnsupportedMediaType || a.Header.Get("Accept-Encoding") != "identity" {
				t.Errorf("%s compressed answers %d", path, a.Status)
			}
		})
		s.nothing(t, "a form that is too large", func() {
			alice.post(path, append(slices.Clone(forms[path]), "more", strings.Repeat("x", 17<<10))...).Want(http.StatusBadRequest)
		})
	}
}

// pageHeaders are those of docs/parameters.md 3.8.
var pageHeaders = map[string]string{
	"Strict-Transport-Security": "max-age=63072000; includeSubDomains", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
	"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
	"Cross-Origin-Opener-Policy": "same-origin",
	"Content-Security-Policy":    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'",
	"Permissions-Policy":         "camera=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)",
}

// TestWEB03_HeadersOfPages, of those that are missing or failed as well.
func TestWEB03_HeadersOfPages(t *testing.T) {
	s := newScene(t, servertest.Options{})
	alice := s.as(t, s.AdminToken)
	want := func(what string, a servertest.Answer, but ...string) {
		t.Helper()
		for name, value := range pageHeaders {
			if got := a.Header.Get(name); got != value && !slices.Contains(but, name) {
				t.Errorf("%s answers %d with %s: %q", what, a.Status, name, got)
			}
		}
		if a.Header.Get("Server") != "" || a.Header.Get("X-Powered-By") != "" {
			t.Errorf("%s says what it is made of: %v", what, a.Header)
		}
	}
	for _, path := range slices.Concat(openPages, s.ownPages(), []string{"/nowhere", "/invitation?code=x", "/login/callback/google?state=x&code=y"}) {
		a := alice.get(path)
		if strings.HasPrefix(path, "/login") && a.Status == http.StatusSeeOther {
			a = s.visitor(t).get(path)
		}
		want(path, a)
	}
	want("a form of another site", alice.send(http.MethodPost, "/logout", nil, map[string]string{"Sec-Fetch-Site": "cross-site"}))
	// Redirects and files have no content of their own to protect.
	pages := []string{"Content-Security-Policy", "Permissions-Policy", "Cross-Origin-Opener-Policy"}
	want("/", alice.get("/"), pages...)
	files := 0
	for part := range strings.SplitSeq(string(alice.get("/profile/sessions").Body), `"`) {
		if strings.HasPrefix(part, "/static/") {
			a := alice.get(part).Want(http.StatusOK)
			want(part, a, append(pages, "Cache-Control")...)
			if a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Header.Get("ETag") == "" {
				t.Errorf("%s: %v", part, a.Header)
			}
			files++
		}
	}
	if files != 3 {
		t.Errorf("the page names %d files", files)
	}
	alice.get("/static/app.0123456789abcdef.js").Want(http.StatusNotFound)
	if a := alice.get("/style.css").Want(http.StatusOK); a.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("/style.css: %v", a.Header)
	}
}

// TestWEB04_PagesLeadNowhereElse, whatever `next` says.
func TestWEB04_PagesLeadNowhereElse(t *testing.T) {
	s := newScene(t, servertest.Options{})
	for _, next := range []string{
		"//evil.example", `/\evil.example`, "/%5cevil.example", "/%2f%2fevil.example", "https:evil.example", "///e", "/.//evil.example",
		"javascript:alert(1)", "data:text/html,x", "/a\tb", "/a\nb", "https://own@evil.example", "/ok#//e", "/" + strings.Repeat("a", 5<<10), "evil", "",
	} {
		s.advance(time.Minute) // calls are limited
		v := s.visitor(t)
		page := v.get("/login?" + url.Values{"next": {next}}.Encode()).Want(http.StatusOK)
		if next != "" && strings.Contains(html.UnescapeString(string(page.Body)), `value="`+next+`"`) {
			t.Errorf("the page keeps %q", next)
		}
		v.post("/login", "step", "identify", "email", servertest.AdminEmail, "next", next).Want(http.StatusSeeOther)
		a := v.post("/login", "step", "password", "password", servertest.AdminPassword).Want(http.StatusSeeOther)
		if to := a.Header.Get("Location"); to != "/profile/authentication" {
			t.Errorf("%q leads to %q", next, to)
		}
		again := v.get("/login?" + url.Values{"next": {next}}.Encode()).Want(http.StatusSeeOther)
		if to := again.Header.Get("Location"); to != "/profile/authentication" {
			t.Errorf("%q leads somebody who is logged in to %q", next, to)
		}
		v.post("/login", "step", "step-up", "next", next).Want(http.StatusSeeOther)
		a = v.post("/login", "step", "cancel").Want(http.StatusSeeOther)
		if to := a.Header.Get("Location"); to != "/" {
			t.Errorf("turning back from %q leads to %q", next, to)
		}
	}
}

// calm fails the test when a page has markup of somebody in it.
func calm(t *testing.T, what string, a servertest.Answer) {
	t.Helper()
	for _, bad := range []string{"<script>alert", "<img src=x", "<svg/onload", "onerror=alert(1)>"} {
		if strings.Contains(string(a.Body), bad) {
			t.Errorf("%s has %s", what, bad)
		}
	}
}

// TestWEB05_PagesShowTextAsText: what people call things does nothing in a page.
func TestWEB05_PagesShowTextAsText(t *testing.T) {
	s := newScene(t, servertest.Options{})
	alice := s.as(t, s.AdminToken)
	calm := func(what string, a servertest.Answer) { t.Helper(); calm(t, what, a) }
	for _, text := range hostile {
		s.advance(10 * time.Second)
		s.send(t, http.MethodGet, "/v1/me", s.Personal(t, s.AdminID), map[string]string{"User-Agent": "<script>alert(1)</script>"}, nil)
		made := s.Do(t, http.MethodPost, "/v1/access_token", s.AdminToken, map[string]any{"description": text})
		if made.Status == http.StatusOK {
			calm("the tokens", alice.get("/profile/tokens").Want(http.StatusOK))
			prefix := made.String("token_prefix")
			calm("the question", alice.get("/profile/tokens/"+prefix+"/revoke").Want(http.StatusOK))
			alice.post("/profile/tokens/"+prefix+"/revoke", "yes", "yes").Want(http.StatusSeeOther)
		}
		v := s.visitor(t)
		v.cookies[sessionCookie], v.cookies[flowCookie] = "x", url.QueryEscape(text)
		calm("a mistyped address", v.post("/login", "step", "identify", "email", text, "next", text))
		calm("a sign-up", v.post("/signup", "email", text, "real_name", text, "password", text))
		calm("a reset", v.post("/reset", "email", text))
		calm("a language", v.post("/language", "language", text, "next", text))
		if !strings.ContainsFunc(text, unicode.IsControl) { // what no request can have in a header
			calm("a language of the browser", v.send(http.MethodGet, "/login", nil, map[string]string{"Accept-Language": text}))
		}
		v.cookies[languageCookie] = "de" // which puts texts into sentences of its own
		calm("a wrong address in German", v.post("/login", "step", "identify", "email", text))
		calm("a sign-up in German", v.post("/signup", "email", text, "real_name", text, "password", text))
		delete(v.cookies, languageCookie)
		for _, path := range []string{"/reset?email=", "/device?email=", "/verify?code=", "/login?next=", "/login?done=", "/invitation?code=", "/link/"} {
			calm(path, v.get(path+url.QueryEscape(text)))
			calm(path, alice.get(path+url.QueryEscape(text)))
		}
		form := alice.post("/profile/tokens", "description", text, "life", "own", "days", text, "ranges", text).Want(http.StatusBadRequest)
		calm("a token", form)
	}
}

// TestWEB06_MailedCodesStayOnThePage: the address is not told to others, and
// the form has what it needs without it.
func TestWEB06_MailedCodesStayOnThePage(t *testing.T) {
	s := newScene(t, servertest.Options{})
	for _, path := range []string{"/reset?code=THECODE", "/verify?code=THECODE", "/device?code=THECODE"} {
		a := s.visitor(t).get(path).Want(http.StatusOK)
		text := string(a.Body)
		if a.Header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(text, `name="code" value="THECODE"`) || !strings.Contains(text, "data-forget-address") {
			t.Errorf("%s: %v %s", path, a.Header, text)
		}
		for part := range strings.SplitSeq(text, `"`) {
			if strings.Contains(part, "://") && !strings.HasPrefix(part, "http://www.w3.org/") {
				t.Errorf("%s names %s", path, part)
			}
		}
	}
}
