package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const signUpPassword = "seven purple umbrellas sing"

// signUp signs somebody up and returns the whole answer.
func (s *scene) signUp(tb testing.TB, email, password string) servertest.Answer {
	tb.Helper()
	return s.Do(tb, http.MethodPost, "/v1/user", "", map[string]string{"email": email, "real_name": "New Person", "password": password})
}

// kinds are the kinds of mail that an address has got.
func (s *scene) kinds(tb testing.TB, email string) string {
	tb.Helper()
	var list []string
	for _, m := range s.Mails(tb, email) {
		list = append(list, m.Kind)
	}
	return strings.Join(list, " ")
}

// likeness is what of an answer must not tell two cases apart: all but the
// token's characters.
func likeness(tb testing.TB, a servertest.Answer) string {
	tb.Helper()
	body := string(a.Body)
	if token, ok := a.Object()["token"].(string); ok {
		body = strings.ReplaceAll(body, token, strings.Repeat("x", len(token)))
	}
	header := a.Header.Clone()
	header.Del("X-Request-Id")
	header.Del("Date")
	var b strings.Builder
	_ = header.Write(&b) // a Builder never fails
	return b.String() + body
}

// TestEML01_ASecondAccountBySpelling: one account, the same answer, and a mail
// to the owner.
func TestEML01_ASecondAccountBySpelling(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		const email = "newcomer@a.example"
		first := s.signUp(t, email, signUpPassword).Want(http.StatusOK)
		s.Do(t, http.MethodPost, "/v1/user/verify_email/"+s.MailedCode(t, email, identity.MailVerifyEmail), "", nil).Want(http.StatusOK)
		for i, spelling := range []string{"NEWCOMER@A.EXAMPLE", "newcomer@A.example.", "  newcomer@a.example "} {
			again := s.signUp(t, spelling, signUpPassword).Want(http.StatusOK)
			if got, want := likeness(t, again), likeness(t, first); got != want {
				t.Errorf("%q: %s\nwant %s", spelling, got, want)
			}
			s.Do(t, http.MethodGet, "/v1/me", again.String("token"), nil).WantCode(http.StatusUnauthorized, "authentication_failed")
			if i < 2 { // with the confirmation three in an hour
				if got, want := s.kinds(t, email), "verify_email"+strings.Repeat(" account_exists", i+1); got != want {
					t.Errorf("mails %q, want %q", got, want)
				}
			}
		}
		if n := s.Value(t, `SELECT COUNT(*) FROM users WHERE email = $1`, email); n != "1" {
			t.Errorf("%s accounts", n)
		}
	})
}

// TestEML06_AnAccountMadeReadyForItsOwner: what eve set up before the owner
// proved the address is gone, in whatever order the two sign up.
func TestEML06_AnAccountMadeReadyForItsOwner(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		const victim, evePassword, own = "victim@corp.example", "a stranger with a plan of her own", "nobody but me knows this one"
		eve := s.signUp(t, victim, evePassword).Want(http.StatusOK).String("token")
		early := s.MailedCode(t, victim, identity.MailVerifyEmail)
		s.signUp(t, victim, own).Want(http.StatusOK)
		// The link of eve's sign-up would confirm eve's password.
		s.Do(t, http.MethodPost, "/v1/user/verify_email/"+early, "", nil).WantCode(http.StatusBadRequest, "user_weblink_action_expired")
		s.advance(61 * time.Minute)
		s.Do(t, http.MethodPost, "/v1/me/verify_email", eve, nil).Want(http.StatusOK)
		if got := s.kinds(t, victim); strings.Count(got, identity.MailVerifyEmail) != 1 {
			t.Errorf("eve had another link mailed that confirms her password: %s", got)
		}
		code := s.MailedCode(t, victim, identity.MailClaimAccount)
		s.Do(t, http.MethodPost, "/v1/user/password_reset/"+code, "", map[string]string{"new_password": own}).Want(http.StatusOK)
		s.Do(t, http.MethodPost, "/v1/me/verify_email", eve, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
		s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": victim, "password": evePassword}).WantCode(http.StatusForbidden, "authentication_failed")
		token := s.login(t, victim, own, "")
		s.Do(t, http.MethodGet, "/v1/me", token, nil).Want(http.StatusOK)
		if n := s.Value(t, `SELECT COUNT(*) FROM events WHERE action = 'account_claimed'`); n != "1" {
			t.Errorf("%s events account_claimed", n)
		}
	})
}

