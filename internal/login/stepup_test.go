package login

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

func stepUp(p *identity.Principal) Begin {
	return Begin{Purpose: identity.AttemptStepUp, Principal: p, Next: "/profile/authentication"}
}

// TestSES01_StepUpReplacesTheSession: a fresh one takes the place of the old.
func TestSES01_StepUpReplacesTheSession(t *testing.T) {
	each(t, func(w *world) {
		secret := w.enrol(w.person(alice, goodPassword))
		old := w.principal(w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)}).Token)
		w.clock.advance(11 * time.Minute)
		if old.Fresh(w.clock.now()) {
			w.t.Fatal("still fresh")
		}
		b := w.browser()
		flow := b.at(StepChoose)(b.begin(stepUp(old)))
		if flow.Email != alice || len(flow.Options) != 1 || flow.Options[0].Action != ActionPassword {
			w.t.Errorf("asks %+v", flow)
		}
		flow = b.at(StepFactor)(b.password(goodPassword))
		if flow.Factors != (Factors{Code: true}) {
			w.t.Errorf("factors %+v", flow.Factors)
		}
		done := b.at(StepDone)(b.typed(w.code(secret, 0))).Done
		fresh := w.principal(done.Token)
		if !fresh.Fresh(w.clock.now()) || fresh.User.ID != old.User.ID {
			w.t.Errorf("the new session: %+v", fresh.Token)
		}
		w.wantAlive("the old session", old, false)
		w.wantEvents("step_up", 1)
	})
}

// TestSES09_StepUpThatIsTooEasy.
func TestSES09_StepUpThatIsTooEasy(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		w.person("bob@a.example", goodPassword)
		token := w.token(u, policy.PersonalToken, policy.MethodPassword)
		_, err := w.browser().begin(stepUp(token))
		want(w.t, "from a token", err, identity.Forbidden, "session_required")
		_, err = w.browser().begin(stepUp(nil))
		want(w.t, "from nothing", err, identity.Unauthenticated, "authentication_failed")

		byGoogle := w.token(u, policy.Session, policy.MethodGoogle)
		b := w.browser()
		b.at(StepChoose)(b.begin(stepUp(byGoogle)))
		_, err = b.identify("bob@a.example")
		want(w.t, "as another user", err, identity.Conflict, "login_attempt_changed")
		_, err = b.password(goodPassword)
		want(w.t, "by less than the session", err, identity.Forbidden, "fresh_login_required")
		w.wantAlive("the session", byGoogle, true)

		byPassword := w.session(u)
		b = w.browser()
		b.at(StepChoose)(b.begin(stepUp(byPassword)))
		w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.RevokeToken(ctx, u.ID, byPassword.Token.Prefix)
			return err
		})
		_, err = b.password(goodPassword)
		want(w.t, "of a session that has ended", err, identity.Invalid, "login_attempt_expired")
		w.wantEvents("step_up", 0)
	})
}

// TestSES09_FactorIsAsked of who set one up after the session began.
func TestSES09_FactorIsAsked(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	p := w.session(u)
	w.enrol(u)
	b := w.browser()
	b.at(StepChoose)(b.begin(stepUp(p)))
	b.at(StepFactor)(b.password(goodPassword))
	w.wantAlive("the session", p, true)
}

func TestWeaker(t *testing.T) {
	auth := func(m policy.Method, second bool) policy.Authentication {
		return policy.Authentication{Method: m, SecondFactor: second}
	}
	for _, c := range []struct {
		name         string
		how, session policy.Authentication
		want         bool
	}{
		{"password for a password", auth(policy.MethodPassword, false), auth(policy.MethodPassword, false), false},
		{"password for a passkey", auth(policy.MethodPassword, false), auth(policy.MethodPasskey, true), true},
		{"password for Google", auth(policy.MethodPassword, false), auth(policy.MethodGoogle, false), true},
		{"two factors for Google", auth(policy.MethodPassword, true), auth(policy.MethodGoogle, false), false},
		{"a passkey for two factors", auth(policy.MethodPasskey, true), auth(policy.MethodPassword, true), false},
	} {
		if got := weaker(c.how, c.session); got != c.want {
			t.Errorf("%s: weaker %v, want %v", c.name, got, c.want)
		}
	}
}

// A link begins from a fresh session of a confirmed account only.
func TestSOC09_LinksBeginFresh(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	p := w.session(u)
	link := func(p *identity.Principal) error {
		_, err := w.browser().begin(Begin{Purpose: identity.AttemptLink, Provider: "google", Principal: p})
		return err
	}
	w.clock.advance(11 * time.Minute)
	want(t, "a stale session", link(p), identity.Forbidden, "fresh_login_required")
	eve := w.person("eve@a.example", goodPassword, func(u *identity.User) { u.EmailConfirmed = time.Time{} })
	want(t, "EML-07 an unconfirmed address", link(w.session(eve)), identity.Forbidden, "email_not_confirmed")
}

func TestStepUpOffersWhatIsSetUp(t *testing.T) {
	w := lite(t)
	w.ThirdParties = []string{"google", "github"}
	u := w.person(alice, goodPassword)
	w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
		return tx.AddLinkedIdentity(ctx, identity.LinkedIdentity{ID: "uam00000000001", UserID: u.ID, Provider: "github", Subject: "1"})
	})
	b := w.browser()
	flow := b.at(StepChoose)(b.begin(stepUp(w.session(u))))
	var actions []string
	for _, o := range flow.Options {
		actions = append(actions, o.Action)
	}
	if !slices.Equal(actions, []string{ActionPassword, ActionGitHub}) {
		t.Errorf("offers %q", actions)
	}
}
