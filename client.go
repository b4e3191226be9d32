package sallyport

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxAnswerBytes bounds what is read of one answer, after decompression.
	// The largest true answers are lists of some ten thousand users.
	maxAnswerBytes = 32 << 20
	// defaultTimeout bounds one call where the Client has no HTTP client of
	// its own; a deadline of the context may be shorter.
	defaultTimeout = time.Minute
	// ourTokenLength is the length of the server's tokens, and prefixLength
	// that of the part of one that is no secret.
	ourTokenLength = 100
	prefixLength   = 12
	// What is sent again waits in between, twice as long each time.
	defaultRepeats = 3
	firstWait      = 200 * time.Millisecond
	longestWait    = 10 * time.Second
)

// Client calls one Sallyport server. The fields must not change while calls
// are under way.
type Client struct {
	// URL is where the server is, such as "https://auth.example.com". It may
	// have a path, but no query and no user name.
	URL string
	// Token is sent with every call, to URL and nowhere else. Empty: none.
	Token string
	// UserAgent names the program; empty: "sallyport-go".
	UserAgent string
	// HTTP makes the calls; nil: a client with a time limit of one minute a
	// call. Whatever its CheckRedirect says, redirects are not followed.
	HTTP *http.Client
	// Repeats is how often a POST is sent again, with the same Idempotency-Key,
	// when its connection was lost or the server answered with a status of 500 and
	// above: the server changes something once and repeats its answer. 0: three
	// times, within some seconds; negative: never.
	Repeats int
}

// New returns a Client of the server at url that presents token.
func New(url, token string) *Client {
	return &Client{URL: url, Token: token}
}

// Do makes a call for which there is no method. The path begins with a slash,
// is escaped already (url.PathEscape for each segment) and may carry a query.
// A nil in sends no body, anything else is sent as JSON; a nil out throws the
// answer away. A status of 400 and above is an *Error.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	r := request{method: method, path: path}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: encode request: %w", method, path, err)
		}
		r.body, r.contentType = body, "application/json"
	}
	_, err := c.do(ctx, r, out)
	return err
}

// request is one call, before it meets a Client.
type request struct {
	method, path string
	body         []byte
	contentType  string
	cookie       string // a Cookie header
	key          string // an Idempotency-Key header
}

