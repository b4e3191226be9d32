package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/internal/store"
)

// targetEnv names the database to move to where a command line, which other
// users of the machine can read, should not.
const targetEnv = "SALLYPORT_TARGET_DATABASE_URL"

func (t Terminal) migrateStoreCommand() *cobra.Command {
	var target string
	cmd := &cobra.Command{
		Use:   "migrate-store --to postgres://USER@HOST/DATABASE",
		Short: "Move everything from SQLite into an empty PostgreSQL database",
		Long: "Move everything from SQLite into an empty PostgreSQL database, and compare the two row by row before it counts. The server must be stopped. " +
			"SQLite is left as it is.\n\nA URL with a password is better given in " + targetEnv + " than on the command line.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := t.config(cmd)
			if err != nil {
				return err
			}
			moved, err := moveStore(cmd.Context(), &c, cmp.Or(target, t.Getenv(targetEnv)))
			if err != nil {
				return err
			}
			return t.printMoved(&c, moved)
		},
	}
	settingFlags(cmd)
	cmd.Flags().StringVar(&target, "to", "", "the empty PostgreSQL database ("+targetEnv+")")
	return cmd
}

// moveStore moves a SQLite database that no server has open.
func moveStore(ctx context.Context, c *Config, target string) ([]store.Moved, error) {
	if target == "" {
		return nil, &ConfigError{targetEnv, errors.New("name the PostgreSQL database to move to, here or with --to")}
	}
	if c.sqliteFile() == "" {
		return nil, errors.New("migrate-store: this server's database is PostgreSQL already")
	}
	from, err := openExisting(c)
	if err != nil {
		return nil, err
	}
	defer from.db.Close()
	unlock, err := lockFile(c)
	if err != nil {
		return nil, fmt.Errorf("migrate-store: %w", err)
	}
	defer unlock()
	if err := current(ctx, from.db); err != nil {
		return nil, err
	}
	to, err := store.Open(target)
	if err != nil {
		return nil, &ConfigError{targetEnv, err}
	}
	defer to.Close()
	if to.Engine() != "postgres" {
		return nil, &ConfigError{targetEnv, errors.New("it is no PostgreSQL database: write postgres://USER@HOST/DATABASE")}
	}
	if err := from.db.MayMoveTo(ctx, to); err != nil {
		return nil, schemaError(err)
	}
	if err := migrated(ctx, to); err != nil {
		return nil, err
	}
	return from.db.MoveTo(ctx, to)
}

func (t Terminal) printMoved(c *Config, moved []store.Moved) error {
	w := tabwriter.NewWriter(t.Stdout, 0, 0, 2, ' ', 0)
	for _, m := range moved {
		if m.Rows > 0 {
			fmt.Fprintf(w, "%s\t%d\n", m.Table, m.Rows)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(t.Stdout, "\nmoved, and equal row by row; the audit log proves itself.\nStart the servers with SALLYPORT_DATABASE_URL set to the PostgreSQL database and SALLYPORT_SECRET_KEY_FILE to a copy of %s.\n%s is left as it was: once the servers run, put it away.\n",
		c.SecretKeyFile, c.sqliteFile())
	return nil
}
