package store

import "context"

// RecoveryCodesLeft counts the recovery codes that a user has not used.
func (r *Read) RecoveryCodesLeft(ctx context.Context, userID string) (int64, error) {
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1 AND used_at = 0`, userID)
}

// SetRecoveryCodes gives a user new recovery codes, by their hashes. All older
// ones end.
func (tx *Tx) SetRecoveryCodes(ctx context.Context, userID string, hashes []string) error {
	if err := tx.RemoveRecoveryCodes(ctx, userID); err != nil {
		return err
	}
	for _, hash := range hashes {
		if err := tx.write(ctx, `INSERT INTO recovery_codes (user_id, hash, created_at, used_at) VALUES ($1, $2, $3, 0)`, userID, hash, micros(tx.Now)); err != nil {
			return err
		}
	}
	return nil
}

// UseRecoveryCode uses a code up, by its hash. It reports false for a code that
// was used before, was replaced or is not the user's: only one of several
// simultaneous callers gets true.
func (tx *Tx) UseRecoveryCode(ctx context.Context, userID, hash string) (bool, error) {
	n, err := tx.exec(ctx, `UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND hash = $2 AND used_at = 0`, userID, hash, micros(tx.Now))
	return n == 1, err
}

// RemoveRecoveryCodes ends all recovery codes of a user.
func (tx *Tx) RemoveRecoveryCodes(ctx context.Context, userID string) error {
	return tx.write(ctx, `DELETE FROM recovery_codes WHERE user_id = $1`, userID)
}
