package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/policy"
)

func (a *app) policyPull() *cobra.Command {
	var output string
	var from int64
	var force bool
	c := a.organizationVerb("pull", "Write the policy, with its address ranges, as a file", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			d, err := api.PolicyDocument(ctx, org)
			if err != nil {
				return err
			}
			head := "The authentication policy of organization " + org + ".\nversion is the one that this file was written for: it is applied to no other."
			if from > 0 {
				old, err := api.PolicyVersion(ctx, org, from)
				if err != nil {
					return err
				}
				d.Policy = old.Policy
			}
			if output != "" {
				if err := writePolicyFile(output, d, head, force); err != nil {
					return err
				}
				a.note("wrote version %d to %s", d.Version, output)
				return nil
			}
			text, err := yamlPolicy(d, head)
			if err != nil {
				return err
			}
			_, err = a.Stdout.Write(text)
			return err
		})
	c.Flags().StringVar(&output, "output", "", "file to write, JSON if its name ends in .json; default: YAML on standard output")
	c.Flags().Int64Var(&from, "from", 0, "the settings of an earlier version, to be applied to the present one")
	c.Flags().BoolVar(&force, "force", false, "write over a file that exists")
	return c
}

func (a *app) policyPlan() *cobra.Command {
	var code int
	var force, asJSON bool
	c := a.organizationVerb("plan FILE", "Show what applying a policy file would change", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			if code < 0 || code > 125 {
				return usagef("--exit-code must be a number from 0 to 125")
			}
			file, now, before, err := a.policySides(ctx, api, org, args[0])
			if err != nil {
				return err
			}
			list, err := differences(before, file.policy)
			if err != nil {
				return err
			}
			if err := a.printPlan(ctx, api, org, list, before, file, asJSON); err != nil {
				return err
			}
			switch {
			case len(list) == 0:
				return nil
			case file.version != now.Version && !force:
				return movedOn(file, now, args[0])
			case code > 0:
				return pendingChanges{code}
			}
			return nil
		})
	c.Long = `Show what applying FILE, or standard input for "-", would change, and who would
lose access by it. Nothing is changed. The exit code is 0, or that of
--exit-code when there is something to apply.`
	c.Flags().IntVar(&code, "exit-code", 0, "exit code when there is something to apply, for scripts")
	c.Flags().BoolVar(&force, "force", false, "never mind that the policy has moved on since the file was written")
	jsonFlag(c, &asJSON)
	return c
}

// printPlan prints the differences, and what they do to who gets in.
func (a *app) printPlan(ctx context.Context, api *sallyport.Client, org string, list []sallyport.PolicyDifference, before policy.Policy, file policyFile, asJSON bool) error {
	if asJSON {
		return printJSON(a.Stdout, list)
	}
	if len(list) == 0 {
		a.note("no changes: the policy is as the file says")
		return nil
	}
	if err := printDifferences(a.Stdout, before, file.policy); err != nil {
		return err
	}
	var in sallyport.AccessPreview
	if err := json.Unmarshal(file.text, &in); err != nil {
		return fmt.Errorf("preview the policy: %w", err)
	}
	fmt.Fprintln(a.Stdout)
	return a.preview(ctx, api, org, in, previewLimit, false)
}

// pendingChanges ends a plan with the exit code that was asked for.
type pendingChanges struct{ code int }

func (pendingChanges) Error() string   { return "there are changes to apply" }
func (p pendingChanges) ExitCode() int { return p.code }

// policySides are a file and the policy that there is.
func (a *app) policySides(ctx context.Context, api *sallyport.Client, org, name string) (file policyFile, now sallyport.PolicyDocument, before policy.Policy, err error) {
	if file, err = a.readPolicyFile(name); err != nil {
		return file, now, before, err
	}
	if now, err = api.PolicyDocument(ctx, org); err != nil {
		return file, now, before, err
	}
	before, err = policy.Parse(now.Policy)
	return file, now, before, err
}

// movedOn is the refusal of a file that was written for another version.
func movedOn(file policyFile, now sallyport.PolicyDocument, name string) error {
	if file.version == 0 {
		return fmt.Errorf("%s names no version: add \"version: %d\", or use --force", name, now.Version)
	}
	return fmt.Errorf("%s was written for version %d, and the policy is at version %d: see \"sallyport policy diff %d %d\", take over what changed and set the version, or use --force",
		name, file.version, now.Version, file.version, now.Version)
}

// consentFlags are what a change of a whole policy may need.
func consentFlags(c *cobra.Command, to *sallyport.PolicyConsent) {
	c.Flags().BoolVar(&to.AcceptLockout, "accept-lockout", false, "change it even if your own credential would be refused then")
	c.Flags().BoolVar(&to.AcceptAllAddresses, "accept-all-addresses", false, "take a range that holds every address")
	confirmFlag(c)
}

