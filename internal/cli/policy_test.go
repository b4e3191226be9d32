package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPolicyTest(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	cases := file("cases.txt", `case a token works
credential personal_token
want allow

case a password works
want allow
`)
	open := file("open.json", `{"personal_tokens_enabled":true}`)
	closed := file("closed.json", `[{"personal_tokens_enabled":false}]`)
	for _, tc := range []struct {
		name, stdin string
		args        []string
		code        int
		stdout      string
		stderr      string
	}{
		{"default policy", "", []string{cases}, 0, "ok    line 1: a token works\nok    line 5: a password works\n2 passed, 0 failed\n", ""},
		{"a policy that keeps them", "", []string{cases, "--policy", open}, 0, "ok    line 1: a token works\nok    line 5: a password works\n2 passed, 0 failed\n", ""},
		{
			"a policy that breaks one, as our JSON prints it", "",
			[]string{cases, "--policy", closed},
			1,
			"FAIL  line 1: a token works: want allow, got user_personal_token_not_allowed\nok    line 5: a password works\n1 passed, 1 failed\n", "error: some cases fail",
		},
		{"standard input", "case x\nwant credential_too_old\n", []string{"-"}, 1, "FAIL  line 1: x: want credential_too_old, got allow\n0 passed, 1 failed\n", "error: "},
		{"no such file", "", []string{filepath.Join(dir, "none")}, 1, "", "read cases"},
		{"no case", "", []string{file("empty.txt", "")}, 1, "", "no case found"},
		{"a wrong line", "", []string{file("bad.txt", "case x\nnonsense\n")}, 1, "", "line 2"},
		{"a wrong policy", "", []string{cases, "--policy", file("bad.json", `{"password_auth_enabled":1}`)}, 1, "", "password_auth_enabled"},
		{"no file", "", nil, 2, "", "FILE is missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine(t) // no server, no token, no configuration
			code := m.run(t, tc.stdin, append([]string{"policy", "test"}, tc.args...)...)
			if code != tc.code || m.stdout != tc.stdout || !strings.Contains(m.stderr, tc.stderr) {
				t.Errorf("exit %d, stdout %q, stderr %q\nwant %d, %q, %q", code, m.stdout, m.stderr, tc.code, tc.stdout, tc.stderr)
			}
		})
	}
}
