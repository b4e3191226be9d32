package org

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// ProjectAccess is a project that the caller may see, and what opens it.
type ProjectAccess struct {
	identity.Project
	AccountName string
	// Roles are the roles and permissions by which the caller sees it, the
	// strongest first; never empty. Organization admins have "admin", and who
	// manages projects has organization:projects:write.
	Roles []string
	// Manages: the caller may rename and delete it, and move it to where they
	// manage projects too.
	Manages bool
}

// Holds says whether one of the given roles or permissions is held.
func (a ProjectAccess) Holds(roles ...string) bool {
	return slices.ContainsFunc(a.Roles, func(r string) bool { return slices.Contains(roles, r) })
}

// OrganizationOfProject returns the organization that a project belongs to.
func (s *Service) OrganizationOfProject(ctx context.Context, name string) (id string, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		p, err := r.Project(ctx, name)
		id = p.OrganizationID
		return err
	})
	return id, err
}

// Project returns a project of the accessed organization. One that the caller
// has no access to is missing like one that does not exist.
func (s *Service) Project(ctx context.Context, p *identity.Principal, name string) (a ProjectAccess, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		a, err = openProject(ctx, r, p, name)
		return err
	})
	return a, err
}

// Projects returns the projects of the accessed organization that the caller
// may see, by name.
func (s *Service) Projects(ctx context.Context, p *identity.Principal) (list []ProjectAccess, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		list, err = visibleProjects(ctx, r, p, p.Organization.ID)
		return err
	})
	return list, err
}

// AccountProjects returns those of Projects that are directly under an account
// of the accessed organization.
func (s *Service) AccountProjects(ctx context.Context, p *identity.Principal, accountID string) (list []ProjectAccess, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		if _, err := accountOf(ctx, r, p, accountID); err != nil {
			return err
		}
		list, err = visibleProjects(ctx, r, p, p.Organization.ID)
		return err
	})
	return slices.DeleteFunc(list, func(a ProjectAccess) bool { return a.AccountID != accountID }), err
}

// ProjectsOf returns the projects that the caller may see in all of their
// organizations. Whether each organization lets the credential in is for the
// edge to ask.
func (s *Service) ProjectsOf(ctx context.Context, p *identity.Principal) ([]ProjectAccess, error) {
	list := []ProjectAccess{}
	err := s.DB.View(ctx, func(r *store.Read) error {
		list = []ProjectAccess{}
		organizations, err := r.OrganizationsOf(ctx, p.User.ID)
		if err != nil {
			return err
		}
		for _, o := range organizations {
			visible, err := visibleProjects(ctx, r, p, o.ID)
			if err != nil {
				return err
			}
			list = append(list, visible...)
		}
		return nil
	})
	return list, err
}

func visibleProjects(ctx context.Context, r *store.Read, p *identity.Principal, organizationID string) ([]ProjectAccess, error) {
	held, err := callerStanding(ctx, r, p, organizationID)
	if err != nil {
		return nil, err
	}
	projects, err := r.Projects(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	accounts := map[string]identity.Account{}
	list := []ProjectAccess{}
	for _, project := range projects {
		roles := held.roles(placeOf(project))
		if len(roles) == 0 {
			continue
		}
		a, known := accounts[project.AccountID]
		if !known {
			if a, err = r.Account(ctx, project.AccountID); err != nil {
				return nil, err
			}
			accounts[a.ID] = a
		}
		list = append(list, ProjectAccess{project, a.Name, roles, held.managesIn(a)})
	}
	return list, nil
}

// projectIn is a project by name, missing when it is another organization's.
func projectIn(ctx context.Context, r *store.Read, organizationID, name string) (identity.Project, error) {
	project, err := r.Project(ctx, name)
	if err == nil && project.OrganizationID != organizationID {
		return identity.Project{}, store.NoProject()
	}
	return project, err
}

func openProject(ctx context.Context, r *store.Read, p *identity.Principal, name string) (ProjectAccess, error) {
	project, err := projectIn(ctx, r, p.Organization.ID, name)
	if err != nil {
		return ProjectAccess{}, err
	}
	held, err := callerStanding(ctx, r, p, p.Organization.ID)
	if err != nil {
		return ProjectAccess{}, err
	}
	roles := held.roles(placeOf(project))
	if len(roles) == 0 {
		return ProjectAccess{}, store.NoProject()
	}
	a, err := r.Account(ctx, project.AccountID)
	return ProjectAccess{project, a.Name, roles, held.managesIn(a)}, err
}

// ProjectUser is a member whom a grant gives access to a project.
type ProjectUser struct {
	identity.Member
	Roles []string // the strongest first; never empty
	Since time.Time
}

// ProjectUsers returns the members whom grants on a project, on its unit or on
// its organization give access to it. Admins of the organization need no grant
// and are not in it.
func (s *Service) ProjectUsers(ctx context.Context, p *identity.Principal, name string) ([]ProjectUser, error) {
	list := []ProjectUser{}
	err := s.DB.View(ctx, func(r *store.Read) error {
		list = []ProjectUser{}
		project, err := openProject(ctx, r, p, name)
		if err != nil {
			return err
		}
		grants, err := grantsReaching(ctx, r, project.Project)
		if err != nil {
			return err
		}
		for _, m := range slices.Sorted(maps.Keys(grants)) {
			roles := standing{grants: grants[m]}.roles(placeOf(project.Project))
			if len(roles) == 0 {
				continue
			}
			member, err := r.Member(ctx, project.OrganizationID, m)
			if err != nil {
				return err
			}
			list = append(list, ProjectUser{member, roles, oldest(grants[m])})
		}
		return nil
	})
	return list, err
}

// grantsReaching are the grants that apply to a project, by the users whom
// they reach themselves or through a group.
func grantsReaching(ctx context.Context, r *store.Read, p identity.Project) (map[string][]identity.Grant, error) {
	byUser := map[string][]identity.Grant{}
	for _, on := range []Resource{{resourceOrganization, p.OrganizationID}, {resourceUnit, p.AccountID}, {resourceProject, p.Name}} {
		grants, err := r.Grants(ctx, on.Type, on.ID)
		if err != nil {
			return nil, err
		}
		for _, g := range grants {
			users := []string{g.PrincipalID}
			if g.PrincipalType == principalGroup {
				if users, err = groupMemberIDs(ctx, r, g); err != nil {
					return nil, err
				}
			}
			for _, user := range users {
				byUser[user] = append(byUser[user], g)
			}
		}
	}
	return byUser, nil
}

func groupMemberIDs(ctx context.Context, r *store.Read, g identity.Grant) (ids []string, err error) {
	members, err := r.GroupMembers(ctx, g.OrganizationID, g.PrincipalID)
	for _, m := range members {
		ids = append(ids, m.UserID)
	}
	return ids, err
}

func oldest(grants []identity.Grant) time.Time {
	first := grants[0].Created
	for _, g := range grants {
		if g.Created.Before(first) {
			first = g.Created
		}
	}
	return first
}
