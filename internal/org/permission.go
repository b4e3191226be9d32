package org

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// The kinds of resource and of principal that permissions are about.
const (
	resourceOrganization = "organization"
	resourceUnit         = "organization_unit"
	resourceProject      = "project"

	principalUser  = "user"
	principalGroup = "user_group"
)

// The permissions that use cases ask for.
const (
	projectsWrite        = "organization:projects:write"
	applicationUserWrite = "organization:app_users:write"
	permissionsRead      = "project:permissions:read"
)

// organizationPermissions are granted on an organization only.
var organizationPermissions = []string{
	identity.AdminRole,
	applicationUserWrite, "organization:billing:read", "organization:billing:write", "organization:domains:write",
	"organization:event_logs:read", "organization:groups:write", "organization:networking:read", "organization:networking:write",
	projectsWrite, "organization:sustainability:read", "organization:users:write", "organization:tokens:introspect",
	"organization:audit_logs:read", // the old name of organization:event_logs:read, see identity.Principal.May
}

// projectPermissions are granted on a project, on a unit for the projects in
// it, or on an organization for all of them. The roles come first, the
// strongest before the others.
var projectPermissions = []string{
	"admin", "role:project:admin", "operator", "developer", "read_only", "role:project:read",
	"role:services:maintenance", "role:services:recover",
	"project:ai_gateway_keys:read", "project:ai_gateway_keys:write", "project:audit_logs:read", "project:event_logs:read",
	"project:integrations:read", "project:integrations:write", "project:networking:read", "project:networking:write",
	permissionsRead, "project:services:read", "project:services:write",
	"service:configuration:write", "service:data:write", "service:logs:read", "service:metrics:read", "service:secrets:read", "service:users:write",
}

// projectAdmins are the roles that administer a project.
var projectAdmins = []string{"admin", "role:project:admin"}

// Resource names what permissions are granted on: an organization by its id, a
// unit by its account id, a project by its name.
type Resource struct{ Type, ID string }

// NamedGrant is what a request wants one principal to hold, or to gain or lose.
type NamedGrant struct {
	PrincipalType, PrincipalID string
	Permissions                []string
}

// GrantableOnOrganization are the permissions that can be granted on an
// organization: those of the organization itself, and those of projects, which
// there reach all of its projects.
func GrantableOnOrganization() (own, ofProjects []string) {
	return slices.Clone(organizationPermissions), slices.Clone(projectPermissions)
}

// Operations of a change of permissions.
const (
	OperationSet    = "set"    // the named principals hold exactly this
	OperationGrant  = "grant"  // they gain it
	OperationRevoke = "revoke" // they lose it
	// operationReplace is set, and who is not named holds nothing.
	operationReplace = "replace"
)

// Permissions returns the explicit grants on a resource of the accessed
// organization. Admins may read them, and who may read permissions there.
func (s *Service) Permissions(ctx context.Context, p *identity.Principal, res Resource) (list []identity.Grant, err error) {
	if err := res.supported(); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		target, missing := res.find(ctx, r, p.Organization.ID)
		if missing != nil && !isMissing(missing) {
			return missing
		}
		// Who may not read learns nothing of what exists.
		held, err := callerStanding(ctx, r, p, p.Organization.ID)
		if err != nil {
			return err
		}
		if !held.holds(target.at, append([]string{permissionsRead}, projectAdmins...)...) {
			return identity.Forbiddenf("permission_denied", "reading permissions takes %s on this resource, or an organization admin", permissionsRead)
		}
		if missing != nil {
			return missing
		}
		list, err = r.Grants(ctx, res.Type, res.ID)
		return err
	})
	return list, err
}

// SetPermissions replaces all grants on a resource; who keeps the same
// permissions keeps the times of the grant.
//
// It takes an admin of the organization, or on a unit or project the admin role
// there, which gives and takes what it covers itself (see
// standing.delegates); else it is Forbidden permission_denied, and tells
// nothing of what exists.
func (s *Service) SetPermissions(ctx context.Context, p *identity.Principal, res Resource, named []NamedGrant) error {
	return s.changePermissions(ctx, p, res, operationReplace, named)
}

