package store

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// NoAuthenticationMethod is the answer for an authentication method that does
// not exist, was deleted, or is another organization's.
func NoAuthenticationMethod() *identity.Error {
	return identity.NotFoundf("authentication_method_not_found", "there is no such identity provider in this organization; list them with `sallyport organization identity-provider list`")
}

// methodColumns need the table under the name am. A group that was deleted
// takes nobody in.
const methodColumns = `am.id, am.organization_id, am.account_id, am.name, am.type, am.enabled, am.state, am.token_max_age, am.token_extend,
	COALESCE((SELECT g.id FROM user_groups g WHERE g.id = am.auto_join_group_id AND g.organization_id = am.organization_id), ''),
	am.config, am.secret, am.created_at, am.updated_at, am.deleted_at`

func scanMethod(row scanner) (m identity.AuthenticationMethod, err error) {
	return m, row.Scan(&m.ID, &m.OrganizationID, &m.AccountID, &m.Name, &m.Type, &m.Enabled, &m.State, (*age)(&m.TokenMaxAge), &m.TokenExtend,
		&m.AutoJoinGroupID, &m.Config, &m.Secret, moment{&m.Created}, moment{&m.Updated}, moment{&m.Deleted})
}

// AuthenticationMethods returns the authentication methods of an organization
// that were not deleted, in any other state, oldest first.
func (r *Read) AuthenticationMethods(ctx context.Context, organizationID string) ([]identity.AuthenticationMethod, error) {
	return collect(ctx, r.q, scanMethod, `SELECT `+methodColumns+` FROM authentication_methods am
		WHERE am.organization_id = $1 AND am.deleted_at = 0 ORDER BY am.created_at, am.id`, organizationID)
}

// AuthenticationMethod returns one authentication method of an organization.
func (r *Read) AuthenticationMethod(ctx context.Context, organizationID, id string) (identity.AuthenticationMethod, error) {
	m, err := one(ctx, r.q, scanMethod, `SELECT `+methodColumns+` FROM authentication_methods am
		WHERE am.organization_id = $1 AND am.id = $2 AND am.deleted_at = 0`, organizationID, id)
	return found(m, err, NoAuthenticationMethod())
}

// AnyAuthenticationMethod returns an authentication method of whatever
// organization, which exists still.
func (r *Read) AnyAuthenticationMethod(ctx context.Context, id string) (identity.AuthenticationMethod, error) {
	m, err := one(ctx, r.q, scanMethod, `SELECT `+methodColumns+` FROM authentication_methods am JOIN organizations o ON o.id = am.organization_id
		WHERE am.id = $1 AND am.deleted_at = 0 AND NOT o.deleted`, id)
	return found(m, err, NoAuthenticationMethod())
}

// MethodsOfDomain returns the authentication methods that people with an
// address in a domain may use: those of the organization that has verified the
// canonical name, which are linked to it, in any state but deleted, enabled or
// not, oldest first.
func (r *Read) MethodsOfDomain(ctx context.Context, domainName string) ([]identity.AuthenticationMethod, error) {
	return collect(ctx, r.q, scanMethod, `SELECT `+methodColumns+` FROM domains d
		JOIN organizations o ON o.id = d.organization_id AND NOT o.deleted
		JOIN method_domains md ON md.domain_id = d.id
		JOIN authentication_methods am ON am.id = md.method_id AND am.organization_id = d.organization_id AND am.deleted_at = 0
		WHERE d.name = $1 AND d.state = 'verified' ORDER BY am.created_at, am.id`, domainName)
}

