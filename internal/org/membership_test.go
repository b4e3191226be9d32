package org_test

import (
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

func TestORGRemovalEndsEverythingAtOnce(t *testing.T) {
	onGround(t, func(g *ground) {
		group := g.group("crew", g.bob)
		g.grantGroup(group, "developer")
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, "organization:users:write")
		p := g.as(g.alice, g.a.ID)
		g.wantEvents(func() { g.must(g.RemoveMember(t.Context(), p, g.bob)) }, "member_removed")
		if _, err := g.access.Check(t.Context(), accessRequest(g.sessions[g.bob], g.a.ID)); err == nil {
			t.Error("a removed member is let in")
		}
		members, err := g.GroupMembers(t.Context(), p, group.ID)
		g.must(err)
		if len(members) != 0 {
			t.Errorf("the group still has %+v", members)
		}
		g.refused("organization_user_not_found", func() error { return g.RemoveMember(t.Context(), p, g.bob) })
	})
}

func TestORGWhoRemovesWhom(t *testing.T) {
	onGround(t, func(g *ground) {
		carol, dave := g.member(g.a, "carol@a.example"), g.member(g.a, "dave@a.example")
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, "organization:users:write")
		g.grant(g.a, g.alice, organizationResource(g.a), carol, identity.AdminRole)
		remove := func(by, of string) func() error {
			return func() error { return g.RemoveMember(t.Context(), g.as(by, g.a.ID), of) }
		}
		g.refused("permission_denied", remove(dave, g.bob))
		g.refused("user_role_not_allowed_to_perform_operation", remove(g.bob, carol))
		g.refused("user_role_not_allowed_to_perform_operation", remove(carol, g.alice))
		g.refused("organization_must_have_one_super_admin", remove(g.alice, g.alice))
		g.must(remove(carol, carol)())
		g.manage(g.a, dave)
		g.refused("action_forbidden_for_managed_users", remove(dave, dave))
		g.refused("cannot_remove_managed_users_from_organization", remove(g.alice, dave))
	})
}
