package server_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// granted are the permissions on a resource as the API shows them.
func (s *scene) granted(t *testing.T, resource string) string {
	t.Helper()
	return string(s.Do(t, http.MethodGet, s.organizationPath("/permissions/"+resource), s.AdminToken, nil).Want(http.StatusOK).Body)
}

// TestAccessByPage: who has access to a project and to a unit is given, changed
// and taken away by their pages, as the API then shows it.
func TestAccessByPage(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, base := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID
		bob := s.AddUser(t, s.OrganizationID, "bob@c.example", "", false)
		group := madeAt(t, "group", alice.post(base+"/groups", "name", "Crew <b>"))
		groupID := group[strings.LastIndex(group, "/")+1:]
		robot, _ := s.App(t)
		unit := madeAt(t, "unit", alice.post(base+"/settings/units", "name", "Research"))
		unitID := unit[strings.LastIndex(unit, "/")+1:]
		project := madeAt(t, "project", alice.post(base+"/projects", "name", "shop", "unit", unitID))
		for path, resource := range map[string]string{project: "project/shop", unit: "organization_unit/" + unitID} {
			form := path + "/permissions"
			wrong := func(says string, pairs ...string) {
				t.Helper()
				if a := alice.post(form, pairs...); a.Status != http.StatusBadRequest || !strings.Contains(string(a.Body), says) {
					t.Errorf("%s %q: %d, %s", form, pairs, a.Status, problemIn(a))
				}
			}
			wrong(`id="who-wrong"`, "do", "give", "who", "stranger@c.example", "permission", "developer")
			wrong(`value="bob@c.example"`, "do", "give", "who", "bob@c.example")
			wrong(`id="problem"`, "do", "give", "who", "bob@c.example", "permission", "organization:users:write")
			wrong(`id="problem"`, "do", "dance")
			done(t, "person", alice.post(form, "do", "give", "who", " BOB@c.example ", "permission", "developer", "permission", "service:logs:read"))
			done(t, "group", alice.post(form, "do", "give", "who", "Crew <b>", "permission", "read_only"))
			done(t, "robot", alice.post(form, "do", "give", "who", robot, "permission", "operator"))
			page := html.UnescapeString(string(alice.get(path).Want(http.StatusOK).Body))
			for _, says := range []string{base + "/users/" + bob, group + `"`, base + "/application-users/" + robot, "<code>service:logs:read</code>", `value="user:` + bob + `"`} {
				if !strings.Contains(page, says) {
					t.Errorf("%s does not say %s", path, says)
				}
			}
			if page := string(alice.get(path).Body); strings.Contains(page, "Crew <b>") {
				t.Errorf("%s has the group's name as markup", path)
			}
			done(t, "change", alice.post(form, "do", "set", "principal", "user:"+bob, "permission", "operator"))
			if got := s.granted(t, resource); strings.Contains(got, "service:logs:read") || !strings.Contains(got, bob) || !strings.Contains(got, groupID) {
				t.Errorf("on %s: %s", resource, got)
			}
			done(t, "remove", alice.post(form, "do", "remove", "principal", "user:"+bob))
			if got := s.granted(t, resource); strings.Contains(got, bob) || !strings.Contains(got, groupID) {
				t.Errorf("on %s: %s", resource, got)
			}
			if page := string(alice.get(group).Want(http.StatusOK).Body); !strings.Contains(page, `href="`+path+`"`) {
				t.Errorf("the group's page does not lead to %s", path)
			}
			if to := alice.get(form).Want(http.StatusSeeOther).Header.Get("Location"); to != path {
				t.Errorf("%s leads to %s", form, to)
			}
		}
		if page := string(alice.get(project).Body); !strings.Contains(page, `<a href="`+unit+`">Research</a>`) {
			t.Errorf("the project's page does not lead to its unit: %s", page)
		}
		done(t, "move", alice.post(project, "do", "move", "unit", ""))
		if got := s.Do(t, http.MethodGet, "/v1/project/shop", s.AdminToken, nil).Body; strings.Contains(string(got), unitID) {
			t.Errorf("the project is %s", got)
		}
		alice.post(project, "do", "move", "unit", "a00000000000").Want(http.StatusBadRequest)
	})
}

