package console

import (
	"net/http"
	"strings"
)

// resetView is the page that leads back to a forgotten password: it asks for
// the mail, and with the mail's code takes the new password.
type resetView struct {
	Email, Code string
	Sent, Done  bool
}

// resetForm shows the form; opening it with a code changes nothing, so that
// mail scanners cannot use the code up.
func (p *Pages) resetForm(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.showReset(w, r, http.StatusOK, resetView{Code: q.Get("code"), Email: q.Get("email")}, nil)
}

func (p *Pages) showReset(w http.ResponseWriter, r *http.Request, status int, v resetView, about *problem) {
	title := "reset.title.ask"
	switch {
	case v.Done:
		title = "reset.title.done"
	case v.Sent:
		title = "mail.title"
	case v.Code != "":
		title = "reset.title.set"
	}
	p.show(w, r, status, "reset", page{Title: tongueOf(r).say(title), Problem: about, Body: v})
}

func (p *Pages) reset(w http.ResponseWriter, r *http.Request) {
	if !p.form(w, r) {
		return
	}
	if _, there := r.PostForm["email"]; there {
		p.requestReset(w, r)
		return
	}
	v := resetView{Code: r.PostForm.Get("code")}
	if err := p.Login.ResetPassword(r.Context(), p.caller(w, r), v.Code, r.PostForm.Get("password")); err != nil {
		status, about := tongueOf(r).problemOf(err, "password")
		if codeOf(err) == "user_weblink_action_expired" {
			// Another mail is what helps.
			v.Code, about.Field = "", ""
		}
		p.showReset(w, r, status, v, &about)
		return
	}
	p.showReset(w, r, http.StatusOK, resetView{Done: true}, nil)
}

// requestReset mails a code. The page says the same for every address.
func (p *Pages) requestReset(w http.ResponseWriter, r *http.Request) {
	v := resetView{Email: strings.TrimSpace(r.PostForm.Get("email"))}
	if err := p.Login.RequestReset(r.Context(), p.caller(w, r), v.Email); err != nil {
		status, about := tongueOf(r).problemOf(err, "email")
		p.showReset(w, r, status, v, &about)
		return
	}
	v.Sent = true
	p.showReset(w, r, http.StatusOK, v, nil)
}
