package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
)

const jsonType = "application/json"

func contains(s, part string) bool { return strings.Contains(s, part) }

// post sends a body to a route and returns the decoded one that the handler
// answered with.
func (b *bench) post(t testing.TB, path, body string) (answer, thing) {
	t.Helper()
	a := b.do(t, "POST", path, jsonType, strings.NewReader(body))
	var got thing
	if a.status == 200 {
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatal(err)
		}
	}
	return a, got
}

func deep(open, shut string, levels int) string {
	return strings.Repeat(open, levels) + "1" + strings.Repeat(shut, levels)
}

// API-01: a body has one reading.
func TestAPI01_OneReading(t *testing.T) {
	b := newBench(t)
	for name, body := range map[string]string{
		"a field twice":              `{"name":"a","name":"b"}`,
		"a field twice, escaped":     `{"name":"a","n\u0061me":"b"}`,
		"an unknown field twice":     `{"x":1,"x":2}`,
		"a nested field twice":       `{"nested":{"count":1,"count":2}}`,
		"twice in what is ignored":   `{"x":{"y":1,"y":2}}`,
		"twice in anything":          `{"anything":{"y":1,"y":2}}`,
		"twice in a map":             `{"tags":{"a":"1","a":"2"}}`,
		"a second object":            `{"name":"a"}{"name":"b"}`,
		"a second value":             `{"name":"a"} 1`,
		"a word behind":              `{"name":"a"}x`,
		"a bracket behind":           `{"name":"a"}]`,
		"a byte order mark":          "\ufeff" + `{"name":"a"}`,
		"a comment":                  `{"name":"a" /* x */}`,
		"a line comment":             "{\"name\":\"a\"} // x\n",
		"a comma too many":           `{"name":"a",}`,
		"single quotes":              `{'name':'a'}`,
		"no quotes":                  `{name:"a"}`,
		"UTF-16":                     "\xff\xfe{\x00}\x00",
		"a control character":        "{\"name\":\"a\nb\"}",
		"an escape that is none":     `{"name":"\x41"}`,
		"half":                       `{"name":"a"`,
		"a NUL behind":               "{}\x00",
		"a vertical tab for a space": "{\v}",
	} {
		for _, path := range []string{"/v1/thing", "/v1/own", "/v1/raw"} {
			a, _ := b.post(t, path, body)
			e := failed(t, a, 400, "bad_request")
			if contains(e.Message, `"a"`) {
				t.Errorf("%s: repeats a value: %q", name, e.Message)
			}
			if b.reached() != nil {
				t.Errorf("%s reached the handler of %s", name, path)
			}
		}
	}
	a, _ := b.post(t, "/v1/thing", `{"name":"a","name":"b"}`)
	if e := failed(t, a, 400, "bad_request"); !contains(e.Message, `"name" twice`) {
		t.Errorf("message %q", e.Message)
	}
}

// API-01: names in another case are other names.
func TestAPI01_CaseOfNames(t *testing.T) {
	b := newBench(t)
	for _, body := range []string{
		`{"Password_Auth_Enabled":true}`, `{"PASSWORD_AUTH_ENABLED":true}`, `{"password_auth_enabLed":true}`, `{"pas\u017fword_auth_enabled":true}`,
		`{"i\u017f_super_admin":true}`, `{"iſ_super_admin":true}`, `{"IS_SUPER_ADMIN":true}`, `{"is-super-admin":true}`, `{"isSuperAdmin":true}`, `{" is_super_admin":true}`,
		`{"Name":"x"}`, `{"name ":"x"}`, `{"NAME":"x"}`,
	} {
		a, got := b.post(t, "/v1/thing", body)
		if a.status != 200 || got.Password || got.Super || got.Name != "" {
			t.Errorf("%s: status %d, taken as %+v", body, a.status, got)
		}
		a, _ = b.post(t, "/v1/own", body)
		e := failed(t, a, 400, "bad_request")
		if !contains(e.Message, "does not know") {
			t.Errorf("%s: message %q", body, e.Message)
		}
	}
	// Escapes are another spelling of the same name.
	if a, got := b.post(t, "/v1/own", `{"is_super_\u0061dmin":true}`); a.status != 200 || !got.Super {
		t.Errorf("an escaped name: %d %+v", a.status, got)
	}
	a, _ := b.post(t, "/v1/own", `{"nested":{"coun":1}}`)
	if e := failed(t, a, 400, "bad_request"); !contains(e.Message, `"nested/coun"`) {
		t.Errorf("message %q", e.Message)
	}
}

