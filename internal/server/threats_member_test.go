package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/policy"
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

// TestPWD11_AdminsClearFactors of managed users alone, never upwards, from a
// session of a person who is there; the owner is told, and what the factor
// guarded has ended.
func TestPWD11_AdminsClearFactors(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		secret, session := s.enrol(t, session, bobPassword)
		personal := s.Personal(t, bob)
		adam, adamSession := s.AddMember(t, "adam@a.example", "a sentence that adam uses")
		s.Grant(t, adam, identity.AdminRole)
		eve := s.Eve(t)
		reset := func(user string) string { return s.organizationPath("/user/" + user + "/reset_second_factor") }
		own := s.organizationPath("/user/" + bob + "/authentication_methods/" + identity.LoginMethodID(bob, policy.MethodPassword))

		s.Do(t, http.MethodPost, reset(bob), s.AdminToken, nil).WantCode(http.StatusForbidden, "action_forbidden_on_unmanaged_users")
		s.Manage(t, bob)
		s.Manage(t, s.AdminID)
		s.Do(t, http.MethodPost, reset(s.AdminID), adamSession, nil).WantCode(http.StatusForbidden, "user_role_not_allowed_to_perform_operation")
		s.Do(t, http.MethodPost, reset(s.AdminID), s.AdminToken, nil).WantCode(http.StatusForbidden, "user_role_not_allowed_to_perform_operation")
		s.Do(t, http.MethodPost, reset(bob), session, nil).WantCode(http.StatusForbidden, "request_forbidden")
		s.Do(t, http.MethodPost, reset(bob), eve.Session, nil).WantCode(http.StatusNotFound, "organization_not_found")
		s.Do(t, http.MethodPost, reset(bob), s.Personal(t, s.AdminID), nil).WantCode(http.StatusForbidden, "session_required")
		s.Do(t, http.MethodDelete, own, s.AdminToken, nil).WantCode(http.StatusBadRequest, "bad_request")
		old := s.Session(t, s.AdminID)
		s.advance(11 * time.Minute)
		s.Do(t, http.MethodPost, reset(bob), old, nil).WantCode(http.StatusForbidden, "fresh_login_required")
		s.login(t, bobEmail, bobPassword, s.code(secret)) // the factor is as it was

		adamSession = s.Session(t, adam)
		e := s.one(t, "second_factor_cleared", func() {
			s.Do(t, http.MethodPost, reset(bob), adamSession, nil).Want(http.StatusNoContent)
		})
		if e.actor != adam || e.target != bob || e.organization != s.OrganizationID {
			t.Errorf("the event is %+v", e)
		}
		for _, token := range []string{session, personal} {
			s.Do(t, http.MethodGet, "/v1/me", token, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
		}
		if kinds := s.kinds(t, bobEmail); !strings.Contains(kinds, identity.MailFactorsCleared) {
			t.Errorf("bob was mailed %s", kinds)
		}
		s.login(t, bobEmail, bobPassword, "")
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

// TestSES06_TheLeaver: the next request of somebody who was deactivated, deleted
// or removed is refused, and coming back revives nothing.
func TestSES06_TheLeaver(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		other := s.otherOrganization(t, "Elsewhere")
		s.join(t, other, bob)
		s.Manage(t, bob)
		s.group(t, "Pilots", bob)
		one := s.organizationPath("/user/" + bob)
		old := []string{session, s.Personal(t, bob), s.login(t, bobEmail, bobPassword, "")}
		wantDead := func(when string) {
			t.Helper()
			for i, token := range old {
				for _, path := range []string{"/v1/me", s.organizationPath(""), "/v1/organization/" + other} {
					if a := s.Do(t, http.MethodGet, path, token, nil); a.Status != http.StatusUnauthorized {
						t.Errorf("%s: credential %d at %s: status %d", when, i, path, a.Status)
					}
				}
			}
		}
		for _, token := range old {
			s.Do(t, http.MethodGet, s.organizationPath(""), token, nil).Want(http.StatusOK)
		}
		e := s.one(t, "user_deactivated", func() { s.Do(t, http.MethodPatch, one, s.AdminToken, m{"state": "deactivated"}).Want(http.StatusOK) })
		if e.actor != s.AdminID || e.target != bob || e.organization != s.OrganizationID || e.credential != s.AdminToken[:12] {
			t.Errorf("the event is %+v", e)
		}
		wantDead("deactivated")
		s.Do(t, http.MethodPost, "/v1/userauth", "", m{"email": bobEmail, "password": bobPassword}).WantCode(http.StatusForbidden, "user_deactivated")
		s.one(t, "user_reactivated", func() { s.Do(t, http.MethodPatch, one, s.AdminToken, m{"state": "active"}).Want(http.StatusOK) })
		wantDead("reactivated")

		// The next ones end as well, and for good.
		old = []string{s.login(t, bobEmail, bobPassword, ""), s.Personal(t, bob)}
		s.nothing(t, "the deletion of an active user", func() {
			s.Do(t, http.MethodDelete, "/v1/user/"+bob, s.AdminToken, nil).WantCode(http.StatusBadRequest, "cannot_delete_active_managed_users")
			s.Do(t, http.MethodPatch, one, s.AdminToken, m{"state": "deleted"}).WantCode(http.StatusBadRequest, "cannot_delete_active_managed_users")
		})
		s.Do(t, http.MethodPatch, one, s.AdminToken, m{"state": "deactivated"}).Want(http.StatusOK)
		s.Do(t, http.MethodDelete, "/v1/user/"+bob, s.AdminToken, nil).Want(http.StatusNoContent)
		wantDead("deleted")
		s.Do(t, http.MethodPatch, one, s.AdminToken, m{"state": "active"}).WantCode(http.StatusNotFound, "organization_user_not_found")
		s.Do(t, http.MethodPost, "/v1/userauth", "", m{"email": bobEmail, "password": bobPassword}).WantCode(http.StatusForbidden, "authentication_failed")
		for _, table := range []string{"memberships", "group_members"} {
			if got := s.Value(t, `SELECT COUNT(*) FROM `+table+` WHERE user_id = $1`, bob); got != "0" {
				t.Errorf("%s rows of the deleted user in %s", got, table)
			}
		}

		// Removed is not ended: elsewhere everything works on.
		carol, session := s.AddMember(t, "carol@c.example", bobPassword)
		s.join(t, other, carol)
		s.Do(t, http.MethodDelete, s.organizationPath("/user/"+carol), s.AdminToken, nil).Want(http.StatusNoContent)
		s.Do(t, http.MethodGet, s.organizationPath(""), session, nil).WantCode(http.StatusNotFound, "organization_not_found")
		s.Do(t, http.MethodGet, "/v1/organization/"+other, session, nil).Want(http.StatusOK)
	})
}

