package httpapi_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// What bad input gets: a 4xx with an error_code and a sentence, and nothing
// changed.

// writing is a call with a body, and how its fields can be wrong.
type writing struct {
	method, path string
	good         body
	wrong        map[string][]any // values that a field must not have
	required     []string
	own          bool // one of our routes: unknown fields are refused
}

// writings are the calls that take a body, on things that exist.
func writings(t *testing.T, s *servertest.Server, client player) map[string]writing {
	t.Helper()
	org := client.path("organization", s.OrganizationID)
	user := text(t, client.ok(t, "POST", org+"/application-users", body{"name": "app"}), "user_id")
	client.ok(t, "POST", "/v1/project", body{"project": "web", "account_id": s.AccountID})
	unit := text(t, object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "unit", "parent_account_id": s.AccountID}), "account"), "account_id")
	group := text(t, client.ok(t, "POST", org+"/user-groups", body{"user_group_name": "crew", "description": ""}), "user_group_id")
	client.ok(t, "POST", org+"/user-groups", body{"user_group_name": "taken", "description": ""})
	bob, _ := s.AddMember(t, "bob@a.example", "")
	s.Manage(t, bob)
	client.done(t, "POST", org+"/invitation", body{"user_email": "carol@c.example"})
	invitation := "/v1/invitation/" + s.MailedCode(t, "carol@c.example", identity.MailInvitation) + "/sign-up"
	personal := text(t, client.ok(t, "POST", "/v1/access_token", body{"description": "x"}), "token_prefix")
	long := func(n int) string { return strings.Repeat("x", n) }
	many := func(n int, s string) []string { return slices.Repeat([]string{s}, n) }
	notText := []any{1, true, []string{"x"}, body{"x": "y"}}
	notFlag := []any{"true", 1, []bool{true}, body{}}
	ages := []any{"3600", 599, 315360001, -1, 0.5, 600.5, json.RawMessage("1e400"), true, []int{600}, body{}}
	ranges := []any{
		"10.0.0.0/8",
		[]any{1},
		[]any{nil},
		[]string{""},
		[]string{"10.0.0.0"},
		[]string{"10.0.0.1/8"},
		[]string{"010.0.0.0/8"},
		[]string{"10.0.0.0/33"},
		[]string{" 10.0.0.0/8"},
		[]string{"::ffff:10.0.0.0/104"},
		[]string{"fe80::%eth0/64"},
		[]string{"example.com"},
		many(101, "10.0.0.0/8"),
		body{},
	}
	scopes := []any{"user:read", []any{1}, []string{"user:rea"}, []string{""}, many(101, "user:read"), body{}}
	names := slices.Concat(notText, []any{"", "   ", long(84), "a\nb", "a\x00b"})
	groupNames := slices.Concat(notText, []any{"", "   ", long(129), "a\nb", "a\x00b"})
	projectNames := slices.Concat(notText, []any{"", "1a", "-a", "a b", "a/b", "a.b", "ä", long(64)})
	tags := []any{"x", 1, []string{}, body{"a": 1}, body{"a": body{}}, body{"a": long(65)}, body{long(65): "a"}}
	techEmails := []any{"x", body{}, []string{"a@a.example"}, []body{{"email": 1}}, []body{{"email": "a"}}, slices.Repeat([]body{{"email": "a@a.example"}}, 11)}
	ports := []any{"15000", 9999, 30001, 15000.5, true}
	permissions := []any{
		"x",
		body{},
		[]string{"x"},
		[]any{nil},
		[]body{{}},
		[]body{{"principal_type": "user", "principal_id": user}},
		[]body{{"principal_type": "robot", "principal_id": user, "permissions": []string{}}},
		[]body{{"principal_type": "user", "principal_id": "u00000000000", "permissions": []string{"role:organization:admin"}}},
		[]body{{"principal_type": "user_group", "principal_id": "ug00000000000", "permissions": []string{"role:organization:admin"}}},
		[]body{{"principal_type": "user", "principal_id": user, "permissions": []string{"role:organization:adm"}}},
		[]body{{"principal_type": "user", "principal_id": user, "permissions": "role:organization:admin"}},
	}
	return map[string]writing{
		"access token": {"POST", "/v1/access_token", body{"description": "x", "max_age_seconds": 3600}, map[string][]any{
			"description": append(slices.Clone(notText), long(1001)), "max_age_seconds": ages, "extend_when_used": notFlag, "ip_allowlist": ranges, "scopes": scopes,
		}, []string{"description"}, false},
		"access token's description": {"PUT", "/v1/access_token/" + personal, body{"description": "y"}, map[string][]any{
			"description": append(slices.Clone(notText), long(1001)),
		}, []string{"description"}, false},
		"application token": {"POST", org + "/application-users/" + user + "/access-tokens", body{"description": "x"}, map[string][]any{
			"description": append(slices.Clone(notText), long(1001)), "max_age_seconds": ages, "extend_when_used": notFlag, "ip_allowlist": ranges, "scopes": scopes,
		}, []string{"description"}, false},
		"application user": {"POST", org + "/application-users", body{"name": "x"}, map[string][]any{
			"name": append(slices.Clone(notText), "", long(257)), "is_super_admin": append(slices.Clone(notFlag), true),
		}, []string{"name"}, false},
		"application user's name": {"PATCH", org + "/application-users/" + user, body{"name": "y"}, map[string][]any{
			"name": append(slices.Clone(notText), "", long(257)), "is_super_admin": append(slices.Clone(notFlag), true),
		}, []string{"name"}, false},
		"group": {"POST", org + "/user-groups", body{"user_group_name": "x", "description": ""}, map[string][]any{
			"user_group_name": append(slices.Clone(groupNames), "taken"), "description": append(slices.Clone(notText), long(4097)),
		}, []string{"user_group_name", "description"}, false},
		"group's fields": {"PATCH", org + "/user-groups/" + group, body{"user_group_name": "crew 2", "description": "x"}, map[string][]any{
			"user_group_name": append(slices.Clone(groupNames), "taken"), "description": append(slices.Clone(notText), long(4097)),
		}, nil, false},
		"group's members": {"PATCH", org + "/user-groups/" + group + "/members", body{"operation": "add_members", "member_ids": []string{bob}}, map[string][]any{
			"operation":  append(slices.Clone(notText), "", "set", "ADD_MEMBERS"),
			"member_ids": {bob, 1, body{}, []any{1}, []any{nil}, []string{""}, []string{bob, "u00000000000"}, []string{group}, many(1025, bob)},
		}, []string{"operation", "member_ids"}, false},
		"member": {"PATCH", org + "/user/" + bob, body{"real_name": "Bob", "city": long(512), "country": "FI"}, map[string][]any{
			"real_name": append(slices.Clone(notText), "", "  ", "a\nb", long(257)), "city": append(slices.Clone(notText), long(513)),
			"country": append(slices.Clone(notText), "Finland", "f1"), "department": append(slices.Clone(notText), long(257)), "job_title": append(slices.Clone(notText), long(257)),
			"state": append(slices.Clone(notText), "", "gone", "deleted"), "is_super_admin": notFlag,
		}, nil, false},
		"invitation": {"POST", org + "/invitation", body{"user_email": "dave@c.example"}, map[string][]any{
			"user_email": append(slices.Clone(notText), "", "a", "a@b@c.example", "X <a@b.example>", "a\r\n@b.example", "mıke@c.example", long(255)+"@a.example", servertest.AdminEmail),
		}, []string{"user_email"}, false},
		"sign-up by invitation": {"POST", invitation, body{"real_name": "Carol", "password": "seven purple umbrellas sing"}, map[string][]any{
			"real_name": append(slices.Clone(notText), "", "  ", "a\nb", long(257)), "password": append(slices.Clone(notText), "", "short", "password1password1", "carol@c.example carol@c.example", long(15), long(257)),
		}, []string{"real_name", "password"}, true},
		"account":      {"POST", "/v1/account", body{"account_name": "x"}, map[string][]any{"account_name": names, "parent_account_id": append(slices.Clone(notText), unit, "a00000000000", "org00000000000", long(37))}, []string{"account_name"}, false},
		"unit's name":  {"PUT", "/v1/account/" + unit, body{"account_name": "x"}, map[string][]any{"account_name": names}, nil, false},
		"organization": {"POST", "/v1/organizations", body{"organization_name": "x", "tier": "business"}, map[string][]any{"organization_name": names, "tier": append(slices.Clone(notText), "", "free")}, []string{"organization_name", "tier"}, false},
		"organization's name": {"PATCH", org, body{"name": "x"}, map[string][]any{
			"name": names, "tier": append(slices.Clone(notText), "", "free", "personal"),
		}, nil, false},
		"profile": {"PATCH", "/v1/me", body{"real_name": "x"}, map[string][]any{
			"real_name": append(slices.Clone(notText), long(257)), "country": append(slices.Clone(notText), "Finland", "f1"), "city": append(slices.Clone(notText), long(257)),
		}, []string{"real_name"}, false},
		"project": {"POST", "/v1/project", body{"project": "x", "account_id": s.AccountID}, map[string][]any{
			"project": projectNames, "account_id": append(slices.Clone(notText), "a00000000000"), "tags": tags, "tech_emails": techEmails, "base_port": append(slices.Clone(ports), 29001), "cloud": notText,
		}, []string{"project"}, false},
		"project's fields": {"PUT", "/v1/project/web", body{"cloud": "x"}, map[string][]any{
			"project_name": projectNames, "account_id": append(slices.Clone(notText), "a00000000000"), "tags": tags, "tech_emails": techEmails,
		}, nil, false},
		"organization project": {"POST", org + "/projects", body{"project_id": "y", "billing_group_id": "x", "tags": body{}}, map[string][]any{
			"project_id": projectNames, "billing_group_id": append(slices.Clone(notText), ""), "tags": tags, "parent_id": append(slices.Clone(notText), "a00000000000"), "base_port": ports, "tech_emails": techEmails,
		}, []string{"project_id", "billing_group_id", "tags"}, false},
		"organization project's fields": {"PATCH", org + "/project/web", body{"base_port": 20000}, map[string][]any{
			"project_name": projectNames, "tags": tags, "base_port": ports, "tech_emails": techEmails, "organization_id": append(slices.Clone(notText), "org00000000000"),
		}, nil, false},
		"tags":              {"PUT", "/v1/project/web/tags", body{"tags": body{"a": "b"}}, map[string][]any{"tags": tags}, []string{"tags"}, false},
		"tags' changes":     {"PATCH", "/v1/project/web/tags", body{"tags": body{"a": "b"}}, map[string][]any{"tags": tags}, []string{"tags"}, false},
		"all grants":        {"PUT", org + "/permissions/project/web", body{"permissions": []body{}}, map[string][]any{"permissions": permissions}, []string{"permissions"}, false},
		"grants' changes":   {"PATCH", org + "/permissions/organization/" + s.OrganizationID, body{"permissions": []body{}}, map[string][]any{"permissions": permissions, "operation": append(slices.Clone(notText), "add")}, []string{"permissions"}, false},
		"address ranges":    {"PUT", org + "/config/api-client-ip-allowlist", body{"api_client_ip_allowlist": []string{}, "api_client_ip_allowlist_enabled": false}, map[string][]any{"api_client_ip_allowlist": ranges, "api_client_ip_allowlist_enabled": notFlag}, []string{"api_client_ip_allowlist", "api_client_ip_allowlist_enabled"}, true},
		"policy":            {"PATCH", org + "/config/authentication", body{"mcp_enabled": true}, map[string][]any{"password_auth_enabled": append(slices.Clone(notFlag), nil), "two_factor_required": notFlag, "oauth_providers_allowed": {"google", []string{"gogle"}, []any{1}}, "max_personal_token_age_seconds": {"600", 599, 1.5, -1}}, nil, true},
		"password":          {"PUT", "/v1/me/password", body{"password": servertest.AdminPassword, "new_password": "staples horse battery of another"}, map[string][]any{"password": notText, "new_password": append(slices.Clone(notText), "", "short", "password1password1", long(15), long(257))}, []string{"password", "new_password"}, false},
		"password strength": {"POST", "/v1/me/password_strength", body{"old_password": "x", "new_password": "y"}, map[string][]any{"new_password": notText}, []string{"new_password", "old_password"}, false},
		"second factor":     {"PUT", "/v1/me/2fa", body{"method": "otp", "password": servertest.AdminPassword}, map[string][]any{"method": append(slices.Clone(notText), "sms"), "password": notText}, []string{"password"}, false},
		"login":             {"POST", "/v1/userauth", body{"email": servertest.AdminEmail, "password": servertest.AdminPassword}, map[string][]any{"email": append(slices.Clone(notText), "", "a", "a@b@c.example", "a\r\n@b.example", long(255)+"@a.example"), "password": append(slices.Clone(notText), long(257)), "otp": {1, true, "1234567"}}, []string{"email", "password"}, false},
	}
}

