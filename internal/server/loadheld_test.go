package server_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

// longRounds is from how many rounds on the load is held for ten minutes, and has
// to be served in time: then the machine is there for nothing else.
const longRounds = 100

// heldChecks is how many tokens are checked in a second.
const heldChecks = 3000.0

// Experiment R14: fixed rates of everything at once, held for minutes by one
// server. The generator runs on the same cores.
func TestR14LoadHeld(t *testing.T) {
	if soak() == 0 {
		t.Skip("takes a quiet machine and a while: make soak")
	}
	lasts := 30 * time.Second
	if soak() >= longRounds {
		lasts = 10 * time.Minute
	}
	t.Run("sqlite", func(t *testing.T) { loadHeld(t, onSQLite(t, t.TempDir()), lasts) })
	t.Run("postgres", func(t *testing.T) { loadHeld(t, onPostgres(t, storetest.PostgresURL(t)), lasts) })
}

// change renames the organization, which is an audited write.
func (o *overload) change(n int) string {
	return o.ask(http.MethodPatch, map[string]any{"name": "Name " + string(rune('A'+n%26))})
}

// read reads the organization.
func (o *overload) read(int) string { return o.ask(http.MethodGet, nil) }

func (o *overload) ask(method string, body any) string {
	a, err := call(method, o.node.url+"/v1/organization/"+o.target.organization, o.target.token, body)
	switch {
	case err != nil:
		return err.Error()
	case a.status != http.StatusOK:
		return a.String()
	}
	return ok
}

func loadHeld(t *testing.T, target *installation, lasts time.Duration) {
	o := newOverload(t, target)
	kinds := []struct {
		name    string
		rate    float64
		senders int
		send    func(int) string
		within  time.Duration // p99
	}{
		{"checks", heldChecks, 32, o.check, 20 * time.Millisecond},
		{"reads", 100, 16, o.read, 50 * time.Millisecond},
		{"changes", 150, 16, o.change, 50 * time.Millisecond},
		{"logins", 20, 32, o.login, time.Second},
	}
	results := make([]paced, len(kinds))
	var running sync.WaitGroup
	for i, k := range kinds {
		running.Go(func() { results[i] = atRate(k.rate, lasts, k.senders, k.send) })
	}
	running.Wait()
	line := map[string]any{"experiment": "R14", "seconds": lasts.Seconds(), "rss_mib": o.node.memory(t)}
	for i, k := range kinds {
		r := results[i]
		line[k.name] = map[string]any{
			"per_s": float64(r.total()) / r.lasted.Seconds(), "errors": r.total() - r.count(ok), "p50_us": r.quantile(ok, 0.5).Microseconds(),
			"p99_us": r.quantile(ok, 0.99).Microseconds(), "p999_us": r.quantile(ok, 0.999).Microseconds(),
		}
		if r.count(ok) != r.total() {
			t.Errorf("%s: %d of %d failed", k.name, r.total()-r.count(ok), r.total())
		}
		if p99 := r.quantile(ok, 0.99); p99 > k.within && soak() >= longRounds {
			t.Errorf("%s: p99 is %v, want %v", k.name, p99, k.within)
		}
	}
	text, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
}
