package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// caseFiles are the rules in words, and the example of the manual.
func caseFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 3 {
		t.Fatalf("glob testdata/*.txt = %q, %v; want at least 3 files", files, err)
	}
	return append(files, "../docs/examples/policy-test.txt")
}

func readCases(t *testing.T, file string) []Case {
	t.Helper()
	r, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cases, err := ParseCases(r)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return cases
}

func TestCases(t *testing.T) {
	for _, file := range caseFiles(t) {
		for _, c := range readCases(t, file) {
			t.Run(filepath.Base(file)+"/"+c.Name, func(t *testing.T) {
				if got, ok := c.Run(); !ok {
					t.Errorf("%s:%d: %s\n got %q by rules %v, visible %q\nwant %q by rules %v, visible %q",
						file, c.Line, c.Name, got.Codes(), got.Reasons(), got.Visible().Codes(), c.Want, c.Rules, c.Visible)
				}
			})
		}
	}
}

// Every rule that can refuse does so in some case, alone, so that the test
// above would notice its loss.
func TestCasesCoverEveryRule(t *testing.T) {
	alone := map[int]bool{}
	for _, file := range caseFiles(t) {
		for _, c := range readCases(t, file) {
			if reasons := Decide(&c.Facts).Reasons(); len(reasons) == 1 {
				alone[reasons[0].Rule] = true
			}
		}
	}
	for rule := range lastRule + 1 {
		if rule != 8 && !alone[rule] {
			t.Errorf("no case is refused by rule %d alone", rule)
		}
	}
}

