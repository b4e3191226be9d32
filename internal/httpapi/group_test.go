package httpapi_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
)

// User groups as their routes show them, on both engines.

// crews are the groups of the server's organization, as its admin sees them.
type crews struct {
	*servertest.Server
	player
}

func onCrews(t *testing.T, test func(t *testing.T, c crews)) {
	t.Helper()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) { test(t, crews{s, sdk(s, s.AdminToken)}) })
}

func (c crews) at(segments ...string) string {
	return c.path(append([]string{"organization", c.OrganizationID}, segments...)...)
}

func (c crews) create(t *testing.T, name string) (groupID string) {
	t.Helper()
	return text(t, c.ok(t, "POST", c.at("user-groups"), body{"user_group_name": name, "description": ""}), "user_group_id")
}

func (c crews) change(t *testing.T, group, operation string, users ...string) servertest.Answer {
	t.Helper()
	return c.send(t, "PATCH", c.at("user-groups", group, "members"), body{"operation": operation, "member_ids": append([]string{}, users...)})
}

func (c crews) fill(t *testing.T, group string, users ...string) {
	t.Helper()
	c.change(t, group, "add_members", users...).Want(http.StatusNoContent)
}

// members are the ids of a group's members, sorted.
func (c crews) members(t *testing.T, group string) []string {
	t.Helper()
	ids := []string{}
	for _, row := range list(t, c.ok(t, "GET", c.at("user-groups", group, "members"), nil), "members") {
		matches(t, row, groupMemberShape)
		ids = append(ids, text(t, row, "user_id"))
	}
	slices.Sort(ids)
	return ids
}

func (c crews) wantMembers(t *testing.T, group string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{}, want...), c.members(t, group)); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// grant gives a group permissions on a resource, beside what others hold.
func (c crews) grant(t *testing.T, kind, id, group string, permissions ...string) {
	t.Helper()
	c.done(t, "PATCH", c.at("permissions", kind, id), body{"permissions": []body{
		{"principal_type": "user_group", "principal_id": group, "permissions": append([]string{}, permissions...)},
	}})
}

// groupEvents are the events of one action, the oldest first: their
// organization, target and number of the actor's credential.
func (c crews) groupEvents(t *testing.T, action string) [][]string {
	t.Helper()
	return c.Rows(t, `SELECT organization_id, target_kind, target_id, actor_id FROM events WHERE action = $1 ORDER BY id`, action)
}

// unchanged fails the test when an act changes something or is recorded as a
// success.
func (c crews) unchanged(t *testing.T, what string, act func()) {
	t.Helper()
	before, events := c.Dump(t), successes(t, c.Server)
	act()
	if after := c.Dump(t); after != before {
		t.Errorf("%s changed something: %s", what, firstDifference(before, after))
	}
	if after := successes(t, c.Server); after != events {
		t.Errorf("%s: %s events of success, %s before", what, after, events)
	}
}

