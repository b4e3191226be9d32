package login

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const alice = "alice@a.example"

func TestLoginGivesASessionOfTwelveHours(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		out := w.enter(In{Email: " ALICE@A.example.", Password: goodPassword, UserAgent: "tests/1"})
		p := w.principal(out.Token)
		want := policy.Authentication{Method: policy.MethodPassword, At: w.clock.now()}
		if p.Token.Kind != policy.Session || p.Token.Authentication != want || p.Token.Manual {
			w.t.Errorf("got %+v", p.Token)
		}
		if life := p.Token.Expires.Sub(w.clock.now()); life != 12*time.Hour {
			w.t.Errorf("it lasts %v", life)
		}
		if out.User.ID != u.ID || out.Device == "" || !out.DeviceExpires.Equal(w.clock.now().Add(90*24*time.Hour)) {
			w.t.Errorf("got %+v", out)
		}
		e := w.wantEvents("login", 1)[0]
		if e.Actor.ID != u.ID || e.Actor.Credential != p.Token.Prefix || e.Target.ID != u.ID || !e.Actor.Client.IsValid() || e.Actor.RequestID != "req_test" {
			w.t.Errorf("event %+v", e)
		}
		for _, secret := range []string{out.Token, out.Token[12:], out.Device, goodPassword} {
			if bytes.Contains(e.Detail, []byte(secret)) || strings.Contains(e.Description, secret) || strings.Contains(w.logs.String(), secret) {
				w.t.Error("a secret is in the event or the log")
			}
		}
		w.clock.advance(12 * time.Hour)
		w.wantAlive("after twelve hours", p, false)
	})
}

func TestLoginIsJudgedByItsFormFirst(t *testing.T) {
	w := lite(t)
	w.person(alice, goodPassword)
	long := strings.Repeat("é", 256)
	for _, c := range []struct {
		name         string
		in           In
		code         string
		hashes, kind int
	}{
		{"EML-02 dotless i", In{Email: "mıke@a.example", Password: goodPassword}, "invalid_email_format", 0, int(identity.Invalid)},
		{"EML-02 Kelvin sign", In{Email: "\u212aate@a.example", Password: goodPassword}, "invalid_email_format", 0, int(identity.Invalid)},
		{"EML-03 xn-- of plain letters", In{Email: "bob@xn--gmail-.com", Password: goodPassword}, "invalid_email_format", 0, int(identity.Invalid)},
		{"EML-04 header", In{Email: "a@b.example\r\nBcc: x@y.example", Password: goodPassword}, "invalid_email_format", 0, int(identity.Invalid)},
		{"EML-04 display name", In{Email: "X <a@b.example>", Password: goodPassword}, "invalid_email_format", 0, int(identity.Invalid)},
		{"EML-04 255 characters", In{Email: strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 90) + "example.com", Password: goodPassword}, "invalid_email_format", 0, int(identity.Invalid)},
		{"PWD-01 256 characters", In{Email: alice, Password: long}, "authentication_failed", 1, int(identity.Forbidden)},
		{"PWD-01 256 characters, decomposed", In{Email: alice, Password: strings.Repeat("e\u0301", 256)}, "authentication_failed", 1, int(identity.Forbidden)},
		{"PWD-01 257 characters", In{Email: alice, Password: long + "x"}, "bad_request", 0, int(identity.Invalid)},
		{"PWD-01 a mebibyte", In{Email: alice, Password: strings.Repeat("x", 1<<20)}, "bad_request", 0, int(identity.Invalid)},
		{"PWD-01 1,025 bytes", In{Email: alice, Password: strings.Repeat("💥", 256) + "x"}, "bad_request", 0, int(identity.Invalid)},
		{"a code of seven", In{Email: alice, Password: goodPassword, OTP: "1234567"}, "bad_request", 0, int(identity.Invalid)},
		{"a code of 41", In{Email: alice, Password: goodPassword, OTP: strings.Repeat("1", 41)}, "bad_request", 0, int(identity.Invalid)},
		{"no password", In{Email: alice}, "authentication_failed", 1, int(identity.Forbidden)},
	} {
		t.Run(c.name, func(t *testing.T) {
			hashes, events := w.hashes.Load(), w.allEvents()
			_, err := w.try(c.in)
			want(t, "login", err, identity.Kind(c.kind), c.code)
			if got := w.hashes.Load() - hashes; got != int64(c.hashes) {
				t.Errorf("%d hashes, want %d", got, c.hashes)
			}
			if w.allEvents() != events {
				t.Error("an event was recorded")
			}
			if counted := w.failures("user:"+userID(w, alice)+":password") > 0; counted != (c.hashes > 0) {
				t.Errorf("counted: %v", counted)
			}
			w.enter(In{Email: alice, Password: goodPassword}) // clears the counter
		})
	}
}

