package org_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// outcome is what a user's session meets at organization A: a code, or nothing.
func (g *ground) outcome(userID string) string {
	_, err := g.access.Check(g.Context(), accessRequest(g.sessions[userID], g.a.ID))
	return code(err)
}

func (g *ground) wantOutcomes(want map[string]string) {
	g.Helper()
	for id, code := range want {
		if got := g.outcome(id); got != code {
			g.Errorf("%s meets %q, want %q", id, got, code)
		}
	}
}

// pilot begins a pilot of organization A.
func (g *ground) pilot(document string, args ...any) identity.Pilot {
	g.Helper()
	p, err := g.CreatePilot(g.Context(), g.as(g.alice, g.a.ID), fmt.Appendf(nil, document, args...))
	g.must(err)
	return p
}

func TestPilotLife(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		carol := g.member(g.a, "carol@a.example")
		crew := g.group("crew", carol).ID
		var p identity.Pilot
		e := g.wantEvents(func() {
			p = g.pilot(`{"name": " Second factor ", "users": [%q, %[1]q], "two_factor_required": true}`, g.bob)
		}, "pilot_created")
		g.detail(e[0], `"name":"Second factor"`, `"two_factor_required":true`, g.bob)
		if strings.Contains(e[0].Description, "is in the pilot") {
			t.Errorf("the admin is not in the pilot: %s", e[0].Description)
		}
		g.wantOutcomes(map[string]string{g.alice: "", g.bob: policy.CodeSecondFactor, carol: ""})
		if p.Name != "Second factor" || p.CreatedBy != "alice@a.example" || len(p.Users) != 1 || p.Change != `{"two_factor_required":true}` {
			t.Errorf("pilot %+v", p)
		}
		e = g.wantEvents(func() {
			var err error
			p, err = g.ChangePilot(t.Context(), admin, p.ID, fmt.Appendf(nil, `{"user_groups": [%q], "users": [], "password_auth_enabled": false, "unset": ["two_factor_required"]}`, crew))
			g.must(err)
		}, "pilot_changed")
		g.detail(e[0], `"before":{"change":{"two_factor_required":true}`, `"change":{"password_auth_enabled":false}`)
		g.wantOutcomes(map[string]string{g.alice: "", g.bob: "", carol: policy.CodePassword})
		g.wantEvents(func() { // which changes nothing
			_, err := g.ChangePilot(t.Context(), admin, p.ID, []byte(`{"password_auth_enabled": false}`))
			g.must(err)
		})
		list, err := g.Pilots(t.Context(), admin)
		g.must(err)
		if diff := cmp.Diff([]identity.Pilot{p}, list); diff != "" {
			t.Error(diff)
		}
		// Whoever joins the group is held, whoever leaves it is not.
		g.must(g.ChangeGroupMembers(t.Context(), admin, crew, "add_members", []string{g.bob}))
		g.wantOutcomes(map[string]string{g.bob: policy.CodePassword})
		g.must(g.ChangeGroupMembers(t.Context(), admin, crew, "remove_members", []string{g.bob}))
		g.wantOutcomes(map[string]string{g.bob: "", carol: policy.CodePassword})
		g.wantEvents(func() { g.must(g.DropPilot(t.Context(), admin, p.ID, false)) }, "pilot_dropped")
		g.wantOutcomes(map[string]string{carol: ""})
		g.refused("pilot_not_found", func() error { return g.DropPilot(t.Context(), admin, p.ID, false) })
	})
}

func TestPromotedPilots(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		p := g.pilot(`{"name": "Idle", "users": [%q], "session_idle_seconds": 3600, "api_client_ip_allowlist": ["198.51.100.0/24"], "api_client_ip_allowlist_enabled": true}`, g.bob)
		g.refused("bad_request", func() error {
			_, err := g.PromotePilot(t.Context(), admin, p.ID, []byte(`{"session_idle_seconds": 7200}`))
			return err
		})
		events := g.wantEvents(func() {
			after, err := g.PromotePilot(t.Context(), admin, p.ID, nil)
			g.must(err)
			if after.SessionIdle != time.Hour || !after.Ranges.Enabled || len(after.Ranges.List) != 1 {
				t.Errorf("after: %+v", after)
			}
		}, "pilot_promoted", "policy_changed")
		g.detail(events[1], `"session_idle_seconds":3600`)
		left, err := g.Pilots(t.Context(), admin)
		g.must(err)
		now, err := g.Policy(g.as(g.alice, g.a.ID))
		g.must(err)
		if len(left) != 0 || now.SessionIdle != time.Hour {
			t.Errorf("pilots %v, policy %+v", left, now)
		}
		// One that sets what everybody has ends all the same.
		same := g.pilot(`{"name": "Same", "users": [%q], "session_idle_seconds": 3600}`, g.bob)
		g.wantEvents(func() {
			_, err := g.PromotePilot(t.Context(), admin, same.ID, nil)
			g.must(err)
		}, "pilot_promoted")
	})
}

