package org_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// TestUsage: each number is the organization's own, and what exists elsewhere or
// is gone does not count.
func TestUsage(t *testing.T) {
	onGround(t, func(g *ground) {
		g.AuditDays = 120
		admin, elsewhere := g.as(g.alice, g.a.ID), g.as(g.eve, g.b.ID)
		used := func() map[string]int64 {
			g.Helper()
			u, err := g.Usage(g.Context(), admin)
			g.must(err)
			counts := map[string]int64{"events": u.Events}
			for _, of := range u.Counts {
				counts[of.Kind] = of.Used
				if of.Full() != (of.Allowed > 0 && of.Used == of.Allowed) {
					g.Errorf("%+v is full: %t", of, of.Full())
				}
			}
			if u.AuditDays != 120 || u.MoreEvents || !u.OldestEvent.Equal(g.now) {
				g.Errorf("the audit log: %+v", u)
			}
			return counts
		}
		before := used()
		if before["people"] != 2 || before["domains"] != 0 || before["policy_versions"] == 0 {
			g.Errorf("at first %v", before)
		}
		_, err := g.CreateUnit(g.Context(), admin, g.a.ID, "Unit")
		g.must(err)
		_, err = g.CreateUnit(g.Context(), elsewhere, g.b.ID, "Theirs")
		g.must(err)
		g.group("Crew")
		app := g.application(g.a)
		g.domain(g.a, "a.example", true)
		gone := g.domain(g.a, "gone.example", false)
		g.must(g.RemoveDomain(g.Context(), admin, gone, nil))
		g.domain(g.b, "b.example", true)
		g.prepare(store.Organization(g.a.ID), func(tx *store.Tx) error {
			invitation := identity.Invitation{OrganizationID: g.a.ID, Email: "dave@d.example", InvitedBy: g.alice, Expires: g.now.Add(time.Hour)}
			over := invitation
			over.Email, over.Expires = "late@d.example", g.now
			return errors.Join(tx.SetInvitation(g.Context(), invitation, "a"), tx.SetInvitation(g.Context(), over, "b"))
		})
		g.person("stranger@b.example")
		after := used()
		for kind, more := range map[string]int64{
			"people": 0, "application_users": 1, "application_tokens": 1, "user_groups": 1, "units": 1, "domains": 1, "invitations": 1,
			"projects": 0, "identity_providers": 0, "pilots": 0, "policy_versions": 0, "seen_addresses": 0,
		} {
			if after[kind]-before[kind] != more {
				g.Errorf("%s (of %s): %d, then %d", kind, app, before[kind], after[kind])
			}
		}
		if after["events"] <= before["events"] {
			g.Errorf("%d events, then %d", before["events"], after["events"])
		}
		// An application user's token that is over is not one.
		g.must(g.DeleteApplicationUser(g.Context(), admin, app))
		if now := used(); now["application_users"] != 0 || now["application_tokens"] != 0 {
			g.Errorf("after the application user went: %v", now)
		}
	})
}
