package server_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential/softkey"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

const passkeyRefused = "passkey_verification_failed"

// optionsOf are the options of an answer, as a browser gets them.
func optionsOf(tb testing.TB, a servertest.Answer) []byte {
	tb.Helper()
	text, err := json.Marshal(a.Object()["options"])
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// passkey is an honest authenticator at the server's own page.
func (s *scene) passkey() *softkey.Authenticator {
	return &softkey.Authenticator{Origin: s.Login.PasskeyOrigin()}
}

// newPasskey is the body that registers a passkey in a session.
func (s *scene) newPasskey(tb testing.TB, key *softkey.Authenticator, session string) map[string]any {
	tb.Helper()
	offer := s.Do(tb, http.MethodPost, "/v1/me/passkeys/options", session, nil).Want(http.StatusOK)
	response, err := key.Create(optionsOf(tb, offer))
	if err != nil {
		tb.Fatal(err)
	}
	return map[string]any{"registration": offer.String("registration"), "response": json.RawMessage(response)}
}

// challenged is the body that answers a new challenge with a passkey.
func (s *scene) challenged(tb testing.TB, key *softkey.Authenticator) map[string]any {
	tb.Helper()
	challenge := s.Do(tb, http.MethodPost, "/v1/userauth/passkey/options", "", nil).Want(http.StatusOK)
	response, err := key.Get(optionsOf(tb, challenge))
	if err != nil {
		tb.Fatal(err)
	}
	return map[string]any{"flow": challenge.String("flow"), "response": json.RawMessage(response)}
}

func (s *scene) passkeyLogin(tb testing.TB, body any) servertest.Answer {
	tb.Helper()
	return s.Do(tb, http.MethodPost, "/v1/userauth/passkey", "", body)
}

// withPasskey gives bob a passkey and returns the session that goes on.
func (s *scene) withPasskey(tb testing.TB) (key *softkey.Authenticator, session string) {
	tb.Helper()
	_, session = s.AddMember(tb, bobEmail, bobPassword)
	key = s.passkey()
	made := s.Do(tb, http.MethodPost, "/v1/me/passkeys", session, s.newPasskey(tb, key, session)).Want(http.StatusOK)
	return key, made.String("token")
}

// lie is a change of an honest answer that breaks one rule of WebAuthn level 3,
// sections 7.1 and 7.2.
type lie struct {
	name string
	tell func(a *softkey.Authenticator)
}

func lies() []lie {
	clientData := func(name string, value any) func(a *softkey.Authenticator) {
		return func(a *softkey.Authenticator) { a.ClientData = func(members map[string]any) { members[name] = value } }
	}
	return []lie{
		{"another challenge", clientData("challenge", base64.RawURLEncoding.EncodeToString(make([]byte, 32)))},
		{"another origin", clientData("origin", "https://evil.example")},
		{"another port", clientData("origin", "http://localhost:1")},
		{"the type of the other ceremony", func(a *softkey.Authenticator) {
			a.ClientData = func(members map[string]any) {
				members["type"] = map[any]string{"webauthn.get": "webauthn.create", "webauthn.create": "webauthn.get"}[members["type"]]
			}
		}},
		{"crossOrigin", clientData("crossOrigin", true)},
		{"topOrigin", clientData("topOrigin", "https://evil.example")},
		{"another RP id", func(a *softkey.Authenticator) {
			a.AuthData = func(data []byte) []byte { data[0] ^= 1; return data }
		}},
		{"the user not verified", func(a *softkey.Authenticator) { a.Flags = softkey.Synced &^ softkey.UserVerified }},
		{"nobody present", func(a *softkey.Authenticator) { a.Flags = softkey.Synced &^ softkey.UserPresent }},
		{"backed up without eligibility", func(a *softkey.Authenticator) { a.Flags = softkey.Synced &^ softkey.BackupEligible }},
	}
}

// TestMFA11_PasskeyCeremonies: one rule broken at a time, in both ceremonies.
func TestMFA11_PasskeyCeremonies(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		key, session := s.withPasskey(t)
		registering := append(lies(),
			lie{"an algorithm that was not offered", func(a *softkey.Authenticator) { a.Algorithm = softkey.ES384 }},
			lie{"an id of more than 1,023 bytes", func(a *softkey.Authenticator) { a.IDLength = 1024 }},
		)
		for _, l := range registering {
			liar := s.passkey()
			l.tell(liar)
			body := s.newPasskey(t, liar, session)
			s.Do(t, http.MethodPost, "/v1/me/passkeys", session, body).WantCode(http.StatusBadRequest, passkeyRefused)
		}
		if list := s.Do(t, http.MethodGet, "/v1/me/passkeys", session, nil).Want(http.StatusOK).Object()["passkeys"].([]any); len(list) != 1 {
			t.Errorf("%d passkeys after the lies", len(list))
		}
		for _, l := range lies() {
			liar := *key
			l.tell(&liar)
			body := s.challenged(t, &liar)
			sessions := s.Value(t, `SELECT count(*) FROM tokens`)
			s.passkeyLogin(t, body).WantCode(http.StatusBadRequest, passkeyRefused)
			if got := s.Value(t, `SELECT count(*) FROM tokens`); got != sessions {
				t.Errorf("%s opened a session", l.name)
			}
			s.advance(time.Minute) // the limit of the address fills up again
		}
		s.passkeyLogin(t, s.challenged(t, key)).Want(http.StatusOK)
	})
}

