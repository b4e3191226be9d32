package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
)

// refusedAddresses sends addresses through every door that takes one.
func (s *scene) refusedAddresses(t *testing.T, list map[string]string) {
	t.Helper()
	s.nothing(t, "an address that is none", func() {
		for name, email := range list {
			in := map[string]string{"email": email, "password": servertest.AdminPassword}
			s.Do(t, http.MethodPost, "/v1/userauth", "", in).WantCode(http.StatusBadRequest, "invalid_email_format")
			if _, err := s.Bootstrap(t.Context(), email, "B", servertest.AdminPassword); err == nil || !strings.Contains(err.Error(), "not an e-mail address") {
				t.Errorf("%s: bootstrap says %v", name, err)
			}
			if _, _, err := s.Org.Recover(t.Context(), s.OrganizationID, email); err == nil || !strings.Contains(err.Error(), "not an e-mail address") {
				t.Errorf("%s: recover says %v", name, err)
			}
		}
	})
}

// TestEML02_NoFoldedLetterReachesAnAccount: alice is not to be had under a
// letter that some function folds into one of hers.
func TestEML02_NoFoldedLetterReachesAnAccount(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		s.refusedAddresses(t, map[string]string{
			"dotless i": "al\u0131ce@a.example", "kelvin sign": "\u212aate@a.example", "long s": "\u017fam@a.example",
			"accent": "alice\u0301@a.example", "joiner": "al\u200dice@a.example", "mark": "\u200falice@a.example",
		})
	})
}

// TestEML03_LookAlikeDomainIsSomebodyElse: bob@gmaıl.com is stored and shown by
// its A-label, and is nobody's second name.
func TestEML03_LookAlikeDomainIsSomebodyElse(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		const other = "bob@xn--gmal-nza.com"
		email, err := identity.ParseEmail("Bob@gma\u0131l.com")
		if err != nil {
			t.Fatal(err)
		}
		s.AddUser(t, s.OrganizationID, "bob@gmail.com", bobPassword, false)
		id := s.AddUser(t, s.OrganizationID, email, servertest.EvePassword, false)
		for _, spelling := range []string{"bob@gma\u0131l.com", other, "BOB@XN--GMAL-NZA.COM"} {
			wrong := map[string]string{"email": spelling, "password": bobPassword}
			s.Do(t, http.MethodPost, "/v1/userauth", "", wrong).WantCode(http.StatusForbidden, "authentication_failed")
			right := map[string]string{"email": spelling, "password": servertest.EvePassword}
			if got := s.Do(t, http.MethodPost, "/v1/userauth", "", right).Want(http.StatusOK).String("user_email"); got != other {
				t.Errorf("%q is shown as %q", spelling, got)
			}
		}
		if got := s.Value(t, `SELECT email FROM users WHERE id = $1`, id); got != other {
			t.Errorf("stored is %q", got)
		}
		s.refusedAddresses(t, map[string]string{"A-label of plain ASCII": "bob@xn--gmail-.com", "no code": "bob@xn--\u00fc.com"})
	})
}

// TestEML04_NoDoorReadsAddressesLoosely.
func TestEML04_NoDoorReadsAddressesLoosely(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		s.refusedAddresses(t, map[string]string{
			"header": servertest.AdminEmail + "\r\nBcc: x@y.example", "two at signs": "alice@a.example@b.example",
			"quoted": `"alice"@a.example`, "display name": "Alice <alice@a.example>", "comment": "alice@a.example (c)",
			"literal": "alice@[127.0.0.1]", "long": strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 91) + "examples", "empty": "",
		})
	})
}

