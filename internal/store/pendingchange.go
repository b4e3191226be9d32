package store

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// pendingClaim is how long one node has an overdue change to itself: little,
// because undoing is one short transaction, and a node may die in it.
const pendingClaim = 10 * time.Second

// NoPendingChange is the answer where no change waits for a confirmation.
func NoPendingChange() *identity.Error {
	return identity.NotFoundf("no_pending_change", "no change of this organization waits for a confirmation: it was confirmed or undone already, or made without confirm_within_seconds")
}

const pendingColumns = `id, organization_id, kind, description, undo, created_by, created_at, deadline_at`

func scanPending(row scanner) (c identity.PendingChange, err error) {
	return c, row.Scan(&c.ID, &c.OrganizationID, &c.Kind, &c.Description, &c.Undo, &c.CreatedBy, moment{&c.Created}, moment{&c.Deadline})
}

// PendingChange returns the change of an organization that waits for its
// confirmation; NoPendingChange when none does.
func (r *Read) PendingChange(ctx context.Context, organizationID string) (identity.PendingChange, error) {
	c, err := one(ctx, r.q, scanPending, `SELECT `+pendingColumns+` FROM pending_changes WHERE organization_id = $1`, organizationID)
	return found(c, err, NoPendingChange())
}

// AnyPendingChange is PendingChange where none is no error: then found is false.
func (r *Read) AnyPendingChange(ctx context.Context, organizationID string) (c identity.PendingChange, found bool, err error) {
	c, err = r.PendingChange(ctx, organizationID)
	if errors.Is(err, NoPendingChange()) {
		return c, false, nil
	}
	return c, err == nil, err
}

// AddPendingChange stores a change that waits for its confirmation. There is one
// at a time in an organization, which the caller has locked and checked.
func (tx *Tx) AddPendingChange(ctx context.Context, c identity.PendingChange) error {
	return tx.write(ctx, `INSERT INTO pending_changes (`+pendingColumns+`, next_try_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)`,
		c.ID, c.OrganizationID, c.Kind, cut(c.Description), c.Undo, cut(c.CreatedBy), micros(tx.Now), micros(c.Deadline))
}

// EndPendingChange forgets a change that waited: it was confirmed, or undone.
func (tx *Tx) EndPendingChange(ctx context.Context, id string) error {
	return tx.write(ctx, `DELETE FROM pending_changes WHERE id = $1`, id)
}

// ClaimPendingChange takes a change whose deadline has passed, for a few seconds
// in which no other node takes it. It reports false when there is none.
func (db *DB) ClaimPendingChange(ctx context.Context) (c identity.PendingChange, found bool, err error) {
	return take(ctx, db, claim[identity.PendingChange]{
		table: "pending_changes", id: "id", due: "next_try_at", of: `TRUE`,
		columns: pendingColumns, scan: scanPending, life: pendingClaim,
	})
}
