package store

import (
	"context"
	"slices"
	"sync"
)

// turns let the writers of one scope within this process queue before they take
// a connection. Without them everybody who waits for the lock of a busy
// organization would hold a connection meanwhile, until none is left for
// strangers.
type turns struct {
	mu  sync.Mutex
	all map[string]*turn
}

// turn is whose turn it is in a scope. It is there while somebody has or awaits
// it.
type turn struct {
	free   chan struct{} // holds one value while nobody has it
	wanted int
}

// take waits for the turn in each of the scopes, which are sorted, and returns
// what gives them back. It fails when ctx ends before.
func (t *turns) take(ctx context.Context, scopes []string) (give func(), err error) {
	var taken []string
	give = func() {
		for _, scope := range slices.Backward(taken) {
			t.leave(scope, true)
		}
	}
	for _, scope := range scopes {
		select {
		case <-t.want(scope):
			taken = append(taken, scope)
		case <-ctx.Done():
			t.leave(scope, false)
			give()
			return nil, ctx.Err()
		}
	}
	return give, nil
}

func (t *turns) want(scope string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.all[scope]
	if w == nil {
		w = &turn{free: make(chan struct{}, 1)}
		w.free <- struct{}{}
		if t.all == nil {
			t.all = map[string]*turn{}
		}
		t.all[scope] = w
	}
	w.wanted++
	return w.free
}

// leave ends the wait for a turn, or the turn.
func (t *turns) leave(scope string, had bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.all[scope]
	if had {
		w.free <- struct{}{}
	}
	if w.wanted--; w.wanted == 0 {
		delete(t.all, scope)
	}
}
