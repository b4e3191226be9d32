package org

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// ListPage names a part of a long list, and Cut is that part.
type (
	ListPage   = store.Page
	Cut[T any] = store.Cut[T]
)

// PeopleFilter selects members of the accessed organization.
type PeopleFilter = store.PeopleFilter

// What PeopleFilter.Only narrows a list to.
const (
	OnlyManaged     = store.OnlyManaged
	OnlyOutside     = store.OnlyOutside
	OnlyDeactivated = store.OnlyDeactivated
	OnlySuperAdmins = store.OnlySuperAdmins
)

// People returns a page of the members of the accessed organization, by name.
// Last uses of the last moments may be missing: a page does not wait for them
// to be written, as Members does.
func (s *Service) People(ctx context.Context, p *identity.Principal, f PeopleFilter, at ListPage) (list Cut[identity.Member], err error) {
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.People(ctx, p.Organization.ID, f, at)
		return err
	})
	return list, err
}

// CountPeople counts the members whom a filter selects; its text is left out.
func (s *Service) CountPeople(ctx context.Context, p *identity.Principal, f PeopleFilter) (n int64, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		n, err = r.CountPeople(ctx, p.Organization.ID, f)
		return err
	})
	return n, err
}

// MemberNamed returns the member whom a person means by an address or an id:
// somebody else is NotFound organization_user_not_found.
func (s *Service) MemberNamed(ctx context.Context, p *identity.Principal, name string) (m identity.Member, err error) {
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return m, store.NoMember() // not every database takes it for a text
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		id := name
		if address, bad := identity.ParseEmail(name); bad == nil {
			u, err := r.UserByEmail(ctx, address)
			if isMissing(err) {
				return store.NoMember()
			}
			if err != nil {
				return err
			}
			id = u.ID
		}
		m, err = r.Member(ctx, p.Organization.ID, id)
		return err
	})
	return m, err
}

// GroupNamed returns the user group of the accessed organization that a person
// means by its id or its name.
func (s *Service) GroupNamed(ctx context.Context, p *identity.Principal, name string) (g identity.Group, err error) {
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return g, store.NoGroup()
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		if g, err = r.Group(ctx, p.Organization.ID, name); isMissing(err) {
			g, err = r.GroupNamed(ctx, p.Organization.ID, name)
		}
		return err
	})
	return g, err
}

// PrincipalNamed returns whom a person means to give something to: a member or
// a user group of the accessed organization, by the address, the name of the
// group, or the id. Nobody of these is NotFound organization_user_not_found.
func (s *Service) PrincipalNamed(ctx context.Context, p *identity.Principal, name string) (NamedGrant, error) {
	m, err := s.MemberNamed(ctx, p, name)
	if !isMissing(err) {
		return NamedGrant{PrincipalType: principalUser, PrincipalID: m.UserID}, err
	}
	g, other := s.GroupNamed(ctx, p, name)
	if isMissing(other) {
		return NamedGrant{}, err
	}
	return NamedGrant{PrincipalType: principalGroup, PrincipalID: g.ID}, other
}

// GroupList returns a page of the user groups of the accessed organization, by
// name.
func (s *Service) GroupList(ctx context.Context, p *identity.Principal, text string, at ListPage) (list Cut[identity.Group], err error) {
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.GroupList(ctx, p.Organization.ID, text, at)
		return err
	})
	return list, err
}

// CountGroups counts the user groups of the accessed organization.
func (s *Service) CountGroups(ctx context.Context, p *identity.Principal) (n int64, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		n, err = r.CountGroups(ctx, p.Organization.ID)
		return err
	})
	return n, err
}

// GroupPeople returns a page of the members of a user group, by name.
func (s *Service) GroupPeople(ctx context.Context, p *identity.Principal, groupID, text string, at ListPage) (list Cut[identity.Member], err error) {
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.GroupPeople(ctx, p.Organization.ID, groupID, text, at)
		return err
	})
	return list, err
}

// InvitationList returns a page of the open invitations of the accessed
// organization, by address.
func (s *Service) InvitationList(ctx context.Context, p *identity.Principal, at ListPage) (list Cut[identity.Invitation], err error) {
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.InvitationList(ctx, p.Organization.ID, at)
		return err
	})
	return list, err
}

// ProjectSearch chooses among the projects that the caller sees.
type ProjectSearch struct {
	Text string // part of the name, or of its unit's
	In   string // id of an account: those directly in it
}

// ProjectList returns a page of those of Projects that a search finds.
func (s *Service) ProjectList(ctx context.Context, p *identity.Principal, search ProjectSearch, at ListPage) (list Cut[ProjectAccess], err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		held, err := callerStanding(ctx, r, p, p.Organization.ID)
		if err != nil {
			return err
		}
		filter := held.sees(p.Organization.ID)
		filter.Text, filter.In = search.Text, search.In
		found, err := r.ProjectList(ctx, p.Organization.ID, filter, at)
		list = Cut[ProjectAccess]{Earlier: found.Earlier, More: found.More}
		for _, one := range found.List {
			in := identity.Account{ID: one.AccountID, OrganizationID: one.OrganizationID, Name: one.AccountName}
			if in.ID != p.Organization.AccountID {
				in.ParentID = p.Organization.AccountID
			}
			list.List = append(list.List, ProjectAccess{one.Project, one.AccountName, held.roles(placeOf(one.Project)), held.managesIn(in)})
		}
		return err
	})
	return list, err
}

// sees are the projects that somebody has a role on.
func (s standing) sees(organizationID string) store.ProjectFilter {
	f := store.ProjectFilter{All: len(s.roles(place{organization: organizationID})) > 0}
	for _, g := range s.grants {
		switch {
		case g.ResourceType == resourceUnit && len(s.roles(place{unit: g.ResourceID})) > 0:
			f.Units = append(f.Units, g.ResourceID)
		case g.ResourceType == resourceProject && len(s.roles(place{project: g.ResourceID})) > 0:
			f.Names = append(f.Names, g.ResourceID)
		}
	}
	return f
}

// Unit is an organizational unit as a member sees it.
type Unit struct {
	identity.Account
	Projects int64 // that the caller sees
	Manages  bool  // the caller may make projects in it
}

// Units returns the organizational units of the accessed organization, by name,
// and how many projects the caller sees in all of it.
func (s *Service) Units(ctx context.Context, p *identity.Principal) (list []Unit, projects int64, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		list, projects = nil, 0
		held, err := callerStanding(ctx, r, p, p.Organization.ID)
		if err != nil {
			return err
		}
		counts, err := r.ProjectCounts(ctx, p.Organization.ID, held.sees(p.Organization.ID))
		if err != nil {
			return err
		}
		for _, n := range counts {
			projects += n
		}
		units, err := r.Units(ctx, p.Organization.ID)
		for _, u := range units {
			list = append(list, Unit{u, counts[u.ID], held.managesIn(u)})
		}
		return err
	})
	slices.SortFunc(list, func(a, b Unit) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return list, projects, err
}
