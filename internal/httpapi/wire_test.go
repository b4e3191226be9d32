package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

// player plays one of the published clients of the compatible API: it writes
// requests as that client does and judges every answer as strictly.
type player struct {
	s         *servertest.Server
	token     string
	userAgent string
	// base is the path of the configured URL: one client keeps the slash at
	// its end, and asks for //v1/... then.
	base string
	// json: "application/json" on requests without a body too, and limit=999
	// on every request of every method.
	json   bool
	escape func(string) string
}

// avn plays the Python command line, configured with a slash at the end of its
// URL.
func avn(s *servertest.Server, token string) player {
	return player{s: s, token: token, userAgent: "aiven-client/4.16.0", base: "/", escape: quote}
}

// sdk plays the generated Go client, as programs use it.
func sdk(s *servertest.Server, token string) player {
	return player{s: s, token: token, userAgent: "go-client-codegen/0.214.0 aiven-go-client/v3", json: true, escape: goEscape}
}

// provider plays the Terraform provider's newer client.
func provider(s *servertest.Server, token string) player {
	return player{s: s, token: token, userAgent: "go-client-codegen/0.209.0 terraform-provider-aiven/1.11.4/4.61.0", json: true, escape: goEscape}
}

// oldProvider plays the Terraform provider's older client, which keeps the
// slash at the end of its URL.
func oldProvider(s *servertest.Server, token string) player {
	return player{s: s, token: token, userAgent: "go-client/2.44.0 terraform-provider-aiven/1.11.4/4.61.0", base: "/", json: true, escape: goEscape}
}

// quote encodes every reserved character, as Python's quote(s, safe="").
func quote(segment string) string {
	const upper = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(segment) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.-~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', upper[c>>4], upper[c&15]})
	}
	return b.String()
}

// goEscape leaves + and = as they are.
func goEscape(segment string) string { return url.PathEscape(segment) }

// path is /v1/... of the segments, in the player's way of encoding.
func (p player) path(segments ...string) string {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		escaped[i] = p.escape(s)
	}
	return "/v1/" + strings.Join(escaped, "/")
}

// body is a request's JSON object; nil values are sent as null.
type body map[string]any

// request writes a request as the player does. in is nil for none.
func (p player) request(t *testing.T, method, path string, in any) *http.Request {
	t.Helper()
	var reader io.Reader
	kind := "application/octet-stream"
	if p.json || in != nil {
		kind = "application/json"
	}
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		reader = strings.NewReader(string(text))
	}
	if p.json && !strings.Contains(path, "limit=") {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + "limit=999"
	}
	req, err := http.NewRequestWithContext(t.Context(), method, p.s.URL+p.base+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("User-Agent", p.userAgent)
	if p.token != "" {
		req.Header.Set("Authorization", "aivenv1 "+p.token)
	}
	return req
}

// send sends a request and judges the answer, whatever its status.
func (p player) send(t *testing.T, method, path string, in any) servertest.Answer {
	t.Helper()
	a := p.s.Send(t, p.request(t, method, path, in))
	if err := judge(a); err != nil {
		t.Fatalf("%s %s: %d: %v; body: %s", method, path, a.Status, err, a.Body)
	}
	return a
}

// ok sends a request that must be answered with a JSON object, which it
// returns.
func (p player) ok(t *testing.T, method, path string, in any) map[string]any {
	t.Helper()
	return p.send(t, method, path, in).Want(http.StatusOK).Object()
}

// done sends a request that must be answered with 204.
func (p player) done(t *testing.T, method, path string, in any) {
	t.Helper()
	p.send(t, method, path, in).Want(http.StatusNoContent)
}

// refused sends a request that must be answered with the status and code.
func (p player) refused(t *testing.T, method, path string, in any, status int, code string) servertest.Answer {
	t.Helper()
	return p.send(t, method, path, in).WantCode(status, code)
}

// list is the list under key in an answer.
func list(t *testing.T, answer map[string]any, key string) []map[string]any {
	t.Helper()
	values, ok := answer[key].([]any)
	if !ok {
		t.Fatalf("no list %q in %v", key, answer)
	}
	rows := []map[string]any{}
	for _, v := range values {
		row, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("an element of %q is no object: %v", key, v)
		}
		rows = append(rows, row)
	}
	return rows
}

// object is the object under key in an answer.
func object(t *testing.T, answer map[string]any, key string) map[string]any {
	t.Helper()
	value, ok := answer[key].(map[string]any)
	if !ok {
		t.Fatalf("no object %q in %v", key, answer)
	}
	return value
}

// text is the text under key in an answer; it must not be empty.
func text(t *testing.T, answer map[string]any, key string) string {
	t.Helper()
	value, _ := answer[key].(string)
	if value == "" {
		t.Fatalf("no text %q in %v", key, answer)
	}
	return value
}

