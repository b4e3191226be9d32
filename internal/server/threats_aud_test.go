package server_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// A diary is what a server says during a test, and the secrets that were used.
type diary struct {
	*scene
	said    strings.Builder // bodies of answers that give nobody a secret
	secrets map[string]string
	codes   []string // one-time codes, six digits
}

// do sends a request whose answer holds no secret.
func (d *diary) do(t *testing.T, method, path, token string, body any) servertest.Answer {
	t.Helper()
	a := d.Do(t, method, path, token, body)
	fmt.Fprintln(&d.said, a.Header, string(a.Body))
	return a
}

func (d *diary) otp(secret []byte) string {
	code := d.code(secret)
	d.codes = append(d.codes, code)
	return code
}

// TestAUD03_NoSecretIsWrittenDown: everything the server does, done right and
// wrong, at the log level that says most.
func TestAUD03_NoSecretIsWrittenDown(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "sqlite", true: "postgres"}[postgres], func(t *testing.T) {
			t.Parallel()
			d := &diary{scene: newScene(t, servertest.Options{Postgres: postgres, Config: func(c *server.Config) { c.LogLevel = "debug" }}), secrets: map[string]string{}}
			d.live(t)
			places := map[string]string{"the logs": d.Logs.String(), "the events": fmt.Sprint(d.since(t, "0")), "the answers": d.said.String()}
			for place, text := range places {
				if len(text) < 2000 {
					t.Errorf("%s are too few to be all: %s", place, text)
				}
				wantAbsent(t, place, text, d.secrets)
				for _, code := range d.codes {
					if regexp.MustCompile(`\b` + code + `\b`).MatchString(text) {
						t.Errorf("%s hold a one-time code", place)
					}
				}
			}
		})
	}
}