// API-02: nothing is converted.
func TestAPI02_Types(t *testing.T) {
	b := newBench(t)
	bad := map[string][]string{
		"name":                  {"1", "true", "[]", "{}", `["a"]`, "1.5"},
		"password_auth_enabled": {`"true"`, `"false"`, "0", "1", `""`, "[]", "{}", "[true]"},
		"count":                 {`"600"`, `""`, "600.5", "1e400", "-1e400", "1e2", "9223372036854775808", "-9223372036854775809", "true", "[]", "{}", "[1]"},
		"share":                 {`"1"`, "1e400", "-1e400", "true", "[]"},
		"list":                  {`"a"`, "{}", "1", "[1]", `["a",1]`, "true", `[["a"]]`},
		"tags":                  {`"a"`, "[]", "1", `{"a":1}`, `{"a":{}}`, `{"a":["b"]}`},
		"nested":                {`"a"`, "[]", "1", "true", `{"count":"1"}`},
	}
	for field, values := range bad {
		for _, value := range values {
			for _, path := range []string{"/v1/thing", "/v1/own"} {
				a, _ := b.post(t, path, fmt.Sprintf(`{%q:%s}`, field, value))
				e := failed(t, a, 400, "bad_request")
				if !contains(e.Message, `"`+field) {
					t.Errorf("%s: %s: message %q does not name the field", field, value, e.Message)
				}
			}
		}
		// What is null is not there.
		if a, _ := b.post(t, "/v1/thing", fmt.Sprintf(`{%q:null}`, field)); a.status != 200 {
			t.Errorf("%s: null: %d", field, a.status)
		}
	}
	for _, value := range []string{"NaN", "Infinity", "-Infinity", "+1", "01", "0x1", "1.", ".5", "1_000", "True", "undefined"} {
		a, _ := b.post(t, "/v1/thing", `{"count":`+value+`}`)
		failed(t, a, 400, "bad_request")
	}
	for value, want := range map[string]int64{"-0": 0, "0": 0, "9223372036854775807": 1<<63 - 1, "-9223372036854775808": -1 << 63} {
		if a, got := b.post(t, "/v1/thing", `{"count":`+value+`}`); a.status != 200 || got.Count != want {
			t.Errorf("%s: %d %d", value, a.status, got.Count)
		}
	}
}

// The body is an object, or nothing at all where nothing is required.
func TestAPI02_Bodies(t *testing.T) {
	b := newBench(t)
	for _, body := range []string{"null", "[]", `"x"`, "1", "true", " ", "\n", "[{}]"} {
		for _, path := range []string{"/v1/thing", "/v1/own", "/v1/raw", "/v1/ruled"} {
			a, _ := b.post(t, path, body)
			failed(t, a, 400, "bad_request")
		}
	}
	for _, body := range []string{"", "{}", " {} ", "\t\r\n{}\n"} {
		if a, got := b.post(t, "/v1/thing", body); a.status != 200 || got.Name != "" {
			t.Errorf("%q: %d", body, a.status)
		}
	}
}

// API-03: deep and big.
func TestAPI03_DeepAndBig(t *testing.T) {
	b := newBench(t)
	for name, body := range map[string]string{
		"10,001 objects":         deep(`{"a":`, "}", 10_001),
		"10,001 lists":           `{"anything":` + deep("[", "]", 10_001) + "}",
		"10,001 lists, ignored":  `{"a":` + deep("[", "]", 10_001) + "}",
		"never closed":           strings.Repeat(`{"a":`, 100_000),
		"never closed lists":     strings.Repeat("[", 1<<20),
		"10,001 lists in nested": `{"nested":{"anything":` + deep("[", "]", 10_001) + "}}",
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/v1/thing", "/v1/own", "/v1/raw"} {
				a, _ := b.post(t, path, body)
				failed(t, a, 400, "bad_request")
			}
		})
	}
	var keys strings.Builder
	keys.WriteString(`{"k":0`)
	for i := range 60_000 {
		fmt.Fprintf(&keys, `,"key%06d":1`, i)
	}
	keys.WriteString("}")
	if a, _ := b.post(t, "/v1/thing", keys.String()); a.status != 200 {
		t.Errorf("60,000 unknown keys: %d", a.status)
	}
	a, _ := b.post(t, "/v1/own", keys.String())
	failed(t, a, 400, "bad_request")
}

