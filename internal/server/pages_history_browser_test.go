package server_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/policy"
)

// everyHistoryPage opens the pages of the policy's history, of explained refusals
// and of sleeping tokens, and shows them to look.
func (w *window) everyHistoryPage(look func(name string)) {
	t, s := w.t, w.s
	base := "/organizations/" + s.OrganizationID
	bob, session := s.AddMember(t, bobEmail, bobPassword)
	s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) {
		p.SAMLEnabled, p.PersonalTokensRequireAllowedMethod = false, true
		p.Ranges.List = []policy.Range{
			{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Description: "The office in Berlin and its guests"},
			{Prefix: netip.MustParsePrefix("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128")},
		}
	})
	s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { p.Ranges.Enabled, p.TwoFactorRequired = true, true })
	refused := s.Do(t, http.MethodGet, s.organizationPath(""), session, nil).WantCode(http.StatusForbidden, policy.CodeAddress)
	id := refused.Metadata()["decision_id"].(string)
	s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { *p = policy.Default() })

	w.logIn(servertest.AdminEmail, servertest.AdminPassword)
	w.open(base + "/authentication-policy/history")
	look("history")
	w.open(base + "/authentication-policy/history/2")
	look("history-version")
	w.submit(`main a.button[href$="/restore"]`)
	look("history-restore")
	w.open(base + "/decisions/" + id)
	look("decision")
	w.Do(t, chromedp.Click(chromedp.CSS("details.aside summary")))
	look("decision-facts")
	w.submit(`main a[href$="/history/3"]`)
	look("history-locks-out")

	w.submit(`form[action="/logout"] button`)
	s.Token(t, identity.Token{Kind: policy.PersonalToken, UserID: bob, Manual: true, Description: "For the nightly backup", Authentication: policy.Authentication{Method: policy.MethodGoogle, At: s.DB.Now()}})
	w.logIn(bobEmail, bobPassword)
	s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { p.OAuthEnabled, p.PersonalTokensRequireAllowedMethod = false, true })
	w.open("/decisions/" + id)
	look("decision-own")
	w.open("/profile/tokens")
	look("tokens-asleep")
	w.submit(`main a[href$="/rebind"]`)
	look("token-rebind")
}

// TestHistoryPagesAreAccessible has axe-core look at them, in light and dark, wide
// and narrow, English and German.
func TestHistoryPagesAreAccessible(t *testing.T) {
	t.Parallel()
	lookAt(t, (*window).everyHistoryPage)
}

// TestLivesOfTokensInTheBrowser: an admin's change puts a token to sleep; its
// owner reads why, and binds it to the login that is allowed; the admin sees the
// refusal explained and brings the former policy back.
func TestLivesOfTokensInTheBrowser(t *testing.T) {
	t.Parallel()
	w := newWindow(t)
	s, base := w.s, "/organizations/"+w.s.OrganizationID
	bob, _ := s.AddMember(t, bobEmail, bobPassword)
	token := s.Token(t, identity.Token{Kind: policy.PersonalToken, UserID: bob, Manual: true, Description: "For the nightly backup", Authentication: policy.Authentication{Method: policy.MethodGoogle, At: s.DB.Now()}})
	s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { p.OAuthEnabled, p.PersonalTokensRequireAllowedMethod = false, true })
	id := s.Do(t, http.MethodGet, s.organizationPath(""), token, nil).WantCode(http.StatusForbidden, policy.CodeThirdParty).Metadata()["decision_id"].(string)

	w.logIn(bobEmail, bobPassword)
	w.open("/decisions/" + id)
	if text := w.Text(t, "main"); !strings.Contains(text, "does not allow logging in with this third-party provider") {
		t.Errorf("bob reads %q", text)
	}
	w.open("/profile/tokens")
	w.submit(`main a[href$="/rebind"]`)
	w.submit("main form button")
	w.on("/profile/tokens")
	s.Do(t, http.MethodGet, s.organizationPath(""), token, nil).Want(http.StatusOK)
	w.submit(`form[action="/logout"] button`)

	w.logIn(servertest.AdminEmail, servertest.AdminPassword)
	w.open(base + "/audit-log?action=access_refused")
	w.Do(t, chromedp.Click(chromedp.CSS(".events details summary")))
	w.submit(`.events a[href$="` + id + `"]`)
	w.on(base + "/decisions/" + id)
	w.open(base + "/authentication-policy")
	w.submit(`main header a[href$="/history"]`)
	w.submit(`main li a[href$="/history/1"]`)
	w.submit(`main a.button[href$="/restore"]`)
	w.submit("#confirm form button")
	w.on(base + "/authentication-policy")
	if p := s.Value(t, `SELECT policy FROM organizations WHERE id = $1`, s.OrganizationID); !strings.Contains(p, `"oauth_enabled":true`) {
		t.Errorf("the policy is %s", p)
	}
}
