package identity

import "time"

// PolicyVersion is one policy that an organization has had, its ranges
// included.
type PolicyVersion struct {
	OrganizationID string
	Version        int64
	Policy         string // as it was stored; read it with policy.Parse
	Action         string // of the event of the change; empty: before versions were kept
	Actor          Actor  // without credential, address and request
	Created        time.Time
}
