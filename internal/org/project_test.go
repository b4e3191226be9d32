package org_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
)

func containsWord(words, word string) bool { return slices.Contains(strings.Fields(words), word) }

func projectNames(list []org.ProjectAccess) []string {
	names := []string{}
	for _, p := range list {
		names = append(names, p.Name)
	}
	return names
}

func (g *ground) project(o identity.Organization, admin string, in org.NewProject) org.ProjectAccess {
	g.Helper()
	p, err := g.CreateProject(g.Context(), g.as(admin, o.ID), in)
	g.must(err)
	return p
}

func TestProjectIsCreatedChangedAndDeleted(t *testing.T) {
	onGround(t, func(g *ground) {
		p, port := g.as(g.alice, g.a.ID), int64(20000)
		unit, err := g.CreateUnit(t.Context(), p, g.a.ID, "Unit")
		g.must(err)
		var made org.ProjectAccess
		events := g.wantEvents(func() {
			made = g.project(g.a, g.alice, org.NewProject{
				Name: "web", BasePort: &port, Cloud: "here", BillingGroupID: "group", Tags: map[string]string{"env": "test"}, TechEmails: []string{"Ops@a.example"},
			})
		}, "project_created")
		if made.AccountID != g.a.AccountID || made.AccountName != g.a.Name || made.BasePort != port || made.Cloud != "here" || made.TechEmails[0] != "Ops@a.example" || made.Roles[0] != "admin" || !made.Manages {
			t.Errorf("created %+v", made)
		}
		if e := events[0]; e.Project != "web" || e.OrganizationID != g.a.ID || e.AccountID != g.a.AccountID {
			t.Errorf("recorded %+v", e)
		}
		g.grant(g.a, g.alice, org.Resource{Type: "project", ID: "web"}, g.bob, "developer")

		name, same := "shop", "here"
		events = g.wantEvents(func() {
			changed, err := g.UpdateProject(t.Context(), p, "web", org.ProjectChange{
				Name: &name, ParentID: &unit.ID, Cloud: &same, EditTags: map[string]*string{"env": nil, "tier": &name},
			})
			if g.must(err); changed.AccountID != unit.ID || changed.Certificate != made.Certificate || fmt.Sprint(changed.Tags) != "map[tier:shop]" || changed.BasePort != port {
				t.Errorf("changed to %+v", changed)
			}
		}, "project_updated")
		g.detail(events[0], `"project_name":"web"`, `"project_name":"shop"`, `"account_id":"`+unit.ID)
		if strings.Contains(string(events[0].Detail), "cloud") {
			t.Errorf("the event names fields that did not change: %s", events[0].Detail)
		}
		if list, err := g.Projects(t.Context(), g.as(g.bob, g.a.ID)); err != nil || fmt.Sprint(projectNames(list)) != "[shop]" {
			t.Errorf("after the new name bob sees %v, %v", projectNames(list), err)
		}
		g.wantEvents(func() {
			_, err := g.UpdateProject(t.Context(), p, "shop", org.ProjectChange{Name: &name})
			g.must(err)
		})
		g.wantEvents(func() { g.must(g.DeleteProject(t.Context(), p, "shop")) }, "project_deleted")
		g.refused("project_not_found", func() error { return g.DeleteProject(t.Context(), p, "shop") })
		g.project(g.a, g.alice, org.NewProject{Name: "shop"})
		if list, err := g.Projects(t.Context(), g.as(g.bob, g.a.ID)); err != nil || len(list) != 0 {
			t.Errorf("a grant survived its project: %v, %v", projectNames(list), err)
		}
	})
}

