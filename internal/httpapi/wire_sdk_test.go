package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// The generated Go client: every call of the compatible API that this server
// offers, with the answer held against the types it is decoded into.

func TestSDKUser(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		answer := sdk(s, "").ok(t, "POST", "/v1/userauth", body{"email": servertest.AdminEmail, "password": servertest.AdminPassword})
		matches(t, answer, shape{"token": fullToken, "state": enum("active"), "user_email": str(254)})
		client := sdk(s, text(t, answer, "token"))
		user := object(t, client.ok(t, "GET", "/v1/me", nil), "user")
		matches(t, user, userShape)
		if user["managing_organization_id"] != nil || user["token_validity_begin"] != nil {
			t.Errorf("not managed, never expired: %v", user)
		}
		updated := object(t, client.ok(t, "PATCH", "/v1/me", body{
			"real_name": "Alice", "job_title": "Captain", "country": "FI", "city": "Helsinki", "department": nil,
		}), "user")
		matches(t, updated, userShape)
		if updated["real_name"] != "Alice" || updated["country"] != "FI" || updated["user"] != servertest.AdminEmail {
			t.Errorf("after the update: %v", updated)
		}
		methods := list(t, client.ok(t, "GET", "/v1/me/authentication_methods", nil), "authentication_methods")
		for _, m := range methods {
			matches(t, m, authMethodShape)
		}
		find(t, methods, "currently_active", true)
		matches(t, client.ok(t, "GET", "/v1/me/account/invites", nil), shape{"account_invites": listOf(free)})

		strength := shape{"password_strength": obj(shape{"score": integer, "message": str(1000), "~is_acceptable": boolean})}
		matches(t, client.ok(t, "POST", "/v1/me/password_strength", body{"old_password": servertest.AdminPassword, "new_password": "password1"}), strength)
		matches(t, sdk(s, "").ok(t, "POST", "/v1/user/password_strength", body{"password": "correct horse", "email": "x@y.example", "real_name": "X"}), strength)

		client.ok(t, "POST", "/v1/me/logout", nil)
		client.refused(t, "GET", "/v1/me", nil, http.StatusUnauthorized, "authentication_failed")
	})
}

func TestSDKAccessToken(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := sdk(s, login(t, s))
		in := body{
			"description": "narrow", "max_age_seconds": 86400, "extend_when_used": false,
			"ip_allowlist": []string{"127.0.0.0/8", "2001:db8::/32"}, "scopes": []string{"user:read", "user:write", "authentication"},
		}
		created := client.ok(t, "POST", "/v1/access_token", in)
		matches(t, created, tokenShape.with(shape{"full_token": fullToken}))
		prefix, full := text(t, created, "token_prefix"), text(t, created, "full_token")
		echoes(t, created, in)
		if full[:12] != prefix {
			t.Errorf("prefix %s of token %s", prefix, full)
		}

		narrow := sdk(s, full)
		rows := list(t, narrow.ok(t, "GET", "/v1/access_token", nil), "tokens")
		prefixes := []string{}
		for _, row := range rows {
			matches(t, row, tokenShape)
			prefixes = append(prefixes, text(t, row, "token_prefix"))
		}
		if slices.Sort(prefixes); len(slices.Compact(prefixes)) != len(rows) {
			t.Errorf("two tokens have the same prefix: %v", prefixes)
		}
		own := find(t, rows, "currently_active", true)
		echoes(t, own, in)
		if own["token_prefix"] != prefix || own["created_manually"] != true {
			t.Errorf("the calling token: %v", own)
		}
		if session := find(t, rows, "token_prefix", client.token[:12]); session["created_manually"] != false || session["max_age_seconds"] != nil {
			t.Errorf("the session that made it: %v", session)
		}

		updated := client.ok(t, "PUT", client.path("access_token", prefix), body{"description": "wide"})
		matches(t, updated, tokenShape)
		in["description"] = "wide"
		echoes(t, updated, in)
		client.ok(t, "DELETE", client.path("access_token", full), nil)
	})
}

