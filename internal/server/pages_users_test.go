package server_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// member reads a member of the first organization by the API.
func (s *scene) member(t *testing.T, id string) map[string]any {
	t.Helper()
	return s.Do(t, http.MethodGet, s.organizationPath("/user/"+id), s.AdminToken, nil).Want(http.StatusOK).Object()
}

// done fails the test unless a form was taken.
func done(t *testing.T, what string, a servertest.Answer) {
	t.Helper()
	if a.Status != http.StatusSeeOther || !strings.Contains(a.Header.Get("Location"), "?done=") {
		t.Errorf("%s: %d to %q: %s", what, a.Status, a.Header.Get("Location"), problemIn(a))
	}
}

var problemText = regexp.MustCompile(`(?s)id="problem">(.*?)</div>`)

// problemIn is what a page says went wrong.
func problemIn(a servertest.Answer) string {
	if m := problemText.FindSubmatch(a.Body); m != nil {
		return string(m[1])
	}
	return ""
}

// TestUserPage: each form of a member's page does what the API then shows.
func TestUserPage(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice := s.as(t, s.AdminToken)
		bob := s.AddUser(t, s.OrganizationID, "bob@c.example", bobPassword, false)
		s.Manage(t, bob)
		session := s.Session(t, bob)
		path := "/organizations/" + s.OrganizationID + "/users/" + bob
		if page := string(alice.get(path).Want(http.StatusOK).Body); !strings.Contains(page, session[:12]) || !strings.Contains(page, "Password") {
			t.Errorf("the page lacks the session or the password: %s", page)
		}

		if a := alice.post(path, "do", "profile", "real_name", " ", "city", "Rome"); a.Status != http.StatusBadRequest || !strings.Contains(string(a.Body), `id="real_name-wrong"`) || !strings.Contains(string(a.Body), `value="Rome"`) {
			t.Errorf("a blank name: %d %s", a.Status, a.Body)
		}
		done(t, "profile", alice.post(path, "do", "profile", "real_name", "Bob <b>", "city", "Rome", "country", "IT"))
		if info := s.member(t, bob)["user_info"].(map[string]any); info["real_name"] != "Bob <b>" || info["city"] != "Rome" {
			t.Errorf("the profile is %v", info)
		}

		done(t, "super", alice.post(path, "do", "make-super"))
		if s.member(t, bob)["is_super_admin"] != true {
			t.Error("no super admin")
		}
		done(t, "no super", alice.post(path, "do", "unmake-super"))

		done(t, "permissions", alice.post(path+"/permissions", "permission", "organization:groups:write", "permission", "developer"))
		if got := string(s.Do(t, "GET", s.organizationPath("/permissions/organization/"+s.OrganizationID), s.AdminToken, nil).Body); !strings.Contains(got, bob) || !strings.Contains(got, "organization:groups:write") {
			t.Errorf("the permissions are %s", got)
		}
		if page := string(alice.get(path).Body); !strings.Contains(page, `value="developer" checked`) {
			t.Error("what is held is not checked")
		}

		group := s.Do(t, "POST", s.organizationPath("/user-groups"), s.AdminToken, map[string]any{"user_group_name": "Crew", "description": ""}).Want(http.StatusOK).String("user_group_id")
		done(t, "into a group", alice.post(path+"/groups", "do", "add", "group", group))
		members := func() string {
			return string(s.Do(t, "GET", s.organizationPath("/user-groups/"+group+"/members"), s.AdminToken, nil).Body)
		}
		if !strings.Contains(members(), bob) {
			t.Error("not in the group")
		}
		done(t, "out of the group", alice.post(path+"/groups", "do", "remove", "group", group))
		if strings.Contains(members(), bob) {
			t.Error("still in the group")
		}

		done(t, "password", alice.post(path, "do", "reset-password"))
		done(t, "revoke", alice.post(path, "do", "revoke", "id", session[:12]))
		s.Do(t, "GET", "/v1/me", session, nil).Want(http.StatusUnauthorized)

		done(t, "deactivate", alice.post(path, "do", "deactivate"))
		if got := s.member(t, bob)["user_info"].(map[string]any)["state"]; got != "deactivated" {
			t.Errorf("the state is %v", got)
		}
		done(t, "reactivate", alice.post(path, "do", "reactivate"))
		if a := alice.post(path, "do", "delete"); a.Status != http.StatusBadRequest || problemIn(a) == "" {
			t.Errorf("an active user is deleted: %d %s", a.Status, a.Body)
		}
		done(t, "deactivate", alice.post(path, "do", "deactivate"))
		done(t, "delete", alice.post(path, "do", "delete"))
		alice.get(path).Want(http.StatusNotFound)
	})
}

// TestUserPageNeedsRecentLogin: what takes proofs away, and super admin, lead to
// a login once the session is old, and change nothing.
func TestUserPageNeedsRecentLogin(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice := s.as(t, s.AdminToken)
		bob := s.AddUser(t, s.OrganizationID, "bob@c.example", bobPassword, false)
		s.Manage(t, bob)
		path := "/organizations/" + s.OrganizationID + "/users/" + bob
		done(t, "reset-factor", alice.post(path+"/proofs", "do", "reset-factor"))
		s.advance(11 * time.Minute)
		for _, form := range [][]string{{path + "/proofs", "do", "reset-factor"}, {path + "/proofs", "do", "remove-login", "id", "x"}, {path, "do", "make-super"}} {
			if to := alice.post(form[0], form[1:]...).Want(http.StatusSeeOther).Header.Get("Location"); to != "/login" {
				t.Errorf("%v leads to %s", form, to)
			}
		}
		if s.member(t, bob)["is_super_admin"] != false {
			t.Error("they are super admin")
		}
		if to := alice.get(path + "/proofs").Want(http.StatusSeeOther).Header.Get("Location"); to != path {
			t.Errorf("the form's address leads to %s", to)
		}
	})
}

