package console

import (
	"net/http"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/policy"
)

// leave sends the browser to a provider, in the attempt it is at or in a new
// one. It is reached by links only: browsers hold redirects that answer a form
// to form-action.
func (p *Pages) leave(w http.ResponseWriter, r *http.Request) {
	secret := cookie(r, flowCookie)
	if _, err := p.Login.Resume(r.Context(), p.caller(w, r), secret); err == nil {
		p.leaveWith(w, r, secret, "")
		return
	}
	p.leaveAnew(w, r, login.Begin{Next: r.URL.Query().Get("next")})
}

// signUpWith sends somebody who has no account to the identity provider of
// their organization.
func (p *Pages) signUpWith(w http.ResponseWriter, r *http.Request) {
	p.leaveAnew(w, r, login.Begin{Provider: r.PathValue("provider"), SignUp: true})
}

// leaveAnew begins an attempt and leaves.
func (p *Pages) leaveAnew(w http.ResponseWriter, r *http.Request, in login.Begin) {
	in.Device = cookie(r, deviceCookie)
	flow, err := p.Login.Begin(r.Context(), p.caller(w, r), in)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.leaveWith(w, r, flow.Secret, flow.Secret)
}

// leaveWith leaves in the attempt of a secret; begun is that secret when it is
// new to the browser.
func (p *Pages) leaveWith(w http.ResponseWriter, r *http.Request, secret, begun string) {
	flow, err := p.Login.Leave(r.Context(), p.caller(w, r), secret, r.PathValue("provider"))
	if err != nil {
		p.goBack(w, r, err, "")
		return
	}
	if flow.Secret == "" {
		flow.Secret = begun
	}
	if flow.Secret != "" {
		setFlow(w, flow.Secret)
	}
	p.sendOff(w, r, flow)
}

// back takes what a provider sent the browser back with. It counts only in the
// browser that left: the flow cookie says so.
func (p *Pages) back(w http.ResponseWriter, r *http.Request) {
	flow, err := p.Login.Return(r.Context(), p.caller(w, r), cookie(r, flowCookie), r.PathValue("provider"), r.URL.Query())
	p.goOn(w, r, flow, err, "")
}

// link asks whether to link a provider's identity to the account; the form
// begins it, so that no link of somebody else can.
func (p *Pages) link(v *visit) {
	p.showOwn(v, http.StatusOK, "confirm", authenticationPath, page{
		Title: v.say("linked.add.title"),
		Body: confirmation{
			Words: v.say("linked.add.words"), Action: authenticationPath, Yes: v.say("login.continue"), Back: authenticationPath, Safe: true,
			Values: []hidden{{"do", "link"}, {"provider", v.r.PathValue("provider")}},
		},
	})
}

// beginLink begins an attempt that links a provider's identity.
func (p *Pages) beginLink(v *visit) {
	provider := v.r.PostForm.Get("provider")
	flow, err := p.Login.Begin(v.r.Context(), p.caller(v.w, v.r), login.Begin{
		Purpose: identity.AttemptLink, Provider: provider, Next: authenticationPath + "?done=linked", Principal: v.Principal, Device: cookie(v.r, deviceCookie),
	})
	if err != nil {
		p.authenticationFailed(v, err, "", authenticationView{})
		return
	}
	setFlow(v.w, flow.Secret)
	// A page in between, which goes on by itself: see leave.
	p.show(v.w, v.r, http.StatusOK, "onward", page{Title: v.say("linked.onward.title"), Body: onward{Words: v.say("linked.onward.words"), Address: withPath(provider, "")}})
}

// linkedRow is a provider's identity that logs somebody in.
type linkedRow struct {
	ID, Name, Public  string
	Created, LastUsed time.Time // LastUsed zero: never
}

// loadLinked gathers the identities that log a person in, and the providers
// that could.
func (p *Pages) loadLinked(v *visit, view *authenticationView) error {
	methods, err := p.Login.LoginMethods(v.r.Context(), v.Principal)
	if err != nil {
		return err
	}
	linked := map[string]bool{}
	for _, m := range methods {
		switch {
		case m.Method == policy.MethodPassword:
			view.HasPassword = true
		default:
			linked[m.Method.String()], linked[m.Provider] = true, true
			view.Linked = append(view.Linked, linkedRow{m.ID, m.Name, m.Identity, m.Created, m.LastLogin})
		}
	}
	options, err := p.Login.Options(v.r.Context(), p.caller(v.w, v.r), v.User.Email)
	if err != nil {
		return nil // too many calls from here: what is linked is shown all the same
	}
	for _, o := range options {
		if o.Method == http.MethodGet && !linked[o.Provider] {
			view.Links = append(view.Links, wayLink{Name: o.Name, Provider: o.Provider})
		}
	}
	return nil
}

func (p *Pages) unlink(v *visit) {
	err := p.Login.Unlink(v.r.Context(), v.Principal, v.r.PostForm.Get("id"))
	if err != nil && kindOf(err) != identity.NotFound {
		p.authenticationFailed(v, err, "", authenticationView{})
		return
	}
	v.done(authenticationPath, "unlinked")
}
