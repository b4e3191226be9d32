package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/sallyport/sallyport/internal/httpapi"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// These tests walk the route table: what they ask of a route they ask of every
// route, so that a new one cannot forget it.

// withoutEvent are the rows that are no reading and record nothing, with the
// reason.
var withoutEvent = map[string]string{
	"CheckPasswordStrengthNewUser":      "judges what is in the body and stores nothing",
	"CheckPasswordStrengthExistingUser": "judges what is in the body and stores nothing",
	"UserAccountInvitesAccept":          "answers an empty list",
	"UserAccountInvitesReject":          "answers an empty list",
	"AccountMove":                       "confirms the parent, which cannot change",
	"AccountUsersSearch":                "a reading whose question is in the body",
	"TokenIntrospect":                   "a reading whose question is in the body",
	"UserAuthLoginOptions":              "a reading whose question is in the body",
	"AuthenticationMethodTest":          "asks somebody else's server and stores nothing",
	"SAMLResponseReplay":                "judges what is stored, and stores nothing",
	"OrganizationAccessPreview":         "takes back what it tries",
	"SAMLTest":                          "begins an attempt that opens nothing",
	"UserAuthPasskeyOptions":            "begins an attempt; the login that comes of it is the event",
	"UserPasskeyOptions":                "begins an attempt; the passkey that comes of it is the event",
}

// beginning are those of them that store an attempt.
var beginning = map[string]bool{"UserAuthPasskeyOptions": true, "UserPasskeyOptions": true, "SAMLTest": true}

// withoutScopes are the rows that any scopes reach, with the reason.
var withoutScopes = map[string]string{
	"UserLogout":                        "every credential may end itself",
	"CheckPasswordStrengthExistingUser": "judges what is in the body and shows nothing stored",
	"TokenIntrospect":                   "its permission stands for a scope (ADR 0008)",
}

func TestEveryChangeNamesItsEvent(t *testing.T) {
	for _, r := range httpapi.Table() {
		_, excused := withoutEvent[r.ID]
		if r.Method != http.MethodGet && (r.Event == "") != excused {
			t.Errorf("%s: event %q, excused: %t", r.ID, r.Event, excused)
		}
		if r.Method == http.MethodGet && (r.Event != "" || excused) {
			t.Errorf("%s: a GET changes nothing and has no event", r.ID)
		}
	}
}

func TestTOK11EveryRouteHasScopes(t *testing.T) {
	for _, r := range httpapi.Table() {
		_, excused := withoutScopes[r.ID]
		if !r.Anonymous && (len(r.Need.Scopes) == 0) != excused {
			t.Errorf("%s: scopes %q, excused: %t", r.ID, r.Need.Scopes, excused)
		}
	}
}

// An example without a row is one that nobody sends.
func TestEveryExampleHasARoute(t *testing.T) {
	ids := map[string]bool{}
	for _, r := range httpapi.Table() {
		ids[r.ID] = true
	}
	for id := range newWorld(t).examples() {
		if !ids[id] {
			t.Errorf("the example %s belongs to no route", id)
		}
	}
}

func TestDocumentHasEveryRoute(t *testing.T) {
	want := map[string]string{}
	for _, r := range httpapi.Table() {
		want[r.Method+" "+r.Path] = r.ID
	}
	s := servertest.New(t)
	maps.Copy(want, httpapi.Doors())
	if diff := cmp.Diff(want, s.Contract(t).Operations()); diff != "" {
		t.Errorf("-table +document:\n%s", diff)
	}
}

// event is an audit event as the database holds it.
type event struct {
	Action, Outcome, ActorID, Prefix, Organization, Description string
}

// eventsOf are the events of one request.
func (w *world) eventsOf(tb testing.TB, requestID string) []event {
	tb.Helper()
	var list []event
	columns := []string{"action", "outcome", "actor_id", "credential_prefix", "organization_id", "description"}
	for _, row := range w.Rows(tb, "SELECT "+strings.Join(columns, ", ")+" FROM events WHERE request_id = $1 ORDER BY id", requestID) {
		list = append(list, event{row[0], row[1], row[2], row[3], row[4], row[5]})
	}
	return list
}

