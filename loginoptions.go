package sallyport

import (
	"context"
	"net/http"
)

// LoginOptionsRequest is the body of POST /v1/userauth/login_options.
type LoginOptionsRequest struct {
	Email string `json:"email,omitzero"` // at most 254 bytes; empty: nobody in particular
}

// LoginOption is one way to log in.
type LoginOption struct {
	// Action is "password", "passkey", "saml", "oidc", "google_oauth",
	// "azure_oauth" or "github_oauth".
	Action string `json:"action"`
	Method string `json:"method"` // "GET" for redirect_url, "POST" for a form of the login page
	Name   string `json:"name"`   // for people
	// RedirectURL is the page that leads to the provider; null for a password
	// and a passkey.
	RedirectURL *string `json:"redirect_url"`
}

// LoginOptions is the answer of POST /v1/userauth/login_options: the preferred
// way to log in, and all of them under the name that the compatible API gives
// them.
type LoginOptions struct {
	LoginOption
	All []LoginOption `json:"None"`
}

// LoginOptions returns the ways to log in with an e-mail address. They follow
// from its domain alone.
func (c *Client) LoginOptions(ctx context.Context, email string) (out LoginOptions, err error) {
	anonymous := *c
	anonymous.Token = ""
	err = anonymous.call(ctx, http.MethodPost, []string{"v1", "userauth", "login_options"}, nil, LoginOptionsRequest{Email: email}, &out)
	return out, err
}
