package org

import (
	"context"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// Limits of a search for members.
const (
	defaultFound = 100
	maxFound     = 500
)

// Members returns the members of the accessed organization in the order of
// joining: people, and application users when wanted.
func (s *Service) Members(ctx context.Context, p *identity.Principal, applicationUsers bool) (list []identity.Member, err error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.Members(ctx, p.Organization.ID)
		return err
	})
	return slices.DeleteFunc(list, func(m identity.Member) bool { return m.User.Application && !applicationUsers }), err
}

// flush writes pending last-use records.
func (s *Service) flush() error {
	if s.Flush == nil {
		return nil
	}
	return s.Flush()
}

// Member returns one member of the accessed organization.
func (s *Service) Member(ctx context.Context, p *identity.Principal, userID string) (m identity.Member, err error) {
	if err := s.flush(); err != nil {
		return m, err
	}
	err = s.DB.Once(func(r *store.Read) error {
		m, err = r.Member(ctx, p.Organization.ID, userID)
		return err
	})
	return m, err
}

// MemberSearch says which members are wanted, and in which order.
type MemberSearch struct {
	Text    string // part of the e-mail address, the name or the id; empty: all
	OrderBy string // user_email, user_id or real_name, and :asc or :desc; empty: user_email:asc
	Limit   *int   // 1 to 500; nil: 100
}

// SearchMembers returns the members of the accessed organization whom a search
// finds.
func (s *Service) SearchMembers(ctx context.Context, p *identity.Principal, search MemberSearch) ([]identity.Member, error) {
	order, err := search.order()
	if err != nil {
		return nil, err
	}
	limit := defaultFound
	if set(&limit, search.Limit); limit < 1 || limit > maxFound {
		return nil, identity.Invalidf("bad_request", "the limit must be from 1 to %d", maxFound)
	}
	list, err := s.Members(ctx, p, true)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(m identity.Member) bool { return !search.finds(m.User) })
	slices.SortStableFunc(list, order)
	return list[:min(len(list), limit)], nil
}

func (s MemberSearch) finds(u identity.User) bool {
	text := strings.ToLower(s.Text)
	return slices.ContainsFunc([]string{u.Email, u.RealName, u.ID}, func(field string) bool {
		return strings.Contains(strings.ToLower(field), text)
	})
}

func (s MemberSearch) order() (func(a, b identity.Member) int, error) {
	field, direction, _ := strings.Cut(s.OrderBy, ":")
	keys := map[string]func(identity.User) string{
		"":           func(u identity.User) string { return u.Email },
		"user_email": func(u identity.User) string { return u.Email },
		"user_id":    func(u identity.User) string { return u.ID },
		"real_name":  func(u identity.User) string { return u.RealName },
	}
	key, known := keys[field]
	sign, ok := map[string]int{"asc": 1, "desc": -1}[direction]
	if !known || !ok && s.OrderBy != "" {
		return nil, identity.Invalidf("bad_request", "order_by must be user_email, user_id or real_name, followed by :asc or :desc")
	}
	if s.OrderBy == "" {
		sign = 1
	}
	return func(a, b identity.Member) int { return sign * strings.Compare(key(a.User), key(b.User)) }, nil
}

// MemberTokens returns the live tokens and sessions of a member that concern
// the accessed organization: those made by methods that belong to no
// organization or to this one. Which identity providers of others somebody
// uses is not this organization's business. Personal tokens come with how they
// stand there.
func (s *Service) MemberTokens(ctx context.Context, p *identity.Principal, userID string) (list []identity.Token, err error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		if _, err := r.Member(ctx, p.Organization.ID, userID); err != nil {
			return err
		}
		if list, err = r.Tokens(ctx, userID); err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(t identity.Token) bool { return !concerns(t, p.Organization.ID) })
		return judgeTokens(ctx, r, list, []identity.Organization{*p.Organization})
	})
	return list, err
}

func concerns(t identity.Token, organizationID string) bool {
	return ownOrNobodys(t.Authentication, organizationID)
}

// ownOrNobodys says whether a login was by a method that belongs to an
// organization, or to none.
func ownOrNobodys(a policy.Authentication, organizationID string) bool {
	return a.ProviderOrganization == "" || a.ProviderOrganization == organizationID
}

// RevokeMemberToken ends a token of a managed user or an application user of
// the accessed organization, named by its prefix or whole, and those made with
// it. An application user's takes organization:app_users:write; only admins
// act on admins, and only super admins on super admins.
func (s *Service) RevokeMemberToken(ctx context.Context, p *identity.Principal, userID, token string) error {
	organizationID := p.Organization.ID
	scope := store.Organization(organizationID).And(store.User(userID))
	return s.DB.Update(ctx, p.Actor(), scope, func(tx *store.Tx) error {
		m, err := tx.Member(ctx, organizationID, userID)
		if err != nil {
			return err
		}
		if err := mayEndTokens(ctx, &tx.Read, p, m); err != nil {
			return err
		}
		t, err := findToken(ctx, tx, userID, token)
		if err != nil {
			return err
		}
		if !concerns(t, organizationID) {
			return store.NoToken()
		}
		return revokeToken(ctx, tx, userID, token, identity.Event{OrganizationID: organizationID, AccountID: p.Organization.AccountID})
	})
}

// mayEndTokens says whether the caller may end tokens of a member.
func mayEndTokens(ctx context.Context, r *store.Read, p *identity.Principal, m identity.Member) error {
	switch {
	case m.User.Application:
		if !p.May(applicationUserWrite) {
			return identity.Forbiddenf("permission_denied", "ending an application user's tokens takes %s; ask an admin", applicationUserWrite)
		}
	case m.User.ManagingOrganizationID != p.Organization.ID:
		return identity.Forbiddenf("action_forbidden_on_unmanaged_users", "this user is not managed by the organization, so only they can end their tokens; remove them from the organization to end their access")
	}
	if m.SuperAdmin && !superAdmin(p) {
		return notSuperAdmin("act on a super admin")
	}
	held, err := standingIn(ctx, r, p.Organization.ID, m.UserID)
	if err == nil && held.admin && !p.Admin() {
		err = identity.Forbiddenf("user_role_not_allowed_to_perform_operation", "only an admin may act on an admin; ask one of yours")
	}
	return err
}

// MemberPermissions returns what a member was granted in the accessed
// organization, on all levels.
func (s *Service) MemberPermissions(ctx context.Context, p *identity.Principal, userID string) (list []identity.Grant, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		if _, err := r.Member(ctx, p.Organization.ID, userID); err != nil {
			return err
		}
		list, err = r.GrantsOf(ctx, p.Organization.ID, userID)
		return err
	})
	return list, err
}
