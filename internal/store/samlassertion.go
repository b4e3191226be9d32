package store

import (
	"context"
	"time"
)

// ConsumeAssertion uses an assertion of a SAML provider up, which is remembered
// until it could not be accepted any more. It reports false for one that was
// used before: only one of several simultaneous callers gets true.
func (tx *Tx) ConsumeAssertion(ctx context.Context, methodID, assertionID string, until time.Time) (ok bool, err error) {
	n, err := tx.exec(ctx, `INSERT INTO saml_assertions (method_id, assertion_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT (method_id, assertion_id) DO NOTHING`,
		methodID, assertionID, micros(until))
	return n == 1, err
}
