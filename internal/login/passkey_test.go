package login

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential/softkey"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const badPasskey = "passkey_verification_failed"

// wrongAnswer has the shape of one.
var wrongAnswer = []byte(`{"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {"clientDataJSON": "e30"}}`)

// authenticator is an honest one at the service's own page.
func (w *world) authenticator() *softkey.Authenticator {
	return &softkey.Authenticator{Origin: w.PublicURL}
}

// register gives the owner of a session a passkey, and returns the session
// that goes on.
func (w *world) register(p *identity.Principal, key *softkey.Authenticator, name string) (PasskeyAdded, *identity.Principal) {
	w.t.Helper()
	offer, err := w.OfferPasskey(w.t.Context(), p)
	if err != nil {
		w.t.Fatal("offer a passkey:", err)
	}
	response, err := key.Create(offer.Options)
	if err != nil {
		w.t.Fatal(err)
	}
	added, err := w.RegisterPasskey(w.t.Context(), p, offer.Secret, name, response)
	if err != nil {
		w.t.Fatal("register a passkey:", err)
	}
	if added.Token != "" {
		p = w.principal(added.Token)
	}
	return added, p
}

func (b *browser) passkey(response []byte) (Flow, error) {
	return b.Passkey(b.t.Context(), b.from, b.secret, response)
}

// answer is what an authenticator says to the challenge of a flow.
func (b *browser) answer(key *softkey.Authenticator, flow Flow) []byte {
	b.t.Helper()
	response, err := key.Get(flow.Passkey)
	if err != nil {
		b.t.Fatal(err)
	}
	return response
}

func (w *world) mails(kind string) int64 {
	w.t.Helper()
	return see(w, func(ctx context.Context, r *store.Read) (int64, error) {
		return r.MailsSince(ctx, alice, kind, time.Time{})
	})
}

func TestPasskeyIsBothFactors(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		key := w.authenticator()
		added, session := w.register(w.session(u), key, " Blue key ")
		if added.Passkey.Name != "Blue key" || !strings.HasPrefix(added.Passkey.ID, "pk") || len(added.RecoveryCodes) != 10 {
			w.t.Errorf("added %+v with %d codes", added.Passkey, len(added.RecoveryCodes))
		}
		for _, first := range []Step{StepIdentify, StepChoose} {
			b := w.browser()
			flow := b.at(StepIdentify)(b.begin(Begin{}))
			if first == StepChoose {
				flow = b.at(StepChoose)(b.identify("somebody@else.example"))
			}
			if strings.Contains(string(flow.Passkey), added.Passkey.CredentialID) {
				w.t.Errorf("at %s the options name a passkey: %s", first, flow.Passkey)
			}
			done := b.at(StepDone)(b.passkey(b.answer(key, flow)))
			p := w.principal(done.Done.Token)
			how := p.Token.Authentication
			if p.User.ID != u.ID || how.Method != policy.MethodPasskey || !how.SecondFactor || p.Token.Identity != added.Passkey.ID || !p.Token.ExtendWhenUsed {
				w.t.Errorf("at %s: session %+v", first, p.Token)
			}
		}
		list, err := w.Passkeys(w.t.Context(), session)
		if err != nil || len(list) != 1 || !list[0].LastUsed.Equal(w.clock.now()) {
			w.t.Errorf("passkeys %+v, %v", list, err)
		}
		w.wantEvents("passkey_added", 1)
	})
}

