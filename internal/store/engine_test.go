package store

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store/storetest"
)

// The suite runs on both engines, each test in a database of its own; under
// -short on SQLite alone.

var engines = []string{"sqlite", "postgres"}

// each runs a test on a migrated database of each engine.
func each(t *testing.T, fn func(t *testing.T, db *DB)) {
	t.Helper()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) { fn(t, migrated(t, engine)) })
	}
}

// postgres is the server of this package's tests. It is theirs alone: what a
// follower of the change log may read depends on every transaction of a
// server. It ends with the process.
var postgres = sync.OnceValues(func() (*storetest.Postgres, error) { return storetest.Launch(storetest.Fast) })

func postgresOf(tb testing.TB) *storetest.Postgres {
	tb.Helper()
	if testing.Short() {
		tb.Skip("tests on PostgreSQL do not run with -short")
	}
	server, err := postgres()
	if err != nil {
		tb.Fatal(err)
	}
	return server
}

// newURL names an empty database. On PostgreSQL it is a schema, which is made
// much faster.
func newURL(tb testing.TB, engine string) string {
	tb.Helper()
	if engine == "sqlite" {
		return "sqlite:" + filepath.Join(tb.TempDir(), "test.db")
	}
	server := postgresOf(tb)
	schema := "test_" + strings.ToLower(rand.Text())
	db := connect(tb, server.URL())
	raw(tb, db, `CREATE SCHEMA `+schema)
	tb.Cleanup(func() {
		// The context of the test has ended.
		if _, err := db.write.ExecContext(context.Background(), `DROP SCHEMA `+schema+` CASCADE`); err != nil {
			tb.Error(err)
		}
	})
	return storetest.Patiently(server.URL() + "&search_path=" + schema)
}

// connect opens a database and closes it at the end of the test.
func connect(tb testing.TB, url string) *DB {
	tb.Helper()
	db, err := Open(url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

// schema is what migrated databases are copies of.
var schema = storetest.NewSchema(func(url string) error {
	db, err := Open(url)
	if err != nil {
		return err
	}
	_, err = db.Migrate(context.Background())
	return errors.Join(err, db.Close())
})

// migratedURL names a database with the schema.
func migratedURL(tb testing.TB, engine string) string {
	tb.Helper()
	if engine == "sqlite" {
		return schema.SQLiteURL(tb)
	}
	return storetest.Patiently(schema.PostgresURLOn(tb, postgresOf(tb)))
}

func migrated(tb testing.TB, engine string) *DB {
	tb.Helper()
	return connect(tb, migratedURL(tb, engine))
}

func migrate(tb testing.TB, db *DB) {
	tb.Helper()
	if _, err := db.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// clock is a clock that a test sets.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

// start is when the tests' clocks begin: with nanoseconds that the database
// does not keep.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// setClock replaces the clock of a database.
func setClock(db *DB) *clock {
	c := &clock{t: start}
	db.Now = c.now
	return c
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// alice is who changes things in these tests.
var alice = identity.Actor{Kind: identity.ActorUser, ID: "u-alice", Name: "alice@a.example", Credential: "sps_alice000", RequestID: "req_1"}

// update runs fn as one audited change of the organization a.
func update(ctx context.Context, db *DB, fn func(ctx context.Context, tx *Tx) error) error {
	return db.Update(ctx, alice, Organization("org-a"), func(tx *Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{Action: "changed", OrganizationID: "org-a"})
	})
}

// change is update for what must not fail.
func change(tb testing.TB, db *DB, fn func(ctx context.Context, tx *Tx) error) {
	tb.Helper()
	if err := update(tb.Context(), db, fn); err != nil {
		tb.Fatal(err)
	}
}

// maintain is db.Maintain for what must not fail.
func maintain(tb testing.TB, db *DB, fn func(ctx context.Context, tx *Tx) error) {
	tb.Helper()
	if err := db.Maintain(tb.Context(), func(tx *Tx) error { return fn(tb.Context(), tx) }); err != nil {
		tb.Fatal(err)
	}
}

// read returns what fn reads; it must not fail. The order of the arguments is
// that of a method expression.
func read[T any](tb testing.TB, db *DB, fn func(r *Read, ctx context.Context) (T, error)) T {
	tb.Helper()
	v, err := tryRead(tb, db, fn)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func tryRead[T any](tb testing.TB, db *DB, fn func(r *Read, ctx context.Context) (T, error)) (v T, err error) {
	tb.Helper()
	err = db.View(tb.Context(), func(r *Read) (err error) {
		v, err = fn(r, tb.Context())
		return err
	})
	return v, err
}

// raw runs SQL past the package, as somebody with the database at hand can.
func raw(tb testing.TB, db *DB, query string, args ...any) {
	tb.Helper()
	if _, err := db.write.ExecContext(tb.Context(), query, args...); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
}

// number is the one number of a query.
func number(tb testing.TB, db *DB, query string, args ...any) int64 {
	tb.Helper()
	n, err := one(tb.Context(), db.read, scanInt, query, args...)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return n
}

// wantKind fails unless err is an error of ours with this kind and code.
func wantKind(tb testing.TB, err error, kind identity.Kind, code string) {
	tb.Helper()
	var e *identity.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Code != code {
		tb.Errorf("got error %v, want kind %d and code %s", err, kind, code)
	}
}

// wantSame compares values of which empty and nil lists differ.
func wantSame(tb testing.TB, what string, got, want any) {
	tb.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// town is what most tests start from: the organization a with its super admin
// alice, its member bob, its application user app and a unit; the organization
// b with its super admin eve.
func town(tb testing.TB, db *DB) {
	tb.Helper()
	change(tb, db, func(ctx context.Context, tx *Tx) error {
		return errors.Join(
			tx.AddOrganization(ctx, organization("org-a")), tx.AddOrganization(ctx, organization("org-b")),
			tx.AddAccount(ctx, identity.Account{ID: "unit-a", OrganizationID: "org-a", ParentID: "root-org-a", Name: "Unit"}),
			tx.AddUser(ctx, person("u-alice", "alice@a.example")), tx.AddUser(ctx, person("u-bob", "bob@a.example")),
			tx.AddUser(ctx, person("u-eve", "eve@b.example")),
			tx.AddUser(ctx, identity.User{ID: "u-app", Application: true, Email: "u-app@app.invalid", State: identity.StateActive, OrganizationID: "org-a"}),
			tx.AddMember(ctx, "org-a", "u-alice", true), tx.AddMember(ctx, "org-a", "u-bob", false),
			tx.AddMember(ctx, "org-a", "u-app", false), tx.AddMember(ctx, "org-b", "u-eve", true),
		)
	})
}

func organization(id string) identity.Organization {
	return identity.Organization{ID: id, Name: "Name of " + id, Tier: "business", AccountID: "root-" + id, Policy: "{}", PolicyVersion: 1}
}

func person(id, email string) identity.User {
	return identity.User{ID: id, Email: email, State: identity.StateActive}
}

// eachTown is each with a town.
func eachTown(t *testing.T, fn func(t *testing.T, db *DB)) {
	t.Helper()
	each(t, func(t *testing.T, db *DB) {
		setClock(db)
		town(t, db)
		fn(t, db)
	})
}

// atOnce runs fn n times at the same moment and waits for all.
func atOnce(n int, fn func(i int)) {
	var wait sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-gate
			fn(i)
		})
	}
	close(gate)
	wait.Wait()
}
