package httpapi

import (
	"context"
	"net/http"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

func (a *API) groupRoutes() []route {
	const (
		tag  = "user groups"
		list = "/v1/organization/{organization_id}/user-groups"
		one  = list + "/{user_group_id}"
	)
	reading := access.Need{Scopes: []string{"accounts:read"}, Permission: access.Member}
	writing := access.Need{Scopes: []string{"accounts:write"}, Permission: "organization:groups:write"}
	return []route{
		{
			method: "GET", path: list, id: "UserGroupsList", tag: tag, summary: "List the user groups",
			resource: organization, need: reading, status: http.StatusOK, handler: read(a.groups),
		},
		{
			method: "POST", path: list, id: "UserGroupCreate", tag: tag, summary: "Create a user group",
			resource: organization, need: writing, status: http.StatusOK, event: "group_created",
			fields:  fields{"user_group_name": {required: true, max: identity.MaxGroupName}, "description": {required: true, max: identity.MaxGroupDescription}},
			handler: write(a.createGroup),
		},
		{
			method: "GET", path: one, id: "UserGroupGet", tag: tag, summary: "Show a user group",
			resource: organization, need: reading, status: http.StatusOK, handler: read(a.group),
		},
		{
			method: "PATCH", path: one, id: "UserGroupUpdate", tag: tag, summary: "Change a user group",
			resource: organization, need: writing, status: http.StatusOK, event: "group_updated",
			fields:  fields{"user_group_name": {max: identity.MaxGroupName}, "description": {max: identity.MaxGroupDescription}},
			handler: write(a.updateGroup),
		},
		{
			method: "DELETE", path: one, id: "UserGroupDelete", tag: tag, summary: "Delete a user group and the access it gives",
			resource: organization, need: writing, status: http.StatusNoContent, event: "group_deleted", handler: do(a.deleteGroup),
		},
		{
			method: "GET", path: one + "/members", id: "UserGroupMemberList", tag: tag, summary: "List the members of a user group",
			resource: organization, need: reading, status: http.StatusOK, handler: read(a.groupMembers),
		},
		{
			method: "PATCH", path: one + "/members", id: "UserGroupMembersUpdate", tag: tag, summary: "Add members to a user group or remove them (adding to one with permissions is for admins)",
			resource: organization, need: writing, status: http.StatusNoContent, event: "group_members_changed",
			fields: fields{"operation": {required: true}, "member_ids": {required: true, max: identity.MaxGroupChange}}, handler: put(a.changeGroupMembers),
		},
		{
			method: "GET", path: "/v1/organization/{organization_id}/user/{member_user_id}/user-groups", id: "OrganizationMemberGroupsList", tag: tag,
			summary: "List the user groups of a member", resource: organization,
			need: access.Need{Scopes: []string{"accounts:read"}, Permission: "organization:users:write"}, status: http.StatusOK, handler: read(a.memberGroups),
		},
	}
}

func groupWire(g identity.Group) sallyport.Group {
	return sallyport.Group{
		UserGroupID: g.ID, UserGroupName: g.Name, Description: g.Description, ManagedBySCIM: g.ManagedBySCIM, CreateTime: g.Created, UpdateTime: g.Updated,
	}
}

func countedGroupWire(g identity.Group) sallyport.Group {
	w, members := groupWire(g), int(g.Members)
	w.MemberCount = &members
	return w
}

func (a *API) groups(ctx context.Context, c *Call) (out sallyport.GroupList, err error) {
	list, err := a.Org.Groups(ctx, c.Principal)
	out.UserGroups = wireList(list, countedGroupWire)
	return out, err
}

func (a *API) memberGroups(ctx context.Context, c *Call) (out sallyport.GroupList, err error) {
	list, err := a.Org.GroupsOfMember(ctx, c.Principal, c.Path("member_user_id"))
	out.UserGroups = wireList(list, groupWire)
	return out, err
}

func (a *API) createGroup(ctx context.Context, c *Call, in sallyport.CreateGroup) (sallyport.Group, error) {
	g, err := a.Org.CreateGroup(ctx, c.Principal, in.UserGroupName, in.Description)
	return groupWire(g), err
}

func (a *API) group(ctx context.Context, c *Call) (sallyport.Group, error) {
	g, err := a.Org.Group(ctx, c.Principal, c.Path("user_group_id"))
	return groupWire(g), err
}

func (a *API) updateGroup(ctx context.Context, c *Call, in sallyport.UpdateGroup) (sallyport.Group, error) {
	g, err := a.Org.UpdateGroup(ctx, c.Principal, c.Path("user_group_id"), in.UserGroupName, in.Description)
	return groupWire(g), err
}

func (a *API) deleteGroup(ctx context.Context, c *Call) error {
	return a.Org.DeleteGroup(ctx, c.Principal, c.Path("user_group_id"))
}

func (a *API) groupMembers(ctx context.Context, c *Call) (out sallyport.GroupMemberList, err error) {
	list, err := a.Org.GroupMembers(ctx, c.Principal, c.Path("user_group_id"))
	out.Members = wireList(list, func(m identity.Member) sallyport.GroupMember {
		w := memberWire(m)
		return sallyport.GroupMember{UserID: w.UserID, UserInfo: w.UserInfo, LastActivityTime: w.LastActivityTime}
	})
	return out, err
}

func (a *API) changeGroupMembers(ctx context.Context, c *Call, in sallyport.UpdateGroupMembers) error {
	return a.Org.ChangeGroupMembers(ctx, c.Principal, c.Path("user_group_id"), in.Operation, in.MemberIDs)
}
