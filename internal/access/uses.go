package access

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

const (
	// useEvery is how exact last-use records are.
	useEvery = time.Second
	// flushEvery is how long a use may wait to be written.
	flushEvery = 2 * time.Second
	// usesAtOnce bounds the uses written by one transaction, so that audited
	// changes never wait long behind it.
	usesAtOnce = 256
	// maxUserAgent cuts what a client says of itself.
	maxUserAgent = 256
)

// uses gathers last uses until they are written.
type uses struct {
	mu      sync.Mutex
	pending map[string]identity.Use
	writing sync.Mutex
}

// use notes an accepted use. It writes nothing.
func (c *Checker) use(k *known, r Request, now time.Time) {
	at := now.UnixMicro()
	k.lastUsed.Store(max(at, k.lastUsed.Load()))
	if at-k.queued.Load() < useEvery.Microseconds() {
		return
	}
	k.queued.Store(at)
	u := identity.Use{Prefix: k.Token.Prefix, UserID: k.User.ID, At: now, UserAgent: r.UserAgent[:min(len(r.UserAgent), maxUserAgent)]}
	if r.Address.Client.IsValid() {
		u.IP = r.Address.Client.String()
	}
	if k.Token.ExtendWhenUsed {
		u.Expires = k.expires()
	}
	c.uses.mu.Lock()
	c.uses.pending[u.Prefix] = u
	c.uses.mu.Unlock()
}

// FlushUses writes the pending last-use records. Lists that show them call it
// first, so that what a caller just did is there.
func (c *Checker) FlushUses(ctx context.Context) error {
	c.uses.writing.Lock()
	defer c.uses.writing.Unlock()
	c.uses.mu.Lock()
	batch := make([]identity.Use, 0, len(c.uses.pending))
	for _, u := range c.uses.pending {
		batch = append(batch, u)
	}
	clear(c.uses.pending)
	c.uses.mu.Unlock()
	for len(batch) > 0 {
		part := batch[:min(len(batch), usesAtOnce)]
		if err := c.db.Maintain(ctx, func(tx *store.Tx) error { return tx.RecordUses(ctx, part) }); err != nil {
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
	if err := c.FlushUses(last); err != nil {
		c.log.Warn("the last last-use records are lost", "error", err)
	}
}
