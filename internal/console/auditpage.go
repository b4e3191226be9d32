package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// auditView is the page of the audit log, newest first.
type auditView struct {
	Path   string
	Filter auditFilter
	Asked  bool // something is filtered
	List   []eventRow
	First  string // where the log begins, from a later page; empty: this is it
	Next   string // where the following page is; empty: this is the last
	Newer  string // where the events since are; empty: this is not where the log begins
	Newest int64  // id of the newest event that the page knows of; 0: none
	Export string
	// Actions are those on the page, to filter by.
	Actions []string
}

// perLog is how many events a page shows.
const perLog = 50

// auditFilter is the form above the log, as typed. Times are in UTC.
type auditFilter struct{ Actor, Target, Action, Since, Until string }

type eventRow struct {
	ID            int64
	At            time.Time
	Action        string
	Refused       bool
	Actor, Target string
	Words         string // one sentence
	Told          bool   // in the language of the page
	IP            string
	Credential    string // prefix
	Request       string
	Decision      string // id; DecisionPath is its page
	DecisionPath  string
	Changes       []changedField
	Detail        string // what else there is: JSON, indented; empty: nothing
	OnlyActor     string // the log of this actor only
	OnlyAction    string
	OnlyTarget    string
}

// values are the filter as the query of an address.
func (f auditFilter) values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"actor": f.Actor, "target": f.Target, "action": f.Action, "since": f.Since, "until": f.Until} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

func auditFilterOf(q url.Values) auditFilter {
	text := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	return auditFilter{text("actor"), text("target"), text("action"), text("since"), text("until")}
}

// eventTimes are how browsers and people write times.
var eventTimes = []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339, "2006-01-02 15:04", time.DateOnly}

// query is what a filter chooses; the problem is nil unless a time is none.
func (f auditFilter) query(t *tongue) (org.AuditQuery, *problem) {
	q := org.AuditQuery{Actor: f.Actor, Target: f.Target, Action: f.Action}
	for _, one := range []struct {
		id, text string
		to       *time.Time
	}{{"since", f.Since, &q.Since}, {"until", f.Until, &q.Until}} {
		if one.text == "" {
			continue
		}
		at, ok := eventTime(one.text)
		if !ok {
			return q, &problem{Words: t.say("audit.wrong-time"), Field: one.id}
		}
		*one.to = at
	}
	return q, nil
}