// echoes checks that an answer has what was sent, exactly.
func echoes(t *testing.T, answer map[string]any, sent body) {
	t.Helper()
	for key, value := range sent {
		if diff := cmp.Diff(plain(value), answer[key]); diff != "" {
			t.Errorf("%s (-sent +answered):\n%s", key, diff)
		}
	}
}

// plain is a value as it comes back from JSON.
func plain(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case []string:
		all := []any{}
		for _, s := range v {
			all = append(all, s)
		}
		return all
	case map[string]string:
		all := map[string]any{}
		for key, s := range v {
			all[key] = s
		}
		return all
	case []body:
		all := []any{}
		for _, b := range v {
			all = append(all, map[string]any(b))
		}
		return all
	}
	return v
}

func TestSDKOrganization(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := sdk(s, login(t, s))
		created := client.ok(t, "POST", "/v1/organizations", body{"organization_name": "Second", "tier": "business", "primary_billing_group_id": nil})
		matches(t, created, organizationShape)
		organization := client.path("organization", text(t, created, "organization_id"))
		for _, row := range list(t, client.ok(t, "GET", "/v1/organizations", nil), "organizations") {
			matches(t, row, organizationShape)
		}
		got := client.ok(t, "GET", organization, nil)
		if diff := cmp.Diff(created, got); diff != "" {
			t.Errorf("read after create (-created +read):\n%s", diff)
		}
		updated := client.ok(t, "PATCH", organization, body{"name": "Third", "tier": nil})
		matches(t, updated, organizationShape)
		if updated["organization_name"] != "Third" || updated["account_id"] != created["account_id"] {
			t.Errorf("renamed to Third: %v", updated)
		}
		client.done(t, "DELETE", organization+"?recursive=true", nil)
		client.refused(t, "GET", organization, nil, http.StatusNotFound, "organization_not_found")
		client.refused(t, "DELETE", organization+"?recursive=true", nil, http.StatusNotFound, "organization_not_found")
	})
}

func TestSDKAccount(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := sdk(s, login(t, s))
		unit := object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "Unit", "parent_account_id": s.AccountID, "primary_billing_group_id": nil}), "account")
		matches(t, unit, accountShape)
		if unit["parent_account_id"] != s.AccountID || unit["root_account_id"] != s.AccountID || unit["organization_id"] != s.OrganizationID {
			t.Errorf("a unit of %s: %v", s.AccountID, unit)
		}
		path := client.path("account", text(t, unit, "account_id"))
		got := object(t, client.ok(t, "GET", path, nil), "account")
		if diff := cmp.Diff(unit, got); diff != "" {
			t.Errorf("read after create (-created +read):\n%s", diff)
		}
		root := object(t, client.ok(t, "GET", client.path("account", s.AccountID), nil), "account")
		matches(t, root, accountShape)
		if root["parent_account_id"] != nil || root["root_account_id"] != s.AccountID || root["account_name"] != servertest.Organization {
			t.Errorf("the root: %v", root)
		}
		moved := object(t, client.ok(t, "PUT", path+"/parent_account", body{"parent_account_id": s.AccountID}), "account")
		matches(t, moved, accountShape)
		client.refused(t, "POST", "/v1/account", body{"account_name": "Deeper", "parent_account_id": unit["account_id"]}, http.StatusBadRequest, "parent_account_too_deep")

		projects := client.ok(t, "GET", path+"/projects", nil)
		matches(t, projects, shape{"projects": listOf(obj(projectShape)), "total_project_count": integer})
		found := client.ok(t, "POST", client.path("account", s.AccountID, "users", "search"), body{"query": "alice", "limit": 10, "order_by": "user_email:asc"})
		matches(t, found, shape{"users": listOf(obj(shape{"user_id": userID, "user_email": str(254), "real_name": str(256)}))})
		events := list(t, client.ok(t, "GET", client.path("account", s.AccountID, "events"), nil), "events")
		for i, e := range events {
			matches(t, e, accountEventShape)
			if i > 0 && e["log_entry_id"].(float64) >= events[i-1]["log_entry_id"].(float64) {
				t.Errorf("event %d is not older than the one before", i)
			}
		}
		if len(events) == 0 || events[0]["action_type"] == nil {
			t.Errorf("no events in %v", events)
		}
		client.ok(t, "DELETE", path, nil)
		client.refused(t, "GET", path, nil, http.StatusNotFound, "account_not_found")
	})
}

