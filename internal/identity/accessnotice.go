package identity

import "time"

// AccessNotice is a change of a policy about which those are to be told whom it
// keeps out.
type AccessNotice struct {
	ID             int64
	OrganizationID string
	Change         string // what was done by whom, as the admins read it
	// Before and After are the policies, as they were stored.
	Before, After string
	At            time.Time
}
