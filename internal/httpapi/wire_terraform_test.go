package httpapi_test

import (
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// The Terraform provider, resource by resource: create, read, plan without a
// difference, update, import, destroy. It reads after each create and update
// and repeats the read for twenty minutes while the answer is 403 or 404, so a
// first read that is not 200 is a failure here.

// resource is the calls of one resource.
type resource struct {
	create func(t *testing.T)
	// read gives the attributes that are kept in the state.
	read    func(t *testing.T) map[string]any
	update  func(t *testing.T)      // nil: every change replaces
	changed map[string]any          // what the read after the update shows
	imports func(t *testing.T)      // a read by the id of the import alone; nil: as read
	destroy func(t *testing.T) int  // the status
	gone    func(t *testing.T) bool // does the read say not found now?
	again   int                     // the status of a repeated destroy that is no error; 0: it is refused as not found
}

// lives takes a resource through its life.
func (r resource) lives(t *testing.T) {
	t.Helper()
	r.create(t)
	state := r.read(t)
	if diff := cmp.Diff(state, r.read(t)); diff != "" {
		t.Fatalf("a plan without changes has a difference (-state +read):\n%s", diff)
	}
	if r.update != nil {
		r.update(t)
		want := maps.Clone(state)
		maps.Copy(want, r.changed)
		got := r.read(t)
		delete(want, "update_time")
		delete(got, "update_time")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("after the update (-want +read):\n%s", diff)
		}
	}
	if r.imports != nil {
		r.imports(t)
	}
	if status := r.destroy(t); status != http.StatusOK && status != http.StatusNoContent {
		t.Fatalf("destroy: status %d", status)
	}
	if !r.gone(t) {
		t.Fatal("it is there after destroy")
	}
	// A repeated delete, after an answer that was lost, is ignored when 404.
	if status := r.destroy(t); r.again != 0 && status != r.again || r.again == 0 && status != http.StatusNotFound && status != http.StatusForbidden {
		t.Fatalf("destroy again: status %d", status)
	}
}

func TestTerraform(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		token := personalToken(t, s)
		for name, test := range map[string]func(*testing.T, *servertest.Server, string){
			"aiven_organization":                        testTerraformOrganization,
			"aiven_organizational_unit":                 testTerraformUnit,
			"aiven_organization_application_user":       testTerraformApplicationUser,
			"aiven_organization_application_user_token": testTerraformApplicationToken,
			"aiven_organization_permission":             testTerraformPermission,
			"aiven_organization_project":                testTerraformOrganizationProject,
			"aiven_organization_user":                   testTerraformUser,
			"aiven_organization_user_group":             testTerraformUserGroup,
			"aiven_organization_user_group_member":      testTerraformUserGroupMember,
			"aiven_project":                             testTerraformProject,
		} {
			t.Run(name, func(t *testing.T) { test(t, s, token) })
		}
		// Row CLI-04, as far as it is the server's: what the provider was given once
		// is in no log and no event, whole or in part.
		var events strings.Builder
		for _, row := range s.Rows(t, `SELECT description, detail, target_id, target_name FROM events`) {
			events.WriteString(strings.Join(row, " "))
		}
		for place, text := range map[string]string{"the log": s.Logs.String(), "the audit log": events.String()} {
			if found := regexp.MustCompile(`sp[pasc]_[0-9A-Za-z]{9,}`).FindString(text); found != "" {
				t.Errorf("%s holds the token %.14s…", place, found)
			}
		}
	})
}

