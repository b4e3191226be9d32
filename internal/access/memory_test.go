package access

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/sallyport/sallyport/policy"
)

// remembered are facts of so many credentials, and the keys of some of them in
// no order.
func remembered(b *testing.B, entries int) (*facts, []cacheKey) {
	b.Helper()
	f := &facts{cache: newCache(entries*5/4, markStripes)}
	for i := range entries {
		f.remember(row(i))
	}
	r := rand.New(rand.NewPCG(5, 5))
	keys := make([]cacheKey, 0, min(entries, 1<<16))
	for len(keys) < cap(keys) {
		row := row(r.IntN(entries))
		if k := f.held(row); k != nil {
			key := cacheKey{organization: row.Organization.ID}
			copy(key.prefix[:], row.Token.Prefix)
			keys = append(keys, key)
		}
	}
	return f, keys
}

// decide is what a check does with facts from memory.
func (f *facts) decide(key cacheKey, now time.Time) bool {
	k := f.cache.get(key)
	return k != nil && k.allows(now)
}

func (k *known) allows(now time.Time) bool {
	facts := k.at(now, netip.AddrFrom4([4]byte{203, 0, 113, 9}))
	facts.Covered = true
	d := policy.Decide(&facts)
	return d.Allowed()
}

// inMap are the facts that are remembered in a map of Go.
func (f *facts) inMap() map[cacheKey]*known {
	m := make(map[cacheKey]*known, f.cache.entries.Load())
	for i := range f.cache.sets {
		for j := range f.cache.sets[i].ways {
			if k := f.cache.sets[i].ways[j].Load(); k != nil {
				key := cacheKey{organization: k.organization}
				copy(key.prefix[:], k.Token.Prefix)
				m[key] = k
			}
		}
	}
	return m
}

// sizes are how many credentials are remembered; SALLYPORT_BENCH_ENTRIES adds
// one that takes more memory (5,000,000: 5 GB) than a test may.
func sizes() []int {
	list := []int{1_000, 100_000, 1_000_000}
	if n, _ := strconv.Atoi(os.Getenv("SALLYPORT_BENCH_ENTRIES")); n > 0 {
		list = append(list, n)
	}
	return list
}

// BenchmarkHits finds facts in memory and decides on them, for more and more
// that is remembered; the ratio is that to the smallest. What grows is how far
// the memory of the machine is away: the same facts in a map of Go, which cannot
// be written meanwhile, and facts that need not be found at all, say how much of
// it is the cache's own.
func BenchmarkHits(b *testing.B) {
	first := map[string]float64{}
	for _, n := range sizes() {
		f, keys := remembered(b, n)
		m, found := f.inMap(), make([]*known, len(keys))
		for i, key := range keys {
			found[i] = m[key]
		}
		for _, way := range []struct {
			name   string
			decide func(i int) bool
		}{
			{"cache", func(i int) bool { return f.decide(keys[i], start) }},
			{"map", func(i int) bool { return m[keys[i]].allows(start) }},
			{"found", func(i int) bool { return found[i].allows(start) }},
		} {
			b.Run(fmt.Sprintf("%s/entries=%d", way.name, n), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if !way.decide(i % len(keys)) {
						b.Fatal("refused, or not there")
					}
					i++
				}
				took := float64(b.Elapsed()) / float64(b.N)
				if first[way.name] == 0 {
					first[way.name] = took
				}
				b.ReportMetric(took/first[way.name], "ratio")
			})
		}
	}
}

// BenchmarkHitsParallel is BenchmarkHits from all cores; in every hundredth
// step of one of the two, facts are put as well. With -cpu 1,2 it shows what
// cores cost each other.
func BenchmarkHitsParallel(b *testing.B) {
	f, keys := remembered(b, 100_000)
	for _, every := range []int{0, 100} {
		b.Run(fmt.Sprintf("put_every=%d", every), func(b *testing.B) {
			b.RunParallel(func(loop *testing.PB) {
				for i := rand.IntN(len(keys)); loop.Next(); i++ {
					key := keys[i%len(keys)]
					if !f.decide(key, start) {
						b.Error("refused, or not there")
						return
					}
					if every > 0 && i%every == 0 {
						k := keyOf(scanned(i)).at("elsewhere")
						f.cache.put(k, blank(k), f.cache.marks("nobody", "elsewhere"))
					}
				}
			})
		})
	}
}

// BenchmarkStrangersChanges says, for numbers of marks, how many of the entries
// a minute of 100 changes a second voids for nothing, as changes of others share
// their marks.
func BenchmarkStrangersChanges(b *testing.B) {
	const changes, entries = 100 * 60, 10_000
	for _, bits := range []int{12, 14, 16, 18, 20} {
		b.Run(fmt.Sprintf("marks=2^%d", bits), func(b *testing.B) {
			c := newCache(1, 1<<bits)
			void, of := 0, 0
			for b.Loop() {
				list := make([]marks, entries)
				for i := range list {
					list[i] = c.marks(fmt.Sprint("u", i), fmt.Sprint("o", i/100))
				}
				for i := range changes {
					c.forget([]string{fmt.Sprint("user:stranger", i)})
				}
				for i := range list {
					if of++; !c.good(&list[i]) {
						void++
					}
				}
			}
			b.ReportMetric(100*float64(void)/float64(of), "%void/min")
			b.ReportMetric(float64(int(1)<<bits)/128, "KiB")
		})
	}
}