func TestGroupLife(t *testing.T) {
	onCrews(t, func(t *testing.T, c crews) {
		bob, _ := c.AddMember(t, "bob@a.example", "")
		carol, _ := c.AddMember(t, "carol@a.example", "")
		created := c.ok(t, "POST", c.at("user-groups"), body{"user_group_name": "Pilots", "description": "who fly"})
		matches(t, created, groupShape)
		echoes(t, created, body{"user_group_name": "Pilots", "description": "who fly", "managed_by_scim": false})
		group := text(t, created, "user_group_id")
		one := c.at("user-groups", group)
		if diff := cmp.Diff(created, c.ok(t, "GET", one, nil)); diff != "" {
			t.Errorf("read after create (-created +read):\n%s", diff)
		}
		c.fill(t, group, bob, carol)
		c.fill(t, c.create(t, "Astronauts"), carol)
		groups := list(t, c.ok(t, "GET", c.at("user-groups"), nil), "user_groups")
		if len(groups) != 2 || groups[0]["user_group_name"] != "Astronauts" || groups[0]["member_count"] != 1.0 || groups[1]["member_count"] != 2.0 {
			t.Errorf("the list, by name, is %v", groups)
		}
		of := list(t, c.ok(t, "GET", c.at("user", bob, "user-groups"), nil), "user_groups")
		if _, counted := find(t, of, "user_group_id", group)["member_count"]; counted || len(of) != 1 {
			t.Errorf("the groups of a member, without a member_count, are %v", of)
		}

		// A name that is taken, by another group and then by this one.
		c.unchanged(t, "a taken name", func() {
			for _, a := range []servertest.Answer{
				c.refused(t, "POST", c.at("user-groups"), body{"user_group_name": "Pilots", "description": "others"}, http.StatusConflict, "user_group_names_must_be_unique"),
				c.refused(t, "PATCH", one, body{"user_group_name": "Astronauts"}, http.StatusConflict, "user_group_names_must_be_unique"),
			} {
				if !strings.Contains(a.String("message"), "already exists") {
					t.Errorf("clients look for the words already exists in %s", a.Body)
				}
			}
			c.ok(t, "PATCH", one, body{"user_group_name": "Pilots", "description": "who fly"})
			c.ok(t, "PATCH", one, body{})
			c.ok(t, "PATCH", one, body{"user_group_name": nil, "description": nil})
		})
		// Elsewhere it is free.
		eve := c.Eve(t)
		sdk(c.Server, eve.Session).ok(t, "POST", c.path("organization", eve.OrganizationID, "user-groups"), body{"user_group_name": "Pilots", "description": ""})

		renamed := c.ok(t, "PATCH", one, body{"user_group_name": "Crew"})
		matches(t, renamed, groupShape)
		echoes(t, renamed, body{"user_group_name": "Crew", "description": "who fly", "create_time": created["create_time"]})
		if !parseTime(t, renamed, "update_time").After(parseTime(t, created, "update_time")) {
			t.Errorf("update_time stays at %v", renamed["update_time"])
		}
		if diff := cmp.Diff(renamed, c.ok(t, "GET", one, nil)); diff != "" {
			t.Errorf("read after rename (-renamed +read):\n%s", diff)
		}
		c.wantMembers(t, group, bob, carol)
		if described := c.ok(t, "PATCH", one, body{"description": ""}); described["user_group_name"] != "Crew" || described["description"] != "" {
			t.Errorf("after the description was emptied: %v", described)
		}
		c.create(t, "Pilots")

		c.done(t, "DELETE", one, nil)
		c.refused(t, "DELETE", one, nil, http.StatusNotFound, "user_group_not_found")
		for action, times := range map[string]int{"group_created": 3, "group_updated": 2, "group_deleted": 1, "group_members_changed": 2} {
			events := slices.DeleteFunc(c.groupEvents(t, action), func(e []string) bool { return e[0] != c.OrganizationID })
			if len(events) != times {
				t.Errorf("%d events %s, want %d", len(events), action, times)
			}
			if e := events[0]; !slices.Equal(e[1:2], []string{"user_group"}) || action != "group_created" && e[2] != group || e[3] != c.AdminID {
				t.Errorf("the event %s is %v", action, e)
			}
		}
	})
}

func TestGroupLimits(t *testing.T) {
	onCrews(t, func(t *testing.T, c crews) {
		// Characters count, not bytes.
		longest := body{"user_group_name": strings.Repeat("ü", 128), "description": strings.Repeat("ü", 4096)}
		matches(t, c.ok(t, "POST", c.at("user-groups"), longest), groupShape)
		c.unchanged(t, "a group that is too long", func() {
			for _, in := range []body{
				{"user_group_name": strings.Repeat("ü", 129), "description": ""},
				{"user_group_name": "x", "description": strings.Repeat("ü", 4097)},
			} {
				if a := c.send(t, "POST", c.at("user-groups"), in); a.Status != http.StatusBadRequest {
					t.Errorf("status %d; body: %s", a.Status, a.Body)
				}
			}
		})
	})
}

