package identity

import "time"

// Providers that everybody may log in with.
const (
	ProviderGoogle    = "google"
	ProviderMicrosoft = "microsoft"
	ProviderGitHub    = "github"
)

// ProviderUse is how much a provider is used to log in.
type ProviderUse struct {
	People    int64     // whom an identity there logs in
	LastLogin time.Time // zero: nobody logged in by it yet
}

// LinkedIdentity is an identity at a provider that logs a user in. At most one
// user has it at a time.
type LinkedIdentity struct {
	ID     string // uam + 11 hex digits
	UserID string
	// Provider is ProviderGoogle, ProviderMicrosoft, ProviderGitHub or the id
	// of an organization's authentication method.
	Provider       string
	OrganizationID string // of that method; empty for the others
	// Subject is what names the person at the provider and never changes there,
	// such as issuer and subject, or a numeric id. It is never an address.
	Subject        string
	PublicIdentity string // address or login name, for display only
	Created        time.Time
	Updated        time.Time
	LastUsed       time.Time // zero: never
	Deleted        time.Time // zero: it is linked
}
