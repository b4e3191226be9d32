package store

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
)

// MaxPolicyVersions is how many versions of a policy are kept: an admin who
// changes it without end must not fill the disk.
const MaxPolicyVersions = 1000

const policyVersionColumns = `organization_id, version, policy, action, actor_kind, actor_id, actor_name, created_at`

func scanPolicyVersion(row scanner) (v identity.PolicyVersion, err error) {
	return v, row.Scan(&v.OrganizationID, &v.Version, &v.Policy, &v.Action, &v.Actor.Kind, &v.Actor.ID, &v.Actor.Name, moment{&v.Created})
}

// SetPolicy replaces an organization's policy, raises its version and keeps
// that version; action is that of the event of the change. Nothing
// else writes policies.
func (tx *Tx) SetPolicy(ctx context.Context, organizationID, policyJSON, action string) error {
	tx.endanger(organizationID)
	tx.Touch(Organization(organizationID))
	tx.wrote = true
	version, err := one(ctx, tx.q, scanInt, `UPDATE organizations SET policy = $2, policy_version = policy_version + 1, updated_at = $3 WHERE id = $1 RETURNING policy_version`,
		organizationID, policyJSON, micros(tx.Now))
	if version, err = found(version, err, identity.NoOrganization()); err != nil {
		return err
	}
	if err := tx.write(ctx, `DELETE FROM policy_versions WHERE organization_id = $1 AND version <= $2`, organizationID, version-MaxPolicyVersions); err != nil {
		return err
	}
	return tx.addPolicyVersion(ctx, organizationID, version, policyJSON, action)
}

func (tx *Tx) addPolicyVersion(ctx context.Context, organizationID string, version int64, policyJSON, action string) error {
	return tx.write(ctx, `INSERT INTO policy_versions (`+policyVersionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		organizationID, version, policyJSON, action, tx.actor.Kind, tx.actor.ID, cut(tx.actor.Name), micros(tx.Now))
}

// PolicyVersions returns versions of an organization's policy, newest first;
// before is the version that the page ends before, 0 for the newest page.
func (r *Read) PolicyVersions(ctx context.Context, organizationID string, before int64, limit int) ([]identity.PolicyVersion, error) {
	return collect(ctx, r.q, scanPolicyVersion, `SELECT `+policyVersionColumns+` FROM policy_versions
		WHERE organization_id = $1 AND (version < $2 OR $2 = 0) ORDER BY version DESC LIMIT $3`, organizationID, before, limit)
}

// PolicyVersion returns one version of an organization's policy.
func (r *Read) PolicyVersion(ctx context.Context, organizationID string, version int64) (identity.PolicyVersion, error) {
	v, err := one(ctx, r.q, scanPolicyVersion, `SELECT `+policyVersionColumns+` FROM policy_versions WHERE organization_id = $1 AND version = $2`, organizationID, version)
	return found(v, err, identity.NotFoundf("policy_version_not_found", "this organization has no version %d of its policy, or it is too old to be kept; see `sallyport policy versions`", version))
}

// PolicyVersionBefore returns the newest version that is older than one; the
// kind NotFound when none is kept.
func (r *Read) PolicyVersionBefore(ctx context.Context, organizationID string, version int64) (identity.PolicyVersion, error) {
	v, err := one(ctx, r.q, scanPolicyVersion, `SELECT `+policyVersionColumns+` FROM policy_versions
		WHERE organization_id = $1 AND version < $2 ORDER BY version DESC LIMIT 1`, organizationID, version)
	return found(v, err, identity.NotFoundf("policy_version_not_found", "no version before %d is kept", version))
}
