package console

import (
	"net/http"
)

const confirmTitle = "Confirm your e-mail address"

// verifyForm shows a button; opening the page changes nothing, so that mail
// scanners cannot use the code up.
func (p *Pages) verifyForm(w http.ResponseWriter, r *http.Request) {
	p.show(w, http.StatusOK, "verify", view{Title: confirmTitle, Code: r.URL.Query().Get("code")})
}

func (p *Pages) verify(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		p.show(w, http.StatusBadRequest, "verify", view{Title: confirmTitle, Problem: "The form could not be read; try again."})
		return
	}
	v := view{Title: confirmTitle, Code: r.PostForm.Get("code")}
	if _, err := p.Login.ConfirmEmail(r.Context(), p.caller(w, r), v.Code); err != nil {
		status, words := problem(err)
		v.Problem = words
		p.show(w, status, "verify", v)
		return
	}
	p.show(w, http.StatusOK, "verify", view{Title: "Your e-mail address is confirmed", Done: true})
}
