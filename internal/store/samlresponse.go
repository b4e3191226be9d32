package store

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
)

// NoSAMLResponse is the answer for a response that is not kept, or no longer.
func NoSAMLResponse() *identity.Error {
	return identity.NotFoundf("saml_response_not_found", "there is no such response of this identity provider; they are kept for seven days, the last hundred of them")
}

const samlResponseColumns = `id, method_id, organization_id, attempt_id, received_at, outcome, stage, user_id, sealed, expires_at`

func scanSAMLResponse(row scanner) (s identity.SAMLResponse, err error) {
	return s, row.Scan(&s.ID, &s.MethodID, &s.OrganizationID, &s.AttemptID, moment{&s.Received}, &s.Outcome, &s.Stage, &s.UserID, &s.Sealed, moment{&s.Expires})
}

// AddSAMLResponse keeps a response of a SAML provider for its admins, and lets
// the oldest go when there are too many. It is no change that needs an event.
func (tx *Tx) AddSAMLResponse(ctx context.Context, s identity.SAMLResponse) error {
	if err := tx.t.later(ctx, nil, `INSERT INTO saml_lab (`+samlResponseColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		s.ID, s.MethodID, s.OrganizationID, s.AttemptID, micros(tx.Now), s.Outcome, s.Stage, s.UserID, s.Sealed, micros(tx.Now.Add(identity.SAMLResponseTime))); err != nil {
		return err
	}
	return tx.t.later(ctx, nil, `DELETE FROM saml_lab WHERE method_id = $1 AND id NOT IN
		(SELECT id FROM saml_lab WHERE method_id = $1 ORDER BY received_at DESC, id LIMIT $2)`, s.MethodID, identity.MaxSAMLResponses)
}

// SAMLResponses returns the kept responses of a SAML provider, newest first.
func (r *Read) SAMLResponses(ctx context.Context, organizationID, methodID string) ([]identity.SAMLResponse, error) {
	return collect(ctx, r.q, scanSAMLResponse, `SELECT `+samlResponseColumns+` FROM saml_lab
		WHERE organization_id = $1 AND method_id = $2 AND expires_at > $3 ORDER BY received_at DESC, id`, organizationID, methodID, micros(r.Now))
}

// SAMLResponse returns one of them.
func (r *Read) SAMLResponse(ctx context.Context, organizationID, methodID, id string) (identity.SAMLResponse, error) {
	s, err := one(ctx, r.q, scanSAMLResponse, `SELECT `+samlResponseColumns+` FROM saml_lab
		WHERE organization_id = $1 AND method_id = $2 AND id = $3 AND expires_at > $4`, organizationID, methodID, id, micros(r.Now))
	return found(s, err, NoSAMLResponse())
}
