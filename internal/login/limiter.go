package login

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

const (
	// maxBuckets bounds the memory of a limiter, about 10 MB.
	maxBuckets = 100_000
	// evictSample is how many buckets are looked at for the one to go.
	evictSample = 8
	// longestRetry bounds what clients are told to wait, in seconds.
	longestRetry = 60
)

// rate is how much an address may do: burst at once, refilled by perMinute.
type rate struct{ burst, perMinute float64 }

var (
	// guessRate is for doors where a secret is checked; only failures count.
	guessRate = rate{burst: 20, perMinute: 10}
	// openRate is for other doors that need no credential; each call counts.
	openRate = rate{burst: 60, perMinute: 60}
)

// limiter counts by client address, in memory. It keeps one address from
// trying many names; what protects one name from many addresses are the
// counters in the database. The zero limiter is ready for use.
type limiter struct {
	mu      sync.Mutex
	buckets map[netip.Prefix]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// bucketOf is whom an address counts for: an IPv4 address, or an IPv6 /64,
// which one customer commonly has to themselves. Addresses that could not be
// derived share one bucket.
func bucketOf(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	p, _ := client.Prefix(bits) // fails for the zero address only
	return p
}

// wait is how long an address has to wait until it may try; 0 when it need not.
func (l *limiter) wait(client netip.Addr, r rate, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.until(l.left(bucketOf(client), r, now))
}

// spend takes one from an address's bucket. Tries that ran side by side may
// take it below zero, so that they cost what they would have one by one.
func (l *limiter) spend(client netip.Addr, r rate, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.take(bucketOf(client), r, now)
}

// call is wait and spend in one step.
func (l *limiter) call(client netip.Addr, r rate, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := bucketOf(client)
	if wait := r.until(l.left(key, r, now)); wait > 0 {
		return wait
	}
	l.take(key, r, now)
	return 0
}

func (l *limiter) left(key netip.Prefix, r rate, now time.Time) float64 {
	b, ok := l.buckets[key]
	if !ok {
		return r.burst
	}
	passed := max(now.Sub(b.at), 0) // a clock that was set back refills nothing
	return min(b.left+passed.Minutes()*r.perMinute, r.burst)
}

func (l *limiter) take(key netip.Prefix, r rate, now time.Time) {
	left := max(l.left(key, r, now)-1, -r.burst)
	if l.buckets == nil {
		l.buckets = map[netip.Prefix]bucket{}
	}
	if _, ok := l.buckets[key]; !ok && len(l.buckets) >= maxBuckets {
		l.evict()
	}
	l.buckets[key] = bucket{left, now}
}

// evict drops the oldest of a few buckets; the order of a map is random.
func (l *limiter) evict() {
	var victim netip.Prefix
	var oldest time.Time
	seen := 0
	for key, b := range l.buckets {
		if seen == 0 || b.at.Before(oldest) {
			victim, oldest = key, b.at
		}
		if seen++; seen == evictSample {
			break
		}
	}
	delete(l.buckets, victim)
}

// until is how long it takes from what is left to one whole try.
func (r rate) until(left float64) time.Duration {
	if left >= 1 {
		return 0
	}
	return time.Duration((1 - left) / r.perMinute * float64(time.Minute))
}

// Call counts a call that needs no credential, for the use cases of other
// rooms that have one: all of them share the 60 calls a minute of a client
// address (docs/parameters.md 3.3). The error is the kind TooMany. The zero
// address stands for all callers whose address is unknown.
func (s *Service) Call(client netip.Addr) error {
	if wait := s.calls.call(client, openRate, s.DB.Now()); wait > 0 {
		return tooMany(wait)
	}
	return nil
}

// tooMany is the one answer to whoever has to wait.
func tooMany(wait time.Duration) *identity.Error {
	return &identity.Error{
		Kind: identity.TooMany, Code: "too_many_requests", RetryAfter: retrySeconds(wait),
		Message: "too many attempts: wait as long as the Retry-After header says, at most a minute, then try again",
	}
}

func retrySeconds(wait time.Duration) int {
	return int(min(max(math.Ceil(wait.Seconds()), 1), longestRetry))
}
