package httpapi

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// API-06: paths are compared segment by segment as they were sent, and each
// segment is decoded by itself.
func TestAPI06_Paths(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		target string
		status int
		path   string // parameters as the handler sees them
	}{
		{"/v1/organization/org1", 200, "map[organization_id:org1]"},
		{"/v1/organization/a%2Fb", 200, "map[organization_id:a/b]"},
		{"/v1/organization/a%2fb", 200, "map[organization_id:a/b]"},
		{"/v1/organization/a+b", 200, "map[organization_id:a+b]"},
		{"/v1/organization/a%2Bb", 200, "map[organization_id:a+b]"},
		{"/v1/organization/a%20b", 200, "map[organization_id:a b]"},
		{"/v1/organization/a=b", 200, "map[organization_id:a=b]"},
		{"/v1/organization/a%3Db", 200, "map[organization_id:a=b]"},
		{"/v1/organization/a;x", 200, "map[organization_id:a;x]"},
		{"/v1/organization/%F0%9F%98%80", 200, "map[organization_id:😀]"},
		{"/v1/organization/%252F", 200, "map[organization_id:%2F]"},
		{"/v1/organization/..%2f..", 200, "map[organization_id:../..]"},
		{"/v1/organization/%2e%2e", 200, "map[organization_id:..]"},
		{"/v1/organization/..", 200, "map[organization_id:..]"},
		{"/v1/organization/" + strings.Repeat("x", 8<<10), 200, "map[organization_id:" + strings.Repeat("x", 8<<10) + "]"},
		{"/v1/organization/o/user/u", 200, "map[organization_id:o user_id:u]"},
		{"/v1/organization/o%2Fuser%2Fu", 200, "map[organization_id:o/user/u]"},
		{"/v1/organization/a?x=/v1/secret", 200, "map[organization_id:a]"},
		{"//v1/organization/org1", 200, "map[organization_id:org1]"},
		{"///v1/thing", 200, "map[]"},
		{"http://elsewhere.example/v1/thing", 200, "map[]"},

		{"/v1/organization/", 404, ""},
		{"/v1/organization", 404, ""},
		{"/v1/organization/org1/", 404, ""},
		{"/v1/organization//user/u", 404, ""},
		{"/v1/organization/o//user/u", 404, ""},
		{"/v1/organization/%00", 404, ""},
		{"/v1/organization/a%00b", 404, ""},
		{"/v1/organization/%ff", 404, ""},
		{"/v1/organization/%c0%af", 404, ""},
		{"/v1/organization/%ed%a0%80", 404, ""}, // a surrogate
		{"/v1/organization/o/user/u/more", 404, ""},
		{"/v1//thing", 404, ""},
		{"/v1/./thing", 404, ""},
		{"/v1/../v1/thing", 404, ""},
		{"/./v1/thing", 404, ""},
		{"/x/../v1/thing", 404, ""},
		{"/%2e/v1/thing", 404, ""},
		{"/%2Fv1/thing", 404, ""},
		{"/v1%2Fthing", 404, ""},
		{"/v1/%73ecret", 404, ""}, // escaped letters are other letters
		{"/v1/secret;x", 404, ""},
		{"/v1/secret%20", 404, ""},
		{"/v1/secret.", 404, ""},
		{"/v1/SECRET", 404, ""},
		{"/V1/secret", 404, ""},
		{"/v1/secret/", 404, ""},
		{"/v1/secret/..", 404, ""},
		{"/v1/secret%00", 404, ""},
		{"/v1", 404, ""},
		{"/v1/", 404, ""},
		// The mux of the pages would redirect these to /page.
		{"//page", 404, ""},
		{"/./page", 404, ""},
		{"/x/../page", 404, ""},
	} {
		t.Run(fmt.Sprintf("%.40s", c.target), func(t *testing.T) {
			a := b.line(t, "GET", c.target)
			if a.status >= 300 && a.status < 400 {
				t.Fatalf("redirected to %s", a.header.Get("Location"))
			}
			if a.status != c.status {
				t.Fatalf("status %d, want %d: %s", a.status, c.status, a.body)
			}
			call := b.reached()
			if (call != nil) != (c.status == 200) {
				t.Fatalf("reached a handler: %v", call != nil)
			}
			if call != nil && fmt.Sprint(call.path) != c.path {
				t.Errorf("parameters %.60v, want %.60s", call.path, c.path)
			}
		})
	}
}

