package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) explain() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("explain DECISION_ID", "Show why a request was refused, rule by rule", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			decision, err := api.Decision(ctx, org, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.Stdout, []sallyport.Decision{decision})
			}
			return a.printDecision(decision)
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) printDecision(d sallyport.Decision) error {
	err := fields(a, false, d, "decision_id", "create_time", "error_code", "reasons", "remedy", "address.client", "address.socket", "address.chain")
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Stdout)
	return table(a, false, d.Rules, "no rules were recorded", "rule", "verdict", "code", "explanation")
}
