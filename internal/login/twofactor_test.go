package login

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"image/png"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// secretIn reads the secret out of an otpauth address, as an authenticator
// does.
func secretIn(t *testing.T, uri string) []byte {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Query().Get("issuer") != "Sallyport" {
		t.Fatalf("%q: %v", uri, err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(u.Query().Get("secret"))
	if err != nil || len(secret) != 20 {
		t.Fatalf("secret of %d bytes: %v", len(secret), err)
	}
	return secret
}

func (w *world) configure(p *identity.Principal, method, password, code string) (TwoFactorOffer, error) {
	return w.ConfigureTwoFactor(w.t.Context(), p, &method, password, code)
}

func TestEnableTwoFactor(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		device := w.enter(In{Email: alice, Password: goodPassword}).Device
		p, other := w.session(u), w.session(u)
		byPassword := w.token(u, policy.PersonalToken, policy.MethodPassword)
		bySAML := w.token(u, policy.PersonalToken, policy.MethodSAML)
		w.clock.advance(time.Minute)

		offer, err := w.configure(p, "otp", goodPassword, "")
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(offer.QRCode)); err != nil || offer.Method != "otp" {
			w.t.Errorf("method %q, picture %v", offer.Method, err)
		}
		w.wantEvents("two_factor_offered", 1)
		w.enter(In{Email: alice, Password: goodPassword}) // nothing is on yet
		secret := secretIn(w.t, offer.URI)
		confirm := func(uri, code string) (string, error) {
			on, err := w.ConfirmTwoFactor(w.t.Context(), p, goodPassword, uri, code)
			if err == nil && len(on.RecoveryCodes) != 10 {
				w.t.Errorf("%d recovery codes", len(on.RecoveryCodes))
			}
			return on.Token, err
		}
		_, err = confirm(strings.Replace(offer.URI, "secret=", "secret=A", 1), w.code(secret, 0))
		want(w.t, "a uri of one's own", err, identity.Invalid, "bad_request")
		_, err = confirm(offer.URI, w.wrongCodeFor(secret))
		want(w.t, "a wrong code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		if n := w.failures("user:" + u.ID + ":otp"); n != 1 {
			w.t.Errorf("%d failures counted", n)
		}
		token, err := confirm(offer.URI, w.code(secret, 0)[:3]+" "+w.code(secret, 0)[3:])
		if err != nil {
			w.t.Fatal(err)
		}
		if n := w.failures("user:" + u.ID + ":otp"); n != 0 {
			w.t.Errorf("the right code left %d failures", n)
		}
		fresh := w.principal(token)
		wantAuth := policy.Authentication{Method: policy.MethodPassword, SecondFactor: true, At: w.clock.now()}
		if fresh.Token.Authentication != wantAuth || !fresh.User.SecondFactor {
			w.t.Errorf("the new session goes by %+v", fresh.Token.Authentication)
		}
		for what, c := range map[string]struct {
			p    *identity.Principal
			want bool
		}{"calling session": {p, false}, "other session": {other, false}, "token by password": {byPassword, false}, "token by SAML": {bySAML, true}, "new session": {fresh, true}} {
			w.wantAlive(what, c.p, c.want)
		}
		e := w.wantEvents("two_factor_enabled", 1)[0]
		if e.Target.ID != u.ID || bytes.Contains(e.Detail, secret) {
			w.t.Errorf("event %+v", e)
		}
		_, err = w.try(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0), Device: device})
		want(w.t, "MFA-02 the confirming code at login", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		w.clock.advance(30 * time.Second)
		w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)})
		_, err = w.configure(fresh, "otp", goodPassword, "")
		want(w.t, "enabling again", err, identity.Conflict, "two_factor_already_enabled")
	})
}