// live goes through what the server can do and gathers the secrets.
func (d *diary) live(t *testing.T) {
	t.Helper()
	const typo, next, rejected = "violet teapots sail at dusk", "green kettles row at noon", "zzzzzzzzzzzzzzzzzzzz"
	for name, secret := range map[string]string{
		"a password": bobPassword, "a mistyped password": typo, "the next password": next, "a rejected password": rejected,
		"the admin's password": servertest.AdminPassword, "the bootstrap session": d.AdminToken[12:],
	} {
		d.secrets[name] = secret
	}
	key, err := os.ReadFile(d.Config.SecretKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	_, d.secrets["the server's key"], _ = strings.Cut(strings.TrimSpace(string(key)), ":")
	if d.DB.Engine() == "postgres" {
		d.secrets["the database's address"] = d.Config.DatabaseURL
	}
	d.logins(t, typo)
	session := d.factors(t)
	d.tokens(t, session)
	d.passwords(t, typo, rejected, next)
	d.strangers(t)
	recovered, _, err := d.Org.Recover(t.Context(), d.OrganizationID, servertest.AdminEmail)
	if err != nil {
		t.Fatal(err)
	}
	d.secrets["a recover session"] = recovered[12:]
	d.do(t, http.MethodGet, d.organizationPath("/audit-events"), recovered, nil).Want(http.StatusOK)
	d.do(t, http.MethodGet, d.organizationPath("/user"), recovered, nil).Want(http.StatusOK)
}

func (d *diary) logins(t *testing.T, typo string) {
	t.Helper()
	d.AddUser(t, d.OrganizationID, bobEmail, bobPassword, false)
	for _, email := range []string{bobEmail, "nobody@a.example", typo} {
		d.do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": email, "password": typo})
	}
	// People type passwords where names belong.
	d.do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": bobPassword + "@a.example", "password": bobEmail})
	for _, body := range []string{
		`{"email":"` + bobEmail + `","password":"` + bobPassword + `",`, `{"email":"` + bobEmail + `","password":["` + bobPassword + `"]}`,
		`{"password":"` + bobPassword + `","password":"` + bobPassword + `"}`, `{"email":"` + bobEmail + `","` + bobPassword + `":1}`, `"` + bobPassword + `"`,
	} {
		d.do(t, http.MethodPost, "/v1/userauth", "", body).Want(http.StatusBadRequest)
	}
	d.do(t, http.MethodGet, "/v1/userauth?password="+url.QueryEscape(bobPassword), "", nil).Want(http.StatusMethodNotAllowed)
}

func (d *diary) factors(t *testing.T) (session string) {
	t.Helper()
	login := d.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": bobEmail, "password": bobPassword}).Want(http.StatusOK)
	d.secrets["a session"] = login.String("token")[12:]
	d.secrets["a device cookie"] = strings.TrimPrefix(strings.Split(login.Header.Get("Set-Cookie"), ";")[0], "__Host-sallyport_device=")
	secret, session := d.enrol(t, login.String("token"), bobPassword)
	d.secrets["an authenticator's secret"], d.secrets["the session that goes on"] = string(secret), session[12:]
	wrong := map[string]string{"email": bobEmail, "password": bobPassword, "otp": "000000"}
	d.do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": bobEmail, "password": bobPassword}).Want(http.StatusNotExtended)
	d.do(t, http.MethodPost, "/v1/userauth", "", wrong).Want(http.StatusForbidden)
	code := d.otp(secret)
	right := map[string]string{"email": bobEmail, "password": bobPassword, "otp": code}
	again := d.Do(t, http.MethodPost, "/v1/userauth", "", right).Want(http.StatusOK)
	d.secrets["a session of two factors"] = again.String("token")[12:]
	d.do(t, http.MethodPost, "/v1/userauth", "", right).Want(http.StatusForbidden) // replayed
	d.do(t, http.MethodPut, "/v1/me/2fa/otp", session, map[string]string{"password": bobPassword, "uri": "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ", "otp": d.otp(secret)})
	d.do(t, http.MethodPut, "/v1/me/2fa", session, map[string]any{"method": nil, "password": bobPassword, "otp": d.otp(secret)}).Want(http.StatusOK)
	return session
}

func (d *diary) tokens(t *testing.T, session string) {
	t.Helper()
	personal := d.Do(t, http.MethodPost, "/v1/access_token", session, map[string]any{"description": "mine"}).Want(http.StatusOK).String("full_token")
	child := d.Do(t, http.MethodPost, "/v1/access_token", personal, map[string]any{"description": "its child"}).Want(http.StatusOK).String("full_token")
	appID, _ := d.App(t)
	app := d.Do(t, http.MethodPost, d.organizationPath("/application-users/"+appID+"/access-tokens"), d.AdminToken, map[string]any{"description": "deploy"}).Want(http.StatusOK).String("full_token")
	_, asker := d.App(t, "organization:tokens:introspect")
	for name, token := range map[string]string{"a personal token": personal, "a child token": child, "an application token": app, "an introspecting token": asker} {
		d.secrets[name] = token[12:]
	}
	for _, token := range []string{personal, child, app, session, personal[:99] + "x"} {
		a := d.send(t, http.MethodPost, "/oauth2/introspect", asker, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, url.Values{"token": {token}}.Encode())
		fmt.Fprintln(&d.said, string(a.Body))
		d.do(t, http.MethodGet, d.organizationPath(""), token, nil)
		d.do(t, http.MethodPatch, d.organizationPath(""), token, map[string]string{"name": "x"})
		d.do(t, http.MethodGet, "/v1/"+token+"?token="+token, token, nil)
	}
	d.do(t, http.MethodPut, "/v1/access_token/"+child, session, map[string]string{"description": "renamed"}).Want(http.StatusOK)
	d.do(t, http.MethodDelete, "/v1/access_token/"+personal, session, nil).Want(http.StatusOK)
	d.do(t, http.MethodDelete, "/v1/access_token/"+personal, session, nil).Want(http.StatusNotFound)
	d.do(t, http.MethodDelete, d.organizationPath("/application-users/"+appID+"/access-tokens/"+app), d.AdminToken, nil).Want(http.StatusNoContent)
	d.do(t, http.MethodGet, "/v1/access_token", session, nil).Want(http.StatusOK)
}

func (d *diary) passwords(t *testing.T, typo, rejected, next string) {
	t.Helper()
	session := d.login(t, bobEmail, bobPassword, "")
	d.secrets["another session"] = session[12:]
	for _, body := range []map[string]string{{"password": typo, "new_password": next}, {"password": bobPassword, "new_password": rejected}} {
		d.do(t, http.MethodPut, "/v1/me/password", session, body)
	}
	d.do(t, http.MethodPost, "/v1/user/password_strength", "", map[string]string{"password": rejected, "email": servertest.AdminEmail}).Want(http.StatusOK)
	changed := d.Do(t, http.MethodPut, "/v1/me/password", session, map[string]string{"password": bobPassword, "new_password": next}).Want(http.StatusOK).String("token")
	d.secrets["the session after the change"] = changed[12:]
	var me struct {
		User struct {
			UserID string `json:"user_id"`
		} `json:"user"`
	}
	d.do(t, http.MethodGet, "/v1/me", changed, nil).Want(http.StatusOK).Decode(&me)
	code := d.resetCode(t, me.User.UserID)
	d.secrets["a reset code"] = code
	d.do(t, http.MethodPost, "/v1/user/password_reset/"+code, "", map[string]string{"new_password": rejected[:5]}).Want(http.StatusBadRequest)
	d.do(t, http.MethodPost, "/v1/user/password_reset/"+code, "", map[string]string{"new_password": next + " and on"}).Want(http.StatusOK)
	d.secrets["the password after the reset"] = next + " and on"
	d.do(t, http.MethodPost, "/v1/user/password_reset/"+code, "", map[string]string{"new_password": next}).Want(http.StatusBadRequest)
	last := d.login(t, bobEmail, next+" and on", "")
	d.secrets["the last session"] = last[12:]
	d.do(t, http.MethodPost, "/v1/me/expire_tokens", last, nil).Want(http.StatusOK)
}

func (d *diary) strangers(t *testing.T) {
	t.Helper()
	eve := d.Eve(t)
	d.secrets["a foreign session"], d.secrets["a foreign application token"], d.secrets["a foreign password"] = eve.Session[12:], eve.App[12:], servertest.EvePassword
	for _, token := range []string{eve.Session, eve.Personal, eve.App} {
		for _, path := range []string{d.organizationPath(""), d.organizationPath("/audit-events"), "/v1/account/" + d.AccountID} {
			d.do(t, http.MethodGet, path, token, nil).Want(http.StatusNotFound)
		}
	}
}

// TestAUD05_BadLoginsAndTokensDrownNothing: who is nobody fills no disk, and
// who is somebody leaves an event a minute at most.
func TestAUD05_BadLoginsAndTokensDrownNothing(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "sqlite", true: "postgres"}[postgres], func(t *testing.T) {
			t.Parallel()
			s := newScene(t, servertest.Options{Postgres: postgres, Config: trustLoopback})
			_, bob := s.AddMember(t, bobEmail, bobPassword)
			s.changePolicy(t, map[string]any{"mcp_enabled": true}) // a real event
			const tries = 250
			events := s.nothing(t, "bad tokens and names", func() {
				for i := range tries {
					token, _, _ := credential.New([]credential.Kind{credential.KindSession, credential.KindPersonal, credential.KindApplication}[i%3], rand.Reader)
					s.from(t, fmt.Sprintf("198.51.100.%d", i), token, "/v1/me").WantCode(http.StatusUnauthorized, "authentication_failed")
					s.send(t, http.MethodPost, "/v1/userauth", "", map[string]string{"X-Forwarded-For": fmt.Sprintf("192.0.2.%d", i)},
						map[string]string{"email": fmt.Sprintf("nobody%d@a.example", i%20), "password": "wrong words"})
				}
			})
			if len(events) != 0 {
				t.Errorf("nobody left %d events", len(events))
			}
			last, start := s.lastEvent(t), s.now()
			for i := range tries {
				s.advance(7 * time.Second)
				s.send(t, http.MethodPost, "/v1/userauth", "", map[string]string{"X-Forwarded-For": fmt.Sprintf("203.0.113.%d", i)},
					map[string]string{"email": bobEmail, "password": "wrong words"})
				s.from(t, "203.0.113.1", bob, s.organizationPath("/audit-events")).WantCode(http.StatusForbidden, "request_forbidden")
			}
			count := map[string]int{}
			for _, e := range s.since(t, last) {
				count[e.action]++
			}
			minutes := int(s.now().Sub(start).Minutes()) + 2
			if count["guessing_detected"] != 1 || count["access_refused"] > minutes || count["access_refused"] < minutes-2 || len(count) != 2 {
				t.Errorf("in %d minutes %d tries each left %v", minutes, tries, count)
			}
			found := s.Do(t, http.MethodGet, s.organizationPath("/audit-events?action=policy_changed"), s.AdminToken, nil).Want(http.StatusOK)
			if !strings.Contains(string(found.Body), "policy_changed") {
				t.Errorf("the real event is drowned: %s", found.Body)
			}
		})
	}
}

