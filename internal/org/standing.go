package org

import (
	"context"
	"errors"
	"slices"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// place is where something stands, for grants that reach it from above.
type place struct{ organization, unit, project string }

func placeOf(p identity.Project) place { return place{p.OrganizationID, p.AccountID, p.Name} }

// reaches says whether a grant applies at a place: on the thing itself, on its
// unit, or on the organization.
func (at place) reaches(g identity.Grant) bool {
	switch g.ResourceType {
	case resourceOrganization:
		return g.ResourceID == at.organization
	case resourceUnit:
		return at.unit != "" && g.ResourceID == at.unit
	case resourceProject:
		return at.project != "" && g.ResourceID == at.project
	}
	return false
}

// standing is what somebody holds in one organization, on all its levels.
type standing struct {
	admin  bool
	grants []identity.Grant
}

// standingIn reads what a user holds in an organization; nothing for those who
// are not members.
func standingIn(ctx context.Context, r *store.Read, organizationID, userID string) (standing, error) {
	m, err := r.Member(ctx, organizationID, userID)
	if isMissing(err) {
		return standing{}, nil
	}
	if err != nil {
		return standing{}, err
	}
	grants, err := r.HeldBy(ctx, organizationID, userID)
	held := standing{grants: grants}
	held.admin = m.SuperAdmin || held.granted(place{organization: organizationID}, identity.AdminRole)
	return held, err
}

// callerStanding is standingIn for a caller, whose break-glass session
// administers its organization.
func callerStanding(ctx context.Context, r *store.Read, p *identity.Principal, organizationID string) (standing, error) {
	held, err := standingIn(ctx, r, organizationID, p.User.ID)
	held.admin = held.admin || brokeGlass(p, organizationID)
	return held, err
}

// granted says whether one of the permissions was granted at a place.
func (s standing) granted(at place, permissions ...string) bool {
	return slices.ContainsFunc(s.grants, func(g identity.Grant) bool {
		return at.reaches(g) && slices.ContainsFunc(g.Permissions, func(held string) bool { return slices.Contains(permissions, held) })
	})
}

// holds is granted for those who hold everything as well.
func (s standing) holds(at place, permissions ...string) bool {
	return s.admin || s.granted(at, permissions...)
}

// roles are the roles and permissions that open a project, the strongest
// first; none: no access.
func (s standing) roles(at place) []string {
	held := map[string]bool{"admin": s.admin}
	for _, g := range s.grants {
		for _, permission := range g.Permissions {
			held[permission] = held[permission] || at.reaches(g)
		}
	}
	list := []string{}
	for _, permission := range slices.Concat(projectPermissions, []string{projectsWrite}) {
		if held[permission] {
			list = append(list, permission)
		}
	}
	return list
}

// managesIn says whether somebody may create, rename, move and delete the
// projects directly under an account: with organization:projects:write all,
// with the admin role on a unit those in it.
func (s standing) managesIn(a identity.Account) bool {
	at := place{organization: a.OrganizationID}
	if s.holds(at, projectsWrite) {
		return true
	}
	at.unit = a.ID
	return !a.Root() && s.granted(at, projectAdmins...)
}

// delegates says whether somebody may give permissions at a place to others,
// and take them away: organization admins all, and who holds the admin role on
// a unit or project what that role covers. "admin" is more than
// "role:project:admin", so it takes "admin" itself.
func (s standing) delegates(at place, permissions ...string) bool {
	if s.admin {
		return true
	}
	if at.unit == "" || !s.granted(at, projectAdmins...) {
		return false
	}
	return !slices.ContainsFunc(permissions, func(permission string) bool {
		return !slices.Contains(projectPermissions, permission) || permission == "admin" && !s.granted(at, "admin")
	})
}

// isMissing says whether an error is the kind NotFound.
func isMissing(err error) bool {
	var known *identity.Error
	return errors.As(err, &known) && known.Kind == identity.NotFound
}