func TestBadProjectsAreRefused(t *testing.T) {
	onGround(t, func(g *ground) {
		g.project(g.b, g.eve, org.NewProject{Name: "taken"})
		low, high := int64(9999), int64(30001)
		many, long := map[string]string{}, strings.Repeat("é", 65)
		for i := range 65 {
			many[fmt.Sprint("tag", i)] = ""
		}
		for _, c := range []struct {
			title string
			in    org.NewProject
			code  string
		}{
			{"no name", org.NewProject{}, "bad_request"},
			{"digit first", org.NewProject{Name: "1web"}, "bad_request"},
			{"dash first", org.NewProject{Name: "-web"}, "bad_request"},
			{"underscore", org.NewProject{Name: "web_1"}, "bad_request"},
			{"space", org.NewProject{Name: "web 1"}, "bad_request"},
			{"slash", org.NewProject{Name: "web/1"}, "bad_request"},
			{"letter beyond ASCII", org.NewProject{Name: "wéb"}, "bad_request"},
			{"too long", org.NewProject{Name: strings.Repeat("a", 64)}, "bad_request"},
			{"TEN-01 taken elsewhere", org.NewProject{Name: "taken"}, "project_already_exists"},
			{"low port", org.NewProject{Name: "web", BasePort: &low}, "bad_request"},
			{"high port", org.NewProject{Name: "web", BasePort: &high}, "bad_request"},
			{"many tags", org.NewProject{Name: "web", Tags: many}, "bad_request"},
			{"long tag", org.NewProject{Name: "web", Tags: map[string]string{"a": long}}, "bad_request"},
			{"long key", org.NewProject{Name: "web", Tags: map[string]string{long: "a"}}, "bad_request"},
			{"no key", org.NewProject{Name: "web", Tags: map[string]string{"": "a"}}, "bad_request"},
			{"address", org.NewProject{Name: "web", TechEmails: []string{"ops"}}, "invalid_email_format"},
			{"addresses", org.NewProject{Name: "web", TechEmails: slices.Repeat([]string{"a@b.example"}, 11)}, "bad_request"},
			{"long cloud", org.NewProject{Name: "web", Cloud: strings.Repeat("a", 257)}, "bad_request"},
			{"TEN-01 parent", org.NewProject{Name: "web", ParentID: g.b.AccountID}, "parent_account_not_found"},
			{"no such parent", org.NewProject{Name: "web", ParentID: "a00000000000"}, "parent_account_not_found"},
			{"TEN-01 copy", org.NewProject{Name: "web", CopyFrom: "taken"}, "project_not_found"},
		} {
			t.Run(c.title, func(*testing.T) {
				g.refused(c.code, func() error { _, err := g.CreateProject(t.Context(), g.as(g.alice, g.a.ID), c.in); return err })
			})
		}
		longest := strings.Repeat("A-1", 21)
		if made := g.project(g.a, g.alice, org.NewProject{Name: longest}); made.BasePort < 10000 || made.BasePort > 29000 {
			t.Errorf("the port is %d", made.BasePort)
		}
		taken, bad := "taken", "no name"
		for code, name := range map[string]*string{"project_already_exists": &taken, "bad_request": &bad} {
			g.refused(code, func() error {
				_, err := g.UpdateProject(t.Context(), g.as(g.alice, g.a.ID), longest, org.ProjectChange{Name: name})
				return err
			})
		}
		g.refused("same_organization_required", func() error {
			_, err := g.UpdateProject(t.Context(), g.as(g.alice, g.a.ID), longest, org.ProjectChange{OrganizationID: &g.b.ID})
			return err
		})
	})
}

// Both Go clients look for these words beside the status 409.
func TestTakenProjectNameSaysAlreadyExists(t *testing.T) {
	g := newGround(t, migrated.SQLite(t))
	g.project(g.a, g.alice, org.NewProject{Name: "web"})
	_, err := g.CreateProject(t.Context(), g.as(g.alice, g.a.ID), org.NewProject{Name: "web"})
	var known *identity.Error
	if !errors.As(err, &known) || known.Kind != identity.Conflict || !strings.Contains(known.Message, "already exists") {
		t.Errorf("got %v", err)
	}
}

func TestProjectCopies(t *testing.T) {
	onGround(t, func(g *ground) {
		g.project(g.a, g.alice, org.NewProject{Name: "web", Cloud: "here", BillingGroupID: "group", Tags: map[string]string{"env": "test"}, TechEmails: []string{"ops@a.example"}})
		all := g.project(g.a, g.alice, org.NewProject{Name: "copy", CopyFrom: "web", CopyTags: true})
		if all.Cloud != "here" || all.BillingGroupID != "group" || all.Tags["env"] != "test" || len(all.TechEmails) != 1 {
			t.Errorf("copied %+v", all)
		}
		own := g.project(g.a, g.alice, org.NewProject{Name: "own", CopyFrom: "web", Cloud: "there", TechEmails: []string{}})
		if own.Cloud != "there" || len(own.Tags) != 0 || len(own.TechEmails) != 0 {
			t.Errorf("copied %+v", own)
		}
	})
}

