package httpapi

import (
	"context"
	"encoding/json"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

// maxFlow is longer than the secrets that name an attempt.
const maxFlow = 64

func (a *API) passkeyRoutes() []route {
	const tag = "login"
	scopes := []string{"user:write", "authentication:write"}
	change := access.Need{Scopes: scopes, Person: true, Session: true}
	fresh := access.Need{Scopes: scopes, Person: true, Session: true, Fresh: true}
	return []route{
		{
			method: "POST", path: "/v1/userauth/passkey/options", id: "UserAuthPasskeyOptions", tag: tag, summary: "Begin a login by a passkey (WebAuthn)",
			anonymous: true, status: 200, own: true, handler: read(a.passkeyChallenge),
		},
		{
			method: "POST", path: "/v1/userauth/passkey", id: "UserAuthPasskey", tag: tag, summary: "Log in with a passkey's answer",
			anonymous: true, status: 200, event: "login", own: true,
			fields: fields{"flow": {required: true, max: maxFlow}, "response": {required: true}}, handler: write(a.passkeyLogin),
		},
		{
			method: "GET", path: "/v1/me/passkeys", id: "UserPasskeyList", tag: tag, summary: "List your passkeys",
			need: access.Need{Scopes: []string{"user:read", "authentication:read"}, Person: true}, status: 200, own: true, handler: read(a.passkeys),
		},
		{
			method: "POST", path: "/v1/me/passkeys/options", id: "UserPasskeyOptions", tag: tag, summary: "Begin to register a passkey (WebAuthn)",
			need: fresh, status: 200, own: true, handler: read(a.offerPasskey),
		},
		{
			method: "POST", path: "/v1/me/passkeys", id: "UserPasskeyRegister", tag: tag, summary: "Register a passkey by its answer; the first second factor answers a new session",
			need: fresh, status: 200, event: "passkey_added", own: true,
			fields: fields{"registration": {required: true, max: maxFlow}, "name": {max: 128}, "response": {required: true}}, handler: write(a.registerPasskey),
		},
		{
			method: "PUT", path: "/v1/me/passkeys/{passkey_id}", id: "UserPasskeyRename", tag: tag, summary: "Rename one of your passkeys",
			need: change, status: 200, event: "passkey_renamed", own: true,
			fields: fields{"name": {required: true, max: 128}}, handler: write(a.renamePasskey),
		},
		{
			method: "DELETE", path: "/v1/me/passkeys/{passkey_id}", id: "UserPasskeyRemove", tag: tag, summary: "Remove one of your passkeys, with the sessions and tokens that came from it",
			need: fresh, status: 204, event: "passkey_removed", own: true, handler: do(a.removePasskey),
		},
	}
}

func (a *API) passkeyChallenge(ctx context.Context, c *Call) (sallyport.PasskeyChallenge, error) {
	flow, err := a.Login.BeginPasskey(ctx, c.caller(), c.Cookie(deviceCookie))
	return sallyport.PasskeyChallenge{Flow: flow.Secret, Options: json.RawMessage(flow.Passkey)}, err
}

func (a *API) passkeyLogin(ctx context.Context, c *Call, in sallyport.PasskeyLogin) (sallyport.UserAuth, error) {
	out, err := a.Login.FinishPasskey(ctx, c.caller(), in.Flow, in.Response)
	if err != nil {
		return sallyport.UserAuth{}, err
	}
	c.SetCookie(rememberDevice(out.Device, out.DeviceExpires))
	return sallyport.UserAuth{Token: out.Token, State: out.User.State, UserEmail: out.User.Email}, nil
}

func (a *API) passkeys(ctx context.Context, c *Call) (sallyport.PasskeyList, error) {
	list, err := a.Login.Passkeys(ctx, c.Principal)
	return sallyport.PasskeyList{Passkeys: wireList(list, passkeyOf)}, err
}

func passkeyOf(p identity.Passkey) sallyport.Passkey {
	state := "active"
	if !p.Live() {
		state = "suspended"
	}
	return sallyport.Passkey{
		PasskeyID: p.ID, Name: p.Name, State: state, BackedUp: p.BackedUp, Transports: append([]string{}, p.Transports...),
		CreateTime: p.Created, LastUsedTime: timeOrNull(p.LastUsed),
	}
}

func (a *API) offerPasskey(ctx context.Context, c *Call) (sallyport.PasskeyOffer, error) {
	offer, err := a.Login.OfferPasskey(ctx, c.Principal)
	return sallyport.PasskeyOffer{Registration: offer.Secret, Options: json.RawMessage(offer.Options)}, err
}

func (a *API) registerPasskey(ctx context.Context, c *Call, in sallyport.RegisterPasskey) (sallyport.RegisteredPasskey, error) {
	added, err := a.Login.RegisterPasskey(ctx, c.Principal, in.Registration, in.Name, in.Response)
	return sallyport.RegisteredPasskey{
		Passkey: passkeyOf(added.Passkey), Token: added.Token, RecoveryCodes: append([]string{}, added.RecoveryCodes...),
	}, err
}

func (a *API) renamePasskey(ctx context.Context, c *Call, in sallyport.RenamePasskey) (sallyport.PasskeyAnswer, error) {
	key, err := a.Login.RenamePasskey(ctx, c.Principal, c.Path("passkey_id"), in.Name)
	return sallyport.PasskeyAnswer{Passkey: passkeyOf(key)}, err
}

func (a *API) removePasskey(ctx context.Context, c *Call) error {
	return a.Login.RemovePasskey(ctx, c.Principal, c.Path("passkey_id"))
}
