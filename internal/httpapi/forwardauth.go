package httpapi

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
)

// sessionCookie is the pages' session. Nothing else of the API reads it.
const sessionCookie = "__Host-sallyport_session"

// maxGroupsHeader bounds the header of groups, in bytes: proxies take only so
// much, and would answer a failure.
const maxGroupsHeader = 2 << 10

// forwardAuthRoutes answer a proxy that asks, with the headers of a request
// that it holds back meanwhile, whether to let it through.
func (a *API) forwardAuthRoutes() []route {
	return []route{{
		method: "GET", path: "/forward-auth", id: "ForwardAuth", tag: "forward-auth", summary: "Ask whether to let a request through, for proxies",
		resource: named, need: access.Need{Permission: access.Member, Scopes: []string{"all"}},
		status: http.StatusOK, own: true, forward: true, query: []string{"organization_id"},
		handler: read(a.forwardAuth),
	}}
}

func (a *API) forwardAuth(_ context.Context, c *Call) (forwarded, error) {
	if cookieOf(c.request) != "" && !fromOwnPage(c.request.Header) {
		return forwarded{}, identity.Forbiddenf("request_forbidden", "this request came from a page of another site; open the address directly. If it did not, the proxy in front has to send the request's method as X-Forwarded-Method")
	}
	return forwarded{c.Principal}, nil
}

// cookieOf is the session that a browser sends; empty where a header names a
// credential, which then alone counts.
func cookieOf(req *http.Request) string {
	if len(req.Header.Values("Authorization")) > 0 {
		return ""
	}
	if cookie, err := req.Cookie(sessionCookie); err == nil {
		return cookie.Value
	}
	return ""
}

// organizationNamed is the organization of the query. There is one: a second
// could be the client's.
func (c *Call) organizationNamed() (string, error) {
	if err := c.readQuery(); err != nil {
		return "", err
	}
	id, times := "", 0
	for name, value := range c.query.all {
		if name == "organization_id" {
			id, times = value, times+1
		}
	}
	if id != "" && times == 1 {
		return id, nil
	}
	return "", badRequest("write organization_id=ID once into the address that the proxy asks, /forward-auth?organization_id=ID")
}

// fromOwnPage says whether a request that a browser sent its cookie with may
// change something: it was made by a page of the same origin, or its method
// changes nothing. Without the method it counts as one that does.
func fromOwnPage(h http.Header) bool {
	site := h.Get("Sec-Fetch-Site")
	same := site == "same-origin" || site == "none"
	if site == "" {
		origin, err := url.Parse(h.Get("Origin"))
		same = err == nil && origin.Host != "" && strings.EqualFold(origin.Host, h.Get("X-Forwarded-Host"))
	}
	// A page of another origin reads what a WebSocket says.
	return same || readsOnly(h) && h.Get("Sec-Fetch-Mode") != "websocket"
}

// readsOnly says whether the method of the request that is held back changes
// nothing.
func readsOnly(h http.Header) bool {
	methods := h.Values("X-Forwarded-Method")
	return len(methods) == 1 && (methods[0] == http.MethodGet || methods[0] == http.MethodHead || methods[0] == http.MethodOptions)
}

// forwarded is the answer that tells the service behind a proxy, in headers, who
// asks.
type forwarded struct{ p *identity.Principal }

// serve sets every header always, with nothing in it where there is nothing to
// say: proxies that copy only what came would leave the client's.
func (f forwarded) serve(e *exchange) {
	p := f.p
	// The name of an application user is whatever somebody chose, another's
	// address included.
	user, email := p.User.ID, ""
	if !p.User.Application {
		user, email = p.User.Email, p.User.Email
	}
	groups, omitted := listHeader(p.Groups), ""
	if len(groups) > maxGroupsHeader {
		groups, omitted = "", "true"
	}
	values := [...]string{
		headerText(user), headerText(email), groups, omitted, p.User.ID, p.Organization.ID, p.Token.Kind.String(), listHeader(methodsOf(p.Token.Authentication)),
		strconv.FormatBool(p.User.ManagingOrganizationID == p.Organization.ID), listHeader(rolesOf(p)),
	}
	list, h := values[:], e.Header()
	for i, name := range forwardedNames {
		h[name] = list[i : i+1 : i+1]
	}
	e.writeBody(nil)
}

// forwardedNames are the headers of forwarded, in the order of its values.
var forwardedNames = [...]string{
	"Remote-User", "Remote-Email", "Remote-Groups", "X-Sallyport-Groups-Omitted", "X-Sallyport-User", "X-Sallyport-Organization",
	"X-Sallyport-Token-Type", "X-Sallyport-Amr", "X-Sallyport-Managed", "X-Sallyport-Roles",
}

// listHeader separates values by commas, which none of them has then.
func listHeader(list []string) string {
	if len(list) == 1 {
		return headerText(list[0])
	}
	texts := make([]string, len(list))
	for i, text := range list {
		texts[i] = headerText(text)
	}
	return strings.Join(texts, ",")
}

