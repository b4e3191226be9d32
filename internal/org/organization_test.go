package org_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

func TestOrganizationIsCreatedRenamedAndDeleted(t *testing.T) {
	onGround(t, func(g *ground) {
		var o identity.Organization
		created := g.wantEvents(func() { o = g.organization(g.alice, "  Example Ltd ") }, "organization_created")
		if o.Name != "Example Ltd" || o.Tier != "business" || !strings.HasPrefix(o.ID, "org") || len(o.ID) != 14 || strings.HasPrefix(o.AccountID, "org") || len(o.AccountID) != 12 {
			t.Errorf("created %+v", o)
		}
		if created[0].OrganizationID != o.ID || created[0].AccountID != o.AccountID || created[0].Chain != "organization:"+o.ID || created[0].Actor.ID != g.alice {
			t.Errorf("the event is %+v", created[0])
		}
		p := g.as(g.alice, o.ID)
		if !p.SuperAdmin {
			t.Error("the creator is not super admin")
		}
		if text, err := json.Marshal(policy.Default()); err != nil || o.Policy != string(text) {
			t.Errorf("a new organization has the policy %s, want %s, %v", o.Policy, text, err)
		}
		g.now = g.now.Add(time.Minute)
		name := "Example"
		changes := g.wantEvents(func() {
			changed, err := g.UpdateOrganization(t.Context(), p, org.OrganizationChange{Name: &name})
			if g.must(err); changed.Name != name || changed.Updated != g.now || changed.Created == g.now {
				t.Errorf("renamed to %+v", changed)
			}
		}, "organization_renamed")
		g.detail(changes[0], `"before":{"name":"Example Ltd"`, `"after":{"name":"Example"`)
		g.wantEvents(func() {
			_, err := g.UpdateOrganization(t.Context(), p, org.OrganizationChange{Name: &name})
			g.must(err)
		})
		if a, err := g.Account(t.Context(), p, o.AccountID); err != nil || a.Name != name || a.RootID != o.AccountID || !a.Owner {
			t.Errorf("the root account is %+v, %v", a, err)
		}
		g.wantEvents(func() { g.must(g.DeleteOrganization(t.Context(), p, false)) }, "organization_deleted")
		g.refused("organization_not_found", func() error { return g.DeleteOrganization(t.Context(), p, false) })
		if list, err := g.Organizations(t.Context(), g.as(g.alice, "")); err != nil || len(list) != 1 || list[0].ID != g.a.ID {
			t.Errorf("alice has %v, %v", list, err)
		}
	})
}

func TestOrganizationNames(t *testing.T) {
	g := newGround(t, migrated.SQLite(t))
	for _, c := range []struct {
		title, name, tier string
		want              string // error code; empty: it is taken
	}{
		{"longest", strings.Repeat("é", 83), "business", ""},
		{"personal", "Mine", "personal", ""},
		{"too long", strings.Repeat("a", 84), "business", "bad_request"},
		{"empty", "", "business", "bad_request"},
		{"only spaces", " \t ", "business", "bad_request"},
		{"line break", "a\nb", "business", identity.CodeUnseen},
		{"escape", "a\x1b[31m", "business", identity.CodeUnseen},
		{"not UTF-8", "a\xff", "business", "bad_request"},
		{"unknown tier", "Mine", "enterprise", "bad_request"},
		{"no tier", "Mine", "", "bad_request"},
	} {
		t.Run(c.title, func(t *testing.T) {
			_, err := g.CreateOrganization(t.Context(), g.as(g.alice, ""), c.name, c.tier)
			if (c.want == "") != (err == nil) {
				t.Fatalf("got %v", err)
			}
			if c.want != "" {
				wantCode(t, err, c.want)
			}
		})
	}
}

func TestTiersOnlyRise(t *testing.T) {
	onGround(t, func(g *ground) {
		o, err := g.CreateOrganization(t.Context(), g.as(g.alice, ""), "Mine", "personal")
		g.must(err)
		p, business, personal := g.as(g.alice, o.ID), "business", "personal"
		g.refused("account_unit_cannot_create_for_personal_tier", func() error {
			_, err := g.CreateUnit(t.Context(), p, o.ID, "Unit")
			return err
		})
		g.wantEvents(func() {
			_, err := g.UpdateOrganization(t.Context(), p, org.OrganizationChange{Tier: &business})
			g.must(err)
		}, "organization_tier_changed")
		g.refused("organization_tier_downgrade_not_allowed", func() error {
			_, err := g.UpdateOrganization(t.Context(), p, org.OrganizationChange{Tier: &personal})
			return err
		})
	})
}

