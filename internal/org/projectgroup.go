package org

import (
	"context"
	"slices"

	"github.com/sallyport/sallyport/internal/identity"
)

// ProjectGroup is a group that was granted something on a project itself.
type ProjectGroup struct {
	identity.Grant
	Role string // the strongest of it
}

// ProjectGroups returns the groups that were granted something on a project
// itself; what reaches the project from its unit or its organization is not in
// it. It takes what Permissions takes.
//
// Errors: NotFound project_not_found for who has no access to the project.
func (s *Service) ProjectGroups(ctx context.Context, p *identity.Principal, project string) ([]ProjectGroup, error) {
	if _, err := s.Project(ctx, p, project); err != nil {
		return nil, err
	}
	grants, err := s.Permissions(ctx, p, Resource{resourceProject, project})
	list := []ProjectGroup{}
	for _, g := range grants {
		if g.PrincipalType == principalGroup {
			list = append(list, ProjectGroup{g, strongest(g.Permissions)})
		}
	}
	return list, err
}

// strongest is the first of the permissions in the order of their strength.
func strongest(permissions []string) string {
	for _, known := range projectPermissions {
		if slices.Contains(permissions, known) {
			return known
		}
	}
	return permissions[0]
}

// SetProjectGroup lets a group hold exactly this role or permission on a
// project. It takes what UpdatePermissions takes.
//
// Errors: as ProjectGroups; NotFound user_group_not_found.
func (s *Service) SetProjectGroup(ctx context.Context, p *identity.Principal, project, groupID, role string) error {
	return s.changeProjectGroup(ctx, p, project, groupID, []string{role})
}

// RemoveProjectGroup takes away what a group was granted on a project itself.
// It takes what UpdatePermissions takes.
//
// Errors: as SetProjectGroup; NotFound project_has_no_such_group where nothing
// was granted.
func (s *Service) RemoveProjectGroup(ctx context.Context, p *identity.Principal, project, groupID string) error {
	list, err := s.ProjectGroups(ctx, p, project)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(g ProjectGroup) bool { return g.PrincipalID == groupID }) {
		return identity.NotFoundf("project_has_no_such_group", "this group was granted nothing on the project itself; what it holds through the unit or the organization is taken away there")
	}
	return s.changeProjectGroup(ctx, p, project, groupID, nil)
}

func (s *Service) changeProjectGroup(ctx context.Context, p *identity.Principal, project, groupID string, permissions []string) error {
	if _, err := s.Project(ctx, p, project); err != nil {
		return err
	}
	return s.UpdatePermissions(ctx, p, Resource{resourceProject, project}, OperationSet, []NamedGrant{{principalGroup, groupID, permissions}})
}
