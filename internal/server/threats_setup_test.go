package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/server/servertest/browser"
)

const firstPassword = "violet teapots sail at dawn"

// empties runs a test on an empty server with each engine.
func empties(t *testing.T, test func(t *testing.T, s *scene)) {
	t.Helper()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, newScene(t, servertest.Options{Postgres: engine == "postgres", Empty: true}))
		})
	}
}

// offered is the setup code that a start of the server prints.
func (s *scene) offered(t *testing.T) string {
	t.Helper()
	code, err := s.Org.OfferSetup(t.Context())
	if err != nil || len(code) < 22 { // 128 bits in base 64
		t.Fatalf("the setup code is %q: %v", code, err)
	}
	return code
}

// setUp sends the form of the setup page; pairs replace its fields.
func (v *visitor) setUp(code string, pairs ...string) servertest.Answer {
	v.t.Helper()
	form := map[string]string{"code": code, "organization": "First & Co", "real_name": "Ada First", "email": "ada@first.example", "password": firstPassword}
	for i := 0; i < len(pairs); i += 2 {
		form[pairs[i]] = pairs[i+1]
	}
	var list []string
	for name, value := range form {
		list = append(list, name, value)
	}
	return v.post("/setup", list...)
}

// TestOPS01_SetupTakesTheCode: an empty server is set up by whoever has the code
// that its last start printed, once, and then never again.
func TestOPS01_SetupTakesTheCode(t *testing.T) {
	empties(t, func(t *testing.T, s *scene) {
		owner, stranger := s.visitor(t), s.visitor(t)
		for _, path := range []string{"/login", "/login?next=/organizations", "/signup"} {
			if to := stranger.get(path).Want(http.StatusSeeOther).Header.Get("Location"); to != "/setup" {
				t.Errorf("%s of an empty server leads to %q", path, to)
			}
		}
		old := s.offered(t)
		code := s.offered(t) // the server was started once more
		stranger.get("/setup").Want(http.StatusOK)
		for name, wrong := range map[string]string{
			"no code": "", "a guess": strings.Repeat("A", 43), "the code of the start before": old,
			"a part": code[:42], "more": code + "A", "the hash": s.Value(t, `SELECT id FROM attempts WHERE ended_at = 0 AND purpose = $1`, "setup"),
		} {
			a := stranger.setUp(wrong).Want(http.StatusForbidden)
			if !strings.Contains(string(a.Body), `id="code-wrong"`) || strings.Contains(string(a.Body), firstPassword) || wrong != "" && strings.Contains(string(a.Body), wrong) {
				t.Errorf("%s: the answer is %s", name, a.Body)
			}
		}
		if n := s.Value(t, `SELECT COUNT(*) FROM users`); n != "0" {
			t.Errorf("%s users without the code", n)
		}
		// The code is no way around the steps of a login.
		stranger.cookies[flowCookie] = code
		if to := stranger.get("/login").Want(http.StatusSeeOther).Header.Get("Location"); to != "/setup" {
			t.Errorf("with the code as an attempt to log in: %s", to)
		}
		stranger.post("/login", "step", "password", "password", "x").Want(http.StatusBadRequest)

		a := owner.setUp(" " + code + "\n").Want(http.StatusSeeOther)
		id := s.Value(t, `SELECT id FROM organizations`)
		if to := a.Header.Get("Location"); to != "/organizations/"+id+"?done=setup" {
			t.Errorf("it leads to %s", to)
		}
		page := string(owner.get(a.Header.Get("Location")).Want(http.StatusOK).Body)
		for _, want := range []string{"First &amp; Co", "The server is set up", "Super admin", "Next steps", "0 of 4 done"} {
			if !strings.Contains(page, want) {
				t.Errorf("the overview does not say %q: %s", want, page)
			}
		}
		owner.get("/profile/tokens/new").Want(http.StatusOK)
		if n := s.Value(t, `SELECT COUNT(*) FROM users WHERE real_name = 'Ada First' AND email = 'ada@first.example' AND email_confirmed_at > 0`); n != "1" {
			t.Errorf("%s users", n)
		}

		// It is over, for every code.
		for _, v := range []*visitor{owner, s.visitor(t)} {
			v.get("/setup").Want(http.StatusNotFound)
			for _, used := range []string{code, old, "", strings.Repeat("A", 43)} {
				v.setUp(used, "email", "eve@evil.example").Want(http.StatusNotFound)
			}
		}
		if again, err := s.Org.OfferSetup(t.Context()); again != "" || err != nil {
			t.Errorf("the next start offers %q, %v", again, err)
		}
		if to := s.visitor(t).get("/").Want(http.StatusSeeOther).Header.Get("Location"); to != "/login" {
			t.Errorf("/ leads to %s", to)
		}
		if n := s.Value(t, `SELECT COUNT(*) FROM organizations`) + s.Value(t, `SELECT COUNT(*) FROM users`); n != "11" {
			t.Errorf("organizations and users: %s", n)
		}
		s.wantNowhere(t, code, firstPassword)
	})
}

