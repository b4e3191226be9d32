package console

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
)

// authenticationView is the page of how somebody logs in.
type authenticationView struct {
	Demand      string // what the managing organization asks for; empty: nothing
	OtherDemand string // what other organizations of the person ask for
	HasPassword bool
	HasCode     bool // an authenticator is set up
	Factor      bool // any second factor is
	CodesLeft   int64
	Offer       *offer   // an authenticator that waits for its first code
	Codes       []string // new recovery codes, shown this once
	Passkeys    []identity.Passkey
	// PasskeyOptions are a request to make one (WebAuthn level 3, section 5.4);
	// empty: none is being made.
	PasskeyOptions string
	PasskeySecret  string      // goes back with the answer
	PasskeysAt     string      // where passkeys work, when not here
	Linked         []linkedRow // providers' identities that log the person in
	Links          []wayLink   // providers that can be linked
	Open           string      // the form that is open
}

// offer is an authenticator that is being set up.
type offer struct {
	URI    string
	Secret string // in groups of four, to be typed
	QRCode []byte // PNG; empty: it was shown before
}

// offered reads the address of an authenticator that was offered before.
func offered(uri string, qr []byte) *offer {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" {
		return nil
	}
	var groups []string
	for secret := u.Query().Get("secret"); secret != ""; {
		n := min(4, len(secret))
		groups, secret = append(groups, secret[:n]), secret[n:]
	}
	return &offer{URI: uri, Secret: strings.Join(groups, " "), QRCode: qr}
}

// png is an image as an address of its own.
func png(image []byte) template.URL {
	// Only our own images get here.
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(image)) // #nosec G203
}

func (p *Pages) authentication(v *visit) {
	p.showAuthentication(v, http.StatusOK, authenticationView{Open: v.r.URL.Query().Get("open")}, nil)
}

// showAuthentication shows the page; what v has set already stays.
func (p *Pages) showAuthentication(v *visit, status int, view authenticationView, about *problem) {
	if err := p.loadAuthentication(v, &view); err != nil {
		p.failed(v, err)
		return
	}
	p.showOwn(v, status, "authentication", authenticationPath, page{Title: v.say("authentication.title"), Problem: about, Body: view})
}

func (p *Pages) loadAuthentication(v *visit, view *authenticationView) error {
	ctx := v.r.Context()
	factors, err := p.Login.TwoFactor(ctx, v.Principal)
	if err != nil {
		return err
	}
	view.HasCode, view.Factor, view.CodesLeft = factors.Method == login.MethodOTP, factors.Method != "", factors.RecoveryCodesLeft
	if len(view.Codes) == 0 { // else this session has just ended, and another one begun
		home, err := p.managing(v)
		if err != nil {
			return err
		}
		view.Demand = home.demand(v)
		if view.OtherDemand, err = p.otherDemand(v); err != nil {
			return err
		}
	}
	if view.Passkeys, err = p.Login.Passkeys(ctx, v.Principal); err != nil {
		return err
	}
	view.PasskeysAt = p.passkeysElsewhere(v.r)
	return p.loadLinked(v, view)
}

// changeAuthentication does what one of the page's forms asks for.
func (p *Pages) changeAuthentication(v *visit) {
	if !p.form(v.w, v.r) {
		return
	}
	do := map[string]func(*visit){
		"password": p.changePassword, "authenticator": p.offerAuthenticator, "authenticator-confirm": p.confirmAuthenticator,
		"authenticator-off": p.removeAuthenticator, "codes": p.renewCodes,
		"passkey": p.offerPasskey, "passkey-add": p.addPasskey, "passkey-rename": p.renamePasskey, "passkey-remove": p.removePasskey,
		"link": p.beginLink, "unlink": p.unlink,
	}[v.r.PostForm.Get("do")]
	if do == nil {
		p.message(v.w, v.r, http.StatusBadRequest, "unread", message{Words: "unread.words", Link: authenticationPath, LinkWords: "unread.again"})
		return
	}
	do(v)
}

// authenticationFailed shows the page again with what was wrong, or asks for a
// recent login where that is what is missing.
func (p *Pages) authenticationFailed(v *visit, err error, field string, view authenticationView) {
	back := authenticationPath
	if view.Open != "" {
		back += "?" + url.Values{"open": {view.Open}}.Encode()
	}
	switch {
	case p.stepUp(v, err, back):
	case unauthenticated(err):
		dropSession(v.w)
		seeOther(v.w, v.r, loginFor(v.r))
	default:
		status, about := v.problemOf(err, field)
		p.showAuthentication(v, status, view, &about)
	}
}

