// Package console serves the pages that people see in a browser: logging in,
// signing up, the way back to a forgotten password, and each person's own
// settings. Every page is made on the server and works without scripts; the
// one small script adds what makes them pleasant, and passkeys, which browsers
// offer to scripts only.
//
// How a page comes about: a route of the table in Handler, wrapped by what all
// share (same-origin requests only, our own host name, limits), calls a
// handler; the handler calls one use case of login or org and either shows a
// page (show) or, after a change, redirects to one (done). Words are in
// words.go, the look in static/style.css, the frames of pages in
// pages/frame.html.
//
// The session is a cookie that only the pages read; the JSON API takes bearer
// tokens and never the cookie.
package console

import (
	"context"
	"net/http"
	"net/url"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/org"
)

// Pages serves the pages. Set all fields before calling Handler.
type Pages struct {
	Access    *access.Checker
	Login     *login.Service
	Org       *org.Service
	Brand     string
	PublicURL string
	Proxies   access.Proxies
	// Ready is nil when the server can answer requests.
	Ready func(context.Context) error
	// Mailbox returns what a trial would have mailed, newest first; nil where
	// mail is really sent. Whoever reaches the port reads it.
	Mailbox func(context.Context) ([]Letter, error)
	// Trial says at the login page where the terminal shows what to log in
	// with. Only serve --dev sets it.
	Trial bool
	// Failed hears of errors that are not the caller's; nil: nobody does.
	Failed func(ctx context.Context, requestID string, err error)
}

// Handler answers what the API does not.
func (p *Pages) Handler() http.Handler {
	mux := http.NewServeMux()
	p.openRoutes(mux)
	p.ownRoutes(mux)
	p.organizationRoutes(mux)
	p.adminRoutes(mux)
	p.providerRoutes(mux)
	mux.HandleFunc("/", p.notFound)
	all := http.NewServeMux()
	// Load balancers ask these under any name.
	all.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	all.HandleFunc("GET /readyz", p.readyz)
	all.HandleFunc("/healthz", onlyGet)
	all.HandleFunc("/readyz", onlyGet)
	p.samlRoutes(all)
	p.uploadRoutes(all)
	all.Handle("/", p.onlyOurHost(p.onlyText(p.onlyOurPages(p.limited(maxForm, mux)))))
	return all
}

// openRoutes are the pages of people who are not logged in.
func (p *Pages) openRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET /login", p.loginPage)
	mux.HandleFunc("POST /login", p.loginStep)
	mux.HandleFunc("POST /login/passkey", p.passkeyOptions)
	mux.HandleFunc("GET /login/with/{provider}", p.leave)
	mux.HandleFunc("GET /login/callback/{provider}", p.back)
	mux.HandleFunc("GET /login/test/{provider}/{secret}", p.testLogin)
	mux.HandleFunc("GET /login/cli", p.commandLine)
	mux.HandleFunc("POST "+languagePath, p.speak)
	mux.HandleFunc("POST /logout", p.logout)
	mux.HandleFunc("/logout", onlyPost)
	mux.HandleFunc("GET "+setupPath, p.setupForm)
	mux.HandleFunc("POST "+setupPath, p.setup)
	mux.HandleFunc("GET /signup", p.signUpForm)
	mux.HandleFunc("POST /signup", p.signUp)
	mux.HandleFunc("GET /signup/{provider}", p.signUpWith)
	mux.HandleFunc("GET /reset", p.resetForm)
	mux.HandleFunc("POST /reset", p.reset)
	mux.HandleFunc("GET /verify", p.verifyForm)
	mux.HandleFunc("POST /verify", p.verify)
	mux.HandleFunc("GET /device", p.deviceForm)
	mux.HandleFunc("POST /device", p.device)
	mux.HandleFunc("GET /invitation", p.invitationForm)
	mux.HandleFunc("POST /invitation", p.answerInvitation)
	if p.Mailbox != nil {
		mux.HandleFunc("GET /dev/mailbox", p.mailbox)
	}
	mux.HandleFunc("GET /static/{name}", static)
	// Older pages and the API's own name the style sheet without its hash.
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) { serveStatic(w, r, "style.css", false) })
}