func TestProjectCertificateIsAnAuthority(t *testing.T) {
	g := newGround(t, migrated.SQLite(t))
	first, second := g.project(g.a, g.alice, org.NewProject{Name: "web"}), g.project(g.a, g.alice, org.NewProject{Name: "shop"})
	if first.Certificate == second.Certificate {
		t.Error("two projects have one authority")
	}
	block, rest := pem.Decode([]byte(first.Certificate))
	if block == nil || block.Type != "CERTIFICATE" || len(rest) != 0 {
		t.Fatalf("not one certificate: %q", first.Certificate)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	g.must(err)
	pool := x509.NewCertPool()
	pool.AddCert(c)
	if _, err := c.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: g.now}); err != nil || !c.IsCA || c.Subject.CommonName != "web project CA" {
		t.Errorf("%v: %+v", err, c.Subject)
	}
}

// Grants reach downwards: from the organization to its units and projects,
// from a unit to its projects.
func TestTEN02WhoSeesAProject(t *testing.T) {
	onGround(t, func(g *ground) {
		unit, err := g.CreateUnit(t.Context(), g.as(g.alice, g.a.ID), g.a.ID, "Unit")
		g.must(err)
		g.project(g.a, g.alice, org.NewProject{Name: "inside", ParentID: unit.ID})
		g.project(g.a, g.alice, org.NewProject{Name: "outside"})
		g.project(g.b, g.eve, org.NewProject{Name: "foreign"})
		resources := map[string]org.Resource{
			"organization": organizationResource(g.a), "unit": {Type: "organization_unit", ID: unit.ID}, "inside": {Type: "project", ID: "inside"},
		}
		for _, c := range []struct {
			on, permission, sees string
			changes, manages     bool
		}{
			{"", "", "", false, false},
			{"inside", "read_only", "inside", false, false},
			{"inside", "service:logs:read", "inside", false, false},
			{"inside", "developer", "inside", false, false},
			{"inside", "admin", "inside", true, false},
			{"inside", "role:project:admin", "inside", true, false},
			{"unit", "operator", "inside", false, false},
			{"unit", "admin", "inside", true, true},
			{"unit", "role:project:admin", "inside", true, true},
			{"organization", "admin", "inside outside", true, true},
			{"organization", "project:services:read", "inside outside", false, false},
			{"organization", "organization:billing:read", "", false, false},
			{"organization", "organization:projects:write", "inside outside", true, true},
			{"organization", identity.AdminRole, "inside outside", true, true},
		} {
			t.Run(c.permission+" on "+c.on, func(t *testing.T) {
				if c.on != "" {
					g.grant(g.a, g.alice, resources[c.on], g.bob, c.permission)
					defer g.grant(g.a, g.alice, resources[c.on], g.bob)
				}
				p := g.as(g.bob, g.a.ID)
				for _, all := range []func() ([]org.ProjectAccess, error){
					func() ([]org.ProjectAccess, error) { return g.Projects(t.Context(), p) },
					func() ([]org.ProjectAccess, error) { return g.ProjectsOf(t.Context(), g.as(g.bob, "")) },
				} {
					if list, err := all(); err != nil || strings.Join(projectNames(list), " ") != c.sees {
						t.Errorf("sees %v, %v, want %s", projectNames(list), err, c.sees)
					}
				}
				g.judge(p, "inside", c.sees != "", c.changes, c.manages)
			})
		}
	})
}

// judge checks what a caller may do to a project: see it, change its tags,
// rename it and delete it.
func (g *ground) judge(p *identity.Principal, name string, sees, changes, manages bool) {
	g.Helper()
	want := func(what string, err error, may bool) {
		g.Helper()
		refusal := "user_not_organization_admin"
		if !sees {
			refusal = "project_not_found"
		}
		if got := code(err); may && got != "" || !may && got != refusal {
			g.Errorf("%s: got %v, want it allowed: %t", what, err, may)
		}
	}
	_, err := g.Project(g.Context(), p, name)
	want("see", err, sees)
	_, err = g.UpdateProject(g.Context(), p, name, org.ProjectChange{Tags: map[string]string{}, EditTags: map[string]*string{"by": &p.User.Email}})
	want("change", err, changes)
	other := "renamed"
	_, err = g.UpdateProject(g.Context(), p, name, org.ProjectChange{Name: &other})
	if want("rename", err, manages); err == nil {
		_, err = g.UpdateProject(g.Context(), p, other, org.ProjectChange{Name: &name})
		g.must(err)
	}
	if !manages {
		want("delete", g.DeleteProject(g.Context(), p, name), false)
	}
	_, err = g.ProjectUsers(g.Context(), p, name)
	want("list users", err, sees)
}

func TestTEN01ProjectsOfOthersAreMissing(t *testing.T) {
	onGround(t, func(g *ground) {
		g.project(g.b, g.eve, org.NewProject{Name: "foreign"})
		g.judge(g.as(g.alice, g.a.ID), "foreign", false, false, false)
		g.judge(g.as(g.alice, g.a.ID), "none", false, false, false)
	})
}

