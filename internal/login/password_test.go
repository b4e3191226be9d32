package login

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// TestPWD01_Lengths: a chosen password is 15 to 256 characters of any kind.
func TestPWD01_Lengths(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	words := "quilt anchor meadow piston cellar velvet orbit "
	for _, c := range []struct{ name, password, code string }{
		{"14 characters", "qvxmzptkwjhrba", credential.CodeTooShort},
		{"15 characters", "qvxmzptkwjhrbac", ""},
		{"256 characters", strings.Repeat(words, 6)[:256], ""},
		{"257 characters", strings.Repeat(words, 6)[:257], credential.CodeTooLong},
		{"lower case and spaces only", "quilt anchor meadow piston cel", ""},
		{"twenty emoji", "🐙🚀🌵🎺🧀🪁🦉🧲🍋🛶🐙🚀🎺🌵🪁🧀🧲🦉🛶🍋", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := w.newCode(u, time.Hour)
			err := w.reset(t.Context(), Caller{}, code, c.password)
			if c.code != "" {
				want(t, "reset", err, identity.Invalid, c.code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			runes := []rune(c.password)
			runes[len(runes)-1]++
			_, err = w.try(In{Email: alice, Password: string(runes)})
			want(t, "the last character changed", err, identity.Forbidden, "authentication_failed")
			w.enter(In{Email: alice, Password: c.password})
		})
	}
}

func (w *world) newCode(u *identity.User, validFor time.Duration) string {
	w.t.Helper()
	code, hash := credential.NewCode(rand.Reader)
	w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
		return tx.AddCode(ctx, hash, store.PurposePasswordReset, u.ID, tx.Now.Add(validFor))
	})
	return code
}

// TestPWD02_Guessable: refused with the reason, at every door where a password
// is chosen.
func TestPWD02_Guessable(t *testing.T) {
	w := lite(t)
	u := w.person("alexandra.archer@a.example", goodPassword, func(u *identity.User) { u.RealName = "Alexandra Archer" })
	w.organization("Northwind Traders", `{}`, u)
	p := w.session(u)
	code := w.newCode(u, time.Hour)
	events := w.allEvents()
	for _, c := range []struct{ name, password, code string }{
		{"one character", strings.Repeat("k", 20), credential.CodeRepeated},
		{"own name", "Alexandra Archer", credential.CodePersonal},
		{"own address", "alexandra.archer@a.example", credential.CodePersonal},
		{"organization", "northwind traders", credential.CodePersonal},
		{"product", "sallyport-sallyport", credential.CodePersonal},
		{"password1 style", "passwordpassword1", credential.CodeCommon},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, change := w.ChangePassword(t.Context(), p, goodPassword, c.password)
			reset := w.reset(t.Context(), Caller{}, code, c.password)
			for door, err := range map[string]error{"change": change, "reset": reset} {
				want(t, door, err, identity.Invalid, c.code)
			}
		})
	}
	if w.allEvents() != events || !w.alive(p) {
		t.Error("something changed")
	}
	if err := w.reset(t.Context(), Caller{}, code, nextPassword); err != nil {
		t.Errorf("the refused passwords used the code up: %v", err)
	}
}

// TestPWD03_UnicodeForms: NFC and nothing else.
func TestPWD03_UnicodeForms(t *testing.T) {
	w := lite(t)
	w.person(alice, "cafés and ﬁne wines")
	for _, c := range []struct {
		name, password string
		ok             bool
	}{
		{"decomposed", "cafe\u0301s and ﬁne wines", true},
		{"ligature undone", "cafés and fine wines", false},
		{"trailing space", "cafés and ﬁne wines ", false},
		{"upper case", "Cafés and ﬁne wines", false},
	} {
		_, err := w.try(In{Email: alice, Password: c.password})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestPWD04_ChangeWithAStolenSession: six wrong passwords, then the right one.
func TestPWD04_ChangeWithAStolenSession(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		device := w.enter(In{Email: alice, Password: goodPassword}).Device
		p, other := w.session(u), w.session(u)
		byPassword := w.token(u, policy.PersonalToken, policy.MethodPassword)
		bySAML := w.token(u, policy.PersonalToken, policy.MethodSAML)
		code := w.newCode(u, time.Hour)
		change := func(current string) (string, error) {
			return w.ChangePassword(w.t.Context(), p, current, nextPassword)
		}
		for range 5 {
			_, err := change("wrong")
			want(w.t, "wrong", err, identity.Forbidden, "authentication_failed")
		}
		_, err := change("wrong")
		want(w.t, "the sixth", err, identity.TooMany, "too_many_requests")
		_, err = change(goodPassword)
		want(w.t, "right, too soon", err, identity.TooMany, "too_many_requests")
		w.clock.advance(time.Second)
		token, err := change(goodPassword)
		if err != nil {
			w.t.Fatal(err)
		}
		for what, ended := range map[string]*identity.Principal{"calling session": p, "other session": other, "token by password": byPassword, "token by SAML": bySAML} {
			w.wantAlive(what, ended, false)
		}
		fresh := w.principal(token)
		w.wantAlive("the new session", fresh, true)
		if fresh.Token.Authentication != p.Token.Authentication {
			w.t.Errorf("it goes by %+v, want %+v", fresh.Token.Authentication, p.Token.Authentication)
		}
		if n := w.sessions(u); n != 1 {
			w.t.Errorf("%d sessions", n)
		}
		want(w.t, "an open code", w.reset(w.t.Context(), Caller{}, code, "yet another sentence 8"), identity.Invalid, "user_weblink_action_expired")
		hash, _ := credential.HashCode(device)
		if see(w, func(ctx context.Context, r *store.Read) (bool, error) { return r.KnownDevice(ctx, hash, u.ID) }) {
			w.t.Error("the device is still known")
		}
		if e := w.wantEvents("password_changed", 1)[0]; e.Actor.Credential != p.Token.Prefix || e.Target.ID != u.ID {
			w.t.Errorf("event %+v", e)
		}
		_, err = w.try(In{Email: alice, Password: goodPassword})
		want(w.t, "the old password", err, identity.Forbidden, "authentication_failed")
		w.enter(In{Email: alice, Password: nextPassword})
	})
}