func testTerraformOrganization(t *testing.T, s *servertest.Server, token string) {
	client := provider(s, token)
	// A token must not delete an organization (threats row TOK-10), so destroy
	// takes a session.
	admin := provider(s, login(t, s))
	var organization, account string
	resource{
		create: func(t *testing.T) {
			created := object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "From Terraform"}), "account")
			organization, account = text(t, created, "organization_id"), text(t, created, "account_id")
		},
		read: func(t *testing.T) map[string]any {
			o := client.ok(t, "GET", client.path("organization", organization), nil)
			a := object(t, client.ok(t, "GET", client.path("account", text(t, o, "account_id")), nil), "account")
			matches(t, o, organizationShape)
			return map[string]any{
				"id": organization, "name": a["account_name"], "tenant_id": a["tenant_id"],
				"create_time": a["create_time"], "update_time": a["update_time"],
			}
		},
		update: func(t *testing.T) {
			client.ok(t, "GET", client.path("organization", organization), nil)
			client.ok(t, "PUT", client.path("account", account), body{"account_name": "From Terraform 2"})
		},
		changed: map[string]any{"name": "From Terraform 2"},
		imports: func(t *testing.T) {
			// The id of an import is that of the organization or of the account.
			a := object(t, client.ok(t, "GET", client.path("account", account), nil), "account")
			if a["organization_id"] != organization {
				t.Errorf("the account leads to %v, want %s", a["organization_id"], organization)
			}
			// The data source by name takes the first account of that name.
			find(t, list(t, client.ok(t, "GET", "/v1/account", nil), "accounts"), "account_name", "From Terraform 2")
			client.refused(t, "DELETE", client.path("organization", organization)+"?recursive=true", nil, http.StatusForbidden, "session_required")
		},
		destroy: func(t *testing.T) int {
			return admin.send(t, "DELETE", client.path("organization", organization)+"?recursive=true", nil).Status
		},
		gone: func(t *testing.T) bool {
			return client.send(t, "GET", client.path("organization", organization), nil).Status == http.StatusNotFound &&
				client.send(t, "GET", client.path("account", account), nil).Status == http.StatusNotFound
		},
	}.lives(t)
}

func testTerraformUnit(t *testing.T, s *servertest.Server, token string) {
	client := provider(s, token)
	var unit string
	read := func(t *testing.T) map[string]any {
		a := object(t, client.ok(t, "GET", client.path("account", unit), nil), "account")
		matches(t, a, accountShape)
		return map[string]any{
			"id": a["account_id"], "name": a["account_name"], "parent_id": a["parent_account_id"], "tenant_id": a["tenant_id"],
			"create_time": a["create_time"], "update_time": a["update_time"],
		}
	}
	resource{
		create: func(t *testing.T) {
			root := text(t, client.ok(t, "GET", client.path("organization", s.OrganizationID), nil), "account_id")
			unit = text(t, object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "unit", "parent_account_id": root}), "account"), "account_id")
			if strings.HasPrefix(unit, "org") {
				t.Fatalf("the provider takes the unit %s for an organization", unit)
			}
		},
		read: read,
		update: func(t *testing.T) {
			client.ok(t, "GET", client.path("organization", s.OrganizationID), nil)
			client.ok(t, "PUT", client.path("account", unit), body{"account_name": "unit 2"})
		},
		changed: map[string]any{"name": "unit 2"},
		imports: func(t *testing.T) {
			// The data source wants exactly one account of the name.
			find(t, list(t, client.ok(t, "GET", "/v1/account", nil), "accounts"), "account_name", "unit 2")
		},
		destroy: func(t *testing.T) int { return client.send(t, "DELETE", client.path("account", unit), nil).Status },
		gone: func(t *testing.T) bool {
			return client.send(t, "GET", client.path("account", unit), nil).Status == http.StatusNotFound
		},
	}.lives(t)
}

