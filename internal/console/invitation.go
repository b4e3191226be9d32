package console

import (
	"net/http"
	"net/url"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// invitationView is the page of an invitation.
type invitationView struct {
	Code, RealName string
	Invited        *org.Invited // nil: nothing to show
	Yours          bool         // the invited one is logged in
	LoggedInAs     string       // somebody else is, by their address
	LoggedIn, Done bool
	Next           string // this page, to come back to after a login
}

// invitationForm shows what a code invites to: a form for whoever has no
// account, a button for whoever has. Opening it changes nothing, so that mail
// scanners cannot use the code up.
func (p *Pages) invitationForm(w http.ResponseWriter, r *http.Request) {
	p.showInvitation(w, r, r.URL.Query().Get("code"), "", nil)
}

// showInvitation shows the page, again after something failed.
func (p *Pages) showInvitation(w http.ResponseWriter, r *http.Request, code, realName string, failed error) {
	v := invitationView{Code: code, RealName: realName, Next: "/invitation?" + url.Values{"code": {code}}.Encode()}
	invited, err := p.Org.Invited(r.Context(), code)
	if err != nil {
		failed = err // there is nothing left to fill in
	} else {
		v.Invited = &invited
		if who := p.unconfirmed(w, r); who != nil {
			v.LoggedIn, v.Yours = true, who.User.Email == invited.Email
			if !v.Yours {
				v.LoggedInAs = who.User.Email
			}
		}
	}
	status := http.StatusOK
	var about *problem
	if failed != nil {
		s, why := tongueOf(r).problemOf(failed, newAccountField(failed))
		status, about = s, &why
		if v.Invited == nil || v.Invited.HasAccount {
			about.Field = ""
		}
	}
	title := "invitation.title"
	if v.Invited == nil {
		title = "invitation.title.none"
	}
	p.show(w, r, status, "invitation", page{Title: tongueOf(r).say(title), Problem: about, Body: v})
}

// answerInvitation accepts for whoever is logged in, or makes an account for
// the invited address.
func (p *Pages) answerInvitation(w http.ResponseWriter, r *http.Request) {
	if !p.form(w, r) {
		return
	}
	code, realName := r.PostForm.Get("code"), r.PostForm.Get("real_name")
	var who *identity.Principal
	var err error
	if r.PostForm.Get("accept") != "" {
		if who = p.unconfirmed(w, r); who == nil {
			seeOther(w, r, "/login?"+url.Values{"next": {"/invitation?" + url.Values{"code": {code}}.Encode()}}.Encode())
			return
		}
		_, err = p.Org.AcceptInvitationByCode(r.Context(), who, code)
		err = p.Access.Denied(r.Context(), who, err)
	} else {
		from := p.caller(w, r)
		_, err = p.Org.SignUpInvited(r.Context(), org.InvitedSignUp{
			Code: code, RealName: realName, Password: r.PostForm.Get("password"), Client: from.Client, RequestID: from.RequestID,
		})
	}
	if err != nil {
		p.showInvitation(w, r, code, realName, err)
		return
	}
	p.show(w, r, http.StatusOK, "invitation", page{Title: tongueOf(r).say("invitation.title.done"), Body: invitationView{Done: true, LoggedIn: who != nil}})
}