func TestChangePasswordOnce(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		w.DB.Now = time.Now
		p := w.session(u)
		errs := together(5, func(i int) error {
			_, err := w.ChangePassword(w.t.Context(), p, goodPassword, nextPassword)
			return err
		})
		if n := successes(errs); n != 1 {
			w.t.Errorf("%d of 5 simultaneous changes succeeded: %v", n, errs)
		}
		if n := w.sessions(u); n != 1 {
			w.t.Errorf("%d sessions", n)
		}
	})
}

// TestTOK08_ApplicationTokenIsNoPerson and TOK-10: no application user, and no
// token, changes how a person logs in.
func TestTOK08_ApplicationTokenIsNoPerson(t *testing.T) {
	w := lite(t)
	person := w.person(alice, goodPassword)
	app := w.person("app@applications.a.example", "", func(u *identity.User) { u.Application, u.RealName = true, "robot" })
	otp := MethodOTP
	for _, c := range []struct {
		name, code string
		p          *identity.Principal
	}{
		{"TOK-08 application token", "action_forbidden_for_application_users", w.token(app, policy.ApplicationToken, policy.MethodNone)},
		{"TOK-10 personal token", "session_required", w.token(person, policy.PersonalToken, policy.MethodPassword)},
	} {
		t.Run(c.name, func(t *testing.T) {
			events := w.allEvents()
			_, password := w.ChangePassword(t.Context(), c.p, goodPassword, nextPassword)
			_, configure := w.ConfigureTwoFactor(t.Context(), c.p, &otp, goodPassword, "")
			_, remove := w.ConfigureTwoFactor(t.Context(), c.p, nil, goodPassword, "")
			_, confirm := w.ConfirmTwoFactor(t.Context(), c.p, goodPassword, "otpauth://", "123456")
			for door, err := range map[string]error{"password": password, "configure": configure, "remove": remove, "confirm": confirm} {
				want(t, door, err, identity.Forbidden, c.code)
			}
			if w.allEvents() != events {
				t.Error("something was recorded")
			}
		})
	}
	_, err := w.ExpireTokens(t.Context(), w.token(app, policy.ApplicationToken, policy.MethodNone))
	want(t, "expire tokens", err, identity.Forbidden, "action_forbidden_for_application_users")
	_, err = w.UpdateMe(t.Context(), w.token(app, policy.ApplicationToken, policy.MethodNone), ProfileChange{RealName: "x"})
	want(t, "profile", err, identity.Forbidden, "action_forbidden_for_application_users")
}

// TestPWD07_CodesWorkOnceAndInTime: every code that is not good is answered
// alike.
func TestPWD07_CodesWorkOnceAndInTime(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		unknown, _ := credential.NewCode(w.rand())
		var first *identity.Error
		refused := func(what, code string) {
			w.t.Helper()
			hashes := w.hashes.Load()
			e := known(w.t, w.reset(w.t.Context(), Caller{}, code, nextPassword))
			if first == nil {
				first = e
			}
			if diff := cmp.Diff(first, e); diff != "" || e.Kind != identity.Invalid {
				w.t.Errorf("%s is answered differently:\n%s", what, diff)
			}
			if w.hashes.Load() != hashes {
				w.t.Errorf("%s cost a hash", what)
			}
		}
		refused("an unknown code", unknown)
		refused("no code", "")
		refused("a malformed code", strings.Repeat("é", 43))
		older := w.newCode(u, 30*time.Minute)
		newer := w.newCode(u, 30*time.Minute)
		refused("a code before a newer one", older)
		w.clock.advance(30 * time.Minute)
		refused("a late code", newer)
		used := w.newCode(u, 30*time.Minute)
		if err := w.reset(w.t.Context(), Caller{}, used, nextPassword); err != nil {
			w.t.Fatal(err)
		}
		refused("a used code", used)
		deactivated := w.newCode(u, 30*time.Minute)
		w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
			return tx.SetUserState(ctx, u.ID, identity.StateDeactivated)
		})
		refused("a deactivated user's code", deactivated)
		w.wantEvents("password_reset", 1)
	})
}

