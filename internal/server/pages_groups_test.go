package server_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// madeAt is the path of the page that a form led to after it made something.
func madeAt(t *testing.T, what string, a servertest.Answer) string {
	t.Helper()
	done(t, what, a)
	path, _, _ := strings.Cut(a.Header.Get("Location"), "?")
	return path
}

// TestGroupPages: each form of the pages of groups does what the API then shows.
func TestGroupPages(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice := s.as(t, s.AdminToken)
		bob := s.AddUser(t, s.OrganizationID, "bob@c.example", "", false)
		list := "/organizations/" + s.OrganizationID + "/groups"
		if a := alice.post(list, "name", " ", "description", "kept"); a.Status != http.StatusBadRequest || !strings.Contains(string(a.Body), `id="name-wrong"`) || !strings.Contains(string(a.Body), `value="kept"`) {
			t.Errorf("a blank name: %d %s", a.Status, a.Body)
		}
		path := madeAt(t, "create", alice.post(list, "name", "Crew <b>", "description", "All of them"))
		id := path[strings.LastIndex(path, "/")+1:]
		read := func(rest string) string {
			return string(s.Do(t, "GET", s.organizationPath("/user-groups/"+id+rest), s.AdminToken, nil).Want(http.StatusOK).Body)
		}
		if a := alice.post(path, "do", "add", "member", "stranger@c.example"); a.Status != http.StatusBadRequest || !strings.Contains(string(a.Body), `id="member-wrong"`) {
			t.Errorf("a stranger: %d %s", a.Status, a.Body)
		}
		done(t, "add", alice.post(path, "do", "add", "member", " BOB@c.example"))
		if !strings.Contains(read("/members"), bob) || !strings.Contains(string(alice.get(path).Body), bob) {
			t.Error("the member is not there")
		}
		done(t, "remove", alice.post(path, "do", "remove", "member", bob))
		if strings.Contains(read("/members"), bob) {
			t.Error("the member is still there")
		}
		done(t, "update", alice.post(path, "do", "update", "name", "Staff", "description", ""))
		if got := read(""); !strings.Contains(got, `"Staff"`) {
			t.Errorf("the group is %s", got)
		}
		done(t, "permissions", alice.post(path+"/permissions", "permission", "organization:users:write"))
		if got := string(s.Do(t, "GET", s.organizationPath("/permissions/organization/"+s.OrganizationID), s.AdminToken, nil).Body); !strings.Contains(got, id) {
			t.Errorf("the permissions are %s", got)
		}
		if page := string(alice.get(path).Body); !strings.Contains(page, `value="organization:users:write" checked`) {
			t.Error("what is held is not checked")
		}
		alice.get(path + "/confirm").Want(http.StatusOK)
		done(t, "delete", alice.post(path, "do", "delete"))
		alice.get(path).Want(http.StatusNotFound)
	})
}

// TestGroupPagesOfOthers: members look, and change nothing; strangers do neither.
func TestGroupPagesOfOthers(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		list := "/organizations/" + s.OrganizationID + "/groups"
		path := madeAt(t, "create", s.as(t, s.AdminToken).post(list, "name", "Crew"))
		bob, eve := s.as(t, s.Session(t, s.AddUser(t, s.OrganizationID, "bob@c.example", "", false))), s.as(t, s.Eve(t).Session)
		for _, page := range []string{list, path} {
			if text := string(bob.get(page).Want(http.StatusOK).Body); strings.Contains(text, `<form method="post" action="/organizations`) {
				t.Errorf("%s offers what a member may not do", page)
			}
			eve.get(page).Want(http.StatusNotFound)
		}
		for to, form := range map[string][]string{list: {"name", "Mine"}, path: {"do", "delete"}, path + "/permissions": {"permission", "developer"}} {
			bob.post(to, form...).Want(http.StatusForbidden)
			eve.post(to, form...).Want(http.StatusNotFound)
		}
	})
}

var shownToken = regexp.MustCompile(`<code id="token">([^<]+)</code>`)

