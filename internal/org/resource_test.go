package org_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// pagesOf are the names of the projects that somebody sees, read two at a time.
func (g *ground) pagesOf(p *identity.Principal) (names []string) {
	g.Helper()
	at := org.ListPage{Limit: 2}
	for {
		found, err := g.ProjectList(g.Context(), p, org.ProjectSearch{}, at)
		g.must(err)
		names = append(names, projectNames(found.List)...)
		if !found.More {
			return names
		}
		at.After = found.List[len(found.List)-1].Name
	}
}

// TestPagesOfProjectsAreThoseOfTheAPI for whoever holds whatever: page by page
// nobody sees more or less than in one piece, and the roles are the same.
func TestPagesOfProjectsAreThoseOfTheAPI(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		unit, err := g.CreateUnit(t.Context(), p, g.a.ID, "Unit")
		g.must(err)
		for i := range 7 {
			in := org.NewProject{Name: fmt.Sprintf("project-%d", i)}
			if i%2 == 0 {
				in.ParentID = unit.ID
			}
			g.project(g.a, g.alice, in)
		}
		people := map[string][]func(id string){
			"plain": nil,
			"unit": {func(id string) {
				g.grant(g.a, g.alice, org.Resource{Type: "organization_unit", ID: unit.ID}, id, "role:project:admin")
			}},
			"project": {
				func(id string) {
					g.grant(g.a, g.alice, org.Resource{Type: "project", ID: "project-1"}, id, "developer")
				},
				func(id string) { g.grant(g.a, g.alice, org.Resource{Type: "project", ID: "project-4"}, id, "operator") },
			},
			"everywhere": {func(id string) { g.grant(g.a, g.alice, organizationResource(g.a), id, "read_only") }},
			"manages":    {func(id string) { g.grant(g.a, g.alice, organizationResource(g.a), id, "organization:projects:write") }},
			"elsewhere":  {func(id string) { g.grant(g.a, g.alice, organizationResource(g.a), id, "organization:users:write") }},
		}
		for name, grants := range people {
			id := g.member(g.a, name+"@a.example")
			for _, give := range grants {
				give(id)
			}
			who := g.as(id, g.a.ID)
			whole, err := g.Projects(t.Context(), who)
			g.must(err)
			if got := g.pagesOf(who); !slices.Equal(got, projectNames(whole)) && len(got)+len(whole) > 0 {
				t.Errorf("%s sees %v page by page, and %v in one piece", name, got, projectNames(whole))
			}
			page, err := g.ProjectList(t.Context(), who, org.ProjectSearch{}, org.ListPage{Limit: 50})
			g.must(err)
			for i, one := range page.List {
				if fmt.Sprint(one.Roles, one.Manages, one.AccountName) != fmt.Sprint(whole[i].Roles, whole[i].Manages, whole[i].AccountName) {
					t.Errorf("%s: %+v, want %+v", name, one, whole[i])
				}
			}
			units, seen, err := g.Units(t.Context(), who)
			g.must(err)
			if seen != int64(len(whole)) || len(units) != 1 || units[0].Manages != (name == "unit" || name == "manages") {
				t.Errorf("%s: %d projects, units %+v", name, seen, units)
			}
		}
		if got := g.pagesOf(p); len(got) != 7 {
			t.Errorf("an admin sees %v", got)
		}
		if got := g.pagesOf(g.as(g.eve, g.b.ID)); len(got) != 0 {
			t.Errorf("a stranger sees %v", got)
		}
	})
}

// TestResourceAccess: who may read the permissions of a unit or project sees who
// holds some, and what they may give themselves; others see none of it.
func TestResourceAccess(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		unit, err := g.CreateUnit(t.Context(), p, g.a.ID, "Unit")
		g.must(err)
		g.project(g.a, g.alice, org.NewProject{Name: "web", ParentID: unit.ID})
		inUnit, web := org.Resource{Type: "organization_unit", ID: unit.ID}, org.Resource{Type: "project", ID: "web"}
		lead, reader := g.member(g.a, "lead@a.example"), g.member(g.a, "reader@a.example")
		g.grant(g.a, g.alice, inUnit, lead, "role:project:admin")
		g.grant(g.a, g.alice, web, reader, "project:permissions:read")
		for _, c := range []struct {
			who          string
			res          org.Resource
			reads, gives bool
		}{{g.alice, inUnit, true, true}, {g.alice, web, true, true}, {lead, inUnit, true, true}, {lead, web, true, true}, {reader, web, true, false}, {reader, inUnit, false, false}, {g.bob, inUnit, false, false}} {
			a, err := g.ResourceAccess(t.Context(), g.as(c.who, g.a.ID), c.res, org.ListPage{Limit: 50})
			g.must(err)
			if a.Reads != c.reads || (len(a.Gives) > 0) != c.gives || c.reads != (a.Total > 0) || c.reads != (len(a.Grants.List) > 0) {
				t.Errorf("%s on %v: %+v", c.who, c.res, a)
			}
			if slices.Contains(a.Gives, "admin") != (c.who == g.alice) {
				t.Errorf("%s may give %v", c.who, a.Gives)
			}
		}
		first, err := g.ResourceAccess(t.Context(), p, web, org.ListPage{Limit: 50})
		g.must(err)
		if h := first.Grants.List[0]; h.Principal == "" || h.Email != "reader@a.example" || first.AboveUnit != 1 || first.Unit.Name != "Unit" {
			t.Errorf("the project's access is %+v", first)
		}
		g.refused("project_not_found", func() error {
			_, err := g.ResourceAccess(t.Context(), g.as(g.bob, g.a.ID), web, org.ListPage{Limit: 50})
			return err
		})
		for _, res := range []org.Resource{inUnit, web, {Type: "organization_unit", ID: g.a.AccountID}} {
			if _, err := g.ResourceAccess(t.Context(), g.as(g.eve, g.b.ID), res, org.ListPage{Limit: 50}); err == nil {
				t.Errorf("a stranger opens %v", res)
			}
		}
		given, err := g.GrantsToMember(t.Context(), p, lead)
		g.must(err)
		if len(given) != 1 || given[0].Resource != "Unit" {
			t.Errorf("the leader holds %+v", given)
		}
		g.refused("organization_user_not_found", func() error {
			_, err := g.GrantsToMember(t.Context(), p, g.eve)
			return err
		})
	})
}

// TestPrincipalNamed finds whom a person means by an address, a group's name or
// an id, and nobody of another organization.
func TestPrincipalNamed(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.as(g.alice, g.a.ID)
		group, err := g.CreateGroup(t.Context(), p, "Crew", "")
		g.must(err)
		robot := g.application(g.a)
		for name, want := range map[string]string{
			"bob@a.example": "user " + g.bob, "BOB@A.example": "user " + g.bob, g.bob: "user " + g.bob, robot: "user " + robot,
			"Crew": "user_group " + group.ID, group.ID: "user_group " + group.ID,
		} {
			got, err := g.PrincipalNamed(t.Context(), p, name)
			if g.must(err); got.PrincipalType+" "+got.PrincipalID != want {
				t.Errorf("%q is %+v, want %s", name, got, want)
			}
		}
		for _, name := range []string{"", "eve@b.example", g.eve, "crew", "nobody", "\x00", "%"} {
			g.refused("organization_user_not_found", func() error {
				_, err := g.PrincipalNamed(t.Context(), p, name)
				return err
			})
		}
	})
}
