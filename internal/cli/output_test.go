package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

func TestTables(t *testing.T) {
	long := strings.Repeat("é", 300)
	s := newServer(t, map[string]string{
		"GET /v1/access_token": `{"tokens":[
			{"token_prefix":"spp_1","description":"two\nlines \u001b[2J","max_age_seconds":2592000,"extend_when_used":true,"last_user_agent":"` + long + `"},
			{"token_prefix":"spp_22","description":null,"max_age_seconds":null}]}`,
		"GET /v1/organizations": `{"organizations":[]}`,
	})
	m := connected(t, s)

	m.must(t, "user", "access-token", "list")
	want := `EXPIRY_TIME  TOKEN_PREFIX  DESCRIPTION         MAX_AGE_SECONDS  EXTEND_WHEN_USED  LAST_USED_TIME  LAST_IP  LAST_USER_AGENT
-            spp_1         two\nlines \x1b[2J  2592000          true              -               -        ` + long[:2*(maxCell-1)] + `…
-            spp_22        -                   -                false             -               -        -
`
	if m.stdout != want {
		t.Errorf("got\n%swant\n%s", m.stdout, want)
	}

	m.must(t, "organization", "list")
	if m.stdout != "" || !strings.Contains(m.stderr, "organization create") {
		t.Errorf("empty list: stdout %q, stderr %q", m.stdout, m.stderr)
	}
	m.must(t, "organization", "list", "--json")
	if m.stdout != "[]\n" || m.stderr != "" {
		t.Errorf("empty list as JSON: stdout %q, stderr %q", m.stdout, m.stderr)
	}
}

// Times are cut where people read them, and exact in JSON.
func TestTimesOfTablesAreInSeconds(t *testing.T) {
	var out strings.Builder
	a := &app{Env: Env{Stdout: &out}}
	rows := []map[string]any{{"create_time": "2026-11-24T16:00:35.996702Z", "words": "at 16:00:35.5Z", "list": []any{"2026-11-24T16:00:35.5Z"}, "local": "2026-11-24T16:00:35.5+01:00", "whole": "2026-11-24T16:00:35Z"}}
	if err := table(a, false, rows, "", "create_time", "words", "local", "whole"); err != nil {
		t.Fatal(err)
	}
	const want = "CREATE_TIME           WORDS           LOCAL                        WHOLE\n" +
		"2026-11-24T16:00:35Z  at 16:00:35.5Z  2026-11-24T16:00:35.5+01:00  2026-11-24T16:00:35Z\n"
	if out.String() != want {
		t.Errorf("the table is\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	if err := table(a, true, rows, "", "create_time"); err != nil || !strings.Contains(out.String(), "16:00:35.996702Z") {
		t.Errorf("the JSON is %s, %v", out.String(), err)
	}
}

func TestMissingListIsAnEmptyArray(t *testing.T) {
	m := connected(t, newServer(t, map[string]string{"GET /v1/organizations": "{}"}))
	m.must(t, "organization", "list", "--json")
	if m.stdout != "[]\n" {
		t.Errorf("stdout %q, want an empty array", m.stdout)
	}
}

func TestJSONIsAnArrayAlsoForOneRow(t *testing.T) {
	s := newServer(t, map[string]string{"POST /v1/access_token": `{"token_prefix":"spp_1","full_token":"spp_1secret"}`})
	m := connected(t, s)
	m.must(t, "user", "access-token", "create", "--description", "d", "--json")
	var got []map[string]any
	if err := json.Unmarshal([]byte(m.stdout), &got); err != nil || len(got) != 1 || got[0]["full_token"] != "spp_1secret" {
		t.Errorf("stdout %s, error %v", m.stdout, err)
	}
	if strings.Contains(m.stderr, "secret") || !strings.Contains(m.stderr, "not be shown again") {
		t.Errorf("stderr %q, want a note without the token", m.stderr)
	}
}

func TestJSONIsHarmlessOnATerminal(t *testing.T) {
	const name = "a\u001b[31m\u009b2J\u202e\u007f \U000e0041 é 日本"
	data, _ := json.Marshal(name)
	s := newServer(t, map[string]string{"GET /v1/me": `{"user":{"real_name":` + string(data) + `}}`})
	m := connected(t, s)
	m.must(t, "user", "info", "--json")
	for _, r := range m.stdout {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%U was printed", r)
		}
	}
	var got []struct {
		RealName string `json:"real_name"`
	}
	if err := json.Unmarshal([]byte(m.stdout), &got); err != nil || got[0].RealName != name {
		t.Errorf("read back %q, error %v, want %q", got, err, name)
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 日本":       "plain é 日本",
		"a\r\nb\tc":        `a\r\nb\tc`,
		"\x1b]0;title\x07": `\x1b]0;title\x07`,
		"\u009b31m":        `\u009b31m`,
		"\u202eabc\u2066":  `\u202eabc\u2066`,
		"\u2028":           `\u2028`,
		"bad \xff\xfe":     `bad \xff\xfe`,
		"true \ufffd":      "true \ufffd",
		"\U000e0041":       `\U000e0041`,
	} {
		if got := escape(in); got != want {
			t.Errorf("escape(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "a", "\x1b[2J", "\xff", "\u202e", "日本\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range escape(s) {
			if !unicode.IsPrint(r) {
				t.Errorf("escape(%q) lets %U through", s, r)
			}
		}
		data, err := json.Marshal(s)
		if err != nil {
			t.Skip()
		}
		var before, after string
		if err := json.Unmarshal(data, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(escapeJSON(string(data))), &after); err != nil || before != after {
			t.Errorf("escapeJSON(%s) reads as %q, error %v", data, after, err)
		}
	})
}