func TestAPI03_SizeOfBodies(t *testing.T) {
	b := newBench(t)
	whole := func(n int) string { return `{"name":"` + strings.Repeat("x", n-len(`{"name":""}`)) + `"}` }
	if a, got := b.post(t, "/v1/thing", whole(1<<20)); a.status != 200 || len(got.Name) != 1<<20-11 {
		t.Errorf("1 MiB: %d", a.status)
	}
	b.reached()
	for name, body := range map[string]io.Reader{
		"one byte more":         strings.NewReader(whole(1<<20 + 1)),
		"one byte more, chunks": struct{ io.Reader }{strings.NewReader(whole(1<<20 + 1))},
		"chunks without end":    io.LimitReader(endless{}, 8<<20),
		"spaces":                strings.NewReader(strings.Repeat(" ", 1<<20+1)),
	} {
		t.Run(name, func(t *testing.T) {
			failed(t, b.do(t, "POST", "/v1/thing", jsonType, body), 413, "request_too_large")
			if b.reached() != nil {
				t.Error("reached the handler")
			}
		})
	}
	// The length decides before the type.
	failed(t, b.do(t, "POST", "/v1/thing", "text/plain", strings.NewReader(whole(1<<20+1))), 413, "request_too_large")
	failed(t, b.do(t, "POST", "/v1/form", "application/x-www-form-urlencoded", strings.NewReader("a="+strings.Repeat("x", 1<<20))), 413, "request_too_large")
}

// endless is a body that goes on.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// API-04: bytes that databases dislike are refused, or kept as they are.
func TestAPI04_Text(t *testing.T) {
	b := newBench(t)
	for name, text := range map[string]string{
		"a lone high surrogate":  `"\ud800"`,
		"a lone low surrogate":   `"\udc00"`,
		"surrogates turned":      `"\udc00\ud800"`,
		"a surrogate and a word": `"\ud83dx"`,
		"invalid UTF-8":          "\"\xff\"",
		"half a character":       "\"\xe2\x82\"",
		"an overlong slash":      "\"\xc0\xaf\"",
		"a surrogate in UTF-8":   "\"\xed\xa0\x80\"",
		"beyond Unicode":         "\"\xf4\x90\x80\x80\"",
	} {
		for _, body := range []string{`{"name":%s}`, `{%s:1}`, `{"list":["a",%s]}`, `{"tags":{%s:"a"}}`, `{"tags":{"a":%s}}`, `{"nested":{"name":%s}}`, `{"anything":{"a":[%s]}}`, `{"unknown":%s}`} {
			for _, path := range []string{"/v1/thing", "/v1/raw"} {
				a, _ := b.post(t, path, fmt.Sprintf(body, text))
				e := failed(t, a, 400, "bad_request")
				if !utf8.ValidString(e.Message) {
					t.Errorf("%s: message %q", name, e.Message)
				}
			}
		}
	}
	for _, body := range []string{`{"name":"a\u0000"}`, `{"list":["a","\u0000"]}`, `{"tags":{"\u0000":"a"}}`, `{"tags":{"a":"\u0000"}}`, `{"nested":{"name":"\u0000"}}`, `{"nested":{"nested":{"list":["\u0000"]}}}`, `{"anything":{"a":[{"b":"\u0000"}]}}`} {
		a, _ := b.post(t, "/v1/thing", body)
		e := failed(t, a, 400, "bad_request")
		if !contains(e.Message, "NUL") {
			t.Errorf("%s: message %q", body, e.Message)
		}
	}
	for _, text := range []string{"\uffff", "\ufffe", "\ufffd", "😀", "\U0010ffff", "é", "e\u0301", "\u202e", "\u200d", "\x7f", "a\tb"} {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if a, got := b.post(t, "/v1/thing", fmt.Sprintf(`{"name":%s}`, quoted)); a.status != 200 || got.Name != text {
			t.Errorf("%q: %d %q", text, a.status, got.Name)
		}
	}
	if a, got := b.post(t, "/v1/thing", `{"name":"\ud83d\ude00"}`); a.status != 200 || got.Name != "😀" {
		t.Errorf("an escaped pair: %d %q", a.status, got.Name)
	}
}

