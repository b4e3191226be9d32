package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

// ipAllowlistLearn is how an organization finds out which ranges it needs.
func (a *app) ipAllowlistLearn() *cobra.Command {
	return noun("learn", "Find out from where the organization is used", a.ipLearnStart(), a.ipLearnShow(), a.ipLearnStop())
}

func (a *app) ipLearnStart() *cobra.Command {
	var days int64
	c := a.organizationVerb("start", "Observe for some days from where the organization is used", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			learning, err := api.StartRangeLearning(ctx, org, sallyport.StartRangeLearning{Days: days})
			if err != nil {
				return err
			}
			return a.noteLearning(learning)
		})
	c.Flags().Int64Var(&days, "days", 14, "for how long, 1 to 30")
	return c
}

func (a *app) ipLearnStop() *cobra.Command {
	return a.organizationVerb("stop", "Stop observing; what was seen is kept for 30 days", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			if err := api.StopRangeLearning(ctx, org); err != nil {
				return err
			}
			a.note("the organization does not learn any more")
			return nil
		})
}

func (a *app) ipLearnShow() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("show", "Show the ranges that were seen in use, with whose they are", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			learning, err := api.RangeLearning(ctx, org)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.Stdout, []sallyport.RangeLearning{learning})
			}
			return a.printLearning(learning)
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) noteLearning(l sallyport.RangeLearning) error {
	if l.Learning {
		a.note("the organization learns until %s", l.LearningUntil.Format("2006-01-02 15:04 MST"))
	} else {
		a.note("the organization does not learn: begin with \"sallyport organization ip-allowlist learn start\"")
	}
	return nil
}

// printLearning shows a line for each credential behind each proposal: ranges
// are adopted for the sake of people, and a thief is one of them.
func (a *app) printLearning(l sallyport.RangeLearning) error {
	if err := a.noteLearning(l); err != nil {
		return err
	}
	rows := []seenRow{}
	for _, p := range l.Proposals {
		for _, c := range p.Credentials {
			rows = append(rows, seenRow{p.CIDR, c})
		}
	}
	hint := "no addresses were seen outside the ranges"
	if err := table(a, false, rows, hint, "cidr", "owner", "kind", "token_prefix", "description", "uses", "last_used_time"); err != nil {
		return err
	}
	for _, p := range l.Proposals {
		for _, h := range p.Hints {
			a.note("%s: %s", p.CIDR, h.Text)
		}
	}
	for _, h := range l.Hints {
		a.note("%s", h.Text)
	}
	for _, unused := range l.UnusedRanges {
		a.note("%s: nobody was seen in this range of the list", unused)
	}
	if len(rows) > 0 {
		a.note("adopt a range, once you know whose it is, with \"sallyport organization ip-allowlist adopt CIDR\"")
	}
	return nil
}

// seenRow is a credential behind a proposal as a line of a table.
type seenRow struct {
	CIDR string `json:"cidr"`
	sallyport.SeenCredential
}

func (a *app) ipAllowlistAdopt() *cobra.Command {
	var description string
	var asJSON bool
	c := a.organizationVerb("adopt CIDR...", "Add ranges to the list", cobra.MinimumNArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			list, err := api.IPAllowlist(ctx, org)
			if err != nil {
				return err
			}
			all := false
			for _, cidr := range list.APIClientIPAllowlist {
				all = all || cidr == "0.0.0.0/0" || cidr == "::/0" // which was accepted when it was added
			}
			list.APIClientIPAllowlist = append(list.APIClientIPAllowlist, args...)
			for _, cidr := range args {
				if description != "" {
					if list.Descriptions == nil {
						list.Descriptions = map[string]string{}
					}
					list.Descriptions[cidr] = description
				}
			}
			err = api.SetIPAllowlist(ctx, org, sallyport.IPAllowlistUpdate{
				APIClientIPAllowlist: list.APIClientIPAllowlist, APIClientIPAllowlistEnabled: &list.APIClientIPAllowlistEnabled,
				Descriptions: list.Descriptions, AcceptAllAddresses: all,
			})
			if err != nil {
				return err
			}
			return a.printAllowlist(asJSON, list)
		})
	c.Flags().StringVar(&description, "description", "", "words beside the added ranges")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) ipAllowlistTest() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("test ADDRESS", "Ask whether the ranges let an address in", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			test, err := api.TestAddress(ctx, org, args[0])
			if err != nil || asJSON {
				if err == nil {
					err = printJSON(a.Stdout, []sallyport.AddressTest{test})
				}
				return err
			}
			switch {
			case !test.Enabled:
				a.note("%s is let in: the ranges are not enabled", test.Address)
			case test.Allowed:
				a.note("%s is let in", test.Address)
			default:
				a.note("%s is refused", test.Address)
			}
			for _, p := range test.Pilots {
				a.note("for those whom the pilot %q holds it is otherwise: let in: %t", p.Name, p.Allowed)
			}
			return table(a, false, test.Ranges, "no range holds it", "cidr", "description")
		})
	jsonFlag(c, &asJSON)
	return c
}
