package servertest

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// notRestored are the tables of what goes on: who serves the database, what they
// have told each other, and the log, from which nothing can be taken away.
var notRestored = map[string]bool{"nodes": true, "changes": true, "events": true}

// Remember keeps what the database holds and returns what brings it back, apart
// from the log, as often as one likes. Bringing it back takes a tenth of the time that it takes to
// start a server and fill it again. It is for SQLite, between requests.
func (s *Server) Remember(tb testing.TB) (restore func(testing.TB)) {
	tb.Helper()
	kept := filepath.Join(tb.TempDir(), "kept.db")
	if _, err := s.database(tb).ExecContext(tb.Context(), `VACUUM INTO ?`, kept); err != nil {
		tb.Fatalf("remember the database: %v", err)
	}
	text := s.restoring(tb)
	return func(tb testing.TB) {
		tb.Helper()
		// At the end of a test its context has ended.
		if err := s.restore(context.Background(), kept, text); err != nil {
			tb.Fatalf("restore the database: %v", err)
		}
	}
}

// restoring are the statements that bring everything back from the database
// attached as kept.
func (s *Server) restoring(tb testing.TB) string {
	tb.Helper()
	var b strings.Builder
	b.WriteString("BEGIN IMMEDIATE;\n")
	for _, row := range s.Rows(tb, s.tablesQuery()) {
		if table := row[0]; !notRestored[table] {
			b.WriteString(`DELETE FROM main."` + table + `"; INSERT INTO main."` + table + `" SELECT * FROM kept."` + table + "\";\n")
		}
	}
	b.WriteString("COMMIT")
	return b.String()
}

func (s *Server) restore(ctx context.Context, kept, text string) error {
	if err := s.Access.FlushUses(ctx); err != nil {
		return err
	}
	file := strings.TrimPrefix(s.Config.DatabaseURL, "sqlite:")
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(0)&_pragma=synchronous(0)")
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `ATTACH ? AS kept`, kept); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, text); err != nil {
		return err
	}
	s.DB.Missed()
	return nil
}
