package org_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// visit uses somebody's first credential on organization A from addresses.
func (g *ground) visit(userID string, addresses ...string) {
	g.Helper()
	for _, a := range addresses {
		_, err := g.access.Check(g.Context(), access.Request{Bearer: g.sessions[userID], Organization: g.a.ID, Address: identity.Address{Client: netip.MustParseAddr(a)}})
		g.must(err)
	}
}

func (g *ground) learned() org.Learning {
	g.Helper()
	l, err := g.Learning(g.Context(), g.as(g.alice, g.a.ID))
	g.must(err)
	return l
}

// proposals are the ranges of a suggestion, in their order.
func proposals(l org.Learning) []string {
	list := []string{}
	for _, p := range l.Proposals {
		list = append(list, p.Prefix.String())
	}
	return list
}

func hints(list []org.RangeHint) string {
	codes := []string{}
	for _, h := range list {
		codes = append(codes, h.Code)
	}
	return strings.Join(codes, " ")
}

func (g *ground) proposal(l org.Learning, prefix string) org.RangeProposal {
	g.Helper()
	for _, p := range l.Proposals {
		if p.Prefix.String() == prefix {
			return p
		}
	}
	g.Fatalf("%s is not among %v", prefix, proposals(l))
	return org.RangeProposal{}
}

func TestLearningIsSwitched(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		for _, days := range []int64{-1, 0, 31} {
			g.refused("bad_request", func() error { return g.StartLearning(t.Context(), admin, days) })
		}
		g.wantEvents(func() { g.must(g.StopLearning(t.Context(), admin)) }) // it was not on
		if l := g.learned(); l.On || !l.Until.IsZero() {
			t.Errorf("before: %+v", l)
		}
		e := g.wantEvents(func() { g.must(g.StartLearning(t.Context(), admin, 7)) }, "ip_allowlist_learning_started")[0]
		g.detail(e, `"before":{"learning_until":null}`, `"after":{"learning_until":"2026-12-01T12:00:00Z"}`)
		if l := g.learned(); !l.On || !l.Until.Equal(g.now.AddDate(0, 0, 7)) {
			t.Errorf("on: %+v", l)
		}
		e = g.wantEvents(func() { g.must(g.StopLearning(t.Context(), admin)) }, "ip_allowlist_learning_stopped")[0]
		g.detail(e, `"before":{"learning_until":"2026-12-01T12:00:00Z"}`)
		g.must(g.StartLearning(t.Context(), admin, 1))
		g.now = g.now.AddDate(0, 0, 1)
		g.sessions[g.alice] = g.token(identity.Token{UserID: g.alice, Kind: policy.Session})
		if l := g.learned(); l.On {
			t.Errorf("after its end: %+v", l)
		}
	})
}

func TestLearningProposes(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		app := g.application(g.a)
		g.must(g.SetRanges(t.Context(), admin, org.RangesChange{List: []string{"198.51.100.0/24", "192.0.2.0/28"}}))
		g.must(g.StartLearning(t.Context(), admin, 7))
		g.visit(g.bob, "203.0.113.9", "203.0.113.77", "2001:db8:1::a", "2001:db8:1::b", "100.64.3.3")
		g.visit(app, "203.0.113.9", "10.1.2.3", "198.51.100.8")
		g.now = g.now.Add(time.Hour)
		g.visit(app, "203.0.113.200", "2001:db8:2::1")
		l := g.learned()
		want := []string{"203.0.113.0/24", "2001:db8:2::1/128", "10.1.2.3/32", "100.64.3.3/32", "2001:db8:1::/64"}
		if got := proposals(l); !slices.Equal(got, want) {
			t.Errorf("proposed %v, want %v", got, want)
		}
		office := g.proposal(l, "203.0.113.0/24")
		if office.People != 2 || len(office.Credentials) != 2 || len(office.Addresses) != 3 || office.Uses != 4 || !office.Last.Equal(g.now) || !office.First.Equal(g.now.Add(-time.Hour)) || hints(office.Hints) != "" {
			t.Errorf("the office: %+v", office)
		}
		if c := office.Credentials[0]; c.Owner != "deploy" || !c.Application || c.Prefix != g.sessions[app][:12] || c.Kind != policy.ApplicationToken || c.Addresses != 2 || c.Uses != 2 || c.Description != "first" {
			t.Errorf("the last used there: %+v", c)
		}
		for prefix, want := range map[string]string{
			"10.1.2.3/32": "one_credential private_address", "100.64.3.3/32": "one_credential carrier_grade_nat", "2001:db8:1::/64": "one_credential",
		} {
			if got := hints(g.proposal(l, prefix).Hints); got != want {
				t.Errorf("%s: %q, want %q", prefix, got, want)
			}
		}
		if len(l.Unused) != 1 || l.Unused[0].Prefix.String() != "192.0.2.0/28" || len(l.Hints) != 0 {
			t.Errorf("unused %v, hints %v", l.Unused, l.Hints)
		}
		// Adopted as any other change; then they are proposed no more.
		list := append([]string{"198.51.100.0/24"}, "203.0.113.0/24", "100.64.3.3/32")
		g.must(g.SetRanges(t.Context(), admin, org.RangesChange{List: list, Enabled: true}))
		if got := proposals(g.learned()); slices.Contains(got, "203.0.113.0/24") || len(got) != 3 {
			t.Errorf("left: %v", got)
		}
	})
}