// headerText writes a value as in URLs: what is neither a letter or digit of
// ASCII nor one of -._~@+: is percent-encoded. So no name of a group can end a
// header, pass for two, or be cut into another by whoever splits at blanks.
func headerText(s string) string {
	for i := range len(s) {
		if !plainInHeader[s[i]] {
			return escapeHeader(s)
		}
	}
	return s
}

func escapeHeader(s string) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		if plainInHeader[s[i]] {
			b = append(b, s[i])
		} else {
			b = append(b, '%', digits[s[i]>>4], digits[s[i]&15])
		}
	}
	return string(b)
}

// plainInHeader are the bytes that headerText leaves.
var plainInHeader = func() (plain [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~@+:") {
		plain[c] = true
	}
	return plain
}()

// failForward refuses: with 401, for browsers by leading to the login page; with
// 403, for browsers as a page. Strangers hear the same of every organization.
func (a *API) failForward(e *exchange, id string, req *http.Request, err error) {
	known := asKnown(err)
	if known == nil {
		a.fail(e, id, err)
		return
	}
	browser := strings.Contains(req.Header.Get("Accept"), "text/html")
	switch known.Kind {
	case identity.Unauthenticated:
		loginURL := a.loginFor(req.Header)
		e.Header().Set("X-Sallyport-Login-Url", loginURL)
		if browser && readsOnly(req.Header) {
			e.code = known.Code
			e.Header().Set("Location", loginURL)
			e.Header().Set("Content-Length", "0")
			e.WriteHeader(http.StatusFound)
			return
		}
	case identity.NotFound:
		// Proxies know 401 and 403, and take everything else for a failure.
		known = identity.Forbiddenf(known.Code, "%s", known.Message)
		fallthrough
	case identity.Forbidden:
		a.explainForward(e.Header(), known)
		if browser && a.showRefusal(e, known) == nil {
			return
		}
	}
	a.fail(e, id, known)
}

// explainForward says in headers what the body says too: some proxies keep the
// headers and drop the body.
func (a *API) explainForward(h http.Header, known *identity.Error) {
	h.Set("X-Sallyport-Error-Code", known.Code)
	if page, ok := known.Metadata["decision_url"].(string); ok {
		h.Set("X-Sallyport-Decision-Url", page)
	}
}

// loginFor is the login page. It leads back to the address that was asked for
// only where that is on this server's own host, as a path: to lead anywhere
// else would be at the mercy of whoever writes the headers (row WEB-04).
func (a *API) loginFor(h http.Header) string {
	page := a.PublicURL + "/login"
	public, err := url.Parse(a.PublicURL)
	if err != nil || !readsOnly(h) || !strings.EqualFold(h.Get("X-Forwarded-Host"), public.Host) {
		return page
	}
	if next := login.OwnPath(h.Get("X-Forwarded-Uri")); next != "" {
		page += "?" + url.Values{"next": {next}}.Encode()
	}
	return page
}

//go:embed refusal.html
var refusalText string

var refusalTemplate = template.Must(template.New("refusal").Parse(refusalText))

// showRefusal answers a browser with a page that leads to the explanation. It
// is shown under the name of the service behind the proxy, so it loads nothing.
func (a *API) showRefusal(e *exchange, known *identity.Error) error {
	decision, _ := known.Metadata["decision_url"].(string)
	var b bytes.Buffer
	err := refusalTemplate.Execute(&b, struct{ Brand, Message, Decision, Home string }{a.Brand, known.Message, decision, a.PublicURL})
	if err != nil {
		return err
	}
	e.code = known.Code
	e.Header().Set("Content-Type", "text/html; charset=utf-8")
	e.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	e.WriteHeader(http.StatusForbidden)
	_, _ = e.Write(b.Bytes())
	return nil
}

// forwardResponses describe the answers.
func forwardResponses(s *schemas) node {
	failed := node{"application/json": node{"schema": s.answer(reflect.TypeFor[sallyport.ErrorBody]())}}
	refused := node{"text/html": node{}, "application/json": failed["application/json"]}
	header := func(names ...string) node {
		all := node{}
		for _, name := range names {
			all[name] = node{"schema": node{"type": "string"}}
		}
		return all
	}
	return node{
		"200": node{"description": "Let it through, with these headers; what is not letter, digit or -._~@+: in a value is percent-encoded.", "headers": header(
			"Remote-User", "Remote-Email", "Remote-Groups", "X-Sallyport-Groups-Omitted", "X-Sallyport-User", "X-Sallyport-Organization",
			"X-Sallyport-Token-Type", "X-Sallyport-Amr", "X-Sallyport-Managed", "X-Sallyport-Roles",
		)},
		"302": node{"description": "A browser has to log in first.", "headers": header("Location", "X-Sallyport-Login-Url")},
		"401": node{"description": "No credential that is good.", "headers": header("X-Sallyport-Login-Url"), "content": failed},
		"403": node{"description": "Refused; a page for browsers.", "headers": header("X-Sallyport-Error-Code", "X-Sallyport-Decision-Url"), "content": refused},
		"4XX": node{"$ref": "#/components/responses/Error"}, "5XX": node{"$ref": "#/components/responses/Error"},
	}
}