func (p *Pages) changePassword(v *visit) {
	form := v.r.PostForm
	token, err := p.Login.ChangePassword(v.r.Context(), v.Principal, form.Get("current"), form.Get("chosen"))
	if err != nil {
		field := "chosen"
		if codeOf(err) == "authentication_failed" {
			field = "current"
		}
		p.authenticationFailed(v, err, field, authenticationView{Open: "password"})
		return
	}
	setSession(v.w, token)
	v.done(authenticationPath, "password")
}

func (p *Pages) offerAuthenticator(v *visit) {
	method := login.MethodOTP
	made, err := p.Login.ConfigureTwoFactor(v.r.Context(), v.Principal, &method, v.r.PostForm.Get("password"), "")
	if err != nil {
		p.authenticationFailed(v, err, "offer-password", authenticationView{Open: "authenticator"})
		return
	}
	p.showAuthentication(v, http.StatusOK, authenticationView{Offer: offered(made.URI, made.QRCode)}, nil)
}

func (p *Pages) confirmAuthenticator(v *visit) {
	form := v.r.PostForm
	on, err := p.Login.ConfirmTwoFactor(v.r.Context(), v.Principal, form.Get("password"), form.Get("uri"), form.Get("code"))
	if err != nil {
		field := "code"
		if codeOf(err) == "authentication_failed" {
			field = "confirm-password"
		}
		p.authenticationFailed(v, err, field, authenticationView{Offer: offered(form.Get("uri"), nil)})
		return
	}
	setSession(v.w, on.Token)
	p.showCodes(v, on.RecoveryCodes, "authenticator")
}

// showCodes shows new recovery codes, which no redirect could carry; without
// any it leads back.
func (p *Pages) showCodes(v *visit, codes []string, what string) {
	if len(codes) == 0 {
		v.done(authenticationPath, what)
		return
	}
	view := authenticationView{Codes: codes}
	if err := p.loadAuthentication(v, &view); err != nil {
		p.failed(v, err)
		return
	}
	p.showOwn(v, http.StatusOK, "authentication", authenticationPath, page{Title: v.say("authentication.title"), Notice: v.say("done." + what), Body: view})
}

func (p *Pages) removeAuthenticator(v *visit) {
	form := v.r.PostForm
	_, err := p.Login.ConfigureTwoFactor(v.r.Context(), v.Principal, nil, form.Get("password"), form.Get("code"))
	if err != nil {
		field := "off-code"
		if codeOf(err) == "authentication_failed" {
			field = "off-password"
		}
		p.authenticationFailed(v, err, field, authenticationView{Open: "authenticator-off"})
		return
	}
	v.done(authenticationPath, "authenticator-off")
}

func (p *Pages) renewCodes(v *visit) {
	codes, err := p.Login.RenewRecoveryCodes(v.r.Context(), v.Principal)
	if err != nil {
		p.authenticationFailed(v, err, "", authenticationView{})
		return
	}
	p.showCodes(v, codes, "codes")
}

// confirmRemoval asks before something is taken away, where no script does.
func (p *Pages) confirmRemoval(v *visit) {
	id := v.r.URL.Query().Get("id")
	title, c := "", confirmation{Action: authenticationPath, Back: authenticationPath, Yes: v.say("remove"), Values: []hidden{{"id", id}}}
	switch v.r.URL.Query().Get("what") {
	case "passkey":
		title, c.Words = v.say("passkeys.remove.title.this"), v.say("passkeys.remove.words")
		c.Values = append(c.Values, hidden{"do", "passkey-remove"})
	case "identity":
		title, c.Words, c.Yes = v.say("linked.remove.title.this"), v.say("linked.remove.words"), v.say("linked.remove")
		c.Values = append(c.Values, hidden{"do", "unlink"})
	case "codes":
		title, c.Words, c.Yes, c.Values = v.say("codes.renew.title"), v.say("codes.renew.words"), v.say("codes.renew"), []hidden{{"do", "codes"}}
	default:
		p.notFound(v.w, v.r)
		return
	}
	p.showOwn(v, http.StatusOK, "confirm", authenticationPath, page{Title: title, Body: c})
}
