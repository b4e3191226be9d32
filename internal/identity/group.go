package identity

import "time"

// Limits on user groups, in characters (code points).
const (
	MaxGroupName        = 128
	MaxGroupDescription = 4096
	MaxGroupChange      = 1024 // users in one change of a group's members
)

// Group is a user group: permissions granted to it reach all its members.
type Group struct {
	ID             string // ug + 11 hex digits
	OrganizationID string
	Name           string // unique in the organization
	Description    string
	ManagedBySCIM  bool  // an identity provider keeps it; edits are refused
	Members        int64 // how many; set in lists only
	Created        time.Time
	Updated        time.Time
}
