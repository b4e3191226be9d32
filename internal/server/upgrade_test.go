package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// nextProgram builds the release after this one: the same, with one more step
// of the schema.
var nextProgram = sync.OnceValues(func() (string, error) {
	steps, err := filepath.Glob("../store/migrations/*.sql")
	if err != nil {
		return "", err
	}
	text := filepath.Join(programDir, "next.sql")
	if err := os.WriteFile(text, []byte("ALTER TABLE organizations ADD COLUMN motto TEXT NOT NULL DEFAULT '';\n"), 0o600); err != nil {
		return "", err
	}
	folder, err := filepath.Abs("../store/migrations")
	if err != nil {
		return "", err
	}
	name := filepath.Join(folder, fmt.Sprintf("%04d_organizations_have_a_motto.compatible.sql", len(steps)+1))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{name: text}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(programDir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	file := filepath.Join(programDir, "sallyport-next")
	out, err := exec.Command("go", "build", "-overlay", list, "-o", file, "github.com/sallyport/sallyport/cmd/sallyport").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the next program: %w\n%s", err, out)
	}
	return file, nil
})

// balancer is what stands before several nodes: it asks each whether it is
// ready, and sends requests to those that are, without repeating any.
type balancer struct {
	mu    sync.Mutex
	nodes []*node
	away  map[*node]bool // are not ready
	turn  int
	asker
}

func (b *balancer) set(nodes ...*node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = nodes
}

// watch asks the nodes whether they are ready, until stop is set.
func (b *balancer) watch(stop *atomic.Bool) {
	for begun := time.Now(); !stop.Load(); {
		b.mu.Lock()
		all := append([]*node{}, b.nodes...)
		b.mu.Unlock()
		for _, n := range all {
			b.know(n, b.ready(n, begun))
		}
		begun = time.Now()
		time.Sleep(20 * time.Millisecond) // as balancers do
	}
}

func (b *balancer) know(n *node, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away[n] = !ready
}

func (b *balancer) add(n *node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = append(b.nodes, n)
}

// next is the node that is asked next.
func (b *balancer) next() *url.URL {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.nodes {
		if b.turn++; !b.away[b.nodes[b.turn%len(b.nodes)]] {
			break
		}
	}
	u, _ := url.Parse(b.nodes[b.turn%len(b.nodes)].url) // it came from one
	return u
}

// proxy is the balancer as a server in front.
func (b *balancer) proxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(b.next())
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}
}

// TestR12UpgradeUnderTraffic rolls three nodes forward to the next release and
// back again, one after the other, while audited changes and reads go on
// behind a balancer: no request fails and nothing acknowledged is lost.
func TestR12UpgradeUnderTraffic(t *testing.T) {
	t.Parallel() // it waits, most of the time
	for range tries {
		if upgradeUnderTraffic(t) {
			return
		}
	}
}

// upgradeUnderTraffic reports false when this machine was too slow for a verdict.
func upgradeUnderTraffic(t *testing.T) (proven bool) {
	t.Helper()
	c := newCrash(t, onEngine(t, "postgres"), 3)
	next, err := nextProgram()
	if err != nil {
		t.Fatal(err)
	}
	b := balancer{away: map[*node]bool{}}
	b.set(c.nodes...)
	proxy := httptest.NewServer(b.proxy())
	defer proxy.Close()
	front := proxy.URL
	var stop atomic.Bool
	var running sync.WaitGroup
	running.Go(func() { b.watch(&stop) })
	running.Go(func() { c.load.run(&stop, &node{url: front}) })
	// progress waits until the nodes at hand have answered for a while, or one has
	// not.
	unanswered := 0
	progress := func() {
		for until := c.ledger.now() + 100; c.ledger.now() < until && unanswered == 0 && c.ledger.counts()[unknown] == 0; {
			if a, err := call(http.MethodGet, front+"/healthz", "", nil); err != nil || a.status != http.StatusOK {
				t.Logf("whether it is well: %v %v", a, err)
				unanswered++
			}
		}
	}
	roll := func(file string) {
		for i, old := range c.nodes {
			n := startProgram(t, file, c.target.settings...)
			b.add(n)
			progress()
			if code := old.stop(t); code != 0 {
				t.Fatalf("exit code %d, want 0; the log: %s", code, old.stderr)
			}
			c.nodes[i] = n
		}
	}
	db := connect(t, c.target)
	defer db.Close()
	const steps = "SELECT COUNT(*) FROM schema_migrations"
	before := query1(t, db, steps)[0]
	roll(next)
	if after := query1(t, db, steps)[0]; after == before {
		t.Errorf("the next release has the same %v steps of the schema", after)
	}
	roll(program(t))
	stop.Store(true)
	running.Wait()
	failed := unanswered + c.ledger.counts()[unknown]
	c.check("after an upgrade and its way back")
	if failed > 0 && !b.inTime() {
		tooSlow(t, "an upgrade", &b.asker)
		for _, n := range c.nodes {
			n.kill()
		}
		return false
	}
	if failed > 0 {
		t.Errorf("%d requests failed", failed)
	}
	c.summary("R12")
	return true
}
