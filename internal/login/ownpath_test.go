package login

import (
	"net/url"
	"strings"
	"testing"
)

var ownPaths = []string{"/", "/profile", "/profile/tokens", "/organizations/org4f9ed964ba9/users/", "/a?b=c&d=%2Fe", "/login/cli?redirect_uri=http://127.0.0.1:1/&state=x", "/users/@me:1+2"}

var foreignPaths = []string{
	"", "profile", "//evil.example", "/\\evil.example", "/%5cevil.example", "/%2f%2fevil.example", "https:evil.example", "https://evil.example/",
	"///e", "/.//evil.example", "/./x", "/../x", "/a/..", "/a//b", "javascript:alert(1)", "data:text/html,x", "/\t/evil.example", "/a\n/evil.example",
	"/a\r\nSet-Cookie: x", "https://own@evil.example", "/ok#//e", "/ok?a=b#c", "/a?b\\c", "/a b", "/ü", "/a\x00", " /a", "\\/evil.example", "/%2e%2e/x",
	"/" + strings.Repeat("x", 5<<10),
}

func TestWEB04OwnPath(t *testing.T) {
	for _, path := range ownPaths {
		if got := OwnPath(path); got != path {
			t.Errorf("%q became %q", path, got)
		}
	}
	for _, path := range foreignPaths {
		if got := OwnPath(path); got != "" {
			t.Errorf("%q became %q", path, got)
		}
	}
}

// Whatever passes leads to the server it is resolved at, also after a proxy
// has decoded or cleaned it.
func FuzzOwnPath(f *testing.F) {
	for _, path := range append(ownPaths, foreignPaths...) {
		f.Add(path)
	}
	base, err := url.Parse("https://own.example/login")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := OwnPath(next)
		if got == "" {
			return
		}
		if got != next || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t\x00#") {
			t.Fatalf("%q became %q", next, got)
		}
		u, err := base.Parse(got)
		if err != nil {
			return // a browser that cannot read it goes nowhere
		}
		if u.Host != "own.example" || u.Scheme != "https" || strings.HasPrefix(u.Path, "//") || u.User != nil {
			t.Fatalf("%q leads to %s", got, u)
		}
	})
}