// Every operation does what it says on a valid request: the answer is as the
// document says (servertest checks), a change leaves exactly its event, and a
// reading leaves nothing.
func TestEveryRouteOnAValidRequest(t *testing.T) {
	all := newWorlds(t)
	for _, r := range httpapi.Table() {
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			w := all.take(t)
			c := w.callOf(t, r)
			if r.BodyFields != nil {
				if err := w.Contract(t).Request(r.Method, strings.SplitN(c.path, "?", 2)[0], c.kind, []byte(c.body)); err != nil {
					t.Errorf("the request is not as the document says: %v", err)
				}
			}
			before := w.Dump(t)
			a := c.send(t, w).Want(r.Status)
			events, changed := w.eventsOf(t, a.Header.Get("X-Request-Id")), w.Dump(t) != before
			if r.Event == "" {
				if len(events) > 0 || changed != beginning[r.ID] {
					t.Errorf("it records %v and changes something: %t", events, changed)
				}
				return
			}
			if !changed {
				t.Error("it changed nothing")
			}
			want := w.expectedEvent(t, r, c)
			if len(events) != 1 || events[0].Description == "" {
				t.Fatalf("events %+v, want one with a description: %+v", events, want)
			}
			if r.ID == "UserAuth" || r.ID == "UserAuthExchange" || r.ID == "UserAuthPasskey" {
				want.Prefix = a.String("token")[:12] // the session that began
			}
			want.Description = events[0].Description
			if events[0] != want {
				t.Errorf("event\n%+v, want\n%+v", events[0], want)
			}
		})
	}
}

func (w *world) expectedEvent(tb testing.TB, r httpapi.Row, c call) event {
	tb.Helper()
	e := event{Action: r.Event, Outcome: "success", ActorID: w.bobID}
	if !r.Anonymous {
		e.Prefix = c.token[:12]
		e.ActorID = w.Value(tb, `SELECT user_id FROM tokens WHERE prefix = $1`, e.Prefix)
	}
	switch r.ID {
	case "UserCreate", "UserPasswordResetRequest", "UserDeviceConfirmationRequest", "UserDeviceConfirm":
		e.ActorID = "" // anybody
	case "UserVerifyEmail", "UserVerifyOwnEmail", "UserVerifyEmailResend", "UserAuthPasskey":
		e.ActorID = w.Value(tb, `SELECT id FROM users ORDER BY created_at DESC LIMIT 1`) // who has just signed up
	}
	values := w.parameters(w.examples()[r.ID])
	switch ex := w.examples()[r.ID]; {
	case r.ID == "InvitationSignUp":
		e.ActorID, e.Organization = w.Value(tb, `SELECT id FROM users WHERE email = $1`, guest), w.OrganizationID
	case ex.organization != "":
		e.Organization = ex.organization
	case strings.Contains(r.Path, "{account_id}"):
		e.Organization = w.Value(tb, `SELECT organization_id FROM accounts WHERE id = $1`, values["account_id"])
	case r.Organized:
		e.Organization = values["organization_id"]
	case r.Event == "organization_created":
		e.Organization = w.Value(tb, `SELECT id FROM organizations ORDER BY created_at DESC LIMIT 1`)
	}
	return e
}

// A second opinion on the document: another validator accepts every example
// and its answer.
func TestExamplesPassAnotherValidator(t *testing.T) {
	all, w := newWorlds(t), servertest.New(t)
	document, err := libopenapi.NewDocument(w.Do(t, http.MethodGet, "/openapi.json", "", nil).Want(http.StatusOK).Body)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, r := range httpapi.Table() {
		if r.Method != http.MethodGet && r.BodyFields == nil || r.Form {
			continue // nothing to read in the request; that of a form is no JSON
		}
		t.Run(r.ID, func(t *testing.T) {
			w := all.take(t)
			c := w.callOf(t, r)
			a := c.send(t, w)
			req := c.request(t, w)
			resp := &http.Response{StatusCode: a.Status, Header: a.Header, Body: io.NopCloser(bytes.NewReader(a.Body)), Request: req}
			if ok, problems := v.ValidateHttpRequestResponse(req, resp); !ok {
				for _, p := range problems {
					t.Errorf("%s: %s %+v", p.Message, p.Reason, p.SchemaValidationErrors)
				}
			}
		})
	}
}

