// Package storetest gives tests a real PostgreSQL. [PostgresURL] is what most
// of them need: a fresh, empty database on a server that all tests of the run
// share. [StartPostgres] gives a test a server of its own, which it may stop,
// kill and start again.
//
// The server is private: its own data directory below the system's temporary
// directory, no password, reachable from this machine alone. It never outlives
// the process that started it, however that process dies, and it never touches
// the server that the operating system may run.
package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Durability is what a server does before it acknowledges a commit.
type Durability int

const (
	// Fast skips every fsync. A commit survives the death of the server's
	// processes, not that of the machine; tests do not need more and finish
	// several times earlier.
	Fast Durability = iota
	// Durable keeps fsync and synchronous_commit on, as in production: for
	// tests that make statements about what survives.
	Durable
)

// The longest waits. They only bound how long a broken set-up can hang; a
// healthy machine needs a fraction of a second.
const (
	startTimeout = 60 * time.Second
	stopTimeout  = 60 * time.Second
)

// Postgres is a private server. URL may be called at any time; the methods
// that start and end the server are for one goroutine at a time.
type Postgres struct {
	programs   programs
	account    account
	durability Durability
	dir        string  // holds data, socket and log
	disk       string  // holds the data instead; empty: dir does
	port       int     // kept over restarts, so that URLs stay valid
	keeper     *keeper // nil while the server is down
}

// StartPostgres starts a server for this test alone and removes it at the end
// of the test. It skips the test under -short and fails it when PostgreSQL is
// not installed.
func StartPostgres(tb testing.TB, durability Durability) *Postgres {
	tb.Helper()
	return StartPostgresOn(tb, "", durability)
}

// StartPostgresOn is StartPostgres with the data, and the write-ahead log among
// it, in a folder of the caller's, such as a small disk.
func StartPostgresOn(tb testing.TB, disk string, durability Durability) *Postgres {
	tb.Helper()
	skipWhenShort(tb)
	p, err := launch(disk, durability)
	if err != nil {
		tb.Fatalf("start PostgreSQL: %v", err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Errorf("remove PostgreSQL: %v", err)
		}
	})
	return p
}

// Launch is StartPostgres for programs that are not tests. The caller ends the
// server with Close; when the calling process dies, the server ends by itself
// and its directory goes with it. The error is [ErrNotInstalled] when there is
// no PostgreSQL on this machine.
func Launch(durability Durability) (*Postgres, error) { return launch("", durability) }

func launch(disk string, durability Durability) (*Postgres, error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	account, err := findAccount()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sallyport-pg-")
	if err != nil {
		return nil, err
	}
	p := &Postgres{programs: programs, account: account, durability: durability, dir: dir, disk: disk}
	if err := p.create(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return p, nil
}

// create makes the data directory and starts the server on a port nobody else
// took in the meantime.
func (p *Postgres) create() error {
	if err := errors.Join(p.account.own(p.dir), p.account.own(cmp.Or(p.disk, p.dir))); err != nil {
		return err
	}
	if err := p.initialize(); err != nil {
		return err
	}
	var err error
	for range 5 {
		if p.port, err = FreePort(); err != nil {
			return err
		}
		if err = p.Start(); err == nil {
			return nil
		}
	}
	return err
}

// initialize runs initdb. Its own syncing is left out: nobody needs an empty
// data directory to survive a power cut.
func (p *Postgres) initialize() error {
	cmd := p.account.command(p.dir, p.programs.initdb,
		"--pgdata", p.data(), "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// Start starts a server that Stop or Kill ended and returns when it answers,
// recovery included. Data and URL are those of before.
func (p *Postgres) Start() error {
	if p.keeper != nil {
		return errors.New("PostgreSQL is running already")
	}
	k, err := keep(p.account, p.dir, p.log(), append([]string{p.programs.postgres}, p.settings()...))
	if err != nil {
		return err
	}
	if err := p.awaitReady(k.postmaster); err != nil {
		return errors.Join(fmt.Errorf("%w; its log ends with: %s", err, p.logTail()), k.end("QUIT"))
	}
	p.keeper = k
	return nil
}

// Stop ends the server in order: open transactions are rolled back, a
// checkpoint is written, and the processes are gone when it returns.
func (p *Postgres) Stop() error {
	if p.keeper == nil {
		return errors.New("PostgreSQL is not running")
	}
	k := p.keeper
	p.keeper = nil
	return k.end("INT")
}

// Kill ends the server as a crash does: SIGKILL to the postmaster and all its
// children. It returns when none of them is left, so that Start may follow.
func (p *Postgres) Kill() error {
	if p.keeper == nil {
		return errors.New("PostgreSQL is not running")
	}
	k := p.keeper
	p.keeper = nil
	return k.kill()
}

// Close ends the server if it runs and removes its data.
func (p *Postgres) Close() error {
	var err error
	if p.keeper != nil {
		err = p.keeper.end("QUIT") // nothing is kept, so nothing need be flushed
		p.keeper = nil
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}

// URL names the server's maintenance database. Tests that want tables use
// [Postgres.Database].
func (p *Postgres) URL() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User("postgres"),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Log is the file that the server writes its log to.
func (p *Postgres) Log() string { return p.log() }

// Program is the path of a program that is installed beside the server's.
func (p *Postgres) Program(name string) string {
	return filepath.Join(filepath.Dir(p.programs.postgres), name)
}

func (p *Postgres) data() string { return filepath.Join(cmp.Or(p.disk, p.dir), "data") }
func (p *Postgres) log() string  { return filepath.Join(p.dir, "log") }

// settings are the arguments of the postgres program.
func (p *Postgres) settings() []string {
	s := []string{
		"-D", p.data(), "-p", strconv.Itoa(p.port), "-k", p.dir,
		"-c", "listen_addresses=127.0.0.1",
		// Packages are tested side by side, each with a pool of its own.
		"-c", "max_connections=800",
		"-c", "shared_buffers=32MB",
		"-c", "synchronous_commit=on",
		"-c", "autovacuum_naptime=1h",
		"-c", "timezone=UTC",
	}
	if p.durability == Fast {
		s = append(s, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	return s
}

// awaitReady asks until the server answers, its postmaster has died, or the
// time is up.
func (p *Postgres) awaitReady(postmaster int) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := ping(ctx, p.URL())
		if err == nil {
			return nil
		}
		if gone(postmaster) {
			return errors.New("PostgreSQL ended while starting")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// logTail is the end of the server's log, for messages.
func (p *Postgres) logTail() string {
	const most = 2000
	text, err := os.ReadFile(p.log())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// FreePort finds a port below those that the system gives to outgoing
// connections and to listeners that want any, and that no other process has found
// that is still there: it stays free until it is used, and while a killed server is
// down.
func FreePort() (int, error) {
	const low, high = 20000, 32000
	for range 100 {
		port := low + rand.IntN(high-low)
		if !reserve(port) {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("no free port between %d and %d", low, high)
}

// reserved are the sockets that tell other processes which ports are spoken for, as
// long as this process lives.
var reserved struct {
	sync.Mutex
	sockets []net.Listener
}

// reserve reports false when a port is spoken for. Systems without abstract names
// of sockets (unix(7)) leave it to chance.
func reserve(port int) bool {
	l, err := net.Listen("unix", "@sallyport-test-port-"+strconv.Itoa(port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return false
	}
	if err != nil {
		return true
	}
	reserved.Lock()
	defer reserved.Unlock()
	reserved.sockets = append(reserved.sockets, l)
	return true
}
