package org_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

func TestOPS01_OfEightBootstrapsOneWins(t *testing.T) {
	for engine, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return migrated.SQLite(t) },
		"postgres": func(t *testing.T) string { return migrated.Postgres(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			s := emptyStage(t, url(t))
			type result struct {
				out org.Bootstrapped
				err error
			}
			results := make(chan result)
			for range 8 {
				go func() {
					out, err := s.org.Bootstrap(t.Context(), org.BootstrapRequest{Email: " Alice@A.example", Organization: "A"})
					results <- result{out, err}
				}()
			}
			var won []org.Bootstrapped
			for range 8 {
				switch r := <-results; code(r.err) {
				case "":
					won = append(won, r.out)
				case "already_bootstrapped":
					if r.out != (org.Bootstrapped{}) {
						t.Errorf("a loser got %+v", r.out)
					}
				default:
					t.Error(r.err)
				}
			}
			if len(won) != 1 {
				t.Fatalf("%d winners, want 1", len(won))
			}
			s.first = won[0]
			if p := s.admin(); !p.SuperAdmin || p.User.Email != "alice@a.example" || p.User.EmailConfirmed.IsZero() || !p.Fresh(s.db.Now()) || p.User.ID != won[0].UserID {
				t.Errorf("the session is of %+v", p)
			}
			if e := s.events(""); len(e) != 1 || e[0].Action != "installation_bootstrapped" || e[0].Actor.Kind != identity.ActorOperator || e[0].OrganizationID != won[0].OrganizationID {
				t.Errorf("events %+v, want one", e)
			}
			hash, _ := credential.HashCode(won[0].ResetCode)
			err := s.db.View(t.Context(), func(r *store.Read) error {
				owner, err := r.CodeOwner(t.Context(), hash, store.PurposePasswordReset)
				if owner != won[0].UserID {
					t.Errorf("the code is %q's", owner)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
			s.pass(time.Hour)
			_, err = s.try(won[0].Token)
			wantCode(t, err, "authentication_failed")
		})
	}
}

func TestBootstrapRefusesWhatItCannotUse(t *testing.T) {
	s := emptyStage(t, migrated.SQLite(t))
	for want, in := range map[string]org.BootstrapRequest{
		"invalid_email_format": {Email: "alice", Organization: "A"},
		"bad_request":          {Email: "alice@a.example", Organization: " "},
	} {
		_, err := s.org.Bootstrap(t.Context(), in)
		wantCode(t, err, want)
	}
	s.bootstrap()
	if s.first.ResetCode != "" {
		t.Error("there is a code to set the password that was given")
	}
}

func TestPOL15_RecoverPassesEveryRuleOfOneOrganizationForAnHour(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		s.policyIs(`{"password_auth_enabled": false, "oauth_enabled": false, "passkey_auth_enabled": false, "saml_allow_external": false,
			"api_client_ip_allowlist": ["203.0.113.0/24"], "api_client_ip_allowlist_enabled": true}`)
		_, err := s.try(s.first.Token)
		wantCode(t, err, policy.CodeAddress)
		before := len(s.events(""))
		token, expires, err := s.org.Recover(t.Context(), s.first.OrganizationID, "Alice@a.example")
		if err != nil {
			t.Fatal(err)
		}
		if !expires.Equal(s.db.Now().Add(time.Hour)) {
			t.Errorf("expires %v", expires)
		}
		p := s.as(token)
		if !p.Admin() || !p.Fresh(s.db.Now()) || p.Token.Authentication.Method != policy.MethodNone {
			t.Errorf("the session is %+v", p.Token)
		}
		e := s.events("break_glass_used")
		if len(e) != 1 || len(s.events("")) != before+1 || e[0].OrganizationID != s.first.OrganizationID || e[0].Chain != "organization:"+s.first.OrganizationID ||
			e[0].Actor.Kind != identity.ActorOperator || e[0].Target.ID != s.first.UserID {
			t.Errorf("events %+v", e)
		}
		if text, _ := json.Marshal(e); strings.Contains(string(text), token[12:]) {
			t.Error("the event holds the token")
		}

		// Elsewhere it is a session whose owner proved nothing.
		other, err := s.org.CreateOrganization(t.Context(), p, "B", "business")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.access.Check(t.Context(), access.Request{Bearer: token, Organization: other.ID, Address: p.Address})
		wantCode(t, err, policy.CodeOtherOrganization)
		// Nor does what is made with it inherit its power.
		made, err := s.org.CreateToken(t.Context(), p, org.TokenRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.try(made.Plain.Reveal())
		wantCode(t, err, policy.CodeAddress)

		// It mends the policy.
		if err := s.org.SetRanges(t.Context(), p, org.RangesChange{}); err != nil {
			t.Error(err)
		}
		s.pass(time.Hour)
		_, err = s.try(token)
		wantCode(t, err, "authentication_failed")
	})
}

func TestRecoverIsForAdminsWhoCanUseIt(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		s.person("bob@b.example", false)
		s.grant(s.person("role@a.example", false), identity.AdminRole)
		gone := s.person("gone@a.example", false)
		s.grant(gone, identity.AdminRole)
		s.change(store.User(gone), func(tx *store.Tx) error { return tx.SetUserState(t.Context(), gone, identity.StateDeactivated) })
		app := s.application("ci")
		s.grant(app.UserID, identity.AdminRole)
		before := s.all()
		for _, c := range []struct{ organization, email, want string }{
			{s.first.OrganizationID, "bob@b.example", "user_not_organization_admin"},
			{s.first.OrganizationID, "nobody@a.example", "user_not_organization_admin"},
			{s.first.OrganizationID, "gone@a.example", "user_deactivated"},
			{s.first.OrganizationID, app.User.Email, "action_forbidden_on_application_users"},
			{s.first.OrganizationID, "alice", "invalid_email_format"},
			{"org00000000000", "alice@a.example", "organization_not_found"},
			{"", "alice@a.example", "organization_not_found"},
		} {
			token, _, err := s.org.Recover(t.Context(), c.organization, c.email)
			if code(err) != c.want || token != "" {
				t.Errorf("%s: %v, want %q", c.email, err, c.want)
			}
			named := strings.Contains(err.Error(), "alice@a.example, role@a.example") && !strings.Contains(err.Error(), "gone@a.example")
			if c.want == "user_not_organization_admin" && !named {
				t.Errorf("%s: %v, want the admins who can be named", c.email, err)
			}
		}
		if s.all() != before {
			t.Error("something was recorded")
		}
		if _, _, err := s.org.Recover(t.Context(), s.first.OrganizationID, "role@a.example"); err != nil {
			t.Errorf("an admin by role: %v", err)
		}
	})
}