// ownRoutes are the pages of people who are logged in.
func (p *Pages) ownRoutes(mux *http.ServeMux) {
	mux.Handle("GET /profile", http.RedirectHandler(authenticationPath, http.StatusSeeOther))
	mux.HandleFunc("GET "+authenticationPath, p.own(p.authentication))
	mux.HandleFunc("POST "+authenticationPath, p.own(p.changeAuthentication))
	mux.HandleFunc("GET "+authenticationPath+"/remove", p.own(p.confirmRemoval))
	mux.HandleFunc("GET /link/{provider}", p.own(p.link))
	mux.HandleFunc("GET "+sessionsPath, p.own(p.sessions))
	mux.HandleFunc("POST "+sessionsPath, p.own(p.endSessions))
	mux.HandleFunc("GET "+sessionsPath+"/end", p.own(p.confirmEnd))
	mux.HandleFunc("GET "+tokensPath, p.own(p.tokens))
	mux.HandleFunc("GET "+tokensPath+"/new", p.own(p.newToken))
	mux.HandleFunc("POST "+tokensPath, p.own(p.createToken))
	mux.HandleFunc("GET "+tokensPath+"/{prefix}/revoke", p.own(p.confirmRevoke))
	mux.HandleFunc("POST "+tokensPath+"/{prefix}/revoke", p.own(p.revokeToken))
	mux.HandleFunc("GET "+tokensPath+"/{prefix}/rebind", p.own(p.confirmRebind))
	mux.HandleFunc("POST "+tokensPath+"/{prefix}/rebind", p.own(p.rebindToken))
	mux.HandleFunc("GET "+decisionsPath+"/{decision_id}", p.own(p.ownDecision))
}

// organizationRoutes are the pages of organizations: the door is at each.
func (p *Pages) organizationRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+organizationsPath, p.own(p.organizations))
	mux.HandleFunc("POST "+organizationsPath, p.own(p.createOrganization))
	const one = organizationsPath + "/{organization_id}"
	member, users, groups := access.Need{Permission: access.Member}, access.Need{Permission: usersWrite}, access.Need{Permission: groupsWrite}
	applications, grants := access.Need{Permission: applicationUsersWrite}, access.Need{Permission: access.Resource}
	mux.HandleFunc("GET "+one, p.organization(member, p.overview))
	mux.HandleFunc("GET "+one+usersPath, p.organization(member, p.users))
	mux.HandleFunc("POST "+one+usersPath, p.organization(users, p.changeInvitations))
	mux.HandleFunc("GET "+one+usersPath+"/withdraw", p.organization(users, p.confirmWithdrawal))
	const user = one + usersPath + "/{user_id}"
	mux.HandleFunc("GET "+user, p.organization(member, p.user))
	mux.HandleFunc("POST "+user, p.organization(users, p.changeUser))
	mux.HandleFunc("GET "+user+"/confirm", p.organization(member, p.confirmUser))
	mux.HandleFunc("GET "+user+"/{part}", upward)
	mux.HandleFunc("POST "+user+"/proofs", p.organization(access.Need{Permission: usersWrite, Session: true, Fresh: true}, p.weakenUser))
	mux.HandleFunc("POST "+user+"/groups", p.organization(groups, p.changeUserGroups))
	mux.HandleFunc("POST "+user+"/permissions", p.organization(grants, p.changeUserGrants))
	mux.HandleFunc("POST "+user+"/membership", p.organization(member, p.removeUser))
	mux.HandleFunc("GET "+one+groupsPath, p.organization(member, p.groups))
	mux.HandleFunc("POST "+one+groupsPath, p.organization(groups, p.createGroup))
	const group = one + groupsPath + "/{group_id}"
	mux.HandleFunc("GET "+group, p.organization(member, p.group))
	mux.HandleFunc("POST "+group, p.organization(groups, p.changeGroup))
	mux.HandleFunc("GET "+group+"/confirm", p.organization(groups, p.confirmGroup))
	mux.HandleFunc("GET "+group+"/permissions", upward)
	mux.HandleFunc("POST "+group+"/permissions", p.organization(grants, p.changeGroupGrants))
	mux.HandleFunc("GET "+one+applicationUsersPath, p.organization(applications, p.applicationUsers))
	mux.HandleFunc("POST "+one+applicationUsersPath, p.organization(applications, p.createApplicationUser))
	const application = one + applicationUsersPath + "/{user_id}"
	mux.HandleFunc("GET "+application, p.organization(applications, p.applicationUser))
	mux.HandleFunc("POST "+application, p.organization(applications, p.changeApplicationUser))
	mux.HandleFunc("GET "+application+"/confirm", p.organization(applications, p.confirmApplication))
	mux.HandleFunc("GET "+application+"/permissions", upward)
	mux.HandleFunc("POST "+application+"/permissions", p.organization(grants, p.changeApplicationGrants))
	mux.HandleFunc("GET "+application+"/tokens", upward)
	mux.HandleFunc("POST "+application+"/tokens", p.organization(applications, p.createApplicationToken))
	mux.HandleFunc("GET "+application+"/tokens/new", p.organization(applications, p.newApplicationToken))
}