func testTerraformApplicationUser(t *testing.T, s *servertest.Server, token string) {
	client := provider(s, token)
	users := client.path("organization", s.OrganizationID, "application-users")
	var user string
	read := func(t *testing.T) map[string]any {
		u := client.ok(t, "GET", users+"/"+user, nil)
		matches(t, u, applicationUserShape)
		return u
	}
	resource{
		create: func(t *testing.T) {
			user = text(t, client.ok(t, "POST", users, body{"name": "tf", "is_super_admin": false}), "user_id")
		},
		read: read,
		update: func(t *testing.T) {
			client.ok(t, "PATCH", users+"/"+user, body{"name": "tf 2", "is_super_admin": false})
		},
		changed: map[string]any{"name": "tf 2"},
		imports: func(t *testing.T) {
			// The data source of users finds it among all members.
			members := list(t, client.ok(t, "GET", client.path("organization", s.OrganizationID, "user"), nil), "users")
			find(t, members, "user_id", user)
		},
		destroy: func(t *testing.T) int { return client.send(t, "DELETE", users+"/"+user, nil).Status },
		gone: func(t *testing.T) bool {
			return client.send(t, "GET", users+"/"+user, nil).Status == http.StatusNotFound
		},
	}.lives(t)
}

func testTerraformApplicationToken(t *testing.T, s *servertest.Server, token string) {
	client := provider(s, token)
	users := client.path("organization", s.OrganizationID, "application-users")
	user := text(t, client.ok(t, "POST", users, body{"name": "tokens", "is_super_admin": false}), "user_id")
	// The two bodies that were measured.
	bodies := map[string]body{
		"everything": {
			"description": "d", "extend_when_used": false, "ip_allowlist": []string{"10.0.0.0/8"}, "max_age_seconds": 3600, "scopes": []string{"user:read"},
		},
		"nothing": {"description": "", "extend_when_used": false},
	}
	for name, in := range bodies {
		t.Run(name, func(t *testing.T) {
			tokens := users + "/" + user + "/access-tokens"
			var tokenPrefix, full string
			rows := func(t *testing.T) []map[string]any {
				return list(t, client.ok(t, "GET", tokens, nil), "tokens")
			}
			resource{
				create: func(t *testing.T) {
					created := client.ok(t, "POST", tokens, in)
					tokenPrefix, full = text(t, created, "token_prefix"), text(t, created, "full_token")
					if len(full) < 100 {
						t.Errorf("the token has %d characters, the provider wants 100", len(full))
					}
				},
				read: func(t *testing.T) map[string]any {
					row := find(t, rows(t), "token_prefix", tokenPrefix)
					matches(t, row, tokenShape)
					if _, present := row["full_token"]; present {
						t.Error("the list has the full token")
					}
					return row
				},
				imports: func(t *testing.T) {
					row := find(t, rows(t), "token_prefix", tokenPrefix)
					for _, key := range []string{"ip_allowlist", "scopes", "max_age_seconds"} {
						want, sent := in[key]
						switch got := row[key].(type) {
						case []any:
							if !sent && len(got) > 0 {
								t.Errorf("%s was not set and is %v", key, got)
							}
						default:
							if !sent && got != nil {
								t.Errorf("%s was not set and is %v", key, got)
							}
						}
						if sent {
							echoes(t, row, body{key: want})
						}
					}
				},
				destroy: func(t *testing.T) int {
					return client.send(t, "DELETE", tokens+"/"+client.escape(tokenPrefix), nil).Status
				},
				gone: func(t *testing.T) bool {
					for _, row := range rows(t) {
						if row["token_prefix"] == tokenPrefix {
							return false
						}
					}
					return true
				},
			}.lives(t)
		})
	}
	client.done(t, "DELETE", users+"/"+user, nil)
}

