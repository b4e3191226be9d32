// Package console serves the pages people see in a browser. In this version
// they are few: setting a password with a one-time code, and pages that say
// which command does what the full console will do.
package console

import (
	"context"
	"embed"
	"html/template"
	"net/http"
	"net/url"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/org"
)

//go:embed pages/*.html style.css
var files embed.FS

// Pages serves the pages. Set all fields before calling Handler.
type Pages struct {
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
}

var templates = template.Must(template.ParseFS(files, "pages/*.html"))

// view is what a page shows.
type view struct {
	Brand, PublicURL, Title string
	Code, Problem           string
	Done                    bool
	Command, Words          string
	Invited                 *org.Invited // nil: nothing to show
	Email, RealName         string
	Letters                 []Letter
}

// Handler answers what the API does not.
func (p *Pages) Handler() http.Handler {
	all, mux := http.NewServeMux(), http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.hint("Welcome", "This is a sign-in server. Log in from a terminal:", "sallyport user login YOU@EXAMPLE.COM"))
	mux.HandleFunc("GET /login", p.hint("Log in", "Log in from a terminal:", "sallyport user login YOU@EXAMPLE.COM"))
	mux.HandleFunc("GET /profile/authentication", p.hint("Second factor", "Set up a second factor from a terminal, then log in again:", "sallyport user two-factor enable"))
	mux.HandleFunc("GET /profile/tokens", p.hint("Tokens", "List, make and revoke your tokens from a terminal:", "sallyport user access-token list"))
	mux.HandleFunc("GET /reset", p.resetForm)
	mux.Handle("POST /reset", http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.reset)))
	mux.HandleFunc("GET /verify", p.verifyForm)
	mux.Handle("POST /verify", http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.verify)))
	if p.Mailbox != nil {
		mux.HandleFunc("GET /dev/mailbox", p.mailbox)
	}
	mux.HandleFunc("GET /invitation", p.invitationForm)
	mux.Handle("POST /invitation", http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.signUpInvited)))
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		http.ServeFileFS(w, r, files, "style.css")
	})
	// Load balancers ask these under any name.
	all.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	all.HandleFunc("GET /readyz", p.readyz)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.show(w, http.StatusNotFound, "hint", view{Title: "Nothing here", Words: "There is nothing at this address. What the API offers is described at", Command: p.PublicURL + "/docs"})
	})
	all.Handle("/", p.onlyOurHost(mux))
	return all
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

func (p *Pages) show(w http.ResponseWriter, status int, page string, v view) {
	v.Brand, v.PublicURL = p.Brand, p.PublicURL
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
	w.WriteHeader(status)
	_ = templates.ExecuteTemplate(w, page+".html", v) // the client is gone when this fails
}

func (p *Pages) hint(title, words, command string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		p.show(w, http.StatusOK, "hint", view{Title: title, Words: words, Command: command})
	}
}

// resetForm shows the form for a one-time code; opening it changes nothing, so
// that mail scanners cannot use the code up.
func (p *Pages) resetForm(w http.ResponseWriter, r *http.Request) {
	p.show(w, http.StatusOK, "reset", view{Title: "Set your password", Code: r.URL.Query().Get("code")})
}

// maxForm is the largest form that is read, in bytes.
const maxForm = 16 << 10

func (p *Pages) reset(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		p.show(w, http.StatusBadRequest, "reset", view{Title: "Set your password", Problem: "The form could not be read; try again."})
		return
	}
	v := view{Title: "Set your password", Code: r.PostForm.Get("code")}
	if err := p.Login.ResetPasswordFrom(r.Context(), p.caller(w, r), v.Code, r.PostForm.Get("password")); err != nil {
		status, words := problem(err)
		v.Problem = words
		p.show(w, status, "reset", v)
		return
	}
	p.show(w, http.StatusOK, "reset", view{Title: "Your password is set", Done: true})
}

// caller is who sent a form; the edge has named the request.
func (p *Pages) caller(w http.ResponseWriter, r *http.Request) login.Caller {
	return login.Caller{Client: p.Proxies.Caller(r).Client, UserAgent: r.UserAgent(), RequestID: w.Header().Get("X-Request-Id")}
}

// ResetLink is the page for a one-time code.
func ResetLink(publicURL, code string) string {
	return publicURL + "/reset?code=" + url.QueryEscape(code)
}
