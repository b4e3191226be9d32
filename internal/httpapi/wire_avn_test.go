package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// The Python command line, command by command: its calls in its order, and
// the columns of its tables.

// Columns that several tables share.
var (
	avnTokenColumns = []string{
		"expiry_time", "token_prefix", "description", "max_age_seconds", "extend_when_used", "last_used_time", "last_ip", "last_user_agent",
	}
	avnApplicationUserColumns  = []string{"name", "user_email", "user_id", "is_super_admin"}
	avnApplicationTokenColumns = []string{
		"token_prefix", "description", "last_used_time", "expiry_time", "currently_active", "create_time", "created_manually",
		"extend_when_used", "ip_allowlist", "last_ip", "last_user_agent_human_readable", "max_age_seconds", "scopes",
	}
	avnProjectColumns = []string{
		"project_name", "default_cloud", "billing_currency", "vat_id", "billing_address", "country_code", "billing_extra_text", "card_info",
	}
)

func TestAvnUser(t *testing.T) { servertest.Each(t, testAvnUser) }

func testAvnUser(t *testing.T, s *servertest.Server) {
	// user login --tenant aws: the tenant is in no schema. Then GET /project is
	// the first use of the token; an empty list is fine.
	answer := avn(s, "").ok(t, "POST", "/v1/userauth", body{"email": servertest.AdminEmail, "password": servertest.AdminPassword, "tenant": "aws"})
	matches(t, answer, shape{"token": fullToken, "state": enum("active"), "user_email": enum(servertest.AdminEmail)})
	client := avn(s, text(t, answer, "token"))
	projects := client.ok(t, "GET", "/v1/project", nil)
	matches(t, projects, shape{"projects": listOf(obj(projectShape)), "project_membership": mapOf(str(64)), "project_memberships": mapOf(texts)})

	// user info
	columns(t, []map[string]any{object(t, client.ok(t, "GET", "/v1/me", nil), "user")},
		"user", "real_name", "state", "token_validity_begin", "projects", "auth")

	t.Run("access-token", func(t *testing.T) { testAvnAccessToken(t, client) })

	// user logout deletes the token by its full form, with itself.
	avn(s, client.token).ok(t, "DELETE", client.path("access_token", client.token), nil)
	client.refused(t, "GET", "/v1/me", nil, http.StatusUnauthorized, "authentication_failed")
}

func testAvnAccessToken(t *testing.T, client player) {
	// create sends all three keys, null when unset.
	created := client.ok(t, "POST", "/v1/access_token", body{"description": "ci", "max_age_seconds": nil, "extend_when_used": false})
	columns(t, []map[string]any{created}, "expiry_time", "description", "max_age_seconds", "extend_when_used", "full_token")
	matches(t, created, tokenShape.with(shape{"full_token": fullToken}))
	if created["max_age_seconds"] != nil || created["expiry_time"] == nil {
		t.Errorf("made without a maximum age: max_age_seconds %v, want null; expiry_time %v, want the server's default lifetime", created["max_age_seconds"], created["expiry_time"])
	}
	tokenPrefix := text(t, created, "token_prefix")

	rows := list(t, client.ok(t, "GET", "/v1/access_token", nil), "tokens")
	columns(t, rows, avnTokenColumns...)
	if full, present := find(t, rows, "token_prefix", tokenPrefix)["full_token"]; present {
		t.Errorf("the list shows the full token again: %v", full)
	}

	updated := client.ok(t, "PUT", client.path("access_token", tokenPrefix), body{"description": "ci and cd"})
	columns(t, []map[string]any{updated}, avnTokenColumns...)
	if updated["description"] != "ci and cd" || updated["expiry_time"] != created["expiry_time"] {
		t.Errorf("update changed more or less than the description: %v", updated)
	}
	client.ok(t, "DELETE", client.path("access_token", tokenPrefix), nil)
	client.refused(t, "DELETE", client.path("access_token", tokenPrefix), nil, http.StatusNotFound, "token_not_found")

	aged := client.ok(t, "POST", "/v1/access_token", body{"description": "ci", "max_age_seconds": 3600, "extend_when_used": true})
	if aged["max_age_seconds"] != 3600.0 || aged["extend_when_used"] != true {
		t.Errorf("the age that was asked for is not answered: %v", aged)
	}
	if life := parseTime(t, aged, "expiry_time").Sub(parseTime(t, aged, "create_time")); life != time.Hour {
		t.Errorf("the token lives %v, want an hour", life)
	}
	// The token works at once, and is revoked whole: + and = would be encoded.
	full := text(t, aged, "full_token")
	avn(client.s, full).ok(t, "GET", "/v1/me", nil)
	client.ok(t, "DELETE", client.path("access_token", full), nil)
	avn(client.s, full).refused(t, "GET", "/v1/me", nil, http.StatusUnauthorized, "authentication_failed")
}