func TestPasskeyAfterThePassword(t *testing.T) {
	each(t, func(w *world) {
		key, other := w.authenticator(), w.authenticator()
		added, _ := w.register(w.session(w.person(alice, goodPassword)), key, "")
		if added.Passkey.Name != "Passkey of 4 May 2026" {
			w.t.Errorf("name %q", added.Passkey.Name)
		}
		w.register(w.session(w.person("bob@a.example", goodPassword)), other, "")
		b := w.toFactor()
		flow, _ := b.resume()
		if flow.Factors != (Factors{Recovery: true, Passkey: true}) || !strings.Contains(string(flow.Passkey), added.Passkey.CredentialID) {
			w.t.Fatalf("asks %+v with %s", flow.Factors, flow.Passkey)
		}
		if _, err := other.Get(flow.Passkey); err != softkey.ErrNone {
			w.t.Error("another user's passkey would do")
		}
		p := w.principal(b.at(StepDone)(b.passkey(b.answer(key, flow))).Done.Token)
		if how := p.Token.Authentication; how.Method != policy.MethodPassword || !how.SecondFactor || p.Token.Identity != added.Passkey.ID {
			w.t.Errorf("session %+v", p.Token)
		}
		events := w.wantEvents("login", 3)
		if got := events[0].Description; got != "logged in with a password and a passkey" {
			w.t.Errorf("event %q", got)
		}
		_, err := w.try(In{Email: alice, Password: goodPassword})
		want(w.t, "a password alone", err, identity.NeedsCode, "user_otp_required")
	})
}

func TestPasskeyStepsUp(t *testing.T) {
	each(t, func(w *world) {
		key := w.authenticator()
		_, old := w.register(w.session(w.person(alice, goodPassword)), key, "")
		w.clock.advance(11 * time.Minute)
		b := w.browser()
		flow := b.at(StepChoose)(b.begin(stepUp(old)))
		p := w.principal(b.at(StepDone)(b.passkey(b.answer(key, flow))).Done.Token)
		if !p.Fresh(w.clock.now()) || p.Token.Authentication.Method != policy.MethodPasskey {
			w.t.Errorf("session %+v", p.Token)
		}
		w.wantAlive("the old session", old, false)
	})
}

// TestMFA12_AChallengeIsAnsweredOnce, right or wrong, in its browser, in time,
// for what it was made.
func TestMFA12_AChallengeIsAnsweredOnce(t *testing.T) {
	each(t, func(w *world) {
		key := w.authenticator()
		w.register(w.session(w.person(alice, goodPassword)), key, "")
		ctx := w.t.Context()
		refused := func(what string, b *browser, response []byte) {
			w.t.Helper()
			_, err := b.passkey(response)
			want(w.t, what, err, identity.Invalid, badPasskey)
		}
		start := func() (*browser, Flow) {
			b := w.browser()
			return b, b.at(StepIdentify)(b.begin(Begin{}))
		}

		b, flow := start()
		right := b.answer(key, flow)
		b.at(StepDone)(b.passkey(right))
		_, err := b.passkey(right)
		want(w.t, "in an attempt that is over", err, identity.Invalid, "login_attempt_expired")
		b, _ = start()
		refused("a used answer in another attempt", b, right)

		b, flow = start()
		right = b.answer(key, flow)
		_, err = b.passkey([]byte("{}"))
		want(w.t, "no answer at all", err, identity.Invalid, "bad_request")
		refused("nonsense", b, wrongAnswer)
		refused("after a failed try", b, right)
		again, err := b.resume()
		if err != nil || string(again.Passkey) == string(flow.Passkey) {
			w.t.Fatalf("the challenge stays: %v", err)
		}
		b.at(StepDone)(b.passkey(b.answer(key, again)))

		b, flow = start()
		right = b.answer(key, flow)
		w.clock.advance(5 * time.Minute)
		refused("after five minutes", b, right)

		b, flow = start()
		other, _ := start()
		refused("from another browser", other, b.answer(key, flow))
		b.at(StepChoose)(b.identify(alice))
		b.at(StepFactor)(b.password(goodPassword))
		refused("of the step before", b, b.answer(key, flow))

		session := w.principal(w.passkeyLogin(key))
		offer, err := w.OfferPasskey(ctx, session)
		if err != nil {
			w.t.Fatal(err)
		}
		var o struct {
			Challenge string `json:"challenge"`
		}
		_ = json.Unmarshal(offer.Options, &o)
		b, flow = start()
		registered := w.authenticator()
		response, _ := registered.Create(offer.Options)
		refused("a registration", b, response)
		b.secret = offer.Secret
		_, err = b.passkey(response)
		want(w.t, "the secret of a registration", err, identity.Invalid, "login_attempt_expired")
		for what, secret := range map[string]string{"a login's secret": func() string { b, _ := start(); return b.secret }(), "none": ""} {
			_, err = w.RegisterPasskey(ctx, session, secret, "", response)
			want(w.t, what, err, identity.Invalid, "login_attempt_expired")
		}
		elsewhere := w.principal(w.passkeyLogin(key))
		_, err = w.RegisterPasskey(ctx, elsewhere, offer.Secret, "", response)
		want(w.t, "another session's offer", err, identity.Invalid, "login_attempt_expired")
		_, err = w.RegisterPasskey(ctx, session, offer.Secret, "", wrongAnswer)
		want(w.t, "nonsense", err, identity.Invalid, badPasskey)
		_, err = w.RegisterPasskey(ctx, session, offer.Secret, "", response)
		want(w.t, "after a failed try", err, identity.Invalid, "login_attempt_expired")
	})
}