func TestLearningHints(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		g.must(g.StartLearning(t.Context(), admin, 7))
		if l := g.learned(); hints(l.Hints) != "only_ipv4" { // the admin's own use
			t.Errorf("IPv4 alone: %v", l.Hints)
		}
		for _, name := range []string{"c", "d", "e", "f", "g"} {
			g.visit(g.member(g.a, name+"ynthia@a.example"), "2001:db8::7")
		}
		l := g.learned()
		if p := l.Proposals[0]; p.Prefix.String() != "2001:db8::7/128" || p.People != 5 || hints(p.Hints) != "shared_address" {
			t.Errorf("the most used: %+v", p)
		}
		if len(l.Hints) != 0 {
			t.Errorf("both kinds: %v", l.Hints)
		}
	})
}

// Somebody with a stolen token is seen, but never adopted; the proposal says
// that one token alone is behind it. Ending the token ends the proposal.
func TestIPXAStolenTokenIsSeenAsOne(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		g.must(g.SetRanges(t.Context(), admin, org.RangesChange{List: []string{"198.51.100.0/24"}}))
		g.must(g.StartLearning(t.Context(), admin, 30))
		stolen := g.token(identity.Token{UserID: g.bob, Kind: policy.PersonalToken, Description: "laptop"})
		own := g.sessions[g.bob]
		g.sessions[g.bob] = stolen
		g.visit(g.bob, "203.0.113.66")
		g.sessions[g.bob] = own
		g.visit(g.bob, "198.51.100.8")
		l := g.learned()
		p := g.proposal(l, "203.0.113.66/32")
		if hints(p.Hints) != "one_credential" || p.Credentials[0].Owner != "bob@a.example" || p.Credentials[0].Prefix != stolen[:12] {
			t.Errorf("the thief's: %+v", p)
		}
		if now, err := g.Policy(g.as(g.alice, g.a.ID)); err != nil || len(now.Ranges.List) != 1 {
			t.Errorf("the ranges became %v, %v", now.Ranges, err)
		}
		g.prepare(store.User(g.bob), func(tx *store.Tx) error {
			_, err := tx.RevokeToken(t.Context(), g.bob, stolen[:12])
			return err
		})
		if got := proposals(g.learned()); len(got) != 0 {
			t.Errorf("after the token's end: %v", got)
		}
	})
}

func TestTestAddress(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		g.must(g.SetRanges(t.Context(), admin, org.RangesChange{List: []string{"198.51.100.0/24", "198.51.100.0/28", "2001:db8::/32"}, Descriptions: map[string]string{"198.51.100.0/28": "desk"}}))
		for _, enabled := range []bool{false, true} {
			if enabled {
				g.must(g.SetRanges(t.Context(), g.as(g.alice, g.a.ID), org.RangesChange{List: []string{"198.51.100.0/24", "198.51.100.0/28", "2001:db8::/32"}, Enabled: true}))
			}
			for _, c := range []struct {
				text, form string
				ranges     int
			}{
				{"198.51.100.7", "198.51.100.7", 2},
				{" ::ffff:198.51.100.7 ", "198.51.100.7", 2},
				{"198.51.100.99", "198.51.100.99", 1},
				{"203.0.113.5", "203.0.113.5", 0},
				{"2001:DB8:0::7", "2001:db8::7", 1},
			} {
				got, err := g.TestAddress(t.Context(), g.as(g.alice, g.a.ID), c.text)
				g.must(err)
				if got.Address.String() != c.form || len(got.Ranges) != c.ranges || got.Enabled != enabled || got.Allowed != (c.ranges > 0 || !enabled) {
					t.Errorf("%q, enforced %t: %+v", c.text, enabled, got)
				}
			}
		}
		g.prepare(store.Organization(g.a.ID), func(tx *store.Tx) error {
			for id, change := range map[string]string{
				"pilot1": `{"api_client_ip_allowlist":["203.0.113.0/24"],"api_client_ip_allowlist_enabled":true}`,
				"pilot2": `{"two_factor_required":true}`, "pilot3": `{"api_client_ip_allowlist_enabled":false}`,
			} {
				if err := tx.AddPilot(t.Context(), identity.Pilot{ID: id, OrganizationID: g.a.ID, Name: "Pilot " + id, Change: change}); err != nil {
					return err
				}
			}
			return nil
		})
		got, err := g.TestAddress(t.Context(), g.as(g.alice, g.a.ID), "203.0.113.5")
		g.must(err)
		names := map[string]bool{}
		for _, p := range got.Pilots {
			names[p.ID] = p.Allowed
		}
		if got.Allowed || len(names) != 2 || !names["pilot1"] || !names["pilot3"] {
			t.Errorf("with pilots: %+v", got)
		}
		for text, code := range map[string]string{
			"": "ip_address_not_present", "203.0.113.05": "ip_address_not_valid", "0xcb.0.113.5": "ip_address_not_valid", "unknown": "ip_address_not_valid",
			"203.0.113.5:443": "ip_address_not_valid", "fe80::1%eth0": "ip_address_not_valid", "203.0.113.0/24": "ip_address_not_valid", "[2001:db8::1]:443": "ip_address_not_valid",
		} {
			g.refused(code, func() error { _, err := g.TestAddress(t.Context(), admin, text); return err })
		}
	})
}
