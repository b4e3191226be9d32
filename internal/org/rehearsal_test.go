package org_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// What a rehearsal says is before and after a change is what is stored before
// and after it: read whole, where the rehearsal read what the change altered.
func TestRehearsalsAreWhatHappens(t *testing.T) {
	onGround(t, func(g *ground) {
		provider, group, domain := g.crowd()
		g.DB.Guard = nil
		off, on, deactivated := false, true, identity.StateDeactivated
		admin := g.as(g.alice, g.a.ID)
		steps := []func(s *org.Service) error{
			func(s *org.Service) error {
				_, err := s.ChangeAuthenticationMethod(t.Context(), admin, g.a.AccountID, provider, org.MethodChange{Enabled: &off})
				return err
			},
			func(s *org.Service) error {
				_, err := s.ChangeAuthenticationMethod(t.Context(), admin, g.a.AccountID, provider, org.MethodChange{Enabled: &on})
				return err
			},
			func(s *org.Service) error {
				return s.UpdatePermissions(t.Context(), admin, organizationResource(g.a), "set", []org.NamedGrant{{PrincipalType: "user_group", PrincipalID: group}})
			},
			func(s *org.Service) error {
				return s.UpdatePermissions(t.Context(), admin, organizationResource(g.a), "set", []org.NamedGrant{{PrincipalType: "user_group", PrincipalID: group, Permissions: []string{identity.AdminRole}}})
			},
			func(s *org.Service) error {
				_, err := s.ChangePolicy(t.Context(), admin, []byte(`{"personal_tokens_enabled": false}`))
				return err
			},
			func(s *org.Service) error { return s.RemoveMember(t.Context(), admin, g.bob) },
			func(s *org.Service) error {
				_, err := s.UpdateMember(t.Context(), admin, g.managed(), org.MemberChange{State: &deactivated})
				return err
			},
			func(s *org.Service) error { return s.RemoveDomain(t.Context(), admin, domain, nil) },
			func(s *org.Service) error { return s.DeleteGroup(t.Context(), admin, group) },
			func(s *org.Service) error {
				return s.DeleteAuthenticationMethod(t.Context(), admin, g.a.AccountID, provider, nil)
			},
		}
		for i, step := range steps {
			was := g.world()
			var before, after store.World
			g.must(step(&org.Service{DB: g.DB.Rehearsal(g.a.ID, &before, &after), Keys: g.Keys, Brand: g.Brand, PublicURL: g.PublicURL, Log: g.Log}))
			g.wantWorld(i, "before", before, was)
			g.must(step(g.Service))
			now := g.world()
			g.wantWorld(i, "after", after, now)
			if cmp.Equal(was, now, worlds...) {
				t.Errorf("step %d alters nothing", i)
			}
		}
	})
}

// crowd has people of all kinds join the organization A.
func (g *ground) crowd() (provider, group, domain string) {
	var people []string
	for _, name := range []string{"carol", "dave", "erin", "frank", "grace", "heidi"} {
		people = append(people, g.member(g.a, name+"@a.example"))
	}
	carol, dave, erin, frank, grace := people[0], people[1], people[2], people[3], people[4]
	g.application(g.a)
	for _, id := range []string{g.alice, carol, dave} {
		g.password(id)
	}
	provider = g.linked(g.a, carol, dave, g.bob)
	g.manage(g.a, carol)
	g.manage(g.a, frank)
	g.manage(g.b, grace)
	admins := g.group("admins", dave, erin)
	g.grantGroup(admins, identity.AdminRole)
	for _, id := range []string{carol, dave, g.bob, erin} {
		g.token(identity.Token{UserID: id, Kind: policy.PersonalToken, AddressTexts: []string{"198.51.100.0/24"}, Authentication: policy.Authentication{
			Method: policy.MethodSAML, Provider: provider, ProviderOrganization: g.a.ID,
		}})
	}
	domain, err := g.DB.NewID("dom")
	g.must(err)
	d := identity.Domain{ID: domain, OrganizationID: g.a.ID, Name: "a.example", Challenge: "x", VerificationType: "dns"}
	g.prepare(store.Organization(g.a.ID), func(tx *store.Tx) error {
		return errors.Join(
			tx.AddDomain(g.Context(), d), tx.VerifyDomain(g.Context(), d),
			tx.AddPilot(g.Context(), identity.Pilot{ID: "plt1", OrganizationID: g.a.ID, Name: "one", Users: []string{carol, g.bob}, Change: `{"two_factor_required":true}`}),
			tx.AddPilot(g.Context(), identity.Pilot{ID: "plt2", OrganizationID: g.a.ID, Name: "two", Groups: []string{admins.ID}, Change: `{"session_idle_seconds":900}`}),
		)
	})
	g.now = g.now.Add(time.Minute)
	return provider, admins.ID, domain
}

// managed is somebody whom the organization A manages.
func (g *ground) managed() (id string) {
	g.Helper()
	for _, p := range g.world().People {
		if p.Principal.ManagingOrganization == g.a.ID {
			id = p.ID
		}
	}
	return id
}

func (g *ground) world() store.World {
	g.Helper()
	w, err := g.DB.World(g.Context(), g.a.ID, nil)
	g.must(err)
	return w
}

// worlds compares worlds but for the order of credentials.
var worlds = cmp.Options{
	cmpopts.IgnoreUnexported(store.Resident{}), cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty(),
	cmpopts.SortSlices(func(a, b store.LiveCredential) int { return strings.Compare(a.Prefix, b.Prefix) }),
}

func (g *ground) wantWorld(step int, what string, got, want store.World) {
	g.Helper()
	if diff := cmp.Diff(want, got, worlds...); diff != "" {
		g.Errorf("step %d, %s (-stored +rehearsed):\n%s", step, what, diff)
	}
}
