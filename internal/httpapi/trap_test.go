package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// The traps of the compatible API, numbered as its description numbers them:
// what hurts clients most often when a server does it otherwise.

// TestTrap01: 510 asks for the one-time code, and nothing else does.
func TestTrap01_510IsForTheCodeOnly(t *testing.T) {
	c := &clock{}
	s := servertest.Start(t, servertest.Options{Clock: c.Now})
	_, app := enableTwoFactor(t, s, c)
	client := avn(s, "")
	in := func(password string, otp any) body {
		return body{"email": servertest.AdminEmail, "password": password, "otp": otp}
	}
	for name, c := range map[string]struct {
		in     body
		status int
		code   string
	}{
		"no code":               {in(servertest.AdminPassword, nil), 510, "user_otp_required"},
		"an empty code":         {in(servertest.AdminPassword, ""), 510, "user_otp_required"},
		"a wrong code":          {in(servertest.AdminPassword, "000000"), 403, "user_config_2fa_otp_verification_failed"},
		"no code, bad password": {in("not the password at all", nil), 403, "authentication_failed"},
		"code, bad password":    {in("not the password at all", app.next()), 403, "authentication_failed"},
		"a code that is a list": {body{"email": servertest.AdminEmail, "password": servertest.AdminPassword, "otp": []string{}}, 400, "bad_request"},
		"nobody":                {body{"email": "nobody@a.example", "password": servertest.AdminPassword}, 403, "authentication_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			client.refused(t, "POST", "/v1/userauth", c.in, c.status, c.code)
		})
	}
	client.ok(t, "POST", "/v1/userauth", in(servertest.AdminPassword, app.next()))
}

// TestTrap02: limit=999 on anything, of any method, changes nothing.
func TestTrap02_LimitIsIgnored(t *testing.T) {
	s := servertest.New(t)
	client := avn(s, login(t, s)) // the one that adds nothing by itself
	client.ok(t, "POST", "/v1/project", body{"project": "limited", "account_id": s.AccountID})
	org := "/v1/organization/" + s.OrganizationID
	for _, path := range []string{
		"/v1/me", "/v1/organizations", "/v1/account", "/v1/account/" + s.AccountID, "/v1/project", "/v1/project/limited", "/v1/project/limited/kms/ca",
		"/v1/project/limited/tags", org, org + "/user", org + "/application-users", org + "/projects", org + "/project/limited",
		org + "/permissions/organization/" + s.OrganizationID, org + "/config/authentication", org + "/config/api-client-ip-allowlist",
		"/v1/account/" + s.AccountID + "/events", "/v1/project/limited/events", org + "/audit-events",
	} {
		plain, limited := client.ok(t, "GET", path, nil), client.ok(t, "GET", path+"?limit=999", nil)
		if diff := cmp.Diff(plain, limited); diff != "" {
			t.Errorf("%s without and with limit=999:\n%s", path, diff)
		}
	}
	client.ok(t, "PATCH", "/v1/me?limit=999", body{"real_name": "Alice"})
	client.done(t, "PUT", org+"/permissions/project/limited?limit=999", body{"permissions": []body{}})
	client.done(t, "DELETE", org+"/project/limited?limit=999", nil)
	client.ok(t, "POST", "/v1/me/logout?limit=999", nil)
}

// TestTrap03: no body, but application/octet-stream.
func TestTrap03_OctetStreamWithoutABody(t *testing.T) {
	s := servertest.New(t)
	client := avn(s, login(t, s))
	made := client.ok(t, "POST", "/v1/access_token", body{"description": "x", "max_age_seconds": nil, "extend_when_used": false})
	for _, call := range [][2]string{
		{"GET", "/v1/me"},
		{"DELETE", "/v1/access_token/" + text(t, made, "token_prefix")},
		{"POST", "/v1/me/expire_tokens"},
	} {
		req := client.request(t, call[0], call[1], nil)
		if got := req.Header.Get("Content-Type"); got != "application/octet-stream" {
			t.Fatalf("the player sends %q", got)
		}
		s.Send(t, req).Want(http.StatusOK)
	}
	client = avn(s, login(t, s))
	client.ok(t, "POST", "/v1/me/logout", nil)
	// Where a body is missing, that is what is wrong, and not its type.
	client = avn(s, login(t, s))
	s.Send(t, client.request(t, "PATCH", "/v1/me", nil)).WantCode(http.StatusBadRequest, "bad_request")
	s.Send(t, client.request(t, "POST", "/v1/userauth", nil)).WantCode(http.StatusBadRequest, "bad_request")
	// With a body the type has to be right.
	req := client.request(t, "POST", "/v1/userauth", body{"email": servertest.AdminEmail, "password": servertest.AdminPassword})
	req.Header.Set("Content-Type", "application/octet-stream")
	s.Send(t, req).WantCode(http.StatusUnsupportedMediaType, "unsupported_media_type")
}

