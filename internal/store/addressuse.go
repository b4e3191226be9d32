package store

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

const (
	// MaxAddressUses is how many observed addresses an organization keeps; the
	// longest unused go first.
	MaxAddressUses = 10_000
	// maxAddressesOfToken bounds them for one token, so that somebody who moves
	// through a network with it does not push out what others showed.
	maxAddressesOfToken = 200
	// addressUsesKept is for how long they are kept, in days.
	addressUsesKept = 30
)

// Learning returns until when an organization observes the addresses that it is
// used from; zero: it never did.
func (r *Read) Learning(ctx context.Context, organizationID string) (until time.Time, err error) {
	us, err := one(ctx, r.q, scanInt, `SELECT learning_until FROM organizations WHERE id = $1 AND NOT deleted`, organizationID)
	us, err = found(us, err, NoOrganization())
	return timeOf(us), err
}

// SetLearning makes an organization observe addresses until a time; zero ends
// it.
func (tx *Tx) SetLearning(ctx context.Context, organizationID string, until time.Time) error {
	tx.Touch(Organization(organizationID))
	_, err := tx.exec(ctx, `UPDATE organizations SET learning_until = $2 WHERE id = $1`, organizationID, micros(until))
	return err
}

// RecordAddressUses writes observed addresses (housekeeping, in batches). What
// is written already is added to. Whatever is over the bounds goes, oldest
// first.
func (tx *Tx) RecordAddressUses(ctx context.Context, uses []identity.AddressUse) error {
	tokens, organizations := map[[2]string]bool{}, map[string]bool{}
	for _, u := range uses {
		// Not once learning is over: what was used before may be written after.
		if _, err := tx.exec(ctx, `INSERT INTO address_uses (organization_id, token_prefix, client_ip, user_id, first_used_at, last_used_at, uses)
			SELECT id, $2, $3, $4, CAST($5 AS BIGINT), CAST($6 AS BIGINT), CAST($7 AS BIGINT) FROM organizations WHERE id = $1 AND learning_until > $6
			ON CONFLICT (organization_id, token_prefix, client_ip) DO UPDATE SET uses = address_uses.uses + excluded.uses,
				last_used_at = CASE WHEN excluded.last_used_at > address_uses.last_used_at THEN excluded.last_used_at ELSE address_uses.last_used_at END`,
			u.OrganizationID, u.Prefix, u.IP, u.UserID, micros(u.First), micros(u.Last), u.Uses); err != nil {
			return err
		}
		tokens[[2]string{u.OrganizationID, u.Prefix}], organizations[u.OrganizationID] = true, true
	}
	for token := range tokens {
		if _, err := tx.exec(ctx, `DELETE FROM address_uses WHERE organization_id = $1 AND token_prefix = $2 AND client_ip IN (
			SELECT client_ip FROM address_uses WHERE organization_id = $1 AND token_prefix = $2 ORDER BY last_used_at DESC, client_ip LIMIT $4 OFFSET $3)`,
			token[0], token[1], maxAddressesOfToken, forgottenAtOnce); err != nil {
			return err
		}
	}
	for id := range organizations {
		if _, err := tx.exec(ctx, `DELETE FROM address_uses WHERE organization_id = $1 AND (token_prefix, client_ip) IN (
			SELECT token_prefix, client_ip FROM address_uses WHERE organization_id = $1 ORDER BY last_used_at DESC, token_prefix, client_ip LIMIT $3 OFFSET $2)`,
			id, MaxAddressUses, forgottenAtOnce); err != nil {
			return err
		}
	}
	return nil
}

// SeenAddresses returns from where an organization was used while it learned,
// as far as the credential is alive and its owner an active member: a stolen
// token that was revoked shows nothing any more.
func (r *Read) SeenAddresses(ctx context.Context, organizationID string) ([]identity.SeenAddress, error) {
	return collect(ctx, r.q, scanSeenAddress, `SELECT a.organization_id, a.token_prefix, a.user_id, a.client_ip, a.first_used_at, a.last_used_at, a.uses,
			t.kind, t.description, u.email, u.real_name, u.application
		FROM address_uses a JOIN tokens t ON t.prefix = a.token_prefix JOIN users u ON u.id = t.user_id
			JOIN memberships m ON m.organization_id = a.organization_id AND m.user_id = u.id
		WHERE a.organization_id = $1 AND`+live+` AND u.state = 'active' ORDER BY a.last_used_at DESC, a.token_prefix, a.client_ip`,
		organizationID, micros(r.Now))
}

func scanSeenAddress(row scanner) (s identity.SeenAddress, err error) {
	return s, row.Scan(&s.OrganizationID, &s.Prefix, &s.UserID, &s.IP, moment{&s.First}, moment{&s.Last}, &s.Uses,
		&s.Kind, &s.Description, &s.Email, &s.RealName, &s.Application)
}
