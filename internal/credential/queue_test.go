package credential

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowHasher's hashes take the given time, on the clock of the bubble, and note how many ran at once.
func slowHasher(t *testing.T, each time.Duration) (h *Hasher, most *int) {
	h = cheapHasher(t)
	h.Concurrency = 2
	var mu sync.Mutex
	running := 0
	most = new(int)
	h.idKey = func(_, _ []byte, _, _ uint32, _ uint8, keyLen uint32) []byte {
		mu.Lock()
		running++
		*most = max(*most, running)
		mu.Unlock()
		time.Sleep(each)
		mu.Lock()
		running--
		mu.Unlock()
		return make([]byte, keyLen)
	}
	return h, most
}

const anyPassword = "correct horse battery staple"

// DOS-01: 500 sign-ins at one instant. Two run, 64 wait, the others hear at once that the server is busy.
func TestDOS01HashFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, most := slowHasher(t, 50*time.Millisecond)
		start := time.Now()
		var mu sync.Mutex
		done, atOnce, later := 0, 0, 0
		var flood sync.WaitGroup
		for range 500 {
			flood.Go(func() {
				err := h.VerifyUnknown(context.Background(), anyPassword)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					done++
				case !errors.Is(err, ErrBusy):
					t.Errorf("unexpected: %v", err)
				case time.Since(start) == 0:
					atOnce++
				default:
					later++
				}
			})
		}
		synctest.Wait()
		if h.Running() != 2 || h.Waiting() != 64 {
			t.Errorf("%d run and %d wait, want 2 and 64", h.Running(), h.Waiting())
		}
		flood.Wait()
		// 66 hashes, two at a time, 50 ms each: the last begins after 1.6 s.
		if done != 66 || atOnce != 434 || later != 0 {
			t.Errorf("%d done, %d refused at once, %d refused later; want 66, 434, 0", done, atOnce, later)
		}
		if *most != 2 {
			t.Errorf("%d hashes ran at once, want 2", *most)
		}
		if h.Running() != 0 || h.Waiting() != 0 {
			t.Errorf("afterwards %d run and %d wait", h.Running(), h.Waiting())
		}
	})
}

// DOS-01: as many are let in as can run and wait; the others hear at once, before anything is done for them.
func TestDOS01Admission(t *testing.T) {
	q := &Queue{Concurrency: 2, QueueLen: 3}
	var places []func()
	for range 5 {
		leave, err := q.Admit()
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, leave)
	}
	for range 3 { // who is turned away takes no place
		if _, err := q.Admit(); !errors.Is(err, ErrBusy) {
			t.Fatalf("a sixth is let in: %v", err)
		}
	}
	if q.Refused() != 3 {
		t.Errorf("%d are counted as refused, want 3", q.Refused())
	}
	places[0]()
	if _, err := q.Admit(); err != nil {
		t.Errorf("a place that was given back: %v", err)
	}
}

// Each piece of work is announced, and its end is.
func TestQueueBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := slowHasher(t, time.Second)
		var mu sync.Mutex
		began, ended := 0, 0
		h.Began = func() func() {
			mu.Lock()
			defer mu.Unlock()
			began++
			return func() {
				mu.Lock()
				defer mu.Unlock()
				ended++
			}
		}
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() { _ = h.VerifyUnknown(context.Background(), anyPassword) })
		}
		synctest.Wait()
		mu.Lock()
		if began != 2 || ended != 0 {
			t.Errorf("%d began and %d ended while two run and one waits", began, ended)
		}
		mu.Unlock()
		calls.Wait()
		if began != 3 || ended != 3 {
			t.Errorf("%d began and %d ended of 3", began, ended)
		}
	})
}

// Nobody waits longer than two seconds, and who is refused hears when to come back.
func TestQueueMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := slowHasher(t, 5*time.Second)
		var running sync.WaitGroup
		for range 2 {
			running.Go(func() { _ = h.VerifyUnknown(context.Background(), anyPassword) })
		}
		synctest.Wait()
		start := time.Now()
		_, err := h.Hash(context.Background(), anyPassword)
		var busy *BusyError
		if !errors.As(err, &busy) || busy.RetryAfter != 2*time.Second {
			t.Errorf("got %v; want busy, try again in 2 s", err)
		}
		if waited := time.Since(start); waited != 2*time.Second {
			t.Errorf("waited %v, want 2 s", waited)
		}
		running.Wait()
		if _, err := h.Hash(context.Background(), anyPassword); err != nil {
			t.Errorf("after the flood: %v", err)
		}
	})
}

// A caller who goes away while waiting leaves the queue; one who goes away while its hash runs keeps the slot until the end.
func TestQueueContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, most := slowHasher(t, time.Second)
		ctx, cancel := context.WithCancel(context.Background())
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() { _ = h.VerifyUnknown(ctx, anyPassword) })
		}
		synctest.Wait()
		for range 10 {
			calls.Go(func() {
				if err := h.VerifyUnknown(ctx, anyPassword); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want the context's error", err)
				}
			})
		}
		synctest.Wait()
		if h.Waiting() != 10 {
			t.Errorf("%d wait, want 10", h.Waiting())
		}
		cancel()
		synctest.Wait()
		if h.Running() != 2 || h.Waiting() != 0 {
			t.Errorf("after the callers went: %d run and %d wait, want 2 and 0", h.Running(), h.Waiting())
		}
		if err := h.VerifyUnknown(ctx, anyPassword); !errors.Is(err, context.Canceled) {
			t.Errorf("a call after the end: %v", err)
		}
		if err := h.VerifyUnknown(context.Background(), anyPassword); err != nil {
			t.Errorf("the next caller: %v", err)
		}
		calls.Wait()
		if *most != 2 {
			t.Errorf("%d hashes ran at once, want 2", *most)
		}
	})
}

func TestQueueFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, most := slowHasher(t, time.Second)
		h.Concurrency, h.QueueLen, h.MaxWait = 1, -1, 1500*time.Millisecond
		var calls sync.WaitGroup
		calls.Go(func() { _ = h.VerifyUnknown(context.Background(), anyPassword) })
		synctest.Wait()
		start := time.Now()
		err := h.VerifyUnknown(context.Background(), anyPassword)
		var busy *BusyError
		if !errors.As(err, &busy) || time.Since(start) != 0 {
			t.Errorf("with no queue: %v after %v; want busy at once", err, time.Since(start))
		} else if busy.RetryAfter != 2*time.Second {
			t.Errorf("retry after %v, want 1.5 s rounded up", busy.RetryAfter)
		}
		calls.Wait()
		if *most != 1 {
			t.Errorf("%d ran at once, want 1", *most)
		}
	})
	if q := new(Queue); q.Running() != 0 || cap(q.slots) < 1 {
		t.Errorf("the zero queue runs %d of %d", q.Running(), cap(q.slots))
	}
}