// TestTrap04: each segment is decoded by itself, and + stays +.
func TestTrap04_EscapedPaths(t *testing.T) {
	s := servertest.New(t)
	client := sdk(s, login(t, s))
	client.ok(t, "POST", "/v1/project", body{"project": "web", "account_id": s.AccountID})
	for name, c := range map[string]struct {
		method, path string
		status       int
		code         string
	}{
		"a slash in a token":               {"DELETE", "/v1/access_token/AB%2Fcd%2Bef%3D%3D", 404, "token_not_found"},
		"literal plus and equals":          {"DELETE", "/v1/access_token/AB+cd==", 404, "token_not_found"},
		"a slash that is one":              {"DELETE", "/v1/access_token/AB/cd", 404, "not_found"},
		"a slash in a project":             {"GET", "/v1/project/web%2Fkms%2Fca", 403, "project_has_no_such_user"},
		"a plus is no space":               {"GET", "/v1/project/we+b", 403, "project_has_no_such_user"},
		"an encoded plus neither":          {"GET", "/v1/project/we%2Bb", 403, "project_has_no_such_user"},
		"letters may be encoded":           {"GET", "/v1/project/%77e%62", 200, ""},
		"the route's own words may not be": {"GET", "/v1/%70roject/web", 404, "not_found"},
		"a second slash in front":          {"GET", "//v1/project/web", 200, ""},
		"a slash at the end":               {"GET", "/v1/project/web/", 404, "not_found"},
		"two slashes inside":               {"GET", "/v1/project//web", 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			a := client.send(t, c.method, c.path, nil).Want(c.status)
			if a.Status != 200 && a.Code() != c.code {
				t.Errorf("error_code %q, want %q", a.Code(), c.code)
			}
		})
	}
	// A token of ours needs no encoding, but may come with it.
	made := client.ok(t, "POST", "/v1/access_token", body{"description": "x"})
	full := text(t, made, "full_token")
	client.ok(t, "DELETE", "/v1/access_token/"+strings.ReplaceAll(full, "_", "%5F"), nil)
}

// TestTrap05: the columns of every table are there, null or not.
func TestTrap05_ColumnsArePresent(t *testing.T) {
	s := servertest.New(t)
	client := avn(s, login(t, s))
	org := client.path("organization", s.OrganizationID)
	user := text(t, client.ok(t, "POST", org+"/application-users", body{"name": "never seen"}), "user_id")
	client.ok(t, "POST", org+"/application-users/"+user+"/access-tokens", body{"description": "never used"})
	client.ok(t, "POST", "/v1/access_token", body{"description": "never used"})
	client.ok(t, "POST", "/v1/project", body{"project": "untouched", "account_id": s.AccountID})

	columns(t, []map[string]any{object(t, client.ok(t, "GET", "/v1/me", nil), "user")}, "token_validity_begin")
	tokens := list(t, client.ok(t, "GET", "/v1/access_token", nil), "tokens")
	columns(t, tokens, avnTokenColumns...)
	unused := find(t, tokens, "description", "never used")
	for _, key := range []string{"last_used_time", "last_ip", "last_user_agent", "max_age_seconds"} {
		if unused[key] != nil {
			t.Errorf("%s of an unused token is %v, want null", key, unused[key])
		}
	}
	columns(t, list(t, client.ok(t, "GET", org+"/application-users/"+user+"/access-tokens", nil), "tokens"), avnApplicationTokenColumns...)
	members := list(t, client.ok(t, "GET", org+"/user", nil), "users")
	columns(t, members, "last_activity_time")
	if quiet := find(t, members, "user_id", user); quiet["last_activity_time"] != nil {
		t.Errorf("last_activity_time of somebody never active is %v, want null", quiet["last_activity_time"])
	}
	columns(t, list(t, client.ok(t, "GET", "/v1/organizations", nil), "organizations"), "tier")
	columns(t, list(t, client.ok(t, "GET", "/v1/project", nil), "projects"), avnProjectColumns...)
	columns(t, list(t, client.ok(t, "GET", "/v1/project/untouched/events", nil), "events"), "service_name")
}

