package httpapi_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/httpapi"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// smuggled are fields that somebody adds to a body in the hope that they reach
// what is stored (row TEN-03).
func smuggled(eve servertest.Other) map[string]any {
	return map[string]any{
		"is_super_admin": true, "super_admin": true, "organization_id": eve.OrganizationID, "account_id": eve.AccountID, "user_id": eve.UserID,
		"id": "smuggled", "state": "deleted", "role": "admin", "roles": []string{"role:organization:admin"}, "managed_by_scim": true,
		"managing_organization_id": eve.OrganizationID, "email_verified": true, "created_manually": false, "expiry_time": "2000-01-01T00:00:00Z",
		"create_time": "2000-01-01T00:00:00Z", "token_prefix": "smuggled", "deleted": true, "policy": "{}", "kind": "application_token",
	}
}

// standings are what no smuggled field may move, as numbers.
var standings = []string{
	`SELECT COUNT(*) FROM memberships`,
	`SELECT COUNT(*) FROM memberships WHERE super_admin`,
	`SELECT COUNT(*) FROM users WHERE state = 'active'`,
	`SELECT COUNT(*) FROM users WHERE state = 'deleted'`,
	`SELECT COUNT(*) FROM users WHERE application`,
	`SELECT COUNT(*) FROM users WHERE managing_organization_id <> ''`,
	`SELECT COUNT(*) FROM users WHERE email_confirmed_at > 0`,
	`SELECT COUNT(*) FROM organizations WHERE NOT deleted`,
	`SELECT COUNT(*) FROM grants`,
	`SELECT COUNT(*) FROM grants WHERE permissions LIKE '%role:organization:admin%'`,
	`SELECT COUNT(*) FROM tokens WHERE revoked_at = 0`,
	`SELECT COUNT(*) FROM tokens WHERE kind <> 1`,
	`SELECT COUNT(*) FROM domains WHERE state = 'verified'`,
}

// TEN-03: a field that a call does not have is refused or left alone, on every
// call that writes. What it stores is what it stores without.
func TestTEN03EveryBody(t *testing.T) {
	all := newWorlds(t)
	for _, r := range httpapi.Table() {
		if r.Event == "" || r.Form || r.BodyFields == nil {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			var without, with []string
			var status int
			send := func(what string, add bool, moved *[]string) {
				t.Run(what, func(t *testing.T) {
					w := all.take(t)
					eve := w.Eve(t)
					c := w.callOf(t, r)
					if add {
						c.body = stuffed(t, c.body, r.BodyFields, smuggled(eve))
					}
					before, counts := w.Dump(t), countsOf(t, w)
					status = c.send(t, w).Status
					after := countsOf(t, w)
					for i := range counts {
						*moved = append(*moved, standings[i]+": "+counts[i]+" to "+after[i])
					}
					if add {
						wantNothingOf(t, before, w.Dump(t), eve)
					}
				})
			}
			send("without", false, &without)
			if status != r.Status {
				t.Fatalf("the example is answered %d, want %d", status, r.Status)
			}
			send("with", true, &with)
			switch {
			case status == http.StatusBadRequest: // one of our own calls, which refuse what they do not know
			case status != r.Status:
				t.Errorf("with more fields it is answered %d, want %d or 400", status, r.Status)
			case !slices.Equal(with, without):
				t.Errorf("with more fields it moved\n%s\nwithout\n%s", strings.Join(with, "\n"), strings.Join(without, "\n"))
			}
		})
	}
}

// stuffed adds fields to a JSON object, but for those that the call has.
func stuffed(t *testing.T, text string, own []string, more map[string]any) string {
	t.Helper()
	fields := map[string]any{}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			t.Fatalf("the example %s: %v", text, err)
		}
	}
	for name, value := range more {
		if !slices.Contains(own, name) {
			fields[name] = value
		}
	}
	out, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func countsOf(t *testing.T, w *world) (list []string) {
	t.Helper()
	for _, query := range standings {
		list = append(list, w.Value(t, query))
	}
	return list
}

// wantNothingOf fails the test when a row that is new names something of eve's,
// or what was made up.
func wantNothingOf(t *testing.T, before, after string, eve servertest.Other) {
	t.Helper()
	had := map[string]bool{}
	for line := range strings.Lines(before) {
		had[line] = true
	}
	for line := range strings.Lines(after) {
		for _, foreign := range []string{eve.OrganizationID, eve.AccountID, eve.UserID, "smuggled", "946684800000000"} {
			if !had[line] && strings.Contains(line, foreign) {
				t.Errorf("%s got into %s", foreign, line)
			}
		}
	}
}
