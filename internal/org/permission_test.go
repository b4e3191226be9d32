package org_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

func user(id string, permissions ...string) org.NamedGrant {
	return org.NamedGrant{PrincipalType: "user", PrincipalID: id, Permissions: permissions}
}

func TestPermissionsAreExplicitGrantsOnly(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		unit, err := g.CreateUnit(t.Context(), p, g.a.ID, "Unit")
		g.must(err)
		_, err = g.CreateProject(t.Context(), p, org.NewProject{Name: "web", ParentID: unit.ID})
		g.must(err)
		for _, res := range []org.Resource{organizationResource(g.a), {Type: "organization_unit", ID: unit.ID}, {Type: "project", ID: "web"}} {
			list, err := g.Permissions(t.Context(), p, res)
			if err != nil || list == nil || len(list) != 0 {
				t.Errorf("%v: a new resource has the grants %v, %v", res, list, err)
			}
		}
	})
}

func TestSetPermissionsReplacesAndKeepsTimes(t *testing.T) {
	onGround(t, func(g *ground) {
		carol := g.member(g.a, "carol@a.example")
		p, res := g.as(g.alice, g.a.ID), organizationResource(g.a)
		first := g.now
		events := g.wantEvents(func() {
			g.must(g.SetPermissions(t.Context(), p, res, []org.NamedGrant{
				user(g.bob, "organization:groups:write", "organization:audit_logs:read", "organization:groups:write"), user(carol, "developer"),
			}))
		}, "permissions_changed")
		if e := events[0]; e.OrganizationID != g.a.ID || e.AccountID != g.a.AccountID || e.Target != (identity.Target{Kind: "organization", ID: g.a.ID, Name: g.a.Name}) {
			t.Errorf("recorded %+v", e)
		}
		g.detail(events[0], `"before":{"user:`, `"user:`+g.bob+`":["organization:groups:write","organization:audit_logs:read"]`)

		g.now = first.Add(time.Minute)
		events = g.wantEvents(func() {
			g.must(g.SetPermissions(t.Context(), p, res, []org.NamedGrant{
				user(g.bob, "organization:audit_logs:read", "organization:groups:write"), user(carol, "developer", "operator"),
			}))
		}, "permissions_changed")
		g.detail(events[0], `"before":{"user:`+carol+`":["developer"]}`) // bob did not change
		want := map[string][2]time.Time{g.bob: {first, first}, carol: {first, g.now}}
		list, err := g.Permissions(t.Context(), p, res)
		g.must(err)
		for _, grant := range list {
			if got := [2]time.Time{grant.Created, grant.Updated}; got != want[grant.PrincipalID] || grant.PrincipalType != "user" {
				t.Errorf("%s was created and updated %v, want %v", grant.PrincipalID, got, want[grant.PrincipalID])
			}
		}
		g.wantEvents(func() { g.must(g.SetPermissions(t.Context(), p, res, []org.NamedGrant{})) }, "permissions_changed")
		if list, err := g.Permissions(t.Context(), p, res); err != nil || len(list) != 0 {
			t.Errorf("after clearing: %v, %v", list, err)
		}
		g.wantEvents(func() { g.must(g.SetPermissions(t.Context(), p, res, nil)) })
	})
}