// UpdatePermissions changes the grants of the named principals on a resource.
// An empty operation is OperationSet. It takes what SetPermissions takes.
func (s *Service) UpdatePermissions(ctx context.Context, p *identity.Principal, res Resource, operation string, named []NamedGrant) error {
	if operation == "" {
		operation = OperationSet
	}
	if !slices.Contains([]string{OperationSet, OperationGrant, OperationRevoke}, operation) {
		return identity.Invalidf("bad_request", "the operation must be set, grant or revoke")
	}
	return s.changePermissions(ctx, p, res, operation, named)
}

func (s *Service) changePermissions(ctx context.Context, p *identity.Principal, res Resource, operation string, named []NamedGrant) error {
	if err := errors.Join(res.supported(), checkGrants(res.Type, named)); err != nil {
		return err
	}
	organizationID := p.Organization.ID
	return s.opening(ctx, p, store.Organization(organizationID), func(tx *store.Tx) error {
		if _, err := tx.Organization(ctx, organizationID); err != nil {
			return err
		}
		target, missing := res.find(ctx, &tx.Read, organizationID)
		if missing != nil && !isMissing(missing) {
			return missing
		}
		held, err := callerStanding(ctx, &tx.Read, p, organizationID)
		if err != nil {
			return err
		}
		if !held.delegates(target.at) {
			return identity.Forbiddenf("permission_denied", "changing permissions takes an organization admin, or on an organizational unit or project the admin role there")
		}
		if missing != nil {
			return missing
		}
		for _, n := range named {
			if err := grantable(ctx, &tx.Read, organizationID, n); err != nil {
				return err
			}
		}
		stored, err := tx.Grants(ctx, res.Type, res.ID)
		if err != nil {
			return err
		}
		changes := planGrants(operation, stored, named)
		if len(changes) == 0 {
			return nil
		}
		before, after := map[string]any{}, map[string]any{}
		for _, c := range changes {
			if changed := c.changed(); !held.delegates(target.at, changed...) {
				return identity.Forbiddenf("permission_denied", "you may give and take only what you hold on this resource yourself, which %q goes beyond; ask an admin of the organization", changed)
			}
			before[c.principal()], after[c.principal()] = c.before, c.after
			if err := tx.SetGrant(ctx, c.grant(organizationID, res)); err != nil {
				return err
			}
		}
		e := target.event
		e.Action, e.Detail = "permissions_changed", beforeAfter(before, after)
		e.Description = fmt.Sprintf("changed the permissions of %d principals on the %s %q", len(changes), res.Type, e.Target.Name)
		return tx.Record(ctx, e)
	})
}

func (res Resource) supported() error {
	switch res.Type {
	case resourceOrganization, resourceUnit, resourceProject:
		return nil
	}
	return identity.Invalidf("unsupported_resource_type", "permissions are granted on an organization, an organization_unit or a project; name one of these three")
}

// target is a resource that was found: where it stands, for grants that reach
// it, and as events name it.
type target struct {
	at    place
	event identity.Event
}

// find looks a resource up inside an organization; things of others are
// missing. The target's place is good enough to ask what a caller holds there
// even when the resource is missing.
func (res Resource) find(ctx context.Context, r *store.Read, organizationID string) (target, error) {
	t := target{
		at:    place{organization: organizationID},
		event: identity.Event{OrganizationID: organizationID, Target: identity.Target{Kind: res.Type, ID: res.ID, Name: res.ID}},
	}
	o, err := r.Organization(ctx, organizationID)
	if err != nil {
		return t, err
	}
	t.event.AccountID = o.AccountID
	switch res.Type {
	case resourceOrganization:
		if res.ID != organizationID {
			return t, identity.NoOrganization()
		}
		t.event.Target.Name = o.Name
	case resourceUnit:
		a, err := r.Account(ctx, res.ID)
		if err == nil && (a.OrganizationID != organizationID || a.Root()) {
			err = store.NoAccount()
		}
		if err != nil {
			return t, err
		}
		t.at.unit, t.event.AccountID, t.event.Target.Name = a.ID, a.ID, a.Name
	case resourceProject:
		project, err := projectIn(ctx, r, organizationID, res.ID)
		if err != nil {
			return t, err
		}
		t.at, t.event.AccountID, t.event.Project = placeOf(project), project.AccountID, project.Name
	}
	return t, nil
}

