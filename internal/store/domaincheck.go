package store

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// domainClaim is how long one node has the check of a domain to itself.
const domainClaim = 10 * time.Minute

// DomainCheck is a verified domain, with what looking for its proof again has
// found so far.
type DomainCheck struct {
	identity.Domain
	// AbsentChecks counts answers without the proof: 0, 1, and 2 when the
	// domain is at risk. AbsentSince is when that number was reached.
	AbsentChecks int64
	AbsentSince  time.Time
	// TroubleSince is when the first of a row of checks without any usable
	// answer was; zero: the last one had an answer.
	TroubleSince time.Time
	Warned       time.Time // when admins were last told; zero: not since the last proof
	Next         time.Time // when the next check is due
}

const checkColumns = domainColumns + `, absent_checks, absent_since, trouble_since, warned_at, next_check_at`

func scanCheck(row scanner) (c DomainCheck, err error) {
	d := &c.Domain
	return c, row.Scan(&d.ID, &d.OrganizationID, &d.Name, &d.Challenge, &d.VerificationType, &d.State, moment{&d.Verified}, moment{&d.Created},
		&c.AbsentChecks, moment{&c.AbsentSince}, moment{&c.TroubleSince}, moment{&c.Warned}, moment{&c.Next})
}

// ClaimDomain takes the verified domain that has waited longest for its check,
// for ten minutes in which no other node checks it. It reports false when none
// is due.
func (db *DB) ClaimDomain(ctx context.Context) (c DomainCheck, found bool, err error) {
	return take(ctx, db, claim[DomainCheck]{
		table: "domains", id: "id", due: "next_check_at",
		of:      `state = 'verified' AND organization_id IN (SELECT id FROM organizations WHERE NOT deleted)`,
		columns: checkColumns, scan: scanCheck, life: domainClaim,
	})
}

// DomainCheck returns a domain that is claimed; NotFound when it is not, or no
// longer, claimed as c says: it was removed, lapsed, changed, or its claim
// ended.
func (r *Read) DomainCheck(ctx context.Context, c DomainCheck) (DomainCheck, error) {
	now, err := one(ctx, r.q, scanCheck, `SELECT `+checkColumns+` FROM domains WHERE id = $1 AND state = 'verified' AND next_check_at = $2 AND verification_type = $3`,
		c.ID, micros(c.Next), c.VerificationType)
	return found(now, err, NoDomain())
}

// SetDomainCheck stores what a check found. It is no change that needs an
// event: whoever makes one of it records that.
func (tx *Tx) SetDomainCheck(ctx context.Context, c DomainCheck) error {
	return tx.t.later(ctx, nil, `UPDATE domains SET absent_checks = $2, absent_since = $3, trouble_since = $4, warned_at = $5, next_check_at = $6 WHERE id = $1`,
		c.ID, c.AbsentChecks, micros(c.AbsentSince), micros(c.TroubleSince), micros(c.Warned), micros(c.Next))
}

// LapseDomain makes a verified domain unverified; its people are set free by
// FreeByDomain.
func (tx *Tx) LapseDomain(ctx context.Context, id string) error {
	return tx.write(ctx, `UPDATE domains SET state = 'unverified', absent_checks = 0, absent_since = 0, trouble_since = 0, warned_at = 0, next_check_at = 0, updated_at = $2
		WHERE id = $1 AND state = 'verified'`, id, micros(tx.Now))
}
