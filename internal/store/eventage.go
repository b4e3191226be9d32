package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// eventsAtOnce bounds the events that one transaction removes, so that audited
// changes never wait long behind it: each event is in a dozen indexes.
const eventsAtOnce = 100

// RemoveOldEvents removes the events from before a time, part by part, and
// returns how many went.
func (db *DB) RemoveOldEvents(ctx context.Context, before time.Time) (total int64, err error) {
	for {
		begun := time.Now()
		var n int64
		err := db.MaintainLightly(ctx, func(tx *Tx) (err error) {
			n, err = tx.RemoveEvents(ctx, before)
			return err
		})
		if total += n; err != nil || n == 0 {
			return total, err
		}
		if err := rest(ctx, begun); err != nil {
			return total, err
		}
	}
}

// RemoveEvents removes some of the oldest events, those of them that are from
// before a time, and returns how many; none: none is left to remove. It moves the
// anchors of their chains, from which VerifyEvents goes on.
func (tx *Tx) RemoveEvents(ctx context.Context, before time.Time) (int64, error) {
	// Ids rise with time, so the oldest events are found without an index of
	// their own. Between two numbers, and not up to one: PostgreSQL, whose
	// statistics know of events that are gone, then still expects few.
	var least, most sql.NullInt64
	err := first(ctx, tx.q, `SELECT MIN(id), MAX(id) FROM (SELECT id FROM events ORDER BY id LIMIT $1) AS oldest`, tx.dialect.atOnce(eventsAtOnce)).Scan(&least, &most)
	if err != nil || !least.Valid {
		return 0, err
	}
	// The newest entry of each chain among them is its anchor.
	const gone = `id >= $1 AND id <= $2 AND created_at < $3`
	if _, err := tx.exec(ctx, `INSERT INTO event_anchors (chain, chain_seq, hash, removed_at)
		SELECT e.chain, e.chain_seq, e.hash, CAST($4 AS BIGINT) FROM (SELECT chain, chain_seq, hash, ROW_NUMBER() OVER (PARTITION BY chain ORDER BY chain_seq DESC) AS place
			FROM events WHERE `+gone+`) AS e WHERE e.place = 1
		ON CONFLICT (chain) DO UPDATE SET chain_seq = excluded.chain_seq, hash = excluded.hash, removed_at = excluded.removed_at`,
		least.Int64, most.Int64, micros(before), micros(tx.Now)); err != nil {
		return 0, err
	}
	return tx.exec(ctx, `DELETE FROM events WHERE `+gone, least.Int64, most.Int64, micros(before))
}

// anchor is where a chain begins of which events were removed: hash and number
// of the last of them; nothing for a chain that is whole.
func (r *Read) anchor(ctx context.Context, chain string) (end chainEntry, err error) {
	err = first(ctx, r.q, `SELECT hash, chain_seq FROM event_anchors WHERE chain = $1`, chain).Scan(&end.hash, &end.seq)
	if errors.Is(err, errNoRow) {
		return end, nil
	}
	return end, err
}

// anchors are those of all chains.
func (r *Read) anchors(ctx context.Context) (map[string]chainEntry, error) {
	type named struct {
		chain string
		chainEntry
	}
	list, err := collect(ctx, r.q, func(row scanner) (n named, err error) {
		return n, row.Scan(&n.chain, &n.hash, &n.seq)
	}, `SELECT chain, hash, chain_seq FROM event_anchors`)
	all := map[string]chainEntry{}
	for _, n := range list {
		all[n.chain] = n.chainEntry
	}
	return all, err
}

// chainEntry is a place in a chain.
type chainEntry struct {
	hash string
	seq  int64
}