// TestEML05_NoPathChangesALoginAddress: what a profile must not say of itself
// is ignored where clients of the compatible API send it, and stored nowhere.
func TestEML05_NoPathChangesALoginAddress(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		smuggled := map[string]any{
			"real_name": "Carol", "user": "alice@b.example", "email": "alice@b.example", "user_email": "alice@b.example",
			"email_verified": true, "email_confirmed_at": 1, "state": "deleted", "managing_organization_id": s.OrganizationID,
			"application": true, "organization_id": s.OrganizationID, "is_super_admin": true,
		}
		id := "u0c0ffee0c0f"
		s.change(t, store.User(id), func(ctx context.Context, tx *store.Tx) error {
			return tx.AddUser(ctx, identity.User{ID: id, Email: "carol@b.example", EmailConfirmed: tx.Now, RealName: "Carol", State: identity.StateActive})
		})
		carol := s.Session(t, id)
		s.nothing(t, "a profile's smuggled fields", func() {
			s.Do(t, http.MethodPatch, "/v1/me", carol, smuggled).Want(http.StatusOK)
		})
		smuggled["name"] = "deploy"
		delete(smuggled, "is_super_admin")
		app := s.Do(t, http.MethodPost, s.organizationPath("/application-users"), s.AdminToken, smuggled).Want(http.StatusOK).String("user_id")
		if got := s.Rows(t, `SELECT application, email, state, managing_organization_id, organization_id FROM users WHERE id = $1`, app)[0]; got[1] == "alice@b.example" || got[2] != "active" || got[3] != "" || got[4] != s.OrganizationID {
			t.Errorf("the application user is %q", got)
		}
		s.nothing(t, "an application user's smuggled fields", func() {
			s.Do(t, http.MethodPatch, s.organizationPath("/application-users/"+app), s.AdminToken, smuggled).Want(http.StatusOK)
		})
		s.Manage(t, id)
		s.nothing(t, "a managed profile", func() {
			s.Do(t, http.MethodPatch, "/v1/me", carol, smuggled).WantCode(http.StatusForbidden, "action_forbidden_for_managed_users")
		}, "access_refused")
	})
}

// TestEML08_TheNextHolderOfAnAddress starts with nothing of the one before, and
// nobody chooses an id.
func TestEML08_TheNextHolderOfAnAddress(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		const email = "carol@a.example"
		old := s.AddUser(t, s.OrganizationID, email, bobPassword, true)
		first := s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": email, "password": bobPassword}).Want(http.StatusOK)
		session, personal, code := first.String("token"), s.Personal(t, old), s.resetCode(t, old)
		device := first.Header.Get("Set-Cookie")
		s.change(t, store.User(old), func(ctx context.Context, tx *store.Tx) error {
			return tx.SetUserState(ctx, old, identity.StateDeleted)
		})
		next := s.AddUser(t, "", email, servertest.EvePassword, false)
		if next == old {
			t.Fatal("the id was given twice")
		}
		for _, token := range []string{session, personal} {
			if a := s.Do(t, http.MethodGet, "/v1/me", token, nil); a.Status < 400 {
				t.Errorf("a credential of the old holder: %d %s", a.Status, a.Body)
			}
		}
		s.nothing(t, "a code of the old holder", func() {
			s.Do(t, http.MethodPost, "/v1/user/password_reset/"+code, "", map[string]string{"new_password": "some entirely new words"}).
				WantCode(http.StatusBadRequest, "user_weblink_action_expired")
		})
		s.Do(t, http.MethodPost, "/v1/userauth", "", map[string]string{"email": email, "password": bobPassword}).WantCode(http.StatusForbidden, "authentication_failed")
		var login servertest.Answer
		e := s.one(t, "login", func() {
			login = s.send(t, http.MethodPost, "/v1/userauth", "", map[string]string{"Cookie": strings.Split(device, ";")[0]},
				map[string]string{"email": email, "password": servertest.EvePassword}).Want(http.StatusOK)
		})
		if e.actor != next || !strings.Contains(e.detail, `"known_device":false`) {
			t.Errorf("the login is recorded as %+v", e)
		}
		fresh := login.String("token")
		s.Do(t, http.MethodGet, s.organizationPath(""), fresh, nil).WantCode(http.StatusNotFound, "organization_not_found")
		if got := string(s.Do(t, http.MethodGet, "/v1/organizations", fresh, nil).Want(http.StatusOK).Body); strings.Contains(got, s.OrganizationID) {
			t.Errorf("a membership of the old holder applies: %s", got)
		}
		if got := string(s.Do(t, http.MethodGet, "/v1/access_token", fresh, nil).Want(http.StatusOK).Body); strings.Contains(got, session[:12]) || strings.Contains(got, personal[:12]) {
			t.Errorf("tokens of the old holder are listed: %s", got)
		}
		for _, wish := range []string{old, next, "u00000000000"} {
			got := s.Do(t, http.MethodPost, s.organizationPath("/application-users"), s.AdminToken, map[string]any{"name": "deploy", "user_id": wish, "id": wish}).
				Want(http.StatusOK).String("user_id")
			if got == wish {
				t.Errorf("the client chose the id %s", wish)
			}
		}
	})
}
