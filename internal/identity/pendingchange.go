package identity

import "time"

// How long a change may wait for its confirmation.
const (
	MinConfirmTime = time.Minute
	MaxConfirmTime = 7 * 24 * time.Hour
)

// What a change that waits for its confirmation is about, as it is on the wire.
const (
	PendingPolicy          = "authentication_policy"
	PendingRanges          = "ip_allowlist"
	PendingPromotion       = "pilot_promotion"
	PendingProvider        = "identity_provider"
	PendingProviderRemoval = "identity_provider_removal" // off now, removed when it is confirmed
	PendingProviderDomain  = "identity_provider_domain"
	PendingDomainRemoval   = "domain_removal"
)

// PendingChange is a change that is in force, and undoes itself at its deadline
// unless it is confirmed.
type PendingChange struct {
	ID             string // chg + 11 hex digits
	OrganizationID string
	Kind           string
	Description    string // what was done, as its event says
	// Undo is the JSON of what brings the state before back; what it holds
	// follows from the kind. It is for the program alone.
	Undo      string
	CreatedBy string // the name of who made the change
	Created   time.Time
	Deadline  time.Time
}
