package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultDocument(t *testing.T) {
	data, err := json.Marshal(Default())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"password_auth_enabled":true,"two_factor_required":false,"oauth_enabled":true,` +
		`"oauth_providers_allowed":["google","microsoft","github"],"saml_enabled":true,"saml_allow_external":true,` +
		`"personal_tokens_enabled":true,"personal_tokens_managed_users_enabled":true,` +
		`"personal_tokens_require_allowed_auth_method":false,"passkey_auth_enabled":true,"mcp_enabled":false,` +
		`"max_personal_token_age_seconds":null,"max_application_token_age_seconds":null,` +
		`"session_max_age_seconds":null,"session_idle_seconds":null,` +
		`"api_client_ip_allowlist":[],"api_client_ip_allowlist_enabled":false}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
	if err := Validate(Default()); err != nil {
		t.Errorf("the default policy is not valid: %v", err)
	}
}

func TestParse(t *testing.T) {
	got, err := Parse([]byte(`{
		"saml_allow_external": false, "oauth_providers_allowed": ["github", "google"], "mcp_enabled": true,
		"session_idle_seconds": 1800, "max_personal_token_age_seconds": null,
		"api_client_ip_allowlist": ["203.0.113.0/24", "2001:db8::/32"], "api_client_ip_allowlist_enabled": true,
		"api_client_ip_allowlist_descriptions": {"203.0.113.0/24": "office"}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.SAMLAllowExternal, want.OAuthProviders, want.MCPEnabled = false, Google|GitHub, true
	want.SessionIdle = 30 * time.Minute
	want.Ranges = Ranges{true, []Range{
		{netip.MustParsePrefix("203.0.113.0/24"), "office"}, {netip.MustParsePrefix("2001:db8::/32"), ""},
	}}
	if diff := cmp.Diff(want, got, comparePrefixes); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ document, field, message string }{
		{``, "", "not a JSON object"},
		{`null`, "", "not a JSON object"},
		{`[]`, "", "not a JSON object"},
		{`"x"`, "", "not a JSON object"},
		{`{`, "", "not JSON"},
		{`{"saml_enabled"`, "", "not JSON"},
		{`{"saml_enabled": tru}`, "", "not JSON"},
		{`{"saml_enabled": true,}`, "", "not JSON"},
		{`{} {}`, "", "something follows"},
		{`{}]`, "", "something follows"},
		{"{\"saml_enabled\": true, \"\xff\": 1}", "", "not UTF-8"},
		{`{"SAML_enabled": true}`, "SAML_enabled", "not a field"},
		{`{"samlEnabled": true}`, "samlEnabled", "not a field"},
		{`{"": true}`, "", "not a field"},
		{`{"` + strings.Repeat("x", 1000) + `": 1}`, strings.Repeat("x", 64) + "…", "not a field"},
		{`{"saml_enabled": true, "saml_enabled": true}`, "saml_enabled", "appears twice"},
		{`{"saml_enabled": true, "saml\u005fenabled": false}`, "saml_enabled", "appears twice"},
		{`{"saml_enabled": "false"}`, "saml_enabled", "not true or false"},
		{`{"saml_enabled": 0}`, "saml_enabled", "not true or false"},
		{`{"saml_enabled": null}`, "saml_enabled", "not true or false"},
		{`{"saml_enabled": []}`, "saml_enabled", "not true or false"},
		{`{"session_idle_seconds": "300"}`, "session_idle_seconds", "whole number"},
		{`{"session_idle_seconds": 300.5}`, "session_idle_seconds", "whole number"},
		{`{"session_idle_seconds": 3e2}`, "session_idle_seconds", "whole number"},
		{`{"session_idle_seconds": 0}`, "session_idle_seconds", "whole number"},
		{`{"session_idle_seconds": -1}`, "session_idle_seconds", "whole number"},
		{`{"session_idle_seconds": 9223372037}`, "session_idle_seconds", "whole number"},
		{`{"session_idle_seconds": 1e308}`, "session_idle_seconds", "whole number"},
		{`{"session_idle_seconds": false}`, "session_idle_seconds", "whole number"},
		{`{"oauth_providers_allowed": null}`, "oauth_providers_allowed", "list of strings"},
		{`{"oauth_providers_allowed": "google"}`, "oauth_providers_allowed", "list of strings"},
		{`{"oauth_providers_allowed": [null]}`, "oauth_providers_allowed", "list of strings"},
		{`{"oauth_providers_allowed": ["gitlab"]}`, "oauth_providers_allowed", "use one of google, microsoft, github"},
		{`{"oauth_providers_allowed": ["google", "google"]}`, "oauth_providers_allowed", "twice"},
		{`{"api_client_ip_allowlist": {}}`, "api_client_ip_allowlist", "list of strings"},
		{`{"api_client_ip_allowlist": ["203.0.113.7/24"]}`, "api_client_ip_allowlist", "bits set"},
		{`{"api_client_ip_allowlist": ["203.0.113.0/24", "203.0.113.0/24"]}`, "api_client_ip_allowlist", "twice"},
		{`{"api_client_ip_allowlist": ["2001:db8::/32", "2001:0DB8::/32"]}`, "api_client_ip_allowlist", "twice"},
		{`{"api_client_ip_allowlist_descriptions": {"203.0.113.0/24": "x"}}`, "api_client_ip_allowlist_descriptions", "not in api_client_ip_allowlist"},
		{`{"api_client_ip_allowlist_descriptions": {"office": "x"}}`, "api_client_ip_allowlist_descriptions", "not an address range"},
		{`{"api_client_ip_allowlist_descriptions": []}`, "api_client_ip_allowlist_descriptions", "not an object"},
		{`{"api_client_ip_allowlist_descriptions": null}`, "api_client_ip_allowlist_descriptions", "not an object"},
		{
			`{"api_client_ip_allowlist": ["::/0"], "api_client_ip_allowlist_descriptions": {"::/0": null}}`,
			"api_client_ip_allowlist_descriptions", "not a string",
		},
		{
			`{"api_client_ip_allowlist": ["::/0"], "api_client_ip_allowlist_descriptions": {"::/0": "a", "0::/0": "b"}}`,
			"api_client_ip_allowlist_descriptions", "twice",
		},
	} {
		_, err := Parse([]byte(c.document))
		e, ok := errors.AsType[*Invalid](err)
		if !ok || e.Field != c.field || !strings.Contains(e.Message, c.message) || e.Code == "" {
			t.Errorf("Parse(%.80s) = %v; want field %q and %q", c.document, err, c.field, c.message)
		}
	}
}

func TestParseOver(t *testing.T) {
	base, err := Parse([]byte(`{"saml_enabled": false, "session_idle_seconds": 600,
		"api_client_ip_allowlist": ["203.0.113.0/24", "198.51.100.0/24"],
		"api_client_ip_allowlist_descriptions": {"203.0.113.0/24": "office", "198.51.100.0/24": "home"}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseOver(base, []byte(`{"session_idle_seconds": null, "mcp_enabled": true,
		"api_client_ip_allowlist": ["198.51.100.0/24", "192.0.2.0/24"]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.SAMLEnabled, want.MCPEnabled = false, true
	want.Ranges.List = []Range{
		{netip.MustParsePrefix("198.51.100.0/24"), "home"}, {netip.MustParsePrefix("192.0.2.0/24"), ""},
	}
	if diff := cmp.Diff(want, got, comparePrefixes); diff != "" {
		t.Error(diff)
	}
	if _, err := ParseOver(base, []byte(`{"api_client_ip_allowlist_descriptions": {}}`)); err != nil || base.Ranges.List[0].Description != "office" {
		t.Errorf("the base was changed: %v, %v", base.Ranges.List, err)
	}
}

func TestMarshalRefusesWhatCannotBeRead(t *testing.T) {
	for name, change := range map[string]func(*Policy){
		fieldProviders:      func(p *Policy) { p.OAuthProviders = 8 },
		fieldPersonalAge:    func(p *Policy) { p.MaxPersonalTokenAge = -time.Hour },
		fieldApplicationAge: func(p *Policy) { p.MaxApplicationTokenAge = time.Hour + 1 },
		fieldRanges:         func(p *Policy) { p.Ranges.List = make([]Range, 1) },
	} {
		p := Default()
		change(&p)
		if data, err := json.Marshal(p); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %s, %v; want an error that names it", name, data, err)
		}
	}
}

func TestValidate(t *testing.T) {
	prefix := netip.MustParsePrefix
	none := func(p *Policy) {
		p.PasswordEnabled, p.OAuthEnabled, p.SAMLEnabled, p.PasskeyEnabled = false, false, false, false
	}
	for _, c := range []struct {
		name        string
		change      func(*Policy)
		field, code string // no code: valid
	}{
		{"no method", none, "", CodeNoMethod},
		{"third parties without a provider", func(p *Policy) { none(p); p.OAuthEnabled, p.OAuthProviders = true, 0 }, "", CodeNoMethod},
		{"password alone", func(p *Policy) { none(p); p.PasswordEnabled = true }, "", ""},
		{"one third party alone", func(p *Policy) { none(p); p.OAuthEnabled, p.OAuthProviders = true, GitHub }, "", ""},
		{"identity providers alone", func(p *Policy) { none(p); p.SAMLEnabled = true }, "", ""},
		{"passkeys alone", func(p *Policy) { none(p); p.PasskeyEnabled = true }, "", ""},
		{"unknown provider", func(p *Policy) { p.OAuthProviders |= 8 }, fieldProviders, CodeBadRequest},
		{"personal age 599", func(p *Policy) { p.MaxPersonalTokenAge = 599 * time.Second }, fieldPersonalAge, CodeBadRequest},
		{"personal age 600", func(p *Policy) { p.MaxPersonalTokenAge = 600 * time.Second }, "", ""},
		{"personal age 315360000", func(p *Policy) { p.MaxPersonalTokenAge = 315360000 * time.Second }, "", ""},
		{"personal age 315360001", func(p *Policy) { p.MaxPersonalTokenAge = 315360001 * time.Second }, fieldPersonalAge, CodeBadRequest},
		{"personal age negative", func(p *Policy) { p.MaxPersonalTokenAge = -time.Second }, fieldPersonalAge, CodeBadRequest},
		{"application age 599", func(p *Policy) { p.MaxApplicationTokenAge = 599 * time.Second }, fieldApplicationAge, CodeBadRequest},
		{"application age 600.5", func(p *Policy) { p.MaxApplicationTokenAge = 600500 * time.Millisecond }, fieldApplicationAge, CodeBadRequest},
		{"session age 899", func(p *Policy) { p.SessionMaxAge = 899 * time.Second }, fieldSessionAge, CodeBadRequest},
		{"session age 900", func(p *Policy) { p.SessionMaxAge = 900 * time.Second }, "", ""},
		{"idle 299", func(p *Policy) { p.SessionIdle = 299 * time.Second }, fieldSessionIdle, CodeBadRequest},
		{"idle 300", func(p *Policy) { p.SessionIdle = 300 * time.Second }, "", ""},
		{"enabled and empty", func(p *Policy) { p.Ranges.Enabled = true }, fieldRangesEnabled, CodeBadRequest},
		{"100 ranges", func(p *Policy) { p.Ranges.List = manyRanges(100) }, "", ""},
		{"101 ranges", func(p *Policy) { p.Ranges.List = manyRanges(101) }, fieldRanges, CodeBadRequest},
		{"range twice", func(p *Policy) { p.Ranges.List = append(manyRanges(2), manyRanges(1)...) }, fieldRanges, CodeBadRequest},
		{"host bits", func(p *Policy) { p.Ranges.List = []Range{{prefix("10.0.0.1/8"), ""}} }, fieldRanges, CodeBadRange},
		{"every address is for the caller to judge", func(p *Policy) { p.Ranges.List = []Range{{prefix("::/0"), ""}} }, "", ""},
		{"longest description", describe(strings.Repeat("é", MaxDescription)), "", ""},
		{"long description", describe(strings.Repeat("é", MaxDescription+1)), fieldDescriptions, CodeBadRequest},
		{"description with a control character", describe("a\x1b[2J"), fieldDescriptions, CodeBadRequest},
		{"description that is not UTF-8", describe("\xff"), fieldDescriptions, CodeBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Default()
			c.change(&p)
			err := Validate(p)
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e, ok := errors.AsType[*Invalid](err); !ok || e.Field != c.field || e.Code != c.code {
				t.Errorf("got %v, want field %q and code %q", err, c.field, c.code)
			}
		})
	}
}

func describe(text string) func(*Policy) {
	return func(p *Policy) { p.Ranges.List = []Range{{netip.MustParsePrefix("10.0.0.0/8"), text}} }
}

func manyRanges(n int) []Range {
	list := make([]Range, n)
	for i := range list {
		list[i].Prefix = netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", i))
	}
	return list
}

// Row IPX-07 of the threats, and what is near it.
func TestParseRangeIPX07(t *testing.T) {
	for _, text := range []string{"203.0.113.0/24", "203.0.113.7/32", "0.0.0.0/0", "2001:db8::/32", "::/0", "fe80::/10", "2001:db8::7/128"} {
		if p, err := ParseRange(text); err != nil || p.String() != text {
			t.Errorf("ParseRange(%q) = %v, %v", text, p, err)
		}
	}
	for _, c := range []struct{ text, suggestion string }{
		{"203.0.113.7/24", "203.0.113.0/24"},
		{"2001:db8::1/32", "2001:db8::/32"},
		{"::ffff:203.0.113.0/120", "203.0.113.0/24"},
		{"::ffff:203.0.113.9/120", "203.0.113.0/24"},
		{"::ffff:0.0.0.0/95", ""},
		{"203.0.113.0/33", ""},
		{"/33", ""},
		{"203.0.113.0/024", ""},
		{"203.0.113.0/-1", ""},
		{"203.0.113.0/+24", ""},
		{"203.0.113.05/32", ""},
		{"203.0.113/24", ""},
		{"0xcb.0.113.0/24", ""},
		{"fe80::%1/10", ""},
		{"fe80::1%1", ""},
		{"10.0.0.0/8 ", "10.0.0.0/8"},
		{" 10.0.0.1/8", "10.0.0.0/8"},
		{"10.0.0.0 /8", ""},
		{"203.0.113.7", "203.0.113.7/32"},
		{"2001:db8::7", "2001:db8::7/128"},
		{"::ffff:203.0.113.7", "203.0.113.7/32"},
		{"office", ""},
		{"", ""},
		{strings.Repeat("1", 10000), ""},
	} {
		p, err := ParseRange(c.text)
		e, ok := errors.AsType[*Invalid](err)
		if !ok || e.Suggestion != c.suggestion || e.Code != CodeBadRange || len(err.Error()) > 300 {
			t.Errorf("ParseRange(%.40q) = %v, %v; want suggestion %q", c.text, p, err, c.suggestion)
		}
	}
}

func TestAllAddresses(t *testing.T) {
	for text, want := range map[string]bool{"0.0.0.0/0": true, "::/0": true, "128.0.0.0/1": false, "10.0.0.0/8": false} {
		r := Ranges{List: []Range{{Prefix: netip.MustParsePrefix("192.0.2.0/24")}, {Prefix: netip.MustParsePrefix(text)}}}
		if got := AllAddresses(r); got != want {
			t.Errorf("AllAddresses(%s) = %t, want %t", text, got, want)
		}
	}
	if AllAddresses(Ranges{Enabled: true}) {
		t.Error("AllAddresses of no range is true")
	}
}

func TestParseFactsRefuses(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `{"colour": 1}`, `{"credential": {"secret": "x"}}`, `{"action": "delete"}`, `{"client": "localhost"}`,
		`{"policy": {"colour": 1}}`, `{} {}`, `{"credential": {"kind": 1}}`,
	} {
		if f, err := ParseFacts([]byte(text)); err == nil {
			t.Errorf("ParseFacts(%s) = %+v, want an error", text, f)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"saml_enabled": false, "session_idle_seconds": 300, "oauth_providers_allowed": []}`))
	f.Add([]byte(`{"api_client_ip_allowlist": ["::/0"], "api_client_ip_allowlist_descriptions": {"::/0": "all"}}`))
	f.Add([]byte(`{"saml_enabled": true, "saml_enabled": false}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			if _, ok := errors.AsType[*Invalid](err); !ok {
				t.Fatalf("error of type %T: %v", err, err)
			}
			return
		}
		written, err := json.Marshal(p)
		if err != nil {
			t.Fatalf("read but cannot be written: %v", err)
		}
		again, err := Parse(written)
		if err != nil || !cmp.Equal(p, again, comparePrefixes) {
			t.Fatalf("read %+v, after writing %+v, %v", p, again, err)
		}
	})
}

func FuzzParseRange(f *testing.F) {
	for _, text := range []string{"203.0.113.0/24", "203.0.113.7/24", "::ffff:203.0.113.0/120", "fe80::%1/10", " 10.0.0.0/8", "2001:db8::7"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseRange(text)
		if err == nil {
			if p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "" || !p.Contains(p.Addr()) {
				t.Fatalf("%q was read as %v", text, p)
			}
			return
		}
		e, ok := errors.AsType[*Invalid](err)
		if !ok {
			t.Fatalf("error of type %T: %v", err, err)
		}
		if e.Suggestion == "" {
			return
		}
		if p, err := ParseRange(e.Suggestion); err != nil || p.String() != e.Suggestion {
			t.Fatalf("%q is answered with %q, which is read as %v, %v", text, e.Suggestion, p, err)
		}
	})
}
