package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/store/storetest"
)

var commitFaults = []commitFault{
	{name: "before it is sent"},
	{name: "before it is sent, by a reset", reset: true},
	{name: "once it is sent", sent: true},
	{name: "once it is sent, by a reset", sent: true, reset: true},
	{name: "before its answer", sent: true, answered: true},
	{name: "before its answer, by a reset", sent: true, answered: true, reset: true},
	{name: "before it is sent, the server dies", kills: true},
	{name: "before its answer, the server dies", sent: true, answered: true, kills: true},
}

// keyedChange is a request that makes one thing.
type keyedChange struct {
	table, action string
	path          string // below the organization
	body          func(name string) any
}

var keyedChanges = []keyedChange{
	{"users", "application_user_created", "/application-users", func(name string) any { return map[string]any{"name": name} }},
	{"user_groups", "group_created", "/user-groups", func(name string) any {
		return map[string]any{"user_group_name": name, "description": ""}
	}},
	{"projects", "project_created", "/projects", func(name string) any {
		return map[string]any{"project_id": name, "billing_group_id": "b", "tags": map[string]string{}}
	}},
}

// lostCommit is experiment R8 at its sharpest: the connection breaks at the COMMIT
// of a change that its caller named by an Idempotency-Key.
type lostCommit struct {
	tb     testing.TB
	target *installation
	proxy  *commitProxy
	nodes  [2]*node // behind the proxy, and beside it
	// outcomes of the first try, by fault; repeats are all others.
	outcomes map[string]map[string]int
	repeats  int
}

// TestR8CommitIsCut: whatever became of the COMMIT, who repeats the request with
// its key, on whichever server, makes one thing and hears one answer.
func TestR8CommitIsCut(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	t.Parallel() // it waits for leases, most of the time
	pg := storetest.StartPostgres(t, storetest.Fast)
	target := onPostgres(t, pg.Database(t)).bootstrap(t)
	l := &lostCommit{tb: t, target: target, proxy: newCommitProxy(t, pg.Address()), outcomes: map[string]map[string]int{}}
	l.startBehind()
	l.nodes[1] = start(t, target.settings...)
	l.proxy.died = func() { l.nodes[0].kill() }
	l.ended(keyedChanges[0])
	rounds := max(1, soak()/10) * len(commitFaults)
	for n := range rounds {
		l.round(n, commitFaults[n%len(commitFaults)], keyedChanges[n%len(keyedChanges)])
	}
	if l.proxy.faults() != rounds {
		t.Errorf("%d commits failed in %d rounds", l.proxy.faults(), rounds)
	}
	ledger := newLedger(t)
	checkIntegrity(t, ledger, target)
	ledger.report(t, "at the end")
	line, err := json.Marshal(map[string]any{"experiment": "R8 commit", "rounds": rounds, "first answers": l.outcomes, "repeats": l.repeats})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", line)
}

// startBehind starts the server behind the proxy.
func (l *lostCommit) startBehind() {
	l.tb.Helper()
	behind, err := url.Parse(l.target.database)
	if err != nil {
		l.tb.Fatal(err)
	}
	behind.Host = l.proxy.address()
	settings := append([]string{}, l.target.settings...)
	settings[1] = behind.String()
	l.nodes[0] = start(l.tb, settings...)
}

// send sends a change under its key.
func (l *lostCommit) send(n *node, c keyedChange, key string) (answer, error) {
	text, err := json.Marshal(c.body(key))
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequest(http.MethodPost, n.url+"/v1/organization/"+l.target.organization+c.path, bytes.NewReader(text))
	if err != nil {
		return answer{}, err
	}
	req.GetBody = nil // as in call
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+l.target.token)
	req.Header.Set("Idempotency-Key", key)
	return answerOf(httpClient.Do(req))
}

// made counts what there is of a kind: things, events of their making, and
// remembered answers.
func (l *lostCommit) made(c keyedChange) string {
	l.tb.Helper()
	db := connect(l.tb, l.target)
	defer db.Close()
	return query1(l.tb, db, fmt.Sprintf(`SELECT (SELECT COUNT(*) FROM %s) || ' ' || (SELECT COUNT(*) FROM events WHERE action = '%s' AND outcome = 'success') || ' ' || (SELECT COUNT(*) FROM remembered_answers)`,
		c.table, c.action))[0]
}

// more is what made says after n more changes.
func more(made string, n int) string {
	var counts [3]int
	if _, err := fmt.Sscan(made, &counts[0], &counts[1], &counts[2]); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %d %d", counts[0]+n, counts[1]+n, counts[2]+n)
}

