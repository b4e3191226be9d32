package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

const (
	// rounds is how often a query is asked. PostgreSQL plans each anew for the
	// first five times, and may then keep a plan for all values: the one that
	// counts.
	rounds, warming = 80, 8
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
	{"members of a group", func(ctx context.Context, r *store.Read, _ *loader) error {
		_, err := r.GroupPeople(ctx, organizationID(0), groupID(0), "", store.Page{Limit: pageSize})
		return err
	}},
	{countName, func(ctx context.Context, r *store.Read, _ *loader) error {
		_, err := r.CountPeople(ctx, organizationID(0), store.PeopleFilter{})
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
	events("audit log, by project", func(*loader) store.EventFilter { return store.EventFilter{Project: project(40)} }),
	events("audit log, by unit", func(*loader) store.EventFilter { return store.EventFilter{AccountID: rootID(10)} }),
	events("audit log, of the last minutes", func(l *loader) store.EventFilter { return store.EventFilter{Since: l.newest.Add(-time.Minute)} }),
	events("audit log, of long ago", func(l *loader) store.EventFilter { return store.EventFilter{Until: l.begun.Add(12 * time.Hour)} }),
	events("audit log, one action never", func(*loader) store.EventFilter { return store.EventFilter{Action: "never"} }),
	{"a decision", func(ctx context.Context, r *store.Read, l *loader) error {
		_, err := r.Decision(ctx, organizationID(0), l.decision())
		return err
	}},
	{"a decision of somebody", func(ctx context.Context, r *store.Read, l *loader) error {
		_, err := r.OwnDecision(ctx, actor.ID, l.decision())
		return err
	}},
	{"a decision that is not recorded", func(ctx context.Context, r *store.Read, _ *loader) error {
		_, err := r.DecisionRecorded(ctx, "dec_never")
		return err
	}},
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

// medians are the times of a query on the small and on the large database.
type medians struct{ small, large time.Duration }

func (m medians) ratio() float64 { return float64(m.large) / float64(m.small) }

// tooSlow says whether the large one takes too long, by more than noise.
func (m medians) tooSlow() bool { return m.ratio() > worst && m.large-m.small > noise }

// measure returns the medians of the queries and of an audited change. The
// rounds go over all of them and both databases, so that what else the machine
// does meets them alike; the one that is asked second, with the program warm
// from the first, is another each time.
func measure(ctx context.Context, small, large *loader) (map[string]medians, error) {
	works := append(slices.Clip(queries), query{name: changeName})
	took := map[*loader]map[string][]time.Duration{small: {}, large: {}}
	for round := range warming + rounds {
		turn := []*loader{small, large}
		if round%2 == 1 {
			slices.Reverse(turn)
		}
		for _, q := range works {
			for _, l := range turn {
				begun := time.Now()
				if err := l.ask(ctx, q); err != nil {
					return nil, fmt.Errorf("%s: %w", q.name, err)
				}
				if round >= warming {
					took[l][q.name] = append(took[l][q.name], time.Since(begun))
				}
			}
		}
	}
	found := map[string]medians{}
	for _, q := range works {
		found[q.name] = medians{quantile(took[small][q.name], 0.5), quantile(took[large][q.name], 0.5)}
	}
	return found, nil
}

// ask runs a query; one without a question is the audited change.
func (l *loader) ask(ctx context.Context, q query) error {
	if q.ask == nil {
		return change(ctx, l.db)
	}
	return l.db.View(ctx, func(r *store.Read) error { return q.ask(ctx, r, l) })
}

const changeName = "an audited change"

// countName is a number that grows with what there is to count.
const countName = "how many people"

// change is a login of the largest organization.
func change(ctx context.Context, db *store.DB) error {
	return db.Update(ctx, actor, store.Organization(organizationID(0)), func(tx *store.Tx) error {
		return tx.Record(ctx, identity.Event{Action: "login", OrganizationID: organizationID(0)})
	})
}

// quantile of the times, which it sorts.
func quantile(took []time.Duration, q float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(int(q*float64(len(took))), len(took)-1)]
}

// report prints the medians, worst first, with old statistics of the large
// database and with new ones, and returns how many are too slow.
func report(stale, known map[string]medians, share int) (slow int) {
	ratio := func(name string) float64 { return max(stale[name].ratio(), known[name].ratio()) }
	names := slices.SortedFunc(maps.Keys(known), func(a, b string) int { return cmp.Compare(ratio(b), ratio(a)) })
	fmt.Printf("%-32s %10s %9d%% %6s %20s %6s\n", "", "1%", share, "ratio", "old statistics", "ratio")
	for _, name := range names {
		k, s, mark := known[name], stale[name], ""
		switch {
		case name == countName:
			mark = "  counts all"
		case k.tooSlow() || s.tooSlow():
			slow++
			mark = "  too slow"
		}
		fmt.Printf("%-32s %8.2fms %8.2fms %6.2f %18.2fms %6.2f%s\n", name, milliseconds(k.small), milliseconds(k.large), k.ratio(), milliseconds(s.large), s.ratio(), mark)
	}
	return slow
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
