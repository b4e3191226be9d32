package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// bulk writes many rows of one table past the store, as the restoring of a dump
// does: what takes the store hours, a change and its event at a time, takes it
// minutes. What it writes is what the store would have written.
type bulk struct {
	db       *sql.DB
	postgres bool
}

// openBulk connects beside the store, whose package registers the drivers.
func openBulk(url string) (*bulk, error) {
	file, lite := strings.CutPrefix(url, "sqlite:")
	if !lite {
		db, err := sql.Open("pgx", url)
		return &bulk{db, true}, err
	}
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(60000)&_pragma=synchronous(OFF)&_pragma=cache_size(-262144)")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return &bulk{db, false}, err
}

// insert writes n rows.
func (b *bulk) insert(ctx context.Context, table string, columns []string, n int, row func(i int) []any) error {
	if !b.postgres {
		return b.insertMany(ctx, table, columns, n, row)
	}
	conn, err := b.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	i := -1
	next := func() ([]any, error) {
		if i++; i == n {
			return nil, nil
		}
		return row(i), nil
	}
	return conn.Raw(func(driver any) error {
		_, err := driver.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(next))
		return err
	})
}

// perStatement is how many rows a statement of SQLite writes; a statement has
// at most 32,766 values.
const perStatement = 200

// insertMany is for SQLite: statements of many rows, in transactions that its
// write-ahead log holds.
func (b *bulk) insertMany(ctx context.Context, table string, columns []string, n int, row func(i int) []any) error {
	const perTransaction = 100 * perStatement
	one := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	statement := func(rows int) string {
		return `INSERT INTO ` + table + ` (` + strings.Join(columns, ", ") + `) VALUES ` + one + strings.Repeat(", "+one, rows-1)
	}
	for from := 0; from < n; from += perTransaction {
		tx, err := b.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		many, err := tx.PrepareContext(ctx, statement(perStatement))
		for i := from; i < min(n, from+perTransaction) && err == nil; i += perStatement {
			var values []any
			last := min(n, i+perStatement)
			for k := i; k < last; k++ {
				values = append(values, row(k)...)
			}
			if last-i == perStatement {
				_, err = many.ExecContext(ctx, values...)
			} else {
				_, err = tx.ExecContext(ctx, statement(last-i), values...)
			}
		}
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// withoutIndexes runs a work while a table has no indexes but those of its
// constraints: to sort at the end is quicker than to keep in order.
func (b *bulk) withoutIndexes(ctx context.Context, table string, work func() error) error {
	query := `SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = $1 AND sql IS NOT NULL`
	if b.postgres {
		query = `SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
			WHERE i.indrelid = $1::text::regclass AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)`
	}
	rows, err := b.db.QueryContext(ctx, query, table)
	if err != nil {
		return err
	}
	defer rows.Close()
	var names, definitions []string
	for rows.Next() {
		var name, definition string
		if err := rows.Scan(&name, &definition); err != nil {
			return err
		}
		names, definitions = append(names, name), append(definitions, definition)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := b.db.ExecContext(ctx, `DROP INDEX `+name); err != nil {
			return err
		}
	}
	if err := work(); err != nil {
		return err
	}
	for _, definition := range definitions {
		if _, err := b.db.ExecContext(ctx, definition); err != nil {
			return fmt.Errorf("%s: %w", definition, err)
		}
	}
	return nil
}

// chainEnd is the last entry of a chain of events.
func (b *bulk) chainEnd(ctx context.Context, chain string) (hash string, seq int64, err error) {
	err = b.db.QueryRowContext(ctx, `SELECT hash, chain_seq FROM events WHERE chain = $1 ORDER BY chain_seq DESC LIMIT 1`, chain).Scan(&hash, &seq)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return hash, seq, err
}

// gatherStatistics does what PostgreSQL does by itself after a while.
func (b *bulk) gatherStatistics(ctx context.Context) error {
	if !b.postgres {
		return nil
	}
	_, err := b.db.ExecContext(ctx, `VACUUM ANALYZE`)
	return err
}