func eventTime(text string) (time.Time, bool) {
	for _, layout := range eventTimes {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// withQuery is a path with a query; empty values are left out.
func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func (p *Pages) auditLog(v *visit) {
	q := v.r.URL.Query()
	filter := auditFilterOf(q)
	path := v.base() + auditPath
	view := auditView{Path: path, Filter: filter, Asked: filter != auditFilter{}, Export: withQuery(path+"/export", filter.values())}
	query, about := filter.query(v.tongue)
	status := http.StatusBadRequest
	if about == nil {
		status, about = p.readLog(v, query, &view)
	}
	if about == nil && q.Get("part") == "events" {
		p.showPart(v, "audit", "events", page{Body: view})
		return
	}
	p.showOrganization(v, status, "audit", auditPath, page{Title: v.say("section.audit-log"), Problem: about, Body: view})
}

// showPart writes a part of a page alone, for the script that puts it into the
// page that is there.
func (p *Pages) showPart(v *visit, name, part string, content page) {
	var b bytes.Buffer
	if err := v.pages[name]().ExecuteTemplate(&b, part, content); err != nil {
		p.failed(v, err)
		return
	}
	secure(v.w.Header())
	_, _ = v.w.Write(b.Bytes()) // the client is gone when this fails
}

// readLog reads the part of the log that the address names: what is older than
// an event, what came since one, or the newest.
func (p *Pages) readLog(v *visit, query org.AuditQuery, view *auditView) (int, *problem) {
	q := v.r.URL.Query()
	query.Limit, query.Cursor = perLog, q.Get("cursor")
	if after, err := strconv.ParseInt(q.Get("after"), 10, 64); err == nil && after > 0 {
		query.After, view.Newest = after, after
	}
	found, err := p.Org.AuditEvents(v.r.Context(), v.Principal, query)
	if err != nil {
		status, wrong := v.problemOf(err, "")
		return status, &wrong
	}
	for _, e := range found.Events {
		view.List = append(view.List, v.eventRowOf(e, view.Path))
		view.Newest = max(view.Newest, e.ID)
		if !slices.Contains(view.Actions, e.Action) {
			view.Actions = append(view.Actions, e.Action)
		}
	}
	slices.Sort(view.Actions)
	beside := func(name, value string) string {
		to := view.Filter.values()
		if value != "" {
			to.Set(name, value)
		}
		return withQuery(view.Path, to)
	}
	if query.Cursor == "" {
		view.Newer = beside("after", strconv.FormatInt(view.Newest, 10))
	}
	if query.Cursor != "" || query.After > 0 {
		view.First = beside("", "")
	}
	if found.Next != "" {
		view.Next = beside("cursor", found.Next)
	}
	return http.StatusOK, nil
}

func (t *tongue) eventRowOf(e identity.Event, path string) eventRow {
	only := func(name, value string) string { return withQuery(path, url.Values{name: {value}}) }
	row := eventRow{
		ID: e.ID, At: e.At, Action: e.Action, Refused: e.Outcome == identity.Refused, Actor: e.Actor.Name, Target: e.Target.Name,
		Credential: e.Actor.Credential, Request: e.Actor.RequestID, Decision: e.DecisionID, OnlyAction: only("action", e.Action),
	}
	row.Words, row.Told = t.tellEvent(e.Description)
	if row.Actor == "" {
		row.Actor = t.say("actor." + e.Actor.Kind)
	}
	if e.Actor.ID != "" {
		row.OnlyActor = only("actor", e.Actor.ID)
	}
	if row.Target == "" {
		row.Target = e.Target.ID
	}
	if e.Target.ID != "" {
		row.OnlyTarget = only("target", e.Target.ID)
	}
	if e.Actor.Client.IsValid() {
		row.IP = e.Actor.Client.String()
	}
	if e.DecisionID != "" {
		row.DecisionPath = strings.TrimSuffix(path, auditPath) + decisionsPath + "/" + e.DecisionID
	}
	row.Changes, row.Detail = changesOf(e.Detail)
	return row
}

// auditLine is an event as the API writes it (docs/spec/interface.md).
type auditLine struct {
	EventID          int64           `json:"event_id"`
	CreateTime       time.Time       `json:"create_time"`
	Action           string          `json:"action"`
	Outcome          string          `json:"outcome"`
	Actor            auditActor      `json:"actor"`
	CredentialPrefix string          `json:"credential_prefix"`
	OrganizationID   string          `json:"organization_id"`
	Target           identity.Target `json:"target"`
	ClientIP         string          `json:"client_ip"`
	RequestID        string          `json:"request_id"`
	DecisionID       string          `json:"decision_id"`
	Detail           json.RawMessage `json:"detail"`
}

type auditActor struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

func auditLineOf(e identity.Event) auditLine {
	line := auditLine{
		EventID: e.ID, CreateTime: e.At.UTC(), Action: e.Action, Outcome: e.Outcome, Actor: auditActor{e.Actor.Kind, e.Actor.ID, e.Actor.Name},
		CredentialPrefix: e.Actor.Credential, OrganizationID: e.OrganizationID, Target: e.Target,
		RequestID: e.Actor.RequestID, DecisionID: e.DecisionID, Detail: e.Detail,
	}
	if e.Actor.Client.IsValid() {
		line.ClientIP = e.Actor.Client.String()
	}
	return line
}

// exportPage is how many events are read at a time for an export.
const exportPage = 500

// exportAudit sends all events of a filter, newest first, one JSON object a
// line. What fails later than the first page cuts the answer off, so that no
// client takes a part for the whole.
func (p *Pages) exportAudit(v *visit) {
	query, about := auditFilterOf(v.r.URL.Query()).query(v.tongue)
	if about != nil {
		p.message(v.w, v.r, http.StatusBadRequest, "failed", message{Text: about.Words, Link: v.base() + auditPath, LinkWords: "section.audit-log"})
		return
	}
	query.Limit = exportPage
	out := json.NewEncoder(v.w)
	for first := true; first || query.Cursor != ""; first = false {
		found, err := p.Org.AuditEvents(v.r.Context(), v.Principal, query)
		switch {
		case err != nil && first:
			p.failed(v, err)
			return
		case err != nil:
			p.cutOff(v, err)
		case first:
			name := "audit-log-" + v.Facts.Now.UTC().Format("2006-01-02T1504Z") + ".jsonl"
			v.w.Header().Set("Content-Type", "application/x-ndjson")
			v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		}
		for _, e := range found.Events {
			if err := out.Encode(auditLineOf(e)); err != nil {
				p.cutOff(v, err)
			}
		}
		query.Cursor = found.Next
		// Each page is a request of its own for the server's patience.
		_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(exportPatience))
	}
}

// exportPatience is how long a client may take for a page of an export.
const exportPatience = time.Minute

// cutOff ends an answer that has begun in a way that clients notice.
func (p *Pages) cutOff(v *visit, err error) {
	if p.Failed != nil && !errors.Is(err, v.r.Context().Err()) {
		p.Failed(v.r.Context(), requestID(v.w), fmt.Errorf("export the audit log: %w", err))
	}
	panic(http.ErrAbortHandler)
}
