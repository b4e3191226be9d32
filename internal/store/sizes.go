package store

import (
	"context"
	"database/sql"
	"strings"
	"time"
)

// sizedTables are those that grow with use.
var sizedTables = []string{
	"organizations", "users", "memberships", "user_groups", "tokens", "linked_identities", "events", "changes", "outbox", "attempts",
	"known_devices", "guess_counters", "saml_lab", "address_uses",
}

// Sizes returns how many rows the larger tables have. On PostgreSQL these are
// the estimates that it keeps, because counting would read the tables.
func (r *Read) Sizes(ctx context.Context) (map[string]int64, error) {
	return r.counts(ctx, r.dialect.sizes)
}

// countTables is a statement that counts tables exactly.
func countTables(tables []string) string {
	parts := []string{}
	for _, t := range tables {
		parts = append(parts, `SELECT '`+t+`', COUNT(*) FROM `+t)
	}
	return strings.Join(parts, ` UNION ALL `)
}

// Queues returns how much waits for background work: mail that is not sent, and
// checks and changes whose time has come.
func (r *Read) Queues(ctx context.Context) (map[string]int64, error) {
	return r.counts(ctx, `SELECT 'mail', COUNT(*) FROM outbox WHERE ended_at = 0
		UNION ALL SELECT 'domain_checks', COUNT(*) FROM domains WHERE state = 'verified' AND next_check_at <= $1
		UNION ALL SELECT 'metadata_checks', COUNT(*) FROM metadata_checks WHERE next_check_at <= $1
		UNION ALL SELECT 'pending_changes', COUNT(*) FROM pending_changes WHERE next_try_at <= $1`, micros(r.Now))
}

// OldestMail is since when the mail that waits longest does; zero: none waits.
func (r *Read) OldestMail(ctx context.Context) (time.Time, error) {
	us, err := one(ctx, r.q, scanInt, `SELECT COALESCE(MIN(created_at), 0) FROM outbox WHERE ended_at = 0`)
	return timeOf(us), err
}

// counts reads names with numbers.
func (r *Read) counts(ctx context.Context, query string, args ...any) (map[string]int64, error) {
	type count struct {
		name string
		n    int64
	}
	list, err := collect(ctx, r.q, func(row scanner) (c count, err error) { return c, row.Scan(&c.name, &c.n) }, query, args...)
	all := map[string]int64{}
	for _, c := range list {
		all[c.name] = c.n
	}
	return all, err
}

// Pools are the connections to the database: one pool, or on SQLite one to read
// and one to write.
func (db *DB) Pools() map[string]sql.DBStats {
	if db.read == db.write {
		return map[string]sql.DBStats{"all": db.read.Stats()}
	}
	return map[string]sql.DBStats{"read": db.read.Stats(), "write": db.write.Stats()}
}

// watched runs a transaction within the span of a trace.
func (db *DB) watched(ctx context.Context, name string, run func(context.Context) error) error {
	if db.Began == nil {
		return run(ctx)
	}
	ctx, ended := db.Began(ctx, db.Engine(), name)
	err := run(ctx)
	ended(err != nil)
	return err
}
