package thirdparty

import (
	"context"
	"crypto/subtle"
	"net/url"

	"golang.org/x/oauth2"
)

// codeSize bounds the code in a callback, in bytes; Microsoft's have some 1,500.
const codeSize = 8 << 10

// sameState reports whether the callback answers this challenge. The time it
// takes says nothing about the state.
func sameState(callback url.Values, c Challenge) bool {
	states := callback["state"]
	return len(states) == 1 && subtle.ConstantTimeCompare([]byte(states[0]), []byte(c.State)) == 1
}

// codeOf reads the code of a callback whose state was right.
func (p *Provider) codeOf(callback url.Values, m metadata) (string, error) {
	// Whose answer it is comes first: an error is one too (RFC 9207, 2.4).
	if err := p.checkCallbackIssuer(callback, m); err != nil {
		return "", err
	}
	if callback.Has("error") {
		return "", p.callbackError(callback)
	}
	codes := callback["code"]
	if len(codes) != 1 || codes[0] == "" || len(codes[0]) > codeSize {
		return "", p.failed(ReasonCallback, "the callback has no code, more than one, or one of more than %d bytes", codeSize)
	}
	return codes[0], nil
}

// checkCallbackIssuer compares the parameter iss (RFC 9207), without which the
// answer of one provider could be carried to the callback of another. A
// provider that announces it must send it. A Microsoft tenant is not known yet:
// openIDIdentity compares with the ID token.
func (p *Provider) checkCallbackIssuer(callback url.Values, m metadata) error {
	issuers := callback["iss"]
	switch {
	case len(issuers) == 0 && m.IssParameter:
		return p.failed(ReasonCallback, "the callback lacks the iss parameter, which the provider announces")
	case len(issuers) == 0:
		return nil
	case len(issuers) > 1:
		return p.failed(ReasonCallback, "the callback has more than one iss parameter")
	case p.config.Kind == GitHub && (issuers[0] == p.config.URL || issuers[0] == p.config.URL+"/login/oauth"):
		return nil
	case p.config.Kind != GitHub && (issuers[0] == m.Issuer || m.template()):
		return nil
	default:
		return p.failed(ReasonCallback, "the callback is of the issuer %s", quoted(issuers[0]))
	}
}

// callbackError reads an error of the authorization endpoint (RFC 6749,
// 4.1.2.1; OpenID Connect Core, 3.1.2.6).
func (p *Provider) callbackError(callback url.Values) *Error {
	code := callback.Get("error")
	reason := ReasonRefused
	switch code {
	case "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required":
		reason = ReasonDenied
	case "server_error", "temporarily_unavailable":
		reason = ReasonUnavailable
	case "unauthorized_client", "invalid_scope", "unsupported_response_type", "redirect_uri_mismatch", "application_suspended":
		reason = ReasonConfiguration
	}
	return p.failed(reason, "the provider sent the browser back with error %s, %s", quoted(line(code, 64)), quoted(callback.Get("error_description")))
}

// redeem changes the code into a token.
func (p *Provider) redeem(ctx context.Context, exchange *oauth2.Config, code string, c Challenge) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, p.client)
	token, err := exchange.Exchange(ctx, code, oauth2.VerifierOption(c.Verifier))
	if err != nil {
		return nil, p.codeError(err, code, c.Verifier, c.Nonce, p.config.ClientSecret)
	}
	return token, nil
}
