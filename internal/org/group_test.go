package org_test

import (
	"slices"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

func (g *ground) group(name string, members ...string) identity.Group {
	g.Helper()
	p := g.as(g.alice, g.a.ID)
	group, err := g.CreateGroup(g.Context(), p, name, "")
	g.must(err)
	g.must(g.ChangeGroupMembers(g.Context(), p, group.ID, org.OperationAddMembers, members))
	return group
}

func (g *ground) grantGroup(group identity.Group, permissions ...string) {
	g.Helper()
	g.must(g.UpdatePermissions(g.Context(), g.as(g.alice, g.a.ID), organizationResource(g.a), org.OperationSet,
		[]org.NamedGrant{{PrincipalType: "user_group", PrincipalID: group.ID, Permissions: permissions}}))
}

// A group's permissions reach its members at once, and end at once in each of
// the four ways.
func TestGroupPermissionsReachMembers(t *testing.T) {
	ends := map[string]func(g *ground, p *identity.Principal, group identity.Group) error{
		"left": func(g *ground, p *identity.Principal, group identity.Group) error {
			return g.ChangeGroupMembers(g.Context(), p, group.ID, org.OperationRemoveMembers, []string{g.bob})
		},
		"deleted": func(g *ground, p *identity.Principal, group identity.Group) error {
			return g.DeleteGroup(g.Context(), p, group.ID)
		},
		"taken": func(g *ground, p *identity.Principal, group identity.Group) error {
			g.grantGroup(group)
			return nil
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			onGround(t, func(g *ground) {
				if g.as(g.bob, g.a.ID).May("organization:users:write") {
					t.Fatal("bob may from the start")
				}
				group := g.group("crew", g.bob)
				g.grantGroup(group, "organization:users:write", "developer")
				g.grant(g.a, g.alice, organizationResource(g.a), g.bob, "developer")
				p := g.as(g.bob, g.a.ID)
				if !p.May("organization:users:write") || !slices.Equal(p.Groups, []string{"crew"}) {
					t.Fatalf("bob holds %v in the groups %v", p.Granted, p.Groups)
				}
				g.must(end(g, g.as(g.alice, g.a.ID), group))
				p = g.as(g.bob, g.a.ID)
				if p.May("organization:users:write") || !p.May("developer") {
					t.Errorf("afterwards bob holds %v; want his own grant only", p.Granted)
				}
			})
		})
	}
}

func TestGroupNamesAreUniqueInAnOrganization(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		g.group("crew")
		other := g.group("pilots")
		g.refused("user_group_names_must_be_unique", func() error { _, err := g.CreateGroup(t.Context(), p, "crew", ""); return err })
		name := "crew"
		g.refused("user_group_names_must_be_unique", func() error {
			_, err := g.UpdateGroup(t.Context(), p, other.ID, &name, nil)
			return err
		})
	})
}

func TestGroupMembersAreOfTheOrganization(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		group := g.group("crew")
		add := func(ids ...string) error {
			return g.ChangeGroupMembers(t.Context(), p, group.ID, org.OperationAddMembers, ids)
		}
		g.refused("organization_user_not_found", func() error { return add(g.bob, g.eve) })
		g.wantEvents(func() { g.must(add(g.bob)) }, "group_members_changed")
		g.wantEvents(func() { g.must(add(g.bob, g.bob)) })
		list, err := g.GroupMembers(t.Context(), p, group.ID)
		g.must(err)
		if len(list) != 1 || list[0].UserID != g.bob {
			t.Errorf("members %+v", list)
		}
	})
}

// Rule 96: who may keep groups only cannot hand out what groups hold.
func TestTOK14GroupKeepersAddToGroupsWithoutPermissionsOnly(t *testing.T) {
	onGround(t, func(g *ground) {
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, "organization:groups:write")
		empty, strong := g.group("empty"), g.group("strong")
		g.grantGroup(strong, identity.AdminRole)
		add := func(id string) error {
			return g.ChangeGroupMembers(t.Context(), g.as(g.bob, g.a.ID), id, org.OperationAddMembers, []string{g.bob})
		}
		g.must(add(empty.ID))
		g.refused("user_role_not_allowed_to_perform_operation", func() error { return add(strong.ID) })
	})
}
