package server_test

import (
	"html"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/policy"
)

// says checks that a page has words, or has not.
func says(t *testing.T, a servertest.Answer, want bool, words ...string) {
	t.Helper()
	text := html.UnescapeString(string(a.Body))
	for _, one := range words {
		if strings.Contains(text, one) != want {
			t.Errorf("the page says %q: %t; %s", one, !want, text)
		}
	}
}

// TestHistoryPages: each version says what it changed, in words, and is brought
// back after a review, under the guards of every change.
func TestHistoryPages(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, base := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/authentication-policy"
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) {
			p.SAMLEnabled = false
			p.Ranges.List = []policy.Range{{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Description: "The <office>"}}
		})
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { p.PasswordEnabled = false })
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { *p = policy.Default() })
		list := alice.get(base + "/history").Want(http.StatusOK)
		says(t, list, true, "Version 4", "In force", "Address range 203.0.113.0/24", "The <office>", "Single sign-on")
		says(t, alice.get(base).Want(http.StatusOK), true, `href="`+base+`/history"`)

		says(t, alice.get(base+"/history/2").Want(http.StatusOK), true, "What changed since", "Bring this version back")
		says(t, alice.get(base+"/history/4").Want(http.StatusOK), false, "Bring this version back")
		for _, none := range []string{"99", "0", "-1", "x", "1e3"} {
			alice.get(base + "/history/" + none).Want(http.StatusNotFound)
			alice.post(base+"/history/"+none+"/restore", "do", "save").Want(http.StatusNotFound)
		}
		s.nothing(t, "a review", func() {
			says(t, alice.get(base+"/history/2/restore").Want(http.StatusOK), true, "Bring version 2 back?", "Address range 203.0.113.0/24", `name="confirm"`)
		})
		alice.post(base+"/history/2/restore", "do", "save", "confirm", "600").Want(http.StatusSeeOther)
		if n := s.Value(t, `SELECT COUNT(*) FROM pending_changes`); n != "1" {
			t.Errorf("%s changes wait to be confirmed", n)
		}
		alice.post("/organizations/"+s.OrganizationID+"/pending-change", "do", "confirm").Want(http.StatusSeeOther)
		says(t, alice.get(base+"/history").Want(http.StatusOK), true, "Version 5")

		// A version that locks alice out takes her word for it.
		s.nothing(t, "a version that locks out", func() {
			says(t, alice.post(base+"/history/3/restore", "do", "save").Want(http.StatusBadRequest), true, "This would lock you out", `name="accept"`)
		})
		s.advance(11 * time.Minute)
		if a := alice.post(base+"/history/1/restore", "do", "save").Want(http.StatusSeeOther); a.Header.Get("Location") != "/login" || s.Value(t, `SELECT COUNT(*) FROM events WHERE action = 'policy_restored'`) != "1" {
			t.Errorf("a session that is not fresh is led to %s", a.Header.Get("Location"))
		}
	})
}

var decisionLink = regexp.MustCompile(`href="(/decisions/dec_[0-9a-f]+)"`)

// TestDecisionPages: the door leads the refused to what they may know of it, and
// admins see all of it.
func TestDecisionPages(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		member, session := s.AddMember(t, bobEmail, bobPassword)
		_, other := s.AddMember(t, "carol@c.example", "")
		alice, bob, carol, eve, nobody := s.as(t, s.AdminToken), s.as(t, session), s.as(t, other), s.as(t, s.Eve(t).Session), s.visitor(t)
		base := "/organizations/" + s.OrganizationID
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) {
			p.PasswordEnabled = false
			p.Ranges = policy.Ranges{Enabled: true, List: []policy.Range{{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Description: "Secret site"}}}
		})
		found := decisionLink.FindStringSubmatch(string(bob.get(base).Want(http.StatusForbidden).Body))
		if found == nil {
			t.Fatal("the door leads to no decision")
		}
		path, id := found[1], strings.TrimPrefix(found[1], "/decisions/")
		s.nothing(t, "looking at a decision", func() {
			own := bob.get(path).Want(http.StatusOK)
			says(t, own, true, "Your address is outside", "does not allow logging in with a password", "What to do", servertest.Organization, session[:12])
			says(t, own, false, "203.0.113", "Secret site", servertest.AdminEmail)
			for name, v := range map[string]*visitor{"another member": carol, "a stranger": eve, "an admin": alice} {
				if a := v.get(path); a.Status != http.StatusNotFound {
					t.Errorf("%s sees it: %d", name, a.Status)
				}
			}
			nobody.get(path).Want(http.StatusSeeOther)
			bob.get("/decisions/dec_0000000000000000000000000000").Want(http.StatusNotFound)
		})
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { *p = policy.Default() })
		s.nothing(t, "an admin's look", func() {
			all := alice.get(base + path).Want(http.StatusOK)
			says(t, all, true, bobEmail, "203.0.113.0/24", "What would have to change", "Allow passwords", "the same request would be let in", id, `/authentication-policy/history/2"`)
			alice.get(base + "/decisions/dec_0000000000000000000000000000").Want(http.StatusNotFound)
		})
		eve.get(base + path).Want(http.StatusNotFound)
		bob.get(base + path).Want(http.StatusForbidden)
		says(t, alice.get(base+"/audit-log?actor="+member).Want(http.StatusOK), true, `href="`+base+path+`"`)
	})
}

