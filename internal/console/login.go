package console

import (
	"cmp"
	"net/http"
	"net/url"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
)

// loginView is what the login page shows of an attempt.
type loginView struct {
	Step     string // of package login
	Purpose  string
	Email    string
	Provider string // display name
	Redirect string
	Next     string
	RealName string // as typed
	Compare  string // what the terminal shows too
	Password bool   // a password is one of the ways
	Links    []wayLink
	// Passkey says that one can be used; PasskeyOptions are its request, empty
	// while the script has to ask for one first.
	Passkey        bool
	PasskeyOptions string
	Factors        login.Factors
	Recovery       bool // the recovery code is what was typed
	Confirm        bool // a mail can confirm this device
	Trial          bool
}

// wayLink is another way to log in, by a link.
type wayLink struct{ Name, Provider, Path string }

// loginPage shows the step of the attempt that the browser is at, or asks who
// is there. Nothing is begun by looking at it.
func (p *Pages) loginPage(w http.ResponseWriter, r *http.Request) {
	next := login.OwnPath(r.URL.Query().Get("next"))
	if secret := cookie(r, flowCookie); secret != "" {
		flow, err := p.Login.Resume(r.Context(), p.caller(w, r), secret)
		switch {
		case err == nil && flow.Purpose != identity.AttemptTest && flow.Step != login.StepDone && (next == "" || next == flow.Next):
			p.showFlow(w, r, http.StatusOK, flow, nil)
			return
		case err != nil && codeOf(err) != "login_attempt_expired":
			p.fail(w, r, err)
			return
		}
		dropFlow(w)
	}
	if _, err := p.principal(w, r, access.Need{Person: true, Unconfirmed: true}); err == nil {
		seeOther(w, r, cmp.Or(next, authenticationPath))
		return
	}
	if p.whileEmpty(w, r) {
		return
	}
	p.identify(w, r, http.StatusOK, loginView{Next: next}, nil)
}

// identify asks for the address; no attempt has begun.
func (p *Pages) identify(w http.ResponseWriter, r *http.Request, status int, v loginView, about *problem) {
	v.Step, v.Purpose, v.Trial = string(login.StepIdentify), identity.AttemptLogin, p.Trial
	// Without options the address alone leads on.
	options, err := p.Login.Options(r.Context(), p.caller(w, r), "")
	if err == nil {
		v.offer(options)
	}
	v.Password = false
	v.Passkey = v.Passkey && p.passkeysElsewhere(r) == ""
	p.showLogin(w, r, status, v, about)
}

// showFlow shows an attempt at its step.
func (p *Pages) showFlow(w http.ResponseWriter, r *http.Request, status int, flow login.Flow, about *problem) {
	v := loginView{
		Step: string(flow.Step), Purpose: flow.Purpose, Email: flow.Email, Provider: flow.Provider, Redirect: flow.Redirect,
		RealName: flow.RealName, Compare: flow.Compare, Next: flow.Next, Factors: flow.Factors, PasskeyOptions: string(flow.Passkey), Trial: p.Trial,
	}
	v.offer(flow.Options)
	v.Passkey = len(flow.Passkey) > 0 && p.passkeysElsewhere(r) == ""
	switch flow.Step {
	case login.StepIdentify:
		v.Password = false
	case login.StepChoose:
		v.Confirm = about != nil && flow.Purpose == identity.AttemptLogin
	}
	if about != nil {
		v.Recovery = about.Field == "recovery"
		v.RealName = r.PostForm.Get("real_name")
	}
	p.showLogin(w, r, status, v, about)
}

// offer sorts options into those the page has forms for and links.
func (v *loginView) offer(options []login.Option) {
	for _, o := range options {
		switch {
		case o.Action == login.ActionPassword:
			v.Password = true
		case o.Action == login.ActionPasskey:
			v.Passkey = true
		case o.Method == http.MethodGet:
			v.Links = append(v.Links, wayLink{o.Name, o.Provider, withPath(o.Provider, v.Next)})
		}
	}
}

func (p *Pages) showLogin(w http.ResponseWriter, r *http.Request, status int, v loginView, about *problem) {
	title := "login.title." + v.Step
	if v.Step == string(login.StepChoose) && v.Purpose == identity.AttemptStepUp {
		title = "login.title.step_up"
	}
	p.show(w, r, status, "login", page{Title: tongueOf(r).say(title), Problem: about, Body: v, Notice: notice(r)})
}

