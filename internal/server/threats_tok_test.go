package server_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// thief is everything of the server's storage that a thief of the database
// gets, but not the key, which lies elsewhere.
func (s *scene) thief(tb testing.TB) (loot string) {
	tb.Helper()
	var b strings.Builder
	if s.DB.Engine() == "sqlite" {
		files, err := filepath.Glob(filepath.Join(s.Config.DataDir, "sallyport.db*"))
		if err != nil || len(files) == 0 {
			tb.Fatalf("no database in %s: %v", s.Config.DataDir, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				tb.Fatal(err)
			}
			b.Write(content)
		}
		return b.String()
	}
	for _, table := range s.Rows(tb, `SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()`) {
		for _, row := range s.Rows(tb, `SELECT t::text FROM "`+table[0]+`" t`) {
			fmt.Fprintln(&b, table[0], row[0])
		}
	}
	return b.String()
}

// readable are the forms in which somebody could read a secret.
func readable(secrets map[string]string) map[string]string {
	all := map[string]string{}
	for name, secret := range secrets {
		all[name] = secret
		all[name+" in hexadecimal"] = hex.EncodeToString([]byte(secret))
		all[name+" in base 64"] = strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "=")
		all[name+" in base 64 of URLs"] = base64.RawURLEncoding.EncodeToString([]byte(secret))
		all[name+" in base 32"] = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(secret))
		all[name+" percent-encoded"] = url.QueryEscape(secret)
	}
	return all
}

// wantAbsent fails the test when a text holds a secret in a readable form.
func wantAbsent(tb testing.TB, place, text string, secrets map[string]string) {
	tb.Helper()
	for form, secret := range readable(secrets) {
		if strings.Contains(text, secret) {
			tb.Errorf("%s hold %s", place, form)
		}
	}
}

// TestTOK03_StolenDatabase: what is stored of a secret is a hash or sealed, and
// a token is shown once, by the answer that makes it.
func TestTOK03_StolenDatabase(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob := s.AddUser(t, s.OrganizationID, bobEmail, bobPassword, false)
		login := s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": bobEmail, "password": bobPassword}).Want(http.StatusOK)
		device, _, _ := strings.Cut(strings.TrimPrefix(login.Header.Get("Set-Cookie"), "__Host-sallyport_device="), ";")
		appID, app := s.App(t)
		made := []servertest.Answer{
			login,
			s.Do(t, http.MethodPost, "/v1/access_token", login.String("token"), map[string]any{"description": "mine"}).Want(http.StatusOK),
			s.Do(t, http.MethodPost, s.organizationPath("/application-users/"+appID+"/access-tokens"), s.AdminToken, map[string]any{"description": "deploy"}).Want(http.StatusOK),
		}
		for _, a := range made {
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("a token may be kept by caches: %v", a.Header)
			}
		}
		seed, session := s.enrol(t, login.String("token"), bobPassword)
		personal := s.Do(t, http.MethodPost, "/v1/access_token", session, map[string]any{"description": "mine again"}).Want(http.StatusOK).String("full_token")
		offer := s.Do(t, http.MethodPut, "/v1/me/2fa", s.AdminToken, map[string]string{"method": "otp", "password": servertest.AdminPassword}).Want(http.StatusOK).String("uri")
		offered, err := url.Parse(offer)
		if err != nil {
			t.Fatal(err)
		}
		secrets := map[string]string{
			"a session": login.String("token")[12:], "a session of two factors": session[12:], "the bootstrap session": s.AdminToken[12:],
			"a personal token": personal[12:], "an ended personal token": made[1].String("full_token")[12:],
			"an application token": made[2].String("full_token")[12:], "another application token": app[12:],
			"a password": bobPassword, "the admin's password": servertest.AdminPassword,
			"a reset code": s.resetCode(t, bob), "a device cookie": device,
			"an authenticator's secret": string(seed), "an offered one": offered.Query().Get("secret"),
		}
		for name, secret := range secrets {
			if len(secret) < 20 {
				t.Fatalf("%s is too short to look for: %q", name, secret)
			}
		}
		loot := s.thief(t)
		for _, known := range []string{personal[:12], bobEmail, "argon2id"} {
			if !strings.Contains(loot, known) {
				t.Fatalf("the loot is not the database: no %s", known)
			}
		}
		wantAbsent(t, "the stolen tables", loot, secrets)
		wantAbsent(t, "the logs", s.Logs.String(), secrets)
		for _, path := range []string{"/v1/access_token", "/v1/me", s.organizationPath("/user/" + bob + "/access-tokens"), s.organizationPath("/application-users/" + appID + "/access-tokens"), s.organizationPath("/audit-events")} {
			for _, token := range []string{s.AdminToken, session} {
				wantAbsent(t, path, string(s.Do(t, http.MethodGet, path, token, nil).Body), secrets)
			}
		}
	})
}

