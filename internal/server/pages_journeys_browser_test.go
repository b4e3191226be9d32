package server_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/server/servertest/browser"
)

// The journeys of this file go through what an admin does in a browser, task by
// task, and ask the API what came of it. Each is gone with scripts and without.

// tour is a journey of an admin at the pages of an organization.
type tour struct {
	*window
	scripts bool
	base    string // path of the organization
}

// at opens a page of the organization.
func (w *tour) at(path string) { w.t.Helper(); w.open(w.base + path) }

// sure presses a button that asks first: in a dialog, or on a page of its own.
func (w *tour) sure(selector string) {
	w.t.Helper()
	if w.scripts && w.Has(w.t, selector+"[data-danger]") {
		w.Do(w.t, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible), chromedp.WaitVisible(chromedp.CSS("#danger[open]")))
		w.submit("#danger-yes")
		return
	}
	w.submit(selector)
	w.submit("#confirm form button")
}

// open unfolds what is behind a summary; it works without scripts.
func (w *tour) unfold(selector string) {
	w.t.Helper()
	w.Do(w.t, chromedp.Click(chromedp.CSS(selector+" > summary"), chromedp.NodeVisible))
}

// check is a click on a choice.
func (w *tour) check(selector string) {
	w.t.Helper()
	w.Do(w.t, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// told fails the test unless the page says that something was done.
func (w *tour) told(what string) {
	w.t.Helper()
	if !w.Has(w.t, ".note.good[role=status]") {
		w.t.Fatalf("%s: the page %s tells of nothing: %s", what, w.Path(w.t), w.text("main"))
	}
}

// api is what the API answers an admin about the organization.
func (w *tour) api(path string) string {
	w.t.Helper()
	return string(w.s.Do(w.t, http.MethodGet, w.s.organizationPath(path), w.s.AdminToken, nil).Want(http.StatusOK).Body)
}

// want fails the test unless a text has all parts, and none of those that begin
// with a minus.
func (w *tour) want(text string, parts ...string) {
	w.t.Helper()
	for _, part := range parts {
		absent, not := strings.CutPrefix(part, "-")
		if strings.Contains(text, absent) == not {
			w.t.Errorf("want %q in %s", part, text)
		}
	}
}

// journeys are the tasks of an admin. Each stands on its own.
var journeys = []struct {
	name string
	run  func(w *tour)
}{
	{"invite and withdraw", (*tour).invites},
	{"roles of a user", (*tour).changesRoles},
	{"a managed user", (*tour).managesUser},
	{"groups", (*tour).keepsGroups},
	{"application users and their tokens", (*tour).keepsRobots},
	{"domains", (*tour).addsDomain},
	{"policy", (*tour).setsPolicy},
	{"ranges", (*tour).setsRanges},
	{"projects and units", (*tour).givesAccess},
	{"audit log", (*tour).readsLog},
	{"settings", (*tour).renames},
	{"own tokens and sessions", (*tour).keepsOwn},
	{"the door", (*tour).standsAtTheDoor},
}

// TestJourneys goes all journeys with scripts, and all without.
func TestJourneys(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"scripts", "without"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWindow(t)
			w.Scripts(t, name == "scripts")
			if os.Getenv(picturesOfTheManual) != "" {
				w.Look(t, 1000, "light")
			}
			w.logIn(servertest.AdminEmail, servertest.AdminPassword)
			for _, j := range journeys {
				t.Run(j.name, func(t *testing.T) {
					in := *w
					in.t = t
					j.run(&tour{&in, name == "scripts", "/organizations/" + w.s.OrganizationID})
				})
			}
			w.WantOnly(t, w.s.URL)
		})
	}
}

func (w *tour) invites() {
	w.at("/users")
	w.fill("#email", "guest@c.example")
	w.submit("form:has(#email) button")
	w.told("invite")
	w.want(w.text("main"), "guest@c.example")
	w.s.AddUser(w.t, w.s.OrganizationID, "sam@c.example", "", false)
	w.at("/users")
	w.picture("users")
	w.at("")
	w.picture("overview")
	w.at("/users")
	w.want(w.api("/invitation"), "guest@c.example")
	w.sure(`a[data-value-email="guest@c.example"]`)
	w.told("withdraw")
	w.want(w.api("/invitation"), "-guest@c.example")
}