// loginStep takes what was entered at a step.
func (p *Pages) loginStep(w http.ResponseWriter, r *http.Request) {
	if !p.form(w, r) {
		return
	}
	ctx, from, secret, form := r.Context(), p.caller(w, r), cookie(r, flowCookie), r.PostForm
	switch form.Get("step") {
	case "identify":
		if form.Get("passkey") != "" { // filled in from the address field
			p.loginPasskey(w, r)
			return
		}
		p.identifyAs(w, r, form.Get("email"))
	case "password":
		flow, err := p.Login.Password(ctx, from, secret, form.Get("password"))
		p.goOn(w, r, flow, err, "password")
	case "code", "recovery":
		flow, err := p.Login.Code(ctx, from, secret, form.Get("code"))
		p.goOn(w, r, flow, err, form.Get("step"))
	case "passkey":
		p.loginPasskey(w, r)
	case "accept":
		flow, err := p.Login.Accept(ctx, from, secret, form.Get("real_name"))
		p.goOn(w, r, flow, err, "real_name")
	case "decline":
		flow, err := p.Login.Decline(ctx, from, secret)
		p.goOn(w, r, flow, err, "")
	case "restart":
		p.leaveFlow(w, r, loginPath+nextQuery(form.Get("next")))
	case "cancel":
		p.leaveFlow(w, r, "")
	case "step-up":
		p.own(func(v *visit) { p.beginStepUp(v, form.Get("next")) })(w, r)
	default:
		p.message(w, r, http.StatusBadRequest, "unread", message{Words: "unread.words", Link: loginPath, LinkWords: "unread.again"})
	}
}

// withPath is the page that leads to a provider.
func withPath(provider, next string) string {
	return "/login/with/" + url.PathEscape(provider) + nextQuery(next)
}

func nextQuery(next string) string {
	if next = login.OwnPath(next); next == "" {
		return ""
	}
	return "?" + url.Values{"next": {next}}.Encode()
}

// identifyAs names who wants to log in, in a new attempt unless one waits for
// exactly that.
func (p *Pages) identifyAs(w http.ResponseWriter, r *http.Request, email string) {
	ctx, from, secret := r.Context(), p.caller(w, r), cookie(r, flowCookie)
	flow, err := p.Login.Resume(ctx, from, secret)
	if err != nil || flow.Step != login.StepIdentify {
		// A mistyped address begins nothing.
		if _, err := identity.ParseEmail(email); err != nil {
			status, about := tongueOf(r).problemOf(err, "email")
			p.identify(w, r, status, loginView{Email: email, Next: login.OwnPath(r.PostForm.Get("next"))}, &about)
			return
		}
		if flow, err = p.Login.Begin(ctx, from, login.Begin{Next: r.PostForm.Get("next"), Device: cookie(r, deviceCookie)}); err != nil {
			p.goOn(w, r, flow, err, "email")
			return
		}
		secret = flow.Secret
	}
	begun := flow.Secret
	flow, err = p.Login.Identify(ctx, from, secret, email)
	if flow.Secret == "" {
		flow.Secret = begun
	}
	p.goOn(w, r, flow, err, "email")
}

// goOn leads to the step that an attempt has come to, or shows at the present
// one what was wrong with what was entered in a field.
func (p *Pages) goOn(w http.ResponseWriter, r *http.Request, flow login.Flow, err error, field string) {
	if err != nil {
		p.goBack(w, r, err, field)
		return
	}
	if flow.Step == login.StepDone {
		p.finish(w, r, flow)
		return
	}
	if flow.Secret != "" {
		setFlow(w, flow.Secret)
	}
	seeOther(w, r, loginPath)
}

// goBack shows a failed step again.
func (p *Pages) goBack(w http.ResponseWriter, r *http.Request, failed error, field string) {
	status, about := tongueOf(r).problemOf(failed, field)
	if status == http.StatusInternalServerError {
		p.fail(w, r, failed)
		return
	}
	if remedy := remedyOf(failed); remedy != "" {
		about.Remedy, about.RemedyWords = remedy, tongueOf(r).say("login.remedy")
	}
	flow, err := p.Login.Resume(r.Context(), p.caller(w, r), cookie(r, flowCookie))
	if err != nil || flow.Step == login.StepDone {
		// What held the attempt has ended, or there was none.
		if cookie(r, flowCookie) != "" {
			dropFlow(w)
		}
		if about.Field != "email" {
			about.Field = ""
		}
		p.identify(w, r, status, loginView{Email: r.PostForm.Get("email"), Next: login.OwnPath(r.PostForm.Get("next"))}, &about)
		return
	}
	if !fieldOf[flow.Step][about.Field] {
		about.Field = ""
	}
	p.showFlow(w, r, status, flow, &about)
}

// fieldOf are the fields that a step has.
var fieldOf = map[login.Step]map[string]bool{
	login.StepIdentify: {"email": true},
	login.StepChoose:   {"password": true},
	login.StepFactor:   {"code": true, "recovery": true},
	login.StepSignUp:   {"real_name": true},
}

// remedyOf is the own page that an error's remedy names; empty: none.
func remedyOf(err error) string {
	if codeOf(err) == "user_password_compromised" {
		return "/reset"
	}
	return ""
}

