package org_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
)

// note writes an event into the first organization's log.
func (s *stage) note(e identity.Event) {
	s.t.Helper()
	e.OrganizationID = s.first.OrganizationID
	err := s.db.Update(s.t.Context(), identity.Actor{Kind: identity.ActorUser, ID: "u1", Name: "bob@b.example"}, store.Organization(s.first.OrganizationID),
		func(tx *store.Tx) error { return tx.Record(s.t.Context(), e) })
	if err != nil {
		s.t.Fatal(err)
	}
}

func ids(list []identity.Event) (ids []string) {
	for _, e := range list {
		ids = append(ids, e.Target.ID)
	}
	return ids
}

func TestAUD_FiltersAndPages(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		start := s.db.Now().Add(time.Minute)
		for i := range 7 {
			s.pass(time.Minute)
			s.note(identity.Event{Action: []string{"even", "odd"}[i%2], Target: identity.Target{Kind: "thing", ID: fmt.Sprint(i), Name: "thing " + fmt.Sprint(i/2)}})
		}
		for _, c := range []struct {
			name  string
			query org.AuditQuery
			want  []string
		}{
			{"by action", org.AuditQuery{Action: "odd"}, []string{"5", "3", "1"}},
			{"by target's id", org.AuditQuery{Target: "3"}, []string{"3"}},
			{"by target's name", org.AuditQuery{Target: "thing 1"}, []string{"3", "2"}},
			{"by actor's id", org.AuditQuery{Actor: "u1", Limit: 2}, []string{"6", "5"}},
			{"by actor's name", org.AuditQuery{Actor: "bob@b.example", Action: "even"}, []string{"6", "4", "2", "0"}},
			{"since, inclusive", org.AuditQuery{Actor: "u1", Since: start.Add(5 * time.Minute)}, []string{"6", "5"}},
			{"until, exclusive", org.AuditQuery{Actor: "u1", Until: start.Add(2 * time.Minute)}, []string{"1", "0"}},
			{"nothing", org.AuditQuery{Actor: "nobody"}, nil},
			{"a limit of 999", org.AuditQuery{Actor: "u1", Limit: 999}, []string{"6", "5", "4", "3", "2", "1", "0"}},
		} {
			page, err := s.org.AuditEvents(t.Context(), s.admin(), c.query)
			if err != nil || !slices.Equal(ids(page.Events), c.want) || page.Events == nil {
				t.Errorf("%s: %v, %v, want %v", c.name, ids(page.Events), err, c.want)
			}
		}
		var got []string
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			page, err := s.org.AuditEvents(t.Context(), s.admin(), org.AuditQuery{Actor: "u1", Limit: 3, Cursor: cursor})
			if err != nil || pages > 3 {
				t.Fatal(err, pages)
			}
			got, cursor = append(got, ids(page.Events)...), page.Next
			// What is written meanwhile does not shift the pages.
			s.note(identity.Event{Action: "late", Target: identity.Target{ID: "late"}})
		}
		if want := []string{"6", "5", "4", "3", "2", "1", "0"}; !slices.Equal(got, want) {
			t.Errorf("page by page %v, want %v", got, want)
		}
	})
}

func TestAUD_QueriesThatMakeNoSense(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		for _, q := range []org.AuditQuery{
			{Limit: -1},
			{Cursor: "x"},
			{Cursor: "YmVmb3JlIDA"},
			{Cursor: "YmVmb3JlIC01"},
			{Cursor: "!"},
			{Cursor: strings.Repeat("A", 10_000)},
			{Actor: "a\x00b"},
			{Target: "\xff"},
			{Action: "\x00"},
		} {
			_, err := s.org.AuditEvents(t.Context(), s.admin(), q)
			if code(err) != "bad_request" {
				t.Errorf("%.80q: %v, want bad_request", fmt.Sprint(q), err)
			}
		}
	})
}

func TestAUD_AccountAndProjectLogs(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		unit, err := s.org.CreateUnit(t.Context(), s.admin(), s.first.OrganizationID, "unit")
		if err != nil {
			t.Fatal(err)
		}
		s.note(identity.Event{Action: "noted", AccountID: unit.ID, Target: identity.Target{ID: "in the unit"}})
		s.note(identity.Event{Action: "noted", AccountID: s.first.AccountID, Target: identity.Target{ID: "in the root"}})
		list, err := s.org.AccountEvents(t.Context(), s.admin(), unit.ID, 0)
		if err != nil || len(list) != 2 || list[0].Target.ID != "in the unit" || list[1].Action != "unit_created" {
			t.Errorf("the unit's log is %v, %v", ids(list), err)
		}
		if list, err = s.org.AccountEvents(t.Context(), s.admin(), s.first.AccountID, 2); err != nil || !slices.Equal(ids(list), []string{"in the root", "in the unit"}) {
			t.Errorf("the root's log is %v, %v", ids(list), err)
		}

		s.change(store.Organization(s.first.OrganizationID), func(tx *store.Tx) error {
			return tx.AddProject(t.Context(), identity.Project{Name: "shop", OrganizationID: s.first.OrganizationID, AccountID: unit.ID})
		})
		s.note(identity.Event{Action: "noted", Project: "shop", Target: identity.Target{ID: "in the project"}})
		reads := func(p *identity.Principal, want string) {
			t.Helper()
			list, err := s.org.ProjectEvents(t.Context(), p, "shop", 0)
			wantCode(t, err, want)
			if err == nil && !slices.Equal(ids(list), []string{"in the project"}) {
				t.Errorf("the project's log is %v", ids(list))
			}
		}
		reads(s.admin(), "")
		bob := s.person("bob@b.example", false)
		session := s.session(bob)
		reads(s.as(session), "project_not_found")
		for permission, want := range map[string]string{
			"read_only": "", "developer": "", "project:event_logs:read": "", "project:audit_logs:read": "", "project:services:read": "project_not_found",
		} {
			s.grant(bob, permission)
			reads(s.as(session), want)
		}
		_, err = s.org.ProjectEvents(t.Context(), s.admin(), "nothing", 0)
		wantCode(t, err, "project_not_found")
	})
}
