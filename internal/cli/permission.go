package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) permissions() *cobra.Command {
	return noun("permissions", "Who may do what", a.permissionsList(), a.permissionsSet())
}

// permissionFlags name a resource and a principal.
type permissionFlags struct {
	resourceType, resourceID   string
	principalType, principalID string
}

func (f *permissionFlags) on(c *cobra.Command) {
	c.Flags().StringVar(&f.resourceType, "resource-type", "", "organization, organization_unit or project")
	c.Flags().StringVar(&f.resourceID, "resource-id", "", "id of the unit or name of the project; for an organization its own id")
	c.Flags().StringVar(&f.principalType, "principal-type", "", "user or user_group")
	c.Flags().StringVar(&f.principalID, "principal-id", "", "id of the user or group")
	require(c, "resource-type")
}

// resource is the id of the resource.
func (f *permissionFlags) resource(org string) (string, error) {
	switch {
	case f.resourceID != "":
		return f.resourceID, nil
	case f.resourceType == sallyport.ResourceOrganization:
		return org, nil
	}
	return "", usagef("--resource-id is needed unless --resource-type is organization")
}

func (f *permissionFlags) match(p sallyport.Permission) bool {
	return (f.principalType == "" || f.principalType == p.PrincipalType) && (f.principalID == "" || f.principalID == p.PrincipalID)
}

// matching are the grants on the resource to the principal, or to all.
func (f *permissionFlags) matching(ctx context.Context, api *sallyport.Client, org, resource string) ([]sallyport.Permission, error) {
	all, err := api.Permissions(ctx, org, f.resourceType, resource)
	matching := []sallyport.Permission{}
	for _, p := range all {
		if f.match(p) {
			matching = append(matching, p)
		}
	}
	return matching, err
}

func (a *app) permissionsList() *cobra.Command {
	var f permissionFlags
	var asJSON bool
	c := a.organizationVerb("list", "Show the explicit grants on a resource", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			resource, err := f.resource(org)
			if err != nil {
				return err
			}
			grants, err := f.matching(ctx, api, org, resource)
			if err != nil {
				return err
			}
			return table(a, asJSON, grants, "no explicit grants: make one with \"sallyport permissions set\"",
				"principal_id", "principal_type", "permissions")
		})
	f.on(c)
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) permissionsSet() *cobra.Command {
	var f permissionFlags
	var permissions []string
	var force bool
	c := a.organizationVerb("set", "Replace the grants of one principal; none are left without --permission", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			resource, err := f.resource(org)
			if err != nil {
				return err
			}
			if !force {
				if err := a.confirmGrants(ctx, api, &f, org, resource, permissions); err != nil {
					return err
				}
			}
			err = api.UpdatePermissions(ctx, org, f.resourceType, resource, sallyport.UpdatePermissions{
				Operation:   sallyport.PermissionsSet,
				Permissions: []sallyport.PermissionGrant{{PrincipalType: f.principalType, PrincipalID: f.principalID, Permissions: permissions}},
			})
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Done")
			return nil
		})
	f.on(c)
	c.Flags().StringSliceVar(&permissions, "permission", []string{}, "role or permission; several times for several")
	forceFlag(c, &force)
	return require(c, "principal-type", "principal-id")
}

func (a *app) confirmGrants(ctx context.Context, api *sallyport.Client, f *permissionFlags, org, resource string, permissions []string) error {
	current, err := f.matching(ctx, api, org, resource)
	if err != nil {
		return err
	}
	held := []string{}
	for _, p := range current {
		held = append(held, p.Permissions...)
	}
	return a.confirm(false, "Replace %v by %v for %s on %s?", held, permissions, f.principalID, resource)
}