// The policy that admins read and change is the organization's, also for those
// whom a pilot holds.
func TestPilotsDoNotShowInThePolicy(t *testing.T) {
	onGround(t, func(g *ground) {
		g.pilot(`{"name": "Mine", "users": [%q], "mcp_enabled": true}`, g.alice)
		now, err := g.Policy(g.as(g.alice, g.a.ID))
		g.must(err)
		if now.MCPEnabled {
			t.Error("the organization's policy shows the pilot's field")
		}
		after, err := g.ChangePolicy(t.Context(), g.as(g.alice, g.a.ID), []byte(`{"session_idle_seconds": 3600}`))
		g.must(err)
		if after.MCPEnabled {
			t.Error("a change of the policy took the pilot's field over")
		}
	})
}

func TestPOL09PilotsThatLockTheirAdminOut(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		code := "authentication_method_disable_current_not_allowed"
		create := func(document string, args ...any) func() error {
			return func() error {
				_, err := g.CreatePilot(t.Context(), admin, fmt.Appendf(nil, document, args...))
				return err
			}
		}
		crew := g.group("crew", g.alice).ID
		g.refused(code, create(`{"name": "x", "users": [%q], "password_auth_enabled": false}`, g.alice))
		g.refused(code, create(`{"name": "x", "user_groups": [%q], "password_auth_enabled": false}`, crew))
		g.refused("api_client_ip_allowlist_blocks_caller", create(`{"name": "x", "users": [%q], "api_client_ip_allowlist": ["203.0.113.0/24"], "api_client_ip_allowlist_enabled": true}`, g.alice))
		// The pilot that lets the admin in cannot go: the policy would not.
		loose := g.pilot(`{"name": "loose", "users": [%q], "password_auth_enabled": true}`, g.alice)
		_, err := g.ChangePolicy(t.Context(), admin, []byte(`{"password_auth_enabled": false}`))
		g.must(err)
		g.wantOutcomes(map[string]string{g.alice: "", g.bob: policy.CodePassword})
		g.refused(code, func() error { return g.DropPilot(t.Context(), admin, loose.ID, false) })
		g.refused(code, func() error {
			_, err := g.ChangePilot(t.Context(), admin, loose.ID, fmt.Appendf(nil, `{"users": [%q]}`, g.bob))
			return err
		})
		// On purpose, and said so.
		events := g.wantEvents(func() { g.must(g.DropPilot(t.Context(), admin, loose.ID, true)) }, "pilot_dropped")
		if !strings.Contains(events[0].Description, "locks out the admin who made it") {
			t.Errorf("event: %s", events[0].Description)
		}
		g.wantOutcomes(map[string]string{g.alice: policy.CodePassword})
	})
}

// An admin who loosens the policy for themselves is seen.
func TestPilotsOfTheirAdminSaySo(t *testing.T) {
	onGround(t, func(g *ground) {
		events := g.wantEvents(func() { g.pilot(`{"name": "for me", "users": [%q], "mcp_enabled": true}`, g.alice) }, "pilot_created")
		if !strings.Contains(events[0].Description, "the admin who did it is in the pilot") {
			t.Errorf("event: %s", events[0].Description)
		}
	})
}

