package access

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/sallyport/sallyport/internal/identity"
)

const (
	// DefaultEntries is how many pairs of a credential and an organization are
	// remembered unless an operator says otherwise.
	DefaultEntries = 1 << 16
	// ways is how many entries share a set. Sets that are small fill unevenly;
	// large ones take longer to look through.
	ways = 32
	// markStripes are 2 MiB. With 100 changes of strangers a second an entry is
	// void for nothing every 22 minutes; with 2^12 it was every 20 seconds
	// (BenchmarkStrangersChanges).
	markStripes = 1 << 18
	// counterStripes keep cores from counting in the same place.
	counterStripes = 64
)

// How cold an entry is. It is hot when it was used since it came, and cools
// while room is made in its set; the coldest makes room. One that comes is cold,
// half of them as cold as can be: those that were used outlive it, and when
// nothing is used twice, chance decides and some of a great many stay.
const (
	hot     = 0
	cold    = 2
	coldest = 3
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
//
// Entries live in sets of fixed size. Who looks for one takes no lock: the
// entries do not change, and an entry says itself what it is the facts of. Who
// puts one locks its set. A set makes room by itself, as the caches of processors
// do (re-reference interval prediction): what is void goes first, then what was
// not used since it came. So a million credentials that pass by once push out
// hardly any that are in use.
type cache struct {
	seed   maphash.Seed
	stripe []atomic.Uint64
	sets   []set

	// What many entries have in common.
	users     *shared[identity.User, identity.User]
	places    *shared[place, placeContent]
	standings *shared[standing, standingContent]

	entries atomic.Int64
	counts  [counterStripes]counts
}

// set are the entries of the credentials whose prefixes fall into it; all those
// of one credential are in one set.
type set struct {
	mu   sync.Mutex // of those who put
	tags [ways]atomic.Uint32
	ways [ways]atomic.Pointer[known]
}

// counts are for those who watch.
type counts struct {
	hits, misses, evictions atomic.Uint64
	_                       [5]uint64 // a cache line each
}

// marks are the positions of two scopes' marks.
type marks struct {
	user, organization     uint32
	userAt, organizationAt uint64
}

func newCache(entries, stripes int) *cache {
	return &cache{
		seed: maphash.MakeSeed(), stripe: make([]atomic.Uint64, stripes), sets: make([]set, max(1, (entries+ways-1)/ways)),
		users:     newShared(func(u *identity.User) identity.User { return *u }),
		places:    newShared((*place).content),
		standings: newShared((*standing).content),
	}
}

func (c *cache) stripeOf(scope string) uint32 {
	return uint32(maphash.String(c.seed, scope) % uint64(len(c.stripe)))
}

func (c *cache) marks(user, organization string) marks {
	m := marks{user: c.stripeOf("user:" + user), organization: c.stripeOf("organization:" + organization)}
	m.userAt, m.organizationAt = c.stripe[m.user].Load(), c.stripe[m.organization].Load()
	return m
}

func (c *cache) good(m *marks) bool {
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

// find is where the entries of a credential are, and how they are tagged there.
// Which set that is nobody outside can know.
func (c *cache) find(prefix *[12]byte) (s *set, tag uint32, n *counts) {
	h := maphash.Bytes(c.seed, prefix[4:])
	i, _ := bits.Mul64(h, uint64(len(c.sets)))
	return &c.sets[i], uint32(h), &c.counts[h>>32%counterStripes]
}

func (c *cache) get(k cacheKey) *known {
	s, tag, n := c.find(&k.prefix)
	for i := range s.tags {
		if s.tags[i].Load() != tag {
			continue
		}
		// The tag may be that of an entry that made room: ask the entry.
		e := s.ways[i].Load()
		if e == nil || !e.is(&k) {
			continue
		}
		if !c.good(&e.marks) {
			break
		}
		e.warm()
		n.hits.Add(1)
		return e
	}
	n.misses.Add(1)
	return nil
}

// owner is whose credential it is, as far as any entry says, be it void: this
// never changes. Empty: none does.
func (c *cache) owner(prefix *[12]byte) string {
	s, tag, _ := c.find(prefix)
	for i := range s.tags {
		if s.tags[i].Load() != tag {
			continue
		}
		if e := s.ways[i].Load(); e != nil && e.of(prefix) {
			return e.User.ID
		}
	}
	return ""
}

// fill keeps what read returns. The marks are taken before the facts are read,
// so that whatever changes after that moment voids the entry, whether it was
// read with the change or without it. What was asked about an organization that
// does not exist is not kept: there is no end of those.
func (c *cache) fill(k cacheKey, owner string, read func() (*known, error)) (*known, error) {
	m := c.marks(owner, k.organization)
	v, err := read()
	if err != nil {
		return nil, err
	}
	if v.Organization.ID == k.organization && v.User.ID == owner {
		c.put(k, v, m)
	}
	return v, nil
}

// put keeps what was read under marks, unless they have moved. v must not have
// been shown to anybody yet.
func (c *cache) put(k cacheKey, v *known, m marks) {
	if !c.good(&m) {
		return
	}
	v.name, v.marks = [11]byte(k.prefix[1:]), m
	v.cold.Store(cold + uint32(rand.IntN(2)))
	s, tag, n := c.find(&k.prefix)
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.join(&k, v)
	if at < 0 {
		at = s.room(c, v, n)
	}
	if old := s.ways[at].Load(); old != nil {
		c.release(old)
	} else {
		c.entries.Add(1)
	}
	c.hold(v)
	// Between the two, others find an entry that is not what they look for.
	s.tags[at].Store(tag)
	s.ways[at].Store(v)
}

// join makes v the entry of its credential beside those for other
// organizations: they share the time of last use. It returns where the one that
// v replaces is; negative: there is none.
func (s *set) join(k *cacheKey, v *known) (at int) {
	at = -1
	for i := range s.ways {
		e := s.ways[i].Load()
		if e == nil || !e.of(&k.prefix) {
			continue
		}
		if v.used != e.used {
			e.used.merge(v.used.at.Load(), v.used.idle.Load())
			v.used = e.used
		}
		if e.organization == k.organization {
			at = i
			v.cold.Store(hot) // used again
		}
	}
	return at
}

// room is the place that a newcomer gets: a free one, a void one, or that of the
// coldest, by chance among equals, so that those who come in turn and are a few
// too many do not all miss each other.
//
// An organization that holds half of a set cools and displaces its own there
// and what is new, but nothing of others that is in use.
func (s *set) room(c *cache, newcomer *known, n *counts) int {
	own := 0
	for i := range s.ways {
		e := s.ways[i].Load()
		if e == nil || !c.good(&e.marks) {
			return i
		}
		if e.organization == newcomer.organization {
			own++
		}
	}
	n.evictions.Add(1)
	spared := func(e *known) bool {
		return own >= ways/2 && e.organization != newcomer.organization && e.cold.Load() < cold
	}
	return s.coldest(spared)
}

// coldest cools the set until one is the coldest, and returns that one.
func (s *set) coldest(spared func(*known) bool) int {
	at, most := -1, uint32(0)
	for from, n := rand.IntN(ways), 0; n < ways; n++ {
		i := (from + n) % ways
		e := s.ways[i].Load()
		if is := e.cold.Load(); !spared(e) && (at < 0 || is > most) {
			at, most = i, is
		}
	}
	for i := range s.ways {
		if e := s.ways[i].Load(); most < coldest && !spared(e) {
			e.cold.Store(min(e.cold.Load()+coldest-most, coldest))
		}
	}
	return at
}

// hold shares what an entry has in common with others, down to the texts.
func (c *cache) hold(v *known) {
	v.User = c.users.hold(v.User)
	v.place = c.places.hold(v.place)
	v.standing = c.standings.hold(v.standing)
	v.Token.UserID = v.User.ID
}

func (c *cache) release(v *known) {
	c.users.release(v.User)
	c.places.release(v.place)
	c.standings.release(v.standing)
}

// Memory is what the facts in memory are worth.
type Memory struct {
	Entries, Capacity int
	Hits, Misses      uint64
	// Evictions are entries that were good and made room for others.
	Evictions uint64
}

// Memory returns what is remembered, and how often it was of use.
func (c *Checker) Memory() Memory {
	cache := c.facts.cache
	m := Memory{Entries: int(cache.entries.Load()), Capacity: len(cache.sets) * ways}
	for i := range cache.counts {
		n := &cache.counts[i]
		m.Hits += n.hits.Load()
		m.Misses += n.misses.Load()
		m.Evictions += n.evictions.Load()
	}
	return m
}
