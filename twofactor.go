package sallyport

import (
	"context"
	"net/http"
)

// MethodOTP is the second factor by one-time codes (TOTP, RFC 6238).
const MethodOTP = "otp"

// TwoFactorRequest is the body of PUT /v1/me/2fa.
type TwoFactorRequest struct {
	Method   string `json:"method"`   // MethodOTP to begin enabling; "" or "none" to disable
	Password string `json:"password"` // the current one
	// OTP is a code of the authenticator, for disabling from a session that
	// did not use it in the last ten minutes.
	OTP string `json:"otp,omitzero"`
}

// TwoFactor is the answer of PUT /v1/me/2fa. URI and QRCode come only when
// enabling; nothing is enabled until the code of that URI has been confirmed.
type TwoFactor struct {
	Method string `json:"method"`
	URI    string `json:"uri,omitzero"`    // otpauth://totp/..., a secret, at most 2048 bytes
	QRCode string `json:"qrcode,omitzero"` // the URI as a PNG image, base64
}

// TwoFactorConfirm is the body of PUT /v1/me/2fa/otp, the second step of
// enabling.
type TwoFactorConfirm struct {
	Password string `json:"password"`
	URI      string `json:"uri"` // as PUT /v1/me/2fa answered it
	OTP      string `json:"otp"` // six digits
}

// TwoFactorEnabled is the answer of PUT /v1/me/2fa/otp.
type TwoFactorEnabled struct {
	Method string `json:"method"`
	Token  string `json:"token"` // a new session token
	// RecoveryCodes stand in for the authenticator, each once; they are shown
	// this once. Empty where there are some already from another factor.
	RecoveryCodes []string `json:"recovery_codes"`
}

// ConfigureTwoFactor begins to enable the second factor, or disables it.
func (c *Client) ConfigureTwoFactor(ctx context.Context, in TwoFactorRequest) (out TwoFactor, err error) {
	err = c.call(ctx, http.MethodPut, []string{"v1", "me", "2fa"}, nil, in, &out)
	return out, err
}

// ConfirmTwoFactor enables the second factor that ConfigureTwoFactor offered
// and returns a new session token; personal tokens made after a login by
// password end.
func (c *Client) ConfirmTwoFactor(ctx context.Context, in TwoFactorConfirm) (out TwoFactorEnabled, err error) {
	err = c.call(ctx, http.MethodPut, []string{"v1", "me", "2fa", "otp"}, nil, in, &out)
	return out, err
}