// TestTrap06: a message where a client prints it.
func TestTrap06_MessagesArePresent(t *testing.T) {
	s := servertest.New(t)
	client := avn(s, login(t, s))
	client.ok(t, "POST", "/v1/project", body{"project": "tagged", "account_id": s.AccountID})
	unit := text(t, object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "u", "parent_account_id": s.AccountID}), "account"), "account_id")
	for _, c := range []struct {
		method, path string
		in           any
	}{
		{"PUT", "/v1/project/tagged/tags", body{"tags": body{"a": "b"}}},
		{"PATCH", "/v1/project/tagged/tags", body{"tags": body{"a": nil}}},
		{"DELETE", "/v1/account/" + unit, nil},
		{"POST", "/v1/me/expire_tokens", nil},
	} {
		text(t, client.ok(t, c.method, c.path, c.in), "message")
	}
}

// TestTrap07: tokens have at least 100 characters.
func TestTrap07_TokensAreLong(t *testing.T) {
	s := servertest.New(t)
	session := login(t, s)
	client := provider(s, session)
	users := client.path("organization", s.OrganizationID, "application-users")
	user := text(t, client.ok(t, "POST", users, body{"name": "app"}), "user_id")
	for name, token := range map[string]string{
		"session":     session,
		"personal":    text(t, client.ok(t, "POST", "/v1/access_token", body{"description": "x"}), "full_token"),
		"application": text(t, client.ok(t, "POST", users+"/"+user+"/access-tokens", body{"description": "x"}), "full_token"),
	} {
		if err := fullToken(token); err != nil {
			t.Errorf("%s token: %v", name, err)
		}
		if strings.ContainsAny(token, "/+=") {
			t.Errorf("%s token %s needs encoding in a path", name, token)
		}
	}
}

// TestTrap08: lists of permissions hold explicit grants only.
func TestTrap08_ExplicitGrantsOnly(t *testing.T) {
	s := servertest.New(t)
	client := provider(s, login(t, s))
	created := object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "fresh"}), "account")
	organization := text(t, created, "organization_id")
	unit := text(t, object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "unit", "parent_account_id": created["account_id"]}), "account"), "account_id")
	client.ok(t, "POST", client.path("organization", organization, "projects"), body{"project_id": "fresh", "billing_group_id": "x", "tags": body{}})
	for kind, id := range map[string]string{"organization": organization, "organization_unit": unit, "project": "fresh"} {
		rows := list(t, client.ok(t, "GET", client.path("organization", organization, "permissions", kind, id), nil), "permissions")
		if len(rows) > 0 {
			t.Errorf("a fresh %s has the grants %v", kind, rows)
		}
	}
	// The creator has full access all the same.
	client.ok(t, "PUT", "/v1/project/fresh", body{"project_name": "fresher"})
}

// TestTrap09: what has been created can be read at once, by whoever made it.
func TestTrap09_NoRefusalRightAfterCreate(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := provider(s, personalToken(t, s))
		for i := range 5 {
			created := object(t, client.ok(t, "POST", "/v1/account", body{"account_name": fmt.Sprint("org ", i)}), "account")
			org := client.path("organization", text(t, created, "organization_id"))
			client.ok(t, "GET", org, nil)
			client.ok(t, "GET", client.path("account", text(t, created, "account_id")), nil)
			unit := object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "unit", "parent_account_id": created["account_id"]}), "account")
			client.ok(t, "GET", client.path("account", text(t, unit, "account_id")), nil)
			name := fmt.Sprint("project-", i)
			client.ok(t, "POST", org+"/projects", body{"project_id": name, "billing_group_id": "x", "tags": body{}, "parent_id": unit["account_id"]})
			client.ok(t, "GET", org+"/project/"+name, nil)
			client.ok(t, "GET", "/v1/project/"+name+"/kms/ca", nil)
			user := text(t, client.ok(t, "POST", org+"/application-users", body{"name": "app"}), "user_id")
			client.ok(t, "GET", org+"/application-users/"+user, nil)
			client.done(t, "PUT", org+"/permissions/project/"+name, body{"permissions": []body{{"principal_type": "user", "principal_id": user, "permissions": []string{"read_only"}}}})
			token := client.ok(t, "POST", org+"/application-users/"+user+"/access-tokens", body{"description": "x"})
			find(t, list(t, client.ok(t, "GET", org+"/application-users/"+user+"/access-tokens", nil), "tokens"), "token_prefix", token["token_prefix"])
			provider(s, text(t, token, "full_token")).ok(t, "GET", "/v1/project/"+name, nil)
		}
	})
}

