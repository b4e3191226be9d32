package server_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// everyOrganizationPage shows each page of an organization's people in turn.
func (w *window) everyOrganizationPage(look func(name string)) {
	t, s := w.t, w.s
	at := func(name, path string) {
		w.open(path)
		look(name)
	}
	base := "/organizations/" + s.OrganizationID
	alice := s.as(t, s.AdminToken)
	bob := s.AddUser(t, s.OrganizationID, "bob.with.a.long.address@department.c.example", bobPassword, false)
	s.Manage(t, bob)
	s.Session(t, bob)
	s.AddUser(t, s.OrganizationID, "carol@c.example", "", true)
	alice.post(base+"/users", "do", "invite", "email", "new@c.example")
	alice.post("/organizations", "name", "Ball & Sons, a company with quite a long name")
	w.logIn(servertest.AdminEmail, servertest.AdminPassword)
	at("organizations", "/organizations")
	at("organization", base)
	w.Do(t, chromedp.Click(chromedp.CSS(".switch summary")), chromedp.WaitVisible(chromedp.CSS(".switch li a")))
	look("organization-switch")
	at("users", base+"/users")
	at("users-none", base+"/users?q=zzz")
	at("users-withdraw", base+"/users/withdraw?email=new%40c.example")
	at("user-managed", base+"/users/"+bob)
	at("user-own", base+"/users/"+s.AdminID)
	at("user-confirm", base+"/users/"+bob+"/confirm?what=deactivate")
	at("groups-none", base+"/groups")
	group := madeAt(t, "group", alice.post(base+"/groups", "name", "Crew", "description", "Who keeps the ship afloat"))
	alice.post(group, "do", "add", "member", bob)
	at("groups", base+"/groups")
	alice.post(group+"/permissions", "permission", "organization:groups:write")
	at("group", group)
	w.fill("#member", "nobody@c.example")
	w.submit(".inline button")
	look("group-problem")
	at("application-users-none", base+"/application-users")
	robot := madeAt(t, "application user", alice.post(base+"/application-users", "name", "Nightly backup"))
	at("application-users", base+"/application-users")
	at("application-user-none", robot)
	at("application-token-new", robot+"/tokens/new")
	w.fill("#description", "Backup of the billing database")
	w.submit("form.panel .row button")
	look("application-token-made")
	at("application-user", robot)
	for i := range 55 {
		s.AddUser(t, s.OrganizationID, fmt.Sprintf("person%d@department.c.example", i), "", false)
	}
	w.open(base + "/users")
	w.submit(`a[rel=next]`)
	look("users-further")
	s.Do(t, "PATCH", s.organizationPath("/config/authentication"), s.AdminToken, map[string]any{"two_factor_required": true, "accept_lockout": true}).Want(200)
	at("door", base)
	at("organizations-door", "/organizations")
}

// TestOrganizationPagesAreAccessible has axe-core look at these pages, as
// TestPagesAreAccessible does at the others.
func TestOrganizationPagesAreAccessible(t *testing.T) {
	t.Parallel()
	lookAt(t, (*window).everyOrganizationPage)
}
