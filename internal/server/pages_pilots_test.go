package server_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

var pilotInPath = regexp.MustCompile(`plt[0-9a-f]{11}`)

// pageSays fails the test unless a page says all of it.
func pageSays(t *testing.T, a servertest.Answer, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(string(a.Body), part) {
			t.Errorf("the page does not say %s: %s", part, a.Body)
		}
	}
}

// TestPilotPages without scripts: a pilot is begun, looked at, changed, promoted
// on trial, undone, and dropped.
func TestPilotPages(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/authentication-policy/pilots"
		_, bob := s.AddMember(t, "bob@c.example", "")
		pageSays(t, alice.get(path).Want(http.StatusOK), "No pilot is running")
		form := func(changes ...string) []string {
			return wholePolicy(append([]string{"password", "factor", "name", "Second <factor>", "people", "bob@c.example", "addresses", "same"}, changes...)...)
		}
		for answer, words := range map[string]string{"people\x00eve@b.example": "eve@b.example is no member", "name\x00 ": "name of a pilot must have", "people\x00": "must name 1 to 1000"} {
			name, value, _ := strings.Cut(answer, "\x00")
			pageSays(t, alice.post(path, form(name, value)...).Want(http.StatusBadRequest), words)
		}
		pageSays(t, alice.post(path, form("addresses", "own", "ranges", "203.0.113.7/24")...).Want(http.StatusBadRequest), `id="ranges-wrong"`)
		made := alice.post(path, form()...).Want(http.StatusSeeOther).Header.Get("Location")
		one := path + "/" + pilotInPath.FindString(made)
		pageSays(t, alice.get(one).Want(http.StatusOK), "Second &lt;factor&gt;", "bob@c.example")
		s.Do(t, http.MethodGet, s.organizationPath(""), bob, nil).Want(http.StatusForbidden)
		s.Do(t, http.MethodGet, s.organizationPath(""), s.AdminToken, nil).Want(http.StatusOK)
		pageSays(t, alice.get(one), "1 locked out", "mfa_required_by_organization ×1", "requires a second factor at login")
		pageSays(t, alice.get(one+"/edit").Want(http.StatusOK), "bob@c.example", `value="factor" checked`)
		alice.post(one, append(wholePolicy("session-idle", "3"), "do", "change", "name", "Idle", "people", "bob@c.example", "addresses", "any")...).Want(http.StatusSeeOther)
		s.Do(t, http.MethodGet, s.organizationPath(""), bob, nil).Want(http.StatusOK)
		pageSays(t, alice.get(path), "Idle", "3 days")
		pageSays(t, alice.get(one+"/promote").Want(http.StatusOK), "Promote the pilot Idle?", "3 days", `name="confirm"`)
		alice.post(one, "do", "promote", "confirm", "600").Want(http.StatusSeeOther)
		pageSays(t, alice.get("/organizations/"+s.OrganizationID+"/users"), "A change waits for its confirmation", "The promotion of a pilot to everybody", `role="timer"`, "10 minutes")
		pending := "/organizations/" + s.OrganizationID + "/pending-change"
		alice.post(pending, "do", "nothing").Want(http.StatusBadRequest)
		alice.post(pending, "do", "revert").Want(http.StatusSeeOther)
		pageSays(t, alice.post(pending, "do", "confirm").Want(http.StatusBadRequest), "That was not done")
		pageSays(t, alice.get(path), "Idle")
		pageSays(t, alice.get(one+"/drop").Want(http.StatusOK), "Drop the pilot Idle?")
		alice.post(one, "do", "drop").Want(http.StatusSeeOther)
		alice.get(one).Want(http.StatusNotFound)
	})
}

