package login

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// recover gives a user recovery codes.
func (w *world) recover(u *identity.User) []string {
	w.t.Helper()
	codes, hashes := w.Keys.NewRecoveryCodes(w.rand())
	w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error { return tx.SetRecoveryCodes(ctx, u.ID, hashes) })
	return codes
}

func (w *world) recoveryLeft(u *identity.User) int64 {
	w.t.Helper()
	return see(w, func(ctx context.Context, r *store.Read) (int64, error) { return r.RecoveryCodesLeft(ctx, u.ID) })
}

// TestMFA09_RecoveryCodesWorkOnce, for their owner alone.
func TestMFA09_RecoveryCodesWorkOnce(t *testing.T) {
	each(t, func(w *world) {
		u, bob := w.person(alice, goodPassword), w.person("bob@a.example", goodPassword)
		secret := w.enrol(u)
		w.enrol(bob)
		codes, bobs := w.recover(u), w.recover(bob)

		_, err := w.try(In{Email: alice, Password: goodPassword, OTP: bobs[0]})
		want(w.t, "bob's code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		if w.recoveryLeft(bob) != 10 || w.recoveryLeft(u) != 10 {
			w.t.Error("bob's code was used up")
		}
		if n := w.failures("user:" + u.ID + ":recovery"); n != 1 {
			w.t.Errorf("%d failures counted", n)
		}
		_, err = w.try(In{Email: alice, Password: "wrong", OTP: codes[0]})
		want(w.t, "without the password", err, identity.Forbidden, "authentication_failed")

		p := w.principal(w.enter(In{Email: alice, Password: goodPassword, OTP: strings.ToLower(codes[0])}).Token)
		if !p.Token.Authentication.SecondFactor || w.recoveryLeft(u) != 9 || w.failures("user:"+u.ID+":recovery") != 0 {
			w.t.Errorf("after a right code: %+v, %d left", p.Token.Authentication, w.recoveryLeft(u))
		}
		if e := w.wantEvents("recovery_code_used", 1)[0]; e.Actor.ID != u.ID || !strings.Contains(string(e.Detail), `"recovery_codes_left":9`) {
			w.t.Errorf("event %+v", e)
		}
		_, err = w.try(In{Email: alice, Password: goodPassword, OTP: codes[0]})
		want(w.t, "again", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		w.wantEvents("recovery_code_used", 1)
		w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)}) // the authenticator stays on

		before := w.sessions(u)
		errs := together(64, func(i int) error {
			_, err := w.try(In{Email: alice, Password: goodPassword, OTP: codes[1], Client: address(20_000 + i)})
			return err
		})
		if n := successes(errs); n != 1 || w.sessions(u) != before+1 || w.recoveryLeft(u) != 8 {
			w.t.Errorf("%d of 64 succeeded, %d left", n, w.recoveryLeft(u))
		}
	})
}

// The same in the steps of a browser.
func TestMFA09_RecoveryInABrowser(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		w.enrol(u)
		codes := w.recover(u)
		b := w.toFactor()
		if flow := b.at(StepFactor)(b.resume()); flow.Factors != (Factors{Code: true, Recovery: true}) {
			w.t.Errorf("factors %+v", flow.Factors)
		}
		wrong := strings.Repeat("0", 24)
		for range maxTries {
			_, err := b.typed(wrong)
			want(w.t, "a wrong code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		}
		_, err := b.typed(codes[0])
		want(w.t, "MFA-04 after five", err, identity.Invalid, "login_attempt_expired")
		w.clock.advance(time.Minute)
		b = w.toFactor()
		b.at(StepDone)(b.typed(codes[0]))
		w.wantEvents("recovery_code_used", 1)
	})
}

// A closed authenticator does not close the recovery codes.
func TestMFA04_RecoveryStaysOpen(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	secret := w.enrol(u)
	codes := w.recover(u)
	w.fail("user:"+u.ID+":otp", 100)
	_, err := w.try(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)})
	want(t, "the right code, closed", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
	w.enter(In{Email: alice, Password: goodPassword, OTP: codes[0]})
}

