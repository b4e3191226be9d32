package thirdparty

import (
	"encoding/base64"
	"fmt"
	"io"
	"slices"
)

// Challenge is the secret half of one login at a provider. The caller keeps it
// sealed, gives it to Start and to one Finish, and never sends it anywhere.
type Challenge struct {
	State    string `json:"state"`    // finds the login again: 43 characters
	Nonce    string `json:"nonce"`    // comes back in the ID token
	Verifier string `json:"verifier"` // PKCE code verifier (RFC 7636, 4.1)
	// LoginHint is the address that was typed, "" when none was: the provider
	// offers that account first.
	LoginHint string `json:"login_hint,omitempty"`
	// Fresh asks the provider to ask for the person again.
	Fresh bool `json:"fresh,omitempty"`
}

// NewChallenge returns a challenge of three values of 256 bits each. The error
// is that of the source.
func NewChallenge(random io.Reader) (Challenge, error) {
	values := make([]string, 3)
	for i := range values {
		raw := make([]byte, 32)
		if _, err := io.ReadFull(random, raw); err != nil {
			return Challenge{}, fmt.Errorf("make the challenge of a login at a provider: %w", err)
		}
		values[i] = base64.RawURLEncoding.EncodeToString(raw)
	}
	return Challenge{State: values[0], Nonce: values[1], Verifier: values[2]}, nil
}

// complete guards against a login whose checks would compare with nothing.
func (c Challenge) complete() bool {
	return c.State != "" && c.Nonce != "" && c.Verifier != ""
}

// scopesOf are the scopes to ask for. Without "openid" there is no ID token.
func scopesOf(config Config) []string {
	switch {
	case config.Kind == GitHub && config.Scopes == nil:
		return []string{"read:user", "user:email"}
	case config.Kind == GitHub:
		return config.Scopes
	case config.Scopes == nil:
		return []string{"openid", "email", "profile"}
	case slices.Contains(config.Scopes, "openid"):
		return config.Scopes
	default:
		return append([]string{"openid"}, config.Scopes...)
	}
}
