package server_test

import (
	"net/http"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// group adds a user group with members.
func (s *scene) group(tb testing.TB, name string, members ...string) (groupID string) {
	tb.Helper()
	groupID = s.Do(tb, http.MethodPost, s.organizationPath("/user-groups"), s.AdminToken, m{"user_group_name": name, "description": ""}).
		Want(http.StatusOK).String("user_group_id")
	s.members(tb, s.AdminToken, groupID, "add_members", append([]string{}, members...)...).Want(http.StatusNoContent)
	return groupID
}

// members changes a group's members as somebody.
func (s *scene) members(tb testing.TB, token, groupID, operation string, users ...string) servertest.Answer {
	tb.Helper()
	return s.Do(tb, http.MethodPatch, s.organizationPath("/user-groups/"+groupID+"/members"), token, m{"operation": operation, "member_ids": users})
}

// grantGroup gives a group permissions on a resource.
func (s *scene) grantGroup(tb testing.TB, kind, id, groupID string, permissions ...string) {
	tb.Helper()
	s.Do(tb, http.MethodPatch, s.organizationPath("/permissions/"+kind+"/"+id), s.AdminToken, m{"permissions": []m{
		{"principal_type": "user_group", "principal_id": groupID, "permissions": append([]string{}, permissions...)},
	}}).Want(http.StatusNoContent)
}

// TestTOK14_GroupKeepersHandNothingOut: with organization:groups:write alone,
// nobody joins or is put into a group that was granted something, on any level
// (rule 96); groups without permissions are theirs to fill.
func TestTOK14_GroupKeepersHandNothingOut(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		app, program := s.App(t, "organization:groups:write")
		s.Grant(t, bob, "organization:groups:write")
		eve := s.Eve(t)
		unit := s.AddUnit(t, s.OrganizationID, s.AccountID, "Unit")
		s.AddProject(t, s.OrganizationID, s.AccountID, "rockets")
		strong := map[string]string{}
		for kind, id := range map[string]string{"organization": s.OrganizationID, "organization_unit": unit, "project": "rockets"} {
			strong[kind] = s.group(t, "strong by "+kind)
			s.grantGroup(t, kind, id, strong[kind], map[bool]string{true: identity.AdminRole, false: "read_only"}[kind == "organization"])
		}
		plain := s.group(t, "plain")

		for name, token := range map[string]string{"person": session, "program": program} {
			// Refusals for one reason are one event in a minute.
			s.nothing(t, "a "+name+" filling groups with permissions", func() {
				for kind, group := range strong {
					for _, user := range []string{bob, app} {
						if a := s.members(t, token, group, "add_members", user); a.Status != http.StatusForbidden || a.Code() != "user_role_not_allowed_to_perform_operation" {
							t.Errorf("permissions on the %s: status %d %s", kind, a.Status, a.Code())
						}
					}
				}
			}, "access_refused")
			s.nothing(t, "a "+name+" granting to a group", func() {
				s.Do(t, http.MethodPatch, s.organizationPath("/permissions/organization/"+s.OrganizationID), token, m{"permissions": []m{
					{"principal_type": "user_group", "principal_id": plain, "permissions": []string{identity.AdminRole}},
				}}).Want(http.StatusForbidden)
			}, "access_refused")
			s.nothing(t, "a "+name+" adding strangers", func() {
				for _, user := range []string{eve.UserID, eve.AppUserID} {
					s.members(t, token, plain, "add_members", user).WantCode(http.StatusNotFound, "organization_user_not_found")
				}
			})
			s.one(t, "group_members_changed", func() { s.members(t, token, plain, "add_members", bob, app).Want(http.StatusNoContent) })
			s.one(t, "group_members_changed", func() { s.members(t, token, plain, "remove_members", bob, app).Want(http.StatusNoContent) })
		}
		if got := s.Rows(t, `SELECT group_id FROM group_members`); len(got) > 0 {
			t.Errorf("somebody is in %v", got)
		}
		// An admin may, be it as a program; and what was granted counts from
		// when it was granted: an emptied group is anybody's to fill again.
		_, boss := s.App(t, identity.AdminRole)
		s.members(t, boss, strong["project"], "add_members", bob).Want(http.StatusNoContent)
		s.members(t, boss, strong["project"], "remove_members", bob).Want(http.StatusNoContent)
		s.grantGroup(t, "project", "rockets", strong["project"])
		s.members(t, session, strong["project"], "add_members", bob).Want(http.StatusNoContent)
	})
}

// TestTOK14_ProgramKeepersMakeNoStrongTokens: with organization:app_users:write
// alone, nobody makes a token of an application user that was granted
// something in person or through a group, on any level (rule 92).
func TestTOK14_ProgramKeepersMakeNoStrongTokens(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		s.Grant(t, bob, "organization:app_users:write")
		eve := s.Eve(t)
		s.AddProject(t, s.OrganizationID, s.AccountID, "rockets")
		tokens := func(user string) string { return s.organizationPath("/application-users/" + user + "/access-tokens") }
		in := m{"description": "by bob"}
		direct, _ := s.App(t, "organization:billing:read")
		grouped, _ := s.App(t)
		plain, _ := s.App(t)
		s.group(t, "plain", plain)
		group := s.group(t, "strong", grouped)
		s.grantGroup(t, "project", "rockets", group, "read_only")

		s.nothing(t, "tokens of strong and of foreign programs", func() {
			for _, user := range []string{direct, grouped} {
				s.Do(t, http.MethodPost, tokens(user), session, in).WantCode(http.StatusForbidden, "request_forbidden")
			}
			s.Do(t, http.MethodPost, tokens(eve.AppUserID), session, in).WantCode(http.StatusNotFound, "organization_user_not_found")
		}, "access_refused")
		s.one(t, "token_created", func() { s.Do(t, http.MethodPost, tokens(plain), session, in).Want(http.StatusOK) })
		s.grantGroup(t, "project", "rockets", group)
		s.one(t, "token_created", func() { s.Do(t, http.MethodPost, tokens(grouped), session, in).Want(http.StatusOK) })
		s.one(t, "token_created", func() { s.Do(t, http.MethodPost, tokens(direct), s.AdminToken, in).Want(http.StatusOK) })
	})
}