// TestApplicationUserPages: each form of the pages of application users does
// what the API then shows; a token is shown once, and works until it is revoked.
func TestApplicationUserPages(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice := s.as(t, s.AdminToken)
		list := "/organizations/" + s.OrganizationID + "/application-users"
		if a := alice.post(list, "name", " "); a.Status != http.StatusBadRequest || !strings.Contains(string(a.Body), `id="name-wrong"`) {
			t.Errorf("a blank name: %d %s", a.Status, a.Body)
		}
		path := madeAt(t, "create", alice.post(list, "name", "robot"))
		id := path[strings.LastIndex(path, "/")+1:]
		alice.get(path + "/tokens/new").Want(http.StatusOK)
		if a := alice.post(path+"/tokens", "description", "kept words", "life", "own", "days", "many"); a.Status != http.StatusBadRequest || !strings.Contains(string(a.Body), `id="days-wrong"`) || !strings.Contains(string(a.Body), `action="`+path+`/tokens"`) {
			t.Errorf("no number of days: %d %s", a.Status, a.Body)
		}
		page := alice.post(path+"/tokens", "description", "nightly", "life", "30").Want(http.StatusOK).Body
		found := shownToken.FindSubmatch(page)
		if found == nil {
			t.Fatalf("no token is shown: %s", page)
		}
		token := string(found[1])
		s.Do(t, "GET", "/v1/me", token, nil).Want(http.StatusOK)
		text := string(alice.get(path).Want(http.StatusOK).Body)
		if strings.Contains(text, token) || !strings.Contains(text, token[:12]) {
			t.Error("the token is shown again, or its prefix is not")
		}
		alice.get(path + "/confirm?what=revoke&id=" + token[:12]).Want(http.StatusOK)
		done(t, "revoke", alice.post(path, "do", "revoke", "id", token[:12]))
		s.Do(t, "GET", "/v1/me", token, nil).Want(http.StatusUnauthorized)

		done(t, "rename", alice.post(path, "do", "rename", "name", "android"))
		if got := s.Do(t, "GET", s.organizationPath("/application-users/"+id), s.AdminToken, nil).String("name"); got != "android" {
			t.Errorf("its name is %q", got)
		}
		done(t, "permissions", alice.post(path+"/permissions", "permission", "developer"))
		if page := string(alice.get(path).Body); !strings.Contains(page, `value="developer" checked`) {
			t.Error("what is held is not checked")
		}
		alice.get(path + "/confirm?what=delete").Want(http.StatusOK)
		done(t, "delete", alice.post(path, "do", "delete"))
		alice.get(path).Want(http.StatusNotFound)
		// A person has another page.
		alice.get(list + "/" + s.AdminID).Want(http.StatusNotFound)
	})
}

// TestApplicationUserPagesOfOthers: without the permission nothing of them is
// seen or done.
func TestApplicationUserPagesOfOthers(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		list := "/organizations/" + s.OrganizationID + "/application-users"
		path := madeAt(t, "create", s.as(t, s.AdminToken).post(list, "name", "robot"))
		bob, eve := s.as(t, s.Session(t, s.AddUser(t, s.OrganizationID, "bob@c.example", "", false))), s.as(t, s.Eve(t).Session)
		for _, page := range []string{list, path, path + "/tokens/new", path + "/confirm?what=delete"} {
			bob.get(page).Want(http.StatusForbidden)
			eve.get(page).Want(http.StatusNotFound)
		}
		for to, form := range map[string][]string{list: {"name", "Mine"}, path: {"do", "delete"}, path + "/tokens": {"life", "30"}, path + "/permissions": {"permission", "developer"}} {
			bob.post(to, form...).Want(http.StatusForbidden)
			eve.post(to, form...).Want(http.StatusNotFound)
		}
	})
}

// TestOrganizationFormsAreOurs (row WEB-01 for these pages): what another site
// makes a browser send is refused, and changes nothing.
func TestOrganizationFormsAreOurs(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice := s.as(t, s.AdminToken)
		bob := s.AddUser(t, s.OrganizationID, "bob@c.example", "", false)
		base := "/organizations/" + s.OrganizationID
		group := madeAt(t, "group", alice.post(base+"/groups", "name", "Crew"))
		app := madeAt(t, "application user", alice.post(base+"/application-users", "name", "robot"))
		user := base + "/users/" + bob
		forms := map[string][]string{
			"/organizations": {"name", "Another"}, base + "/users": {"do", "invite", "email", "new@c.example"},
			user: {"do", "make-super"}, user + "/proofs": {"do", "reset-factor"}, user + "/groups": {"do", "add", "group", group}, user + "/permissions": {"permission", "developer"}, user + "/membership": {"do", "remove"},
			base + "/groups": {"name", "Other"}, group: {"do", "delete"}, group + "/permissions": {"permission", "developer"},
			base + "/application-users": {"name", "Other"}, app: {"do", "delete"}, app + "/permissions": {"permission", "developer"}, app + "/tokens": {"life", "30"},
		}
		s.nothing(t, "forms of another site", func() {
			for path, form := range forms {
				for _, headers := range s.foreignSites() {
					alice.send(http.MethodPost, path, form, headers).Want(http.StatusForbidden)
				}
			}
		})
	})
}
