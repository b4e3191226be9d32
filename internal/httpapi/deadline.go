package httpapi

import (
	"context"
	"sync"
	"time"
)

// deadline is a request's context, which ends at a time of its own. Requests that
// are answered from memory never ask when: only for the others is there a
// timer.
type deadline struct {
	context.Context // the connection's
	at              time.Time

	mu     sync.Mutex
	timed  context.Context // nil: nobody has asked
	cancel context.CancelFunc
}

// ask returns the context with the timer.
func (d *deadline) ask() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.timed
}

// end ends the context with its request.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timed == nil {
		d.timed = ended
		return
	}
	if d.cancel != nil {
		d.cancel()
	}
}

// ended is what a deadline is for those who ask when its request is over.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Deadline implements [context.Context].
func (d *deadline) Deadline() (time.Time, bool) { return d.ask().Deadline() }

// Done implements [context.Context].
func (d *deadline) Done() <-chan struct{} { return d.ask().Done() }

// Err implements [context.Context].
func (d *deadline) Err() error { return d.ask().Err() }

// Value implements [context.Context]. Package context asks it for its own way
// to the parent of what is derived; that is the one with the timer.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	timed := d.timed
	d.mu.Unlock()
	if timed == nil || timed == ended {
		return d.Context.Value(key)
	}
	return timed.Value(key)
}