// finish ends an attempt that came to its end: with a session in this browser,
// or with the way back to a command line.
func (p *Pages) finish(w http.ResponseWriter, r *http.Request, flow login.Flow) {
	dropFlow(w)
	switch {
	case flow.Done != nil:
	case flow.Redirect != "":
		p.toCommandLine(w, r, flow.Redirect)
		return
	default: // a link: the session goes on
		seeOther(w, r, cmp.Or(login.OwnPath(flow.Next), authenticationPath))
		return
	}
	if flow.Purpose == identity.AttemptLogin {
		p.endOld(w, r)
	}
	setSession(w, flow.Done.Token)
	setDevice(w, flow.Done.Device, flow.Done.DeviceExpires)
	if r.PostForm.Get("step") == "accept" && flow.Done.User.EmailConfirmed.IsZero() {
		// A new account by a provider that vouches for no address: the answer
		// is that of a sign-up, whether or not the address had one already.
		p.showSignUp(w, r, http.StatusOK, signUpView{Email: flow.Email, Sent: true}, nil)
		return
	}
	seeOther(w, r, cmp.Or(login.OwnPath(flow.Next), authenticationPath))
}

// endOld ends the session that a browser had before it got another one: what
// somebody put there before the login is worth nothing after it (row SES-01).
func (p *Pages) endOld(w http.ResponseWriter, r *http.Request) {
	old, err := p.principal(w, r, access.Need{Unconfirmed: true})
	if err != nil {
		return
	}
	if err := p.Login.Logout(r.Context(), old); err != nil && p.Failed != nil && !unauthenticated(err) {
		p.Failed(r.Context(), requestID(w), err)
	}
}

// toCommandLine leads the browser to the program that waits. It is a page that
// goes on by itself, not a redirect: browsers hold the answers to forms to
// form-action.
func (p *Pages) toCommandLine(w http.ResponseWriter, r *http.Request, address string) {
	if r.Method == http.MethodGet {
		http.Redirect(w, r, address, http.StatusSeeOther)
		return
	}
	p.show(w, r, http.StatusOK, "onward", page{Title: tongueOf(r).say("login.terminal.title"), Body: onward{Words: tongueOf(r).say("login.terminal.words"), Address: address}})
}

// onward is a page that goes on to an address by itself.
type onward struct{ Words, Address string }

// leaveFlow ends the attempt and leads away from it; path empty: to where it
// would have led.
func (p *Pages) leaveFlow(w http.ResponseWriter, r *http.Request, path string) {
	secret := cookie(r, flowCookie)
	if path == "" {
		path = "/"
		if flow, err := p.Login.Resume(r.Context(), p.caller(w, r), secret); err == nil && flow.Purpose != identity.AttemptLogin {
			path = cmp.Or(login.OwnPath(flow.Next), path)
		}
	}
	if err := p.Login.Abandon(r.Context(), secret); err != nil {
		p.fail(w, r, err)
		return
	}
	dropFlow(w)
	seeOther(w, r, path)
}

// beginStepUp asks somebody who is logged in to prove who they are once more,
// and leads back to an own path.
func (p *Pages) beginStepUp(v *visit, next string) {
	flow, err := p.Login.Begin(v.r.Context(), p.caller(v.w, v.r), login.Begin{
		Purpose: identity.AttemptStepUp, Next: next, Principal: v.Principal, Device: cookie(v.r, deviceCookie),
	})
	if err != nil {
		p.failed(v, err)
		return
	}
	p.goOn(v.w, v.r, flow, nil, "")
}

// commandLine begins a login whose session a command line will get. Whoever is
// logged in is only asked whether to allow it.
func (p *Pages) commandLine(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	who, err := p.principal(w, r, access.Need{Person: true})
	if err != nil {
		who = nil
	}
	flow, err := p.Login.Begin(r.Context(), p.caller(w, r), login.Begin{
		Principal: who, Device: cookie(r, deviceCookie),
		CommandLine: &login.CommandLine{RedirectURI: q.Get("redirect_uri"), State: q.Get("state"), CodeChallenge: q.Get("code_challenge")},
	})
	if who != nil {
		err = p.Access.Denied(r.Context(), who, err)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.goOn(w, r, flow, nil, "")
}

// logout ends the session and forgets what the browser keeps of these pages.
func (p *Pages) logout(w http.ResponseWriter, r *http.Request) {
	who, err := p.principal(w, r, access.Need{Unconfirmed: true})
	var flow login.Flow
	if err == nil {
		flow, err = p.Login.LogoutEverywhere(r.Context(), p.caller(w, r), who)
		err = p.Access.Denied(r.Context(), who, err)
	}
	if err != nil && !unauthenticated(err) {
		p.fail(w, r, err)
		return
	}
	dropSession(w)
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	if flow.Step == login.StepLeave { // single logout
		setFlow(w, flow.Secret)
		p.sendFrom(w, r, flow)
		return
	}
	seeOther(w, r, loginPath+"?done=logged-out")
}
