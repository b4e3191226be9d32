package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const idpEntity = "https://idp.example/metadata"

// refusedSAML fails unless a response was refused with a code and left a trace.
func refusedSAML(tb testing.TB, err error, code string) {
	tb.Helper()
	refusedAs(tb, err, identity.Invalid, code)
	var e *identity.Error
	if errors.As(err, &e) && e.Metadata["trace_id"] == nil {
		tb.Errorf("%v has no trace id", err)
	}
}

// Row SML-01: an answer that nobody asked for counts once, and only where the
// organization allows it; its relay state leads to pages of ours only.
func TestSML01_UnsolicitedAnswer(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		unasked := func() said { return m.by(asked{}, "new@"+aVerified) }
		c.untouched(t, func() {
			refusedSAML(t, c.guest(t, login.Begin{}).finish(t, m, m.idp.respond(t, unasked()), ""), "saml_relay_state_invalid")
		})
		m.reconfigure(t, func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.IDPLoginAllowed = true })
		for relay, next := range map[string]string{
			"": "", "https://evil.example/": "", "//evil.example": "", "javascript:alert(1)": "", "/profile/tokens\r\nX: y": "",
			"/profile/tokens": "/profile/tokens", c.Config.PublicURL + "/profile/sessions": "/profile/sessions", c.Config.PublicURL + ".evil.example/": "",
			strings.Repeat("A", 43): "",
		} {
			b := &guest{club: c}
			response := m.idp.respond(t, unasked())
			if err := b.finish(t, m, response, relay); err != nil || b.user(t).Email != "new@"+aVerified || b.flow.Next != next {
				t.Errorf("relay state %q leads to %q, %v; want %q", relay, b.flow.Next, err, next)
			}
			refusedSAML(t, b.finish(t, m, response, relay), "saml_response_used")
		}
		// An answer to a request is none that nobody asked for.
		b := c.guest(t, login.Begin{})
		a := b.leaveSAML(t, m)
		refusedSAML(t, (&guest{club: c}).finish(t, m, m.idp.respond(t, m.by(a, "new@"+aVerified)), ""), "saml_relay_state_invalid")
	})
}

// Rows SML-02 and CON-13: of many that bring the same response one gets in.
func TestSML02_Replay(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.IDPLoginAllowed = true })
		b := c.guest(t, login.Begin{})
		a := b.leaveSAML(t, m)
		for name, brought := range map[string]struct{ secret, response, relay string }{
			"asked":   {b.secret, m.idp.respond(t, m.by(a, "one@"+aVerified)), a.relay},
			"unasked": {"", m.idp.respond(t, m.by(asked{}, "two@"+aVerified)), ""},
		} {
			var entered, refused int
			var mu sync.Mutex
			var all sync.WaitGroup
			for i := range 64 {
				all.Go(func() {
					from := c.from()
					from.Client = addr(fmt.Sprintf("198.51.100.%d", 10+i))
					flow, err := c.Login.FinishSAML(t.Context(), from, login.SAMLResponse{AccountID: m.AccountID, MethodID: m.ID, Secret: brought.secret, Response: brought.response, RelayState: brought.relay})
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil && flow.Done != nil:
						entered++
					case err != nil && !isInternal(err):
						refused++
					default:
						t.Errorf("%s: %+v, %v", name, flow, err)
					}
				})
			}
			all.Wait()
			if entered != 1 || refused != 63 {
				t.Errorf("%s: %d got in and %d were refused", name, entered, refused)
			}
			c.advance(time.Minute) // those who came too late have used up what strangers may try
		}
		// Another Response around the same assertion.
		c.advance(time.Minute)
		once := m.by(asked{}, "two@"+aVerified)
		once.id = "_same"
		first := &guest{club: c}
		if err := first.finish(t, m, m.idp.respond(t, once), ""); err != nil {
			t.Fatal(err)
		}
		refusedSAML(t, first.finish(t, m, m.idp.respond(t, once), ""), "saml_response_used")
	})
}

