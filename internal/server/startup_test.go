package server_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// TestStartTogether is experiment R11: several nodes start on one empty
// database at the same time; one of them makes the schema, all are ready.
func TestStartTogether(t *testing.T) {
	i := onPostgres(t, storetest.PostgresURL(t))
	program(t)
	var starting sync.WaitGroup
	nodes := make([]*node, 3)
	problems := make([]error, len(nodes))
	for k := range nodes {
		starting.Go(func() { nodes[k], problems[k] = launch(t, nil, i.settings...) })
	}
	starting.Wait()
	if err := errors.Join(problems...); err != nil {
		t.Fatal(err)
	}
	migrated := 0
	for _, n := range nodes {
		awaitReady(t, n)
		migrated += strings.Count(n.stderr.String(), `"step":"0001_`)
	}
	if migrated != 1 {
		t.Errorf("%d nodes say that they made the schema, want 1", migrated)
	}
	db := connect(t, i)
	defer db.Close()
	steps := query1(t, db, "SELECT number FROM schema_migrations ORDER BY number")
	for k, number := range steps {
		if number != fmt.Sprint(k+1) {
			t.Errorf("the steps of the schema are %v", steps)
		}
	}
}

// TestBootstrapTogether is row OPS-01: of several first admins one is made.
func TestBootstrapTogether(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			i := onEngine(t, engine)
			program(t)
			results := make([]finished, 4)
			var running sync.WaitGroup
			for k := range results {
				running.Go(func() {
					results[k] = command(t, "", i.with("bootstrap", "--email", fmt.Sprintf("a%d@a.example", k), "--organization", "A")...)
				})
			}
			running.Wait()
			won := 0
			for _, r := range results {
				switch {
				case r.code == 0:
					won++
				case r.code != 1 || !strings.Contains(r.stderr, "there is an organization already"):
					t.Errorf("exit code %d: %s", r.code, r.stderr)
				}
			}
			db := connect(t, i)
			defer db.Close()
			users := query1(t, db, "SELECT id FROM users")
			if won != 1 || len(users) != 1 {
				t.Errorf("%d of the commands succeeded and %d users exist, want one of each", won, len(users))
			}
		})
	}
}

func onEngine(tb testing.TB, engine string) *installation {
	tb.Helper()
	if engine == "postgres" {
		return onPostgres(tb, storetest.PostgresURL(tb))
	}
	return onSQLite(tb, tb.TempDir())
}

// TestStartKilledAtSync is the rest of R11: a first start that dies at any
// sync leaves nothing between, and the next one is ready.
func TestStartKilledAtSync(t *testing.T) {
	if testing.Short() {
		t.Skip("needs strace and some seconds")
	}
	t.Parallel() // it waits, most of the time
	for n := 1; n <= 6; n++ {
		i := onSQLite(t, filepath.Join(t.TempDir(), "data"))
		victim, err := launch(t, killedAtSync(t, n), i.settings...)
		if err != nil && !errors.Is(err, errEnded) {
			t.Fatal(err)
		}
		victim.kill()
		i.bootstrap(t)
		start(t, i.settings...).kill()
	}
}

// TestNewerSchema: a program that is older than the schema does not touch it,
// and says so with an exit code of its own.
func TestNewerSchema(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			i := onEngine(t, engine)
			i.bootstrap(t)
			execute(t, i, "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (9999, 'the_future', 'x', 0)")
			for _, c := range []struct {
				args []string
				code int
			}{
				{i.with("serve", "--listen", "127.0.0.1:0"), 3},
				{i.with("migrate"), 3},
				{i.with("migrate", "--dry-run"), 3},
				{i.with("bootstrap", "--email", "b@a.example", "--organization", "B"), 3},
				{i.with("recover", "--email", adminEmail, "--organization", i.organization), 3},
				{i.with("doctor"), 1},
			} {
				f := command(t, "", c.args...).want(t, c.code)
				if !strings.Contains(f.stderr+f.stdout, "newer schema") {
					t.Errorf("%v says %q, want that the schema is newer", c.args, f.stderr+f.stdout)
				}
			}
		})
	}
}

// TestDryRunMakesNothing: who looks at what a migration would do has no database
// and no key afterwards.
func TestDryRunMakesNothing(t *testing.T) {
	i := onSQLite(t, filepath.Join(t.TempDir(), "new"))
	f := command(t, "", i.with("migrate", "--dry-run")...).want(t, 0)
	if !strings.Contains(f.stdout, "would apply 0001_") {
		t.Errorf("it says %q", f.stdout)
	}
	if _, err := os.Stat(i.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data folder: %v, want that there is none", err)
	}
}

// TestCommandsDoNotMigrate: beside a server that is older than the program, a
// command does its work on the schema that is there, or says that it cannot.
func TestCommandsDoNotMigrate(t *testing.T) {
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	execute(t, i, "DELETE FROM schema_migrations WHERE number = (SELECT MAX(number) FROM schema_migrations)")
	db := connect(t, i)
	defer db.Close()
	const count = "SELECT COUNT(*) FROM schema_migrations"
	before := query1(t, db, count)[0]
	command(t, "", i.with("backup", filepath.Join(t.TempDir(), "backup.db"))...).want(t, 0)
	command(t, "", i.with("verify-audit")...).want(t, 0)
	command(t, "", i.with("migrate", "--dry-run")...).want(t, 0)
	f := command(t, "", i.with("recover", "--email", adminEmail, "--organization", i.organization)...).want(t, 1)
	if !strings.Contains(f.stderr, "older schema") {
		t.Errorf("recover says %q", f.stderr)
	}
	if after := query1(t, db, count)[0]; after != before {
		t.Errorf("the schema had %s steps and has %s", before, after)
	}
}

// TestUnreachableDatabase: a server that cannot reach its database at the
// start ends with one line that does not tell the password.
func TestUnreachableDatabase(t *testing.T) {
	i := onPostgres(t, "postgres://alice:top-secret@127.0.0.1:1/nowhere?sslmode=disable")
	f := command(t, "", i.with("serve", "--listen", "127.0.0.1:0")...).want(t, 1)
	if strings.Contains(f.stderr, "top-secret") || strings.Count(strings.TrimSpace(f.stderr), "\n") > 0 || strings.Contains(f.stderr, `\n`) {
		t.Errorf("the message is %q", f.stderr)
	}
}