func userID(w *world, email string) string {
	return see(w, func(ctx context.Context, r *store.Read) (string, error) {
		u, err := r.UserByEmail(ctx, email)
		return u.ID, err
	})
}

// TestRAT01_SameAnswer: whatever stands behind a name, a wrong password gets
// the same error for the same work.
func TestRAT01_SameAnswer(t *testing.T) {
	each(t, func(w *world) {
		person := func(email, password string, edit ...func(*identity.User)) string {
			return "user:" + w.person(email, password, edit...).ID
		}
		nobody := func(email string) string { return "name:" + w.Keys.Identifier("login name", email) }
		application := "app@applications.a.example"
		w.person(application, "", func(u *identity.User) { u.Application = true })
		second := w.person("second@a.example", goodPassword)
		w.enrol(second)
		kinds := []struct{ email, counters string }{
			{"existing@a.example", person("existing@a.example", goodPassword)},
			{"unknown@a.example", nobody("unknown@a.example")},
			{"unconfirmed@a.example", person("unconfirmed@a.example", goodPassword, func(u *identity.User) { u.EmailConfirmed = time.Time{} })},
			{"deactivated@a.example", person("deactivated@a.example", goodPassword, func(u *identity.User) { u.State = identity.StateDeactivated })},
			{"deleted@a.example", nobody("deleted@a.example")},
			{"sso@a.example", person("sso@a.example", "")},
			{application, nobody(application)},
			{second.Email, "user:" + second.ID},
		}
		w.person("deleted@a.example", goodPassword, func(u *identity.User) { u.State = identity.StateDeleted })
		events := w.allEvents()
		for n := 1; n <= 6; n++ { // the sixth has to wait
			var first *identity.Error
			for _, k := range kinds {
				hashes := w.hashes.Load()
				_, err := w.try(In{Email: k.email, Password: "not the password at all"})
				e := known(w.t, err)
				if first == nil {
					first = e
				}
				if diff := cmp.Diff(first, e); diff != "" {
					w.t.Errorf("try %d: %s is answered differently:\n%s", n, k.email, diff)
				}
				wantHashes := int64(1)
				if n == 6 {
					wantHashes = 0
				}
				if got := w.hashes.Load() - hashes; got != wantHashes {
					w.t.Errorf("try %d: %s cost %d hashes, want %d", n, k.email, got, wantHashes)
				}
				if got := w.failures(k.counters + ":password"); got != int64(min(n, 5)) {
					w.t.Errorf("try %d: %s has %d failures", n, k.email, got)
				}
			}
			if n == 6 && (first.Kind != identity.TooMany || first.RetryAfter != 1) {
				w.t.Errorf("the sixth try got %+v, want 429 after 1 s", first)
			}
			if n < 6 {
				want(w.t, "wrong password", first, identity.Forbidden, "authentication_failed")
			}
		}
		if w.allEvents() != events {
			w.t.Error("an event was recorded for a name that somebody typed")
		}
	})
}

