package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store/storetest"
)

// poolOf fills a pool with so many connections that nobody uses and that are
// taken to live, and returns what ends them on the side of the database.
func poolOf(t *testing.T, db *DB, url string, n int) (end func()) {
	t.Helper()
	ctx := t.Context()
	db.write.broken.unasked = time.Hour // however slow the test is
	var pids []int
	for range 2 { // one that was never used again is asked
		pids = nil
		var held []*sql.Conn
		for range n {
			conn, err := db.write.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var pid int
			if err := conn.QueryRowContext(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
				t.Fatal(err)
			}
			pids, held = append(pids, pid), append(held, conn)
		}
		for _, conn := range held {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	beside, err := storetest.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = beside.Close() })
	return func() {
		t.Helper()
		for _, pid := range pids {
			var gone bool
			if err := beside.QueryRowContext(ctx, `SELECT pg_terminate_backend($1, 10000)`, pid).Scan(&gone); err != nil || !gone {
				t.Fatalf("end %d: %t, %v", pid, gone, err)
			}
		}
	}
}

// A database that has ended all connections, as one that was started again, costs
// nobody a request: what begins takes another connection.
func TestConnectionsThatEndedAreReplaced(t *testing.T) {
	const connections = 8
	for what, work := range map[string]func(db *DB, ran *int) error{
		"a change": func(db *DB, ran *int) error {
			return db.Update(t.Context(), alice, Organization("org-a"), func(tx *Tx) error {
				*ran++
				return errors.Join(tx.AddGroup(t.Context(), identity.Group{ID: "ug1", OrganizationID: "org-a", Name: "crew"}), tx.Record(t.Context(), identity.Event{Action: "made a group"}))
			})
		},
		"housekeeping": func(db *DB, ran *int) error {
			return db.Maintain(t.Context(), func(tx *Tx) error {
				*ran++
				return tx.AddGroup(t.Context(), identity.Group{ID: "ug1", OrganizationID: "org-a", Name: "crew"})
			})
		},
		"a reading": func(db *DB, _ *int) error {
			return db.View(t.Context(), func(r *Read) error {
				_, err := r.Organization(t.Context(), "org-a")
				return err
			})
		},
		"a statement": func(db *DB, _ *int) error {
			return db.Once(func(r *Read) error {
				_, err := r.Organization(t.Context(), "org-a")
				return err
			})
		},
	} {
		t.Run(what, func(t *testing.T) {
			db, url := newOnPostgres(t)
			end := poolOf(t, db, url, connections)
			end()
			ran := 0
			if err := work(db, &ran); err != nil {
				t.Fatal(err)
			}
			if n := number(t, db, `SELECT COUNT(*) FROM user_groups`); ran > 1 || n != int64(ran) {
				t.Errorf("it ran %d times and made %d groups", ran, n)
			}
		})
	}
}

// What a change sent is rolled back with its connection, and the change is not
// made again: from here on nobody counts what was sent.
func TestChangesWhoseConnectionEndsAreNotRepeated(t *testing.T) {
	db, url := newOnPostgres(t)
	ran := 0
	err := db.Update(t.Context(), alice, Organization("org-a"), func(tx *Tx) error {
		ran++
		ctx := t.Context()
		if err := errors.Join(tx.AddGroup(ctx, identity.Group{ID: "ug1", OrganizationID: "org-a", Name: "crew"}), tx.Record(ctx, identity.Event{Action: "made a group"})); err != nil {
			return err
		}
		pid, err := one(ctx, tx.q, scanInt, `SELECT pg_backend_pid()`)
		if err != nil {
			return err
		}
		beside, err := storetest.Connect(url)
		if err != nil {
			return err
		}
		defer beside.Close()
		_, err = beside.ExecContext(ctx, `SELECT pg_terminate_backend($1, 10000)`, pid)
		return err
	})
	wantKind(t, err, identity.Unavailable, "service_unavailable")
	if n := number(t, db, `SELECT COUNT(*) FROM user_groups`); ran != 1 || n != 0 {
		t.Errorf("it ran %d times and made %d groups", ran, n)
	}
}

func TestWhatABrokenConnectionIs(t *testing.T) {
	reset := &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("x"), false},
		{&pgconn.PgError{Code: "57P01"}, true},
		{fmt.Errorf("begin: %w", &pgconn.PgError{Code: "57P01"}), true},
		{&pgconn.PgError{Code: "57014"}, false}, // statement_timeout
		{&pgconn.PgError{Code: "57P03"}, false}, // it is starting
		{&pgconn.PgError{Code: "40001"}, false},
		{&pgconn.PgError{Code: "25P03"}, false},
		{io.ErrUnexpectedEOF, true},
		{reset, true},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, false},
		{context.Canceled, false},
		{fmt.Errorf("%w: %w", context.DeadlineExceeded, reset), false},
	} {
		if got := broke(c.err); got != c.want {
			t.Errorf("%v: %t, want %t", c.err, got, c.want)
		}
	}
}

// newOnPostgres is a town, and the URL of its database.
func newOnPostgres(t *testing.T) (*DB, string) {
	t.Helper()
	url := migratedURL(t, "postgres")
	db := connect(t, url)
	setClock(db)
	town(t, db)
	return db, url
}
