package server_test

import (
	"net"
	"net/http"
	"os"
	ossignal "os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// stopsWithin is how long an orderly stop may take, by R19.
const stopsWithin = 15 * time.Second

// TestOrderlyStop is experiment R19: SIGTERM under load. Behind a load balancer
// no request fails. Clients that send on regardless meet a closed port at some
// time, but no request that the server took up stays without its answer.
func TestOrderlyStop(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel() // it waits, most of the time
			c := newCrash(t, onEngine(t, engine), 1)
			stops := 4
			if testing.Short() {
				stops = 2
			}
			for k, again := 0, 0; k < stops; {
				proven := c.stopUnderLoad(k%2 == 0)
				c.restart(0)
				c.check("after a stop")
				if again++; proven || again > tries {
					k, again = k+1, 0
				}
			}
			if n := c.ledger.counts()[happened]; n > 0 {
				t.Errorf("%d changes were made and not answered", n)
			}
			c.summary("R19")
		})
	}
}

// stopUnderLoad asks the node to stop while workers send, until it is not
// ready when they are balanced, else until they cannot connect. It reports false
// when this machine was too slow for a verdict.
func (c *crash) stopUnderLoad(balanced bool) (proven bool) {
	c.tb.Helper()
	var stop atomic.Bool
	var running sync.WaitGroup
	before := c.ledger.counts()[unknown]
	running.Go(func() { c.load.run(&stop, c.nodes[0]) })
	sent := c.ledger.now() + 100
	until(c.tb, "some changes", func() bool {
		a, err := call(http.MethodGet, c.nodes[0].url+"/healthz", "", nil)
		want(c.tb, http.StatusOK, a, err)
		return c.ledger.now() >= sent
	})
	var balancer asker
	if balanced {
		running.Go(func() {
			for begun := time.Now(); balancer.ready(c.nodes[0], begun); {
				begun = time.Now()
			}
			stop.Store(true)
		})
	}
	begun := time.Now()
	if code := c.nodes[0].stop(c.tb); code != 0 {
		c.tb.Errorf("exit code %d, want 0; the log: %s", code, c.nodes[0].stderr)
	}
	inTime(c.tb, "the stop", time.Since(begun), stopsWithin)
	running.Wait()
	failed := c.ledger.counts()[unknown] - before
	switch {
	case !balanced || failed == 0:
	case !balancer.inTime():
		tooSlow(c.tb, "a stop", &balancer)
		return false
	default:
		c.tb.Errorf("%d requests failed that were sent before the server was not ready", failed)
	}
	return true
}

// TestNotReadyFirst: after the signal the server says that it is not ready
// while it still answers, so that load balancers turn elsewhere.
func TestNotReadyFirst(t *testing.T) {
	i := onSQLite(t, t.TempDir()).bootstrap(t)
	for range tries {
		if notReadyFirst(t, i) {
			return
		}
	}
}

// notReadyFirst reports false when this machine was too slow for a verdict.
func notReadyFirst(t *testing.T, i *installation) (proven bool) {
	t.Helper()
	n := start(t, i.settings...)
	var balancer asker
	begun := time.Now()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for {
		a, err := call(http.MethodGet, n.url+"/readyz", "", nil)
		balancer.note(time.Since(begun))
		if err != nil && balancer.inTime() {
			t.Fatalf("the server was gone before it said that it is not ready: %v", err)
		}
		if err != nil {
			tooSlow(t, "a stop", &balancer)
			return false
		}
		begun = time.Now()
		if a.status == http.StatusServiceUnavailable {
			break
		}
	}
	a, err := call(http.MethodGet, n.url+"/v1/organization/"+i.organization, i.token, nil)
	if balancer.note(time.Since(begun)); err != nil && !balancer.inTime() {
		tooSlow(t, "a stop", &balancer)
		return false
	}
	want(t, http.StatusOK, a, err)
	<-n.ended
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	return true
}

// TestSecondSignal ends a server that does not want to wait any longer.
func TestSecondSignal(t *testing.T) {
	n := start(t, onSQLite(t, t.TempDir()).settings...)
	for range 2 {
		if err := n.cmd.Process.Signal(syscall.SIGINT); err != nil {
			break // the first one was enough
		}
		call(http.MethodGet, n.url+"/healthz", "", nil) // the signals are two
	}
	<-n.ended
}

// TestHangUp: who asks for the settings to be read anew, as other servers do on
// SIGHUP, ends no service.
func TestHangUp(t *testing.T) {
	// The program obeys who started these tests with the signal ignored, as nohup
	// does; what is listened for here is not ignored by what is started.
	heard := make(chan os.Signal, 1)
	ossignal.Notify(heard, syscall.SIGHUP)
	defer ossignal.Stop(heard)
	n := start(t, onSQLite(t, t.TempDir()).settings...)
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the server says what it makes of SIGHUP", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://")) // a request would have a line in the log, too
		if err != nil {
			t.Fatalf("the server is gone: %v; its log: %s", err, n.stderr)
		}
		return c.Close() == nil && strings.Contains(n.stderr.String(), "SIGHUP changes nothing")
	})
	if code := n.stop(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// TestOPS03_Health is row OPS-03: whoever asks learns whether the server is well, and
// nothing else.
func TestOPS03_Health(t *testing.T) {
	n := start(t, onSQLite(t, t.TempDir()).settings...)
	for _, path := range []string{"/healthz", "/readyz"} {
		if a, err := call(http.MethodPost, n.url+path, "", nil); err != nil || a.status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %v %v, want 405", path, a, err)
		}
		for _, agent := range []string{"", "kube-probe/1.29", "GoogleHC/1.0"} {
			req, err := http.NewRequest(http.MethodGet, n.url+path+"?verbose=1", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("User-Agent", agent)
			resp, err := httpClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := make([]byte, 100)
			k, _ := resp.Body.Read(body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK || string(body[:k]) != "ok\n" {
				t.Errorf("%s with %q: %d %q, want 200 and ok", path, agent, resp.StatusCode, body[:k])
			}
			for name := range resp.Header {
				if strings.EqualFold(name, "Server") || strings.Contains(strings.ToLower(name), "version") {
					t.Errorf("%s tells %s: %s", path, name, resp.Header.Get(name))
				}
			}
		}
	}
	// Nothing beside the one port, and nothing internal on it.
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars"} {
		a, err := call(http.MethodGet, n.url+path, "", nil)
		want(t, http.StatusNotFound, a, err)
	}
}