// Teams were before groups: their lists are empty, and what changed them says
// what came instead, to whom the organization belongs and to strangers alike.
func TestSDKTeams(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := sdk(s, s.AdminToken)
		root := "/v1/account/" + s.AccountID
		for path, key := range map[string]string{
			"/teams": "teams", "/user/" + s.AdminID + "/teams": "teams", "/project/p/teams": "teams",
			"/team/at1/members": "members", "/team/at1/projects": "projects", "/team/at1/invites": "account_invites",
		} {
			if rows := list(t, client.ok(t, "GET", root+path, nil), key); len(rows) > 0 {
				t.Errorf("%s: %v, want nothing", path, rows)
			}
		}
		for _, call := range []string{
			"POST /teams", "GET /team/at1", "PUT /team/at1", "DELETE /team/at1", "POST /team/at1/members", "DELETE /team/at1/member/u1",
			"POST /team/at1/project/p", "PUT /team/at1/project/p", "DELETE /team/at1/project/p", "DELETE /team/at1/invites/a@b.example", "POST /invite/code",
		} {
			method, path, _ := strings.Cut(call, " ")
			client.refused(t, method, root+path, body{"team_name": "x"}, http.StatusGone, "retired_api_endpoint")
		}
		sdk(s, s.Eve(t).Session).refused(t, "GET", root+"/teams", nil, http.StatusNotFound, "account_not_found")
	})
}

func TestSDKOrganizationUser(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := sdk(s, login(t, s))
		users := client.path("organization", s.OrganizationID, "user")
		rows := list(t, client.ok(t, "GET", users, nil), "users")
		for _, row := range rows {
			matches(t, row, memberShape)
		}
		alice := find(t, rows, "user_id", s.AdminID)
		if alice["is_super_admin"] != true || object(t, alice, "user_info")["is_application_user"] != false {
			t.Errorf("the admin: %v", alice)
		}
		matches(t, client.ok(t, "GET", users+"/"+s.AdminID, nil), memberShape)
		tokens := list(t, client.ok(t, "GET", users+"/"+s.AdminID+"/access-tokens", nil), "tokens")
		for _, row := range tokens {
			matches(t, row, memberTokenShape)
		}
		if len(tokens) == 0 {
			t.Error("the admin has sessions, but no tokens are listed")
		}
		matches(t, client.ok(t, "GET", users+"/"+s.AdminID+"/permissions", nil), shape{
			"permissions": listOf(obj(shape{"resource_type": enum("organization", "organization_unit", "project"), "resource_id": str(63), "permissions": texts})),
		})
		client.refused(t, "GET", users+"/u00000000000", nil, http.StatusNotFound, "organization_user_not_found")
	})
}

func TestSDKAuthenticationConfig(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := sdk(s, login(t, s))
		path := client.path("organization", s.OrganizationID, "config", "authentication")
		before := client.ok(t, "GET", path, nil)
		matches(t, before, configShape)
		echoes(t, before, body{
			"password_auth_enabled": true, "oauth_enabled": true, "saml_enabled": true, "saml_allow_external": true, "personal_tokens_enabled": true,
			"two_factor_required": false, "personal_tokens_require_allowed_auth_method": false, "mcp_enabled": false,
		})
		after := client.ok(t, "PATCH", path, body{"oauth_enabled": false, "mcp_enabled": true})
		before["oauth_enabled"], before["mcp_enabled"] = false, true
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("changed more or less than two fields (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(after, client.ok(t, "GET", path, nil)); diff != "" {
			t.Errorf("read after update (-updated +read):\n%s", diff)
		}
	})
}

