package org_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

func (s *stage) application(name string) identity.Member {
	s.t.Helper()
	m, err := s.org.CreateApplicationUser(s.t.Context(), s.admin(), name, false)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

func (s *stage) applicationToken(p *identity.Principal, userID string, in org.TokenRequest) org.NewToken {
	s.t.Helper()
	made, err := s.org.CreateApplicationToken(s.t.Context(), p, userID, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

func TestApplicationUsersComeAndGo(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		m := s.application("ci")
		if !m.User.Application || m.SuperAdmin || m.User.Email != m.UserID+"@app.sallyport.invalid" || m.User.OrganizationID != s.first.OrganizationID {
			t.Errorf("made %+v", m)
		}
		for _, name := range []string{"", "  ", strings.Repeat("x", 257)} {
			_, err := s.org.CreateApplicationUser(t.Context(), s.admin(), name, false)
			wantCode(t, err, "bad_request")
		}
		_, err := s.org.CreateApplicationUser(t.Context(), s.admin(), "two\nlines", false)
		wantCode(t, err, identity.CodeUnseen)
		_, err = s.org.CreateApplicationUser(t.Context(), s.admin(), "boss", true)
		wantCode(t, err, "bad_request")
		_, err = s.org.RenameApplicationUser(t.Context(), s.admin(), m.UserID, "boss", true)
		wantCode(t, err, "bad_request")

		renamed, err := s.org.RenameApplicationUser(t.Context(), s.admin(), m.UserID, "deploy", false)
		if err != nil || renamed.User.RealName != "deploy" {
			t.Errorf("renamed to %q, %v", renamed.User.RealName, err)
		}
		list, err := s.org.ApplicationUsers(t.Context(), s.admin())
		if err != nil || len(list) != 1 || list[0].User.RealName != "deploy" {
			t.Errorf("listed %+v, %v", list, err)
		}

		s.grant(m.UserID, "organization:users:write")
		made := s.applicationToken(s.admin(), m.UserID, org.TokenRequest{})
		if made.Kind != policy.ApplicationToken || made.Authentication != (policy.Authentication{}) || made.Expires.Sub(s.db.Now()) != 90*24*time.Hour {
			t.Errorf("token %+v", made.Token)
		}
		s.as(made.Plain.Reveal())
		if err := s.org.DeleteApplicationUser(t.Context(), s.admin(), m.UserID); err != nil {
			t.Fatal(err)
		}
		_, err = s.try(made.Plain.Reveal())
		wantCode(t, err, "authentication_failed")
		_, err = s.org.ApplicationUser(t.Context(), s.admin(), m.UserID)
		wantCode(t, err, "organization_user_not_found")
		wantCode(t, s.org.DeleteApplicationUser(t.Context(), s.admin(), m.UserID), "organization_user_not_found")
		var grants []identity.Grant
		err = s.db.View(t.Context(), func(r *store.Read) (err error) {
			grants, err = r.GrantsOf(t.Context(), s.first.OrganizationID, m.UserID)
			return err
		})
		if err != nil || len(grants) != 0 {
			t.Errorf("grants %+v are left, %v", grants, err)
		}
		for action, want := range map[string]int{"application_user_created": 1, "application_user_updated": 1, "application_user_deleted": 1, "token_created": 1} {
			events := s.events(action)
			if len(events) != want || events[0].OrganizationID != s.first.OrganizationID || events[0].AccountID != s.first.AccountID {
				t.Errorf("%s: %+v, want %d in the organization", action, events, want)
			}
		}
	})
}

func TestPeopleAreNoApplicationUsers(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		bob := s.person("bob@b.example", false)
		before := s.all()
		_, err := s.org.ApplicationUser(t.Context(), s.admin(), bob)
		wantCode(t, err, "user_not_application_user")
		_, err = s.org.RenameApplicationUser(t.Context(), s.admin(), bob, "x", false)
		wantCode(t, err, "user_not_application_user")
		wantCode(t, s.org.DeleteApplicationUser(t.Context(), s.admin(), bob), "user_not_application_user")
		_, err = s.org.ApplicationTokens(t.Context(), s.admin(), bob)
		wantCode(t, err, "user_not_application_user")
		_, err = s.org.CreateApplicationToken(t.Context(), s.admin(), bob, org.TokenRequest{})
		wantCode(t, err, "user_not_application_user")
		wantCode(t, s.org.RevokeApplicationToken(t.Context(), s.admin(), bob, "spp_12345678"), "user_not_application_user")
		if s.all() != before {
			t.Error("something was recorded")
		}
	})
}

func TestDOS05_HundredFirstApplicationUser(t *testing.T) {
	s := emptyStage(t, migrated.SQLite(t))
	s.bootstrap()
	for i := range 100 {
		s.application(fmt.Sprintf("app %d", i))
	}
	_, err := s.org.CreateApplicationUser(t.Context(), s.admin(), "one more", false)
	wantCode(t, err, "application_user_limit_reached")
}

func TestDOS05_EleventhApplicationToken(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		m := s.application("ci")
		for range 10 {
			s.applicationToken(s.admin(), m.UserID, org.TokenRequest{})
		}
		_, err := s.org.CreateApplicationToken(t.Context(), s.admin(), m.UserID, org.TokenRequest{})
		wantCode(t, err, "token_limit_reached")
	})
}

