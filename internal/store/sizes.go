package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// bound is what keeps some tables from growing for ever.
type bound struct {
	tables []string
	by     string
	words  string
}

// bounds are those of all tables, the fastest growing first; the manual has
// them, too (docs/monitoring.md). What goes by its age does so by agings, by
// RemoveOldEvents and by forgetChanges.
var bounds = []bound{
	{[]string{"events"}, identity.ByAge, "goes after `audit-retention-days` (400); grows with every change"},
	{[]string{"changes"}, identity.ByAge, "goes after an hour, once every node has followed"},
	{[]string{"tokens"}, identity.ByAge, "goes 30 days after it expired, was revoked or was voided; live sessions and tokens of a user are bounded by number"},
	{[]string{"saml_sessions"}, identity.ByAge, "goes with its token"},
	{[]string{"attempts"}, identity.ByAge, "goes when it ended or expired, within minutes of its beginning"},
	{[]string{"one_time_codes"}, identity.ByAge, "goes a day after it expired"},
	{[]string{"totp_offers"}, identity.ByAge, "goes when it expired; one a user"},
	{[]string{"known_devices"}, identity.ByAge, "goes when it expired; a hundred a user"},
	{[]string{"guess_counters"}, identity.ByAge, "goes a day after its last use when nothing failed since, after 90 days otherwise"},
	{[]string{"remembered_answers"}, identity.ByAge, "goes after 24 hours; none without a change that is in the audit log for longer"},
	{[]string{"outbox"}, identity.ByAge, "goes 30 days after it was sent or given up; what cannot be sent is given up after a day"},
	{[]string{"access_notices"}, identity.ByAge, "goes when those whom a change of the policy keeps out were told, within seconds; after seven days at the latest"},
	{[]string{"invitations"}, identity.ByAge, "goes 30 days after it expired; 500 an organization"},
	{[]string{"saml_assertions"}, identity.ByAge, "goes when the assertion could not be accepted any more"},
	{[]string{"saml_lab"}, identity.ByAge, "goes after seven days; a hundred a provider"},
	{[]string{"address_uses"}, identity.ByAge, "goes after 30 days; 10,000 an organization, 200 a token"},
	{[]string{"linked_identities"}, identity.ByAge, "goes 30 days after it was removed"},
	{[]string{"domains"}, identity.ByAge, "goes 30 days after it was removed; 50 an organization"},
	{[]string{"policy_versions"}, identity.ByNumber, "the last 1,000 of an organization"},
	{[]string{"pending_changes"}, identity.ByNumber, "one an organization, for at most seven days"},
	{[]string{"pilots", "pilot_members"}, identity.ByNumber, "20 an organization; 1,000 names each"},
	{[]string{"nodes"}, identity.ByNumber, "one a running server; what a dead one left goes with the next change"},
	{[]string{"passkeys", "passwords", "totp_factors", "recovery_codes"}, identity.ByOwner, "a few a user; go with them"},
	{[]string{"authentication_methods"}, identity.ByNobody, "what admins make; stays when deleted, without its secret, because tokens say where they came from"},
	{[]string{"method_domains", "method_certificates", "method_keys", "metadata_checks"}, identity.ByOwner, "go with their provider"},
	{[]string{"users", "organizations"}, identity.ByNobody, "stay when deleted, as a row without credentials: the audit log, and those who look into it, go by them"},
	{[]string{"memberships", "grants", "user_groups", "group_members", "accounts", "projects"}, identity.ByOwner, "what admins make, as long as it is there; go with their organization"},
	{[]string{"event_anchors"}, identity.ByNobody, "one an organization or user whose first events have gone: what is left proves itself from there"},
	{[]string{"schema_migrations"}, identity.ByNumber, "one a step of the schema"},
}

// Size looks at how large the database is, quickly enough to be asked again and
// again: rows are estimates where counting would read a large table, and only
// of the audit log is the oldest row looked for.
func (r *Read) Size(ctx context.Context) (identity.DatabaseSize, error) {
	return r.size(ctx, map[string]bool{"events": true}, r.dialect.tableBytes)
}

// ThoroughSize is Size with the oldest row of each table that keeps when they
// were made, and on SQLite with the size of each, for which the whole file is
// read. Nobody waits to write meanwhile.
func (r *Read) ThoroughSize(ctx context.Context) (identity.DatabaseSize, error) {
	dated, err := collect(ctx, r.q, scanText, r.dialect.dated)
	if err != nil {
		return identity.DatabaseSize{}, err
	}
	old := map[string]bool{}
	for _, table := range dated {
		old[table] = true
	}
	return r.size(ctx, old, r.dialect.allTableBytes)
}

