package org

import (
	"context"
	"fmt"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// Account is a root account or an organizational unit as its organization's
// members see it.
type Account struct {
	identity.Account
	RootID string // itself for a root
	Owner  bool   // the caller is super admin of its organization
}

// OrganizationOfAccount returns the organization that a root account or a unit
// belongs to.
func (s *Service) OrganizationOfAccount(ctx context.Context, accountID string) (id string, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		a, err := r.Account(ctx, accountID)
		id = a.OrganizationID
		return err
	})
	return id, err
}

// OrganizationOfParent returns the organization that a parent, named by an
// organization id or an account id, belongs to. Organization ids are returned
// unseen: whether they exist is not told before access is checked.
func (s *Service) OrganizationOfParent(ctx context.Context, parentID string) (string, error) {
	if strings.HasPrefix(parentID, "org") {
		return parentID, nil
	}
	return s.OrganizationOfAccount(ctx, parentID)
}

// NoParent is the answer for a parent that does not exist or is not the
// caller's to see.
func NoParent() *identity.Error {
	return identity.NotFoundf("parent_account_not_found", "there is no such parent organization or account, or you are not a member of it; check the id with `sallyport organization list`")
}

// Accounts returns the roots and units of the caller's organizations.
func (s *Service) Accounts(ctx context.Context, p *identity.Principal) ([]Account, error) {
	list := []Account{}
	err := s.DB.View(ctx, func(r *store.Read) error {
		organizations, err := r.OrganizationsOf(ctx, p.User.ID)
		if err != nil {
			return err
		}
		roots, owned := map[string]string{}, map[string]bool{}
		for _, o := range organizations {
			m, err := r.Member(ctx, o.ID, p.User.ID)
			if err != nil {
				return err
			}
			roots[o.ID], owned[o.ID] = o.AccountID, m.SuperAdmin
		}
		accounts, err := r.AccountsOf(ctx, p.User.ID)
		list = make([]Account, 0, len(accounts))
		for _, a := range accounts {
			list = append(list, Account{a, roots[a.OrganizationID], owned[a.OrganizationID]})
		}
		return err
	})
	return list, err
}

// Account returns an account of the accessed organization.
func (s *Service) Account(ctx context.Context, p *identity.Principal, id string) (a Account, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		a, err = accountOf(ctx, r, p, id)
		return err
	})
	return a, err
}

func accountOf(ctx context.Context, r *store.Read, p *identity.Principal, id string) (Account, error) {
	a, err := r.Account(ctx, id)
	if err == nil && a.OrganizationID != p.Organization.ID {
		err = store.NoAccount()
	}
	return Account{a, p.Organization.AccountID, p.SuperAdmin}, err
}

// CreateRoot is CreateOrganization by its root account, of the business tier.
func (s *Service) CreateRoot(ctx context.Context, p *identity.Principal, name string) (Account, error) {
	if _, err := cleanName("account_name", name); err != nil {
		return Account{}, err
	}
	o, err := s.CreateOrganization(ctx, p, name, tierBusiness)
	root := identity.Account{ID: o.AccountID, OrganizationID: o.ID, Name: o.Name, Created: o.Created, Updated: o.Updated}
	return Account{root, root.ID, true}, err
}

// CreateUnit makes an organizational unit in the accessed organization, whose
// id or root account is the parent: there is one level of units.
func (s *Service) CreateUnit(ctx context.Context, p *identity.Principal, parentID, name string) (Account, error) {
	unit, err := s.draftUnit(p.Organization, name)
	if err != nil {
		return Account{}, err
	}
	var created Account
	err = s.DB.Update(ctx, p.Actor(), store.Organization(unit.OrganizationID), func(tx *store.Tx) error {
		if err := mayHaveUnit(ctx, tx, p, parentID); err != nil {
			return err
		}
		if err := tx.AddAccount(ctx, unit); err != nil {
			return err
		}
		if created, err = accountOf(ctx, &tx.Read, p, unit.ID); err != nil {
			return err
		}
		return tx.Record(ctx, unitEvent("unit_created", unit, fmt.Sprintf("created the organizational unit %q", unit.Name), nil, map[string]any{"name": unit.Name}))
	})
	return created, err
}

func (s *Service) draftUnit(o *identity.Organization, name string) (a identity.Account, err error) {
	a.OrganizationID, a.ParentID = o.ID, o.AccountID
	if a.Name, err = cleanName("account_name", name); err != nil {
		return a, err
	}
	a.ID, err = s.DB.NewID("a")
	return a, err
}

