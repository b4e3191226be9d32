package server_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/policy"
)

// from reads a path as a client at an address; "" is one whose address the
// proxy does not know.
func (s *scene) from(tb testing.TB, client, token, path string) servertest.Answer {
	tb.Helper()
	return s.send(tb, http.MethodGet, path, token, map[string]string{"X-Forwarded-For": client}, nil)
}

// setRanges sets the organization's address ranges, whoever that locks out.
func (s *scene) setRanges(tb testing.TB, ranges ...string) {
	tb.Helper()
	s.setPolicy(tb, s.OrganizationID, func(p *policy.Policy) {
		p.Ranges.Enabled, p.Ranges.List = true, nil
		for _, r := range ranges {
			p.Ranges.List = append(p.Ranges.List, policy.Range{Prefix: netip.MustParsePrefix(r)})
		}
	})
}

const (
	inside  = "203.0.113.9"
	outside = "198.51.100.7"
)

// proxied runs a test on both engines behind a proxy that is believed.
func proxied(t *testing.T, test func(t *testing.T, s *scene)) {
	t.Helper()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, newScene(t, servertest.Options{Postgres: engine == "postgres", Config: trustLoopback}))
		})
	}
}

// TestIPX08_AddressChangesInASession: the session survives, access does not.
func TestIPX08_AddressChangesInASession(t *testing.T) {
	proxied(t, func(t *testing.T, s *scene) {
		bob := s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
		s.setRanges(t, "203.0.113.0/24")
		login := s.send(t, http.MethodPost, "/v1/userauth", "", map[string]string{"X-Forwarded-For": inside}, map[string]string{"email": bobEmail, "password": bobPassword})
		session := login.Want(http.StatusOK).String("token")
		s.from(t, inside, session, s.organizationPath("")).Want(http.StatusOK)
		events := s.nothing(t, "an access from outside", func() {
			for _, client := range []string{outside, "::ffff:" + outside} {
				a := s.from(t, client, session, s.organizationPath("")).WantCode(http.StatusForbidden, "client_ip_address_policy_violation")
				if got := a.Metadata()["remedy"].(string); !strings.Contains(got, outside) || strings.Contains(string(a.Body), "203.0.113") {
					t.Errorf("the refusal is %s", a.Body)
				}
			}
		}, "access_refused")
		if e := events[0]; e.actor != bob || e.client != outside || e.credential != session[:12] || e.organization != s.OrganizationID {
			t.Errorf("the event is %+v", e)
		}
		s.from(t, outside, session, "/v1/me").Want(http.StatusOK)
		s.from(t, inside, session, s.organizationPath("")).Want(http.StatusOK)
		s.from(t, "::ffff:"+inside, session, s.organizationPath("")).Want(http.StatusOK)
		for _, unknown := range []string{"unknown", "203.0.113.05", "_hidden", inside + ":99999"} {
			s.from(t, unknown, session, s.organizationPath("")).WantCode(http.StatusForbidden, "client_ip_address_policy_violation")
		}
	})
}

// TestIPX09_BothLists have to allow an address, and each says that it was it.
func TestIPX09_BothLists(t *testing.T) {
	proxied(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		appID, _ := s.App(t)
		narrow := map[string]any{"description": "narrow", "ip_allowlist": []string{"203.0.113.0/28", "192.0.2.0/24"}}
		personal := s.Do(t, http.MethodPost, "/v1/access_token", session, narrow).Want(http.StatusOK).String("full_token")
		app := s.Do(t, http.MethodPost, s.organizationPath("/application-users/"+appID+"/access-tokens"), s.AdminToken, narrow).Want(http.StatusOK).String("full_token")
		s.setRanges(t, "203.0.113.0/24")
		const violation = "client_ip_address_policy_violation"
		for token, owner := range map[string]string{personal: bob, app: appID} {
			for _, c := range []struct {
				name, client, reasons string
				rules                 []float64
			}{
				{"both", "203.0.113.9", "", nil},
				{"the organization's only", "203.0.113.99", "[" + violation + "]", []float64{5}},
				{"the token's only", "192.0.2.1", "[" + violation + "]", []float64{6}},
				{"neither", outside, "[" + violation + " " + violation + "]", []float64{5, 6}},
			} {
				a := s.from(t, c.client, token, s.organizationPath(""))
				if c.reasons == "" {
					a.Want(http.StatusOK)
					continue
				}
				a.WantCode(http.StatusForbidden, violation)
				if got := reasonsOf(a); got != c.reasons {
					t.Errorf("%s: the reasons are %s", c.name, got)
				}
				s.wantRules(t, a, owner, c.rules)
			}
			// At one's own door the token's own list alone.
			s.from(t, "192.0.2.1", token, "/v1/me").Want(http.StatusOK)
			s.from(t, "203.0.113.99", token, "/v1/me").WantCode(http.StatusForbidden, violation)
		}
	})
}

