package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ServerVariable is the environment variable that names a running server for
// all packages of a test run: the URL of a database whose user may create
// others. Without it each test process starts a server of its own.
const ServerVariable = "SALLYPORT_TEST_POSTGRES_URL"

// shared is the server of this process. It is a variable because `go test`
// gives packages no other place for what their tests share; it is never closed
// because the keeper ends the server together with the process.
var shared = sync.OnceValues(func() (*Postgres, error) { return Launch(Fast) })

// PostgresURL returns the URL of a fresh, empty database of the run's shared
// server, encoded in UTF-8 with the C.UTF-8 locale. The database is dropped at
// the end of the test, with connections that are still open. PostgresURL skips
// the test under -short and fails it when PostgreSQL is not installed.
func PostgresURL(tb testing.TB) string {
	tb.Helper()
	skipWhenShort(tb)
	server, err := serverURL()
	if err != nil {
		tb.Fatalf("start PostgreSQL: %v", err)
	}
	database, name := newDatabase(tb, server)
	dropAfter(tb, server, name)
	return database
}

// dropAfter drops a database at the end of the test.
func dropAfter(tb testing.TB, server, name string) {
	tb.Helper()
	tb.Cleanup(func() {
		if err := dropDatabase(server, name); err != nil {
			tb.Errorf("drop the test's database: %v", err)
		}
	})
}

// dropDatabase drops a database with the connections to it. On a busy machine
// these may not end within the five seconds for which PostgreSQL waits.
func dropDatabase(server, name string) error {
	const objectInUse = "55006"
	for begun := time.Now(); ; {
		err := execute(server, "DROP DATABASE "+name+" WITH (FORCE)")
		var refusal *pgconn.PgError
		if !errors.As(err, &refusal) || refusal.Code != objectInUse || time.Since(begun) > stopTimeout {
			return err
		}
	}
}

// patience is in seconds how long tests wait for a connection: not as briefly as
// a server does, when only the machine has stood still.
const patience = "60"

// Patiently is the URL of a database with that patience.
func Patiently(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return database // who connects says what is wrong with it
	}
	settings := u.Query()
	settings.Set("connect_timeout", patience)
	u.RawQuery = settings.Encode()
	return u.String()
}

// Database returns the URL of a fresh, empty database of this server. It lives
// as long as the server's data.
func (p *Postgres) Database(tb testing.TB) string {
	tb.Helper()
	database, _ := newDatabase(tb, p.URL())
	return database
}

func serverURL() (string, error) {
	if server := os.Getenv(ServerVariable); server != "" {
		return server, nil
	}
	p, err := shared()
	if err != nil {
		return "", err
	}
	return p.URL(), nil
}

func newDatabase(tb testing.TB, server string) (database, name string) {
	tb.Helper()
	database, name, err := create(server, "")
	if err != nil {
		tb.Fatalf("create the test's database: %v", err)
	}
	return database, name
}

// create creates a database under a name of its own, a copy of a template.
// Without one, template0 is the template that nobody can be connected to, so
// creations do not disturb each other; copying its files instead of logging its
// blocks takes 17 ms instead of 110 on a server without fsync. A template that
// was filled is quicker by the log, which takes no checkpoint.
func create(server, template string) (database, name string, err error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", ServerVariable, err)
	}
	name = "test_" + strings.ToLower(rand.Text())
	from := "template0 STRATEGY FILE_COPY"
	if template != "" {
		from = template + " STRATEGY WAL_LOG"
	}
	if err := execute(server, "CREATE DATABASE "+name+" TEMPLATE "+from); err != nil {
		return "", "", err
	}
	u.Path = "/" + name
	return u.String(), name, nil
}

// CreateDatabase is PostgresURL for programs that run beside withpg: the
// database is in the server that [ServerVariable] names. drop removes it.
func CreateDatabase() (database string, drop func() error, err error) {
	server := os.Getenv(ServerVariable)
	if server == "" {
		return "", nil, errors.New("no PostgreSQL server: run this as `go run ./scripts/withpg -- COMMAND`")
	}
	database, name, err := create(server, "")
	return database, func() error { return dropDatabase(server, name) }, err
}

// execute runs one statement over a connection of its own.
func execute(server, statement string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

func skipWhenShort(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("tests on PostgreSQL do not run with -short")
	}
}
