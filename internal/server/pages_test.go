package server_test

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/policy"
)

// visitor is a browser without scripts: it keeps cookies, says where its
// requests come from, and follows no redirects.
type visitor struct {
	s       *scene
	t       *testing.T
	cookies map[string]string
	// set are the Set-Cookie lines of all answers.
	set []string
}

func (s *scene) visitor(t *testing.T) *visitor {
	return &visitor{s: s, t: t, cookies: map[string]string{}}
}

// as is a visitor with a session.
func (s *scene) as(t *testing.T, session string) *visitor {
	v := s.visitor(t)
	v.cookies[sessionCookie] = session
	return v
}

const (
	sessionCookie = "__Host-sallyport_session"
	flowCookie    = "__Host-sallyport_flow"
)

func (v *visitor) get(path string) servertest.Answer {
	v.t.Helper()
	return v.send(http.MethodGet, path, nil, map[string]string{"Sec-Fetch-Site": "same-origin"})
}

// post sends a form of our own page: pairs of names and values.
func (v *visitor) post(path string, pairs ...string) servertest.Answer {
	v.t.Helper()
	return v.send(http.MethodPost, path, pairs, map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": v.s.URL})
}

func (v *visitor) send(method, path string, pairs []string, headers map[string]string) servertest.Answer {
	v.t.Helper()
	all := map[string]string{}
	body := ""
	if method == http.MethodPost {
		form := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			form.Add(pairs[i], pairs[i+1])
		}
		body = form.Encode()
		all["Content-Type"] = "application/x-www-form-urlencoded"
	}
	for name, value := range headers {
		all[name] = value
	}
	var list []string
	for name, value := range v.cookies {
		list = append(list, name+"="+value)
	}
	if len(list) > 0 {
		all["Cookie"] = strings.Join(list, "; ")
	}
	a := v.s.send(v.t, method, path, "", all, bodyOf(body))
	for _, line := range a.Header.Values("Set-Cookie") {
		v.set = append(v.set, line)
		pair, rest, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		if strings.Contains(rest, "Max-Age=0") {
			delete(v.cookies, name)
		} else {
			v.cookies[name] = value
		}
	}
	return a
}