// TestRAT01_ExactAnswersComeLast: more is said only after the right password
// and code.
func TestRAT01_ExactAnswersComeLast(t *testing.T) {
	each(t, func(w *world) {
		u := w.person("gone@a.example", goodPassword, func(u *identity.User) { u.State = identity.StateDeactivated })
		secret := w.enrol(u)
		_, err := w.try(In{Email: u.Email, Password: goodPassword})
		want(w.t, "without a code", err, identity.NeedsCode, "user_otp_required")
		_, err = w.try(In{Email: u.Email, Password: goodPassword, OTP: w.wrongCodeFor(secret)})
		want(w.t, "with a wrong code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		_, err = w.try(In{Email: u.Email, Password: goodPassword, OTP: w.code(secret, 0)})
		want(w.t, "with the right code", err, identity.Forbidden, "user_deactivated")
		if n := w.failures("user:" + u.ID + ":otp"); n != 0 {
			w.t.Errorf("the right code left %d failures", n)
		}
		if n := w.sessions(u); n != 0 {
			w.t.Errorf("%d sessions", n)
		}
		e := w.wantEvents("login_refused", 1)[0]
		if e.Outcome != identity.Refused || e.Target.ID != u.ID || e.DecisionID == "" {
			w.t.Errorf("event %+v", e)
		}
	})
}

// TestRAT03_OneCounterForAllSpellings.
func TestRAT03_OneCounterForAllSpellings(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	for i, spelling := range []string{alice, "ALICE@A.EXAMPLE", " alice@a.example", "alice@a.example.", "Alice@a.example "} {
		_, err := w.try(In{Email: spelling, Password: "wrong"})
		want(t, spelling, err, identity.Forbidden, "authentication_failed")
		if n := w.failures("user:" + u.ID + ":password"); n != int64(i+1) {
			t.Errorf("after %q: %d failures, want %d", spelling, n, i+1)
		}
	}
	_, err := w.try(In{Email: alice, Password: "wrong"})
	want(t, "the sixth", err, identity.TooMany, "too_many_requests")
}

// TestRAT04_LockOutIsNoWeapon: strangers fill alice's counter; alice comes in
// from a device she used before.
func TestRAT04_LockOutIsNoWeapon(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		device := w.enter(In{Email: alice, Password: goodPassword}).Device
		began := w.clock.now()
		for i := range 120 {
			w.clock.advance(61 * time.Second)
			_, err := w.try(In{Email: alice, Password: "wrong", Client: address(40_000 + i%50)})
			want(w.t, "a stranger", err, identity.Forbidden, "authentication_failed")
		}
		hours := int(w.clock.now().Sub(began)/time.Hour) + 1
		list := w.events("guessing_detected")
		if len(list) == 0 || len(list) > hours {
			w.t.Errorf("%d events in %d hours, want one in an hour", len(list), hours)
		}
		if e := list[0]; e.Actor.Kind != identity.ActorAnonymous || e.Target.ID != u.ID || e.Chain != "user:"+u.ID {
			w.t.Errorf("event %+v", e)
		}
		out := w.enter(In{Email: alice, Password: goodPassword, Device: device})
		if n := w.failures("user:" + u.ID + ":password"); n != 0 {
			w.t.Errorf("her login left %d failures of strangers", n)
		}
		w.enter(In{Email: alice, Password: goodPassword}) // open again for new devices
		if _, err := w.try(In{Email: alice, Password: "wrong", Device: out.Device}); known(w.t, err).Code != "authentication_failed" {
			w.t.Error(err)
		}
		if n := w.failures("user:" + u.ID + ":password"); n != 0 {
			w.t.Error("a known device's failure was counted with the strangers'")
		}
	})
}

// TestRAT05_EndlessGuessing: after 100 failures in a row the right password
// gets the answer of a wrong one, and costs a hash like it.
func TestRAT05_EndlessGuessing(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		device := w.enter(In{Email: alice, Password: goodPassword}).Device
		w.fail("user:"+u.ID+":password", 100)
		hashes := w.hashes.Load()
		_, wrong := w.try(In{Email: alice, Password: "wrong"})
		_, right := w.try(In{Email: alice, Password: goodPassword})
		want(w.t, "the wrong one", wrong, identity.Forbidden, "authentication_failed")
		if diff := cmp.Diff(known(w.t, wrong), known(w.t, right)); diff != "" {
			w.t.Errorf("the right password is answered differently:\n%s", diff)
		}
		if got := w.hashes.Load() - hashes; got != 2 {
			w.t.Errorf("%d hashes for two tries", got)
		}
		w.enter(In{Email: alice, Password: goodPassword, Device: device})
		w.enter(In{Email: alice, Password: goodPassword})
	})
}

