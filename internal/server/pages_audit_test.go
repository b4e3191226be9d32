package server_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

var newerEvents = regexp.MustCompile(`id="newer" href="([^"]+)"`)

// TestAuditLogIsFollowed: the link to newer events leads to those since the page
// was read and to no others, alone where the script asks; what a filter leaves
// out stays out.
func TestAuditLogIsFollowed(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, base := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID
		path := base + "/audit-log"
		newer := func(page string) string {
			t.Helper()
			m := newerEvents.FindStringSubmatch(page)
			if m == nil {
				t.Fatalf("no link to newer events: %s", page)
			}
			return html.UnescapeString(m[1])
		}
		done(t, "before", alice.post(base+"/groups", "name", "First crew"))
		since := newer(string(alice.get(path).Body))
		since2 := newer(string(alice.get(path + "?action=group_deleted").Body))
		if page := string(alice.get(since).Want(http.StatusOK).Body); !strings.Contains(page, "Nothing new") || strings.Contains(page, "First crew") {
			t.Errorf("nothing is new: %s", page)
		}
		done(t, "after", alice.post(base+"/groups", "name", "Second <b>"))
		page := string(alice.get(since).Want(http.StatusOK).Body)
		if !strings.Contains(page, "Second &lt;b&gt;") || strings.Contains(page, "First crew") || strings.Count(page, `<details class="aside">`) != 1 {
			t.Errorf("since: %s", page)
		}
		if again := string(alice.get(newer(page)).Body); strings.Contains(again, "Second") {
			t.Errorf("the same event is new twice: %s", again)
		}
		part := alice.get(since + "&part=events").Want(http.StatusOK)
		if text := string(part.Body); !strings.HasPrefix(text, `<ul class="rows events" data-newest="`) || !strings.Contains(text, "Second &lt;b&gt;") || strings.Contains(text, "<html") || part.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("the part is %s", text)
		}
		if text := string(alice.get(since2 + "&part=events").Want(http.StatusOK).Body); strings.TrimSpace(text) != "" {
			t.Errorf("filtered: %s", text)
		}
		for _, bad := range []string{"?after=-1", "?after=x", "?after=9999999999999999999", "?after=1&until=2020-01-01", "?part=events"} {
			alice.get(path + bad).Want(http.StatusOK)
		}
		alice.get(path + "?part=events&since=never").Want(http.StatusBadRequest)
		bob := s.as(t, s.Session(t, s.AddUser(t, s.OrganizationID, "bob@c.example", "", false)))
		bob.get(since + "&part=events").Want(http.StatusForbidden)
		s.as(t, s.Eve(t).Session).get(since + "&part=events").Want(http.StatusNotFound)
	})
}

// TestEventsReadInTheLanguageOfThePage, with what people call things as it is.
func TestEventsReadInTheLanguageOfThePage(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/audit-log"
		done(t, "a group", alice.post("/organizations/"+s.OrganizationID+"/groups", "name", `added a passkey" <i>`))
		alice.cookies[languageCookie] = "de"
		german := string(alice.get(path).Want(http.StatusOK).Body)
		if want := `<span>` + servertest.AdminEmail + ` hat die Gruppe &#34;added a passkey\&#34; &lt;i&gt;&#34; angelegt</span>`; !strings.Contains(german, want) {
			t.Errorf("the page lacks %s: %s", want, german)
		}
		if english := regexp.MustCompile(`<span lang="en">([^<]*)</span>`).FindStringSubmatch(german); english != nil {
			t.Errorf("in English it says %s", english[1])
		}
	})
}

// TestEventsReadAsDifferences: what an event changed stands beside what was
// there before, as text whatever it is.
func TestEventsReadAsDifferences(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, base := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID
		group := madeAt(t, "group", alice.post(base+"/groups", "name", `<script>alert(1)</script>`))
		done(t, "rename", alice.post(group, "do", "update", "name", "Crew", "description", ""))
		page := string(alice.get(base + "/audit-log").Want(http.StatusOK).Body)
		for _, part := range []string{"<del>&lt;script&gt;alert(1)&lt;/script&gt;</del>", "<ins>Crew</ins>", `<table class="difference">`} {
			if !strings.Contains(page, part) {
				t.Errorf("the log does not say %s: %s", part, page)
			}
		}
		if strings.Contains(page, "<script>alert") {
			t.Error("a name is markup")
		}
	})
}

// deed is a form of a page, and the event that it leaves.
type deed struct {
	path   string
	form   []string
	action string
	bare   bool // nothing was there before or is after: the target says all
}

