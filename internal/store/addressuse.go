package store

import (
	"context"
	"encoding/json"
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
	us, err = found(us, err, identity.NoOrganization())
	return timeOf(us), err
}

// SetLearning makes an organization observe addresses until a time; zero ends
// it.
func (tx *Tx) SetLearning(ctx context.Context, organizationID string, until time.Time) error {
	tx.Touch(Organization(organizationID))
	return tx.write(ctx, `UPDATE organizations SET learning_until = $2 WHERE id = $1`, organizationID, micros(until))
}

// addressRow is an observed address as the database gets it.
type addressRow struct {
	OrganizationID string `json:"organization_id"`
	Prefix         string `json:"prefix"`
	IP             string `json:"ip"`
	UserID         string `json:"user_id"`
	First          int64  `json:"first"`
	Last           int64  `json:"last"`
	Uses           int64  `json:"uses"`
}

// RecordAddressUses writes observed addresses (housekeeping, in batches of
// UsesAtOnce). What is written already is added to. Whatever a token has too many
// of goes, oldest first, unless somebody else is writing it; see
// ForgetAddressUses for what the organization has.
func (tx *Tx) RecordAddressUses(ctx context.Context, uses []identity.AddressUse) error {
	rows := make([]addressRow, len(uses))
	for i, u := range uses {
		rows[i] = addressRow{u.OrganizationID, u.Prefix, u.IP, u.UserID, micros(u.First), micros(u.Last), u.Uses}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	// In the order of the key: nodes that write the same rows do not wait for
	// each other in a circle. Not once learning is over: what was used before
	// may be written after.
	if err := tx.write(ctx, `INSERT INTO address_uses (organization_id, token_prefix, client_ip, user_id, first_used_at, last_used_at, uses)
		SELECT o.id, u.prefix, u.ip, u.user_id, MIN(u.first_at), MAX(u.last_at), SUM(u.uses) FROM (
			SELECT value ->> 'organization_id' AS organization_id, value ->> 'prefix' AS prefix, value ->> 'ip' AS ip, value ->> 'user_id' AS user_id,
				CAST(value ->> 'first' AS BIGINT) AS first_at, CAST(value ->> 'last' AS BIGINT) AS last_at, CAST(value ->> 'uses' AS BIGINT) AS uses
			FROM `+tx.dialect.items("$1")+`) AS u
		JOIN organizations o ON o.id = u.organization_id AND o.learning_until > u.last_at
		WHERE TRUE GROUP BY o.id, u.prefix, u.ip, u.user_id ORDER BY o.id, u.prefix, u.ip
		ON CONFLICT (organization_id, token_prefix, client_ip) DO UPDATE SET uses = address_uses.uses + excluded.uses,
			last_used_at = CASE WHEN excluded.last_used_at > address_uses.last_used_at THEN excluded.last_used_at ELSE address_uses.last_used_at END`,
		string(text)); err != nil {
		return err
	}
	return tx.boundTokens(ctx, string(text))
}

// addressKey is the key of observed addresses.
const addressKey = `organization_id, token_prefix, client_ip`

// boundTokens keeps the latest addresses of each token that a list names. They are
// counted first, which takes an index; hardly any token has too many.
func (tx *Tx) boundTokens(ctx context.Context, list string) error {
	return tx.write(ctx, `DELETE FROM address_uses WHERE (`+addressKey+`) IN (SELECT `+addressKey+` FROM address_uses WHERE (`+addressKey+`) IN (
		SELECT `+addressKey+` FROM (SELECT `+addressKey+`, ROW_NUMBER() OVER (PARTITION BY organization_id, token_prefix ORDER BY last_used_at DESC, client_ip) AS place
			FROM address_uses WHERE (organization_id, token_prefix) IN (SELECT organization_id, token_prefix FROM address_uses
				WHERE (organization_id, token_prefix) IN (SELECT value ->> 'organization_id', value ->> 'prefix' FROM `+tx.dialect.items("$1")+`)
				GROUP BY organization_id, token_prefix HAVING COUNT(*) > $2)) AS ranked
		WHERE place > $2)`+tx.dialect.skipLocked+`)`, list, maxAddressesOfToken)
}

// AddressUsesOver is how many observed addresses an organization has too many.
func (r *Read) AddressUsesOver(ctx context.Context, organizationID string) (int, error) {
	n, err := one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM address_uses WHERE organization_id = $1`, organizationID)
	return max(int(n)-MaxAddressUses, 0), err
}

// ForgetAddressUses removes some observed addresses of an organization, those
// longest unused, unless somebody else is writing them (housekeeping). To count
// them takes longer than to remove a few, and is not done here: nobody else can
// write on SQLite meanwhile.
func (tx *Tx) ForgetAddressUses(ctx context.Context, organizationID string, n int) error {
	return tx.write(ctx, `DELETE FROM address_uses WHERE (`+addressKey+`) IN (SELECT `+addressKey+` FROM address_uses
		WHERE organization_id = $1 ORDER BY last_used_at, token_prefix DESC, client_ip DESC LIMIT $2`+tx.dialect.skipLocked+`)`, organizationID, n)
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
