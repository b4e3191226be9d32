package storetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// StartStandby starts a server that follows this one by streaming replication
// and can take its place with Promote. It is synchronous: from when StartStandby
// returns, this server acknowledges no commit that the standby has not stored,
// until it is ended. The standby is removed at the end of the test.
func (p *Postgres) StartStandby(tb testing.TB) *Postgres {
	tb.Helper()
	s, err := p.standby()
	if err != nil {
		tb.Fatalf("start a standby of PostgreSQL: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("remove the standby of PostgreSQL: %v", err)
		}
	})
	if err := p.synchronize(); err != nil {
		tb.Fatalf("wait for a standby of PostgreSQL: %v", err)
	}
	return s
}

// standby copies the data of this server and follows it from there.
func (p *Postgres) standby() (*Postgres, error) {
	dir, err := os.MkdirTemp("", "sallyport-pg-")
	if err != nil {
		return nil, err
	}
	s := &Postgres{programs: p.programs, account: p.account, durability: p.durability, dir: dir}
	err = errors.Join(s.account.own(dir), s.copyOf(p))
	if err == nil {
		s.port, err = FreePort()
	}
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *Postgres) copyOf(p *Postgres) error {
	initdb, err := filepath.EvalSymlinks(s.programs.initdb)
	if err != nil {
		return err
	}
	program := filepath.Join(filepath.Dir(initdb), "pg_basebackup")
	cmd := s.account.command(s.dir, program, "--pgdata", s.data(), "--host", "127.0.0.1", "--port", strconv.Itoa(p.port),
		"--username", "postgres", "--checkpoint", "fast", "--write-recovery-conf", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	return nil
}

// synchronize makes commits wait for the standby, and returns once one follows.
func (p *Postgres) synchronize() error {
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := execute(p.URL(), statement); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for {
		var following int
		if err := conn.QueryRow(ctx, "SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'").Scan(&following); err != nil {
			return err
		}
		if following > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Promote makes a standby the primary: it returns when it accepts writes.
func (p *Postgres) Promote() error { return execute(p.URL(), "SELECT pg_promote()") }

// Address is where the server answers, as host:port.
func (p *Postgres) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }
