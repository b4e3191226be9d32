package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

// maxAuthorization is the longest Authorization header that is looked at.
const maxAuthorization = 8 << 10

// Handler returns the HTTP handler of the API.
func (a *API) Handler() http.Handler {
	table := slices.Concat(a.routes(), doorRows(), retiredRows())
	root := newRouter(table)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		a.serve(root, w, req)
	})
}

// exchange is one request being answered: what is made for it and what the log
// line says of it, in one piece.
type exchange struct {
	http.ResponseWriter
	status  int
	begun   bool // the answer's head is on its way
	pattern string
	actor   string
	code    string
	call    Call
	limit   deadline
	values  [2]string // of the headers X-Request-Id and Content-Length
}

func (e *exchange) WriteHeader(status int) {
	e.status, e.begun = status, true
	e.ResponseWriter.WriteHeader(status)
}

func (e *exchange) Write(b []byte) (int, error) {
	e.begun = true
	return e.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the real writer.
func (e *exchange) Unwrap() http.ResponseWriter { return e.ResponseWriter }

func (a *API) serve(root *router, w http.ResponseWriter, req *http.Request) {
	start, id := time.Now(), a.NewRequestID()
	e := &exchange{ResponseWriter: w, status: http.StatusOK}
	header := w.Header()
	secureHeaders(header)
	e.values[0] = id
	header["X-Request-Id"] = e.values[:1:1]
	ctx := req.Context()
	if a.Longest > 0 {
		e.limit.Context, e.limit.at = ctx, start.Add(a.Longest)
		ctx = &e.limit
		defer e.limit.end()
	}
	var ended func(route string, status int, code string)
	if a.Began != nil {
		ctx, ended = a.Began(ctx, id)
	}
	defer func() {
		abort := a.recovered(e, id, recover())
		now := time.Now()
		took := now.Sub(start)
		a.logLine(ctx, req, e, now, took)
		if a.Answered != nil {
			a.Answered(e.pattern, e.status, took)
		}
		if ended != nil {
			ended(e.pattern, e.status, e.code)
		}
		if abort {
			panic(http.ErrAbortHandler)
		}
	}()
	routes, params := root.match(req.URL.EscapedPath())
	if routes == nil {
		a.serveOther(e, id, req.WithContext(ctx))
		return
	}
	method := req.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	r := routes[method]
	if r == nil {
		e.pattern = "(method)"
		header.Set("Allow", methods(routes))
		a.fail(e, id, &identity.Error{Kind: methodNotAllowed, Code: "method_not_allowed", Message: "this path answers to " + methods(routes) + " only"})
		return
	}
	e.pattern = r.pattern
	if r.page {
		a.servePage(e, id, req.WithContext(ctx))
		return
	}
	c := &e.call
	c.UserAgent, c.RequestID, c.path, c.request, c.writer = strings.ToValidUTF8(req.UserAgent(), "\uFFFD"), id, params, req, e
	answer, err := a.answer(ctx, r, c, e)
	if c.Principal != nil {
		e.actor = c.Principal.User.ID
	}
	if err != nil && r.forward {
		a.failForward(e, id, req, err)
		return
	}
	if err != nil {
		a.fail(e, id, err)
		return
	}
	a.write(e, id, r, answer)
}

// recovered answers for a handler that panicked with p; nil: it did not. It says
// whether the connection has to be cut, because half an answer must not look
// like a whole one.
func (a *API) recovered(e *exchange, id string, p any) (abort bool) {
	if p == nil || p == http.ErrAbortHandler {
		return p != nil
	}
	a.Log.Error("panic", "request_id", id, "route", e.pattern, "panic", p, "stack", string(debug.Stack()))
	if e.begun {
		return true
	}
	a.fail(e, id, errors.New("panic"))
	return false
}

// serveOther answers what the table does not name: below the roots of the API
// an error that its clients can read, elsewhere a page. It never redirects, so
// that the pages' mux, which does for paths that are not clean, does not get to
// see them.
func (a *API) serveOther(e *exchange, id string, req *http.Request) {
	root, _, _ := strings.Cut(strings.TrimLeft(req.URL.EscapedPath(), "/"), "/")
	if root == "v1" || root == "oauth2" || path.Clean("/"+req.URL.Path) != req.URL.Path {
		e.pattern = "(none)"
		a.fail(e, id, identity.NotFoundf("not_found", "there is no such call; see %s/docs for those there are", a.PublicURL))
		return
	}
	e.pattern = "(page)"
	a.Fallback.ServeHTTP(e, req)
	if req.Pattern != "" { // of the pages' own table
		e.pattern = req.Pattern
	}
}

// answer runs the steps of a route: address, access, body, handler.
func (a *API) answer(ctx context.Context, r *route, c *Call, w http.ResponseWriter) (any, error) {
	c.Address = a.Proxies.Caller(c.request)
	if !r.anonymous {
		if err := a.admit(ctx, r, c); err != nil {
			return nil, err
		}
	}
	if err := c.readQuery(); err != nil {
		return nil, err
	}
	body, err := readBody(w, c.request, r)
	if err != nil {
		return nil, err
	}
	answer, err := a.once(ctx, r, c, body)
	if err != nil && c.Principal != nil {
		err = a.Access.Denied(ctx, c.Principal, err)
	}
	return answer, err
}

// admit checks the caller's credential against the route.
func (a *API) admit(ctx context.Context, r *route, c *Call) error {
	bearer, need, err := credentialOf(c.request, r)
	if err != nil {
		return err
	}
	organizationID, err := a.organizationOf(ctx, r, c)
	if err != nil {
		return err
	}
	c.Principal, err = a.Access.Check(ctx, access.Request{
		Bearer: bearer, Organization: organizationID, Home: r.resource == home,
		Address: c.Address, UserAgent: c.UserAgent, RequestID: c.RequestID, Need: need,
	})
	if err == nil && r.resource == listed {
		err = a.reachSome(ctx, c)
	}
	return r.asMissing(err)
}

// nowhere is an organization id that none has: whoever asks for a thing that
// does not exist gets the same answer as for one that is not theirs.
const nowhere = "org-none"

func (a *API) organizationOf(ctx context.Context, r *route, c *Call) (string, error) {
	var id string
	var err error
	switch r.resource {
	case organization:
		return c.Path("organization_id"), nil
	case account:
		id, err = a.Org.OrganizationOfAccount(ctx, c.Path("account_id"))
	case project:
		id, err = a.Org.OrganizationOfProject(ctx, c.Path("project"))
	case named:
		id, err = c.organizationNamed()
	default:
		return "", nil
	}
	if kindOf(err) == identity.NotFound {
		return nowhere, nil
	}
	return id, err
}

// asMissing gives a stranger the not-found answer of the thing in the path.
func (r *route) asMissing(err error) error {
	if kindOf(err) != identity.NotFound {
		return err
	}
	switch r.resource {
	case account:
		return identity.NotFoundf("account_not_found", "there is no such account, or you are not a member of its organization; check the id with `sallyport account list`")
	case project:
		return notProjectMember()
	}
	return err
}

// notProjectMember is what strangers get for every project name, real or not:
// clients of the compatible API look for its words.
func notProjectMember() error {
	return identity.Forbiddenf("project_has_no_such_user", "Not a project member: there is no such project, or you have no access to it; ask an admin of its organization")
}

func kindOf(err error) identity.Kind {
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return e.Kind
	}
	return identity.Internal
}