// headersOf are those that every answer in JSON carries, as docs/parameters.md
// 3.8 says.
var headersOfJSON = map[string]string{
	"Strict-Transport-Security":    "max-age=63072000; includeSubDomains",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-store",
	"X-Frame-Options":              "DENY",
	"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
}

func TestWEB03EveryAnswerHasItsHeaders(t *testing.T) {
	w := newWorld(t)
	check := func(t *testing.T, what string, a servertest.Answer) {
		t.Helper()
		for name, want := range headersOfJSON {
			got := a.Header.Get(name)
			if page := strings.HasPrefix(a.Header.Get("Content-Type"), "text/html"); page && name == "Content-Security-Policy" {
				if !strings.HasPrefix(got, "default-src 'none'; script-src 'self'") {
					t.Errorf("%s: a page has the policy %q", what, got)
				}
				continue
			}
			if got != want {
				t.Errorf("%s: %s is %q, want %q", what, name, got, want)
			}
		}
		for name := range a.Header {
			if strings.HasPrefix(name, "Access-Control-") || name == "Server" || name == "X-Powered-By" {
				t.Errorf("%s: the header %s must not be there", what, name)
			}
		}
		if a.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", what)
		}
	}
	for _, r := range httpapi.Table() {
		c := w.callOf(t, r)
		if r.Method == http.MethodGet {
			check(t, r.ID, c.send(t, w))
		}
		c.token = "no token"
		check(t, r.ID+" refused", c.send(t, w))
		c.method = "BREW"
		check(t, r.ID+" with another method", c.send(t, w).WantCode(http.StatusMethodNotAllowed, "method_not_allowed"))
	}
}

// GET, HEAD, OPTIONS and what tries to be another method change nothing.
func TestWEB02ReadingChangesNothing(t *testing.T) {
	w := newWorld(t)
	for _, r := range httpapi.Table() {
		c := w.callOf(t, r)
		before := w.Dump(t)
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			c := c
			c.method, c.path, c.body, c.kind = method, query(c.path, "_method="+r.Method), "", ""
			c.header = http.Header{"X-Http-Method-Override": {r.Method}, "X-Http-Method": {r.Method}, "X-Method-Override": {r.Method}}
			a := c.send(t, w)
			reads := hasRoute(http.MethodGet, r.Path)
			switch {
			case method == http.MethodOptions || !reads:
				a.Want(http.StatusMethodNotAllowed)
				if allow := a.Header.Get("Allow"); !strings.Contains(allow, r.Method) {
					t.Errorf("%s %s: Allow is %q", method, r.Path, allow)
				}
			case r.Method == http.MethodGet:
				a.Want(r.Status)
			}
			if method == http.MethodHead && len(a.Body) > 0 {
				t.Errorf("HEAD %s answers a body", r.Path)
			}
		}
		if diff := cmp.Diff(before, w.Dump(t)); diff != "" {
			t.Errorf("reading %s changed something:\n%s", r.Path, diff)
		}
	}
}

func query(path, more string) string {
	if strings.Contains(path, "?") {
		return path + "&" + more
	}
	return path + "?" + more
}

func hasRoute(method, path string) bool {
	return slices.ContainsFunc(httpapi.Table(), func(r httpapi.Row) bool { return r.Method == method && r.Path == path })
}

// HEAD answers what GET would, without the body.
func TestHeadIsGetWithoutBody(t *testing.T) {
	w := newWorld(t)
	for _, r := range httpapi.Table() {
		if r.Method != http.MethodGet {
			continue
		}
		c := w.callOf(t, r)
		get := c.send(t, w).Want(r.Status)
		c.method = http.MethodHead
		head := c.send(t, w).Want(r.Status)
		if head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("%s: type %q, want %q", r.ID, head.Header.Get("Content-Type"), get.Header.Get("Content-Type"))
		}
	}
}

