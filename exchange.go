package sallyport

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// ExchangeRequest is the body of POST /v1/userauth/exchange, with which a
// command line fetches the session that was allowed in a browser. The browser
// was sent to PUBLIC_URL/login/cli with the query redirect_uri
// (http://127.0.0.1:PORT/… or http://[::1]:PORT/…), state and code_challenge,
// which is BASE64URL(SHA256(code_verifier)) (RFC 7636, method S256); it comes
// back to redirect_uri with the query code and state.
type ExchangeRequest struct {
	Code         string `json:"code"`          // good once, for a minute
	CodeVerifier string `json:"code_verifier"` // 43 to 128 characters of [0-9A-Za-z-._~]
}

// Exchange fetches the session that was allowed in a browser. The devices are
// those of Login.
func (c *Client) Exchange(ctx context.Context, in ExchangeRequest, device string) (out UserAuth, newDevice string, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, "", fmt.Errorf("encode exchange: %w", err)
	}
	return c.logIn(ctx, "/v1/userauth/exchange", body, device)
}

// logIn makes a call that answers a session, with the cookie of this device.
func (c *Client) logIn(ctx context.Context, path string, body []byte, device string) (out UserAuth, newDevice string, err error) {
	header, err := c.anonymousCall(ctx, path, body, device, &out)
	return out, deviceCookie(header), err
}

// anonymousCall makes a call without the token, with the cookie of this device.
func (c *Client) anonymousCall(ctx context.Context, path string, body []byte, device string, out any) (http.Header, error) {
	if _, err := http.ParseCookie(device); device != "" && err != nil {
		device = "" // a spoilt file must not stand in the way of a login
	}
	anonymous := *c
	anonymous.Token = ""
	return anonymous.do(ctx, request{
		method: http.MethodPost, path: path,
		body: body, contentType: "application/json", cookie: device,
	}, out)
}
