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
	// OTP is a code of the authenticator or a recovery code, for disabling from
	// a session that did not use one in the last ten minutes.
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

// TwoFactorState is the answer of GET /v1/me/2fa.
type TwoFactorState struct {
	Method            string `json:"method"` // MethodOTP, "passkey", or "": no second factor
	RecoveryCodesLeft int64  `json:"recovery_codes_left"`
	Passkeys          int64  `json:"passkeys"` // those that can be used
}

// RecoveryCodes is the answer of POST /v1/me/2fa/recovery_codes.
type RecoveryCodes struct {
	RecoveryCodes []string `json:"recovery_codes"` // ten, each good once, shown this once
}

// TwoFactor returns what the caller has set up.
func (c *Client) TwoFactor(ctx context.Context) (out TwoFactorState, err error) {
	err = c.call(ctx, http.MethodGet, []string{"v1", "me", "2fa"}, nil, nil, &out)
	return out, err
}

// RenewRecoveryCodes makes new recovery codes; the older ones end.
func (c *Client) RenewRecoveryCodes(ctx context.Context) ([]string, error) {
	var out RecoveryCodes
	err := c.call(ctx, http.MethodPost, []string{"v1", "me", "2fa", "recovery_codes"}, nil, nil, &out)
	return out.RecoveryCodes, err
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