func TestCaseRunNoticesEveryDifference(t *testing.T) {
	for name, text := range map[string]string{
		"refused, wanted accepted": "case x\nmember no\nwant allow\n",
		"accepted, wanted refused": "case x\nwant request_forbidden\n",
		"another code":             "case x\nmember no\nwant request_forbidden\n",
		"one code missing":         "case x\nmember no\ncovered no\nwant organization_not_found\n",
		"other rules":              "case x\naddresses 192.0.2.1/32\nwant client_ip_address_policy_violation\nrules 6\n",
		"other visible codes":      "case x\nmember no\ncovered no\nwant organization_not_found request_forbidden\nvisible request_forbidden\n",
	} {
		cases, err := ParseCases(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, ok := cases[0].Run(); ok {
			t.Errorf("%s: Run says ok for %q", name, got.Codes())
		}
	}
}

func TestParseCasesOver(t *testing.T) {
	base := Default()
	base.PasswordEnabled = false
	const text = "case x\nwant " + CodePassword + "\nmend policy password_auth_enabled true\n\ncase y\npolicy default\nwant " + CodePassword + "\n"
	cases, err := ParseCasesOver(base, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if got, ok := c.Run(); !ok {
			t.Errorf("line %d: got %q, want %q", c.Line, got.Codes(), c.Want)
		}
	}
	if !cases[1].Facts.Policy.PasswordEnabled || len(cases) != 3 {
		t.Errorf("got %d cases, the mended one with passwords %t", len(cases), cases[1].Facts.Policy.PasswordEnabled)
	}
}

func TestParseCasesErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "no case found"},
		{"comment only", "# nothing\n", "no case found"},
		{"case without name", "\ncase\nwant allow\n", "line 2: a case needs a name"},
		{"case without want", "case a\nmember no\n\ncase b\nwant allow\n", `line 1: case "a" says no "want"`},
		{"last case without want", "case a\nwant allow\ncase b\n", `line 3: case "b" says no "want"`},
		{"want first", "want allow\n", `line 1: "want" before the first case`},
		{"mend first", "mend member yes\n", `line 1: "mend" before the first case`},
		{"want twice", "case a\nwant allow\nwant allow\n", "line 3: a second"},
		{"want nothing", "case a\nwant\n", "line 2: needs"},
		{"unknown code", "case a\nwant organisation_not_found\n", `line 2: no rule refuses with code "organisation_not_found"`},
		{"unknown word", "case a\nwant allow\ncolour blue\n", `line 3: unknown word "colour"`},
		{"unknown word mended", "case a\nwant allow\nmend colour blue\n", `line 3: mend: unknown word "colour"`},
		{"unknown field", "case a\nwant allow\npolicy colour true\n", "line 3: policy: colour: is not a field of a policy"},
		{"wrong type", "case a\nwant allow\npolicy saml_enabled yes\n", "line 3: policy: saml_enabled: is not true or false"},
		{"quoted", "case a\nwant allow\npolicy saml_enabled \"true\"\n", "line 3: policy: saml_enabled: is not true or false"},
		{"loose range", "case a\nwant allow\npolicy api_client_ip_allowlist 203.0.113.7/24\n", "write 203.0.113.0/24"},
		{"loose own range", "case a\nwant allow\naddresses 203.0.113.7/24\n", "write 203.0.113.0/24"},
		{"object without end", "case a\nwant allow\npolicy {\n", "line 3: policy: the document is not JSON"},
		{"object with a fault", "case a\nwant allow\npolicy {\n\"saml_enabled\": 1\n}\nmember no\n", "line 3: policy: saml_enabled"},
		{"policy alone", "case a\nwant allow\npolicy\n", "line 3: policy: needs a field"},
		{"membership alone", "case a\nwant allow\nmembership\n", "line 3: membership: needs a field"},
		{"bad rule", "case a\nwant allow\nrules 20\n", "line 3: \"20\" is not the number of a rule"},
		{"bad yes", "case a\nwant allow\nmember maybe\n", `line 3: member: "maybe" is not yes or no`},
		{"bad time", "case a\nwant allow\ncreated yesterday\n", "line 3: created: \"yesterday\" is not a time"},
		{"bad days", "case a\nwant allow\ncreated -9999999d\n", "line 3: created: \"-9999999d\" is not a number of days"},
		{"bad duration", "case a\nwant allow\ncreated -3weeks\n", "line 3: created: \"-3weeks\" is not a duration"},
		{"bad now", "case a\nwant allow\nnow never\n", "line 3: now: \"never\" is not a time"},
		{"bad client", "case a\nwant allow\nclient localhost\n", "line 3: client: \"localhost\" is not an IP address"},
		{"bad method", "case a\nwant allow\nmethod sms\n", "line 3: method: unknown authentication method \"sms\": use one of none, password"},
		{"bad kind", "case a\nwant allow\ncredential key\n", "line 3: credential: unknown kind of credential"},
		{"bad id", "case a\nwant allow\nmanaged_by\n", "line 3: managed_by: needs an id"},
		{"shared fault", "member maybe\ncase a\nwant allow\n", "line 1: member: "},
		{"mended fault", "case a\nwant allow\nmend member maybe\n", "line 3: member: "},
		{"too large", strings.Repeat("#\n", maxCaseBytes), "split the file"},
		{"too many", strings.Repeat("case a\nwant allow\n", maxCases+1), "more than 10000 cases"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseCases(strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

func FuzzParseCases(f *testing.F) {
	f.Add("case a\nwant allow\n")
	f.Add("policy {\n\"saml_enabled\": false\n}\ncase a\nmethod saml\nwant " + CodeIdentityProvider + "\nmend policy default\n")
	f.Add("case a\ncreated -40d\nnow 2026-01-01T00:00:00Z\nrules 1 2\nwant allow\nvisible allow\n")
	f.Add("case a\nmembership unreadable\naction create_personal_token\naddresses ::/0\nwant " + CodePersonalToken)
	f.Fuzz(func(t *testing.T, text string) {
		cases, err := ParseCases(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, c := range cases {
			if c.Line < 1 || c.Name == "" {
				t.Errorf("case %q at line %d", c.Name, c.Line)
			}
			c.Run()
		}
	})
}

// The file shown in the manual is a file that works.
func TestManualCases(t *testing.T) {
	page, err := os.ReadFile("../docs/policy-tests.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```text\n")
	text, _, found := strings.Cut(rest, "```")
	cases, err := ParseCases(strings.NewReader(text))
	if err != nil || !found {
		t.Fatalf("the manual's file: %v", err)
	}
	for _, c := range cases {
		if got, ok := c.Run(); !ok {
			t.Errorf("%s: got %q, want %q", c.Name, got.Codes(), c.Want)
		}
	}
}