// ended ends every connection to the database while none is in use. Nothing of the
// next change was sent then, and its caller hears nothing of that.
func (l *lostCommit) ended(c keyedChange) {
	l.tb.Helper()
	var asking sync.WaitGroup
	for range 8 { // so that there are some
		asking.Go(func() {
			if a, err := call(http.MethodGet, l.nodes[0].url+"/v1/organization/"+l.target.organization+"/user", l.target.token, nil); err != nil || a.status != http.StatusOK {
				l.tb.Errorf("the members: %v %v", a, err)
			}
		})
	}
	asking.Wait()
	db := connect(l.tb, l.target)
	defer db.Close()
	query1(l.tb, db, `SELECT COUNT(pg_terminate_backend(pid, 10000))::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	before := l.made(c)
	if a, err := l.send(l.nodes[0], c, "ended"); err != nil || a.status >= 300 {
		l.tb.Errorf("after all connections ended: %v %v", a, err)
	}
	if made := l.made(c); made != more(before, 1) {
		l.tb.Errorf("after all connections ended there are %s, %s before, want one more of each", made, before)
	}
}

func (l *lostCommit) round(n int, f commitFault, c keyedChange) {
	l.tb.Helper()
	key, before := fmt.Sprintf("cut-%d-%d", n, rand.Uint32()), l.made(c)
	l.proxy.arm(f)
	begun := time.Now()
	a, err := l.send(l.nodes[0], c, key)
	outcome := "no answer"
	if err == nil {
		outcome = fmt.Sprint(a.status)
	}
	if l.outcomes[f.name] == nil {
		l.outcomes[f.name] = map[string]int{}
	}
	l.outcomes[f.name][outcome]++
	if err == nil && (a.status != http.StatusServiceUnavailable || !strings.Contains(string(a.body), `"service_unavailable"`)) || err != nil && !f.kills {
		l.tb.Errorf("cut %s: the first answer is %v %v, want 503 service_unavailable", f.name, a, err)
	}
	inTime(l.tb, "cut "+f.name+": the first answer", time.Since(begun), failsWithin)
	switch made := l.made(c); {
	case f.answered && made != more(before, 1):
		l.tb.Errorf("cut %s: there are %s, %s before: the database had not committed", f.name, made, before)
	case !f.sent && made != before:
		l.tb.Errorf("cut %s: there are %s, %s before: it was committed", f.name, made, before)
	}
	if f.kills {
		l.startBehind()
	}
	first := l.repeat(c, key, l.nodes[0], l.nodes[1], l.nodes[1])
	if second := l.repeat(c, key, l.nodes[0], l.nodes[1]); second != first {
		l.tb.Errorf("cut %s: one answer is %s, a later one %s", f.name, first, second)
	}
	if made := l.made(c); made != more(before, 1) {
		l.tb.Errorf("cut %s: there are %s, %s before, want one more of each", f.name, made, before)
	}
}

// failsWithin is how soon R8 wants to hear of a fault.
const failsWithin = 3 * time.Second

// repeat sends a change to servers at once until each has answered, and returns
// the one answer. While nobody else changes anything, each waits for the lease of
// a server that died.
func (l *lostCommit) repeat(c keyedChange, key string, nodes ...*node) string {
	l.tb.Helper()
	bodies := make([]string, len(nodes))
	var mu sync.Mutex
	var sending sync.WaitGroup
	for i := range bodies {
		sending.Go(func() {
			pace := time.NewTicker(checkRate)
			defer pace.Stop()
			for deadline := time.Now().Add(patience); ; <-pace.C {
				a, err := l.send(nodes[i], c, key)
				mu.Lock()
				l.repeats++
				mu.Unlock()
				busy := err == nil && a.status == http.StatusConflict && strings.Contains(string(a.body), `"idempotency_key_in_use"`)
				if err == nil && a.status < 300 {
					bodies[i] = string(a.body)
					return
				}
				if err == nil && !busy && a.status != http.StatusServiceUnavailable || time.Now().After(deadline) {
					l.tb.Errorf("repeating %s: %v %v", key, a, err)
					return
				}
			}
		})
	}
	sending.Wait()
	for _, body := range bodies {
		if body != bodies[0] {
			l.tb.Errorf("repeating %s: one answer is %s, another %s", key, bodies[0], body)
		}
	}
	return bodies[0]
}