// TestTrap10: no key error and no key errors in an answer that is a success.
func TestTrap10_NoErrorKeysOnSuccess(t *testing.T) {
	s := servertest.New(t)
	client := oldProvider(s, login(t, s))
	for _, path := range []string{"/v1/me", "/v1/account", "/v1/project", "/v1/organizations", "/v1/access_token", "/v1/billing-group"} {
		answer := client.ok(t, "GET", path, nil)
		for _, key := range []string{"error", "errors"} {
			if value, present := answer[key]; present {
				t.Errorf("%s: %s is %v", path, key, value)
			}
		}
	}
	// The judge of this suite looks for them in every other answer.
	for _, bad := range []string{`{"error":"x"}`, `{"errors":[{"message":"x"}]}`, `{"errors":[]}`} {
		a := servertest.Answer{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(bad)}
		if judge(a) == nil {
			t.Errorf("the judge lets %s pass", bad)
		}
	}
}

// TestTrap11: null for whatever is optional.
func TestTrap11_NullsAreAccepted(t *testing.T) {
	s := servertest.New(t)
	client := avn(s, login(t, s))
	org := client.path("organization", s.OrganizationID)
	client.ok(t, "POST", "/v1/userauth", body{"email": servertest.AdminEmail, "password": servertest.AdminPassword, "otp": nil, "tenant": nil})
	token := client.ok(t, "POST", "/v1/access_token", body{"description": "x", "max_age_seconds": nil, "extend_when_used": nil, "ip_allowlist": nil, "scopes": nil})
	if token["max_age_seconds"] != nil || token["extend_when_used"] != false {
		t.Errorf("all null: %v", token)
	}
	client.ok(t, "PATCH", "/v1/me", body{"real_name": "Alice", "city": nil, "country": nil, "department": nil, "job_title": nil})
	account := object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "x", "parent_account_id": nil, "primary_billing_group_id": nil}), "account")
	client.ok(t, "PUT", "/v1/account/"+text(t, account, "account_id"), body{"account_name": nil, "primary_billing_group_id": nil})
	client.ok(t, "POST", "/v1/organizations", body{"organization_name": "y", "tier": "business", "primary_billing_group_id": nil})
	client.ok(t, "PATCH", org, body{"name": nil, "tier": nil})
	client.ok(t, "POST", "/v1/project", body{
		"project": "nulls", "account_id": s.AccountID, "cloud": nil, "tags": nil, "tech_emails": nil, "billing_group_id": nil, "copy_from_project": nil,
		"copy_tags": nil, "use_source_project_billing_group": nil, "base_port": nil, "add_account_owners_admin_access": nil,
	})
	client.ok(t, "PUT", "/v1/project/nulls", body{"project_name": nil, "account_id": nil, "cloud": nil, "tags": nil, "tech_emails": nil, "billing_group_id": nil})
	client.ok(t, "POST", org+"/projects", body{"project_id": "nulls-2", "billing_group_id": "x", "tags": body{}, "parent_id": nil, "base_port": nil, "tech_emails": nil})
	client.ok(t, "PATCH", org+"/project/nulls-2", body{
		"project_name": nil, "parent_id": nil, "organization_id": nil, "billing_group_id": nil, "base_port": nil, "tags": nil, "tech_emails": nil,
	})
	user := text(t, client.ok(t, "POST", org+"/application-users", body{"name": "app", "is_super_admin": nil}), "user_id")
	client.ok(t, "POST", org+"/application-users/"+user+"/access-tokens", body{
		"description": "x", "max_age_seconds": nil, "extend_when_used": nil, "ip_allowlist": nil, "scopes": nil,
	})
	client.done(t, "PATCH", org+"/permissions/organization/"+s.OrganizationID, body{"permissions": []body{}, "operation": nil})
}