func TestProjectUsersAreThoseWithGrants(t *testing.T) {
	onGround(t, func(g *ground) {
		carol, dave := g.member(g.a, "carol@a.example"), g.member(g.a, "dave@a.example")
		g.project(g.a, g.alice, org.NewProject{Name: "web"})
		g.project(g.a, g.alice, org.NewProject{Name: "other"})
		g.grant(g.a, g.alice, org.Resource{Type: "project", ID: "web"}, g.bob, "read_only", "developer")
		g.grant(g.a, g.alice, organizationResource(g.a), carol, "operator", "organization:groups:write")
		g.grant(g.a, g.alice, organizationResource(g.a), dave, "organization:groups:write")
		g.grant(g.a, g.alice, org.Resource{Type: "project", ID: "other"}, dave, "admin")
		list, err := g.ProjectUsers(t.Context(), g.as(g.bob, g.a.ID), "web")
		g.must(err)
		got := map[string]string{}
		for _, u := range list {
			got[u.User.Email] = fmt.Sprint(u.Roles)
		}
		want := map[string]string{"bob@a.example": "[developer read_only]", "carol@a.example": "[operator]"}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestProjectNameHasOneWinner(t *testing.T) {
	onGround(t, func(g *ground) {
		people := []*identity.Principal{g.as(g.alice, g.a.ID), g.as(g.eve, g.b.ID)}
		results := make([]error, 8)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() {
				<-start
				_, results[i] = g.CreateProject(t.Context(), people[i%2], org.NewProject{Name: "race"})
			})
		}
		close(start)
		wg.Wait()
		winners := 0
		for _, err := range results {
			if err == nil {
				winners++
			} else {
				wantCode(t, err, "project_already_exists")
			}
		}
		if winners != 1 {
			t.Errorf("%d winners", winners)
		}
	})
}

// Rule 101: a unit's admin creates, moves and deletes projects inside the unit.
func TestTEN02UnitAdminsManageProjects(t *testing.T) {
	onGround(t, func(g *ground) {
		units := map[string]string{"root": ""}
		for _, name := range []string{"one", "two", "three"} {
			unit, err := g.CreateUnit(t.Context(), g.as(g.alice, g.a.ID), g.a.ID, name)
			g.must(err)
			units[name] = unit.ID
		}
		g.grant(g.a, g.alice, org.Resource{Type: "organization_unit", ID: units["one"]}, g.bob, "admin")
		g.grant(g.a, g.alice, org.Resource{Type: "organization_unit", ID: units["two"]}, g.bob, "role:project:admin")
		g.grant(g.a, g.alice, org.Resource{Type: "organization_unit", ID: units["three"]}, g.bob, "developer")
		p := g.as(g.bob, g.a.ID)
		create := func(in org.NewProject) func() error {
			return func() error { _, err := g.CreateProject(t.Context(), p, in); return err }
		}
		move := func(to string) func() error {
			return func() error {
				_, err := g.UpdateProject(t.Context(), p, "web", org.ProjectChange{ParentID: &to})
				return err
			}
		}
		const refusal = "user_not_organization_admin"
		for _, parent := range []string{"root", "three"} {
			g.refused(refusal, create(org.NewProject{Name: "web", ParentID: units[parent]}))
		}
		g.wantEvents(func() { g.must(create(org.NewProject{Name: "web", ParentID: units["one"]})()) }, "project_created")
		g.refused(refusal, move(units["three"]))
		g.refused(refusal, move(g.a.ID))
		g.wantEvents(func() { g.must(move(units["two"])()) }, "project_updated")
		g.wantEvents(func() { g.must(g.DeleteProject(t.Context(), p, "web")) }, "project_deleted")

		// A project from outside is not pulled in.
		g.project(g.a, g.alice, org.NewProject{Name: "web", ParentID: units["three"]})
		g.grant(g.a, g.alice, org.Resource{Type: "project", ID: "web"}, g.bob, "admin")
		g.refused(refusal, move(units["one"]))
		// The role on the organization reaches every unit, and not what is
		// directly under the root: that takes organization:projects:write.
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, "admin")
		g.refused(refusal, create(org.NewProject{Name: "app"}))
		g.must(create(org.NewProject{Name: "app", ParentID: units["three"]})())
		g.refused(refusal, move(g.a.ID))
		g.wantEvents(func() { g.must(move(units["one"])()) }, "project_updated")
	})
}