// TestEML07_RightsBeforeConfirmation: none but to confirm, to ask for another
// mail, and to log out.
func TestEML07_RightsBeforeConfirmation(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		const email = "newcomer@a.example"
		token := s.signUp(t, email, signUpPassword).Want(http.StatusOK).String("token")
		other := s.login(t, email, signUpPassword, "")
		s.nothing(t, "an unconfirmed user", func() {
			for path, body := range map[string]any{
				"/v1/organizations": map[string]string{"organization_name": "Mine", "tier": "business"},
				"/v1/access_token":  map[string]string{"description": "mine"},
			} {
				s.Do(t, http.MethodPost, path, token, body).WantCode(http.StatusForbidden, "email_not_confirmed")
			}
			s.Do(t, http.MethodGet, "/v1/me", token, nil).WantCode(http.StatusForbidden, "email_not_confirmed")
		}, "access_refused")
		s.Do(t, http.MethodPost, "/v1/me/logout", other, nil).Want(http.StatusOK)
		s.Do(t, http.MethodPost, "/v1/me/verify_email", token, nil).Want(http.StatusOK)
		answer := s.Do(t, http.MethodPost, "/v1/user/verify_email/"+s.MailedCode(t, email, identity.MailVerifyEmail), "", nil).Want(http.StatusOK)
		if strings.TrimSpace(string(answer.Body)) != `{"invite_details":{"user_email":"`+email+`"}}` {
			t.Errorf("answer %s", answer.Body)
		}
		s.Do(t, http.MethodGet, "/v1/me", token, nil).Want(http.StatusOK)
	})
}

// TestPWD05_WhoHasAnAccount: a reset tells nobody but the owner.
func TestPWD05_WhoHasAnAccount(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		s.AddMember(t, "bob@a.example", bobPassword)
		gone, _ := s.AddMember(t, "gone@a.example", bobPassword)
		sso, _ := s.AddMember(t, "sso@a.example", bobPassword)
		app, _ := s.App(t)
		s.signUp(t, "unconfirmed@a.example", signUpPassword).Want(http.StatusOK)
		s.deactivate(t, gone)
		s.Manage(t, sso)
		want := ""
		ask := func(email, mails string) {
			t.Helper()
			a := s.Do(t, http.MethodPost, "/v1/user/password_reset_request", "", map[string]string{"email": email}).Want(http.StatusOK)
			if want == "" {
				want = likeness(t, a)
			}
			if got := likeness(t, a); got != want {
				t.Errorf("%s: %s\nwant %s", email, got, want)
			}
			if got := s.kinds(t, email); got != mails {
				t.Errorf("%s: mails %q, want %q", email, got, mails)
			}
		}
		ask("bob@a.example", "password_reset")
		ask("nobody@a.example", "")
		ask("unconfirmed@a.example", "verify_email password_reset")
		ask("gone@a.example", "password_reset_none")
		ask(s.Value(t, `SELECT email FROM users WHERE id = $1`, app), "")
		s.withoutPasswords(t)
		ask("sso@a.example", "password_reset_none")
	})
}

func (s *scene) deactivate(tb testing.TB, userID string) {
	tb.Helper()
	s.change(tb, store.User(userID), func(ctx context.Context, tx *store.Tx) error {
		return tx.SetUserState(ctx, userID, identity.StateDeactivated)
	})
}

// TestPWD07_MailedCodes work once, for half an hour, and only the newest.
func TestPWD07_MailedCodes(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		const email, path = "bob@a.example", "/v1/user/password_reset/"
		s.AddMember(t, email, bobPassword)
		code := func() string {
			s.advance(61 * time.Minute)
			s.Do(t, http.MethodPost, "/v1/user/password_reset_request", "", map[string]string{"email": email}).Want(http.StatusOK)
			return s.MailedCode(t, email, identity.MailPasswordReset)
		}
		reset := func(code string) servertest.Answer {
			return s.Do(t, http.MethodPost, path+code, "", map[string]string{"new_password": signUpPassword})
		}
		older := code()
		newer := code()
		reset(older).WantCode(http.StatusBadRequest, "user_weblink_action_expired")
		reset(newer).Want(http.StatusOK)
		reset(newer).WantCode(http.StatusBadRequest, "user_weblink_action_expired")
		late := code()
		s.advance(30*time.Minute + time.Second)
		reset(late).WantCode(http.StatusBadRequest, "user_weblink_action_expired")
	})
}

// TestPWD08_MailScanners use no link up, and PWD-06: it leads to the configured
// address, whatever name the request had.
func TestPWD08_MailScanners(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		const email = "newcomer@a.example"
		s.send(t, http.MethodPost, "/v1/user", "", map[string]string{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"},
			map[string]string{"email": email, "real_name": "New", "password": signUpPassword}).Want(http.StatusOK)
		code := s.MailedCode(t, email, identity.MailVerifyEmail)
		if link := s.Mails(t, email)[0].Data["link"]; link != s.URL+"/verify?code="+url.QueryEscape(code) {
			t.Errorf("link %s", link)
		}
		s.nothing(t, "looking at a link", func() {
			for range 3 {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					s.Do(t, method, "/verify?code="+code, "", nil).Want(http.StatusOK)
				}
			}
		})
		s.postForm(t, "/verify", url.Values{"code": {code}}, map[string]string{"Origin": "https://evil.example"}).Want(http.StatusForbidden)
		s.postForm(t, "/verify", url.Values{"code": {code}}, nil).Want(http.StatusOK)
		s.postForm(t, "/verify", url.Values{"code": {code}}, nil).Want(http.StatusBadRequest)
	})
}

