package org

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// The sizes of a page of events. Clients that ask for more get the most.
const (
	defaultEvents = 100
	maxEvents     = 500
	// maxLogEvents bounds the lists of the compatible API, which has no pages.
	maxLogEvents = 1000
)

// The permissions that open a project's events, beside its roles.
var projectEventReaders = []string{
	"admin", "role:project:admin", "operator", "developer", "read_only", "role:project:read",
	"project:event_logs:read", "project:audit_logs:read", projectsWrite,
}

// AuditQuery chooses events; zero fields choose all.
type AuditQuery struct {
	Actor, Target string // an id or a name
	Action        string
	Since, Until  time.Time // from Since on, before Until
	Limit         int       // 0: 100; more than 500 counts as 500
	Cursor        string    // AuditPage.Next of the page before
	After         int64     // only events with a higher id: those since a page was read
}

// AuditPage is a page of events, newest first.
type AuditPage struct {
	Events []identity.Event
	Next   string // cursor of the following page; empty on the last
}

// AuditEvents returns a page of the events of the accessed organization.
func (s *Service) AuditEvents(ctx context.Context, p *identity.Principal, q AuditQuery) (AuditPage, error) {
	filter, err := q.filter(p.Organization.ID)
	if err != nil {
		return AuditPage{}, err
	}
	limit := filter.Limit
	filter.Limit++ // one more tells whether there is a following page
	list, err := s.events(ctx, filter)
	if err != nil || len(list) <= limit {
		return AuditPage{Events: list}, err
	}
	list = list[:limit]
	return AuditPage{list, cursorAfter(list[limit-1])}, nil
}

func (q AuditQuery) filter(organizationID string) (store.EventFilter, error) {
	f := store.EventFilter{
		OrganizationID: organizationID, Actor: q.Actor, Target: q.Target, Action: q.Action,
		Since: q.Since, Until: q.Until, After: q.After,
	}
	for _, text := range []string{q.Actor, q.Target, q.Action} {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return f, identity.Invalidf("bad_request", "a filter is not readable text; write it in UTF-8 without NUL")
		}
	}
	var err error
	if f.Limit, err = pageSize(q.Limit, defaultEvents, maxEvents); err != nil {
		return f, err
	}
	f.Before, err = parseCursor(q.Cursor)
	return f, err
}

// pageSize cuts what clients ask for: the compatible API's ask for 999 of
// everything.
func pageSize(asked, usual, most int) (int, error) {
	switch {
	case asked < 0:
		return 0, identity.Invalidf("bad_request", "limit is not a number from 1 to %d", most)
	case asked == 0:
		return usual, nil
	}
	return min(asked, most), nil
}

// cursorAfter is where the page after an event begins. It is opaque so that it
// may come to hold more.
func cursorAfter(e identity.Event) string {
	return base64.RawURLEncoding.EncodeToString([]byte("before " + strconv.FormatInt(e.ID, 10)))
}

// parseCursor reads what cursorAfter wrote; 0 when there is none.
func parseCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	number, ok := strings.CutPrefix(string(text), "before ")
	id, bad := strconv.ParseInt(number, 10, 64)
	if err != nil || !ok || bad != nil || id < 1 {
		return 0, identity.Invalidf("bad_request", "this cursor is not one of ours; take next_cursor of the page before")
	}
	return id, nil
}

// AccountEvents returns the newest events of an account of the accessed
// organization: of a unit, or, for the root account, of the whole
// organization. limit 0 is 1000, which is also the most.
func (s *Service) AccountEvents(ctx context.Context, p *identity.Principal, accountID string, limit int) ([]identity.Event, error) {
	size, err := pageSize(limit, maxLogEvents, maxLogEvents)
	if err != nil {
		return nil, err
	}
	filter := store.EventFilter{OrganizationID: p.Organization.ID, Limit: size}
	if accountID != p.Organization.AccountID {
		filter.AccountID = accountID
	}
	return s.events(ctx, filter)
}

// ProjectEvents returns the newest events of a project of the accessed
// organization, for those who have access to it. limit 0 is 100; more than
// 1000 counts as 1000. No access, or no such project, is the kind NotFound.
func (s *Service) ProjectEvents(ctx context.Context, p *identity.Principal, project string, limit int) (list []identity.Event, err error) {
	size, err := pageSize(limit, defaultEvents, maxLogEvents)
	if err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		open, err := openProject(ctx, r, p, project)
		if err != nil {
			return err
		}
		if !open.Holds(projectEventReaders...) {
			return store.NoProject()
		}
		list, err = r.Events(ctx, store.EventFilter{OrganizationID: p.Organization.ID, Project: project, Limit: size})
		return err
	})
	return list, err
}

func (s *Service) events(ctx context.Context, filter store.EventFilter) (list []identity.Event, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.Events(ctx, filter)
		return err
	})
	return list, err
}
