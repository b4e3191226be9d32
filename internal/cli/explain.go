package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) explain() *cobra.Command {
	var asJSON bool
	var named string
	c := a.verb("explain DECISION_ID", "Show why a request was refused, rule by rule", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, args []string) error {
			decision, err := a.adminDecision(ctx, api, named, args[0])
			if err == nil {
				if asJSON {
					return printJSON(a.Stdout, []sallyport.Decision{decision})
				}
				return a.printDecision(decision)
			}
			own, lost := api.OwnDecision(ctx, args[0])
			switch {
			case errors.Is(lost, sallyport.ErrNotFound):
				return err // what the organization said says more
			case lost != nil:
				return lost
			case asJSON:
				return printJSON(a.Stdout, []sallyport.OwnDecision{own})
			}
			return a.printOwnDecision(own)
		})
	c.Long = `Show why a request was refused. Admins of the organization, and who may read its
audit log, see every rule, what would have to change, and what the policy of now
would say. Everybody else sees the refusals of their own credentials, as they
were told of them.`
	organizationFlag(c, &named)
	jsonFlag(c, &asJSON)
	return c
}

// adminDecision is a decision as an organization explains it to its admins.
func (a *app) adminDecision(ctx context.Context, api *sallyport.Client, named, id string) (sallyport.Decision, error) {
	org, err := a.organization(ctx, api, named)
	if err != nil {
		return sallyport.Decision{}, err
	}
	return api.Decision(ctx, org, id)
}

func (a *app) printDecision(d sallyport.Decision) error {
	err := fields(a, false, d, "decision_id", "create_time", "action", "actor.name", "credential_prefix", "error_code", "reasons", "remedy",
		"policy_version", "address.client", "address.socket", "address.chain", "request_id")
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Stdout)
	if err := table(a, false, d.Rules, "no rules were recorded", "rule", "verdict", "code", "explanation"); err != nil {
		return err
	}
	a.printMends(d)
	a.printNow(d)
	return nil
}

// printNow prints what the policy of now says of the same request.
func (a *app) printNow(d sallyport.Decision) {
	if d.Now == nil {
		return
	}
	verdict := "would be let in"
	if !d.Now.Allowed {
		verdict = "would be refused too: " + escape(once(d.Now.Reasons))
	}
	fmt.Fprintf(a.Stdout, "\nUnder the policy of now, version %d, the same request %s\n", d.Now.PolicyVersion, verdict)
	for i, r := range d.Rules {
		if i < len(d.Now.Rules) && d.Now.Rules[i].Verdict != r.Verdict {
			fmt.Fprintf(a.Stdout, "- rule %d: %s, now %s\n", r.Rule, escape(r.Verdict), escape(d.Now.Rules[i].Verdict))
		}
	}
}

func (a *app) printMends(d sallyport.Decision) {
	if len(d.Mends) == 0 {
		return
	}
	fmt.Fprintln(a.Stdout, "\nWhat would have to change, each tried by itself:")
	for _, m := range d.Mends {
		end := "enough by itself"
		if len(m.Left) > 0 {
			end = "then still " + once(m.Left)
		}
		fmt.Fprintf(a.Stdout, "- rule %d, %s: %s (%s = %s); %s\n", m.Rule, escape(m.By), escape(m.Text), escape(m.Fact), cell(escape(m.Value)), escape(end))
	}
	if d.MendedTogether && strings.Contains(once(d.Reasons), " ") {
		fmt.Fprintln(a.Stdout, "One of these for each reason, all together, would let the request in.")
	}
}

// once are codes in order, each once.
func once(codes []string) string {
	var list []string
	for _, code := range codes {
		if !slices.Contains(list, code) {
			list = append(list, code)
		}
	}
	return strings.Join(list, ", ")
}

func (a *app) printOwnDecision(d sallyport.OwnDecision) error {
	if err := fields(a, false, d, "decision_id", "create_time", "action", "organization_name", "credential_prefix", "client_ip", "remedy", "remedy_url"); err != nil {
		return err
	}
	fmt.Fprintln(a.Stdout)
	return table(a, false, d.Reasons, "no reasons were recorded", "code", "message")
}