// find is the one row whose key is value.
func find(t *testing.T, rows []map[string]any, key string, value any) map[string]any {
	t.Helper()
	var found []map[string]any
	for _, row := range rows {
		if row[key] == value {
			found = append(found, row)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d rows with %s = %v, want 1, in %v", len(found), key, value, rows)
	}
	return found[0]
}

// columns checks that every row has every column, null allowed: the Python
// command line stops with a KeyError otherwise. A dot reaches inside.
func columns(t *testing.T, rows []map[string]any, names ...string) {
	t.Helper()
	if len(rows) == 0 {
		t.Fatal("no rows: the columns are not tested")
	}
	for _, row := range rows {
		for _, name := range names {
			outer, inner, nested := strings.Cut(name, ".")
			value, present := row[outer]
			if nested && present {
				object, _ := value.(map[string]any)
				_, present = object[inner]
			}
			if !present {
				t.Errorf("the column %s is missing in %v", name, row)
			}
		}
	}
}

// judge checks what all the clients rely on in any answer.
func judge(a servertest.Answer) error {
	switch {
	case a.Status == http.StatusNoContent:
		return judgeEmpty(a)
	case a.Status == http.StatusOK:
		return judgeSuccess(a)
	case a.Status >= 400 && a.Status < 500, a.Status == http.StatusNotExtended:
		return judgeError(a)
	}
	return errors.New("a status that no client expects")
}

func judgeEmpty(a servertest.Answer) error {
	if len(a.Body) > 0 || a.Header.Get("Content-Type") != "" || a.Header.Get("Content-Length") != "" {
		return fmt.Errorf("204 announces or carries a body: headers %v", a.Header)
	}
	return nil
}

func judgeSuccess(a servertest.Answer) error {
	object, err := decodeObject(a)
	if err != nil {
		return err
	}
	for _, key := range []string{"error", "errors"} {
		if _, present := object[key]; present {
			return fmt.Errorf("a success has the key %q", key)
		}
	}
	return judgeValue("", object)
}

func judgeError(a servertest.Answer) error {
	object, err := decodeObject(a)
	if err != nil {
		return err
	}
	if message, _ := object["message"].(string); message == "" {
		return errors.New("an error without a message")
	}
	items, _ := object["errors"].([]any)
	if len(items) != 1 {
		return errors.New("errors has not one element")
	}
	item, _ := items[0].(map[string]any)
	if message, _ := item["message"].(string); message == "" {
		return errors.New("errors[0] without a message")
	}
	if code, _ := item["error_code"].(string); code == "" {
		return errors.New("errors[0] without an error_code")
	}
	if fmt.Sprint(item["status"]) != fmt.Sprint(a.Status) {
		return fmt.Errorf("errors[0].status is %v", item["status"])
	}
	if _, ok := item["metadata"].(map[string]any); !ok {
		return errors.New("errors[0].metadata is no object")
	}
	return nil
}

// decodeObject reads a body that must be one JSON object; a list at the top
// stops the Python client.
func decodeObject(a servertest.Answer) (map[string]any, error) {
	if kind := a.Header.Get("Content-Type"); kind != "application/json" {
		return nil, fmt.Errorf("the Content-Type is %q", kind)
	}
	decoder := json.NewDecoder(strings.NewReader(string(a.Body)))
	decoder.UseNumber()
	object := map[string]any{}
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return object, nil
}

// instants are the keys of times that do not end in _time.
var instants = []string{"time", "token_validity_begin"}

// judgeValue checks numbers and times wherever they are.
func judgeValue(key string, value any) error {
	switch v := value.(type) {
	case map[string]any:
		for k, inner := range v {
			if err := judgeValue(k, inner); err != nil {
				return err
			}
		}
	case []any:
		for _, inner := range v {
			if err := judgeValue("", inner); err != nil {
				return err
			}
		}
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return fmt.Errorf("the number %s of %q is no plain integer", v, key)
		}
	}
	if strings.HasSuffix(key, "_time") || slices.Contains(instants, key) {
		return judgeTime(key, value)
	}
	return nil
}

func judgeTime(key string, value any) error {
	if value == nil {
		return nil
	}
	written, ok := value.(string)
	if !ok {
		return fmt.Errorf("the time %q is neither text nor null", key)
	}
	if _, err := time.Parse(time.RFC3339Nano, written); err != nil || !strings.HasSuffix(written, "Z") || len(written) > 36 {
		return fmt.Errorf("the time %q is %q: not RFC 3339 in UTC of at most 36 characters", key, written)
	}
	return nil
}

// login logs the admin in by password, as the Python command line does, and
// returns the session.
func login(t *testing.T, s *servertest.Server) string {
	t.Helper()
	return loginWith(t, s, servertest.AdminPassword)
}

func loginWith(t *testing.T, s *servertest.Server, password string) string {
	t.Helper()
	return text(t, avn(s, "").ok(t, "POST", "/v1/userauth", body{"email": servertest.AdminEmail, "password": password}), "token")
}

// personalToken makes a personal token of the admin.
func personalToken(t *testing.T, s *servertest.Server) string {
	t.Helper()
	return text(t, sdk(s, login(t, s)).ok(t, "POST", "/v1/access_token", body{"description": "made by " + t.Name()}), "full_token")
}
