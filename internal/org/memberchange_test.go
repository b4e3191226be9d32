package org_test

import (
	"errors"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/policy"
)

func toState(state string) org.MemberChange { return org.MemberChange{State: &state} }

func toSuperAdmin(yes bool) org.MemberChange { return org.MemberChange{SuperAdmin: &yes} }

func toName(name string) org.MemberChange { return org.MemberChange{RealName: &name} }

// change is one admin's change of one member, for later.
func (g *ground) change(by, of string, in org.MemberChange) func() error {
	p := g.as(by, g.a.ID)
	return func() error { _, err := g.UpdateMember(g.Context(), p, of, in); return err }
}

func TestSES06DeactivationEndsAllCredentials(t *testing.T) {
	onGround(t, func(g *ground) {
		g.manage(g.a, g.bob)
		personal := g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken})
		old := []string{g.sessions[g.bob], personal}
		g.refused("cannot_delete_active_managed_users", g.change(g.alice, g.bob, toState("deleted")))
		g.wantEvents(func() { g.must(g.change(g.alice, g.bob, toState("deactivated"))()) }, "user_deactivated")
		g.wantEvents(func() { g.must(g.change(g.alice, g.bob, toState("deactivated"))()) })
		g.wantEvents(func() { g.must(g.change(g.alice, g.bob, toState("active"))()) }, "user_reactivated")
		for _, bearer := range old {
			if _, err := g.access.Check(t.Context(), accessRequest(bearer, "")); err == nil {
				t.Error("a reactivated user's old credential is accepted")
			}
		}
		g.must(g.change(g.alice, g.bob, toState("deactivated"))())
		deleted := g.wantEvents(func() { g.must(g.change(g.alice, g.bob, toState("deleted"))()) }, "user_deleted")
		if e := deleted[0]; e.Target.ID != g.bob || e.OrganizationID != g.a.ID || e.AccountID != g.a.AccountID {
			t.Errorf("recorded %+v", e)
		}
		g.refused("organization_user_not_found", g.change(g.alice, g.bob, toState("active")))
	})
}

func TestORG07TheLastSuperAdminStays(t *testing.T) {
	onGround(t, func(g *ground) {
		g.manage(g.a, g.alice)
		g.manage(g.a, g.bob)
		demote, deactivate := g.change(g.alice, g.alice, toSuperAdmin(false)), g.change(g.alice, g.alice, toState("deactivated"))
		g.refused("organization_must_have_one_super_admin", demote)
		g.refused("organization_must_have_one_super_admin", deactivate)
		g.refused("action_forbidden_for_managed_users", func() error { return g.DeleteMe(t.Context(), g.as(g.alice, "")) })
		// A deactivated one is no help.
		g.must(g.change(g.alice, g.bob, toSuperAdmin(true))())
		g.must(g.change(g.alice, g.bob, toState("deactivated"))())
		g.refused("organization_must_have_one_super_admin", demote)
		g.refused("organization_must_have_one_super_admin", deactivate)
		g.must(g.change(g.alice, g.bob, toState("active"))())
		e := g.wantEvents(func() { g.must(demote()) }, "super_admin_changed")[0]
		g.detail(e, `"before":{"is_super_admin":true}`, `"after":{"is_super_admin":false}`)
		// The same principal, checked before: it is super admin no longer.
		g.refused("permission_denied", demote)
	})
}

func TestORG08NobodyActsUpwards(t *testing.T) {
	onGround(t, func(g *ground) {
		carol, app := g.member(g.a, "carol@a.example"), g.application(g.a)
		dave := g.member(g.a, "dave@a.example")
		for _, id := range []string{g.alice, g.bob, carol, dave} {
			g.manage(g.a, id)
		}
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, identity.AdminRole)
		g.grant(g.a, g.alice, organizationResource(g.a), carol, "organization:users:write")
		const role = "user_role_not_allowed_to_perform_operation"
		for _, c := range []struct {
			by, of string
			in     org.MemberChange
			code   string
		}{
			{g.bob, g.alice, toSuperAdmin(false), role},
			{g.bob, g.alice, toState("deactivated"), role},
			{g.bob, g.alice, toName("Mallory"), role},
			{g.bob, g.bob, toSuperAdmin(true), role},
			{carol, g.bob, toState("deactivated"), role},
			{carol, g.bob, toName("Mallory"), role},
			{carol, carol, toName("Mallory"), "action_forbidden_for_managed_users"},
			{dave, g.bob, toName("Mallory"), "permission_denied"},
			{g.alice, app, toSuperAdmin(true), "action_forbidden_on_application_users"},
			{g.alice, app, toState("deactivated"), "action_forbidden_on_application_users"},
		} {
			g.refused(c.code, g.change(c.by, c.of, c.in))
		}
		g.refused(role, func() error { return g.ResetMemberPassword(t.Context(), g.as(g.bob, g.a.ID), g.alice) })
		promote := g.change(g.alice, g.bob, toSuperAdmin(true))
		g.now = g.now.Add(11 * 60e9)
		g.refused("fresh_login_required", promote)
		g.must(g.change(carol, dave, toName(" Dave  "))())
		if m, err := g.Member(t.Context(), g.as(g.alice, g.a.ID), dave); err != nil || m.User.RealName != "Dave" {
			t.Errorf("dave is %q, %v", m.User.RealName, err)
		}
	})
}

