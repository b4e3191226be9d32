package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestOrganizationPagesAreForMembers: strangers learn nothing of an
// organization, members do not get into what admins do, and who is logged out
// comes back after the login.
func TestOrganizationPagesAreForMembers(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		eve := s.Eve(t)
		member, _ := s.AddMember(t, "bob@c.example", "")
		alice, bob, stranger, nobody := s.as(t, s.AdminToken), s.as(t, s.Session(t, member)), s.as(t, eve.Session), s.visitor(t)
		for path, forBob := range organizationPages(s) {
			alice.get(path).Want(http.StatusOK)
			bob.get(path).Want(forBob)
			stranger.get(path).Want(http.StatusNotFound)
			if to := nobody.get(path).Want(http.StatusSeeOther).Header.Get("Location"); to != "/login?"+(url.Values{"next": {path}}).Encode() {
				t.Errorf("%s leads to %s", path, to)
			}
		}
	})
}

// organizationPages are the pages of the first organization by path, with what
// a member without permissions is answered.
func organizationPages(s *scene) map[string]int {
	base := "/organizations/" + s.OrganizationID
	return map[string]int{
		base: http.StatusOK, base + "/users": http.StatusOK, base + "/users?q=a&show=managed": http.StatusOK, base + "/users/withdraw?email=new%40c.example": http.StatusForbidden,
		base + "/users/" + s.AdminID: http.StatusOK, base + "/users/" + s.AdminID + "/confirm?what=deactivate": http.StatusOK,
		base + "/groups": http.StatusOK, base + "/application-users": http.StatusForbidden,
	}
}

// TestOrganizationsCanBeMade: the form makes one as the API shows it, and leads
// into it; a bad name is said beside the field.
func TestOrganizationsCanBeMade(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice := s.as(t, s.AdminToken)
		if a := alice.post("/organizations", "name", " "); a.Status != http.StatusBadRequest || !strings.Contains(string(a.Body), `id="name-wrong"`) {
			t.Errorf("a blank name: %d %s", a.Status, a.Body)
		}
		to := alice.post("/organizations", "name", "Ball & Sons").Want(http.StatusSeeOther).Header.Get("Location")
		path, _, _ := strings.Cut(to, "?")
		if page := string(alice.get(to).Want(http.StatusOK).Body); !strings.Contains(page, "Ball &amp; Sons") || !strings.Contains(page, `id="next"`) {
			t.Errorf("the page is %s", page)
		}
		got := s.Do(t, "GET", "/v1/organization/"+strings.TrimPrefix(path, "/organizations/"), s.AdminToken, nil).Want(http.StatusOK).String("organization_name")
		if got != "Ball & Sons" {
			t.Errorf("its name is %q", got)
		}
	})
}

// TestOrganizationDoor: a login that the policy does not accept is shown what is
// missing, in the list and at the door.
func TestOrganizationDoor(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		member, _ := s.AddMember(t, "bob@c.example", "")
		bob := s.as(t, s.Session(t, member))
		bob.get("/organizations/" + s.OrganizationID).Want(http.StatusOK)
		s.Do(t, http.MethodPatch, s.organizationPath("/config/authentication"), s.AdminToken,
			map[string]any{"two_factor_required": true, "accept_lockout": true}).Want(http.StatusOK)
		for path, status := range map[string]int{"/organizations/" + s.OrganizationID: http.StatusForbidden, "/organizations": http.StatusOK} {
			if page := string(bob.get(path).Want(status).Body); !strings.Contains(page, "Set up a second factor") {
				t.Errorf("%s says nothing of a second factor: %s", path, page)
			}
		}
	})
}
