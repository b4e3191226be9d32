package console

import (
	"net/http"
	"net/url"

	"github.com/sallyport/sallyport/internal/identity"
)

// passkeysElsewhere is where the page has to be open for passkeys to work, when
// that is not here: browsers bind none to the address of a trial. Empty: they
// work here, or nowhere.
func (p *Pages) passkeysElsewhere(r *http.Request) string {
	origin := p.Login.PasskeyOrigin()
	u, err := url.Parse(origin)
	if err != nil || origin == "" || hostOf(u.Host) == hostOf(r.Host) {
		return ""
	}
	return origin
}

// offerPasskey shows the form from which the browser makes a passkey.
func (p *Pages) offerPasskey(v *visit) {
	made, err := p.Login.OfferPasskey(v.r.Context(), v.Principal)
	if err != nil {
		p.authenticationFailed(v, err, "", authenticationView{Open: "passkey"})
		return
	}
	p.showAuthentication(v, http.StatusOK, authenticationView{PasskeyOptions: string(made.Options), PasskeySecret: made.Secret}, nil)
}

func (p *Pages) addPasskey(v *visit) {
	form := v.r.PostForm
	added, err := p.Login.RegisterPasskey(v.r.Context(), v.Principal, form.Get("secret"), form.Get("name"), []byte(form.Get("passkey")))
	if err != nil {
		p.authenticationFailed(v, err, "", authenticationView{Open: "passkey"})
		return
	}
	if added.Token != "" {
		setSession(v.w, added.Token)
	}
	p.showCodes(v, added.RecoveryCodes, "passkey")
}

func (p *Pages) renamePasskey(v *visit) {
	id := v.r.PostForm.Get("id")
	if _, err := p.Login.RenamePasskey(v.r.Context(), v.Principal, id, v.r.PostForm.Get("name")); err != nil {
		p.authenticationFailed(v, err, "name-"+id, authenticationView{Open: id})
		return
	}
	v.done(authenticationPath, "passkey-renamed")
}

func (p *Pages) removePasskey(v *visit) {
	err := p.Login.RemovePasskey(v.r.Context(), v.Principal, v.r.PostForm.Get("id"))
	if err != nil && kindOf(err) != identity.NotFound {
		p.authenticationFailed(v, err, "", authenticationView{})
		return
	}
	v.done(authenticationPath, "passkey-removed")
}
