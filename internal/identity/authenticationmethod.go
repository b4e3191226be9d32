package identity

import "time"

// Types of an organization's authentication method.
const (
	MethodTypeSAML = "saml"
	MethodTypeOIDC = "oidc"
)

// States of an authentication method.
const (
	MethodPending = "pending_configuration" // something it needs is not set yet
	MethodActive  = "active"
	MethodDeleted = "deleted"
)

// Limits and default of how long sessions live that a method made.
const (
	MinMethodTokenAge     = 300 * time.Second
	MaxMethodTokenAge     = 1296000 * time.Second
	DefaultMethodTokenAge = 36000 * time.Second
)

// AuthenticationMethod is an identity provider that an organization registered
// for its people.
type AuthenticationMethod struct {
	ID             string // am + 11 hex digits
	OrganizationID string
	AccountID      string // the organization's root account
	Name           string
	Type           string // MethodTypeSAML or MethodTypeOIDC
	// Enabled: logins with it give access to what is the organization's.
	// Without it people still log in and reach their own things.
	Enabled bool
	State   string // MethodPending, MethodActive or MethodDeleted
	// TokenMaxAge is how long its sessions live, MinMethodTokenAge to
	// MaxMethodTokenAge; kept in whole seconds.
	TokenMaxAge time.Duration
	TokenExtend bool // use extends a session by TokenMaxAge
	// AutoJoinGroupID is a group for those who sign up with it; empty: none.
	AutoJoinGroupID string
	Config          string // JSON object of the type's own settings, none of them secret
	Secret          string // sealed: client secret, private keys; empty: none
	Created         time.Time
	Updated         time.Time
	Deleted         time.Time // zero: it is there
}
