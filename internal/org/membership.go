package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// RemoveMember ends a person's membership of the accessed organization, and at
// once what it gave: groups, permissions, projects. It takes
// organization:users:write; anybody may leave by removing themselves. Only
// admins act on admins, and only super admins on super admins.
//
// Errors: Invalid cannot_remove_managed_users_from_organization, and Forbidden
// action_forbidden_for_managed_users for a managed user who wants to leave;
// Invalid organization_must_have_one_super_admin.
func (s *Service) RemoveMember(ctx context.Context, p *identity.Principal, userID string) error {
	if userID != p.User.ID && !p.May(usersWrite) {
		return identity.Forbiddenf("permission_denied", "removing others takes %s; ask an admin", usersWrite)
	}
	organizationID := p.Organization.ID
	return s.DB.Update(ctx, p.Actor(), store.Organization(organizationID).And(store.User(userID)), func(tx *store.Tx) error {
		m, err := tx.Member(ctx, organizationID, userID)
		if err != nil {
			return err
		}
		if err := removable(ctx, &tx.Read, p, m); err != nil {
			return err
		}
		if err := tx.RemoveMember(ctx, organizationID, userID); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{
			Action: "member_removed", OrganizationID: organizationID, AccountID: p.Organization.AccountID,
			Target:      identity.Target{Kind: "user", ID: userID, Name: m.User.Email},
			Description: "removed " + m.User.Email + " from the organization, its groups and its projects",
			Detail:      beforeAfter(map[string]any{"is_super_admin": m.SuperAdmin}, nil),
		})
	})
}

// removable says whether the caller may end a membership now.
func removable(ctx context.Context, r *store.Read, p *identity.Principal, m identity.Member) error {
	self := m.UserID == p.User.ID
	switch {
	case m.User.Application:
		return identity.Forbiddenf("action_forbidden_on_application_users", "an application user is not removed but deleted: use `sallyport application-user delete`")
	case m.User.ManagingOrganizationID == m.OrganizationID && self:
		return identity.Forbiddenf("action_forbidden_for_managed_users", "this organization manages your account, so you cannot leave it; ask one of its admins")
	case m.User.ManagingOrganizationID == m.OrganizationID:
		return identity.Invalidf("cannot_remove_managed_users_from_organization", "the organization manages this user, so they cannot be removed from it")
	case m.SuperAdmin && !superAdmin(p):
		return notSuperAdmin("remove a super admin")
	case m.SuperAdmin:
		if err := othersRemain(ctx, r, m); err != nil {
			return err
		}
	}
	held, err := standingIn(ctx, r, m.OrganizationID, m.UserID)
	if err == nil && held.admin && !self && !p.Admin() {
		err = identity.Forbiddenf("user_role_not_allowed_to_perform_operation", "only an admin may remove an admin; ask one of yours")
	}
	return err
}

// othersRemain refuses to take the organization's last active super admin.
func othersRemain(ctx context.Context, r *store.Read, m identity.Member) error {
	left, err := r.SuperAdmins(ctx, m.OrganizationID)
	if m.User.State == identity.StateActive {
		left--
	}
	if err == nil && left < 1 {
		err = identity.Invalidf("organization_must_have_one_super_admin", "this is the organization's last super admin; make somebody else super admin first, or delete the organization")
	}
	return err
}