// TestUserPageOfOthers: a member without the permission sees no controls and is
// refused by each form; a stranger's forms find nothing.
func TestUserPageOfOthers(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob := s.AddUser(t, s.OrganizationID, "bob@c.example", bobPassword, false)
		carol := s.AddUser(t, s.OrganizationID, "carol@c.example", "", false)
		s.Manage(t, carol)
		asBob, eve := s.as(t, s.Session(t, bob)), s.as(t, s.Eve(t).Session)
		path := "/organizations/" + s.OrganizationID + "/users/" + carol
		if page := string(asBob.get(path).Want(http.StatusOK).Body); strings.Contains(page, `action="`+path) || strings.Contains(page, "/confirm?") {
			t.Errorf("a member is offered what they may not do: %s", page)
		}
		forms := map[string][]string{
			path: {"do", "deactivate"}, path + "/proofs": {"do", "reset-factor"}, path + "/groups": {"do", "add", "group", "x"},
			path + "/permissions": {"permission", "developer"}, path + "/membership": {"do", "remove"},
			"/organizations/" + s.OrganizationID + "/users": {"do", "invite", "email", "new@c.example"},
		}
		before := s.member(t, carol)["user_info"].(map[string]any)["state"]
		for to, form := range forms {
			asBob.post(to, form...).Want(http.StatusForbidden)
			eve.post(to, form...).Want(http.StatusNotFound)
		}
		if after := s.member(t, carol)["user_info"].(map[string]any)["state"]; after != before {
			t.Errorf("the state is %v", after)
		}
		own := "/organizations/" + s.OrganizationID + "/users/" + bob
		asBob.get(own + "/confirm?what=remove").Want(http.StatusOK)
		done(t, "leave", asBob.post(own+"/membership", "do", "remove"))
		asBob.get(own).Want(http.StatusNotFound)
	})
}

// TestInvitationsByPage: inviting, withdrawing, and what is wrong with an
// address.
func TestInvitationsByPage(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice := s.as(t, s.AdminToken)
		path := "/organizations/" + s.OrganizationID + "/users"
		if a := alice.post(path, "do", "invite", "email", "nobody"); a.Status != http.StatusBadRequest || !strings.Contains(string(a.Body), `id="email-wrong"`) {
			t.Errorf("no address: %d %s", a.Status, a.Body)
		}
		open := func() string {
			return string(s.Do(t, "GET", s.organizationPath("/invitation"), s.AdminToken, nil).Want(http.StatusOK).Body)
		}
		done(t, "invite", alice.post(path, "do", "invite", "email", "new@c.example"))
		if !strings.Contains(open(), "new@c.example") || !strings.Contains(string(alice.get(path).Body), "new@c.example") {
			t.Error("the invitation is not there")
		}
		alice.get(path + "/withdraw?" + url.Values{"email": {"new@c.example"}}.Encode()).Want(http.StatusOK)
		done(t, "withdraw", alice.post(path, "do", "withdraw", "email", "new@c.example"))
		if strings.Contains(open(), "new@c.example") {
			t.Error("the invitation is still there")
		}
	})
}

// TestUsersAreFound: the list is narrowed by the form above it, and cut into
// pages.
func TestUsersAreFound(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice := s.as(t, s.AdminToken)
		bob := s.AddUser(t, s.OrganizationID, "bob@c.example", "", false)
		s.Manage(t, bob)
		path := "/organizations/" + s.OrganizationID + "/users"
		for query, found := range map[string][2]bool{ // Alice, Bob
			"": {true, true}, "?q=BOB": {false, true}, "?show=managed": {false, true}, "?show=super": {true, false}, "?q=zzz": {false, false}, "?after=nobody": {true, true},
		} {
			page := string(alice.get(path + query).Want(http.StatusOK).Body)
			if got := [2]bool{strings.Contains(page, path+"/"+s.AdminID), strings.Contains(page, path+"/"+bob)}; got != found {
				t.Errorf("%q finds %v, want %v", query, got, found)
			}
		}
		for i := range 60 {
			s.AddUser(t, s.OrganizationID, "z"+strings.Repeat("z", i)+"@c.example", "", false)
		}
		further := regexp.MustCompile(`href="([^"]+)" rel="next"`)
		back := regexp.MustCompile(`href="([^"]+)" rel="prev"`)
		first := string(alice.get(path).Body)
		to := further.FindStringSubmatch(first)
		if strings.Count(first, "<tr>") != 51 || to == nil || back.MatchString(first) {
			t.Fatalf("the first page has %d rows and leads to %v", strings.Count(first, "<tr>")-1, to)
		}
		second := string(alice.get(to[1]).Body)
		from := back.FindStringSubmatch(second)
		if strings.Count(second, "<tr>") != 13 || from == nil || further.MatchString(second) {
			t.Fatalf("the second page has %d rows and leads to %v", strings.Count(second, "<tr>")-1, from)
		}
		if page := string(alice.get(from[1]).Body); strings.Count(page, "<tr>") != 51 || !strings.Contains(page, path+"/"+s.AdminID) {
			t.Error("the way back leads elsewhere")
		}
		if page := string(alice.get(path + "?after=nobody").Body); strings.Count(page, "<tr>") != 51 {
			t.Error("an entry that is gone leads to no list")
		}
	})
}