// checkGrants refuses what could never be granted on such a resource.
func checkGrants(resourceType string, named []NamedGrant) error {
	seen := map[namedPrincipal]bool{}
	for _, n := range named {
		if n.PrincipalType != principalUser && n.PrincipalType != principalGroup {
			return identity.Invalidf("bad_request", "the principal_type must be user or user_group")
		}
		who := namedPrincipal{n.PrincipalType, n.PrincipalID}
		if seen[who] {
			return identity.Invalidf("bad_request", "the %s %q is named twice; put all of its permissions into one entry", n.PrincipalType, n.PrincipalID)
		}
		seen[who] = true
		for _, permission := range n.Permissions {
			if !grantableOn(resourceType, permission) {
				return identity.Invalidf("bad_request", "%q is not a role or permission that can be granted on a resource of the type %s; check its spelling", permission, resourceType)
			}
		}
	}
	return nil
}

func grantableOn(resourceType, permission string) bool {
	return slices.Contains(projectPermissions, permission) ||
		resourceType == resourceOrganization && slices.Contains(organizationPermissions, permission)
}

// namedPrincipal identifies whom something is granted to.
type namedPrincipal struct{ Type, ID string }

// grantable refuses principals that are neither members nor groups of the
// organization.
func grantable(ctx context.Context, r *store.Read, organizationID string, n NamedGrant) error {
	if n.PrincipalType == principalGroup {
		_, err := r.Group(ctx, organizationID, n.PrincipalID)
		return err
	}
	_, err := r.Member(ctx, organizationID, n.PrincipalID)
	return err
}

// grantChange is what one principal held and will hold.
type grantChange struct {
	namedPrincipal
	before, after []string
}

func (c grantChange) principal() string { return c.Type + ":" + c.ID }

// changed are the permissions that are gained or lost.
func (c grantChange) changed() []string {
	lost := slices.DeleteFunc(slices.Clone(c.before), func(permission string) bool { return slices.Contains(c.after, permission) })
	gained := slices.DeleteFunc(slices.Clone(c.after), func(permission string) bool { return slices.Contains(c.before, permission) })
	return append(lost, gained...)
}

func (c grantChange) grant(organizationID string, res Resource) identity.Grant {
	return identity.Grant{
		OrganizationID: organizationID, ResourceType: res.Type, ResourceID: res.ID,
		PrincipalType: c.Type, PrincipalID: c.ID, Permissions: c.after,
	}
}

// planGrants computes the changes that an operation makes to what is stored,
// in the order of the principals; principals that keep what they hold are not
// in it.
func planGrants(operation string, stored []identity.Grant, named []NamedGrant) []grantChange {
	changes := map[namedPrincipal]grantChange{}
	for _, g := range stored {
		who := namedPrincipal{g.PrincipalType, g.PrincipalID}
		c := grantChange{who, g.Permissions, g.Permissions}
		if operation == operationReplace {
			c.after = []string{}
		}
		changes[who] = c
	}
	for _, n := range named {
		who := namedPrincipal{n.PrincipalType, n.PrincipalID}
		c, known := changes[who]
		if !known {
			c = grantChange{who, []string{}, []string{}}
		}
		c.after = operate(operation, c.before, n.Permissions)
		changes[who] = c
	}
	list := []grantChange{}
	for _, c := range changes {
		if !sameSet(c.before, c.after) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b grantChange) int {
		if a.principal() < b.principal() {
			return -1
		}
		return 1
	})
	return list
}

// operate applies an operation to one principal's permissions. The order is
// that of the request; nothing is there twice.
func operate(operation string, held, named []string) []string {
	result := []string{}
	if operation == OperationGrant || operation == OperationRevoke {
		result = append(result, held...)
	}
	if operation == OperationRevoke {
		return slices.DeleteFunc(result, func(permission string) bool { return slices.Contains(named, permission) })
	}
	for _, permission := range named {
		if !slices.Contains(result, permission) {
			result = append(result, permission)
		}
	}
	return result
}

func sameSet(a, b []string) bool {
	set := func(list []string) map[string]bool {
		m := map[string]bool{}
		for _, v := range list {
			m[v] = true
		}
		return m
	}
	return maps.Equal(set(a), set(b))
}
