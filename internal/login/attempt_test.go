package login

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// browser is one that holds the cookies of a flow.
type browser struct {
	*world
	secret string
	from   Caller
}

func (w *world) browser() *browser {
	return &browser{world: w, from: Caller{Client: address(int(nextAddress.Add(1))), UserAgent: "Firefox", RequestID: "req_test"}}
}

// took keeps the cookie of an answer and returns both.
func (b *browser) took(flow Flow, err error) (Flow, error) {
	if flow.Secret != "" {
		b.secret = flow.Secret
	}
	return flow, err
}

// at fails the test unless an answer is at a step.
func (b *browser) at(step Step) func(Flow, error) Flow {
	b.t.Helper()
	return func(flow Flow, err error) Flow {
		b.t.Helper()
		if flow, err = b.took(flow, err); err != nil || flow.Step != step {
			b.t.Fatalf("at step %q with %v, want %q", flow.Step, err, step)
		}
		return flow
	}
}

func (b *browser) begin(in Begin) (Flow, error) { return b.Begin(b.t.Context(), b.from, in) }
func (b *browser) identify(email string) (Flow, error) {
	return b.Identify(b.t.Context(), b.from, b.secret, email)
}

func (b *browser) password(password string) (Flow, error) {
	return b.Password(b.t.Context(), b.from, b.secret, password)
}

func (b *browser) typed(code string) (Flow, error) {
	return b.Code(b.t.Context(), b.from, b.secret, code)
}
func (b *browser) resume() (Flow, error) { return b.Resume(b.t.Context(), b.from, b.secret) }
func (b *browser) accept() (Flow, error) { return b.Accept(b.t.Context(), b.from, b.secret, "") }

// toFactor brings a browser to the second factor of alice.
func (w *world) toFactor() *browser {
	w.t.Helper()
	b := w.browser()
	b.at(StepIdentify)(b.begin(Begin{}))
	b.at(StepChoose)(b.identify(alice))
	b.at(StepFactor)(b.password(goodPassword))
	return b
}

func TestAttemptFromAddressToSession(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		b := w.browser()
		flow := b.at(StepIdentify)(b.begin(Begin{Next: "/profile/tokens"}))
		if flow.Secret == "" || flow.Purpose != identity.AttemptLogin || slices.ContainsFunc(flow.Options, func(o Option) bool { return o.Action == ActionPassword }) {
			w.t.Errorf("begun with %+v", flow)
		}
		flow = b.at(StepChoose)(b.identify("  ALICE@a.example."))
		if flow.Secret != "" || flow.Email != alice || flow.Options[0].Action != ActionPassword {
			w.t.Errorf("after the address: %+v", flow)
		}
		_, err := b.password("wrong")
		want(w.t, "a wrong password", err, identity.Forbidden, "authentication_failed")
		b.at(StepChoose)(b.resume())
		flow = b.at(StepDone)(b.password(goodPassword))
		if flow.Next != "/profile/tokens" || flow.Done == nil || flow.Done.User.ID != u.ID || flow.Done.Device == "" {
			w.t.Errorf("done with %+v", flow)
		}
		p := w.principal(flow.Done.Token)
		want := browserShape
		if t := p.Token; t.Authentication.Method != policy.MethodPassword || !t.ExtendWhenUsed || t.MaxAge != want.idle || t.Ends.Sub(t.Created) != want.life || t.Expires.Sub(t.Created) != want.idle {
			w.t.Errorf("the session: %+v", t)
		}
		if e := w.wantEvents("login", 1)[0]; e.Actor.ID != u.ID || !strings.Contains(string(e.Detail), `"client":"browser"`) {
			w.t.Errorf("event %+v", e)
		}
		_, err = b.resume()
		if !errors.Is(err, store.NoAttempt()) {
			w.t.Errorf("the attempt goes on: %v", err)
		}
	})
}

func TestAttemptRefusesOtherSteps(t *testing.T) {
	w := lite(t)
	w.person(alice, goodPassword)
	b := w.browser()
	b.at(StepIdentify)(b.begin(Begin{}))
	for what, call := range map[string]func() (Flow, error){
		"a password before the address": func() (Flow, error) { return b.password(goodPassword) },
		"a code":                        func() (Flow, error) { return b.typed("123456") },
		"yes":                           b.accept,
	} {
		_, err := call()
		want(t, what, err, identity.Conflict, "login_attempt_changed")
	}
	_, err := b.identify("not an address")
	want(t, "no address", err, identity.Invalid, "invalid_email_format")
	_, err = b.begin(Begin{Purpose: "borrow"})
	want(t, "another purpose", err, identity.Invalid, "bad_request")
	for _, path := range foreignPaths {
		if flow := b.at(StepIdentify)(w.browser().begin(Begin{Next: path})); flow.Next != "" {
			t.Errorf("WEB-04: leads to %q", flow.Next)
		}
		w.clock.advance(time.Second)
	}
}

