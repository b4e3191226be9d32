package store

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// NoMethodCertificate is the answer for a certificate that a method does not
// have.
func NoMethodCertificate() *identity.Error {
	return identity.NotFoundf("saml_certificate_not_found", "the identity provider has no certificate with this fingerprint; list them with `sallyport organization identity-provider certificates`")
}

const certificateColumns = `mc.method_id, mc.fingerprint, mc.pem, mc.subject, mc.issuer, mc.not_before, mc.not_after, mc.state, mc.source, mc.created_at, mc.warned_days`

func certificateFields(c *identity.MethodCertificate) []any {
	return []any{
		&c.MethodID, &c.Fingerprint, &c.PEM, &c.Subject, &c.Issuer,
		moment{&c.NotBefore},
		moment{&c.NotAfter},
		&c.State, &c.Source,
		moment{&c.Created},
		&c.WarnedDays,
	}
}

func scanMethodCertificate(row scanner) (c identity.MethodCertificate, err error) {
	return c, row.Scan(certificateFields(&c)...)
}

// MethodCertificates returns the certificates of a SAML provider in every
// state, in the order in which they came.
func (r *Read) MethodCertificates(ctx context.Context, methodID string) ([]identity.MethodCertificate, error) {
	return collect(ctx, r.q, scanMethodCertificate, `SELECT `+certificateColumns+` FROM method_certificates mc
		WHERE mc.method_id = $1 ORDER BY mc.created_at, mc.fingerprint`, methodID)
}

// SetMethodCertificate stores a certificate, or the state, source and warning
// of one that is there.
func (tx *Tx) SetMethodCertificate(ctx context.Context, c identity.MethodCertificate) error {
	return tx.write(ctx, `INSERT INTO method_certificates (method_id, fingerprint, pem, subject, issuer, not_before, not_after, state, source, created_at, warned_days)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (method_id, fingerprint) DO UPDATE SET state = excluded.state, source = excluded.source, warned_days = excluded.warned_days`,
		c.MethodID, c.Fingerprint, c.PEM, c.Subject, c.Issuer, micros(c.NotBefore), micros(c.NotAfter), c.State, c.Source, micros(tx.Now), c.WarnedDays)
}

// EndingCertificate is an active certificate that ends soon, and whose it is.
type EndingCertificate struct {
	identity.MethodCertificate
	OrganizationID string
}

func scanEnding(row scanner) (c EndingCertificate, err error) {
	return c, row.Scan(append(certificateFields(&c.MethodCertificate), &c.OrganizationID)...)
}

// EndingCertificates returns the active certificates of methods that are there
// and end before a time, those first that end first. What ended more than a day
// ago is left out: it needs no warning any more.
func (r *Read) EndingCertificates(ctx context.Context, before time.Time) ([]EndingCertificate, error) {
	return collect(ctx, r.q, scanEnding, `SELECT `+certificateColumns+`, am.organization_id FROM method_certificates mc
		JOIN authentication_methods am ON am.id = mc.method_id AND am.deleted_at = 0
		JOIN organizations o ON o.id = am.organization_id AND NOT o.deleted
		WHERE mc.state = 'active' AND mc.not_after < $1 AND mc.not_after > $2 ORDER BY mc.not_after, mc.method_id, mc.fingerprint`,
		micros(before), micros(r.Now.AddDate(0, 0, -1)))
}

// WarnOfCertificate notes that admins are warned that an active certificate has
// so many days left. It reports false when they were warned of as few days
// before, or it is active no more: of several nodes one warns.
func (tx *Tx) WarnOfCertificate(ctx context.Context, methodID, fingerprint string, days int64) (bool, error) {
	n, err := tx.exec(ctx, `UPDATE method_certificates SET warned_days = $3
		WHERE method_id = $1 AND fingerprint = $2 AND state = 'active' AND (warned_days = 0 OR warned_days > $3)`, methodID, fingerprint, days)
	return n == 1, err
}
