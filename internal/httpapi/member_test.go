package httpapi_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// TestMemberRoutes as their answers show them: what was changed is read back,
// and nothing else changes.
func TestMemberRoutes(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := sdk(s, s.AdminToken)
		bob, session := s.AddMember(t, "bob@a.example", "a sentence that bob uses")
		s.Manage(t, bob)
		one := client.path("organization", s.OrganizationID, "user", bob)
		before := client.ok(t, "GET", one, nil)
		change := body{"real_name": "Bob Berg", "city": "Oslo", "country": "NO", "department": "Flight", "job_title": "Pilot"}
		after := client.ok(t, "PATCH", one, change)
		matches(t, after, memberShape)
		maps.Copy(object(t, before, "user_info"), change)
		delete(before, "last_activity_time")
		delete(after, "last_activity_time")
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("changed more or less than was asked (-want +got):\n%s", diff)
		}
		read := client.ok(t, "GET", one, nil)
		delete(read, "last_activity_time")
		if diff := cmp.Diff(after, read); diff != "" {
			t.Errorf("read after the change (-changed +read):\n%s", diff)
		}

		// An admin sees a login method by the id that its owner sees.
		own := list(t, sdk(s, session).ok(t, "GET", "/v1/me/authentication_methods", nil), "authentication_methods")
		seen := list(t, client.ok(t, "GET", one+"/authentication_methods", nil), "authentication_methods")
		if len(own) != 1 || len(seen) != 1 || seen[0]["method_id"] != own[0]["method_id"] || seen[0]["method_id"] == "" {
			t.Errorf("the owner sees %v, the admin %v", own, seen)
		}

		eve := s.Eve(t)
		discovered := client.path("organization", s.OrganizationID, "discovered-organizations")
		if rows := list(t, client.ok(t, "GET", discovered, nil), "discovered_organizations"); len(rows) > 0 {
			t.Errorf("discovered before bob is anywhere else: %v", rows)
		}
		stranger := sdk(s, eve.Session)
		stranger.done(t, "POST", client.path("organization", eve.OrganizationID, "invitation"), body{"user_email": "bob@a.example"})
		sdk(s, session).done(t, "POST", client.path("organization", eve.OrganizationID, "invitation", "bob@a.example"), nil)
		rows := list(t, client.ok(t, "GET", discovered, nil), "discovered_organizations")
		if len(rows) != 1 {
			t.Fatalf("discovered %v", rows)
		}
		matches(t, rows[0], shape{
			"organization_id": organizationID, "organization_name": str(83), "create_time": instant,
			"users": listOf(obj(shape{"user_id": userID, "user_email": str(254), "real_name": str(256), "is_super_admin": boolean, "create_time": instant})),
		})
		users := list(t, rows[0], "users")
		if len(users) != 1 || rows[0]["organization_id"] != eve.OrganizationID {
			t.Fatalf("discovered %v", rows)
		}
		echoes(t, users[0], body{"user_id": bob, "user_email": "bob@a.example", "real_name": "Bob Berg", "is_super_admin": false})
	})
}
