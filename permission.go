package sallyport

import (
	"context"
	"net/http"
	"time"
)

// The kinds of resource that permissions are granted on.
const (
	ResourceOrganization     = "organization"      // named by its organization id
	ResourceOrganizationUnit = "organization_unit" // named by its account id
	ResourceProject          = "project"           // named by its name
)

// The kinds of principal that permissions are granted to. An application user
// is a PrincipalUser.
const (
	PrincipalUser      = "user"
	PrincipalUserGroup = "user_group"
)

// Permission is the explicit grants of one principal on one resource.
type Permission struct {
	PrincipalType string    `json:"principal_type"` // PrincipalUser or PrincipalUserGroup
	PrincipalID   string    `json:"principal_id"`
	Permissions   []string  `json:"permissions"` // roles and permissions; never null
	CreateTime    time.Time `json:"create_time"`
	UpdateTime    time.Time `json:"update_time"`
}

// PermissionList is the answer of GET
// /v1/organization/{organization_id}/permissions/{resource_type}/{resource_id}.
// It holds explicit grants only, none that follow from being an owner.
type PermissionList struct {
	Permissions []Permission `json:"permissions"` // never null
}

// PermissionGrant is what one principal is to hold.
type PermissionGrant struct {
	PrincipalType string   `json:"principal_type"`
	PrincipalID   string   `json:"principal_id"`
	Permissions   []string `json:"permissions"`
}

// SetPermissions is the body of PUT on the same path. It replaces every grant
// on the resource; an empty list clears it.
type SetPermissions struct {
	Permissions []PermissionGrant `json:"permissions"`
}

// The operations of UpdatePermissions.
const (
	PermissionsSet    = "set"    // replaces the grants of the named principals only; an empty list removes one
	PermissionsGrant  = "grant"  // adds
	PermissionsRevoke = "revoke" // subtracts
)

// UpdatePermissions is the body of PATCH on the same path.
type UpdatePermissions struct {
	Permissions []PermissionGrant `json:"permissions"`
	Operation   string            `json:"operation,omitzero"` // empty: PermissionsSet
}

// MemberPermission is what one member holds on one resource.
type MemberPermission struct {
	ResourceType string   `json:"resource_type"`
	ResourceID   string   `json:"resource_id"`
	Permissions  []string `json:"permissions"` // never null
}

// MemberPermissionList is the answer of GET
// /v1/organization/{organization_id}/user/{member_user_id}/permissions.
type MemberPermissionList struct {
	Permissions []MemberPermission `json:"permissions"` // never null
}

// Permissions returns the explicit grants on a resource.
func (c *Client) Permissions(ctx context.Context, organizationID, resourceType, resourceID string) ([]Permission, error) {
	var out PermissionList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "permissions", resourceType, resourceID), nil, nil, &out)
	return out.Permissions, err
}

// SetPermissions replaces all grants on a resource.
func (c *Client) SetPermissions(ctx context.Context, organizationID, resourceType, resourceID string, in SetPermissions) error {
	return c.call(ctx, http.MethodPut, organizationPath(organizationID, "permissions", resourceType, resourceID), nil, in, nil)
}

// UpdatePermissions changes the grants of the named principals on a resource.
func (c *Client) UpdatePermissions(ctx context.Context, organizationID, resourceType, resourceID string, in UpdatePermissions) error {
	return c.call(ctx, http.MethodPatch, organizationPath(organizationID, "permissions", resourceType, resourceID), nil, in, nil)
}

// MemberPermissions returns what a member holds in an organization.
func (c *Client) MemberPermissions(ctx context.Context, organizationID, userID string) ([]MemberPermission, error) {
	var out MemberPermissionList
	err := c.call(ctx, http.MethodGet, organizationPath(organizationID, "user", userID, "permissions"), nil, nil, &out)
	return out.Permissions, err
}
