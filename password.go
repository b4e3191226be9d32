package sallyport

import (
	"context"
	"net/http"
)

// PasswordChange is the body of PUT /v1/me/password. All tokens and sessions
// of the user end with it.
type PasswordChange struct {
	Password    string `json:"password"`     // the current one
	NewPassword string `json:"new_password"` // 8 to 256 characters
}

// PasswordResetRequest is the body of POST /v1/user/password_reset_request.
type PasswordResetRequest struct {
	Email string `json:"email"` // at most 254 bytes
}

// PasswordReset is the body of POST /v1/user/password_reset/{code}.
type PasswordReset struct {
	NewPassword string `json:"new_password"` // 8 to 256 characters
}

// NewToken is the answer of calls that replace the caller's session.
type NewToken struct {
	Token string `json:"token"`
}

// PasswordStrengthRequest is the body of POST /v1/user/password_strength, for
// a password of somebody who has no account yet.
type PasswordStrengthRequest struct {
	Password string `json:"password"`
	Email    string `json:"email,omitzero"`
	RealName string `json:"real_name,omitzero"`
}

// PasswordStrengthChange is the body of POST /v1/me/password_strength.
type PasswordStrengthChange struct {
	OldPassword string `json:"old_password"`
	NewPassword string `json:"new_password"`
}

// PasswordStrength says how hard a password is to guess.
type PasswordStrength struct {
	Score        int    `json:"score"` // 0 (worst) to 4
	Message      string `json:"message"`
	IsAcceptable bool   `json:"is_acceptable"`
}

// PasswordStrengthAnswer wraps a PasswordStrength.
type PasswordStrengthAnswer struct {
	PasswordStrength PasswordStrength `json:"password_strength"`
}

// ChangePassword changes the caller's password. It ends all their tokens and
// sessions and returns the token of a new session.
func (c *Client) ChangePassword(ctx context.Context, in PasswordChange) (string, error) {
	var out NewToken
	err := c.call(ctx, http.MethodPut, []string{"v1", "me", "password"}, nil, in, &out)
	return out.Token, err
}

// RequestPasswordReset asks for a mail to set a new password with, and returns
// the server's sentence, which is the same whether or not somebody has the
// address.
func (c *Client) RequestPasswordReset(ctx context.Context, email string) (string, error) {
	anonymous := *c
	anonymous.Token = ""
	var out Message
	err := anonymous.call(ctx, http.MethodPost, []string{"v1", "user", "password_reset_request"}, nil, PasswordResetRequest{Email: email}, &out)
	return out.Message, err
}

// ResetPassword sets a new password with a mailed code, and returns the
// server's sentence about it. It logs nobody in.
func (c *Client) ResetPassword(ctx context.Context, code, password string) (string, error) {
	anonymous := *c
	anonymous.Token = ""
	var out Message
	err := anonymous.call(ctx, http.MethodPost, []string{"v1", "user", "password_reset", code}, nil, PasswordReset{NewPassword: password}, &out)
	return out.Message, err
}

// PasswordStrength judges the password of a user to come.
func (c *Client) PasswordStrength(ctx context.Context, in PasswordStrengthRequest) (PasswordStrength, error) {
	var out PasswordStrengthAnswer
	err := c.call(ctx, http.MethodPost, []string{"v1", "user", "password_strength"}, nil, in, &out)
	return out.PasswordStrength, err
}

// MyPasswordStrength judges a new password of the caller.
func (c *Client) MyPasswordStrength(ctx context.Context, in PasswordStrengthChange) (PasswordStrength, error) {
	var out PasswordStrengthAnswer
	err := c.call(ctx, http.MethodPost, []string{"v1", "me", "password_strength"}, nil, in, &out)
	return out.PasswordStrength, err
}
