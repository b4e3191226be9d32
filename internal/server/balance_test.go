package server_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// inNotice is half of the time for which a server that is asked to stop takes new
// requests. Who asks whether it is ready more rarely than that, because this
// machine does not let it, may send requests to a closed port: what comes of them
// is no fault of the server's.
const inNotice = time.Second / 2

// tries is how often an experiment is made again that this machine was too slow
// for.
const tries = 5

// asker asks servers whether they are ready, as what balances between them does.
type asker struct{ longest atomic.Int64 }

// ready asks a server, and notes how long after begun it is answered.
func (a *asker) ready(n *node, begun time.Time) bool {
	answer, err := call(http.MethodGet, n.url+"/readyz", "", nil)
	a.note(time.Since(begun))
	return err == nil && answer.status == http.StatusOK
}

func (a *asker) note(took time.Duration) { a.longest.Store(max(a.longest.Load(), int64(took))) }

// inTime says whether the answers came often enough for a verdict.
func (a *asker) inTime() bool { return time.Duration(a.longest.Load()) < inNotice }

// tooSlow says that an experiment proves nothing this time.
func tooSlow(tb testing.TB, what string, a *asker) {
	tb.Helper()
	tb.Logf("%s: between two questions whether a server is ready there were %v, so this proves nothing", what, time.Duration(a.longest.Load()))
}
