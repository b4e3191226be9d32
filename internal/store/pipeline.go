package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// pipeline is a transaction of PostgreSQL. What later is given travels with the
// next statement: the way there and back costs both sides more than most
// statements do. It speaks to the driver itself, because database/sql knows no
// such thing.
type pipeline struct {
	conn    *sql.Conn // nil: the transaction has ended
	pg      *pgx.Conn // of conn
	waiting []waiting
}

type waiting struct {
	take func(rows) error
	text string
	args []any
}

func beginPipeline(ctx context.Context, p pool, readOnly bool) (transaction, error) {
	t, err := borrow(ctx, p)
	if err != nil {
		return nil, err
	}
	begin := `begin`
	if readOnly {
		begin = `begin isolation level repeatable read read only`
	}
	t.waiting = append(t.waiting, waiting{text: begin})
	return t, nil
}

// borrow takes a connection from the pool, until release.
func borrow(ctx context.Context, p pool) (*pipeline, error) {
	conn, err := p.Conn(ctx)
	if err != nil {
		return nil, err
	}
	t := &pipeline{conn: conn}
	if err := conn.Raw(func(c any) error {
		t.pg = c.(*stdlib.Conn).Conn()
		return nil
	}); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return t, nil
}

// single runs each query outside of a transaction, past database/sql too, which
// makes 91 of the 214 allocations that reading the facts of a token takes.
type single struct{ pool }

func (s single) query(ctx context.Context, text string, args ...any) (rows, error) {
	args, err := plain(args)
	if err != nil {
		return nil, err
	}
	t, err := borrow(ctx, s.pool)
	if err != nil {
		return nil, err
	}
	r, err := t.pg.Query(ctx, text, args...)
	if err != nil {
		t.release()
		return nil, err
	}
	return lent{received{Rows: r}, t}, nil
}

// lent are rows with the connection that they come over, which goes back to the
// pool when they are closed for the first time.
type lent struct {
	received
	over *pipeline
}

func (l lent) Close() error {
	err := l.received.Close()
	if l.over.conn != nil {
		l.over.release()
	}
	return err
}

// mostWaiting bounds what is held back.
const mostWaiting = 256

func (t *pipeline) later(ctx context.Context, take func(rows) error, text string, args ...any) error {
	args, err := plain(args)
	if err != nil {
		return err
	}
	t.waiting = append(t.waiting, waiting{take, text, args})
	if len(t.waiting) < mostWaiting {
		return nil
	}
	return t.flush(ctx)
}

func (t *pipeline) query(ctx context.Context, text string, args ...any) (rows, error) {
	args, err := plain(args)
	if err != nil {
		return nil, err
	}
	if len(t.waiting) > 0 && !anew(args) {
		return t.queryLast(ctx, text, args)
	}
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	r, err := t.pg.Query(ctx, text, args...)
	return received{Rows: r}, err
}

// queryLast sends what waits and then a query.
func (t *pipeline) queryLast(ctx context.Context, text string, args []any) (rows, error) {
	sent, err := t.send(ctx, waiting{text: text, args: args})
	if err != nil {
		return nil, err
	}
	r, err := sent.Query()
	if err != nil {
		_ = sent.Close() // has failed already
		return nil, err
	}
	return received{r, sent}, nil
}

func (t *pipeline) exec(ctx context.Context, text string, args ...any) (int64, error) {
	args, err := plain(args)
	if err != nil {
		return 0, err
	}
	tag, err := t.run(ctx, text, args)
	return tag.RowsAffected(), err
}

func (t *pipeline) run(ctx context.Context, text string, args []any) (tag pgconn.CommandTag, err error) {
	if t.conn == nil {
		return tag, sql.ErrTxDone
	}
	if len(t.waiting) == 0 {
		return t.pg.Exec(ctx, text, args...)
	}
	sent, err := t.send(ctx, waiting{text: text, args: args})
	if err != nil {
		return tag, err
	}
	tag, err = sent.Exec()
	return tag, cmp.Or(err, sent.Close())
}

func (t *pipeline) flush(ctx context.Context) error {
	if t.conn == nil {
		return sql.ErrTxDone
	}
	if len(t.waiting) == 0 {
		return nil
	}
	sent, err := t.send(ctx)
	if err != nil {
		return err
	}
	return sent.Close()
}

// send sends what waits and further statements, reads the answers to the
// former, and leaves the others' to be read. After a statement that fails
// PostgreSQL runs none of those that were sent with it.
func (t *pipeline) send(ctx context.Context, further ...waiting) (pgx.BatchResults, error) {
	if t.conn == nil {
		return nil, sql.ErrTxDone
	}
	batch := &pgx.Batch{}
	for _, w := range slices.Concat(t.waiting, further) {
		batch.Queue(w.text, w.args...)
	}
	sent := t.pg.SendBatch(ctx, batch)
	former := t.waiting
	t.waiting = nil
	for _, w := range former {
		if err := w.answered(sent); err != nil {
			_ = sent.Close() // has failed already
			return nil, err
		}
	}
	return sent, nil
}

// answered reads the answer to a statement, which is the next one.
func (w waiting) answered(sent pgx.BatchResults) error {
	if w.take == nil {
		_, err := sent.Exec()
		return err
	}
	r, err := sent.Query()
	if err != nil {
		return err
	}
	return taken(received{Rows: r}, w.take)
}

func (t *pipeline) commit(ctx context.Context) error {
	tag, err := t.run(ctx, `commit`, nil)
	if err != nil {
		return err
	}
	t.release()
	if tag.String() == "ROLLBACK" { // a statement had failed
		return pgx.ErrTxCommitRollback
	}
	return nil
}

// rollbackTime bounds the end of a transaction that nobody waits for any more.
// A connection that does not answer by then is closed, which ends it too.
const rollbackTime = time.Second

func (t *pipeline) rollback() {
	if t.conn == nil {
		return
	}
	if t.pg.PgConn().TxStatus() != idle {
		ctx, cancel := context.WithTimeout(context.Background(), rollbackTime)
		defer cancel()
		_, _ = t.pg.Exec(ctx, `rollback`)
	}
	t.release()
}

// idle is the state of a connection that is in no transaction.
const idle = 'I'

// release gives the connection back to the pool, unless nobody can use it.
func (t *pipeline) release() {
	if t.pg.IsClosed() || t.pg.PgConn().TxStatus() != idle {
		_ = t.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = t.conn.Close()
	t.conn, t.pg = nil, nil
}

// received are the rows of an answer, and what has to be closed after them.
type received struct {
	pgx.Rows
	sent pgx.BatchResults // nil: nothing
}

func (r received) Close() error {
	r.Rows.Close()
	err := r.Err()
	if r.sent != nil {
		err = cmp.Or(err, r.sent.Close())
	}
	return err
}

// anew says that a statement's plan is to be made for its arguments
// (dialect.anew), which those that are sent together cannot.
func anew(args []any) bool {
	if len(args) == 0 {
		return false
	}
	_, is := args[0].(pgx.QueryExecMode)
	return is
}

// plain turns arguments into the kinds that columns have, as database/sql does:
// the driver would write a number that has a String method as that text.
func plain(args []any) ([]any, error) {
	for i, a := range args {
		switch a.(type) {
		case string, int64, int, bool, pgx.QueryExecMode:
			continue
		}
		value, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return nil, err
		}
		args[i] = value
	}
	return args, nil
}
