package org

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// maxApplicationUsers is how many application users an organization may have.
const maxApplicationUsers = 100

// ApplicationUsers returns the application users of the accessed organization,
// oldest first.
func (s *Service) ApplicationUsers(ctx context.Context, p *identity.Principal) (list []identity.Member, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.ApplicationUsers(ctx, p.Organization.ID)
		return err
	})
	return list, err
}

// ApplicationUser returns one application user of the accessed organization. A
// person's id is the kind Invalid.
func (s *Service) ApplicationUser(ctx context.Context, p *identity.Principal, userID string) (m identity.Member, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		m, err = applicationUser(ctx, r, p.Organization.ID, userID)
		return err
	})
	return m, err
}

func applicationUser(ctx context.Context, r *store.Read, organizationID, userID string) (identity.Member, error) {
	m, err := r.Member(ctx, organizationID, userID)
	if err == nil && !m.User.Application {
		err = identity.Invalidf("user_not_application_user", "this user is a person, not an application user; list the application users with `sallyport application-user list`")
	}
	return m, err
}

// CreateApplicationUser makes an application user, a member of the accessed
// organization without any permission. superAdmin is there to be refused.
func (s *Service) CreateApplicationUser(ctx context.Context, p *identity.Principal, name string, superAdmin bool) (m identity.Member, err error) {
	u, err := s.draftApplicationUser(p.Organization.ID, name, superAdmin)
	if err != nil {
		return m, err
	}
	err = s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		list, err := tx.ApplicationUsers(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		if len(list) >= maxApplicationUsers {
			return identity.Invalidf("application_user_limit_reached", "the organization has %d application users, which is the most; delete one that is no longer needed", len(list))
		}
		if err := tx.AddUser(ctx, u); err != nil {
			return err
		}
		if err := tx.AddMember(ctx, p.Organization.ID, u.ID, false); err != nil {
			return err
		}
		if m, err = applicationUser(ctx, &tx.Read, p.Organization.ID, u.ID); err != nil {
			return err
		}
		return tx.Record(ctx, applicationUserEvent(p, "application_user_created", u,
			fmt.Sprintf("created the application user %q", name), nil, map[string]any{"name": name}))
	})
	return m, err
}

func (s *Service) draftApplicationUser(organizationID, name string, superAdmin bool) (u identity.User, err error) {
	if err := checkApplicationUser(name, superAdmin); err != nil {
		return u, err
	}
	id, err := s.DB.NewID("u")
	return identity.User{
		ID: id, Application: true, OrganizationID: organizationID, State: identity.StateActive,
		RealName: name, Email: s.applicationEmail(id),
	}, err
}

// applicationEmail is an address that no mail reaches: names under .invalid
// never exist (RFC 6761 section 6.4).
func (s *Service) applicationEmail(userID string) string {
	return userID + "@app." + s.slug() + ".invalid"
}

// checkApplicationUser accepts a name as it was sent, or not at all: clients
// that keep state compare it with their own.
func checkApplicationUser(name string, superAdmin bool) error {
	if superAdmin {
		return identity.Invalidf("bad_request", "an application user cannot be a super admin; leave is_super_admin false and grant it permissions instead")
	}
	if strings.TrimSpace(name) == "" || utf8.RuneCountInString(name) > identity.MaxRealName {
		return identity.Invalidf("bad_request", "the name must have 1 to %d characters and not be blank", identity.MaxRealName)
	}
	return identity.CheckName("name", name)
}

// RenameApplicationUser gives an application user another name.
func (s *Service) RenameApplicationUser(ctx context.Context, p *identity.Principal, userID, name string, superAdmin bool) (m identity.Member, err error) {
	if err := checkApplicationUser(name, superAdmin); err != nil {
		return m, err
	}
	err = s.DB.Update(ctx, p.Actor(), applicationUserScope(p, userID), func(tx *store.Tx) error {
		if m, err = applicationUser(ctx, &tx.Read, p.Organization.ID, userID); err != nil {
			return err
		}
		before := m.User.RealName
		if before == name {
			return nil
		}
		m.User.RealName = name
		if err := tx.SetProfile(ctx, m.User); err != nil {
			return err
		}
		return tx.Record(ctx, applicationUserEvent(p, "application_user_updated", m.User,
			fmt.Sprintf("renamed the application user %q to %q", before, name), map[string]any{"name": before}, map[string]any{"name": name}))
	})
	return m, err
}

// DeleteApplicationUser deletes an application user with its permissions and
// tokens, for good.
func (s *Service) DeleteApplicationUser(ctx context.Context, p *identity.Principal, userID string) error {
	return s.DB.Update(ctx, p.Actor(), applicationUserScope(p, userID), func(tx *store.Tx) error {
		m, err := applicationUser(ctx, &tx.Read, p.Organization.ID, userID)
		if err != nil {
			return err
		}
		if err := mayEndTokens(ctx, &tx.Read, p, m); err != nil {
			return err
		}
		if err := tx.RemoveMember(ctx, p.Organization.ID, userID); err != nil {
			return err
		}
		if err := tx.SetUserState(ctx, userID, identity.StateDeleted); err != nil {
			return err
		}
		return tx.Record(ctx, applicationUserEvent(p, "application_user_deleted", m.User,
			fmt.Sprintf("deleted the application user %q and its tokens", m.User.RealName), map[string]any{"name": m.User.RealName}, nil))
	})
}

func applicationUserScope(p *identity.Principal, userID string) store.Scope {
	return store.Organization(p.Organization.ID).And(store.User(userID))
}

func applicationUserEvent(p *identity.Principal, action string, u identity.User, description string, before, after map[string]any) identity.Event {
	return identity.Event{
		Action: action, OrganizationID: p.Organization.ID, AccountID: p.Organization.AccountID,
		Target:      identity.Target{Kind: "application_user", ID: u.ID, Name: u.RealName},
		Description: description, Detail: beforeAfter(before, after),
	}
}
