package store

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// Password returns the stored hash of a user's password; empty when the user
// has none.
func (r *Read) Password(ctx context.Context, userID string) (phc string, err error) {
	phc, err = one(ctx, r.q, scanText, `SELECT phc FROM passwords WHERE user_id = $1`, userID)
	if errors.Is(err, errNoRow) {
		return "", nil
	}
	return phc, err
}

// PasswordSince returns the stored hash of a user's password and when the
// password was chosen; both are zero when the user has none. A rehash changes
// the first and not the second.
func (r *Read) PasswordSince(ctx context.Context, userID string) (phc string, chosen time.Time, err error) {
	err = first(ctx, r.q, `SELECT phc, changed_at FROM passwords WHERE user_id = $1`, userID).Scan(&phc, moment{&chosen})
	if errors.Is(err, errNoRow) {
		return "", time.Time{}, nil
	}
	return phc, chosen, err
}

// SetPassword stores a password's hash and ends what a credential change
// ends: open one-time codes and known devices.
func (tx *Tx) SetPassword(ctx context.Context, userID, phc string) error {
	if err := tx.write(ctx, `INSERT INTO passwords (user_id, phc, changed_at) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET phc = excluded.phc, changed_at = excluded.changed_at`, userID, phc, micros(tx.Now)); err != nil {
		return err
	}
	return tx.EndCodes(ctx, userID)
}

// RemovePassword takes a user's password away, which ends what a new one ends.
func (tx *Tx) RemovePassword(ctx context.Context, userID string) error {
	tx.endangerUser(userID)
	if err := tx.write(ctx, `DELETE FROM passwords WHERE user_id = $1`, userID); err != nil {
		return err
	}
	return tx.EndCodes(ctx, userID)
}

// EndCodes ends what every change of a user's credentials ends: open one-time
// codes, attempts to log in that are under way, and the memory of known devices.
// An attempt that makes the change itself is ended before, with EndAttempt.
func (tx *Tx) EndCodes(ctx context.Context, userID string) error {
	if err := tx.write(ctx, `DELETE FROM one_time_codes WHERE user_id = $1`, userID); err != nil {
		return err
	}
	if err := tx.EndAttemptsOf(ctx, userID); err != nil {
		return err
	}
	return tx.ForgetDevices(ctx, userID)
}

// Rehash replaces the hash of an unchanged password (housekeeping). It does
// nothing when the password was changed meanwhile.
func (tx *Tx) Rehash(ctx context.Context, userID, oldPHC, newPHC string) error {
	return tx.write(ctx, `UPDATE passwords SET phc = $3 WHERE user_id = $1 AND phc = $2`, userID, oldPHC, newPHC)
}

// Purposes of one-time codes.
const (
	PurposePasswordReset = "password_reset"
	PurposeVerifyEmail   = "verify_email"
	PurposeDevice        = "known_device"
)

// AddCode stores a one-time code's hash, replacing older codes of the same
// purpose and user.
func (tx *Tx) AddCode(ctx context.Context, hash, purpose, userID string, expires time.Time) error {
	if err := tx.write(ctx, `DELETE FROM one_time_codes WHERE user_id = $1 AND purpose = $2`, userID, purpose); err != nil {
		return err
	}
	return tx.write(ctx, `INSERT INTO one_time_codes (hash, purpose, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		hash, purpose, userID, micros(tx.Now), micros(expires))
}

// CodeOwner returns whose live code a hash is, without using it up.
func (r *Read) CodeOwner(ctx context.Context, hash, purpose string) (userID string, err error) {
	userID, err = one(ctx, r.q, scanText, `SELECT user_id FROM one_time_codes WHERE hash = $1 AND purpose = $2 AND expires_at > $3`, hash, purpose, micros(r.Now))
	return found(userID, err, NoCode())
}

// UseCode uses a code up and returns whose it was. Only one of several
// simultaneous callers gets it.
func (tx *Tx) UseCode(ctx context.Context, hash, purpose string) (userID string, err error) {
	tx.wrote = true
	userID, err = one(ctx, tx.q, scanText, `DELETE FROM one_time_codes WHERE hash = $1 AND purpose = $2 AND expires_at > $3 RETURNING user_id`, hash, purpose, micros(tx.Now))
	return found(userID, err, NoCode())
}

// NoCode is the answer for a one-time code that is unknown, used, replaced or
// too old.
func NoCode() *identity.Error {
	return identity.Invalidf("user_weblink_action_expired", "this code is not valid: it was used, has expired or was replaced by a newer one; ask for a new one")
}

// TOTPSecret returns the sealed secret of a user's authenticator and the last
// time step that was accepted from it; empty when none is set up.
func (r *Read) TOTPSecret(ctx context.Context, userID string) (sealed string, lastStep int64, err error) {
	err = first(ctx, r.q, `SELECT secret, last_step FROM totp_factors WHERE user_id = $1`, userID).Scan(&sealed, &lastStep)
	if errors.Is(err, errNoRow) {
		return "", 0, nil
	}
	return sealed, lastStep, err
}

// ForgetTOTPOffer takes an offer back.
func (tx *Tx) ForgetTOTPOffer(ctx context.Context, userID string) error {
	return tx.write(ctx, `DELETE FROM totp_offers WHERE user_id = $1`, userID)
}

// AcceptTOTPStep moves the last accepted time step forward. It reports false
// when the step, or a later one, was accepted before: the code was used.
func (tx *Tx) AcceptTOTPStep(ctx context.Context, userID string, step int64) (bool, error) {
	n, err := tx.exec(ctx, `UPDATE totp_factors SET last_step = $2 WHERE user_id = $1 AND last_step < $2`, userID, step)
	return n == 1, err
}

// OfferTOTP keeps the sealed secret of an authenticator that is being set up,
// replacing an earlier offer.
func (tx *Tx) OfferTOTP(ctx context.Context, userID, sealed string, expires time.Time) error {
	return tx.write(ctx, `INSERT INTO totp_offers (user_id, secret, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, expires_at = excluded.expires_at`, userID, sealed, micros(expires))
}

// TOTPOffer returns the sealed secret offered to a user; empty when there is
// none or it is too old.
func (r *Read) TOTPOffer(ctx context.Context, userID string) (sealed string, err error) {
	sealed, err = one(ctx, r.q, scanText, `SELECT secret FROM totp_offers WHERE user_id = $1 AND expires_at > $2`, userID, micros(r.Now))
	if errors.Is(err, errNoRow) {
		return "", nil
	}
	return sealed, err
}

// SetTOTP makes a user's offered authenticator their second factor; step is
// the one that proved it. It reports false when the offer is gone: somebody
// else used it up.
func (tx *Tx) SetTOTP(ctx context.Context, userID, sealed string, step int64) (bool, error) {
	tx.Touch(User(userID))
	n, err := tx.exec(ctx, `DELETE FROM totp_offers WHERE user_id = $1`, userID)
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.exec(ctx, `INSERT INTO totp_factors (user_id, secret, last_step, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, last_step = excluded.last_step, created_at = excluded.created_at`,
		userID, sealed, step, micros(tx.Now))
	return true, err
}

// RemoveTOTP takes a user's authenticator away.
func (tx *Tx) RemoveTOTP(ctx context.Context, userID string) error {
	tx.endangerUser(userID)
	tx.Touch(User(userID))
	return tx.write(ctx, `DELETE FROM totp_factors WHERE user_id = $1`, userID)
}
