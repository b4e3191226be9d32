package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) ipAllowlist() *cobra.Command {
	return noun("ip-allowlist", "The addresses an organization is reached from", a.ipAllowlistShow(), a.ipAllowlistSet(), a.ipAllowlistAdopt(),
		a.ipAllowlistTest(), a.ipAllowlistLearn())
}

func (a *app) ipAllowlistShow() *cobra.Command {
	var asJSON bool
	c := a.organizationVerb("show", "Show the address ranges", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
		list, err := api.IPAllowlist(ctx, org)
		if err != nil {
			return err
		}
		if err := a.printAllowlist(asJSON, list); err != nil {
			return err
		}
		return a.notePending(ctx, api, org)
	})
	jsonFlag(c, &asJSON)
	return c
}

// allowlistRow is a range as a line of a table.
type allowlistRow struct {
	CIDR        string `json:"cidr"`
	Description string `json:"description"`
}

func (a *app) printAllowlist(asJSON bool, list sallyport.IPAllowlist) error {
	if asJSON {
		return printJSON(a.Stdout, []sallyport.IPAllowlist{list})
	}
	rows := []allowlistRow{}
	for _, cidr := range list.APIClientIPAllowlist {
		rows = append(rows, allowlistRow{cidr, list.Descriptions[cidr]})
	}
	if list.APIClientIPAllowlistEnabled {
		a.note("the ranges are enabled: other addresses are refused")
	} else {
		a.note("the ranges are not enabled: every address is accepted")
	}
	return table(a, false, rows, "no ranges: add some with \"sallyport organization ip-allowlist set --cidr CIDR\"", "cidr", "description")
}

func (a *app) ipAllowlistSet() *cobra.Command {
	var ranges []string
	var enabled, acceptLockout, acceptAll, asJSON bool
	var c *cobra.Command
	c = a.organizationVerb("set", "Replace the address ranges, switch them on or off", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			if !c.Flags().Changed("cidr") && !c.Flags().Changed("enabled") {
				return usagef("name the ranges with --cidr, or switch them with --enabled")
			}
			list, err := api.IPAllowlist(ctx, org) // what no flag names stays
			if err != nil {
				return err
			}
			if c.Flags().Changed("cidr") {
				list.APIClientIPAllowlist, list.Descriptions = parseRanges(ranges)
			}
			if c.Flags().Changed("enabled") {
				list.APIClientIPAllowlistEnabled = enabled
			}
			err = api.SetIPAllowlist(ctx, org, sallyport.IPAllowlistUpdate{
				APIClientIPAllowlist: list.APIClientIPAllowlist, APIClientIPAllowlistEnabled: &list.APIClientIPAllowlistEnabled,
				Descriptions: list.Descriptions, AcceptLockout: acceptLockout, AcceptAllAddresses: acceptAll, ConfirmWithinSeconds: confirmSeconds(c),
			})
			if err != nil {
				return err
			}
			a.noteConfirm(c)
			return a.printAllowlist(asJSON, list)
		})
	c.Flags().StringArrayVar(&ranges, "cidr", nil, "range, as CIDR or CIDR=DESCRIPTION; several times for several, none for an empty list")
	c.Flags().BoolVar(&enabled, "enabled", false, "=true refuses all other addresses, =false keeps the ranges without applying them")
	c.Flags().BoolVar(&acceptLockout, "accept-lockout", false, "change it even if your own address would be refused then")
	confirmFlag(c)
	c.Flags().BoolVar(&acceptAll, "accept-all-addresses", false, "allow a range that holds every address")
	jsonFlag(c, &asJSON)
	return c
}

// parseRanges splits the values of --cidr; whether they are ranges the server
// says.
func parseRanges(values []string) (list []string, descriptions map[string]string) {
	list = []string{}
	for _, v := range values {
		cidr, description, described := strings.Cut(v, "=")
		if cidr == "none" && !described {
			continue
		}
		list = append(list, cidr)
		if described && description != "" {
			if descriptions == nil {
				descriptions = map[string]string{}
			}
			descriptions[cidr] = description
		}
	}
	return list, descriptions
}