func parseTime(t *testing.T, row map[string]any, key string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text(t, row, key))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestAvnPasswordChangeAndTokensExpire(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := avn(s, login(t, s))
		token := text(t, client.ok(t, "POST", "/v1/access_token", body{"description": "old", "max_age_seconds": nil, "extend_when_used": false}), "full_token")

		const changed = "another battery of horses staples"
		answer := client.ok(t, "PUT", "/v1/me/password", body{"password": servertest.AdminPassword, "new_password": changed})
		matches(t, answer, shape{"token": fullToken})
		for name, dead := range map[string]string{"session": client.token, "personal token": token} {
			if avn(s, dead).send(t, "GET", "/v1/me", nil).Status != http.StatusUnauthorized {
				t.Errorf("the %s works after the password was changed", name)
			}
		}
		avn(s, text(t, answer, "token")).ok(t, "GET", "/v1/me", nil)

		// user tokens-expire has no body; it prints the message.
		client = avn(s, loginWith(t, s, changed))
		text(t, client.ok(t, "POST", "/v1/me/expire_tokens", nil), "message")
		client.refused(t, "GET", "/v1/me", nil, http.StatusUnauthorized, "authentication_failed")
		user := object(t, avn(s, loginWith(t, s, changed)).ok(t, "GET", "/v1/me", nil), "user")
		parseTime(t, user, "token_validity_begin")
	})
}

func TestAvnTwoFactorLogin(t *testing.T) {
	c := &clock{}
	s := servertest.Start(t, servertest.Options{Clock: c.Now})
	token, app := enableTwoFactor(t, s, c)
	avn(s, token).ok(t, "GET", "/v1/me", nil)

	// Exactly 510 asks for the code; the second POST has no tenant.
	credentials := body{"email": servertest.AdminEmail, "password": servertest.AdminPassword}
	avn(s, "").refused(t, "POST", "/v1/userauth", body{"email": servertest.AdminEmail, "password": servertest.AdminPassword, "tenant": "gcp"}, http.StatusNotExtended, "user_otp_required")
	session := text(t, avn(s, "").ok(t, "POST", "/v1/userauth", body{"email": servertest.AdminEmail, "password": servertest.AdminPassword, "otp": app.next()}), "token")

	// Go clients repeat every 5xx: seven or eleven times the same POST, which
	// are no guesses. The old one always has the key otp.
	for range 11 {
		oldProvider(s, "").refused(t, "POST", "/v1/userauth", body{"email": servertest.AdminEmail, "password": servertest.AdminPassword, "otp": ""}, http.StatusNotExtended, "user_otp_required")
		sdk(s, "").refused(t, "POST", "/v1/userauth", credentials, http.StatusNotExtended, "user_otp_required")
	}
	sdk(s, "").ok(t, "POST", "/v1/userauth", body{"email": servertest.AdminEmail, "password": servertest.AdminPassword, "otp": app.next()})

	// Disabled with an empty method; the calling session goes on.
	client := avn(s, session)
	matches(t, client.ok(t, "PUT", "/v1/me/2fa", body{"method": "", "password": servertest.AdminPassword}), shape{"method": anything})
	client.ok(t, "GET", "/v1/me", nil)
	login(t, s)
}

