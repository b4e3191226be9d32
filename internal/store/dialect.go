package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is everything in which the two engines differ.
type dialect struct {
	name string
	// words replaces the {{…}} of a migration.
	words *strings.Replacer
	// begin begins a transaction: one that sees one moment, or one that writes.
	begin func(ctx context.Context, p pool, readOnly bool) (transaction, error)
	// outside is for queries of a single statement, outside of transactions.
	outside func(p pool) querier
	// lock makes those queue, until the ends of their transactions, who name the
	// same key; empty: there is one transaction at a time.
	lock string
	// tryLock is lock for those who do not wait: it reports whether the lock is theirs.
	tryLock func(ctx context.Context, q querier, key string) (bool, error)
	// backup writes a consistent copy into a new file.
	backup func(ctx context.Context, db *sql.DB, file string) error
	// order is the column of the change log by which a snapshot tells what it
	// shows; snapshot is the text of the present one, and plausible the
	// condition on entries that this database made itself.
	order, snapshotText, plausible string
	// identity is text that changes when commits may have been lost.
	identity string
	// clock is the database's time in microseconds; empty: it has no clock of its
	// own.
	clock string
	// quietly, in a condition, lets an UPDATE return before its commit is on
	// disk.
	quietly string
	// listen and notify wake other processes, notify with the id of who does;
	// empty: there is no such thing.
	listen, notify string
	// skipLocked lets several nodes take rows of a queue without waiting for
	// each other.
	skipLocked string
	// free, after the rows of a SELECT, locks those that nobody else is
	// changing, but for what refers to them, and leaves the others out.
	free string
	// still, after a SELECT, keeps its rows as they are until the transaction
	// ends.
	still string
	// tables names all tables and dated those whose rows say when they were made.
	// rows estimates how many rows each has; empty: they are counted.
	tables, dated, rows string
	// bytes is how large the database is, and how much of that is free for new
	// rows. tableBytes is how large each table is with its indexes, as far as that
	// is known without looking; allTableBytes looks.
	bytes, tableBytes, allTableBytes string
	// place is where a row is, as text; placedIn is the condition that it is at
	// one of the places of a JSON list.
	place    string
	placedIn func(list string) string
	// only is a value that a column of an ordered list equals, where the list is
	// ordered by that column first. PostgreSQL knows that a column with one value
	// orders nothing, leaves it out, and then goes through any index that gives
	// the rest of the order, such as the primary key past everybody else's rows;
	// of a list of one value it does not know that, and takes an index that
	// begins with the column.
	only func(value string) string
	// anew are arguments of a statement that is planned for them each time. One
	// plan for the values of all would be made for those of the average
	// organization, and the largest has a thousand times as many rows.
	anew func(args []any) []any
	// items is a table of the objects of a JSON list, in its column value; texts
	// one of its texts.
	items, texts func(list string) string
	// list is the aggregate that makes a JSON list of values.
	list string
	// facts is the statement of Read.Facts, which is put together once.
	facts string
	// hasMigrations counts tables named schema_migrations: 0 or 1.
	hasMigrations string
	// few, unless it is 0, is how many rows one transaction of housekeeping is to
	// write. What SQLite does, this process computes, and its requests wait: a few
	// tenths of a millisecond. PostgreSQL computes elsewhere, and each transaction
	// is a journey there.
	few int
}

// atOnce is how many rows one transaction of housekeeping is to write, and at
// most that many.
func (d *dialect) atOnce(most int) int {
	if d.few > 0 {
		return min(d.few, most)
	}
	return most
}

// hold takes a lock until the end of a transaction: before its next statement.
func (d *dialect) hold(ctx context.Context, t transaction, key string) error {
	if d.lock == "" {
		return nil
	}
	return t.later(ctx, nil, d.lock, key)
}