// Another address in the same attempt takes nothing along.
func TestAttemptForAnotherAddressBeginsAnew(t *testing.T) {
	w := lite(t)
	w.enrol(w.person(alice, goodPassword))
	w.person("bob@a.example", goodPassword)
	b := w.toFactor()
	b.at(StepChoose)(b.identify("bob@a.example"))
	flow := b.at(StepDone)(b.password(goodPassword))
	if flow.Done.User.Email != "bob@a.example" || w.principal(flow.Done.Token).Token.Authentication.SecondFactor {
		t.Errorf("a session of %+v", flow.Done.User)
	}
}

// TestSES02_BoundToItsBrowser: nothing but the cookie continues an attempt.
func TestSES02_BoundToItsBrowser(t *testing.T) {
	each(t, func(w *world) {
		w.person(alice, goodPassword)
		eve := w.browser()
		eve.at(StepIdentify)(eve.begin(Begin{}))
		eve.at(StepChoose)(eve.identify(alice))
		row := see(w, func(ctx context.Context, r *store.Read) (identity.Attempt, error) {
			id, _ := credential.HashCode(eve.secret)
			return r.Attempt(ctx, id)
		})
		before := w.allEvents()
		other, _ := credential.NewCode(w.rand())
		for what, secret := range map[string]string{"none": "", "another": other, "the row's id": row.ID, "rubbish": "x"} {
			victim := w.browser()
			victim.secret = secret
			_, err := victim.password(goodPassword)
			want(w.t, what, err, identity.Invalid, "login_attempt_expired")
		}
		w.clock.advance(attemptLife + time.Second)
		_, err := eve.password(goodPassword)
		want(w.t, "too late", err, identity.Invalid, "login_attempt_expired")
		if n := w.allEvents(); n != before {
			w.t.Errorf("%d events", n-before)
		}
	})
}

// TestSES01_FlowSecretsAreReplaced: whoever planted a flow cookie is left
// behind by the password.
func TestSES01_FlowSecretsAreReplaced(t *testing.T) {
	each(t, func(w *world) {
		secret := w.enrol(w.person(alice, goodPassword))
		b := w.browser()
		b.at(StepIdentify)(b.begin(Begin{}))
		b.at(StepChoose)(b.identify(alice))
		planted := b.secret
		b.at(StepFactor)(b.password(goodPassword))
		if b.secret == planted {
			w.t.Fatal("the flow secret stayed")
		}
		eve := w.browser()
		eve.secret = planted
		_, err := eve.typed(w.code(secret, 0))
		want(w.t, "the planted one", err, identity.Invalid, "login_attempt_expired")
		b.at(StepDone)(b.typed(w.code(secret, 0)))
	})
}

// TestMFA04_FiveCodesEndTheAttempt: then the password is asked again, and the
// next wrong code has to wait.
func TestMFA04_FiveCodesEndTheAttempt(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		b := w.toFactor()
		for i := range maxTries {
			_, err := b.typed(w.wrongCodeFor(secret))
			want(w.t, "a wrong code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
			if _, err := b.resume(); (err == nil) != (i < maxTries-1) {
				w.t.Errorf("after %d wrong codes: %v", i+1, err)
			}
		}
		_, err := b.typed(w.code(secret, 0))
		want(w.t, "the right one, too late", err, identity.Invalid, "login_attempt_expired")
		if w.sessions(u) != 0 {
			w.t.Error("a session")
		}
		b = w.toFactor()
		_, err = b.typed(w.wrongCodeFor(secret))
		want(w.t, "at once", err, identity.TooMany, "too_many_requests")
		w.clock.advance(time.Minute)
		b.at(StepDone)(b.typed(w.code(secret, 0)))
	})
}

// What could not be checked is no try.
func TestTriesThatHadToWaitAreNotCounted(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	secret := w.enrol(u)
	w.fail("user:"+u.ID+":otp", 10)
	b := w.toFactor()
	_, err := b.typed(w.wrongCodeFor(secret))
	want(t, "a wrong code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
	for range 2 * maxTries {
		_, err := b.typed(w.wrongCodeFor(secret))
		want(t, "too early", err, identity.TooMany, "too_many_requests")
	}
	w.clock.advance(time.Minute)
	_, err = b.typed(w.wrongCodeFor(secret))
	want(t, "another wrong code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
	w.clock.advance(time.Minute)
	b.at(StepDone)(b.typed(w.code(secret, 0)))
}

// TestMFA05_HalfALoginOpensNothing: a flow secret is no token, and no exchange
// code.
func TestMFA05_HalfALoginOpensNothing(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		w.enrol(u)
		b := w.toFactor()
		if _, ok := credential.Parse(b.secret); ok {
			w.t.Error("the flow secret has the form of a token")
		}
		_, err := w.Exchange(w.t.Context(), b.from, b.secret, strings.Repeat("v", 43), "")
		want(w.t, "as a code", err, identity.Invalid, "login_attempt_expired")
		_, err = b.accept()
		want(w.t, "yes instead of the code", err, identity.Conflict, "login_attempt_changed")
		if w.sessions(u) != 0 || len(w.events("login")) != 0 {
			w.t.Error("half a login opened a session")
		}
	})
}

