package server_test

import (
	"html"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/policy"
)

// TestOrganizationsSayWhichLoginIsMissing: side by side, each with what would
// open it, and a button where a page of ours helps. Looking is no use of a
// session at any of them.
func TestOrganizationsSayWhichLoginIsMissing(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		member, session := s.AddMember(t, "bob@c.example", bobPassword)
		bob := s.as(t, session)
		ids := map[string]string{"Organization A": s.OrganizationID}
		for _, name := range []string{"Open", "By Google", "From the office"} {
			to := bob.post("/organizations", "name", name).Want(http.StatusSeeOther).Header.Get("Location")
			ids[name], _, _ = strings.Cut(strings.TrimPrefix(to, "/organizations/"), "?")
		}
		s.Eve(t) // bob is no member there
		s.setPolicy(t, ids["Organization A"], func(p *policy.Policy) { p.TwoFactorRequired = true })
		s.setPolicy(t, ids["By Google"], func(p *policy.Policy) {
			*p = policy.Default()
			p.PasswordEnabled, p.PasskeyEnabled, p.SAMLEnabled, p.OAuthProviders = false, false, false, policy.Google
		})
		s.setPolicy(t, ids["From the office"], func(p *policy.Policy) {
			p.Ranges = policy.Ranges{Enabled: true, List: []policy.Range{{Prefix: netip.MustParsePrefix("203.0.113.0/24")}}}
		})
		var page string
		row := func(name string) string {
			t.Helper()
			found := regexp.MustCompile(`(?s)<li><div class="item"><h3><a href="/organizations/` + ids[name] + `">.*?</li>`).FindString(page)
			if found == "" {
				t.Fatalf("%s is not in the list: %s", name, page)
			}
			return html.UnescapeString(found)
		}
		s.nothing(t, "looking", func() { page = string(bob.get("/organizations").Want(http.StatusOK).Body) })
		for name, want := range map[string][]string{
			"Open":            {"Open to this login", ">Open<"},
			"Organization A":  {"Not with this login", "requires a second factor", `href="/profile/authentication?open=authenticator"`},
			"By Google":       {"Not with this login", "Log in with Google", `value="step-up"`, `name="next" value="/organizations/` + ids["By Google"] + `"`},
			"From the office": {"Not with this login", "outside this organization's ranges; ask an admin"},
		} {
			for _, text := range want {
				if !strings.Contains(row(name), text) {
					t.Errorf("%s does not say %q: %s", name, text, row(name))
				}
			}
		}
		if strings.Contains(page, "Organization B") || strings.Contains(page, "203.0.113") {
			t.Errorf("the page tells of others: %s", page)
		}
		if strings.Contains(row("From the office"), "button") {
			t.Errorf("a button where none helps: %s", row("From the office"))
		}

		// Who is not managed hears of the second factor where it is set up.
		authentication := func() string {
			t.Helper()
			return html.UnescapeString(string(bob.get("/profile/authentication").Want(http.StatusOK).Body))
		}
		const demand = "You are a member of Organization A, where a second factor is required"
		s.nothing(t, "looking", func() {
			if text := authentication(); !strings.Contains(text, demand) || strings.Contains(text, "By Google") {
				t.Errorf("the page of authentication says %s", text)
			}
		})
		s.Manage(t, member) // who manages the account says so itself, and once
		if text := authentication(); strings.Contains(text, demand) || !strings.Contains(text, "It may require a second factor") {
			t.Errorf("the page of a managed user says %s", text)
		}
		s.setPolicy(t, ids["Organization A"], func(p *policy.Policy) { p.TwoFactorRequired = false })
		if text := authentication(); strings.Contains(text, "second factor is required") {
			t.Errorf("the page still demands: %s", text)
		}
	})
}
