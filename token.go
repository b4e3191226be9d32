package sallyport

import (
	"context"
	"net/http"
	"time"
)

// Token is a session, personal or application token as lists show it: all but
// its secret.
type Token struct {
	// TokenPrefix is the first 12 characters; unique, and enough to revoke it.
	TokenPrefix     string    `json:"token_prefix"`
	Description     *string   `json:"description"` // at most 1000 characters
	CreateTime      time.Time `json:"create_time"`
	CreatedManually bool      `json:"created_manually"` // false for tokens born from a login
	CurrentlyActive bool      `json:"currently_active"` // the token of this very request

	// ExpiryTime is null for a token that never expires. It is set by the
	// server's default lifetime too, when MaxAgeSeconds is null.
	ExpiryTime     *time.Time `json:"expiry_time"`
	ExtendWhenUsed bool       `json:"extend_when_used"` // each use moves the expiry to now plus the maximum age
	MaxAgeSeconds  *int64     `json:"max_age_seconds"`  // as asked for at creation; null when none was

	IPAllowlist []string `json:"ip_allowlist,omitzero"` // CIDR, as sent; empty: no restriction
	Scopes      []string `json:"scopes,omitzero"`       // as sent; empty: everything the owner may do

	// The last use; written in batches, so up to some seconds old. Null when
	// the token was never used.
	LastUsedTime               *time.Time `json:"last_used_time"`
	LastIP                     *string    `json:"last_ip"`
	LastUserAgent              *string    `json:"last_user_agent"`
	LastUserAgentHumanReadable *string    `json:"last_user_agent_human_readable"`

	// State says of a personal token in a list of its owner's, or of a member's,
	// whether the policies accept it now: TokenActive, TokenPartlyAsleep or
	// TokenAsleep. Absent for other tokens and other lists.
	State string `json:"state,omitzero"`
	// Asleep are the organizations that do not accept it, and why. It wakes when
	// the policy does again, or when its owner binds it to another login.
	Asleep []TokenSleep `json:"asleep,omitzero"`
}

// The states of a personal token: every organization of its owner accepts it,
// some do, none does. An admin's list asks one's own organization only.
const (
	TokenActive       = "active"
	TokenPartlyAsleep = "partly_asleep"
	TokenAsleep       = "asleep"
)

// TokenSleep is an organization that does not accept a personal token now.
type TokenSleep struct {
	OrganizationID   string   `json:"organization_id"`
	OrganizationName string   `json:"organization_name"`
	Reasons          []string `json:"reasons"` // error codes of all refusing rules; never null
	Message          string   `json:"message"` // the first of them in words
	Remedy           string   `json:"remedy"`
}

// TokenList is the answer of GET /v1/access_token and of the application-user
// token list.
type TokenList struct {
	Tokens []Token `json:"tokens"` // never null
}

// CreateToken is the body of POST /v1/access_token and of the
// application-user token list.
type CreateToken struct {
	Description    string   `json:"description"`               // at most 1000 characters
	MaxAgeSeconds  *int64   `json:"max_age_seconds,omitzero"`  // 600 to 315360000; nil: the server's default lifetime
	ExtendWhenUsed bool     `json:"extend_when_used,omitzero"` // only with MaxAgeSeconds
	IPAllowlist    []string `json:"ip_allowlist,omitzero"`     // at most 100 IPv4 or IPv6 CIDR
	Scopes         []string `json:"scopes,omitzero"`           // at most 100
}

// CreatedToken is the answer of POST /v1/access_token.
type CreatedToken struct {
	Token
	FullToken string `json:"full_token"` // shown once, never again
}

// UpdateToken is the body of PUT /v1/access_token/{token_prefix}: only the
// description of a token may change.
type UpdateToken struct {
	Description string `json:"description"` // at most 1000 characters
}

// Tokens returns the caller's personal tokens and sessions.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	var out TokenList
	err := c.call(ctx, http.MethodGet, []string{"v1", "access_token"}, nil, nil, &out)
	return out.Tokens, err
}

// CreateToken makes a personal token. Its full form is in this answer only.
func (c *Client) CreateToken(ctx context.Context, in CreateToken) (out CreatedToken, err error) {
	err = c.call(ctx, http.MethodPost, []string{"v1", "access_token"}, nil, in, &out)
	return out, err
}

// UpdateToken changes the description of one of the caller's tokens, named by
// its prefix or whole.
func (c *Client) UpdateToken(ctx context.Context, prefix string, in UpdateToken) (out Token, err error) {
	err = c.call(ctx, http.MethodPut, []string{"v1", "access_token", tokenPrefix(prefix)}, nil, in, &out)
	return out, err
}

// RevokeToken ends one of the caller's tokens, named by its prefix or whole.
func (c *Client) RevokeToken(ctx context.Context, prefix string) error {
	return c.call(ctx, http.MethodDelete, []string{"v1", "access_token", tokenPrefix(prefix)}, nil, nil, nil)
}

// RebindToken binds one of the caller's personal tokens, named by its prefix or
// whole, to the login of the caller's session, which must be fresh. The secret,
// the end and the reach of the token stay.
func (c *Client) RebindToken(ctx context.Context, prefix string) (out Token, err error) {
	err = c.call(ctx, http.MethodPost, []string{"v1", "access_token", tokenPrefix(prefix), "rebind"}, nil, nil, &out)
	return out, err
}
