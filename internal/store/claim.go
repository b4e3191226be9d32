package store

import (
	"context"
	"errors"
	"time"
)

// claim is a kind of row that waits for background work, which one node at a
// time does.
type claim[T any] struct {
	table, id string
	due       string // column of when the work is due; it moves on while the claim holds
	of        string // condition on the rows
	change    string // further assignments when a row is taken; empty: none
	columns   string // read by scan
	scan      func(scanner) (T, error)
	life      time.Duration // how long one node has the row to itself
}

// take takes the row that has waited longest. It reports false when none is
// due. Looking costs no lock; most of the time there is nothing.
func take[T any](ctx context.Context, db *DB, c claim[T]) (row T, found bool, err error) {
	waiting := ` FROM ` + c.table + ` WHERE ` + c.due + ` <= $1 AND ` + c.of
	var n int64
	err = db.Once(func(r *Read) (err error) {
		n, err = one(ctx, r.q, scanInt, `SELECT COUNT(*)`+waiting, micros(r.Now))
		return err
	})
	if err != nil || n == 0 {
		return row, false, err
	}
	err = db.Maintain(ctx, func(tx *Tx) error {
		found = false
		row, err = one(ctx, tx.q, c.scan, `UPDATE `+c.table+` SET `+c.due+` = $2`+c.change+` WHERE `+c.id+` = (SELECT `+c.id+waiting+
			` ORDER BY `+c.due+`, `+c.id+` LIMIT 1`+tx.dialect.skipLocked+`) RETURNING `+c.columns,
			micros(tx.Now), micros(tx.Now.Add(c.life)))
		if errors.Is(err, errNoRow) {
			return nil
		}
		found = err == nil
		return err
	})
	return row, found, err
}