func (w *tour) changesRoles() {
	ann := w.s.AddUser(w.t, w.s.OrganizationID, "ann@c.example", "", false)
	w.at("/users?q=ann%40c")
	w.submit(".table th a")
	w.on(w.base + "/users/" + ann)
	w.check(`input[name=permission][value="organization:groups:write"]`)
	w.submit(`form[action$="/permissions"] button`)
	w.told("permissions")
	w.want(w.api("/permissions/organization/"+w.s.OrganizationID), ann)
	w.submit(`a[href$="what=make-super"]`)
	w.submit("#confirm form button")
	w.told("super admin")
	if w.s.member(w.t, ann)["is_super_admin"] != true {
		w.t.Error("no super admin")
	}
	w.sure(`a[data-value-do="unmake-super"]`)
	w.sure(`a[data-value-do="remove"]`)
	w.on(w.base + "/users")
	w.told("remove")
}

func (w *tour) managesUser() {
	bea := w.s.AddUser(w.t, w.s.OrganizationID, "bea@c.example", bobPassword, false)
	w.s.Manage(w.t, bea)
	token := w.s.Personal(w.t, bea)
	w.at("/users/" + bea)
	w.fill("#job_title", "Captain")
	w.submit("form:has(#job_title) button")
	w.told("profile")
	w.sure(`a[data-value-id="` + token[:12] + `"]`)
	w.told("revoke")
	w.s.Do(w.t, http.MethodGet, "/v1/me", token, nil).Want(http.StatusUnauthorized)
	w.sure(`a[data-value-do="deactivate"]`)
	w.told("deactivate")
	if state := w.s.member(w.t, bea)["user_info"].(map[string]any)["state"]; state != "deactivated" {
		w.t.Errorf("the state is %v", state)
	}
	w.submit(`form:has(input[value="reactivate"]) button`)
	w.told("reactivate")
}

func (w *tour) keepsGroups() {
	w.s.AddUser(w.t, w.s.OrganizationID, "cleo@c.example", "", false)
	w.at("/groups")
	w.fill("#name", "Crew")
	w.fill("#description", "Who keeps the ship afloat")
	w.submit("form:has(#description) button")
	w.told("create")
	w.fill("#member", "cleo@c.example")
	w.submit("form:has(#member) button")
	w.told("add")
	w.want(w.text("main"), "cleo@c.example")
	w.check(`input[name=permission][value="organization:projects:write"]`)
	w.submit(`form[action$="/permissions"] button`)
	w.told("permissions")
	w.want(w.api("/permissions/organization/"+w.s.OrganizationID), "organization:projects:write")
	w.submit(`form:has(input[value="remove"]) button`)
	w.told("take out")
	w.sure(`a[data-value-do="delete"]`)
	w.on(w.base + "/groups")
	w.told("delete")
}

func (w *tour) keepsRobots() {
	w.at("/application-users")
	w.fill("#name", "Nightly backup")
	w.submit("form:has(#name) button")
	w.told("create")
	page := w.Path(w.t)
	w.submit(`a[href$="/tokens/new"]`)
	w.fill("#description", "Backup of the billing database")
	w.submit("form.panel .row button")
	token := w.text("#token")
	w.s.Do(w.t, http.MethodGet, "/v1/me", token, nil).Want(http.StatusOK)
	w.open(page)
	w.want(w.text("main"), token[:12], "-"+token)
	w.picture("application-user")
	w.sure(`a[data-value-id="` + token[:12] + `"]`)
	w.told("revoke")
	w.s.Do(w.t, http.MethodGet, "/v1/me", token, nil).Want(http.StatusUnauthorized)
}

func (w *tour) addsDomain() {
	w.at("/domains")
	w.fill("#name", "club.example")
	w.submit("form:has(#name) > div button")
	w.told("add")
	line := w.text("#record-value")
	if line == "" || w.text("#record-name") == "" {
		w.t.Errorf("no record to paste: %s", w.text("main"))
	}
	w.picture("domain")
	w.want(w.api("/domains"), "club.example")
	w.at("/domains")
	w.submit(".table th a")
	if w.text("#record-value") != line {
		w.t.Error("the record is another one the second time")
	}
}

func (w *tour) setsPolicy() {
	w.at("/authentication-policy")
	w.check(`input[name="tokens"][value="unmanaged"]`)
	w.fill("#personal-age", "30")
	w.submit("main form > .row button")
	w.want(w.api("/config/authentication"), `"personal_tokens_managed_users_enabled":true`)
	w.picture("policy-review")
	w.submit("#confirm form button")
	w.told("save")
	w.want(w.api("/config/authentication"), `"personal_tokens_managed_users_enabled":false`, `"max_personal_token_age_seconds":2592000`)
}