// A body that a browser sends without asking first is refused everywhere.
func TestWEB02BodiesOfOtherTypes(t *testing.T) {
	w := newWorld(t)
	for _, r := range httpapi.Table() {
		if r.BodyFields == nil {
			continue
		}
		c := w.callOf(t, r)
		right := c.kind
		before := w.Dump(t)
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/octet-stream", "application/json-patch+json"} {
			if r.Form && kind == "application/x-www-form-urlencoded" {
				kind = "application/json"
			}
			c.kind = kind
			c.send(t, w).WantCode(http.StatusUnsupportedMediaType, "unsupported_media_type")
		}
		c.kind, c.header = right, http.Header{"Content-Encoding": {"gzip"}}
		c.send(t, w).WantCode(http.StatusUnsupportedMediaType, "unsupported_content_encoding")
		if w.Dump(t) != before {
			t.Errorf("%s: a refused body changed something", r.ID)
		}
	}
}

// confusions are values that a field may not have been written for.
var confusions = []string{
	`null`, `true`, `0`, `-1`, `1.5`, `1e400`, `-0`, `9223372036854775808`, `"x"`, `"1"`, `""`, `"\u0000"`, `"\ud800"`, `"😀"`,
	`[]`, `{}`, `[null]`, `[[]]`, `[1]`, `["x"]`, `[{}]`, `{"a":1}`, `{"a":{"a":null}}`, `{"permissions":1}`,
}

// Whatever is in a field, the answer is no failure of ours, and what is refused
// changes nothing.
func TestAPI02TypesOfEveryField(t *testing.T) {
	all := newWorlds(t)
	for _, r := range httpapi.Table() {
		if len(r.BodyFields) == 0 || r.Form {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			w := all.take(t)
			c, body := w.fieldsOf(t, r)
			before := w.Dump(t)
			for _, field := range r.BodyFields {
				for _, value := range confusions {
					after := c.confuse(t, w, before, body, field, value)
					if after != before { // begin again, so that it stands in nobody's way
						w = w.renewed(t)
						c, body = w.fieldsOf(t, r)
						after = w.Dump(t)
					}
					before = after
				}
			}
		})
	}
}

// fieldsOf is an example with its body in fields.
func (w *world) fieldsOf(t *testing.T, r httpapi.Row) (call, map[string]json.RawMessage) {
	t.Helper()
	c, members := w.callOf(t, r), map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(c.body), &members); err != nil {
		t.Fatal(err)
	}
	return c, members
}

// confuse sends an example with one field replaced and returns what the
// database holds then.
func (c call) confuse(t *testing.T, w *world, before string, body map[string]json.RawMessage, field, value string) (after string) {
	t.Helper()
	members := maps.Clone(body)
	members[field] = json.RawMessage(value)
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		parts = append(parts, fmt.Sprintf("%q:%s", name, members[name]))
	}
	c.body = "{" + strings.Join(parts, ",") + "}"
	a := c.send(t, w)
	after = w.Dump(t)
	switch {
	case a.Status >= 500 && a.Status != http.StatusNotExtended:
		t.Errorf("%s = %s: status %d, body %s", field, value, a.Status, a.Body)
	case a.Status == http.StatusUnauthorized && c.token != "":
		t.Errorf("%s = %s: the test's own credential ended", field, value)
	case a.Status >= 400 && after != before:
		t.Errorf("%s = %s: refused with %d, but changed something:\n%s", field, value, a.Status, cmp.Diff(before, after))
	}
	return after
}

// The same for the form, whose fields are texts.
func TestAPI02TypesOfEveryFormField(t *testing.T) {
	w := newWorld(t)
	for _, r := range httpapi.Table() {
		if !r.Form {
			continue
		}
		for _, field := range r.BodyFields {
			for _, value := range []string{"", "\x00", "\xff", "😀", strings.Repeat("x", 100_000), "fe80::1%eth0", "[]", "null"} {
				form := url.Values{}
				for name, v := range w.example(t, r).body.(url.Values) {
					form[name] = v
				}
				form[field] = []string{value}
				c := w.callOf(t, r)
				c.body = form.Encode()
				if a := c.send(t, w); a.Status >= 500 {
					t.Errorf("%s: %s = %.20q: status %d, body %s", r.ID, field, value, a.Status, a.Body)
				}
			}
		}
	}
}