// call is Do with a path made of segments, each of which may be anything but
// empty or a dot segment, and an optional query.
func (c *Client) call(ctx context.Context, method string, segments []string, query url.Values, in, out any) error {
	path, err := escapePath(segments)
	if err != nil {
		return err
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.Do(ctx, method, path, in, out)
}

// escapePath refuses the segments that servers and proxies resolve away, for
// then the call would reach another route: DELETE on a thing must not become
// DELETE on its parent.
func escapePath(segments []string) (string, error) {
	var b strings.Builder
	for _, s := range segments {
		if s == "" || s == "." || s == ".." {
			return "", fmt.Errorf("%q cannot be an id or a name: it is not possible in an address", s)
		}
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String(), nil
}

// do makes the call and returns the answer's header, also beside an *Error.
//
// A POST in JSON by a token carries a random Idempotency-Key. When the connection
// is lost, or the server could not answer, it is sent again with the same key,
// which makes one change of them; see Client.Repeats. Logins and introspection
// are not: the first would spend a code, the second has somebody waiting.
func (c *Client) do(ctx context.Context, r request, out any) (http.Header, error) {
	if r.method != http.MethodPost || c.Token == "" || r.contentType != "" && r.contentType != "application/json" || strings.HasPrefix(r.path, "/v1/userauth") {
		return c.once(ctx, r, out)
	}
	r.key = rand.Text()
	for wait, left := firstWait, c.repeats(); ; wait, left = 2*wait, left-1 {
		header, err := c.once(ctx, r, out)
		after, again := worthRepeating(err)
		if !again || left <= 0 {
			return header, err
		}
		select {
		case <-ctx.Done():
			return header, err
		case <-time.After(min(max(wait, after), longestWait)):
		}
	}
}

func (c *Client) repeats() int {
	if c.Repeats != 0 {
		return c.Repeats
	}
	return defaultRepeats
}

// worthRepeating says that nobody knows what became of a request, and how long
// the server asks to wait at least.
func worthRepeating(err error) (after time.Duration, again bool) {
	if answer, ok := errors.AsType[*Error](err); ok {
		again = answer.Status >= 500 && answer.Status != http.StatusNotExtended || answer.Code == "idempotency_key_in_use"
		return answer.RetryAfter, again
	}
	lost, again := errors.AsType[*unanswered](err)
	if again {
		timeout, ok := errors.AsType[net.Error](lost.cause)
		again = !ok || !timeout.Timeout() // who has waited so long is told
	}
	return 0, again
}

// unanswered is the loss of a connection.
type unanswered struct{ cause error }

func (e *unanswered) Error() string        { return e.cause.Error() }
func (e *unanswered) Unwrap() error        { return e.cause }
func (e *unanswered) Is(target error) bool { return target == ErrUnreachable }

// once makes the call one time.
func (c *Client) once(ctx context.Context, r request, out any) (http.Header, error) {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	res, err := c.httpClient().Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach the server %s: %w", req.URL.Host, &unanswered{withoutURL(err)})
	}
	defer res.Body.Close()
	body, err := readLimited(res.Body)
	if err != nil {
		return res.Header, fmt.Errorf("%s: read answer: %w", r.method, &unanswered{err})
	}
	return res.Header, r.decode(res, body, out)
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	base, err := parseBase(c.URL)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(r.path, "/") {
		return nil, fmt.Errorf("path %q must begin with a slash", r.path)
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, base+r.path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", withoutURL(err))
	}
	setHeader(req.Header, "Content-Type", r.contentType)
	setHeader(req.Header, "Cookie", r.cookie)
	setHeader(req.Header, "Idempotency-Key", r.key)
	setHeader(req.Header, "Accept", "application/json")
	setHeader(req.Header, "User-Agent", cmp.Or(c.UserAgent, "sallyport-go"))
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	return req, nil
}

func setHeader(h http.Header, key, value string) {
	if value != "" {
		h.Set(key, value)
	}
}

var errNoURL = errors.New("server URL must begin with https:// or http:// and name a host")

// parseBase checks a server URL and returns it without a slash at the end.
func parseBase(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil && !strings.Contains(s, "://"): // url.Parse makes a path of it
		return "", errNoURL
	case err != nil:
		return "", fmt.Errorf("server URL: %w", withoutURL(err))
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return "", errNoURL
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return "", errors.New("server URL must not hold a user name, a query or a fragment")
	}
	return strings.TrimRight(s, "/"), nil
}

// httpClient returns a copy of the HTTP client that follows no redirect: the
// API has none, and following one would carry the token to wherever it points
// or turn a POST into a GET.
func (c *Client) httpClient() *http.Client {
	h := http.Client{Timeout: defaultTimeout}
	if c.HTTP != nil {
		h = *c.HTTP
	}
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &h
}

// withoutURL drops the URL from an error of net/http or net/url: it may hold
// what somebody mistook for an id.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func readLimited(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxAnswerBytes+1))
	if err == nil && len(body) > maxAnswerBytes {
		err = fmt.Errorf("it is larger than %d bytes", maxAnswerBytes)
	}
	return body, err
}

// decode turns an answer into out or an error.
func (r request) decode(res *http.Response, body []byte, out any) error {
	switch {
	case res.StatusCode >= 400:
		return parseError(res.StatusCode, res.Header, body)
	case res.StatusCode >= 300:
		return fmt.Errorf("the server redirects (status %d) to %s, which is not followed: is this the right server URL?",
			res.StatusCode, redirectHost(res))
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: the answer is not what a Sallyport server sends, is this the right server URL?: %w", r.method, err)
	}
	return nil
}

// redirectHost names the place a redirect points to, without a path or query
// that may hold more than is to be printed.
func redirectHost(res *http.Response) string {
	u, err := res.Location()
	if err != nil {
		return "nowhere"
	}
	return u.Scheme + "://" + u.Host
}

// tokenPrefix cuts a full token to its prefix, which is enough for the server
// and keeps the secret out of addresses and thereby out of access logs.
func tokenPrefix(s string) string {
	if len(s) == ourTokenLength {
		return s[:prefixLength]
	}
	return s
}