// TestRAT05_CodesClose: the same for the second factor.
func TestRAT05_CodesClose(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		device := w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)}).Device
		w.fail("user:"+u.ID+":otp", 100)
		_, err := w.try(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)})
		want(w.t, "the right code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		w.wantEvents("otp_replayed", 0)
		w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0), Device: device})
	})
}

// TestRAT06_ParallelGuessing: 200 wrong passwords at the same moment.
func TestRAT06_ParallelGuessing(t *testing.T) {
	each(t, func(w *world) {
		w.person(alice, goodPassword)
		errs := together(200, func(i int) error {
			_, err := w.try(In{Email: alice, Password: "wrong"})
			return err
		})
		if n := w.hashes.Load(); n == 0 || n > 10 {
			w.t.Errorf("%d hashes, want at most 10", n)
		}
		waiting := 0
		for _, err := range errs {
			if e := known(w.t, err); e.Kind == identity.TooMany {
				waiting++
				if e.RetryAfter < 1 || e.RetryAfter > 60 {
					w.t.Errorf("Retry-After %d", e.RetryAfter)
				}
			}
		}
		if int64(waiting)+w.hashes.Load() != 200 {
			w.t.Errorf("%d had to wait and %d were hashed, of 200", waiting, w.hashes.Load())
		}
	})
}

// TestRAT07_OneCounterForAllDoors: login, change of the password, and setting
// the second factor up.
func TestRAT07_OneCounterForAllDoors(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		p := w.session(u)
		otp := MethodOTP
		doors := []func() error{
			func() error { _, err := w.try(In{Email: alice, Password: "wrong"}); return err },
			func() error { _, err := w.ChangePassword(w.t.Context(), p, "wrong", nextPassword); return err },
			func() error { _, err := w.ConfigureTwoFactor(w.t.Context(), p, &otp, "wrong", ""); return err },
			func() error { _, err := w.ConfigureTwoFactor(w.t.Context(), p, nil, "wrong", ""); return err },
			func() error {
				_, err := w.ConfirmTwoFactor(w.t.Context(), p, "wrong", "otpauth://", "123456")
				return err
			},
		}
		for i, door := range doors {
			want(w.t, fmt.Sprint("door ", i), door(), identity.Forbidden, "authentication_failed")
			if n := w.failures("user:" + u.ID + ":password"); n != int64(i+1) {
				w.t.Errorf("door %d: %d failures, want %d", i, n, i+1)
			}
		}
		for i, door := range doors {
			want(w.t, fmt.Sprint("door ", i), door(), identity.TooMany, "too_many_requests")
		}
	})
}

// TestRAT08_InnocentRetries: clients repeat a login that was answered 510.
func TestRAT08_InnocentRetries(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		device := w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)}).Device
		w.clock.advance(time.Minute)
		w.mailing()
		client := address(41_000)
		half := func(device string) {
			w.t.Helper()
			_, err := w.try(In{Email: alice, Password: goodPassword, Client: client, Device: device})
			want(w.t, "without a code", err, identity.NeedsCode, "user_otp_required")
		}
		half(device)
		if n := len(w.mailed(identity.MailPasswordEntered, alice)); n != 0 {
			w.t.Errorf("%d mails about a known device", n)
		}
		for range 30 {
			half("")
		}
		w.toFactor()
		if n := len(w.mailed(identity.MailPasswordEntered, alice)); n != 1 {
			w.t.Errorf("%d mails about an unknown device, want one an hour", n)
		}
		for _, factor := range []string{":password", ":otp"} {
			if n := w.failures("user:" + u.ID + factor); n != 0 {
				w.t.Errorf("%d failures%s", n, factor)
			}
		}
		w.enter(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0), Client: client})
	})
}

