package server_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// socket is what systemd holds for a server: the program comes and goes, the
// socket stays.
type socket struct {
	file    *os.File
	address string
}

func newSocket(tb testing.TB, listen string) socket {
	tb.Helper()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close() // the copy stays
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = file.Close() })
	return socket{file, l.Addr().String()}
}

// serve starts a server that is handed the socket as systemd does it.
func (s socket) serve(tb testing.TB, args ...string) (*node, error) {
	tb.Helper()
	line := append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh", program(tb), "serve", "--log-format", "json"}, args...)
	cmd := exec.Command("sh", line...)
	cmd.Env = environment()
	cmd.ExtraFiles = []*os.File{s.file}
	return awaitServing(tb, cmd)
}

// promptly sends a request, and says whether this machine let it come so late on a
// connection of its own that a server which is being replaced did not wait for it.
func promptly(url, token string) (a answer, late bool, err error) {
	const waits = 900 * time.Millisecond // it does for a second
	var begun, sent atomic.Int64
	trace := &httptrace.ClientTrace{
		ConnectStart: func(string, string) { begun.Store(time.Now().UnixNano()) },
		WroteRequest: func(httptrace.WroteRequestInfo) { sent.Store(time.Now().UnixNano()) },
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), http.MethodGet, url, nil)
	if err != nil {
		return answer{}, false, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	a, err = answerOf(httpClient.Do(req))
	late = begun.Load() > 0 && sent.Load()-begun.Load() > int64(waits)
	return a, late, err
}

// TestReplacedWithoutAFailure: while the program is stopped and started again
// on a socket that stays open, every request is answered as it should be.
func TestReplacedWithoutAFailure(t *testing.T) {
	t.Parallel() // it waits, most of the time
	i := onSQLite(t, t.TempDir())
	i.bootstrap(t)
	held := newSocket(t, "127.0.0.1:0")
	settings := append(i.settings, "--public-url", "http://"+held.address)
	n, err := held.serve(t, settings...)
	if err != nil {
		t.Fatal(err)
	}
	if n.url != "http://"+held.address {
		t.Fatalf("serves %s, want the socket %s", n.url, held.address)
	}
	var stop atomic.Bool
	var answered atomic.Int64
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for !stop.Load() {
				a, late, err := promptly(n.url+"/v1/me", i.token)
				if err != nil && late {
					continue
				}
				if err != nil || a.status != http.StatusOK {
					t.Errorf("a request failed: %v %v", a, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for range 3 {
		before := answered.Load()
		until(t, "some answers", func() bool { return answered.Load() >= before+50 || t.Failed() })
		if code := n.stop(t); code != 0 {
			t.Fatalf("exit code %d; the log: %s", code, n.stderr)
		}
		next, err := held.serve(t, settings...)
		if err != nil {
			t.Fatal(err)
		}
		n.cmd, n.ended, n.stderr = next.cmd, next.ended, next.stderr
	}
	stop.Store(true)
	running.Wait()
	t.Logf("%d requests over 3 replacements", answered.Load())
}

// A socket unit may say what the configuration may not: passwords in the clear
// over the network.
func TestOPS02SocketsAreJudgedLikeAddresses(t *testing.T) {
	i := onSQLite(t, t.TempDir())
	held := newSocket(t, "0.0.0.0:0")
	n, err := held.serve(t, i.settings...)
	if err == nil {
		t.Fatal("it serves the network without TLS")
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(n.stderr.String(), "SALLYPORT_LISTEN") {
		t.Errorf("exit code %d, want 2 and a line about SALLYPORT_LISTEN; the log: %s", code, n.stderr)
	}
}