// wantNowhere looks for secrets in the log and in the database.
func (s *scene) wantNowhere(t *testing.T, secrets ...string) {
	t.Helper()
	dump := s.Dump(t)
	for _, secret := range secrets {
		if strings.Contains(s.Logs.String(), secret) {
			t.Errorf("the log holds the secret %.6s…", secret)
		}
		if strings.Contains(dump, secret) {
			t.Errorf("the database holds the secret %.6s…", secret)
		}
	}
}

// TestOPS01_SetupSaysWhatIsWrong beside the field, and keeps the code good and
// the form, but for secrets.
func TestOPS01_SetupSaysWhatIsWrong(t *testing.T) {
	empties(t, func(t *testing.T, s *scene) {
		code := s.offered(t)
		v := s.visitor(t)
		for _, c := range []struct{ field, value, wrong string }{
			{"organization", " ", "organization-wrong"},
			{"organization", strings.Repeat("x", 84), "organization-wrong"},
			{"real_name", "", "real_name-wrong"},
			{"real_name", "a\r\nBcc: eve@evil.example", "real_name-wrong"},
			{"email", "no address", "email-wrong"},
			{"password", "short", "password-wrong"},
			{"password", "ada@first.example", "password-wrong"},
			{"password", "", "password-wrong"},
		} {
			a := v.setUp(code, c.field, c.value).Want(http.StatusBadRequest)
			text := string(a.Body)
			if !strings.Contains(text, `id="`+c.wrong+`"`) || strings.Contains(text, code) || strings.Contains(text, firstPassword) {
				t.Errorf("%s %q: %s", c.field, c.value, text)
			}
			if c.field != "organization" && !strings.Contains(text, `value="First &amp; Co"`) {
				t.Errorf("%s %q: the form is empty again", c.field, c.value)
			}
		}
		v.setUp(code).Want(http.StatusSeeOther)
	})
}

// TestOPS01_OfManySetupsOneWins: of sixty-four with the same code, from two
// browsers, one is the admin; the others find no page.
func TestOPS01_OfManySetupsOneWins(t *testing.T) {
	empties(t, func(t *testing.T, s *scene) {
		// Hashing takes long enough for all to have shown the code before one wins.
		s.Hasher.Params = credential.Params{MemoryKiB: 8 << 10, Passes: 1, Lanes: 1}
		code := s.offered(t)
		statuses := make([]int, 64)
		begin := make(chan struct{})
		var all sync.WaitGroup
		for i := range statuses {
			v := s.visitor(t)
			all.Go(func() {
				<-begin
				statuses[i] = v.setUp(code, "email", "admin"+string(rune('a'+i%26))+string(rune('a'+i/26))+"@first.example").Status
			})
		}
		close(begin)
		all.Wait()
		count := map[int]int{}
		for _, status := range statuses {
			count[status]++
		}
		// Some may wait too long for a turn to hash, or be too many for one address.
		if count[http.StatusSeeOther] != 1 || count[http.StatusInternalServerError] > 0 || count[http.StatusForbidden] > 0 {
			t.Errorf("answers: %v", count)
		}
		if n := s.Value(t, `SELECT COUNT(*) FROM organizations`) + s.Value(t, `SELECT COUNT(*) FROM users`) + s.Value(t, `SELECT COUNT(*) FROM memberships`); n != "111" {
			t.Errorf("organizations, users and members: %s", n)
		}
	})
}

// TestOPS01_NobodySignsUpFirst: whoever signs up at an empty server makes no
// organization there, and guesses are slowed down.
func TestOPS01_NobodySignsUpFirst(t *testing.T) {
	empties(t, func(t *testing.T, s *scene) {
		eve := s.AddUser(t, "", "eve@evil.example", bobPassword, false)
		v := s.as(t, s.Session(t, eve))
		a := v.post("/organizations", "name", "Mine first").Want(http.StatusForbidden)
		if !strings.Contains(string(a.Body), "not set up yet") {
			t.Errorf("the answer is %s", a.Body)
		}
		code := s.offered(t)
		owner := s.visitor(t)
		if a := owner.setUp(code, "email", "eve@evil.example").Want(http.StatusConflict); !strings.Contains(string(a.Body), `id="email-wrong"`) {
			t.Errorf("with the address of somebody who signed up: %s", a.Body)
		}
		owner.setUp(code).Want(http.StatusSeeOther)
		v.post("/organizations", "name", "Mine later").Want(http.StatusSeeOther)
	})
	s := newScene(t, servertest.Options{Empty: true})
	guesser := s.visitor(t)
	slowed := false
	for range 100 {
		slowed = slowed || guesser.setUp(strings.Repeat("A", 43)).Status == http.StatusTooManyRequests
	}
	if !slowed {
		t.Error("a hundred guesses of one address are all answered")
	}
}

