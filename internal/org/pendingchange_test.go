package org_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// tenMinutes is how long changes of tests wait.
var tenMinutes = to(int64(600))

// overdue lets the deadline of a change pass, and undoes it.
func (g *ground) overdue() {
	g.Helper()
	g.now = g.now.Add(10 * time.Minute)
	found, err := g.RevertOverdue(g.Context())
	g.must(err)
	if !found {
		g.Fatal("nothing was overdue")
	}
}

func (g *ground) waits(want bool) (c identity.PendingChange) {
	g.Helper()
	c, found, err := g.PendingChange(g.Context(), g.as(g.alice, g.a.ID))
	g.must(err)
	if found != want {
		g.Fatalf("a change waits: %v, want %v", found, want)
	}
	return c
}

func (g *ground) storedPolicy() policy.Policy {
	g.Helper()
	p, err := g.Policy(g.as(g.alice, g.a.ID))
	g.must(err)
	return p
}

func TestAChangeThatNobodyConfirms(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		_, err := g.ChangePolicy(t.Context(), admin, []byte(`{"session_idle_seconds": 7200}`))
		g.must(err)
		e := g.wantEvents(func() {
			_, err := g.ChangePolicy(t.Context(), admin, []byte(`{"session_idle_seconds": 3600, "mcp_enabled": true, "confirm_within_seconds": 600}`))
			g.must(err)
		}, "policy_changed", "change_pending")
		g.detail(e[1], `"kind":"authentication_policy"`, `"deadline":"`+g.now.Add(10*time.Minute).Format(time.RFC3339))
		c := g.waits(true)
		if c.Kind != identity.PendingPolicy || c.CreatedBy != "alice@a.example" || !c.Deadline.Equal(g.now.Add(10*time.Minute)) {
			t.Errorf("waits: %+v", c)
		}
		g.now = g.now.Add(10*time.Minute - time.Microsecond)
		found, err := g.RevertOverdue(t.Context())
		g.must(err)
		if found {
			t.Error("a change was undone before its deadline")
		}
		g.now = g.now.Add(time.Microsecond)
		// Late is late, even before it is undone.
		g.refused("no_pending_change", func() error { return g.ConfirmChange(t.Context(), admin) })
		e = g.wantEvents(func() {
			found, err := g.RevertOverdue(t.Context())
			g.must(err)
			if !found {
				t.Error("nothing was overdue")
			}
		}, "change_reverted")
		if e[0].Actor.Kind != identity.ActorSystem || !strings.Contains(e[0].Description, "nobody confirmed in time") {
			t.Errorf("event %+v", e[0])
		}
		g.detail(e[0], `"before":{"mcp_enabled":true,"session_idle_seconds":3600}`, `"after":{"mcp_enabled":false,"session_idle_seconds":7200}`)
		if now := g.storedPolicy(); now.SessionIdle != 2*time.Hour || now.MCPEnabled {
			t.Errorf("policy %+v", now)
		}
		g.waits(false)
		g.wantEvents(func() {
			_, err := g.RevertOverdue(t.Context())
			g.must(err)
		})
	})
}

// A change of nothing waits for nothing.
func TestNothingToConfirm(t *testing.T) {
	onGround(t, func(g *ground) {
		g.wantEvents(func() {
			_, err := g.ChangePolicy(t.Context(), g.as(g.alice, g.a.ID), []byte(`{"mcp_enabled": false, "confirm_within_seconds": 600}`))
			g.must(err)
		})
		g.waits(false)
		g.refused("no_pending_change", func() error { return g.ConfirmChange(t.Context(), g.as(g.alice, g.a.ID)) })
		g.refused("no_pending_change", func() error { return g.RevertChange(t.Context(), g.as(g.alice, g.a.ID)) })
	})
}

func TestConfirmTimes(t *testing.T) {
	onGround(t, func(g *ground) {
		for _, seconds := range []string{"59", "604801", "0", "-60", `"600"`, "600.5", "true"} {
			g.refused("bad_request", func() error {
				_, err := g.ChangePolicy(t.Context(), g.as(g.alice, g.a.ID), fmt.Appendf(nil, `{"mcp_enabled": true, "confirm_within_seconds": %s}`, seconds))
				return err
			})
		}
		g.refused("bad_request", func() error {
			return g.SetRanges(t.Context(), g.as(g.alice, g.a.ID), org.RangesChange{List: []string{"198.51.100.0/24"}, ConfirmWithinSeconds: to(int64(59))})
		})
	})
}

