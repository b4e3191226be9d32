package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

var (
	pilotColumns = []string{"pilot_id", "name", "users", "user_groups", "created_by", "create_time"}
	// pilotDetails are followed by the fields that the pilot sets.
	pilotDetails = append(append([]string{}, pilotColumns...), configColumns...)
	rangeColumns = []string{"api_client_ip_allowlist", "api_client_ip_allowlist_enabled"}
)

func (a *app) pilot() *cobra.Command {
	return noun("pilot", "Fields of the policy that apply to some people first",
		a.pilotCreate(), a.pilotList(), a.pilotShow(), a.pilotReport(), a.pilotUpdate(), a.pilotPromote(), a.pilotDrop())
}

// pilotFlags are what can be said of a pilot.
type pilotFlags struct {
	name            string
	users, groups   []string
	cidrs, unset    []string
	enabled, accept bool
}

func (f *pilotFlags) add(c *cobra.Command) {
	configFlags(c)
	flags := c.Flags()
	flags.StringSliceVar(&f.users, "user-id", nil, "members whom the pilot names, by their ids, with commas or several times")
	flags.StringSliceVar(&f.groups, "group-id", nil, "user groups that the pilot names, by their ids")
	flags.StringArrayVar(&f.cidrs, "cidr", nil, "range of the pilot's addresses, as CIDR or CIDR=DESCRIPTION; none for an empty list")
	flags.BoolVar(&f.enabled, "ip-allowlist-enabled", false, "=true refuses addresses outside of the ranges, =false does not")
	flags.BoolVar(&f.accept, "accept-all-addresses", false, "allow a range that holds every address")
}

// change is what the flags that were given say.
func (f *pilotFlags) change(c *cobra.Command) (in sallyport.PilotChange, err error) {
	in.AuthenticationConfigUpdate, err = configFields(c)
	if c.Flags().Changed("cidr") {
		in.APIClientIPAllowlist, in.Descriptions = parseRanges(f.cidrs)
	}
	in.APIClientIPAllowlistEnabled = changed(c, "ip-allowlist-enabled", f.enabled)
	in.Users, in.UserGroups, in.Unset, in.AcceptAllAddresses = f.users, f.groups, f.unset, f.accept
	return in, err
}

func (a *app) printPilot(asJSON bool, p sallyport.Pilot) error {
	return fields(a, asJSON, p, append(append([]string{}, pilotDetails...), rangeColumns...)...)
}

func (a *app) pilotCreate() *cobra.Command {
	var f pilotFlags
	var asJSON bool
	var c *cobra.Command
	c = a.organizationVerb("create NAME", "Begin a pilot: what is set applies to those it names, and to nobody else", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			in, err := f.change(c)
			if err != nil {
				return err
			}
			if len(in.Users)+len(in.UserGroups) == 0 {
				return usagef("say who is in the pilot, with --user-id or --group-id")
			}
			in.Name = &args[0]
			p, err := api.CreatePilot(ctx, org, in)
			if err != nil {
				return err
			}
			return a.printPilot(asJSON, p)
		})
	f.add(c)
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) pilotList() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("list", "Show the pilots, in the order in which they count for who is in several", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			list, err := api.Pilots(ctx, org)
			if err != nil {
				return err
			}
			return table(a, asJSON, list, "no pilots: begin one with \"sallyport organization authentication-policy pilot create NAME --user-id ID\"", pilotColumns...)
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) pilotShow() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("show PILOT_ID", "Show a pilot", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			p, err := api.Pilot(ctx, org, args[0])
			if err != nil {
				return err
			}
			return a.printPilot(asJSON, p)
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) pilotReport() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("report PILOT_ID", "Show whether the people of a pilot get in, and what refused them since it began", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			report, err := api.PilotReport(ctx, org, args[0])
			if err != nil {
				return err
			}
			a.note("%d of %d people do not get in", report.LockedOut, len(report.People))
			if report.Overruled > 0 {
				a.note("%d more are named, and held by another pilot", report.Overruled)
			}
			return table(a, asJSON, report.People, "the pilot holds nobody", "user_email", "real_name", "gets_in", "reasons", "last_used", "refused")
		})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) pilotUpdate() *cobra.Command {
	var f pilotFlags
	var asJSON bool
	var c *cobra.Command
	c = a.organizationVerb("update PILOT_ID", "Change a pilot; what is not given stays", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			in, err := f.change(c)
			if err != nil {
				return err
			}
			in.Name = changed(c, "name", f.name)
			p, err := api.UpdatePilot(ctx, org, args[0], in)
			if err != nil {
				return err
			}
			return a.printPilot(asJSON, p)
		})
	f.add(c)
	c.Flags().StringVar(&f.name, "name", "", "new name")
	c.Flags().StringSliceVar(&f.unset, "unset", nil, "fields that the pilot leaves to the organization's policy again, by their names in the API")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) pilotPromote() *cobra.Command {
	var accept, acceptAll, asJSON bool
	var c *cobra.Command
	c = a.organizationVerb("promote PILOT_ID", "Make what a pilot sets the policy of everybody, and end the pilot", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			config, err := api.PromotePilot(ctx, org, args[0], sallyport.PromotePilot{AcceptLockout: accept, AcceptAllAddresses: acceptAll, ConfirmWithinSeconds: confirmSeconds(c)})
			if err != nil {
				return err
			}
			a.noteConfirm(c)
			return fields(a, asJSON, config, configColumns...)
		})
	c.Flags().BoolVar(&accept, "accept-lockout", false, "promote it even if your own credential would be refused then")
	c.Flags().BoolVar(&acceptAll, "accept-all-addresses", false, "allow a range that holds every address")
	confirmFlag(c)
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) pilotDrop() *cobra.Command {
	var accept, force bool
	c := a.organizationVerb("drop PILOT_ID", "End a pilot: its people meet the organization's policy again", cobra.ExactArgs(1),
		func(ctx context.Context, api *sallyport.Client, org string, args []string) error {
			p, err := api.Pilot(ctx, org, args[0])
			if err != nil {
				return err
			}
			if err := a.confirm(force, "Drop the pilot %s?", p.Name); err != nil {
				return err
			}
			var options []sallyport.ChangeOption
			if accept {
				options = append(options, sallyport.AcceptLockout())
			}
			if err := api.DropPilot(ctx, org, p.PilotID, options...); err != nil {
				return err
			}
			fmt.Fprintln(a.Stdout, "Dropped")
			return nil
		})
	c.Flags().BoolVar(&accept, "accept-lockout", false, "drop it even if your own credential would be refused then")
	forceFlag(c, &force)
	return c
}