func TestEML07UnconfirmedPeopleCreateNoOrganization(t *testing.T) {
	onGround(t, func(g *ground) {
		carol := g.user(identity.User{Email: "carol@c.example"})
		g.refused("email_not_confirmed", func() error {
			// The door refuses her as well; this is the rule behind it.
			p := &identity.Principal{User: &identity.User{ID: carol}, Token: &identity.Token{Kind: policy.Session}}
			_, err := g.CreateOrganization(t.Context(), p, "Carol's", "business")
			return err
		})
	})
}

func TestTOK08ApplicationUsersCreateNoOrganization(t *testing.T) {
	onGround(t, func(g *ground) {
		app := g.application(g.a)
		g.refused("action_forbidden_for_application_users", func() error {
			_, err := g.CreateOrganization(t.Context(), g.as(app, ""), "Robots", "business")
			return err
		})
	})
}

func TestManagedUsersCreateOrganizationsAsAdminsOnly(t *testing.T) {
	onGround(t, func(g *ground) {
		g.manage(g.a, g.bob)
		create := func() error {
			_, err := g.CreateOrganization(t.Context(), g.as(g.bob, ""), "Bob's", "business")
			return err
		}
		g.refused("action_forbidden_for_managed_users", create)
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, "organization:users:write")
		g.refused("action_forbidden_for_managed_users", create)
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, identity.AdminRole)
		g.must(create())
	})
}

func TestDOS05OrganizationsPerPerson(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.bob, "")
		for i := range 100 {
			_, err := g.CreateOrganization(t.Context(), p, fmt.Sprint("number ", i), "business")
			g.must(err)
		}
		g.refused("organization_limit_reached", func() error {
			_, err := g.CreateOrganization(t.Context(), p, "one more", "business")
			return err
		})
	})
}

func TestOrganizationWithContentIsDeletedRecursivelyOnly(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		_, err := g.CreateProject(t.Context(), p, org.NewProject{Name: "web"})
		g.must(err)
		g.refused("account_with_projects_cannot_be_deleted", func() error { return g.DeleteOrganization(t.Context(), p, false) })
		unit, err := g.CreateUnit(t.Context(), p, g.a.ID, "Unit")
		g.must(err)
		g.refused("account_with_child_accounts_cannot_be_deleted", func() error { return g.DeleteOrganization(t.Context(), p, false) })
		deleted := g.wantEvents(func() { g.must(g.DeleteOrganization(t.Context(), p, true)) }, "organization_deleted")
		g.detail(deleted[0], `"units":1`, `"projects":1`)
		if _, err := g.OrganizationOfProject(t.Context(), "web"); err == nil {
			t.Error("the project is still there")
		}
		if _, err := g.OrganizationOfAccount(t.Context(), unit.ID); err == nil {
			t.Error("the unit is still there")
		}
	})
}

// An organization that has or had identity providers is deleted like any other,
// and nothing of what they vouched for stays: no secret, no link, no token.
func TestTEN05ProvidersOfADeletedOrganizationGiveNothing(t *testing.T) {
	onGround(t, func(g *ground) {
		provider := g.linked(g.a, g.bob)
		proved := g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken, Authentication: policy.Authentication{
			Method: policy.MethodSAML, Provider: provider, ProviderOrganization: g.a.ID,
		}})
		g.prepare(store.Organization(g.a.ID), func(tx *store.Tx) error {
			gone := identity.AuthenticationMethod{
				ID: "am-gone", OrganizationID: g.a.ID, AccountID: g.a.AccountID, Name: "Old", Type: identity.MethodTypeOIDC, State: identity.MethodActive, TokenMaxAge: time.Hour, Config: "{}",
			}
			return errors.Join(tx.AddAuthenticationMethod(t.Context(), gone), tx.DeleteAuthenticationMethod(t.Context(), g.a.ID, gone.ID))
		})
		g.with(proved, "")
		g.wantEvents(func() { g.must(g.DeleteOrganization(t.Context(), g.as(g.alice, g.a.ID), false)) }, "organization_deleted")
		if _, err := g.access.Check(t.Context(), accessRequest(proved, "")); err == nil {
			t.Error("a token is accepted that a provider of a deleted organization proved")
		}
		g.must(g.DB.View(t.Context(), func(r *store.Read) error {
			links, err := r.LinkedIdentities(t.Context(), g.bob)
			if len(links) > 0 {
				t.Errorf("bob is linked to %+v", links)
			}
			if _, missing := r.AnyAuthenticationMethod(t.Context(), provider); missing == nil {
				t.Error("the provider is still there")
			}
			return err
		}))
	})
}