func TestUpdatePermissions(t *testing.T) {
	onGround(t, func(g *ground) {
		carol := g.member(g.a, "carol@a.example")
		p, res := g.as(g.alice, g.a.ID), organizationResource(g.a)
		g.grant(g.a, g.alice, res, carol, "operator")
		for _, c := range []struct {
			operation string
			named     []string
			want      string
			changes   bool
		}{
			{"", []string{"developer", "operator"}, "[developer operator]", true},
			{"set", []string{"operator", "developer"}, "[developer operator]", false},
			{"grant", []string{"developer", "read_only"}, "[developer operator read_only]", true},
			{"grant", []string{"read_only"}, "[developer operator read_only]", false},
			{"revoke", []string{"operator", "admin"}, "[developer read_only]", true},
			{"revoke", []string{"operator"}, "[developer read_only]", false},
			{"revoke", []string{"developer", "read_only"}, "[]", true},
			{"grant", []string{}, "[]", false},
			{"set", []string{"role:organization:admin"}, "[role:organization:admin]", true},
			{"set", []string{}, "[]", true},
		} {
			t.Run(fmt.Sprint(c.operation, c.named), func(t *testing.T) {
				want := []string{}
				if c.changes {
					want = append(want, "permissions_changed")
				}
				g.wantEvents(func() {
					g.must(g.UpdatePermissions(t.Context(), p, res, c.operation, []org.NamedGrant{user(g.bob, c.named...)}))
				}, want...)
				list, err := g.Permissions(t.Context(), p, res)
				g.must(err)
				held := map[string]string{g.bob: "[]"}
				for _, grant := range list {
					held[grant.PrincipalID] = fmt.Sprint(grant.Permissions)
				}
				if held[g.bob] != c.want || held[carol] != "[operator]" {
					t.Errorf("held is %v, want bob %s", held, c.want)
				}
			})
		}
	})
}

func TestBadPermissionsChangeNothing(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		unit, err := g.CreateUnit(t.Context(), p, g.a.ID, "Unit")
		g.must(err)
		foreign, err := g.CreateUnit(t.Context(), g.as(g.eve, g.b.ID), g.b.ID, "Secret")
		g.must(err)
		_, err = g.CreateProject(t.Context(), p, org.NewProject{Name: "web"})
		g.must(err)
		_, err = g.CreateProject(t.Context(), g.as(g.eve, g.b.ID), org.NewProject{Name: "secret"})
		g.must(err)
		good := user(g.bob, "developer")
		for _, c := range []struct {
			title string
			res   org.Resource
			named org.NamedGrant
			code  string
		}{
			{"unknown type", org.Resource{Type: "service", ID: "web"}, good, "unsupported_resource_type"},
			{"no type", org.Resource{ID: "web"}, good, "unsupported_resource_type"},
			{"TEN-01 organization", organizationResource(g.b), good, "organization_not_found"},
			{"account as organization", org.Resource{Type: "organization", ID: g.a.AccountID}, good, "organization_not_found"},
			{"TEN-01 unit", org.Resource{Type: "organization_unit", ID: foreign.ID}, good, "account_not_found"},
			{"root as unit", org.Resource{Type: "organization_unit", ID: g.a.AccountID}, good, "account_not_found"},
			{"TEN-01 project", org.Resource{Type: "project", ID: "secret"}, good, "project_not_found"},
			{"no such project", org.Resource{Type: "project", ID: "none"}, good, "project_not_found"},
			{"unknown permission", organizationResource(g.a), user(g.bob, "organization:everything"), "bad_request"},
			{"super admin is no permission", organizationResource(g.a), user(g.bob, "role:organization:super_admin"), "bad_request"},
			{"organization's on a project", org.Resource{Type: "project", ID: "web"}, user(g.bob, "organization:projects:write"), "bad_request"},
			{"admin role on a unit", org.Resource{Type: "organization_unit", ID: unit.ID}, user(g.bob, identity.AdminRole), "bad_request"},
			{"TEN-01 user", organizationResource(g.a), user(g.eve, "developer"), "organization_user_not_found"},
			{"no such user", organizationResource(g.a), user("u00000000000", "developer"), "organization_user_not_found"},
			{"group", organizationResource(g.a), org.NamedGrant{PrincipalType: "user_group", PrincipalID: "ug00000000000", Permissions: []string{"developer"}}, "user_group_not_found"},
			{"other principal", organizationResource(g.a), org.NamedGrant{PrincipalType: "robot", PrincipalID: g.bob}, "bad_request"},
		} {
			t.Run(c.title, func(*testing.T) {
				g.refused(c.code, func() error {
					return g.SetPermissions(t.Context(), p, c.res, []org.NamedGrant{user(g.alice, "admin"), c.named})
				})
				g.refused(c.code, func() error {
					return g.UpdatePermissions(t.Context(), p, c.res, "revoke", []org.NamedGrant{c.named})
				})
			})
		}
		g.refused("bad_request", func() error {
			return g.SetPermissions(t.Context(), p, organizationResource(g.a), []org.NamedGrant{good, good})
		})
		g.refused("bad_request", func() error {
			return g.UpdatePermissions(t.Context(), p, organizationResource(g.a), "replace", []org.NamedGrant{good})
		})
		if list, err := g.Permissions(t.Context(), p, organizationResource(g.a)); err != nil || len(list) != 0 {
			t.Errorf("after refusals: %v, %v", list, err)
		}
	})
}