// TestTOK04_TokensInAddresses are not looked at, except for the one that is to
// be revoked, and nowhere written down.
func TestTOK04_TokensInAddresses(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		personal := s.Personal(t, bob)
		appID, app := s.App(t)
		managed, managedSession := s.AddMember(t, "mia@a.example", "")
		s.Manage(t, managed)
		form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
		s.nothing(t, "a token in the wrong place", func() {
			for _, token := range []string{session, personal, app, s.AdminToken} {
				for _, name := range []string{"access_token", "token", "bearer_token", "api_key", "authorization", "Authorization"} {
					query := "?" + name + "=" + token
					for _, path := range []string{"/v1/me", "/v1/access_token", s.organizationPath("")} {
						s.Do(t, http.MethodGet, path+query, "", nil).WantCode(http.StatusUnauthorized, "authentication_failed")
					}
					s.Do(t, http.MethodPost, "/v1/access_token"+query, "", map[string]string{"description": "x", name: token}).WantCode(http.StatusUnauthorized, "authentication_failed")
					s.send(t, http.MethodPost, "/oauth2/introspect", "", form, name+"="+token).WantCode(http.StatusUnauthorized, "authentication_failed")
					s.send(t, http.MethodGet, "/v1/me", "", map[string]string{"Cookie": name + "=" + token, "X-Access-Token": token, "X-Api-Key": token, "Proxy-Authorization": "Bearer " + token}, nil).
						WantCode(http.StatusUnauthorized, "authentication_failed")
				}
			}
		})
		for _, c := range []struct {
			path, by, token string
			status          int
		}{
			{"/v1/access_token/", session, personal, http.StatusOK},
			{s.organizationPath("/application-users/" + appID + "/access-tokens/"), s.AdminToken, app, http.StatusNoContent},
			{s.organizationPath("/user/" + managed + "/access-token/"), s.AdminToken, managedSession, http.StatusNoContent},
			{"/v1/access_token/", session, session, http.StatusOK},
		} {
			var a servertest.Answer
			e := s.one(t, "token_revoked", func() { a = s.Do(t, http.MethodDelete, c.path+c.token, c.by, nil).Want(c.status) })
			if e.target != c.token[:12] {
				t.Errorf("the event is %+v", e)
			}
			s.Do(t, http.MethodGet, "/v1/me", c.token, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
			wantAbsent(t, "the answers", fmt.Sprint(a.Header, string(a.Body)), map[string]string{"the token": c.token[12:]})
		}
		// Once more, as nobody and as somebody else: errors do not repeat it.
		for _, by := range []string{"", s.AdminToken} {
			a := s.Do(t, http.MethodDelete, "/v1/access_token/"+personal, by, nil)
			wantAbsent(t, "the errors", string(a.Body), map[string]string{"the token": personal[12:]})
		}
		s.Do(t, http.MethodGet, "/nowhere/"+personal+"?token="+personal, "", nil).Want(http.StatusNotFound)
		s.rawRequest(t, "GET /"+personal+" HTTP/1.1\nHost: "+s.Config.Listen+"\nbad header "+personal+"\n\n")
		for _, secret := range []string{session, personal, app, managedSession} {
			wantAbsent(t, "the logs", s.Logs.String(), map[string]string{"the token": secret[12:]})
			wantAbsent(t, "the events", fmt.Sprint(s.since(t, "0")), map[string]string{"the token": secret[12:]})
		}
	})
}

// TestTOK07_TokensAreTheCallers, whoever the body names.
func TestTOK07_TokensAreTheCallers(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		bob, session := s.AddMember(t, bobEmail, bobPassword)
		victim := map[string]any{
			"description": "x", "user_id": s.AdminID, "owner": s.AdminID, "organization_id": s.OrganizationID, "user": servertest.AdminEmail,
			"kind": "application_token", "token_prefix": "spp_00000000", "full_token": "spp_", "created_manually": false, "expiry_time": "2100-01-01T00:00:00Z",
		}
		s.nothing(t, "a token for somebody else, by nobody", func() {
			s.Do(t, http.MethodPost, "/v1/access_token", "", victim).WantCode(http.StatusUnauthorized, "authentication_failed")
			s.Do(t, http.MethodPost, "/v1/access_token", "spp_nonsense", victim).WantCode(http.StatusUnauthorized, "authentication_failed")
		})
		var made servertest.Answer
		e := s.one(t, "token_created", func() {
			made = s.Do(t, http.MethodPost, "/v1/access_token", session, victim).Want(http.StatusOK)
		})
		token := made.String("full_token")
		if e.actor != bob || e.credential != session[:12] || e.target != token[:12] {
			t.Errorf("the event is %+v", e)
		}
		var me struct{ User struct{ User, UserID string } }
		s.Do(t, http.MethodGet, "/v1/me", token, nil).Want(http.StatusOK).Decode(&me)
		if me.User.User != bobEmail {
			t.Errorf("the token is %s's", me.User.User)
		}
		if owner := s.Value(t, `SELECT user_id FROM tokens WHERE prefix = $1`, token[:12]); owner != bob || token[:12] == "spp_00000000" {
			t.Errorf("%s is stored as %s's", token[:12], owner)
		}
		if expires := made.String("expiry_time"); strings.HasPrefix(expires, "2100") {
			t.Errorf("it expires %s", expires)
		}
		s.Do(t, http.MethodPatch, s.organizationPath(""), token, map[string]string{"name": "Bob's"}).WantCode(http.StatusForbidden, "request_forbidden")
	})
}

