package login

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
)

// expose loads a list that holds a password.
func (w *world) expose(password string) {
	w.t.Helper()
	digits := fmt.Sprintf("%X", sha1.Sum([]byte(password)))
	dir := w.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, digits[:5]+".txt"), []byte(digits[5:]+":42\r\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	list, err := credential.OpenExposed(dir)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = list.Close() })
	w.Rules.Exposed = list
}

// TestRAT01_ExposedPasswordsAreToldLast: only who knows the password and has
// the second factor hears that others know it.
func TestRAT01_ExposedPasswordsAreToldLast(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		secret := w.enrol(u)
		w.person("bob@a.example", nextPassword)
		w.expose(goodPassword)
		_, err := w.try(In{Email: alice, Password: "wrong"})
		want(w.t, "a wrong password", err, identity.Forbidden, "authentication_failed")
		_, err = w.try(In{Email: "bob@a.example", Password: goodPassword})
		want(w.t, "not bob's", err, identity.Forbidden, "authentication_failed")
		_, err = w.try(In{Email: alice, Password: goodPassword})
		want(w.t, "without the code", err, identity.NeedsCode, "user_otp_required")
		_, err = w.try(In{Email: alice, Password: goodPassword, OTP: w.wrongCodeFor(secret)})
		want(w.t, "a wrong code", err, identity.Forbidden, "user_config_2fa_otp_verification_failed")
		w.wantEvents("login_refused", 0)

		_, err = w.try(In{Email: alice, Password: goodPassword, OTP: w.code(secret, 0)})
		want(w.t, "all right", err, identity.Forbidden, "user_password_compromised")
		if e := w.wantEvents("login_refused", 1)[0]; e.Outcome != identity.Refused || e.Target.ID != u.ID {
			w.t.Errorf("event %+v", e)
		}
		b := w.toFactor()
		_, err = b.typed(w.code(secret, 0))
		want(w.t, "in a browser", err, identity.Forbidden, "user_password_compromised")
		if w.sessions(u) != 0 {
			w.t.Error("a session")
		}
		w.enter(In{Email: "bob@a.example", Password: nextPassword})
	})
}

// A list that cannot be read keeps nobody out.
func TestUnreadableListOfExposedPasswords(t *testing.T) {
	w := lite(t)
	w.person(alice, goodPassword)
	digits := fmt.Sprintf("%X", sha1.Sum([]byte(goodPassword)))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "00000.txt"), []byte("0005AD76BD555C1D6D771DE417A4B87E4B4:4\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := credential.OpenExposed(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, digits[:5]+".txt"), []byte("damaged\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Rules.Exposed = list
	w.enter(In{Email: alice, Password: goodPassword})
	if w.logs.Len() == 0 {
		t.Error("nothing in the log")
	}
}
