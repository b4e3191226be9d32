package store

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
)

// NoGroup is the answer for a user group that does not exist or is another
// organization's.
func NoGroup() *identity.Error {
	return identity.NotFoundf("user_group_not_found", "there is no such user group in this organization; check the id with `sallyport organization group list`")
}

const groupQuery = `SELECT g.id, g.organization_id, g.name, g.description, g.managed_by_scim, g.created_at, g.updated_at,
	(SELECT COUNT(*) FROM group_members c WHERE c.group_id = g.id) FROM user_groups g`

func scanGroup(row scanner) (g identity.Group, err error) {
	return g, row.Scan(&g.ID, &g.OrganizationID, &g.Name, &g.Description, &g.ManagedBySCIM, moment{&g.Created}, moment{&g.Updated}, &g.Members)
}

// Group returns one user group of an organization.
func (r *Read) Group(ctx context.Context, organizationID, groupID string) (identity.Group, error) {
	g, err := one(ctx, r.q, scanGroup, groupQuery+` WHERE g.organization_id = $1 AND g.id = $2`, organizationID, groupID)
	return found(g, err, NoGroup())
}

// GroupNamed returns the user group of an organization that has exactly that
// name.
func (r *Read) GroupNamed(ctx context.Context, organizationID, name string) (identity.Group, error) {
	g, err := one(ctx, r.q, scanGroup, groupQuery+` WHERE g.organization_id = $1 AND g.name = $2`, organizationID, name)
	return found(g, err, NoGroup())
}

// Groups returns the user groups of an organization, by name.
func (r *Read) Groups(ctx context.Context, organizationID string) ([]identity.Group, error) {
	return collect(ctx, r.q, scanGroup, groupQuery+` WHERE g.organization_id = $1 ORDER BY g.name, g.id`, organizationID)
}

// GroupsOf returns the user groups of an organization that a user is in, by
// name.
func (r *Read) GroupsOf(ctx context.Context, organizationID, userID string) ([]identity.Group, error) {
	return collect(ctx, r.q, scanGroup, groupQuery+` JOIN group_members m ON m.group_id = g.id
		WHERE g.organization_id = $1 AND m.user_id = $2 ORDER BY g.name, g.id`, organizationID, userID)
}

// GroupMembers returns the members of a group in the order of joining the
// organization.
func (r *Read) GroupMembers(ctx context.Context, organizationID, groupID string) ([]identity.Member, error) {
	return collect(ctx, r.q, scanMember, memberQuery+` JOIN group_members gm ON gm.user_id = m.user_id
		WHERE m.organization_id = $1 AND gm.group_id = $2 ORDER BY m.joined_at, m.user_id`, organizationID, groupID)
}

// InGroup returns those of some users who are members of a group, sorted. However
// large the group is, it takes as long as they are many.
func (r *Read) InGroup(ctx context.Context, organizationID, groupID string, userIDs []string) ([]string, error) {
	return collect(ctx, r.q, scanText, `SELECT gm.user_id FROM group_members gm JOIN memberships m ON m.organization_id = $1 AND m.user_id = gm.user_id
		WHERE gm.group_id = $2 AND gm.user_id IN (SELECT value FROM `+r.dialect.texts("$3")+`) ORDER BY gm.user_id`, organizationID, groupID, toJSON(userIDs))
}

// GroupGranted says whether a group was granted anything, on any level.
func (r *Read) GroupGranted(ctx context.Context, organizationID, groupID string) (bool, error) {
	n, err := one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM grants WHERE organization_id = $1 AND principal_type = 'user_group' AND principal_id = $2`, organizationID, groupID)
	return n > 0, err
}

// HeldBy returns what a user holds in one organization on every level: what
// was granted to them, and to the groups they are in.
func (r *Read) HeldBy(ctx context.Context, organizationID, userID string) ([]identity.Grant, error) {
	return collect(ctx, r.q, scanGrant, `SELECT `+grantColumns+` FROM grants WHERE organization_id = $1
		AND (principal_type = 'user' AND principal_id = $2
			OR principal_type = 'user_group' AND principal_id IN (SELECT m.group_id FROM group_members m WHERE m.user_id = $2))
		ORDER BY resource_type, resource_id, principal_type, principal_id`, organizationID, userID)
}

// AddGroup stores a new user group. A taken name is a conflict.
func (tx *Tx) AddGroup(ctx context.Context, g identity.Group) error {
	tx.Touch(Organization(g.OrganizationID))
	_, err := tx.exec(ctx, `INSERT INTO user_groups (id, organization_id, name, description, managed_by_scim, listed_as, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)`,
		g.ID, g.OrganizationID, g.Name, g.Description, g.ManagedBySCIM, groupListedAs(g), micros(tx.Now))
	return groupNameTaken(err, g.Name)
}

// SetGroup changes a group's name and description. A taken name is a conflict.
func (tx *Tx) SetGroup(ctx context.Context, g identity.Group) error {
	tx.Touch(Organization(g.OrganizationID))
	_, err := tx.exec(ctx, `UPDATE user_groups SET name = $2, description = $3, listed_as = $4, updated_at = $5 WHERE id = $1`, g.ID, g.Name, g.Description, groupListedAs(g), micros(tx.Now))
	return groupNameTaken(err, g.Name)
}

func groupNameTaken(err error, name string) error {
	if duplicate(err) {
		return identity.Conflictf("user_group_names_must_be_unique", "a user group named %q already exists in this organization; choose another name", name)
	}
	return err
}

// DeleteGroup removes a group with its members and grants; pilots forget it.
func (tx *Tx) DeleteGroup(ctx context.Context, organizationID, groupID string) error {
	tx.endanger(organizationID)
	tx.Touch(Organization(organizationID))
	if err := tx.leavePilots(ctx, organizationID, pilotGroup, groupID); err != nil {
		return err
	}
	for _, query := range []string{
		`DELETE FROM grants WHERE organization_id = $1 AND principal_type = 'user_group' AND principal_id = $2`,
		`DELETE FROM group_members WHERE group_id = (SELECT id FROM user_groups WHERE organization_id = $1 AND id = $2)`,
		`DELETE FROM user_groups WHERE organization_id = $1 AND id = $2`,
	} {
		if err := tx.write(ctx, query, organizationID, groupID); err != nil {
			return err
		}
	}
	return nil
}

// AddToGroup makes a member of the organization a member of one of its groups.
func (tx *Tx) AddToGroup(ctx context.Context, organizationID, groupID, userID string) error {
	tx.endanger(organizationID) // a pilot may hold the group
	tx.Touch(Organization(organizationID))
	return tx.write(ctx, `INSERT INTO group_members (group_id, user_id, created_at, listed_as)
		VALUES ($1, $2, $3, COALESCE((SELECT listed_as FROM memberships WHERE organization_id = $4 AND user_id = $2), ''))`, groupID, userID, micros(tx.Now), organizationID)
}

// RemoveFromGroup ends a membership in a group.
func (tx *Tx) RemoveFromGroup(ctx context.Context, organizationID, groupID, userID string) error {
	tx.endanger(organizationID)
	tx.Touch(Organization(organizationID))
	return tx.write(ctx, `DELETE FROM group_members WHERE group_id = $1 AND user_id = $2`, groupID, userID)
}
