package httpapi_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// introspection sends the form of an introspection.
func introspection(t *testing.T, s *servertest.Server, bearer string, form url.Values) servertest.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/oauth2/introspect", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return s.Send(t, req)
}

func TestIntrospectionTellsWhoAndHow(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		_, asker := s.App(t, "organization:tokens:introspect")
		appID, app := s.App(t, "organization:users:write")
		bob, session := s.AddMember(t, "bob@a.example", "a password for bob to use")
		s.Manage(t, bob)
		s.Grant(t, bob, "organization:event_logs:read", "read_only")
		personal := s.Personal(t, bob, "user:read", "accounts:read")
		yes, no := true, false
		ask := func(token string) (out sallyport.Introspection) {
			introspection(t, s, asker, url.Values{"token": {token}, "token_type_hint": {"refresh_token"}}).Want(http.StatusOK).Decode(&out)
			if out.Exp <= out.Iat {
				t.Errorf("expires at %d, issued at %d", out.Exp, out.Iat)
			}
			out.Exp, out.Iat = 0, 0
			return out
		}
		member := sallyport.Introspection{
			Active: true, Sub: bob, Username: "bob@a.example", TokenType: "session", OrganizationID: s.OrganizationID,
			Groups: []string{}, Roles: []string{"organization:event_logs:read", "read_only"}, AMR: []string{"pwd"}, Managed: &yes, Scope: new(""),
		}
		narrowed := member
		narrowed.TokenType, narrowed.Scope = "personal_token", new("user:read accounts:read")
		admin := sallyport.Introspection{
			Active: true, Sub: s.AdminID, Username: servertest.AdminEmail, TokenType: "session", OrganizationID: s.OrganizationID,
			Groups: []string{}, Roles: []string{"super_admin"}, AMR: []string{"pwd"}, Managed: &no, Scope: new(""),
		}
		for name, c := range map[string]struct {
			token string
			want  sallyport.Introspection
		}{"session": {session, member}, "personal": {personal, narrowed}, "admin": {s.AdminToken, admin}} {
			if diff := cmp.Diff(c.want, ask(c.token)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		got := ask(app)
		if got.Sub != appID || got.TokenType != "application_token" || got.AMR == nil || len(got.AMR) > 0 || !slices.Equal(got.Roles, []string{"organization:users:write"}) {
			t.Errorf("application token: %+v", got)
		}
	})
}

// Every active answer has the same fields, so that nobody has to ask which are
// there.
func TestIntrospectionsOfAllKindsHaveTheSameFields(t *testing.T) {
	s := servertest.New(t)
	_, asker := s.App(t, "organization:tokens:introspect")
	bob, session := s.AddMember(t, "bob@a.example", "a password for bob to use")
	want := []string{"active", "amr", "exp", "groups", "iat", "managed", "organization_id", "roles", "scope", "sub", "token_type", "username"}
	for name, token := range map[string]string{"session": session, "personal": s.Personal(t, bob), "narrowed": s.Personal(t, bob, "user:read"), "application": asker} {
		var got map[string]any
		introspection(t, s, asker, url.Values{"token": {token}}).Want(http.StatusOK).Decode(&got)
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTOK13_IntrospectionIsNoOracle(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		_, asker := s.App(t, "organization:tokens:introspect")
		_, powerless := s.App(t)
		eve := s.Eve(t)
		bob, session := s.AddMember(t, "bob@a.example", "a password for bob to use")
		form := url.Values{"token": {session}}

		introspection(t, s, "", form).Want(http.StatusUnauthorized)
		introspection(t, s, "nonsense", form).Want(http.StatusUnauthorized)
		for _, bearer := range []string{powerless, session, s.AdminToken, s.Personal(t, bob)} {
			introspection(t, s, bearer, form).WantCode(http.StatusForbidden, "request_forbidden")
		}

		revoked := s.Personal(t, bob)
		s.Do(t, "DELETE", "/v1/access_token/"+revoked[:12], session, nil).Want(http.StatusOK)
		gone := s.AddUser(t, eve.OrganizationID, "gone@b.example", servertest.EvePassword, false)
		err := s.DB.Update(t.Context(), identity.Actor{Kind: identity.ActorSystem}, store.User(gone), func(tx *store.Tx) error {
			if err := tx.SetUserState(t.Context(), gone, identity.StateDeactivated); err != nil {
				return err
			}
			return tx.Record(t.Context(), identity.Event{Action: "arranged"})
		})
		if err != nil {
			t.Fatal(err)
		}
		// Younger than what the deactivation voided: it is the state that refuses.
		deactivated := s.Session(t, gone)
		s.Do(t, "GET", "/v1/me", deactivated, nil).WantCode(http.StatusForbidden, "user_deactivated")
		expired := s.Token(t, identity.Token{Kind: policy.PersonalToken, UserID: bob, Created: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Hour)})
		for name, form := range map[string]url.Values{
			"expired":               {"token": {expired}},
			"random":                {"token": {strings.Repeat("A", 100)}},
			"short":                 {"token": {"x"}},
			"revoked":               {"token": {revoked}},
			"a letter changed":      {"token": {session[:50] + otherLetter(session[50]) + session[51:]}},
			"foreign session":       {"token": {eve.Session}},
			"foreign application":   {"token": {eve.App}},
			"foreign, deactivated":  {"token": {deactivated}},
			"for another":           {"token": {session}, "organization_id": {eve.OrganizationID}},
			"foreign, at its own":   {"token": {eve.Session}, "organization_id": {eve.OrganizationID}},
			"for none":              {"token": {session}, "organization_id": {"org00000000000"}},
			"with an address":       {"token": {eve.Session}, "client_ip": {"198.51.100.7"}},
			"foreign, own is named": {"token": {eve.Personal}, "organization_id": {s.OrganizationID}},
		} {
			a := introspection(t, s, asker, form).Want(http.StatusOK)
			if got := strings.TrimSpace(string(a.Body)); got != `{"active":false}` {
				t.Errorf("%s: %s", name, got)
			}
		}
		// The asker of another organization learns nothing of this one.
		for _, organization := range []string{"", s.OrganizationID, eve.OrganizationID} {
			a := introspection(t, s, eve.App, url.Values{"token": {session}, "organization_id": {organization}}).Want(http.StatusOK)
			if got := strings.TrimSpace(string(a.Body)); got != `{"active":false}` {
				t.Errorf("a stranger asking for %q: %s", organization, got)
			}
		}
		for name, bad := range map[string]url.Values{
			"no token":    {"client_ip": {"198.51.100.7"}},
			"empty token": {"token": {""}},
			"two tokens":  {"token": {session, session}},
			"a name":      {"token": {session}, "client_ip": {"localhost"}},
			"a port":      {"token": {session}, "client_ip": {"198.51.100.7:80"}},
			"a zone":      {"token": {session}, "client_ip": {"fe80::1%eth0"}},
			"octal":       {"token": {session}, "client_ip": {"198.51.100.07"}},
		} {
			if a := introspection(t, s, asker, bad); a.Status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
	})
}

