package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// jsonLines is the media type of one JSON value a line.
const jsonLines = "application/x-ndjson"

func (a *API) auditRoutes() []route {
	const readEvents = "organization:event_logs:read"
	return []route{
		{
			method: "GET", path: "/v1/organization/{organization_id}/audit-events", id: "OrganizationAuditEventsList", tag: "audit", summary: "List audit events, newest first",
			resource: organization, need: access.Need{Scopes: []string{"accounts:read"}, Permission: readEvents},
			status: http.StatusOK, own: true, lines: true, query: []string{"actor", "target", "action", "since", "until", "limit", "cursor", "format"},
			handler: answers[sallyport.AuditEventPage](read(a.auditEvents)),
		},
		{
			method: "GET", path: "/v1/account/{account_id}/events", id: "AccountEventList", tag: "audit", summary: "List the events of an organization or a unit",
			resource: account, need: access.Need{Scopes: []string{"accounts:read"}, Permission: readEvents},
			status: http.StatusOK, query: []string{"limit"}, handler: read(a.accountEvents),
		},
		{
			method: "GET", path: "/v1/project/{project}/events", id: "ProjectGetEventLogs", tag: "audit", summary: "List the events of a project",
			resource: project, need: access.Need{Scopes: []string{"projects:read"}},
			status: http.StatusOK, query: []string{"limit"}, handler: read(a.projectEvents),
		},
	}
}

// answers says in the document what a handler answers that has several forms.
func answers[Out any](h handler) handler {
	var out Out
	h.out = out
	return h
}

func (a *API) auditEvents(ctx context.Context, c *Call) (any, error) {
	q, err := auditQuery(c)
	if err != nil {
		return nil, err
	}
	page, err := a.Org.AuditEvents(ctx, c.Principal, q)
	if err != nil {
		return nil, err
	}
	out := sallyport.AuditEventPage{Events: make([]sallyport.AuditEvent, len(page.Events)), NextCursor: textOrNull(page.Next)}
	for i, e := range page.Events {
		out.Events[i] = auditEventOf(e)
	}
	if c.wantsLines() {
		return linesOf(out, c.request.URL)
	}
	return out, nil
}

func auditQuery(c *Call) (q org.AuditQuery, err error) {
	q = org.AuditQuery{Actor: c.Query("actor"), Target: c.Query("target"), Action: c.Query("action"), Cursor: c.Query("cursor")}
	if q.Limit, err = c.limit(); err != nil {
		return q, err
	}
	if q.Since, err = c.time("since"); err != nil {
		return q, err
	}
	q.Until, err = c.time("until")
	return q, err
}

// limit is the query parameter of that name; 0 when it was not sent.
func (c *Call) limit() (int, error) {
	text := c.Query("limit")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, badRequest("limit is not a whole number from 1 on")
	}
	return n, nil
}

// time is a query parameter that holds a time; zero when it was not sent.
func (c *Call) time(name string) (time.Time, error) {
	text := c.Query(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, badRequest("%s is not a time such as 2026-07-01T12:00:00Z; write a + of a time zone as %%2B", name)
	}
	return t, nil
}

// wantsLines says whether the caller asked for one JSON value a line.
func (c *Call) wantsLines() bool {
	return c.Query("format") == "jsonl" || strings.HasPrefix(c.request.Header.Get("Accept"), jsonLines)
}

// lines is a page of events with one event a line. What would be beside them
// in an object is in a header (RFC 8288).
type lines struct {
	body []byte
	next string // the value of the Link header; empty on the last page
}

func linesOf(page sallyport.AuditEventPage, at *url.URL) (lines, error) {
	var b bytes.Buffer
	for _, e := range page.Events {
		line, err := encode(e)
		if err != nil {
			return lines{}, err
		}
		b.Write(line)
	}
	l := lines{body: b.Bytes()}
	if page.NextCursor != nil {
		query := at.Query()
		query.Set("cursor", *page.NextCursor)
		l.next = "<" + at.EscapedPath() + "?" + query.Encode() + `>; rel="next"`
	}
	return l, nil
}

func (l lines) serve(w *exchange) {
	h := w.Header()
	h.Set("Content-Type", jsonLines)
	h.Set("Content-Length", strconv.Itoa(len(l.body)))
	if l.next != "" {
		h.Set("Link", l.next)
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(l.body)
}

func auditEventOf(e identity.Event) sallyport.AuditEvent {
	return sallyport.AuditEvent{
		EventID: e.ID, CreateTime: e.At, Action: e.Action, Outcome: e.Outcome,
		Actor:            sallyport.Actor{Kind: e.Actor.Kind, ID: e.Actor.ID, Name: e.Actor.Name},
		CredentialPrefix: e.Actor.Credential, OrganizationID: e.OrganizationID,
		Target:   sallyport.Target{Kind: e.Target.Kind, ID: e.Target.ID, Name: e.Target.Name},
		ClientIP: addressText(e.Actor.Client), RequestID: e.Actor.RequestID, DecisionID: e.DecisionID, Detail: e.Detail,
	}
}

func (a *API) accountEvents(ctx context.Context, c *Call) (sallyport.AccountEventList, error) {
	limit, err := c.limit()
	if err != nil {
		return sallyport.AccountEventList{}, err
	}
	list, err := a.Org.AccountEvents(ctx, c.Principal, c.Path("account_id"), limit)
	out := sallyport.AccountEventList{Events: make([]sallyport.AccountEvent, len(list))}
	for i, e := range list {
		out.Events[i] = a.accountEventOf(e, c)
	}
	return out, err
}

func (a *API) accountEventOf(e identity.Event, c *Call) sallyport.AccountEvent {
	out := sallyport.AccountEvent{
		LogEntryID: e.ID, CreateTime: e.At, Actor: a.actorText(e.Actor),
		ActionType: e.Action, ActionDescription: e.Description, AccountID: e.AccountID,
	}
	if e.Actor.Kind == identity.ActorUser || e.Actor.Kind == identity.ActorApplicationUser {
		out.ActorUserID = textOrNull(e.Actor.ID)
	}
	if out.AccountID == "" {
		out.AccountID = c.Principal.Organization.AccountID
	}
	return out
}

// actorText names an actor where there is room for one text only.
func (a *API) actorText(actor identity.Actor) string {
	if actor.Kind == identity.ActorSystem {
		return a.Brand + " Automation"
	}
	return actor.Name
}

func (a *API) projectEvents(ctx context.Context, c *Call) (sallyport.ProjectEventList, error) {
	limit, err := c.limit()
	if err != nil {
		return sallyport.ProjectEventList{}, err
	}
	list, err := a.Org.ProjectEvents(ctx, c.Principal, c.Path("project"), limit)
	if kindOf(err) == identity.NotFound {
		err = notProjectMember()
	}
	out := sallyport.ProjectEventList{Events: make([]sallyport.ProjectEvent, len(list))}
	for i, e := range list {
		out.Events[i] = sallyport.ProjectEvent{
			ID: strconv.FormatInt(e.ID, 10), Time: e.At, Actor: a.actorText(e.Actor), EventType: e.Action, EventDesc: e.Description,
		}
	}
	return out, err
}