// Targets that are no path at all.
func TestAPI06_OddTargets(t *testing.T) {
	b := newBench(t)
	for _, target := range []string{"*", "v1/thing", "/v1/%zz", "/v1/%", "http://", "?", "/\x01"} {
		for _, method := range []string{"GET", "POST", "CONNECT"} {
			a := b.line(t, method, target)
			if a.status < 400 || a.status >= 500 || b.reached() != nil {
				t.Errorf("%s %q: status %d", method, target, a.status)
			}
		}
	}
}

func TestQueries(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		query string
		want  string
	}{
		{"x=1", "1"},
		{"x=1&x=2", "1"},
		{"x=a+b", "a b"},
		{"x=a%2Bb", "a+b"},
		{"X=1", ""},
		{"x[]=1", ""},
		{"limit=999", ""},
		{"x=%F0%9F%98%80", "😀"},
		{"x", ""},
		{"&&x=1&", "1"},
	} {
		a := b.line(t, "GET", "/v1/thing?"+c.query)
		if call := b.reached(); a.status != 200 || call == nil || call.Query("x") != c.want {
			t.Errorf("%s: status %d, want %q", c.query, a.status, c.want)
		}
	}
	for _, query := range []string{"x=%zz", "x=%", "a=1;b=2", "x=%00", "%00=1", "x=%ff", "%ff", "y=1&x=%c0%af"} {
		failed(t, b.line(t, "GET", "/v1/thing?"+query), 400, "bad_request")
		if b.reached() != nil {
			t.Errorf("%s reached a handler", query)
		}
	}
}

func TestTableWithTwins(t *testing.T) {
	for name, table := range map[string][]route{
		"the same route twice":   {{method: "GET", path: "/a/{x}"}, {method: "GET", path: "/a/{x}"}},
		"two names of a segment": {{method: "GET", path: "/a/{x}"}, {method: "PUT", path: "/a/{y}"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("accepted")
				}
			}()
			newRouter(table)
		})
	}
}

// FuzzRouter: whatever the path, the router does not panic; a parameter is the
// decoded form of one segment of what was sent; and writing it again in the
// usual form leads to the same route.
func FuzzRouter(f *testing.F) {
	for _, seed := range []string{"/v1/thing", "/v1/organization/a%2Fb", "//v1/organization/a+b/user/%2e%2e", "/v1/project/%F0%9F%98%80/tags", "/%2Fv1", "", "/", "/v1/organization/%00"} {
		f.Add(seed)
	}
	root := newRouter((&bench{}).table())
	f.Fuzz(func(t *testing.T, path string) {
		routes, params := root.match(path)
		if routes == nil {
			return
		}
		segments := strings.Split(strings.TrimLeft(path, "/"), "/")
		for name, value := range params {
			if value == "" || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
				t.Fatalf("%s is %q", name, value)
			}
			at := 0
			for at < len(segments) {
				if decoded, err := url.PathUnescape(segments[at]); err == nil && decoded == value {
					break
				}
				at++
			}
			if at == len(segments) {
				t.Fatalf("%s is %q, which is no segment of %q", name, value, path)
			}
			segments[at] = url.PathEscape(value)
		}
		again, _ := root.match("/" + strings.Join(segments, "/"))
		if fmt.Sprint(methods(again)) != fmt.Sprint(methods(routes)) {
			t.Fatalf("%q written again leads elsewhere", path)
		}
	})
}
