package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// DeleteMe ends the caller's own account for good, which takes a fresh session
// and having left every organization.
//
// Errors: Forbidden action_forbidden_for_managed_users; Invalid
// cannot_delete_users_with_organizations_memberships.
func (s *Service) DeleteMe(ctx context.Context, p *identity.Principal) error {
	return s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		if err := p.DemandFreshSession(tx.Now); err != nil {
			return err
		}
		u, err := tx.User(ctx, p.User.ID)
		if err != nil {
			return err
		}
		if u.ManagingOrganizationID != "" {
			return identity.Forbiddenf("action_forbidden_for_managed_users", "an organization manages your account, so you cannot delete it; ask one of its admins")
		}
		list, err := tx.OrganizationsOf(ctx, u.ID)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			return identity.Invalidf("cannot_delete_users_with_organizations_memberships", "you are in organizations still (%d): delete your own ones and leave the others, then delete your account", len(list))
		}
		if err := tx.SetUserState(ctx, u.ID, identity.StateDeleted); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{
			Action: "user_deleted", Target: identity.Target{Kind: "user", ID: u.ID, Name: u.Email},
			Description: "deleted their own account",
			Detail:      beforeAfter(map[string]any{"state": u.State}, map[string]any{"state": identity.StateDeleted}),
		})
	})
}

// OrganizationToDelete returns the organization as whose admin the caller may
// ask for the deletion of a user: the one that manages them. Users whom the
// caller shares no organization with do not exist for them.
//
// Errors: NotFound user_not_found; Forbidden
// action_forbidden_on_application_users, action_forbidden_on_unmanaged_users.
func (s *Service) OrganizationToDelete(ctx context.Context, p *identity.Principal, userID string) (organizationID string, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		u, err := r.User(ctx, userID)
		if err != nil {
			return err
		}
		shared, err := shareOrganization(ctx, r, p.User.ID, userID)
		switch {
		case err != nil:
			return err
		case !shared:
			return store.NoUser()
		case u.Application:
			return identity.Forbiddenf("action_forbidden_on_application_users", "this is an application user: use `sallyport application-user delete`")
		}
		if organizationID = u.ManagingOrganizationID; organizationID != "" {
			_, err = r.Member(ctx, organizationID, p.User.ID)
		}
		if organizationID == "" || isMissing(err) {
			return identity.Forbiddenf("action_forbidden_on_unmanaged_users", "no organization of yours manages this user, so only they can delete their account")
		}
		return err
	})
	return organizationID, err
}

func shareOrganization(ctx context.Context, r *store.Read, a, b string) (bool, error) {
	list, err := r.OrganizationsOf(ctx, a)
	if err != nil {
		return false, err
	}
	for _, o := range list {
		_, err := r.Member(ctx, o.ID, b)
		if err == nil || !isMissing(err) {
			return err == nil, err
		}
	}
	return false, nil
}
