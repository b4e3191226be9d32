package server_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest"
)

// recorded is an entry of the audit log.
type recorded struct {
	id                                         int64
	action, target, name, request, description string
	after                                      map[string]any
}

// state is what the database holds, read by SQL of our own: what the program
// would say of itself is not what is asked here.
type state struct {
	events       []recorded
	tokens       map[string]token // by prefix
	users        map[string]user  // application users by id
	projects     map[string]bool
	grants       map[string][]string // by principal
	organization string
	account      string // name of the root
	policy       struct{ document, version string }
}

type token struct {
	description, owner string
	revoked            bool
}

type user struct {
	name            string
	deleted, member bool
}

// check compares the database with the ledger and notes each miss. It settles
// the unknown operations: whole or absent, the ledger knows them from then on.
func (l *ledger) check(tb testing.TB, i *installation) {
	tb.Helper()
	checkIntegrity(tb, l, i)
	s := readState(tb, i)
	l.matchEvents(s.events)
	l.matchState(s)
}

// checkIntegrity runs the engine's own checks and walks the audit chain.
func checkIntegrity(tb testing.TB, l *ledger, i *installation) {
	tb.Helper()
	db, err := store.Open(i.database)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	err = db.View(tb.Context(), func(r *store.Read) error {
		_, err := r.VerifyEvents(tb.Context())
		return err
	})
	if err != nil {
		l.miss("corrupt", "%v", err)
	}
	if db.Engine() != "sqlite" {
		return
	}
	raw := connect(tb, i)
	defer raw.Close()
	for query, clean := range map[string]string{"PRAGMA integrity_check": "ok", "PRAGMA foreign_key_check": ""} {
		if found := strings.Join(query1(tb, raw, query), " "); found != clean {
			l.miss("corrupt", "%s: %s", query, found)
		}
	}
}

func connect(tb testing.TB, i *installation) *sql.DB {
	tb.Helper()
	db, err := storetest.Connect(i.database, "query_only(1)")
	if err != nil {
		tb.Fatal(err)
	}
	return db
}

// rows calls read for each row of a query.
func rows(tb testing.TB, db *sql.DB, read func(scan func(...any)), query string) {
	tb.Helper()
	r, err := db.QueryContext(tb.Context(), query)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	for r.Next() {
		read(func(fields ...any) {
			if err := r.Scan(fields...); err != nil {
				tb.Fatal(err)
			}
		})
	}
	if err := r.Err(); err != nil {
		tb.Fatal(err)
	}
}

// query1 returns the first column of a query.
func query1(tb testing.TB, db *sql.DB, query string) (list []string) {
	tb.Helper()
	r, err := db.QueryContext(tb.Context(), query)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	columns, err := r.Columns()
	if err != nil {
		tb.Fatal(err)
	}
	fields := make([]any, len(columns))
	for i := range fields {
		fields[i] = new(sql.NullString)
	}
	for r.Next() {
		if err := r.Scan(fields...); err != nil {
			tb.Fatal(err)
		}
		list = append(list, fields[0].(*sql.NullString).String)
	}
	return list
}

func readState(tb testing.TB, i *installation) *state {
	tb.Helper()
	db := connect(tb, i)
	defer db.Close()
	s := &state{tokens: map[string]token{}, users: map[string]user{}, projects: map[string]bool{}, grants: map[string][]string{}}
	rows(tb, db, func(scan func(...any)) {
		var e recorded
		var detail string
		scan(&e.id, &e.action, &e.target, &e.name, &e.request, &e.description, &detail)
		var parts struct{ After map[string]any }
		if detail != "" {
			if err := json.Unmarshal([]byte(detail), &parts); err != nil {
				tb.Fatalf("event %d: %v", e.id, err)
			}
		}
		e.after = parts.After
		s.events = append(s.events, e)
	}, `SELECT id, action, target_id, target_name, request_id, description, detail FROM events WHERE outcome = 'success' AND action <> 'installation_bootstrapped' ORDER BY id`)
	rows(tb, db, func(scan func(...any)) {
		var prefix string
		var t token
		var revoked int64
		scan(&prefix, &t.description, &t.owner, &revoked)
		t.revoked = revoked > 0
		s.tokens[prefix] = t
	}, `SELECT prefix, description, user_id, revoked_at FROM tokens WHERE description <> 'bootstrap'`)
	rows(tb, db, func(scan func(...any)) {
		var id, state string
		var u user
		scan(&id, &u.name, &state, &u.member)
		u.deleted = state == "deleted"
		s.users[id] = u
	}, `SELECT u.id, u.real_name, u.state, m.user_id IS NOT NULL FROM users u LEFT JOIN memberships m ON m.user_id = u.id WHERE u.application`)
	rows(tb, db, func(scan func(...any)) {
		var name string
		scan(&name)
		s.projects[name] = true
	}, `SELECT name FROM projects`)
	rows(tb, db, func(scan func(...any)) {
		var principal, text string
		var list []string
		scan(&principal, &text)
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			tb.Fatal(err)
		}
		s.grants[principal] = list
	}, `SELECT principal_id, permissions FROM grants`)
	rows(tb, db, func(scan func(...any)) {
		scan(&s.organization, &s.account, &s.policy.document, &s.policy.version)
	}, `SELECT o.name, a.name, o.policy, CAST(o.policy_version AS TEXT) FROM organizations o JOIN accounts a ON a.id = o.account_id`)
	return s
}

