package store

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

const (
	// noticeClaim is how long one node has a notice to itself: to read who is in
	// a large organization, and to judge them. Who takes longer is overtaken,
	// and then tells nobody.
	noticeClaim = 2 * time.Minute
	// mostNotices is how many notices of one organization wait. An admin who
	// changes the policy again and again gets them told together.
	mostNotices = 5
	// noticesKept is how long a notice that cannot be worked off waits.
	noticesKept = 7 * day
)

const noticeColumns = `id, organization_id, change, policy_before, policy_after, created_at`

func scanNotice(row scanner) (n identity.AccessNotice, err error) {
	return n, row.Scan(&n.ID, &n.OrganizationID, &n.Change, &n.Before, &n.After, moment{&n.At})
}

// AddAccessNotice notes that a change of the policy was made about which people
// are to be told. Where many wait already, the newest becomes one of both
// changes.
func (tx *Tx) AddAccessNotice(ctx context.Context, n identity.AccessNotice) error {
	waiting, err := collect(ctx, tx.q, scanNotice, `SELECT `+noticeColumns+` FROM access_notices WHERE organization_id = $1 ORDER BY id DESC LIMIT $2`, n.OrganizationID, mostNotices)
	if err != nil {
		return err
	}
	if len(waiting) == mostNotices {
		joined, err := tx.q.exec(ctx, `UPDATE access_notices SET change = $2, policy_after = $3, next_try_at = $4 WHERE id = $1`,
			waiting[0].ID, cut(waiting[0].Change+"; then "+n.Change), n.After, micros(tx.Now))
		if err != nil {
			return err
		}
		if joined > 0 {
			return nil
		} // else it was told meanwhile
	}
	// Not tx.exec: as mail, it is no change that needs an event of its own.
	return tx.t.later(ctx, nil, `INSERT INTO access_notices (organization_id, change, policy_before, policy_after, created_at, next_try_at) VALUES ($1, $2, $3, $4, $5, $5)`,
		n.OrganizationID, cut(n.Change), n.Before, n.After, micros(tx.Now))
}

// ClaimAccessNotice takes a notice, for a time in which no other node takes it.
// It reports false when none waits.
func (db *DB) ClaimAccessNotice(ctx context.Context) (n identity.AccessNotice, found bool, err error) {
	return take(ctx, db, claim[identity.AccessNotice]{
		table: "access_notices", id: "id", due: "next_try_at", of: `TRUE`,
		columns: noticeColumns, scan: scanNotice, life: noticeClaim,
	})
}

// EndAccessNotice forgets a notice. It reports false when somebody else did, or
// a further change has become part of it: whoever is first tells the people, in
// the same transaction.
func (tx *Tx) EndAccessNotice(ctx context.Context, n identity.AccessNotice) (first bool, err error) {
	rows, err := tx.exec(ctx, `DELETE FROM access_notices WHERE id = $1 AND policy_after = $2 AND change = $3`, n.ID, n.After, n.Change)
	return rows > 0, err
}

// TakeAccessNotices forgets all notices of an organization, and returns those
// that nobody else forgot, oldest first.
func (tx *Tx) TakeAccessNotices(ctx context.Context, organizationID string) (list []identity.AccessNotice, err error) {
	waiting, err := collect(ctx, tx.q, scanNotice, `SELECT `+noticeColumns+` FROM access_notices WHERE organization_id = $1 ORDER BY id`, organizationID)
	for _, n := range waiting {
		first, err := tx.EndAccessNotice(ctx, n)
		if err != nil {
			return nil, err
		}
		if first {
			list = append(list, n)
		}
	}
	return list, err
}
