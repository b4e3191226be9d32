package server_test

import (
	"net/http"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// TestORG07_NoHeadlessOrganization: no route that there is takes the last super
// admin away, except the one that takes the organization with them.
func TestORG07_NoHeadlessOrganization(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, admin := s.AddMember(t, bobEmail, bobPassword)
		s.Grant(t, bob, identity.AdminRole)
		appID, app := s.App(t, identity.AdminRole)
		eve := s.Eve(t)
		permissions := s.organizationPath("/permissions/organization/" + s.OrganizationID)
		named := func(list ...string) map[string]any {
			return map[string]any{"permissions": []map[string]any{{"principal_id": s.AdminID, "principal_type": "user", "permissions": list}}}
		}
		with := func(body map[string]any, operation string) map[string]any {
			body["operation"] = operation
			return body
		}
		wantHead := func(what string) {
			t.Helper()
			if got := s.Rows(t, `SELECT user_id FROM memberships WHERE organization_id = $1 AND super_admin`, s.OrganizationID); len(got) != 1 || got[0][0] != s.AdminID {
				t.Errorf("after %s the super admins are %q", what, got)
			}
			s.Do(t, http.MethodPatch, s.organizationPath(""), s.AdminToken, map[string]string{"name": "A after " + what}).Want(http.StatusOK)
			s.Do(t, http.MethodPatch, s.organizationPath(""), admin, map[string]string{"name": "B"}).WantCode(http.StatusForbidden, "request_forbidden")
		}
		// Taking every grant away takes no super admin away.
		for _, token := range []string{s.AdminToken, app, admin} {
			s.Do(t, http.MethodPatch, permissions, token, with(named(identity.AdminRole), "revoke"))
			s.Do(t, http.MethodPatch, permissions, token, with(named(), "set"))
			s.Do(t, http.MethodPut, permissions, token, map[string]any{"permissions": []any{}})
			s.Grant(t, bob, identity.AdminRole)
			s.Grant(t, appID, identity.AdminRole)
		}
		wantHead("no grants")
		s.Do(t, http.MethodPatch, permissions, admin, with(named(identity.AdminRole), "grant"))
		s.Do(t, http.MethodPatch, permissions, admin, with(named(identity.AdminRole), "revoke"))
		wantHead("a grant come and gone")

		s.nothing(t, "routes that could behead", func() {
			for _, token := range []string{s.AdminToken, admin, app} {
				s.Do(t, http.MethodDelete, s.organizationPath("/application-users/"+s.AdminID), token, nil).WantCode(http.StatusBadRequest, "user_not_application_user")
				s.Do(t, http.MethodPatch, s.organizationPath("/application-users/"+s.AdminID), token, map[string]any{"name": "x", "is_super_admin": false}).WantCode(http.StatusBadRequest, "user_not_application_user")
				s.Do(t, http.MethodDelete, "/v1/me", token, nil).Want(http.StatusMethodNotAllowed)
			}
			s.Do(t, http.MethodDelete, s.organizationPath(""), admin, nil).WantCode(http.StatusForbidden, "request_forbidden")
			s.Do(t, http.MethodDelete, "/v1/account/"+s.AccountID, app, nil).Want(http.StatusForbidden)
			s.Do(t, http.MethodDelete, s.organizationPath(""), eve.Session, nil).WantCode(http.StatusNotFound, "organization_not_found")
		}, "access_refused", "access_refused")
		before := s.Dump(t)
		for _, token := range []string{s.AdminToken, admin, app} {
			for _, member := range []struct {
				method string
				body   any
			}{
				{http.MethodDelete, nil},
				{http.MethodPatch, map[string]any{"is_super_admin": false}},
				{http.MethodPatch, map[string]any{"state": "deactivated"}},
				{http.MethodPatch, map[string]any{"state": "deleted"}},
			} {
				if a := s.Do(t, member.method, s.organizationPath("/user/"+s.AdminID), token, member.body); a.Status != http.StatusBadRequest && a.Status != http.StatusForbidden {
					t.Errorf("%s with %v: status %d; body: %s", member.method, member.body, a.Status, a.Body)
				}
			}
		}
		if after := s.Dump(t); after != before {
			t.Errorf("the last super admin was changed: %s", firstDifference(before, after))
		}
		wantHead("members' changes")
		s.Do(t, http.MethodPatch, "/v1/me", s.AdminToken, map[string]any{"real_name": "Alice", "state": "deactivated"}).Want(http.StatusOK)
		wantHead("a profile's change")

		e := s.one(t, "organization_deleted", func() {
			s.Do(t, http.MethodDelete, s.organizationPath(""), s.AdminToken, nil).Want(http.StatusNoContent)
		})
		if e.actor != s.AdminID || e.target != s.OrganizationID || e.credential != s.AdminToken[:12] {
			t.Errorf("the event is %+v", e)
		}
		for _, token := range []string{s.AdminToken, admin} {
			s.Do(t, http.MethodGet, s.organizationPath(""), token, nil).WantCode(http.StatusNotFound, "organization_not_found")
		}
		if a := s.Do(t, http.MethodGet, s.organizationPath(""), app, nil); a.Status < 400 {
			t.Errorf("the application token still works: %s", a.Body)
		}
		s.Do(t, http.MethodGet, "/v1/organization/"+eve.OrganizationID, eve.Session, nil).Want(http.StatusOK)
	})
}