// TestRAT09_AddressesAreLimited: one address tries many names.
func TestRAT09_AddressesAreLimited(t *testing.T) {
	w := lite(t)
	w.person(alice, goodPassword)
	client := address(42_000)
	for i := range 20 {
		_, err := w.try(In{Email: fmt.Sprintf("n%d@a.example", i), Password: "wrong", Client: client})
		want(t, "one of the first 20", err, identity.Forbidden, "authentication_failed")
	}
	hashes := w.hashes.Load()
	_, err := w.try(In{Email: alice, Password: goodPassword, Client: client})
	want(t, "the 21st", err, identity.TooMany, "too_many_requests")
	if w.hashes.Load() != hashes || w.failures("user:"+userID(w, alice)+":password") != 0 {
		t.Error("it cost a hash or was counted")
	}
	w.enter(In{Email: alice, Password: goodPassword})
	w.clock.advance(6 * time.Second)
	for range 5 { // successes cost nothing
		w.enter(In{Email: alice, Password: goodPassword, Client: client})
	}
}

func TestManagedUsersMeetTheirOrganizationsPolicy(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		free := w.person("bob@b.example", goodPassword)
		closed := w.organization("Closed", `{"password_auth_enabled": false}`, u, free)
		w.enter(In{Email: alice, Password: goodPassword}) // a member, but not managed
		w.manage(u, closed)
		refused := w.refusedLogin(In{Email: alice, Password: goodPassword})
		if refused.Code != policy.CodePassword || refused.Metadata["remedy"] == "" || refused.Metadata["remedy_url"] != "https://id.a.example/login" {
			w.t.Errorf("refused with %+v", refused)
		}
		if got := refused.Metadata["reasons"]; !reflect.DeepEqual(got, []string{policy.CodePassword}) {
			w.t.Errorf("reasons %v", got)
		}
		again := w.refusedLogin(In{Email: alice, Password: goodPassword})
		if again.Metadata["decision_id"] != refused.Metadata["decision_id"] {
			w.t.Error("two decisions in one minute")
		}
		e := w.wantEvents("login_refused", 1)[0]
		if e.OrganizationID != closed || e.DecisionID != refused.Metadata["decision_id"] || e.Chain != "organization:"+closed || e.AccountID == "" {
			w.t.Errorf("event %+v", e)
		}
		var record identity.Refusal
		if err := json.Unmarshal(e.Detail, &record); err != nil {
			w.t.Fatal(err)
		}
		facts, err := policy.ParseFacts(record.Facts)
		if err != nil || policy.Decide(&facts).Code() != policy.CodePassword {
			w.t.Errorf("the record does not replay: %v %s", err, record.Facts)
		}
		if n := w.sessions(u); n != 1 {
			w.t.Errorf("%d sessions, want the one from before", n)
		}
		w.enter(In{Email: free.Email, Password: goodPassword})
		w.wantEvents("login", 2)
		w.clock.advance(time.Minute)
		w.refusedLogin(In{Email: alice, Password: goodPassword})
		w.wantEvents("login_refused", 2)
	})
}

func (w *world) refusedLogin(in In) *identity.Error {
	w.t.Helper()
	_, err := w.try(in)
	e := known(w.t, err)
	if e.Kind != identity.Forbidden {
		w.t.Fatalf("got %+v, want a refusal", e)
	}
	return e
}

func TestUnreadablePolicyClosesTheDoor(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	w.manage(u, w.organization("Damaged", `{"password_auth_enabled": "perhaps"}`, u))
	if e := w.refusedLogin(In{Email: alice, Password: goodPassword}); e.Code != policy.CodePolicyUnreadable {
		t.Errorf("refused with %+v", e)
	}
}

func TestLoginOfAManagedUserStandsInTheOrganizationsLog(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	id := w.organization("Open", `{}`, u)
	w.manage(u, id)
	w.enter(In{Email: alice, Password: goodPassword})
	if e := w.wantEvents("login", 1)[0]; e.OrganizationID != id || e.AccountID == "" || e.Chain != "user:"+u.ID {
		t.Errorf("event %+v", e)
	}
}

func TestRehashAtLogin(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		before := see(w, func(ctx context.Context, r *store.Read) (string, error) { return r.Password(ctx, u.ID) })
		w.Hasher = &credential.Hasher{Keys: w.Keys, Params: credential.Params{MemoryKiB: 128, Passes: 1, Lanes: 1}}
		p := w.session(u)
		after := see(w, func(ctx context.Context, r *store.Read) (string, error) { return r.Password(ctx, u.ID) })
		if after == before || !strings.Contains(after, "m=128,") {
			w.t.Errorf("stored %q after %q", after, before)
		}
		w.enter(In{Email: alice, Password: goodPassword})
		w.wantAlive("the session", p, true)
	})
}

