package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// TestSettingsPage: the organization and its units are renamed, made and deleted
// as the API shows them, and the organization only by who typed its name.
func TestSettingsPage(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/settings"
		wrong := func(a servertest.Answer, says string) {
			t.Helper()
			if page := string(a.Want(http.StatusBadRequest).Body); !strings.Contains(page, says) {
				t.Errorf("the page does not say %s: %s", says, page)
			}
		}
		wrong(alice.post(path, "name", " "), `id="name-wrong"`)
		alice.post(path, "name", "Ball & Sons").Want(http.StatusSeeOther)
		if got := s.Do(t, http.MethodGet, "/v1/organization/"+s.OrganizationID, s.AdminToken, nil).String("organization_name"); got != "Ball & Sons" {
			t.Errorf("the name is %q", got)
		}
		unit := func() sallyport.Account {
			t.Helper()
			var list sallyport.AccountList
			s.Do(t, http.MethodGet, "/v1/account", s.AdminToken, nil).Want(http.StatusOK).Decode(&list)
			for _, a := range list.Accounts {
				if a.ParentAccountID != nil && a.OrganizationID == s.OrganizationID {
					return a
				}
			}
			return sallyport.Account{}
		}
		wrong(alice.post(path+"/units", "name", ""), `id="unit-wrong"`)
		at := madeAt(t, "unit", alice.post(path+"/units", "name", "Research"))
		made := unit()
		if at != path+"/units/"+made.AccountID {
			t.Errorf("the unit's page is %s", at)
		}
		wrong(alice.post(at, "do", "rename", "name", ""), `id="name-wrong"`)
		alice.post(at, "do", "rename", "name", "Development").Want(http.StatusSeeOther)
		if got := unit().AccountName; got != "Development" {
			t.Errorf("the unit is called %q", got)
		}
		alice.post(path+"/units/"+s.AccountID, "do", "rename", "name", "By the back door").Want(http.StatusNotFound)
		if page := string(alice.get(path + "/units/" + made.AccountID + "/delete").Want(http.StatusOK).Body); !strings.Contains(page, "Delete the unit Development?") {
			t.Errorf("the question is %s", page)
		}
		wrong(alice.post(path+"/delete", "name", "ball & sons"), `id="name-wrong"`)
		wrong(alice.post(path+"/delete", "name", "Ball & Sons"), `id="contents"`)
		alice.post(at, "do", "delete").Want(http.StatusSeeOther)
		if got := unit().AccountID; got != "" {
			t.Errorf("the unit %s is there still", got)
		}
		alice.post(path+"/units", "name", "Research").Want(http.StatusSeeOther)
		if to := alice.post(path+"/delete", "name", "Ball & Sons", "contents", "yes").Want(http.StatusSeeOther).Header.Get("Location"); !strings.HasPrefix(to, "/organizations?") {
			t.Errorf("the deletion leads to %s", to)
		}
		s.Do(t, http.MethodGet, "/v1/organization/"+s.OrganizationID, s.AdminToken, nil).Want(http.StatusNotFound)
	})
}

// TestProjectsPage: projects are made, renamed and deleted as the API shows
// them; who may not is told so.
func TestProjectsPage(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		member, _ := s.AddMember(t, "bob@c.example", "")
		alice, bob, path := s.as(t, s.AdminToken), s.as(t, s.Session(t, member)), "/organizations/"+s.OrganizationID+"/projects"
		if page := string(alice.post(path, "name", "1 bad").Want(http.StatusBadRequest).Body); !strings.Contains(page, `id="name-wrong"`) || !strings.Contains(page, `value="1 bad"`) {
			t.Errorf("a bad name: %s", page)
		}
		alice.post(path, "name", "web-shop").Want(http.StatusSeeOther)
		s.Do(t, http.MethodGet, "/v1/project/web-shop", s.AdminToken, nil).Want(http.StatusOK)
		if page := string(alice.post(path, "name", "web-shop").Want(http.StatusConflict).Body); !strings.Contains(page, `id="name-wrong"`) {
			t.Errorf("a taken name: %s", page)
		}
		if page := string(alice.get(path + "?q=nothing").Want(http.StatusOK).Body); strings.Contains(page, "web-shop") {
			t.Errorf("searched: %s", page)
		}
		if page := string(bob.get(path).Want(http.StatusOK).Body); strings.Contains(page, "web-shop") || strings.Contains(page, "Create project") {
			t.Errorf("a member sees %s", page)
		}
		bob.post(path, "name", "mine").Want(http.StatusForbidden)
		bob.get(path + "/web-shop/delete").Want(http.StatusNotFound)
		bob.post(path+"/web-shop", "do", "delete").Want(http.StatusNotFound)
		s.Do(t, http.MethodGet, "/v1/project/web-shop", s.AdminToken, nil).Want(http.StatusOK)
		alice.post(path+"/web-shop", "do", "rename", "name", "shop").Want(http.StatusSeeOther)
		s.Do(t, http.MethodGet, "/v1/project/shop", s.AdminToken, nil).Want(http.StatusOK)
		alice.get(path + "/shop/delete").Want(http.StatusOK)
		alice.post(path+"/shop", "do", "delete").Want(http.StatusSeeOther)
		s.Do(t, http.MethodGet, "/v1/project/shop", s.AdminToken, nil).Want(http.StatusForbidden)
	})
}