func testTerraformPermission(t *testing.T, s *servertest.Server, token string) {
	client := provider(s, token)
	user := text(t, client.ok(t, "POST", client.path("organization", s.OrganizationID, "application-users"), body{"name": "granted", "is_super_admin": false}), "user_id")
	group := text(t, client.ok(t, "POST", client.path("organization", s.OrganizationID, "user-groups"), body{"user_group_name": "granted", "description": ""}), "user_group_id")
	unit := text(t, object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "granted", "parent_account_id": s.AccountID}), "account"), "account_id")
	client.ok(t, "POST", client.path("organization", s.OrganizationID, "projects"), body{"project_id": "granted", "billing_group_id": "x", "tags": body{}})
	for kind, id := range map[string]string{"organization": s.OrganizationID, "organization_unit": unit, "project": "granted"} {
		t.Run(kind, func(t *testing.T) {
			path := client.path("organization", s.OrganizationID, "permissions", kind, id)
			grants := func(permissions ...string) body {
				return body{"permissions": []body{{"principal_type": "user", "principal_id": user, "permissions": permissions}}}
			}
			rows := func(t *testing.T) []map[string]any {
				return list(t, client.ok(t, "GET", path, nil), "permissions")
			}
			first, second := "role:project:admin", "role:project:read"
			if kind == "organization" {
				first, second = "role:organization:admin", "organization:users:write"
			}
			if before := rows(t); len(before) > 0 {
				t.Fatalf("the provider refuses to create beside %v", before)
			}
			client.done(t, "PUT", path, grants(first, second))
			state := rows(t)
			matches(t, find(t, state, "principal_id", user), permissionShape)
			if diff := cmp.Diff(state, rows(t)); diff != "" {
				t.Errorf("a plan without changes has a difference (-state +read):\n%s", diff)
			}
			// What another resource keeps is sent along, and its times stay.
			other := body{"principal_type": "user_group", "principal_id": group, "permissions": []string{second}}
			both := func(permissions ...string) body {
				return body{"permissions": append([]body{other}, grants(permissions...)["permissions"].([]body)...)}
			}
			client.done(t, "PUT", path, both(first, second))
			state = rows(t)
			client.done(t, "PUT", path, both(second))
			if diff := cmp.Diff(find(t, state, "principal_id", group), find(t, rows(t), "principal_id", group)); diff != "" {
				t.Errorf("a principal that did not change (-state +read):\n%s", diff)
			}
			if was, is := find(t, state, "principal_id", user), find(t, rows(t), "principal_id", user); was["create_time"] != is["create_time"] || was["update_time"] == is["update_time"] {
				t.Errorf("a principal that changed keeps create_time and moves update_time: %v, then %v", was, is)
			}
			if diff := cmp.Diff([]any{second}, find(t, rows(t), "principal_id", user)["permissions"]); diff != "" {
				t.Errorf("after the update (-want +read):\n%s", diff)
			}
			client.done(t, "PUT", path, body{"permissions": []body{}})
			if after := rows(t); len(after) > 0 {
				t.Errorf("after destroy: %v", after)
			}
		})
	}
}