// Rows SML-03 and TEN-1 to TEN-4: a response counts at the provider that it is
// for, whoever else has the same entity id and key.
func TestSML03_WrongDoor(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		eve := c.Eve(t)
		shared := newSAMLIDP(t, idpEntity, 0)
		one := c.saml(t, c.OrganizationID, aVerified, shared, nil)
		two := c.saml(t, c.OrganizationID, "", shared, nil)
		other := c.saml(t, eve.OrganizationID, "b-verified.com", shared, nil)
		forged := c.saml(t, eve.OrganizationID, "", newSAMLIDP(t, idpEntity, 1), nil)
		c.untouched(t, func() {
			for name, at := range map[string]*samlMethod{"second provider": two, "other organization": other} {
				b := c.guest(t, login.Begin{})
				a := b.leaveSAML(t, one)
				refusedSAML(t, b.finish(t, at, shared.respond(t, one.by(a, "x@"+aVerified)), a.relay), "saml_other_service")
				// The attempt's own request and relay state, addressed to the other.
				refusedSAML(t, b.finish(t, at, shared.respond(t, at.by(a, "x@"+aVerified)), a.relay), "saml_relay_state_invalid")
				t.Log(name)
			}
			// Another key under the same entity id (TEN-2).
			b := c.guest(t, login.Begin{})
			a := b.leaveSAML(t, one)
			refusedSAML(t, b.finish(t, one, forged.idp.respond(t, one.by(a, "x@"+aVerified)), a.relay), "saml_signature_invalid")
			// The account in the address is another's.
			_, err := c.Login.FinishSAML(t.Context(), c.from(), login.SAMLResponse{AccountID: other.AccountID, MethodID: one.ID, Response: "eA=="})
			refusedAs(t, err, identity.NotFound, "authentication_method_not_found")
		})
		// At its own door eve's provider speaks for eve's people only.
		b := c.guest(t, login.Begin{})
		refusedAs(t, b.atSAML(t, forged, "x@"+aVerified, nil), identity.Forbidden, "unknown_user_sso_login_attempt")
	})
}

// Rows SML-04 and LNK-1: an address is believed where its domain is verified by
// the provider's organization and linked to the provider.
func TestSML04_LinkingByAddress(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		eve := c.Eve(t)
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		theirs := c.saml(t, eve.OrganizationID, "b-verified.com", newSAMLIDP(t, "https://b.example", 1), nil)
		bob := c.AddUser(t, "", "bob@"+aVerified, "", false)
		b := c.guest(t, login.Begin{})
		if err := b.atSAML(t, m, "BOB@"+aVerified, nil); err != nil || b.user(t).ID != bob {
			t.Fatalf("the address in a linked domain: %+v, %v", b.flow, err)
		}
		how := c.principal(t, b.flow.Done.Token).Token.Authentication
		if how.Method != policy.MethodSAML || how.Provider != m.ID || how.ProviderOrganization != c.OrganizationID || how.SecondFactor {
			t.Errorf("the session says %+v", how)
		}
		c.untouched(t, func() {
			for _, email := range []string{
				"bob@" + aVerified, "carol@" + aVerified, "bob@sub.b-verified.com", "bob@b-verified.com@" + aVerified, `"bob@b-verified.com"@` + aVerified, "bob@nobody.example",
			} {
				refusedAs(t, c.guest(t, login.Begin{}).atSAML(t, theirs, email, nil), identity.Forbidden, "unknown_user_sso_login_attempt")
			}
		})
		// Who is logged in may link the identity, and logs in by it then.
		c.AddUser(t, "", "carol@elsewhere.example", "", false)
		carol := c.Value(t, `SELECT id FROM users WHERE email = 'carol@elsewhere.example'`)
		link := c.guest(t, login.Begin{Purpose: identity.AttemptLink, Provider: theirs.ID, Principal: c.principal(t, c.Session(t, carol))})
		if err := link.atSAML(t, theirs, "carol@elsewhere.example", nil); err != nil {
			t.Fatal(err)
		}
		b = c.guest(t, login.Begin{})
		if err := b.atSAML(t, theirs, "carol@elsewhere.example", nil); err != nil || b.user(t).ID != carol {
			t.Errorf("after linking: %+v, %v", b.flow, err)
		}
	})
}