// passkeyLogin logs in as a browser does and returns the session.
func (w *world) passkeyLogin(key *softkey.Authenticator) string {
	w.t.Helper()
	b := w.browser()
	flow := b.at(StepIdentify)(b.begin(Begin{}))
	return b.at(StepDone)(b.passkey(b.answer(key, flow))).Done.Token
}

// TestCON01_OnePasskeyAnswer: of simultaneous answers to a challenge one opens.
func TestCON01_OnePasskeyAnswer(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		key := w.authenticator()
		_, session := w.register(w.session(u), key, "")
		for range 5 {
			b := w.browser()
			flow := b.at(StepIdentify)(b.begin(Begin{}))
			response := b.answer(key, flow)
			before := w.sessions(u)
			errs := together(8, func(int) error {
				_, err := b.Passkey(w.t.Context(), b.from, b.secret, response)
				return err
			})
			if n := successes(errs); n != 1 || w.sessions(u) != before+1 {
				w.t.Fatalf("%d answers accepted, %d sessions more: %v", n, w.sessions(u)-before, errs)
			}
		}
		offer, err := w.OfferPasskey(w.t.Context(), session)
		if err != nil {
			w.t.Fatal(err)
		}
		response, _ := w.authenticator().Create(offer.Options)
		errs := together(8, func(int) error {
			_, err := w.RegisterPasskey(w.t.Context(), session, offer.Secret, "", response)
			return err
		})
		if n := successes(errs); n != 1 {
			w.t.Errorf("%d registrations of one offer: %v", n, errs)
		}
	})
}

// TestMFA04_FiveWrongPasskeys end the attempt; the user's counters stay, and
// the address pays.
func TestMFA04_FiveWrongPasskeys(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	key := w.authenticator()
	w.register(w.session(u), key, "")
	b := w.browser()
	b.at(StepIdentify)(b.begin(Begin{}))
	for n := range maxTries {
		if _, err := b.resume(); err != nil {
			t.Fatal(err)
		}
		_, err := b.passkey(wrongAnswer)
		want(t, "a wrong one", err, identity.Invalid, badPasskey)
		if last := strings.Contains(known(t, err).Message, "fifth"); last != (n == maxTries-1) {
			t.Errorf("answer %d: %v", n, err)
		}
	}
	_, err := b.resume()
	want(t, "the attempt", err, identity.Invalid, "login_attempt_expired")
	if n := w.failures("user:" + u.ID + ":" + factorPassword); n != 0 {
		t.Errorf("%d failures of the user", n)
	}
	for range 3 {
		b.at(StepIdentify)(b.begin(Begin{}))
		for range maxTries {
			if _, err = b.passkey(wrongAnswer); isKind(err, identity.TooMany) {
				return
			}
		}
	}
	_, err = b.passkey(wrongAnswer)
	want(t, "twenty wrong ones from one address", err, identity.TooMany, "too_many_requests")
}

// TestRAT05_PasskeyOpensClosedCounters.
func TestRAT05_PasskeyOpensClosedCounters(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	key := w.authenticator()
	w.register(w.session(u), key, "")
	counter := "user:" + u.ID + ":" + factorPassword
	w.fail(counter, 100)
	w.passkeyLogin(key)
	if n := w.failures(counter); n != 0 {
		t.Errorf("%d failures are left", n)
	}
}