// TestAUD05_PagesRecordWhatUseCasesRefuse as the API does, whatever page shows
// the refusal, and however often it is asked for.
func TestAUD05_PagesRecordWhatUseCasesRefuse(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		other := s.Session(t, bob)
		v := s.as(t, session)
		base := "/organizations/" + s.OrganizationID
		for _, c := range []struct {
			what, path string
			form       []string
			byAPI      func() servertest.Answer
			code       string
		}{
			{
				"remove an admin", base + "/users/" + s.AdminID + "/membership",
				[]string{"do", "remove"},
				func() servertest.Answer {
					return s.Do(t, http.MethodDelete, s.organizationPath("/user/"+s.AdminID), other, nil)
				}, "permission_denied",
			},
			{
				"guess one's password", "/profile/authentication",
				[]string{"do", "password", "current", "wrong words", "chosen", servertest.EvePassword},
				func() servertest.Answer {
					return s.Do(t, http.MethodPut, "/v1/me/password", other, map[string]string{"password": "wrong words", "new_password": servertest.EvePassword})
				}, "authentication_failed",
			},
		} {
			pages := s.nothing(t, c.what, func() {
				for range 3 {
					v.post(c.path, c.form...).Want(http.StatusForbidden)
				}
			}, "access_refused")
			api := s.nothing(t, c.what, func() { c.byAPI().WantCode(http.StatusForbidden, c.code) }, "access_refused")
			if len(pages) != 1 || len(api) != 1 {
				continue
			}
			got, want := pages[0], api[0]
			if got.request == "" || got.credential != session[:12] || !strings.Contains(got.detail, c.code) {
				t.Errorf("%s: the event is %+v", c.what, got)
			}
			if got.request, got.credential = want.request, want.credential; got != want {
				t.Errorf("%s: by a page the event is %+v, by the API %+v", c.what, got, want)
			}
		}
		// A minute later it is said once more.
		s.advance(time.Minute)
		s.nothing(t, "a minute later", func() {
			v.post(base+"/users/"+s.AdminID+"/membership", "do", "remove").Want(http.StatusForbidden)
		}, "access_refused")
	})
}