// The provider refuses to create the users of an organization: it imports them
// by address, and its delete ends the invitation, if there is one, and then the
// membership of whom the list shows.
func testTerraformUser(t *testing.T, s *servertest.Server, token string) {
	const address = "from+terraform@a.example"
	client := provider(s, token)
	users := client.path("organization", s.OrganizationID, "user")
	invitation := client.path("organization", s.OrganizationID, "invitation", address)
	listed := func(t *testing.T) []map[string]any {
		var found []map[string]any
		for _, row := range list(t, client.ok(t, "GET", users, nil), "users") {
			matches(t, row, memberShape)
			if object(t, row, "user_info")["user_email"] == address {
				found = append(found, row)
			}
		}
		return found
	}
	invite := func(t *testing.T) {
		client.done(t, "POST", client.path("organization", s.OrganizationID, "invitation"), body{"user_email": address})
	}
	// While it is invited only.
	invite(t)
	client.done(t, "DELETE", invitation, nil)
	client.refused(t, "DELETE", invitation, nil, http.StatusNotFound, "invitation_not_found")
	if rows := listed(t); len(rows) > 0 {
		t.Fatalf("an invited address is a member: %v", rows)
	}

	var user string
	resource{
		create: func(t *testing.T) {
			invite(t)
			code := s.MailedCode(t, address, identity.MailInvitation)
			made := s.Do(t, "POST", "/v1/invitation/"+code+"/sign-up", "", body{"real_name": "From Terraform", "password": "seven purple umbrellas sing"}).Want(http.StatusOK)
			user = made.String("user_id")
		},
		// The read of an import knows the address alone.
		read: func(t *testing.T) map[string]any {
			rows := listed(t)
			if len(rows) != 1 {
				t.Fatalf("%d users have the address, the provider wants one", len(rows))
			}
			return map[string]any{
				"user_email": address, "user_id": rows[0]["user_id"], "accepted": true,
				"create_time": object(t, rows[0], "user_info")["create_time"], "join_time": rows[0]["join_time"],
			}
		},
		imports: func(t *testing.T) {
			// The data source finds the user by id as well.
			if row := find(t, list(t, client.ok(t, "GET", users, nil), "users"), "user_id", user); object(t, row, "user_info")["real_name"] != "From Terraform" {
				t.Errorf("the user is %v", row)
			}
		},
		destroy: func(t *testing.T) int {
			client.refused(t, "DELETE", invitation, nil, http.StatusNotFound, "invitation_not_found")
			return client.send(t, "DELETE", users+"/"+user, nil).Status
		},
		gone: func(t *testing.T) bool { return len(listed(t)) == 0 },
	}.lives(t)
	client.refused(t, "DELETE", users+"/"+s.AdminID, nil, http.StatusBadRequest, "organization_must_have_one_super_admin")
}

func testTerraformUserGroup(t *testing.T, s *servertest.Server, token string) {
	client := provider(s, token)
	groups := client.path("organization", s.OrganizationID, "user-groups")
	var group string
	resource{
		create: func(t *testing.T) {
			created := client.ok(t, "POST", groups, body{"user_group_name": "From Terraform", "description": "on call"})
			matches(t, created, groupShape)
			group = text(t, created, "user_group_id")
		},
		read: func(t *testing.T) map[string]any {
			g := client.ok(t, "GET", groups+"/"+group, nil)
			matches(t, g, groupShape)
			return map[string]any{
				"group_id": g["user_group_id"], "name": g["user_group_name"], "description": g["description"],
				"create_time": g["create_time"], "update_time": g["update_time"],
			}
		},
		update: func(t *testing.T) {
			client.ok(t, "PATCH", groups+"/"+group, body{"user_group_name": "From Terraform 2", "description": "on call, by night"})
		},
		changed: map[string]any{"name": "From Terraform 2", "description": "on call, by night"},
		imports: func(t *testing.T) {
			// The data source by name reads the list.
			listed := find(t, list(t, client.ok(t, "GET", groups, nil), "user_groups"), "user_group_name", "From Terraform 2")
			matches(t, listed, groupShape.with(shape{"member_count": integer}))
			if listed["user_group_id"] != group {
				t.Errorf("the name leads to %v, want %s", listed["user_group_id"], group)
			}
		},
		destroy: func(t *testing.T) int { return client.send(t, "DELETE", groups+"/"+group, nil).Status },
		gone: func(t *testing.T) bool {
			return client.send(t, "GET", groups+"/"+group, nil).Status == http.StatusNotFound
		},
	}.lives(t)
}