// A counter that goes back suspends the passkey, and ends what it opened.
func TestPasskeyThatWasCopied(t *testing.T) {
	each(t, func(w *world) {
		w.DB.Seal = w.Keys.Seal // mail is on
		key := w.authenticator()
		key.Counts = true
		added, session := w.register(w.session(w.person(alice, goodPassword)), key, "Key")
		opened := w.principal(w.passkeyLogin(key))
		copied := *key
		w.passkeyLogin(key)
		b := w.browser()
		flow := b.at(StepIdentify)(b.begin(Begin{}))
		_, err := b.passkey(b.answer(&copied, flow))
		want(w.t, "the copy", err, identity.Invalid, badPasskey)
		w.wantAlive("what it opened", opened, false)
		w.wantAlive("what a password opened", session, true)
		w.wantEvents("passkey_suspended", 1)
		if n := w.mails(identity.MailPasskeySuspended); n != 1 {
			w.t.Errorf("%d mails", n)
		}
		flow = b.at(StepIdentify)(b.begin(Begin{}))
		_, err = b.passkey(b.answer(key, flow))
		want(w.t, "the original", err, identity.Invalid, badPasskey)
		w.wantEvents("passkey_suspended", 1)
		if err := w.RemovePasskey(w.t.Context(), session, added.Passkey.ID); err != nil {
			w.t.Error("remove it:", err)
		}
	})
}

// A managed user's passkey meets the organization's policy.
func TestPasskeyOfAManagedUser(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	key := w.authenticator()
	w.register(w.session(u), key, "")
	w.manage(u, w.organization("Rockets", `{"passkey_auth_enabled": false}`, u))
	b := w.browser()
	flow := b.at(StepIdentify)(b.begin(Begin{}))
	_, err := b.passkey(b.answer(key, flow))
	want(t, "where passkeys are off", err, identity.Forbidden, "user_passkey_authentication_method_not_allowed")
}

// approvedByPasskey logs in for a command line and returns the code that its
// loopback address gets.
func (w *world) approvedByPasskey(key *softkey.Authenticator) (code string) {
	w.t.Helper()
	b := w.browser()
	flow := b.at(StepIdentify)(b.begin(Begin{CommandLine: commandLine()}))
	b.at(StepApprove)(b.passkey(b.answer(key, flow)))
	to, err := url.Parse(b.at(StepDone)(b.accept()).Redirect)
	if err != nil {
		w.t.Fatal(err)
	}
	return to.Query().Get("code")
}

// A command line gets a session by passkey through the browser, unless the
// passkey is removed before it fetches it.
func TestPasskeyForACommandLine(t *testing.T) {
	each(t, func(w *world) {
		key := w.authenticator()
		u := w.person(alice, goodPassword)
		before := w.approved(Begin{CommandLine: commandLine()})
		added, session := w.register(w.session(u), key, "")
		_, err := w.exchange(before, verifier)
		want(w.t, "by the password alone, from before", err, identity.Invalid, "login_attempt_expired")
		out, err := w.exchange(w.approvedByPasskey(key), verifier)
		if err != nil {
			w.t.Fatal(err)
		}
		if t := w.principal(out.Token).Token; t.Authentication.Method != policy.MethodPasskey || t.Identity != added.Passkey.ID || t.ExtendWhenUsed {
			w.t.Errorf("the session: %+v", t)
		}
		_, session = w.register(session, w.authenticator(), "")
		waiting := w.approvedByPasskey(key)
		if err := w.RemovePasskey(w.t.Context(), session, added.Passkey.ID); err != nil {
			w.t.Fatal(err)
		}
		_, err = w.exchange(waiting, verifier)
		want(w.t, "by a passkey that is gone", err, identity.Invalid, "login_attempt_expired")
	})
}

// Who comes back to the page late gets a challenge with time to answer.
func TestPasskeyChallengeIsRenewed(t *testing.T) {
	w := lite(t)
	b := w.browser()
	first := b.at(StepIdentify)(b.begin(Begin{}))
	w.clock.advance(3 * time.Minute)
	if again := b.at(StepIdentify)(b.resume()); string(again.Passkey) != string(first.Passkey) {
		t.Error("another challenge after three minutes: the first page could not answer any more")
	}
	w.clock.advance(time.Minute)
	if again := b.at(StepIdentify)(b.resume()); string(again.Passkey) == string(first.Passkey) {
		t.Error("the same challenge after four minutes")
	}
}

