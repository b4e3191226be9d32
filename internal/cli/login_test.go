package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const loggedIn = `{"token":"sps_new","state":"active","user_email":"a@example.com"}`

// stored is what the credentials file holds of a server.
func (m *machine) stored(t *testing.T, url string) atServer {
	t.Helper()
	a := &app{Env: Env{UserConfigDir: func() (string, error) { return m.dir, nil }}}
	c, err := a.loadCredentials()
	if err != nil {
		t.Fatal(err)
	}
	return *c.at(url)
}

func TestLoginByPassword(t *testing.T) {
	s := newServer(t, map[string]string{"POST /v1/userauth": loggedIn})
	m := newMachine(t)
	if code := m.run(t, "hunter2 \r\n", "user", "login", "a@example.com", "--password-stdin", "--url", s.URL+"/"); code != 0 {
		t.Fatalf("exit %d: %s", code, m.stderr)
	}
	if want := `POST /v1/userauth {"email":"a@example.com","password":"hunter2 "}`; s.calls[0] != want {
		t.Errorf("call %s, want %s", s.calls[0], want)
	}
	want := atServer{Email: "a@example.com", Token: "sps_new", Devices: map[string]string{"a@example.com": "__Host-sallyport_device=dev1"}}
	if diff := cmp.Diff(want, m.stored(t, s.URL)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if strings.Contains(m.stdout+m.stderr, "sps_") || strings.Contains(m.stdout+m.stderr, "hunter2") {
		t.Errorf("a secret was printed: %s%s", m.stdout, m.stderr)
	}

	// The next commands need no URL and no token; the next login knows the device.
	m.must(t, "user", "info")
	if s.auth != "Bearer sps_new" {
		t.Errorf("authorization %q", s.auth)
	}
	if code := m.run(t, "p\n", "user", "login", "a@example.com", "--password-stdin"); code != 0 || s.cookie != "__Host-sallyport_device=dev1" {
		t.Errorf("second login: exit %d, cookie %q", code, s.cookie)
	}

	m.must(t, "user", "logout")
	if last := s.calls[len(s.calls)-1]; last != "POST /v1/me/logout" {
		t.Errorf("logout called %q", last)
	}
	if got := m.stored(t, s.URL); got.Token != "" || len(got.Devices) != 1 {
		t.Errorf("after logout: %+v, want no token and the device", got)
	}
}

func TestLogoutKeepsTheTokenWhenTheServerFails(t *testing.T) {
	for _, tc := range []struct {
		answer string
		code   int
		token  string
	}{
		{`503 {}`, 1, "sps_new"},
		{`401 {}`, 0, ""},
	} {
		s := newServer(t, map[string]string{"POST /v1/userauth": loggedIn, "POST /v1/me/logout": tc.answer})
		m := newMachine(t)
		m.vars["SALLYPORT_URL"] = s.URL
		m.run(t, "p\n", "user", "login", "a@example.com", "--password-stdin")
		if code := m.run(t, "", "user", "logout"); code != tc.code {
			t.Errorf("%s: exit %d, want %d", tc.answer, code, tc.code)
		}
		if got := m.stored(t, s.URL).Token; got != tc.token {
			t.Errorf("%s: token %q, want %q", tc.answer, got, tc.token)
		}
	}
}

func TestLoginAsksForTheCodeOnlyOn510(t *testing.T) {
	for _, tc := range []struct {
		name, answer string
		typed        []string
		args, stdin  string
		calls        int
		code         int
		want         string
	}{
		{"510 at a terminal", `510 {"message":"otp"}`, []string{"p"}, "", "123456\n", 2, 1, "One-time code: "},
		{"510 without a terminal", `510 {"message":"otp"}`, nil, "--password-stdin", "p\n", 1, 2, "--otp CODE"},
		{"510 although a code was given", `510 {"message":"otp"}`, nil, "--password-stdin --otp 1", "p\n", 1, 1, "otp"},
		{"403", `403 {"message":"Authentication failed"}`, []string{"p"}, "", "123456\n", 1, 1, "Authentication failed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, map[string]string{"POST /v1/userauth": tc.answer})
			m := newMachine(t)
			m.typed = tc.typed
			m.vars["SALLYPORT_URL"] = s.URL
			code := m.run(t, tc.stdin, append([]string{"user", "login", "a@example.com"}, strings.Fields(tc.args)...)...)
			if code != tc.code || len(s.calls) != tc.calls || !strings.Contains(m.stderr, tc.want) {
				t.Errorf("exit %d, calls %q, stderr %q; want %d, %d calls, %q", code, s.calls, m.stderr, tc.code, tc.calls, tc.want)
			}
			if tc.calls == 2 && (!strings.Contains(s.calls[1], `"otp":"123456"`) || s.cookie == "") {
				t.Errorf("second call %s with cookie %q, want the code and the device", s.calls[1], s.cookie)
			}
			if got := m.stored(t, s.URL).Token; got != "" {
				t.Errorf("token %q stored, want none", got)
			}
		})
	}
}

