package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// expire moves the deadline of the change that waits into the past, behind the
// back of whoever serves.
func (i *installation) expire(tb testing.TB) {
	tb.Helper()
	execute(tb, i, `UPDATE pending_changes SET deadline_at = 1, next_try_at = 1`)
}

// policyAt is the authentication policy as a server answers it.
func (i *installation) policyAt(tb testing.TB, n *node) string {
	tb.Helper()
	a, err := call(http.MethodGet, n.url+"/v1/organization/"+i.organization+"/config/authentication", i.token, nil)
	return string(want(tb, http.StatusOK, a, err).body)
}

// onTrial has a server change the policy until it is confirmed.
func (i *installation) onTrial(tb testing.TB, n *node) {
	tb.Helper()
	a, err := call(http.MethodPatch, n.url+"/v1/organization/"+i.organization+"/config/authentication", i.token,
		map[string]any{"saml_enabled": false, "confirm_within_seconds": 600})
	want(tb, http.StatusOK, a, err)
	if now := i.policyAt(tb, n); !strings.Contains(now, `"saml_enabled":false`) {
		tb.Fatalf("the change is not in force: %s", now)
	}
}

// Row POL-16: a change that nobody confirmed is undone although the server was
// killed, and before it answers anybody again.
func TestPOL16RevertSurvivesAKill(t *testing.T) {
	run := func(t *testing.T, target *installation) {
		target.bootstrap(t)
		n := start(t, target.settings...)
		target.onTrial(t, n)
		n.kill()
		// Before the deadline a restart changes nothing.
		n = start(t, target.settings...)
		if now := target.policyAt(t, n); !strings.Contains(now, `"saml_enabled":false`) {
			t.Errorf("undone before the deadline: %s", now)
		}
		n.kill()
		target.expire(t)
		n = start(t, target.settings...)
		if now := target.policyAt(t, n); !strings.Contains(now, `"saml_enabled":true`) {
			t.Errorf("not undone at the start: %s", now)
		}
		a, err := call(http.MethodPost, n.url+"/v1/organization/"+target.organization+"/config/authentication/confirm", target.token, nil)
		want(t, http.StatusNotFound, a, err)
	}
	t.Run("sqlite", func(t *testing.T) { run(t, onSQLite(t, t.TempDir())) })
	t.Run("postgres", func(t *testing.T) { run(t, onPostgres(t, storetest.PostgresURL(t))) })
}

// Row POL-16 with two servers: the one that made the change is killed, and the
// other one undoes it.
func TestPOL16TheOtherNodeReverts(t *testing.T) {
	target := onPostgres(t, storetest.PostgresURL(t)).bootstrap(t)
	first, second := start(t, target.settings...), start(t, target.settings...)
	target.onTrial(t, first)
	first.kill()
	target.expire(t)
	until(t, "the other server undoes the change", func() bool {
		return strings.Contains(target.policyAt(t, second), `"saml_enabled":true`)
	})
}