// MethodSpeaksFor says whether the organization of a method has verified a
// domain, found its proof at the last checks, and linked it to the method.
func (r *Read) MethodSpeaksFor(ctx context.Context, methodID, domainName string) (bool, error) {
	n, err := one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM domains d
		JOIN method_domains md ON md.domain_id = d.id
		JOIN authentication_methods am ON am.id = md.method_id AND am.organization_id = d.organization_id AND am.deleted_at = 0
		WHERE am.id = $1 AND d.name = $2 AND d.state = 'verified' AND d.absent_checks < 2`, methodID, domainName)
	return n > 0, err
}

// MethodDomains returns the domains that a method is linked to, verified or
// not, oldest first.
func (r *Read) MethodDomains(ctx context.Context, methodID string) ([]identity.Domain, error) {
	return collect(ctx, r.q, scanDomain, `SELECT `+domainColumns+` FROM domains
		WHERE id IN (SELECT domain_id FROM method_domains WHERE method_id = $1) AND state <> 'deleted' ORDER BY created_at, id`, methodID)
}

// DomainMethods returns, for each domain id of an organization that has any,
// the ids of the methods that are linked to it, oldest first.
func (r *Read) DomainMethods(ctx context.Context, organizationID string) (map[string][]string, error) {
	pairs, err := collect(ctx, r.q, scanPair, `SELECT md.domain_id, am.id FROM method_domains md
		JOIN authentication_methods am ON am.id = md.method_id
		WHERE am.organization_id = $1 AND am.deleted_at = 0 ORDER BY am.created_at, am.id`, organizationID)
	linked := map[string][]string{}
	for _, p := range pairs {
		linked[p[0]] = append(linked[p[0]], p[1])
	}
	return linked, err
}

func scanPair(row scanner) (p [2]string, err error) { return p, row.Scan(&p[0], &p[1]) }

// VerifiedDomain returns the domain with a canonical name that an organization
// has verified; NoDomain when none has.
func (r *Read) VerifiedDomain(ctx context.Context, domainName string) (identity.Domain, error) {
	d, err := one(ctx, r.q, scanDomain, `SELECT `+domainColumns+` FROM domains WHERE name = $1 AND state = 'verified'`, domainName)
	return found(d, err, NoDomain())
}

// AddAuthenticationMethod stores a new authentication method.
func (tx *Tx) AddAuthenticationMethod(ctx context.Context, m identity.AuthenticationMethod) error {
	tx.Touch(Organization(m.OrganizationID))
	return tx.write(ctx, `INSERT INTO authentication_methods (id, organization_id, account_id, name, type, enabled, state, token_max_age, token_extend,
		auto_join_group_id, config, secret, created_at, updated_at, deleted_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, 0)`,
		m.ID, m.OrganizationID, m.AccountID, m.Name, m.Type, m.Enabled, m.State, int64(m.TokenMaxAge/time.Second), m.TokenExtend,
		m.AutoJoinGroupID, m.Config, m.Secret, micros(tx.Now))
}

// SetAuthenticationMethod stores what may be changed of an authentication
// method: all but its ids, type and times. NoAuthenticationMethod when it is
// gone.
func (tx *Tx) SetAuthenticationMethod(ctx context.Context, m identity.AuthenticationMethod) error {
	tx.endanger(m.OrganizationID)
	tx.Touch(Organization(m.OrganizationID))
	n, err := tx.exec(ctx, `UPDATE authentication_methods SET name = $3, enabled = $4, state = $5, token_max_age = $6, token_extend = $7,
		auto_join_group_id = $8, config = $9, secret = $10, updated_at = $11 WHERE organization_id = $1 AND id = $2 AND deleted_at = 0`,
		m.OrganizationID, m.ID, m.Name, m.Enabled, m.State, int64(m.TokenMaxAge/time.Second), m.TokenExtend,
		m.AutoJoinGroupID, m.Config, m.Secret, micros(tx.Now))
	if err == nil && n == 0 {
		return NoAuthenticationMethod()
	}
	return err
}

// DeleteAuthenticationMethod ends an authentication method for good, with its
// secret, keys and certificates, its links to domains, the identities linked by
// it and what was kept of its responses. The tokens
// that descend from it are the caller's to end afterwards, with
// RevokeTokensOfProvider.
// Only one of several simultaneous callers ends it; the others get
// NoAuthenticationMethod.
func (tx *Tx) DeleteAuthenticationMethod(ctx context.Context, organizationID, id string) error {
	tx.endanger(organizationID)
	tx.Touch(Organization(organizationID))
	if err := tx.holdProvider(ctx, id); err != nil {
		return err
	}
	n, err := tx.exec(ctx, `UPDATE authentication_methods SET state = 'deleted', secret = '', updated_at = $3, deleted_at = $3
		WHERE organization_id = $1 AND id = $2 AND deleted_at = 0`, organizationID, id, micros(tx.Now))
	if err != nil {
		return err
	}
	if n == 0 {
		return NoAuthenticationMethod()
	}
	for _, table := range []string{"method_domains", "method_certificates", "method_keys", "saml_sessions", "saml_lab", "metadata_checks"} {
		if err := tx.write(ctx, `DELETE FROM `+table+` WHERE method_id = $1`, id); err != nil {
			return err
		}
	}
	return tx.removeLinksOfProvider(ctx, id)
}

// HoldProvider keeps the identity provider of an organization until the
// transaction ends; NoAuthenticationMethod when it was removed. Who links an
// identity holds it: the removal ends the links that it sees, and one that was
// made beside it would log nobody in, nor anybody out. It is no scope, because the
// organization's facts stay as they are, and is taken after the scopes and before
// rows are written.
func (tx *Tx) HoldProvider(ctx context.Context, organizationID, id string) error {
	if err := tx.holdProvider(ctx, id); err != nil {
		return err
	}
	_, err := tx.AuthenticationMethod(ctx, organizationID, id)
	return err
}

func (tx *Tx) holdProvider(ctx context.Context, id string) error {
	return tx.dialect.hold(ctx, tx.t, "provider:"+id)
}

// removeLinksOfProvider ends everybody's identities at a provider.
func (tx *Tx) removeLinksOfProvider(ctx context.Context, provider string) error {
	owners, err := collect(ctx, tx.q, scanText, `SELECT DISTINCT user_id FROM linked_identities WHERE provider = $1 AND deleted_at = 0`, provider)
	if err != nil {
		return err
	}
	for _, owner := range owners {
		tx.Touch(User(owner))
	}
	return tx.write(ctx, endLink+` AND provider = $2`, micros(tx.Now), provider)
}

// LinkMethodDomain lets people with addresses in a domain use a method. Both
// must be the organization's: NoAuthenticationMethod or NoDomain otherwise.
// What is linked already stays so.
func (tx *Tx) LinkMethodDomain(ctx context.Context, organizationID, methodID, domainID string) error {
	if _, err := tx.AuthenticationMethod(ctx, organizationID, methodID); err != nil {
		return err
	}
	if _, err := tx.Domain(ctx, organizationID, domainID); err != nil {
		return err
	}
	tx.Touch(Organization(organizationID))
	return tx.write(ctx, `INSERT INTO method_domains (method_id, domain_id) VALUES ($1, $2) ON CONFLICT (method_id, domain_id) DO NOTHING`, methodID, domainID)
}

// UnlinkMethodDomain takes such a link away; NoDomain when there is none.
func (tx *Tx) UnlinkMethodDomain(ctx context.Context, organizationID, methodID, domainID string) error {
	tx.Touch(Organization(organizationID))
	n, err := tx.exec(ctx, `DELETE FROM method_domains WHERE method_id = $2 AND domain_id = $3
		AND EXISTS (SELECT 1 FROM authentication_methods am WHERE am.id = $2 AND am.organization_id = $1)`, organizationID, methodID, domainID)
	if err == nil && n == 0 {
		return NoDomain()
	}
	return err
}
