package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math"
	"os"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// Follow tells this process what others change, through Changed and Missed,
// and holds the lease under which its memory may be trusted, until ctx ends.
// note hears when the lease could not be kept (an error) and when it holds again
// (nil). Once there is a lease, changes wait for this process.
//
// The protocol is that of docs/adr/0014-leases.md; the model in
// internal/access proves it.
func (db *DB) Follow(ctx context.Context, note func(error)) {
	if db.Lease == 0 {
		return
	}
	f := &follower{db: db, note: note}
	defer f.leave()
	for ctx.Err() == nil {
		err := f.round(ctx)
		if err == nil {
			f.tell(nil)
			f.rest(ctx)
			continue
		}
		f.hangUp()
		if !db.Fresh() && ctx.Err() == nil {
			f.tell(err)
		}
		pause(ctx, db.often(retriesOfLease))
	}
}

const (
	// roundsOfLease is how often a lease is renewed while it holds, on
	// PostgreSQL; pollsOfLease on SQLite, where nobody wakes us.
	roundsOfLease = 6
	pollsOfLease  = 30
	// retriesOfLease is how often a round that failed is tried again.
	retriesOfLease = 30
)

// often is the time between two of so many rounds in a lease. Of a lease longer
// than usual it is that of the usual one: what waits for the next round is a
// change, which a longer lease should not keep waiting while all is well.
func (db *DB) often(rounds time.Duration) time.Duration {
	return min(db.Lease, DefaultLease) / rounds
}

// follower is what one process knows of the change log.
type follower struct {
	db       *DB
	note     func(error)
	told     bool // that there is a lease, or (with failing) that there is none
	failing  bool
	line     *sql.Conn // its own connection; nil: none
	row      string    // the id of its row in nodes; empty: none
	seen     snapshot  // what that row says
	known    bool      // whether memory holds nothing older than that
	identity string    // of the database
	answered time.Time // when the row was written
	woken    bool      // by another process
}

// round brings memory up to date, says so, and takes a lease from the moment
// before.
func (f *follower) round(ctx context.Context) error {
	if err := f.db.watchFile(); err != nil {
		return err
	}
	if err := f.setUp(ctx); err != nil {
		return err
	}
	from := time.Now()
	ctx, cancel := context.WithTimeout(ctx, f.db.Lease/2)
	defer cancel()
	w, err := f.look(ctx)
	if err != nil {
		return err
	}
	if !w.registered {
		f.row = ""
		return errors.New("store: this server's row in nodes is gone")
	}
	news := f.apply(w)
	if f.mustAnswer(w, news) {
		if err := f.answer(ctx, w); err != nil {
			return err
		}
	}
	f.db.lease.Store(newLease(from, f.db.Lease))
	return nil
}

// setUpTime bounds connecting and registering. They are not part of a round's
// time: far from the database they take seven ways there and back, and more than
// half of a short lease.
const setUpTime = 10 * time.Second

func (f *follower) setUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, setUpTime)
	defer cancel()
	if err := f.connect(ctx); err != nil || f.row != "" {
		return err
	}
	return f.register(ctx)
}

func (f *follower) connect(ctx context.Context) (err error) {
	if f.line != nil {
		return nil
	}
	if f.line, err = f.db.read.Conn(ctx); err != nil {
		return err
	}
	if listen := f.db.dialect.listen; listen != "" {
		if _, err = f.line.ExecContext(ctx, listen); err != nil {
			return err
		}
	}
	return f.recall(ctx)
}

// recall takes what has been followed from the row: a database that crashed may
// have lost the last answers, and gives their transactions' ids again.
func (f *follower) recall(ctx context.Context) error {
	if f.row == "" {
		return nil
	}
	text, err := one(ctx, via{f.line}, scanText, `SELECT seen FROM nodes WHERE id = $1`, f.row)
	if errors.Is(err, errNoRow) {
		f.row = ""
		return nil
	}
	if err != nil {
		return err
	}
	f.seen, err = parseSnapshot(text)
	return err
}

// hangUp gives the connection up: it may be half open.
func (f *follower) hangUp() {
	if f.line == nil {
		return
	}
	_ = f.line.Raw(func(any) error { return driver.ErrBadConn })
	_ = f.line.Close()
	f.line = nil
}

// writer is where the row is written. SQLite has one writer; on PostgreSQL no
// full pool may be in the way.
func (f *follower) writer() querier {
	if f.db.write == f.db.read {
		return via{f.line}
	}
	return f.db.write
}