func TestTEN05DeletedOrganizationGivesNothing(t *testing.T) {
	onGround(t, func(g *ground) {
		app := g.application(g.a)
		g.manage(g.a, g.bob)
		p := g.as(g.alice, g.a.ID)
		g.must(g.DeleteOrganization(t.Context(), p, true))
		atHome := accessRequest(g.sessions[app], "")
		atHome.Home = true
		if _, err := g.access.Check(t.Context(), atHome); err == nil {
			t.Error("an application token of a deleted organization is accepted")
		}
		_, err := g.access.Check(t.Context(), accessRequest(g.sessions[g.alice], g.a.ID))
		wantCode(t, err, "organization_not_found")
		if bob := g.as(g.bob, ""); bob.User.ManagingOrganizationID != "" {
			t.Error("bob is managed by a deleted organization")
		}
		for name, fn := range map[string]func() error{
			"project": func() error { _, err := g.CreateProject(t.Context(), p, org.NewProject{Name: "late"}); return err },
			"unit":    func() error { _, err := g.CreateUnit(t.Context(), p, g.a.ID, "late"); return err },
			"grants": func() error {
				return g.SetPermissions(t.Context(), p, organizationResource(g.a), nil)
			},
		} {
			t.Run(name, func(*testing.T) { g.refused("organization_not_found", fn) })
		}
	})
}

func TestUnits(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		var unit org.Account
		created := g.wantEvents(func() {
			var err error
			unit, err = g.CreateUnit(t.Context(), p, g.a.ID, "Unit")
			g.must(err)
		}, "unit_created")
		if unit.ParentID != g.a.AccountID || unit.RootID != g.a.AccountID || unit.OrganizationID != g.a.ID || created[0].AccountID != unit.ID {
			t.Errorf("created %+v with %+v", unit, created[0])
		}
		create := func(parent string) func() error {
			return func() error { _, err := g.CreateUnit(t.Context(), p, parent, "Unit"); return err }
		}
		g.must(create(g.a.AccountID)())
		g.refused("parent_account_too_deep", create(unit.ID))
		g.refused("parent_account_not_found", create(g.b.AccountID))
		g.refused("parent_account_not_found", create("a00000000000"))

		name := "Department"
		renamed := g.wantEvents(func() {
			changed, err := g.RenameAccount(t.Context(), p, unit.ID, &name)
			if g.must(err); changed.Name != name {
				t.Errorf("renamed to %+v", changed)
			}
		}, "unit_renamed")
		g.detail(renamed[0], `"before":{"name":"Unit"}`, `"after":{"name":"Department"}`)

		for _, same := range []string{g.a.ID, g.a.AccountID} {
			if moved, err := g.MoveAccount(t.Context(), p, unit.ID, same); err != nil || moved.ParentID != g.a.AccountID {
				t.Errorf("moved to %s: %+v, %v", same, moved, err)
			}
		}
		g.refused("unit_cannot_be_moved_out_of_organization", func() error { _, err := g.MoveAccount(t.Context(), p, unit.ID, g.b.ID); return err })
		g.refused("bad_request", func() error { _, err := g.MoveAccount(t.Context(), p, g.a.AccountID, g.b.ID); return err })

		_, err := g.CreateProject(t.Context(), p, org.NewProject{Name: "web", ParentID: unit.ID})
		g.must(err)
		g.refused("account_with_projects_cannot_be_deleted", func() error { return g.DeleteUnit(t.Context(), p, unit.ID) })
		g.must(g.DeleteProject(t.Context(), p, "web"))
		g.refused("bad_request", func() error { return g.DeleteUnit(t.Context(), p, g.a.AccountID) })
		g.wantEvents(func() { g.must(g.DeleteUnit(t.Context(), p, unit.ID)) }, "unit_deleted")
		g.refused("account_not_found", func() error { return g.DeleteUnit(t.Context(), p, unit.ID) })
	})
}

