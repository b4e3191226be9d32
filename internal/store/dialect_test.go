package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store/storetest"
)

func TestOpenRefusesWhatItCannotRead(t *testing.T) {
	for _, url := range []string{"", "sqlite", "sqlite:", "mysql://h/d", "postgres://u:geheim@[bad/d", "postgres://u:geheim@h:port/d"} {
		db, err := Open(url)
		if err == nil {
			t.Errorf("Open(%q) did not fail", url)
			_ = db.Close()
			continue
		}
		if strings.Contains(err.Error(), "geheim") {
			t.Errorf("Open(%q) tells the password: %v", url, err)
		}
	}
}

func TestSQLiteFileNamesAreNotURLs(t *testing.T) {
	for _, name := range []string{"plain.db", "with space.db", "a?b=c.db", "a#b.db", "100%41.db", "ключ 🔑.db"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), name)
			raw(t, connect(t, "sqlite:"+file), `CREATE TABLE things (id TEXT)`)
			if _, err := os.Stat(file); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSQLiteIsDurableByDefault(t *testing.T) {
	db := migrated(t, "sqlite")
	for pragma, want := range map[string]int64{"synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000} {
		if got, err := one(t.Context(), db.write, scanInt, "PRAGMA "+pragma); got != want || err != nil {
			t.Errorf("%s is %d (%v), want %d", pragma, got, err, want)
		}
	}
	if mode, err := one(t.Context(), db.write, scanText, "PRAGMA journal_mode"); mode != "wal" || err != nil {
		t.Errorf("journal_mode is %s (%v), want wal", mode, err)
	}
}

func TestDurableNamesTheSetting(t *testing.T) {
	if err := migrated(t, "sqlite").Durable(t.Context()); err != nil {
		t.Error(err)
	}
	err := migrated(t, "postgres").Durable(t.Context()) // the tests' server does not sync
	if err == nil || !strings.Contains(err.Error(), "fsync = off") {
		t.Errorf("got %v, want the setting that is off", err)
	}
}

func TestUnreachableServerIsUnavailable(t *testing.T) {
	db := connect(t, "postgres://u:geheim@127.0.0.1:1/d?sslmode=disable")
	_, err := tryRead(t, db, (*Read).AnyOrganization)
	wantKind(t, err, identity.Unavailable, "service_unavailable")
	if err != nil && strings.Contains(err.Error(), "geheim") {
		t.Errorf("the error tells the password: %v", err)
	}
}

// Every way to meet a dead server is "try again", and no restart of ours is
// needed afterwards.
func TestCON05DatabaseGoneIsUnavailable(t *testing.T) {
	server := storetest.StartPostgres(t, storetest.Fast)
	db := connect(t, server.Database(t))
	migrate(t, db)
	town(t, db)
	for name, end := range map[string]func() error{"killed": server.Kill, "stopped": server.Stop} {
		t.Run(name, func(t *testing.T) {
			err := update(t.Context(), db, func(ctx context.Context, tx *Tx) error {
				if err := end(); err != nil {
					t.Fatal(err)
				}
				return tx.VoidTokens(ctx, "u-bob")
			})
			wantKind(t, err, identity.Unavailable, "service_unavailable")
			_, err = tryRead(t, db, nameOfA)
			wantKind(t, err, identity.Unavailable, "service_unavailable")
			err = update(t.Context(), db, rename("Lost"))
			wantKind(t, err, identity.Unavailable, "service_unavailable")
			err = db.Once(func(r *Read) error { _, err := r.Facts(t.Context(), "nobody", ""); return err })
			wantKind(t, err, identity.Unavailable, "service_unavailable")
			if err := db.Ready(t.Context()); err == nil {
				t.Error("a database that is gone is ready")
			}
			// Idle connections of the pool died with the server. Each may
			// cost one "try again"; then everything goes on by itself.
			idle := db.write.Stats().OpenConnections
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			for range idle {
				if err := update(t.Context(), db, rename("Back")); err != nil {
					wantKind(t, err, identity.Unavailable, "service_unavailable")
				}
			}
			change(t, db, rename("Back after "+name))
			if got := read(t, db, nameOfA); got != "Back after "+name {
				t.Errorf("the name is %q", got)
			}
		})
	}
}

// A server that is stopped in the middle of a change does not keep others from
// theirs, and finds its own undone when it goes on.
func TestR20StoppedInATransaction(t *testing.T) {
	url := storetest.PostgresURL(t)
	db := connect(t, url)
	migrate(t, db)
	town(t, db)
	stopped := connect(t, url+"&"+idleInTransaction+"=100ms")
	var err error
	for renamed := false; !renamed; { // on a slow machine it may have ended before that
		err = update(t.Context(), stopped, func(ctx context.Context, tx *Tx) error {
			if err := errors.Join(rename("By the stopped one")(ctx, tx), tx.t.flush(ctx)); err != nil {
				return err
			}
			renamed = true
			change(t, db, rename("By another")) // waits for the lock until PostgreSQL ends this transaction
			return tx.VoidTokens(ctx, "u-bob")
		})
	}
	wantKind(t, err, identity.Unavailable, "service_unavailable")
	if got := read(t, db, nameOfA); got != "By another" {
		t.Errorf("the name is %q", got)
	}
	for of, want := range map[*DB]string{db: "10s", stopped: "100ms"} {
		conn, err := of.write.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := one(t.Context(), via{conn}, scanText, `SHOW `+idleInTransaction)
		if err := errors.Join(err, conn.Close()); err != nil || got != want {
			t.Errorf("the bound is %q, %v; want %q", got, err, want)
		}
	}
}

func TestSQLiteFileOfAnotherKindIsUnavailable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "not.db")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	db := connect(t, "sqlite:"+file)
	_, err := tryRead(t, db, (*Read).AnyOrganization)
	wantKind(t, err, identity.Unavailable, "service_unavailable")
}

// A server that is stopped in the middle of a transaction keeps others waiting for
// ten seconds, or as long as the URL says.
func TestAStoppedServerHoldsNothingForLong(t *testing.T) {
	url := newURL(t, "postgres")
	for more, want := range map[string]string{"": "10s", "&" + idleInTransaction + "=3s": "3s"} {
		got, err := one(t.Context(), connect(t, url+more).read, scanText, `SHOW `+idleInTransaction)
		if err != nil || got != want {
			t.Errorf("with %q: %q, %v; want %s", more, got, err, want)
		}
	}
}
