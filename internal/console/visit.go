package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

// visit is a request of somebody who is logged in.
type visit struct {
	w http.ResponseWriter
	r *http.Request
	*identity.Principal
	*tongue
	console *Pages
}

// denied records in the audit log that a use case refused what the person asked
// for, once a minute as the API does (access.Checker.Denied), and returns the
// error. What is shown of an error goes through here first.
func (v *visit) denied(err error) error {
	return v.console.Access.Denied(v.r.Context(), v.Principal, err)
}

// problemOf is an error of a use case as the page shows it.
func (v *visit) problemOf(err error, field string) (status int, about problem) {
	err = v.denied(err)
	status, about = v.tongue.problemOf(err, field)
	if status == http.StatusInternalServerError && v.console.Failed != nil {
		v.console.Failed(v.r.Context(), requestID(v.w), err)
	}
	return status, about
}

// principal checks the session of a request. The error is the kind
// Unauthenticated when there is none that is good.
func (p *Pages) principal(w http.ResponseWriter, r *http.Request, need access.Need) (*identity.Principal, error) {
	return p.principalAt(w, r, "", need)
}

// principalAt is principal at an organization; empty: at none.
func (p *Pages) principalAt(w http.ResponseWriter, r *http.Request, organization string, need access.Need) (*identity.Principal, error) {
	token := cookie(r, sessionCookie)
	if token == "" {
		return nil, identity.BadCredential()
	}
	need.Session = true
	return p.Access.Check(r.Context(), access.Request{
		Bearer: token, Organization: organization, Address: p.Proxies.Caller(r), UserAgent: r.UserAgent(), RequestID: requestID(w), Need: need,
	})
}

// own lets people who are logged in through to their own pages. Others are
// asked to log in first and led back; who has not confirmed their address yet
// is asked for that.
func (p *Pages) own(handle func(v *visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := p.principal(w, r, access.Need{Person: true})
		switch {
		case err == nil:
			handle(&visit{w, r, who, tongueOf(r), p})
		case !p.notYet(w, r, err):
			p.fail(w, r, err)
		}
	}
}

// notYet leads on who has to log in or to confirm their address first; false:
// that is not what an error says.
func (p *Pages) notYet(w http.ResponseWriter, r *http.Request, err error) bool {
	switch {
	case unauthenticated(err):
		if cookie(r, sessionCookie) != "" {
			dropSession(w)
		}
		seeOther(w, r, loginFor(r))
	case codeOf(err) == "email_not_confirmed":
		seeOther(w, r, "/verify")
	default:
		return false
	}
	return true
}

// loginFor is the login page that leads back to where a request wanted to go:
// to the page itself, or to that whose form was sent.
func loginFor(r *http.Request) string {
	next := r.URL.RequestURI()
	if !safe(r.Method) {
		next = r.URL.Path
		if strings.HasSuffix(next, "/revoke") || strings.HasSuffix(next, "/rebind") {
			next = tokensPath
		}
	}
	return loginPath + "?" + url.Values{"next": {next}}.Encode()
}

// stepUp begins a login for a change that needs a recent one, when that is
// what an error says; next is the own path to come back to. False: it is
// another error.
func (p *Pages) stepUp(v *visit, err error, next string) bool {
	if codeOf(err) != "fresh_login_required" {
		return false
	}
	if err := v.denied(err); codeOf(err) != "fresh_login_required" {
		p.failed(v, err)
		return true
	}
	p.beginStepUp(v, next)
	return true
}