// The rules of fields: required, and how long.
func TestFields(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ body, want string }{
		{`{"name":"12345"}`, ""},
		{`{"name":"12345","list":["a","b","c"],"count":null}`, ""},
		{`{"name":"日本語😀é"}`, ""},
		{`{"name":""}`, ""},
		{``, `the field "name" is missing from the request body`},
		{`{}`, `the field "name" is missing from the request body`},
		{`{"name":null}`, `the field "name" is missing from the request body`},
		{`{"Name":"a"}`, `the field "name" is missing from the request body`},
		{`{"name":"123456"}`, `the field "name" is too long: at most 5 characters`},
		{`{"name":"日本語😀éé"}`, `the field "name" is too long: at most 5 characters`},
		{`{"name":"a","list":["a","b","c","d"]}`, `the field "list" is too long: at most 3 elements`},
		{`{"name":["a","b","c","d","e","f"]}`, `the field "name" is too long: at most 5 elements`},
		{`{"name":"a","count":9}`, ""},
		{`{"name":"a","count":-2}`, ""},
		{`{"name":"a","count":10}`, `the field "count" must be from -2 to 9`},
		{`{"name":"a","count":-3}`, `the field "count" must be from -2 to 9`},
		{`{"name":"a","count":"10"}`, `the field "count" has the wrong type or a value out of range`},
		{`{"name":"a","count":99999999999999999999}`, `the field "count" has the wrong type or a value out of range`},
		{`{"name":1}`, `the field "name" has the wrong type or a value out of range`},
		{`["name"]`, `the request body must be a JSON object, {…}`},
		{`"name"`, `the request body must be a JSON object, {…}`},
		{`[[[1]]]`, `the request body must be a JSON object, {…}`},
	} {
		a, _ := b.post(t, "/v1/ruled", c.body)
		if c.want == "" {
			if a.status != 200 {
				t.Errorf("%s: %d %s", c.body, a.status, a.body)
			}
			continue
		}
		if e := failed(t, a, 400, "bad_request"); e.Message != c.want {
			t.Errorf("%s: message %q, want %q", c.body, e.Message, c.want)
		}
	}
}

// A body says what it is; where there is none, nothing is asked.
func TestContentTypes(t *testing.T) {
	b := newBench(t)
	for _, kind := range []string{"", "application/octet-stream", "text/plain", "application/x-www-form-urlencoded", "garbage;;", jsonType} {
		for _, method := range []string{"POST", "PUT", "DELETE", "GET"} {
			if a := b.do(t, method, "/v1/thing", kind, nil); a.status >= 300 {
				t.Errorf("%s without a body as %q: %d %s", method, kind, a.status, a.body)
			}
		}
	}
	for _, kind := range []string{jsonType, "application/json; charset=utf-8", "Application/JSON", " application/json ;charset=UTF-8"} {
		if a := b.do(t, "POST", "/v1/thing", kind, strings.NewReader("{}")); a.status != 200 {
			t.Errorf("as %q: %d", kind, a.status)
		}
	}
	b.reached()
	for _, kind := range []string{"", "application/octet-stream", "text/plain", "text/json", "application/jsonx", "application/json,text/plain", "application/problem+json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "garbage;;", "json"} {
		for _, method := range []string{"POST", "PUT"} {
			e := failed(t, b.do(t, method, "/v1/thing", kind, strings.NewReader("{}")), 415, "unsupported_media_type")
			if !contains(e.Message, jsonType) {
				t.Errorf("message %q", e.Message)
			}
		}
	}
	failed(t, b.do(t, "POST", "/v1/form", jsonType, strings.NewReader("{}")), 415, "unsupported_media_type")
	if b.reached() != nil {
		t.Error("reached a handler")
	}
	if a := b.do(t, "POST", "/v1/form", "application/x-www-form-urlencoded; charset=utf-8", strings.NewReader("a=1")); a.body != `{"form":"a=1"}`+"\n" {
		t.Errorf("form: %d %s", a.status, a.body)
	}
	// Bodies of calls that take none are not looked at.
	if a := b.do(t, "DELETE", "/v1/thing", "text/plain", strings.NewReader("{{{")); a.status != 204 {
		t.Errorf("a body that nobody reads: %d", a.status)
	}
}