func TestTEN01AccountsOfOthersAreMissing(t *testing.T) {
	onGround(t, func(g *ground) {
		unit, err := g.CreateUnit(t.Context(), g.as(g.eve, g.b.ID), g.b.ID, "Secret")
		g.must(err)
		p, name := g.as(g.alice, g.a.ID), "Mine"
		for _, id := range []string{unit.ID, g.b.AccountID, "a00000000000"} {
			for what, fn := range map[string]func() error{
				"read":     func() error { _, err := g.Account(t.Context(), p, id); return err },
				"rename":   func() error { _, err := g.RenameAccount(t.Context(), p, id, &name); return err },
				"delete":   func() error { return g.DeleteUnit(t.Context(), p, id) },
				"move":     func() error { _, err := g.MoveAccount(t.Context(), p, id, g.a.ID); return err },
				"projects": func() error { _, err := g.AccountProjects(t.Context(), p, id); return err },
			} {
				t.Run(what+" "+id, func(*testing.T) { g.refused("account_not_found", fn) })
			}
		}
		accounts, err := g.Accounts(t.Context(), g.as(g.alice, ""))
		if err != nil || len(accounts) != 1 || accounts[0].ID != g.a.AccountID {
			t.Errorf("alice sees %+v, %v", accounts, err)
		}
	})
}

func TestORG08AdminsDoNotRenameTheOrganization(t *testing.T) {
	onGround(t, func(g *ground) {
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, identity.AdminRole)
		name := "Bob's now"
		g.refused("user_role_not_allowed_to_perform_operation", func() error {
			_, err := g.RenameAccount(t.Context(), g.as(g.bob, g.a.ID), g.a.AccountID, &name)
			return err
		})
		g.wantEvents(func() {
			a, err := g.RenameAccount(t.Context(), g.as(g.alice, g.a.ID), g.a.AccountID, &name)
			if g.must(err); a.Name != name {
				t.Errorf("renamed to %+v", a)
			}
		}, "organization_renamed")
	})
}

func TestBreakGlassActsAsSuperAdminAtItsOrganizationOnly(t *testing.T) {
	onGround(t, func(g *ground) {
		g.join(g.b, g.bob, false)
		bearer := g.token(identity.Token{UserID: g.bob, Kind: policy.Session, BreakGlass: g.a.ID})
		name := "Rescued"
		_, err := g.RenameAccount(t.Context(), g.with(bearer, g.a.ID), g.a.AccountID, &name)
		g.must(err)
		g.refused("user_role_not_allowed_to_perform_operation", func() error {
			_, err := g.RenameAccount(t.Context(), g.with(bearer, g.b.ID), g.b.AccountID, &name)
			return err
		})
	})
}

func TestParentsAreNamedByEitherID(t *testing.T) {
	onGround(t, func(g *ground) {
		for _, id := range []string{g.a.ID, g.a.AccountID} {
			if got, err := g.OrganizationOfParent(t.Context(), id); err != nil || got != g.a.ID {
				t.Errorf("%s belongs to %q, %v", id, got, err)
			}
		}
		_, err := g.OrganizationOfParent(t.Context(), "a00000000000")
		wantCode(t, err, "account_not_found")
		if id, err := g.SoleOrganization(t.Context(), g.as(g.bob, "")); err != nil || id != g.a.ID {
			t.Errorf("bob's only organization is %q, %v", id, err)
		}
		g.join(g.b, g.bob, false)
		_, err = g.SoleOrganization(t.Context(), g.as(g.bob, ""))
		wantCode(t, err, "bad_request")
	})
}

// Every event of the use cases is part of an unbroken chain.
func TestChainsHold(t *testing.T) {
	onGround(t, func(g *ground) {
		g.must(g.DB.View(t.Context(), func(r *store.Read) error {
			_, err := r.VerifyEvents(t.Context())
			return err
		}))
	})
}
