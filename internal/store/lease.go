package store

import (
	"sync"
	"time"
)

// The length of leases. A node that dies or is cut off delays the next changes
// by the length; one that cannot reach the database for so long asks it for
// each check.
const (
	DefaultLease  = 3 * time.Second
	ShortestLease = time.Second
	LongestLease  = 30 * time.Second
)

// afterLease is how long after a change, by the writer's clock, no lease from
// before it can hold by its node's: 5 % for clocks that do not go alike.
func afterLease(length time.Duration) time.Duration { return length + length/20 }

// lease is the right to answer from memory (docs/adr/0014-leases.md).
type lease struct {
	from   time.Time // before the moment at which everything was known
	wall   int64     // the same by the wall clock, in nanoseconds
	length time.Duration
}

func newLease(from time.Time, length time.Duration) *lease {
	return &lease{from: from, wall: from.UnixNano(), length: length}
}

// holds compares by the monotonic clock, which cannot be set. It may stand
// still while a machine is suspended, so the wall clock has to agree; that one
// can only end a lease early.
func (l *lease) holds(now time.Time) bool {
	return now.Sub(l.from) < l.length && now.UnixNano()-l.wall < int64(l.length)
}

// Fresh says whether memory may be trusted now. It has to be asked before
// memory is looked at: what Changed and Missed made it forget until then is
// what a change has to wait for.
func (db *DB) Fresh() bool {
	l := db.lease.Load()
	return l != nil && l.holds(time.Now())
}

// LeaseLeft is for how long memory may be trusted from now on unless the lease
// is renewed; 0: it may not.
func (db *DB) LeaseLeft() time.Duration {
	now := time.Now()
	l := db.lease.Load()
	if l == nil || !l.holds(now) {
		return 0
	}
	return l.length - now.Sub(l.from)
}

// ownChanges are the changes of this process, which it forgets for itself
// after each commit.
type ownChanges struct {
	mu        sync.Mutex
	node      string         // the id under which this process follows; empty: it does not
	epoch     int            // counts the databases that forgotten was about
	on        map[string]int // scopes whose commits are not forgotten yet
	forgotten map[int64]bool // entries that were, and that following has not come by yet
}

// begin is called before a commit.
func (o *ownChanges) begin(e *entries) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e.epoch = o.epoch
	if o.on == nil {
		o.on = map[string]int{}
	}
	for _, s := range e.scopes {
		o.on[s]++
	}
}

// end is called when what a commit changed has been forgotten. A commit that
// may still be on its way has to be forgotten again when it shows.
func (o *ownChanges) end(e entries, certain bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range e.scopes {
		if o.on[s]--; o.on[s] == 0 {
			delete(o.on, s)
		}
	}
	if certain && o.forgotten != nil && e.epoch == o.epoch {
		for _, at := range e.at {
			o.forgotten[at] = true
		}
	}
}

// unforgotten returns those of the scopes that a commit which others may see
// already has not made this process forget.
func (o *ownChanges) unforgotten(scopes []string) (list []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range scopes {
		if o.on[s] > 0 {
			list = append(list, s)
		}
	}
	return list
}

// follow says under which id this process follows from now on; empty: none.
func (o *ownChanges) follow(node string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.node = node
	o.restart()
}

// lose is called when commits may have been lost: what was known of an entry is
// not known of another change that gets its id.
func (o *ownChanges) lose() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.restart()
}

func (o *ownChanges) restart() {
	o.epoch++
	if o.forgotten = nil; o.node != "" {
		o.forgotten = map[int64]bool{}
	}
}

func (o *ownChanges) id() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.node
}

// known says whether an entry is of this process and forgotten.
func (o *ownChanges) known(at int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.forgotten[at]
}

// passed drops what following has come by.
func (o *ownChanges) passed(s snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for at := range o.forgotten {
		if s.shows(at) {
			delete(o.forgotten, at)
		}
	}
}
