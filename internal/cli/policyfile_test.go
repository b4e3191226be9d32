package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/policy"
)

// bomb is a file whose aliases multiply.
func bomb() string {
	b := "version: 1\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		b += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ",") + "]\n"
	}
	return b + "policy: {}\n"
}

func TestFilesThatAreNoPolicy(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "the file is empty"},
		"a list":            {"- version: 1", "not YAML with an object"},
		"a text":            {"hello", "not YAML with an object"},
		"JSON null":         {"{", "not one object"},
		"no policy":         {"version: 1", "the field policy is missing"},
		"another field":     {"version: 1\npolicies: {}", `"policies" is not a field`},
		"a version of text": {`{"version": "1", "policy": {}}`, "version is not a whole number"},
		"a version of null": {`{"version": null, "policy": {}}`, "version is not a whole number"},
		"a negative one":    {"version: -1\npolicy: {}", "version is not a whole number"},
		"yes is no boolean": {"policy: {saml_enabled: yes}", "saml_enabled: is not true or false"},
		"a date":            {"policy: {session_idle_seconds: 2026-01-01}", "session_idle_seconds: "},
		"a loose range":     {"policy: {api_client_ip_allowlist: [203.0.113.7/24]}", "write 203.0.113.0/24"},
		"keys of no text":   {"policy: {1: 2}", ""},
		"twice inside":      {`{"policy": {"saml_enabled": true, "saml_enabled": false}}`, "saml_enabled"},
		"aliases multiply":  {bomb(), "excessive aliasing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parsePolicyFile([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// What pull writes is what plan reads, in both forms.
func TestPolicyFilesRoundTrip(t *testing.T) {
	p := policy.Default()
	check(t, json.Unmarshal([]byte(`{"saml_enabled": false, "oauth_providers_allowed": [], "session_idle_seconds": 900,
		"api_client_ip_allowlist": ["203.0.113.0/24", "::/0", "2001:db8::/32"],
		"api_client_ip_allowlist_descriptions": {"203.0.113.0/24": "# no comment: \"yes\"", "::/0": "null"}}`), &p))
	text, err := json.Marshal(p)
	check(t, err)
	d := sallyport.PolicyDocument{Version: 7, Policy: text}
	for _, name := range []string{"p.yaml", "p.json"} {
		path := filepath.Join(t.TempDir(), name)
		check(t, writePolicyFile(path, d, "Head", false))
		data, err := os.ReadFile(path)
		check(t, err)
		file, err := parsePolicyFile(data)
		check(t, err)
		if list, err := differences(p, file.policy); err != nil || len(list) > 0 || file.version != 7 {
			t.Errorf("%s: version %d, differences %+v, %v", name, file.version, list, err)
		}
		check(t, pinPolicyFile(path, 12))
		pinned, err := os.ReadFile(path)
		check(t, err)
		want := strings.Replace(strings.Replace(string(data), "version: 7", "version: 12", 1), `"version": 7`, `"version": 12`, 1)
		if diff := cmp.Diff(want, string(pinned)); diff != "" {
			t.Errorf("%s after pinning:\n%s", name, diff)
		}
		if err := writePolicyFile(path, d, "Head", false); err == nil {
			t.Errorf("%s was written over", name)
		}
	}
}
