package store

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
)

// NoLinkedIdentity is the answer for an identity that is not linked, or not
// the caller's to see.
func NoLinkedIdentity() *identity.Error {
	return identity.NotFoundf("user_authentication_method_not_found", "there is no such linked identity; it may have been removed")
}

const linkedIdentityColumns = `id, user_id, provider, organization_id, subject, public_identity, created_at, updated_at, last_used_at, deleted_at`

func scanLinkedIdentity(row scanner) (l identity.LinkedIdentity, err error) {
	return l, row.Scan(&l.ID, &l.UserID, &l.Provider, &l.OrganizationID, &l.Subject, &l.PublicIdentity,
		moment{&l.Created}, moment{&l.Updated}, moment{&l.LastUsed}, moment{&l.Deleted})
}

// LinkedIdentities returns the identities that log a user in, oldest first.
func (r *Read) LinkedIdentities(ctx context.Context, userID string) ([]identity.LinkedIdentity, error) {
	return collect(ctx, r.q, scanLinkedIdentity, `SELECT `+linkedIdentityColumns+` FROM linked_identities
		WHERE user_id = $1 AND deleted_at = 0 ORDER BY created_at, id`, userID)
}

// LinkedIdentity returns one linked identity of a user.
func (r *Read) LinkedIdentity(ctx context.Context, userID, id string) (identity.LinkedIdentity, error) {
	l, err := one(ctx, r.q, scanLinkedIdentity, `SELECT `+linkedIdentityColumns+` FROM linked_identities
		WHERE user_id = $1 AND id = $2 AND deleted_at = 0`, userID, id)
	return found(l, err, NoLinkedIdentity())
}

// LinkedIdentityBySubject returns what a provider's identity is linked to.
func (r *Read) LinkedIdentityBySubject(ctx context.Context, provider, subject string) (identity.LinkedIdentity, error) {
	l, err := one(ctx, r.q, scanLinkedIdentity, `SELECT `+linkedIdentityColumns+` FROM linked_identities
		WHERE provider = $1 AND subject = $2 AND deleted_at = 0`, provider, subject)
	return found(l, err, NoLinkedIdentity())
}

// ProviderUse is how much a provider is used. An identity that was linked and
// not used since logged its person in when it was linked.
func (r *Read) ProviderUse(ctx context.Context, provider string) (identity.ProviderUse, error) {
	return one(ctx, r.q, scanProviderUse, `SELECT COUNT(DISTINCT user_id), COALESCE(MAX(CASE WHEN last_used_at > created_at THEN last_used_at ELSE created_at END), 0)
		FROM linked_identities WHERE provider = $1 AND deleted_at = 0`, provider)
}

func scanProviderUse(row scanner) (u identity.ProviderUse, err error) {
	return u, row.Scan(&u.People, moment{&u.LastLogin})
}

// AddLinkedIdentity links an identity to its user. Conflict
// user_authentication_method_already_linked when it logs somebody in already,
// the same user too: the database keeps one winner.
func (tx *Tx) AddLinkedIdentity(ctx context.Context, l identity.LinkedIdentity) error {
	tx.Touch(User(l.UserID))
	_, err := tx.exec(ctx, `INSERT INTO linked_identities (`+linkedIdentityColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 0, 0)`,
		l.ID, l.UserID, l.Provider, l.OrganizationID, l.Subject, l.PublicIdentity, micros(tx.Now))
	if duplicate(err) {
		return identity.Conflictf("user_authentication_method_already_linked", "this identity is linked to an account already; remove it there first, or log in with it")
	}
	return err
}

// UseLinkedIdentity records a login with a linked identity and what the
// provider calls the person now. It reports false when the link is gone.
func (tx *Tx) UseLinkedIdentity(ctx context.Context, id, publicIdentity string) (bool, error) {
	n, err := tx.exec(ctx, `UPDATE linked_identities SET last_used_at = $3, updated_at = CASE WHEN public_identity <> $2 THEN $3 ELSE updated_at END, public_identity = $2
		WHERE id = $1 AND deleted_at = 0`, id, publicIdentity, micros(tx.Now))
	return n == 1, err
}

// RemoveLinkedIdentity ends a link; the tokens that descend from it are the
// caller's to end, with RevokeTokensOfIdentity. Only one of several
// simultaneous callers ends it; the others get NoLinkedIdentity.
func (tx *Tx) RemoveLinkedIdentity(ctx context.Context, userID, id string) error {
	tx.endangerUser(userID)
	tx.Touch(User(userID))
	n, err := tx.exec(ctx, endLink+` AND user_id = $2 AND id = $3`, micros(tx.Now), userID, id)
	if err == nil && n == 0 {
		return NoLinkedIdentity()
	}
	return err
}

const endLink = `UPDATE linked_identities SET deleted_at = $1, updated_at = $1 WHERE deleted_at = 0`

func (tx *Tx) removeLinkedIdentities(ctx context.Context, userID string) error {
	tx.endangerUser(userID)
	tx.Touch(User(userID))
	return tx.write(ctx, endLink+` AND user_id = $2`, micros(tx.Now), userID)
}
