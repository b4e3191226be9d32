package org_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
)

// An admin's request was let in, and before it does its work the admin is thrown
// out: nothing that outlives the credential may come of it (rows TOK-05, SES-06
// and ORG-05).
func TestTOK05_NoWayInComesOutOfADeadCredential(t *testing.T) {
	throws := []struct {
		name, code string
		throw      func(s *stage, tx *store.Tx, userID string, p *identity.Principal) error
	}{
		{"revoked", "authentication_failed", func(s *stage, tx *store.Tx, userID string, p *identity.Principal) error {
			_, err := tx.RevokeToken(s.t.Context(), userID, p.Token.Prefix)
			return err
		}},
		{"voided", "authentication_failed", func(s *stage, tx *store.Tx, userID string, _ *identity.Principal) error {
			return tx.VoidTokens(s.t.Context(), userID)
		}},
		{"deactivated", "authentication_failed", func(s *stage, tx *store.Tx, userID string, _ *identity.Principal) error {
			return tx.SetUserState(s.t.Context(), userID, identity.StateDeactivated)
		}},
		{"removed", "organization_not_found", func(s *stage, tx *store.Tx, userID string, _ *identity.Principal) error {
			return tx.RemoveMember(s.t.Context(), s.first.OrganizationID, userID)
		}},
		{"demoted", "permission_denied", func(s *stage, tx *store.Tx, userID string, _ *identity.Principal) error {
			return tx.SetGrant(s.t.Context(), s.adminRole(userID))
		}},
		{"locked out", "user_password_authentication_method_not_allowed", func(s *stage, tx *store.Tx, _ string, _ *identity.Principal) error {
			return tx.SetPolicy(s.t.Context(), s.first.OrganizationID, `{"password_auth_enabled":false}`, "prepared")
		}},
	}
	onStages(t, func(t *testing.T, s *stage) {
		s.db.Seal = func(_, _ string, _ []byte) string { return "sealed" } // mail is sent
		app, err := s.org.CreateApplicationUser(t.Context(), s.admin(), "deploy", false)
		if err != nil {
			t.Fatal(err)
		}
		bob, group := s.person("bob@a.example", true), s.group("developers")
		n := 0
		for _, c := range throws {
			for use, do := range s.openings(app.UserID, bob, group) {
				n++
				id := s.person(fmt.Sprintf("admin%d@b.example", n), false)
				s.grant(id, identity.AdminRole)
				p := s.as(s.session(id))
				s.pass(time.Second)
				s.change(store.Organization(s.first.OrganizationID).And(store.User(id)), func(tx *store.Tx) error { return c.throw(s, tx, id, p) })
				s.pass(time.Second)
				before := s.all()
				if got := code(do(p)); got != c.code {
					t.Errorf("%s, by an admin who is %s: error_code %q, want %q", use, c.name, got, c.code)
				}
				if made := s.all() - before; made != 0 {
					t.Errorf("%s, by an admin who is %s: %d events", use, c.name, made)
				}
				s.policyIs(`{}`)
			}
		}
		// Not for another reason.
		for use, do := range s.openings(app.UserID, bob, group) {
			if err := do(s.admin()); err != nil {
				t.Errorf("%s, by an admin: %v", use, err)
			}
		}
	})
}

// The same for undoing a change: what an admin closed for a while to see whether
// it holds, nobody opens again who was thrown out meanwhile.
func TestTOK05_NoChangeIsUndoneByADeadCredential(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		id := s.person("bob@b.example", false)
		s.grant(id, identity.AdminRole)
		p := s.as(s.session(id))
		if _, err := s.org.ChangePolicy(t.Context(), s.admin(), []byte(`{"oauth_enabled":false,"confirm_within_seconds":600}`)); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Second)
		s.change(store.User(id), func(tx *store.Tx) error { return tx.VoidTokens(t.Context(), id) })
		wantCode(t, s.org.RevertChange(t.Context(), p), "authentication_failed")
		s.pass(time.Second)
		p = s.as(s.session(id))
		s.change(store.Organization(s.first.OrganizationID), func(tx *store.Tx) error { return tx.SetGrant(t.Context(), s.adminRole(id)) })
		wantCode(t, s.org.RevertChange(t.Context(), p), "permission_denied")
		if err := s.org.RevertChange(t.Context(), s.admin()); err != nil {
			t.Errorf("by an admin: %v", err)
		}
	})
}

// adminRole is the grant of nothing to somebody who is an admin by a grant.
func (s *stage) adminRole(userID string) identity.Grant {
	return identity.Grant{
		OrganizationID: s.first.OrganizationID, ResourceType: "organization", ResourceID: s.first.OrganizationID,
		PrincipalType: "user", PrincipalID: userID, Permissions: []string{},
	}
}

func (s *stage) group(name string) string {
	s.t.Helper()
	g, err := s.org.CreateGroup(s.t.Context(), s.admin(), name, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return g.ID
}

// openings are the changes that leave a way in behind.
func (s *stage) openings(app, bob, group string) map[string]func(*identity.Principal) error {
	ctx := s.t.Context()
	unit, issuer, hush := s.first.AccountID, "https://id.example.com", "hush-hush"
	return map[string]func(*identity.Principal) error{
		"an application token": func(p *identity.Principal) error {
			_, err := s.org.CreateApplicationToken(ctx, p, app, org.TokenRequest{})
			return err
		},
		"an invitation": func(p *identity.Principal) error { return s.org.Invite(ctx, p, "eve@b.example") },
		"a link to a new password": func(p *identity.Principal) error {
			return s.org.ResetMemberPassword(ctx, p, bob)
		},
		"a login without its second factor": func(p *identity.Principal) error {
			return s.org.ResetSecondFactor(ctx, p, bob)
		},
		"a grant": func(p *identity.Principal) error {
			return s.org.UpdatePermissions(ctx, p, org.Resource{Type: "organization", ID: s.first.OrganizationID}, "grant",
				[]org.NamedGrant{{PrincipalType: "user", PrincipalID: bob, Permissions: []string{identity.AdminRole}}})
		},
		"a group's member": func(p *identity.Principal) error {
			return s.org.ChangeGroupMembers(ctx, p, group, org.OperationAddMembers, []string{bob})
		},
		"a provider": func(p *identity.Principal) error {
			_, err := s.org.CreateAuthenticationMethod(ctx, p, unit, "oidc", org.MethodChange{Name: &issuer, OIDC: org.OIDCChange{ClientSecret: &hush}}, nil)
			return err
		},
		"a policy": func(p *identity.Principal) error {
			_, err := s.org.ChangePolicy(ctx, p, []byte(`{"oauth_enabled":false}`))
			return err
		},
	}
}
