package server_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// Experiments R1 and R3 of the reliability plan, in their quick form: real
// servers under a load of acknowledged changes are killed at random moments
// and started again. Each prints its seed and its counts.

const workers = 8

// crash is one experiment.
type crash struct {
	tb     testing.TB
	target *installation
	ledger *ledger
	load   *load
	random *rand.Rand
	seed   uint64
	nodes  []*node
	starts []time.Duration // how long each start took, until ready
}

func newCrash(tb testing.TB, target *installation, nodes int) *crash {
	tb.Helper()
	target.bootstrap(tb)
	l, seed := newLedger(tb), rand.Uint64()
	tb.Logf("seed %d", seed)
	c := &crash{tb: tb, target: target, ledger: l, load: newLoad(l, target, workers, seed), random: rand.New(rand.NewPCG(seed, 0xdead)), seed: seed}
	for range nodes {
		c.nodes = append(c.nodes, start(tb, target.settings...))
	}
	return c
}

// during runs the load, lets fault happen at a random moment, after some changes
// and while others are made, and ends the load once the fault is over.
func (c *crash) during(fault func()) {
	c.tb.Helper()
	end := c.loaded()
	for deadline := time.Now().Add(patience); end == nil; end = c.loaded() {
		if time.Now().After(deadline) {
			c.tb.Fatal("no load lasts until the moment of the fault")
		}
		c.check("after a load that ended early")
	}
	time.Sleep(time.Duration(c.random.IntN(20)) * time.Millisecond) // it is a part of the experiment
	fault()
	end()
}

// loaded begins the load, waits for a random moment, and returns what ends it. It
// is nil when the load has ended by itself: all workers have met a connection that
// an earlier fault had killed, and heard 503.
func (c *crash) loaded() (end func()) {
	c.tb.Helper()
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.load.run(&stop, c.nodes...)
	}()
	moment, ended := c.ledger.now()+60+c.random.IntN(200), false
	until(c.tb, "the moment of the fault", func() bool {
		select {
		case <-done:
			ended = true
		default:
		}
		return ended || c.ledger.now() >= moment
	})
	if ended {
		return nil
	}
	return func() {
		stop.Store(true)
		<-done
	}
}

// check compares database and ledger, and tries what was revoked.
func (c *crash) check(when string) {
	c.tb.Helper()
	c.ledger.check(c.tb, c.target)
	c.load.settle()
	for _, w := range c.load.workers {
		w.url = c.nodes[0].url
		w.tryDead(c.tb, when)
	}
	c.ledger.report(c.tb, when)
}

// tryDead tries each revoked token until the server answers: a connection that a
// fault has killed makes it say that it is to be asked again.
func (w *worker) tryDead(tb testing.TB, when string) {
	tb.Helper()
	for _, t := range w.dead {
		until(tb, when+": the server answers", func() bool { return w.try(t, http.StatusUnauthorized) })
	}
}

// restart starts a killed node.
func (c *crash) restart(i int) {
	c.tb.Helper()
	begun := time.Now()
	c.nodes[i] = start(c.tb, c.target.settings...)
	c.starts = append(c.starts, time.Since(begun))
}

// summary prints the counts as one line of JSON.
func (c *crash) summary(experiment string) {
	c.tb.Helper()
	slices.Sort(c.starts)
	line := map[string]any{"experiment": experiment, "seed": c.seed, "faults": len(c.starts), "operations": c.ledger.counts()}
	if n := len(c.starts); n > 0 {
		line["ready_median_ms"], line["ready_max_ms"] = c.starts[n/2].Milliseconds(), c.starts[n-1].Milliseconds()
	}
	text, err := json.Marshal(line)
	if err != nil {
		c.tb.Fatal(err)
	}
	c.tb.Logf("%s", text)
	if c.ledger.counts()[ok] < 10*len(c.starts) {
		c.tb.Errorf("the load made too few changes to prove anything: %s", text)
	}
}

// readyWithin is what R1 asks of a start on SQLite. The median is compared: a
// busy machine may delay one start.
const readyWithin = 2 * time.Second

func rounds() int {
	if testing.Short() {
		return 3
	}
	return max(30, soak())
}

func TestNothingLost(t *testing.T) {
	t.Parallel() // it waits, most of the time
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		c := newCrash(t, onSQLite(t, t.TempDir()), 1)
		for range rounds() {
			c.during(c.nodes[0].kill)
			c.restart(0)
			c.check("after a kill")
		}
		c.summary("R1")
		inTime(t, "half of the starts", c.starts[len(c.starts)/2], readyWithin)
	})
	t.Run("postgres", func(t *testing.T) {
		if testing.Short() {
			t.Skip("needs PostgreSQL")
		}
		t.Parallel()
		c := newCrash(t, onPostgres(t, storetest.PostgresURL(t)), 2)
		for range rounds() {
			victim := c.random.IntN(2)
			c.during(c.nodes[victim].kill)
			c.restart(victim)
			c.check("after a kill of one of two nodes")
		}
		c.summary("R3 node")
	})
	t.Run("database", func(t *testing.T) {
		if testing.Short() {
			t.Skip("needs PostgreSQL")
		}
		t.Parallel()
		nothingLostWithDatabase(t)
	})
}

// backWithin is how soon changes have to be possible again after the database
// is back, by R3.
const backWithin = 10 * time.Second

// nothingLostWithDatabase kills PostgreSQL under two nodes, which go on
// without a restart.
func nothingLostWithDatabase(t *testing.T) {
	p := storetest.StartPostgres(t, storetest.Durable)
	c := newCrash(t, onPostgres(t, p.Database(t)), 2)
	for range 3 {
		c.during(func() {
			if err := p.Kill(); err != nil {
				t.Fatal(err)
			}
		})
		for _, n := range c.nodes {
			if a, err := call(http.MethodGet, n.url+"/readyz", "", nil); err != nil || a.status != http.StatusServiceUnavailable {
				t.Errorf("without its database the server says %v %v, want 503", a, err)
			}
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		for _, n := range c.nodes {
			awaitReady(t, n)
		}
		c.starts = append(c.starts, time.Since(begun))
		c.check("after a kill of the database")
	}
	c.summary("R3 database")
}

func awaitReady(tb testing.TB, n *node) {
	tb.Helper()
	for begun := time.Now(); ; {
		a, err := call(http.MethodGet, n.url+"/readyz", "", nil)
		if err == nil && a.status == http.StatusOK {
			inTime(tb, "to be ready", time.Since(begun), backWithin)
			return
		}
		if time.Since(begun) > patience {
			tb.Fatalf("not ready within %v: %v %v; its log: %s", patience, a, err, n.stderr)
		}
	}
}