// enableTwoFactor enables the admin's second factor by the two calls of the
// API and returns the new session.
func enableTwoFactor(t *testing.T, s *servertest.Server, c *clock) (string, authenticator) {
	t.Helper()
	client := sdk(s, login(t, s))
	offer := client.ok(t, "PUT", "/v1/me/2fa", body{"method": "otp", "password": servertest.AdminPassword})
	matches(t, offer, shape{"method": enum("otp"), "uri": str(2048), "qrcode": form("[A-Za-z0-9+/]+=*")})
	picture, err := base64.StdEncoding.DecodeString(text(t, offer, "qrcode"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
		t.Errorf("the QR code is no PNG: %v", err)
	}
	app := scan(t, c, text(t, offer, "uri"))
	answer := client.ok(t, "PUT", "/v1/me/2fa/otp", body{"password": servertest.AdminPassword, "uri": offer["uri"], "otp": app.next()})
	matches(t, answer, shape{"method": enum("otp"), "token": fullToken})
	return text(t, answer, "token"), app
}

func TestAvnOrganization(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := avn(s, login(t, s))
		organizationColumns := []string{"organization_name", "organization_id", "account_id", "create_time", "update_time", "tier"}
		columns(t, list(t, client.ok(t, "GET", "/v1/organizations", nil), "organizations"), organizationColumns...)

		// create makes an account without a parent.
		created := object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "Acme"}), "account")
		columns(t, []map[string]any{created}, "organization_id", "account_id", "create_time", "update_time")
		matches(t, created, accountShape)
		id, account := text(t, created, "organization_id"), text(t, created, "account_id")

		// update looks before and after.
		client.ok(t, "GET", client.path("organization", id), nil)
		client.ok(t, "PUT", client.path("account", account), body{"account_name": "Acme Inc."})
		renamed := client.ok(t, "GET", client.path("organization", id), nil)
		columns(t, []map[string]any{renamed}, organizationColumns...)
		if renamed["organization_name"] != "Acme Inc." || renamed["create_time"] != created["create_time"] {
			t.Errorf("renamed to Acme Inc.: %v", renamed)
		}

		// delete goes by the root account.
		client.ok(t, "DELETE", client.path("account", account), nil)
		client.refused(t, "GET", client.path("organization", id), nil, http.StatusNotFound, "organization_not_found")

		rows := list(t, client.ok(t, "GET", client.path("organization", s.OrganizationID, "user"), nil), "users")
		columns(t, rows, "user_info.user_email", "user_info.real_name", "user_info.state", "last_activity_time")
	})
}

func TestAvnAccount(t *testing.T) {
	s := servertest.New(t)
	client := avn(s, login(t, s))
	created := object(t, client.ok(t, "POST", "/v1/account", body{"account_name": "Solo"}), "account")
	rows := list(t, client.ok(t, "GET", "/v1/account", nil), "accounts")
	find(t, rows, "account_id", created["account_id"])
	for _, row := range rows {
		matches(t, row, accountShape)
		columns(t, []map[string]any{row}, "parent_account_id", "primary_billing_group_id", "account_owner_team_id", "tenant_id")
	}
	updated := object(t, client.ok(t, "PUT", client.path("account", text(t, created, "account_id")), body{"account_name": "Duo"}), "account")
	if updated["account_name"] != "Duo" {
		t.Errorf("renamed to Duo: %v", updated)
	}
	text(t, client.ok(t, "DELETE", client.path("account", text(t, created, "account_id")), nil), "message")
}

func TestAvnApplicationUser(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := avn(s, login(t, s))
		users := client.path("organization", s.OrganizationID, "application-users")
		if rows := list(t, client.ok(t, "GET", users, nil), "application_users"); len(rows) > 0 {
			t.Errorf("a new organization has application users: %v", rows)
		}
		created := client.ok(t, "POST", users, body{"name": "deploy"})
		columns(t, []map[string]any{created}, avnApplicationUserColumns...)
		one := users + "/" + text(t, created, "user_id")
		columns(t, list(t, client.ok(t, "GET", users, nil), "application_users"), avnApplicationUserColumns...)
		columns(t, []map[string]any{client.ok(t, "GET", one, nil)}, avnApplicationUserColumns...)
		renamed := client.ok(t, "PATCH", one, body{"name": "deploy-eu"})
		columns(t, []map[string]any{renamed}, avnApplicationUserColumns...)

		t.Run("token", func(t *testing.T) { testAvnApplicationToken(t, client, one) })
		client.done(t, "DELETE", one, nil)
		client.refused(t, "GET", one, nil, http.StatusNotFound, "organization_user_not_found")
	})
}

