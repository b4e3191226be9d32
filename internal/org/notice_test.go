package org_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// noticed are those who were told that they lost access or that others did, by
// the kind of mail and in their order, with what the admins read about the
// change.
type noticed []string

// mailing switches mail on, gives bob a password, and alice a way in that the
// changes leave.
func (g *ground) mailing() {
	g.Helper()
	g.DB.Seal, g.DB.Open = g.Keys.Seal, g.Keys.Open
	g.password(g.bob)
	g.ThirdParties = []string{"github"}
	g.prepare(store.User(g.alice), func(tx *store.Tx) error {
		return tx.AddLinkedIdentity(g.Context(), identity.LinkedIdentity{ID: "uamalice", UserID: g.alice, Provider: identity.ProviderGitHub, Subject: "1"})
	})
	g.sessions[g.alice] = g.token(identity.Token{UserID: g.alice, Kind: policy.Session, Authentication: policy.Authentication{Method: policy.MethodGitHub}})
}

// letters are the mails about lost access, and are taken away.
func (g *ground) letters() (list noticed) {
	g.Helper()
	held, err := g.DB.HeldMail(g.Context(), 1000)
	g.must(err)
	for _, m := range held {
		g.must(g.DB.MailDelivered(g.Context(), m.ID))
		switch m.Mail.Kind {
		case identity.MailAccessLost, identity.MailTokensRefused:
			list = append(list, m.Mail.Kind+" "+m.Mail.To)
		case identity.MailAccessChanged:
			list = append(list, m.Mail.Kind+" "+m.Mail.To+" "+m.Mail.Data["people"])
		}
	}
	slices.Sort(list)
	return list
}

// patch changes the policy.
func (g *ground) patch(document string) {
	g.Helper()
	_, err := g.ChangePolicy(g.Context(), g.as(g.alice, g.a.ID), []byte(document))
	g.must(err)
}

// tellAll works off what waits, and returns how much it was.
func (g *ground) tellAll() (n int) {
	g.Helper()
	for {
		found, err := g.SendNotices(g.Context())
		g.must(err)
		if !found {
			return n
		}
		n++
	}
}

func (g *ground) wantLetters(when string, want ...string) {
	g.Helper()
	if got := g.letters(); !slices.Equal(got, want) {
		g.Errorf("%s: %q, want %q", when, got, want)
	}
}

const (
	passwordOff = `{"password_auth_enabled": false, "accept_lockout": true}`
	passwordOn  = `{"password_auth_enabled": true}`
	bobIsOut    = identity.MailAccessLost + " bob@a.example"
	oneIsOut    = identity.MailAccessChanged + " alice@a.example one person has"
)

// A notice is about what its change did, whatever was changed until it is
// worked off.
func TestNoticesAreOfTheirChange(t *testing.T) {
	onGround(t, func(g *ground) {
		g.mailing()
		g.patch(passwordOff)
		g.wantLetters("with the answer")
		g.now = g.now.Add(time.Second)
		// Changed back, changed otherwise, and somebody came who had no access to lose.
		g.patch(passwordOn)
		g.patch(`{"mcp_enabled": true}`)
		g.now = g.now.Add(time.Second)
		g.password(g.member(g.a, "late@a.example"))
		if n := g.tellAll(); n != 3 {
			t.Errorf("%d notices were worked off, want 3", n)
		}
		g.wantLetters("later", oneIsOut, bobIsOut)
		// What changes nothing, and what nobody is to hear of.
		g.patch(passwordOn)
		g.patch(`{"access_notices": false}`)
		g.patch(passwordOff)
		if n := g.tellAll(); n != 0 {
			t.Errorf("%d notices of nothing", n)
		}
		g.wantLetters("switched off")
	})
}

// Of nodes that work on the same notice, one tells the people; one that dies
// with it leaves it to the others.
func TestNoticesAreSentOnce(t *testing.T) {
	onGround(t, func(g *ground) {
		g.mailing()
		for round := range 3 {
			g.patch(passwordOff)
			if _, found, err := g.DB.ClaimAccessNotice(t.Context()); !found || err != nil { // by one that dies
				t.Fatalf("there is no notice: %v", err)
			}
			if n := g.tellAll(); n != 0 {
				t.Fatalf("round %d: %d were worked off under another's claim", round, n)
			}
			g.now = g.now.Add(3 * time.Minute)
			var running sync.WaitGroup
			for range 6 {
				running.Go(func() {
					if _, err := g.SendNotices(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			running.Wait()
			g.wantLetters(fmt.Sprintf("round %d", round), oneIsOut, bobIsOut)
			g.patch(passwordOn)
			g.tellAll()
			g.wantLetters("back")
		}
	})
}

// Who is overtaken, because judging took longer than the claim, tells nobody.
func TestNoticesThatSomebodyElseSent(t *testing.T) {
	onGround(t, func(g *ground) {
		g.mailing()
		g.patch(passwordOff)
		n, found, err := g.DB.ClaimAccessNotice(t.Context())
		if err != nil || !found {
			t.Fatalf("there is no notice: %v", err)
		}
		g.now = g.now.Add(3 * time.Minute)
		g.tellAll()
		g.must(g.DB.Maintain(t.Context(), func(tx *store.Tx) error {
			first, err := tx.EndAccessNotice(t.Context(), n)
			if first {
				t.Error("both are the first")
			}
			return err
		}))
		g.wantLetters("once", oneIsOut, bobIsOut)
	})
}

// A change of an identity provider is judged by the world before it and after
// it, and so is what waits, before.
func TestNoticesComeBeforeTheNextWorld(t *testing.T) {
	onGround(t, func(g *ground) {
		g.mailing()
		carol := g.member(g.a, "carol@a.example")
		g.password(carol)
		provider := g.linked(g.a, carol)
		g.patch(passwordOff)
		// Now the provider goes, by which carol still got in.
		g.must(g.DeleteAuthenticationMethod(t.Context(), g.as(g.alice, g.a.ID), g.a.AccountID, provider, nil))
		if n := g.tellAll(); n != 0 {
			t.Errorf("%d notices are left", n)
		}
		got := strings.Join(g.letters(), "\n")
		if strings.Count(got, "bob@a.example") != 1 || strings.Count(got, "carol@a.example") != 1 {
			t.Errorf("bob and carol are told once each, by the change that kept them out; got\n%s", got)
		}
	})
}

// An admin who changes the policy again and again leaves no more work than a few
// changes do.
func TestDOSNoticesAreBounded(t *testing.T) {
	onGround(t, func(g *ground) {
		g.mailing()
		for i := range 25 {
			g.patch(fmt.Sprintf(`{"personal_tokens_enabled": %t}`, i%2 == 1))
		}
		// One that somebody is working on becomes part of it all the same.
		g.now = g.now.Add(time.Second)
		var claimed identity.AccessNotice
		for {
			n, found, err := g.DB.ClaimAccessNotice(t.Context())
			g.must(err)
			if !found {
				break
			}
			claimed = n
		}
		g.patch(passwordOff)
		g.must(g.DB.Maintain(t.Context(), func(tx *store.Tx) error {
			if first, err := tx.EndAccessNotice(t.Context(), claimed); first || err != nil {
				t.Errorf("it was ended without what became part of it: %v", err)
			}
			return nil
		}))
		n := g.tellAll()
		g.wantLetters("of the last change", oneIsOut, bobIsOut)
		g.now = g.now.Add(3 * time.Minute)
		if n += g.tellAll(); n != 5 {
			t.Errorf("%d notices waited, want 5", n)
		}
	})
}
