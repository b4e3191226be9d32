package org

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// defaultProjectRole is what the older calls of the compatible API give who is
// added to a project without a role.
const defaultProjectRole = "developer"

// AddProjectUser grants a member of the organization, named by the address, a
// role or permission on a project (empty: developer); others they hold there
// stay. It takes what UpdatePermissions takes.
//
// Errors: NotFound project_not_found for who has no access to the project,
// organization_user_not_found for who is no member: nobody is invited to an
// organization by its projects.
func (s *Service) AddProjectUser(ctx context.Context, p *identity.Principal, project, email, role string) error {
	if role == "" {
		role = defaultProjectRole
	}
	userID, err := s.projectUserID(ctx, p, project, email, nil)
	if err != nil {
		return err
	}
	return s.UpdatePermissions(ctx, p, Resource{resourceProject, project}, OperationGrant, []NamedGrant{{principalUser, userID, []string{role}}})
}

// RemoveProjectUser takes away what a member of the organization, named by the
// address, was granted on a project in person. What reaches the project from
// elsewhere stays. It takes what UpdatePermissions takes.
//
// Errors: as AddProjectUser; NotFound project_has_no_such_user where nothing
// was granted.
func (s *Service) RemoveProjectUser(ctx context.Context, p *identity.Principal, project, email string) error {
	userID, err := s.projectUserID(ctx, p, project, email, func(r *store.Read, userID string) error {
		grants, err := r.Grants(ctx, resourceProject, project)
		if err == nil && !slices.ContainsFunc(grants, func(g identity.Grant) bool { return g.PrincipalType == principalUser && g.PrincipalID == userID }) {
			err = identity.NotFoundf("project_has_no_such_user", "this user was granted nothing on the project in person; what they hold through a group, the unit or the organization is taken away there")
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.UpdatePermissions(ctx, p, Resource{resourceProject, project}, OperationSet, []NamedGrant{{principalUser, userID, nil}})
}

// projectUserID finds the member of the organization with an address, for
// admins of a project; also, if set, may refuse them.
func (s *Service) projectUserID(ctx context.Context, p *identity.Principal, project, email string, also func(r *store.Read, userID string) error) (id string, err error) {
	address, err := identity.ParseEmail(email)
	if err != nil {
		return "", err
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		a, err := openProject(ctx, r, p, project)
		if err != nil {
			return err
		}
		if !a.Holds(projectAdmins...) {
			return identity.Forbiddenf("permission_denied", "adding and removing users takes an admin of the project or the organization; ask one of them")
		}
		u, err := r.UserByEmail(ctx, address)
		if err == nil {
			_, err = r.Member(ctx, p.Organization.ID, u.ID)
		}
		if isMissing(err) {
			return identity.NotFoundf("organization_user_not_found", "no member of the organization has this address: invite them first with `sallyport organization user invite`")
		}
		if err != nil {
			return err
		}
		id = u.ID
		if also == nil {
			return nil
		}
		return also(r, id)
	})
	return id, err
}

// UserProject is a project that a member has access to.
type UserProject struct {
	Project identity.Project
	User    identity.User
	Role    string // the strongest
	// Since is when the oldest grant that reaches it was made; of admins, who
	// need none, when they joined.
	Since time.Time
}

// UserProjects returns the projects directly under an account of the accessed
// organization that a member has access to: those that the caller may see too.
func (s *Service) UserProjects(ctx context.Context, p *identity.Principal, accountID, userID string) ([]UserProject, error) {
	list := []UserProject{}
	err := s.DB.View(ctx, func(r *store.Read) error {
		list = []UserProject{}
		if _, err := accountOf(ctx, r, p, accountID); err != nil {
			return err
		}
		m, err := r.Member(ctx, p.Organization.ID, userID)
		if err != nil {
			return err
		}
		held, err := standingIn(ctx, r, m.OrganizationID, userID)
		if err != nil {
			return err
		}
		visible, err := visibleProjects(ctx, r, p, m.OrganizationID)
		for _, a := range visible {
			if roles := held.roles(placeOf(a.Project)); a.AccountID == accountID && len(roles) > 0 {
				list = append(list, UserProject{a.Project, m.User, roles[0], held.since(placeOf(a.Project), m.Joined)})
			}
		}
		return err
	})
	return list, err
}

// since is when the oldest grant that reaches a place was made; none: fallback.
func (s standing) since(at place, fallback time.Time) time.Time {
	reaching := slices.DeleteFunc(slices.Clone(s.grants), func(g identity.Grant) bool { return !at.reaches(g) })
	if len(reaching) == 0 {
		return fallback
	}
	return oldest(reaching)
}
