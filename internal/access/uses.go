package access

import (
	"context"
	"maps"
	"runtime"
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
	// flushEvery is how long a use may wait until a flush takes it, and flushFor
	// how long that may take to write it.
	flushEvery = 2 * time.Second
	flushFor   = time.Second
	// flushTime bounds how long the database may take for it.
	flushTime = 5 * time.Second
	// lastFlushes is how often the end writes what others may be writing too.
	lastFlushes = 3
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
	flush sync.Mutex     // held while something is taken or written
	left  []identity.Use // taken, to be written yet
	busy  []identity.Use // taken, and others were writing the same

	mu      sync.Mutex
	pending map[string]identity.Use
	writing map[string]identity.Use // taken by a flush that has not ended; it does not change
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

// take moves what is pending into the hands of a flush, after one that has ended.
// Nobody waits while it makes a list of that.
func (s *uses) take() {
	if len(s.left) > 0 {
		return
	}
	s.mu.Lock()
	s.writing, s.pending = s.pending, map[string]identity.Use{}
	s.mu.Unlock()
	s.left = slices.AppendSeq(make([]identity.Use, 0, len(s.writing)), maps.Values(s.writing))
}

// part is what is to be written next, in the order of prefixes.
func (s *uses) part(most int) []identity.Use {
	part := s.left[:min(len(s.left), most)]
	slices.SortFunc(part, func(a, b identity.Use) int { return strings.Compare(a.Prefix, b.Prefix) })
	return part
}

// wrote notes that a part was written, but for what others were writing. After
// the last part the flush has ended.
func (s *uses) wrote(part, busy []identity.Use) {
	s.left, s.busy = s.left[len(part):], append(s.busy, busy...)
	if len(s.left) == 0 {
		s.give()
	}
}

// give ends a flush. What it could not write is pending again, unless a later
// use is.
func (s *uses) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range append(s.busy, s.left...) {
		if later, ok := s.pending[u.Prefix]; ok {
			later.Idle = max(later.Idle, u.Idle)
			u = later
		}
		s.pending[u.Prefix] = u
	}
	s.writing, s.left, s.busy = nil, nil, nil
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
	return waiting + len(c.sightings.pending) + c.sightings.writing
}

// FlushUses writes the pending last-use records and observed addresses. Lists
// that show them call it first, so that what a caller just did is there. What
// cannot be written stays pending.
func (c *Checker) FlushUses(ctx context.Context) error {
	c.uses.flush.Lock()
	defer c.uses.flush.Unlock()
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if err := c.writeTaken(ctx); err != nil { // by a flush that is resting
		return err
	}
	c.take()
	return c.writeTaken(ctx)
}

func (c *Checker) take() {
	c.uses.take()
	c.sightings.take()
}

func (c *Checker) writeTaken(ctx context.Context) error {
	for {
		ended, err := c.writePart(ctx)
		if ended || err != nil {
			return err
		}
		runtime.Gosched() // who has a request goes first
	}
}

// writePart writes some of what was taken, and returns whether nothing was left.
// The caller holds flush.
func (c *Checker) writePart(ctx context.Context) (ended bool, err error) {
	switch most := c.db.UsesAtOnce(); {
	case len(c.uses.left) > 0:
		err = c.writeUses(ctx, c.uses.part(most))
	case len(c.sightings.left) > 0:
		err = c.writeSightings(ctx, c.sightings.part(most))
	case len(c.sightings.full) > 0:
		err = c.forgetSightings(ctx, most)
	}
	return err == nil && len(c.uses.left)+len(c.sightings.left)+len(c.sightings.full) == 0, err
}

func (c *Checker) writeUses(ctx context.Context, part []identity.Use) error {
	var busy []identity.Use
	if err := c.db.MaintainLightly(ctx, func(tx *store.Tx) (err error) {
		busy, err = tx.RecordUses(ctx, part)
		return err
	}); err != nil {
		c.uses.give()
		return err
	}
	c.uses.wrote(part, busy)
	return nil
}

func (c *Checker) writeSightings(ctx context.Context, part []identity.AddressUse) error {
	err := c.db.MaintainLightly(ctx, func(tx *store.Tx) error { return tx.RecordAddressUses(ctx, part) })
	if err == nil {
		c.sightings.wrote(part)
	}
	return err
}

// forgetSightings takes some of what is over an organization's bound. All of what
// was observed is written then, and it is counted once.
func (c *Checker) forgetSightings(ctx context.Context, most int) (err error) {
	full := &c.sightings.full[0]
	if !full.counted {
		err = c.db.Once(func(r *store.Read) (err error) {
			full.over, err = r.AddressUsesOver(ctx, full.organization)
			return err
		})
		full.counted = err == nil
	} else {
		n := min(full.over, most)
		err = c.db.MaintainLightly(ctx, func(tx *store.Tx) error { return tx.ForgetAddressUses(ctx, full.organization, n) })
		if err == nil {
			full.over -= n
		}
	}
	if err == nil && full.over == 0 {
		c.sightings.full = c.sightings.full[1:]
	}
	return err
}

// flushGently is FlushUses in parts with rests between them: written at once,
// what a thousand tokens do in two seconds kept one request in a hundred waiting
// for milliseconds. FlushUses writes what is left meanwhile when somebody asks.
func (c *Checker) flushGently(ctx context.Context) error {
	for parts := c.begin(); ; {
		ended, err := c.writeNext(ctx)
		if ended || err != nil {
			return err
		}
		if !rested(ctx, flushFor/time.Duration(parts)) {
			return ctx.Err()
		}
	}
}

// begin takes what is to be written, and returns how many parts that is at most,
// but for the number of organizations. What is observed may push out as much.
func (c *Checker) begin() int {
	c.uses.flush.Lock()
	defer c.uses.flush.Unlock()
	c.take()
	most := c.db.UsesAtOnce()
	return len(c.uses.left)/most + 2*(len(c.sightings.left)/most) + 1
}

func (c *Checker) writeNext(ctx context.Context) (ended bool, err error) {
	c.uses.flush.Lock()
	defer c.uses.flush.Unlock()
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	return c.writePart(ctx)
}

// rested waits, and returns false when ctx ends meanwhile.
func rested(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Run writes last uses in the background until ctx ends, and once more then.
func (c *Checker) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			if err := c.flushGently(ctx); err != nil && ctx.Err() == nil {
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
