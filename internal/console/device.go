package console

import (
	"net/http"
	"strings"
)

// deviceView is the page that makes a browser known by mail, so that guesses
// of strangers do not slow its owner's login down.
type deviceView struct {
	Email, Code string
	Sent, Done  bool
}

// deviceForm shows the form; opening it with a code changes nothing.
func (p *Pages) deviceForm(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	p.showDevice(w, r, http.StatusOK, deviceView{Code: q.Get("code"), Email: q.Get("email")}, nil)
}

func (p *Pages) showDevice(w http.ResponseWriter, r *http.Request, status int, v deviceView, about *problem) {
	title := "device.title"
	switch {
	case v.Done:
		title = "device.title.done"
	case v.Sent:
		title = "mail.title"
	}
	p.show(w, r, status, "device", page{Title: tongueOf(r).say(title), Problem: about, Body: v})
}

func (p *Pages) device(w http.ResponseWriter, r *http.Request) {
	if !p.form(w, r) {
		return
	}
	ctx, from := r.Context(), p.caller(w, r)
	if _, there := r.PostForm["email"]; there {
		v := deviceView{Email: strings.TrimSpace(r.PostForm.Get("email"))}
		if err := p.Login.RequestDevice(ctx, from, v.Email); err != nil {
			status, about := tongueOf(r).problemOf(err, "email")
			p.showDevice(w, r, status, v, &about)
			return
		}
		v.Sent = true
		p.showDevice(w, r, http.StatusOK, v, nil)
		return
	}
	known, err := p.Login.ConfirmDevice(ctx, from, r.PostForm.Get("code"))
	if err != nil {
		status, about := tongueOf(r).problemOf(err, "")
		p.showDevice(w, r, status, deviceView{}, &about)
		return
	}
	setDevice(w, known.Value, known.Expires)
	p.showDevice(w, r, http.StatusOK, deviceView{Done: true}, nil)
}