func TestSDKIPAllowlist(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := sdk(s, login(t, s))
		path := client.path("organization", s.OrganizationID, "config", "api-client-ip-allowlist")
		shape := shape{"api_client_ip_allowlist": texts, "api_client_ip_allowlist_enabled": boolean}
		matches(t, client.ok(t, "GET", path, nil), shape)
		in := body{"api_client_ip_allowlist": []string{"127.0.0.0/8", "2001:db8::/32"}, "api_client_ip_allowlist_enabled": true}
		client.done(t, "PUT", path, in)
		echoes(t, client.ok(t, "GET", path, nil), in)
		outside := body{"api_client_ip_allowlist": []string{"192.0.2.0/24"}, "api_client_ip_allowlist_enabled": true}
		client.refused(t, "PUT", path, outside, http.StatusBadRequest, "api_client_ip_allowlist_blocks_caller")
		echoes(t, client.ok(t, "GET", path, nil), in)
	})
}

func TestSDKApplicationUser(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := sdk(s, login(t, s))
		users := client.path("organization", s.OrganizationID, "application-users")
		created := client.ok(t, "POST", users, body{"name": "app", "is_super_admin": false})
		matches(t, created, applicationUserShape)
		one := users + "/" + text(t, created, "user_id")
		if diff := cmp.Diff(created, client.ok(t, "GET", one, nil)); diff != "" {
			t.Errorf("read after create (-created +read):\n%s", diff)
		}
		client.refused(t, "PATCH", one, body{"name": "app", "is_super_admin": true}, http.StatusBadRequest, "bad_request")
		client.refused(t, "GET", users+"/"+s.AdminID, nil, http.StatusBadRequest, "user_not_application_user")
		client.refused(t, "GET", users+"/u00000000000", nil, http.StatusNotFound, "organization_user_not_found")

		in := body{"description": "", "max_age_seconds": 600, "extend_when_used": true, "ip_allowlist": []string{"127.0.0.1/32"}, "scopes": []string{"accounts"}}
		token := client.ok(t, "POST", one+"/access-tokens", in)
		matches(t, token, shape{"full_token": fullToken, "token_prefix": tokenPrefix})
		if len(token) != 2 {
			t.Errorf("the answer has more than full_token and token_prefix: %v", token)
		}
		row := find(t, list(t, client.ok(t, "GET", one+"/access-tokens", nil), "tokens"), "token_prefix", token["token_prefix"])
		matches(t, row, tokenShape)
		delete(in, "description") // null and empty are the same to the clients
		echoes(t, row, in)
		sdk(s, text(t, token, "full_token")).ok(t, "GET", "/v1/organizations", nil)
		client.done(t, "DELETE", one, nil)
		sdk(s, text(t, token, "full_token")).refused(t, "GET", "/v1/organizations", nil, http.StatusUnauthorized, "authentication_failed")
	})
}

