// Package httpapi is the JSON API: one route table (routes.go), thin handlers,
// one adapter that decodes, checks limits and access, and one error writer.
//
// A handler is a function from (context, call, request) to (answer, error)
// that calls one use case and converts. It sets no status, reads no header and
// holds no rule. To add a route: add a row to the table and write the handler;
// the tests that walk the table do the rest.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
	"github.com/sallyport/sallyport/internal/org"
)

// API serves the routes. Set all fields before calling Handler.
type API struct {
	Access    *access.Checker
	Login     *login.Service
	Org       *org.Service
	Proxies   access.Proxies
	Log       *slog.Logger
	PublicURL string
	Brand     string
	// Fallback answers what no route does: the pages.
	Fallback http.Handler
	// NewRequestID names a request in logs, events and errors.
	NewRequestID func() string
	// Longest is how long a request may take before its context ends; 0: as long
	// as it likes.
	Longest time.Duration
	// Answered is told of each answered request: the pattern of its route, the
	// status and the time it took; Began begins the span of a trace for it, and
	// returns what ends it. nil: nobody watches.
	Answered func(route string, status int, took time.Duration)
	Began    func(ctx context.Context, requestID string) (context.Context, func(route string, status int, code string))
}

// resource says which organization a route belongs to.
type resource uint8

const (
	// none: the caller's own things; no organization's policy applies.
	none resource = iota
	// organization: {organization_id} in the path.
	organization
	// account: {account_id} in the path, of a root or a unit.
	account
	// project: {project} in the path.
	project
	// home: the organization of the calling application user.
	home
	// named: organization_id in the query.
	named
	// listed: the answer gathers things of several organizations; each is
	// shown only where the caller's credential passes that organization's
	// policy, and where it passes none the first one's refusal is the answer.
	listed
)

// route is one row of the table.
type route struct {
	method, path string
	id           string // operation id
	tag          string // the group in the document
	summary      string
	anonymous    bool // no credential needed
	resource     resource
	need         access.Need
	status       int    // 200 or 204
	event        string // the audit action a success records; empty for reads
	own          bool   // ours, not of the compatible API: unknown body fields are refused
	form         bool   // the body is a form, not JSON
	fields       fields
	query        []string // documented query parameters
	media        string   // of the answer, when it is not JSON
	lines        bool     // the answer may be asked for as JSON lines too
	page         bool     // the pages answer; see door
	forward      bool     // for proxies; the session's cookie counts too
	handler      handler
	pattern      string // method and path, for logs and metrics
}

// repeatable says that callers may name requests by a key and send them again:
// all that change something by POST, of which a second one would be another.
func (r *route) repeatable() bool {
	return r.method == http.MethodPost && r.event != "" && !r.anonymous && !r.form && r.media == ""
}

// fields are the rules of a body's top-level fields.
type fields map[string]field

type field struct {
	required bool
	max      int // characters of a string, elements of a list; 0: the body's limit
	// from and to bound a whole number; to is 0: only its use case does.
	from, to int64
}

// Call is what a handler knows of a request beside its body.
type Call struct {
	Principal *identity.Principal // nil on anonymous routes
	Address   identity.Address
	UserAgent string
	RequestID string
	path      map[string]string
	query     pairs
	request   *http.Request
	writer    http.ResponseWriter
	rechecked []string // organizations that the caller was checked against beside that of the path
}

// Path is a decoded path parameter.
func (c *Call) Path(name string) string { return c.path[name] }

// Query is the first value of a query parameter.
func (c *Call) Query(name string) string { return c.query.get(name) }

// Cookie is the value of a cookie; empty when it was not sent.
func (c *Call) Cookie(name string) string {
	if cookie, err := c.request.Cookie(name); err == nil {
		return cookie.Value
	}
	return ""
}

// SetCookie adds a cookie to the answer.
func (c *Call) SetCookie(cookie *http.Cookie) { http.SetCookie(c.writer, cookie) }

// Client is the derived address of the caller.
func (c *Call) Client() netip.Addr { return c.Address.Client }

// handler is a typed function behind one shape; in and out are for the
// document.
type handler struct {
	in, out any
	run     func(ctx context.Context, c *Call, body []byte, r *route) (any, error)
}

// nothing is the answer of a route that answers 204.
type nothing struct{}

// read makes a handler of a function without a body.
func read[Out any](f func(context.Context, *Call) (Out, error)) handler {
	var out Out
	return handler{out: out, run: func(ctx context.Context, c *Call, _ []byte, _ *route) (any, error) {
		return f(ctx, c)
	}}
}

// do makes a handler of a function without a body and without an answer.
func do(f func(context.Context, *Call) error) handler {
	return read(func(ctx context.Context, c *Call) (nothing, error) { return nothing{}, f(ctx, c) })
}

// write makes a handler of a function that takes a decoded body.
func write[In, Out any](f func(context.Context, *Call, In) (Out, error)) handler {
	var in In
	var out Out
	return handler{in: in, out: out, run: func(ctx context.Context, c *Call, body []byte, r *route) (any, error) {
		var in In
		if err := decode(body, &in, r); err != nil {
			return nil, err
		}
		return f(ctx, c, in)
	}}
}

// put makes a handler of a function that takes a decoded body and has no
// answer.
func put[In any](f func(context.Context, *Call, In) error) handler {
	return write(func(ctx context.Context, c *Call, in In) (nothing, error) { return nothing{}, f(ctx, c, in) })
}

// raw makes a handler of a function that reads the JSON object itself; in is
// for the document.
func raw[In, Out any](f func(context.Context, *Call, []byte) (Out, error)) handler {
	var in In
	var out Out
	return handler{in: in, out: out, run: func(ctx context.Context, c *Call, body []byte, r *route) (any, error) {
		if err := object(body, r); err != nil {
			return nil, err
		}
		return f(ctx, c, body)
	}}
}
