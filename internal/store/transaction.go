package store

import (
	"context"
	"database/sql"
)

// transaction is one that was begun and has not ended. It is for one goroutine.
type transaction interface {
	querier
	// later runs a statement whose answer nobody waits for: before the next one
	// or the commit at the latest, which then fails in its place. take, unless it
	// is nil, reads its rows.
	later(ctx context.Context, take func(rows) error, text string, args ...any) error
	// flush runs what later left.
	flush(ctx context.Context) error
	commit(ctx context.Context) error
	// rollback ends a transaction without effect; one that has ended it leaves.
	rollback()
}

// querier runs statements, inside of a transaction or outside.
type querier interface {
	query(ctx context.Context, text string, args ...any) (rows, error)
	exec(ctx context.Context, text string, args ...any) (changed int64, err error)
}

// rows are read one after the other, and closed.
type rows interface {
	scanner
	Next() bool
	Err() error
	Close() error
}

// database is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type database interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// via is the querier of any of them.
type via struct{ database }

func (v via) query(ctx context.Context, text string, args ...any) (rows, error) {
	return v.QueryContext(ctx, text, args...)
}

func (v via) exec(ctx context.Context, text string, args ...any) (int64, error) {
	result, err := v.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// pool is a pool of connections.
type pool struct {
	*sql.DB
	broken *broken // nil: connections do not break
}

func (p pool) query(ctx context.Context, text string, args ...any) (rows, error) {
	return via{p.DB}.query(ctx, text, args...)
}

func (p pool) exec(ctx context.Context, text string, args ...any) (int64, error) {
	return via{p.DB}.exec(ctx, text, args...)
}

// inFile is a transaction of SQLite, where no statement is far away.
type inFile struct {
	via
	tx *sql.Tx
	// ended, unless it is nil, gives the connection back.
	ended func()
}

func beginInFile(ctx context.Context, p pool, _ bool) (transaction, error) {
	tx, err := p.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return inFile{via{tx}, tx, nil}, nil
}

func (t inFile) later(ctx context.Context, take func(rows) error, text string, args ...any) error {
	if take == nil {
		_, err := t.exec(ctx, text, args...)
		return err
	}
	rows, err := t.query(ctx, text, args...)
	if err != nil {
		return err
	}
	return taken(rows, take)
}

// taken lets take read rows, and closes them.
func taken(rows rows, take func(rows) error) error {
	defer rows.Close()
	if err := take(rows); err != nil {
		return err
	}
	return rows.Close()
}

func (t inFile) flush(context.Context) error { return nil }

func (t inFile) commit(context.Context) error {
	err := t.tx.Commit()
	t.end()
	return err
}

func (t inFile) rollback() {
	_ = t.tx.Rollback()
	t.end()
}

func (t inFile) end() {
	if t.ended != nil {
		t.ended()
	}
}

// execEach runs a statement once for each list of arguments.
func (t inFile) execEach(ctx context.Context, text string, args [][]any) error {
	s, err := t.tx.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer s.Close()
	// Each takes some microseconds. To watch for the end of ctx takes as long.
	unwatched := context.WithoutCancel(ctx)
	for _, a := range args {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := s.ExecContext(unwatched, a...); err != nil {
			return err
		}
	}
	return nil
}