// TestMFA10_RenewingEndsOlderCodes, and no code can be read anywhere.
func TestMFA10_RenewingEndsOlderCodes(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		p := w.session(u)
		_, err := w.RenewRecoveryCodes(w.t.Context(), p)
		want(w.t, "without a factor", err, identity.Conflict, "two_factor_not_enabled")
		secret := w.enrol(u)
		_, err = w.RenewRecoveryCodes(w.t.Context(), w.byPasswordAlone(u))
		want(w.t, "in a session without the factor", err, identity.Forbidden, "fresh_login_required")
		_, err = w.RenewRecoveryCodes(w.t.Context(), w.without(u, policy.MethodGoogle))
		want(w.t, "after a login at a provider, which asked for no factor", err, identity.Forbidden, "fresh_login_required")
		p = w.principal(w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)}).Token)
		old := w.recover(u)
		codes, err := w.RenewRecoveryCodes(w.t.Context(), p)
		if err != nil || len(codes) != 10 || len(slices.Compact(slices.Sorted(slices.Values(codes)))) != 10 {
			w.t.Fatalf("%d codes, %v", len(codes), err)
		}
		_, err = w.try(In{Email: alice, Password: goodPassword, OTP: old[0]})
		want(w.t, "an older code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		state, err := w.TwoFactor(w.t.Context(), p)
		if err != nil || state != (TwoFactorState{Method: MethodOTP, RecoveryCodesLeft: 10}) {
			w.t.Errorf("state %+v, %v", state, err)
		}
		w.wantEvents("recovery_codes_renewed", 1)
		w.clock.advance(11 * time.Minute)
		_, err = w.RenewRecoveryCodes(w.t.Context(), p)
		want(w.t, "in a stale session", err, identity.Forbidden, "fresh_login_required")
		trace, err := json.Marshal(w.events(""))
		if err != nil {
			w.t.Fatal(err)
		}
		for _, code := range codes {
			if strings.Contains(string(trace), code) || strings.Contains(w.logs.String(), code) {
				w.t.Error("a code stands in an event or the log")
			}
		}
	})
}

// byPasswordAlone is a session from before the factor was set up.
func (w *world) byPasswordAlone(u *identity.User) *identity.Principal {
	w.t.Helper()
	return w.without(u, policy.MethodPassword)
}

// without is a session of a login by a method, without the second factor.
func (w *world) without(u *identity.User, method policy.Method) *identity.Principal {
	w.t.Helper()
	fresh := w.newSession()
	w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
		return fresh.begin(ctx, tx, u.ID, policy.Authentication{Method: method, At: tx.Now})
	})
	return w.principal(fresh.plain)
}

// Recovery codes come with the first factor and go with the last one; removing
// the authenticator accepts one in place of its code.
func TestRecoveryCodesGoWithTheLastFactor(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		w.enrol(u)
		codes := w.recover(u)
		p := w.principal(w.enter(In{Email: alice, Password: goodPassword, OTP: codes[0]}).Token)
		w.clock.advance(11 * time.Minute)
		_, err := w.configure(p, "none", goodPassword, codes[0])
		want(w.t, "a used code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		if _, err := w.configure(p, "none", goodPassword, codes[1]); err != nil {
			w.t.Fatal(err)
		}
		if left := w.recoveryLeft(u); left != 0 {
			w.t.Errorf("%d recovery codes without a factor", left)
		}
		w.enter(In{Email: alice, Password: goodPassword})
	})
}

// TestRAT07_RecoveryCodesHaveOneCounter: the login of the API, that of a
// browser, and the removal of the authenticator.
func TestRAT07_RecoveryCodesHaveOneCounter(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	secret := w.enrol(u)
	w.recover(u)
	p := w.principal(w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)}).Token)
	b := w.toFactor()
	wrong := strings.Repeat("0", 24)
	for i, door := range []func() error{
		func() error { _, err := w.try(In{Email: alice, Password: goodPassword, OTP: wrong}); return err },
		func() error { _, err := b.typed(wrong); return err },
		func() error { _, err := w.configure(p, "none", goodPassword, wrong); return err },
	} {
		want(t, "a door", door(), identity.Forbidden, "user_config_2fa_otp_verification_failed")
		if n := w.failures("user:" + u.ID + ":recovery"); n != int64(i+1) {
			t.Errorf("door %d: %d failures, want %d", i, n, i+1)
		}
	}
}
