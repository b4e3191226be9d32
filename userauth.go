package sallyport

// UserAuthRequest is the body of POST /v1/userauth, a login by e-mail and
// password.
type UserAuthRequest struct {
	Email    string `json:"email"`           // at most 254 bytes
	Password string `json:"password"`        // at most 256 characters
	OTP      string `json:"otp,omitzero"`    // six digits; empty means none was given
	Tenant   string `json:"tenant,omitzero"` // accepted and ignored
}

// UserAuth is the answer to a login: a session token. When the password is
// right and a one-time code is missing the answer is status 510 instead, see
// ErrSecondFactorNeeded.
type UserAuth struct {
	Token     string `json:"token"`
	State     string `json:"state"` // state of the user, "active"
	UserEmail string `json:"user_email"`
}

// CreateUser is the body of POST /v1/user, a sign-up.
type CreateUser struct {
	Email    string `json:"email"`             // at most 254 bytes
	RealName string `json:"real_name"`         // at most 256 characters
	Password string `json:"password,omitzero"` // at most 256 characters
	Tenant   string `json:"tenant,omitzero"`   // accepted and ignored
}

// Message is the answer of calls that have nothing to return but a sentence.
type Message struct {
	Message string `json:"message"`
}
