package server_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// The outcomes of a check, as the one who asked knows them.
const (
	accepts = "accepts"
	refuses = "refuses"
	neither = "neither" // no answer, or a 5xx
)

// observation is one check of a credential: when it was sent, when its answer
// came, by the one monotonic clock of the test.
type observation struct {
	Node       int
	Sent, Came time.Duration
	Outcome    string
}

// history is what happened to one credential that is accepted at first and
// refused by one change.
type history struct {
	mu           sync.Mutex
	begun        time.Time
	observations []observation
	// changed is when the answer to the change came; 0: not yet.
	changed time.Duration
}

func newHistory() *history { return &history{begun: time.Now()} }

func (h *history) now() time.Duration { return time.Since(h.begun) }

func (h *history) observe(node int, check func() string) string {
	sent := h.now()
	outcome := check()
	came := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.observations = append(h.observations, observation{node, sent, came, outcome})
	return outcome
}

// answered notes that the answer to the change has come.
func (h *history) answered() {
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed = now
}

// verdict is what a history proves.
type verdict struct {
	Ghosts int // acceptances that were sent after the answer to the change
	Flips  int // acceptances that were sent after a refusal by the same node came
	// After counts the checks that were sent after the answer, by outcome.
	After map[string]int
	Worst string // the worst acceptance, in words
}

// judge looks at everything that was observed.
func (h *history) judge() verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := verdict{After: map[string]int{}}
	refused := map[int]time.Duration{} // by node: when the first refusal came
	for _, o := range h.observations {
		if first, ok := refused[o.Node]; o.Outcome == refuses && (!ok || o.Came < first) {
			refused[o.Node] = o.Came
		}
	}
	var worst time.Duration
	for _, o := range h.observations {
		late := h.changed > 0 && o.Sent > h.changed
		if late {
			v.After[o.Outcome]++
		}
		if o.Outcome != accepts {
			continue
		}
		if late {
			v.Ghosts++
		}
		if first, ok := refused[o.Node]; ok && o.Sent > first {
			v.Flips++
		}
		if by := o.Sent - h.changed; late && by > worst {
			worst = by
			v.Worst = fmt.Sprintf("node %d accepted what was sent %v after the answer", o.Node, by)
		}
	}
	return v
}

// The judge finds what it is there for.
func TestHistoriesAreJudged(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name          string
		changed       time.Duration
		observations  []observation
		ghosts, flips int
	}{
		{"in order", 10 * ms, []observation{{0, 1 * ms, 2 * ms, accepts}, {0, 9 * ms, 12 * ms, accepts}, {0, 11 * ms, 12 * ms, refuses}, {1, 11 * ms, 12 * ms, neither}}, 0, 0},
		{"a ghost", 10 * ms, []observation{{0, 11 * ms, 12 * ms, accepts}, {1, 11 * ms, 12 * ms, refuses}}, 1, 0},
		{"a flip before the answer", 10 * ms, []observation{{0, 1 * ms, 3 * ms, refuses}, {0, 4 * ms, 5 * ms, accepts}}, 0, 1},
		{"another node", 10 * ms, []observation{{0, 1 * ms, 3 * ms, refuses}, {1, 4 * ms, 5 * ms, accepts}}, 0, 0},
		{"at the same time", 10 * ms, []observation{{0, 1 * ms, 5 * ms, refuses}, {0, 4 * ms, 6 * ms, accepts}}, 0, 0},
		{"no answer", 0, []observation{{0, 11 * ms, 12 * ms, accepts}}, 0, 0},
	} {
		h := &history{observations: c.observations, changed: c.changed}
		if v := h.judge(); v.Ghosts != c.ghosts || v.Flips != c.flips {
			t.Errorf("%s: %+v, want %d ghosts and %d flips", c.name, v, c.ghosts, c.flips)
		}
	}
}