// TestSleepingTokensOnPages: a token that sleeps says where and why, and is bound
// to the present login.
func TestSleepingTokensOnPages(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, _ := s.AddMember(t, bobEmail, bobPassword)
		token := s.Personal(t, bob)
		v := s.as(t, s.Token(t, identity.Token{
			Kind: policy.Session, UserID: bob, Authentication: policy.Authentication{Method: policy.MethodPasskey, SecondFactor: true, At: s.DB.Now()},
		}))
		path := "/profile/tokens/" + token[:12] + "/rebind"
		says(t, v.get("/profile/tokens").Want(http.StatusOK), false, "Not accepted now", "Bind to this login")
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { p.PersonalTokensEnabled = false })
		says(t, v.get("/profile/tokens").Want(http.StatusOK), true, "This organization does not accept personal tokens.")
		says(t, v.get("/profile/tokens").Want(http.StatusOK), false, path) // it would help nobody
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) {
			p.PersonalTokensEnabled, p.PasswordEnabled, p.PersonalTokensRequireAllowedMethod = true, false, true
		})
		s.nothing(t, "looking", func() {
			says(t, v.get("/profile/tokens").Want(http.StatusOK), true, "Not accepted now", servertest.Organization+" does not accept it: This organization does not allow logging in with a password.", path)
			says(t, v.get(path).Want(http.StatusOK), true, "Its secret, its end and what it may do stay")
		})
		s.Do(t, http.MethodGet, s.organizationPath(""), token, nil).WantCode(http.StatusForbidden, policy.CodePassword)
		s.one(t, "token_rebound", func() { v.post(path, "yes", "yes").Want(http.StatusSeeOther) })
		s.Do(t, http.MethodGet, s.organizationPath(""), token, nil).Want(http.StatusOK)
		says(t, v.get("/profile/tokens").Want(http.StatusOK), false, "Not accepted now")
		if mails := s.Mails(t, bobEmail); len(mails) != 1 || mails[0].Kind != identity.MailTokenRebound || mails[0].Data["prefix"] != token[:12] {
			t.Errorf("mailed: %+v", mails)
		}
		s.advance(11 * time.Minute)
		if a := v.post(path, "yes", "yes").Want(http.StatusSeeOther); a.Header.Get("Location") != "/login" || s.Value(t, `SELECT COUNT(*) FROM events WHERE action = 'token_rebound'`) != "1" {
			t.Errorf("a session that is not fresh is led to %s", a.Header.Get("Location"))
		}
		v.get("/profile/tokens/spp_00000000/rebind").Want(http.StatusNotFound)
	})
}

// TestRefusedLoginsAreExplained: a login that the managing organization refuses
// has a decision too, with how the address was found.
func TestRefusedLoginsAreExplained(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		s.Manage(t, bob)
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { p.PasswordEnabled = false })
		metadata := s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]any{"email": bobEmail, "password": bobPassword}).WantCode(http.StatusForbidden, policy.CodePassword).Metadata()
		id := metadata["decision_id"].(string)
		if metadata["decision_url"] != s.Config.PublicURL+"/decisions/"+id {
			t.Errorf("the answer says %v", metadata)
		}
		s.setPolicy(t, s.OrganizationID, func(p *policy.Policy) { *p = policy.Default() })
		all := s.Do(t, http.MethodGet, s.organizationPath("/decisions/"+id), s.AdminToken, nil).Want(http.StatusOK)
		own := s.Do(t, http.MethodGet, "/v1/decisions/"+id, session, nil).Want(http.StatusOK)
		if all.String("action") != "login" || own.String("action") != "login" || !strings.Contains(string(all.Body), `"socket":"127.0.0.1"`) || strings.Contains(string(own.Body), "facts") {
			t.Errorf("admin %s, bob %s", all.Body, own.Body)
		}
	})
}