func bodyOf(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// logIn logs somebody in by the pages, and returns the new session; code is
// empty where no second factor is set up.
func (v *visitor) logIn(email, password, code string) (session string) {
	v.t.Helper()
	v.post("/login", "step", "identify", "email", email).Want(http.StatusSeeOther)
	v.post("/login", "step", "password", "password", password).Want(http.StatusSeeOther)
	if code != "" {
		v.post("/login", "step", "code", "code", code).Want(http.StatusSeeOther)
	}
	if v.cookies[sessionCookie] == "" {
		v.t.Fatalf("no session after the login of %s; cookies: %v", email, v.cookies)
	}
	return v.cookies[sessionCookie]
}

// The pages, by who may see them.
var (
	openPages = []string{
		"/login", "/login?next=/profile/tokens", "/signup", "/reset", "/reset?code=x", "/verify", "/verify?code=x",
		"/device", "/device?code=x", "/dev/mailbox",
	}
	profilePages = []string{
		"/profile/authentication", "/profile/authentication?open=password", "/profile/authentication/remove?what=codes",
		"/profile/authentication/remove?what=passkey&id=pk0123456789a", "/profile/authentication/remove?what=identity&id=uam0123456789a", "/link/google",
		"/profile/sessions", "/profile/sessions/end", "/profile/tokens", "/profile/tokens/new",
	}
	// forms are what pages send.
	forms = map[string][]string{
		"/login": {"step", "identify", "email", "someone@a.example"}, "/login/passkey": {"next", "/"}, "/logout": {"a", "b"}, "/language": {"language", "de", "next", "/login"}, "/setup": {"code", "x"},
		"/signup": {"real_name", "New", "email", "new@b.example", "password", "violet teapots sail at dawn"},
		"/reset":  {"email", servertest.AdminEmail}, "/verify": {"again", "yes"}, "/device": {"email", servertest.AdminEmail},
		"/invitation": {"code", "x", "accept", "yes"}, "/profile/authentication": {"do", "password", "current", "a", "chosen", "b"},
		"/profile/sessions": {"others", "yes"}, "/profile/tokens": {"description", "x", "life", "30"},
	}
)

// ownPages are the pages of people who are logged in, and of admins.
func (s *scene) ownPages() []string {
	pages := append(slices.Clone(profilePages), "/organizations", "/organizations/"+s.OrganizationID)
	for _, section := range []string{
		"users", "groups", "application-users", "domains", "identity-providers", "authentication-policy", "authentication-policy/pilots", "authentication-policy/pilots/new", "ip-ranges", "audit-log", "projects", "settings",
	} {
		pages = append(pages, "/organizations/"+s.OrganizationID+"/"+section)
	}
	return pages
}

var heading = regexp.MustCompile(`<h1[ >]`)

// TestPagesAreWhole: each page has its frame, one heading and the headers of
// all pages, and those of people who are logged in lead others to the login.
func TestPagesAreWhole(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		nobody, alice := s.visitor(t), s.as(t, s.AdminToken)
		look := func(path string, a servertest.Answer) {
			t.Helper()
			text := string(a.Body)
			if len(heading.FindAllString(text, -1)) != 1 || !strings.Contains(text, `<html lang="en">`) || !strings.HasSuffix(text, "</html>\n") {
				t.Errorf("%s is %s", path, text)
			}
		}
		for _, path := range openPages {
			look(path, nobody.get(path).Want(http.StatusOK))
		}
		for _, path := range s.ownPages() {
			a := nobody.get(path).Want(http.StatusSeeOther)
			if to := a.Header.Get("Location"); to != "/login?"+(url.Values{"next": {path}}).Encode() {
				t.Errorf("%s leads to %s", path, to)
			}
			look(path, alice.get(path).Want(http.StatusOK))
		}
		for path, to := range map[string]string{"/": "/profile/authentication", "/login": "/profile/authentication", "/login?next=/profile/tokens": "/profile/tokens", "/profile": "/profile/authentication"} {
			if got := alice.get(path).Want(http.StatusSeeOther).Header.Get("Location"); got != to {
				t.Errorf("%s leads to %s, want %s", path, got, to)
			}
		}
		if got := nobody.get("/").Want(http.StatusSeeOther).Header.Get("Location"); got != "/login" {
			t.Errorf("/ leads to %s", got)
		}
		look("/nowhere", nobody.get("/nowhere").Want(http.StatusNotFound))
	})
}

