package store

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
)

// NoMember is the answer for a user who is not a member of the organization.
func NoMember() *identity.Error {
	return identity.NotFoundf("organization_user_not_found", "there is no such user in this organization; check the id with `sallyport organization user list`")
}

const memberQuery = `SELECT m.organization_id, m.user_id, m.super_admin, m.joined_at, ` + userColumns + `
	FROM memberships m JOIN users u ON u.id = m.user_id`

func scanMember(row scanner) (m identity.Member, err error) {
	fields := append([]any{&m.OrganizationID, &m.UserID, &m.SuperAdmin, moment{&m.Joined}}, userFields(&m.User)...)
	return m, row.Scan(fields...)
}

// Member returns one member of an organization.
func (r *Read) Member(ctx context.Context, organizationID, userID string) (identity.Member, error) {
	m, err := one(ctx, r.q, scanMember, memberQuery+` WHERE m.organization_id = $1 AND m.user_id = $2`, organizationID, userID)
	return found(m, err, NoMember())
}

// AllMembers is the error NoMember unless all of some users are members of an
// organization.
func (r *Read) AllMembers(ctx context.Context, organizationID string, userIDs []string) error {
	n, err := one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM (SELECT DISTINCT value AS user_id FROM `+r.dialect.texts("$2")+`) AS named
		WHERE NOT EXISTS (SELECT 1 FROM memberships m WHERE m.organization_id = $1 AND m.user_id = named.user_id)`, organizationID, toJSON(userIDs))
	if err == nil && n > 0 {
		return NoMember()
	}
	return err
}

// Members returns the members of an organization, people and application
// users, in the order of joining.
func (r *Read) Members(ctx context.Context, organizationID string) ([]identity.Member, error) {
	return collect(ctx, r.q, scanMember, memberQuery+` WHERE m.organization_id = $1 ORDER BY m.joined_at, m.user_id`, organizationID)
}

// ApplicationUsers returns the application users of an organization, oldest
// first.
func (r *Read) ApplicationUsers(ctx context.Context, organizationID string) ([]identity.Member, error) {
	return collect(ctx, r.q, scanMember, memberQuery+` WHERE m.organization_id = $1 AND u.organization_id = $1 AND u.application ORDER BY m.joined_at, m.user_id`, organizationID)
}

// ManagedElsewhere returns the memberships in other organizations of the users
// whom an organization manages, by organization.
func (r *Read) ManagedElsewhere(ctx context.Context, organizationID string) ([]identity.Member, error) {
	return collect(ctx, r.q, scanMember, memberQuery+` WHERE u.managing_organization_id = $1 AND m.organization_id <> $1 AND u.state <> 'deleted'
		ORDER BY m.organization_id, m.joined_at, m.user_id`, organizationID)
}

// SuperAdmins counts the active super admins of an organization.
func (r *Read) SuperAdmins(ctx context.Context, organizationID string) (int64, error) {
	return one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM memberships m JOIN users u ON u.id = m.user_id
		WHERE m.organization_id = $1 AND m.super_admin AND u.state = 'active'`, organizationID)
}

// AddMember makes a user a member.
func (tx *Tx) AddMember(ctx context.Context, organizationID, userID string, superAdmin bool) error {
	tx.Touch(Organization(organizationID), User(userID))
	_, err := tx.exec(ctx, `INSERT INTO memberships (organization_id, user_id, super_admin, joined_at) VALUES ($1, $2, $3, $4)`,
		organizationID, userID, superAdmin, micros(tx.Now))
	if duplicate(err) {
		return identity.Conflictf("user_already_in_organization", "this user is a member of the organization already")
	}
	if err != nil {
		return err
	}
	return tx.relist(ctx, userID)
}

// RemoveMember ends a membership, every grant it carried, and being in the
// organization's groups and pilots.
func (tx *Tx) RemoveMember(ctx context.Context, organizationID, userID string) error {
	tx.endanger(organizationID)
	tx.Touch(Organization(organizationID), User(userID))
	if err := tx.write(ctx, `DELETE FROM grants WHERE organization_id = $1 AND principal_type = 'user' AND principal_id = $2`, organizationID, userID); err != nil {
		return err
	}
	if err := tx.write(ctx, `DELETE FROM group_members WHERE user_id = $2 AND group_id IN (SELECT id FROM user_groups WHERE organization_id = $1)`, organizationID, userID); err != nil {
		return err
	}
	if err := tx.leavePilots(ctx, organizationID, pilotUser, userID); err != nil {
		return err
	}
	return tx.write(ctx, `DELETE FROM memberships WHERE organization_id = $1 AND user_id = $2`, organizationID, userID)
}

// SetSuperAdmin gives or takes the super-admin flag.
func (tx *Tx) SetSuperAdmin(ctx context.Context, organizationID, userID string, superAdmin bool) error {
	tx.endanger(organizationID)
	tx.Touch(Organization(organizationID), User(userID))
	return tx.write(ctx, `UPDATE memberships SET super_admin = $3 WHERE organization_id = $1 AND user_id = $2`, organizationID, userID, superAdmin)
}

const grantColumns = `organization_id, resource_type, resource_id, principal_type, principal_id, permissions, created_at, updated_at`

func scanGrant(row scanner) (g identity.Grant, err error) {
	return g, row.Scan(&g.OrganizationID, &g.ResourceType, &g.ResourceID, &g.PrincipalType, &g.PrincipalID, fromJSON{&g.Permissions}, moment{&g.Created}, moment{&g.Updated})
}

// Grants returns the explicit grants on one resource, oldest first.
func (r *Read) Grants(ctx context.Context, resourceType, resourceID string) ([]identity.Grant, error) {
	return collect(ctx, r.q, scanGrant, `SELECT `+grantColumns+` FROM grants WHERE resource_type = $1 AND resource_id = $2 ORDER BY created_at, principal_id`, resourceType, resourceID)
}

// GrantsOf returns what was granted to one user themselves in one organization,
// on every level. HeldBy counts their groups too.
func (r *Read) GrantsOf(ctx context.Context, organizationID, userID string) ([]identity.Grant, error) {
	return collect(ctx, r.q, scanGrant, `SELECT `+grantColumns+` FROM grants WHERE principal_id = $2 AND organization_id = $1 AND principal_type = 'user' ORDER BY resource_type, resource_id`, organizationID, userID)
}

// SetGrant replaces a principal's permissions on a resource; none removes the
// row. Rows that do not change keep their times.
func (tx *Tx) SetGrant(ctx context.Context, g identity.Grant) error {
	tx.endanger(g.OrganizationID)
	tx.Touch(Organization(g.OrganizationID))
	if g.PrincipalType == "user" {
		tx.Touch(User(g.PrincipalID))
	}
	if len(g.Permissions) == 0 {
		return tx.write(ctx, `DELETE FROM grants WHERE resource_type = $1 AND resource_id = $2 AND principal_type = $3 AND principal_id = $4`,
			g.ResourceType, g.ResourceID, g.PrincipalType, g.PrincipalID)
	}
	return tx.write(ctx, `INSERT INTO grants (`+grantColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (resource_type, resource_id, principal_type, principal_id) DO UPDATE SET permissions = excluded.permissions, updated_at = excluded.updated_at
		WHERE grants.permissions <> excluded.permissions`,
		g.OrganizationID, g.ResourceType, g.ResourceID, g.PrincipalType, g.PrincipalID, toJSON(g.Permissions), micros(tx.Now), micros(tx.Now))
}
