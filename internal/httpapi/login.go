package httpapi

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/login"
)

// deviceCookie remembers a device from which somebody logged in fully, so that
// guesses of strangers do not slow their next login down. It opens nothing.
const deviceCookie = "__Host-sallyport_device"

// maxTypedCode leaves room for a recovery code and the spaces people type into
// codes.
const maxTypedCode = 40

func (a *API) loginRoutes() []route {
	const tag = "login"
	change := access.Need{Scopes: []string{"user:write", "authentication:write"}, Person: true, Session: true}
	return []route{
		{
			method: "POST", path: "/v1/userauth", id: "UserAuth", tag: tag, summary: "Log in with an e-mail address and a password",
			anonymous: true, status: 200, event: "login",
			fields: fields{"email": {required: true}, "password": {required: true}, "otp": {max: maxTypedCode}, "tenant": {max: 64}}, handler: write(a.userAuth),
		},
		{
			method: "POST", path: "/v1/userauth/login_options", id: "UserAuthLoginOptions", tag: tag, summary: "List the ways to log in with an e-mail address; they follow from its domain alone",
			anonymous: true, status: 200, fields: fields{"email": {max: 254}}, handler: write(a.loginOptions),
		},
		{
			method: "POST", path: "/v1/userauth/exchange", id: "UserAuthExchange", tag: tag, summary: "Fetch the session that was allowed in a browser (RFC 7636)",
			anonymous: true, status: 200, event: "login", own: true,
			fields: fields{"code": {required: true, max: 64}, "code_verifier": {required: true, max: 128}}, handler: write(a.exchange),
		},
		{
			method: "POST", path: "/v1/userauth/device_confirmation", id: "UserDeviceConfirmationRequest", tag: tag, summary: "Ask for a mail to confirm a device with; the answer is always the same",
			anonymous: true, status: 200, event: "device_confirmation_requested", own: true,
			fields: fields{"email": {required: true}}, handler: write(a.requestDevice),
		},
		{
			method: "POST", path: "/v1/userauth/device_confirmation/{verification_code}", id: "UserDeviceConfirm", tag: tag, summary: "Confirm this device with a mailed code; it comes as a cookie",
			anonymous: true, status: 200, event: "device_confirmed", own: true, handler: read(a.confirmDevice),
		},
		{
			method: "POST", path: "/v1/me/logout", id: "UserLogout", tag: tag, summary: "End the presented token",
			need:   access.Need{Unconfirmed: true},
			status: 200, event: "logout", handler: read(a.logout),
		},
		{
			method: "POST", path: "/v1/me/expire_tokens", id: "UserExpireTokens", tag: tag, summary: "End all your sessions and personal tokens",
			need:   access.Need{Scopes: []string{"user:write", "authentication:write"}, Person: true},
			status: 200, event: "tokens_expired", handler: read(a.expireTokens),
		},
		{
			method: "PUT", path: "/v1/me/password", id: "UserPasswordChange", tag: tag, summary: "Change your password; ends all sessions and tokens and answers a new session",
			need: change, status: 200, event: "password_changed",
			fields: fields{"password": {required: true}, "new_password": {required: true}}, handler: write(a.changePassword),
		},
		{
			method: "POST", path: "/v1/user/password_reset/{verification_code}", id: "UserPasswordReset", tag: tag, summary: "Set a password with a one-time code",
			anonymous: true, status: 200, event: "password_reset",
			fields: fields{"new_password": {required: true}}, handler: write(a.resetPassword),
		},
		{
			method: "POST", path: "/v1/user/password_strength", id: "CheckPasswordStrengthNewUser", tag: tag, summary: "Judge the password of a user to come",
			anonymous: true, status: 200,
			fields: fields{"password": {required: true}, "email": {max: 254}, "real_name": {max: 256}}, handler: write(a.passwordStrength),
		},
		{
			method: "POST", path: "/v1/me/password_strength", id: "CheckPasswordStrengthExistingUser", tag: tag, summary: "Judge a new password of yours",
			need: access.Need{Person: true}, status: 200,
			fields: fields{"old_password": {required: true}, "new_password": {required: true}}, handler: write(a.ownPasswordStrength),
		},
		{
			method: "PUT", path: "/v1/me/2fa", id: "TwoFactorAuthConfigure", tag: tag, summary: "Begin to enable the second factor, or disable it",
			need: change, status: 200, event: "two_factor_offered",
			fields: fields{"method": {max: 32}, "password": {required: true}, "otp": {max: maxTypedCode}}, handler: raw[sallyport.TwoFactorRequest](a.configureTwoFactor),
		},
		{
			method: "PUT", path: "/v1/me/2fa/otp", id: "TwoFactorAuthConfigureOTP", tag: tag, summary: "Enable the second factor that was offered; answers a new session",
			need: change, status: 200, event: "two_factor_enabled",
			fields:  fields{"password": {required: true}, "uri": {required: true, max: 2048}, "otp": {required: true, max: maxTypedCode}},
			handler: write(a.confirmTwoFactor),
		},
	}
}

func (a *API) userAuth(ctx context.Context, c *Call, in sallyport.UserAuthRequest) (sallyport.UserAuth, error) {
	out, err := a.Login.Login(ctx, login.In{
		Email: in.Email, Password: in.Password, OTP: in.OTP, Device: c.Cookie(deviceCookie),
		Client: c.Client(), Socket: c.Address.Socket, Chain: c.Address.Chain, UserAgent: c.UserAgent, RequestID: c.RequestID,
	})
	if err != nil {
		return sallyport.UserAuth{}, err
	}
	c.SetCookie(rememberDevice(out.Device, out.DeviceExpires))
	return sallyport.UserAuth{Token: out.Token, State: out.User.State, UserEmail: out.User.Email}, nil
}

