package console

import (
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
)

// samlPath is where SAML providers send browsers. The API's table lists the
// addresses; what comes there is for these pages.
const samlPath = "/v1/sso/saml/account/{account_id}/method/{method_id}"

// The form fields that messages come in (SAML Bindings 3.5.4).
const (
	samlRequestField  = "SAMLRequest"
	samlResponseField = "SAMLResponse"
)

const (
	maxSAMLForm  = 1 << 20 // bytes of a provider's form
	maxSAMLRelay = 1 << 10 // bytes of a relay state
)

// samlRoutes are the only doors at which forms of other sites are taken. All
// that counts there is signed by a provider and bound to the attempt that the
// flow cookie holds.
func (p *Pages) samlRoutes(mux *http.ServeMux) {
	guard := func(h http.HandlerFunc) http.Handler { return p.onlyOurHost(p.limited(maxSAMLForm, h)) }
	mux.Handle("POST "+samlPath+"/acs", guard(p.samlResponse))
	mux.Handle("GET "+samlPath+"/slo", guard(p.samlLogout))
	mux.Handle("POST "+samlPath+"/slo", guard(p.samlLogout))
}

// samlResponse takes the response of a provider.
func (p *Pages) samlResponse(w http.ResponseWriter, r *http.Request) {
	if !p.samlForm(w, r) {
		return
	}
	form := r.PostForm
	if len(form[samlResponseField]) != 1 || len(form[samlRequestField]) > 0 {
		p.samlUnread(w, r, http.StatusBadRequest)
		return
	}
	flow, err := p.Login.FinishSAML(r.Context(), p.caller(w, r), login.SAMLResponse{
		AccountID: r.PathValue("account_id"), MethodID: r.PathValue("method_id"), Secret: cookie(r, flowCookie), Device: cookie(r, deviceCookie),
		Response: form.Get(samlResponseField), RelayState: form.Get("RelayState"),
	})
	switch {
	case err != nil:
		p.samlFailed(w, r, err)
	case flow.Purpose == identity.AttemptTest:
		dropFlow(w)
		p.show(w, r, http.StatusOK, "saml", page{Title: tongueOf(r).say("saml.test.title"), Body: samlView{Words: tongueOf(r).say("saml.test.words", flow.Provider), Trace: flow.Trace}})
	default:
		p.goOn(w, r, flow, nil, "")
	}
}

// samlForm reads a provider's form, which must be just that: nothing of the
// address, no files, no JSON, each field once, no artifact. False: it was not,
// and the page says so.
func (p *Pages) samlForm(w http.ResponseWriter, r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	status := 0
	switch {
	case err != nil || kind != "application/x-www-form-urlencoded":
		status = http.StatusUnsupportedMediaType
	case r.ParseForm() != nil, len(r.PostForm["RelayState"]) > 1, len(r.PostForm.Get("RelayState")) > maxSAMLRelay, r.Form.Has("SAMLart"):
		status = http.StatusBadRequest
	}
	if status != 0 {
		p.samlUnread(w, r, status)
	}
	return status == 0
}

// samlUnread says that what came is no message of a provider.
func (p *Pages) samlUnread(w http.ResponseWriter, r *http.Request, status int) {
	p.samlProblem(w, r, status, samlView{Words: tongueOf(r).say("saml.unread"), Admin: tongueOf(r).say("saml.admin.saml_response_invalid"), Link: loginPath, LinkWords: tongueOf(r).say("saml.again")})
}

// samlView is a page about a login at a SAML provider: what is wrong, who has to
// change what, and by which id an admin finds the response.
type samlView struct {
	Words           string
	Admin           string // for the admin of the organization; empty: nothing to change there
	Trace           string // empty: the response was not kept
	Link, LinkWords string
}

