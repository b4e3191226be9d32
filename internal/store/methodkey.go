package store

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
)

// NoMethodKey is the answer for a key that a method does not have.
func NoMethodKey() *identity.Error {
	return identity.NotFoundf("saml_key_not_found", "the identity provider has no such key; list them with `sallyport organization identity-provider keys`")
}

const methodKeyColumns = `id, method_id, certificate, secret, algorithm, state, created_at, retired_at`

func scanMethodKey(row scanner) (k identity.MethodKey, err error) {
	return k, row.Scan(&k.ID, &k.MethodID, &k.Certificate, &k.Secret, &k.Algorithm, &k.State, moment{&k.Created}, moment{&k.Retired})
}

// MethodKeys returns our keys for a SAML provider in every state, oldest first.
func (r *Read) MethodKeys(ctx context.Context, methodID string) ([]identity.MethodKey, error) {
	return collect(ctx, r.q, scanMethodKey, `SELECT `+methodKeyColumns+` FROM method_keys WHERE method_id = $1 ORDER BY created_at, id`, methodID)
}

// MethodKey returns one of them.
func (r *Read) MethodKey(ctx context.Context, methodID, id string) (identity.MethodKey, error) {
	k, err := one(ctx, r.q, scanMethodKey, `SELECT `+methodKeyColumns+` FROM method_keys WHERE method_id = $1 AND id = $2`, methodID, id)
	return found(k, err, NoMethodKey())
}

// AddMethodKey stores a new key.
func (tx *Tx) AddMethodKey(ctx context.Context, k identity.MethodKey) error {
	return tx.write(ctx, `INSERT INTO method_keys (`+methodKeyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`,
		k.ID, k.MethodID, k.Certificate, k.Secret, k.Algorithm, k.State, micros(tx.Now))
}

// SetMethodKeyState moves a key to another state. A retired one forgets its
// secret, and stays retired: NoMethodKey.
func (tx *Tx) SetMethodKeyState(ctx context.Context, methodID, id, state string) error {
	query, now := `UPDATE method_keys SET state = $3 WHERE method_id = $1 AND id = $2 AND state <> 'retired'`, []any{}
	if state == identity.KeyRetired {
		query, now = `UPDATE method_keys SET state = $3, secret = '', retired_at = $4 WHERE method_id = $1 AND id = $2 AND state <> 'retired'`, []any{micros(tx.Now)}
	}
	n, err := tx.exec(ctx, query, append([]any{methodID, id, state}, now...)...)
	if err == nil && n == 0 {
		return NoMethodKey()
	}
	return err
}
