package sallyport

import (
	"context"
	"net/http"
	"time"
)

// Group is a user group of an organization.
type Group struct {
	UserGroupID   string    `json:"user_group_id"`
	UserGroupName string    `json:"user_group_name"` // at most 128 characters, unique in the organization
	Description   string    `json:"description"`     // at most 4096 characters
	ManagedBySCIM bool      `json:"managed_by_scim"`
	CreateTime    time.Time `json:"create_time"`
	UpdateTime    time.Time `json:"update_time"`
	MemberCount   *int      `json:"member_count,omitzero"` // only in lists of an organization's groups
}

// GroupList is the answer of GET
// /v1/organization/{organization_id}/user-groups.
type GroupList struct {
	UserGroups []Group `json:"user_groups"` // never null
}

// CreateGroup is the body of POST on the same path.
type CreateGroup struct {
	UserGroupName string `json:"user_group_name"` // at most 128 characters
	Description   string `json:"description"`     // at most 4096 characters, may be empty
}

// UpdateGroup is the body of PATCH on one group. Unset fields stay as they
// are.
type UpdateGroup struct {
	UserGroupName *string `json:"user_group_name,omitzero"`
	Description   *string `json:"description,omitzero"`
}

// GroupMember is a member of a group.
type GroupMember struct {
	UserID           string     `json:"user_id"`
	UserInfo         UserInfo   `json:"user_info"`
	LastActivityTime *time.Time `json:"last_activity_time"`
}

// GroupMemberList is the answer of GET on the members of a group.
type GroupMemberList struct {
	Members []GroupMember `json:"members"` // never null
}

// The operations of UpdateGroupMembers.
const (
	AddMembers    = "add_members"
	RemoveMembers = "remove_members"
)

// UpdateGroupMembers is the body of PATCH on the members of a group.
type UpdateGroupMembers struct {
	Operation string   `json:"operation"`  // AddMembers or RemoveMembers
	MemberIDs []string `json:"member_ids"` // at most 1024
}

// Groups returns the user groups of an organization.
func (c *Client) Groups(ctx context.Context, organizationID string) ([]Group, error) {
	var out GroupList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "user-groups"), nil, nil, &out)
	return out.UserGroups, err
}

// Group returns one group.
func (c *Client) Group(ctx context.Context, organizationID, groupID string) (out Group, err error) {
	err = c.call(ctx, http.MethodGet, organizationPath(organizationID, "user-groups", groupID), nil, nil, &out)
	return out, err
}

// CreateGroup creates a group.
func (c *Client) CreateGroup(ctx context.Context, organizationID string, in CreateGroup) (out Group, err error) {
	err = c.call(ctx, http.MethodPost, organizationPath(organizationID, "user-groups"), nil, in, &out)
	return out, err
}

// UpdateGroup changes name or description.
func (c *Client) UpdateGroup(ctx context.Context, organizationID, groupID string, in UpdateGroup) (out Group, err error) {
	err = c.call(ctx, http.MethodPatch, organizationPath(organizationID, "user-groups", groupID), nil, in, &out)
	return out, err
}

// DeleteGroup deletes a group and the access it gave.
func (c *Client) DeleteGroup(ctx context.Context, organizationID, groupID string) error {
	return c.call(ctx, http.MethodDelete, organizationPath(organizationID, "user-groups", groupID), nil, nil, nil)
}

// GroupMembers returns the members of a group.
func (c *Client) GroupMembers(ctx context.Context, organizationID, groupID string) ([]GroupMember, error) {
	var out GroupMemberList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "user-groups", groupID, "members"), nil, nil, &out)
	return out.Members, err
}

// MemberGroups returns the groups that a member of the organization is in,
// without the number of their members.
func (c *Client) MemberGroups(ctx context.Context, organizationID, userID string) ([]Group, error) {
	var out GroupList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "user", userID, "user-groups"), nil, nil, &out)
	return out.UserGroups, err
}

// UpdateGroupMembers adds or removes members of a group.
func (c *Client) UpdateGroupMembers(ctx context.Context, organizationID, groupID string, in UpdateGroupMembers) error {
	return c.call(ctx, http.MethodPatch, organizationPath(organizationID, "user-groups", groupID, "members"), nil, in, nil)
}
