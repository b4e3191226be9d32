package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

func (t Terminal) sizesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sizes",
		Short: "Say how large each table is, and what keeps it from growing for ever",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.withDatabase(cmd, func(ctx context.Context, c *Config, db *store.DB) error {
				if err := current(ctx, db); err != nil {
					return err
				}
				var size identity.DatabaseSize
				err := db.View(ctx, func(r *store.Read) (err error) {
					size, err = r.ThoroughSize(ctx)
					return err
				})
				if err != nil {
					return err
				}
				for i := range size.Tables {
					size.Tables[i].Bound = c.boundOf(size.Tables[i])
				}
				if asJSON {
					return t.printSizesJSON(size)
				}
				return t.printSizes(size)
			})
		},
	}
	settingFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// boundOf is what bounds a table, with what this configuration says.
func (c *Config) boundOf(t identity.TableSize) string {
	if t.Table == "events" {
		return fmt.Sprintf("goes after %d days (audit-retention-days); grows with every change", c.AuditDays)
	}
	return strings.ReplaceAll(t.Bound, "`", "")
}

func (t Terminal) printSizes(s identity.DatabaseSize) error {
	w := tabwriter.NewWriter(t.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tROWS\tSIZE\tOLDEST\tBOUND")
	for _, table := range s.Tables {
		oldest := "-"
		if !table.Oldest.IsZero() {
			oldest = table.Oldest.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", table.Table, table.Rows, identity.SizeText(table.Bytes), oldest, table.Bound)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(t.Stderr, "%s in all", identity.SizeText(s.Bytes))
	if s.Free > 0 {
		fmt.Fprintf(t.Stderr, ", of which %s are free for new rows", identity.SizeText(s.Free))
	}
	if s.Engine == "postgres" {
		fmt.Fprint(t.Stderr, "; rows are PostgreSQL's estimates")
	}
	fmt.Fprintln(t.Stderr)
	return nil
}

func (t Terminal) printSizesJSON(s identity.DatabaseSize) error {
	type table struct {
		Table  string `json:"table"`
		Rows   int64  `json:"rows"`
		Bytes  int64  `json:"bytes"`
		Oldest string `json:"oldest_time,omitempty"`
		By     string `json:"bound_by"`
		Bound  string `json:"bound"`
	}
	out := struct {
		Engine string  `json:"engine"`
		Bytes  int64   `json:"bytes"`
		Free   int64   `json:"free_bytes"`
		Tables []table `json:"tables"`
	}{s.Engine, s.Bytes, s.Free, []table{}}
	for _, of := range s.Tables {
		row := table{Table: of.Table, Rows: of.Rows, Bytes: of.Bytes, By: of.By, Bound: of.Bound}
		if !of.Oldest.IsZero() {
			row.Oldest = of.Oldest.Format(time.RFC3339)
		}
		out.Tables = append(out.Tables, row)
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.Stdout, "%s\n", text)
	return err
}

// examineSizes says what the database takes and whether something is still there
// that should have gone.
func examineSizes(ctx context.Context, c *Config, db *store.DB) finding {
	f := finding{what: "sizes"}
	f.err = db.View(ctx, func(r *store.Read) error {
		size, err := r.Size(ctx)
		if err != nil {
			return err
		}
		overdue, err := r.Overdue(ctx, time.Duration(c.AuditDays)*24*time.Hour)
		if err != nil {
			return err
		}
		f.note = fmt.Sprintf("%s; the clean-up takes what is due; `sallyport sizes` tells more", identity.SizeText(size.Bytes))
		if len(overdue) > 0 {
			f.note = fmt.Sprintf("%s: %s; rows are still there that should have gone two days ago, in %s: a running server removes them every hour and logs what keeps it from that",
				warn, identity.SizeText(size.Bytes), strings.Join(overdue, ", "))
		}
		return nil
	})
	return f
}
