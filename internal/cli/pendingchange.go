package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

// confirmFlag makes a change undo itself unless it is confirmed in time.
func confirmFlag(c *cobra.Command) {
	c.Flags().Duration("confirm-within", 0, "undo the change by itself unless it is confirmed in time, such as 10m")
}

// confirmSeconds is what the flag asks for; nil: the change stays.
func confirmSeconds(c *cobra.Command) *int64 {
	d, _ := c.Flags().GetDuration("confirm-within") // defined by confirmFlag
	return changed(c, "confirm-within", int64(d/time.Second))
}

// confirmOption is the same for changes without a body.
func confirmOption(c *cobra.Command) (options []sallyport.ChangeOption) {
	if seconds := confirmSeconds(c); seconds != nil {
		options = append(options, sallyport.ConfirmWithin(time.Duration(*seconds)*time.Second))
	}
	return options
}

// noteConfirm says what a change that waits asks for.
func (a *app) noteConfirm(c *cobra.Command) {
	if seconds := confirmSeconds(c); seconds != nil {
		a.note("it undoes itself in %s unless you confirm it with \"sallyport organization authentication-policy confirm\"", time.Duration(*seconds)*time.Second)
	}
}

// notePending says that a change waits, and for how long.
func (a *app) notePending(ctx context.Context, api *sallyport.Client, org string) error {
	waiting, err := api.PendingChange(ctx, org)
	var old *sallyport.Error
	if errors.As(err, &old) && old.Status == 404 {
		return nil // a server without it
	}
	if err != nil || waiting == nil {
		return err
	}
	a.note("a change of %s undoes itself in %s, at %s, unless it is confirmed: %s", waiting.CreatedBy,
		max(0, time.Until(waiting.Deadline)).Round(time.Second), waiting.Deadline.Format(time.RFC3339), waiting.Description)
	a.note("keep it with \"sallyport organization authentication-policy confirm\", undo it now with \"… revert\"")
	return nil
}

func (a *app) pendingConfirm() *cobra.Command {
	return a.organizationVerb("confirm", "Keep the change that would undo itself; your login must be accepted under it", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			if err := api.ConfirmChange(ctx, org); err != nil {
				return err
			}
			a.note("confirmed: the change stays")
			return nil
		})
}

func (a *app) pendingRevert() *cobra.Command {
	return a.organizationVerb("revert", "Undo the change that waits for its confirmation, at once", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			if err := api.RevertChange(ctx, org); err != nil {
				return err
			}
			a.note("undone: everything is as before the change")
			return nil
		})
}
