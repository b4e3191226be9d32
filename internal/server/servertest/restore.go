package servertest

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/internal/store/storetest"
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
	r, err := s.openRestorer(kept)
	if err != nil {
		tb.Fatalf("remember the database: %v", err)
	}
	tb.Cleanup(func() { _ = r.db.Close() })
	for _, row := range s.Rows(tb, s.tablesQuery()) {
		if table := row[0]; !notRestored[table] {
			r.bring(`DELETE FROM main."`+table+`"`, `INSERT INTO main."`+table+`" SELECT * FROM kept."`+table+`"`)
		}
	}
	if r.err != nil {
		tb.Fatalf("remember the database: %v", r.err)
	}
	return func(tb testing.TB) {
		tb.Helper()
		// At the end of a test its context has ended.
		if err := errors.Join(s.Access.FlushUses(context.Background()), r.restore(context.Background())); err != nil {
			tb.Fatalf("restore the database: %v", err)
		}
		s.DB.Missed()
	}
}

// restorer is a connection to a database, with what is kept attached to it. Its
// statements are parsed once: that takes longer than what most of them do.
type restorer struct {
	db         *sql.DB
	conn       *sql.Conn
	statements []*sql.Stmt
	err        error // the first of bring
}

func (s *Server) openRestorer(kept string) (*restorer, error) {
	db, err := storetest.Connect(s.Config.DatabaseURL, "foreign_keys(0)", "synchronous(0)")
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(context.Background())
	if err == nil {
		_, err = conn.ExecContext(context.Background(), `ATTACH ? AS kept`, kept)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &restorer{db: db, conn: conn}, nil
}

func (r *restorer) bring(statements ...string) {
	for _, text := range statements {
		statement, err := r.conn.PrepareContext(context.Background(), text)
		r.err = cmp.Or(r.err, err)
		r.statements = append(r.statements, statement)
	}
}

func (r *restorer) restore(ctx context.Context) error {
	if _, err := r.conn.ExecContext(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for _, statement := range r.statements {
		if _, err := statement.ExecContext(ctx); err != nil {
			_, undone := r.conn.ExecContext(ctx, `ROLLBACK`)
			return errors.Join(err, undone)
		}
	}
	_, err := r.conn.ExecContext(ctx, `COMMIT`)
	return err
}
