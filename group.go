package sallyport

import "time"

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
