package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// TestORG09_RemovedMeansGone at once: groups, permissions, projects and every
// credential's access to the organization, while the person's own things stay.
func TestORG09_RemovedMeansGone(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		personal := s.Personal(t, bob)
		s.AddProject(t, s.OrganizationID, s.AccountID, "rockets")
		groups := s.organizationPath("/user-groups")
		group := s.Do(t, http.MethodPost, groups, s.AdminToken, map[string]string{"user_group_name": "Pilots", "description": ""}).Want(http.StatusOK).String("user_group_id")
		s.Do(t, http.MethodPatch, groups+"/"+group+"/members", s.AdminToken, map[string]any{"operation": "add_members", "member_ids": []string{bob}}).Want(http.StatusNoContent)
		s.Do(t, http.MethodPut, s.organizationPath("/permissions/project/rockets"), s.AdminToken, map[string]any{"permissions": []any{
			map[string]any{"principal_type": "user_group", "principal_id": group, "permissions": []string{"admin"}},
		}}).Want(http.StatusNoContent)
		s.Grant(t, bob, identity.AdminRole)
		s.Do(t, http.MethodPost, s.organizationPath("/invitation"), session, map[string]string{"user_email": "dave@c.example"}).Want(http.StatusNoContent)
		for _, token := range []string{session, personal} {
			s.Do(t, http.MethodGet, "/v1/project/rockets", token, nil).Want(http.StatusOK)
		}

		s.one(t, "member_removed", func() {
			s.Do(t, http.MethodDelete, s.organizationPath("/user/"+bob), s.AdminToken, nil).Want(http.StatusNoContent)
		})
		for _, token := range []string{session, personal} {
			s.Do(t, http.MethodGet, s.organizationPath(""), token, nil).WantCode(http.StatusNotFound, "organization_not_found")
			if a := s.Do(t, http.MethodGet, "/v1/project/rockets", token, nil).Want(http.StatusForbidden); !strings.Contains(string(a.Body), "Not a project member") {
				t.Errorf("the project answers %s", a.Body)
			}
			s.Do(t, http.MethodGet, "/v1/me", token, nil).Want(http.StatusOK)
		}
		if got := s.Rows(t, `SELECT user_id FROM group_members WHERE user_id = $1`, bob); len(got) != 0 {
			t.Errorf("still in %d groups", len(got))
		}
		if got := s.Rows(t, `SELECT resource_id FROM grants WHERE principal_id = $1`, bob); len(got) != 0 {
			t.Errorf("still holds grants on %v", got)
		}
		// What he sent opens nothing any more: the inviter has no right.
		code := s.MailedCode(t, "dave@c.example", identity.MailInvitation)
		s.Do(t, http.MethodPost, "/v1/invitation/"+code+"/sign-up", "", map[string]string{"real_name": "Dave", "password": bobPassword}).
			WantCode(http.StatusNotFound, "invitation_not_found")
	})
}

// TestPWD11_AdminsNeverKnowPasswords: a reset is a mail to its owner, for
// managed users alone, and never upwards.
func TestPWD11_AdminsNeverKnowPasswords(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, _ := s.AddMember(t, bobEmail, bobPassword)
		admin, adminSession := s.AddMember(t, "adam@a.example", "a sentence that adam uses")
		s.Grant(t, admin, identity.AdminRole)
		reset := func(user string) string { return s.organizationPath("/user/" + user + "/reset_password") }

		s.nothing(t, "a reset of somebody who is not managed", func() {
			s.Do(t, http.MethodPost, reset(bob), s.AdminToken, nil).WantCode(http.StatusForbidden, "action_forbidden_on_unmanaged_users")
		}, "access_refused")
		s.Manage(t, bob)
		s.Manage(t, s.AdminID)
		s.Do(t, http.MethodPost, reset(s.AdminID), adminSession, nil).Want(http.StatusForbidden)
		s.one(t, "password_reset_sent", func() {
			a := s.Do(t, http.MethodPost, reset(bob), s.AdminToken, map[string]string{"password": "chosen by the admin, not by bob"}).Want(http.StatusNoContent)
			if len(a.Body) != 0 {
				t.Errorf("the answer holds %s", a.Body)
			}
		})
		// The old password stays until its owner follows the link.
		s.login(t, bobEmail, bobPassword, "")
		s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": bobEmail, "password": "chosen by the admin, not by bob"}).
			WantCode(http.StatusForbidden, "authentication_failed")
		code := s.MailedCode(t, bobEmail, identity.MailAdminPasswordReset)
		s.Do(t, http.MethodPost, "/v1/user/password_reset/"+code, "", map[string]string{"new_password": servertest.EvePassword}).Want(http.StatusOK)
		s.login(t, bobEmail, servertest.EvePassword, "")
	})
}

// TestRAT10_AdminsMailThreeResetsAnHour: the fourth is refused, and said so,
// while the last link works on; what strangers ask for takes none of the three.
func TestRAT10_AdminsMailThreeResetsAnHour(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, _ := s.AddMember(t, bobEmail, bobPassword)
		s.Manage(t, bob)
		reset := s.organizationPath("/user/" + bob + "/reset_password")
		for range 5 {
			s.Do(t, http.MethodPost, "/v1/user/password_reset_request", "", map[string]string{"email": bobEmail}).Want(http.StatusOK)
		}
		for range 3 {
			s.Do(t, http.MethodPost, reset, s.AdminToken, nil).Want(http.StatusNoContent)
		}
		code := s.MailedCode(t, bobEmail, identity.MailAdminPasswordReset)
		s.nothing(t, "the fourth reset of an hour", func() {
			a := s.Do(t, http.MethodPost, reset, s.AdminToken, nil).WantCode(http.StatusTooManyRequests, "too_many_requests")
			if got := a.Header.Get("Retry-After"); got != "60" {
				t.Errorf("Retry-After is %q", got)
			}
		})
		s.Do(t, http.MethodPost, "/v1/user/password_reset/"+code, "", map[string]string{"new_password": servertest.EvePassword}).Want(http.StatusOK)
		s.advance(time.Hour + time.Second)
		s.Do(t, http.MethodPost, reset, s.Session(t, s.AdminID), nil).Want(http.StatusNoContent)
	})
}
