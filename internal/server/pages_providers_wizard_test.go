package server_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml/idptest"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/server/servertest/browser"
	"github.com/sallyport/sallyport/internal/store"
)

// TestProviderWizardWithoutScripts sets a SimpleSAMLphp up as an admin does, with
// the scripts of our pages off: what its configuration needs is copied off the
// page, its metadata comes back as a file, a test login says that all is well,
// and then somebody logs in.
func TestProviderWizardWithoutScripts(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	s := newScene(t, servertest.Options{Host: "sp.test", Config: func(config *server.Config) { config.AllowPrivate = true }})
	s.set(0) // the provider's clock is the machine's
	s.change(t, store.Organization(s.OrganizationID), func(ctx context.Context, tx *store.Tx) error {
		d := identity.Domain{ID: "dom00000000001", OrganizationID: s.OrganizationID, Name: aVerified, Challenge: "x", VerificationType: "dns"}
		if err := tx.AddDomain(ctx, d); err != nil {
			return err
		}
		return tx.VerifyDomain(ctx, d)
	})
	there := idptest.StartSimpleSAMLphp(t, idptest.Options{
		Host: "idp.test", HTTPS: true, Users: []idptest.User{{Name: "ann", Email: "ann@" + aVerified, FirstName: "Ann", LastName: "Other"}},
	})
	w := &window{Browser: b, s: s, t: t}
	w.Scripts(t, false)
	w.logIn(servertest.AdminEmail, servertest.AdminPassword)
	w.open(s.providers())
	w.submit(".empty a.button")
	w.Do(t, chromedp.Click(chromedp.CSS(`input[value="custom"]`)))
	w.fill("#authentication_method_name", "SimpleSAMLphp")
	w.submit("#new-provider .row button")
	one := strings.TrimSuffix(w.Path(t), "/setup")
	there.Change(t, func(o *idptest.Options) { o.SP = idptest.SP{ACS: w.text("#value-0-0"), EntityID: w.text("#value-0-1")} })
	// Somebody else may go on another day: the list knows the way.
	w.open(s.providers())
	w.submit(".rows a.button")
	w.on(one + "/setup")
	w.submit("main > .row a.button")
	w.on(one + "/connect")

	file := filepath.Join(t.TempDir(), "metadata.xml")
	if err := os.WriteFile(file, []byte(there.Metadata(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.submit("#by-file > .body > div > button") // nothing is chosen
	if w.text("#file-wrong") == "" {
		t.Error("a missing file is not said beside the field")
	}
	w.Do(t, chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}))
	w.submit("#by-file > .body > div > button")
	w.on(one + "/connect")
	if known := w.text("main"); !strings.Contains(known, there.SSOURL) || !strings.Contains(known, there.EntityID) {
		t.Errorf("after the import: %s", known)
	}
	w.Do(t, chromedp.Click(chromedp.CSS("#options > summary")))
	w.fill("#map-first_name", there.Attributes.FirstName)
	w.fill("#map-last_name", there.Attributes.LastName)
	w.submit("#options form > div button")
	w.on(one + "/connect")

	// The test opens a tab of its own; here it is followed in this one.
	w.Do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector("form[data-returns]").target = ""`))
	w.submit("form[data-returns] button")
	w.atThere("ann")
	w.Do(t, chromedp.WaitVisible(chromedp.CSS("main code")))
	if over := w.text("main"); !strings.Contains(over, "The test is over") {
		t.Errorf("after the test: %s", over)
	}
	w.Scripts(t, false)
	w.open(one + "/connect")
	if tested := w.text("#tested"); !strings.Contains(tested, "went well") {
		t.Errorf("the result is %s", tested)
	}
	w.submit("#tested a")
	if checks := w.text("main"); !strings.Contains(checks, "Accepted") || !strings.Contains(checks, "ann@"+aVerified) {
		t.Errorf("the checks are %s", checks)
	}
	w.open(one + "/connect")
	w.submit("#enable button")
	w.on(one)
	w.submit(".bar form button")

	w.open("/login")
	w.fill("#email", "ann@"+aVerified)
	w.submit("main form button")
	w.Scripts(t, true) // the pages of the provider need them
	w.open("/login")
	w.Do(t, chromedp.Click(chromedp.CSS(`a[href^="/login/with/am"]`)), chromedp.WaitVisible(chromedp.CSS(`form[action="/logout"] button`)))
	if page := w.text("header"); !strings.Contains(page, "ann@"+aVerified) {
		t.Errorf("ann is logged in as %s", page)
	}
	if name := s.Value(t, `SELECT real_name FROM users WHERE email = $1`, "ann@"+aVerified); name != "Ann Other" {
		t.Errorf("the name is %q", name)
	}
}

// atThere logs somebody in at SimpleSAMLphp, whose pages need scripts.
func (w *window) atThere(name string) {
	w.t.Helper()
	w.Scripts(w.t, true)
	w.Do(w.t, chromedp.WaitVisible(chromedp.CSS(`input[name="username"]`)))
	w.Fill(w.t, `input[name="username"]`, name)
	w.Fill(w.t, `input[name="password"]`, name)
	w.Do(w.t, chromedp.Submit(chromedp.CSS(`input[name="password"]`)))
}

// TestProviderWizardByKeyboard goes the three steps without a mouse, turns the
// provider on, and deletes it.
func TestProviderWizardByKeyboard(t *testing.T) {
	t.Parallel()
	w := newWindow(t)
	idp := newSAMLIDP(t, idpEntity, 0)
	w.logIn(servertest.AdminEmail, servertest.AdminPassword)
	base := w.s.providers()
	w.open(base)
	w.tabTo(`.empty a.button`)
	w.enter(kb.Enter)
	w.on(base + "/new")
	w.tabTo(`input[name="kind"]`)
	w.press(kb.ArrowDown + kb.ArrowUp + " ")
	w.tabTo("#authentication_method_name")
	w.press("By keyboard")
	w.tabTo("#new-provider .row button")
	w.enter(kb.Enter)
	one := strings.TrimSuffix(w.Path(t), "/setup")
	w.on(one + "/setup")
	w.tabTo("main > .row a.button")
	w.enter(kb.Enter)
	w.tabTo("#saml_idp_url")
	w.press("https://idp.example/sso")
	w.tabTo("#saml_entity_id")
	w.press(idp.entityID)
	w.tabTo("#saml_certificate")
	w.press("no certificate")
	w.tabTo("#hand > .body > div > button")
	w.enter(kb.Enter)
	w.tabTo("#problem a")
	w.press(kb.Enter) // leads to the field
	w.tabTo("#saml_certificate")
	w.Do(t, chromedp.SetValue(chromedp.CSS("#saml_certificate"), idp.pem()))
	w.tabTo("#hand > .body > div > button")
	w.enter(kb.Enter)
	w.on(one + "/connect")
	w.tabTo("#enable button")
	w.enter(kb.Enter)
	w.on(one)
	if state := w.text("main h1 + .badge"); state != "On" {
		t.Errorf("it is %q", state)
	}
	w.tabTo(`.tabs a[href$="/certificates"]`)
	w.enter(kb.Enter)
	w.tabTo("a.danger")
	w.press(kb.Enter)
	w.tabTo("#danger-no")
	w.press(" ")
	w.tabTo(`.tabs a[href="` + one + `"]`)
	w.enter(kb.Enter)
	w.tabTo(`a.danger[href$="do=delete"]`)
	w.enter(kb.Enter)
	w.tabTo("#confirm button")
	w.enter(kb.Enter)
	w.on(base)
	if list := w.text("main"); strings.Contains(list, "By keyboard") {
		t.Errorf("it is there still: %s", list)
	}
	w.WantOnly(t, w.s.URL)
}