// register takes a new row, of which nobody remembers anything.
func (f *follower) register(ctx context.Context) error {
	name, err := os.Hostname()
	if err != nil {
		name = "?"
	}
	row := "node_" + rand.Text()
	_, err = f.writer().exec(ctx, `INSERT INTO nodes (id, name, started_at, lease, seen, answers) VALUES ($1, $2, $3, $4, '', 0)`,
		row, name, f.db.now().UnixMicro(), f.db.Lease.Microseconds())
	if err != nil {
		return err
	}
	f.row, f.seen, f.known = row, snapshot{}, false
	f.db.own.follow(row)
	return nil
}

// whatIsNew is what one statement reads.
type whatIsNew struct {
	snapshot   string
	parsed     snapshot
	identity   string
	registered bool
	entries    []entry
}

type entry struct {
	at    int64
	scope string
}

// look reads, in one statement and so at one moment, what the row does not
// show.
func (f *follower) look(ctx context.Context) (w whatIsNew, err error) {
	d := f.db.dialect
	after := f.seen.low
	if !f.known { // everything is forgotten anyway
		after = math.MaxInt64
	}
	rows, err := f.line.QueryContext(ctx, `SELECT `+d.snapshotText+`, `+d.identity+`, (SELECT COUNT(*) FROM nodes WHERE id = $1), COALESCE(c.`+d.order+`, 0), COALESCE(c.scope, '')
		FROM (SELECT 1) AS moment LEFT JOIN changes c ON c.`+d.order+` >= $2 AND `+d.plausible, f.row, after)
	if err != nil {
		return w, err
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		if err := rows.Scan(&w.snapshot, &w.identity, &w.registered, &e.at, &e.scope); err != nil {
			return w, err
		}
		if e.scope != "" && !f.seen.shows(e.at) {
			w.entries = append(w.entries, e)
		}
	}
	if err := rows.Err(); err != nil {
		return w, err
	}
	w.parsed, err = parseSnapshot(w.snapshot)
	return w, err
}

// apply makes memory forget what was changed, and says whether others did.
func (f *follower) apply(w whatIsNew) (news bool) {
	if !f.known || w.identity != f.identity {
		f.identity = w.identity
		f.db.own.lose()
		if f.db.Missed != nil {
			f.db.Missed()
		}
		return true
	}
	var scopes []string
	for _, e := range w.entries {
		if !f.db.own.known(e.at) {
			scopes = append(scopes, e.scope)
		}
	}
	if len(scopes) > 0 && f.db.Changed != nil {
		f.db.Changed(scopes)
	}
	return len(scopes) > 0
}

// mustAnswer says whether the row has to be written before there is a lease.
// Changes of this process alone need not be answered: nobody else waits for
// them. Those who find them made do, so it is done now and then.
func (f *follower) mustAnswer(w whatIsNew, news bool) bool {
	return news || len(w.entries) > 0 && (f.woken || time.Since(f.answered) > f.db.often(roundsOfLease))
}

// answer writes down what has been followed. Without effect it is no answer:
// somebody took the row for that of a dead server.
func (f *follower) answer(ctx context.Context, w whatIsNew) error {
	written, err := f.writer().exec(ctx, `UPDATE nodes SET seen = $2, answers = answers + 1 WHERE id = $1 AND `+f.db.dialect.quietly, f.row, w.snapshot)
	if err != nil {
		return err
	}
	if written == 0 {
		f.row = ""
		return errors.New("store: this server's row in nodes is gone")
	}
	f.seen, f.known, f.answered = w.parsed, true, time.Now()
	f.db.own.passed(f.seen)
	return nil
}

// rest waits for the next round.
func (f *follower) rest(ctx context.Context) {
	f.woken = false
	if f.db.dialect.listen == "" {
		pause(ctx, f.db.often(pollsOfLease))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, f.db.Lease/roundsOfLease)
	defer cancel()
	err := f.line.Raw(func(conn any) error {
		n, err := conn.(*stdlib.Conn).Conn().WaitForNotification(ctx)
		f.woken = err == nil && n.Payload != f.row
		return err
	})
	if err != nil && ctx.Err() == nil {
		f.hangUp()
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// tell passes on what is new: that there is a lease, or that there is none and
// why.
func (f *follower) tell(err error) {
	if failing := err != nil; !f.told || failing != f.failing {
		f.told, f.failing = true, failing
		f.note(err)
	}
}

// leave gives lease and row back, so that changes do not wait for a server that
// has stopped. A round that the end came into has cost the connection: then any
// other one will do.
func (f *follower) leave() {
	f.db.lease.Store(nil)
	if f.row != "" {
		ctx, cancel := context.WithTimeout(context.Background(), f.db.Lease/2)
		defer cancel()
		w := querier(f.db.write)
		if f.line != nil {
			w = f.writer()
		}
		_, _ = w.exec(ctx, `DELETE FROM nodes WHERE id = $1`, f.row)
	}
	f.hangUp()
	f.db.own.follow("")
}