// TestSES01_NewValues: nothing that was there before a login is taken over.
func TestSES01_NewValues(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		planted, _ := credential.NewCode(w.rand())
		first := w.enter(In{Email: alice, Password: goodPassword, Device: planted})
		second := w.enter(In{Email: alice, Password: goodPassword, Device: first.Device})
		if first.Device == planted || second.Device == first.Device || second.Token == first.Token {
			w.t.Error("a value was used again")
		}
		for device, want := range map[string]bool{planted: false, first.Device: false, second.Device: true} {
			hash, _ := credential.HashCode(device)
			if got := see(w, func(ctx context.Context, r *store.Read) (bool, error) { return r.KnownDevice(ctx, hash, u.ID) }); got != want {
				w.t.Errorf("known: %v, want %v", got, want)
			}
		}
	})
}

func TestDevicesAreForgotten(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		first := w.enter(In{Email: alice, Password: goodPassword})
		for range maxDevices {
			w.clock.advance(time.Second)
			w.enter(In{Email: alice, Password: goodPassword})
		}
		known := func(device string) bool {
			hash, _ := credential.HashCode(device)
			return see(w, func(ctx context.Context, r *store.Read) (bool, error) { return r.KnownDevice(ctx, hash, u.ID) })
		}
		if known(first.Device) {
			w.t.Error("the 101st device did not replace the first")
		}
		last := w.enter(In{Email: alice, Password: goodPassword})
		if !known(last.Device) {
			w.t.Error("the last device is not known")
		}
		w.clock.advance(90 * 24 * time.Hour)
		if known(last.Device) {
			w.t.Error("known after 90 days")
		}
	})
}

// TestDOS01_HashesAreBounded: a flood of logins for distinct users.
func TestDOS01_HashesAreBounded(t *testing.T) {
	w := lite(t)
	w.Hasher = &credential.Hasher{
		Keys: w.Keys, Params: credential.Params{MemoryKiB: 4096, Passes: 4, Lanes: 1},
		Queue: credential.Queue{Concurrency: 2, QueueLen: 4, MaxWait: 20 * time.Millisecond},
	}
	most := 0
	w.hashing = func() { w.hashes.Add(1) }
	done := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-done:
				return
			default:
				most = max(most, w.Hasher.Running())
			}
		}
	}()
	errs := together(100, func(i int) error {
		_, err := w.try(In{Email: fmt.Sprintf("n%d@a.example", i), Password: "wrong"})
		return err
	})
	close(done)
	<-watched
	if most > 2 {
		t.Errorf("%d hashes at once, want at most 2", most)
	}
	turnedAway := 0
	for i, err := range errs {
		e := known(t, err)
		failures := w.failures("name:" + w.Keys.Identifier("login name", fmt.Sprintf("n%d@a.example", i)) + ":password")
		switch {
		case e.Kind == identity.Unavailable:
			turnedAway++
			if e.RetryAfter < 1 || failures != 0 {
				t.Errorf("turned away with Retry-After %d and %d failures counted", e.RetryAfter, failures)
			}
		case e.Code != "authentication_failed" || failures != 1:
			t.Errorf("got %v with %d failures", e, failures)
		}
	}
	if turnedAway == 0 || turnedAway == 100 {
		t.Errorf("%d of 100 were turned away", turnedAway)
	}
}

