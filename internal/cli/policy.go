package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/policy"
)

// maxPolicyBytes bounds a policy file.
const maxPolicyBytes = 1 << 20

func (a *app) policy() *cobra.Command {
	return noun("policy", "The policy as a file, its history, and cases that try it out",
		a.policyPull(), a.policyPlan(), a.policyApply(), a.policyVersions(), a.policyDiff(), a.policyRestore(), a.policyTest())
}

func (a *app) policyTest() *cobra.Command {
	var policyFile string
	c := &cobra.Command{
		Use: "test FILE", Short: "Run text cases against a policy", Args: cobra.ExactArgs(1),
		Long: `Run the text cases of a file, or of standard input when FILE is "-", against
the default policy or the one of --policy: what "policy pull" wrote, a JSON
object with the field names of the API, or what "organization
authentication-policy show --json" prints.
No server is asked. The exit code is 1 when a case fails.`,
		RunE: func(_ *cobra.Command, args []string) error {
			base, err := a.basePolicy(policyFile)
			if err != nil {
				return err
			}
			cases, err := a.policyCases(base, args[0])
			if err != nil {
				return err
			}
			return a.runCases(cases)
		},
	}
	c.Flags().StringVar(&policyFile, "policy", "", "file with the policy the cases start from")
	return c
}

func (a *app) policyCases(base policy.Policy, name string) ([]policy.Case, error) {
	in := io.Reader(a.in)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read cases: %w", err)
		}
		defer f.Close()
		in = f
	}
	cases, err := policy.ParseCasesOver(base, in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return cases, nil
}

func (a *app) basePolicy(name string) (policy.Policy, error) {
	if name == "" {
		return policy.Default(), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return policy.Policy{}, fmt.Errorf("read policy: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPolicyBytes))
	if err != nil {
		return policy.Policy{}, fmt.Errorf("read policy: %w", err)
	}
	p, err := parsePolicy(data)
	if err != nil {
		return policy.Policy{}, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// parsePolicy reads a policy file, or a policy by itself in JSON.
func parsePolicy(data []byte) (policy.Policy, error) {
	var fields map[string]json.RawMessage
	if data = unwrap(data); json.Unmarshal(data, &fields) == nil && fields["policy"] == nil {
		return policy.Parse(data)
	}
	file, err := parsePolicyFile(data)
	return file.policy, err
}

// unwrap takes the object out of an array of one, as our own --json prints it.
func unwrap(data []byte) []byte {
	var list []json.RawMessage
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) && json.Unmarshal(data, &list) == nil && len(list) == 1 {
		return list[0]
	}
	return data
}

// runCases prints a line for each case and a summary.
func (a *app) runCases(cases []policy.Case) error {
	failed := 0
	for _, c := range cases {
		got, ok := c.Run()
		if ok {
			fmt.Fprintf(a.Stdout, "ok    line %d: %s\n", c.Line, escape(c.Name))
			continue
		}
		failed++
		fmt.Fprintf(a.Stdout, "FAIL  line %d: %s: want %s, got %s\n", c.Line, escape(c.Name), wanted(c), verdict(got.Codes()))
	}
	fmt.Fprintf(a.Stdout, "%d passed, %d failed\n", len(cases)-failed, failed)
	if failed > 0 {
		return errors.New("some cases fail: mend the policy or the cases")
	}
	return nil
}

func verdict(codes []string) string {
	if len(codes) == 0 {
		return "allow"
	}
	return strings.Join(codes, " ")
}

// wanted is what a case asks for, with the rules and visible reasons it names.
func wanted(c policy.Case) string {
	text := verdict(c.Want)
	if c.Rules != nil {
		text += fmt.Sprintf(" by rules %v", c.Rules)
	}
	if c.Visible != nil {
		text += " showing " + verdict(c.Visible)
	}
	return text
}