func testAvnApplicationToken(t *testing.T, client player, user string) {
	// Without flags: neither age nor lists.
	bare := client.ok(t, "POST", user+"/access-tokens", body{"description": "bare"})
	columns(t, []map[string]any{bare}, "full_token", "token_prefix")
	full := client.ok(t, "POST", user+"/access-tokens", body{
		"description": "narrow", "max_age_seconds": 3600, "extend_when_used": true,
		"ip_allowlist": []string{"127.0.0.0/8", "2001:db8::/32"}, "scopes": []string{"user:read", "accounts:read"},
	})
	rows := list(t, client.ok(t, "GET", user+"/access-tokens", nil), "tokens")
	if len(rows) != 2 {
		t.Fatalf("%d tokens, want 2", len(rows))
	}
	// list --verbose needs the lists' columns of tokens without them too; info
	// finds its token by an exact prefix.
	columns(t, rows, avnApplicationTokenColumns...)
	find(t, rows, "token_prefix", full["token_prefix"])
	avn(client.s, text(t, full, "full_token")).ok(t, "GET", "/v1/me", nil)
	client.done(t, "DELETE", user+"/access-tokens/"+quote(text(t, full, "token_prefix")), nil)
	client.done(t, "DELETE", user+"/access-tokens/"+quote(text(t, bare, "full_token")), nil)
	avn(client.s, text(t, full, "full_token")).refused(t, "GET", "/v1/me", nil, http.StatusUnauthorized, "authentication_failed")
}

func TestAvnPermissions(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := avn(s, login(t, s))
		path := client.path("organization", s.OrganizationID, "permissions", "organization", s.OrganizationID)
		user := text(t, client.ok(t, "POST", client.path("organization", s.OrganizationID, "application-users"), body{"name": "ops"}), "user_id")
		if rows := list(t, client.ok(t, "GET", path, nil), "permissions"); len(rows) > 0 {
			t.Errorf("a new organization has explicit grants: %v", rows)
		}
		entry := body{"principal_id": user, "principal_type": "user", "permissions": []string{"organization:projects:write", "organization:event_logs:read"}}
		client.done(t, "PATCH", path, body{"operation": "set", "permissions": []body{entry}})
		rows := list(t, client.ok(t, "GET", path, nil), "permissions")
		columns(t, rows, "principal_id", "principal_type", "permissions")
		entry["permissions"] = []string{}
		client.done(t, "PATCH", path, body{"operation": "set", "permissions": []body{entry}})
		if rows := list(t, client.ok(t, "GET", path, nil), "permissions"); len(rows) > 0 {
			t.Errorf("an empty list removes the principal: %v", rows)
		}
	})
}

func TestAvnProject(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := avn(s, login(t, s))
		// create --parent-id ORG looks the organization up first.
		root := text(t, client.ok(t, "GET", client.path("organization", s.OrganizationID), nil), "account_id")
		created := object(t, client.ok(t, "POST", "/v1/project", body{"project": "web-1", "account_id": root, "cloud": nil}), "project")
		columns(t, []map[string]any{created}, avnProjectColumns...)
		matches(t, created, projectShape)

		// --no-fail-if-exists counts on exactly 409.
		again := client.refused(t, "POST", "/v1/project", body{"project": "web-1", "account_id": root, "cloud": nil}, http.StatusConflict, "project_already_exists")
		if message := again.String("message"); !strings.Contains(message, "already exists") {
			t.Errorf("message %q does not say that it already exists", message)
		}
		columns(t, list(t, client.ok(t, "GET", "/v1/project", nil), "projects"), "project_name", "default_cloud", "card_info")
		details := object(t, client.ok(t, "GET", "/v1/project/web-1", nil), "project")
		columns(t, []map[string]any{details}, avnProjectColumns...)

		updated := object(t, client.ok(t, "PUT", "/v1/project/web-1", body{
			"project_name": "web-2", "cloud": "aws-eu-west-1", "account_id": root, "tech_emails": []body{{"email": "ops@a.example"}},
		}), "project")
		if updated["project_name"] != "web-2" || updated["default_cloud"] != "aws-eu-west-1" {
			t.Errorf("renamed to web-2: %v", updated)
		}
		users := client.ok(t, "GET", "/v1/project/web-2/users", nil)
		matches(t, users, shape{"users": listOf(free), "invitations": listOf(free), "group_users": listOf(free)})
		if text(t, client.ok(t, "GET", "/v1/project/web-2/kms/ca", nil), "certificate")[:27] != "-----BEGIN CERTIFICATE-----" {
			t.Error("the certificate of a project is no PEM")
		}
		events := list(t, client.ok(t, "GET", "/v1/project/web-2/events?limit=100", nil), "events")
		columns(t, events, "time", "actor", "event_type", "service_name", "event_desc")
		client.ok(t, "DELETE", "/v1/project/web-2", nil)
		gone := client.send(t, "GET", "/v1/project/web-2", nil).Want(http.StatusForbidden)
		if !strings.Contains(gone.String("message"), "Not a project member") {
			t.Errorf("message %q: the clients look for the words Not a project member", gone.String("message"))
		}
	})
}