var sqliteDialect = &dialect{
	name: "sqlite",
	words: strings.NewReplacer(
		"{{identity}}", "INTEGER PRIMARY KEY AUTOINCREMENT",
		"{{transaction}}", "0",
		"{{text in byte order}}", "TEXT",
		"{{append-only events}}", `CREATE TRIGGER events_keep_u BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'audit events cannot be changed'); END;
CREATE TRIGGER events_keep_d BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'audit events cannot be deleted'); END;`,
		"{{events age}}", `DROP TRIGGER events_keep_d;
CREATE TRIGGER events_keep_d BEFORE DELETE ON events WHEN OLD.chain_seq > COALESCE((SELECT chain_seq FROM event_anchors WHERE chain = OLD.chain), 0)
BEGIN SELECT RAISE(ABORT, 'audit events cannot be deleted'); END;`,
		// SQLite uses the room of removed rows at once.
		"{{upkeep}}", `SELECT 0;`,
	),
	// One writer at a time: BEGIN IMMEDIATE holds the whole file.
	begin:   beginInFile,
	outside: func(p pool) querier { return p },
	tryLock: func(context.Context, querier, string) (bool, error) { return true, nil },
	backup:  copySQLite,
	// One writer at a time: ids are in the order of commits, and never used
	// again.
	order:        `id`,
	snapshotText: `(SELECT n || ':' || n || ':' FROM (SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0) + 1 AS n))`,
	plausible:    `TRUE`,
	identity:     `''`,
	quietly:      `TRUE`,
	list:         `json_group_array`,
	facts:        factsQuery(`json_group_array`),
	only:         func(value string) string { return value },
	anew:         func(args []any) []any { return args },
	tables:       `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name`,
	dated:        `SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c ON c.name = 'created_at' WHERE m.type = 'table'`,
	bytes:        `SELECT p.page_count * s.page_size, f.freelist_count * s.page_size FROM pragma_page_count p, pragma_page_size s, pragma_freelist_count f`,
	tableBytes:   `SELECT '', 0`,
	allTableBytes: `SELECT m.tbl_name, SUM(d.pgsize) FROM dbstat d JOIN sqlite_master m ON m.name = d.name
		WHERE d.aggregate = TRUE GROUP BY m.tbl_name`,
	place: `rowid`,
	placedIn: func(list string) string {
		return `rowid IN (SELECT CAST(value AS INTEGER) FROM json_each(` + list + `))`
	},
	items:         func(list string) string { return `json_each(` + list + `)` },
	texts:         func(list string) string { return `json_each(` + list + `)` },
	hasMigrations: `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_migrations'`,
	few:           16,
}

const postgresTableBytes = `SELECT relname::text, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`

var postgresDialect = &dialect{
	name: "postgres",
	words: strings.NewReplacer(
		"{{identity}}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
		"{{transaction}}", "(pg_current_xact_id()::text::bigint)",
		"{{text in byte order}}", `TEXT COLLATE "C"`,
		"{{append-only events}}", `CREATE FUNCTION events_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'audit events cannot be changed or deleted'; END $$;
CREATE TRIGGER events_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_keep();`,
		"{{events age}}", `DROP TRIGGER events_keep ON events;
CREATE TRIGGER events_keep BEFORE UPDATE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_keep();
CREATE FUNCTION events_keep_d() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF OLD.chain_seq > COALESCE((SELECT chain_seq FROM event_anchors WHERE chain = OLD.chain), 0) THEN
    RAISE EXCEPTION 'audit events cannot be changed or deleted';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER events_keep_d BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_keep_d();`,
		"{{upkeep}}", `ALTER TABLE events SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE tokens SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, fillfactor = 85);
ALTER TABLE changes SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);`,
	),
	begin:   beginPipeline,
	outside: func(p pool) querier { return single{p} },
	lock:    `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`,
	tryLock: func(ctx context.Context, q querier, key string) (bool, error) {
		return one(ctx, q, func(row scanner) (free bool, err error) { return free, row.Scan(&free) }, `SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))`, key)
	},
	backup: func(context.Context, *sql.DB, string) error {
		return errors.New("this database is PostgreSQL: back it up with pg_dump, which takes a consistent copy while the server runs")
	},
	skipLocked: ` FOR UPDATE SKIP LOCKED`,
	list:       `json_agg`,
	facts:      factsQuery(`json_agg`),
	only:       func(value string) string { return `ANY(ARRAY[` + value + `])` },
	anew:       func(args []any) []any { return append([]any{pgx.QueryExecModeExec}, args...) },
	dated:      `SELECT table_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND column_name = 'created_at'`,
	rows: `SELECT c.relname::text, CASE WHEN s.n_live_tup > 0 THEN s.n_live_tup ELSE GREATEST(c.reltuples, 0)::bigint END
		FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid WHERE c.relnamespace = current_schema()::regnamespace`,
	bytes:         `SELECT pg_database_size(current_database()), 0`,
	tableBytes:    postgresTableBytes,
	allTableBytes: postgresTableBytes,
	place:         `ctid::text`,
	placedIn: func(list string) string {
		return `ctid = ANY(ARRAY(SELECT value::tid FROM json_array_elements_text(` + list + `::text::json)))`
	},
	items:        func(list string) string { return `json_array_elements(` + list + `::text::json)` },
	texts:        func(list string) string { return `json_array_elements_text(` + list + `::text::json)` },
	free:         ` FOR NO KEY UPDATE SKIP LOCKED`,
	still:        ` FOR SHARE`,
	order:        `transaction_id`,
	snapshotText: `pg_current_snapshot()::text`,
	// A dump that was restored brings ids of another server.
	plausible: `transaction_id < pg_snapshot_xmax(pg_current_snapshot())::text::bigint`,
	// A replica that takes over has another timeline; a server that lost
	// commits because it does not wait for its disk was started anew.
	clock:         `(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint`,
	identity:      `(SELECT system_identifier FROM pg_control_system()) || ' ' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || ' ' || pg_postmaster_start_time()`,
	quietly:       `set_config('synchronous_commit', 'off', TRUE) = 'off'`,
	listen:        `LISTEN sallyport_changes`,
	notify:        `SELECT pg_notify('sallyport_changes', $1)`,
	hasMigrations: `SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_migrations'`,
}