// While one waits, no other change of what decides who gets in is made.
func TestOneChangeAtATime(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		m := g.identityProvider(complete())
		verified, unverified := g.domain(g.a, "a-verified.com", true), g.domain(g.a, "a-unverified.com", false)
		p := g.pilot(`{"name": "x", "users": [%q], "mcp_enabled": true}`, g.bob)
		g.must(g.SetRanges(t.Context(), admin, org.RangesChange{List: []string{"198.51.100.0/24"}, Enabled: true, ConfirmWithinSeconds: tenMinutes}))
		if c := g.waits(true); c.Kind != identity.PendingRanges {
			t.Errorf("waits: %+v", c)
		}
		changes := map[string]func() error{
			"policy": func() error {
				_, err := g.ChangePolicy(t.Context(), admin, []byte(`{"mcp_enabled": true}`))
				return err
			},
			"ranges": func() error { return g.SetRanges(t.Context(), admin, org.RangesChange{}) },
			"pilot": func() error {
				_, err := g.ChangePilot(t.Context(), admin, p.ID, []byte(`{"mcp_enabled": false}`))
				return err
			},
			"new pilot": func() error {
				_, err := g.CreatePilot(t.Context(), admin, fmt.Appendf(nil, `{"name": "y", "users": [%q], "mcp_enabled": true}`, g.bob))
				return err
			},
			"promotion": func() error {
				_, err := g.PromotePilot(t.Context(), admin, p.ID, nil)
				return err
			},
			"restore": func() error {
				_, err := g.RestorePolicy(t.Context(), admin, 1, org.Consent{})
				return err
			},
			"new provider": func() error {
				_, err := g.CreateAuthenticationMethod(t.Context(), admin, g.a.AccountID, "oidc", org.MethodChange{Name: to("Other")}, nil)
				return err
			},
			"provider": func() error {
				_, err := g.ChangeAuthenticationMethod(t.Context(), admin, g.a.AccountID, m.ID, org.MethodChange{Enabled: to(false)})
				return err
			},
			"provider removal": func() error { return g.DeleteAuthenticationMethod(t.Context(), admin, g.a.AccountID, m.ID, nil) },
			"link":             func() error { return g.LinkMethodDomain(t.Context(), admin, m.ID, verified, nil) },
			"unlink":           func() error { return g.UnlinkMethodDomain(t.Context(), admin, m.ID, verified, nil) },
			"new domain": func() error {
				_, err := g.AddDomain(t.Context(), admin, "a-third.com", "")
				return err
			},
			"domain": func() error {
				_, err := g.ChangeDomain(t.Context(), admin, unverified, "http")
				return err
			},
			"domain removal": func() error { return g.RemoveDomain(t.Context(), admin, verified, nil) },
		}
		for name, change := range changes {
			g.wantEvents(func() {
				e := wantCode(t, change(), "change_pending")
				if e.Kind != identity.Conflict || !strings.Contains(e.Message, "authentication-policy confirm") || e.Metadata["pending_change_id"] == "" {
					t.Errorf("%s: %+v", name, e)
				}
			})
		}
		// Another organization is not concerned.
		_, err := g.ChangePolicy(t.Context(), g.as(g.eve, g.b.ID), []byte(`{"mcp_enabled": true}`))
		g.must(err)
		g.refused("no_pending_change", func() error { return g.RevertChange(t.Context(), g.as(g.eve, g.b.ID)) })
		g.wantEvents(func() { g.must(g.ConfirmChange(t.Context(), admin)) }, "change_confirmed")
		for name, change := range changes {
			if code := code(change()); code == "change_pending" {
				t.Errorf("%s is refused still", name)
			}
		}
	})
}

// Row POL-16: a confirmation is worth something only from a request that passes
// under the change.
func TestPOL16ConfirmationHasToPass(t *testing.T) {
	onGround(t, func(g *ground) {
		early := g.as(g.alice, g.a.ID) // checked before the change was made
		carol := g.member(g.a, "carol@a.example")
		g.grant(g.a, g.alice, organizationResource(g.a), carol, identity.AdminRole)
		google := g.token(identity.Token{UserID: carol, Kind: policy.Session, Authentication: policy.Authentication{Method: policy.MethodGoogle}})
		_, err := g.ChangePolicy(t.Context(), early, []byte(`{"password_auth_enabled": false, "accept_lockout": true, "confirm_within_seconds": 600}`))
		g.must(err)
		g.wantEvents(func() {
			e := wantCode(t, g.ConfirmChange(t.Context(), early), "confirmation_has_to_pass")
			if !slices.Contains(e.Metadata["reasons"].([]string), policy.CodePassword) {
				t.Errorf("%+v", e)
			}
		})
		g.wantOutcomes(map[string]string{g.alice: policy.CodePassword}) // nor does access let her in
		// The operator's recover session passes everything, which proves nothing.
		recovered, _, err := g.Recover(t.Context(), g.a.ID, "alice@a.example")
		g.must(err)
		g.refused("confirmation_has_to_pass", func() error { return g.ConfirmChange(t.Context(), g.with(recovered, g.a.ID)) })
		// Nor does somebody without the right, whatever they pass.
		eve := g.with(google, g.a.ID)
		eve.Granted = nil
		g.refused("request_forbidden", func() error { return g.ConfirmChange(t.Context(), eve) })
		g.wantEvents(func() { g.must(g.ConfirmChange(t.Context(), g.with(google, g.a.ID))) }, "change_confirmed")
		g.now = g.now.Add(time.Hour)
		g.wantEvents(func() {
			_, err := g.RevertOverdue(t.Context())
			g.must(err)
		})
	})
}

