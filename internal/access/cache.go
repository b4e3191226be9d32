package access

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

const (
	cacheShards = 64
	// shardEntries bounds the memory of the cache: about 1 KiB an entry.
	shardEntries = 512
	markStripes  = 1 << 12
)

// cacheKey is a credential used on an organization (empty: on its owner's own
// things). The prefix is only a name: the caller compares the hash as well.
type cacheKey struct {
	prefix       [12]byte
	organization string
}

// cache keeps facts until something they came from changes. Scopes (a user, an
// organization) have marks that a change moves; an entry is good while the
// marks it was read under have not moved. Scopes share marks by hash, so that
// the memory is fixed; a shared mark only forgets too much.
type cache struct {
	seed   maphash.Seed
	stripe [markStripes]atomic.Uint64
	shards [cacheShards]shard
}

type shard struct {
	mu      sync.RWMutex
	entries map[cacheKey]entry
	// uses are shared by the entries of one token, which all are in one shard.
	uses map[[12]byte]*sharedUse
	// hits and misses count what was asked for, for those who watch.
	hits, misses atomic.Uint64
}

type sharedUse struct {
	lastUse
	entries int
}

type entry struct {
	*known
	marks marks
}

// marks are the positions of two scopes' marks.
type marks struct {
	user, organization     uint32
	userAt, organizationAt uint64
}

func newCache() *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].entries = map[cacheKey]entry{}
		c.shards[i].uses = map[[12]byte]*sharedUse{}
	}
	return c
}

func (c *cache) stripeOf(scope string) uint32 {
	return uint32(maphash.String(c.seed, scope) % markStripes)
}

func (c *cache) marks(user, organization string) marks {
	m := marks{user: c.stripeOf("user:" + user), organization: c.stripeOf("organization:" + organization)}
	m.userAt, m.organizationAt = c.stripe[m.user].Load(), c.stripe[m.organization].Load()
	return m
}

func (c *cache) good(m marks) bool {
	return c.stripe[m.user].Load() == m.userAt && c.stripe[m.organization].Load() == m.organizationAt
}

// forget voids everything that was read from the given scopes.
func (c *cache) forget(scopes []string) {
	for _, s := range scopes {
		c.stripe[c.stripeOf(s)].Add(1)
	}
}

// forgetAll voids everything.
func (c *cache) forgetAll() {
	for i := range c.stripe {
		c.stripe[i].Add(1)
	}
}

func (c *cache) shard(k *cacheKey) *shard {
	return &c.shards[maphash.Bytes(c.seed, k.prefix[4:])%cacheShards]
}

func (c *cache) get(k cacheKey) *known {
	s := c.shard(&k)
	s.mu.RLock()
	e, ok := s.entries[k]
	s.mu.RUnlock()
	if !ok || !c.good(e.marks) {
		s.misses.Add(1)
		return nil
	}
	s.hits.Add(1)
	return e.known
}

// Memory is what the facts in memory are worth.
type Memory struct {
	Entries      int
	Hits, Misses uint64
}

// Memory returns what is remembered, and how often it was of use.
func (c *Checker) Memory() Memory {
	var m Memory
	for i := range c.facts.cache.shards {
		s := &c.facts.cache.shards[i]
		s.mu.RLock()
		m.Entries += len(s.entries)
		s.mu.RUnlock()
		m.Hits += s.hits.Load()
		m.Misses += s.misses.Load()
	}
	return m
}

// fill keeps what read returns. The marks are taken before the facts are read,
// so that whatever changes after that moment voids the entry, whether it was
// read with the change or without it.
func (c *cache) fill(k cacheKey, owner string, read func() (*known, error)) (*known, error) {
	m := c.marks(owner, k.organization)
	v, err := read()
	if err != nil {
		return nil, err
	}
	c.put(k, v, m)
	return v, nil
}

// put keeps what was read under marks, unless they have moved. v must not have
// been shown to anybody yet.
func (c *cache) put(k cacheKey, v *known, m marks) {
	if !c.good(m) {
		return
	}
	s := c.shard(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, replaced := s.entries[k]; !replaced {
		s.makeRoom()
		s.hold(k.prefix)
	}
	use := &s.uses[k.prefix].lastUse
	use.merge(v.used.at.Load(), v.used.idle.Load())
	v.used = use
	s.entries[k] = entry{v, m}
}

func (s *shard) makeRoom() {
	if len(s.entries) < shardEntries {
		return
	}
	for victim := range s.entries { // any: the order of a map is random
		delete(s.entries, victim)
		s.release(victim.prefix)
		return
	}
}

func (s *shard) hold(prefix [12]byte) {
	if s.uses[prefix] == nil {
		s.uses[prefix] = &sharedUse{}
	}
	s.uses[prefix].entries++
}

func (s *shard) release(prefix [12]byte) {
	if s.uses[prefix].entries--; s.uses[prefix].entries == 0 {
		delete(s.uses, prefix)
	}
}
