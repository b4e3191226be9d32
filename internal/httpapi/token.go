package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
)

// The rules of the bodies that make and change tokens.
var (
	createTokenFields = fields{
		"description": {required: true, max: identity.MaxDescription},
		// More than what a request may name is refused by the use case too.
		"ip_allowlist": {max: 100}, "scopes": {max: 100},
	}
	updateTokenFields = fields{"description": {required: true, max: identity.MaxDescription}}
)

func (a *API) tokenRoutes() []route {
	readScopes, writeScopes := []string{"user:read", "authentication:read"}, []string{"user:write", "authentication:write"}
	return []route{
		{
			method: "GET", path: "/v1/access_token", id: "AccessTokenList", tag: "tokens", summary: "List one's own tokens and sessions",
			resource: none, need: access.Need{Scopes: readScopes}, status: http.StatusOK,
			handler: read(a.tokens),
		},
		{
			method: "POST", path: "/v1/access_token", id: "AccessTokenCreate", tag: "tokens", summary: "Make a personal token",
			resource: none, need: access.Need{Scopes: writeScopes, Person: true}, status: http.StatusOK, event: "token_created", fields: createTokenFields,
			handler: takes[sallyport.CreateToken](write(a.createToken)),
		},
		{
			method: "PUT", path: "/v1/access_token/{token_prefix}", id: "AccessTokenUpdate", tag: "tokens", summary: "Change the description of one's own token",
			resource: none, need: access.Need{Scopes: writeScopes}, status: http.StatusOK, event: "token_updated", fields: updateTokenFields,
			handler: write(a.updateToken),
		},
		{
			method: "DELETE", path: "/v1/access_token/{token_prefix}", id: "AccessTokenRevoke", tag: "tokens", summary: "Revoke one's own token or session, and what was made with it",
			resource: none, need: access.Need{Scopes: writeScopes}, status: http.StatusOK, event: "token_revoked",
			handler: read(a.revokeToken),
		},
		{
			method: "POST", path: "/v1/access_token/{token_prefix}/rebind", id: "AccessTokenRebind", tag: "tokens", summary: "Bind one's own personal token to the login of the calling session",
			resource: none, need: access.Need{Scopes: writeScopes, Person: true, Session: true, Fresh: true}, status: http.StatusOK, own: true, event: "token_rebound",
			handler: read(a.rebindToken),
		},
	}
}

// takes says in the document that a handler takes an In, where it decodes
// something wider.
func takes[In any](h handler) handler {
	var in In
	h.in = in
	return h
}

// tokenBody is sallyport.CreateToken with an age that may be written 3600.0, as
// clients do that keep it in a float.
type tokenBody struct {
	Description    string   `json:"description"`
	MaxAgeSeconds  *float64 `json:"max_age_seconds"`
	ExtendWhenUsed bool     `json:"extend_when_used"`
	IPAllowlist    []string `json:"ip_allowlist"`
	Scopes         []string `json:"scopes"`
}

func (b tokenBody) request() org.TokenRequest {
	return org.TokenRequest{
		Description: b.Description, MaxAgeSeconds: b.MaxAgeSeconds, ExtendWhenUsed: b.ExtendWhenUsed,
		Addresses: b.IPAllowlist, Scopes: b.Scopes,
	}
}

// tokenMessage is the answer of a revocation in the old style.
type tokenMessage struct {
	Message string `json:"message"`
}

func (a *API) tokens(ctx context.Context, c *Call) (sallyport.TokenList, error) {
	list, err := a.Org.Tokens(ctx, c.Principal)
	return tokenListOf(list, c), err
}

func (a *API) createToken(ctx context.Context, c *Call, in tokenBody) (sallyport.CreatedToken, error) {
	made, err := a.Org.CreateToken(ctx, c.Principal, in.request())
	return sallyport.CreatedToken{Token: tokenOf(made.Token, c), FullToken: made.Plain.Reveal()}, err
}

func (a *API) updateToken(ctx context.Context, c *Call, in sallyport.UpdateToken) (sallyport.Token, error) {
	t, err := a.Org.UpdateToken(ctx, c.Principal, c.Path("token_prefix"), in.Description)
	return tokenOf(t, c), err
}

func (a *API) revokeToken(ctx context.Context, c *Call) (tokenMessage, error) {
	return tokenMessage{"token revoked"}, a.Org.RevokeToken(ctx, c.Principal, c.Path("token_prefix"))
}

func (a *API) rebindToken(ctx context.Context, c *Call) (sallyport.Token, error) {
	t, err := a.Org.RebindToken(ctx, c.Principal, c.Path("token_prefix"))
	return tokenOf(t, c), err
}

func tokenListOf(list []identity.Token, c *Call) sallyport.TokenList {
	out := sallyport.TokenList{Tokens: make([]sallyport.Token, len(list))}
	for i, t := range list {
		out.Tokens[i] = tokenOf(t, c)
	}
	return out
}

// tokenOf is a token on the wire; c tells which one is calling.
func tokenOf(t identity.Token, c *Call) sallyport.Token {
	out := sallyport.Token{
		TokenPrefix: t.Prefix, Description: &t.Description, CreateTime: t.Created, CreatedManually: t.Manual,
		CurrentlyActive: t.Prefix == c.Principal.Token.Prefix,
		ExpiryTime:      timeOrNull(t.Expires), ExtendWhenUsed: t.ExtendWhenUsed,
		IPAllowlist: t.AddressTexts, Scopes: t.Scopes,
		LastUsedTime: timeOrNull(t.LastUsed), LastIP: textOrNull(t.LastIP), LastUserAgent: textOrNull(t.LastUserAgent),
		LastUserAgentHumanReadable: textOrNull(programOf(t.LastUserAgent)),
	}
	if seconds := int64(t.MaxAge / time.Second); seconds > 0 {
		out.MaxAgeSeconds = &seconds
	}
	out.State, out.Asleep = t.State(), sleepsOf(t)
	return out
}

// sleepsOf are the organizations that do not accept a token; nil: none.
func sleepsOf(t identity.Token) (list []sallyport.TokenSleep) {
	for _, s := range t.Asleep() {
		list = append(list, sleepOf(s))
	}
	return list
}

func sleepOf(s identity.TokenStanding) sallyport.TokenSleep {
	out := sallyport.TokenSleep{OrganizationID: s.OrganizationID, OrganizationName: s.OrganizationName, Message: s.Reasons[0].Message, Remedy: s.Remedy.Text}
	for _, r := range s.Reasons {
		out.Reasons = append(out.Reasons, r.Code)
	}
	return out
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// programs are the clients that people know by another name than the one they
// send. The first that is found names the program.
var programs = []struct{ mark, name string }{
	{"terraform-provider-", "Terraform"},
	{"aiven-client/", "avn command line"},
	{"go-client", "Go program"},
	{"sallyport/", "sallyport command line"},
	{"sallyport-go", "Go program"},
	{"Mozilla/", "Web browser"},
	{"curl/", "curl"},
	{"python-requests/", "Python program"},
}

// programOf is a friendly name for a user agent; empty for one that is not
// recognised.
func programOf(userAgent string) string {
	for _, p := range programs {
		if strings.Contains(userAgent, p.mark) {
			return p.name
		}
	}
	return ""
}
