package access

import (
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// Need is what a route asks of its caller, beside a live credential.
type Need struct {
	// Scopes are the published names of which all are needed; a token without
	// scopes has all of them.
	Scopes []string
	// Permission on the accessed organization: a permission's name, or one of
	// Member, Admin and SuperAdmin. Empty: none.
	Permission string
	// Person refuses application users.
	Person bool
	// Fresh refuses sessions of people who did not log in a short time ago.
	// Tokens pass unless Session is set too.
	Fresh bool
	// Session refuses everything but sessions: the action needs a person.
	Session bool
}

// Levels that are not the name of a permission.
const (
	Member     = "member"
	Admin      = "admin"
	SuperAdmin = "super_admin"
)

// IntrospectPermission lets an application user ask about other credentials.
// As a scope of a token it grants the same, because only an admin can put it
// there (ADR 0008).
const IntrospectPermission = "organization:tokens:introspect"

// Scopes are the published names by which a token can be narrowed.
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

// covered is rule 19: do scopes, roles and permissions cover the action?
func (n Need) covered(p *identity.Principal) bool {
	for _, s := range n.Scopes {
		if !ScopesCover(p.Token.Scopes, s) {
			return false
		}
	}
	switch n.Permission {
	case "", Member:
		return true
	case Admin:
		return p.Admin()
	case SuperAdmin:
		return p.SuperAdmin
	case IntrospectPermission:
		return p.Token.Kind == policy.ApplicationToken &&
			(slices.Contains(p.Token.Scopes, IntrospectPermission) || len(p.Token.Scopes) == 0 && p.May(IntrospectPermission))
	}
	return p.May(n.Permission)
}

// demand refuses callers that the policy accepts but that an action must not
// be done by.
func (n Need) demand(p *identity.Principal, now time.Time) error {
	if n.Person && p.User.Application {
		return identity.Forbiddenf("action_forbidden_for_application_users", "application users cannot do this; a person has to, from a login of their own")
	}
	if n.Session && p.Token.Kind != policy.Session {
		return identity.Forbiddenf("session_required", "a token cannot do this: log in with `sallyport user login` and repeat it from that session")
	}
	if n.Fresh && p.Token.Kind == policy.Session && !p.Fresh(now) {
		return NotFresh(p)
	}
	return nil
}

// NotFresh is the refusal of a sensitive action in a session that is too old
// for it.
func NotFresh(p *identity.Principal) error {
	remedy := "log in again and repeat it within 10 minutes"
	if p.User.SecondFactor && !p.Token.Authentication.SecondFactor && p.Token.Authentication.Method == policy.MethodPassword {
		remedy = "log in again with your second factor and repeat it within 10 minutes"
	}
	return &identity.Error{
		Kind: identity.Forbidden, Code: "fresh_login_required",
		Message:  "this needs a login of the last 10 minutes: " + remedy,
		Metadata: map[string]any{"remedy": remedy},
	}
}
