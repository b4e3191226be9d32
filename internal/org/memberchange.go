package org

import (
	"context"
	"fmt"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// maxCity is longer than the other profile fields: the compatible API says so.
const maxCity = 512

// MemberChange is what an admin may change of a member; nil stays. What is
// asked for but the case already is no change.
type MemberChange struct {
	SuperAdmin *bool   // by super admins who logged in a short time ago
	State      *string // active, deactivated or deleted; of managed users, as the rest
	RealName   *string // 1 to 256 characters
	City       *string // at most 512 characters
	// Country is ISO 3166-1 alpha-2, or empty.
	Country, Department, JobTitle *string // at most 256 characters
}

// UpdateMember changes a member of the accessed organization and returns the
// outcome. Deactivation ends all of a user's credentials at once, and coming
// back revives none; deletion comes after it and is for good.
//
// Errors: Forbidden action_forbidden_on_unmanaged_users,
// action_forbidden_on_application_users,
// user_role_not_allowed_to_perform_operation; Invalid
// organization_must_have_one_super_admin, cannot_delete_active_managed_users.
func (s *Service) UpdateMember(ctx context.Context, p *identity.Principal, userID string, in MemberChange) (m identity.Member, err error) {
	if err := in.check(); err != nil {
		return m, err
	}
	organizationID := p.Organization.ID
	err = s.opening(ctx, p, store.Organization(organizationID).And(store.User(userID)), func(tx *store.Tx) error {
		c, err := beginMemberWork(ctx, tx, p, userID)
		if err != nil {
			return err
		}
		for _, step := range []func(MemberChange) error{c.setSuperAdmin, c.setProfile, c.setState} {
			if err := step(in); err != nil {
				return err
			}
		}
		m = c.member
		return nil
	})
	return m, err
}

func (in *MemberChange) check() error {
	if in.RealName != nil {
		name := strings.TrimSpace(*in.RealName)
		if in.RealName = &name; name == "" {
			return identity.Invalidf("bad_request", `the field "real_name" is empty: write the name people know the user by`)
		}
	}
	for _, f := range []struct {
		name string
		text *string
		most int
	}{
		{"real_name", in.RealName, identity.MaxRealName},
		{"city", in.City, maxCity},
		{"country", in.Country, identity.MaxRealName},
		{"department", in.Department, identity.MaxRealName},
		{"job_title", in.JobTitle, identity.MaxRealName},
	} {
		if err := identity.CheckProfileField(f.name, f.text, f.most); err != nil {
			return err
		}
	}
	if err := identity.CheckCountry(in.Country); err != nil {
		return err
	}
	if in.State != nil {
		switch *in.State {
		case identity.StateActive, identity.StateDeactivated, identity.StateDeleted:
		default:
			return identity.Invalidf("bad_request", `the field "state" must be active, deactivated or deleted`)
		}
	}
	return nil
}

// memberWork is one admin's work on one member inside a transaction.
type memberWork struct {
	ctx        context.Context // of the transaction, whose closure this lives in
	tx         *store.Tx
	p          *identity.Principal
	superAdmin bool // the caller is one now: the principal may be older than the lock
	admin      bool // the caller is an admin now
	member     identity.Member
}

func beginMemberWork(ctx context.Context, tx *store.Tx, p *identity.Principal, userID string) (*memberWork, error) {
	c := &memberWork{ctx: ctx, tx: tx, p: p}
	held, err := callerStanding(ctx, &tx.Read, p, p.Organization.ID)
	if err != nil {
		return nil, err
	}
	c.admin, c.superAdmin = held.admin, brokeGlass(p, p.Organization.ID)
	self, err := tx.Member(ctx, p.Organization.ID, p.User.ID)
	if err != nil && !isMissing(err) {
		return nil, err
	}
	c.superAdmin = c.superAdmin || self.SuperAdmin
	if !c.superAdmin && !held.holds(place{organization: p.Organization.ID}, usersWrite) {
		return nil, identity.Forbiddenf("permission_denied", "this takes %s; ask an admin", usersWrite)
	}
	c.member, err = tx.Member(ctx, p.Organization.ID, userID)
	return c, err
}

// managed refuses work on whom the organization does not manage, and upwards.
func (c *memberWork) managed() error {
	u := &c.member.User
	switch {
	case u.Application:
		return identity.Forbiddenf("action_forbidden_on_application_users", "this is an application user: use `sallyport application-user` for it")
	case u.ManagingOrganizationID != c.member.OrganizationID:
		return identity.Forbiddenf("action_forbidden_on_unmanaged_users", "the organization does not manage this user; it manages people whose address is in a domain it has verified")
	case c.member.SuperAdmin && !c.superAdmin:
		return notSuperAdmin("do this to a super admin")
	case u.ID == c.p.User.ID && !c.admin:
		return identity.Forbiddenf("action_forbidden_for_managed_users", "this organization manages your account; ask one of its admins")
	}
	held, err := standingIn(c.ctx, &c.tx.Read, c.member.OrganizationID, u.ID)
	if err == nil && held.admin && !c.admin {
		err = identity.Forbiddenf("user_role_not_allowed_to_perform_operation", "only an admin may do this to an admin; ask one of yours")
	}
	return err
}

// record writes an event about the member.
func (c *memberWork) record(action, description string, before, after map[string]any) error {
	o, u := c.p.Organization, &c.member.User
	return c.tx.Record(c.ctx, identity.Event{
		Action: action, OrganizationID: o.ID, AccountID: o.AccountID,
		Target:      identity.Target{Kind: "user", ID: u.ID, Name: u.Email},
		Description: description, Detail: beforeAfter(before, after),
	})
}

func (c *memberWork) setSuperAdmin(in MemberChange) error {
	m := &c.member
	if in.SuperAdmin == nil || *in.SuperAdmin == m.SuperAdmin {
		return nil
	}
	switch {
	case m.User.Application:
		return identity.Forbiddenf("action_forbidden_on_application_users", "an application user cannot be super admin; grant it permissions instead")
	case !c.superAdmin:
		return notSuperAdmin("make or unmake super admins")
	case c.p.Token.Kind == policy.Session && !c.p.Fresh(c.tx.Now):
		return c.p.NotFresh()
	case m.SuperAdmin:
		if err := othersRemain(c.ctx, &c.tx.Read, *m); err != nil {
			return err
		}
	}
	if err := c.tx.SetSuperAdmin(c.ctx, m.OrganizationID, m.UserID, *in.SuperAdmin); err != nil {
		return err
	}
	verb := "made %s a super admin"
	if m.SuperAdmin {
		verb = "took super admin from %s"
	}
	before := m.SuperAdmin
	m.SuperAdmin = *in.SuperAdmin
	return c.record("super_admin_changed", fmt.Sprintf(verb, m.User.Email), map[string]any{"is_super_admin": before}, map[string]any{"is_super_admin": m.SuperAdmin})
}

func (c *memberWork) setProfile(in MemberChange) error {
	before, after := c.member.User, c.member.User
	set(&after.RealName, in.RealName)
	set(&after.City, in.City)
	set(&after.Country, in.Country)
	set(&after.Department, in.Department)
	set(&after.JobTitle, in.JobTitle)
	if after == before {
		return nil
	}
	if err := c.managed(); err != nil {
		return err
	}
	if err := c.tx.SetProfile(c.ctx, after); err != nil {
		return err
	}
	c.member.User = after
	return c.record("user_updated", "changed the profile of "+after.Email, profileWords(&before), profileWords(&after))
}

func profileWords(u *identity.User) map[string]any {
	return map[string]any{"real_name": u.RealName, "city": u.City, "country": u.Country, "department": u.Department, "job_title": u.JobTitle}
}

func (c *memberWork) setState(in MemberChange) error {
	if in.State == nil || *in.State == c.member.User.State {
		return nil
	}
	if err := c.managed(); err != nil {
		return err
	}
	switch *in.State {
	case identity.StateDeactivated:
		return c.deactivate()
	case identity.StateActive:
		return c.moveState("user_reactivated", "reactivated %s, who has to log in again", identity.StateActive)
	}
	return c.delete()
}

func (c *memberWork) deactivate() error {
	if c.member.SuperAdmin {
		if err := othersRemain(c.ctx, &c.tx.Read, c.member); err != nil {
			return err
		}
	}
	return c.moveState("user_deactivated", "deactivated %s and ended all their sessions and tokens", identity.StateDeactivated)
}

func (c *memberWork) moveState(action, description, state string) error {
	u := &c.member.User
	if err := c.tx.SetUserState(c.ctx, u.ID, state); err != nil {
		return err
	}
	before := u.State
	u.State = state
	return c.record(action, fmt.Sprintf(description, u.Email), map[string]any{"state": before}, map[string]any{"state": state})
}

// delete ends a deactivated user together with all memberships.
func (c *memberWork) delete() error {
	u := &c.member.User
	if u.State == identity.StateActive {
		return identity.Invalidf("cannot_delete_active_managed_users", "the user is active: deactivate them first, then delete them")
	}
	if err := c.leaveOthers(); err != nil {
		return err
	}
	if err := c.moveState("user_deleted", "deleted the user %s", identity.StateDeleted); err != nil {
		return err
	}
	return c.tx.RemoveMember(c.ctx, c.member.OrganizationID, u.ID)
}

// leaveOthers ends the user's memberships elsewhere, unless one of those
// organizations would have no super admin left.
func (c *memberWork) leaveOthers() error {
	u := &c.member.User
	list, err := c.tx.OrganizationsOf(c.ctx, u.ID)
	if err != nil {
		return err
	}
	for _, o := range list {
		if o.ID == c.member.OrganizationID {
			continue
		}
		if err := c.leave(o); err != nil {
			return err
		}
	}
	return nil
}

func (c *memberWork) leave(o identity.Organization) error {
	m, err := c.tx.Member(c.ctx, o.ID, c.member.UserID)
	if err != nil {
		return err
	}
	if m.SuperAdmin {
		others, err := c.tx.SuperAdmins(c.ctx, o.ID) // without this user, who is deactivated
		if err != nil {
			return err
		}
		if others < 1 {
			return identity.Invalidf("cannot_delete_users_with_organizations_memberships", "the user is the only super admin of another organization, which must get another one or be deleted first")
		}
	}
	if err := c.tx.RemoveMember(c.ctx, o.ID, m.UserID); err != nil {
		return err
	}
	return c.tx.Record(c.ctx, identity.Event{
		Action: "member_removed", OrganizationID: o.ID, AccountID: o.AccountID,
		Target:      identity.Target{Kind: "user", ID: m.UserID, Name: m.User.Email},
		Description: m.User.Email + " was deleted by the organization that manages them",
		Detail:      beforeAfter(map[string]any{"is_super_admin": m.SuperAdmin}, nil),
	})
}
