package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/identity"
)

const (
	// maxBody is the largest body that is read, in bytes.
	maxBody = 1 << 20
	// smallBody is the largest that gets its room before it comes.
	smallBody = 4 << 10
)

func badRequest(format string, args ...any) error {
	return identity.Invalidf("bad_request", format, args...)
}

// readQuery reads the query of the request, once.
func (c *Call) readQuery() (err error) {
	if c.query == "" {
		c.query, err = readQuery(c.request.URL.RawQuery)
	}
	return err
}

// readQuery reads a query string. Parts that cannot be read are refused, not
// dropped: a filter that is ignored shows too much.
func readQuery(raw string) (pairs, error) {
	if isPlainQuery(raw) {
		return pairs(raw), nil
	}
	query, ok := readOddPairs(raw)
	if !ok {
		return "", badRequest("the query of the URL cannot be read; write it as a=1&b=2, with other characters percent-encoded")
	}
	for name, value := range query.all {
		if !isText(name) || !isText(value) {
			return "", badRequest("the query of the URL has a parameter that is not UTF-8 text, or holds a NUL character")
		}
	}
	return query, nil
}

func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// readBody reads the body of a request that may have one. Clients send content
// types of all kinds with no body at all; only a body must say what it is.
func readBody(w http.ResponseWriter, req *http.Request, r *route) ([]byte, error) {
	if r.handler.in == nil {
		return nil, nil
	}
	body, err := readAll(w, req)
	if tooLarge, _ := errors.AsType[*http.MaxBytesError](err); tooLarge != nil {
		return nil, &identity.Error{Kind: identity.TooLarge, Code: "request_too_large", Message: "the request body is larger than 1 MiB; send less"}
	}
	if err != nil {
		return nil, badRequest("the request body could not be read to its end; send it again")
	}
	if len(body) == 0 {
		return nil, nil
	}
	if err := unencoded(req); err != nil {
		return nil, err
	}
	want := "application/json"
	if r.form {
		want = "application/x-www-form-urlencoded"
	}
	if !isMedia(req.Header.Get("Content-Type"), want) {
		return nil, &identity.Error{Kind: unsupportedMedia, Code: "unsupported_media_type", Message: "send the body as " + want + " and say so in the Content-Type header"}
	}
	return body, nil
}

// unencoded refuses a body that is encoded. The answer says which codings there
// are, which tells it from that to a wrong type (RFC 9110 section 12.5.3).
func unencoded(req *http.Request) error {
	if !access.Encoded(req.Header) {
		return nil
	}
	return &identity.Error{Kind: encodedBody, Code: "unsupported_content_encoding", Message: "send the request body as it is, without the header Content-Encoding: compressed bodies are not read"}
}

// readAll reads a body. What its sender promises is taken for true, and room
// made, only where that is little.
func readAll(w http.ResponseWriter, req *http.Request) ([]byte, error) {
	if n := req.ContentLength; n >= 0 && n <= smallBody {
		body := make([]byte, n)
		_, err := io.ReadFull(req.Body, body)
		return body, err
	}
	return io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
}

// isMedia compares a Content-Type with a media type; parameters do not matter.
func isMedia(header, want string) bool {
	if header == want {
		return true
	}
	kind, _, err := mime.ParseMediaType(header)
	return err == nil && kind == want
}

// decode reads a JSON object strictly into in: names are compared exactly,
// duplicate names, invalid UTF-8 and trailing data are refused. Names that the
// route does not know are ignored on the compatible API, whose clients send
// some, and refused on our own routes.
func decode(body []byte, in any, r *route) error {
	if err := object(body, r); err != nil {
		return err
	}
	if len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, in, json.RejectUnknownMembers(r.own)); err != nil {
		return badJSON(err)
	}
	return storable(reflect.ValueOf(in), "")
}

// object checks that the body is one JSON object whose top-level fields follow
// the route's rules. A field that is null counts as missing.
func object(body []byte, r *route) error {
	members := map[string]jsontext.Value{}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &members); err != nil {
			return badJSON(err)
		}
		if members == nil {
			return badRequest("the request body must be a JSON object, not null")
		}
	}
	for _, name := range sortedNames(r.fields) {
		rule, value := r.fields[name], members[name]
		missing := len(value) == 0 || value.Kind() == 'n'
		if missing && rule.required {
			return badRequest("the field %q is missing from the request body", name)
		}
		if missing {
			continue
		}
		if err := rule.check(name, value); err != nil {
			return err
		}
	}
	return nil
}

// check refuses a value that is out of its bounds. One of another type is
// refused where it is read.
func (f field) check(name string, v jsontext.Value) error {
	if f.max > 0 {
		if n, unit := size(v); n > f.max {
			return badRequest("the field %q is too long: at most %d %s", name, f.max, unit)
		}
	}
	if n, err := strconv.ParseInt(string(v), 10, 64); f.to > 0 && err == nil && (n < f.from || n > f.to) {
		return badRequest("the field %q must be from %d to %d", name, f.from, f.to)
	}
	return nil
}

func sortedNames(f fields) []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// size is the length of a string in characters or of a list in elements.
func size(v jsontext.Value) (int, string) {
	switch v.Kind() {
	case '"':
		var s string
		if json.Unmarshal(v, &s) == nil {
			return utf8.RuneCountInString(s), "characters"
		}
	case '[':
		var list []jsontext.Value
		if json.Unmarshal(v, &list) == nil {
			return len(list), "elements"
		}
	}
	return 0, ""
}

// badJSON says where a body breaks the rules, without repeating its values:
// they may be secrets.
func badJSON(err error) error {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		if errors.Is(err, json.ErrUnknownName) {
			return badRequest("the request body has a field %s that this route does not know; check its spelling", quoted(string(semantic.JSONPointer)))
		}
		if semantic.JSONPointer == "" {
			return badRequest("the request body must be a JSON object, {…}")
		}
		return badRequest("the field %s has the wrong type or a value out of range", quoted(string(semantic.JSONPointer)))
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return badRequest("the request body names the field %s twice", quoted(string(syntactic.JSONPointer)))
		}
		return badRequest("the request body is not valid JSON at byte %d", syntactic.ByteOffset)
	}
	return badRequest("the request body is not the JSON object that this route takes")
}

// quoted is a JSON pointer as people read it.
func quoted(pointer string) string {
	name := strings.TrimPrefix(pointer, "/")
	if len(name) > 64 {
		name = name[:64] + "…"
	}
	return fmt.Sprintf("%q", name)
}

// storable refuses text that a database would refuse or change.
func storable(v reflect.Value, at string) error {
	switch v.Kind() {
	case reflect.String:
		if strings.ContainsRune(v.String(), 0) {
			return badRequest("the field %q holds a NUL character; remove it", at)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return storable(v.Elem(), at)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := storable(v.Index(i), at); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if err := errors.Join(storable(key, at), storable(v.MapIndex(key), at)); err != nil {
				return badRequest("the field %q holds a NUL character; remove it", at)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if err := storable(v.Field(i), name); err != nil {
				return err
			}
		}
	}
	return nil
}

// encode writes an answer's body. Bytes that are no text, which an old row or a
// message may hold, are replaced: they must not turn an answer into a 500.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := json.MarshalWrite(&b, v, written)
	b.WriteByte('\n')
	return b.Bytes(), err
}