func TestBadFields(t *testing.T) {
	s := servertest.New(t)
	client := avn(s, login(t, s))
	all := writings(t, s, client)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		w := all[name]
		t.Run(name, func(t *testing.T) {
			before, events := s.Dump(t), successes(t, s)
			for field, values := range w.wrong {
				for _, value := range values {
					in := maps.Clone(w.good)
					in[field] = value
					refusedUnchanged(t, client, w, in)
				}
			}
			for _, field := range w.required {
				in := maps.Clone(w.good)
				delete(in, field)
				refusedUnchanged(t, client, w, in)
				in[field] = nil
				refusedUnchanged(t, client, w, in)
			}
			if w.own {
				in := maps.Clone(w.good)
				in["unknown_field"] = true
				refusedUnchanged(t, client, w, in)
			}
			if after := s.Dump(t); after != before {
				t.Errorf("something was changed by refused calls:\n%s", firstDifference(before, after))
			}
			if after := successes(t, s); after != events {
				t.Errorf("%s events of success, %s before", after, events)
			}
		})
	}
	// Each of them is right but for what was wrong, extra fields or not.
	for _, name := range slices.Sorted(maps.Keys(all)) {
		w := all[name]
		if name == "password" {
			continue // it would end the session; the clients' suites change it
		}
		in := maps.Clone(w.good)
		if !w.own {
			in["unknown_field"], in["another"] = body{"x": []int{1}}, nil
		}
		if a := client.send(t, w.method, w.path, in); a.Status >= 300 {
			t.Errorf("%s: good input gets %d: %s", name, a.Status, a.Body)
		}
	}
}

