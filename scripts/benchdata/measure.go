package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

const (
	// rounds is how often a query is asked.
	rounds = 41
	// pageSize is how many entries a page has.
	pageSize = 50
	// worst is the most by which a query may become slower.
	worst = 2.0
	// noise is a difference that says nothing.
	noise = 300 * time.Microsecond
)

type query struct {
	name string
	ask  func(ctx context.Context, r *store.Read, l *loader) error
}

// queries are those behind pages, lists and checks.
var queries = []query{
	{"a check", func(ctx context.Context, r *store.Read, l *loader) error {
		f, err := r.Facts(ctx, prefix(l.done.tokens/40*20), organizationID(0))
		if err == nil && !f.Member {
			err = errors.New("the token is of nobody")
		}
		return err
	}},
	{"tokens of a user", func(ctx context.Context, r *store.Read, _ *loader) error {
		_, err := r.Tokens(ctx, userID(20))
		return err
	}},
	people("people, a page", store.PeopleFilter{}, store.Page{}),
	people("people, a page in the middle", store.PeopleFilter{}, store.Page{After: userID(400)}),
	people("people, found by name", store.PeopleFilter{Text: "lovelace"}, store.Page{}),
	people("application users", store.PeopleFilter{Applications: true}, store.Page{}),
	{"groups", func(ctx context.Context, r *store.Read, _ *loader) error {
		_, err := r.GroupList(ctx, organizationID(0), "", store.Page{Limit: pageSize})
		return err
	}},
	{"groups, found by name", func(ctx context.Context, r *store.Read, _ *loader) error {
		_, err := r.GroupList(ctx, organizationID(0), "group", store.Page{Limit: pageSize})
		return err
	}},
	{"projects", func(ctx context.Context, r *store.Read, _ *loader) error {
		_, err := r.ProjectList(ctx, organizationID(0), store.ProjectFilter{All: true}, store.Page{Limit: pageSize})
		return err
	}},
	events("audit log", func(*loader) store.EventFilter { return store.EventFilter{} }),
	events("audit log, by actor", func(*loader) store.EventFilter { return store.EventFilter{Actor: actor.ID} }),
	events("audit log, by target", func(*loader) store.EventFilter { return store.EventFilter{Target: userID(7)} }),
	events("audit log, by action", func(*loader) store.EventFilter { return store.EventFilter{Action: actions[2]} }),
	events("audit log, by project", func(*loader) store.EventFilter { return store.EventFilter{Project: project(12)} }),
	events("audit log, by unit", func(*loader) store.EventFilter { return store.EventFilter{AccountID: rootID(10)} }),
	events("audit log, of the last minutes", func(l *loader) store.EventFilter { return store.EventFilter{Since: l.newest.Add(-time.Minute)} }),
	events("audit log, of long ago", func(l *loader) store.EventFilter { return store.EventFilter{Until: l.begun.Add(12 * time.Hour)} }),
	events("audit log, one action never", func(*loader) store.EventFilter { return store.EventFilter{Action: "never"} }),
}

func people(name string, f store.PeopleFilter, at store.Page) query {
	at.Limit = pageSize
	return query{name, func(ctx context.Context, r *store.Read, _ *loader) error {
		_, err := r.People(ctx, organizationID(0), f, at)
		return err
	}}
}

func events(name string, filter func(*loader) store.EventFilter) query {
	return query{name, func(ctx context.Context, r *store.Read, l *loader) error {
		f := filter(l)
		f.OrganizationID, f.Limit = organizationID(0), pageSize
		list, err := r.Events(ctx, f)
		if err == nil && len(list) == 0 && f.Action != "never" {
			err = errors.New("there are no such events")
		}
		return err
	}}
}

// measure returns the median of each query and of an audited change.
func measure(ctx context.Context, db *store.DB, l *loader) (map[string]time.Duration, error) {
	medians := map[string]time.Duration{}
	for _, q := range queries {
		m, err := median(func() error {
			return db.View(ctx, func(r *store.Read) error { return q.ask(ctx, r, l) })
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.name, err)
		}
		medians[q.name] = m
	}
	m, err := median(func() error {
		return db.Update(ctx, actor, store.Organization(organizationID(0)), func(tx *store.Tx) error {
			return tx.Record(ctx, identity.Event{Action: "login", OrganizationID: organizationID(0)})
		})
	})
	medians[changeName] = m
	return medians, err
}

const changeName = "an audited change"

// median is that of the times of a work; the first time warms up.
func median(work func() error) (time.Duration, error) {
	var took []time.Duration
	for i := range rounds + 1 {
		begun := time.Now()
		if err := work(); err != nil {
			return 0, err
		}
		if i > 0 {
			took = append(took, time.Since(begun))
		}
	}
	slices.Sort(took)
	return took[rounds/2], nil
}

// report prints the medians, worst first, and returns how many grew too much.
func report(before, after map[string]time.Duration, share int) (slow int) {
	ratio := func(name string) float64 { return float64(after[name]) / float64(before[name]) }
	var names []string
	for name := range after {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(ratio(b), ratio(a)) })
	fmt.Printf("%-32s %10s %9d%% %6s\n", "", "1%", share, "ratio")
	for _, name := range names {
		mark := ""
		if ratio(name) > worst && after[name]-before[name] > noise {
			slow++
			mark = "  too slow"
		}
		fmt.Printf("%-32s %8.2fms %8.2fms %6.2f%s\n", name, milliseconds(before[name]), milliseconds(after[name]), ratio(name), mark)
	}
	return slow
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
