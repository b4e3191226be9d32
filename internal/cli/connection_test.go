package cli

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConnectionFlags(t *testing.T) {
	s := newServer(t, map[string]string{"GET /v1/organizations": `{"organizations":[]}`})
	safe := httptest.NewTLSServer(s.Config.Handler)
	t.Cleanup(safe.Close)
	authority, rubbish := filepath.Join(t.TempDir(), "ca.pem"), filepath.Join(t.TempDir(), "rubbish.pem")
	check(t, os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: safe.Certificate().Raw}), 0o600), os.WriteFile(rubbish, []byte("x"), 0o600))

	for _, tc := range []struct {
		name   string
		vars   map[string]string
		args   []string
		code   int
		stderr string
		auth   string
	}{
		{"token by flag", nil, []string{"--url", s.URL, "--auth-token", "spp_flag"}, 0, "", "Bearer spp_flag"},
		{"the flag is stronger", map[string]string{"SALLYPORT_TOKEN": "spp_env"}, []string{"--url", s.URL, "--auth-token", "spp_flag"}, 0, "", "Bearer spp_flag"},
		{"unknown authority", nil, []string{"--url", safe.URL, "--auth-token", "x"}, 1, "--auth-ca FILE", ""},
		{"authority by flag", nil, []string{"--url", safe.URL, "--auth-token", "x", "--auth-ca", authority}, 0, "", "Bearer x"},
		{"authority by environment", map[string]string{"SALLYPORT_CA_CERT": authority}, []string{"--url", safe.URL, "--auth-token", "x"}, 0, "", "Bearer x"},
		{"under its other name", map[string]string{"AIVEN_CA_CERT": authority}, []string{"--url", safe.URL, "--auth-token", "x"}, 0, "", "Bearer x"},
		{"no such file", nil, []string{"--url", safe.URL, "--auth-token", "x", "--auth-ca", authority + "x"}, 2, "read the certificates to trust", ""},
		{"no certificate", nil, []string{"--url", safe.URL, "--auth-token", "x", "--auth-ca", rubbish}, 2, "holds no certificate", ""},
		{"timeout", nil, []string{"--url", s.URL, "--auth-token", "x", "--request-timeout", "5"}, 0, "", "Bearer x"},
		{"timeout of the past", nil, []string{"--url", s.URL, "--auth-token", "x", "--request-timeout", "-1"}, 2, "a number of seconds", ""},
		{"nobody there", nil, []string{"--url", "http://127.0.0.1:1", "--auth-token", "x"}, 1, "check that the server runs", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.auth = ""
			m := newMachine(t)
			m.vars = tc.vars
			// Before the words of the command and behind them.
			for _, args := range [][]string{append([]string{"organization", "list", "--json"}, tc.args...), append(tc.args[:len(tc.args):len(tc.args)], "organization", "list", "--json")} {
				if code := m.run(t, "", args...); code != tc.code || !strings.Contains(m.stderr, tc.stderr) || strings.Count(m.stderr, "\n") > 1 {
					t.Errorf("%q: exit %d, stderr %q; want %d and %q", args, code, m.stderr, tc.code, tc.stderr)
				}
				if s.auth != tc.auth {
					t.Errorf("%q sent %q, want %q", args, s.auth, tc.auth)
				}
			}
		})
	}
}

// Who is told that a token is bad has to look where it came from.
func TestBadTokenIsThatOfTheFlag(t *testing.T) {
	s := newServer(t, map[string]string{"GET /v1/organizations": `401 {"message":"Invalid token","errors":[{"error_code":"authentication_failed"}]}`})
	m := newMachine(t)
	m.vars["SALLYPORT_TOKEN"] = "spp_env"
	for source, args := range map[string][]string{"--auth-token": {"--auth-token", "spp_flag"}, "SALLYPORT_TOKEN": nil} {
		code := m.run(t, "", append([]string{"organization", "list", "--url", s.URL}, args...)...)
		if want := "the token is that of " + source + ":"; code != 1 || !strings.Contains(m.stderr, want) {
			t.Errorf("exit %d, stderr %q; want 1 and %q", code, m.stderr, want)
		}
	}
}
