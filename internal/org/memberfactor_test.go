package org_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// proofs are what a user of a test proves themselves with, and one token that
// was made with each.
type proofs struct{ github, foreign, passkey string }

// arm gives a user an authenticator, a passkey, recovery codes, an offer, and
// linked identities, one of them at another organization's provider.
func (g *ground) arm(userID string) (have proofs) {
	g.Helper()
	id := func(letters string) string {
		id, err := g.DB.NewID(letters)
		g.must(err)
		return id
	}
	g.DB.Seal, g.DB.Open = g.Keys.Seal, g.Keys.Open // mail is on
	have = proofs{github: id("uam"), foreign: id("uam"), passkey: id("pk")}
	ctx := g.Context()
	g.prepare(store.User(userID), func(tx *store.Tx) error {
		for _, step := range []func() error{
			func() error { return tx.SetPassword(ctx, userID, "$argon2id$") },
			func() error { return tx.OfferTOTP(ctx, userID, "sealed", tx.Now.Add(time.Minute)) },
			func() error { _, err := tx.SetTOTP(ctx, userID, "sealed", 1); return err },
			func() error { return tx.OfferTOTP(ctx, userID, "another", tx.Now.Add(time.Minute)) },
			func() error { return tx.SetRecoveryCodes(ctx, userID, []string{"one", "two"}) },
			func() error {
				return tx.AddPasskey(ctx, identity.Passkey{ID: have.passkey, UserID: userID, CredentialID: have.passkey, PublicKey: []byte{1}, Name: "Blue key"})
			},
			func() error {
				return tx.AddLinkedIdentity(ctx, identity.LinkedIdentity{ID: have.github, UserID: userID, Provider: identity.ProviderGitHub, Subject: have.github, PublicIdentity: "bob-on-github"})
			},
			func() error {
				return tx.AddLinkedIdentity(ctx, identity.LinkedIdentity{ID: have.foreign, UserID: userID, Provider: "amforeign", OrganizationID: g.b.ID, Subject: have.foreign})
			},
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	return have
}

// made is a personal token that descends from a proof.
func (g *ground) made(userID string, method policy.Method, proof string) string {
	g.Helper()
	return g.token(identity.Token{UserID: userID, Kind: policy.PersonalToken, Identity: proof, Authentication: policy.Authentication{Method: method}})
}

// lives says whether a credential is accepted for its owner's own things.
func (g *ground) lives(bearer string) bool {
	_, err := g.access.Check(g.Context(), accessRequest(bearer, ""))
	return err == nil
}

// mails are the kinds of mail to an address, newest first.
func (g *ground) mails(email string) (kinds []string) {
	g.Helper()
	held, err := g.DB.HeldMail(g.Context(), 1000)
	g.must(err)
	for _, m := range held {
		if m.Mail.To == email {
			kinds = append(kinds, m.Mail.Kind)
		}
	}
	return kinds
}

func TestResetSecondFactor(t *testing.T) {
	onGround(t, func(g *ground) {
		g.manage(g.a, g.bob)
		have := g.arm(g.bob)
		byPassword, byPasskey, byGitHub := g.made(g.bob, policy.MethodPassword, ""), g.made(g.bob, policy.MethodPasskey, have.passkey), g.made(g.bob, policy.MethodGitHub, have.github)
		reset := func() error { return g.ResetSecondFactor(t.Context(), g.as(g.alice, g.a.ID), g.bob) }
		e := g.wantEvents(func() { g.must(reset()) }, "second_factor_cleared")[0]
		if e.Target.ID != g.bob || e.OrganizationID != g.a.ID || e.AccountID != g.a.AccountID {
			t.Errorf("recorded %+v", e)
		}
		g.detail(e, `"authenticator":true`, `"passkeys":1`, `"recovery_codes":2`, `"ended_sessions":1`, `"ended_personal_tokens":1`, `"ended_tokens":1`)
		for what, c := range map[string]struct {
			bearer string
			want   bool
		}{
			"session": {g.sessions[g.bob], false}, "token by password": {byPassword, false},
			"token by passkey": {byPasskey, false}, "token by GitHub": {byGitHub, true},
		} {
			if got := g.lives(c.bearer); got != c.want {
				t.Errorf("%s lives: %t", what, got)
			}
		}
		list, err := g.MemberLogins(t.Context(), g.as(g.alice, g.a.ID), g.bob)
		g.must(err)
		if len(list) != 3 || list[0].Method != policy.MethodPassword || list[0].SecondFactor {
			t.Errorf("%d ways are left, the first %v", len(list), list[0].Method)
		}
		g.must(g.DB.View(t.Context(), func(r *store.Read) error {
			left, err := r.RecoveryCodesLeft(t.Context(), g.bob)
			g.must(err)
			offer, err := r.TOTPOffer(t.Context(), g.bob)
			if left != 0 || offer != "" {
				t.Errorf("%d recovery codes and the offer %q are left", left, offer)
			}
			return err
		}))
		if got := strings.Join(g.mails("bob@a.example"), " "); got != identity.MailFactorsCleared {
			t.Errorf("mailed %s", got)
		}
		g.wantEvents(func() { g.must(reset()) }) // nothing is left to clear
	})
}

func TestRemoveMemberLogin(t *testing.T) {
	onGround(t, func(g *ground) {
		g.manage(g.a, g.bob)
		have := g.arm(g.bob)
		byPassword, byPasskey, byGitHub := g.made(g.bob, policy.MethodPassword, ""), g.made(g.bob, policy.MethodPasskey, have.passkey), g.made(g.bob, policy.MethodGitHub, have.github)
		remove := func(id string) func() error {
			return func() error { return g.RemoveMemberLogin(t.Context(), g.as(g.alice, g.a.ID), g.bob, id) }
		}
		g.refused("bad_request", remove(identity.LoginMethodID(g.bob, policy.MethodPassword)))
		for _, id := range []string{"uam0123456789a", "pk0123456789a", identity.LoginMethodID(g.alice, policy.MethodPassword), ""} {
			g.refused("user_authentication_method_not_found", remove(id))
		}

		e := g.wantEvents(func() { g.must(remove(have.github)()) }, "login_method_removed")[0]
		g.detail(e, `"method":"github"`, have.github, `"ended_tokens":1`)
		if g.lives(byGitHub) || !g.lives(byPasskey) || !g.lives(byPassword) {
			t.Error("the wrong tokens ended with the identity at GitHub")
		}
		g.refused("user_authentication_method_not_found", remove(have.github))

		// Another organization's provider is not named in this one's log.
		e = g.wantEvents(func() { g.must(remove(have.foreign)()) }, "login_method_removed")[0]
		g.detail(e, `"method":"oidc"`)
		if strings.Contains(string(e.Detail)+e.Description, "amforeign") {
			t.Errorf("the event names the provider: %s %s", e.Description, e.Detail)
		}

		// The authenticator is left: a second factor stays, and so do sessions.
		e = g.wantEvents(func() { g.must(remove(have.passkey)()) }, "login_method_removed")[0]
		g.detail(e, `"method":"passkey"`, `"ended_tokens":1`)
		if g.lives(byPasskey) || !g.lives(byPassword) || !g.lives(g.sessions[g.bob]) {
			t.Error("the wrong credentials ended with the passkey")
		}
		if got := strings.Join(g.mails("bob@a.example"), " "); got != strings.Repeat(identity.MailMethodTaken+" ", 2)+identity.MailMethodTaken {
			t.Errorf("mailed %s", got)
		}
	})
}

func TestRemovingTheLastSecondFactorEndsSessions(t *testing.T) {
	onGround(t, func(g *ground) {
		g.manage(g.a, g.bob)
		have := g.arm(g.bob)
		g.prepare(store.User(g.bob), func(tx *store.Tx) error { return tx.RemoveTOTP(t.Context(), g.bob) })
		byPassword := g.made(g.bob, policy.MethodPassword, "")
		e := g.wantEvents(func() {
			g.must(g.RemoveMemberLogin(t.Context(), g.as(g.alice, g.a.ID), g.bob, have.passkey))
		}, "login_method_removed")[0]
		g.detail(e, `"ended_sessions":1`, `"ended_personal_tokens":1`)
		if g.lives(byPassword) || g.lives(g.sessions[g.bob]) {
			t.Error("a credential outlives the last second factor")
		}
	})
}

// Row ORG-08: nobody acts upwards, on strangers, or around their own factor.
func TestORG08ProofsOfOthers(t *testing.T) {
	onGround(t, func(g *ground) {
		carol, adam, app := g.member(g.a, "carol@a.example"), g.member(g.a, "adam@a.example"), g.application(g.a)
		g.grant(g.a, g.alice, organizationResource(g.a), carol, "organization:users:write")
		g.grant(g.a, g.alice, organizationResource(g.a), adam, identity.AdminRole)
		ids := map[string]string{}
		for _, id := range []string{g.alice, g.bob, adam} {
			ids[id] = g.arm(id).github
		}
		const role = "user_role_not_allowed_to_perform_operation"
		refused := func(by, of, want string) {
			t.Helper()
			for _, act := range []func(p *identity.Principal) error{
				func(p *identity.Principal) error { return g.ResetSecondFactor(t.Context(), p, of) },
				func(p *identity.Principal) error { return g.RemoveMemberLogin(t.Context(), p, of, ids[of]) },
			} {
				g.refused(want, func() error { return act(g.as(by, g.a.ID)) })
			}
		}
		refused(g.alice, g.bob, "action_forbidden_on_unmanaged_users")
		refused(g.alice, g.eve, "organization_user_not_found")
		refused(g.alice, app, "action_forbidden_on_application_users")
		for _, id := range []string{g.alice, g.bob, carol, adam} {
			g.manage(g.a, id)
		}
		refused(g.bob, adam, "permission_denied")
		refused(carol, adam, role)
		refused(carol, g.alice, role)
		refused(adam, g.alice, role)
		refused(g.alice, g.alice, role)
		refused(carol, carol, "action_forbidden_for_managed_users")
		g.must(g.RemoveMemberLogin(t.Context(), g.as(carol, g.a.ID), g.bob, ids[g.bob]))
		g.must(g.ResetSecondFactor(t.Context(), g.as(adam, g.a.ID), g.bob))
		g.must(g.ResetSecondFactor(t.Context(), g.as(g.alice, g.a.ID), adam))
	})
}