// TestAccessPagesOfOthers: an admin of a unit gives what the role covers, there
// only; members see no more than the API shows them; strangers find nothing.
func TestAccessPagesOfOthers(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		base := "/organizations/" + s.OrganizationID
		research, sales := s.AddUnit(t, s.OrganizationID, s.AccountID, "Research"), s.AddUnit(t, s.OrganizationID, s.AccountID, "Sales")
		s.AddProject(t, s.OrganizationID, research, "lab")
		s.AddProject(t, s.OrganizationID, sales, "shop")
		s.AddProject(t, s.OrganizationID, s.AccountID, "site")
		alice := s.as(t, s.AdminToken)
		leader, carol := s.AddUser(t, s.OrganizationID, "lead@c.example", "", false), s.AddUser(t, s.OrganizationID, "carol@c.example", "", false)
		inResearch, inSales := base+"/settings/units/"+research, base+"/settings/units/"+sales
		done(t, "leader", alice.post(inResearch+"/permissions", "do", "give", "who", leader, "permission", "role:project:admin"))
		lead, member, eve := s.as(t, s.Session(t, leader)), s.as(t, s.Session(t, carol)), s.as(t, s.Eve(t).Session)

		for _, path := range []string{inResearch, base + "/projects/lab"} {
			page := string(lead.get(path).Want(http.StatusOK).Body)
			if !strings.Contains(page, `value="give"`) || !strings.Contains(page, `value="developer"`) || strings.Contains(page, `value="admin"`) {
				t.Errorf("%s offers the leader %s", path, page)
			}
			done(t, "give", lead.post(path+"/permissions", "do", "give", "who", carol, "permission", "developer"))
			if a := lead.post(path+"/permissions", "do", "give", "who", leader, "permission", "admin"); a.Status != http.StatusForbidden || problemIn(a) == "" {
				t.Errorf("%s lets the leader give admin: %d", path, a.Status)
			}
			done(t, "take", lead.post(path+"/permissions", "do", "remove", "principal", "user:"+carol))
		}
		// What only an admin gives stays when the leader changes the rest.
		done(t, "admin", alice.post(inResearch+"/permissions", "do", "give", "who", carol, "permission", "admin"))
		if page := string(lead.get(inResearch).Body); !strings.Contains(page, `name="permission" value="admin"`) {
			t.Error("the form would take admin away")
		}
		done(t, "keep", lead.post(inResearch+"/permissions", "do", "set", "principal", "user:"+carol, "permission", "admin", "permission", "developer"))
		lead.post(inResearch+"/permissions", "do", "set", "principal", "user:"+carol, "permission", "developer").Want(http.StatusForbidden)
		done(t, "no admin", alice.post(inResearch+"/permissions", "do", "remove", "principal", "user:"+carol))

		if page := string(lead.get(inSales).Want(http.StatusOK).Body); strings.Contains(page, "/permissions") || strings.Contains(page, "shop") {
			t.Errorf("the other unit shows the leader %s", page)
		}
		lead.get(base + "/projects/shop").Want(http.StatusNotFound)
		lead.post(base+"/projects/lab", "do", "move", "unit", sales).Want(http.StatusForbidden)
		list := string(lead.get(base + "/projects").Want(http.StatusOK).Body)
		if !strings.Contains(list, "lab") || strings.Contains(list, "shop") || strings.Contains(list, `value="`+sales+`"`) || strings.Contains(list, `<option value="">`) {
			t.Errorf("the leader's projects are %s", list)
		}
		done(t, "make", lead.post(base+"/projects", "name", "lab-two", "unit", research))
		lead.post(base+"/projects", "name", "mine", "unit", "").Want(http.StatusForbidden)

		before := s.granted(t, "organization_unit/"+research)
		for path, forMember := range map[string]int{inResearch: http.StatusOK, base + "/projects/lab": http.StatusNotFound} {
			a := member.get(path).Want(forMember)
			if strings.Contains(string(a.Body), `<form method="post" action="`+path) || strings.Contains(string(a.Body), "lead@c.example") {
				t.Errorf("%s shows a member %s", path, a.Body)
			}
			eve.get(path).Want(http.StatusNotFound)
			for _, form := range [][]string{{"do", "give", "who", carol, "permission", "admin"}, {"do", "remove", "principal", "user:" + leader}} {
				if a := member.post(path+"/permissions", form...); a.Status < 400 || a.Status >= 500 {
					t.Errorf("a member's %q on %s: %d", form, path, a.Status)
				}
				eve.post(path+"/permissions", form...).Want(http.StatusNotFound)
			}
		}
		if after := s.granted(t, "organization_unit/"+research); after != before {
			t.Errorf("the grants are %s after %s", after, before)
		}
	})
}

// TestListsAreFound: groups, application users and projects are narrowed by what
// is typed, whatever it is.
func TestListsAreFound(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, base := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID
		group := madeAt(t, "group", alice.post(base+"/groups", "name", "Größte Crew"))
		robot := madeAt(t, "robot", alice.post(base+"/application-users", "name", "Nightly Backup"))
		project := madeAt(t, "project", alice.post(base+"/projects", "name", "web-shop"))
		for path, found := range map[string]struct{ text, entry string }{
			"/groups": {"GROSSTE", group}, "/application-users": {"backup", robot}, "/projects": {"SHOP", project},
		} {
			for _, text := range []string{found.text, ""} {
				if page := string(alice.get(base + path + "?" + url.Values{"q": {text}}.Encode()).Want(http.StatusOK).Body); !strings.Contains(page, `href="`+found.entry+`"`) {
					t.Errorf("%s does not find %q", path, text)
				}
			}
			for _, text := range []string{"zzz", "%", "_", "\x00", "'", "\xff", `"><b>`, strings.Repeat("a", 4000)} {
				page := string(alice.get(base + path + "?" + url.Values{"q": {text}, "after": {text}, "before": {text}}.Encode()).Want(http.StatusOK).Body)
				if text == "zzz" && strings.Contains(page, `href="`+found.entry+`"`) || strings.Contains(page, "><b>") {
					t.Errorf("%s finds %q: %s", path, text, page)
				}
			}
		}
	})
}