func TestPilotRefusals(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		foreign, err := g.CreateGroup(t.Context(), g.as(g.eve, g.b.ID), "foreign", "")
		g.must(err)
		names := make([]string, identity.MaxPilotPrincipals+1)
		for i := range names {
			names[i] = fmt.Sprint("u", i)
		}
		many, err := json.Marshal(names)
		g.must(err)
		for document, want := range map[string]string{
			`{"name": "x", "mcp_enabled": true}`:                                             "bad_request", // nobody in it
			`{"name": "x", "users": ["BOB"]}`:                                                "bad_request", // sets nothing
			`{"users": ["BOB"], "mcp_enabled": true}`:                                        "bad_request",
			`{"name": "a\nb", "users": ["BOB"], "mcp_enabled": true}`:                        identity.CodeUnseen,
			`{"name": "x", "users": "BOB", "mcp_enabled": true}`:                             "bad_request",
			`{"name": "x", "users": ["BOB"], "mcp_enabled": "true"}`:                         "bad_request",
			`{"name": "x", "users": ["BOB"], "mcp_enabled": true, "unknown": 1}`:             "bad_request",
			`{"name": "x", "users": ["BOB"], "mcp_enabled": true, "unset": ["mcp_enabled"]}`: "bad_request",
			`{"name": "x", "users": ["BOB"], "users": [], "mcp_enabled": true}`:              "bad_request",
			`{"name": "x", "users": ["BOB"], "session_idle_seconds": 1}`:                     "bad_request",
			`{"name": "x", "users": ["BOB"], "confirm_within_seconds": 60}`:                  "bad_request",
			`{"name": "x", "users": ["BOB"], "accept_lockout": 1, "mcp_enabled": true}`:      "bad_request",
			`[]`: "bad_request",
			`{"name": "x", "users": ["EVE"], "mcp_enabled": true}`:                                                                                          "organization_user_not_found",
			`{"name": "x", "users": ["BOB", "EVE"], "mcp_enabled": true}`:                                                                                   "organization_user_not_found",
			`{"name": "x", "user_groups": ["FOREIGN"], "mcp_enabled": true}`:                                                                                "user_group_not_found",
			`{"name": "x", "users": MANY, "mcp_enabled": true}`:                                                                                             "bad_request",
			`{"name": "x", "users": ["BOB"], "api_client_ip_allowlist": ["0.0.0.0/0"]}`:                                                                     policy.CodeBadRange,
			`{"name": "x", "users": ["BOB"], "password_auth_enabled": false, "oauth_enabled": false, "saml_enabled": false, "passkey_auth_enabled": false}`: policy.CodeNoMethod,
		} {
			document = strings.NewReplacer("BOB", g.bob, "EVE", g.eve, "FOREIGN", foreign.ID, "MANY", string(many)).Replace(document)
			g.refused(want, func() error {
				_, err := g.CreatePilot(t.Context(), admin, []byte(document))
				return err
			})
		}
		theirs, err := g.CreatePilot(t.Context(), g.as(g.eve, g.b.ID), fmt.Appendf(nil, `{"name": "x", "users": [%q], "mcp_enabled": true}`, g.eve))
		g.must(err)
		g.refused("pilot_not_found", func() error { return g.DropPilot(t.Context(), admin, theirs.ID, true) })
		g.refused("pilot_not_found", func() error {
			_, err := g.PromotePilot(t.Context(), admin, theirs.ID, nil)
			return err
		})
		for i := range identity.MaxPilots {
			g.pilot(`{"name": "pilot %d", "users": [%q], "mcp_enabled": true}`, i, g.bob)
		}
		g.refused("pilot_limit_reached", func() error {
			_, err := g.CreatePilot(t.Context(), admin, fmt.Appendf(nil, `{"name": "one more", "users": [%q], "mcp_enabled": true}`, g.bob))
			return err
		})
	})
}

// A policy under which a pilot would not hold is refused, and names it.
func TestPoliciesThatAPilotDoesNotFit(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		g.pilot(`{"name": "No password", "users": [%q], "password_auth_enabled": false}`, g.bob)
		g.wantEvents(func() {
			_, err := g.ChangePolicy(t.Context(), admin, []byte(`{"oauth_enabled": false, "saml_enabled": false, "passkey_auth_enabled": false}`))
			e := wantCode(t, err, "pilot_would_not_fit")
			if !strings.Contains(e.Message, `"No password"`) {
				t.Error(e)
			}
		})
		described := g.pilot(`{"name": "Words", "users": [%q], "api_client_ip_allowlist": ["203.0.113.0/24"], "api_client_ip_allowlist_descriptions": {"203.0.113.0/24": "office"}}`, g.bob)
		_, err := g.ChangePilot(t.Context(), admin, described.ID, []byte(`{"api_client_ip_allowlist": ["192.0.2.0/24"]}`))
		g.must(err) // the words of the range that is gone go with it
	})
}

