package console

import (
	"net/http"

	"github.com/sallyport/sallyport/internal/org"
)

const invitationTitle = "You are invited"

// invitationForm shows what a code invites to, and a form for whoever has no
// account; opening it changes nothing, so that mail scanners cannot use the
// code up.
func (p *Pages) invitationForm(w http.ResponseWriter, r *http.Request) {
	p.showInvitation(w, r, r.URL.Query().Get("code"), "", nil)
}

// showInvitation shows the form, again after a sign-up that failed.
func (p *Pages) showInvitation(w http.ResponseWriter, r *http.Request, code, realName string, failed error) {
	v := view{Title: invitationTitle, Code: code, RealName: realName}
	invited, err := p.Org.Invited(r.Context(), code)
	status := http.StatusOK
	if err != nil {
		failed = err // there is nothing left to fill in
	} else {
		v.Invited = &invited
	}
	if failed != nil {
		status, v.Problem = problem(failed)
	}
	p.show(w, status, "invitation", v)
}

// signUpInvited makes an account for the invited address.
func (p *Pages) signUpInvited(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		p.show(w, http.StatusBadRequest, "invitation", view{Title: invitationTitle, Problem: "The form could not be read; open the link again."})
		return
	}
	from := p.caller(w, r)
	in := org.InvitedSignUp{
		Code: r.PostForm.Get("code"), RealName: r.PostForm.Get("real_name"), Password: r.PostForm.Get("password"),
		Client: from.Client, RequestID: from.RequestID,
	}
	made, err := p.Org.SignUpInvited(r.Context(), in)
	if err != nil {
		p.showInvitation(w, r, in.Code, in.RealName, err)
		return
	}
	p.show(w, http.StatusOK, "invitation", view{Title: "Welcome", Done: true, Email: made.Email})
}