func testTerraformUserGroupMember(t *testing.T, s *servertest.Server, token string) {
	client := provider(s, token)
	groups := client.path("organization", s.OrganizationID, "user-groups")
	group := text(t, client.ok(t, "POST", groups, body{"user_group_name": "With members", "description": ""}), "user_group_id")
	members := groups + "/" + group + "/members"
	user, _ := s.AddMember(t, "terraform@a.example", "a password for terraform")
	change := func(operation string) body { return body{"operation": operation, "member_ids": []string{user}} }
	rows := func(t *testing.T) []map[string]any { return list(t, client.ok(t, "GET", members, nil), "members") }
	resource{
		create: func(t *testing.T) { client.done(t, "PATCH", members, change("add_members")) },
		read: func(t *testing.T) map[string]any {
			m := find(t, rows(t), "user_id", user)
			matches(t, m, groupMemberShape)
			return map[string]any{"organization_id": s.OrganizationID, "group_id": group, "user_id": m["user_id"], "last_activity_time": m["last_activity_time"]}
		},
		// A create whose answer was lost is repeated.
		imports: func(t *testing.T) {
			client.done(t, "PATCH", members, change("add_members"))
			if got := len(rows(t)); got != 1 {
				t.Errorf("%d members after the member was added again, want 1", got)
			}
		},
		destroy: func(t *testing.T) int { return client.send(t, "PATCH", members, change("remove_members")).Status },
		gone:    func(t *testing.T) bool { return len(rows(t)) == 0 },
		again:   http.StatusNoContent,
	}.lives(t)
	client.done(t, "DELETE", groups+"/"+group, nil)
	client.refused(t, "PATCH", members, change("remove_members"), http.StatusNotFound, "user_group_not_found")
}

func testTerraformOrganizationProject(t *testing.T, s *servertest.Server, token string) {
	client := provider(s, token)
	one := client.path("organization", s.OrganizationID, "project", "tf-org-project")
	resource{
		create: func(t *testing.T) {
			client.ok(t, "GET", client.path("organization", s.OrganizationID), nil)
			client.ok(t, "POST", client.path("organization", s.OrganizationID, "projects"), body{
				"project_id": "tf-org-project", "parent_id": s.AccountID, "billing_group_id": "11111111-2222-3333-4444-555555555555", "tags": map[string]string{"env": "prod"},
			})
		},
		read: func(t *testing.T) map[string]any {
			p := client.ok(t, "GET", one, nil)
			matches(t, p, organizationProjectShape)
			ca := client.ok(t, "GET", client.path("project", "tf-org-project", "kms", "ca"), nil)
			return map[string]any{
				"project_id": p["project_id"], "parent_id": p["parent_id"], "tags": p["tags"], "base_port": p["base_port"],
				"billing_group_id": p["billing_group_id"], "tech_emails": p["tech_emails"], "ca_cert": ca["certificate"],
			}
		},
		update: func(t *testing.T) {
			client.ok(t, "PATCH", one, body{"tags": map[string]string{"env": "test"}, "tech_emails": []body{{"email": "ops@a.example"}}, "project_name": "tf-org-project"})
		},
		changed: map[string]any{"tags": map[string]any{"env": "test"}, "tech_emails": []any{map[string]any{"email": "ops@a.example"}}},
		destroy: func(t *testing.T) int { return client.send(t, "DELETE", one, nil).Status },
		gone:    func(t *testing.T) bool { return client.send(t, "GET", one, nil).Status == http.StatusNotFound },
	}.lives(t)
}

