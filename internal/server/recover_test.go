package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// TestRecover is the break-glass command: its session passes every rule of the
// organization it was made for, of no other one, for an hour.
func TestRecover(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "sqlite", true: "postgres"}[postgres], func(t *testing.T) {
			s := newScene(t, servertest.Options{Postgres: postgres})
			other := s.Do(t, http.MethodPost, "/v1/organizations", s.AdminToken, map[string]string{"organization_name": "B", "tier": "business"}).Want(http.StatusOK).String("organization_id")
			ranges := map[string]any{"api_client_ip_allowlist": []string{"192.0.2.0/24"}, "api_client_ip_allowlist_enabled": true, "accept_lockout": true}
			for _, id := range []string{s.OrganizationID, other} {
				s.Do(t, http.MethodPut, "/v1/organization/"+id+"/config/api-client-ip-allowlist", s.AdminToken, ranges).Want(http.StatusNoContent)
				s.Do(t, http.MethodGet, "/v1/organization/"+id, s.AdminToken, nil).Want(http.StatusForbidden)
			}

			token, expires, err := s.Org.Recover(t.Context(), s.OrganizationID, servertest.AdminEmail)
			if err != nil {
				t.Fatal(err)
			}
			s.Do(t, http.MethodPatch, "/v1/organization/"+s.OrganizationID+"/config/authentication", token,
				map[string]any{"password_auth_enabled": false, "session_max_age_seconds": 900, "accept_lockout": true}).Want(http.StatusOK)
			s.Do(t, http.MethodGet, "/v1/organization/"+s.OrganizationID, token, nil).Want(http.StatusOK)
			s.Do(t, http.MethodGet, "/v1/organization/"+other, token, nil).Want(http.StatusForbidden)
			events := s.Do(t, http.MethodGet, "/v1/organization/"+s.OrganizationID+"/audit-events?action=break_glass_used", token, nil).Want(http.StatusOK)
			if text := string(events.Body); !strings.Contains(text, `"kind":"operator"`) || strings.Contains(text, token) {
				t.Errorf("the events are %s", text)
			}

			if left := expires.Sub(s.now()); left > time.Hour || left < 59*time.Minute {
				t.Errorf("the session lives %v, want an hour", left)
			}
			s.advance(expires.Sub(s.now()) - time.Second)
			s.Do(t, http.MethodGet, "/v1/organization/"+s.OrganizationID, token, nil).Want(http.StatusOK)
			s.advance(2 * time.Second)
			s.Do(t, http.MethodGet, "/v1/organization/"+s.OrganizationID, token, nil).Want(http.StatusUnauthorized)
		})
	}
}

// TestRecoverCommand works beside a running server, and only for admins.
func TestRecoverCommand(t *testing.T) {
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	n := start(t, i.settings...)
	said := command(t, "", i.with("recover", "--organization", i.organization, "--email", adminEmail)...).want(t, 0)
	token := strings.Fields(said.stdout)[1]
	if !strings.Contains(said.stderr, `"sallyport user session end `+token[:12]+`"`) {
		t.Errorf("recover does not say how its session ends: %s", said.stderr)
	}
	out := command(t, "", i.with("recover", "--organization", i.organization, "--email", adminEmail, "--json")...).want(t, 0).object(t)
	a, err := call(http.MethodGet, n.url+"/v1/organization/"+i.organization, out["token"], nil)
	want(t, http.StatusOK, a, err)
	if _, err := time.Parse(time.RFC3339, out["expiry_time"]); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ organization, email, want string }{
		{i.organization, "nobody@a.example", "is not an admin of this organization; name one who is: " + adminEmail},
		{i.organization, "alice", "mail"},
		{"org123", adminEmail, "(organization_not_found)\n"},      // the code last, as the client says it
		{"org123", adminEmail, "it has " + i.organization + " ("}, // who is locked out has nowhere else to look
	} {
		f := command(t, "", i.with("recover", "--organization", c.organization, "--email", c.email)...).want(t, 1)
		if !strings.Contains(f.stderr, c.want) || f.stdout != "" {
			t.Errorf("recover %s %s says %q %q, want %q", c.organization, c.email, f.stdout, f.stderr, c.want)
		}
	}
}