func (a *app) policyApply() *cobra.Command {
	var consent sallyport.PolicyConsent
	var force bool
	var c *cobra.Command
	c = a.organizationVerb("apply FILE", "Make the policy what a file says, from the next request on", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			file, now, before, err := a.policySides(ctx, api, org, args[0])
			if err != nil {
				return err
			}
			list, err := differences(before, file.policy)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				a.note("no changes: the policy is as the file says")
				return nil
			}
			if file.version == 0 && !force {
				return movedOn(file, now, args[0])
			}
			consent.ConfirmWithinSeconds = confirmSeconds(c)
			in := sallyport.PolicyReplacement{Version: file.version, Policy: file.text, PolicyConsent: consent}
			if force {
				in.Version = 0
			}
			after, err := api.ReplacePolicy(ctx, org, in)
			if errors.Is(err, &sallyport.Error{Code: "policy_version_moved"}) {
				return movedOn(file, now, args[0])
			}
			if err != nil {
				return err
			}
			if err := printDifferences(a.Stdout, before, file.policy); err != nil {
				return err
			}
			a.applied(args[0], file, after.Version)
			return nil
		})
	consentFlags(c, &consent)
	c.Flags().BoolVar(&force, "force", false, "apply it whatever version the policy is at")
	return c
}

// applied says what is true now, and makes the file one for the new version.
func (a *app) applied(name string, file policyFile, version int64) {
	a.note("applied: the policy is at version %d", version)
	if name == "-" || file.version == 0 {
		return
	}
	if err := pinPolicyFile(name, version); err != nil {
		a.note("set version to %d in %s before you apply it again: %v", version, name, err)
		return
	}
	a.note("%s is for version %d now", name, version)
}

// versionRow is a version in the table.
type versionRow struct {
	sallyport.PolicyVersion
	Changed []string `json:"changed"`
}

func (a *app) policyVersions() *cobra.Command {
	var limit int
	var asJSON bool
	c := a.organizationVerb("versions", "Show the policies that the organization has had, newest first", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			if limit < 1 {
				return usagef("--limit must be a number from 1 on")
			}
			rows, err := policyVersionRows(ctx, api, org, limit)
			if err != nil {
				return err
			}
			return table(a, asJSON, rows, "no versions", "version", "create_time", "action", "actor.name", "changed")
		})
	c.Flags().IntVar(&limit, "limit", 50, "how many at most")
	jsonFlag(c, &asJSON)
	return c
}

func policyVersionRows(ctx context.Context, api *sallyport.Client, org string, limit int) ([]versionRow, error) {
	rows := []versionRow{}
	for cursor := ""; ; {
		page, err := api.PolicyVersions(ctx, org, limit-len(rows), cursor)
		if err != nil {
			return nil, err
		}
		for _, v := range page.Versions {
			row := versionRow{PolicyVersion: v}
			for _, d := range v.Differences {
				row.Changed = append(row.Changed, d.Field)
			}
			rows = append(rows, row)
		}
		if page.NextCursor == nil || len(rows) >= limit {
			return rows, nil
		}
		cursor = *page.NextCursor
	}
}

func (a *app) policyDiff() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("diff A [B]", "Show what differs between two versions, or between one and the present policy", cobra.RangeArgs(1, 2),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			before, err := policyAt(ctx, api, org, args[0])
			if err != nil {
				return err
			}
			after, err := policyAt(ctx, api, org, strings.Join(args[1:], ""))
			if err != nil {
				return err
			}
			list, err := differences(before, after)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.Stdout, list)
			}
			if len(list) == 0 {
				a.note("no differences")
			}
			return printDifferences(a.Stdout, before, after)
		})
	jsonFlag(c, &asJSON)
	return c
}

// policyAt is the policy of a version, named by its number; empty: the present.
func policyAt(ctx context.Context, api *sallyport.Client, org, name string) (policy.Policy, error) {
	if name == "" {
		d, err := api.PolicyDocument(ctx, org)
		if err != nil {
			return policy.Policy{}, err
		}
		return policy.Parse(d.Policy)
	}
	version, err := parseVersion(name)
	if err != nil {
		return policy.Policy{}, err
	}
	v, err := api.PolicyVersion(ctx, org, version)
	if err != nil {
		return policy.Policy{}, err
	}
	if slices.Equal(v.Policy, []byte("null")) {
		return policy.Policy{}, fmt.Errorf("version %d cannot be read", version)
	}
	return policy.Parse(v.Policy)
}

func parseVersion(text string) (int64, error) {
	version, err := strconv.ParseInt(text, 10, 64)
	if err != nil || version < 1 {
		return 0, usagef("%q is not the number of a version; see \"sallyport policy versions\"", text)
	}
	return version, nil
}

func (a *app) policyRestore() *cobra.Command {
	var consent sallyport.PolicyConsent
	var c *cobra.Command
	c = a.organizationVerb("restore VERSION", "Bring a version of the policy back, from the next request on", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			version, err := parseVersion(args[0])
			if err != nil {
				return err
			}
			before, err := policyAt(ctx, api, org, "")
			if err != nil {
				return err
			}
			consent.ConfirmWithinSeconds = confirmSeconds(c)
			d, err := api.RestorePolicyVersion(ctx, org, version, consent)
			if err != nil {
				return err
			}
			after, err := policy.Parse(d.Policy)
			if err != nil {
				return err
			}
			a.note("restored: the policy is at version %d", d.Version)
			return printDifferences(a.Stdout, before, after)
		})
	consentFlags(c, &consent)
	return c
}