func (r *Read) size(ctx context.Context, dated map[string]bool, tableBytes string) (identity.DatabaseSize, error) {
	s := identity.DatabaseSize{Engine: r.dialect.name, At: r.Now}
	if err := first(ctx, r.q, r.dialect.bytes).Scan(&s.Bytes, &s.Free); err != nil {
		return s, err
	}
	rows, err := r.Rows(ctx)
	if err != nil {
		return s, err
	}
	bytes, err := r.counts(ctx, tableBytes)
	if err != nil {
		return s, err
	}
	for table, n := range rows {
		t := identity.TableSize{Table: table, Rows: n, Bytes: bytes[table]}
		if i := slices.IndexFunc(bounds, func(b bound) bool { return slices.Contains(b.tables, table) }); i >= 0 {
			t.By, t.Bound = bounds[i].by, bounds[i].words
		}
		if dated[table] {
			if t.Oldest, err = r.oldest(ctx, table); err != nil {
				return s, err
			}
		}
		s.Tables = append(s.Tables, t)
	}
	slices.SortFunc(s.Tables, func(a, b identity.TableSize) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Rows, a.Rows), strings.Compare(a.Table, b.Table))
	})
	return s, nil
}

// oldest is when the oldest row of a table was made.
func (r *Read) oldest(ctx context.Context, table string) (time.Time, error) {
	query := `SELECT COALESCE(MIN(created_at), 0) FROM ` + table
	if slices.Contains(numbered, table) {
		query = `SELECT COALESCE((SELECT created_at FROM ` + table + ` ORDER BY id LIMIT 1), 0)`
	}
	us, err := one(ctx, r.q, scanInt, query)
	return timeOf(us), err
}

// numbered are the tables whose rows the database numbers as they come: the
// first has the lowest id.
var numbered = []string{"events", "changes"}

// Rows returns how many rows each table has. On PostgreSQL these are the
// estimates that it keeps, because counting would read the tables; on SQLite
// the numbered tables are not counted but told by their first and last number.
func (r *Read) Rows(ctx context.Context) (map[string]int64, error) {
	if r.dialect.rows != "" {
		return r.counts(ctx, r.dialect.rows)
	}
	tables, err := collect(ctx, r.q, scanText, r.dialect.tables)
	if err != nil {
		return nil, err
	}
	parts := []string{}
	for _, t := range tables {
		count := `COUNT(*)`
		if slices.Contains(numbered, t) {
			count = `COALESCE(MAX(id) - MIN(id) + 1, 0)`
		}
		parts = append(parts, `SELECT '`+t+`', `+count+` FROM `+t)
	}
	return r.counts(ctx, strings.Join(parts, ` UNION ALL `))
}

// overdueAfter is how long after its time a row is still there for nobody's
// fault: the clean-up comes every hour, and takes a while where it has much to do.
const overdueAfter = 2 * day

// Overdue returns the tables whose rows should have gone long ago: no server
// has been running, or its clean-up fails. Audit events are kept for as long.
func (r *Read) Overdue(ctx context.Context, eventsKept time.Duration) (tables []string, err error) {
	for _, a := range agings {
		n, err := one(ctx, r.q, scanInt, `SELECT COUNT(*) FROM (SELECT 1 FROM `+a.table+` WHERE `+a.over+` LIMIT 1) AS first`, micros(r.Now.Add(-a.kept-overdueAfter)))
		if err != nil {
			return nil, err
		}
		if n > 0 && !slices.Contains(tables, a.table) {
			tables = append(tables, a.table)
		}
	}
	oldest, err := r.oldest(ctx, "events")
	if err == nil && !oldest.IsZero() && oldest.Before(r.Now.Add(-eventsKept-overdueAfter)) {
		tables = append(tables, "events")
	}
	return tables, err
}

// Queues returns how much waits for background work: mail that is not sent, and
// checks and changes whose time has come.
func (r *Read) Queues(ctx context.Context) (map[string]int64, error) {
	return r.counts(ctx, `SELECT 'mail', COUNT(*) FROM outbox WHERE ended_at = 0
		UNION ALL SELECT 'domain_checks', COUNT(*) FROM domains WHERE state = 'verified' AND next_check_at <= $1
		UNION ALL SELECT 'metadata_checks', COUNT(*) FROM metadata_checks WHERE next_check_at <= $1
		UNION ALL SELECT 'access_notices', COUNT(*) FROM access_notices
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