func TestProgramLogsInByPasskey(t *testing.T) {
	each(t, func(w *world) {
		key := w.authenticator()
		w.register(w.session(w.person(alice, goodPassword)), key, "")
		from := Caller{Client: address(int(nextAddress.Add(1))), RequestID: "req_test"}
		flow, err := w.BeginPasskey(w.t.Context(), from, "")
		if err != nil {
			w.t.Fatal(err)
		}
		response, err := key.Get(flow.Passkey)
		if err != nil {
			w.t.Fatal(err)
		}
		out, err := w.FinishPasskey(w.t.Context(), from, flow.Secret, response)
		if err != nil {
			w.t.Fatal(err)
		}
		if p := w.principal(out.Token); p.Token.ExtendWhenUsed || p.Token.Ends.Sub(p.Token.Created) != 12*time.Hour {
			w.t.Errorf("session %+v", p.Token)
		}
	})
}

// The first second factor ends what a password alone has made; more change
// nothing.
func TestFirstPasskeyEndsWhatThePasswordMade(t *testing.T) {
	each(t, func(w *world) {
		w.DB.Seal = w.Keys.Seal // mail is on
		u := w.person(alice, goodPassword)
		key := w.authenticator()
		session, other := w.session(u), w.session(u)
		token := w.token(u, policy.PersonalToken, policy.MethodPassword)
		added, next := w.register(session, key, "")
		if added.Token == "" || !next.Token.Authentication.SecondFactor || !next.Fresh(w.clock.now()) {
			w.t.Errorf("the new session %+v", next.Token)
		}
		w.wantAlive("the session that asked", session, false)
		w.wantAlive("another session", other, false)
		w.wantAlive("a token", token, false)
		second, after := w.register(next, w.authenticator(), "")
		if second.Token != "" || second.RecoveryCodes != nil {
			w.t.Errorf("the second one gave %+v", second)
		}
		w.wantAlive("the session", after, true)
		_, err := key.Create(func() []byte { offer, _ := w.OfferPasskey(w.t.Context(), after); return offer.Options }())
		if err != softkey.ErrExcluded {
			w.t.Errorf("the same authenticator once more: %v", err)
		}
		if n := w.mails(identity.MailFactorAdded); n != 2 {
			w.t.Errorf("%d mails", n)
		}
	})
}

func TestRegisteringIsRefused(t *testing.T) {
	w := lite(t)
	ctx := t.Context()
	u := w.person(alice, goodPassword)
	secret := w.enrol(u)
	token := w.token(u, policy.PersonalToken, policy.MethodPassword)
	_, err := w.OfferPasskey(ctx, token)
	want(t, "by a token", err, identity.Forbidden, "session_required")
	weak := w.token(u, policy.Session, policy.MethodPassword)
	_, err = w.OfferPasskey(ctx, weak)
	want(t, "without the second factor", err, identity.Forbidden, "fresh_login_required")
	session := w.principal(w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)}).Token)
	for name, code := range map[string]string{strings.Repeat("x", 129): "bad_request", "a\nb": identity.CodeUnseen} {
		_, err = w.RegisterPasskey(ctx, session, "", name, nil)
		want(t, name, err, identity.Invalid, code)
	}
	for range maxPasskeys {
		w.register(session, w.authenticator(), "")
	}
	_, err = w.OfferPasskey(ctx, session)
	want(t, "one too many", err, identity.Conflict, "passkey_limit_reached")
	w.clock.advance(11 * time.Minute)
	_, err = w.OfferPasskey(ctx, session)
	want(t, "in an old session", err, identity.Forbidden, "fresh_login_required")
}

