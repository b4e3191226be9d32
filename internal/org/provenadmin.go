package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// codeNoAdmin is the code of changes that would keep the last admin out.
const codeNoAdmin = "would_leave_no_admin"

// provenAdmins are the admins of an organization who can get in: active people
// with a way to log in that passes the login and the access of the session.
func (o *outlook) provenAdmins() []Person {
	list := []Person{}
	for i := range o.People {
		if p := &o.People[i]; p.Admin && !p.Application && o.getsIn(p) {
			list = append(list, Person{p.ID, p.Email, p.RealName})
		}
	}
	return list
}

// admins are the proven admins of an organization as it is stored; known is
// false for one that was deleted.
func (s *Service) admins(ctx context.Context, r *store.Read, organizationID string) (list []Person, known bool, err error) {
	w, err := r.Admins(ctx, organizationID)
	if isMissing(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return s.outlook(&w, readPolicy(w.Organization.Policy)).provenAdmins(), true, nil
}

// WithoutAdmin returns the ids of the organizations that no admin of theirs can
// log in to, for the operator.
func (s *Service) WithoutAdmin(ctx context.Context) ([]string, error) {
	closed := []string{}
	err := s.DB.View(ctx, func(r *store.Read) error {
		closed = closed[:0]
		ids, err := r.OrganizationIDs(ctx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			list, known, err := s.admins(ctx, r, id)
			if err != nil {
				return err
			}
			if known && len(list) == 0 {
				closed = append(closed, id)
			}
		}
		return nil
	})
	return closed, err
}

// KeepAnAdmin is the guard of the store (store.DB.Guard): it refuses a change
// after which no admin of an organization could log in, if one can now. It is
// asked at the end of the change, whichever it is, so that no use case can
// forget it. Where the operator declared that the recover command is a way in,
// nothing is refused.
func (s *Service) KeepAnAdmin(ctx context.Context, tx *store.Tx, organizationID string) error {
	if s.BreakGlass {
		return nil
	}
	left, known, err := s.admins(ctx, &tx.Read, organizationID)
	if err != nil || !known || len(left) > 0 {
		return err
	}
	// What others see is the state before: the store lets one change at a time
	// come here.
	var before []Person
	err = s.DB.View(ctx, func(r *store.Read) error {
		before, _, err = s.admins(ctx, r, organizationID)
		return err
	})
	if err != nil || len(before) == 0 {
		return err
	}
	return wouldLeaveNoAdmin()
}

func wouldLeaveNoAdmin() error {
	const remedy = "make sure first that an admin has another way to log in that the organization allows: a passkey, a password with a second factor, or a linked identity"
	err := identity.Invalidf(codeNoAdmin, "after this change no admin of the organization could log in any more: %s, or make somebody else an admin who has one", remedy)
	err.Metadata = map[string]any{"remedy": remedy}
	return err
}

// accepted lets an edit pass the guard whose caller accepts the consequences,
// and makes its event say so when no admin is left.
func (s *Service) accepted(ctx context.Context, tx *store.Tx, edit policyEdit, o identity.Organization, after policy.Policy) (policyEdit, error) {
	if !edit.acceptLockout {
		return edit, nil
	}
	tx.AcceptLockout()
	w, err := tx.Admins(ctx, o.ID)
	if err != nil {
		return edit, err
	}
	if len(s.outlook(&w, &after).provenAdmins()) == 0 && len(s.outlook(&w, readPolicy(o.Policy)).provenAdmins()) > 0 {
		edit.description += " although NO ADMIN can log in any more, which was accepted"
	}
	return edit, nil
}