// TestWEB05_SetupShowsTextAsText: what the first admin calls things does nothing
// in a page, in either language.
func TestWEB05_SetupShowsTextAsText(t *testing.T) {
	for _, text := range hostile {
		s := newScene(t, servertest.Options{Empty: true})
		code := s.offered(t)
		for _, language := range []string{"en", "de"} {
			v := s.visitor(t)
			v.cookies[languageCookie] = language
			for _, field := range []string{"code", "organization", "real_name", "email", "password"} {
				again := v.setUp(code, field, text, "password", "short")
				calm(t, field, again)
				if again.Status >= http.StatusInternalServerError || again.Status == http.StatusSeeOther {
					t.Errorf("%s %.40q is answered with %d", field, text, again.Status)
				}
			}
		}
		owner := s.visitor(t)
		if owner.setUp(code, "organization", text, "real_name", text).Status != http.StatusSeeOther {
			continue // no name
		}
		for _, path := range []string{"/organizations", "/organizations/" + s.Value(t, `SELECT id FROM organizations`), "/profile/authentication"} {
			for _, language := range []string{"en", "de"} {
				owner.cookies[languageCookie] = language
				calm(t, path, owner.get(path).Want(http.StatusOK))
			}
		}
	}
}

// printedCode is the setup code in the log of a process; empty: none.
func (n *node) printedCode() string {
	code := ""
	for line := range strings.Lines(n.stderr.String()) {
		var entry struct {
			SetupCode string `json:"setup_code"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.SetupCode != "" {
			code = entry.SetupCode
		}
	}
	return code
}

// TestOPS01_EachStartPrintsAnotherCode until the server is set up; the database
// is the only thing that a restart or a second node shares.
func TestOPS01_EachStartPrintsAnotherCode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, "--data-dir", dir)
	old := first.printedCode()
	first.stop(t)
	second := start(t, "--data-dir", dir, "--public-url", "https://auth.first.example", "--trusted-proxies", "127.0.0.1/32")
	code := second.printedCode()
	if old == "" || code == "" || old == code {
		t.Fatalf("printed %q, then %q: %s", old, code, second.stderr)
	}
	if !strings.Contains(second.stderr.String(), `"address":"https://auth.first.example/setup"`) {
		t.Errorf("the log does not say where: %s", second.stderr)
	}
	second.stop(t)
	if out := command(t, firstPassword, "bootstrap", "--data-dir", dir, "--email", "ada@first.example", "--organization", "First", "--password-stdin"); out.code != 0 {
		t.Fatalf("bootstrap: %d %s", out.code, out.stderr)
	}
	third := start(t, "--data-dir", dir)
	if code := third.printedCode(); code != "" || strings.Contains(third.stderr.String(), "setup") {
		t.Errorf("a server with an organization prints %q", code)
	}
	if a, err := call(http.MethodGet, third.url+"/setup", "", nil); err != nil || a.status != http.StatusNotFound {
		t.Errorf("its setup page: %v, %v", a, err)
	}
}

// emptyWindow is a browser at an empty server.
func emptyWindow(t *testing.T) *window {
	t.Helper()
	b := browser.Start(t)
	return &window{b, newScene(t, servertest.Options{Empty: true}), nil, t}
}

// TestSetupPageIsAccessible has axe-core look at it, as TestPagesAreAccessible
// does at the others.
func TestSetupPageIsAccessible(t *testing.T) {
	t.Parallel()
	lookFrom(t, emptyWindow, func(w *window, look func(name string)) {
		code := w.s.offered(w.t)
		w.open("/")
		w.on("/setup")
		look("setup")
		w.fillSetup(strings.Repeat("A", 43))
		w.submit("form.stack > button")
		look("setup-problem")
		w.fillSetup(code)
		w.submit("form.stack > button")
		look("setup-done")
	})
}

// fillSetup fills in what the page has not kept.
func (w *window) fillSetup(code string) {
	w.t.Helper()
	w.fill("#code", code)
	w.fill("#password", firstPassword)
	if browser.Value(w.t, w.Browser, chromedp.Evaluate[string]("document.getElementById('email').value")) != "" {
		return
	}
	w.fill("#organization", "Ada's company with a long name")
	w.fill("#real_name", "Ada First")
	w.fill("#email", "ada@first.example")
}

// TestSetupByKeyboard sets a server up without a mouse, and without scripts.
func TestSetupByKeyboard(t *testing.T) {
	t.Parallel()
	w := emptyWindow(t)
	w.Scripts(t, false)
	code := w.s.offered(t)
	w.open("/")
	for _, one := range []struct{ at, text string }{
		{"#code", strings.Repeat("A", 43)}, {"#organization", "Ada's company"}, {"#real_name", "Ada First"}, {"#email", "ada@first.example"}, {"#password", firstPassword},
	} {
		w.tabTo(one.at)
		w.press(one.text)
	}
	w.enter(kb.Enter)
	w.on("/setup")
	if w.text("#code-wrong") == "" {
		t.Errorf("a wrong code is not told: %s", w.text("main"))
	}
	w.tabTo("#problem a")
	w.press(kb.Enter)
	w.tabTo("#code")
	w.press(code)
	w.tabTo("#password")
	w.press(firstPassword)
	w.tabTo("form.stack > button")
	w.enter(kb.Enter)
	if !strings.HasPrefix(w.Path(t), "/organizations/") {
		t.Errorf("it leads to %s: %s", w.Path(t), w.text("main"))
	}
	w.WantOnly(t, w.s.URL)
}