// The recover session may undo.
func TestRecoverSessionsUndo(t *testing.T) {
	onGround(t, func(g *ground) {
		_, err := g.ChangePolicy(t.Context(), g.as(g.alice, g.a.ID), []byte(`{"password_auth_enabled": false, "accept_lockout": true, "confirm_within_seconds": 600}`))
		g.must(err)
		recovered, _, err := g.Recover(t.Context(), g.a.ID, "alice@a.example")
		g.must(err)
		g.wantEvents(func() { g.must(g.RevertChange(t.Context(), g.with(recovered, g.a.ID))) }, "change_reverted")
		g.wantOutcomes(map[string]string{g.alice: ""})
	})
}

// Row CON-01: of many confirmations, and of confirmations and reverts, one
// succeeds.
func TestCON01OneConfirmation(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		for round := range 5 {
			_, err := g.ChangePolicy(t.Context(), admin, fmt.Appendf(nil, `{"session_idle_seconds": %d, "confirm_within_seconds": 600}`, 3600+round))
			g.must(err)
			var done atomic.Int64
			var all errgroup.Group
			for i := range 64 {
				end := g.ConfirmChange
				if round > 2 && i%2 == 0 {
					end = g.RevertChange
				}
				all.Go(func() error {
					err := end(t.Context(), admin)
					if err == nil {
						done.Add(1)
					} else if code(err) != "no_pending_change" && code(err) != "service_unavailable" {
						return err
					}
					return nil
				})
			}
			g.must(all.Wait())
			if done.Load() != 1 {
				t.Fatalf("%d succeeded in round %d, want one", done.Load(), round)
			}
		}
	})
}

func TestRangesGoBackWithTheirWords(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		words := map[string]string{"198.51.100.0/24": "office"}
		g.must(g.SetRanges(t.Context(), admin, org.RangesChange{List: []string{"198.51.100.0/24", "203.0.113.0/24"}, Enabled: true, Descriptions: words}))
		before := g.storedPolicy()
		g.must(g.SetRanges(t.Context(), admin, org.RangesChange{List: []string{"192.0.2.0/24"}, Enabled: true, AcceptLockout: true, Descriptions: map[string]string{"192.0.2.0/24": "other"}, ConfirmWithinSeconds: tenMinutes}))
		g.wantOutcomes(map[string]string{g.bob: policy.CodeAddress})
		g.overdue()
		g.wantOutcomes(map[string]string{g.bob: ""})
		if now := g.storedPolicy(); fmt.Sprint(now) != fmt.Sprint(before) {
			t.Errorf("ranges %+v, want %+v", now.Ranges, before.Ranges)
		}
		// From none described to some, and back.
		g.must(g.SetRanges(t.Context(), admin, org.RangesChange{}))
		g.must(g.SetRanges(t.Context(), admin, org.RangesChange{List: []string{"198.51.100.0/24"}, Descriptions: words, ConfirmWithinSeconds: tenMinutes}))
		g.must(g.RevertChange(t.Context(), admin))
		if now := g.storedPolicy(); len(now.Ranges.List) != 0 {
			t.Errorf("ranges %+v, want none", now.Ranges)
		}
	})
}

