package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

const usesAtOnce = 256

// useRow is a use as the database gets it.
type useRow struct {
	Prefix  string `json:"prefix"`
	UserID  string `json:"user_id"`
	At      int64  `json:"at"`
	IP      string `json:"ip"`
	Agent   string `json:"agent"`
	Expires int64  `json:"expires"`
	Idle    int64  `json:"idle"`
}

// UsesAtOnce is how many uses or observed addresses one transaction is to write,
// so that neither audited changes nor requests wait long behind it.
func (db *DB) UsesAtOnce() int { return db.dialect.atOnce(usesAtOnce) }

// RecordUses writes last-use records (housekeeping, in batches in which each
// token is once). They only move forward, and so does an expiry that use
// extends; a token without one gets none. The longest idleness grows only.
// Owners are seen when their tokens are.
//
// On PostgreSQL a batch is two statements however many it has: a node may be far
// away. It waits for nobody, so that nodes that write the same tokens cannot wait
// for each other, nor for somebody's change: uses of what others are writing at
// this moment are returned, to be written later.
func (tx *Tx) RecordUses(ctx context.Context, uses []identity.Use) (busy []identity.Use, err error) {
	if t, ok := tx.q.(inFile); ok {
		tx.wrote = true
		return nil, recordEach(ctx, t, uses)
	}
	list, err := useRows(uses)
	if err != nil {
		return nil, err
	}
	tokens, err := tx.useTokens(ctx, list)
	if err != nil {
		return nil, err
	}
	users, err := tx.seeUsers(ctx, list)
	if err != nil || tokens == int64(len(uses)) && users == owners(uses) {
		return nil, err
	}
	return tx.unwritten(ctx, list, uses)
}

// recordEach writes uses one after the other, by statements that are prepared
// once. Where no statement is far away that takes a third of the time of one
// that reads a list.
func recordEach(ctx context.Context, t inFile, uses []identity.Use) error {
	tokens, users, seen := make([][]any, len(uses)), [][]any(nil), map[string]int64{}
	for i, u := range uses {
		tokens[i] = []any{u.Prefix, micros(u.At), u.IP, cut(u.UserAgent), micros(u.Expires), idleSeconds(u)}
		seen[u.UserID] = max(seen[u.UserID], micros(u.At))
	}
	if err := t.execEach(ctx, `UPDATE tokens SET last_used_at = $2, last_ip = $3, last_user_agent = $4,
		expires_at = CASE WHEN expires_at > 0 AND $5 > expires_at THEN $5 ELSE expires_at END,
		longest_idle = CASE WHEN $6 > longest_idle THEN $6 ELSE longest_idle END WHERE prefix = $1 AND last_used_at < $2`, tokens); err != nil {
		return err
	}
	for id, at := range seen {
		users = append(users, []any{id, at})
	}
	return t.execEach(ctx, `UPDATE users SET last_active_at = $2 WHERE id = $1 AND last_active_at < $2`, users)
}

func useRows(uses []identity.Use) (string, error) {
	rows := make([]useRow, len(uses))
	for i, u := range uses {
		rows[i] = useRow{u.Prefix, u.UserID, micros(u.At), u.IP, cut(u.UserAgent), micros(u.Expires), idleSeconds(u)}
	}
	text, err := json.Marshal(rows)
	return string(text), err
}

// idleSeconds are rounded up, so that no idleness is forgotten.
func idleSeconds(u identity.Use) int64 { return int64((u.Idle + time.Second - 1) / time.Second) }

func owners(uses []identity.Use) int64 {
	ids := map[string]bool{}
	for _, u := range uses {
		ids[u.UserID] = true
	}
	return int64(len(ids))
}

func (tx *Tx) useTokens(ctx context.Context, list string) (int64, error) {
	return tx.exec(ctx, `WITH uses AS (
			SELECT value ->> 'prefix' AS prefix, CAST(value ->> 'at' AS BIGINT) AS used_at, value ->> 'ip' AS ip, value ->> 'agent' AS agent,
				CAST(value ->> 'expires' AS BIGINT) AS ends, CAST(value ->> 'idle' AS BIGINT) AS idle FROM `+tx.dialect.items("$1")+`),
		mine AS MATERIALIZED (SELECT t.prefix FROM tokens t WHERE t.prefix IN (SELECT prefix FROM uses) ORDER BY t.prefix`+tx.dialect.free+`)
		UPDATE tokens SET last_used_at = uses.used_at, last_ip = uses.ip, last_user_agent = uses.agent,
			expires_at = CASE WHEN expires_at > 0 AND uses.ends > expires_at THEN uses.ends ELSE expires_at END,
			longest_idle = CASE WHEN uses.idle > longest_idle THEN uses.idle ELSE longest_idle END
		FROM uses JOIN mine ON mine.prefix = uses.prefix WHERE tokens.prefix = uses.prefix AND last_used_at < uses.used_at`, list)
}

// seeUsers raises the last-activity time of users.
func (tx *Tx) seeUsers(ctx context.Context, list string) (int64, error) {
	return tx.exec(ctx, `WITH seen AS (
			SELECT value ->> 'user_id' AS id, MAX(CAST(value ->> 'at' AS BIGINT)) AS seen_at FROM `+tx.dialect.items("$1")+` GROUP BY value ->> 'user_id'),
		mine AS MATERIALIZED (SELECT u.id FROM users u WHERE u.id IN (SELECT id FROM seen) ORDER BY u.id`+tx.dialect.free+`)
		UPDATE users SET last_active_at = seen.seen_at FROM seen JOIN mine ON mine.id = seen.id WHERE users.id = seen.id AND last_active_at < seen.seen_at`, list)
}

// unwritten are the uses that are later than what the database has.
func (tx *Tx) unwritten(ctx context.Context, list string, uses []identity.Use) ([]identity.Use, error) {
	left, err := collect(ctx, tx.q, scanText, `SELECT use.prefix FROM (
			SELECT value ->> 'prefix' AS prefix, value ->> 'user_id' AS user_id, CAST(value ->> 'at' AS BIGINT) AS used_at FROM `+tx.dialect.items("$1")+`) AS use
		WHERE EXISTS (SELECT 1 FROM tokens t WHERE t.prefix = use.prefix AND t.last_used_at < use.used_at)
			OR EXISTS (SELECT 1 FROM users u WHERE u.id = use.user_id AND u.last_active_at < use.used_at)`, list)
	var busy []identity.Use
	for _, u := range uses {
		if slices.Contains(left, u.Prefix) {
			busy = append(busy, u)
		}
	}
	return busy, err
}