func TestLoginByTokenIsVerifiedFirst(t *testing.T) {
	for _, tc := range []struct {
		answer, token string
		code          int
	}{
		{`{"user":{"user":"a@example.com"}}`, "spp_mine", 0},
		{`401 {"message":"Invalid token"}`, "", 1},
	} {
		s := newServer(t, map[string]string{"GET /v1/me": tc.answer})
		m := newMachine(t)
		m.vars["SALLYPORT_URL"] = s.URL
		if code := m.run(t, "spp_mine\n", "user", "login", "--token"); code != tc.code {
			t.Errorf("%s: exit %d, want %d: %s", tc.answer, code, tc.code, m.stderr)
		}
		if got := m.stored(t, s.URL).Token; got != tc.token || s.auth != "Bearer spp_mine" {
			t.Errorf("%s: stored %q, want %q; authorization %q", tc.answer, got, tc.token, s.auth)
		}
	}
}

func TestLoginSaysWhenTheEnvironmentIsStronger(t *testing.T) {
	m := connected(t, newServer(t, map[string]string{"POST /v1/userauth": loggedIn}))
	if code := m.run(t, "p\n", "user", "login", "a@example.com", "--password-stdin"); code != 0 || !strings.Contains(m.stderr, "SALLYPORT_TOKEN is set") {
		t.Errorf("exit %d, stderr %q", code, m.stderr)
	}
}

func TestPasswordChangeKeepsTheNewSession(t *testing.T) {
	s := newServer(t, map[string]string{"POST /v1/userauth": loggedIn, "PUT /v1/me/password": `{"token":"sps_newer"}`})
	m := newMachine(t)
	m.vars["SALLYPORT_URL"] = s.URL
	m.run(t, "p\n", "user", "login", "a@example.com", "--password-stdin")
	if code := m.run(t, "old\nnew\n", "user", "password-change", "--password-stdin"); code != 0 {
		t.Fatalf("exit %d: %s", code, m.stderr)
	}
	if want := `PUT /v1/me/password {"password":"old","new_password":"new"}`; s.calls[1] != want {
		t.Errorf("call %s, want %s", s.calls[1], want)
	}
	if got := m.stored(t, s.URL).Token; got != "sps_newer" {
		t.Errorf("stored %q, want the new session", got)
	}

	m.typed = []string{"old", "new", "knew"}
	if code := m.run(t, "", "user", "password-change"); code != 1 || !strings.Contains(m.stderr, "differ") || len(s.calls) != 2 {
		t.Errorf("two different passwords: exit %d, calls %d, stderr %q", code, len(s.calls), m.stderr)
	}
}

func TestTwoFactor(t *testing.T) {
	const uri = "otpauth://totp/Sallyport:a%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Sallyport"
	s := newServer(t, map[string]string{
		"POST /v1/userauth":  loggedIn,
		"PUT /v1/me/2fa":     `{"method":"otp","uri":"` + uri + `"}`,
		"PUT /v1/me/2fa/otp": `{"method":"otp","token":"sps_newer"}`,
	})
	m := newMachine(t)
	m.vars["SALLYPORT_URL"] = s.URL
	m.run(t, "p\n", "user", "login", "a@example.com", "--password-stdin")
	if code := m.run(t, "p\n123456\n", "user", "two-factor", "enable", "--password-stdin"); code != 0 {
		t.Fatalf("exit %d: %s", code, m.stderr)
	}
	if m.stdout != uri+"\n" {
		t.Errorf("stdout %q, want the URI alone", m.stdout)
	}
	want := []string{
		`PUT /v1/me/2fa {"method":"otp","password":"p"}`,
		`PUT /v1/me/2fa/otp {"password":"p","uri":"` + strings.ReplaceAll(uri, "&", `\u0026`) + `","otp":"123456"}`,
	}
	if diff := cmp.Diff(want, s.calls[1:]); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if got := m.stored(t, s.URL).Token; got != "sps_newer" {
		t.Errorf("stored %q, want the new session", got)
	}
	if code := m.run(t, "p\n", "user", "two-factor", "disable", "--password-stdin"); code != 0 || s.calls[3] != `PUT /v1/me/2fa {"method":"","password":"p"}` {
		t.Errorf("disable: exit %d, calls %q", code, s.calls)
	}
}

func TestQRTextIsSquare(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(qrText("otpauth://totp/x?secret=JBSWY3DPEHPK3PXP"), "\n"), "\n")
	if width := len([]rune(lines[0])); len(lines) != (width+1)/2 {
		t.Errorf("%d lines of %d half blocks", len(lines), width)
	}
	if blank := strings.Trim(lines[0], "█"); blank != "" {
		t.Errorf("the quiet zone holds %q", blank)
	}
}
