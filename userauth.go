package sallyport

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// UserAuthRequest is the body of POST /v1/userauth, a login by e-mail and
// password.
type UserAuthRequest struct {
	Email    string `json:"email"`           // at most 254 bytes
	Password string `json:"password"`        // at most 256 characters
	OTP      string `json:"otp,omitzero"`    // six digits or a recovery code; empty means none was given
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

// VerifiedEmail is the answer of POST /v1/user/verify_email/{code} and of
// POST /v1/me/verify_email/{code}.
type VerifiedEmail struct {
	InviteDetails struct {
		UserEmail string `json:"user_email"` // the address that is confirmed
	} `json:"invite_details"`
}

// Message is the answer of calls that have nothing to return but a sentence.
type Message struct {
	Message string `json:"message"`
}

// Login logs in by e-mail and password and returns a session token. When a
// one-time code is missing the error is ErrSecondFactorNeeded.
//
// The device is what an earlier Login from this machine returned: with it the
// guesses of strangers do not slow down the owner's own login. Keep the one
// that is returned, also beside an error, for the next login of the same
// e-mail address at the same server; it is empty when the server sent none.
func (c *Client) Login(ctx context.Context, in UserAuthRequest, device string) (out UserAuth, newDevice string, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, "", fmt.Errorf("encode login: %w", err)
	}
	return c.logIn(ctx, "/v1/userauth", body, device)
}

// deviceCookie finds the server's device cookie and returns it as a Cookie
// header. Its name ends in "_device"; what is before follows the server's
// brand and whether it speaks TLS.
func deviceCookie(h http.Header) string {
	for _, cookie := range (&http.Response{Header: h}).Cookies() {
		if strings.HasSuffix(cookie.Name, "_device") && cookie.Value != "" {
			return cookie.Name + "=" + cookie.Value
		}
	}
	return ""
}

// CreateUser signs up and returns a session token. Until the mailed code has
// confirmed the address, the session is good for ResendVerification and Logout
// alone. When the address has an account already the answer is the same, and
// the token opens nothing.
func (c *Client) CreateUser(ctx context.Context, in CreateUser) (out UserAuth, err error) {
	anonymous := *c
	anonymous.Token = ""
	err = anonymous.call(ctx, http.MethodPost, []string{"v1", "user"}, nil, in, &out)
	return out, err
}

// VerifyEmail confirms an address with the code that was mailed to it, and
// returns the address. The error email_confirmation_needs_login asks for
// VerifyOwnEmail.
func (c *Client) VerifyEmail(ctx context.Context, code string) (string, error) {
	anonymous := *c
	anonymous.Token = ""
	var out VerifiedEmail
	err := anonymous.call(ctx, http.MethodPost, []string{"v1", "user", "verify_email", code}, nil, nil, &out)
	return out.InviteDetails.UserEmail, err
}

// VerifyOwnEmail is VerifyEmail for the caller's own address, which it asks for
// where the address was confirmed before and its domain changed hands since.
func (c *Client) VerifyOwnEmail(ctx context.Context, code string) (string, error) {
	var out VerifiedEmail
	err := c.call(ctx, http.MethodPost, []string{"v1", "me", "verify_email", code}, nil, nil, &out)
	return out.InviteDetails.UserEmail, err
}

// ResendVerification asks for another mail to confirm the caller's address,
// and returns the server's sentence about it.
func (c *Client) ResendVerification(ctx context.Context) (string, error) {
	var out Message
	err := c.call(ctx, http.MethodPost, []string{"v1", "me", "verify_email"}, nil, nil, &out)
	return out.Message, err
}

// Logout ends the token of this client.
func (c *Client) Logout(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, []string{"v1", "me", "logout"}, nil, nil, nil)
}

// ExpireTokens ends all sessions and personal tokens of the caller, that of
// this client included, and returns the server's sentence about it.
func (c *Client) ExpireTokens(ctx context.Context) (string, error) {
	var out Message
	err := c.call(ctx, http.MethodPost, []string{"v1", "me", "expire_tokens"}, nil, nil, &out)
	return out.Message, err
}