// samlFailed shows why a login at a provider came to nothing.
func (p *Pages) samlFailed(w http.ResponseWriter, r *http.Request, err error) {
	status, about := tongueOf(r).problemOf(err, "")
	if status == http.StatusInternalServerError {
		p.fail(w, r, err)
		return
	}
	v := samlView{Words: about.Words, Admin: tongueOf(r).texts["saml.admin."+codeOf(err)], Link: loginPath, LinkWords: tongueOf(r).say("saml.again")}
	e := asError(err)
	v.Trace, _ = e.Metadata["trace_id"].(string)
	if remedy, _ := e.Metadata["remedy_url"].(string); codeOf(err) == "unknown_user_sso_login_attempt" && strings.HasPrefix(remedy, p.PublicURL) {
		v.Link, v.LinkWords = strings.TrimPrefix(remedy, p.PublicURL), tongueOf(r).say("saml.link")
	}
	p.samlProblem(w, r, status, v)
}

func (p *Pages) samlProblem(w http.ResponseWriter, r *http.Request, status int, v samlView) {
	p.show(w, r, status, "saml", page{Title: tongueOf(r).say("saml.title"), Body: v})
}

// samlLogout takes a message of single logout, by either binding.
func (p *Pages) samlLogout(w http.ResponseWriter, r *http.Request) {
	in := login.SAMLLogout{AccountID: r.PathValue("account_id"), MethodID: r.PathValue("method_id"), Secret: cookie(r, flowCookie), Query: r.URL.RawQuery}
	if r.Method == http.MethodPost {
		if !p.samlForm(w, r) {
			return
		}
		in.Parameter = samlRequestField
		if r.PostForm.Has(samlResponseField) {
			in.Parameter = samlResponseField
		}
		if len(r.PostForm[samlRequestField])+len(r.PostForm[samlResponseField]) != 1 {
			p.samlUnread(w, r, http.StatusBadRequest)
			return
		}
		in.Value, in.RelayState = r.PostForm.Get(in.Parameter), r.PostForm.Get("RelayState")
	}
	flow, err := p.Login.LogoutSAML(r.Context(), p.caller(w, r), in)
	switch {
	case err != nil:
		p.samlFailed(w, r, err)
	case flow.Step == login.StepLeave:
		p.sendOff(w, r, flow)
	default:
		dropFlow(w)
		toElsewhere(w, loginPath+"?done=logged-out")
	}
}

// sendOff leads the browser to a provider: by a redirect, or by a page that posts
// a form there.
func (p *Pages) sendOff(w http.ResponseWriter, r *http.Request, flow login.Flow) {
	if flow.Post == nil {
		toElsewhere(w, flow.Redirect)
		return
	}
	to := &posting{ResponseWriter: w, origin: originOf(flow.Post.Action)}
	p.show(to, r, http.StatusOK, "post", page{Title: tongueOf(r).say("linked.onward.title"), Body: flow})
}

// sendFrom is sendOff in answer to a form of ours, whose redirects browsers hold
// to form-action: a page in between goes on by itself.
func (p *Pages) sendFrom(w http.ResponseWriter, r *http.Request, flow login.Flow) {
	if flow.Post != nil {
		p.sendOff(w, r, flow)
		return
	}
	p.show(w, r, http.StatusOK, "onward", page{Title: tongueOf(r).say("linked.onward.title"), Body: onward{Words: tongueOf(r).say("linked.onward.words"), Address: flow.Redirect}})
}

// toElsewhere redirects with no page beside it.
func toElsewhere(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}

// posting lets a page post its form to one other origin (docs/parameters.md 3.8).
type posting struct {
	http.ResponseWriter
	origin string
}

// WriteHeader changes the policy that every page has.
func (p *posting) WriteHeader(status int) {
	h := p.Header()
	h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), "form-action 'self'", "form-action "+p.origin, 1))
	p.ResponseWriter.WriteHeader(status)
}

// originOf is the origin of an address; of none, nothing may be posted to.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "'none'"
	}
	return u.Scheme + "://" + u.Host
}
