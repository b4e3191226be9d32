package access

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const (
	// useEvery is how exact last-use records are.
	useEvery = time.Second
	// flushEvery is how long a use may wait to be written.
	flushEvery = 2 * time.Second
	// flushTime bounds how long the database may take for it.
	flushTime = 5 * time.Second
	// lastFlushes is how often the end writes what others may be writing too.
	lastFlushes = 3
	// usesAtOnce bounds the uses written by one transaction, so that audited
	// changes never wait long behind it.
	usesAtOnce = 256
	// maxUserAgent cuts what a client says of itself, in bytes.
	maxUserAgent = 256
)

// lastUse is when a token was last used, written or not yet: one value for all
// the organizations it is used on. What is in memory and what is read again
// must agree, or a token that is busy here would count as idle there.
type lastUse struct {
	at     atomic.Int64 // microseconds; 0: never
	idle   atomic.Int64 // the longest between two uses, in microseconds
	queued atomic.Int64 // when a use was last handed on for writing
}

// raise moves the time forward, never back.
func (l *lastUse) raise(at int64) { raise(&l.at, at) }

// merge takes over what another record of the same token knows. Idleness comes
// first: who sees the later use must see what was before it.
func (l *lastUse) merge(at, idle int64) {
	raise(&l.idle, idle)
	l.raise(at)
}

func raise(v *atomic.Int64, to int64) {
	for old := v.Load(); to > old; old = v.Load() {
		if v.CompareAndSwap(old, to) {
			return
		}
	}
}

// due says whether a use at this time is to be written. Of several at once only
// one is.
func (l *lastUse) due(at int64) bool {
	queued := l.queued.Load()
	return at-queued >= useEvery.Microseconds() && l.queued.CompareAndSwap(queued, at)
}

// uses gathers last uses until they are written.
type uses struct {
	flush sync.Mutex // one flush at a time

	mu      sync.Mutex
	pending map[string]identity.Use
	writing map[string]identity.Use // taken by a flush that has not committed
}

// add replaces what is pending for the same token, but for its idleness.
func (s *uses) add(u identity.Use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.Idle = max(u.Idle, s.pending[u.Prefix].Idle)
	s.pending[u.Prefix] = u
}

// latest is the newest use of a token that the database may not show yet; the
// zero Use when there is none.
func (s *uses) latest(prefix string) identity.Use {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.pending[prefix]
	if !ok {
		return s.writing[prefix]
	}
	u.Idle = max(u.Idle, s.writing[prefix].Idle)
	return u
}

// take moves what is pending into the hands of a flush, in the order of
// prefixes.
func (s *uses) take() []identity.Use {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing, s.pending = s.pending, map[string]identity.Use{}
	return slices.SortedFunc(maps.Values(s.writing), func(a, b identity.Use) int { return strings.Compare(a.Prefix, b.Prefix) })
}

// give ends a flush. What it could not write is pending again, unless a later
// use is.
func (s *uses) give(unwritten []identity.Use) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range unwritten {
		if later, ok := s.pending[u.Prefix]; ok {
			later.Idle = max(later.Idle, u.Idle)
			u = later
		}
		s.pending[u.Prefix] = u
	}
	s.writing = nil
}

// use notes an accepted use. It writes nothing.
func (c *Checker) use(k *known, r Request, now time.Time) {
	at := now.UnixMicro()
	idle := k.idleBefore(now)
	k.used.merge(at, idle.Microseconds())
	if at < k.learning {
		c.sightings.see(k, r.Address.Client, now)
	}
	if !k.used.due(at) {
		return
	}
	u := identity.Use{Prefix: k.Token.Prefix, UserID: k.User.ID, At: now, UserAgent: cutText(r.UserAgent, maxUserAgent), Idle: idle}
	if r.Address.Client.IsValid() {
		u.IP = r.Address.Client.String()
	}
	if k.Token.ExtendWhenUsed {
		u.Expires = k.expires()
	}
	c.uses.add(u)
}

// idleBefore is how long a session was unused before a use; zero for what no
// policy asks about.
func (k *known) idleBefore(now time.Time) time.Duration {
	since := k.Token.Created
	if used := k.used.at.Load(); used > 0 {
		since = time.UnixMicro(used)
	}
	if idle := now.Sub(since); k.Token.Kind == policy.Session && idle > policy.MinSessionIdle {
		return idle
	}
	return 0
}

// Waiting is how many last uses and observed addresses are to be written.
func (c *Checker) Waiting() int {
	c.uses.mu.Lock()
	waiting := len(c.uses.pending) + len(c.uses.writing)
	c.uses.mu.Unlock()
	c.sightings.mu.Lock()
	defer c.sightings.mu.Unlock()
	return waiting + len(c.sightings.pending)
}

// FlushUses writes the pending last-use records and observed addresses. Lists
// that show them call it first, so that what a caller just did is there. What
// cannot be written stays pending.
func (c *Checker) FlushUses(ctx context.Context) error {
	c.uses.flush.Lock()
	defer c.uses.flush.Unlock()
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	batch := c.uses.take()
	var later []identity.Use // that others are writing just now
	for len(batch) > 0 {
		part := batch[:min(len(batch), usesAtOnce)]
		var busy []identity.Use
		err := c.db.Maintain(ctx, func(tx *store.Tx) (err error) {
			busy, err = tx.RecordUses(ctx, part)
			return err
		})
		if err != nil {
			c.uses.give(append(later, batch...))
			return err
		}
		batch, later = batch[len(part):], append(later, busy...)
	}
	c.uses.give(later)
	return c.flushSightings(ctx)
}

func (c *Checker) flushSightings(ctx context.Context) error {
	batch := c.sightings.take()
	for len(batch) > 0 {
		part := batch[:min(len(batch), usesAtOnce)]
		if err := c.db.Maintain(ctx, func(tx *store.Tx) error { return tx.RecordAddressUses(ctx, part) }); err != nil {
			c.sightings.give(batch)
			return err
		}
		batch = batch[len(part):]
	}
	return nil
}

// Run writes last uses in the background until ctx ends, and once more then.
func (c *Checker) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			if err := c.FlushUses(ctx); err != nil && ctx.Err() == nil {
				c.log.Warn("last-use records are not written", "error", err)
			}
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
	defer cancel()
	for range lastFlushes {
		if err := c.FlushUses(last); err != nil {
			c.log.Warn("the last last-use records are lost", "error", err)
			return
		}
	}
}