// matchEvents finds the operation of each event: by the id of the answered
// request, or among those without an answer by what the event names.
func (l *ledger) matchEvents(events []recorded) {
	byRequest, open := map[string]*operation{}, map[string]*operation{}
	for _, o := range l.operations {
		o.events, o.happened = 0, false
		if o.Request != "" {
			byRequest[o.Request] = o
		}
		if o.Outcome == unknown || o.Outcome == sent {
			open[o.Action+" "+o.Key] = o
		}
	}
	for _, e := range events {
		o := byRequest[e.request]
		for _, key := range e.keys() {
			if o == nil {
				o = open[e.action+" "+key]
			}
		}
		if o == nil || o.Action != e.action || !slices.Contains(e.keys(), o.Key) {
			l.miss("invented", "event %d: %s", e.id, e.description)
			continue
		}
		o.events++
		o.happened = true
		if o.ID == "" {
			o.ID = e.target
		}
		o.Request = e.request
	}
	for _, o := range l.operations {
		switch {
		case o.events > 1:
			l.miss("doubled", "operation %d left %d events: %+v", o.N, o.events, *o)
		case (o.Outcome == ok || o.Outcome == happened) && o.events == 0:
			l.miss("lost", "operation %d was acknowledged and left no event: %+v", o.N, *o)
		case (o.Outcome == refused || o.Outcome == absent) && o.events > 0:
			l.miss("torn", "operation %d was refused and left an event: %+v", o.N, *o)
		case o.Outcome != unknown && o.Outcome != sent:
		case o.events > 0:
			o.Outcome = happened
		default:
			o.Outcome = absent
		}
	}
}

// keys are the ways in which operations name what an event is about.
func (e *recorded) keys() []string {
	keys := []string{e.target, e.name}
	switch e.action {
	case "policy_changed":
		keys = append(keys, e.seconds())
	case "permissions_changed":
		for principal := range e.after {
			keys = append(keys, principal)
		}
	}
	return keys
}

// seconds is the limit that a change of the policy set.
func (e *recorded) seconds() string {
	seconds, _ := e.after["session_max_age_seconds"].(float64)
	return fmt.Sprintf("%.0f", seconds)
}

// matchState compares what the operations that happened make with what is
// there, both ways.
func (l *ledger) matchState(s *state) {
	want := fold(l.operations)
	compare(l, "token", want.tokens, s.tokens)
	compare(l, "application user", want.users, s.users)
	compare(l, "project", want.projects, s.projects)
	for principal := range want.grants {
		if want.users[principal].deleted { // the grants of a deleted user go with it
			delete(want.grants, principal)
		}
	}
	compareLists(l, want.grants, s.grants)
	l.matchShared(s)
}

// fold is the state that the operations make, in the order of sending.
func fold(operations []*operation) *state {
	s := &state{tokens: map[string]token{}, users: map[string]user{}, projects: map[string]bool{}, grants: map[string][]string{}}
	for _, o := range operations {
		if !o.happened {
			continue
		}
		switch o.Action {
		case "token_created":
			s.tokens[o.ID] = token{description: o.Key, owner: o.Of}
		case "token_revoked":
			t := s.tokens[o.ID]
			t.revoked = true
			s.tokens[o.ID] = t
		case "application_user_created":
			s.users[o.ID] = user{name: o.Key, member: true}
		case "application_user_deleted":
			u := s.users[o.ID]
			u.deleted, u.member = true, false
			s.users[o.ID] = u
		case "permissions_changed":
			s.grants[o.Of] = o.Permissions
		case "project_created":
			s.projects[o.Key] = true
		case "project_deleted":
			delete(s.projects, o.Key)
		}
	}
	return s
}

func compare[V comparable](l *ledger, what string, want, have map[string]V) {
	for id, w := range want {
		h, ok := have[id]
		if !ok {
			l.miss("lost", "%s %s is absent: %+v", what, id, w)
		} else if h != w {
			l.miss("torn", "%s %s is %+v, want %+v", what, id, h, w)
		}
	}
	for id, h := range have {
		if _, ok := want[id]; !ok {
			l.miss("invented", "%s %s: %+v", what, id, h)
		}
	}
}

func compareLists(l *ledger, want, have map[string][]string) {
	texts := func(lists map[string][]string) map[string]string {
		m := map[string]string{}
		for id, list := range lists {
			list = slices.Sorted(slices.Values(list))
			m[id] = strings.Join(list, " ")
		}
		return m
	}
	compare(l, "grant", texts(want), texts(have))
}

// matchShared compares what all workers change: it is as the last event says,
// in each place where it is kept.
func (l *ledger) matchShared(s *state) {
	name, seconds, version := organizationName, "", 1
	for _, e := range s.events {
		switch e.action {
		case "organization_renamed":
			name = e.name
		case "policy_changed":
			version++
			seconds = e.seconds()
		}
	}
	if s.organization != name || s.account != name {
		l.miss("torn", "the organization is named %q and its root %q, the last event says %q", s.organization, s.account, name)
	}
	if want := fmt.Sprint(version); s.policy.version != want {
		l.miss("torn", "the policy has version %s, its events say %s", s.policy.version, want)
	}
	if seconds != "" && !strings.Contains(s.policy.document, seconds) {
		l.miss("torn", "the policy is %s, its last event says %s", s.policy.document, seconds)
	}
}