func TestPromotionsGoBack(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		carol := g.member(g.a, "carol@a.example")
		crew := g.group("crew", carol).ID
		p := g.pilot(`{"name": "x", "users": [%q, %q], "user_groups": [%q], "mcp_enabled": true}`, g.bob, carol, crew)
		_, err := g.PromotePilot(t.Context(), admin, p.ID, []byte(`{"confirm_within_seconds": 600}`))
		g.must(err)
		if c := g.waits(true); c.Kind != identity.PendingPromotion || !g.storedPolicy().MCPEnabled {
			t.Errorf("waits: %+v", c)
		}
		g.must(g.RemoveMember(t.Context(), admin, carol)) // who does not come back
		g.overdue()
		again, err := g.Pilot(t.Context(), admin, p.ID)
		g.must(err)
		if again.Name != "x" || !slices.Equal(again.Users, []string{g.bob}) || !slices.Equal(again.Groups, []string{crew}) || again.Change != p.Change || !again.Created.Equal(p.Created) {
			t.Errorf("pilot %+v, want %+v", again, p)
		}
		if g.storedPolicy().MCPEnabled {
			t.Error("everybody has the pilot's field still")
		}
	})
}

func TestProviderChangesGoBack(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		group := g.group("crew", g.bob).ID
		c := complete()
		c.AutoJoinGroupID = &group
		m := g.identityProvider(c)
		_, err := g.ChangeAuthenticationMethod(t.Context(), admin, g.a.AccountID, m.ID, org.MethodChange{
			Name: to("Keycloak"), Enabled: to(false), AutoJoinGroupID: to(""), OIDC: org.OIDCChange{ClientID: to("other"), ClientSecret: to("other-secret")}, ConfirmWithinSeconds: tenMinutes,
		})
		g.must(err)
		g.must(g.DeleteGroup(t.Context(), admin, group))
		g.overdue()
		now, err := g.AuthenticationMethod(t.Context(), admin, g.a.AccountID, m.ID)
		g.must(err)
		if now.Name != m.Name || !now.Enabled || now.Config != m.Config || now.Secret != m.Secret || now.AutoJoinGroupID != "" {
			t.Errorf("provider %+v, want %+v without the group that is gone", now, m)
		}
	})
}

func TestCertificatesGoBack(t *testing.T) {
	onGround(t, func(g *ground) {
		first, second := g.certificate("first", 90).text, g.certificate("second", 90).text
		m := g.samlProvider(org.SAMLChange{IDPURL: to("https://id.example.com/sso"), EntityID: to("https://id.example.com"), Certificate: &first})
		before := m.Active()
		_, err := g.ChangeAuthenticationMethod(t.Context(), g.admin(), g.a.AccountID, m.ID, org.MethodChange{SAML: org.SAMLChange{Certificate: &second}, ConfirmWithinSeconds: tenMinutes})
		g.must(err)
		g.overdue()
		now, err := g.AuthenticationMethod(t.Context(), g.admin(), g.a.AccountID, m.ID)
		g.must(err)
		if active := now.Active(); len(active) != 1 || active[0].Fingerprint != before[0].Fingerprint || now.State != identity.MethodActive {
			t.Errorf("active %+v, want %+v", active, before)
		}
	})
}

// A provider that is to be removed is switched off until that is confirmed:
// what ends with it does not come back.
func TestProviderRemovalWaits(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		m := g.identityProvider(complete())
		by := g.token(identity.Token{UserID: g.bob, Kind: policy.Session, Authentication: policy.Authentication{Method: policy.MethodOIDC, Provider: m.ID, ProviderOrganization: g.a.ID}})
		outcome := func() string {
			_, err := g.access.Check(t.Context(), accessRequest(by, g.a.ID))
			return code(err)
		}
		remove := func() {
			t.Helper()
			g.wantEvents(func() { g.must(g.DeleteAuthenticationMethod(t.Context(), admin, g.a.AccountID, m.ID, tenMinutes)) }, "authentication_method_changed", "change_pending")
			if outcome() == "" {
				t.Error("what was made with the provider is accepted still")
			}
		}
		remove()
		g.overdue()
		if got := outcome(); got != "" {
			t.Errorf("undone, its session meets %q", got)
		}
		remove()
		g.wantEvents(func() { g.must(g.ConfirmChange(t.Context(), admin)) }, "change_confirmed", "authentication_method_deleted")
		if got := outcome(); got != policy.CodeAuthentication {
			t.Errorf("confirmed, its session meets %q", got)
		}
		own := g.identityProvider(complete())
		mine := g.with(g.token(identity.Token{UserID: g.alice, Kind: policy.Session, Authentication: policy.Authentication{Method: policy.MethodOIDC, Provider: own.ID, ProviderOrganization: g.a.ID}}), g.a.ID)
		g.refused("authentication_method_disable_current_not_allowed", func() error {
			return g.DeleteAuthenticationMethod(t.Context(), mine, g.a.AccountID, own.ID, tenMinutes)
		})
	})
}

