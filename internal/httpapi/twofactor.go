package httpapi

import (
	"context"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
)

func (a *API) twoFactorRoutes() []route {
	const tag = "login"
	return []route{
		{
			method: "GET", path: "/v1/me/2fa", id: "TwoFactorGet", tag: tag, summary: "Show your second factor and how many recovery codes are left",
			need: access.Need{Scopes: []string{"user:read", "authentication:read"}, Person: true}, status: 200, own: true, handler: read(a.twoFactor),
		},
		{
			method: "POST", path: "/v1/me/2fa/recovery_codes", id: "TwoFactorRecoveryCodesRenew", tag: tag, summary: "Make new recovery codes; the older ones end",
			need:   access.Need{Scopes: []string{"user:write", "authentication:write"}, Person: true, Session: true, Fresh: true},
			status: 200, event: "recovery_codes_renewed", own: true, handler: read(a.renewRecoveryCodes),
		},
	}
}

func (a *API) twoFactor(ctx context.Context, c *Call) (sallyport.TwoFactorState, error) {
	s, err := a.Login.TwoFactor(ctx, c.Principal)
	return sallyport.TwoFactorState{Method: s.Method, RecoveryCodesLeft: s.RecoveryCodesLeft, Passkeys: s.Passkeys}, err
}

func (a *API) renewRecoveryCodes(ctx context.Context, c *Call) (sallyport.RecoveryCodes, error) {
	codes, err := a.Login.RenewRecoveryCodes(ctx, c.Principal)
	return sallyport.RecoveryCodes{RecoveryCodes: codes}, err
}
