package store

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store/storetest"
)

// openNew opens an empty database and brings its schema up to date.
func openNew(tb testing.TB, url string) *DB {
	tb.Helper()
	db, err := Open(url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	db.Seal, db.Open = sealPlainly, openPlainly
	if _, err := db.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return db
}

func TestMoveTakesEveryRow(t *testing.T) {
	from := openNew(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	fixture(t, from)
	to := openNew(t, storetest.PostgresURL(t))
	moved, err := from.MoveTo(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range moved {
		if want := number(t, from, `SELECT COUNT(*) FROM `+m.Table); m.Rows != int64(want) || m.Rows == 0 {
			t.Errorf("%d rows of %s were moved, want %d and not none", m.Rows, m.Table, want)
		}
		if got := number(t, to, `SELECT COUNT(*) FROM `+m.Table); int64(got) != m.Rows {
			t.Errorf("%s has %d rows, want %d", m.Table, got, m.Rows)
		}
	}
	if number(t, to, `SELECT COUNT(*) FROM pg_stats WHERE schemaname = current_schema() AND tablename = 'events'`) == 0 {
		t.Error("the planner knows nothing of the events that were moved")
	}
	// The new database goes on counting where the old one stopped, and its
	// audit log goes on from the same chains.
	change(t, to, func(ctx context.Context, tx *Tx) error {
		return tx.Record(ctx, identity.Event{Action: "test_change", Description: "after the move"})
	})
	if err := to.View(t.Context(), func(r *Read) error {
		_, err := r.VerifyEvents(t.Context())
		return err
	}); err != nil {
		t.Error(err)
	}
	if _, err := from.MoveTo(t.Context(), to); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v, want that a database in use is refused", err)
	}
}

// A copy that differs in one value of one row is not committed.
func TestMoveNoticesWhatIsNotEqual(t *testing.T) {
	from := openNew(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	fixture(t, from)
	to := openNew(t, storetest.PostgresURL(t))
	raw(t, to, `CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.real_name := NEW.real_name || ' '; RETURN NEW; END $$`)
	raw(t, to, `CREATE TRIGGER spoil BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION spoil()`)
	if _, err := from.MoveTo(t.Context(), to); err == nil || !strings.Contains(err.Error(), "table users") {
		t.Errorf("got %v, want that table users is not equal", err)
	}
	if n := number(t, to, `SELECT COUNT(*) FROM organizations`); n != 0 {
		t.Errorf("%d organizations are left of a move that failed", n)
	}
}
