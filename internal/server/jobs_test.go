package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jackc/pgx/v5"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// Experiment R20: of three servers the one that does a piece of background work
// is stopped in the middle of it, for longer than its claim, and goes on when
// another one has done it. Each piece has one effect. The pieces that are done
// in other rooms have their tests there: TestR20… in store and org.

// crew is three servers on one database. They give their connections names.
type crew struct {
	tb     testing.TB
	target *installation
	nodes  []*node
}

func newCrew(tb testing.TB) *crew {
	tb.Helper()
	c := &crew{tb: tb, target: onPostgres(tb, storetest.PostgresURL(tb)).bootstrap(tb)}
	for range 3 {
		c.hire()
	}
	return c
}

// hire starts one more server.
func (c *crew) hire(args ...string) *node {
	c.tb.Helper()
	address, err := url.Parse(c.target.database)
	if err != nil {
		c.tb.Fatal(err)
	}
	settings := address.Query()
	settings.Set("application_name", c.name(len(c.nodes)))
	address.RawQuery = settings.Encode()
	c.nodes = append(c.nodes, start(c.tb, append([]string{
		"--database-url", address.String(), "--secret-key-file", c.target.dir + "/secret.key", "--lease", clusterLease.String(), "--public-url", "http://127.0.0.1:8080",
	}, args...)...))
	return c.nodes[len(c.nodes)-1]
}

func (c *crew) name(i int) string { return fmt.Sprintf("crew-%d", i) }

func (n *node) signal(tb testing.TB, s syscall.Signal) {
	tb.Helper()
	if err := syscall.Kill(-n.cmd.Process.Pid, s); err != nil {
		tb.Fatal(err)
	}
}

// until waits for something that takes a moment.
func until(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// heldUp is the number of a server, none of those given, that waits for the lock
// of the organization; -1: none does.
func (c *crew) heldUp(conn *pgx.Conn, but int) int {
	c.tb.Helper()
	rows, err := conn.Query(context.Background(), `SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`)
	if err != nil {
		c.tb.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		c.tb.Fatal(err)
	}
	for i := range c.nodes {
		for _, name := range names {
			if name == c.name(i) && i != but {
				return i
			}
		}
	}
	return -1
}

// terminate ends the transaction that a stopped server is in, as PostgreSQL does by
// itself after ten seconds, and says whether there was one.
func (c *crew) terminate(conn *pgx.Conn, i int) (ended bool) {
	c.tb.Helper()
	err := conn.QueryRow(context.Background(), `SELECT COUNT(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = $1 AND state = 'idle in transaction'`, c.name(i)).Scan(&ended)
	if err != nil {
		c.tb.Fatal(err)
	}
	return ended
}

// revertOnce lets a change pass its deadline while the organization is busy,
// stops the server that undoes it in the middle of that, lets its claim pass,
// and lets it go on once another one has undone the change.
func (c *crew) revertOnce() {
	c.tb.Helper()
	ctx := context.Background()
	c.target.onTrial(c.tb, c.nodes[0])
	lock, err := pgx.Connect(ctx, c.target.database)
	if err != nil {
		c.tb.Fatal(err)
	}
	defer lock.Close(ctx)
	watch, err := pgx.Connect(ctx, c.target.database)
	if err != nil {
		c.tb.Fatal(err)
	}
	defer watch.Close(ctx)
	busy, err := lock.Begin(ctx)
	if err == nil {
		_, err = busy.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "organization:"+c.target.organization)
	}
	if err != nil {
		c.tb.Fatal(err)
	}
	c.target.expire(c.tb)
	victim := -1
	until(c.tb, "a server undoes the change", func() bool { victim = c.heldUp(watch, -1); return victim >= 0 })
	c.nodes[victim].signal(c.tb, syscall.SIGSTOP)
	c.target.expire(c.tb)
	until(c.tb, "another server undoes it", func() bool { return c.heldUp(watch, victim) >= 0 })
	if err := busy.Commit(ctx); err != nil {
		c.tb.Fatal(err)
	}
	until(c.tb, "the stopped server has the lock", func() bool { return c.terminate(watch, victim) })
	running := c.nodes[(victim+1)%len(c.nodes)]
	until(c.tb, "the change is undone", func() bool {
		return strings.Contains(c.target.policyAt(c.tb, running), `"saml_enabled":true`)
	})
	c.nodes[victim].signal(c.tb, syscall.SIGCONT)
	until(c.tb, "the late server goes on", func() bool {
		return strings.Contains(c.nodes[victim].stderr.String(), "could not be undone; it is tried again")
	})
	// Its lease may still hold: what nobody was told of yet it need not know.
	until(c.tb, "the late server knows", func() bool {
		return strings.Contains(c.target.policyAt(c.tb, c.nodes[victim]), `"saml_enabled":true`)
	})
}