func TestTOK14_APartialPermissionEscalatesNothing(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		plain, strong, boss := s.application("plain"), s.application("strong"), s.application("boss")
		s.grant(strong.UserID, "read_only")
		s.grant(boss.UserID, identity.AdminRole)
		bob := s.person("bob@b.example", false)
		s.grant(bob, "organization:app_users:write")
		partial := s.as(s.session(bob))
		administers := s.as(s.applicationToken(s.admin(), boss.UserID, org.TokenRequest{}).Plain.Reveal())

		s.applicationToken(partial, plain.UserID, org.TokenRequest{})
		_, err := s.org.CreateApplicationToken(t.Context(), partial, strong.UserID, org.TokenRequest{})
		wantCode(t, err, "request_forbidden")
		_, err = s.org.CreateApplicationToken(t.Context(), partial, plain.UserID, org.TokenRequest{Scopes: []string{identity.IntrospectPermission}})
		wantCode(t, err, "request_forbidden")
		wantCode(t, s.org.DeleteApplicationUser(t.Context(), partial, boss.UserID), "user_role_not_allowed_to_perform_operation")
		wantCode(t, s.org.RevokeApplicationToken(t.Context(), partial, boss.UserID, administers.Token.Prefix), "user_role_not_allowed_to_perform_operation")

		// An application user with the admin's role does what an admin does.
		s.applicationToken(administers, strong.UserID, org.TokenRequest{})
		s.applicationToken(administers, plain.UserID, org.TokenRequest{Scopes: []string{identity.IntrospectPermission}})
	})
}

func TestTOK_ApplicationTokensMadeByTokensReachNoFurther(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		app := s.application("ci").UserID
		by := s.as(s.mustToken(s.admin(), org.TokenRequest{Scopes: []string{"accounts", "authentication"}, Addresses: []string{"198.51.100.0/24"}}).Plain.Reveal())
		for _, in := range []org.TokenRequest{
			{},
			{Scopes: []string{"accounts"}},
			{Addresses: []string{"198.51.100.0/24"}},
			{Scopes: []string{"accounts", "projects:read"}, Addresses: []string{"198.51.100.0/24"}},
			{Scopes: []string{"accounts"}, Addresses: []string{"0.0.0.0/0"}},
		} {
			_, err := s.org.CreateApplicationToken(t.Context(), by, app, in)
			wantCode(t, err, "request_forbidden")
		}
		made := s.applicationToken(by, app, org.TokenRequest{Scopes: []string{"accounts:read"}, Addresses: []string{"198.51.100.7/32"}})
		// It lives on when the token it was made with ends.
		if err := s.org.RevokeToken(t.Context(), s.admin(), by.Token.Prefix); err != nil {
			t.Fatal(err)
		}
		s.as(made.Plain.Reveal())
	})
}

func TestApplicationTokensEnd(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		app, other := s.application("ci").UserID, s.application("other").UserID
		one, two := s.applicationToken(s.admin(), app, org.TokenRequest{Description: "one"}), s.applicationToken(s.admin(), app, org.TokenRequest{Description: ""})
		wantCode(t, s.org.RevokeApplicationToken(t.Context(), s.admin(), other, one.Prefix), "token_not_found")
		if err := s.org.RevokeApplicationToken(t.Context(), s.admin(), app, one.Prefix); err != nil {
			t.Fatal(err)
		}
		if err := s.org.RevokeApplicationToken(t.Context(), s.admin(), app, two.Plain.Reveal()); err != nil {
			t.Fatal(err)
		}
		wantCode(t, s.org.RevokeApplicationToken(t.Context(), s.admin(), app, two.Prefix), "token_not_found")
		list, err := s.org.ApplicationTokens(t.Context(), s.admin(), app)
		if err != nil || len(list) != 0 || len(s.events("token_revoked")) != 2 {
			t.Errorf("left %+v, %v, %d events", list, err, len(s.events("token_revoked")))
		}
	})
}

func TestNoTokenIsKeptForADeactivatedApplicationUser(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		app := s.application("ci").UserID
		s.change(store.User(app), func(tx *store.Tx) error { return tx.SetUserState(t.Context(), app, identity.StateDeactivated) })
		s.pass(time.Second)
		_, err := s.org.CreateApplicationToken(t.Context(), s.admin(), app, org.TokenRequest{})
		wantCode(t, err, "user_deactivated")
	})
}

func TestApplicationTokenHasNoLogin(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		made := s.applicationToken(s.admin(), s.application("ci").UserID, org.TokenRequest{Addresses: []string{"198.51.100.0/24"}, Scopes: []string{"accounts:read"}})
		s.policyIs(`{"password_auth_enabled": false, "two_factor_required": true, "personal_tokens_enabled": false}`)
		p := s.as(made.Plain.Reveal())
		if !slices.Equal(p.Token.Scopes, []string{"accounts:read"}) || !slices.Equal(p.Token.Addresses, []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}) {
			t.Errorf("stored as %+v", p.Token)
		}
		// An application user makes no personal tokens.
		_, err := s.org.CreateToken(t.Context(), p, org.TokenRequest{Scopes: []string{"accounts:read"}})
		wantCode(t, err, "user_personal_token_not_allowed")
	})
}
