package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// people are the ids of a page, and whether there are others before and after.
func people(tb testing.TB, db *DB, f PeopleFilter, at Page) (ids []string, earlier, more bool) {
	tb.Helper()
	found := read(tb, db, func(r *Read, ctx context.Context) (Cut[identity.Member], error) { return r.People(ctx, "org-a", f, at) })
	for _, m := range found.List {
		ids = append(ids, m.UserID)
	}
	return ids, found.Earlier, found.More
}

// guests adds people whose names tell their order.
func guests(tb testing.TB, db *DB, names ...string) {
	tb.Helper()
	change(tb, db, func(ctx context.Context, tx *Tx) error {
		for i, name := range names {
			u := identity.User{ID: fmt.Sprintf("u-%d", i), Email: fmt.Sprintf("p%d@a.example", i), RealName: name, State: identity.StateActive}
			if err := errors.Join(tx.AddUser(ctx, u), tx.AddMember(ctx, "org-a", u.ID, false)); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestPeopleArePaged forwards and back, by name in any case and without regard
// to accents, each once.
func TestPeopleArePaged(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		guests(t, db, "Zoë", "ärzte", "ABEL", "Émile", "emil")
		whole := []string{"u-2", "u-alice", "u-1", "u-bob", "u-4", "u-3", "u-0"}
		if ids, earlier, more := people(t, db, PeopleFilter{}, Page{Limit: 50}); !slices.Equal(ids, whole) || earlier || more {
			t.Fatalf("all are %v, %t, %t", ids, earlier, more)
		}
		var walked []string
		at := Page{Limit: 3}
		for pages := 0; ; pages++ {
			ids, earlier, more := people(t, db, PeopleFilter{}, at)
			walked = append(walked, ids...)
			if earlier != (pages > 0) || pages > 3 {
				t.Fatalf("page %d, earlier %t", pages, earlier)
			}
			if !more {
				break
			}
			at.After = ids[len(ids)-1]
		}
		wantSame(t, "walked", walked, whole)
		ids, earlier, more := people(t, db, PeopleFilter{}, Page{Before: "u-0", Limit: 3})
		if !slices.Equal(ids, whole[3:6]) || !earlier || !more {
			t.Errorf("before the last: %v, %t, %t", ids, earlier, more)
		}
		for _, at := range []Page{{After: "u-gone", Limit: 2}, {Before: "u-gone", Limit: 2}, {After: "u-0", Limit: 2}, {After: "\x00\xff", Limit: 2}} {
			if ids, _, _ := people(t, db, PeopleFilter{}, at); !slices.Equal(ids, whole[:2]) {
				t.Errorf("%+v is %v, want the beginning", at, ids)
			}
		}
	})
}

// TestPeopleAreFound by a part of name, address and id; what LIKE means
// otherwise is meant as it is written.
func TestPeopleAreFound(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		guests(t, db, "Jürgen Groß", "50% off", "under_score", "bang!", `back\slash`, "o'quote")
		for text, want := range map[string][]string{
			"JURGEN": {"u-0"}, "jürgen gross": {"u-0"}, "%": {"u-1"}, "r_s": {"u-2"}, "!": {"u-3"}, `\`: {"u-4"}, "'": {"u-5"},
			"P1@": {"u-1"}, "u-alice": {"u-alice"}, "nobody": nil, "\x00": {"u-1", "u-alice", "u-4", "u-3", "u-bob", "u-0", "u-5", "u-2"}, "off\np1": nil,
		} {
			if ids, _, _ := people(t, db, PeopleFilter{Text: text}, Page{Limit: 50}); !slices.Equal(ids, want) {
				t.Errorf("%q finds %v, want %v", text, ids, want)
			}
		}
	})
}

// TestPeopleAreListedAsTheyAre: what lists go by follows every change of a user
// and of a membership.
func TestPeopleAreListedAsTheyAre(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		expect := func(step string, want map[string][]string) {
			t.Helper()
			for only, ids := range want {
				got, _, _ := people(t, db, PeopleFilter{Only: only}, Page{Limit: 50})
				if !slices.Equal(got, ids) {
					t.Errorf("%s: %q are %v, want %v", step, only, got, ids)
				}
				n := read(t, db, func(r *Read, ctx context.Context) (int64, error) {
					return r.CountPeople(ctx, "org-a", PeopleFilter{Only: only})
				})
				if n != int64(len(ids)) {
					t.Errorf("%s: %q are %d, want %d", step, only, n, len(ids))
				}
			}
		}
		all := []string{"u-alice", "u-bob"}
		expect("at first", map[string][]string{"": all, OnlyManaged: nil, OnlyOutside: all, OnlyDeactivated: nil, OnlySuperAdmins: {"u-alice"}})
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(
				tx.SetManagingOrganization(ctx, "u-bob", "org-a"), tx.SetManagingOrganization(ctx, "u-alice", "org-b"), tx.SetUserState(ctx, "u-bob", identity.StateDeactivated),
				tx.SetSuperAdmin(ctx, "org-a", "u-bob", true), tx.SetProfile(ctx, identity.User{ID: "u-bob", RealName: "Aaron"}),
			)
		})
		expect("changed", map[string][]string{"": {"u-bob", "u-alice"}, OnlyManaged: {"u-bob"}, OnlyOutside: {"u-alice"}, OnlyDeactivated: {"u-bob"}, OnlySuperAdmins: {"u-bob", "u-alice"}})
		if ids, _, _ := people(t, db, PeopleFilter{Applications: true}, Page{Limit: 50}); !slices.Equal(ids, []string{"u-app"}) {
			t.Errorf("application users: %v", ids)
		}
		change(t, db, func(ctx context.Context, tx *Tx) error { return tx.RemoveMember(ctx, "org-a", "u-bob") })
		expect("removed", map[string][]string{"": {"u-alice"}})
	})
}

// TestGroupsAndTheirPeopleArePaged, and follow the names.
func TestGroupsAndTheirPeopleArePaged(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		guests(t, db, "Carla", "Anton", "Bert")
		change(t, db, func(ctx context.Context, tx *Tx) error {
			for _, id := range []string{"u-0", "u-1", "u-2", "u-app"} {
				if err := errors.Join(tx.AddGroup(ctx, identity.Group{ID: "ug" + id, OrganizationID: "org-a", Name: "Group of " + id})); err != nil {
					return err
				}
				if err := tx.AddToGroup(ctx, "org-a", "ugu-0", id); err != nil {
					return err
				}
			}
			return errors.Join(tx.SetProfile(ctx, identity.User{ID: "u-0", RealName: "Zelda"}), tx.SetGroup(ctx, identity.Group{ID: "ugu-0", OrganizationID: "org-a", Name: "ÄLTESTE"}))
		})
		inGroup := func(text string, at Page) (ids []string) {
			found := read(t, db, func(r *Read, ctx context.Context) (Cut[identity.Member], error) {
				return r.GroupPeople(ctx, "org-a", "ugu-0", text, at)
			})
			for _, m := range found.List {
				ids = append(ids, m.UserID)
			}
			return ids
		}
		wantSame(t, "in the group", inGroup("", Page{Limit: 50}), []string{"u-1", "u-2", "u-app", "u-0"})
		wantSame(t, "after Bert", inGroup("", Page{After: "u-2", Limit: 1}), []string{"u-app"})
		wantSame(t, "found", inGroup("zeld", Page{Limit: 50}), []string{"u-0"})
		groups := read(t, db, func(r *Read, ctx context.Context) (Cut[identity.Group], error) {
			return r.GroupList(ctx, "org-a", "", Page{Limit: 2})
		})
		if len(groups.List) != 2 || groups.List[0].ID != "ugu-0" || groups.List[0].Members != 4 || !groups.More {
			t.Errorf("the groups are %+v", groups)
		}
		found := read(t, db, func(r *Read, ctx context.Context) (Cut[identity.Group], error) {
			return r.GroupList(ctx, "org-a", "ältes", Page{Limit: 2})
		})
		if len(found.List) != 1 {
			t.Errorf("found %+v", found)
		}
	})
}

// TestProjectsArePaged: all, or those of some units and names only.
func TestProjectsArePaged(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		change(t, db, func(ctx context.Context, tx *Tx) error {
			return errors.Join(
				tx.AddProject(ctx, identity.Project{Name: "a", OrganizationID: "org-a", AccountID: "root-org-a"}), tx.AddProject(ctx, identity.Project{Name: "b", OrganizationID: "org-a", AccountID: "unit-a"}),
				tx.AddProject(ctx, identity.Project{Name: "c", OrganizationID: "org-a", AccountID: "root-org-a"}), tx.AddProject(ctx, identity.Project{Name: "d", OrganizationID: "org-b", AccountID: "root-org-b"}),
			)
		})
		names := func(f ProjectFilter, at Page) string {
			found := read(t, db, func(r *Read, ctx context.Context) (Cut[UnitProject], error) {
				return r.ProjectList(ctx, "org-a", f, at)
			})
			text := ""
			for _, p := range found.List {
				text += p.Name
			}
			return text
		}
		for _, c := range []struct {
			f    ProjectFilter
			at   Page
			want string
		}{
			{ProjectFilter{All: true}, Page{Limit: 9}, "abc"},
			{ProjectFilter{}, Page{Limit: 9}, ""},
			{ProjectFilter{Units: []string{"unit-a"}}, Page{Limit: 9}, "b"},
			{ProjectFilter{Units: []string{"unit-a", "root-org-b"}, Names: []string{"c", "d"}}, Page{Limit: 9}, "bc"},
			{ProjectFilter{All: true}, Page{After: "a", Limit: 1}, "b"},
			{ProjectFilter{All: true, Text: "UNIT"}, Page{Limit: 9}, "b"},
			{ProjectFilter{All: true, Text: "C"}, Page{Limit: 9}, "c"},
		} {
			if got := names(c.f, c.at); got != c.want {
				t.Errorf("%+v at %+v are %q, want %q", c.f, c.at, got, c.want)
			}
		}
	})
}

// spy keeps the statements that go by it.
type spy struct {
	querier
	queries []string
	args    [][]any
}

func (s *spy) query(ctx context.Context, query string, args ...any) (rows, error) {
	s.queries, s.args = append(s.queries, query), append(s.args, args)
	return s.querier.query(ctx, query, args...)
}

// manyEvents adds those of one organization and then as many of a hundred others,
// all in one chain, a second apart.
func manyEvents(tb testing.TB, db *DB) {
	tb.Helper()
	const each = 10000
	raw(tb, db, `INSERT INTO events (chain, chain_seq, hash, created_at, action, outcome, actor_kind, actor_id, actor_name, credential_prefix, organization_id, account_id,
			project, target_kind, target_id, target_name, client_ip, request_id, decision_id, description, detail)
		SELECT 'c', i, '', CAST($2 AS BIGINT) + i * 1000000, 'a' || i % 7, 'success', 'user', 'u' || i % 3, 'U', '', CASE WHEN i <= $1 THEN 'org-a' ELSE 'org-' || i % 100 END,
			CASE WHEN i % 2 = 0 THEN 'unit-a' ELSE '' END, CASE WHEN i % 2 = 0 THEN 'p' || i % 5 ELSE '' END, 'user', 't' || i % 11, 'T', '', '', '', '', ''
		FROM generate_series(1, 2 * CAST($1 AS BIGINT)) AS i`, each, micros(start))
}

// eventLists asks for the events of an organization in each way.
func eventLists(r *Read, ctx context.Context) error {
	at := start.Add(2 * time.Hour)
	var errs []error
	for _, f := range []EventFilter{
		{},
		{Actor: "u2"},
		{Target: "t5"},
		{Action: "a3"},
		{Actor: "u2", Target: "t5"},
		{Before: 5000},
		{After: 5000},
		{Project: "p3"},
		{AccountID: "unit-a"},
		{Since: at},
		{Until: at},
		{Since: at, Action: "a3"},
	} {
		f.OrganizationID, f.Limit = "org-a", 50
		_, err := r.Events(ctx, f)
		errs = append(errs, err)
	}
	_, oldest := r.OldestEvent(ctx, "org-a")
	return errors.Join(append(errs, oldest)...)
}

// TestEventListsGoThroughAnIndexOnPostgreSQL: so it is there, too. The
// organization has had its events before all others, so that whatever goes
// through those in order passes theirs first.
func TestEventListsGoThroughAnIndexOnPostgreSQL(t *testing.T) {
	db := migrated(t, "postgres")
	setClock(db)
	town(t, db)
	manyEvents(t, db)
	s := &spy{querier: db.read}
	if err := eventLists(&Read{q: s, dialect: db.dialect, Now: db.now()}, t.Context()); err != nil {
		t.Fatal(err)
	}
	raw(t, db, `ANALYZE events`)
	for i, query := range s.queries {
		plan, err := collect(t.Context(), db.read, scanText, `EXPLAIN (COSTS OFF) `+query, s.args[i]...)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(plan, "\n")
		for _, wrong := range []string{"Seq Scan", "Bitmap", "Backward using events_pkey", "Sort"} {
			// The readings of a filter are few rows each, and sorted once more.
			if strings.Contains(text, wrong) && (wrong != "Sort" || !strings.Contains(query, "UNION")) {
				t.Errorf("%s in the plan\n%s\n%s", wrong, text, query)
			}
		}
		// What others, who had the name before, have done in a project is not gone past.
		if strings.Contains(query, "project = ") && !strings.Contains(text, "Index Cond: ((organization_id = ANY ('{org-a}'::text[])) AND (project = 'p3'::text))") {
			t.Errorf("the plan does not look for organization and project\n%s\n%s", text, query)
		}
	}
}

// TestListsGoThroughAnIndex: whatever a page of a list asks for, SQLite finds it
// in the order of an index: it sorts nothing and goes through no table, so that a
// page costs as much in a large organization as in a small one.
func TestListsGoThroughAnIndex(t *testing.T) {
	db := migrated(t, "sqlite")
	town(t, db)
	ask := func(r *Read, ctx context.Context) error {
		var errs []error
		for _, at := range []Page{{Limit: 50}, {After: "u-bob", Limit: 50}, {Before: "u-bob", Limit: 50}} {
			for _, only := range []string{"", OnlyManaged, OnlyOutside, OnlyDeactivated, OnlySuperAdmins} {
				_, err := r.People(ctx, "org-a", PeopleFilter{Only: only, Text: "x"}, at)
				errs = append(errs, err)
			}
			_, people := r.People(ctx, "org-a", PeopleFilter{Applications: true}, at)
			_, inGroup := r.GroupPeople(ctx, "org-a", "ug-crew", "x", at)
			_, groups := r.GroupList(ctx, "org-a", "x", at)
			_, invitations := r.InvitationList(ctx, "org-a", at)
			_, projects := r.ProjectList(ctx, "org-a", ProjectFilter{All: true, Text: "x"}, at)
			_, inUnit := r.ProjectList(ctx, "org-a", ProjectFilter{All: true, In: "unit-a"}, at)
			_, grants := r.GrantList(ctx, "project", "p", at)
			errs = append(errs, people, inGroup, groups, invitations, projects, inUnit, grants)
		}
		_, decision := r.Decision(ctx, "org-a", "dec_1")
		_, own := r.OwnDecision(ctx, "u-bob", "dec_1")
		_, recorded := r.DecisionRecorded(ctx, "dec_1")
		_, counts := r.OrganizationCounts(ctx, "org-a")
		_, counted := r.CountEvents(ctx, "org-a")
		errs = append(errs, counts, counted)
		wantKind(t, decision, identity.NotFound, "decision_not_found")
		wantKind(t, own, identity.NotFound, "decision_not_found")
		return errors.Join(append(errs, recorded, eventLists(r, ctx))...)
	}
	s := &spy{querier: db.read}
	if err := ask(&Read{q: s, dialect: db.dialect, Now: db.now()}, t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, query := range s.queries {
		plan, err := collect(t.Context(), db.read, func(row scanner) (step string, err error) {
			var id, parent, unused int64
			return step, row.Scan(&id, &parent, &unused, &step)
		}, "EXPLAIN QUERY PLAN "+query, s.args[i]...)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan {
			// The readings of a filter are few rows each, and sorted once more.
			whole := strings.HasPrefix(step, "SCAN ") && !strings.Contains(step, "USING") && !strings.Contains(step, "reading") && !strings.Contains(step, "CONSTANT")
			if whole || strings.Contains(step, "USE TEMP B-TREE FOR ORDER BY") && !strings.Contains(query, "UNION") {
				t.Errorf("%s: %s\n%.400s", step, strings.Join(plan, "; "), query)
			}
		}
	}
}