// TestTrap12: nothing follows a 204: the next answer on the connection is the
// next answer.
func TestTrap12_204IsEmpty(t *testing.T) {
	s := servertest.New(t)
	token := login(t, s)
	client := avn(s, token)
	user := text(t, client.ok(t, "POST", client.path("organization", s.OrganizationID, "application-users"), body{"name": "app"}), "user_id")
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("HTTP/1.1\r\nHost: x\r\nAuthorization: aivenv1 %s\r\n", token)
	fmt.Fprintf(conn, "DELETE /v1/organization/%s/application-users/%s %s\r\nGET /v1/me %sConnection: close\r\n\r\n", s.OrganizationID, user, head, head)
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(all), "\r\n\r\n")
	if !strings.HasPrefix(first, "HTTP/1.1 204 ") || strings.Contains(first, "Content-Length") || strings.Contains(first, "Transfer-Encoding") {
		t.Errorf("the first answer is %q", first)
	}
	second, err := http.ReadResponse(bufio.NewReader(strings.NewReader(rest)), nil)
	if err != nil || second.StatusCode != 200 {
		t.Fatalf("the second answer begins with %.40q: %v", rest, err)
	}
	second.Body.Close()
}

// TestTrap13: the plural lists and creates, the singular gets and deletes.
func TestTrap13_SingularAndPlural(t *testing.T) {
	s := servertest.New(t)
	client := sdk(s, login(t, s))
	org := client.path("organization", s.OrganizationID)
	client.ok(t, "POST", org+"/projects", body{"project_id": "one", "billing_group_id": "x", "tags": body{}})
	client.ok(t, "GET", org+"/projects", nil)
	client.ok(t, "GET", org+"/project/one", nil)
	client.ok(t, "PATCH", org+"/project/one", body{})
	client.refused(t, "GET", org+"/projects/one", nil, http.StatusNotFound, "not_found")
	client.refused(t, "GET", org+"/project", nil, http.StatusNotFound, "not_found")
	client.done(t, "DELETE", org+"/project/one", nil)

	// Tokens of members: of an application user, which its organization may end.
	user := text(t, client.ok(t, "POST", org+"/application-users", body{"name": "app"}), "user_id")
	token := text(t, client.ok(t, "POST", org+"/application-users/"+user+"/access-tokens", body{"description": "x"}), "token_prefix")
	find(t, list(t, client.ok(t, "GET", org+"/user/"+user+"/access-tokens", nil), "tokens"), "token_prefix", token)
	client.refused(t, "DELETE", org+"/user/"+user+"/access-tokens/"+token, nil, http.StatusNotFound, "not_found")
	client.refused(t, "GET", org+"/user/"+user+"/access-token", nil, http.StatusNotFound, "not_found")
	client.done(t, "DELETE", org+"/user/"+user+"/access-token/"+token, nil)
}

// TestTrap14: a token ends itself, named whole.
func TestTrap14_ATokenEndsItself(t *testing.T) {
	s := servertest.New(t)
	session := login(t, s)
	personal := text(t, sdk(s, session).ok(t, "POST", "/v1/access_token", body{"description": "x"}), "full_token")
	for name, token := range map[string]string{"personal token": personal, "session": session} {
		client := avn(s, token)
		client.ok(t, "DELETE", client.path("access_token", token), nil)
		message := client.refused(t, "GET", "/v1/me", nil, http.StatusUnauthorized, "authentication_failed").String("message")
		if !strings.Contains(message, "Invalid token") {
			t.Errorf("%s: the message is %q", name, message)
		}
	}
}

