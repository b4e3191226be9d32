package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// removeEvents removes the events from before a time, as the server does.
func removeEvents(tb testing.TB, db *DB, before time.Time) (total int64) {
	tb.Helper()
	total, err := db.RemoveOldEvents(tb.Context(), before)
	if err != nil {
		tb.Fatal(err)
	}
	return total
}

func verified(tb testing.TB, db *DB) (checked int64, err error) {
	tb.Helper()
	err = db.View(tb.Context(), func(r *Read) error {
		checked, err = r.VerifyEvents(tb.Context())
		return err
	})
	return checked, err
}

func TestOldEventsAreRemoved(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		begin := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		day := 0
		db.Now = func() time.Time { return begin.AddDate(0, 0, day) }
		add := func(organization string, n int) {
			err := db.Update(t.Context(), alice, Organization(organization), func(tx *Tx) (err error) {
				for range n {
					err = errors.Join(err, tx.Record(t.Context(), identity.Event{Action: "one", OrganizationID: organization}))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		// Two chains grow together, one stops early, one begins late.
		for ; day < 10; day++ {
			add("org-a", 120)
			add("org-b", 1)
			if day < 3 {
				add("org-c", 1)
			}
			if day > 7 {
				add("org-d", 1)
			}
		}
		if n := removeEvents(t, db, begin); n != 0 {
			t.Errorf("%d events were removed before the first", n)
		}
		if n := removeEvents(t, db, begin.AddDate(0, 0, 9)); n != 9*120+9+3+1 {
			t.Errorf("%d events were removed, want those of 9 days, %d", n, 9*120+9+3+1)
		}
		if n, err := verified(t, db); err != nil || n != 120+1+1 {
			t.Errorf("%d events of the last day are good, %v; want %d", n, err, 122)
		}
		// A chain of which nothing is left goes on from its anchor.
		add("org-c", 2)
		if got := events(t, db, EventFilter{OrganizationID: "org-c"}); len(got) != 2 || got[1].ChainSeq != 4 {
			t.Errorf("the chain goes on with %+v, want entry 4", got)
		}
		if n, err := verified(t, db); err != nil || n != 124 {
			t.Errorf("%d events are good, %v; want 124", n, err)
		}
		// What came after the anchors is as safe as ever.
		for _, s := range []string{`DELETE FROM events`, `DELETE FROM events WHERE chain = 'organization:org-c' AND chain_seq = 4`} {
			if _, err := db.write.ExecContext(t.Context(), s); err == nil || !strings.Contains(err.Error(), "audit events cannot be") {
				t.Errorf("%s: got %v, want a refusal", s, err)
			}
		}
		lift(t, db)
		raw(t, db, `DELETE FROM events WHERE chain = 'organization:org-c' AND chain_seq = 4`)
		if _, err := verified(t, db); err == nil || !strings.Contains(err.Error(), "entry 4 is missing") {
			t.Errorf("got %v, want that entry 4 is missing", err)
		}
	})
}

// A removal that is interrupted leaves nothing half done.
func TestRemovalIsAllOrNothing(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		for i := range 3 {
			record(t, db, Organization("org-a"), identity.Event{Action: fmt.Sprint("action", i)})
		}
		before := events(t, db, EventFilter{})
		stopped := fmt.Errorf("stopped")
		err := db.Maintain(t.Context(), func(tx *Tx) error {
			if n, err := tx.RemoveEvents(context.Background(), tx.Now.Add(time.Hour)); n != 3 || err != nil {
				t.Errorf("removed %d, %v; want 3", n, err)
			}
			return stopped
		})
		if err == nil {
			t.Error("the removal was committed")
		}
		wantSame(t, "events", events(t, db, EventFilter{}), before)
		if n, err := verified(t, db); n != 3 || err != nil {
			t.Errorf("%d events are good, %v; want 3", n, err)
		}
	})
}

func (s *spy) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s.queries, s.args = append(s.queries, query), append(s.args, args)
	return s.querier.exec(ctx, query, args...)
}

// TestOldEventsAreFoundByTheirNumber: what one step of the removal costs does not
// depend on how many events there are, also where PostgreSQL's statistics are
// from before others went.
func TestOldEventsAreFoundByTheirNumber(t *testing.T) {
	db := migrated(t, "postgres")
	setClock(db)
	manyEvents(t, db)
	raw(t, db, `ANALYZE events`)
	for range 12 {
		maintain(t, db, func(ctx context.Context, tx *Tx) error {
			s := &spy{querier: tx.q}
			tx.q = s
			if n, err := tx.RemoveEvents(ctx, start.AddDate(1, 0, 0)); err != nil || n != eventsAtOnce {
				t.Errorf("%d events went, %v", n, err)
				return err
			}
			for i, query := range s.queries {
				plan, err := collect(ctx, s.querier, scanText, `EXPLAIN (COSTS OFF) `+query, s.args[i]...)
				if err != nil {
					return err
				}
				if text := strings.Join(plan, "\n"); strings.Contains(text, "Seq Scan on events ") || strings.Contains(text, "Seq Scan on events\n") || strings.Contains(text, "SubPlan") {
					t.Errorf("%s\n%s", text, query)
				}
			}
			return nil
		})
	}
}
