package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"

	"github.com/sallyport/sallyport/internal/identity"
)

// Durable says whether the database's settings keep an acknowledged commit
// when its machine dies. On SQLite they do, because Open sets them; on
// PostgreSQL they are the operator's. The error names the first that does not.
func (db *DB) Durable(ctx context.Context) error {
	if db.dialect == sqliteDialect {
		return nil
	}
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		value, err := one(ctx, db.read, scanText, `SELECT current_setting($1)`, setting)
		if err != nil {
			return err
		}
		if value == "off" {
			return fmt.Errorf("PostgreSQL runs with %s = off: set it to on in postgresql.conf", setting)
		}
	}
	return nil
}

// MaintainLightly is Maintain for what is done again, or not missed, when the
// machine dies in the moments after: on SQLite its commit does not wait for the
// disk. So it may be many small transactions, between which others write.
func (db *DB) MaintainLightly(ctx context.Context, fn func(*Tx) error) error {
	if db.file == "" || db.rehearsal != nil || db.heldIn(ctx) != nil {
		return db.Maintain(ctx, fn)
	}
	tx, logged, err := db.run(ctx, func() (*Tx, error) {
		return db.beginBy(ctx, beginLightly, identity.Actor{Kind: identity.ActorSystem}, Scope{}, nil)
	}, fn)
	return db.told(tx, logged, Scope{}, err)
}

// beginLightly begins a transaction of SQLite whose commit does not wait for the
// disk. A machine that dies may undo it, with those like it that followed, and
// nothing else: a commit that waits brings to the disk all that were before it.
func beginLightly(ctx context.Context, p pool, _ bool) (transaction, error) {
	conn, err := p.Conn(ctx)
	if err != nil {
		return nil, err
	}
	ended := func() { heavily(conn) }
	if _, err := conn.ExecContext(ctx, `PRAGMA synchronous = NORMAL`); err != nil {
		ended()
		return nil, err
	}
	// Who waits for it no longer ends it here and not at any moment: its end has
	// to be over before the connection changes back.
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		ended()
		return nil, err
	}
	return inFile{via{tx}, tx, sync.OnceFunc(ended)}, nil
}

// heavily gives a connection back whose commits wait for the disk again; one that
// may be otherwise nobody gets.
func heavily(conn *sql.Conn) {
	if _, err := conn.ExecContext(context.Background(), `PRAGMA synchronous = FULL`); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = conn.Close()
}