func TestR20OneEffectAPeriod(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	t.Parallel() // it waits, most of the time
	c := newCrew(t)
	rounds := max(1, soak()/10)
	for range rounds {
		c.revertOnce()
	}
	db := connect(t, c.target)
	defer db.Close()
	reverted := query1(t, db, "SELECT COUNT(*) FROM events WHERE action = 'change_reverted'")[0]
	line, err := json.Marshal(map[string]any{"experiment": "R20", "periods": rounds, "effects": reverted})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", line)
	if reverted != fmt.Sprint(rounds) {
		t.Errorf("%s effects of %d periods", reverted, rounds)
	}
}

// heldPost is an SMTP server that keeps its first message waiting, and then has
// no time for it.
type heldPost struct {
	mu       sync.Mutex
	sessions int
	held     chan struct{} // closed when the first message is there
	release  chan struct{} // ends its wait
	arrived  chan struct{} // one for each message that was taken
}

func (p *heldPost) NewSession(*smtp.Conn) (smtp.Session, error) { return p, nil }
func (p *heldPost) Mail(string, *smtp.MailOptions) error        { return nil }
func (p *heldPost) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (p *heldPost) Reset()                                      {}
func (p *heldPost) Logout() error                               { return nil }

func (p *heldPost) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	p.mu.Lock()
	p.sessions++
	first := p.sessions == 1
	p.mu.Unlock()
	if first {
		close(p.held)
		<-p.release
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "later"}
	}
	p.arrived <- struct{}{}
	return nil
}

// arrives waits for a message that a server sends.
func arrives(tb testing.TB, message <-chan struct{}, from *node) {
	tb.Helper()
	select {
	case <-message:
	case <-time.After(patience):
		tb.Fatalf("no message within %v; the server's log: %s", patience, from.stderr)
	}
}

// A message whose sender is stopped is delivered by another server, once, and
// what the first one hears afterwards changes nothing.
func TestR20StoppedSender(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	t.Parallel() // it waits, most of the time
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	post := &heldPost{held: make(chan struct{}), release: make(chan struct{}), arrived: make(chan struct{}, 10)}
	mailServer := smtp.NewServer(post)
	var work sync.WaitGroup
	work.Go(func() { _ = mailServer.Serve(l) })
	t.Cleanup(func() { _ = errors.Join(mailServer.Close(), l.Close()); work.Wait() }) // also where it does not serve yet
	mail := []string{"--smtp-url", "smtp://" + l.Addr().String(), "--mail-from", "no-reply@a.example"}
	c := &crew{tb: t, target: onPostgres(t, storetest.PostgresURL(t)).bootstrap(t)}
	late := c.hire(mail...)
	a, err := call(http.MethodPost, late.url+"/v1/user/password_reset_request", "", map[string]any{"email": adminEmail})
	want(t, http.StatusOK, a, err)
	arrives(t, post.held, late)
	late.signal(t, syscall.SIGSTOP)
	execute(t, c.target, `UPDATE outbox SET next_try_at = 1 WHERE ended_at = 0`) // its claim is over
	other := c.hire(mail...)
	arrives(t, post.arrived, other)
	db := connect(t, c.target)
	defer db.Close()
	state := func() string {
		return strings.Join(query1(t, db, `SELECT tries || ' ' || outcome || ' ' || (ended_at > 0) FROM outbox`), ", ")
	}
	until(t, "the message is delivered", func() bool { return state() == "2 delivered true" })
	late.signal(t, syscall.SIGCONT)
	close(post.release)
	until(t, "the late sender hears of its failure", func() bool {
		return strings.Contains(late.stderr.String(), "a mail was not delivered")
	})
	if now := state(); now != "2 delivered true" || len(post.arrived) > 0 {
		t.Errorf("afterwards it is %q, and %d more arrived", now, len(post.arrived))
	}
}
