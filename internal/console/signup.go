package console

import (
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
)

// signUpView is the page of a new account.
type signUpView struct {
	RealName, Email string
	Sent            bool
}

func (p *Pages) signUpForm(w http.ResponseWriter, r *http.Request) {
	if p.whileEmpty(w, r) {
		return
	}
	p.showSignUp(w, r, http.StatusOK, signUpView{}, nil)
}

func (p *Pages) showSignUp(w http.ResponseWriter, r *http.Request, status int, v signUpView, about *problem) {
	title := "signup.title"
	if v.Sent {
		title = "mail.title"
	}
	p.show(w, r, status, "signup", page{Title: tongueOf(r).say(title), Problem: about, Body: v})
}

// signUp makes an account. What is shown afterwards is the same whether the
// address had one already; the mail says which.
func (p *Pages) signUp(w http.ResponseWriter, r *http.Request) {
	if !p.form(w, r) {
		return
	}
	v := signUpView{RealName: r.PostForm.Get("real_name"), Email: strings.TrimSpace(r.PostForm.Get("email"))}
	password := r.PostForm.Get("password")
	if password == "" {
		p.showSignUp(w, r, http.StatusBadRequest, v, &problem{Words: tongueOf(r).say("password.missing"), Field: "password"})
		return
	}
	made, err := p.Login.SignUp(r.Context(), login.SignUp{Email: v.Email, RealName: v.RealName, Password: password, From: p.caller(w, r)})
	if err != nil {
		status, about := tongueOf(r).problemOf(err, newAccountField(err))
		p.showSignUp(w, r, status, v, &about)
		return
	}
	v.Email, v.Sent = made.Email, true
	p.showSignUp(w, r, http.StatusOK, v, nil)
}

// newAccountField is the field of a new account that an error is about; empty:
// none.
func newAccountField(err error) string {
	code := codeOf(err)
	switch {
	case code == "invalid_email_format":
		return "email"
	case strings.Contains(code, "password"):
		return "password"
	case code == "bad_request", code == identity.CodeUnseen:
		return "real_name"
	}
	return ""
}