// TestTOK09_OutsideTheOrganization: an application token is of one
// organization, whatever its role there and however the path is nested.
func TestTOK09_OutsideTheOrganization(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		appID, app := s.App(t, identity.AdminRole)
		eve := s.Eve(t)
		s.AddProject(t, s.OrganizationID, s.AccountID, "rockets")
		unit := s.AddUnit(t, s.OrganizationID, s.AccountID, "research")
		s.Do(t, http.MethodGet, s.organizationPath("/application-users"), app, nil).Want(http.StatusOK)
		own, foreign := "/v1/organization/"+s.OrganizationID, "/v1/organization/"+eve.OrganizationID
		name := map[string]string{"name": "x"}
		events := s.nothing(t, "a token outside its organization", func() {
			for _, c := range []struct {
				method, path string
				body         any
			}{
				// B's things at B's door; A's things at B's door.
				{http.MethodGet, foreign, nil},
				{http.MethodPatch, foreign, name},
				{http.MethodDelete, foreign, nil},
				{http.MethodGet, foreign + "/user/" + eve.UserID, nil},
				{http.MethodGet, foreign + "/user/" + appID, nil},
				{http.MethodGet, foreign + "/application-users/" + eve.AppUserID, nil},
				{http.MethodGet, foreign + "/application-users/" + appID, nil},
				{http.MethodPost, foreign + "/application-users/" + appID + "/access-tokens", map[string]string{"description": "x"}},
				{http.MethodDelete, foreign + "/application-users/" + eve.AppUserID + "/access-tokens/" + eve.App[:12], nil},
				{http.MethodGet, foreign + "/projects/rockets", nil},
				{http.MethodGet, foreign + "/audit-events", nil},
				{http.MethodGet, foreign + "/config/authentication", nil},
				{http.MethodGet, "/v1/account/" + eve.AccountID, nil},
				{http.MethodGet, "/v1/account/" + eve.UnitID + "/events", nil},
				// B's things at A's door.
				{http.MethodGet, own + "/user/" + eve.UserID, nil},
				{http.MethodGet, own + "/application-users/" + eve.AppUserID, nil},
				{http.MethodGet, own + "/application-users/" + eve.AppUserID + "/access-tokens", nil},
				{http.MethodPost, own + "/application-users/" + eve.AppUserID + "/access-tokens", map[string]string{"description": "x"}},
				{http.MethodDelete, own + "/application-users/" + eve.AppUserID + "/access-tokens/" + eve.App[:12], nil},
				{http.MethodDelete, own + "/application-users/" + appID + "/access-tokens/" + eve.App[:12], nil},
				{http.MethodGet, own + "/projects/" + eve.Project, nil},
				{http.MethodDelete, own + "/projects/" + eve.Project, nil},
				{http.MethodGet, own + "/permissions/organization/" + eve.OrganizationID, nil},
				{http.MethodGet, own + "/permissions/organization_unit/" + eve.UnitID, nil},
				{http.MethodGet, own + "/decisions/dec_0123456789012345678901234567", nil},
			} {
				s.Do(t, c.method, c.path, app, c.body).Want(http.StatusNotFound)
			}
			s.Do(t, http.MethodGet, "/v1/project/"+eve.Project, app, nil).WantCode(http.StatusForbidden, "project_has_no_such_user")
		}, "access_refused", "access_refused") // to read and to write
		for _, e := range events {
			if e.organization != "" || e.actor != appID {
				t.Errorf("B's log shows strangers: %+v", e)
			}
		}
		s.Do(t, http.MethodGet, "/v1/account/"+unit, app, nil).Want(http.StatusOK)
		s.Do(t, http.MethodGet, foreign, eve.App, nil).Want(http.StatusOK)
	})
}
