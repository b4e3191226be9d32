package store

import (
	"context"
	"errors"

	"github.com/sallyport/sallyport/internal/identity"
)

// userColumns need the table under the name u.
const userColumns = `u.id, u.application, u.email, u.email_confirmed_at, u.real_name, u.job_title, u.country, u.city, u.department, u.state,
	u.address_lapsed_at, u.address_lapsed_from, u.managing_organization_id, u.organization_id, u.tokens_valid_from, u.last_active_at, u.created_at, u.updated_at,
	EXISTS (SELECT 1 FROM totp_factors f WHERE f.user_id = u.id)
		OR EXISTS (SELECT 1 FROM passkeys k WHERE k.user_id = u.id AND k.suspended_at = 0)`

func userFields(u *identity.User) []any {
	return []any{
		&u.ID, &u.Application, &u.Email,
		moment{&u.EmailConfirmed},
		&u.RealName, &u.JobTitle, &u.Country, &u.City, &u.Department, &u.State,
		moment{&u.AddressLapsed},
		&u.AddressLapsedFrom, &u.ManagingOrganizationID, &u.OrganizationID,
		moment{&u.TokensValidFrom},
		moment{&u.LastActive},
		moment{&u.Created},
		moment{&u.Updated},
		&u.SecondFactor,
	}
}

func scanUser(row scanner) (u identity.User, err error) {
	return u, row.Scan(userFields(&u)...)
}

// NoUser is the answer for a user that does not exist or is not the caller's
// to see.
func NoUser() *identity.Error {
	return identity.NotFoundf("user_not_found", "there is no such user")
}

// User returns a user in any state.
func (r *Read) User(ctx context.Context, id string) (identity.User, error) {
	u, err := one(ctx, r.q, scanUser, `SELECT `+userColumns+` FROM users u WHERE u.id = $1`, id)
	return found(u, err, NoUser())
}

// UserByEmail returns the user with a canonical address, unless deleted.
func (r *Read) UserByEmail(ctx context.Context, email string) (identity.User, error) {
	u, err := one(ctx, r.q, scanUser, `SELECT `+userColumns+` FROM users u WHERE u.email = $1 AND u.state <> 'deleted'`, email)
	return found(u, err, NoUser())
}

// AddUser stores a new user. A taken address is a conflict.
func (tx *Tx) AddUser(ctx context.Context, u identity.User) error {
	_, err := tx.exec(ctx, `INSERT INTO users (id, application, email, email_confirmed_at, real_name, job_title, country, city, department, state,
		managing_organization_id, organization_id, tokens_valid_from, last_active_at, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		u.ID, u.Application, u.Email, micros(u.EmailConfirmed), u.RealName, u.JobTitle, u.Country, u.City, u.Department, u.State,
		u.ManagingOrganizationID, u.OrganizationID, micros(u.TokensValidFrom), micros(u.LastActive), micros(tx.Now), micros(tx.Now))
	if duplicate(err) {
		return identity.Conflictf("user_already_exists", "a user with this e-mail address already exists; log in instead")
	}
	return err
}

// SetProfile stores the fields a person may edit about themselves.
func (tx *Tx) SetProfile(ctx context.Context, u identity.User) error {
	tx.Touch(User(u.ID))
	_, err := tx.exec(ctx, `UPDATE users SET real_name = $2, job_title = $3, country = $4, city = $5, department = $6, updated_at = $7 WHERE id = $1`,
		u.ID, u.RealName, u.JobTitle, u.Country, u.City, u.Department, micros(tx.Now))
	if err != nil {
		return err
	}
	return tx.relist(ctx, u.ID)
}

// ConfirmEmail records that a user proved to read mail at their address; the
// first time stays, and a lapse ends.
func (tx *Tx) ConfirmEmail(ctx context.Context, userID string) error {
	tx.Touch(User(userID))
	return tx.write(ctx, `UPDATE users SET email_confirmed_at = CASE WHEN email_confirmed_at = 0 THEN $2 ELSE email_confirmed_at END,
		address_lapsed_at = 0, address_lapsed_from = '', updated_at = $2 WHERE id = $1 AND (email_confirmed_at = 0 OR address_lapsed_at > 0)`, userID, micros(tx.Now))
}

// SetUserState activates, deactivates or deletes a user. Leaving the active
// state voids all credentials for good: coming back revives none.
func (tx *Tx) SetUserState(ctx context.Context, id, state string) error {
	tx.Touch(User(id))
	if state != identity.StateActive {
		tx.endangerUser(id)
		if err := errors.Join(tx.VoidTokens(ctx, id), tx.EndAttemptsOf(ctx, id)); err != nil {
			return err
		}
	}
	if state == identity.StateDeleted {
		if err := tx.RemoveProofs(ctx, id); err != nil {
			return err
		}
		// The next holder of the address inherits no invitation.
		if err := tx.write(ctx, `DELETE FROM invitations WHERE email = (SELECT email FROM users WHERE id = $1)`, id); err != nil {
			return err
		}
	}
	if err := tx.write(ctx, `UPDATE users SET state = $2, updated_at = $3 WHERE id = $1`, id, state, micros(tx.Now)); err != nil {
		return err
	}
	return tx.relist(ctx, id)
}

// RemoveProofs takes away all that a user can prove themselves with but the
// password: authenticator, passkeys, recovery codes and linked identities. The
// tokens that were made with them are the caller's to end.
func (tx *Tx) RemoveProofs(ctx context.Context, userID string) error {
	return errors.Join(
		tx.RemoveTOTP(ctx, userID), tx.ForgetTOTPOffer(ctx, userID), tx.removePasskeys(ctx, userID),
		tx.RemoveRecoveryCodes(ctx, userID), tx.removeLinkedIdentities(ctx, userID),
	)
}

// SetManagingOrganization makes a user managed; an empty id sets them free.
func (tx *Tx) SetManagingOrganization(ctx context.Context, userID, organizationID string) error {
	tx.Touch(User(userID))
	if err := tx.write(ctx, `UPDATE users SET managing_organization_id = $2, updated_at = $3 WHERE id = $1`, userID, organizationID, micros(tx.Now)); err != nil {
		return err
	}
	return tx.relist(ctx, userID)
}

// VoidTokens moves the time from which a user's tokens are valid to now, which
// ends every credential they hold, those issued in this microsecond as well.
// The time never moves back, and reaches the youngest token: a clock that was
// set back, or that of another node, leaves nothing alive and revives nothing.
func (tx *Tx) VoidTokens(ctx context.Context, userID string) error {
	tx.Touch(User(userID))
	youngest, err := one(ctx, tx.q, scanInt, `SELECT COALESCE(MAX(created_at), 0) FROM tokens WHERE user_id = $1`, userID)
	if err != nil {
		return err
	}
	return tx.write(ctx, `UPDATE users SET tokens_valid_from = CASE WHEN tokens_valid_from > $2 THEN tokens_valid_from ELSE $2 END WHERE id = $1`,
		userID, max(micros(tx.Now), youngest))
}
