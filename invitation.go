package sallyport

import "time"

// Invitation asks somebody into an organization by e-mail.
type Invitation struct {
	UserEmail  string    `json:"user_email"`
	InvitedBy  string    `json:"invited_by"` // a name
	CreateTime time.Time `json:"create_time"`
	ExpiryTime time.Time `json:"expiry_time"`
}

// InvitationList is the answer of GET
// /v1/organization/{organization_id}/invitation.
type InvitationList struct {
	Invitations []Invitation `json:"invitations"` // never null
}

// CreateInvitation is the body of POST on the same path.
type CreateInvitation struct {
	UserEmail string `json:"user_email"` // at most 254 bytes
}