func testTerraformProject(t *testing.T, s *servertest.Server, token string) {
	client := oldProvider(s, token)
	one := client.path("project", "tf-project")
	resource{
		create: func(t *testing.T) {
			root := text(t, client.ok(t, "GET", client.path("organization", s.OrganizationID), nil), "account_id")
			client.ok(t, "POST", "/v1/project", body{
				"project": "tf-project", "account_id": root, "tags": map[string]string{"env": "prod"}, "cloud": nil, "tech_emails": []body{{"email": "ops@a.example"}},
			})
		},
		read: func(t *testing.T) map[string]any {
			p := object(t, client.ok(t, "GET", one, nil), "project")
			matches(t, p, projectShape)
			client.ok(t, "GET", client.path("account", text(t, p, "account_id")), nil)
			ca := client.ok(t, "GET", client.path("project", "tf-project", "kms", "ca"), nil)
			return map[string]any{
				"project": p["project_name"], "account_id": p["account_id"], "tags": p["tags"], "technical_emails": p["tech_emails"],
				"default_cloud": p["default_cloud"], "estimated_balance": p["estimated_balance"], "payment_method": p["payment_method"],
				"available_credits": p["available_credits"], "ca_cert": ca["certificate"],
			}
		},
		update: func(t *testing.T) {
			client.ok(t, "PUT", one, body{
				"project_name": "tf-project", "account_id": "", "cloud": "google-europe-north1", "tags": map[string]string{"env": "prod"},
				"tech_emails": []body{{"email": "ops@a.example"}}, "billing_group_id": nil,
			})
		},
		changed: map[string]any{"default_cloud": "google-europe-north1"},
		imports: func(t *testing.T) {
			// The data source looks in the list first.
			find(t, list(t, client.ok(t, "GET", "/v1/project", nil), "projects"), "project_name", "tf-project")
		},
		destroy: func(t *testing.T) int { return client.send(t, "DELETE", one, nil).Status },
		gone: func(t *testing.T) bool {
			a := client.send(t, "GET", one, nil)
			return a.Status == http.StatusForbidden && strings.Contains(a.String("message"), "Not a project member")
		},
	}.lives(t)
}

// Groups on a project, as aiven_organization_group_project has them: it is read
// and removed, never made any more.
func TestTerraformGroupProject(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.AddProject(t, s.OrganizationID, s.AccountID, "rockets")
		group := s.Do(t, "POST", "/v1/organization/"+s.OrganizationID+"/user-groups", s.AdminToken, body{"user_group_name": "pilots", "description": ""}).
			Want(http.StatusOK).String("user_group_id")
		client := oldProvider(s, s.AdminToken)
		all, one := "/v1/project/rockets/access", "/v1/project/rockets/access/groups/"+group
		access := func() []map[string]any { return list(t, client.ok(t, "GET", all, nil), "resource_access_list") }
		if rows := access(); len(rows) > 0 {
			t.Errorf("a new project has %v", rows)
		}
		client.refused(t, "PUT", one, body{"role": "captain"}, http.StatusBadRequest, "bad_request")
		client.refused(t, "PUT", one, body{}, http.StatusBadRequest, "bad_request")
		client.refused(t, "PUT", "/v1/project/rockets/access/groups/ug00000000000", body{"role": "developer"}, http.StatusNotFound, "user_group_not_found")
		client.refused(t, "DELETE", one, nil, http.StatusNotFound, "project_has_no_such_group")
		client.ok(t, "PUT", one, body{"role": "read_only"})
		client.ok(t, "PUT", one, body{"role": "operator"})
		rows := access()
		if len(rows) != 1 {
			t.Fatalf("%d groups, want 1: %v", len(rows), rows)
		}
		matches(t, rows[0], shape{"user_group_id": enum(group), "role": enum("operator"), "create_time": instant, "update_time": instant})

		// A member who was granted nothing hears the same of a project that exists
		// and of one that does not, and an operator gives nothing on.
		bobID, bob := s.AddMember(t, "bob@a.example", "")
		for _, project := range []string{"rockets", "balloons"} {
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				path := "/v1/project/" + project + "/access"
				if method != "GET" {
					path += "/groups/" + group
				}
				oldProvider(s, bob).refused(t, method, path, body{"role": "admin"}, http.StatusForbidden, "project_has_no_such_user")
			}
		}
		s.Do(t, "PATCH", "/v1/organization/"+s.OrganizationID+"/user-groups/"+group+"/members", s.AdminToken, body{"operation": "add_members", "member_ids": []string{bobID}}).Want(http.StatusNoContent)
		oldProvider(s, bob).refused(t, "PUT", one, body{"role": "admin"}, http.StatusForbidden, "permission_denied")

		client.ok(t, "DELETE", one, nil)
		if rows := access(); len(rows) > 0 {
			t.Errorf("removed, and still there: %v", rows)
		}
	})
}
