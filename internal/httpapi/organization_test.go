package httpapi_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/policy"
)

var changing = regexp.MustCompile(`"(request_id|decision_id)":"[^"]*"`)

// plainBody is an answer's body without what differs by design.
func plainBody(a servertest.Answer) string {
	return fmt.Sprint(a.Status, " ", changing.ReplaceAllString(string(a.Body), ""))
}

func TestTEN01ProjectsOfOthersAnswerLikeNone(t *testing.T) {
	s := servertest.New(t)
	eve := s.Eve(t)
	_, bob := s.AddMember(t, "bob@a.example", "")
	s.AddProject(t, s.OrganizationID, s.AccountID, "ours")
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"GET", "", nil},
		{"PUT", "", body{"cloud": "x"}},
		{"DELETE", "", nil},
		{"GET", "/users", nil},
		{"GET", "/kms/ca", nil},
		{"GET", "/tags", nil},
		{"PUT", "/tags", body{"tags": map[string]string{}}},
		{"PATCH", "/tags", body{"tags": map[string]string{}}},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			want := plainBody(s.Do(t, c.method, "/v1/project/none"+c.path, bob, c.body).WantCode(403, "project_has_no_such_user"))
			for name, token := range map[string]string{"ours": bob, eve.Project: bob, "none": eve.Session} {
				if got := plainBody(s.Do(t, c.method, "/v1/project/"+name+c.path, token, c.body)); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		})
	}
}

func TestTEN01ParentsOfOthersAnswerLikeNone(t *testing.T) {
	s := servertest.New(t)
	eve := s.Eve(t)
	for path, body := range map[string]func(parent string) body{
		"/v1/account": func(parent string) body {
			return body{"account_name": "Unit", "parent_account_id": parent}
		},
		"/v1/project": func(parent string) body { return body{"project": "web", "account_id": parent} },
	} {
		want := plainBody(s.Do(t, "POST", path, s.AdminToken, body("a00000000000")).WantCode(404, "parent_account_not_found"))
		for _, parent := range []string{"org00000000000", eve.OrganizationID, eve.AccountID, eve.UnitID} {
			if got := plainBody(s.Do(t, "POST", path, s.AdminToken, body(parent))); got != want {
				t.Errorf("%s under %s: %s, want %s", path, parent, got, want)
			}
		}
	}
}

func TestTEN02MembersCreateNothingUnderAParent(t *testing.T) {
	s := servertest.New(t)
	id, bob := s.AddMember(t, "bob@a.example", "")
	unit := body{"account_name": "Unit", "parent_account_id": s.AccountID}
	project := body{"project": "web", "account_id": s.OrganizationID}
	s.Do(t, "POST", "/v1/account", bob, unit).WantCode(403, "request_forbidden")
	s.Do(t, "POST", "/v1/project", bob, project).WantCode(403, "user_not_organization_admin")
	s.Grant(t, id, "organization:projects:write")
	s.Do(t, "POST", "/v1/account", bob, unit).WantCode(403, "request_forbidden")
	s.Do(t, "POST", "/v1/project", s.Personal(t, id, "projects:read"), project).WantCode(403, "request_forbidden")
	s.Do(t, "POST", "/v1/project", bob, project).Want(200)
	s.Grant(t, id, identity.AdminRole)
	s.Do(t, "POST", "/v1/account", bob, unit).Want(200)
}

func TestTOK10TokensDeleteNoOrganization(t *testing.T) {
	s := servertest.New(t)
	bobID, bob := s.AddMember(t, "bob@a.example", "")
	s.Grant(t, bobID, identity.AdminRole)
	token := s.Personal(t, s.AdminID)
	old := s.Token(t, identity.Token{
		Kind: policy.Session, UserID: s.AdminID,
		Authentication: policy.Authentication{Method: policy.MethodPassword, At: time.Now().Add(-11 * time.Minute)},
	})
	for _, path := range []string{"/v1/organization/" + s.OrganizationID, "/v1/organization/" + s.OrganizationID + "?recursive=true", "/v1/account/" + s.AccountID} {
		s.Do(t, "DELETE", path, token, nil).WantCode(403, "session_required")
		s.Do(t, "DELETE", path, old, nil).WantCode(403, "fresh_login_required")
		s.Do(t, "DELETE", path, bob, nil).WantCode(403, "request_forbidden")
	}
	s.Do(t, "DELETE", "/v1/organization/"+s.OrganizationID+"?recursive=perhaps", s.AdminToken, nil).WantCode(400, "bad_request")
	unit := s.AddUnit(t, s.OrganizationID, s.AccountID, "Unit")
	s.Do(t, "DELETE", "/v1/account/"+s.AccountID, s.AdminToken, nil).WantCode(400, "account_with_child_accounts_cannot_be_deleted")
	s.Do(t, "DELETE", "/v1/account/"+unit, token, nil).Want(200)
	s.Do(t, "DELETE", "/v1/account/"+s.AccountID, s.AdminToken, nil).Want(200)
	s.Do(t, "GET", "/v1/organization/"+s.OrganizationID, s.AdminToken, nil).WantCode(404, "organization_not_found")
}

