package identity

import (
	"slices"
	"strings"
)

// IntrospectPermission lets an application user ask about other credentials.
// As a scope of a token it grants the same, because only an admin can put it
// there (ADR 0008).
const IntrospectPermission = "organization:tokens:introspect"

// Scopes are the published names by which a token can be narrowed. A bare
// family name stands for the whole family.
var Scopes = []string{
	"all", "accounts", "accounts:read", "accounts:write", "authentication", "authentication:read", "authentication:write",
	"billing", "billing:read", "billing:write", "payments", "payments:read", "payments:write", "privatelink", "privatelink:read", "privatelink:write",
	"projects", "projects:read", "projects:write", "scim", "scim:read", "scim:write", "services", "services:read", "services:write",
	"static_ips", "static_ips:read", "static_ips:write", "tickets", "tickets:read", "tickets:write", "user", "user:read", "user:write",
	IntrospectPermission,
}

// ScopesCover says whether a token's scopes reach a wanted one. No scopes at
// all reach everything; a bare family name reaches the whole family.
func ScopesCover(held []string, wanted string) bool {
	if len(held) == 0 {
		return true
	}
	family, _, _ := strings.Cut(wanted, ":")
	return slices.Contains(held, wanted) || slices.Contains(held, "all") && wanted != IntrospectPermission || slices.Contains(held, family)
}
