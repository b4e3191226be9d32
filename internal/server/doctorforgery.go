package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// forgedAddress is for documentation (RFC 5737), so that nobody has it.
	forgedAddress = "192.0.2.77"
	forgeryTime   = 5 * time.Second
	maxAddressing = 4 << 10
)

// forgedHeaders are those by which proxies name a client.
var forgedHeaders = [][2]string{
	{"X-Forwarded-For", forgedAddress},
	{"Forwarded", "for=" + forgedAddress},
	{"X-Real-IP", forgedAddress},
	{"True-Client-IP", forgedAddress},
	{"CF-Connecting-IP", forgedAddress},
	{"X-Client-IP", forgedAddress},
}

// examineForgery tries at the public address, through whatever is in front,
// whether a client can say itself where it is. A server that does not run is no
// problem of the configuration.
func examineForgery(ctx context.Context, c *Config) finding {
	f := finding{what: "forged headers"}
	believed := []string{}
	for _, header := range forgedHeaders {
		seen, err := addressFor(ctx, c.PublicURL, header)
		if err != nil {
			f.note = fmt.Sprintf("%s: not tried, because %s: %v; start the server and repeat it", warn, c.PublicURL, err)
			return f
		}
		f.note = "none is believed; from here the server sees " + seen
		if seen == "" {
			f.note = "none is believed"
		}
		if seen == forgedAddress {
			believed = append(believed, header[0])
		}
	}
	if len(believed) > 0 {
		f.err = fmt.Errorf("the server believes %s of anybody at %s, who then is inside every address range: have the proxy in front replace the header or add its peer's address at the end, and name that proxy alone in SALLYPORT_TRUSTED_PROXIES",
			strings.Join(believed, " and "), c.PublicURL)
	}
	return f
}

// addressFor asks the server which address it sees in a request with a header.
func addressFor(ctx context.Context, publicURL string, header [2]string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, forgeryTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(publicURL, "/")+"/v1/client-address", nil)
	if err != nil {
		return "", err
	}
	request.Header.Set(header[0], header[1])
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("it does not answer (%w)", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAddressing))
	if err != nil {
		return "", fmt.Errorf("it does not answer (%w)", err)
	}
	var seen struct { // sallyport.ClientAddress, if it is one
		ClientAddress *string `json:"client_address"`
	}
	if answer.StatusCode != http.StatusOK || json.Unmarshal(body, &seen) != nil || seen.ClientAddress == nil {
		return "", fmt.Errorf("something else answers there, with status %d", answer.StatusCode)
	}
	return *seen.ClientAddress, nil
}