// TestRAT10_MailBombing: three mails of each call in an hour, with the same
// answers.
func TestRAT10_MailBombing(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		s.AddMember(t, "bob@a.example", bobPassword)
		token := s.signUp(t, "newcomer@a.example", signUpPassword).Want(http.StatusOK).String("token")
		for range 10 {
			s.Do(t, http.MethodPost, "/v1/user/password_reset_request", "", map[string]string{"email": "bob@a.example"}).Want(http.StatusOK)
			s.Do(t, http.MethodPost, "/v1/me/verify_email", token, nil)
			s.signUp(t, "newcomer@a.example", signUpPassword).Want(http.StatusOK)
		}
		for _, email := range []string{"bob@a.example", "newcomer@a.example"} {
			if n := len(s.Mails(t, email)); n != 3 {
				t.Errorf("%d mails to %s: %s", n, email, s.kinds(t, email))
			}
		}
		s.advance(time.Hour + time.Second)
		s.Do(t, http.MethodPost, "/v1/user/password_reset_request", "", map[string]string{"email": "bob@a.example"}).Want(http.StatusOK)
		if n := len(s.Mails(t, "bob@a.example")); n != 4 {
			t.Errorf("%d mails after an hour", n)
		}
	})
}

// postOffice is a real SMTP server on loopback.
type postOffice struct{ arrived chan string }

func (p postOffice) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &delivery{postOffice: p}, nil
}

type delivery struct {
	postOffice
	to string
}

func (d *delivery) Mail(string, *smtp.MailOptions) error      { return nil }
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error { d.to = to; return nil }
func (d *delivery) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	d.arrived <- d.to + "\n" + string(text)
	return err
}
func (d *delivery) Reset()        {}
func (d *delivery) Logout() error { return nil }

func mailed(smtpURL string) func(*server.Config) {
	return func(c *server.Config) { c.HoldMail, c.SMTPURL, c.MailFrom = false, smtpURL, "no-reply@a.example" }
}

// TestMailArrives by SMTP, once, and nothing secret stays in the outbox.
func TestMailArrives(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "sqlite", true: "postgres"}[postgres], func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			office := postOffice{make(chan string, 10)}
			mailServer := smtp.NewServer(office)
			var work sync.WaitGroup
			work.Go(func() { _ = mailServer.Serve(l) })
			t.Cleanup(func() { _ = errors.Join(mailServer.Close(), l.Close()); work.Wait() }) // also where it does not serve yet
			s := servertest.Start(t, servertest.Options{Postgres: postgres, Config: mailed("smtp://" + l.Addr().String())})
			s.Do(t, http.MethodPost, "/v1/user", "", map[string]string{"email": "newcomer@a.example", "real_name": "New", "password": signUpPassword}).Want(http.StatusOK)
			got := <-office.arrived
			if !strings.HasPrefix(got, "newcomer@a.example\n") || !strings.Contains(got, "multipart/alternative") || !strings.Contains(got, "/verify?code") {
				t.Errorf("mail %s", got)
			}
			if strings.Contains(s.Logs.String(), "/verify?code") {
				t.Error("the log tells the code")
			}
		})
	}
}

// TestR18_NoRequestWaitsForTheMailServer: it takes connections and never says
// a word.
func TestR18_NoRequestWaitsForTheMailServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := servertest.Start(t, servertest.Options{Config: mailed("smtp://" + l.Addr().String())})
	for _, email := range []string{"a@a.example", "b@a.example", "c@a.example"} {
		s.Do(t, http.MethodPost, "/v1/user", "", map[string]string{"email": email, "real_name": "New", "password": signUpPassword}).Want(http.StatusOK)
	}
	held, err := s.DB.HeldMail(t.Context(), 10)
	if err != nil || len(held) != 3 {
		t.Errorf("%d mails wait, %v", len(held), err)
	}
}

// Without a mail server the calls that need one say so, to everybody alike.
func TestWithoutMailServer(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Config: func(c *server.Config) { c.HoldMail = false }})
	for _, email := range []string{servertest.AdminEmail, "nobody@a.example"} {
		s.Do(t, http.MethodPost, "/v1/user", "", map[string]string{"email": email, "real_name": "New"}).WantCode(http.StatusBadRequest, "mail_not_configured")
		s.Do(t, http.MethodPost, "/v1/user/password_reset_request", "", map[string]string{"email": email}).WantCode(http.StatusBadRequest, "mail_not_configured")
	}
}

// withoutPasswords forbids logging in with a password.
func (s *scene) withoutPasswords(tb testing.TB) {
	tb.Helper()
	s.setPolicy(tb, s.OrganizationID, func(p *policy.Policy) { p.PasswordEnabled = false })
}
