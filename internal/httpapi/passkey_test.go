package httpapi_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/credential/softkey"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// authenticator is in a browser that has the server's own page open.
func (w *world) authenticator() *softkey.Authenticator {
	return &softkey.Authenticator{Origin: w.Login.PasskeyOrigin()}
}

// makePasskey is about a new passkey of somebody.
func makePasskey(tb testing.TB, w *world, e *example) {
	tb.Helper()
	_, e.token = w.AddMember(tb, strings.ToLower(rand.Text())+"@a.example", bobPassword)
	e.body = w.newPasskey(tb, w.authenticator(), e.token)
}

// newPasskey is the body that registers one.
func (w *world) newPasskey(tb testing.TB, key *softkey.Authenticator, token string) fieldsOf {
	tb.Helper()
	offer := w.Do(tb, http.MethodPost, "/v1/me/passkeys/options", token, nil).Want(http.StatusOK)
	options, err := json.Marshal(offer.Object()["options"])
	if err != nil {
		tb.Fatal(err)
	}
	response, err := key.Create(options)
	if err != nil {
		tb.Fatal(err)
	}
	return fieldsOf{"registration": offer.String("registration"), "name": "Key", "response": json.RawMessage(response)}
}

// withPasskey is about a passkey that is there.
func withPasskey(tb testing.TB, w *world, e *example) {
	tb.Helper()
	made := w.registered(tb, w.authenticator())
	e.token = made.String("token")
	e.path = map[string]string{"passkey_id": made.Object()["passkey"].(fieldsOf)["passkey_id"].(string)}
}

func (w *world) registered(tb testing.TB, key *softkey.Authenticator) servertest.Answer {
	tb.Helper()
	_, token := w.AddMember(tb, strings.ToLower(rand.Text())+"@a.example", bobPassword)
	return w.Do(tb, http.MethodPost, "/v1/me/passkeys", token, w.newPasskey(tb, key, token)).Want(http.StatusOK)
}

// answerPasskey has a passkey's answer to a challenge.
func answerPasskey(tb testing.TB, w *world, e *example) {
	tb.Helper()
	key := w.authenticator()
	w.registered(tb, key)
	e.body = w.passkeyAnswer(tb, key)
}

func (w *world) passkeyAnswer(tb testing.TB, key *softkey.Authenticator) fieldsOf {
	tb.Helper()
	challenge := w.Do(tb, http.MethodPost, "/v1/userauth/passkey/options", "", nil).Want(http.StatusOK)
	options, err := json.Marshal(challenge.Object()["options"])
	if err != nil {
		tb.Fatal(err)
	}
	response, err := key.Get(options)
	if err != nil {
		tb.Fatal(err)
	}
	return fieldsOf{"flow": challenge.String("flow"), "response": json.RawMessage(response)}
}