// TestPWD09_ResetIsNoWayRoundTheSecondFactor.
func TestPWD09_ResetIsNoWayRoundTheSecondFactor(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		if err := w.reset(w.t.Context(), Caller{}, w.newCode(u, time.Hour), nextPassword); err != nil {
			w.t.Fatal(err)
		}
		if n := w.sessions(u); n != 0 {
			w.t.Errorf("the reset gave %d sessions", n)
		}
		_, err := w.try(In{Email: alice, Password: nextPassword})
		want(w.t, "without a code", err, identity.NeedsCode, "user_otp_required")
		w.enter(In{Email: alice, Password: nextPassword, OTP: w.code(secret, 0)})
		e := w.wantEvents("password_reset", 1)[0]
		if e.Actor.ID != u.ID || e.Actor.Credential != "" || e.Target.ID != u.ID {
			w.t.Errorf("event %+v", e)
		}
	})
}

// TestPWD10_ResetEndsEverything.
func TestPWD10_ResetEndsEverything(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword, func(u *identity.User) { u.EmailConfirmed = time.Time{} })
		out := w.enter(In{Email: alice, Password: goodPassword})
		session := w.principal(out.Token)
		byPassword := w.token(u, policy.PersonalToken, policy.MethodPassword)
		w.fail("user:"+u.ID+":password", 100)
		if err := w.reset(w.t.Context(), Caller{}, w.newCode(u, time.Hour), nextPassword); err != nil {
			w.t.Fatal(err)
		}
		w.wantAlive("the session", session, false)
		w.wantAlive("the personal token", byPassword, false)
		hash, _ := credential.HashCode(out.Device)
		if see(w, func(ctx context.Context, r *store.Read) (bool, error) { return r.KnownDevice(ctx, hash, u.ID) }) {
			w.t.Error("the device is still known")
		}
		_, err := w.try(In{Email: alice, Password: goodPassword})
		want(w.t, "the old password", err, identity.Forbidden, "authentication_failed")
		if out := w.enter(In{Email: alice, Password: nextPassword}); out.User.EmailConfirmed.IsZero() {
			w.t.Error("the address is not confirmed by what was mailed to it")
		}
	})
}

// TestCON01_ResetCodeWorksOnce: one code, 64 times at the same moment.
func TestCON01_ResetCodeWorksOnce(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		w.Hasher.QueueLen = 1000
		for round := range 5 {
			code := w.newCode(u, time.Hour)
			errs := together(64, func(i int) error { return w.reset(w.t.Context(), Caller{}, code, nextPassword) })
			if n := successes(errs); n != 1 {
				w.t.Fatalf("round %d: %d of 64 succeeded", round, n)
			}
			for _, err := range errs {
				if err != nil {
					want(w.t, "a loser", err, identity.Invalid, "user_weblink_action_expired")
				}
			}
		}
		w.wantEvents("password_reset", 5)
	})
}

func TestStrength(t *testing.T) {
	w := lite(t)
	u := w.person("alexandra.archer@a.example", goodPassword)
	v, err := w.Strength(address(1), "alexandra.archer@a.example", "Alexandra", "alexandra.archer")
	if err != nil || v.Acceptable || v.Score > 1 || v.Message == "" {
		t.Errorf("own name: %+v, %v", v, err)
	}
	if v, err = w.Strength(address(1), "", "", nextPassword); err != nil || !v.Acceptable || v.Score < 3 {
		t.Errorf("a good one: %+v, %v", v, err)
	}
	if v, err = w.Strength(address(1), "", "", strings.Repeat("x", 1<<20)); err != nil || v.Acceptable {
		t.Errorf("a mebibyte: %+v, %v", v, err)
	}
	if v, err = w.OwnStrength(t.Context(), w.session(u), "Alexandra Archer"); err != nil || v.Acceptable {
		t.Errorf("own name of a user: %+v, %v", v, err)
	}
	for range 57 {
		if _, err := w.Strength(address(1), "", "", "x"); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.Strength(address(1), "", "", "x")
	want(t, "the 61st call in a minute", err, identity.TooMany, "too_many_requests")
	err = w.ResetPassword(t.Context(), Caller{Client: address(1)}, "x", "x")
	want(t, "a reset from there", err, identity.TooMany, "too_many_requests")
}

// A user who is deactivated while their reset runs gets no new password.
func TestResetAgainstDeactivation(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		code := w.newCode(u, time.Hour)
		w.hashing = func() {
			w.hashing = nil
			w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
				return tx.SetUserState(ctx, u.ID, identity.StateDeactivated)
			})
		}
		want(w.t, "reset", w.reset(w.t.Context(), Caller{}, code, nextPassword), identity.Invalid, "user_weblink_action_expired")
		w.wantEvents("password_reset", 0)
	})
}