// Who may not read permissions cannot tell what exists.
func TestTEN04PermissionsAreReadByThoseWhoMay(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		unit, err := g.CreateUnit(t.Context(), p, g.a.ID, "Unit")
		g.must(err)
		for _, name := range []string{"web", "other"} {
			_, err = g.CreateProject(t.Context(), p, org.NewProject{Name: name, ParentID: unit.ID})
			g.must(err)
		}
		resources := map[string]org.Resource{
			"organization": organizationResource(g.a), "unit": {Type: "organization_unit", ID: unit.ID},
			"web": {Type: "project", ID: "web"}, "other": {Type: "project", ID: "other"}, "none": {Type: "project", ID: "none"},
		}
		for _, c := range []struct {
			title      string
			on         string
			permission string
			reads      string
		}{
			{"nothing", "organization", "", ""},
			{"another permission", "organization", "organization:groups:write", ""},
			{"on the project", "web", "project:permissions:read", "web"},
			{"project admin", "web", "admin", "web"},
			{"developer", "web", "developer", ""},
			{"on the unit", "unit", "project:permissions:read", "unit web other"},
			{"on the organization", "organization", "project:permissions:read", "organization unit web other none"},
		} {
			t.Run(c.title, func(t *testing.T) {
				if c.permission != "" {
					g.grant(g.a, g.alice, resources[c.on], g.bob, c.permission)
					defer g.grant(g.a, g.alice, resources[c.on], g.bob)
				}
				for name, res := range resources {
					_, err := g.Permissions(t.Context(), g.as(g.bob, g.a.ID), res)
					switch {
					case !containsWord(c.reads, name):
						wantCode(t, err, "permission_denied")
					case name == "none":
						wantCode(t, err, "project_not_found")
					case err != nil:
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
	})
}

func TestAdminPermissionsTakeEffectAtOnce(t *testing.T) {
	onGround(t, func(g *ground) {
		if g.as(g.bob, g.a.ID).Admin() {
			t.Fatal("bob is an admin already")
		}
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, identity.AdminRole)
		if !g.as(g.bob, g.a.ID).Admin() {
			t.Error("bob is not an admin after the grant")
		}
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob)
		if g.as(g.bob, g.a.ID).Admin() {
			t.Error("bob is still an admin after the grant has ended")
		}
	})
}

// Rule 101: who holds the admin role on a unit or project gives and takes
// grants there, and only what the role covers.
func TestTEN02AdminsBelowTheOrganizationGrant(t *testing.T) {
	onGround(t, func(g *ground) {
		carol, app := g.member(g.a, "carol@a.example"), g.application(g.a)
		group := g.group("Pilots").ID
		unit, err := g.CreateUnit(t.Context(), g.as(g.alice, g.a.ID), g.a.ID, "Unit")
		g.must(err)
		other, err := g.CreateUnit(t.Context(), g.as(g.alice, g.a.ID), g.a.ID, "Other")
		g.must(err)
		for name, parent := range map[string]string{"inside": unit.ID, "beside": unit.ID, "elsewhere": other.ID, "root": ""} {
			g.project(g.a, g.alice, org.NewProject{Name: name, ParentID: parent})
		}
		resources := map[string]org.Resource{
			"organization": organizationResource(g.a), "unit": {Type: "organization_unit", ID: unit.ID}, "other": {Type: "organization_unit", ID: other.ID},
			"nowhere": {Type: "organization_unit", ID: "a00000000000"}, "none": {Type: "project", ID: "none"},
		}
		for _, name := range []string{"inside", "beside", "elsewhere", "root"} {
			resources[name] = org.Resource{Type: "project", ID: name}
		}
		for _, c := range []struct{ on, permission, grants string }{
			{"inside", "developer", ""},
			{"inside", "project:permissions:read", ""},
			{"inside", "admin", "inside"},
			{"root", "role:project:admin", "root"},
			{"unit", "operator", ""},
			{"unit", "role:project:admin", "unit inside beside"},
			{"unit", "admin", "unit inside beside"},
			{"organization", "role:project:admin", "unit inside beside other elsewhere root"},
			{"organization", "organization:users:write", ""},
			{"organization", "organization:projects:write", ""},
			{"organization", identity.AdminRole, "organization unit inside beside other elsewhere root"},
		} {
			t.Run(c.permission+" on "+c.on, func(*testing.T) {
				g.grant(g.a, g.alice, resources[c.on], g.bob, c.permission)
				defer g.grant(g.a, g.alice, resources[c.on], g.bob)
				p := g.as(g.bob, g.a.ID)
				for name, res := range resources {
					named := []org.NamedGrant{user(carol, "developer"), user(app, "read_only"), {PrincipalType: "user_group", PrincipalID: group, Permissions: []string{"operator"}}}
					grant := func() error { return g.UpdatePermissions(t.Context(), p, res, org.OperationGrant, named) }
					revoke := func() error { return g.UpdatePermissions(t.Context(), p, res, org.OperationRevoke, named) }
					set := func() error { return g.SetPermissions(t.Context(), p, res, named) }
					switch {
					case containsWord(c.grants, name):
						g.wantEvents(func() { g.must(grant()) }, "permissions_changed")
						g.wantEvents(func() { g.must(revoke()) }, "permissions_changed")
					case containsWord(c.grants, "organization"): // an admin is told what exists
					default:
						for _, act := range []func() error{grant, revoke, set} {
							g.refused("permission_denied", act)
						}
					}
				}
			})
		}
	})
}

func TestTEN02NobodyGrantsMoreThanTheyHold(t *testing.T) {
	onGround(t, func(g *ground) {
		carol := g.member(g.a, "carol@a.example")
		unit, err := g.CreateUnit(t.Context(), g.as(g.alice, g.a.ID), g.a.ID, "Unit")
		g.must(err)
		g.project(g.a, g.alice, org.NewProject{Name: "web", ParentID: unit.ID})
		onUnit, onProject := org.Resource{Type: "organization_unit", ID: unit.ID}, org.Resource{Type: "project", ID: "web"}
		g.grant(g.a, g.alice, onUnit, g.bob, "role:project:admin")
		p := g.as(g.bob, g.a.ID)
		update := func(res org.Resource, operation string, named ...org.NamedGrant) func() error {
			return func() error { return g.UpdatePermissions(t.Context(), p, res, operation, named) }
		}
		// What belongs to an organization is granted on one only.
		for _, permission := range []string{identity.AdminRole, "organization:projects:write", "organization:users:write"} {
			g.refused("bad_request", update(onUnit, "grant", user(carol, permission)))
			g.refused("permission_denied", update(organizationResource(g.a), "grant", user(g.bob, permission)))
		}
		// The stronger admin role is neither given nor taken, on whichever way.
		g.refused("permission_denied", update(onProject, "grant", user(carol, "admin")))
		g.refused("permission_denied", update(onUnit, "grant", user(g.bob, "admin")))
		g.refused("permission_denied", update(onProject, "set", user(carol, "developer"), user(g.bob, "admin")))
		g.grant(g.a, g.alice, onProject, carol, "admin", "developer")
		g.refused("permission_denied", update(onProject, "revoke", user(carol, "admin")))
		g.refused("permission_denied", update(onProject, "set", user(carol)))
		g.refused("permission_denied", func() error {
			return g.SetPermissions(t.Context(), p, onProject, []org.NamedGrant{user(g.bob, "developer")})
		})
		// What stays as it was needs nothing.
		g.must(update(onProject, "set", user(carol, "admin", "operator", "role:project:admin"))())
		// With the right gone the next request is refused, whatever the principal
		// was when it was checked.
		g.grant(g.a, g.alice, onUnit, g.bob)
		g.refused("permission_denied", update(onProject, "grant", user(carol, "developer")))
	})
}