// TestGroupDeletionEndsWhatItGave on each level, and nothing else.
func TestGroupDeletionEndsWhatItGave(t *testing.T) {
	onCrews(t, func(t *testing.T, c crews) {
		bob, session := c.AddMember(t, "bob@a.example", "")
		unit := c.AddUnit(t, c.OrganizationID, c.AccountID, "Unit")
		c.AddProject(t, c.OrganizationID, c.AccountID, "own")
		c.AddProject(t, c.OrganizationID, unit, "under-unit")
		c.AddProject(t, c.OrganizationID, c.AccountID, "single")
		group, other := c.create(t, "Pilots"), c.create(t, "Others")
		c.fill(t, group, bob)
		c.fill(t, other, bob)
		c.grant(t, "organization", c.OrganizationID, group, "organization:groups:write")
		c.grant(t, "organization_unit", unit, group, "role:project:admin")
		c.grant(t, "project", "single", group, "developer")
		c.grant(t, "project", "own", group, "developer")
		c.grant(t, "project", "own", other, "read_only")
		client := sdk(c.Server, session)
		for _, project := range []string{"own", "under-unit", "single"} {
			client.ok(t, "GET", c.path("project", project), nil)
		}
		made := text(t, client.ok(t, "POST", c.at("user-groups"), body{"user_group_name": "By bob", "description": ""}), "user_group_id")

		c.done(t, "DELETE", c.at("user-groups", group), nil)

		client.refused(t, "POST", c.at("user-groups"), body{"user_group_name": "x", "description": ""}, http.StatusForbidden, "request_forbidden")
		for _, project := range []string{"under-unit", "single"} {
			client.refused(t, "GET", c.path("project", project), nil, http.StatusForbidden, "project_has_no_such_user")
		}
		client.ok(t, "GET", c.path("project", "own"), nil) // as one of the others
		for _, place := range [][]string{{"organization", c.OrganizationID}, {"organization_unit", unit}, {"project", "single"}} {
			if rows := list(t, c.ok(t, "GET", c.at("permissions", place[0], place[1]), nil), "permissions"); len(rows) > 0 {
				t.Errorf("on the %s there is still %v", place[0], rows)
			}
		}
		if got := c.Rows(t, `SELECT user_id FROM group_members WHERE group_id = $1`, group); len(got) > 0 {
			t.Errorf("it still has the members %v", got)
		}
		if got := c.Rows(t, `SELECT resource_id FROM grants WHERE principal_id = $1`, group); len(got) > 0 {
			t.Errorf("it still holds grants on %v", got)
		}
		c.wantMembers(t, other, bob)
		c.wantMembers(t, made)
		// Terraform repeats a PUT that names it: it is nobody now.
		c.refused(t, "PATCH", c.at("permissions", "project", "own"), body{"permissions": []body{
			{"principal_type": "user_group", "principal_id": group, "permissions": []string{"developer"}},
		}}, http.StatusNotFound, "user_group_not_found")
	})
}

// TestGroupMembersComeAndGo: repeats are no changes, and one who is unknown
// stops all.
func TestGroupMembersComeAndGo(t *testing.T) {
	onCrews(t, func(t *testing.T, c crews) {
		bob, _ := c.AddMember(t, "bob@a.example", "")
		carol, _ := c.AddMember(t, "carol@a.example", "")
		eve := c.Eve(t)
		group := c.create(t, "Pilots")
		c.fill(t, group, bob, bob)
		c.wantMembers(t, group, bob)
		c.unchanged(t, "adding nobody new", func() {
			c.fill(t, group, bob)
			c.fill(t, group)
			c.change(t, group, "remove_members", carol).Want(http.StatusNoContent)
			c.change(t, group, "remove_members", "u00000000000", eve.UserID).Want(http.StatusNoContent)
		})
		c.unchanged(t, "adding a stranger", func() {
			for _, stranger := range []string{"u00000000000", eve.UserID, eve.AppUserID, group, ""} {
				if a := c.change(t, group, "add_members", carol, stranger); a.Status != http.StatusNotFound || a.Code() != "organization_user_not_found" {
					t.Errorf("adding %q: status %d %s", stranger, a.Status, a.Code())
				}
			}
		})
		c.fill(t, group, carol, bob)
		c.wantMembers(t, group, bob, carol)
		c.change(t, group, "remove_members", carol, "u00000000000").Want(http.StatusNoContent)
		c.wantMembers(t, group, bob)
		if events := c.groupEvents(t, "group_members_changed"); len(events) != 3 {
			t.Errorf("%d events of changed members, want 3", len(events))
		}
		// Who leaves the organization leaves its groups, and comes back to none.
		c.done(t, "DELETE", c.at("user", bob), nil)
		c.wantMembers(t, group)
		if counted := find(t, list(t, c.ok(t, "GET", c.at("user-groups"), nil), "user_groups"), "user_group_id", group); counted["member_count"] != 0.0 {
			t.Errorf("the list counts %v members", counted["member_count"])
		}
	})
}

