package server_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/policy"
)

// seen has a credential used on the organization from addresses.
func (s *scene) seen(tb testing.TB, token string, addresses ...string) {
	tb.Helper()
	for _, a := range addresses {
		r := access.Request{Bearer: token, Organization: s.OrganizationID, Address: identity.Address{Client: netip.MustParseAddr(a)}}
		if _, err := s.Access.Check(tb.Context(), r); err != nil {
			tb.Fatal(err)
		}
	}
}

// seeAddresses has the organization learn from uses of several kinds.
func (w *window) seeAddresses() {
	w.t.Helper()
	s := w.s
	s.Do(w.t, http.MethodPut, s.organizationPath("/config/api-client-ip-allowlist/learn"), s.AdminToken, map[string]any{"days": 14}).Want(http.StatusOK)
	_, bob := s.AddMember(w.t, "bob.of.the.berlin.office@b.example", "")
	_, app := s.App(w.t)
	s.seen(w.t, bob, "198.51.100.7", "198.51.100.99", "2001:db8:17::5")
	s.seen(w.t, app, "198.51.100.7", "10.1.2.3")
}

// TestRangesAreLearned on the page: switched on, seen, chosen, confirmed.
func TestRangesAreLearned(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/ip-ranges"
		page := func(a servertest.Answer, parts ...string) {
			t.Helper()
			for _, part := range parts {
				if !strings.Contains(string(a.Body), part) {
					t.Errorf("the page does not say %s: %s", part, a.Body)
				}
			}
		}
		for _, days := range []string{"0", "31", "many", "", "-1"} {
			page(alice.post(path+"/learn", "do", "start", "days", days).Want(http.StatusBadRequest), `id="days-wrong"`)
		}
		alice.post(path+"/learn", "do", "nothing").Want(http.StatusBadRequest)
		if to := alice.post(path+"/learn", "do", "start", "days", "7").Want(http.StatusSeeOther).Header.Get("Location"); to != path+"?done=ranges-learn-start" {
			t.Errorf("it leads to %s", to)
		}
		page(alice.get(path), "Learning until", "Stop learning")
		bob, session := s.AddMember(t, "bob@b.example", "")
		hostile := s.Token(t, identity.Token{Kind: policy.PersonalToken, UserID: bob, Manual: true, Description: `"><img src=x onerror=alert(1)>`})
		s.seen(t, session, "198.51.100.7", "198.51.100.8")
		s.seen(t, hostile, "203.0.113.66")
		learned := alice.get(path + "/learned").Want(http.StatusOK)
		page(learned, "198.51.100.0/24", "203.0.113.66/32", "Only one credential", "bob@b.example", "&#34;&gt;&lt;img src=x")
		if strings.Contains(string(learned.Body), "<img") {
			t.Errorf("markup of others is in the page %s", learned.Body)
		}
		page(alice.get(path+"/confirm?do=adopt").Want(http.StatusBadRequest), "Choose at least one range")
		// What was not seen cannot be brought in by a link.
		alice.get(path + "/confirm?do=adopt&range=192.0.2.0/24").Want(http.StatusNotFound)
		alice.get(path + "/confirm?do=adopt&range=198.51.100.0/24&range=0.0.0.0/0").Want(http.StatusNotFound)
		page(alice.get(path+"/confirm?do=adopt&range=198.51.100.0/24&words=Berlin").Want(http.StatusOK), "Adopt these ranges?", "bob@b.example", `value="Berlin"`)
		list := s.organizationPath("/config/api-client-ip-allowlist")
		if got := string(s.Do(t, http.MethodGet, list, s.AdminToken, nil).Want(http.StatusOK).Body); !strings.Contains(got, `"api_client_ip_allowlist":[]`) {
			t.Errorf("nothing was confirmed, but the list is %s", got)
		}
		alice.post(path, "do", "adopt", "range", "198.51.100.0/24", "words", "Berlin").Want(http.StatusSeeOther)
		if got := string(s.Do(t, http.MethodGet, list, s.AdminToken, nil).Want(http.StatusOK).Body); !strings.Contains(got, `{"198.51.100.0/24":"Berlin"}`) {
			t.Errorf("the list is %s", got)
		}
		if got := string(alice.get(path + "/learned").Body); strings.Contains(got, `value="198.51.100.0/24"`) {
			t.Errorf("it is proposed again: %s", got)
		}
		alice.post(path+"/learn", "do", "stop").Want(http.StatusSeeOther)
		page(alice.get(path), "Start learning")
		for address, words := range map[string]string{"198.51.100.7": "Berlin", "::ffff:198.51.100.7": "Berlin", "203.0.113.7": "No range holds it"} {
			page(alice.get(path+"?address="+address).Want(http.StatusOK), words, "the restriction is off")
		}
		page(alice.get(path+"?address=203.0.113.7:443").Want(http.StatusBadRequest), `id="address-wrong"`, `value="203.0.113.7:443"`)
	})
}

// TestOwnAddressIsExplained where a header came from somebody who is no trusted
// proxy.
func TestOwnAddressIsExplained(t *testing.T) {
	s := newScene(t, servertest.Options{})
	alice, path := s.as(t, s.AdminToken), "/organizations/"+s.OrganizationID+"/ip-ranges"
	a := alice.send(http.MethodGet, path, nil, map[string]string{"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9"}).Want(http.StatusOK)
	for _, part := range []string{"not that of a trusted proxy", "<code>203.0.113.9</code>", "X-Real-Ip"} {
		if !strings.Contains(string(a.Body), part) {
			t.Errorf("the page does not say %s: %s", part, a.Body)
		}
	}
}

// see fails the test unless the page says something.
func (w *window) see(words string) {
	w.t.Helper()
	if got := w.text("main"); !strings.Contains(got, words) {
		w.t.Fatalf("%s does not say %q: %s", w.Path(w.t), words, got)
	}
}

// TestLearningJourney in a browser, with scripts and without: an admin has the
// ranges learned, looks at whose they are, adopts one and turns the restriction
// on.
func TestLearningJourney(t *testing.T) {
	t.Parallel()
	for _, scripts := range []bool{true, false} {
		w := newWindow(t)
		w.Scripts(t, scripts)
		w.logIn(servertest.AdminEmail, servertest.AdminPassword)
		path := "/organizations/" + w.s.OrganizationID + "/ip-ranges"
		w.open(path)
		w.submit(`form[action$="/learn"] button`)
		w.see("The server is learning now.")
		w.s.seen(t, w.s.AdminToken, "127.0.0.1", "198.51.100.7")
		w.submit(`form[action$="/learn"] a.button`)
		w.see("198.51.100.7/32")
		w.Do(t, chromedp.Click(chromedp.CSS(`input[value="127.0.0.1/32"]`)))
		w.fill("#words", "This desk")
		w.submit("main form .row button")
		w.see("Adopt these ranges?")
		w.submit("#confirm form button")
		w.see("The ranges are adopted.")
		w.open(path + "/confirm?do=enable")
		w.submit("#confirm form button")
		w.see("The restriction is on.")
		w.fill("#address", "198.51.100.7")
		w.submit(`form[action$="#test"] button`)
		w.see("is refused.")
		w.WantOnly(t, w.s.URL)
	}
}