func TestOffersExpireAndAreReplaced(t *testing.T) {
	each(t, func(w *world) {
		p := w.session(w.person(alice, goodPassword))
		offer := func() (string, []byte) {
			o, err := w.configure(p, "otp", goodPassword, "")
			if err != nil {
				w.t.Fatal(err)
			}
			return o.URI, secretIn(w.t, o.URI)
		}
		confirm := func(uri string, secret []byte) error {
			_, err := w.ConfirmTwoFactor(w.t.Context(), p, goodPassword, uri, w.code(secret, 0))
			return err
		}
		uri, secret := offer()
		w.clock.advance(10 * time.Minute)
		want(w.t, "after 10 minutes", confirm(uri, secret), identity.Invalid, "bad_request")
		uri, secret = offer()
		newer, newerSecret := offer()
		want(w.t, "a replaced offer", confirm(uri, secret), identity.Invalid, "bad_request")
		if err := confirm(newer, newerSecret); err != nil {
			w.t.Error(err)
		}
		want(w.t, "the ended session", confirm(newer, newerSecret), identity.Conflict, "two_factor_already_enabled")
	})
}

func TestEnablingKeepsTheLoginOfAnIdentityProvider(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	p := w.token(u, policy.Session, policy.MethodSAML)
	o, err := w.configure(p, "otp", goodPassword, "")
	if err != nil {
		t.Fatal(err)
	}
	on, err := w.ConfirmTwoFactor(t.Context(), p, goodPassword, o.URI, w.code(secretIn(t, o.URI), 0))
	token := on.Token
	if err != nil {
		t.Fatal(err)
	}
	if got := w.principal(token).Token.Authentication; got != p.Token.Authentication {
		t.Errorf("got %+v, want %+v", got, p.Token.Authentication)
	}
}

func TestOtherSecondFactorsAreRefused(t *testing.T) {
	w := lite(t)
	p := w.session(w.person(alice, goodPassword))
	hashes := w.hashes.Load()
	for _, method := range []string{"sms", "OTP", "None", " "} {
		_, err := w.configure(p, method, goodPassword, "")
		want(t, method, err, identity.Invalid, "bad_request")
	}
	if w.hashes.Load() != hashes {
		t.Error("a hash was computed")
	}
	for _, method := range []string{"", "none"} {
		if offer, err := w.configure(p, method, goodPassword, ""); err != nil || offer.Method != "" {
			t.Errorf("%q while off: %+v, %v", method, offer, err)
		}
	}
	w.wantEvents("two_factor_disabled", 0)
}

// TestMFA01_CodesWorkOnce: the same code again, from this device and another.
func TestMFA01_CodesWorkOnce(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		in := In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)}
		out := w.enter(in)
		w.clock.advance(5 * time.Second)
		for device, cookie := range map[string]string{"same": out.Device, "other": ""} {
			again := in
			again.Device = cookie
			_, err := w.try(again)
			want(w.t, device+" device", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		}
		if e := w.wantEvents("otp_replayed", 2)[0]; e.Outcome != identity.Refused || e.Target.ID != u.ID {
			w.t.Errorf("event %+v", e)
		}
		if n := w.sessions(u); n != 1 {
			w.t.Errorf("%d sessions", n)
		}
		w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 1)})
		for steps := -1; steps <= 1; steps++ {
			_, err := w.try(In{Email: alice, Password: goodPassword, OTP: w.code(secret, steps)})
			want(w.t, fmt.Sprint("step ", steps, " after T+1"), err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		}
	})
}

// TestCON01_TOTPStepWorksOnce: one right code, 64 times at the same moment.
func TestCON01_TOTPStepWorksOnce(t *testing.T) {
	each(t, func(w *world) {
		w.Hasher.QueueLen = 1000
		for round := range 5 {
			u := w.person(fmt.Sprintf("n%d@a.example", round), goodPassword)
			secret := w.enrol(u)
			code := w.code(secret, 0)
			errs := together(64, func(i int) error {
				_, err := w.try(In{Email: u.Email, Password: goodPassword, OTP: code})
				return err
			})
			if n := successes(errs); n != 1 || w.sessions(u) != 1 {
				w.t.Fatalf("round %d: %d of 64 succeeded, %d sessions", round, n, w.sessions(u))
			}
			for _, err := range errs {
				if e := (*identity.Error)(nil); err != nil && (!errors.As(err, &e) || e.Code != "user_config_2fa_otp_verification_failed" && e.Kind != identity.TooMany) {
					w.t.Errorf("a loser got %v", err)
				}
			}
		}
	})
}