// Being in a pilot is worth nothing to those who are removed, and does not come
// back with them.
func TestORGRemovalEndsPilots(t *testing.T) {
	onGround(t, func(g *ground) {
		admin := g.as(g.alice, g.a.ID)
		g.pilot(`{"name": "loose", "users": [%q], "password_auth_enabled": true}`, g.bob)
		g.pilot(`{"name": "mine", "users": [%q], "password_auth_enabled": true}`, g.alice)
		_, err := g.ChangePolicy(t.Context(), admin, []byte(`{"password_auth_enabled": false}`))
		g.must(err)
		g.wantOutcomes(map[string]string{g.bob: ""})
		g.must(g.RemoveMember(t.Context(), admin, g.bob))
		g.wantOutcomes(map[string]string{g.bob: "organization_not_found"})
		g.join(g.a, g.bob, false)
		g.wantOutcomes(map[string]string{g.bob: policy.CodePassword})
	})
}

// Whom a pilot holds meets it where they make tokens too: rule 11 asks the
// managing organization, or all of theirs.
func TestPilotsAndPersonalTokens(t *testing.T) {
	onGround(t, func(g *ground) {
		g.manage(g.a, g.bob)
		make := func(userID string) error {
			_, err := g.CreateToken(t.Context(), g.as(userID, ""), org.TokenRequest{})
			return err
		}
		carol := g.member(g.a, "carol@a.example")
		g.must(make(g.bob))
		p := g.pilot(`{"name": "no tokens", "users": [%q, %q], "personal_tokens_enabled": false}`, g.bob, carol)
		for _, id := range []string{g.bob, carol} {
			wantCode(t, make(id), "user_personal_token_not_allowed")
		}
		g.must(make(g.alice))
		g.must(g.DropPilot(t.Context(), g.as(g.alice, g.a.ID), p.ID, false))
		g.must(make(g.bob))
	})
}

// A pilot whose policy cannot be read any more lets nobody in, and can be
// dropped.
func TestPilotsThatCannotBeRead(t *testing.T) {
	onGround(t, func(g *ground) {
		p := g.pilot(`{"name": "x", "users": [%q], "mcp_enabled": true}`, g.bob)
		p.Change = `{"of_another_time": true}`
		g.prepare(store.Organization(g.a.ID), func(tx *store.Tx) error { return tx.SetPilot(t.Context(), p) })
		g.wantOutcomes(map[string]string{g.alice: "", g.bob: policy.CodePolicyUnreadable})
		g.must(g.DropPilot(t.Context(), g.as(g.alice, g.a.ID), p.ID, false))
		g.wantOutcomes(map[string]string{g.bob: ""})
	})
}

func TestPilotReport(t *testing.T) {
	onGround(t, func(g *ground) {
		carol := g.member(g.a, "carol@a.example")
		dave := g.member(g.a, "dave@a.example")
		crew := g.group("crew", carol, dave).ID
		first := g.pilot(`{"name": "first", "users": [%q], "user_groups": [%q], "password_auth_enabled": false}`, g.bob, crew)
		g.now = g.now.Add(time.Second)
		g.pilot(`{"name": "second", "users": [%q], "mcp_enabled": true}`, dave) // named, although later
		g.token(identity.Token{UserID: carol, Kind: policy.Session, Authentication: policy.Authentication{Method: policy.MethodGoogle}})
		for range 3 {
			g.wantOutcomes(map[string]string{g.bob: policy.CodePassword})
			g.now = g.now.Add(time.Minute)
		}
		report, err := g.PilotReport(t.Context(), g.as(g.alice, g.a.ID), first.ID)
		g.must(err)
		if report.OutOf != 1 || report.Overruled != 1 || len(report.People) != 2 {
			t.Errorf("report %+v", report)
		}
		for _, p := range report.People {
			switch p.ID {
			case g.bob:
				if p.GetsIn || len(p.Reasons) != 1 || p.Reasons[0].Code != policy.CodePassword || fmt.Sprint(p.Refused) != "[{"+policy.CodePassword+" 3}]" {
					t.Errorf("bob: %+v", p)
				}
			case carol:
				if !p.GetsIn || len(p.Reasons) != 0 || len(p.Refused) != 0 {
					t.Errorf("carol: %+v", p)
				}
			}
		}
		g.refused("pilot_not_found", func() error {
			_, err := g.PilotReport(t.Context(), g.as(g.eve, g.b.ID), first.ID)
			return err
		})
	})
}