// TestMFA12_PasskeyReplay: a challenge dies with the first answer.
func TestMFA12_PasskeyReplay(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		key, _ := s.withPasskey(t)
		used := s.challenged(t, key)
		s.passkeyLogin(t, used).Want(http.StatusOK)
		s.passkeyLogin(t, used).WantCode(http.StatusBadRequest, "login_attempt_expired")
		used["flow"] = s.challenged(t, key)["flow"]
		s.passkeyLogin(t, used).WantCode(http.StatusBadRequest, passkeyRefused)

		failed := s.challenged(t, key)
		right := failed["response"]
		liar := *key
		liar.Signature = func(signature []byte) []byte { signature[len(signature)-1] ^= 1; return signature }
		failed["response"] = s.challenged(t, &liar)["response"]
		s.passkeyLogin(t, failed).WantCode(http.StatusBadRequest, passkeyRefused)
		failed["response"] = right
		s.passkeyLogin(t, failed).WantCode(http.StatusBadRequest, passkeyRefused)

		late := s.challenged(t, key)
		s.advance(5 * time.Minute)
		s.passkeyLogin(t, late).WantCode(http.StatusBadRequest, passkeyRefused)
		session := s.passkeyLogin(t, s.challenged(t, key)).Want(http.StatusOK).String("token")

		other := s.passkey()
		registration := s.newPasskey(t, other, session)
		crossed := s.challenged(t, key)
		crossed["response"] = registration["response"]
		s.passkeyLogin(t, crossed).WantCode(http.StatusBadRequest, passkeyRefused)
		s.passkeyLogin(t, map[string]any{"flow": registration["registration"], "response": crossed["response"]}).WantCode(http.StatusBadRequest, "login_attempt_expired")
		elsewhere := s.passkeyLogin(t, s.challenged(t, key)).Want(http.StatusOK).String("token")
		s.Do(t, http.MethodPost, "/v1/me/passkeys", elsewhere, registration).WantCode(http.StatusBadRequest, "login_attempt_expired")
		s.Do(t, http.MethodPost, "/v1/me/passkeys", session, registration).Want(http.StatusOK)
		s.Do(t, http.MethodPost, "/v1/me/passkeys", session, registration).WantCode(http.StatusBadRequest, "login_attempt_expired")
	})
}

// TestMFA06_NoPasskeyByHalfALogin: what is known before the second factor
// registers nothing.
func TestMFA06_NoPasskeyByHalfALogin(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		key, session := s.withPasskey(t)
		body := map[string]string{"email": bobEmail, "password": bobPassword}
		s.Do(t, http.MethodPost, "/v1/userauth", "", body).WantCode(http.StatusNotExtended, "user_otp_required") // mails bob (row RAT-08)
		before := s.Dump(t)
		half := s.Do(t, http.MethodPost, "/v1/userauth", "", body).WantCode(http.StatusNotExtended, "user_otp_required")
		if !strings.Contains(string(half.Body), "--sso") || !strings.Contains(string(half.Body), "recovery code") {
			t.Errorf("no way on: %s", half.Body)
		}
		if s.Dump(t) != before {
			t.Error("half a login changed something")
		}
		flow := s.challenged(t, key)["flow"].(string)
		before = s.Dump(t)
		for _, token := range []string{"", flow} {
			for _, c := range []struct{ method, path string }{
				{http.MethodGet, "/v1/me/passkeys"},
				{http.MethodPost, "/v1/me/passkeys/options"},
				{http.MethodPost, "/v1/me/2fa/recovery_codes"},
			} {
				s.Do(t, c.method, c.path, token, nil).WantCode(http.StatusUnauthorized, "authentication_failed")
			}
			body := map[string]any{"registration": flow, "response": map[string]any{}}
			s.Do(t, http.MethodPost, "/v1/me/passkeys", token, body).WantCode(http.StatusUnauthorized, "authentication_failed")
		}
		if s.Dump(t) != before {
			t.Error("half a login changed something")
		}
		s.advance(11 * time.Minute)
		s.Do(t, http.MethodPost, "/v1/me/passkeys/options", session, nil).WantCode(http.StatusForbidden, "fresh_login_required")
	})
}

// TestPasskeyMailsAndEvents: what happens to passkeys is told and written down.
func TestPasskeyMailsAndEvents(t *testing.T) {
	s := newScene(t, servertest.Options{})
	_, session := s.AddMember(t, bobEmail, bobPassword)
	key := s.passkey()
	body := s.newPasskey(t, key, session)
	body["name"] = "Blue key"
	var made servertest.Answer
	added := s.one(t, "passkey_added", func() { made = s.Do(t, http.MethodPost, "/v1/me/passkeys", session, body).Want(http.StatusOK) })
	if added.credential != session[:12] || added.outcome != "success" {
		t.Errorf("added: %+v", added)
	}
	id := made.Object()["passkey"].(map[string]any)["passkey_id"].(string)
	s.one(t, "passkey_removed", func() {
		s.Do(t, http.MethodDelete, "/v1/me/passkeys/"+id, made.String("token"), nil).Want(http.StatusNoContent)
	})
	told := map[string]string{}
	for _, m := range s.Mails(t, bobEmail) {
		told[m.Kind] = m.Data["factor"]
	}
	for _, kind := range []string{identity.MailFactorAdded, identity.MailFactorRemoved} {
		if told[kind] != "the passkey “Blue key”" {
			t.Errorf("%s: %q", kind, told[kind])
		}
	}
}
