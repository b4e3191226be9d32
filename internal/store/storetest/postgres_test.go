package storetest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// orphanVariable makes this test binary the process that
// TestServerDiesWithItsProcess starts and kills.
const orphanVariable = "STORETEST_ORPHAN"

func TestMain(m *testing.M) {
	if os.Getenv(orphanVariable) != "" {
		os.Exit(orphan())
	}
	os.Exit(m.Run())
}

// orphan starts a server, says which processes and directory it has, and waits
// to be killed.
func orphan() int {
	p, err := Launch(Fast)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(p.keeper.postmaster, p.keeper.cmd.Process.Pid, p.dir)
	select {}
}

func TestEachDatabaseIsEmptyAndAlone(t *testing.T) {
	one, two := PostgresURL(t), PostgresURL(t)
	if one == two {
		t.Fatalf("two tests got the same database %s", one)
	}
	run(t, one, "CREATE TABLE t (x BIGINT)")
	const tables = "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'"
	if got := ask(t, two, tables); got != "0" {
		t.Errorf("a fresh database has %s tables", got)
	}
	for _, c := range []struct{ setting, want string }{
		{"SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()", "UTF8"},
		{"SELECT datcollate FROM pg_database WHERE datname = current_database()", "C.UTF-8"},
		{"SHOW timezone", "UTC"},
	} {
		if got := ask(t, two, c.setting); got != c.want {
			t.Errorf("%s: got %s, want %s", c.setting, got, c.want)
		}
	}
}

func TestDatabaseIsDroppedWithOpenConnections(t *testing.T) {
	var name string
	t.Run("use", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), PostgresURL(t))
		if err != nil {
			t.Fatal(err)
		}
		name = conn.Config().Database
		// Left open on purpose: a test that failed leaves its pool behind.
	})
	left := ask(t, PostgresURL(t), "SELECT count(*)::text FROM pg_database WHERE datname = '"+name+"'")
	if left != "0" {
		t.Errorf("database %q outlives its test", name)
	}
}

func TestDurabilityIsWhatWasAskedFor(t *testing.T) {
	for _, c := range []struct {
		name       string
		durability Durability
		want       string
	}{
		{"fast", Fast, "off on"},
		{"durable", Durable, "on on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := StartPostgres(t, c.durability)
			got := ask(t, p.URL(), "SHOW fsync") + " " + ask(t, p.URL(), "SHOW synchronous_commit")
			if got != c.want {
				t.Errorf("fsync and synchronous_commit: got %s, want %s", got, c.want)
			}
		})
	}
}

func TestCommittedRowsSurviveEveryEnd(t *testing.T) {
	p := StartPostgres(t, Durable)
	database := p.Database(t)
	run(t, database, "CREATE TABLE ledger (x BIGINT)")
	for _, c := range []struct {
		name string
		end  func() error
	}{
		{"stopped", p.Stop},
		{"killed", p.Kill},
		{"killed again", p.Kill},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, database, "TRUNCATE ledger")
			run(t, database, "INSERT INTO ledger SELECT generate_series(1, 1000)")
			processes := append(children(p.keeper.postmaster), p.keeper.postmaster, p.keeper.cmd.Process.Pid)
			if len(processes) < 4 {
				t.Fatalf("only the processes %v were found", processes)
			}
			if err := c.end(); err != nil {
				t.Fatal(err)
			}
			for _, pid := range processes {
				if !gone(pid) {
					t.Errorf("process %d is left", pid)
				}
			}
			if conn, err := pgx.Connect(t.Context(), database); err == nil {
				t.Error("the server still answers", conn.Close(t.Context()))
			}
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			if got := ask(t, database, "SELECT count(*)::text FROM ledger"); got != "1000" {
				t.Errorf("rows after the restart: got %s, want 1000", got)
			}
		})
	}
}

func TestKillLeavesNoCheckpoint(t *testing.T) {
	p := StartPostgres(t, Fast)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(p.log())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "automatic recovery in progress") {
		t.Errorf("the server did not start as after a crash; its log:\n%s", log)
	}
}

func TestWrongOrderIsAnError(t *testing.T) {
	p := StartPostgres(t, Fast)
	if err := p.Start(); err == nil {
		t.Error("a running server was started again")
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err == nil {
		t.Error("a stopped server was stopped again")
	}
	if err := p.Kill(); err == nil {
		t.Error("a stopped server was killed")
	}
}

func TestFailedStartSaysWhy(t *testing.T) {
	p := StartPostgres(t, Fast)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.data()+"/postgresql.conf", []byte("no_such_setting = on\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := p.Start()
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("start with a broken configuration: got %v, want the line of the log", err)
	}
}

func TestServerDiesWithItsProcess(t *testing.T) {
	skipWhenShort(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), orphanVariable+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var postmaster, keeper int
	var dir string
	if _, err := fmt.Fscan(bufio.NewReader(out), &postmaster, &keeper, &dir); err != nil {
		t.Fatal(err, cmd.Wait())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	if err := awaitGone([]int{postmaster, keeper}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the server's directory is left: %v", err)
	}
}

func TestNewestDebianVersionWins(t *testing.T) {
	for dir, want := range map[string]int{
		"/usr/lib/postgresql/15/bin":  15,
		"/usr/lib/postgresql/9/bin":   9,
		"/usr/lib/postgresql/9.6/bin": 0,
		"":                            0,
	} {
		if got := version(dir); got != want {
			t.Errorf("version(%q): got %d, want %d", dir, got, want)
		}
	}
}

func run(t *testing.T, database, statement string) {
	t.Helper()
	if err := execute(database, statement); err != nil {
		t.Fatal(err)
	}
}

// ask returns the one text value of a query.
func ask(t *testing.T, database, query string) (answer string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if err := conn.QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

// A standby has what its primary acknowledged, and goes on from there.
func TestStandbyTakesOver(t *testing.T) {
	p := StartPostgres(t, Fast)
	database := p.Database(t)
	s := p.StartStandby(t)
	run(t, database, "CREATE TABLE ledger (x BIGINT)")
	run(t, database, "INSERT INTO ledger SELECT generate_series(1, 1000)")
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	there := strings.Replace(database, p.Address(), s.Address(), 1)
	if err := execute(there, "INSERT INTO ledger VALUES (1001)"); err == nil {
		t.Error("a standby accepts writes")
	}
	if err := s.Promote(); err != nil {
		t.Fatal(err)
	}
	run(t, there, "INSERT INTO ledger VALUES (1001)")
	if got := ask(t, there, "SELECT count(*)::text FROM ledger"); got != "1001" {
		t.Errorf("rows after the takeover: got %s, want 1001", got)
	}
}

// A port that was found is nobody else's to find, though nobody listens there yet.
func TestFreePortsAreSpokenFor(t *testing.T) {
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" && reserve(port) {
		t.Errorf("port %d can be found again", port)
	}
}