// TestPagesSayWhatIsMissing: forms come back with what was typed, but for
// secrets, and with what was wrong beside the field.
func TestPagesSayWhatIsMissing(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice := s.as(t, s.AdminToken)
		for _, c := range []struct {
			path  string
			form  []string
			wrong string
			keeps string
		}{
			{"/signup", []string{"real_name", "Ann Other", "email", "no address", "password", "violet teapots sail at dawn"}, "email-wrong", `value="no address"`},
			{"/signup", []string{"real_name", "Ann Other", "email", "ann@b.example", "password", "short"}, "password-wrong", `value="Ann Other"`},
			{"/signup", []string{"real_name", " ", "email", "ann@b.example", "password", "violet teapots sail at dawn"}, "real_name-wrong", `value="ann@b.example"`},
			{"/reset", []string{"email", "@"}, "email-wrong", `value="@"`},
			{"/login", []string{"step", "identify", "email", "a@", "next", "/profile/tokens"}, "email-wrong", `value="/profile/tokens"`},
			{"/profile/tokens", []string{"description", "kept words", "life", "own", "days", "many"}, "days-wrong", `value="kept words"`},
			{"/profile/tokens", []string{"description", "kept words", "life", "30", "ranges", "10.0.0.1/8"}, "ranges-wrong", `10.0.0.1/8</textarea>`},
			{"/profile/tokens", []string{"description", "kept words", "life", "own", "days", "9999"}, "days-wrong", `value="9999"`},
			{"/profile/authentication", []string{"do", "password", "current", servertest.AdminPassword, "chosen", "short"}, "chosen-wrong", ""},
			{"/profile/authentication", []string{"do", "authenticator", "password", "wrong words of sense"}, "offer-password-wrong", ""},
		} {
			v := s.visitor(t)
			if strings.HasPrefix(c.path, "/profile") {
				v = alice
			}
			a := v.post(c.path, c.form...)
			text := string(a.Body)
			if a.Status != http.StatusBadRequest && a.Status != http.StatusForbidden || !strings.Contains(text, `id="`+c.wrong+`"`) || !strings.Contains(text, c.keeps) || !strings.Contains(text, `id="problem"`) {
				t.Errorf("%s %q answers %d %s", c.path, c.form, a.Status, text)
			}
			if strings.Contains(text, "violet teapots") || strings.Contains(text, servertest.AdminPassword) || strings.Contains(text, "wrong words") {
				t.Errorf("%s %q answers with the password: %s", c.path, c.form, text)
			}
		}
	})
}

// TestOldSessionsLogInAgain: what needs a login of the last minutes leads to
// one, and back.
func TestOldSessionsLogInAgain(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice := s.as(t, s.AdminToken)
		s.advance(11 * time.Minute)
		if a := alice.get("/profile/tokens/new").Want(http.StatusOK); !strings.Contains(string(a.Body), `value="step-up"`) {
			t.Errorf("the page is %s", a.Body)
		}
		alice.post("/profile/tokens", "description", "x", "life", "30").Want(http.StatusSeeOther)
		if a := alice.get("/login").Want(http.StatusOK); !strings.Contains(string(a.Body), "Confirm it is you") || strings.Contains(string(a.Body), "Not you?") {
			t.Errorf("the page is %s", a.Body)
		}
		a := alice.post("/login", "step", "password", "password", servertest.AdminPassword).Want(http.StatusSeeOther)
		if a.Header.Get("Location") != "/profile/tokens/new" {
			t.Errorf("it leads to %s", a.Header.Get("Location"))
		}
		alice.post("/profile/tokens", "description", "x", "life", "30").Want(http.StatusOK)
		// Turning back leaves everything as it was.
		s.advance(11 * time.Minute)
		alice.post("/login", "step", "step-up", "next", "/profile/sessions").Want(http.StatusSeeOther)
		a = alice.post("/login", "step", "cancel").Want(http.StatusSeeOther)
		if a.Header.Get("Location") != "/profile/sessions" || alice.cookies[flowCookie] != "" {
			t.Errorf("it leads to %s with %v", a.Header.Get("Location"), alice.cookies)
		}
		alice.get("/profile/sessions").Want(http.StatusOK)
	})
}

// TestInvitationPageAccepts for whoever has an account and is logged in.
func TestInvitationPageAccepts(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob := s.AddUser(t, "", "bob@c.example", bobPassword, false)
		code := invite(t, s.Server, "bob@c.example")
		page := "/invitation?" + url.Values{"code": {code}}.Encode()
		v := s.visitor(t)
		next := "/login?" + strings.ReplaceAll(url.Values{"next": {page}}.Encode(), "+", "%20")
		if a := v.get(page).Want(http.StatusOK); !strings.Contains(string(a.Body), "Log in to accept") {
			t.Errorf("the page is %s", a.Body)
		}
		v.get(next).Want(http.StatusOK)
		v.post("/login", "step", "identify", "email", "bob@c.example", "next", page).Want(http.StatusSeeOther)
		if to := v.post("/login", "step", "password", "password", bobPassword).Want(http.StatusSeeOther).Header.Get("Location"); to != page {
			t.Errorf("after the login: %s, want %s", to, page)
		}
		v.get(page).Want(http.StatusOK)
		s.one(t, "invitation_accepted", func() { v.post("/invitation", "code", code, "accept", "yes").Want(http.StatusOK) })
		if n := s.Value(t, `SELECT COUNT(*) FROM memberships WHERE organization_id = $1 AND user_id = $2`, s.OrganizationID, bob); n != "1" {
			t.Errorf("%s memberships", n)
		}
		other := s.as(t, s.AdminToken)
		if a := other.get("/invitation?code=" + invite(t, s.Server, "carol@c.example")).Want(http.StatusOK); !strings.Contains(string(a.Body), "carol@c.example") {
			t.Errorf("the page is %s", a.Body)
		}
	})
}

