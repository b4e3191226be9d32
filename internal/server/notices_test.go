package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// Owners are told by mail of what strangers might have done.
func TestNoticesByMail(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		const email = "bob@a.example"
		s.AddMember(t, email, bobPassword)
		got := func(kind string) int {
			return strings.Count(" "+s.kinds(t, email)+" ", " "+kind+" ")
		}
		token := s.login(t, email, bobPassword, "")
		s.login(t, email, bobPassword, "")
		if n := got(identity.MailNewDevice); n != 1 {
			t.Errorf("%d mails of two logins from new devices within an hour", n)
		}
		secret, token := s.enrol(t, token, bobPassword)
		s.Do(t, http.MethodPut, "/v1/me/2fa", token, map[string]any{"method": nil, "password": bobPassword, "otp": s.code(secret)}).Want(http.StatusOK)
		s.Do(t, http.MethodPut, "/v1/me/password", token, map[string]string{"password": bobPassword, "new_password": signUpPassword}).Want(http.StatusOK)
		for _, kind := range []string{identity.MailTwoFactorDisabled, identity.MailPasswordChanged} {
			if n := got(kind); n != 1 {
				t.Errorf("%d mails %s", n, kind)
			}
		}
		for range 15 {
			s.advance(61 * time.Second)
			s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": email, "password": "a wrong guess of bob's"})
		}
		if n := got(identity.MailGuessing); n != 1 {
			t.Errorf("%d mails about guessing", n)
		}
	})
}

// Row POL-15: emergency access is told to all admins, and to nobody else.
func TestPOL15_AllAdminsAreTold(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		s.AddMember(t, "bob@a.example", bobPassword)
		granted, _ := s.AddMember(t, "granted@a.example", bobPassword)
		s.Grant(t, granted, identity.AdminRole)
		if _, _, err := s.Org.Recover(t.Context(), s.OrganizationID, servertest.AdminEmail); err != nil {
			t.Fatal(err)
		}
		for email, want := range map[string]bool{servertest.AdminEmail: true, "granted@a.example": true, "bob@a.example": false} {
			told := slices.ContainsFunc(s.Mails(t, email), func(m identity.Mail) bool { return m.Kind == identity.MailBreakGlass })
			if told != want {
				t.Errorf("%s is told: %t", email, told)
			}
		}
	})
}

// A trial shows the mail that it keeps, and a server that sends it does not.
func TestMailbox(t *testing.T) {
	s := newScene(t, servertest.Options{})
	s.signUp(t, "newcomer@a.example", signUpPassword).Want(http.StatusOK)
	page := string(s.Do(t, http.MethodGet, "/dev/mailbox", "", nil).Want(http.StatusOK).Body)
	link := s.Mails(t, "newcomer@a.example")[0].Data["link"]
	if !strings.Contains(page, `href="`+link+`"`) || !strings.Contains(page, "newcomer@a.example") {
		t.Errorf("page %s", page)
	}
	sending := servertest.Start(t, servertest.Options{Config: mailed("smtp://127.0.0.1:9")})
	sending.Do(t, http.MethodGet, "/dev/mailbox", "", nil).Want(http.StatusNotFound)
}
