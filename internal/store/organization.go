package store

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
)

const organizationColumns = `id, name, tier, account_id, deleted, policy, policy_version, created_at, updated_at`

func scanOrganization(row scanner) (o identity.Organization, err error) {
	return o, row.Scan(&o.ID, &o.Name, &o.Tier, &o.AccountID, &o.Deleted, &o.Policy, &o.PolicyVersion, moment{&o.Created}, moment{&o.Updated})
}

// Organization returns an organization that has not been deleted.
func (r *Read) Organization(ctx context.Context, id string) (identity.Organization, error) {
	o, err := one(ctx, r.q, scanOrganization, `SELECT `+organizationColumns+` FROM organizations WHERE id = $1 AND NOT deleted`, id)
	return found(o, err, identity.NoOrganization())
}

// OrganizationsOf returns the organizations of a user, by name.
func (r *Read) OrganizationsOf(ctx context.Context, userID string) ([]identity.Organization, error) {
	return collect(ctx, r.q, scanOrganization, `SELECT o.id, o.name, o.tier, o.account_id, o.deleted, o.policy, o.policy_version, o.created_at, o.updated_at
		FROM organizations o JOIN memberships m ON m.organization_id = o.id WHERE m.user_id = $1 AND NOT o.deleted ORDER BY o.created_at, o.id`, userID)
}

// CountOwnedOrganizations counts the organizations whose super admin a user is.
func (r *Read) CountOwnedOrganizations(ctx context.Context, userID string) (int64, error) {
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM organizations o JOIN memberships m ON m.organization_id = o.id
		WHERE m.user_id = $1 AND m.super_admin AND NOT o.deleted`, userID)
}

// AnyOrganization says whether an organization was ever created.
func (r *Read) AnyOrganization(ctx context.Context) (bool, error) {
	n, err := one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM (SELECT id FROM organizations LIMIT 1) AS first`)
	return n > 0, err
}

// AddOrganization stores a new organization together with its root account.
func (tx *Tx) AddOrganization(ctx context.Context, o identity.Organization) error {
	tx.Touch(Organization(o.ID))
	if err := tx.write(ctx, `INSERT INTO organizations (`+organizationColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		o.ID, o.Name, o.Tier, o.AccountID, o.Deleted, o.Policy, o.PolicyVersion, micros(tx.Now), micros(tx.Now)); err != nil {
		return err
	}
	if err := tx.addPolicyVersion(ctx, o.ID, o.PolicyVersion, o.Policy, "organization_created"); err != nil {
		return err
	}
	return tx.AddAccount(ctx, identity.Account{ID: o.AccountID, OrganizationID: o.ID, Name: o.Name})
}

// SetOrganizationName renames an organization and its root account.
func (tx *Tx) SetOrganizationName(ctx context.Context, o identity.Organization, name, tier string) error {
	tx.Touch(Organization(o.ID))
	if err := tx.write(ctx, `UPDATE organizations SET name = $2, tier = $3, updated_at = $4 WHERE id = $1`, o.ID, name, tier, micros(tx.Now)); err != nil {
		return err
	}
	return tx.RenameAccount(ctx, o.AccountID, name)
}

// DeleteOrganization marks an organization deleted and ends what it gave:
// memberships, groups, grants, projects, units, its application users' credentials,
// its identity providers and what was made with them. The row stays so that its
// audit events keep their meaning.
func (tx *Tx) DeleteOrganization(ctx context.Context, id string) error {
	if err := tx.endProviders(ctx, id); err != nil {
		return err
	}
	concerned, err := collect(ctx, tx.q, scanText, `SELECT user_id FROM memberships WHERE organization_id = $1
		UNION SELECT id FROM users WHERE organization_id = $1 OR managing_organization_id = $1`, id)
	if err != nil {
		return err
	}
	for _, user := range concerned {
		tx.Touch(User(user))
	}
	tx.Touch(Organization(id))
	now := micros(tx.Now)
	for _, s := range []struct {
		query string
		args  []any
	}{
		{`UPDATE organizations SET deleted = TRUE, updated_at = $2 WHERE id = $1`, []any{id, now}},
		{`DELETE FROM grants WHERE organization_id = $1`, []any{id}},
		{`DELETE FROM projects WHERE organization_id = $1`, []any{id}},
		{`DELETE FROM authentication_methods WHERE organization_id = $1`, []any{id}},
		{`DELETE FROM accounts WHERE organization_id = $1`, []any{id}},
		{`DELETE FROM pilot_members WHERE pilot_id IN (SELECT id FROM pilots WHERE organization_id = $1)`, []any{id}},
		{`DELETE FROM pilots WHERE organization_id = $1`, []any{id}},
		{`DELETE FROM pending_changes WHERE organization_id = $1`, []any{id}},
		{`DELETE FROM access_notices WHERE organization_id = $1`, []any{id}},
		{`DELETE FROM memberships WHERE organization_id = $1`, []any{id}},
		{`DELETE FROM group_members WHERE group_id IN (SELECT id FROM user_groups WHERE organization_id = $1)`, []any{id}},
		{`DELETE FROM user_groups WHERE organization_id = $1`, []any{id}},
		{`DELETE FROM invitations WHERE organization_id = $1`, []any{id}},
		{`DELETE FROM address_uses WHERE organization_id = $1`, []any{id}},
		{`UPDATE domains SET state = 'deleted', updated_at = $2 WHERE organization_id = $1`, []any{id, now}},
		{`UPDATE tokens SET revoked_at = $2 WHERE revoked_at = 0 AND user_id IN (SELECT id FROM users WHERE organization_id = $1)`, []any{id, now}},
		{`UPDATE users SET state = 'deleted', updated_at = $2 WHERE organization_id = $1`, []any{id, now}},
		{`UPDATE users SET managing_organization_id = '', updated_at = $2 WHERE managing_organization_id = $1`, []any{id, now}},
	} {
		if err := tx.write(ctx, s.query, s.args...); err != nil {
			return err
		}
	}
	return nil
}