// A body that is encoded is refused, not read as what it is not (RFC 9110
// sections 12.5.3 and 15.5.16); where none is read, nothing is asked.
func TestEncodedBodies(t *testing.T) {
	b := newBench(t)
	send := func(method, path, kind, coding string) answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, b.server.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		req.Header["Content-Encoding"] = strings.Split(coding, "|")
		return b.send(t, req)
	}
	for _, coding := range []string{"gzip", "GZIP", "deflate", "br", "identity, gzip", "identity|gzip", "gzip, identity", "x", "identity;q=1", "identity, identity"} {
		for path, kind := range map[string]string{"/v1/thing": jsonType, "/v1/form": "application/x-www-form-urlencoded", "/v1/own": "text/plain"} {
			a := send("POST", path, kind, coding)
			failed(t, a, 415, "unsupported_content_encoding")
			if got := a.header.Get("Accept-Encoding"); got != "identity" {
				t.Errorf("%s %s: accepts %q", path, coding, got)
			}
		}
	}
	if b.reached() != nil {
		t.Error("an encoded body reached a handler")
	}
	for _, coding := range []string{"identity", "Identity", ""} {
		if a := send("POST", "/v1/thing", jsonType, coding); a.status != 200 {
			t.Errorf("as %q: %d %s", coding, a.status, a.body)
		}
	}
	if a := send("DELETE", "/v1/thing", jsonType, "gzip"); a.status != 204 {
		t.Errorf("a body that nobody reads: %d", a.status)
	}
	if a := send("POST", "/v1/thing", "text/plain", "identity"); a.header.Get("Accept-Encoding") != "" {
		t.Error("a wrong type is answered as a wrong coding")
	}
}

// A body that ends early is the sender's trouble, and changes nothing.
func TestBodyThatBreaksOff(t *testing.T) {
	b := newBench(t)
	body := io.MultiReader(strings.NewReader(`{"name":"a"`), broken{})
	req, err := http.NewRequestWithContext(t.Context(), "POST", b.server.URL+"/v1/thing", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", jsonType)
	if resp, err := b.server.Client().Do(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("status %d", resp.StatusCode)
	}
	if b.reached() != nil {
		t.Error("half a body reached the handler")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken off") }

// FuzzDecode: a body that is accepted is what the standard decoder, told to be
// strict, reads too; every refusal is a 400 in words that can be sent; nothing
// with a NUL gets through.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, ``, `{"name":"a","count":-0,"list":["x"],"tags":{"a":"b"},"nested":{"name":"\ud83d\ude00"}}`, `{"name":"a","name":"b"}`, `{"Name":1}`, `{"a":1e400}`,
		"\ufeff{}", `{"name":"\u0000"}`, `{"name":"\ud800"}`, "{\"name\":\"\xff\"}", `{"anything":[[[[1]]]]}`, `null`, `{"count":"1"}`, `{} {}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, own bool) {
		r := &route{own: own, fields: fields{"name": {max: 100}, "list": {max: 10}}}
		var in thing
		err := decode(body, &in, r)
		if err != nil {
			var e *identity.Error
			if !errors.As(err, &e) || e.Kind != identity.Invalid || e.Message == "" || !utf8.ValidString(e.Message) {
				t.Fatalf("refused with %#v", err)
			}
			return
		}
		if len(body) == 0 {
			return
		}
		if !utf8.Valid(body) || !json.Valid(body) {
			t.Fatal("accepted what is not JSON in UTF-8")
		}
		if utf8.RuneCountInString(in.Name) > 100 || len(in.List) > 10 {
			t.Fatal("accepted what is too long")
		}
		written, err := encode(in)
		if err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		if bytes.Contains(written, []byte(`\u0000`)) && !bytes.Contains(written, []byte(`\\u0000`)) {
			t.Fatalf("a NUL got through: %s", written)
		}
		var again thing
		if err := decode(written, &again, &route{own: true}); err != nil {
			t.Fatalf("%s is not read again: %v", written, err)
		}
		if own {
			// encoding/json folds case, so it is compared where unknown names
			// are refused by both.
			var std thing
			d := json.NewDecoder(bytes.NewReader(body))
			d.DisallowUnknownFields()
			if err := d.Decode(&std); err != nil {
				t.Fatalf("the standard decoder refuses %q: %v", body, err)
			}
			if fmt.Sprintf("%+v", std.Tags) != fmt.Sprintf("%+v", in.Tags) || std.Name != in.Name || std.Count != in.Count || std.Super != in.Super {
				t.Fatalf("read as %+v and %+v", in, std)
			}
		}
	})
}