// Row LNK-2: the NameID is who somebody is; the address is not.
func TestLNK02_NameIDIsTheIdentity(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		named := func(nameID string) func(*said) {
			return func(s *said) { s.nameID, s.format = nameID, saml.FormatPersistent }
		}
		b := c.guest(t, login.Begin{})
		if err := b.atSAML(t, m, "ann@"+aVerified, named("7")); err != nil {
			t.Fatal(err)
		}
		ann := b.user(t)
		b = c.guest(t, login.Begin{})
		if err := b.atSAML(t, m, "married@"+aVerified, named("7")); err != nil || b.user(t).ID != ann.ID || b.user(t).Email != ann.Email {
			t.Errorf("another address: %+v, %v", b.flow, err)
		}
		if got := c.Value(t, `SELECT COUNT(*) FROM linked_identities WHERE deleted_at = 0`); got != "1" {
			t.Errorf("%s identities", got)
		}
	})
}

// Row LNK-3: a name that is another one each time is nobody's.
func TestLNK03_TransientName(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		transient := func(s *said) {
			s.nameID, s.format = newSAMLID(), saml.FormatTransient
			s.attributes["employee"] = []string{"7"}
		}
		c.untouched(t, func() {
			refusedSAML(t, c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, transient), "saml_name_id_transient")
		})
		m.reconfigure(t, func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.FieldMapping.Identity = "employee" })
		for range 2 {
			if err := c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, transient); err != nil {
				t.Errorf("with an attribute that stays: %v", err)
			}
		}
		if got := c.Value(t, `SELECT COUNT(*) FROM linked_identities WHERE deleted_at = 0`); got != "1" {
			t.Errorf("%s identities", got)
		}
	})
}

// Row LNK-4: after a change of the entity id nobody is linked by address until
// an admin confirms; who is linked logs in.
func TestLNK04_ChangedProvider(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		if err := c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, nil); err != nil {
			t.Fatal(err)
		}
		m.reconfigure(t, func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.AutoLinkPaused = true })
		if err := c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, nil); err != nil {
			t.Errorf("who is linked: %v", err)
		}
		c.AddUser(t, "", "old@"+aVerified, "", false)
		c.untouched(t, func() {
			for _, email := range []string{"new@" + aVerified, "old@" + aVerified} {
				refusedAs(t, c.guest(t, login.Begin{}).atSAML(t, m, email, nil), identity.Forbidden, "unknown_user_sso_login_attempt")
				refusedAs(t, c.guest(t, login.Begin{Provider: m.ID, SignUp: true}).atSAML(t, m, email, nil), identity.Forbidden, "unknown_user_sso_login_attempt")
			}
		})
	})
}

// Row LNK-5: hostile attributes.
func TestLNK05_HostileAttributes(t *testing.T) {
	c := newClub(t, false)
	m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.JoinGroups = true })
	groups := make([]string, 10_000)
	for i := range groups {
		groups[i] = fmt.Sprint("group ", i)
	}
	for name, edit := range map[string]func(*said){
		"10,000 groups": func(s *said) { s.attributes["groups"] = groups },
		"1 MiB":         func(s *said) { s.attributes["first_name"] = []string{strings.Repeat("A", 1<<20)} },
	} {
		c.untouched(t, func() {
			refusedSAML(t, c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, edit), "saml_response_invalid")
		})
		t.Log(name)
	}
	c.untouched(t, func() {
		turned := func(s *said) { s.attributes["first_name"] = []string{"Ann\u202e"} }
		refusedSAML(t, c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, turned), "saml_attribute_missing")
	})
	b := c.guest(t, login.Begin{})
	err := b.atSAML(t, m, "ann@"+aVerified, func(s *said) { s.attributes["first_name"] = []string{"<b>Ann</b>"} })
	if err != nil || b.user(t).RealName != "<b>Ann</b>" {
		t.Errorf("markup in a name: %v, %v", b.flow.Done, err)
	}
}

