package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// Node is a server that answers from memory.
type Node struct {
	ID, Name string
	Started  time.Time
	Lease    time.Duration
	seen     snapshot
	answers  int64
}

func scanNode(row scanner) (n Node, err error) {
	var lease int64
	var seen string
	if err := row.Scan(&n.ID, &n.Name, moment{&n.Started}, &lease, &seen, &n.answers); err != nil {
		return n, err
	}
	n.Lease = time.Duration(lease) * time.Microsecond
	n.seen, err = parseSnapshot(seen)
	return n, err
}

const selectNodes = `SELECT id, name, started_at, lease, seen, answers FROM nodes ORDER BY started_at, id`

// Nodes returns the servers that answer from memory, or did so until they
// died.
func (r *Read) Nodes(ctx context.Context) ([]Node, error) {
	return collect(ctx, r.q, scanNode, selectNodes)
}

// Unseen counts the entries of the change log that a node has not followed.
func (r *Read) Unseen(ctx context.Context, n Node) (int, error) {
	at, err := collect(ctx, r.q, scanInt, `SELECT `+r.dialect.order+` FROM changes WHERE `+r.dialect.order+` >= $1 AND `+r.dialect.plausible, n.seen.low)
	return len(slices.DeleteFunc(at, n.seen.shows)), err
}

// board reads the nodes for all that wait at the same time.
type board struct {
	mu      sync.Mutex
	next    *look // not begun
	running bool
}

type look struct {
	done  chan struct{}
	nodes []Node
	err   error
}

// lookTime bounds one look at the nodes.
const lookTime = 2 * time.Second

// look reads the nodes at a moment after the call. Others get the same list.
func (db *DB) look() ([]Node, error) {
	b := &db.nodes
	b.mu.Lock()
	if b.next == nil {
		b.next = &look{done: make(chan struct{})}
	}
	mine := b.next
	if !b.running {
		b.running = true
		go db.looks()
	}
	b.mu.Unlock()
	<-mine.done
	return mine.nodes, mine.err
}

// looks reads until nobody waits.
func (db *DB) looks() {
	for b := &db.nodes; ; {
		b.mu.Lock()
		l := b.next
		b.next, b.running = nil, l != nil
		b.mu.Unlock()
		if l == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), lookTime)
		l.nodes, l.err = collect(ctx, db.dialect.outside(db.read), scanNode, selectNodes)
		cancel()
		close(l.done)
	}
}

// The pauses between two looks of one that waits.
const (
	firstPause = time.Millisecond
	lastPause  = 20 * time.Millisecond
)

// spread returns when the entries of a change that was just committed are
// everywhere.
func (db *DB) spread(at []int64) error {
	begun := time.Now()
	err := db.everywhere(at, true)
	if db.Waited != nil {
		db.Waited(time.Since(begun))
	}
	return err
}

// everywhere returns when no node may answer from before some entries of the
// change log, which are committed. Its error says that this is unknown. strike
// says that the entries are this process's own, so that a node that has not
// followed them is dead.
func (db *DB) everywhere(at []int64, strike bool) error {
	begun := time.Now()
	var behind []Node
	tries := 0
	for looked, pause := false, firstPause; ; pause = min(2*pause, lastPause) {
		nodes, err := db.look()
		tries++
		if err == nil {
			// Who comes later has read the log after the commit.
			behind = slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return db.followed(n, at) })
		}
		waited := time.Since(begun)
		// Once is not enough: it may be this machine that stood still.
		if err != nil && !looked && waited > DefaultLease && tries > 1 {
			return unknownOutcome(err)
		}
		behind = slices.DeleteFunc(behind, func(n Node) bool {
			over := waited > afterLease(n.Lease)
			if over && strike && err == nil {
				db.strike(n)
			}
			return over
		})
		if (looked || err == nil) && len(behind) == 0 {
			return nil
		}
		if !looked && err == nil {
			looked = true
			db.wake()
		}
		time.Sleep(pause)
	}
}

