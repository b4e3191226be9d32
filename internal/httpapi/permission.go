package httpapi

import (
	"context"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// maxGrants is how many principals one request may name.
const maxGrants = 1024

func (a *API) permissionRoutes() []route {
	const tag, path = "permissions", "/v1/organization/{organization_id}/permissions/{resource_type}/{resource_id}"
	writes := access.Need{Scopes: []string{"accounts:write", "authentication:write"}, Permission: access.Resource}
	grants := fields{"permissions": {required: true, max: maxGrants}}
	return []route{
		{
			method: "GET", path: path, id: "PermissionsGet", tag: tag, summary: "List the explicit grants on a resource (for admins and holders of project:permissions:read there)",
			resource: organization, need: access.Need{Scopes: []string{"accounts:read", "authentication:read"}, Permission: access.Resource}, status: 200,
			handler: read(a.permissions),
		},
		{
			method: "PUT", path: path, id: "PermissionsSet", tag: tag, summary: "Replace all grants on a resource (for admins, and for those with the admin role on the unit or project)",
			resource: organization, need: writes, status: 204, event: "permissions_changed", fields: grants, handler: put(a.setPermissions),
		},
		{
			method: "PATCH", path: path, id: "PermissionsUpdate", tag: tag, summary: "Change the grants of the named principals on a resource (for admins, and for those with the admin role on the unit or project)",
			resource: organization, need: writes, status: 204, event: "permissions_changed", fields: grants, handler: put(a.updatePermissions),
		},
	}
}

func resourceOf(c *Call) org.Resource {
	return org.Resource{Type: c.Path("resource_type"), ID: c.Path("resource_id")}
}

// namedGrants are the entries of a body. An entry without its list is refused:
// taken for an empty one it would remove what the principal holds.
func namedGrants(in []sallyport.PermissionGrant) ([]org.NamedGrant, error) {
	named := make([]org.NamedGrant, 0, len(in))
	for _, g := range in {
		if g.Permissions == nil {
			return nil, badRequest("the entry of the principal %q has no list %q; send an empty list to remove what it holds", g.PrincipalID, "permissions")
		}
		named = append(named, org.NamedGrant{PrincipalType: g.PrincipalType, PrincipalID: g.PrincipalID, Permissions: g.Permissions})
	}
	return named, nil
}

func (a *API) permissions(ctx context.Context, c *Call) (out sallyport.PermissionList, err error) {
	list, err := a.Org.Permissions(ctx, c.Principal, resourceOf(c))
	out.Permissions = wireList(list, func(g identity.Grant) sallyport.Permission {
		return sallyport.Permission{
			PrincipalType: g.PrincipalType, PrincipalID: g.PrincipalID, Permissions: g.Permissions, CreateTime: g.Created, UpdateTime: g.Updated,
		}
	})
	return out, err
}

func (a *API) setPermissions(ctx context.Context, c *Call, in sallyport.SetPermissions) error {
	named, err := namedGrants(in.Permissions)
	if err != nil {
		return err
	}
	return a.Org.SetPermissions(ctx, c.Principal, resourceOf(c), named)
}

func (a *API) updatePermissions(ctx context.Context, c *Call, in sallyport.UpdatePermissions) error {
	named, err := namedGrants(in.Permissions)
	if err != nil {
		return err
	}
	return a.Org.UpdatePermissions(ctx, c.Principal, resourceOf(c), in.Operation, named)
}