// TestEveryFormLeavesItsEvent: what is done by a page is in the log, with who did
// it, to what, and what was there before and after.
func TestEveryFormLeavesItsEvent(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, base := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID
		bob, carol := s.AddUser(t, s.OrganizationID, "bob@c.example", bobPassword, false), s.AddUser(t, s.OrganizationID, "carol@c.example", "", false)
		s.Manage(t, bob)
		session := s.Session(t, bob)
		group := "/organizations/" + s.OrganizationID + "/groups/" + s.Do(t, "POST", s.organizationPath("/user-groups"), s.AdminToken, map[string]any{"user_group_name": "Crew", "description": ""}).Want(http.StatusOK).String("user_group_id")
		groupID := group[strings.LastIndex(group, "/")+1:]
		robot, robotToken := s.App(t)
		unit := s.AddUnit(t, s.OrganizationID, s.AccountID, "Research")
		s.AddProject(t, s.OrganizationID, s.AccountID, "shop")
		user, robotPage, unitPage, project := base+"/users/"+bob, base+"/application-users/"+robot, base+"/settings/units/"+unit, base+"/projects/shop"
		for _, d := range []deed{
			{base + "/users", []string{"do", "invite", "email", "new@c.example"}, "invitation_sent", false},
			{base + "/users", []string{"do", "withdraw", "email", "new@c.example"}, "invitation_withdrawn", false},
			{user, []string{"do", "profile", "real_name", "Bob", "city", "Rome"}, "user_updated", false},
			{user, []string{"do", "make-super"}, "super_admin_changed", false},
			{user, []string{"do", "unmake-super"}, "super_admin_changed", false},
			{user + "/permissions", []string{"permission", "organization:groups:write"}, "permissions_changed", false},
			{user + "/groups", []string{"do", "add", "group", groupID}, "group_members_changed", false},
			{user + "/groups", []string{"do", "remove", "group", "Crew"}, "group_members_changed", false},
			{user, []string{"do", "revoke", "id", session[:12]}, "token_revoked", false},
			{user, []string{"do", "reset-password"}, "password_reset_sent", true},
			{user, []string{"do", "deactivate"}, "user_deactivated", false},
			{user, []string{"do", "reactivate"}, "user_reactivated", false},
			{base + "/users/" + carol + "/membership", []string{"do", "remove"}, "member_removed", false},
			{base + "/groups", []string{"name", "Staff"}, "group_created", false},
			{group, []string{"do", "update", "name", "Team", "description", "x"}, "group_updated", false},
			{group, []string{"do", "add", "member", "bob@c.example"}, "group_members_changed", false},
			{group, []string{"do", "remove", "member", bob}, "group_members_changed", false},
			{group + "/permissions", []string{"permission", "developer"}, "permissions_changed", false},
			{group, []string{"do", "delete"}, "group_deleted", false},
			{base + "/application-users", []string{"name", "Backup"}, "application_user_created", false},
			{robotPage, []string{"do", "rename", "name", "Night"}, "application_user_updated", false},
			{robotPage + "/permissions", []string{"permission", "developer"}, "permissions_changed", false},
			{robotPage + "/tokens", []string{"description", "x", "life", "30"}, "token_created", false},
			{robotPage, []string{"do", "revoke", "id", robotToken[:12]}, "token_revoked", false},
			{robotPage, []string{"do", "delete"}, "application_user_deleted", false},
			{base + "/domains", []string{"name", "club.example", "proof", "dns"}, "domain_added", false},
			{base + "/ip-ranges", []string{"do", "add", "range", "127.0.0.0/8", "words", "here"}, "ip_allowlist_changed", false},
			{base + "/ip-ranges", []string{"do", "describe", "range", "127.0.0.0/8", "words", "there"}, "ip_allowlist_changed", false},
			{base + "/ip-ranges", []string{"do", "enable"}, "ip_allowlist_changed", false},
			{base + "/ip-ranges", []string{"do", "disable"}, "ip_allowlist_changed", false},
			{base + "/ip-ranges", []string{"do", "remove", "range", "127.0.0.0/8"}, "ip_allowlist_changed", false},
			{base + "/authentication-policy", []string{"do", "save", "change", `{"personal_tokens_enabled":false}`}, "policy_changed", false},
			{base + "/projects", []string{"name", "lab", "unit", unit}, "project_created", false},
			{project, []string{"do", "rename", "name", "store"}, "project_updated", false},
			{base + "/projects/store", []string{"do", "move", "unit", unit}, "project_updated", false},
			{base + "/projects/store/permissions", []string{"do", "give", "who", bob, "permission", "developer"}, "permissions_changed", false},
			{base + "/projects/store/permissions", []string{"do", "set", "principal", "user:" + bob, "permission", "operator"}, "permissions_changed", false},
			{base + "/projects/store/permissions", []string{"do", "remove", "principal", "user:" + bob}, "permissions_changed", false},
			{base + "/projects/store", []string{"do", "delete"}, "project_deleted", false},
			{base + "/projects/lab", []string{"do", "delete"}, "project_deleted", false},
			{base + "/settings/units", []string{"name", "Sales"}, "unit_created", false},
			{unitPage, []string{"do", "rename", "name", "Development"}, "unit_renamed", false},
			{unitPage + "/permissions", []string{"do", "give", "who", bob, "permission", "admin"}, "permissions_changed", false},
			{unitPage, []string{"do", "delete"}, "unit_deleted", false},
			{base + "/settings", []string{"name", "Other"}, "organization_renamed", false},
			{"/organizations", []string{"name", "Second"}, "organization_created", false},
			{"/profile/tokens", []string{"description", "x", "life", "30"}, "token_created", false},
			{"/profile/sessions", []string{"others", "yes"}, "sessions_ended", true},
		} {
			last := s.lastEvent(t)
			a := alice.post(d.path, d.form...)
			if a.Status >= 400 {
				t.Errorf("%s %q: %d %s", d.path, d.form, a.Status, problemIn(a))
				continue
			}
			var found *logEntry
			for _, e := range s.since(t, last) {
				if e.action == d.action {
					found = &e
				}
			}
			switch {
			case found == nil:
				t.Errorf("%s %q left %+v, want %s", d.path, d.form, s.since(t, last), d.action)
			case found.actor != s.AdminID || found.target == "" || found.request == "" || found.credential == "" || found.outcome != "success":
				t.Errorf("%s %q: not who did it, or to what: %+v", d.path, d.form, found)
			case !d.bare && !strings.Contains(found.detail, `"before"`) && !strings.Contains(found.detail, `"after"`):
				t.Errorf("%s %q: %s says nothing of before and after: %s", d.path, d.form, d.action, found.detail)
			}
		}
	})
}