// followed says whether a node has forgotten what entries name.
func (db *DB) followed(n Node, at []int64) bool {
	self := n.ID == db.own.id()
	return !slices.ContainsFunc(at, func(at int64) bool { return !n.seen.shows(at) && !(self && db.own.known(at)) })
}

func unknownOutcome(err error) error {
	return &identity.Error{
		Kind: identity.Unavailable, Code: "service_unavailable", RetryAfter: 2, Cause: err,
		Message: "the database cannot be reached just now, so whether the change holds everywhere is unknown; look, or try again in a moment",
	}
}

// strike removes a node that has not followed in time, unless it has meanwhile.
// Its leases have ended; without the row it gets none. It is tidying: whether
// it succeeds does not matter.
func (db *DB) strike(n Node) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	_, _ = db.write.ExecContext(ctx, `DELETE FROM nodes WHERE id = $1 AND answers = $2`, n.ID, n.answers)
}

// wake tells the nodes that there is something to follow. They would find out
// by themselves.
func (db *DB) wake() {
	if db.dialect.notify == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	_, _ = db.read.ExecContext(ctx, db.dialect.notify, db.own.id())
}

// settle is what a transaction that changed nothing has to wait for before it
// is answered with err: the changes that it found made. Who repeats a change
// whose answer was lost may rely on the second answer.
func (db *DB) settle(scope Scope, err error) error {
	var refusal *identity.Error
	if err != nil && (!errors.As(err, &refusal) || refusal.Kind == identity.Unavailable) || len(scope.keys) == 0 {
		return err
	}
	if list := db.own.unforgotten(scope.keys); len(list) > 0 && db.Changed != nil {
		db.Changed(list)
	}
	at, failed := db.foundMade(scope)
	if failed == nil && len(at) > 0 {
		failed = db.everywhere(at, false)
	}
	if err == nil {
		return failed
	}
	return err
}

// foundMade returns the entries of a scope that some node may not have
// followed.
func (db *DB) foundMade(scope Scope) ([]int64, error) {
	nodes, err := db.look()
	if err != nil || len(nodes) == 0 {
		return nil, err
	}
	first := nodes[0].seen.low
	for _, n := range nodes {
		first = min(first, n.seen.low)
	}
	args, places := []any{first}, make([]string, len(scope.keys))
	for i, key := range scope.keys {
		args = append(args, key)
		places[i] = "$" + strconv.Itoa(len(args))
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	order := db.dialect.order
	return collect(ctx, db.dialect.outside(db.read), scanInt, `SELECT `+order+` FROM changes WHERE `+order+` >= $1 AND `+db.dialect.plausible+
		` AND scope IN (`+strings.Join(places, ", ")+`)`, args...)
}

// Alone says that no other server runs on this database: what is left of one
// that died delays nobody.
func (db *DB) Alone(ctx context.Context) error {
	_, err := db.write.ExecContext(ctx, `DELETE FROM nodes`)
	return wrap(err)
}

// changesKept is how long entries of the change log stay at least.
const changesKept = time.Hour

// forgetChanges deletes entries that every node has followed, of an hour ago
// and earlier, and those that came with a dump of another server. A node that
// comes meanwhile needs none of them.
func (db *DB) forgetChanges(ctx context.Context) (int64, error) {
	nodes, err := collect(ctx, db.read, scanNode, selectNodes)
	if err != nil {
		return 0, wrap(err)
	}
	d := db.dialect
	over, args := `created_at < $1`, []any{micros(db.now().Add(-changesKept))}
	for _, n := range nodes {
		args = append(args, n.seen.low)
		over += ` AND (` + d.order + ` < $` + strconv.Itoa(len(args)) + ` OR NOT (` + d.plausible + `))`
	}
	return db.remove(ctx, "changes", over, args...)
}