func TestAvnProjectUsers(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		client := avn(s, login(t, s))
		s.AddProject(t, s.OrganizationID, s.AccountID, "web")
		bob, session := s.AddMember(t, "bob+ci@a.example", "")
		users := func() []map[string]any {
			return list(t, client.ok(t, "GET", client.path("project", "web", "users"), nil), "users")
		}

		// user-invite leaves member_type out when there is no --role, and reads
		// nothing of the answer but that it is JSON.
		client.ok(t, "POST", client.path("project", "web", "invite"), body{"user_email": "bob+ci@a.example"})
		client.ok(t, "POST", client.path("project", "web", "invite"), body{"user_email": "BOB+CI@a.example", "member_type": "operator"})
		columns(t, users(), "user_email", "member_type", "create_time")
		if row := find(t, users(), "user_email", "bob+ci@a.example"); row["member_type"] != "operator" {
			t.Errorf("bob is %v", row)
		}
		if rows := list(t, client.ok(t, "GET", client.path("project", "web", "users"), nil), "invitations"); len(rows) > 0 {
			t.Errorf("there are invitations: %v", rows)
		}
		rows := list(t, client.ok(t, "GET", client.path("account", s.AccountID, "user", bob, "projects"), nil), "user_projects")
		if len(rows) != 1 {
			t.Fatalf("bob's projects: %v", rows)
		}
		matches(t, rows[0], shape{
			"project_name": enum("web"), "member_type": enum("operator"), "account_id": enum(s.AccountID), "team_id": anything, "team_name": anything,
			"user_email": str(254), "real_name": str(256), "create_time": instant,
		})

		client.refused(t, "POST", client.path("project", "web", "invite"), body{"user_email": "nobody@a.example"}, http.StatusNotFound, "organization_user_not_found")
		client.refused(t, "POST", client.path("project", "web", "invite"), body{"user_email": "bob+ci@a.example", "member_type": "organization:users:write"}, http.StatusBadRequest, "bad_request")
		avn(s, session).refused(t, "POST", client.path("project", "web", "invite"), body{"user_email": "bob+ci@a.example", "member_type": "admin"}, http.StatusForbidden, "permission_denied")

		// user-remove quotes the address.
		client.ok(t, "DELETE", client.path("project", "web", "user", "bob+ci@a.example"), nil)
		client.refused(t, "DELETE", client.path("project", "web", "user", "bob+ci@a.example"), nil, http.StatusNotFound, "project_has_no_such_user")
		if rows := users(); len(rows) > 0 {
			t.Errorf("left are %v", rows)
		}
		gone := avn(s, session).send(t, "GET", client.path("project", "web"), nil).Want(http.StatusForbidden)
		if !strings.Contains(gone.String("message"), "Not a project member") {
			t.Errorf("message %q", gone.String("message"))
		}
	})
}

func TestAvnErrors(t *testing.T) {
	s := servertest.New(t)
	bad := avn(s, "").refused(t, "POST", "/v1/userauth", body{"email": servertest.AdminEmail, "password": "a wrong one of some length"}, http.StatusForbidden, "authentication_failed")
	unknown := avn(s, "").refused(t, "POST", "/v1/userauth", body{"email": "nobody@a.example", "password": "a wrong one of some length"}, http.StatusForbidden, "authentication_failed")
	if a, b := bad.String("message"), unknown.String("message"); a != b || !strings.Contains(a, "Authentication failed") {
		t.Errorf("a wrong password says %q, an unknown address %q", a, b)
	}
	for _, token := range []string{"nonsense", "AB/cd+ef=" + strings.Repeat("x", 91), strings.Repeat("x", 5000)} {
		message := avn(s, token).refused(t, "GET", "/v1/me", nil, http.StatusUnauthorized, "authentication_failed").String("message")
		if !strings.Contains(message, "Invalid token") {
			t.Errorf("message %q: a client looks for the words Invalid token", message)
		}
	}
}