func TestSDKPermissions(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := sdk(s, login(t, s))
		app := text(t, client.ok(t, "POST", client.path("organization", s.OrganizationID, "application-users"), body{"name": "app"}), "user_id")
		path := client.path("organization", s.OrganizationID, "permissions", "organization", s.OrganizationID)
		grant := func(who string, permissions ...string) body {
			return body{"principal_type": "user", "principal_id": who, "permissions": append([]string{}, permissions...)}
		}
		client.done(t, "PUT", path, body{"permissions": []body{grant(app, "organization:users:write"), grant(s.AdminID, "role:organization:admin")}})
		first := list(t, client.ok(t, "GET", path, nil), "permissions")
		for _, row := range first {
			matches(t, row, permissionShape)
		}
		// A PUT that repeats a principal's grants leaves its times alone.
		client.done(t, "PUT", path, body{"permissions": []body{grant(app, "organization:users:write", "organization:domains:write"), grant(s.AdminID, "role:organization:admin")}})
		second := list(t, client.ok(t, "GET", path, nil), "permissions")
		if diff := cmp.Diff(find(t, first, "principal_id", s.AdminID), find(t, second, "principal_id", s.AdminID)); diff != "" {
			t.Errorf("an unchanged principal (-first +second):\n%s", diff)
		}
		a, b := find(t, first, "principal_id", app), find(t, second, "principal_id", app)
		if a["create_time"] != b["create_time"] || !parseTime(t, b, "update_time").After(parseTime(t, a, "update_time")) {
			t.Errorf("a changed principal keeps create_time and moves update_time: %v, then %v", a, b)
		}

		client.done(t, "PATCH", path, body{"operation": "grant", "permissions": []body{grant(app, "organization:groups:write")}})
		client.done(t, "PATCH", path, body{"operation": "revoke", "permissions": []body{grant(app, "organization:users:write")}})
		client.done(t, "PATCH", path, body{"operation": nil, "permissions": []body{grant(s.AdminID)}})
		rows := list(t, client.ok(t, "GET", path, nil), "permissions")
		got := plain(find(t, rows, "principal_id", app)["permissions"]).([]any)
		if diff := cmp.Diff([]any{"organization:domains:write", "organization:groups:write"}, got); diff != "" || len(rows) != 1 {
			t.Errorf("after grant, revoke and set (-want +got):\n%s%v", diff, rows)
		}
		client.done(t, "PUT", path, body{"permissions": []body{}})
		if rows := list(t, client.ok(t, "GET", path, nil), "permissions"); len(rows) > 0 {
			t.Errorf("an empty PUT leaves %v", rows)
		}
		client.refused(t, "GET", client.path("organization", s.OrganizationID, "permissions", "service", "x"), nil, http.StatusBadRequest, "unsupported_resource_type")
	})
}

func TestSDKProject(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := sdk(s, login(t, s))
		projects := client.path("organization", s.OrganizationID, "projects")
		created := client.ok(t, "POST", projects, body{
			"project_id": "new-1", "billing_group_id": "any", "tags": map[string]string{"env": "test"}, "parent_id": s.OrganizationID, "base_port": 15000,
			"tech_emails": []body{{"email": "ops@a.example"}},
		})
		matches(t, created, organizationProjectShape.with(shape{"organization_id": organizationID}))
		echoes(t, created, body{
			"project_id": "new-1", "billing_group_id": "any", "tags": map[string]string{"env": "test"}, "parent_id": s.AccountID, "base_port": 15000,
			"tech_emails": []body{{"email": "ops@a.example"}},
		})
		all := client.ok(t, "GET", projects, nil)
		matches(t, all, shape{"projects": listOf(obj(organizationProjectShape)), "total_project_count": integer})
		one := client.path("organization", s.OrganizationID, "project", "new-1")
		if diff := cmp.Diff(created, client.ok(t, "GET", one, nil)); diff != "" {
			t.Errorf("read after create (-created +read):\n%s", diff)
		}
		updated := client.ok(t, "PATCH", one, body{"tags": map[string]string{}, "base_port": nil, "organization_id": s.OrganizationID})
		matches(t, updated, organizationProjectShape)
		echoes(t, updated, body{"tags": map[string]string{}, "base_port": 15000})

		tags := client.path("project", "new-1", "tags")
		text(t, client.ok(t, "PUT", tags, body{"tags": map[string]string{"a": "1", "b": "2"}}), "message")
		text(t, client.ok(t, "PATCH", tags, body{"tags": map[string]any{"a": nil, "c": "3"}}), "message")
		if diff := cmp.Diff(map[string]any{"b": "2", "c": "3"}, object(t, client.ok(t, "GET", tags, nil), "tags")); diff != "" {
			t.Errorf("tags (-want +got):\n%s", diff)
		}
		for _, e := range list(t, client.ok(t, "GET", client.path("project", "new-1", "events"), nil), "events") {
			matches(t, e, projectEventShape)
		}
		matches(t, client.ok(t, "GET", "/v1/billing-group", nil), shape{"billing_groups": listOf(free)})
		client.refused(t, "POST", projects, body{"project_id": "new-1", "billing_group_id": "any", "tags": body{}}, http.StatusConflict, "project_already_exists")
		client.done(t, "DELETE", one, nil)
		client.refused(t, "GET", one, nil, http.StatusNotFound, "project_not_found")
	})
}