// mayHaveUnit says whether a unit may be made under a parent.
func mayHaveUnit(ctx context.Context, tx *store.Tx, p *identity.Principal, parentID string) error {
	o, err := tx.Organization(ctx, p.Organization.ID)
	if err != nil {
		return err
	}
	if o.Tier == tierPersonal {
		return identity.Forbiddenf("account_unit_cannot_create_for_personal_tier", "a personal organization has no organizational units; change its tier to business first")
	}
	parent, err := parentAccount(ctx, &tx.Read, o, parentID)
	if err != nil {
		return err
	}
	if !parent.Root() {
		return identity.Invalidf("parent_account_too_deep", "organizational units have one level: name the organization or its root account %s as the parent", o.AccountID)
	}
	return nil
}

// parentAccount is the account that an organization id, an account id or
// nothing (the root) names inside an organization.
func parentAccount(ctx context.Context, r *store.Read, o identity.Organization, parentID string) (identity.Account, error) {
	if parentID == "" || parentID == o.ID {
		parentID = o.AccountID
	}
	a, err := r.Account(ctx, parentID)
	if isMissing(err) || err == nil && a.OrganizationID != o.ID {
		return a, NoParent()
	}
	return a, err
}

// RenameAccount renames a unit, or by its root account the organization, which
// takes a super admin. An empty change answers what is there.
func (s *Service) RenameAccount(ctx context.Context, p *identity.Principal, id string, name *string) (Account, error) {
	if name == nil {
		return s.Account(ctx, p, id)
	}
	if id == p.Organization.AccountID {
		if !superAdmin(p) {
			return Account{}, notSuperAdmin("rename the organization")
		}
		if _, err := cleanName("account_name", *name); err != nil {
			return Account{}, err
		}
		if _, err := s.UpdateOrganization(ctx, p, OrganizationChange{Name: name}); err != nil {
			return Account{}, err
		}
		return s.Account(ctx, p, id)
	}
	return s.renameUnit(ctx, p, id, *name)
}

func (s *Service) renameUnit(ctx context.Context, p *identity.Principal, id, name string) (renamed Account, err error) {
	if name, err = cleanName("account_name", name); err != nil {
		return renamed, err
	}
	err = s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		before, err := accountOf(ctx, &tx.Read, p, id)
		if err != nil {
			return err
		}
		if renamed = before; before.Name == name {
			return nil
		}
		if err := tx.RenameAccount(ctx, id, name); err != nil {
			return err
		}
		if renamed, err = accountOf(ctx, &tx.Read, p, id); err != nil {
			return err
		}
		return tx.Record(ctx, unitEvent("unit_renamed", renamed.Account, fmt.Sprintf("renamed the organizational unit %q to %q", before.Name, name),
			map[string]any{"name": before.Name}, map[string]any{"name": name}))
	})
	return renamed, err
}

// DeleteUnit deletes an organizational unit without projects, and the grants
// on it.
func (s *Service) DeleteUnit(ctx context.Context, p *identity.Principal, id string) error {
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		unit, err := accountOf(ctx, &tx.Read, p, id)
		if err != nil {
			return err
		}
		if unit.Root() {
			return identity.Invalidf("bad_request", "this is the root account of the organization %s: delete the organization instead", unit.OrganizationID)
		}
		projects, err := tx.CountUnitProjects(ctx, id)
		if err != nil {
			return err
		}
		if projects > 0 {
			return identity.Invalidf("account_with_projects_cannot_be_deleted", "there are %d projects in this organizational unit; delete them or move them first", projects)
		}
		if err := tx.DeleteUnit(ctx, id); err != nil {
			return err
		}
		return tx.Record(ctx, unitEvent("unit_deleted", unit.Account, fmt.Sprintf("deleted the organizational unit %q", unit.Name), map[string]any{"name": unit.Name}, nil))
	})
}

// MoveAccount accepts the parent that a unit has and refuses any other: units
// cannot leave their organization, and there is one level of them.
func (s *Service) MoveAccount(ctx context.Context, p *identity.Principal, id, parentID string) (a Account, err error) {
	if a, err = s.Account(ctx, p, id); err != nil {
		return a, err
	}
	if a.Root() {
		return a, identity.Invalidf("bad_request", "this is the root account of an organization, which has no parent; only organizational units have one")
	}
	if parentID != a.ParentID && parentID != a.OrganizationID {
		return a, identity.Invalidf("unit_cannot_be_moved_out_of_organization", "an organizational unit stays in its organization; create one in the other organization instead")
	}
	return a, nil
}

func notSuperAdmin(action string) error {
	return identity.Forbiddenf("user_role_not_allowed_to_perform_operation", "only a super admin may %s; ask one of yours", action)
}

func unitEvent(action string, a identity.Account, description string, before, after map[string]any) identity.Event {
	return identity.Event{
		Action: action, OrganizationID: a.OrganizationID, AccountID: a.ID,
		Target:      identity.Target{Kind: "organization_unit", ID: a.ID, Name: a.Name},
		Description: description, Detail: beforeAfter(before, after),
	}
}