func TestRenamePasskey(t *testing.T) {
	w := lite(t)
	ctx := t.Context()
	added, session := w.register(w.session(w.person(alice, goodPassword)), w.authenticator(), "Key")
	key, err := w.RenamePasskey(ctx, session, added.Passkey.ID, " Phone ")
	if err != nil || key.Name != "Phone" {
		t.Errorf("renamed %+v, %v", key, err)
	}
	w.wantEvents("passkey_renamed", 1)
	_, err = w.RenamePasskey(ctx, session, added.Passkey.ID, " ")
	want(t, "no name", err, identity.Invalid, "bad_request")
	bob := w.session(w.person("bob@a.example", goodPassword))
	_, err = w.RenamePasskey(ctx, bob, added.Passkey.ID, "Mine")
	want(t, "another user's", err, identity.NotFound, "passkey_not_found")
}

func TestRemovePasskey(t *testing.T) {
	each(t, func(w *world) {
		ctx := w.t.Context()
		u := w.person(alice, goodPassword)
		key := w.authenticator()
		first, session := w.register(w.session(u), key, "Key")
		second, _ := w.register(session, w.authenticator(), "")
		opened := w.principal(w.passkeyLogin(key))
		bob := w.session(w.person("bob@a.example", goodPassword))
		want(w.t, "another user's", w.RemovePasskey(ctx, bob, first.Passkey.ID), identity.NotFound, "passkey_not_found")
		weak := w.token(u, policy.Session, policy.MethodGoogle)
		want(w.t, "without a second factor", w.RemovePasskey(ctx, weak, first.Passkey.ID), identity.Forbidden, "fresh_login_required")
		if err := w.RemovePasskey(ctx, session, second.Passkey.ID); err != nil {
			w.t.Fatal(err)
		}
		w.wantAlive("what the other one opened", opened, true)
		if err := w.RemovePasskey(ctx, session, first.Passkey.ID); err != nil {
			w.t.Fatal(err)
		}
		w.wantAlive("what it opened", opened, false)
		w.wantAlive("another session", weak, false)
		w.wantAlive("the session that asked", session, true)
		state, err := w.TwoFactor(ctx, session)
		if err != nil || state != (TwoFactorState{}) {
			w.t.Errorf("left: %+v, %v", state, err)
		}
		w.wantEvents("passkey_removed", 2)
		w.enter(In{Email: alice, Password: goodPassword})
	})
}

// Nobody takes away the only way in.
func TestRemoveTheLastPasskey(t *testing.T) {
	w := lite(t)
	u := w.person(alice, "")
	session := w.token(u, policy.Session, policy.MethodGoogle)
	key := w.authenticator()
	first, _ := w.register(session, key, "")
	session = w.principal(w.passkeyLogin(key))
	want(t, "the only one", w.RemovePasskey(t.Context(), session, first.Passkey.ID), identity.Conflict, "user_authentication_method_last")
	second, session := w.register(session, w.authenticator(), "")
	errs := together(2, func(n int) error {
		return w.RemovePasskey(t.Context(), session, []string{first.Passkey.ID, second.Passkey.ID}[n])
	})
	if successes(errs) != 1 {
		t.Errorf("of two that are the last together: %v", errs)
	}
}

func TestPasskeyURL(t *testing.T) {
	for public, want := range map[string]string{
		"http://127.0.0.1:8080": "http://localhost:8080", "http://[::1]:9": "http://localhost:9", "http://127.0.0.1": "http://localhost",
		"http://localhost:8080": "http://localhost:8080", "https://id.a.example": "https://id.a.example",
		"https://192.0.2.1": "", "http://id.a.example": "", "https://127.0.0.1": "",
	} {
		s := &Service{PublicURL: public}
		if got := s.PasskeyOrigin(); got != want {
			t.Errorf("%s: passkeys at %q, want %q", public, got, want)
		}
		offered := slices.Contains(s.anyOptions(), ownPasskey)
		if offered != (want != "") {
			t.Errorf("%s: offered %t", public, offered)
		}
	}
	w := lite(t)
	session := w.session(w.person(alice, goodPassword))
	w.PublicURL = "https://192.0.2.1"
	_, err := w.OfferPasskey(t.Context(), session)
	want(t, "at an address", err, identity.Invalid, "passkeys_not_available")
	if e := known(t, err); !strings.Contains(e.Message, "http://localhost:8080") {
		t.Errorf("no way on: %s", e.Message)
	}
}
