package console

import (
	"net/http"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

// verifyView is the page that confirms an address.
type verifyView struct {
	Code, Email    string
	LoggedIn, Done bool
}

// unconfirmed is the session of whoever is logged in, their address confirmed
// or not; nil: nobody is.
func (p *Pages) unconfirmed(w http.ResponseWriter, r *http.Request) *identity.Principal {
	who, err := p.principal(w, r, access.Need{Person: true, Unconfirmed: true})
	if err != nil {
		return nil
	}
	return who
}

// verifyForm shows a button; opening the page changes nothing, so that mail
// scanners cannot use the code up. Without a code it says what is waited for.
func (p *Pages) verifyForm(w http.ResponseWriter, r *http.Request) {
	v := verifyView{Code: r.URL.Query().Get("code")}
	if who := p.unconfirmed(w, r); who != nil {
		v.LoggedIn, v.Email = true, who.User.Email
		if v.Code == "" && who.User.AddressProven() {
			v.Done = true
		}
	}
	p.showVerify(w, r, http.StatusOK, v, nil)
}

func (p *Pages) showVerify(w http.ResponseWriter, r *http.Request, status int, v verifyView, about *problem) {
	title := "verify.title"
	if v.Done {
		title = "verify.title.done"
	}
	p.show(w, r, status, "verify", page{Title: tongueOf(r).say(title), Problem: about, Body: v, Notice: notice(r)})
}

func (p *Pages) verify(w http.ResponseWriter, r *http.Request) {
	if !p.form(w, r) {
		return
	}
	who := p.unconfirmed(w, r)
	v := verifyView{Code: r.PostForm.Get("code"), LoggedIn: who != nil}
	if who != nil {
		v.Email = who.User.Email
	}
	if err := p.confirm(w, r, who, v.Code); err != nil {
		status, about := tongueOf(r).problemOf(err, "")
		if codeOf(err) == "user_weblink_action_expired" {
			v.Code = ""
		}
		p.showVerify(w, r, status, v, &about)
		return
	}
	if r.PostForm.Get("again") != "" {
		seeOther(w, r, "/verify?done=mail-sent")
		return
	}
	v.Done = true
	p.showVerify(w, r, http.StatusOK, v, nil)
}

// confirm does what the form asks: mail another code, or take one. An address
// that lapsed is confirmed only by its account's owner who is logged in.
func (p *Pages) confirm(w http.ResponseWriter, r *http.Request, who *identity.Principal, code string) error {
	ctx, from := r.Context(), p.caller(w, r)
	if r.PostForm.Get("again") != "" {
		if who == nil {
			return identity.BadCredential()
		}
		return p.Access.Denied(ctx, who, p.Login.ResendConfirmation(ctx, who))
	}
	if who != nil && !who.User.AddressLapsed.IsZero() {
		_, err := p.Login.ConfirmOwnEmail(ctx, who, from, code)
		return p.Access.Denied(ctx, who, err)
	}
	_, err := p.Login.ConfirmEmail(ctx, from, code)
	return err
}
