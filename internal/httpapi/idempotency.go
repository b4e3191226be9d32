package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/internal/access"
)

const (
	idempotencyKey = "Idempotency-Key"
	// maxIdempotencyKey is the longest key, in characters.
	maxIdempotencyKey = 255
)

// once runs the handler, or repeats the answer to the request when its caller
// named it by a key and sent it before.
func (a *API) once(ctx context.Context, r *route, c *Call, body []byte) (any, error) {
	if !r.repeatable() {
		return r.handler.run(ctx, c, body, r)
	}
	key, err := idempotencyKeyOf(c.request)
	if err != nil {
		return nil, err
	}
	if key == "" {
		return r.handler.run(ctx, c, body, r)
	}
	parts := []string{r.method, c.request.URL.EscapedPath(), c.request.URL.RawQuery, string(body)}
	answer, err := a.Access.Once(ctx, c.Principal, access.Repeatable{Key: key, Parts: parts}, func(ctx context.Context) (access.Answer, error) {
		answer, err := r.handler.run(ctx, c, body, r)
		out := access.Answer{Status: r.status, Organizations: c.rechecked}
		if err == nil && r.status != http.StatusNoContent {
			out.Body, err = encode(answer)
		}
		return out, err
	})
	return encodedAnswer(answer), err
}

// encodedAnswer is an answer that is encoded already.
type encodedAnswer access.Answer

func (a encodedAnswer) serve(e *exchange) {
	if len(a.Body) == 0 {
		e.WriteHeader(a.Status)
		return
	}
	e.writeJSON(a.Body)
}

// idempotencyKeyOf is the key of a request; empty: it has none. The draft writes
// the key as a string of RFC 9651, in quotation marks; most clients send it bare.
func idempotencyKeyOf(req *http.Request) (string, error) {
	values := req.Header.Values(idempotencyKey)
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if bare, ok := strings.CutPrefix(key, `"`); ok && strings.HasSuffix(bare, `"`) {
		key = strings.TrimSuffix(bare, `"`)
	}
	visible := !strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' })
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKey || !visible {
		return "", badRequest("the header %s is one key of 1 to %d visible ASCII characters, new for each request: a random UUID does", idempotencyKey, maxIdempotencyKey)
	}
	return key, nil
}