// TestGroupChangesOf1024 members at once, and not of one more.
func TestGroupChangesOf1024(t *testing.T) {
	onCrews(t, func(t *testing.T, c crews) {
		const most = 1024
		users := c.manyMembers(t, most+1)
		group, full := c.create(t, "Pilots"), users[:most]
		c.unchanged(t, "adding 1025 members", func() {
			c.change(t, group, "add_members", users...).WantCode(http.StatusBadRequest, "bad_request")
		})
		c.fill(t, group, full...)
		c.wantMembers(t, group, full...)
		c.unchanged(t, "removing 1025 members", func() {
			c.change(t, group, "remove_members", users...).WantCode(http.StatusBadRequest, "bad_request")
		})
		c.fill(t, group, users[most])
		c.change(t, group, "remove_members", full...).Want(http.StatusNoContent)
		c.wantMembers(t, group, users[most])
	})
}

// manyMembers adds plain members in one transaction.
func (c crews) manyMembers(t *testing.T, n int) []string {
	t.Helper()
	users := make([]string, n)
	for i := range users {
		id, err := c.DB.NewID("u")
		if err != nil {
			t.Fatal(err)
		}
		users[i] = id
	}
	err := c.DB.Update(t.Context(), identity.Actor{Kind: identity.ActorOperator}, store.Organization(c.OrganizationID), func(tx *store.Tx) error {
		for _, id := range users {
			if err := c.addMember(t.Context(), tx, id); err != nil {
				return err
			}
		}
		return tx.Record(t.Context(), identity.Event{Action: "prepared", Description: "a test added many members"})
	})
	if err != nil {
		t.Fatal(err)
	}
	return users
}

func (c crews) addMember(ctx context.Context, tx *store.Tx, id string) error {
	if err := tx.AddUser(ctx, identity.User{ID: id, Email: id + "@a.example", EmailConfirmed: tx.Now, RealName: id, State: identity.StateActive}); err != nil {
		return err
	}
	return tx.AddMember(ctx, c.OrganizationID, id, false)
}

// TestGroupsOfOthersAreNone: what is another organization's answers as what
// does not exist, under one's own organization and under theirs.
func TestGroupsOfOthersAreNone(t *testing.T) {
	onCrews(t, func(t *testing.T, c crews) {
		eve := c.Eve(t)
		stranger := sdk(c.Server, eve.Session)
		bob, _ := c.AddMember(t, "bob@a.example", "")
		group := c.create(t, "Pilots")
		c.fill(t, group, bob)
		theirs := func(segments ...string) string {
			return c.path(append([]string{"organization", eve.OrganizationID}, segments...)...)
		}
		foreign := text(t, stranger.ok(t, "POST", theirs("user-groups"), body{"user_group_name": "Theirs", "description": ""}), "user_group_id")
		add := func(user string) body { return body{"operation": "add_members", "member_ids": []string{user}} }
		c.unchanged(t, "what strangers ask for", func() {
			for _, id := range []string{foreign, "ug00000000000", c.OrganizationID, bob} {
				const code = "user_group_not_found"
				c.refused(t, "GET", c.at("user-groups", id), nil, http.StatusNotFound, code)
				c.refused(t, "GET", c.at("user-groups", id, "members"), nil, http.StatusNotFound, code)
				c.refused(t, "PATCH", c.at("user-groups", id), body{"user_group_name": "Ours"}, http.StatusNotFound, code)
				c.refused(t, "PATCH", c.at("user-groups", id, "members"), add(bob), http.StatusNotFound, code)
				c.refused(t, "DELETE", c.at("user-groups", id), nil, http.StatusNotFound, code)
			}
			for _, p := range []struct {
				method, path string
				in           any
			}{
				{"GET", c.at("user-groups"), nil},
				{"POST", c.at("user-groups"), body{"user_group_name": "x", "description": ""}},
				{"GET", c.at("user-groups", group), nil},
				{"PATCH", c.at("user-groups", group), body{"user_group_name": "Mine"}},
				{"PATCH", c.at("user-groups", group, "members"), add(eve.UserID)},
				{"DELETE", c.at("user-groups", group), nil},
				{"GET", c.at("user", bob, "user-groups"), nil},
			} {
				stranger.refused(t, p.method, p.path, p.in, http.StatusNotFound, "organization_not_found")
			}
			stranger.refused(t, "GET", theirs("user", bob, "user-groups"), nil, http.StatusNotFound, "organization_user_not_found")
			stranger.refused(t, "PATCH", theirs("permissions", "organization", eve.OrganizationID), body{"permissions": []body{
				{"principal_type": "user_group", "principal_id": group, "permissions": []string{"role:organization:admin"}},
			}}, http.StatusNotFound, "user_group_not_found")
		})
	})
}

