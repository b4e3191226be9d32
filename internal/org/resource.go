package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// HeldGrant is a grant with the names that people know its holder and its
// resource by.
type HeldGrant = store.HeldGrant

// maxGrantsTo is how many resources a page lists on which one principal was
// granted something.
const maxGrantsTo = 200

// ResourceAccess is who was granted what on a unit or a project, as far as the
// caller may know.
type ResourceAccess struct {
	Name    string // of the resource
	Unit    identity.Account
	Project ProjectAccess // of a project
	// Reads: the caller sees the grants; without it all that follows is empty.
	Reads bool
	// Gives are the permissions that the caller may give and take here; empty:
	// none.
	Gives  []string
	Grants Cut[HeldGrant]
	Total  int64
	// AboveUnit and AboveOrganization count the grants further up, which reach
	// the resource too.
	AboveUnit, AboveOrganization int64
}

// ResourceAccess returns a page of who was granted something on a unit or a
// project of the accessed organization. Members see units, and projects those
// who have access to them: for others there are none. The grants see those whom
// Permissions shows them to.
func (s *Service) ResourceAccess(ctx context.Context, p *identity.Principal, res Resource, at ListPage) (a ResourceAccess, err error) {
	if err := res.supported(); err != nil {
		return a, err
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		a = ResourceAccess{}
		target, err := res.find(ctx, r, p.Organization.ID)
		if err != nil {
			return err
		}
		held, err := callerStanding(ctx, r, p, p.Organization.ID)
		if err != nil {
			return err
		}
		if err := a.describe(ctx, r, p, res, target); err != nil {
			return err
		}
		a.Reads = held.holds(target.at, append([]string{permissionsRead}, projectAdmins...)...)
		if !a.Reads {
			return nil
		}
		for _, permission := range projectPermissions {
			if held.delegates(target.at, permission) {
				a.Gives = append(a.Gives, permission)
			}
		}
		return a.count(ctx, r, res, target, at)
	})
	return a, err
}

// describe reads the resource itself.
func (a *ResourceAccess) describe(ctx context.Context, r *store.Read, p *identity.Principal, res Resource, t target) (err error) {
	a.Name = t.event.Target.Name
	if res.Type == resourceProject {
		if a.Project, err = openProject(ctx, r, p, res.ID); err != nil {
			return err
		}
	}
	if t.at.unit != "" {
		a.Unit, err = r.Account(ctx, t.at.unit)
	}
	return err
}

func (a *ResourceAccess) count(ctx context.Context, r *store.Read, res Resource, t target, at ListPage) (err error) {
	if a.Grants, err = r.GrantList(ctx, res.Type, res.ID, at); err != nil {
		return err
	}
	for _, c := range []struct {
		to   *int64
		of   Resource
		want bool
	}{
		{&a.Total, res, true},
		{&a.AboveUnit, Resource{resourceUnit, t.at.unit}, res.Type == resourceProject && !a.Unit.Root()},
		{&a.AboveOrganization, Resource{resourceOrganization, t.at.organization}, true},
	} {
		if c.want {
			if *c.to, err = r.CountGrants(ctx, c.of.Type, c.of.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// GrantsToGroup returns what a user group of the accessed organization was
// granted, on every level: at most 200 resources.
func (s *Service) GrantsToGroup(ctx context.Context, p *identity.Principal, groupID string) (list []HeldGrant, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		if _, err := r.Group(ctx, p.Organization.ID, groupID); err != nil {
			return err
		}
		list, err = r.GrantsTo(ctx, p.Organization.ID, principalGroup, groupID, maxGrantsTo)
		return err
	})
	return list, err
}

// GrantsToMember returns what a member of the accessed organization was granted
// in person, on every level: at most 200 resources.
func (s *Service) GrantsToMember(ctx context.Context, p *identity.Principal, userID string) (list []HeldGrant, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		if _, err := r.Member(ctx, p.Organization.ID, userID); err != nil {
			return err
		}
		list, err = r.GrantsTo(ctx, p.Organization.ID, principalUser, userID, maxGrantsTo)
		return err
	})
	return list, err
}
