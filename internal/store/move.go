package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Moved is a table that was moved, with the number of its rows.
type Moved struct {
	Table string
	Rows  int64
}

// unmoved are the tables that are about the database they are in.
var unmoved = []string{"schema_migrations", "changes", "nodes"}

// errNotEqual is a copy that is not what was copied.
var errNotEqual = errors.New("what was written is not what was read")

// MoveTo copies everything into an empty PostgreSQL database of the same
// schema, reads it back there, and commits only when each table is equal, row
// by row, and the audit log still proves itself. Nobody may write to either
// meanwhile.
func (db *DB) MoveTo(ctx context.Context, target *DB) (moved []Moved, err error) {
	if db.dialect != sqliteDialect || target.dialect != postgresDialect {
		return nil, errors.New("move: only from SQLite to PostgreSQL")
	}
	err = db.View(ctx, func(from *Read) error {
		moved, err = target.receive(ctx, from)
		return err
	})
	return moved, wrap(err)
}

// MayMoveTo refuses a PostgreSQL database that holds tables of something else,
// before anything is made in it.
func (db *DB) MayMoveTo(ctx context.Context, target *DB) error {
	ours, err := collect(ctx, db.read, scanText, db.dialect.tables)
	if err != nil {
		return wrap(err)
	}
	theirs, err := collect(ctx, target.read, scanText, `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1`)
	if err != nil {
		return wrap(err)
	}
	for _, t := range theirs {
		if !slices.Contains(ours, t) {
			return fmt.Errorf("move: the PostgreSQL database is in use (its table %s is not of Sallyport); name an empty one", t)
		}
	}
	return nil
}

// receive fills an empty database in one transaction.
func (db *DB) receive(ctx context.Context, from *Read) (moved []Moved, err error) {
	tx, err := beginPipeline(ctx, db.write, false)
	if err != nil {
		return nil, err
	}
	defer tx.rollback()
	tables, err := tablesInOrder(ctx, tx)
	if err != nil {
		return nil, err
	}
	if err := empty(ctx, tx, tables); err != nil {
		return nil, err
	}
	for _, t := range tables {
		rows, err := t.move(ctx, from.q, tx.(*pipeline))
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.name, err)
		}
		moved = append(moved, Moved{t.name, rows})
	}
	to := &Read{q: tx, dialect: db.dialect, policies: db.policies, Now: from.Now}
	if _, err := to.VerifyEvents(ctx); err != nil {
		return nil, err
	}
	// Until PostgreSQL did this by itself, a minute later, lists would be planned
	// for tables of unknown content and go through all that they hold.
	if _, err := tx.exec(ctx, `ANALYZE`); err != nil {
		return nil, err
	}
	return moved, tx.commit(ctx)
}

// table is a table of the target with its columns.
type table struct {
	name    string
	columns []string
	bools   []bool // which of them are BOOLEAN, that SQLite keeps as a number
	counter string // the column that the database numbers itself; "" for none
}

// tablesInOrder returns the tables that are moved, those first that others
// refer to.
func tablesInOrder(ctx context.Context, q querier) ([]table, error) {
	refers, err := references(ctx, q)
	if err != nil {
		return nil, err
	}
	all, err := describe(ctx, q)
	if err != nil {
		return nil, err
	}
	ordered, done := []table{}, map[string]bool{}
	for len(ordered) < len(all) {
		before := len(ordered)
		for _, t := range all {
			waits := slices.ContainsFunc(refers[t.name], func(other string) bool { return other != t.name && !done[other] })
			if !done[t.name] && !waits {
				ordered, done[t.name] = append(ordered, t), true
			}
		}
		if len(ordered) == before {
			return nil, errors.New("tables refer to each other in a circle")
		}
	}
	return ordered, nil
}

// references are the tables that each table refers to.
func references(ctx context.Context, q querier) (map[string][]string, error) {
	pairs, err := collect(ctx, q, func(row scanner) (pair [2]string, err error) {
		return pair, row.Scan(&pair[0], &pair[1])
	}, `SELECT c.conrelid::regclass::text, c.confrelid::regclass::text FROM pg_constraint c
		WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace`)
	all := map[string][]string{}
	for _, p := range pairs {
		all[p[0]] = append(all[p[0]], p[1])
	}
	return all, err
}