// settingsPages are the pages of the settings, with what a member without
// permissions is answered.
var settingsPages = map[string]int{
	"/authentication-policy/pilots": http.StatusForbidden, "/authentication-policy/pilots/new": http.StatusForbidden,
	"/authentication-policy/history": http.StatusForbidden, "/authentication-policy/history/1": http.StatusForbidden,
	"/authentication-policy": http.StatusOK, "/ip-ranges": http.StatusForbidden, "/ip-ranges/confirm?do=enable": http.StatusForbidden,
	"/ip-ranges?address=203.0.113.7": http.StatusForbidden, "/ip-ranges/learned": http.StatusForbidden,
	"/domains": http.StatusForbidden, "/identity-providers": http.StatusForbidden, "/identity-providers/new": http.StatusForbidden, "/audit-log": http.StatusForbidden, "/audit-log/export": http.StatusForbidden,
	"/projects": http.StatusOK, "/settings": http.StatusOK, "/settings/delete": http.StatusForbidden,
}

// TestSettingsAreForAdmins: strangers learn nothing, members see what the API
// shows them and change nothing, and no other site sends the forms (row WEB-01).
func TestSettingsAreForAdmins(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		member, _ := s.AddMember(t, "bob@c.example", "")
		alice, bob, eve, nobody := s.as(t, s.AdminToken), s.as(t, s.Session(t, member)), s.as(t, s.Eve(t).Session), s.visitor(t)
		base := "/organizations/" + s.OrganizationID
		for path, forBob := range settingsPages {
			alice.get(base + path).Want(http.StatusOK)
			bob.get(base + path).Want(forBob)
			eve.get(base + path).Want(http.StatusNotFound)
			nobody.get(base + path).Want(http.StatusSeeOther)
		}
		before := s.Value(t, `SELECT COUNT(*) FROM events WHERE outcome = 'success'`)
		for path, form := range map[string][]string{
			"/authentication-policy": {"do", "save", "change", `{"personal_tokens_enabled":false}`}, "/ip-ranges": {"do", "add", "range", "203.0.113.0/24"},
			"/authentication-policy/history/1/restore": {"do", "save"}, "/pending-change": {"do", "confirm"},
			"/authentication-policy/pilots": {"name", "x", "people", "bob@c.example", "password", "alone", "sso", "any", "tokens", "all"},
			"/ip-ranges/learn":              {"do", "start", "days", "7"},
			"/domains":                      {"name", "club.example"}, "/projects": {"name", "shop"}, "/settings": {"name", "Other"},
			"/settings/units": {"name", "Unit"}, "/settings/delete": {"name", "Organization A"},
		} {
			a := bob.post(base+path, form...)
			if a.Status != http.StatusForbidden {
				t.Errorf("%s: a member is answered %d", path, a.Status)
			}
			eve.post(base+path, form...).Want(http.StatusNotFound)
			nobody.post(base+path, form...).Want(http.StatusSeeOther)
			alice.send(http.MethodPost, base+path, form, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}).Want(http.StatusForbidden)
			alice.send(http.MethodPost, base+path, form, nil).Want(http.StatusForbidden)
		}
		if after := s.Value(t, `SELECT COUNT(*) FROM events WHERE outcome = 'success'`); after != before {
			t.Errorf("there are %s events after %s", after, before)
		}
	})
}
