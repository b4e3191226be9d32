package sallyport

import (
	"context"
	"net/http"
)

// ClientAddress is the answer of GET /v1/client-address, which needs no
// credential: the address that the server takes for the caller's.
type ClientAddress struct {
	ClientAddress string `json:"client_address"` // empty: it cannot be told
}

// ClientAddressTrace is the answer of GET /v1/me/client-address: how that
// address was found.
type ClientAddressTrace struct {
	ClientAddress string `json:"client_address"` // the one that is judged; empty: it cannot be told, and no range holds it
	SocketAddress string `json:"socket_address"` // of the connection
	// ForwardingHeader is the one that trusted proxies are believed by, and
	// ReceivedHeader what came in it, at most 200 bytes. It counts only when
	// Believed: the connection is that of a trusted proxy.
	ForwardingHeader string `json:"forwarding_header"`
	ReceivedHeader   string `json:"received_header"`
	Believed         bool   `json:"believed"`
	// Hops are the addresses that were looked at, the connection's first.
	Hops []AddressHop `json:"hops"`
	// IgnoredHeaders came, name addresses, and were not read.
	IgnoredHeaders []string `json:"ignored_headers"`
}

// AddressHop is one address on the way to the caller.
type AddressHop struct {
	Address string `json:"address"`
	// TrustedBy is the prefix of trusted proxies that holds it; empty: it is no
	// trusted proxy, so it is the caller.
	TrustedBy string `json:"trusted_by"`
}

// ClientAddress asks which address the server takes for the caller's.
func (c *Client) ClientAddress(ctx context.Context) (out ClientAddress, err error) {
	err = c.call(ctx, http.MethodGet, []string{"v1", "client-address"}, nil, nil, &out)
	return out, err
}

// ClientAddressTrace asks how that address was found.
func (c *Client) ClientAddressTrace(ctx context.Context) (out ClientAddressTrace, err error) {
	err = c.call(ctx, http.MethodGet, []string{"v1", "me", "client-address"}, nil, nil, &out)
	return out, err
}