// Row CON-4 as far as attempts go, and BND-1 to BND-3: a response belongs to the
// browser that was sent.
func TestCON04_OtherAttempts(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		email := "ann@" + aVerified
		alice, eve := c.guest(t, login.Begin{}), c.guest(t, login.Begin{})
		a, e := alice.leaveSAML(t, m), eve.leaveSAML(t, m)
		alices := m.idp.respond(t, m.by(a, email))
		c.untouched(t, func() {
			for name, try := range map[string]func() error{
				"the attacker's response in the victim's browser": func() error { return alice.finish(t, m, m.idp.respond(t, m.by(e, email)), e.relay) },
				"with the victim's relay state":                   func() error { return alice.finish(t, m, m.idp.respond(t, m.by(e, email)), a.relay) },
				"the victim's response in the attacker's browser": func() error { return eve.finish(t, m, alices, a.relay) },
				"with the attacker's relay state":                 func() error { return eve.finish(t, m, alices, e.relay) },
				"another attempt's relay state":                   func() error { return alice.finish(t, m, alices, e.relay) },
				"no cookie":                                       func() error { return (&guest{club: c}).finish(t, m, alices, a.relay) },
				"no relay state":                                  func() error { return alice.finish(t, m, alices, "") },
				"an address as relay state":                       func() error { return alice.finish(t, m, alices, "https://evil.example/") },
				"no request named":                                func() error { return alice.finish(t, m, m.idp.respond(t, m.by(asked{}, email)), a.relay) },
			} {
				c.advance(10 * time.Second) // calls are limited by address
				refusedSAML(t, try(), "saml_relay_state_invalid")
				t.Log(name)
			}
		})
		// None of this used the attempt up.
		if err := alice.finish(t, m, m.idp.respond(t, m.by(a, email)), a.relay); err != nil {
			t.Fatal(err)
		}
		// Used, then too old.
		refusedSAML(t, alice.finish(t, m, m.idp.respond(t, m.by(a, email)), a.relay), "saml_relay_state_invalid")
		c.advance(10*time.Minute + time.Second)
		refusedSAML(t, eve.finish(t, m, m.idp.respond(t, m.by(e, email)), e.relay), "saml_relay_state_invalid")
	})
}

// Each refusal has its page, its code, one event and an entry in the list of
// responses.
func TestRefusedResponsesLeaveATrace(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.RequestedAuthnContext = true })
		rows := []struct {
			name, code, stage string
			edit              func(*said)
		}{
			{"no signature", "saml_signature_invalid", "signature", func(s *said) { s.unsigned = true }},
			{"expired", "saml_response_expired", "time", func(s *said) { s.at = s.at.Add(-time.Hour) }},
			{"another audience", "saml_other_service", "audience", func(s *said) { s.to.EntityID += "x" }},
			{"no address", "saml_attribute_missing", "attributes", func(s *said) { delete(s.attributes, "email") }},
			{"refused there", "saml_provider_refused", "status", func(s *said) { s.status = "Requester" }},
			{"weaker than asked (CON-14)", "saml_authentication_too_weak", "context", func(s *said) { s.context = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified" }},
		}
		for _, row := range rows {
			c.advance(2 * time.Minute) // one event a minute
			before := c.events(t, "login_refused")
			b := c.guest(t, login.Begin{})
			err := b.atSAML(t, m, "ann@"+aVerified, row.edit)
			refusedSAML(t, err, row.code)
			var e *identity.Error
			errors.As(err, &e)
			kept := c.Rows(t, `SELECT outcome, stage, user_id FROM saml_lab WHERE id = $1`, fmt.Sprint(e.Metadata["trace_id"]))
			if len(kept) != 1 || kept[0][0] != "refused" || kept[0][1] != row.stage || kept[0][2] != "" {
				t.Errorf("%s: the list has %v, want the stage %s", row.name, kept, row.stage)
			}
			if after := c.events(t, "login_refused"); after == before {
				t.Errorf("%s: no event", row.name)
			}
		}
		b := c.guest(t, login.Begin{})
		if err := b.atSAML(t, m, "ann@"+aVerified, nil); err != nil {
			t.Fatal(err)
		}
		kept := c.Rows(t, `SELECT outcome, stage, user_id FROM saml_lab WHERE id = $1`, b.flow.Trace)
		if len(kept) != 1 || kept[0][0] != "accepted" || kept[0][2] != b.user(t).ID {
			t.Errorf("the list has %v of a good login", kept)
		}
		if dump := c.Dump(t); strings.Contains(dump, "SubjectConfirmation") || strings.Contains(dump, "U3ViamVjdENvbmZpcm1hdGlvb") {
			t.Error("a response is kept in the clear")
		}
	})
}