// TestCON01_AcceptedStepIsConditional goes past the counters: the logins that
// matched the code before one of them used it up.
func TestCON01_AcceptedStepIsConditional(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		proofs := make([]*provenCode, 64)
		who, err := w.byName(w.t.Context(), alice, "")
		if err != nil {
			w.t.Fatal(err)
		}
		step, ok, _ := w.TOTP.Match(secret, w.code(secret, 0), w.clock.now(), who.lastStep)
		if !ok {
			w.t.Fatal("no match")
		}
		for i := range proofs {
			proofs[i] = &provenCode{guess{who: who, factor: factorCode, counter: "user:" + u.ID + ":otp"}, step}
		}
		errs := together(64, func(i int) error {
			code := proofs[i]
			_, err := w.Service.enter(w.t.Context(), &entry{
				who: who, how: policy.Authentication{Method: policy.MethodPassword, SecondFactor: true, At: w.clock.now()},
				proof: proof{guess: &code.guess, use: code.use}, from: Caller{Client: address(1)},
			})
			return err
		})
		if n := successes(errs); n != 1 || w.sessions(u) != 1 {
			w.t.Errorf("%d of 64 succeeded, %d sessions", n, w.sessions(u))
		}
		w.wantEvents("otp_replayed", 63)
	})
}

// TestMFA02_OneFactorForAllDoors: a code used at login does not take the factor
// away.
func TestMFA02_OneFactorForAllDoors(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		p := w.principal(w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)}).Token)
		_, err := w.configure(p, "none", goodPassword, w.code(secret, 0))
		want(w.t, "the used code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		w.wantEvents("otp_replayed", 1)
		w.wantEvents("two_factor_disabled", 0)
		if _, err := w.configure(p, "none", goodPassword, w.code(secret, 1)); err != nil {
			w.t.Error(err)
		}
	})
}

// TestMFA03_Window: T−1, T and T+1 by the server's clock.
func TestMFA03_Window(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		for _, c := range []struct {
			steps int
			ok    bool
		}{{-2, false}, {-1, true}, {0, true}, {1, true}, {2, false}} {
			_, err := w.try(In{Email: alice, Password: goodPassword, OTP: w.code(secret, c.steps)})
			if (err == nil) != c.ok {
				w.t.Errorf("T%+d: %v", c.steps, err)
			}
		}
	})
}

// TestOPS05_LostKey: where the key of a second factor is lost no code is right, and nothing else is wrong.
func TestOPS05_LostKey(t *testing.T) {
	each(t, func(w *world) {
		secret := w.enrol(w.person(alice, goodPassword))
		lost, err := credential.LoadKeys(append(credential.GenerateKeys(rand.Reader), w.Keys.Current()+":lost"...))
		if err != nil {
			w.t.Fatal(err)
		}
		w.Keys = lost // the password's stays
		_, err = w.try(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)})
		want(w.t, "right code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
	})
}

// TestMFA04_GuessingCodes: five wrong codes, then growing waits; the counter
// is the factor's, and a right password does not clear it.
func TestMFA04_GuessingCodes(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		guess := func() error {
			_, err := w.try(In{Email: alice, Password: goodPassword, OTP: w.wrongCodeFor(secret)})
			return err
		}
		for range 5 {
			want(w.t, "wrong code", guess(), identity.Forbidden, "user_config_2fa_otp_verification_failed")
		}
		for _, seconds := range []int{1, 2, 4, 8} {
			if e := known(w.t, guess()); e.Kind != identity.TooMany || e.RetryAfter != seconds {
				w.t.Fatalf("got %+v, want 429 after %d s", e, seconds)
			}
			w.clock.advance(time.Duration(seconds) * time.Second)
			want(w.t, "after the wait", guess(), identity.Forbidden, "user_config_2fa_otp_verification_failed")
		}
		if n := w.failures("user:" + u.ID + ":password"); n != 0 {
			w.t.Errorf("%d failures of the password", n)
		}
		w.clock.advance(time.Minute)
		w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)})
		if n := w.failures("user:" + u.ID + ":otp"); n != 0 {
			w.t.Errorf("a full login left %d failures", n)
		}
	})
}