// Lists leave out what belongs to an organization that refuses the credential.
func TestListsFollowEachOrganizationsPolicy(t *testing.T) {
	s := servertest.New(t)
	s.AddProject(t, s.OrganizationID, s.AccountID, "ours")
	second := s.Do(t, "POST", "/v1/account", s.AdminToken, body{"account_name": "Second"}).Want(200).Object()["account"].(map[string]any)
	organization, root := second["organization_id"].(string), second["account_id"].(string)
	s.Do(t, "POST", "/v1/project", s.AdminToken, body{"project": "theirs", "account_id": root}).Want(200)
	token := s.Personal(t, s.AdminID)
	count := func(path, key string) int {
		t.Helper()
		var answer map[string]json.RawMessage
		var list []json.RawMessage
		s.Do(t, "GET", path, token, nil).Want(200).Decode(&answer)
		if err := json.Unmarshal(answer[key], &list); err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	lists := map[string]string{"/v1/organizations": "organizations", "/v1/account": "accounts", "/v1/project": "projects"}
	for path, key := range lists {
		if n := count(path, key); n != 2 {
			t.Errorf("%s lists %d, want 2", path, n)
		}
	}
	s.Do(t, "PATCH", "/v1/organization/"+organization+"/config/authentication", s.AdminToken, body{"personal_tokens_enabled": false}).Want(200)
	for path, key := range lists {
		if n := count(path, key); n != 1 {
			t.Errorf("%s lists %d after the change of policy, want 1", path, n)
		}
	}
}

func TestORG08AdminsDoNotActAsSuperAdmins(t *testing.T) {
	s := servertest.New(t)
	id, bob := s.AddMember(t, "bob@a.example", "")
	s.Grant(t, id, identity.AdminRole)
	s.Do(t, "PATCH", "/v1/organization/"+s.OrganizationID, bob, body{"name": "Bob's"}).WantCode(403, "request_forbidden")
	s.Do(t, "PUT", "/v1/account/"+s.AccountID, bob, body{"account_name": "Bob's"}).WantCode(403, "user_role_not_allowed_to_perform_operation")
}

func TestTEN03SmuggledFieldsOfOrganizationsAndProjects(t *testing.T) {
	s := servertest.New(t)
	eve := s.Eve(t)
	smuggled := map[string]any{
		"organization_id": eve.OrganizationID, "root_account_id": eve.AccountID, "user_id": eve.UserID, "is_super_admin": false,
		"state": "deleted", "role": "admin", "create_time": "2000-01-01T00:00:00Z", "policy": "{}", "deleted": true,
	}
	with := func(more map[string]any) map[string]any {
		for name, value := range smuggled {
			if _, own := more[name]; !own {
				more[name] = value
			}
		}
		return more
	}
	made := s.Do(t, "POST", "/v1/organizations", s.AdminToken, with(map[string]any{"organization_name": "New", "tier": "business"})).Want(200)
	if id := made.String("organization_id"); id == eve.OrganizationID {
		t.Error("the caller chose the id of an organization")
	}
	unit := s.Do(t, "POST", "/v1/account", s.AdminToken, with(body{"account_name": "Unit", "parent_account_id": s.OrganizationID})).Want(200).Object()["account"].(map[string]any)
	if unit["organization_id"] != s.OrganizationID || unit["root_account_id"] != s.AccountID {
		t.Errorf("the unit is %v", unit)
	}
	project := s.Do(t, "POST", "/v1/project", s.AdminToken, with(body{"project": "web", "account_id": s.AccountID})).Want(200).Object()["project"].(map[string]any)
	if project["organization_id"] != s.OrganizationID || project["account_id"] != s.AccountID {
		t.Errorf("the project is %v", project)
	}
	s.Do(t, "PATCH", "/v1/organization/"+s.OrganizationID+"/project/web", s.AdminToken, body{"organization_id": eve.OrganizationID}).WantCode(400, "same_organization_required")
}