// wantRules fails the test unless the explanation of a refusal names exactly
// these rules as the refusing ones.
func (s *scene) wantRules(tb testing.TB, refusal servertest.Answer, owner string, rules []float64) {
	tb.Helper()
	id := refusal.Metadata()["decision_id"].(string)
	if got := s.Value(tb, `SELECT actor_id FROM events WHERE decision_id = $1`, id); got != owner {
		tb.Errorf("the refusal is recorded as %s's", got)
	}
	var d struct {
		Rules []struct {
			Rule    float64 `json:"rule"`
			Verdict string  `json:"verdict"`
		} `json:"rules"`
	}
	s.from(tb, inside, s.AdminToken, s.organizationPath("/decisions/"+id)).Want(http.StatusOK).Decode(&d)
	var refused []float64
	for _, r := range d.Rules {
		if r.Verdict == "refused" {
			refused = append(refused, r.Rule)
		}
	}
	if len(refused) != len(rules) || refused[0] != rules[0] || refused[len(refused)-1] != rules[len(rules)-1] {
		tb.Errorf("the rules %v refused, want %v", refused, rules)
	}
}

// TestIPX10_EverySurface of the organization is closed from outside, with every
// kind of credential; pages still open.
func TestIPX10_EverySurface(t *testing.T) {
	proxied(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		s.Grant(t, bob, "role:organization:admin", "organization:tokens:introspect")
		personal := s.Personal(t, bob)
		_, app := s.App(t, "role:organization:admin", "organization:tokens:introspect")
		s.AddProject(t, s.OrganizationID, s.AccountID, "rockets")
		s.setRanges(t, "203.0.113.0/24")
		fill := strings.NewReplacer(
			"{organization_id}", s.OrganizationID, "{account_id}", s.AccountID, "{project}", "rockets", "{member_user_id}", bob,
			"{resource_type}", "organization", "{resource_id}", s.OrganizationID, "{decision_id}", "dec_1", "{user_id}", bob, "{token_prefix}", personal[:12],
		)
		s.nothing(t, "requests from outside", func() {
			tried := 0
			for operation := range s.Contract(t).Operations() {
				method, path, _ := strings.Cut(operation, " ")
				if !strings.Contains(path, "{organization_id}") && !strings.Contains(path, "{account_id}") && !strings.Contains(path, "{project}") {
					continue
				}
				if operation == "POST /v1/organization/{organization_id}/invitation/{user_email}" {
					continue // for people who are not members yet
				}
				if strings.HasPrefix(path, "/v1/sso/") {
					continue // where logins come back from the identity provider; the session they open is judged at the next request
				}
				tried++
				for _, token := range []string{session, personal, app} {
					s.send(t, method, fill.Replace(path), token, map[string]string{"X-Forwarded-For": outside}, nil).
						WantCode(http.StatusForbidden, "client_ip_address_policy_violation")
				}
			}
			if tried < 30 {
				t.Errorf("only %d routes were tried", tried)
			}
			for _, path := range []string{"/v1/organizations", "/v1/account", "/v1/project"} {
				for _, token := range []string{session, personal, app} {
					s.from(t, outside, token, path).WantCode(http.StatusForbidden, "client_ip_address_policy_violation")
				}
			}
			lines := map[string]string{"X-Forwarded-For": outside, "Accept": "application/x-ndjson"}
			s.send(t, http.MethodGet, s.organizationPath("/audit-events?format=jsonl"), app, lines, nil).WantCode(http.StatusForbidden, "client_ip_address_policy_violation")
			form := map[string]string{"X-Forwarded-For": outside, "Content-Type": "application/x-www-form-urlencoded"}
			s.send(t, http.MethodPost, "/oauth2/introspect", app, form, url.Values{"token": {session}}.Encode()).WantCode(http.StatusForbidden, "client_ip_address_policy_violation")
			for _, page := range []string{"/signup", "/login", "/reset?code=x", "/docs", "/healthz"} {
				s.from(t, outside, "", page).Want(http.StatusOK)
			}
		}, slices.Repeat([]string{"access_refused"}, 6)...) // each credential's, with and without the role
		// A managed user does not even log in from there; others do, for their
		// own things.
		s.login(t, bobEmail, bobPassword, "")
		s.Manage(t, bob)
		in := map[string]string{"email": bobEmail, "password": bobPassword}
		s.nothing(t, "a login from outside", func() {
			s.send(t, http.MethodPost, "/v1/userauth", "", map[string]string{"X-Forwarded-For": outside}, in).WantCode(http.StatusForbidden, "client_ip_address_policy_violation")
		}, "login_refused")
		s.send(t, http.MethodPost, "/v1/userauth", "", map[string]string{"X-Forwarded-For": inside}, in).Want(http.StatusOK)
	})
}
