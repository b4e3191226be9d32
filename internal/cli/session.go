package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

func (a *app) session() *cobra.Command {
	return noun("session", "Where you are logged in", a.sessionList(), a.sessionEnd(), a.sessionEndOthers())
}

func (a *app) sessionList() *cobra.Command {
	var asJSON bool
	c := a.verb("list", "Show your sessions", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		list, err := api.Sessions(ctx)
		if err != nil {
			return err
		}
		return table(a, asJSON, list, "no sessions: you are using a token", "session_id", "currently_active", "method", "second_factor",
			"create_time", "expiry_time", "last_used_time", "last_ip", "last_user_agent_human_readable", "last_user_agent")
	})
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) sessionEnd() *cobra.Command {
	return a.verb("end ID", "End one of your sessions", cobra.ExactArgs(1), func(ctx context.Context, api *sallyport.Client, args []string) error {
		if err := api.EndSession(ctx, args[0]); err != nil {
			return err
		}
		a.note("session %s has ended", args[0])
		return nil
	})
}

func (a *app) sessionEndOthers() *cobra.Command {
	return a.verb("end-others", "End all your sessions but this one", cobra.NoArgs, func(ctx context.Context, api *sallyport.Client, _ []string) error {
		ended, err := api.EndOtherSessions(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintln(a.Stdout, ended)
		a.note("that many other sessions have ended")
		return nil
	})
}
