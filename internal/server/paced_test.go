package server_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// paced is what came of requests that were sent at a fixed rate, whether or not
// earlier ones were answered.
type paced struct {
	took   map[string][]time.Duration // by outcome, from when it was due to be sent
	lasted time.Duration
}

// atRate sends requests at a rate for a time, by as many senders as may wait at
// once, and returns when all are answered. Times count from the moment at which
// a request was due: what waited for a sender waited for the server.
func atRate(perSecond float64, lasts time.Duration, senders int, send func(n int) (outcome string)) paced {
	var next atomic.Int64
	var mu sync.Mutex
	var sending sync.WaitGroup
	p := paced{took: map[string][]time.Duration{}}
	begun := time.Now()
	for range senders {
		sending.Go(func() {
			for {
				n := next.Add(1) - 1
				due := begun.Add(time.Duration(float64(n) / perSecond * float64(time.Second)))
				if due.Sub(begun) >= lasts {
					return
				}
				time.Sleep(time.Until(due)) // the pace is the experiment
				outcome := send(int(n))
				took := time.Since(due)
				mu.Lock()
				p.took[outcome] = append(p.took[outcome], took)
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	p.lasted = time.Since(begun)
	return p
}

// count is how many requests came out so.
func (p paced) count(outcome string) int { return len(p.took[outcome]) }

// total is how many requests there were.
func (p paced) total() (n int) {
	for _, list := range p.took {
		n += len(list)
	}
	return n
}

// outcomes are the counts of all.
func (p paced) outcomes() map[string]int {
	n := map[string]int{}
	for outcome, list := range p.took {
		n[outcome] = len(list)
	}
	return n
}

// quantile is the time within which that part of the requests with an outcome
// was answered.
func (p paced) quantile(outcome string, part float64) time.Duration {
	list := slices.Sorted(slices.Values(p.took[outcome]))
	if len(list) == 0 {
		return 0
	}
	return list[min(int(part*float64(len(list))), len(list)-1)]
}

// inTime judges a time where the machine is there for nothing else, in the long
// tier. The quick one runs beside other tests, whose time slices are not ours to
// judge: it says what it saw.
func inTime(tb testing.TB, what string, took, within time.Duration) {
	tb.Helper()
	switch {
	case took <= within:
	case soak() > 0:
		tb.Errorf("%s took %v, want %v", what, took, within)
	default:
		tb.Logf("%s took %v, on a quiet machine it is to be %v", what, took, within)
	}
}
