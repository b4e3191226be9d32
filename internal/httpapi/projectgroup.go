package httpapi

import (
	"context"
	"net/http"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/org"
)

// projectGroupRoutes are older spellings of the permissions of groups.
func (a *API) projectGroupRoutes() []route {
	const tag, all, one = "projects", "/v1/project/{project}/access", "/v1/project/{project}/access/groups/{user_group_id}"
	grants := access.Need{Scopes: []string{"projects:write"}, Permission: access.Resource}
	return []route{
		{
			method: "GET", path: all, id: "ProjectAccessList", tag: tag, summary: "List the groups that were granted something on a project itself (for its admins and holders of project:permissions:read there)",
			resource: project, need: access.Need{Scopes: []string{"projects:read"}, Permission: access.Resource}, status: http.StatusOK, handler: read(a.projectGroups),
		},
		{
			method: "PUT", path: one, id: "ProjectAccessGroupSet", tag: tag, summary: "Let a group hold one role on a project (for its admins)",
			resource: project, need: grants, status: http.StatusOK, event: "permissions_changed",
			fields: fields{"role": {required: true, max: 64}}, handler: write(a.setProjectGroup),
		},
		{
			method: "DELETE", path: one, id: "ProjectAccessGroupRemove", tag: tag, summary: "Take away what a group was granted on a project itself (for its admins)",
			resource: project, need: grants, status: http.StatusOK, event: "permissions_changed", handler: read(a.removeProjectGroup),
		},
	}
}

func (a *API) projectGroups(ctx context.Context, c *Call) (out sallyport.ProjectGroupList, err error) {
	list, err := a.Org.ProjectGroups(ctx, c.Principal, c.Path("project"))
	out.ResourceAccessList = wireList(list, func(g org.ProjectGroup) sallyport.ProjectGroup {
		return sallyport.ProjectGroup{UserGroupID: g.PrincipalID, Role: g.Role, CreateTime: g.Created, UpdateTime: g.Updated}
	})
	return out, asStranger(err)
}

func (a *API) setProjectGroup(ctx context.Context, c *Call, in sallyport.SetProjectGroup) (sallyport.Message, error) {
	err := a.Org.SetProjectGroup(ctx, c.Principal, c.Path("project"), c.Path("user_group_id"), in.Role)
	return sallyport.Message{Message: "the group has access to the project"}, asStranger(err)
}

func (a *API) removeProjectGroup(ctx context.Context, c *Call) (sallyport.Message, error) {
	err := a.Org.RemoveProjectGroup(ctx, c.Principal, c.Path("project"), c.Path("user_group_id"))
	return sallyport.Message{Message: "took away what the group was granted on the project"}, asStranger(err)
}
