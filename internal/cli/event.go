package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) events() *cobra.Command {
	var project string
	var limit int
	var asJSON bool
	c := a.verb("events", "Show what happened in a project", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		name, err := a.projectName(api, project)
		if err != nil {
			return err
		}
		events, err := api.ProjectEvents(ctx, name, limit)
		if err != nil {
			return err
		}
		return table(a, asJSON, events, "no events", "time", "actor", "event_type", "service_name", "event_desc")
	})
	projectFlag(c, &project)
	c.Flags().IntVarP(&limit, "limit", "n", 100, "at most this many, the newest first")
	jsonFlag(c, &asJSON)
	return c
}
