package servertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// passing are the tables and columns that change without anybody's wish: the
// log of what happened, counters, signs of life of nodes, and who used what when.
var passing = map[string]bool{
	"events": true, "changes": true, "guess_counters": true, "nodes": true, "address_uses": true, "sqlite_sequence": true,
	"tokens.last_used_at": true, "tokens.last_ip": true, "tokens.last_user_agent": true, "tokens.longest_idle": true, "users.last_active_at": true,
}

// Dump is everything the database holds, apart from events, counters and
// last-use records: two dumps are equal when nothing was changed between them.
//
// On SQLite it is read again only when somebody has written meanwhile: tests
// that try hundreds of requests to be refused would spend their time here.
func (s *Server) Dump(tb testing.TB) string {
	tb.Helper()
	s.Settle(tb)
	version := s.dataVersion(tb)
	if version == "" {
		return s.readAll(tb)
	}
	s.dumped.mu.Lock()
	defer s.dumped.mu.Unlock()
	if s.dumped.version != version {
		s.dumped.version, s.dumped.text = version, s.readAll(tb)
	}
	return s.dumped.text
}

// overtaking is when somebody who has claimed a notice is taken for dead: the
// clock of a test may not come that far by itself. Who lives tells nobody then.
const overtaking = 10 * time.Second

// Settle works off what a change or the use of a token left to the background, so
// that it is not taken for something that was done later: a use may move the end
// of its token.
func (s *Server) Settle(tb testing.TB) {
	tb.Helper()
	if err := s.Access.FlushUses(tb.Context()); err != nil {
		tb.Fatalf("write the last uses: %v", err)
	}
	for begun := time.Now(); s.Value(tb, `SELECT COUNT(*) FROM access_notices`) != "0"; {
		if _, err := s.Org.SendNotices(tb.Context()); err != nil {
			tb.Fatalf("tell those whom a change keeps out: %v", err)
		}
		if time.Since(begun) < overtaking {
			continue
		}
		if _, err := s.database(tb).ExecContext(tb.Context(), `UPDATE access_notices SET next_try_at = 0`); err != nil {
			tb.Fatal(err)
		}
	}
}

// dump is what Dump last read.
type dump struct {
	mu            sync.Mutex
	version, text string
}

// dataVersion changes with every commit of the server on SQLite, whose
// connection it must be asked over; elsewhere it is empty.
func (s *Server) dataVersion(tb testing.TB) (version string) {
	tb.Helper()
	if s.DB.Engine() != "sqlite" {
		return ""
	}
	s.database(tb)
	if err := s.own.versions.QueryRowContext(tb.Context(), `PRAGMA data_version`).Scan(&version); err != nil {
		tb.Fatalf("data version: %v", err)
	}
	return version
}

func (s *Server) readAll(tb testing.TB) string {
	tb.Helper()
	s.database(tb)
	ctx := tb.Context()
	var b strings.Builder
	for _, row := range s.Rows(tb, s.tablesQuery()) {
		table := row[0]
		if passing[table] {
			continue
		}
		rows, err := s.dumpTable(ctx, table)
		if err != nil {
			tb.Fatalf("dump %s: %v", table, err)
		}
		fmt.Fprintf(&b, "%s\n%s\n", table, strings.Join(rows, "\n"))
	}
	return b.String()
}

func (s *Server) tablesQuery() string {
	if s.DB.Engine() == "sqlite" {
		return `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`
	}
	return `SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1`
}

// connection is opened by the first test that looks into the database.
type connection struct {
	once     sync.Once
	db       *sql.DB
	versions *sql.Conn // one of db
	err      error

	mu         sync.Mutex
	statements map[string]*sql.Stmt // of db
}

// prepare parses a statement that is run again and again once. They end with the
// connections.
func (c *connection) prepare(ctx context.Context, text string) (statement *sql.Stmt, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if statement = c.statements[text]; statement != nil {
		return statement, nil
	}
	if statement, err = c.db.PrepareContext(ctx, text); err != nil {
		return nil, err
	}
	if c.statements == nil {
		c.statements = map[string]*sql.Stmt{}
	}
	c.statements[text] = statement
	return statement, nil
}

// database is a connection of the test's own, beside the server's.
func (s *Server) database(tb testing.TB) *sql.DB {
	tb.Helper()
	s.own.once.Do(func() {
		if s.own.db, s.own.err = storetest.Connect(s.Config.DatabaseURL); s.own.err != nil {
			return
		}
		s.own.versions, s.own.err = s.own.db.Conn(context.Background())
		s.tb.Cleanup(func() { _ = errors.Join(s.own.versions.Close(), s.own.db.Close()) })
	})
	if s.own.err != nil {
		tb.Fatal(s.own.err)
	}
	return s.own.db
}

// Rows are the answer of a query, each value as text.
func (s *Server) Rows(tb testing.TB, query string, args ...any) [][]string {
	tb.Helper()
	rows, err := s.database(tb).QueryContext(tb.Context(), query, args...)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	_, list, err := scan(rows)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return list
}

// Value is the answer of a query for one value.
func (s *Server) Value(tb testing.TB, query string, args ...any) string {
	tb.Helper()
	rows := s.Rows(tb, query, args...)
	if len(rows) != 1 || len(rows[0]) != 1 {
		tb.Fatalf("%s: %d rows, want one of one value", query, len(rows))
	}
	return rows[0][0]
}

// scan reads all rows as text, with the names of their columns.
func scan(rows *sql.Rows) (names []string, list [][]string, err error) {
	if names, err = rows.Columns(); err != nil {
		return nil, nil, err
	}
	for rows.Next() {
		values := make([]any, len(names))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			return nil, nil, err
		}
		texts := make([]string, len(names))
		for i, v := range values {
			texts[i] = text(*v.(*any))
		}
		list = append(list, texts)
	}
	return names, list, rows.Err()
}

// dumpTable writes each row as one line, in an order of the lines' own.
func (s *Server) dumpTable(ctx context.Context, table string) ([]string, error) {
	statement, err := s.own.prepare(ctx, `SELECT * FROM "`+table+`"`)
	if err != nil {
		return nil, err
	}
	rows, err := statement.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, list, err := scan(rows)
	var lines []string
	for _, values := range list {
		var line strings.Builder
		for i, name := range names {
			if !passing[table+"."+name] {
				fmt.Fprintf(&line, " %s=%s", name, values[i])
			}
		}
		lines = append(lines, line.String())
	}
	sort.Strings(lines)
	return lines, err
}

func text(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}