// One right code opens one session, however often and at once it is sent.
func TestMFA01_OneSessionForOneAttempt(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		b := w.toFactor()
		code := w.code(secret, 0)
		errs := together(16, func(i int) error {
			_, err := w.Code(w.t.Context(), Caller{Client: address(9000 + i)}, b.secret, code)
			return err
		})
		if n := successes(errs); n != 1 || w.sessions(u) != 1 {
			w.t.Fatalf("%d of 16 succeeded, %d sessions", n, w.sessions(u))
		}
	})
}

// TestPWD10_AttemptsEnd with the password that they relied on.
func TestPWD10_AttemptsEnd(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		b := w.toFactor()
		phc, err := w.Hasher.Hash(w.t.Context(), nextPassword)
		if err != nil {
			w.t.Fatal(err)
		}
		w.clock.advance(time.Second)
		w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error { return tx.SetPassword(ctx, u.ID, phc) })
		_, err = b.typed(w.code(secret, 0))
		want(w.t, "a code after the password changed", err, identity.Invalid, "login_attempt_expired")
		if w.sessions(u) != 0 {
			w.t.Error("a session")
		}
	})
}

// SES-10: who ends all sessions ends the logins too that somebody else has half
// done, or has proved for a command line that has not fetched its session.
func TestSES10_LoginsUnderWayEnd(t *testing.T) {
	for what, end := range map[string]func(w *world, p *identity.Principal) error{
		"expire tokens": func(w *world, p *identity.Principal) error { _, err := w.ExpireTokens(w.t.Context(), p); return err },
		"end others": func(w *world, p *identity.Principal) error {
			_, err := w.EndOtherSessions(w.t.Context(), p)
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			each(t, func(w *world) {
				u := w.person(alice, goodPassword)
				owner := w.session(u)
				code := w.approved(Begin{CommandLine: commandLine()})
				waiting := w.browser()
				waiting.at(StepIdentify)(waiting.begin(Begin{CommandLine: commandLine()}))
				waiting.at(StepChoose)(waiting.identify(alice))
				waiting.at(StepApprove)(waiting.password(goodPassword))
				w.clock.advance(time.Second)
				if err := end(w, owner); err != nil {
					w.t.Fatal(err)
				}
				w.clock.advance(time.Second)
				_, err := w.exchange(code, verifier)
				want(w.t, "an approved command line", err, identity.Invalid, "login_attempt_expired")
				_, err = waiting.accept()
				want(w.t, "one that waits for its approval", err, identity.Invalid, "login_attempt_expired")
				if n := len(w.events("login")); n != 1 {
					w.t.Errorf("%d logins, want that of the owner", n)
				}
			})
		})
	}
}

// TestRAT01_AttemptsSayTheSame for whatever address.
func TestRAT01_AttemptsSayTheSame(t *testing.T) {
	w := lite(t)
	w.enrol(w.person(alice, goodPassword))
	w.person("sso@a.example", "")
	w.person("gone@a.example", goodPassword, func(u *identity.User) { u.State = identity.StateDeactivated })
	hashes := w.hashes.Load()
	var words []string
	addresses := []string{alice, "nobody@a.example", "sso@a.example", "gone@a.example"}
	for _, email := range addresses {
		b := w.browser()
		b.at(StepIdentify)(b.begin(Begin{}))
		b.at(StepChoose)(b.identify(email))
		_, err := b.password("wrong")
		words = append(words, known(t, err).Error())
	}
	if len(slices.Compact(slices.Clone(words))) != 1 {
		t.Errorf("told apart: %q", words)
	}
	if n := w.hashes.Load() - hashes; n != int64(len(addresses)) {
		t.Errorf("%d hashes for %d tries", n, len(addresses))
	}
}

// A managed user is refused at the end, by the organization's policy.
func TestAttemptsAreJudged(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	w.manage(u, w.organization("Strict", `{"password_auth_enabled": false}`, u))
	b := w.browser()
	b.at(StepIdentify)(b.begin(Begin{}))
	b.at(StepChoose)(b.identify(alice))
	_, err := b.password(goodPassword)
	want(t, "a password", err, identity.Forbidden, policy.CodePassword)
	w.wantEvents("login_refused", 1)
	if w.sessions(u) != 0 {
		t.Error("a session")
	}
}

func TestAbandon(t *testing.T) {
	w := lite(t)
	b := w.browser()
	b.at(StepIdentify)(b.begin(Begin{}))
	for range 2 {
		if err := w.Abandon(t.Context(), b.secret); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.resume()
	want(t, "abandoned", err, identity.Invalid, "login_attempt_expired")
}