// TestApplicationUsersInGroups hold what their groups do, at once, and are
// shown for what they are.
func TestApplicationUsersInGroups(t *testing.T) {
	onCrews(t, func(t *testing.T, c crews) {
		app, token := c.App(t)
		program := sdk(c.Server, token)
		group := c.create(t, "Robots")
		create := func(name string) body { return body{"user_group_name": name, "description": ""} }
		program.refused(t, "POST", c.at("user-groups"), create("a"), http.StatusForbidden, "request_forbidden")
		c.fill(t, group, app)
		row := find(t, list(t, c.ok(t, "GET", c.at("user-groups", group, "members"), nil), "members"), "user_id", app)
		if object(t, row, "user_info")["is_application_user"] != true {
			t.Errorf("the member is %v", row)
		}
		c.grant(t, "organization", c.OrganizationID, group, "organization:groups:write")
		program.ok(t, "POST", c.at("user-groups"), create("a"))
		c.change(t, group, "remove_members", app).Want(http.StatusNoContent)
		program.refused(t, "POST", c.at("user-groups"), create("b"), http.StatusForbidden, "request_forbidden")
		// Deleting it takes it out of its groups.
		c.fill(t, group, app)
		c.done(t, "DELETE", c.at("application-users", app), nil)
		c.wantMembers(t, group)
	})
}

// TestGroupsOfAnIdentityProvider are changed there only.
func TestGroupsOfAnIdentityProvider(t *testing.T) {
	onCrews(t, func(t *testing.T, c crews) {
		bob, _ := c.AddMember(t, "bob@a.example", "")
		group, err := c.DB.NewID("ug")
		if err != nil {
			t.Fatal(err)
		}
		err = c.DB.Update(t.Context(), identity.Actor{Kind: identity.ActorOperator}, store.Organization(c.OrganizationID), func(tx *store.Tx) error {
			if err := tx.AddGroup(t.Context(), identity.Group{ID: group, OrganizationID: c.OrganizationID, Name: "Kept elsewhere", ManagedBySCIM: true}); err != nil {
				return err
			}
			return tx.Record(t.Context(), identity.Event{Action: "prepared", Description: "a test added a group"})
		})
		if err != nil {
			t.Fatal(err)
		}
		c.unchanged(t, "a local edit", func() {
			const code = "resource_managed_by_scim"
			c.refused(t, "PATCH", c.at("user-groups", group), body{"description": "x"}, http.StatusConflict, code)
			c.refused(t, "PATCH", c.at("user-groups", group, "members"), body{"operation": "add_members", "member_ids": []string{bob}}, http.StatusConflict, code)
			c.refused(t, "PATCH", c.at("user-groups", group, "members"), body{"operation": "remove_members", "member_ids": []string{bob}}, http.StatusConflict, code)
			c.refused(t, "DELETE", c.at("user-groups", group), nil, http.StatusConflict, code)
		})
		if g := c.ok(t, "GET", c.at("user-groups", group), nil); g["managed_by_scim"] != true {
			t.Errorf("it is shown as %v", g)
		}
		// What it gives is granted here.
		c.grant(t, "organization", c.OrganizationID, group, "organization:billing:read")
	})
}