// TestPagesOfManagedUsers say what the organization that manages somebody
// demands and forbids.
func TestPagesOfManagedUsers(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		s.Manage(t, bob)
		old := s.Personal(t, bob)
		v := s.as(t, session)
		has := func(path, words string, want bool) {
			t.Helper()
			if got := strings.Contains(html.UnescapeString(string(v.get(path).Want(http.StatusOK).Body)), words); got != want {
				t.Errorf("%s says %q: %t", path, words, got)
			}
		}
		s.nothing(t, "looking", func() {
			has("/profile/authentication", "requires a second factor", false)
			has("/profile/tokens", "New token", true)
			has("/profile/tokens", "Not accepted now", false)
		})
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { p.PersonalTokensManagedUsersEnabled = false })
		s.nothing(t, "looking", func() {
			has("/profile/tokens", servertest.Organization+" does not let the people it manages have personal tokens", true)
			has("/profile/tokens", "New token", false)
			has("/profile/tokens", "Not accepted now", true)
		})
		a := v.post("/profile/tokens", "description", "x", "life", "30").Want(http.StatusForbidden)
		if !strings.Contains(string(a.Body), `id="problem"`) {
			t.Errorf("the answer is %s", a.Body)
		}
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { p.TwoFactorRequired = true })
		s.nothing(t, "looking", func() {
			has("/profile/authentication", "It may require a second factor", true)
		})
		v.post("/profile/tokens/"+old[:12]+"/revoke", "yes", "yes").Want(http.StatusSeeOther)
		has("/profile/tokens", "No tokens yet", true)
	})
}

// TestCLI01_CommandLineByPages: somebody who is logged in allows a command line, which
// gets a code on loopback and exchanges it; somebody else can only turn back.
func TestCLI01_CommandLineByPages(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		verifier := strings.Repeat("v", 64)
		sum := sha256.Sum256([]byte(verifier))
		begin := "/login/cli?" + url.Values{
			"redirect_uri": {"http://127.0.0.1:7777/done"}, "state": {"abc"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
		}.Encode()
		alice := s.as(t, s.AdminToken)
		alice.get(begin).Want(http.StatusSeeOther)
		asking := login.CommandLine{CodeChallenge: base64.RawURLEncoding.EncodeToString(sum[:])}
		if a := alice.get("/login").Want(http.StatusOK); !strings.Contains(string(a.Body), "Allow the command line?") || !strings.Contains(string(a.Body), "<code>"+asking.Compare()+"</code>") {
			t.Errorf("the page is %s", a.Body)
		}
		a := alice.post("/login", "step", "accept").Want(http.StatusOK)
		address := regexp.MustCompile(`content="0; url=([^"]+)"`).FindStringSubmatch(html.UnescapeString(string(a.Body)))
		if address == nil || alice.cookies[flowCookie] != "" || alice.cookies[sessionCookie] != s.AdminToken {
			t.Fatalf("the answer is %s; the cookies are %v", a.Body, alice.cookies)
		}
		u, err := url.Parse(address[1])
		if err != nil || u.Host != "127.0.0.1:7777" || u.Query().Get("state") != "abc" {
			t.Fatalf("it leads to %s", address[1])
		}
		in := map[string]string{"code": u.Query().Get("code"), "code_verifier": verifier}
		session := s.Do(t, http.MethodPost, "/v1/userauth/exchange", "", in).Want(http.StatusOK).String("token")
		s.Do(t, http.MethodGet, "/v1/me", session, nil).Want(http.StatusOK)

		alice.get(begin).Want(http.StatusSeeOther)
		if to := alice.post("/login", "step", "cancel").Want(http.StatusSeeOther).Header.Get("Location"); to != "/" {
			t.Errorf("turning back leads to %s", to)
		}
		for _, bad := range []string{"http://evil.example/", "https://127.0.0.1:1/", "http://127.0.0.1:1@evil.example/", ""} {
			s.nothing(t, "another address", func() {
				s.visitor(t).get("/login/cli?" + url.Values{"redirect_uri": {bad}, "state": {"abc"}, "code_challenge": {strings.Repeat("a", 43)}}.Encode()).Want(http.StatusBadRequest)
			})
		}
	})
}

