package identity

import (
	"errors"
	"strings"
	"testing"
)

// TestDOM03_Spelling: one spelling for each domain, none for those that are
// nobody's own.
func TestDOM03_Spelling(t *testing.T) {
	for _, c := range []struct{ in, want, code string }{
		{in: "acme.com", want: "acme.com"},
		{in: "ACME.COM.", want: "acme.com"},
		{in: " acme.com ", want: "acme.com"},
		{in: "bücher.de", want: "xn--bcher-kva.de"},
		{in: "XN--BCHER-KVA.de", want: "xn--bcher-kva.de"},
		{in: "acme.co.uk", want: "acme.co.uk"},
		{in: "https://acme.com/", code: "invalid_domain_name"},
		{in: "acme.com:443", code: "invalid_domain_name"},
		{in: "*.acme.com", code: "invalid_domain_name"},
		{in: "xn--acme-.com", code: "invalid_domain_name"},
		{in: strings.Repeat("a", 64) + ".com", code: "invalid_domain_name"},
		{in: "localhost", code: "invalid_domain_name"},
		{in: "com", code: "invalid_domain_name"},
		{in: "10.0.0.1", code: "invalid_domain_name"},
		{in: "[::1]", code: "invalid_domain_name"},
		{in: "::1", code: "invalid_domain_name"},
		{in: "", code: "invalid_domain_name"},
		{in: "acme.com..", code: "invalid_domain_name"},
		{in: "a\x00b.com", code: "invalid_domain_name"},
		{in: "co.uk", code: "organization_domain_not_allowed"},
		{in: "github.io", code: "organization_domain_not_allowed"},
		{in: "gmail.com", code: "organization_domain_not_allowed"},
		{in: "GMAIL.com.", code: "organization_domain_not_allowed"},
		{in: "www.acme.com", code: "organization_domain_not_root"},
		{in: "mail.gmail.com", code: "organization_domain_not_root"},
	} {
		got, err := ParseDomain(c.in)
		var wrong *Error
		if c.code == "" && (err != nil || got != c.want) || c.code != "" && (!errors.As(err, &wrong) || wrong.Code != c.code) {
			t.Errorf("ParseDomain(%q) = %q, %v", c.in, got, err)
		}
	}
}

// What is taken is taken again unchanged: one row for one domain.
func FuzzDomainName(f *testing.F) {
	for _, s := range []string{"acme.com", "BÜCHER.de.", "xn--bcher-kva.de", "*.a.com", "co.uk", "a.b.c.com", "１０.0.0.1", "a。com"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseDomain(s)
		if err != nil {
			return
		}
		if again, err := ParseDomain(name); err != nil || again != name {
			t.Errorf("%q is %q, which is %q, %v", s, name, again, err)
		}
		if name != strings.ToLower(name) || !isASCII(name) || !strings.Contains(name, ".") {
			t.Errorf("%q is %q", s, name)
		}
	})
}
