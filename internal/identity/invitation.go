package identity

import "time"

// Invitation asks whoever reads mail at an address into an organization, as a
// plain member. There is one for an organization and an address.
type Invitation struct {
	OrganizationID string
	Email          string // canonical, see ParseEmail
	// InvitedBy is the user who sent it last. It counts only while they may
	// still invite.
	InvitedBy   string
	InviterName string // their name, or their address when they have none
	Created     time.Time
	Expires     time.Time // judged at use; the invitation stays until then and after
}
