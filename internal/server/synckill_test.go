package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// killedAtSync is a command line that runs a server and kills it when it is
// about to make its n-th call that makes data durable.
func killedAtSync(tb testing.TB, n int) []string { return atSync(tb, n, "signal=SIGKILL") }

// atSync is a command line that runs a server and does something to its n-th
// call that makes data durable. The calls are counted for each thread, so n is a
// moment rather than a number of commits.
func atSync(tb testing.TB, n int, fault string) []string {
	tb.Helper()
	wrapper, _ := underStrace(tb, "-e", fmt.Sprintf("inject=fdatasync,fsync:%s:when=%d", fault, n))
	return wrapper
}

// underStrace is a command line that runs a server whose calls that make data
// durable are traced, and the file of the trace.
func underStrace(tb testing.TB, options ...string) (wrapper []string, trace string) {
	tb.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		tb.Fatalf("%v; scripts/install-deps.sh installs it", err)
	}
	// strace lets its child go when it is killed; so the child asks the system
	// to die with it.
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		tb.Fatalf("%v; it is part of util-linux", err)
	}
	trace = filepath.Join(tb.TempDir(), "trace")
	wrapper = []string{strace, "-f", "-qq", "-o", trace, "-e", "trace=fdatasync,fsync", "-e", "signal=none"}
	return append(append(wrapper, options...), setpriv, "--pdeathsig", "KILL"), trace
}

// TestNothingLostAtSync is experiment R2: killed on the edge of a sync, a
// commit is whole or absent, and acknowledged only when it is whole.
func TestNothingLostAtSync(t *testing.T) {
	if testing.Short() {
		t.Skip("needs strace and some seconds")
	}
	t.Parallel() // it waits, most of the time
	c := newCrash(t, onSQLite(t, t.TempDir()), 1)
	reached, moments := 0, []int{1, 2, 3, 5, 8, 13, 21, 34}
	if soak() > 0 {
		moments = nil
		for n := range 60 {
			moments = append(moments, n+1)
		}
	}
	for _, n := range moments {
		victim, serves := c.restartUnder(killedAtSync(t, n))
		if serves { // else it died while starting
			c.untilGone(victim)
		}
		if !victim.cmd.ProcessState.Exited() {
			reached++
		}
		c.restart(0)
		c.check(fmt.Sprintf("after a kill at sync %d", n))
	}
	c.summary("R2")
	if reached < len(moments) {
		t.Errorf("%d of %d servers died at their sync", reached, len(moments))
	}
}

// TestR5SyncFails: a change that the disk did not keep is not acknowledged, and
// the server makes no other: the same sync, tried again, would succeed without
// having kept anything. It is not ready, answers what it only reads, and after a
// start everything acknowledged is there.
func TestR5SyncFails(t *testing.T) {
	if testing.Short() {
		t.Skip("needs strace and some seconds")
	}
	t.Parallel()
	c := newCrash(t, onSQLite(t, t.TempDir()), 1)
	failed, moments := 0, []int{2, 5, 9}
	if soak() > 0 {
		moments = nil
		for n := range 20 {
			moments = append(moments, n+1)
		}
	}
	for _, n := range moments {
		node, serves := c.restartUnder(atSync(t, n, "error=EIO"))
		if serves { // else it refused to start
			failed++
			var stop atomic.Bool // for once: workers end by themselves when they hear 503
			late := time.AfterFunc(patience, func() { stop.Store(true) })
			c.load.run(&stop, node)
			late.Stop()
			for range 3 {
				a, err := call(http.MethodGet, node.url+"/readyz", "", nil)
				want(t, http.StatusServiceUnavailable, a, err)
				a, err = call(http.MethodPatch, node.url+c.load.workers[0].organization(""), c.target.token, map[string]any{"name": "nobody hears this"})
				want(t, http.StatusServiceUnavailable, a, err)
				a, err = call(http.MethodGet, node.url+c.load.workers[0].organization(""), c.target.token, nil)
				want(t, http.StatusOK, a, err)
			}
		}
		c.nodes[0].kill()
		c.restart(0)
		c.check(fmt.Sprintf("after sync %d failed", n))
		for w, n := c.load.workers[0], 0; n < 20; n++ {
			if !w.step() {
				t.Fatalf("after a start the answer is %s", w.last.Problem)
			}
		}
	}
	c.summary("R5")
	if failed == 0 {
		t.Error("no server met its failure while it served")
	}
}

// TestR5CheckpointSyncFails: SQLite tells nobody when the disk does not keep what
// it brings from its log into the file, and would try again until the disk says
// yes, which proves nothing. The server stops as after any failed sync, does not
// try again, not even when it ends, and keeps the log, which has everything.
func TestR5CheckpointSyncFails(t *testing.T) {
	if testing.Short() {
		t.Skip("needs strace and some seconds")
	}
	t.Parallel()
	c := newCrash(t, onSQLite(t, t.TempDir()), 1)
	for round := range max(1, soak()/20) {
		file := filepath.Join(c.target.dir, "sallyport.db")
		// Nothing but a checkpoint makes the file itself durable.
		wrapper, trace := underStrace(t, "-P", file, "-e", "inject=fdatasync,fsync:error=EIO:when=1")
		node, serves := c.restartUnder(wrapper)
		if !serves {
			t.Fatalf("the server does not start: %s", node.stderr)
		}
		var stop atomic.Bool // workers end by themselves when they hear 503
		late := time.AfterFunc(patience, func() { stop.Store(true) })
		c.load.run(&stop, node)
		late.Stop()
		a, err := call(http.MethodGet, node.url+"/readyz", "", nil)
		want(t, http.StatusServiceUnavailable, a, err)
		a, err = call(http.MethodPatch, node.url+c.load.workers[0].organization(""), c.target.token, map[string]any{"name": "nobody hears this"})
		want(t, http.StatusServiceUnavailable, a, err)
		// strace does not pass signals on: the one that counts is its child's.
		if err := syscall.Kill(-node.cmd.Process.Pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case <-node.ended:
		case <-time.After(patience):
			t.Fatalf("the server does not stop; its log: %s", node.stderr)
		}
		calls, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(calls), "sync("); n != 1 {
			t.Errorf("the file was made durable %d times, want one that fails:\n%s", n, calls)
		}
		if log, err := os.Stat(file + "-wal"); err != nil || log.Size() == 0 {
			t.Errorf("the write-ahead log is gone: %v", err)
		}
		c.restart(0)
		c.check(fmt.Sprintf("after the sync of checkpoint %d failed", round))
	}
	c.summary("R5 checkpoint")
}

// restartUnder kills the server and starts it under a wrapper. It reports false
// when the server ended before it served.
func (c *crash) restartUnder(wrapper []string) (n *node, serves bool) {
	c.tb.Helper()
	c.nodes[0].kill()
	n, err := launch(c.tb, wrapper, c.target.settings...)
	if err != nil && !errors.Is(err, errEnded) {
		c.tb.Fatal(err)
	}
	if err == nil {
		c.nodes[0] = n
	}
	return n, err == nil
}

// untilGone runs the load until the server has died of itself.
func (c *crash) untilGone(n *node) {
	c.tb.Helper()
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.load.run(&stop, n)
	}()
	select {
	case <-n.ended:
	case <-time.After(patience):
		c.tb.Errorf("the server does not reach its sync; its log: %s", n.stderr)
		n.kill()
	}
	stop.Store(true)
	<-done
}
