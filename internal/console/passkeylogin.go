package console

import (
	"encoding/json"
	"net/http"

	"github.com/sallyport/sallyport/internal/login"
)

// passkeyOptions begins an attempt for a passkey before any address is known,
// and answers its PublicKeyCredentialRequestOptions (WebAuthn level 3, section
// 5.5): the script of the login page asks for them, so that looking at the
// page alone begins nothing. It answers 204 when no passkey can be used.
func (p *Pages) passkeyOptions(w http.ResponseWriter, r *http.Request) {
	if !p.form(w, r) {
		return
	}
	flow, err := p.Login.Begin(r.Context(), p.caller(w, r), login.Begin{Next: r.PostForm.Get("next"), Device: cookie(r, deviceCookie)})
	if err != nil {
		status, about := tongueOf(r).problemOf(err, "")
		plain(w, status, about.Words+"\n")
		return
	}
	setFlow(w, flow.Secret)
	if !json.Valid(flow.Passkey) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	// For the page's own script, as text: JSON is what the API answers, and
	// all that does is in its document.
	plain(w, http.StatusOK, string(flow.Passkey))
}

// loginPasskey takes a passkey's answer.
func (p *Pages) loginPasskey(w http.ResponseWriter, r *http.Request) {
	flow, err := p.Login.Passkey(r.Context(), p.caller(w, r), cookie(r, flowCookie), []byte(r.PostForm.Get("passkey")))
	p.goOn(w, r, flow, err, "")
}
