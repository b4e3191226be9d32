package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"

	"github.com/sallyport/sallyport/internal/identity"
)

// NoPasskey is the answer for a passkey that does not exist or is not the
// caller's to see.
func NoPasskey() *identity.Error {
	return identity.NotFoundf("passkey_not_found", "there is no such passkey; it may have been removed")
}

const passkeyColumns = `id, user_id, credential_id, public_key, name, aaguid, transports, sign_count, backup_eligible, backed_up, user_verified,
	suspended_at, created_at, last_used_at`

func scanPasskey(row scanner) (p identity.Passkey, err error) {
	return p, row.Scan(&p.ID, &p.UserID, &p.CredentialID, keyText{&p.PublicKey}, &p.Name, &p.AAGUID, fromJSON{&p.Transports},
		&p.SignCount, &p.BackupEligible, &p.BackedUp, &p.UserVerified,
		moment{&p.Suspended}, moment{&p.Created}, moment{&p.LastUsed})
}

// keyText scans a public key, kept as base64.
type keyText struct{ key *[]byte }

func (k keyText) Scan(src any) error {
	var text sql.NullString
	if err := text.Scan(src); err != nil {
		return err
	}
	var err error
	if *k.key, err = base64.StdEncoding.DecodeString(text.String); err != nil || text.String == "" {
		return errors.New("store: a passkey's public key is damaged: remove the passkey")
	}
	return nil
}

// Passkeys returns the passkeys of a user, suspended ones too, oldest first.
func (r *Read) Passkeys(ctx context.Context, userID string) ([]identity.Passkey, error) {
	return collect(ctx, r.q, scanPasskey, `SELECT `+passkeyColumns+` FROM passkeys WHERE user_id = $1 ORDER BY created_at, id`, userID)
}

// Passkey returns one passkey of a user.
func (r *Read) Passkey(ctx context.Context, userID, id string) (identity.Passkey, error) {
	p, err := one(ctx, r.q, scanPasskey, `SELECT `+passkeyColumns+` FROM passkeys WHERE user_id = $1 AND id = $2`, userID, id)
	return found(p, err, NoPasskey())
}

// PasskeyByCredential returns the passkey with a credential id, in base64url
// without padding, whosever it is.
func (r *Read) PasskeyByCredential(ctx context.Context, credentialID string) (identity.Passkey, error) {
	p, err := one(ctx, r.q, scanPasskey, `SELECT `+passkeyColumns+` FROM passkeys WHERE credential_id = $1`, credentialID)
	return found(p, err, NoPasskey())
}

// AddPasskey stores a new passkey. Conflict passkey_already_registered when
// its credential id is known, to whomever: WebAuthn level 3, section 7.1, has
// such a registration fail.
func (tx *Tx) AddPasskey(ctx context.Context, p identity.Passkey) error {
	tx.Touch(User(p.UserID))
	_, err := tx.exec(ctx, `INSERT INTO passkeys (`+passkeyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, 0)`,
		p.ID, p.UserID, p.CredentialID, base64.StdEncoding.EncodeToString(p.PublicKey), p.Name, p.AAGUID, toJSON(p.Transports),
		int64(p.SignCount), p.BackupEligible, p.BackedUp, p.UserVerified, micros(tx.Now))
	if duplicate(err) {
		return identity.Conflictf("passkey_already_registered", "this passkey is registered already; log in with it, or use another one")
	}
	return err
}

// RenamePasskey changes the name that a user gave a passkey.
func (tx *Tx) RenamePasskey(ctx context.Context, userID, id, name string) error {
	n, err := tx.exec(ctx, `UPDATE passkeys SET name = $3 WHERE user_id = $1 AND id = $2`, userID, id, name)
	if err == nil && n == 0 {
		return NoPasskey()
	}
	return err
}

// UsePasskey records a use, with the counter and the backup state that the
// authenticator told (WebAuthn level 3, section 7.2). It reports false, and
// changes nothing, when the counter did not go forward although the
// authenticator counts, which a copy of it would explain, and when the passkey
// is suspended or gone.
func (tx *Tx) UsePasskey(ctx context.Context, id string, signCount uint32, backedUp bool) (bool, error) {
	n, err := tx.exec(ctx, `UPDATE passkeys SET sign_count = $2, backed_up = $3, last_used_at = $4
		WHERE id = $1 AND suspended_at = 0 AND (sign_count < $2 OR sign_count = 0 AND $2 = 0)`, id, int64(signCount), backedUp, micros(tx.Now))
	return n == 1, err
}

// SuspendPasskey ends the use of a passkey that may have been copied; its
// owner can only remove it. It reports false when it was suspended before.
func (tx *Tx) SuspendPasskey(ctx context.Context, userID, id string) (bool, error) {
	tx.Touch(User(userID))
	n, err := tx.exec(ctx, `UPDATE passkeys SET suspended_at = $3 WHERE user_id = $1 AND id = $2 AND suspended_at = 0`, userID, id, micros(tx.Now))
	return n == 1, err
}

// RemovePasskey takes a passkey away. Only one of several simultaneous callers
// does; the others get NoPasskey.
func (tx *Tx) RemovePasskey(ctx context.Context, userID, id string) error {
	tx.endangerUser(userID)
	tx.Touch(User(userID))
	n, err := tx.exec(ctx, `DELETE FROM passkeys WHERE user_id = $1 AND id = $2`, userID, id)
	if err == nil && n == 0 {
		return NoPasskey()
	}
	return err
}

func (tx *Tx) removePasskeys(ctx context.Context, userID string) error {
	tx.endangerUser(userID)
	tx.Touch(User(userID))
	return tx.write(ctx, `DELETE FROM passkeys WHERE user_id = $1`, userID)
}