// refusedUnchanged sends what must be refused for its shape or its rules.
func refusedUnchanged(t *testing.T, client player, w writing, in body) {
	t.Helper()
	a := client.send(t, w.method, w.path, in)
	sent, _ := json.Marshal(in)
	if len(sent) > 200 {
		sent = sent[:200]
	}
	if a.Status < 400 || a.Status >= 500 {
		t.Errorf("%s gets %d, want a 4xx: %s", sent, a.Status, a.Body)
		return
	}
	if sentence := a.String("message"); len(sentence) < 20 || strings.Contains(sentence, "\n") {
		t.Errorf("%s: the message %q is no sentence", sent, sentence)
	}
}

// successes counts the events that are no refusals.
func successes(t *testing.T, s *servertest.Server) string {
	t.Helper()
	return s.Value(t, "SELECT COUNT(*) FROM events WHERE outcome = 'success'")
}

func firstDifference(before, after string) string {
	old := map[string]bool{}
	for line := range strings.Lines(before) {
		old[line] = true
	}
	for line := range strings.Lines(after) {
		if !old[line] {
			return line
		}
	}
	return "something is missing"
}

func TestBadBodies(t *testing.T) {
	s := servertest.New(t)
	client := avn(s, login(t, s))
	all := writings(t, s, client)
	before := s.Dump(t)
	bodies := map[string]string{
		"nothing": "", "spaces": "  ", "null": "null", "a list": "[]", "a text": `"x"`, "a number": "1", "half": `{"description":`, "two": "{}{}",
		"a field twice": `{"description":"a","description":"b"}`, "a comment": "{/* x */}", "a comma too many": `{"a":1,}`, "a byte order mark": "\ufeff{}",
		"invalid UTF-8": "{\"description\":\"\xff\"}", "a lone surrogate": `{"description":"\ud800"}`, "NUL": `{"description":"\u0000"}`,
		"deep": strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001), "a form": "description=x",
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		w := all[name]
		if len(w.required) == 0 {
			continue // {} and nothing are good there
		}
		for kind, text := range bodies {
			a := s.Send(t, rawRequest(t, client, w, "application/json", strings.NewReader(text)))
			if err := judge(a); err != nil || a.Status < 400 || a.Status >= 500 {
				t.Errorf("%s: %s gets %d: %v: %s", name, kind, a.Status, err, a.Body)
			}
		}
		for _, contentType := range []string{"", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", "garbage;;"} {
			good, _ := json.Marshal(w.good)
			a := s.Send(t, rawRequest(t, client, w, contentType, strings.NewReader(string(good))))
			a.WantCode(http.StatusUnsupportedMediaType, "unsupported_media_type")
		}
		huge := io.MultiReader(strings.NewReader(`{"description":"`), strings.NewReader(strings.Repeat("x", 1<<20)), strings.NewReader(`"}`))
		s.Send(t, rawRequest(t, client, w, "application/json", huge)).WantCode(http.StatusRequestEntityTooLarge, "request_too_large")
	}
	if after := s.Dump(t); after != before {
		t.Errorf("something was changed by refused calls:\n%s", firstDifference(before, after))
	}
}