// The paths of a person's own settings.
const (
	loginPath          = "/login"
	languagePath       = "/language"
	setupPath          = "/setup"
	authenticationPath = "/profile/authentication"
	sessionsPath       = "/profile/sessions"
	tokensPath         = "/profile/tokens"
)

// home sends people where they go on.
func (p *Pages) home(w http.ResponseWriter, r *http.Request) {
	if _, err := p.principal(w, r, access.Need{Person: true, Unconfirmed: true}); err == nil {
		seeOther(w, r, authenticationPath)
		return
	}
	seeOther(w, r, loginPath)
}

func (p *Pages) notFound(w http.ResponseWriter, r *http.Request) {
	p.message(w, r, http.StatusNotFound, "missing", message{Words: "missing.words", Link: "/", LinkWords: "missing.home"})
}

// onlyPost answers what would change something if it were sent by a link.
func onlyPost(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", http.MethodPost)
	plain(w, http.StatusMethodNotAllowed, "This is done by a button, not by a link.\n")
}

func onlyGet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", "GET, HEAD")
	plain(w, http.StatusMethodNotAllowed, "This is asked with GET.\n")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// readyz tells load balancers whether to send requests; not why not.
func (p *Pages) readyz(w http.ResponseWriter, r *http.Request) {
	if p.Ready(r.Context()) != nil {
		plain(w, http.StatusServiceUnavailable, "not ready\n")
		return
	}
	plain(w, http.StatusOK, "ok\n")
}

// caller is who sent a request; the edge has named it.
func (p *Pages) caller(w http.ResponseWriter, r *http.Request) login.Caller {
	at := p.Proxies.Caller(r)
	return login.Caller{Client: at.Client, Socket: at.Socket, Chain: at.Chain, UserAgent: r.UserAgent(), RequestID: requestID(w)}
}

func requestID(w http.ResponseWriter) string { return w.Header().Get("X-Request-Id") }

// seeOther leads on after a form, or away from a page that is not for now.
func seeOther(w http.ResponseWriter, r *http.Request, path string) {
	http.Redirect(w, r, path, http.StatusSeeOther)
}

// ResetLink is the page for a one-time code.
func ResetLink(publicURL, code string) string {
	return publicURL + "/reset?code=" + url.QueryEscape(code)
}

func unauthenticated(err error) bool { return kindOf(err) == identity.Unauthenticated }
