package store

import (
	"context"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

func TestSizes(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		sizes := func() map[string]int64 { return read(t, db, (*Read).Sizes) }
		if db.Engine() == "postgres" {
			// The statistics of this session are told to others at its end, or now.
			raw(t, db, `ANALYZE`)
		}
		got := sizes()
		if got["users"] != 4 || got["organizations"] != 2 || len(got) != len(sizedTables) {
			t.Errorf("the tables have %v", got)
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
		wantSame(t, "nothing", queues(), map[string]int64{"mail": 0, "domain_checks": 0, "metadata_checks": 0, "pending_changes": 0})
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
		wantSame(t, "some", queues(), map[string]int64{"mail": 2, "domain_checks": 0, "metadata_checks": 0, "pending_changes": 1})
		if !oldest().Equal(first) {
			t.Errorf("the oldest is of %v, want %v", oldest(), first)
		}
	})
}
