package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// newTime is how long a stopping server waits for the first request on a
// connection: one that a client opened for later may never bring any.
const newTime = time.Second

// connections counts those that an answer may be owed on. net/http alone would
// not do: once asked to shut down it reads a request that is on the way and
// drops it without an answer.
type connections struct {
	mu     sync.Mutex
	states map[net.Conn]http.ConnState
	fewer  chan struct{} // gets a value when one of them is done
}

func newConnections() *connections {
	return &connections{states: map[net.Conn]http.ConnState{}, fewer: make(chan struct{}, 1)}
}

// note follows the states of connections; it is the server's ConnState hook.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateNew || state == http.StateActive {
		c.states[conn] = state
		return
	}
	delete(c.states, conn)
	select {
	case c.fewer <- struct{}{}:
	default:
	}
}

// owed says whether an answer is owed, not counting new connections unless
// asked to.
func (c *connections) owed(alsoNew bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, state := range c.states {
		if alsoNew || state == http.StateActive {
			return true
		}
	}
	return false
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