// endProviders removes the identity providers of an organization.
func (tx *Tx) endProviders(ctx context.Context, organizationID string) error {
	methods, err := tx.AuthenticationMethods(ctx, organizationID)
	if err != nil {
		return err
	}
	for _, m := range methods {
		if err := tx.DeleteAuthenticationMethod(ctx, organizationID, m.ID); err != nil {
			return err
		}
		if _, err := tx.RevokeTokensOfProvider(ctx, m.ID); err != nil {
			return err
		}
	}
	return nil
}

const accountColumns = `id, organization_id, parent_id, name, created_at, updated_at`

func scanAccount(row scanner) (a identity.Account, err error) {
	return a, row.Scan(&a.ID, &a.OrganizationID, &a.ParentID, &a.Name, moment{&a.Created}, moment{&a.Updated})
}

// NoAccount is the answer for an account that does not exist or is not the
// caller's to see.
func NoAccount() *identity.Error {
	return identity.NotFoundf("account_not_found", "there is no such account, or you are not a member of its organization; check the id with `sallyport account list`")
}

// Account returns a root account or a unit.
func (r *Read) Account(ctx context.Context, id string) (identity.Account, error) {
	a, err := one(ctx, r.q, scanAccount, `SELECT `+accountColumns+` FROM accounts WHERE id = $1`, id)
	return found(a, err, NoAccount())
}

// AccountsOf returns the roots and units of a user's organizations.
func (r *Read) AccountsOf(ctx context.Context, userID string) ([]identity.Account, error) {
	return collect(ctx, r.q, scanAccount, `SELECT a.id, a.organization_id, a.parent_id, a.name, a.created_at, a.updated_at
		FROM accounts a JOIN memberships m ON m.organization_id = a.organization_id WHERE m.user_id = $1 ORDER BY a.created_at, a.id`, userID)
}

// Units returns the organizational units of an organization.
func (r *Read) Units(ctx context.Context, organizationID string) ([]identity.Account, error) {
	return collect(ctx, r.q, scanAccount, `SELECT `+accountColumns+` FROM accounts WHERE organization_id = $1 AND parent_id <> '' ORDER BY created_at, id`, organizationID)
}

// AddAccount stores a unit (or, from AddOrganization, a root).
func (tx *Tx) AddAccount(ctx context.Context, a identity.Account) error {
	return tx.write(ctx, `INSERT INTO accounts (`+accountColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
		a.ID, a.OrganizationID, a.ParentID, a.Name, micros(tx.Now), micros(tx.Now))
}

// RenameAccount changes an account's name.
func (tx *Tx) RenameAccount(ctx context.Context, id, name string) error {
	return tx.write(ctx, `UPDATE accounts SET name = $2, updated_at = $3 WHERE id = $1`, id, name, micros(tx.Now))
}

// DeleteUnit removes an organizational unit and the grants on it. The caller
// has checked that it holds no projects.
func (tx *Tx) DeleteUnit(ctx context.Context, id string) error {
	if err := tx.write(ctx, `DELETE FROM grants WHERE resource_type = 'organization_unit' AND resource_id = $1`, id); err != nil {
		return err
	}
	return tx.write(ctx, `DELETE FROM accounts WHERE id = $1`, id)
}
