package httpapi

import (
	"context"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/login"
)

func (a *API) signUpRoutes() []route {
	const tag = "login"
	return []route{
		{
			method: "POST", path: "/v1/user", id: "UserCreate", tag: tag, summary: "Sign up; the answer is the same when the address has an account already",
			anonymous: true, status: 200, event: "user_created",
			fields:  fields{"email": {required: true}, "real_name": {required: true, max: identity.MaxRealName}, "tenant": {max: 64}},
			handler: write(a.signUp),
		},
		{
			method: "POST", path: "/v1/user/verify_email/{verification_code}", id: "UserVerifyEmail", tag: tag, summary: "Confirm an e-mail address with a mailed code",
			anonymous: true, status: 200, event: "email_confirmed", handler: read(a.verifyEmail),
		},
		{
			method: "POST", path: "/v1/me/verify_email", id: "UserVerifyEmailResend", tag: tag, summary: "Ask for another mail to confirm your e-mail address",
			need:   access.Need{Scopes: []string{"user:write", "authentication:write"}, Person: true, Session: true, Unconfirmed: true},
			status: 200, event: "email_confirmation_requested", own: true, handler: read(a.resendConfirmation),
		},
		{
			method: "POST", path: "/v1/me/verify_email/{verification_code}", id: "UserVerifyOwnEmail", tag: tag, summary: "Confirm your e-mail address with a mailed code; an address whose domain lapsed is confirmed by nothing else",
			need:   access.Need{Scopes: []string{"user:write", "authentication:write"}, Person: true, Session: true, Unconfirmed: true},
			status: 200, event: "email_confirmed", own: true, handler: read(a.verifyOwnEmail),
		},
		{
			method: "POST", path: "/v1/user/password_reset_request", id: "UserPasswordResetRequest", tag: tag, summary: "Ask for a mail to set a new password with; the answer is always the same",
			anonymous: true, status: 200, event: "password_reset_requested",
			fields: fields{"email": {required: true}}, handler: write(a.requestReset),
		},
	}
}

func (a *API) signUp(ctx context.Context, c *Call, in sallyport.CreateUser) (sallyport.UserAuth, error) {
	out, err := a.Login.SignUp(ctx, login.SignUp{Email: in.Email, RealName: in.RealName, Password: in.Password, From: c.caller()})
	return sallyport.UserAuth{Token: out.Token, State: identity.StateActive, UserEmail: out.Email}, err
}

// caller is where the request comes from.
func (c *Call) caller() login.Caller {
	return login.Caller{Client: c.Client(), Socket: c.Address.Socket, Chain: c.Address.Chain, UserAgent: c.UserAgent, RequestID: c.RequestID}
}

func (a *API) verifyEmail(ctx context.Context, c *Call) (out sallyport.VerifiedEmail, err error) {
	out.InviteDetails.UserEmail, err = a.Login.ConfirmEmail(ctx, c.caller(), c.Path("verification_code"))
	return out, err
}

func (a *API) verifyOwnEmail(ctx context.Context, c *Call) (out sallyport.VerifiedEmail, err error) {
	out.InviteDetails.UserEmail, err = a.Login.ConfirmOwnEmail(ctx, c.Principal, c.caller(), c.Path("verification_code"))
	return out, err
}

func (a *API) resendConfirmation(ctx context.Context, c *Call) (sallyport.Message, error) {
	return sallyport.Message{Message: "A mail is on its way to you. It confirms your e-mail address."}, a.Login.ResendConfirmation(ctx, c.Principal)
}

func (a *API) requestReset(ctx context.Context, c *Call, in sallyport.PasswordResetRequest) (sallyport.Message, error) {
	err := a.Login.RequestReset(ctx, c.caller(), in.Email)
	return sallyport.Message{Message: "If this address has an account, a mail says how to go on."}, err
}