func TestDomainLinksGoBack(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		domain := g.domain(g.a, "a-linked.com", true)
		m := g.identityProvider(complete())
		linked := func(want int) {
			t.Helper()
			list, err := g.MethodDomains(t.Context(), admin, m.ID)
			g.must(err)
			if len(list) != want {
				t.Errorf("linked: %v, want %d", list, want)
			}
		}
		g.must(g.LinkMethodDomain(t.Context(), admin, m.ID, domain, tenMinutes))
		linked(1)
		g.overdue()
		linked(0)
		g.must(g.LinkMethodDomain(t.Context(), admin, m.ID, domain, nil))
		g.must(g.UnlinkMethodDomain(t.Context(), admin, m.ID, domain, tenMinutes))
		linked(0)
		g.overdue()
		linked(1)
	})
}

func TestDomainRemovalGoesBack(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		domain := g.domain(g.a, "a.example", true)
		g.manage(g.a, g.bob)
		m := g.identityProvider(complete(), domain)
		user := func() (u identity.User) {
			g.must(g.DB.Once(func(r *store.Read) (err error) {
				u, err = r.User(t.Context(), g.bob)
				return err
			}))
			return u
		}
		g.must(g.RemoveDomain(t.Context(), admin, domain, tenMinutes))
		if u := user(); u.ManagingOrganizationID != "" || u.AddressProven() {
			t.Errorf("removed: %+v", u)
		}
		g.overdue()
		if u := user(); u.ManagingOrganizationID != g.a.ID || !u.AddressProven() {
			t.Errorf("undone: %+v", u)
		}
		list, err := g.MethodDomains(t.Context(), admin, m.ID)
		g.must(err)
		if len(list) != 1 || list[0].State != identity.DomainVerified {
			t.Errorf("linked: %+v", list)
		}
	})
}

// What another organization claimed meanwhile is theirs: the change stays, and
// the admins are told.
func TestAChangeThatCannotBeUndone(t *testing.T) {
	onGround(t, func(g *ground) {
		g.DB.Seal, g.DB.Open = g.Keys.Seal, g.Keys.Open // mail is on
		admin := g.as(g.alice, g.a.ID)
		domain := g.domain(g.a, "a.example", true)
		g.must(g.RemoveDomain(t.Context(), admin, domain, tenMinutes))
		g.domain(g.b, "a.example", true)
		g.refused("change_cannot_be_undone", func() error { return g.RevertChange(t.Context(), admin) })
		g.waits(true)
		sent := len(g.mails("alice@a.example"))
		e := g.wantEvents(g.overdue, "change_not_reverted")
		if e[0].Outcome != identity.Refused || !strings.Contains(e[0].Description, "claimed by another organization") || strings.Contains(e[0].Description, g.b.Name) {
			t.Errorf("event %+v", e[0])
		}
		if got := g.mails("alice@a.example"); len(got) != sent+1 || !slices.Contains(got, identity.MailChangeStays) {
			t.Errorf("mails %v", got)
		}
		g.waits(false)
	})
}

// Removing domains is not for admins alone; whoever may, ends it too, and
// nothing else.
func TestWhoEndsWhichChange(t *testing.T) {
	onGround(t, func(g *ground) {
		domain := g.domain(g.a, "a-other.com", true)
		g.grant(g.a, g.alice, organizationResource(g.a), g.bob, "organization:domains:write")
		bob := g.as(g.bob, g.a.ID)
		g.must(g.RemoveDomain(t.Context(), bob, domain, tenMinutes))
		g.must(g.RevertChange(t.Context(), bob))
		_, err := g.ChangePolicy(t.Context(), g.as(g.alice, g.a.ID), []byte(`{"mcp_enabled": true, "confirm_within_seconds": 600}`))
		g.must(err)
		g.refused("request_forbidden", func() error { return g.ConfirmChange(t.Context(), bob) })
		g.refused("request_forbidden", func() error { return g.RevertChange(t.Context(), bob) })
	})
}

// A request that was let in by an address that the change shuts out cannot
// confirm it.
func TestPOL16ConfirmationFromOutside(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		g.must(g.SetRanges(t.Context(), admin, org.RangesChange{List: []string{"192.0.2.0/24"}, Enabled: true, AcceptLockout: true, ConfirmWithinSeconds: tenMinutes}))
		g.refused("confirmation_has_to_pass", func() error { return g.ConfirmChange(t.Context(), admin) })
		within := *admin
		within.Facts.Client = netip.MustParseAddr("192.0.2.1")
		g.wantEvents(func() { g.must(g.ConfirmChange(t.Context(), &within)) }, "change_confirmed")
	})
}
