package access

import (
	"slices"
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
	// Member, Resource, Admin and SuperAdmin. Empty: none.
	Permission string
	// Person refuses application users.
	Person bool
	// Fresh refuses sessions of people who did not log in a short time ago.
	// Tokens pass unless Session is set too.
	Fresh bool
	// Session refuses everything but sessions: the action needs a person.
	Session bool
	// Unconfirmed lets people in whose e-mail address is not confirmed yet:
	// they may confirm it, ask for another mail, and log out.
	Unconfirmed bool
}

// Levels that are not the name of a permission.
const (
	Member = "member"
	// Resource lets members pass whose standing depends on a unit or project
	// that the path or the body names: the use case looks up what they hold
	// there and refuses all others, admins of the organization never.
	Resource   = "resource"
	Admin      = "admin"
	SuperAdmin = "super_admin"
)

// IntrospectPermission is what a route needs whose caller asks about other
// credentials.
const IntrospectPermission = identity.IntrospectPermission

// covered is rule 19: do scopes, roles and permissions cover the action?
func (n Need) covered(p *identity.Principal) bool {
	for _, s := range n.Scopes {
		if !identity.ScopesCover(p.Token.Scopes, s) {
			return false
		}
	}
	switch n.Permission {
	case "", Member, Resource:
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
	if !n.Unconfirmed && !p.User.Application && p.User.EmailConfirmed.IsZero() {
		return identity.Forbiddenf("email_not_confirmed", "confirm your e-mail address first: open the link that was mailed to %s, or ask for another with `sallyport user verify-email --resend`", p.User.Email)
	}
	if n.Person && p.User.Application {
		return identity.Forbiddenf("action_forbidden_for_application_users", "application users cannot do this; a person has to, from a login of their own")
	}
	if n.Session {
		if err := p.DemandSession(); err != nil {
			return err
		}
	}
	if n.Fresh && p.Token.Kind == policy.Session && !p.Fresh(now) {
		return p.NotFresh()
	}
	return nil
}
