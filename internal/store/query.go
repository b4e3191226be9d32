package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// scanner is one row.
type scanner interface{ Scan(dest ...any) error }

// errNoRow is what one returns when there is none; nouns turn it into their
// own not-found error.
var errNoRow = sql.ErrNoRows

// one returns the first row of a query, or errNoRow.
func one[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	return scan(first(ctx, q, query, args...))
}

// first is the first row of a query, to be scanned once: errNoRow without one.
func first(ctx context.Context, q querier, query string, args ...any) scanner {
	rows, err := q.query(ctx, query, args...)
	return firstRow{rows, err}
}

type firstRow struct {
	rows rows
	err  error
}

func (f firstRow) Scan(dest ...any) error {
	if f.err != nil {
		return f.err
	}
	defer f.rows.Close()
	if !f.rows.Next() {
		return cmp.Or(f.rows.Err(), errNoRow)
	}
	if err := f.rows.Scan(dest...); err != nil {
		return err
	}
	return f.rows.Close()
}

// found is one with a not-found error of the noun's own.
func found[T any](v T, err error, missing *identity.Error) (T, error) {
	if errors.Is(err, errNoRow) {
		return v, missing
	}
	return v, err
}

// collect returns all rows of a query; an empty list is not nil, so that it is
// written as [] on the wire.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return gather(rows, scan)
}

// gather is collect for rows that have been asked for.
func gather[T any](rows rows, scan func(scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	list := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

func scanText(row scanner) (s string, err error) { return s, row.Scan(&s) }
func scanInt(row scanner) (n int64, err error)   { return n, row.Scan(&n) }

// micros and timeOf convert between times and their column form.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// moment scans a time column into a field.
type moment struct{ t *time.Time }

func (m moment) Scan(src any) error {
	var n sql.NullInt64
	if err := n.Scan(src); err != nil {
		return err
	}
	*m.t = timeOf(n.Int64)
	return nil
}

// fromJSON scans a JSON text column into a field.
type fromJSON struct{ v any }

func (j fromJSON) Scan(src any) error {
	var s sql.NullString
	if err := s.Scan(src); err != nil {
		return err
	}
	if !s.Valid || s.String == "" {
		return nil
	}
	return json.Unmarshal([]byte(s.String), j.v)
}

// restriction scans the JSON of a list that is a restriction unless it is
// empty. Whatever is no list is an error: damage must not lift a restriction.
type restriction struct{ list *[]string }

func (r restriction) Scan(src any) error {
	var s sql.NullString
	if err := s.Scan(src); err != nil {
		return err
	}
	var list []string
	if err := json.Unmarshal([]byte(s.String), &list); err != nil || list == nil {
		return errors.New("store: a token's list is damaged: revoke the token")
	}
	*r.list = list
	return nil
}

// toJSON is the column form of a list or map; nil is an empty one.
func toJSON[T []string | map[string]string](v T) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("store: only lists and maps of strings are kept as JSON: " + err.Error())
	}
	if v != nil {
		return string(text)
	}
	if _, list := any(v).([]string); list {
		return "[]"
	}
	return "{}"
}