func describe(ctx context.Context, q querier) ([]table, error) {
	columns, err := collect(ctx, q, func(row scanner) (c struct {
		table, name   string
		counter, bool bool
	}, err error,
	) {
		return c, row.Scan(&c.table, &c.name, &c.counter, &c.bool)
	}, `SELECT table_name::text, column_name::text, is_identity = 'YES', data_type = 'boolean' FROM information_schema.columns
		WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position`)
	list := []table{}
	for _, c := range columns {
		if slices.Contains(unmoved, c.table) {
			continue
		}
		if len(list) == 0 || list[len(list)-1].name != c.table {
			list = append(list, table{name: c.table})
		}
		t := &list[len(list)-1]
		t.columns, t.bools = append(t.columns, c.name), append(t.bools, c.bool)
		if c.counter {
			t.counter = c.name
		}
	}
	return list, err
}

// empty refuses a database that holds something.
func empty(ctx context.Context, q querier, tables []table) error {
	for _, t := range tables {
		n, err := one(ctx, q, scanInt, `SELECT COUNT(*) FROM (SELECT 1 FROM `+t.name+` LIMIT 1) AS first`)
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("move: the PostgreSQL database is in use (its table %s has rows); name an empty one", t.name)
		}
	}
	return nil
}

// move copies the rows of a table and compares them with what can be read
// afterwards.
func (t table) move(ctx context.Context, from querier, to *pipeline) (int64, error) {
	source, err := t.rows(ctx, from)
	if err != nil {
		return 0, err
	}
	defer source.Close()
	if _, err := to.pg.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, source); err != nil {
		return 0, err
	}
	if t.counter != "" {
		_, err := to.exec(ctx, `SELECT setval(pg_get_serial_sequence($1, $2), (SELECT COALESCE(MAX(`+t.counter+`), 0) FROM `+t.name+`) + 1, false)`, t.name, t.counter)
		if err != nil {
			return 0, err
		}
	}
	written, err := t.rows(ctx, to)
	if err != nil {
		return 0, err
	}
	defer written.Close()
	for written.Next() {
	}
	if written.Err() != nil {
		return 0, written.Err()
	}
	if source.count != written.count || source.sum.Cmp(&written.sum) != 0 {
		return 0, errNotEqual
	}
	return source.count, nil
}

func (t table) rows(ctx context.Context, q querier) (*movingRows, error) {
	source, err := q.query(ctx, `SELECT `+strings.Join(t.columns, ", ")+` FROM `+t.name)
	if err != nil {
		return nil, err
	}
	return &movingRows{rows: source, bools: t.bools}, nil
}

// movingRows is the source of a copy. It counts and sums up what passes, in
// whatever order: the sum of the hashes of all rows.
type movingRows struct {
	rows
	bools  []bool
	values []any
	count  int64
	sum    big.Int
	err    error
}

// Next and the methods after it are those of pgx.CopyFromSource.
func (m *movingRows) Next() bool {
	if m.err != nil || !m.rows.Next() {
		return false
	}
	m.values = make([]any, len(m.bools))
	places := make([]any, len(m.bools))
	for i := range places {
		places[i] = &m.values[i]
	}
	if m.err = m.Scan(places...); m.err == nil {
		m.err = m.add()
	}
	return m.err == nil
}

func (m *movingRows) Values() ([]any, error) { return m.values, nil }

func (m *movingRows) Err() error { return errors.Join(m.err, m.rows.Err()) }

// add takes a row into the sum. Each value is written with its kind and
// length, so that no two rows read alike.
func (m *movingRows) add() error {
	h := sha256.New()
	for i, value := range m.values {
		if n, ok := value.(int64); ok && m.bools[i] {
			value = n != 0
			m.values[i] = value
		}
		switch v := value.(type) {
		case string:
			_ = binary.Write(h, binary.BigEndian, int64(len(v))) // a hash takes everything
			h.Write([]byte("s" + v))
		case int64:
			h.Write([]byte("i"))
			_ = binary.Write(h, binary.BigEndian, v)
		case bool:
			fmt.Fprintf(h, "b%t", v)
		default:
			return fmt.Errorf("a value of the kind %T, which no column has", value)
		}
	}
	var one big.Int
	m.sum.Add(&m.sum, one.SetBytes(h.Sum(nil)))
	m.count++
	return nil
}
