package login

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func TestBuckets(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"one IPv4 address", "192.0.2.1", "192.0.2.1", true},
		{"two IPv4 addresses", "192.0.2.1", "192.0.2.2", false},
		{"IPv4 and its mapped form", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"one /64", "2001:db8::1", "2001:db8::ffff:1:2", true},
		{"two /64", "2001:db8::1", "2001:db8:0:1::1", false},
		{"a zone", "fe80::1%eth0", "fe80::2%eth1", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := bucketOf(netip.MustParseAddr(c.a)), bucketOf(netip.MustParseAddr(c.b))
			if (a == b) != c.same {
				t.Errorf("%s in %v, %s in %v, want the same: %v", c.a, a, c.b, b, c.same)
			}
		})
	}
	if unknown := bucketOf(netip.Addr{}); unknown != (netip.Prefix{}) {
		t.Errorf("an unknown address has the bucket %v", unknown)
	}
}

func TestLimiterRefills(t *testing.T) {
	var l limiter
	a := netip.MustParseAddr("192.0.2.1")
	for i := range 20 {
		if wait := l.wait(a, guessRate, noon); wait != 0 {
			t.Fatalf("try %d has to wait %v", i+1, wait)
		}
		l.spend(a, guessRate, noon)
	}
	if wait := l.wait(a, guessRate, noon); wait != 6*time.Second {
		t.Errorf("the 21st waits %v, want 6 s", wait)
	}
	if wait := l.wait(netip.MustParseAddr("192.0.2.2"), guessRate, noon); wait != 0 {
		t.Errorf("another address waits %v", wait)
	}
	later := noon.Add(6 * time.Second)
	if wait := l.wait(a, guessRate, later); wait != 0 {
		t.Errorf("6 s later it waits %v", wait)
	}
	l.spend(a, guessRate, later)
	if wait := l.wait(a, guessRate, later.Add(-time.Hour)); wait == 0 {
		t.Error("setting the clock back refilled the bucket")
	}
	if wait := l.wait(a, guessRate, later.Add(time.Hour)); wait != 0 {
		t.Errorf("an hour later it waits %v", wait)
	}
}

func TestLimiterChargesForTriesSideBySide(t *testing.T) {
	var l limiter
	a := netip.MustParseAddr("192.0.2.1")
	for range 1000 { // all of them had passed wait before
		l.spend(a, guessRate, noon)
	}
	if wait := l.wait(a, guessRate, noon); wait != 126*time.Second {
		t.Errorf("waits %v, want what 21 tries take to come back: 126 s", wait)
	}
	if e := tooMany(126 * time.Second); e.RetryAfter != longestRetry {
		t.Errorf("Retry-After %d, want %d", e.RetryAfter, longestRetry)
	}
}

// TestRAT09_OneBucketPerNetwork: 2,000 failures from one IPv6 /64.
func TestRAT09_OneBucketPerNetwork(t *testing.T) {
	var l limiter
	let := 0
	for i := range 2000 {
		a := netip.MustParseAddr("2001:db8::").As16()
		binary.BigEndian.PutUint64(a[8:], uint64(i)*0x9e3779b97f4a7c15)
		client := netip.AddrFrom16(a)
		if l.wait(client, guessRate, noon) == 0 {
			let++
			l.spend(client, guessRate, noon)
		}
	}
	if let != 20 {
		t.Errorf("%d tries were let through, want 20", let)
	}
}

// TestDOS06_LimiterMemory: a million addresses.
func TestDOS06_LimiterMemory(t *testing.T) {
	var l limiter
	for i := range 1_000_000 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(i))
		l.spend(netip.AddrFrom4(a), guessRate, noon.Add(time.Duration(i)*time.Microsecond))
		if len(l.buckets) > maxBuckets {
			t.Fatalf("%d buckets after %d addresses", len(l.buckets), i+1)
		}
	}
	if len(l.buckets) != maxBuckets {
		t.Errorf("%d buckets are kept, want %d", len(l.buckets), maxBuckets)
	}
}
