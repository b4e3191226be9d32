package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// everySettingsPage opens each page of an organization's settings, in the states
// that look different, and shows it to look.
func (w *window) everySettingsPage(look func(name string)) {
	names := servertest.NewDNS(w.t)
	base := "/organizations/" + w.s.OrganizationID
	at := func(name, path string) { w.open(base + path); look(name) }
	w.logIn(servertest.AdminEmail, servertest.AdminPassword)
	at("policy", "/authentication-policy")
	w.Do(w.t, chromedp.Click(chromedp.CSS(`input[name="password"][value="off"]`)), chromedp.Click(chromedp.CSS(`input[name="enforced"]`)))
	w.fill("#personal-age", "30")
	w.submit("main form > .row button")
	look("policy-review")
	w.submit("#confirm form button")
	look("policy-guard")
	w.open(base + "/authentication-policy")
	w.fill("#session-idle", "many")
	w.submit("main form > .row button")
	look("policy-problem")
	at("ranges-none", "/ip-ranges")
	w.fill("#range", "203.0.113.0/24")
	w.fill("#words", "The office in Berlin and its guests")
	w.submit("form.stack > div button")
	look("ranges")
	at("ranges-confirm", "/ip-ranges/confirm?do=enable")
	w.seeAddresses()
	at("ranges-tested", "/ip-ranges?address=::ffff:203.0.113.7")
	at("ranges-test-problem", "/ip-ranges?address=203.0.113.0/24")
	at("ranges-learned", "/ip-ranges/learned")
	w.Do(w.t, chromedp.Click(chromedp.CSS(`input[name="range"]`)), chromedp.Click(chromedp.CSS("details.aside summary")))
	w.submit("main form .row button")
	look("ranges-adopt")
	at("ranges-learned-problem", "/ip-ranges/confirm?do=adopt")
	at("domains-none", "/domains")
	w.fill("#name", "club.example")
	w.submit("form.stack > div button")
	look("domain")
	w.s.Org.Prober.DNSServers = []string{names.Address}
	w.submit("#proof-form button")
	look("domain-problem")
	w.s.Do(w.t, http.MethodPost, w.s.organizationPath("/domains"), w.s.AdminToken, map[string]any{"domain_name": "club-and-friends.example", "verification_type": "http"}).Want(http.StatusOK)
	at("domains", "/domains")
	at("audit", "/audit-log")
	w.Do(w.t, chromedp.Click(chromedp.CSS(".events details summary")))
	look("audit-details")
	at("audit-none", "/audit-log?actor=nobody&since=2026-01-01T00:00")
	w.open(base + "/audit-log")
	w.Do(w.t, chromedp.Click(chromedp.CSS("#follow")))
	look("audit-follow")
	at("projects-none", "/projects")
	at("settings-none", "/settings")
	w.fill("#unit", "Research and development")
	w.submit(".inline button")
	look("unit-none")
	w.fill("#project", "web-shop")
	w.submit("form:has(#project) button")
	look("project-none")
	w.fill("#who", "nobody@c.example")
	w.submit("form:has(#who) > div > button")
	look("project-problem")
	w.fill("#who", servertest.AdminEmail)
	w.Do(w.t, chromedp.Click(chromedp.CSS(`form:has(#who) input[value="developer"]`)))
	w.submit("form:has(#who) > div > button")
	w.Do(w.t, chromedp.Click(chromedp.CSS(".rows details summary")))
	look("project")
	w.submit(`main header .quiet a`)
	look("unit")
	at("settings", "/settings")
	at("projects", "/projects")
	at("deletion", "/settings/delete")
	w.s.advance(11 * time.Minute)
	at("deletion-old", "/settings/delete")
	at("policy-old", "/authentication-policy")
}

// TestSettingsPagesAreAccessible has axe-core look at the settings of an
// organization, in light and dark, wide and narrow.
func TestSettingsPagesAreAccessible(t *testing.T) {
	t.Parallel()
	lookAt(t, (*window).everySettingsPage)
}