// TestMFA05_HalfALoginIsNoCredential: before the code there is nothing that
// could be presented anywhere.
func TestMFA05_HalfALoginIsNoCredential(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	w.enrol(u)
	out, err := w.try(In{Email: alice, Password: goodPassword})
	want(t, "the password step", err, identity.NeedsCode, "user_otp_required")
	if out != (Out{}) || w.sessions(u) != 0 {
		t.Errorf("it gave %+v and %d sessions", out, w.sessions(u))
	}
}

// TestMFA07_RemovingTheFactor: the password alone does not do it in a session
// that is too old, or that did not use the factor.
func TestMFA07_RemovingTheFactor(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		before := w.session(u)
		secret := w.enrol(u)
		byPassword := w.token(u, policy.PersonalToken, policy.MethodPassword)
		bySAML := w.token(u, policy.PersonalToken, policy.MethodSAML)
		saml := w.token(u, policy.Session, policy.MethodSAML)
		with := w.principal(w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)}).Token)
		before = w.refreshed(before)
		for what, p := range map[string]*identity.Principal{"a session without the factor": before, "a session of an identity provider": w.refreshed(saml)} {
			_, err := w.configure(p, "", goodPassword, "")
			want(w.t, what, err, identity.Forbidden, "fresh_login_required")
		}
		_, err := w.configure(with, "none", "wrong", "")
		want(w.t, "the wrong password", err, identity.Forbidden, "authentication_failed")
		w.clock.advance(10*time.Minute + time.Second)
		_, err = w.configure(with, "none", goodPassword, "")
		want(w.t, "an old session", err, identity.Forbidden, "fresh_login_required")
		_, err = w.configure(with, "none", goodPassword, w.wrongCodeFor(secret))
		want(w.t, "a wrong code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		w.wantAlive("the other session", before, true)
		w.wantEvents("two_factor_disabled", 0)

		fresh := w.principal(w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)}).Token)
		offer, err := w.configure(fresh, "none", goodPassword, "")
		if err != nil || offer.Method != "" {
			w.t.Fatalf("%+v, %v", offer, err)
		}
		for what, c := range map[string]struct {
			p    *identity.Principal
			want bool
		}{"the calling session": {fresh, true}, "another session": {with, false}, "a session of an identity provider": {saml, false}, "a token by password": {byPassword, false}, "a token by SAML": {bySAML, true}} {
			w.wantAlive(what, c.p, c.want)
		}
		w.wantEvents("two_factor_disabled", 1)
		w.enter(In{Email: alice, Password: goodPassword})
	})
}

// refreshed is the principal of the same token, made again.
func (w *world) refreshed(p *identity.Principal) *identity.Principal {
	w.t.Helper()
	f := see(w, func(ctx context.Context, r *store.Read) (store.Facts, error) { return r.Facts(ctx, p.Token.Prefix, "") })
	again := *p
	again.User, again.Token = &f.User, &f.Token
	return &again
}

func TestDisableWithACode(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		old := w.session(u)
		secret := w.enrol(u)
		w.clock.advance(time.Hour)
		if _, err := w.ConfigureTwoFactor(w.t.Context(), w.refreshed(old), nil, goodPassword, w.code(secret, 0)); err != nil {
			w.t.Fatal(err)
		}
		w.wantAlive("the calling session", old, true)
		w.wantEvents("two_factor_disabled", 1)
	})
}

// A session that was ended while a change ran on does not get its change.
func TestEndedSessionChangesNothing(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		otp := MethodOTP
		for name, change := range map[string]func(p *identity.Principal) error{
			"password": func(p *identity.Principal) error {
				_, err := w.ChangePassword(w.t.Context(), p, goodPassword, nextPassword)
				return err
			},
			"second factor": func(p *identity.Principal) error {
				_, err := w.ConfigureTwoFactor(w.t.Context(), p, &otp, goodPassword, "")
				return err
			},
		} {
			p := w.session(u)
			w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error { return tx.VoidTokens(ctx, u.ID) })
			want(w.t, name, change(p), identity.Unauthenticated, "authentication_failed")
			if n := w.sessions(u); n != 0 {
				w.t.Errorf("%s: %d sessions", name, n)
			}
		}
	})
}
