package identity

import (
	"time"

	"github.com/sallyport/sallyport/policy"
)

// Limits of pilots.
const (
	MaxPilotName       = 83   // characters
	MaxPilots          = 20   // of one organization
	MaxPilotPrincipals = 1000 // users and groups that one names
)

// Pilot sets fields of an organization's policy for some people first.
type Pilot struct {
	ID             string // plt + 11 hex digits
	OrganizationID string
	Name           string
	// Change is the JSON object that is laid over the organization's policy,
	// ranges included, for those whom the pilot holds.
	Change    string
	Users     []string // ids of members that it names
	Groups    []string // ids of user groups that it names
	CreatedBy string   // the name of who made it
	Created   time.Time
	Updated   time.Time
}

// EffectivePolicy is what an organization's stored policy is for somebody whom
// a pilot holds; change is the pilot's, empty: none holds them. It is nil when
// there is none that could be read, which refuses (rule 0).
func EffectivePolicy(stored, change string) *policy.Policy {
	p, err := policy.Parse([]byte(stored))
	if err != nil {
		return nil
	}
	if change == "" {
		return &p
	}
	if p, err = policy.ParseOver(p, []byte(change)); err != nil || policy.Validate(p) != nil {
		return nil
	}
	return &p
}
