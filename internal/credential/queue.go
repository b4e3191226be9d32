package credential

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// The defaults of a Queue.
const (
	DefaultQueueLen = 64
	DefaultMaxWait  = 2 * time.Second
)

// Queue bounds work that cannot be stopped once begun: so many at once, so many waiting, in the order they came, and nobody
// longer than MaxWait. The zero Queue has the defaults. Set the fields before first use.
type Queue struct {
	Concurrency int           // at once; 0 means as many as the program may use cores
	QueueLen    int           // waiting; 0 means DefaultQueueLen, negative means nobody waits
	MaxWait     time.Duration // 0 means DefaultMaxWait
	// Began is called before each piece of work and returns what is called after it; nil: nobody wants to know.
	Began func() (ended func())

	once     sync.Once
	slots    chan struct{}
	waiting  atomic.Int64
	admitted atomic.Int64
	refused  atomic.Int64
}

// ErrBusy is what errors.Is finds in a [*BusyError].
var ErrBusy = errors.New("too much to do")

// BusyError says that the work was not begun because too much other work is ahead of it.
type BusyError struct {
	RetryAfter time.Duration // a time after which to try again, whole seconds, at least one
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%v: try again in %d seconds", ErrBusy, int64(e.RetryAfter.Seconds()))
}

func (e *BusyError) Unwrap() error { return ErrBusy }

// Running returns how much work is going on, never more than Concurrency.
func (q *Queue) Running() int {
	q.once.Do(q.open)
	return len(q.slots)
}

// Waiting returns how many callers wait for their turn, never more than QueueLen.
func (q *Queue) Waiting() int { return int(min(q.waiting.Load(), int64(max(q.queueLen(), 0)))) }

// Refused returns how often work was not begun because too much was ahead of it.
func (q *Queue) Refused() int64 { return q.refused.Load() }

// Admit gives a caller one of as many places as work runs and waits, or returns a [*BusyError] at once. Whoever has much to
// do around the work itself, as reading and counting for a login, asks for a place first, so that a flood costs no more than
// the queue holds. The place is given back with leave. It is no turn: that is still waited for.
func (q *Queue) Admit() (leave func(), err error) {
	q.once.Do(q.open)
	if q.admitted.Add(1) > q.Places() {
		q.admitted.Add(-1)
		return nil, q.busy()
	}
	return func() { q.admitted.Add(-1) }, nil
}

// Places is how many may be admitted at once.
func (q *Queue) Places() int64 {
	q.once.Do(q.open)
	return int64(cap(q.slots) + max(q.queueLen(), 0))
}

// TurnAway is the error for somebody who is refused a place although there is one, because they have enough.
func (q *Queue) TurnAway() error { return q.busy() }

// enter waits for a turn. The caller does its work and calls leave, whatever becomes of the context meanwhile: a slot is held
// by what runs, not by who still wants the result.
func (q *Queue) enter(ctx context.Context) (leave func(), err error) {
	q.once.Do(q.open)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// While somebody waits no slot is free: a slot given back goes to the first in line at once. So this passes nobody.
	select {
	case q.slots <- struct{}{}:
		return q.begin(), nil
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > int64(q.queueLen()) {
		return nil, q.busy()
	}
	timer := time.NewTimer(q.maxWait())
	defer timer.Stop()
	select {
	case q.slots <- struct{}{}:
		return q.begin(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, q.busy()
	}
}

// begin is what a turn begins with; it returns what ends it.
func (q *Queue) begin() (leave func()) {
	if q.Began == nil {
		return func() { <-q.slots }
	}
	ended := q.Began()
	return func() {
		ended()
		<-q.slots
	}
}

func (q *Queue) open() {
	n := q.Concurrency
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	q.slots = make(chan struct{}, n)
}

func (q *Queue) busy() error {
	q.refused.Add(1)
	seconds := (q.maxWait() + time.Second - 1) / time.Second
	return &BusyError{RetryAfter: max(seconds, 1) * time.Second}
}

func (q *Queue) queueLen() int {
	if q.QueueLen == 0 {
		return DefaultQueueLen
	}
	return q.QueueLen
}

func (q *Queue) maxWait() time.Duration {
	if q.MaxWait == 0 {
		return DefaultMaxWait
	}
	return q.MaxWait
}