// Rows ENC-7 and DOS-2: many wrong responses meet a limit at their provider
// only, and keep nobody out who was sent there.
func TestDOS02_WrongResponses(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.IDPLoginAllowed = true })
		other := c.saml(t, c.OrganizationID, "", newSAMLIDP(t, "https://second.example", 1), func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.IDPLoginAllowed = true })
		limited := 0
		for i := range 100 {
			from := c.from()
			from.Client = addr(fmt.Sprintf("203.0.113.%d", i))
			_, err := c.Login.FinishSAML(t.Context(), from, login.SAMLResponse{AccountID: m.AccountID, MethodID: m.ID, Response: "bm8gWE1M"})
			var e *identity.Error
			if !errors.As(err, &e) || e.Kind != identity.TooMany && e.Code != "saml_response_invalid" {
				t.Fatalf("got %v", err)
			}
			if e.Kind == identity.TooMany {
				limited++
			}
		}
		if limited != 40 {
			t.Errorf("%d of 100 met the limit, want 40", limited)
		}
		if n := c.Value(t, `SELECT COUNT(*) FROM saml_lab`); n != "60" {
			t.Errorf("%s are kept", n)
		}
		if err := c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, nil); err != nil {
			t.Errorf("who was sent there: %v", err)
		}
		err := (&guest{club: c}).finish(t, other, other.idp.respond(t, other.by(asked{}, "x@nobody.example")), "")
		refusedAs(t, err, identity.Forbidden, "unknown_user_sso_login_attempt")
	})
}

// Reference 5.6, rules 71 and 72: who is new joins one group; at each login the
// groups follow the provider, but for those that SCIM keeps.
func TestSAMLGroups(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		group := func(id, name string, scim bool) string {
			c.change(t, store.Organization(c.OrganizationID), func(ctx context.Context, tx *store.Tx) error {
				return tx.AddGroup(ctx, identity.Group{ID: id, OrganizationID: c.OrganizationID, Name: name, ManagedBySCIM: scim})
			})
			return id
		}
		newcomers := group("ug00000000001", "Newcomers", false)
		group("ug00000000002", "Pilots", false)
		group("ug00000000003", "Kept", true)
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), func(m *identity.AuthenticationMethod, _ *identity.SAMLConfig) { m.AutoJoinGroupID = newcomers })
		in := func(groups ...string) func(*said) { return func(s *said) { s.attributes["groups"] = groups } }
		var user string
		logIn := func(edit func(*said), want ...string) {
			t.Helper()
			b := c.guest(t, login.Begin{})
			if err := b.atSAML(t, m, "ann@"+aVerified, edit); err != nil {
				t.Fatal(err)
			}
			user = b.user(t).ID
			var got []string
			for _, row := range c.Rows(t, `SELECT g.name FROM group_members gm JOIN user_groups g ON g.id = gm.group_id WHERE gm.user_id = $1 ORDER BY g.name`, user) {
				got = append(got, row[0])
			}
			if !slices.Equal(got, want) {
				t.Errorf("in %q, want %q", got, want)
			}
		}
		logIn(in("Pilots"), "Newcomers") // sync is off; joined by signing up
		m.reconfigure(t, func(_ *identity.AuthenticationMethod, s *identity.SAMLConfig) { s.JoinGroups = true })
		logIn(in("Pilots", "Kept", "Unknown", "pilots"), "Pilots")
		events := c.events(t, "group_members_changed")
		logIn(in("Pilots"), "Pilots")
		if now := c.events(t, "group_members_changed"); now != events {
			t.Errorf("%s events after a login that changed nothing, %s before", now, events)
		}
		c.change(t, store.Organization(c.OrganizationID), func(ctx context.Context, tx *store.Tx) error {
			return tx.AddToGroup(ctx, c.OrganizationID, "ug00000000003", user)
		})
		logIn(nil, "Kept")
		text := c.Value(t, `SELECT detail FROM events WHERE action = 'group_members_changed' ORDER BY id DESC LIMIT 1`)
		if !strings.Contains(text, `"removed":["Pilots"]`) {
			t.Errorf("the event says %s", text)
		}
	})
}