func rawRequest(t *testing.T, client player, w writing, contentType string, in io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), w.method, client.s.URL+w.path, in)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "aivenv1 "+client.token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req
}

// A JSON content type may have parameters and capitals.
func TestContentTypeOfJSON(t *testing.T) {
	s := servertest.New(t)
	w := writing{method: "PATCH", path: "/v1/me"}
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON"} {
		s.Send(t, rawRequest(t, avn(s, login(t, s)), w, contentType, strings.NewReader(`{"real_name":"Alice"}`))).Want(http.StatusOK)
	}
}

func TestBadPaths(t *testing.T) {
	s := servertest.New(t)
	client := sdk(s, login(t, s))
	before := s.Dump(t)
	org := "/v1/organization/" + s.OrganizationID
	for _, path := range []string{
		"/v1", "/v1/", "/v1/nothing", "/v1/me/", "/v1//me", "/v1/./me", "/v1/../v1/me", "/v1/%2e%2e/v1/me", "/v1/organization/", "/v1/organization//user",
		"/v1/organization/%00", org + "%00", org + "%20", org + "/user/%2F", org + "/user/%ff", "/v1/organization/" + strings.Repeat("x", 8<<10),
		"/v1/account/" + s.OrganizationID, "/v1/project/%2e%2e", "/v1/project/" + strings.Repeat("é", 100), org + "/permissions/project/%2F", "/v1/access_token",
		org + "/decisions/nothing", org + "/application-users/" + s.AdminID + "/access-tokens/x", "/oauth2/nothing", "/V1/me", "/v1/ME",
	} {
		for _, method := range []string{"GET", "DELETE", "PUT", "PATCH", "POST"} {
			if method == "GET" && path == "/v1/access_token" {
				continue
			}
			a := client.s.Send(t, client.request(t, method, path, nil))
			if a.Status < 400 || a.Status >= 500 {
				t.Errorf("%s %.60s: %d: %s", method, path, a.Status, a.Body)
			}
			if err := judge(a); err != nil && strings.HasPrefix(path, "/v1") {
				t.Errorf("%s %.60s: %d: %v", method, path, a.Status, err)
			}
		}
	}
	if after := s.Dump(t); after != before {
		t.Errorf("something was changed by refused calls:\n%s", firstDifference(before, after))
	}
}

func TestBadQueries(t *testing.T) {
	s := servertest.New(t)
	client := avn(s, login(t, s))
	org := "/v1/organization/" + s.OrganizationID
	for _, path := range []string{
		org + "/audit-events?since=yesterday", org + "/audit-events?until=1", org + "/audit-events?cursor=%00", org + "/audit-events?cursor=abc",
		org + "/audit-events?limit=x", org + "/audit-events?limit=-1", org + "/user?include_application_users=maybe",
	} {
		if a := client.send(t, "GET", path, nil); a.Status != http.StatusBadRequest {
			t.Errorf("GET %s: %d, want 400: %s", path, a.Status, a.Body)
		}
	}
	before := s.Dump(t)
	if a := client.send(t, "DELETE", org+"?recursive=perhaps", nil); a.Status != http.StatusBadRequest {
		t.Errorf("recursive=perhaps: %d, want 400: %s", a.Status, a.Body)
	}
	if s.Dump(t) != before {
		t.Error("recursive=perhaps deleted something")
	}
}
