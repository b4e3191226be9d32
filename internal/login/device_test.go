package login

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// mailing lets a world queue mail.
func (w *world) mailing() *world {
	w.DB.Seal, w.DB.Open = w.Keys.Seal, w.Keys.Open
	return w
}

// mailed are the messages of a kind to an address, newest first.
func (w *world) mailed(kind, to string) []identity.Mail {
	w.t.Helper()
	list, err := w.DB.HeldMail(w.t.Context(), 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []identity.Mail
	for _, m := range list {
		if m.Mail.Kind == kind && m.Mail.To == to {
			out = append(out, m.Mail)
		}
	}
	return out
}

func (w *world) askDevice(email string) error {
	return w.RequestDevice(w.t.Context(), Caller{Client: address(int(nextAddress.Add(1)))}, email)
}

// deviceCode is the code of the newest mail.
func (w *world) deviceCode(email string) string {
	w.t.Helper()
	list := w.mailed(identity.MailDeviceConfirmation, email)
	if len(list) == 0 {
		w.t.Fatal("no mail")
	}
	link, err := url.Parse(list[0].Data["link"])
	if err != nil || link.Path != "/device" {
		w.t.Fatalf("link %v, %v", link, err)
	}
	return link.Query().Get("code")
}

// TestRAT04_MailOpensTheDoor: strangers have closed alice's counter; a mail to
// her opens it, for one device.
func TestRAT04_MailOpensTheDoor(t *testing.T) {
	each(t, func(w *world) {
		w.mailing()
		u := w.person(alice, goodPassword)
		w.fail("user:"+u.ID+":password", 100)
		_, closed := w.try(In{Email: alice, Password: goodPassword})
		want(w.t, "from a new device", closed, identity.Forbidden, "authentication_failed")
		if closed.Error() != closedDoor().Error() {
			w.t.Errorf("does not tell how: %v", closed)
		}
		if err := w.askDevice(alice); err != nil {
			w.t.Fatal(err)
		}
		device, err := w.ConfirmDevice(w.t.Context(), Caller{}, w.deviceCode(alice))
		if err != nil || device.Email != alice {
			w.t.Fatalf("%+v, %v", device, err)
		}
		w.wantEvents("device_confirmed", 1)
		if w.sessions(u) != 0 {
			w.t.Error("the mail opened the account")
		}
		_, err = w.try(In{Email: alice, Password: goodPassword})
		want(w.t, "from any other device", err, identity.Forbidden, "authentication_failed")
		_, err = w.try(In{Email: alice, Password: "wrong", Device: device.Value})
		want(w.t, "a wrong password from hers", err, identity.Forbidden, "authentication_failed")
		w.enter(In{Email: alice, Password: goodPassword, Device: device.Value})
		w.enter(In{Email: alice, Password: goodPassword}) // RAT-05: that cleared it
	})
}

// The answer is the same for everybody, also when the door is closed.
func TestRAT04_TheSameForEverybody(t *testing.T) {
	each(t, func(w *world) {
		w.mailing()
		w.person(alice, goodPassword)
		w.person("sso@a.example", "")
		for _, email := range []string{alice, "nobody@a.example", "sso@a.example"} {
			if err := w.askDevice(email); err != nil {
				w.t.Errorf("%s: %v", email, err)
			}
		}
		w.fail("name:"+w.Keys.Identifier("login name", "nobody@a.example")+":password", 100)
		_, err := w.try(In{Email: "nobody@a.example", Password: "wrong"})
		if err == nil || err.Error() != closedDoor().Error() {
			w.t.Errorf("an unknown name hears %v", err)
		}
	})
}

// TestRAT10_DeviceMails: three an hour.
func TestRAT10_DeviceMails(t *testing.T) {
	w := lite(t).mailing()
	w.person(alice, goodPassword)
	for range 10 {
		if err := w.askDevice(alice); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.mailed(identity.MailDeviceConfirmation, alice)); n != 3 {
		t.Errorf("%d mails", n)
	}
}

func TestDeviceCodesAreGoodOnceAndForAWhile(t *testing.T) {
	each(t, func(w *world) {
		w.mailing()
		u := w.person(alice, goodPassword)
		confirm := func(code string) error {
			_, err := w.ConfirmDevice(w.t.Context(), Caller{}, code)
			return err
		}
		ask := func() string {
			if err := w.askDevice(alice); err != nil {
				w.t.Fatal(err)
			}
			return w.deviceCode(alice)
		}
		gone := func(what string, err error) {
			w.t.Helper()
			want(w.t, what, err, identity.Invalid, "user_weblink_action_expired")
		}
		code := ask()
		if err := confirm(code); err != nil {
			w.t.Fatal(err)
		}
		gone("again", confirm(code))
		code = ask()
		gone("as a reset", w.reset(w.t.Context(), Caller{}, code, nextPassword))
		w.clock.advance(deviceCodeLife + time.Second)
		gone("too late", confirm(code))
		gone("rubbish", confirm("x"))
		w.clock.advance(time.Hour)
		code = ask()
		phc, err := w.Hasher.Hash(w.t.Context(), nextPassword)
		if err != nil {
			w.t.Fatal(err)
		}
		w.change(store.User(u.ID), func(ctx context.Context, tx *store.Tx) error { return tx.SetPassword(ctx, u.ID, phc) })
		gone("after a new password", confirm(code))
	})
}