// The provider's name for a managed user and the end of its session count here.
func TestSAMLSessionAndName(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		b := c.guest(t, login.Begin{})
		err := b.atSAML(t, m, "ann@"+aVerified, func(s *said) {
			s.sessionEnd = s.at.Add(20 * time.Minute)
			s.attributes["first_name"], s.attributes["last_name"] = []string{"Ann"}, []string{"Other"}
		})
		if err != nil {
			t.Fatal(err)
		}
		if name := b.user(t).RealName; name != "Ann Other" {
			t.Errorf("the name is %q", name)
		}
		c.advance(19 * time.Minute)
		c.Do(t, http.MethodGet, "/v1/me", b.flow.Done.Token, nil).Want(http.StatusOK)
		c.advance(2 * time.Minute)
		c.Do(t, http.MethodGet, "/v1/me", b.flow.Done.Token, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
		err = c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, func(s *said) { s.attributes["first_name"] = []string{"Anna"} })
		if name := c.Value(t, `SELECT real_name FROM users WHERE email = $1`, "ann@"+aVerified); err != nil || name != "Anna" {
			t.Errorf("the name is %q afterwards, %v", name, err)
		}
	})
}

// A step-up demands a new authentication at the provider, and gets no old one.
func TestSAMLStepUp(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		b := c.guest(t, login.Begin{})
		if err := b.atSAML(t, m, "ann@"+aVerified, nil); err != nil {
			t.Fatal(err)
		}
		up := c.guest(t, login.Begin{Purpose: identity.AttemptStepUp, Principal: c.principal(t, b.flow.Done.Token)})
		text, a := readRequest(t, up.leave(t, m.ID))
		if !strings.Contains(text, `ForceAuthn="true"`) {
			t.Errorf("the request is %s", text)
		}
		old := m.by(a, "ann@"+aVerified)
		old.authn = old.at.Add(-time.Hour)
		refusedSAML(t, up.finish(t, m, m.idp.respond(t, old), a.relay), "saml_authentication_too_weak")
		refusedAs(t, up.finish(t, m, m.idp.respond(t, m.by(a, "somebody@"+aVerified)), a.relay), identity.Forbidden, "fresh_login_required")
		up = c.guest(t, login.Begin{Purpose: identity.AttemptStepUp, Principal: c.principal(t, b.flow.Done.Token)})
		if err := up.atSAML(t, m, "ann@"+aVerified, nil); err != nil || up.flow.Done == nil {
			t.Errorf("the step-up: %+v, %v", up.flow, err)
		}
	})
}

// Row POL-01 with SAML: each organization's policy decides about a session of a
// provider.
func TestPOL01_SAMLSessions(t *testing.T) {
	clubs(t, func(t *testing.T, c *club) {
		m := c.saml(t, c.OrganizationID, aVerified, newSAMLIDP(t, idpEntity, 0), nil)
		b := c.guest(t, login.Begin{})
		if err := b.atSAML(t, m, "ann@"+aVerified, nil); err != nil {
			t.Fatal(err)
		}
		c.Do(t, http.MethodGet, c.organizationPath(""), b.flow.Done.Token, nil).Want(http.StatusOK)
		c.setPolicy(t, c.OrganizationID, func(p *policy.Policy) { p.SAMLEnabled = false })
		c.Do(t, http.MethodGet, c.organizationPath(""), b.flow.Done.Token, nil).WantCode(http.StatusForbidden, policy.CodeIdentityProvider)
		c.untouched(t, func() {
			refusedAs(t, c.guest(t, login.Begin{}).atSAML(t, m, "ann@"+aVerified, nil), identity.Forbidden, policy.CodeIdentityProvider)
		})
		c.setPolicy(t, c.OrganizationID, func(p *policy.Policy) { p.SAMLEnabled, p.PasswordEnabled = true, false })
		c.Do(t, http.MethodGet, c.organizationPath(""), b.flow.Done.Token, nil).Want(http.StatusOK)
	})
}
