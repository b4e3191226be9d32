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
				if team := strings.Contains(path, "/team"); team && method != http.MethodGet || strings.HasSuffix(path, "/team/{team_id}") || strings.HasSuffix(path, "/invite/{invite_code}") {
					continue // retired: nothing is there, and everybody hears that
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

// TestIPX02_TheWayToAnAddressIsTold to the caller, and to nobody else; without
// a credential only what the caller knows already.
func TestIPX02_TheWayToAnAddressIsTold(t *testing.T) {
	proxied(t, func(t *testing.T, s *scene) {
		forged := map[string]string{"X-Forwarded-For": "203.0.113.9, 198.51.100.7", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
		a := s.send(t, http.MethodGet, "/v1/client-address", "", forged, nil).Want(http.StatusOK)
		if got := strings.TrimSpace(string(a.Body)); got != `{"client_address":"198.51.100.7"}` {
			t.Errorf("without a credential: %s", got)
		}
		a = s.send(t, http.MethodGet, "/v1/me/client-address", s.AdminToken, forged, nil).Want(http.StatusOK)
		want := `{"client_address":"198.51.100.7","socket_address":"127.0.0.1","forwarding_header":"X-Forwarded-For","received_header":"203.0.113.9, 198.51.100.7","believed":true,` +
			`"hops":[{"address":"127.0.0.1","trusted_by":"127.0.0.0/8"},{"address":"198.51.100.7","trusted_by":""}],"ignored_headers":["Forwarded","X-Real-Ip"]}`
		if got := strings.TrimSpace(string(a.Body)); got != want {
			t.Errorf("the way is\n%s\nwant\n%s", got, want)
		}
		// What cannot be read is said to be unknown; whatever it is, it is cut.
		for _, hostile := range []string{"unknown", strings.Repeat("203.0.113.9,", 300), "<script>", "203.0.113.9\xff", strings.Repeat("x", 6<<10)} {
			a := s.send(t, http.MethodGet, "/v1/me/client-address", s.AdminToken, map[string]string{"X-Forwarded-For": hostile}, nil).Want(http.StatusOK)
			if a.String("client_address") != "" || len(a.String("received_header")) > 200 {
				t.Errorf("%.40q: %s", hostile, a.Body)
			}
		}
	})
}

// TestIPX01_HeadersOfNoProxyAreNamed to those who wonder why they do not count.
func TestIPX01_HeadersOfNoProxyAreNamed(t *testing.T) {
	s := newScene(t, servertest.Options{})
	headers := map[string]string{"X-Forwarded-For": inside, "True-Client-IP": inside}
	if got := s.send(t, http.MethodGet, "/v1/client-address", "", headers, nil).String("client_address"); got != "127.0.0.1" {
		t.Errorf("a header of nobody's was believed: %s", got)
	}
	a := s.send(t, http.MethodGet, "/v1/me/client-address", s.AdminToken, headers, nil).Want(http.StatusOK)
	if got := string(a.Body); !strings.Contains(got, `"believed":false,"hops":[{"address":"127.0.0.1","trusted_by":""}],"ignored_headers":["X-Forwarded-For","True-Client-Ip"]`) {
		t.Errorf("the way is %s", got)
	}
}

// TestIPX10_LearningFollowsTheRules: what is refused never becomes a proposal,
// and only admins see whose addresses those are.
func TestIPX10_LearningFollowsTheRules(t *testing.T) {
	proxied(t, func(t *testing.T, s *scene) {
		_, session := s.AddMember(t, bobEmail, bobPassword)
		learn := s.organizationPath("/config/api-client-ip-allowlist/learn")
		s.send(t, http.MethodPut, learn, session, nil, map[string]any{"days": 3}).WantCode(http.StatusForbidden, "request_forbidden")
		s.setRanges(t, "203.0.113.0/24", "198.51.100.0/28", "127.0.0.0/8")
		s.send(t, http.MethodPut, learn, s.AdminToken, map[string]string{"X-Forwarded-For": inside}, map[string]any{"days": 3}).Want(http.StatusOK)
		s.from(t, "192.0.2.66", session, s.organizationPath("")).WantCode(http.StatusForbidden, "client_ip_address_policy_violation")
		s.from(t, "203.0.113.10", session, s.organizationPath("")).Want(http.StatusOK)
		s.setRanges(t, "198.51.100.0/24")
		s.from(t, outside, session, learn).WantCode(http.StatusForbidden, "request_forbidden")
		a := s.from(t, outside, s.AdminToken, learn).Want(http.StatusOK)
		if body := string(a.Body); strings.Contains(body, "192.0.2.66") || !strings.Contains(body, `"cidr":"203.0.113.0/24"`) && !strings.Contains(body, `"cidr":"203.0.113.10/32"`) {
			t.Errorf("learned %s", body)
		}
	})
}
