package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// newTime is how long a stopping server waits for the first request on a
// connection: one that a client opened for later may never bring any.
const newTime = time.Second

// connections knows those that an answer may be owed on. net/http alone would
// not do: once asked to shut down it reads a request that is on the way and
// drops it without an answer.
//
// Each request changes the state of its connection twice, so that takes no lock
// that others wait for.
type connections struct {
	states sync.Map      // of net.Conn: *atomic.Int32, a http.ConnState
	fewer  chan struct{} // gets a value when one of them is done
}

func newConnections() *connections {
	return &connections{fewer: make(chan struct{}, 1)}
}

// note follows the states of connections; it is the server's ConnState hook. Of
// one connection they come in order.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		now := new(atomic.Int32)
		now.Store(int32(state))
		c.states.Store(conn, now)
		return
	case http.StateClosed, http.StateHijacked:
		c.states.Delete(conn)
	default:
		if now, ok := c.states.Load(conn); ok {
			now.(*atomic.Int32).Store(int32(state))
		}
		if state == http.StateActive {
			return
		}
	}
	select {
	case c.fewer <- struct{}{}:
	default:
	}
}

// owed says whether an answer is owed, not counting new connections unless
// asked to.
func (c *connections) owed(alsoNew bool) (owed bool) {
	c.states.Range(func(_, now any) bool {
		state := http.ConnState(now.(*atomic.Int32).Load())
		owed = state == http.StateActive || alsoNew && state == http.StateNew
		return !owed
	})
	return owed
}

// answered waits until no answer is owed, or ctx ends.
func (c *connections) answered(ctx context.Context) {
	late := time.NewTimer(newTime)
	defer late.Stop()
	alsoNew := true
	for c.owed(alsoNew) {
		select {
		case <-c.fewer:
		case <-late.C:
			alsoNew = false
		case <-ctx.Done():
			return
		}
	}
}