// open connects to the engine that the URL names.
func open(databaseURL string) (d *dialect, write, read pool, err error) {
	scheme, rest, ok := strings.Cut(databaseURL, ":")
	switch {
	case ok && scheme == "sqlite" && rest != "":
		write, read, err = openSQLite(rest)
		return sqliteDialect, write, read, err
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		p, err := openPostgres(databaseURL)
		return postgresDialect, p, p, err
	}
	return nil, write, read, errors.New("database URL: write sqlite:FILE or postgres://USER@HOST/DATABASE")
}

func openSQLite(file string) (write, read pool, err error) {
	// synchronous=FULL: an acknowledged commit survives power loss on an
	// honest disk; NORMAL would only survive a killed process.
	// wal_autocheckpoint=0: see checkpoints. recursive_triggers: without it INSERT
	// OR REPLACE deletes rows past the triggers that keep events.
	pragmas := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(0)", "foreign_keys(1)", "recursive_triggers(1)", "cache_size(-4000)"}}
	base := "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + pragmas.Encode()
	if write.DB, err = sql.Open("sqlite", base+"&_txlock=immediate"); err != nil {
		return write, read, err
	}
	write.SetMaxOpenConns(1)
	if read.DB, err = sql.Open("sqlite", base+"&_pragma=query_only(1)"); err != nil {
		return write, read, err
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(4)
	return write, read, nil
}

// copySQLite writes a copy over a connection of the read pool, so that writers
// go on meanwhile. Copying counts as writing, which the pool's connections
// refuse; this one is allowed to, and closed afterwards.
func copySQLite(ctx context.Context, db *sql.DB, file string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Raw(func(any) error { return driver.ErrBadConn })
	if _, err := conn.ExecContext(ctx, `PRAGMA query_only(0)`); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, `VACUUM INTO $1`, file)
	return err
}

func openPostgres(databaseURL string) (pool, error) {
	cfg, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		// The parser's error may quote the URL with its password.
		return pool{}, errors.New("database URL: PostgreSQL cannot read it; write postgres://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	cfg.DialFunc = dialer.DialContext
	b := &broken{unasked: unasked}
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(boundIdleness(cfg)), stdlib.OptionShouldPing(b.doubted))
	db.SetConnMaxIdleTime(idleTimeout)
	return pool{db, b}, nil
}

// How many connections to PostgreSQL there may be. One of them follows the
// change log, the others are for requests and background work.
const (
	FewestConnections  = 4
	DefaultConnections = 17
	MostConnections    = 500
)

// LimitConnections sets the most connections to PostgreSQL, before first use.
// SQLite has its own: one that writes, and some that read.
//
// Beside the one that follows, one is never a writer's: in the middle of a change
// Guard reads what is stored without it, and if each connection were a writer's
// who waits for one more, all would wait for ever.
func (db *DB) LimitConnections(n int) {
	if db.write == db.read {
		db.write.SetMaxOpenConns(n)
		db.write.SetMaxIdleConns(n)
		db.writers = make(chan struct{}, n-2)
	}
}

// idleInTransaction is how long PostgreSQL waits for the next statement of a
// transaction. A server that is stopped in the middle of one would keep what it
// locked, and nobody else could change that organization.
const idleInTransaction = "idle_in_transaction_session_timeout"

// boundIdleness sets the bound after connecting, because poolers refuse to
// connect with settings they do not know. What the URL says goes first.
func boundIdleness(cfg *pgx.ConnConfig) func(context.Context, *pgx.Conn) error {
	if _, set := cfg.RuntimeParams[idleInTransaction]; set {
		return func(context.Context, *pgx.Conn) error { return nil }
	}
	return func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SET `+idleInTransaction+` = '10s'`)
		return err
	}
}

// busy says whether a transaction failed only because of another one, so that
// running it again can succeed.
func busy(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_BUSY
}

// duplicate says whether a unique index refused a row.
func duplicate(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) &&
		(lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

// unavailable says whether the engine could not be reached or could not write:
// the answer is "try again", not "you are wrong".
func unavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "25", "40", "53", "57", "58": // connection, read-only, conflict, resources, shutdown, system
			return true
		}
		return false
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return true
		}
		return false
	}
	return errors.Is(err, context.DeadlineExceeded) || lost(err)
}

// lost says whether a connection could not be made or broke.
func lost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}