// TestDOS01_WhoIsTurnedAwayCostsNothing: while all places are taken a login ends
// before the database is asked, whatever was typed.
func TestDOS01_WhoIsTurnedAwayCostsNothing(t *testing.T) {
	w := lite(t)
	w.Hasher = &credential.Hasher{Keys: w.Keys, Queue: credential.Queue{Concurrency: 1, QueueLen: 1}}
	for full := false; !full; {
		_, err := w.Hasher.Admit()
		full = err != nil
	}
	w.hashing = func() { t.Error("a hash was asked for") }
	asked := 0
	w.DB.Began = func(ctx context.Context, _, _ string) (context.Context, func(bool)) {
		asked++
		return ctx, func(bool) {}
	}
	defer func() { w.DB.Began = nil }()
	for _, in := range []In{{Email: "nobody@a.example", Password: "wrong"}, {Email: "alice@a.example", Password: goodPassword}} {
		_, err := w.try(in)
		if e := known(t, err); e.Kind != identity.Unavailable || e.RetryAfter < 1 {
			t.Errorf("got %v, want to be told to come back", e)
		}
	}
	if asked > 0 {
		t.Errorf("the database was asked %d times", asked)
	}
}

// TestRAT06_OneNameLeavesRoom: guesses at one name take no more places than it
// has tries, are TooMany beyond that, and are in nobody else's way.
func TestRAT06_OneNameLeavesRoom(t *testing.T) {
	w := lite(t)
	var leave func()
	for range strangerLimits.Tries {
		var err error
		if leave, err = w.admit("alice@a.example", "", address(1)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.admit("alice@a.example", "", address(1))
	if e := known(t, err); e.Kind != identity.TooMany || e.RetryAfter != 1 {
		t.Errorf("the next guess: %v, want to wait for a second", e)
	}
	for _, other := range [][2]string{{"bob@a.example", ""}, {"alice@a.example", "her device"}} {
		if _, err := w.admit(other[0], other[1], address(1)); err != nil {
			t.Errorf("%v: %v", other, err)
		}
	}
	leave()
	if _, err := w.admit("alice@a.example", "", address(1)); err != nil {
		t.Errorf("after one was checked: %v", err)
	}
}

// TestDOS01_OneAddressLeavesRoom: whoever guesses at many names at once from one
// address, or from one customer's network, leaves half of the places to others.
func TestDOS01_OneAddressLeavesRoom(t *testing.T) {
	w := lite(t)
	places := int(w.Hasher.Places())
	crowd, name := netip.MustParseAddr("2001:db8::"), 0
	enter := func(client netip.Addr) (func(), error) {
		name++
		return w.admit(fmt.Sprintf("n%d@a.example", name), "", client)
	}
	next := func() netip.Addr { crowd = crowd.Next(); return crowd } // of one /64
	var leave func()
	for range places / 2 {
		var err error
		if leave, err = enter(next()); err != nil {
			t.Fatal(err)
		}
	}
	refused := w.Hasher.Refused()
	_, err := enter(next())
	if e := known(t, err); e.Kind != identity.Unavailable || e.RetryAfter < 1 || w.Hasher.Refused() != refused+1 {
		t.Errorf("one too many from one network: %v, want to be told to come back", e)
	}
	for i := range places - places/2 {
		if _, err := enter(address(i + 1)); err != nil {
			t.Fatalf("somebody else: %v", err)
		}
	}
	leave()
	if _, err := enter(next()); err != nil {
		t.Errorf("after one was checked: %v", err)
	}
}

// TestDOS05_SessionQuota: the 1,001st session ends the one used least recently.
func TestDOS05_SessionQuota(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		oldest := w.token(u, policy.Session, policy.MethodPassword)
		w.clock.advance(time.Second)
		next := w.token(u, policy.Session, policy.MethodPassword)
		w.clock.advance(time.Second)
		w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
			for range 998 {
				n := w.newSession()
				if err := tx.AddToken(ctx, identity.Token{Prefix: n.prefix, Hash: n.hash, Kind: policy.Session, UserID: u.ID}); err != nil {
					return err
				}
			}
			return nil
		})
		w.clock.advance(time.Second)
		// The first was used since, so the second goes.
		err := w.DB.Maintain(w.t.Context(), func(tx *store.Tx) error {
			_, err := tx.RecordUses(w.t.Context(), []identity.Use{{Prefix: oldest.Token.Prefix, UserID: u.ID, At: w.clock.now()}})
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
		p := w.session(u)
		if n := w.sessions(u); n != 1000 {
			w.t.Errorf("%d sessions", n)
		}
		w.wantAlive("the new session", p, true)
		w.wantAlive("the one used lately", oldest, true)
		w.wantAlive("the least recently used", next, false)
	})
}