func (w *tour) setsRanges() {
	w.at("/ip-ranges")
	w.fill("#range", "127.0.0.0/8")
	w.fill("#words", "This machine")
	w.submit("form:has(#range) > div > button")
	w.told("add")
	w.unfold(`.rows details:has(input[value="127.0.0.0/8"])`)
	w.fill("#words-0", "Here")
	w.submit("form:has(#words-0) button")
	w.told("describe")
	w.at("/ip-ranges")
	w.picture("ip-ranges")
	w.sure(`a[data-value-do="enable"]`)
	w.told("turn on")
	w.want(w.api("/config/api-client-ip-allowlist"), "Here", `"api_client_ip_allowlist_enabled":true`)
	w.sure(`a[data-value-do="disable"]`)
	w.told("turn off")
	w.sure(`a[data-value-range="127.0.0.0/8"]`)
	w.told("remove")
}

func (w *tour) givesAccess() {
	dora := w.s.AddUser(w.t, w.s.OrganizationID, "dora@c.example", "", false)
	w.at("/settings")
	w.fill("#unit", "Research")
	w.submit("form:has(#unit) button")
	w.told("unit")
	w.fill("#project", "laboratory")
	w.submit("form:has(#project) button")
	w.told("project")
	w.on(w.base + "/projects/laboratory")
	w.fill("#who", "dora@c.example")
	w.check(`form:has(#who) input[value="developer"]`)
	w.submit("form:has(#who) > div > button")
	w.told("give")
	w.want(w.api("/permissions/project/laboratory"), dora, "developer")
	w.unfold(`.rows details:has(input[name=principal])`)
	w.check(`.rows input[value="operator"]`)
	w.submit(`.rows form:has(input[value="set"]) > div > button`)
	w.told("change")
	w.want(w.api("/permissions/project/laboratory"), "operator")
	w.open(w.base + "/projects/laboratory")
	w.picture("project")
	w.submit(`.rows form:has(input[value="remove"]) button`)
	w.told("take away")
	w.want(w.api("/permissions/project/laboratory"), "-"+dora)
	w.fill("#name", "lab")
	w.submit("form:has(#name) button")
	w.on(w.base + "/projects/lab")
	w.Do(w.t, chromedp.SendKeys(chromedp.CSS("#unit"), "None"))
	w.submit("form:has(#unit) button")
	w.told("move")
	w.sure(`a[data-value-do="delete"]`)
	w.on(w.base + "/projects")
	w.told("delete")
	w.at("/settings")
	w.submit(`section[aria-labelledby=units] .rows a`)
	w.sure(`a[data-value-do="delete"]`)
	w.on(w.base + "/settings")
	w.told("delete the unit")
}

func (w *tour) readsLog() {
	alice := w.s.as(w.t, w.s.AdminToken)
	group := madeAt(w.t, "group", alice.post(w.base+"/groups", "name", "Before the mast"))
	done(w.t, "rename", alice.post(group, "do", "update", "name", "Deck hands", "description", ""))
	w.at("/audit-log")
	w.unfold(".events li:first-child details")
	w.want(w.text(".events li:first-child .difference"), "Before the mast", "Deck hands")
	w.picture("audit-log")
	w.fill("#action", "group_created")
	w.submit("form:has(#action) button")
	w.want(w.text(".events"), "Before the mast", "-changed the user group")
	if address := browser.Value(w.t, w.Browser, chromedp.Evaluate[string]("document.querySelector('a[download]').getAttribute('href')")); !strings.Contains(address, "/export?action=group_created") {
		w.t.Errorf("the export is at %s", address)
	}
	w.at("/audit-log")
	if w.scripts {
		w.follows(alice, group)
		return
	}
	done(w.t, "delete", alice.post(group, "do", "delete"))
	w.submit("#newer")
	w.want(w.text(".events"), "deleted the user group", "-created the user group")
}

// follows sees an event arrive that somebody else makes meanwhile.
func (w *tour) follows(alice *visitor, group string) {
	w.check("#follow")
	done(w.t, "delete", alice.post(group, "do", "delete"))
	// What comes is marked; the wait has the patience of the browser.
	w.Do(w.t, chromedp.WaitVisible(chromedp.CSS(".events li.came")))
	w.want(w.text(".events li.came"), "deleted the user group")
	w.want(w.text("#follow-state"), "1")
	w.unfold(".events li.came details")
	w.check("#follow")
	if pressed := browser.Value(w.t, w.Browser, chromedp.Evaluate[string]("document.getElementById('follow').getAttribute('aria-pressed')")); pressed != "false" {
		w.t.Errorf("it goes on following: %s", pressed)
	}
}

func (w *tour) renames() {
	w.at("/settings")
	w.fill("#name", "Ball & Sons")
	w.submit("form:has(#name) button")
	w.told("rename")
	w.want(w.text(".bar"), "Ball & Sons")
}