func (a *API) loginOptions(ctx context.Context, c *Call, in sallyport.LoginOptionsRequest) (out sallyport.LoginOptions, err error) {
	list, err := a.Login.Options(ctx, c.caller(), in.Email)
	if err != nil {
		return out, err
	}
	out.All = wireList(list, loginOption)
	out.LoginOption = out.All[0] // there always is one
	return out, nil
}

func loginOption(o login.Option) sallyport.LoginOption {
	return sallyport.LoginOption{Action: o.Action, Method: o.Method, Name: o.Name, RedirectURL: nullable(o.RedirectURL)}
}

func (a *API) exchange(ctx context.Context, c *Call, in sallyport.ExchangeRequest) (sallyport.UserAuth, error) {
	out, err := a.Login.Exchange(ctx, c.caller(), in.Code, in.CodeVerifier, c.Cookie(deviceCookie))
	if err != nil {
		return sallyport.UserAuth{}, err
	}
	c.SetCookie(rememberDevice(out.Device, out.DeviceExpires))
	return sallyport.UserAuth{Token: out.Token, State: out.User.State, UserEmail: out.User.Email}, nil
}

func (a *API) requestDevice(ctx context.Context, c *Call, in sallyport.DeviceConfirmationRequest) (sallyport.Message, error) {
	err := a.Login.RequestDevice(ctx, c.caller(), in.Email)
	return sallyport.Message{Message: "If this address has an account, a mail says how to confirm this device."}, err
}

func (a *API) confirmDevice(ctx context.Context, c *Call) (sallyport.DeviceConfirmation, error) {
	device, err := a.Login.ConfirmDevice(ctx, c.caller(), c.Path("verification_code"))
	if err != nil {
		return sallyport.DeviceConfirmation{}, err
	}
	c.SetCookie(rememberDevice(device.Value, device.Expires))
	return sallyport.DeviceConfirmation{UserEmail: device.Email}, nil
}

func rememberDevice(value string, expires time.Time) *http.Cookie {
	return &http.Cookie{
		Name: deviceCookie, Value: value, Path: "/", Expires: expires,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func (a *API) logout(ctx context.Context, c *Call) (sallyport.Message, error) {
	return sallyport.Message{Message: "The token has ended."}, a.Login.Logout(ctx, c.Principal)
}

func (a *API) expireTokens(ctx context.Context, c *Call) (sallyport.Message, error) {
	message, err := a.Login.ExpireTokens(ctx, c.Principal)
	return sallyport.Message{Message: message}, err
}

func (a *API) changePassword(ctx context.Context, c *Call, in sallyport.PasswordChange) (sallyport.NewToken, error) {
	token, err := a.Login.ChangePassword(ctx, c.Principal, in.Password, in.NewPassword)
	return sallyport.NewToken{Token: token}, err
}

func (a *API) resetPassword(ctx context.Context, c *Call, in sallyport.PasswordReset) (sallyport.Message, error) {
	err := a.Login.ResetPassword(ctx, c.caller(), c.Path("verification_code"), in.NewPassword)
	return sallyport.Message{Message: "The password is set. Log in with it."}, err
}

func (a *API) passwordStrength(_ context.Context, c *Call, in sallyport.PasswordStrengthRequest) (out sallyport.PasswordStrengthAnswer, err error) {
	v, err := a.Login.Strength(c.Client(), in.Email, in.RealName, in.Password)
	out.PasswordStrength = sallyport.PasswordStrength{Score: v.Score, Message: v.Message, IsAcceptable: v.Acceptable}
	return out, err
}

func (a *API) ownPasswordStrength(ctx context.Context, c *Call, in sallyport.PasswordStrengthChange) (out sallyport.PasswordStrengthAnswer, err error) {
	v, err := a.Login.OwnStrength(ctx, c.Principal, in.NewPassword)
	out.PasswordStrength = sallyport.PasswordStrength{Score: v.Score, Message: v.Message, IsAcceptable: v.Acceptable}
	return out, err
}

// configureTwoFactor reads the body itself: a method that is null switches the
// second factor off, one that is missing is a mistake.
func (a *API) configureTwoFactor(ctx context.Context, c *Call, body []byte) (sallyport.TwoFactor, error) {
	members := map[string]jsontext.Value{}
	var in sallyport.TwoFactorRequest
	if err := json.Unmarshal(body, &members); err != nil {
		return sallyport.TwoFactor{}, badJSON(err)
	}
	if _, there := members["method"]; !there {
		return sallyport.TwoFactor{}, badRequest(`the field "method" is missing from the request body`)
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return sallyport.TwoFactor{}, badJSON(err)
	}
	offer, err := a.Login.ConfigureTwoFactor(ctx, c.Principal, &in.Method, in.Password, in.OTP)
	return sallyport.TwoFactor{Method: offer.Method, URI: offer.URI, QRCode: base64.StdEncoding.EncodeToString(offer.QRCode)}, err
}

func (a *API) confirmTwoFactor(ctx context.Context, c *Call, in sallyport.TwoFactorConfirm) (sallyport.TwoFactorEnabled, error) {
	on, err := a.Login.ConfirmTwoFactor(ctx, c.Principal, in.Password, in.URI, in.OTP)
	return sallyport.TwoFactorEnabled{Method: login.MethodOTP, Token: on.Token, RecoveryCodes: append([]string{}, on.RecoveryCodes...)}, err
}