// TestCON03_LoginAgainstDeactivation: no session is left of a user after their
// deactivation has been answered.
func TestCON03_LoginAgainstDeactivation(t *testing.T) {
	each(t, func(w *world) {
		w.DB.Now = time.Now
		for round := range 3 {
			u := w.person(fmt.Sprintf("n%d@a.example", round), goodPassword)
			device := w.enter(In{Email: u.Email, Password: goodPassword}).Device
			together(100, func(i int) error {
				if i == 50 {
					w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
						return tx.SetUserState(ctx, u.ID, identity.StateDeactivated)
					})
					return nil
				}
				in := In{Email: u.Email, Password: goodPassword}
				if i == 0 {
					in.Device = device
				}
				_, err := w.try(in)
				return err
			})
			if n := w.sessions(u); n != 0 {
				w.t.Errorf("round %d: %d live sessions", round, n)
			}
			w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error {
				return tx.SetUserState(ctx, u.ID, identity.StateActive)
			})
			if n := w.sessions(u); n != 0 {
				w.t.Errorf("round %d: reactivation revived %d sessions", round, n)
			}
		}
	})
}

// A login that was proved with the old password is wrong once a new one is
// stored.
func TestLoginAgainstPasswordChange(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		phc, err := w.Hasher.Hash(w.t.Context(), nextPassword)
		if err != nil {
			w.t.Fatal(err)
		}
		w.clock.advance(time.Second)
		w.hashing = func() { // between the look at the user and the session
			w.hashing = nil
			w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error { return tx.SetPassword(ctx, u.ID, phc) })
		}
		_, err = w.try(In{Email: alice, Password: goodPassword})
		want(w.t, "the old password", err, identity.Forbidden, "authentication_failed")
		if n := w.sessions(u); n != 0 {
			w.t.Errorf("%d sessions", n)
		}
		w.enter(In{Email: alice, Password: nextPassword})
	})
}

// A second factor that is switched on while a login runs is asked for.
func TestLoginAgainstEnrolment(t *testing.T) {
	w := lite(t)
	u := w.person(alice, goodPassword)
	w.hashing = func() {
		w.hashing = nil
		w.enrol(u)
	}
	_, err := w.try(In{Email: alice, Password: goodPassword})
	want(t, "without a code", err, identity.NeedsCode, "user_otp_required")
	if n := w.sessions(u); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// The clock is set back after all tokens were ended: a new login works, and
// nothing that ended comes back.
func TestLoginAfterTheClockWentBack(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		p := w.session(u)
		if _, err := w.ExpireTokens(w.t.Context(), p); err != nil {
			w.t.Fatal(err)
		}
		w.clock.advance(-time.Hour)
		second := w.session(u)
		w.wantAlive("the new session", second, true)
		w.wantAlive("the ended session", p, false)
		if _, err := w.ExpireTokens(w.t.Context(), second); err != nil {
			w.t.Fatal(err)
		}
		w.wantAlive("the ended session", p, false)
		w.wantAlive("the second session", second, false)
		w.wantAlive("a third", w.session(u), true)
	})
}

func FuzzLoginForm(f *testing.F) {
	for _, seed := range [][3]string{
		{alice, goodPassword, "123 456"},
		{"ALICE@A.EXAMPLE.", "", ""},
		{"bob@gmaıl.com", "e\u0301", "      "},
		{"a@b@c.example", "\x00", "1234567"},
		{"\xff@b.example", "\xff", "\xff"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, email, password, code string) {
		if !utf8.ValidString(email) {
			t.Skip("the doors decode text strictly: no other reaches a login")
		}
		in := In{Email: email, Password: password, OTP: code}
		canonical, err := in.check()
		if err != nil {
			if e := known(t, err); e.Kind != identity.Invalid || e.Code == "" || e.Message == "" {
				t.Errorf("refused with %+v", e)
			}
			return
		}
		again := In{Email: canonical, Password: password, OTP: in.OTP}
		if same, err := again.check(); err != nil || same != canonical || again.OTP != in.OTP {
			t.Errorf("%q became %q, which became %q (%v)", email, canonical, same, err)
		}
	})
}