// credentialOf is what the caller comes with, and what the route asks of it. A
// cookie holds a session and nothing else.
func credentialOf(req *http.Request, r *route) (bearer string, need access.Need, err error) {
	need = r.need
	if r.forward {
		if bearer = cookieOf(req); bearer != "" {
			need.Session = true
			return bearer, need, nil
		}
	}
	bearer, err = bearerOf(req)
	return bearer, need, err
}

// bearerOf takes the credential out of the Authorization header (RFC 6750
// section 2.1); the compatible API's clients write aivenv1 instead of Bearer.
// Tokens in URLs or bodies are not looked at.
func bearerOf(req *http.Request) (string, error) {
	header := req.Header.Values("Authorization")
	if len(header) == 0 {
		return "", &identity.Error{Kind: identity.Unauthenticated, Code: "authentication_failed", Message: "Invalid token: none was sent; send it in the header `Authorization: Bearer TOKEN`"}
	}
	if len(header[0]) > maxAuthorization {
		return "", &identity.Error{Kind: headerTooLarge, Code: "request_header_too_large", Message: "the Authorization header is too long to hold a token"}
	}
	scheme, token, ok := strings.Cut(header[0], " ")
	if len(header) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "aivenv1") {
		return "", identity.BadCredential()
	}
	return token, nil
}