// TestDOM08_ManagedUsersStayManaged: no call of theirs changes their profile,
// founds an organization, ends their account or membership, or makes another
// account of the address.
func TestDOM08_ManagedUsersStayManaged(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		// A second organization, which does not manage him, changes nothing.
		other := s.otherOrganization(t, "Elsewhere")
		s.join(t, other, bob)
		s.Manage(t, bob)
		const code = "action_forbidden_for_managed_users"
		stays := func(who string) {
			t.Helper()
			s.advance(time.Minute) // refusals for one reason are one event in a minute, and organization
			s.nothing(t, who, func() {
				for _, call := range []struct {
					method, path string
					body         any
				}{
					{http.MethodPatch, "/v1/me", m{"real_name": "Robert", "city": "Oslo"}},
					{http.MethodPatch, "/v1/me", m{"real_name": "Robert", "managing_organization_id": nil}},
					{http.MethodDelete, "/v1/user/" + bob, nil},
					{http.MethodDelete, s.organizationPath("/user/" + bob), nil},
				} {
					if a := s.Do(t, call.method, call.path, session, call.body); a.Status != http.StatusForbidden || a.Code() != code {
						t.Errorf("%s: %s %s: status %d %s", who, call.method, call.path, a.Status, a.Code())
					}
				}
			}, "access_refused", "access_refused")
		}
		stays("a member")
		for what, call := range map[string]struct {
			path string
			body m
		}{
			"an organization": {"/v1/organizations", m{"organization_name": "Bob's", "tier": "business"}},
			"an account":      {"/v1/account", m{"account_name": "Bob's"}},
		} {
			s.nothing(t, "founding "+what, func() {
				s.Do(t, http.MethodPost, call.path, session, call.body).WantCode(http.StatusForbidden, code)
			})
		}
		// Signing up again is answered as ever, and tells the owner by mail.
		s.signUp(t, "BOB@A.example", signUpPassword).Want(http.StatusOK)
		if got := s.Rows(t, `SELECT id, managing_organization_id FROM users WHERE email = $1`, bobEmail); len(got) != 1 || got[0][0] != bob || got[0][1] != s.OrganizationID {
			t.Errorf("the accounts of the address are %v", got)
		}
		s.login(t, bobEmail, bobPassword, "")
		s.Do(t, http.MethodPost, "/v1/userauth", "", m{"email": bobEmail, "password": signUpPassword}).WantCode(http.StatusForbidden, "authentication_failed")

		// The admin's role founds (rule 76), and frees from nothing else.
		s.Grant(t, bob, identity.AdminRole)
		stays("an admin")
		s.Do(t, http.MethodPost, "/v1/organizations", session, m{"organization_name": "Bob's", "tier": "business"}).Want(http.StatusOK)
	})
}