func (w *tour) keepsOwn() {
	w.open("/profile/tokens/new")
	w.fill("#description", "Mine")
	w.submit("form.panel .row button")
	token := w.text("#token")
	w.open("/profile/tokens")
	w.want(w.text("main"), "Mine", token[:12])
	w.sure("a.danger")
	w.s.Do(w.t, http.MethodGet, "/v1/me", token, nil).Want(http.StatusUnauthorized)
	other := w.s.Session(w.t, w.s.AdminID)
	w.open("/profile/sessions")
	w.submit(`form:has(input[value="` + other[:12] + `"]) button`)
	w.s.Do(w.t, http.MethodGet, "/v1/me", other, nil).Want(http.StatusUnauthorized)
}

func (w *tour) standsAtTheDoor() {
	eve := w.s.Eve(w.t)
	w.open("/organizations/" + eve.OrganizationID)
	w.want(w.text("main"), "-"+eve.OrganizationID)
	w.s.Do(w.t, http.MethodPatch, w.s.organizationPath("/config/authentication"), w.s.AdminToken, map[string]any{"two_factor_required": true, "accept_lockout": true}).Want(http.StatusOK)
	w.at("")
	w.want(w.text("main"), "second factor")
	w.picture("door")
	w.submit("main a.button")
	w.on("/profile/authentication")
}

// TestTenTasksByKeyboard does the ten tasks that admins do most without a mouse:
// every stop of the tab key on the way is seen.
func TestTenTasksByKeyboard(t *testing.T) {
	t.Parallel()
	w := newWindow(t)
	base := "/organizations/" + w.s.OrganizationID
	in := &tour{w, true, base}
	// go follows the navigation.
	to := func(section string) {
		t.Helper()
		w.tabTo(`nav.rooms a[href="` + base + section + `"]`)
		w.enter(kb.Enter)
		w.on(base + section)
	}
	typed := func(selector, text string) {
		t.Helper()
		w.tabTo(selector)
		w.press(text)
	}

	w.open("/login") // 1: log in
	typed("#email", servertest.AdminEmail)
	w.enter(kb.Enter)
	typed("#password", servertest.AdminPassword)
	w.enter(kb.Enter)
	w.on("/profile/authentication")
	w.tabTo(`a[href="/organizations"]`)
	w.enter(kb.Enter)
	w.tabTo(`main a[href="` + base + `"]`)
	w.enter(kb.Enter)

	to("/users") // 2: invite
	typed("#email", "guest@c.example")
	w.enter(kb.Enter)
	in.told("invite")

	to("/groups") // 3: create a group
	typed("#name", "Crew")
	w.enter(kb.Enter)
	in.told("group")

	typed("#member", servertest.AdminEmail) // 4: add to it
	w.enter(kb.Enter)
	in.told("member")

	to("/application-users") // 5: an application user and a token
	typed("#name", "Backup")
	w.enter(kb.Enter)
	in.told("application user")
	w.tabTo(`a[href$="/tokens/new"]`)
	w.enter(kb.Enter)
	typed("#description", "By keyboard")
	w.enter(kb.Enter)
	if w.text("#token") == "" {
		t.Error("no token")
	}

	to("/domains") // 6: a domain
	typed("#name", "club.example")
	w.enter(kb.Enter)
	in.told("domain")

	to("/authentication-policy") // 7: the policy
	w.tabTo(`input[name="tokens"]:checked`)
	w.press(kb.ArrowDown)
	w.tabTo(`main form > .row button`)
	w.enter(kb.Enter)
	w.tabTo("#confirm form button")
	w.enter(kb.Enter)
	in.told("policy")

	to("/ip-ranges") // 8: a range
	typed("#range", "127.0.0.0/8")
	w.enter(kb.Enter)
	in.told("range")

	to("/audit-log") // 9: an event
	w.tabTo(".events li:first-child summary")
	w.press(kb.Enter)
	w.Do(t, chromedp.WaitVisible(chromedp.CSS(".events li:first-child .facts")))
	in.want(w.text(".events li:first-child"), "address ranges")

	w.open("/profile/sessions") // 10: end a session
	other := w.s.Session(t, w.s.AdminID)
	w.open("/profile/sessions")
	w.tabTo(`form:has(input[value="` + other[:12] + `"]) button`)
	w.enter(kb.Enter)
	w.s.Do(t, http.MethodGet, "/v1/me", other, nil).Want(http.StatusUnauthorized)
	w.WantOnly(t, w.s.URL)
}
