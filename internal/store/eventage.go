package store

import (
	"context"
	"errors"
	"time"
)

// eventsAtOnce bounds the events that one transaction removes, so that audited
// changes never wait long behind it.
const eventsAtOnce = 1000

// RemoveEvents removes the oldest events, if they are from before a time, and
// returns how many: fewer than a thousand when no more are left to remove. It
// moves the anchors of their chains, from which VerifyEvents goes on.
func (tx *Tx) RemoveEvents(ctx context.Context, before time.Time) (int64, error) {
	// Ids rise with time, so the oldest events are found without an index of
	// their own; the newest entry of each chain among them is its anchor.
	const oldest = `SELECT id, chain, chain_seq, hash FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT $1) AND created_at < $2`
	if _, err := tx.exec(ctx, `INSERT INTO event_anchors (chain, chain_seq, hash, removed_at)
		SELECT e.chain, e.chain_seq, e.hash, $3 FROM (`+oldest+`) AS e WHERE e.chain_seq =
			(SELECT MAX(o.chain_seq) FROM (`+oldest+`) AS o WHERE o.chain = e.chain)
		ON CONFLICT (chain) DO UPDATE SET chain_seq = excluded.chain_seq, hash = excluded.hash, removed_at = excluded.removed_at`,
		eventsAtOnce, micros(before), micros(tx.Now)); err != nil {
		return 0, err
	}
	return tx.exec(ctx, `DELETE FROM events WHERE id IN (SELECT id FROM (`+oldest+`) AS o)`, eventsAtOnce, micros(before))
}

// anchor is where a chain begins of which events were removed: hash and number
// of the last of them; nothing for a chain that is whole.
func (r *Read) anchor(ctx context.Context, chain string) (hash string, seq int64, err error) {
	err = r.q.QueryRowContext(ctx, `SELECT hash, chain_seq FROM event_anchors WHERE chain = $1`, chain).Scan(&hash, &seq)
	if errors.Is(err, errNoRow) {
		return "", 0, nil
	}
	return hash, seq, err
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
