package sallyport

import "time"

// ApplicationUser is a member of one organization for programs: it has tokens
// and cannot log in.
type ApplicationUser struct {
	UserID       string    `json:"user_id"`
	Name         string    `json:"name"`
	UserEmail    string    `json:"user_email"`     // made by the server, receives no mail
	IsSuperAdmin bool      `json:"is_super_admin"` // always false
	CreateTime   time.Time `json:"create_time"`
}

// ApplicationUserList is the answer of GET
// /v1/organization/{organization_id}/application-users.
type ApplicationUserList struct {
	ApplicationUsers []ApplicationUser `json:"application_users"` // never null
}

// ApplicationUserRequest is the body that creates (POST) and renames (PATCH)
// an application user.
type ApplicationUserRequest struct {
	Name string `json:"name"`
	// IsSuperAdmin may be false; true is refused.
	IsSuperAdmin *bool `json:"is_super_admin,omitzero"`
}

// CreatedApplicationToken is the answer that creates a token of an
// application user. The request is CreateToken, the list TokenList.
type CreatedApplicationToken struct {
	FullToken   string `json:"full_token"` // shown once, never again
	TokenPrefix string `json:"token_prefix"`
}