func TestDOM09NoPowerOverUnmanagedUsers(t *testing.T) {
	onGround(t, func(g *ground) {
		for _, in := range []org.MemberChange{toState("deactivated"), toState("deleted"), toName("Mallory")} {
			g.refused("action_forbidden_on_unmanaged_users", g.change(g.alice, g.bob, in))
			g.refused("organization_user_not_found", g.change(g.alice, g.eve, in))
		}
		g.refused("action_forbidden_on_unmanaged_users", func() error { return g.ResetMemberPassword(t.Context(), g.as(g.alice, g.a.ID), g.bob) })
		deletable := func(userID string) func() error {
			return func() error { _, err := g.OrganizationToDelete(t.Context(), g.as(g.alice, ""), userID); return err }
		}
		g.refused("action_forbidden_on_unmanaged_users", deletable(g.bob))
		g.refused("user_not_found", deletable(g.eve))
		g.refused("action_forbidden_on_application_users", deletable(g.application(g.a)))
		// What is the case already is no change of somebody else's user.
		g.wantEvents(func() { g.must(g.change(g.alice, g.bob, toState("active"))()) })
	})
}

func TestDOM08ManagedUsersKeepTheirAccount(t *testing.T) {
	onGround(t, func(g *ground) {
		g.manage(g.a, g.bob)
		g.refused("action_forbidden_for_managed_users", func() error { return g.DeleteMe(t.Context(), g.as(g.bob, "")) })
		g.refused("cannot_delete_users_with_organizations_memberships", func() error { return g.DeleteMe(t.Context(), g.as(g.eve, "")) })
		alone := g.person("dan@c.example")
		g.wantEvents(func() { g.must(g.DeleteMe(t.Context(), g.as(alone, ""))) }, "user_deleted")
	})
}

func TestDiscoveredOrganizations(t *testing.T) {
	onGround(t, func(g *ground) {
		g.manage(g.a, g.bob)
		g.join(g.b, g.bob, true)
		g.join(g.b, g.alice, false) // not managed
		list, err := g.DiscoveredOrganizations(t.Context(), g.as(g.alice, g.a.ID))
		g.must(err)
		if len(list) != 1 || list[0].Organization.ID != g.b.ID || len(list[0].Members) != 1 || list[0].Members[0].UserID != g.bob || !list[0].Members[0].SuperAdmin {
			t.Errorf("discovered %+v", list)
		}
		// Deleting bob takes him from there too.
		g.must(g.change(g.alice, g.bob, toState("deactivated"))())
		g.wantEvents(func() { g.must(g.change(g.alice, g.bob, toState("deleted"))()) }, "member_removed", "user_deleted")
	})
}

func TestCON02TwoSuperAdminsDemoteEachOther(t *testing.T) {
	onGround(t, func(g *ground) {
		for range 50 {
			g.must(g.change(g.alice, g.bob, toSuperAdmin(true))())
			var both errgroup.Group
			both.Go(ignored(g.change(g.alice, g.bob, toSuperAdmin(false))))
			both.Go(ignored(g.change(g.bob, g.alice, toSuperAdmin(false))))
			g.must(both.Wait())
			members, err := g.Members(t.Context(), g.as(g.alice, g.a.ID), false)
			g.must(err)
			left := ""
			for _, m := range members {
				if m.SuperAdmin {
					left += m.UserID
				}
			}
			if left != g.alice && left != g.bob {
				t.Fatalf("super admins left: %q, want one", left)
			}
			if left == g.bob {
				g.must(g.change(g.bob, g.alice, toSuperAdmin(true))())
				g.must(g.change(g.alice, g.bob, toSuperAdmin(false))())
			}
		}
	})
}

// ignored runs fn for what it leaves behind: either of two may be refused, but
// not by a failure of ours.
func ignored(fn func() error) func() error {
	return func() error {
		var known *identity.Error
		if err := fn(); err != nil && !errors.As(err, &known) {
			return err
		}
		return nil
	}
}
