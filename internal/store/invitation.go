package store

import (
	"context"
	"errors"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
)

// NoInvitation is the answer for an invitation that does not exist: accepted,
// withdrawn, or renewed with another code.
func NoInvitation() *identity.Error {
	return identity.NotFoundf("invitation_not_found", "there is no such invitation: it was accepted, withdrawn, or replaced by a newer one; ask whoever invited you for a new one")
}

const invitationQuery = `SELECT i.organization_id, i.email, i.invited_by, CASE WHEN u.real_name <> '' THEN u.real_name ELSE u.email END, i.created_at, i.expires_at
	FROM invitations i JOIN users u ON u.id = i.invited_by`

func scanInvitation(row scanner) (i identity.Invitation, err error) {
	return i, row.Scan(&i.OrganizationID, &i.Email, &i.InvitedBy, &i.InviterName, moment{&i.Created}, moment{&i.Expires})
}

// Invitations returns the invitations of an organization that were neither
// accepted nor withdrawn, expired ones too, oldest first.
func (r *Read) Invitations(ctx context.Context, organizationID string) ([]identity.Invitation, error) {
	return collect(ctx, r.q, scanInvitation, invitationQuery+` WHERE i.organization_id = $1 ORDER BY i.created_at, i.email`, organizationID)
}

// Invitation returns the invitation of a canonical address, expired or not.
func (r *Read) Invitation(ctx context.Context, organizationID, email string) (identity.Invitation, error) {
	i, err := one(ctx, r.q, scanInvitation, invitationQuery+` WHERE i.organization_id = $1 AND i.email = $2`, organizationID, email)
	return found(i, err, NoInvitation())
}

// InvitationByCode returns the invitation that was sent with a code, expired
// or not, by the code's hash.
func (r *Read) InvitationByCode(ctx context.Context, hash string) (identity.Invitation, error) {
	i, err := one(ctx, r.q, scanInvitation, invitationQuery+` WHERE i.code = $1`, hash)
	return found(i, err, NoInvitation())
}

// CountInvitations counts the invitations of an organization that can still be
// accepted.
func (r *Read) CountInvitations(ctx context.Context, organizationID string) (int64, error) {
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM invitations WHERE organization_id = $1 AND expires_at > $2`, organizationID, micros(r.Now))
}

// SetInvitation stores an invitation with the hash of its code. One that is
// there already is renewed: its old code ends.
func (tx *Tx) SetInvitation(ctx context.Context, i identity.Invitation, hash string) error {
	return tx.write(ctx, `INSERT INTO invitations (organization_id, email, code, invited_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (organization_id, email) DO UPDATE SET code = excluded.code, invited_by = excluded.invited_by, expires_at = excluded.expires_at`,
		i.OrganizationID, i.Email, hash, i.InvitedBy, micros(tx.Now), micros(i.Expires))
}

// DeleteInvitation ends an invitation. Only one of several simultaneous
// callers ends it; the others get NoInvitation.
func (tx *Tx) DeleteInvitation(ctx context.Context, organizationID, email string) error {
	n, err := tx.exec(ctx, `DELETE FROM invitations WHERE organization_id = $1 AND email = $2`, organizationID, email)
	if err == nil && n == 0 {
		return NoInvitation()
	}
	return err
}

// DomainProver returns the organization that has proved the domain of a
// canonical address to be its own; empty: none has.
func (r *Read) DomainProver(ctx context.Context, email string) (organizationID string, err error) {
	_, domain, _ := strings.Cut(email, "@")
	organizationID, err = one(ctx, r.q, scanText, `SELECT organization_id FROM domains WHERE name = $1 AND state = 'verified'`, domain)
	if errors.Is(err, errNoRow) {
		return "", nil
	}
	return organizationID, err
}
