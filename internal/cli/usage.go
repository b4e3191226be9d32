package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

// organizationUsage shows how much an organization has of what it may have.
func (a *app) organizationUsage() *cobra.Command {
	var asJSON bool
	c := a.verb("usage [ORGANIZATION_ID]", "Show how much an organization has of what it may have, and how long its audit log is", cobra.MaximumNArgs(1),
		func(ctx context.Context, api *sallyport.Client, args []string) error {
			org, err := a.organization(ctx, api, strings.Join(args, ""))
			if err != nil {
				return err
			}
			usage, err := api.OrganizationUsage(ctx, org)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.Stdout, []sallyport.OrganizationUsage{usage})
			}
			log := usage.AuditLog
			rows := append(usage.Usage, sallyport.UsageCount{Kind: "audit_events", Used: log.Events})
			if err := table(a, false, rows, "", "kind", "used", "allowed"); err != nil {
				return err
			}
			words := "audit events are kept for " + strconv.Itoa(log.RetentionDays) + " days"
			if !log.OldestTime.IsZero() {
				words += "; the oldest is of " + log.OldestTime.Format(time.DateOnly)
			}
			if log.MoreEvents {
				words += "; there are more than are counted"
			}
			a.note("%s", words)
			return nil
		})
	jsonFlag(c, &asJSON)
	return c
}