// TestTrap15: a parent is named by the id of an organization or of an account.
func TestTrap15_EitherIdNamesTheParent(t *testing.T) {
	s := servertest.New(t)
	client := sdk(s, login(t, s))
	org := client.path("organization", s.OrganizationID)
	unit := text(t, object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "unit", "parent_account_id": s.AccountID}), "account"), "account_id")
	for i, c := range []struct{ parent, account string }{{s.OrganizationID, s.AccountID}, {s.AccountID, s.AccountID}, {unit, unit}} {
		old, fresh := fmt.Sprint("old-", i), fmt.Sprint("new-", i)
		p := object(t, client.ok(t, "POST", "/v1/project", body{"project": old, "account_id": c.parent}), "project")
		if p["account_id"] != c.account || p["organization_id"] != s.OrganizationID {
			t.Errorf("account_id %s: %v of %v", c.parent, p["account_id"], p["organization_id"])
		}
		o := client.ok(t, "POST", org+"/projects", body{"project_id": fresh, "billing_group_id": "x", "tags": body{}, "parent_id": c.parent})
		if o["parent_id"] != c.account {
			t.Errorf("parent_id %s: %v", c.parent, o["parent_id"])
		}
		client.ok(t, "PUT", "/v1/project/"+old, body{"account_id": c.parent})
		client.ok(t, "PATCH", org+"/project/"+fresh, body{"parent_id": c.parent})
	}
	for i, parent := range []string{s.OrganizationID, s.AccountID} {
		a := object(t, client.ok(t, "POST", "/v1/account", body{"account_name": fmt.Sprint("unit ", i), "parent_account_id": parent}), "account")
		if a["parent_account_id"] != s.AccountID {
			t.Errorf("parent_account_id %s: %v", parent, a["parent_account_id"])
		}
		client.ok(t, "PUT", client.path("account", text(t, a, "account_id"), "parent_account"), body{"parent_account_id": parent})
	}
	// An account id is none of an organization, and the other way round.
	client.refused(t, "GET", client.path("organization", s.AccountID), nil, http.StatusNotFound, "organization_not_found")
	client.refused(t, "GET", client.path("account", s.OrganizationID), nil, http.StatusNotFound, "account_not_found")
	client.refused(t, "POST", "/v1/account", body{"account_name": "x", "parent_account_id": "org00000000000"}, http.StatusNotFound, "parent_account_not_found")
}

// TestTrap16: application users are members in the list unless left out.
func TestTrap16_ApplicationUsersAreListed(t *testing.T) {
	s := servertest.New(t)
	client := provider(s, login(t, s))
	org := client.path("organization", s.OrganizationID)
	user := text(t, client.ok(t, "POST", org+"/application-users", body{"name": "app"}), "user_id")
	for query, listed := range map[string]bool{
		"": true, "?include_application_users=true": true, "?include_application_users=1": true,
		"?include_application_users=false": false, "?include_application_users=0": false,
	} {
		found := false
		for _, row := range list(t, client.ok(t, "GET", org+"/user"+query, nil), "users") {
			if row["user_id"] == user {
				found = object(t, row, "user_info")["is_application_user"] == true
			}
		}
		if found != listed {
			t.Errorf("query %q: listed %v, want %v", query, found, listed)
		}
	}
}

// TestTrap17: the key of a name depends on the call.
func TestTrap17_KeysOfNames(t *testing.T) {
	s := servertest.New(t)
	client := sdk(s, login(t, s))
	org := client.path("organization", s.OrganizationID)
	if got := client.ok(t, "PATCH", org, body{"name": "by name"})["organization_name"]; got != "by name" {
		t.Errorf("PATCH name: %v", got)
	}
	if got := client.ok(t, "PATCH", org, body{"organization_name": "ignored", "account_name": "ignored"})["organization_name"]; got != "by name" {
		t.Errorf("PATCH with other keys renamed to %v", got)
	}
	client.ok(t, "POST", "/v1/organizations", body{"organization_name": "x", "tier": "personal"})
	client.refused(t, "POST", "/v1/organizations", body{"name": "x", "tier": "personal"}, http.StatusBadRequest, "bad_request")
	client.refused(t, "POST", "/v1/account", body{"name": "x", "organization_name": "x"}, http.StatusBadRequest, "bad_request")
	account := object(t, client.ok(t, "PUT", client.path("account", s.AccountID), body{"account_name": "by account_name"}), "account")
	if account["account_name"] != "by account_name" || client.ok(t, "GET", org, nil)["organization_name"] != "by account_name" {
		t.Errorf("PUT account_name: %v", account)
	}
	client.refused(t, "POST", "/v1/project", body{"project_name": "x", "account_id": s.AccountID}, http.StatusBadRequest, "bad_request")
	client.refused(t, "POST", org+"/projects", body{"project": "x", "billing_group_id": "x", "tags": body{}}, http.StatusBadRequest, "bad_request")
}