// TestPilotGuardPages: who would lock themselves out says so twice.
func TestPilotGuardPages(t *testing.T) {
	s := newScene(t, servertest.Options{})
	alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/authentication-policy/pilots"
	form := append(wholePolicy("password", "off"), "name", "No passwords", "people", servertest.AdminEmail)
	pageSays(t, alice.post(path, form...).Want(http.StatusBadRequest), "This would lock you out", `name="accept"`)
	bob, _ := s.AddMember(t, "bob@c.example", "")
	member := s.as(t, s.Session(t, bob))
	member.get(path).Want(http.StatusForbidden)
	member.post(path, form...).Want(http.StatusForbidden)
	eve := s.as(t, s.Eve(t).Session)
	eve.get(path).Want(http.StatusNotFound)
	eve.post(path, form...).Want(http.StatusNotFound)
}

// everyPilotPage opens the pages of pilots, and one with a change that waits.
func (w *window) everyPilotPage(look func(name string)) {
	base := "/organizations/" + w.s.OrganizationID + "/authentication-policy"
	w.s.AddMember(w.t, "bob.of.the.berlin.office@b.example", "")
	w.logIn(servertest.AdminEmail, servertest.AdminPassword)
	at := func(name, path string) { w.open(path); look(name) }
	at("pilots-none", base+"/pilots")
	at("pilot-new", base+"/pilots/new")
	w.fill("#name", "Second factor first for the people of Berlin")
	w.Do(w.t, chromedp.SetValue(chromedp.CSS("#people"), "nobody@b.example"))
	w.Do(w.t, chromedp.Click(chromedp.CSS(`input[name="password"][value="factor"]`)))
	w.submit("main form > .row button")
	look("pilot-problem")
	w.Do(w.t, chromedp.SetValue(chromedp.CSS("#people"), "bob.of.the.berlin.office@b.example"))
	w.submit("main form > .row button")
	look("pilot")
	at("pilots", base+"/pilots")
	w.submit("ul.rows a")
	w.submit("section[aria-labelledby=end] a.button")
	look("pilot-promote")
	w.Do(w.t, chromedp.SetValue(chromedp.CSS("#confirm-within"), "3600"))
	w.submit("#confirm form button")
	look("pilot-guard")
	w.s.Do(w.t, http.MethodPatch, w.s.organizationPath("/config/authentication"), w.s.AdminToken, map[string]any{"mcp_enabled": true, "confirm_within_seconds": 86400}).Want(http.StatusOK)
	at("pending", base)
}

// TestPilotPagesAreAccessible has axe-core look at them.
func TestPilotPagesAreAccessible(t *testing.T) {
	t.Parallel()
	lookAt(t, (*window).everyPilotPage)
}

// TestTrialJourney in a browser, with scripts and without: a change of the policy
// that undoes itself counts down, is kept, and another one is undone.
func TestTrialJourney(t *testing.T) {
	t.Parallel()
	for _, scripts := range []bool{true, false} {
		w := newWindow(t)
		w.Scripts(t, scripts)
		w.logIn(servertest.AdminEmail, servertest.AdminPassword)
		path := "/organizations/" + w.s.OrganizationID + "/authentication-policy"
		change := func(days string) {
			w.open(path)
			w.fill("#session-idle", days)
			w.submit("main form > .row button")
			w.Do(t, chromedp.SetValue(chromedp.CSS("#confirm-within"), "600"))
			w.submit("#confirm form button")
			w.see("A change waits for its confirmation")
		}
		change("3")
		if got := w.text("[role=timer]"); scripts != regexp.MustCompile(`^\d\d:\d\d$`).MatchString(got) {
			t.Errorf("with scripts %v the time left is %q", scripts, got)
		}
		w.submit("section.pending form:first-of-type button")
		w.see("The change is confirmed")
		change("4")
		w.submit("section.pending form:last-of-type button")
		w.see("The change is undone")
		if got := w.s.Do(t, http.MethodGet, w.s.organizationPath("/config/authentication"), w.s.AdminToken, nil).Want(http.StatusOK); !strings.Contains(string(got.Body), `"session_idle_seconds":259200`) {
			t.Errorf("the policy is %s", got.Body)
		}
	}
}
