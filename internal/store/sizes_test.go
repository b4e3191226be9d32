package store

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

func TestSizes(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		if db.Engine() == "postgres" {
			// The statistics of this session are told to others at its end, or now.
			raw(t, db, `ANALYZE`)
		}
		record(t, db, Organization("org-a"), identity.Event{Action: "later"})
		for name, look := range map[string]func(*Read, context.Context) (identity.DatabaseSize, error){"quick": (*Read).Size, "thorough": (*Read).ThoroughSize} {
			size := read(t, db, look)
			of := map[string]identity.TableSize{}
			for _, table := range size.Tables {
				if of[table.Table] = table; table.By == "" || table.Bound == "" {
					t.Errorf("%s: nobody knows what bounds %s", name, table.Table)
				}
			}
			// What PostgreSQL tells may count a session's rows twice for a moment.
			exact := db.Engine() == "sqlite"
			if of["users"].Rows < 4 || of["organizations"].Rows < 2 || of["events"].Rows == 0 || exact && of["users"].Rows != 4 {
				t.Errorf("%s: the tables have %+v", name, of)
			}
			if size.Bytes <= 0 || name == "thorough" && (of["events"].Bytes <= 0 || of["events"].Bytes >= size.Bytes) {
				t.Errorf("%s: events take %d bytes of %d", name, of["events"].Bytes, size.Bytes)
			}
			if of["events"].Oldest.IsZero() || name == "thorough" && of["users"].Oldest.IsZero() {
				t.Errorf("%s: the oldest event is of %v, the oldest user of %v", name, of["events"].Oldest, of["users"].Oldest)
			}
		}
	})
}

// What should have gone long ago is told, whatever rule it goes by.
func TestOverdue(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		fixture(t, db)
		overdue := func() []string {
			return read(t, db, func(r *Read, ctx context.Context) ([]string, error) { return r.Overdue(ctx, 400*day) })
		}
		if got := overdue(); len(got) > 0 {
			t.Errorf("%v are overdue in the first moment", got)
		}
		c.add(3 * 365 * day)
		got := overdue()
		for _, table := range []string{"events", "known_devices", "attempts", "saml_lab"} {
			if !slices.Contains(got, table) {
				t.Errorf("after years %v are overdue, but not %s", got, table)
			}
		}
		cleanUp(t, db)
		if got := overdue(); len(got) != 1 || got[0] != "events" {
			t.Errorf("after the clean-up %v are overdue", got)
		}
		maintain(t, db, func(ctx context.Context, tx *Tx) error {
			_, err := tx.RemoveEvents(ctx, tx.Now.Add(-400*day))
			return err
		})
		if got := overdue(); len(got) > 0 {
			t.Errorf("after all %v are overdue", got)
		}
	})
}

func TestQueues(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		town(t, db)
		db.Seal, db.Open = sealPlainly, openPlainly
		queues := func() map[string]int64 { return read(t, db, (*Read).Queues) }
		oldest := func() time.Time { return read(t, db, (*Read).OldestMail) }
		wantSame(t, "nothing", queues(), map[string]int64{"mail": 0, "domain_checks": 0, "metadata_checks": 0, "access_notices": 0, "pending_changes": 0})
		if !oldest().IsZero() {
			t.Errorf("no mail waits, but since %v", oldest())
		}
		send(t, db, identity.Mail{Kind: "k", To: "a@example.com"})
		first := db.now()
		c.add(time.Hour)
		send(t, db, identity.Mail{Kind: "k", To: "b@example.com"})
		change(t, db, func(ctx context.Context, tx *Tx) error {
			_, err := tx.exec(ctx, `INSERT INTO pending_changes VALUES ('org-a', 'p', 'policy', '', '{}', 'u-alice', 1, 2, 3)`)
			return err
		})
		wantSame(t, "some", queues(), map[string]int64{"mail": 2, "domain_checks": 0, "metadata_checks": 0, "access_notices": 0, "pending_changes": 1})
		if !oldest().Equal(first) {
			t.Errorf("the oldest is of %v, want %v", oldest(), first)
		}
	})
}
