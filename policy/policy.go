// Package policy decides whether a credential may be used, by the rules of one
// organization.
//
// Most callers need three things: [Parse], which reads a policy; [Facts],
// everything a decision depends on; and [Decide], which turns facts into a
// [Decision]. The decision carries every rule that refused, names the error
// for the wire, and says what the caller can do about it.
//
//	p, err := policy.Parse(stored)
//	if err != nil {
//		return err
//	}
//	d := policy.Decide(&policy.Facts{Now: now, Organization: id, Policy: &p, ...})
//	if shown := d.Visible(); !shown.Allowed() {
//		refuse(shown.Status(), shown.Code(), shown.Reasons(), shown.Remedy(&facts))
//	}
//
// Everything here is a pure function of its arguments: no clock, no I/O, no
// randomness. Live requests, the impact preview, the explanation of a past
// refusal and offline tests are therefore loops over the same Decide, and no
// other code compares a policy field with a credential.
//
// When something is missing or makes no sense, the answer is a refusal: the
// zero Facts, the zero Decision, an unreadable policy, an unknown address and
// an unknown value of any enumeration all refuse.
package policy

import (
	"net/netip"
	"time"
)

// Policy is the authentication policy of one organization (spec section 2).
// The zero value is not a usable policy: it refuses everything a method rule
// can refuse. Start from Default, or read one with Parse.
type Policy struct {
	PasswordEnabled   bool
	TwoFactorRequired bool
	OAuthEnabled      bool
	OAuthProviders    Providers
	SAMLEnabled       bool
	SAMLAllowExternal bool
	PasskeyEnabled    bool

	PersonalTokensEnabled              bool
	PersonalTokensManagedUsersEnabled  bool
	PersonalTokensRequireAllowedMethod bool
	MCPEnabled                         bool

	// The longest lifetimes; zero means that the organization sets none.
	MaxPersonalTokenAge    time.Duration
	MaxApplicationTokenAge time.Duration
	SessionMaxAge          time.Duration
	SessionIdle            time.Duration

	Ranges Ranges
}

// Default is the policy of a new organization: every login method is allowed,
// nothing is limited, and agents' access tokens (MCP) are off.
func Default() Policy {
	return Policy{
		PasswordEnabled:                   true,
		OAuthEnabled:                      true,
		OAuthProviders:                    AllProviders,
		SAMLEnabled:                       true,
		SAMLAllowExternal:                 true,
		PasskeyEnabled:                    true,
		PersonalTokensEnabled:             true,
		PersonalTokensManagedUsersEnabled: true,
	}
}

// Ranges are the addresses an organization is reached from.
type Ranges struct {
	Enabled bool
	List    []Range
}

// Range is one prefix with the words its author gave it.
type Range struct {
	Prefix      netip.Prefix
	Description string
}

// Providers is a set of third-party login providers.
type Providers uint8

// The third-party providers.
const (
	Google Providers = 1 << iota
	Microsoft
	GitHub
	AllProviders = Google | Microsoft | GitHub
)

// Method is how somebody proved who they are.
type Method uint8

// The authentication methods. MethodNone is that of application and SCIM
// tokens, which were not born from a login.
const (
	MethodNone Method = iota
	MethodPassword
	MethodGoogle
	MethodMicrosoft
	MethodGitHub
	MethodPasskey
	MethodSAML
	MethodOIDC
)

// CredentialKind is what was presented.
type CredentialKind uint8

// The kinds of credential. CredentialNone is a login: nothing is presented yet.
const (
	CredentialNone CredentialKind = iota
	Session
	PersonalToken
	ApplicationToken
	SCIMToken
)

// PrincipalKind is who a credential belongs to.
type PrincipalKind uint8

// The kinds of principal.
const (
	User PrincipalKind = iota
	ApplicationUser
)

// State is the state of a principal.
type State uint8

// The states of a principal.
const (
	Active State = iota
	Deactivated
	Deleted
)

// Action is what the credential is used for.
type Action uint8

// The actions.
const (
	Access Action = iota
	Login
	CreatePersonalToken
)

// Authentication is how and when the owner of a credential proved who they
// are. A personal token keeps that of the session it was made with.
type Authentication struct {
	Method Method
	// Provider and ProviderOrganization are set for MethodSAML and MethodOIDC.
	Provider             string
	ProviderOrganization string
	SecondFactor         bool
	At                   time.Time
}

// Credential is what is known of the presented credential.
type Credential struct {
	Kind CredentialKind
	// Unknown is true when no such credential exists, or it is malformed.
	Unknown        bool
	Authentication Authentication
	// ProviderOff says that Authentication.Provider is one of the accessed
	// organization, and is switched off or deleted there: people still log in
	// with one that is off, which opens nothing of the organization.
	ProviderOff bool
	Addresses   []netip.Prefix // its own allow-list; empty: no restriction
	Created     time.Time
	Expires     time.Time // zero: never
	Revoked     bool
	LastUsed    time.Time // zero: never
	// BreakGlass names the organization for which an operator's recover
	// command made this session: there it passes every rule after 3. It has
	// no effect on any other kind of credential, so that nothing made with
	// the session inherits its power.
	BreakGlass string
}

// Principal is what is known of the credential's owner.
type Principal struct {
	Kind                 PrincipalKind
	State                State
	ManagingOrganization string // empty: not a managed user
	Member               bool   // of the organization being accessed
	SecondFactorSetUp    bool
	ValidFrom            time.Time // token_validity_begin: credentials created at or before it are void
}

// Facts are all that a decision depends on (spec section 1).
type Facts struct {
	Action Action
	Now    time.Time
	// Client is the caller's address after trusted-proxy handling; the zero
	// Addr is an unknown address, which no range contains.
	Client     netip.Addr
	Credential Credential
	Principal  Principal

	// Organization is the organization being accessed; for Login and
	// CreatePersonalToken the managing organization. Empty when no
	// organization is concerned, as in the user's own profile: then only
	// rules 1 to 5, 11 and 19 apply, and Policy is nil.
	Organization string
	// Policy is that of Organization. Nil with a non-empty Organization is a
	// policy that could not be read: it refuses everything (rule 0) but the
	// operator's recover session.
	Policy *Policy
	// Memberships are the policies of every organization of the user; used by
	// rule 11 alone. A nil element is a policy that could not be read, and
	// counts as one that has personal tokens off.
	Memberships []*Policy
	// Covered is whether scopes, roles and permissions cover the action (rule 19).
	Covered bool
}