func TestIntrospectionJudgesTheBearersAddress(t *testing.T) {
	s := servertest.New(t)
	_, asker := s.App(t, "organization:tokens:introspect")
	_, session := s.AddMember(t, "bob@a.example", "a password for bob to use")
	s.Do(t, "PUT", "/v1/organization/"+s.OrganizationID+"/config/api-client-ip-allowlist", s.AdminToken, map[string]any{
		"api_client_ip_allowlist": []string{"127.0.0.0/8", "203.0.113.0/24"}, "api_client_ip_allowlist_enabled": true,
	}).Want(http.StatusNoContent)
	for address, active := range map[string]bool{"203.0.113.9": true, "::ffff:203.0.113.9": true, "198.51.100.7": false, "": false} {
		form := url.Values{"token": {session}}
		if address != "" {
			form.Set("client_ip", address)
		}
		var out sallyport.Introspection
		introspection(t, s, asker, form).Want(http.StatusOK).Decode(&out)
		if out.Active != active || !active && (out.ErrorCode != "client_ip_address_policy_violation" || out.DecisionID == "" || out.Sub != "") {
			t.Errorf("from %q: %+v", address, out)
		}
		if active {
			continue
		}
		d := s.Do(t, "GET", "/v1/organization/"+s.OrganizationID+"/decisions/"+out.DecisionID, s.AdminToken, nil).Want(http.StatusOK)
		if d.String("error_code") != out.ErrorCode {
			t.Errorf("the decision is %s", d.Body)
		}
	}
}

// otherLetter is a letter of tokens that is not c.
func otherLetter(c byte) string {
	if c == 'x' {
		return "y"
	}
	return "x"
}

// TestAnswersAtOnceAreEachTheirOwn: memory that requests use one after the other
// must never carry anybody into the answer about somebody else, nor a revoked
// token's owner into any.
func TestAnswersAtOnceAreEachTheirOwn(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		_, asker := s.App(t, "organization:tokens:introspect")
		var asking sync.WaitGroup
		for _, name := range []string{"bob", "carol", "dave", "erin"} {
			id, _ := s.AddMember(t, name+"@a.example", "")
			token := s.Personal(t, id)
			forged := token[:len(token)-1] + "!"
			asking.Go(func() {
				for range 50 {
					var out sallyport.Introspection
					introspection(t, s, asker, url.Values{"token": {token}}).Decode(&out)
					if !out.Active || out.Sub != id || out.Username != name+"@a.example" {
						t.Errorf("%s's token is %+v", name, out)
					}
					answer := introspection(t, s, asker, url.Values{"token": {forged}})
					if string(answer.Body) != "{\"active\":false}\n" {
						t.Errorf("a forged token is %s", answer.Body)
					}
					headers := forwardAuth(t, s, s.OrganizationID, "Authorization", "Bearer "+token).Header
					if headers.Get("X-Sallyport-User") != id || headers.Get("Remote-User") != name+"@a.example" {
						t.Errorf("%s is told as %v", name, told(headers))
					}
					headers = forwardAuth(t, s, s.OrganizationID, "Authorization", "Bearer "+forged).Header
					if list := told(headers); list["User"] != "" || list["Remote-User"] != "" {
						t.Errorf("a forged token is told as %v", list)
					}
				}
			})
		}
		asking.Wait()
	})
}