// logLine goes to the handler without a detour over Logger, which would look
// for the line of code that calls it.
func (a *API) logLine(ctx context.Context, req *http.Request, e *exchange, now time.Time, took time.Duration) {
	level := slog.LevelInfo
	if e.status >= 500 && e.status != 510 {
		level = slog.LevelError
	}
	h := a.Log.Handler()
	if !h.Enabled(ctx, level) {
		return
	}
	line := slog.NewRecord(now, level, "request", 0)
	line.AddAttrs(slog.String("method", req.Method), slog.String("route", e.pattern), slog.Int("status", e.status),
		slog.Int64("duration_us", took.Microseconds()), slog.String("request_id", e.values[0]), slog.String("user_id", e.actor), slog.String("code", e.code))
	_ = h.Handle(ctx, line) // as Logger does: there is nowhere to say so
}

// server is an answer that writes itself, because it is more than one JSON
// value or none: a page, lines of JSON. It sets the status and Content-Type.
type server interface{ serve(e *exchange) }

// write sends a successful answer.
func (a *API) write(e *exchange, id string, r *route, answer any) {
	if own, ok := answer.(server); ok {
		own.serve(e)
		return
	}
	if r.status == http.StatusNoContent {
		e.WriteHeader(http.StatusNoContent)
		return
	}
	body, err := encode(answer)
	if err != nil {
		a.fail(e, id, err)
		return
	}
	e.writeJSON(body)
}

// writeJSON sends an answer's body.
func (e *exchange) writeJSON(body []byte) {
	e.Header()["Content-Type"] = jsonKind
	e.writeBody(body)
}

// heldBack is how many bytes net/http gathers of an answer, and states their
// length itself when there are no more.
const heldBack = 2 << 10

// writeBody sends a whole answer. Its length is a header of ours, which is
// sorted and written with the others, only where net/http would not know it.
func (e *exchange) writeBody(body []byte) {
	if len(body) >= heldBack || e.call.request.Method == http.MethodHead {
		e.values[1] = strconv.Itoa(len(body))
		e.Header()["Content-Length"] = e.values[1:]
	}
	e.WriteHeader(http.StatusOK)
	_, _ = e.Write(body)
}

// secureHeaders sets what every answer carries (docs/parameters.md 3.8).
func secureHeaders(h http.Header) {
	for i := range secure {
		h[secure[i].name] = secure[i].value
	}
}

// secure are headers in the form that net/http keeps them in, shared by all
// answers: a header that is set gets another list, one that is added to a copy.
var secure = [...]struct {
	name  string
	value []string
}{
	{"Strict-Transport-Security", []string{"max-age=63072000; includeSubDomains"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Cache-Control", []string{"no-store"}},
	{"X-Frame-Options", []string{"DENY"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}},
}

var jsonKind = []string{"application/json"}
