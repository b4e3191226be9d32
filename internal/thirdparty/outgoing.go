package thirdparty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

// Limits of what a provider is asked (docs/parameters.md, 3.10).
const (
	requestTimeout = 10 * time.Second
	finishTimeout  = 20 * time.Second // all requests of one Finish
	answerSize     = 1 << 20          // bytes of a body, unpacked
)

// errAnswerSize ends the reading of a body that is too large.
var errAnswerSize = fmt.Errorf("the answer is larger than %d bytes", answerSize)

// bounded is the client with our limits on top of its own: no redirects, no
// cookies, no endless answers.
func bounded(client *http.Client) *http.Client {
	transport, timeout := client.Transport, client.Timeout
	if transport == nil {
		transport = http.DefaultTransport
	}
	if timeout == 0 || timeout > requestTimeout {
		timeout = requestTimeout
	}
	return &http.Client{
		Transport: boundedTransport{transport},
		Timeout:   timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// boundedTransport asks for JSON, which GitHub's token endpoint does not send
// otherwise, and cuts bodies off.
type boundedTransport struct{ inner http.RoundTripper }

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context()) // a round tripper may not change its request
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "application/json")
	}
	r.Header.Set("User-Agent", "Sallyport") // GitHub refuses requests without
	response, err := t.inner.RoundTrip(r)
	if err == nil {
		response.Body = &boundedBody{ReadCloser: response.Body, left: answerSize}
	}
	return response, err
}

// boundedBody fails where io.LimitReader would end quietly.
type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(into []byte) (int, error) {
	if len(into) > b.left+1 {
		into = into[:b.left+1]
	}
	n, err := b.ReadCloser.Read(into)
	if n > b.left {
		return b.left, errAnswerSize
	}
	b.left -= n
	return n, err
}

// get reads a JSON answer into value. The bearer token, if any, goes along. An
// answer that is no success returns its status and no error; a broken one is
// ReasonMetadata, and one that did not come ReasonUnavailable.
func (p *Provider) get(ctx context.Context, url, bearer string, header http.Header, value any) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, p.failed(ReasonMetadata, "not a URL: %s", quoted(url))
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return 0, p.unavailable("ask the provider", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		if response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests {
			return response.StatusCode, p.failed(ReasonUnavailable, "%s answered with status %d", quoted(url), response.StatusCode)
		}
		return response.StatusCode, nil
	}
	body, err := io.ReadAll(response.Body)
	if errors.Is(err, errAnswerSize) {
		return 0, p.failed(ReasonMetadata, "%s: %v", quoted(url), errAnswerSize)
	} else if err != nil {
		return 0, p.unavailable("ask the provider", err)
	}
	if err := json.Unmarshal(body, value); err != nil {
		media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
		return 0, p.failed(ReasonMetadata, "%s: the answer, %s, is not the JSON that was expected", quoted(url), quoted(media))
	}
	return http.StatusOK, nil
}
