package sallyport

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Passkey is one that the caller can log in with.
type Passkey struct {
	PasskeyID string `json:"passkey_id"`
	Name      string `json:"name"`  // at most 128 characters
	State     string `json:"state"` // "active", or "suspended": its counter went back, so it may have been copied; remove it
	// BackedUp says whether it is kept on more devices than one, as the
	// authenticator told at its last use.
	BackedUp     bool       `json:"backed_up"`
	Transports   []string   `json:"transports"` // "internal", "hybrid", "usb" …; may be empty
	CreateTime   time.Time  `json:"create_time"`
	LastUsedTime *time.Time `json:"last_used_time"` // null: not used yet
}

// PasskeyList is the answer of GET /v1/me/passkeys, oldest first.
type PasskeyList struct {
	Passkeys []Passkey `json:"passkeys"`
}

// PasskeyOffer is the answer of POST /v1/me/passkeys/options.
type PasskeyOffer struct {
	Registration string `json:"registration"` // goes back with the answer; a secret, good once, for 5 minutes, in this session
	// Options is PublicKeyCredentialCreationOptionsJSON (WebAuthn level 3,
	// section 5.1), for PublicKeyCredential.parseCreationOptionsFromJSON.
	Options json.RawMessage `json:"options"`
}

// RegisterPasskey is the body of POST /v1/me/passkeys.
type RegisterPasskey struct {
	Registration string `json:"registration"`
	Name         string `json:"name,omitzero"` // at most 128 characters; empty: one with the date
	// Response is RegistrationResponseJSON, PublicKeyCredential.toJSON of what
	// navigator.credentials.create gave; at most 64 KiB.
	Response json.RawMessage `json:"response"`
}

// RegisteredPasskey is the answer of POST /v1/me/passkeys.
type RegisteredPasskey struct {
	Passkey Passkey `json:"passkey"`
	// Token is a new session token, which takes the place of the caller's, where
	// this is the first second factor; empty: the session goes on.
	Token string `json:"token"`
	// RecoveryCodes stand in for the passkey after a password, each once; they
	// are shown this once. Empty where there are some already.
	RecoveryCodes []string `json:"recovery_codes"`
}

// RenamePasskey is the body of PUT /v1/me/passkeys/{passkey_id}.
type RenamePasskey struct {
	Name string `json:"name"` // 1 to 128 characters
}

// PasskeyAnswer is the answer of PUT /v1/me/passkeys/{passkey_id}.
type PasskeyAnswer struct {
	Passkey Passkey `json:"passkey"`
}

// PasskeyChallenge is the answer of POST /v1/userauth/passkey/options.
type PasskeyChallenge struct {
	Flow string `json:"flow"` // goes back with the answer; a secret, good once, for 5 minutes
	// Options is PublicKeyCredentialRequestOptionsJSON (WebAuthn level 3,
	// section 5.1). It names no passkeys: any of this server will do.
	Options json.RawMessage `json:"options"`
}

// PasskeyLogin is the body of POST /v1/userauth/passkey.
type PasskeyLogin struct {
	Flow string `json:"flow"`
	// Response is AuthenticationResponseJSON, PublicKeyCredential.toJSON of what
	// navigator.credentials.get gave; at most 64 KiB.
	Response json.RawMessage `json:"response"`
}

// Passkeys returns the caller's passkeys.
func (c *Client) Passkeys(ctx context.Context) ([]Passkey, error) {
	var out PasskeyList
	err := c.call(ctx, http.MethodGet, []string{"v1", "me", "passkeys"}, nil, nil, &out)
	return out.Passkeys, err
}

// OfferPasskey begins to register a passkey, for a session of the last 10
// minutes. Only a page of the server's own address can answer the options.
func (c *Client) OfferPasskey(ctx context.Context) (out PasskeyOffer, err error) {
	err = c.call(ctx, http.MethodPost, []string{"v1", "me", "passkeys", "options"}, nil, nil, &out)
	return out, err
}

// RegisterPasskey finishes what OfferPasskey began.
func (c *Client) RegisterPasskey(ctx context.Context, in RegisterPasskey) (out RegisteredPasskey, err error) {
	err = c.call(ctx, http.MethodPost, []string{"v1", "me", "passkeys"}, nil, in, &out)
	return out, err
}

// RenamePasskey changes the name of one of the caller's passkeys.
func (c *Client) RenamePasskey(ctx context.Context, id, name string) (Passkey, error) {
	var out PasskeyAnswer
	err := c.call(ctx, http.MethodPut, []string{"v1", "me", "passkeys", id}, nil, RenamePasskey{Name: name}, &out)
	return out.Passkey, err
}

// RemovePasskey takes one of the caller's passkeys away, with the sessions and
// tokens that came from it, which may be that of this client.
func (c *Client) RemovePasskey(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, []string{"v1", "me", "passkeys", id}, nil, nil, nil)
}

// PasskeyChallenge begins a login by a passkey. The device is that of Login.
func (c *Client) PasskeyChallenge(ctx context.Context, device string) (out PasskeyChallenge, err error) {
	_, err = c.anonymousCall(ctx, "/v1/userauth/passkey/options", []byte("{}"), device, &out)
	return out, err
}

// PasskeyLogin finishes what PasskeyChallenge began, and returns a session
// token as Login does.
func (c *Client) PasskeyLogin(ctx context.Context, in PasskeyLogin, device string) (out UserAuth, newDevice string, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, "", fmt.Errorf("encode passkey login: %w", err)
	}
	return c.logIn(ctx, "/v1/userauth/passkey", body, device)
}
