package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport"
)

// followEvery is how often "audit list --follow" asks for news.
const followEvery = 2 * time.Second

var auditColumns = []string{
	"create_time", "action", "outcome", "actor.name", "target.kind", "target.name", "client_ip", "decision_id",
}

func (a *app) audit() *cobra.Command {
	return noun("audit", "The audit events of an organization", a.auditList())
}

// auditFlags are the flags of "audit list".
type auditFlags struct {
	filter         sallyport.AuditFilter
	since, until   string
	limit          int
	follow, asJSON bool
}

func (a *app) auditList() *cobra.Command {
	var f auditFlags
	c := a.organizationVerb("list", "Show changes and refusals, the newest first", cobra.NoArgs,
		func(ctx context.Context, api *sallyport.Client, org string, _ []string) error {
			if err := f.parse(); err != nil {
				return err
			}
			events, err := auditEvents(ctx, api, org, f.filter, f.limit)
			if err != nil {
				return err
			}
			if f.follow {
				return a.followAudit(ctx, api, org, f, events)
			}
			return table(a, f.asJSON, events, "no events", auditColumns...)
		})
	c.Flags().StringVar(&f.filter.Actor, "actor", "", "only of this actor")
	c.Flags().StringVar(&f.filter.Target, "target", "", "only about this")
	c.Flags().StringVar(&f.filter.Action, "action", "", "only this action")
	c.Flags().StringVar(&f.since, "since", "", "only from this time on, 2026-01-31 or 2026-01-31T12:00:00Z")
	c.Flags().StringVar(&f.until, "until", "", "only before this time")
	c.Flags().IntVar(&f.limit, "limit", 100, "at most this many")
	c.Flags().BoolVar(&f.follow, "follow", false, "go on with new events as they come, the oldest first, one line each")
	jsonFlag(c, &f.asJSON)
	return c
}

func (f *auditFlags) parse() (err error) {
	if f.limit < 1 {
		return usagef("--limit must be at least 1")
	}
	if f.follow && f.until != "" {
		return usagef("--follow has no end: leave --until out")
	}
	if f.filter.Since, err = parseTime("since", f.since); err != nil {
		return err
	}
	f.filter.Until, err = parseTime("until", f.until)
	return err
}

// parseTime reads a time of RFC 3339, or a date, which begins at midnight UTC.
func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("--%s must be a date or a time like 2026-01-31T12:00:00Z", flag)
}

// auditEvents collects pages until there are limit events or no more.
func auditEvents(ctx context.Context, api *sallyport.Client, org string, filter sallyport.AuditFilter, limit int) ([]sallyport.AuditEvent, error) {
	var events []sallyport.AuditEvent
	for {
		filter.Limit = limit - len(events)
		page, err := api.AuditEvents(ctx, org, filter)
		if err != nil {
			return nil, err
		}
		events = append(events, page.Events...)
		// A page without events and with a cursor would go on for ever.
		if len(events) >= limit || page.NextCursor == nil || len(page.Events) == 0 {
			return events[:min(limit, len(events))], nil
		}
		filter.Cursor = *page.NextCursor
	}
}

// followAudit prints events and then those that come, until ctx ends.
func (a *app) followAudit(ctx context.Context, api *sallyport.Client, org string, f auditFlags, events []sallyport.AuditEvent) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	var last int64
	for {
		slices.SortFunc(events, func(x, y sallyport.AuditEvent) int { return cmp.Compare(x.EventID, y.EventID) })
		for _, e := range events {
			if e.EventID <= last {
				continue
			}
			last, f.filter.Since = e.EventID, e.CreateTime
			if err := a.printEvent(f.asJSON, e); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var err error
		if events, err = auditEvents(ctx, api, org, f.filter, maxFollowed); err != nil {
			return err
		}
	}
}

// maxFollowed bounds what is asked for at one time while following.
const maxFollowed = 10000

// printEvent prints one event on a line of its own; columns cannot be aligned
// with events that are still to come.
func (a *app) printEvent(asJSON bool, e sallyport.AuditEvent) error {
	if asJSON {
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		_, err = fmt.Fprintln(a.Stdout, escapeJSON(string(data)))
		return err
	}
	line, err := cells(e, auditColumns)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Stdout, strings.Join(line, "  "))
	return err
}