// TestRecoveryCodesAreShown to managed users as well, whose first session ends
// with the change; and a mistyped code asks again without a new key.
func TestRecoveryCodesAreShown(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		s.Manage(t, bob)
		v := s.as(t, session)
		offered := v.post("/profile/authentication", "do", "authenticator", "password", bobPassword).Want(http.StatusOK)
		uri := regexp.MustCompile(`name="uri" value="([^"]+)"`).FindStringSubmatch(html.UnescapeString(string(offered.Body)))
		if uri == nil || !strings.Contains(string(offered.Body), `src="data:image/png;base64,iVBOR`) {
			t.Fatalf("the page is %s", offered.Body)
		}
		u, err := url.Parse(uri[1])
		if err != nil {
			t.Fatal(err)
		}
		secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(u.Query().Get("secret"))
		if err != nil {
			t.Fatal(err)
		}
		confirm := func(code, password string) servertest.Answer {
			return v.post("/profile/authentication", "do", "authenticator-confirm", "uri", uri[1], "code", code, "password", password)
		}
		for field, a := range map[string]servertest.Answer{"code": confirm("000000", bobPassword), "confirm-password": confirm(s.code(secret), "not his password")} {
			text := html.UnescapeString(string(a.Want(http.StatusForbidden).Body))
			if !strings.Contains(text, `id="`+field+`-wrong"`) || !strings.Contains(text, uri[1]) || strings.Contains(text, `base64,"`) {
				t.Errorf("a wrong %s: %s", field, text)
			}
		}
		on := confirm(s.code(secret), bobPassword).Want(http.StatusOK)
		if n := len(regexp.MustCompile(`<li>[0-9A-Z]{4}(-[0-9A-Z]{4}){5}</li>`).FindAllString(string(on.Body), -1)); n != 10 {
			t.Errorf("%d codes: %s", n, on.Body)
		}
		if v.cookies[sessionCookie] == session {
			t.Error("the session is the old one")
		}
		again := v.post("/profile/authentication", "do", "codes").Want(http.StatusOK)
		if string(again.Body) == string(on.Body) || !strings.Contains(string(again.Body), "10 left") {
			t.Errorf("renewed: %s", again.Body)
		}
		if a := v.get("/profile/authentication").Want(http.StatusOK); strings.Contains(string(a.Body), `id="codes"`) {
			t.Error("the codes are shown twice")
		}
		v.post("/profile/authentication", "do", "authenticator-off", "password", bobPassword, "code", s.code(secret)).Want(http.StatusSeeOther)
		if a := v.get("/profile/authentication").Want(http.StatusOK); strings.Contains(string(a.Body), "Recovery codes") {
			t.Error("recovery codes without a second factor")
		}
	})
}
