package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// capacityTime and halfTime are how long each of the two steps takes.
	capacityTime = 3 * time.Second
	halfTime     = 5 * time.Second
	// inFlight bounds the requests that wait for their answers.
	inFlight = 256
	// latencyTarget is what 99 of 100 answers are to keep.
	latencyTarget = time.Millisecond
)

// halfLoad measures how long answers take while half of what can be answered is
// asked, and prints the line. Requests come at times that are settled before,
// at random as those of people who know nothing of each other do, and time
// counts from then: an answer that comes late makes the later ones late, and no
// request waits unseen for its turn.
func (d door) halfLoad(ctx context.Context, s *process, clients int) error {
	capacity, err := d.capacity(ctx, s, clients)
	if err != nil {
		return err
	}
	o := &openLoop{door: d, server: s, due: arrivals(capacity/2, halfTime)}
	if err := o.run(ctx); err != nil {
		return err
	}
	slices.Sort(o.took)
	slices.Sort(o.late)
	fmt.Printf("%s latency at half load: p50 %v, p99 %v, p99.9 %v (target: p99 under %v; %.0f of %.0f requests a second; sent late by %v in the median, p99 %v; %d processors, shared with who asks)\n",
		d.name, percentile(o.took, 0.5), percentile(o.took, 0.99), percentile(o.took, 0.999), latencyTarget,
		capacity/2, capacity, percentile(o.late, 0.5), percentile(o.late, 0.99), runtime.NumCPU())
	return nil
}

// capacity is how many requests a second are answered when the next is sent as
// soon as one is.
func (d door) capacity(ctx context.Context, s *process, clients int) (float64, error) {
	// A guess by few says how many take about the time.
	const few = 2000
	requests, begun := few, time.Now()
	if err := s.load(ctx, d, few, clients); err != nil {
		return 0, err
	}
	requests = int(few * capacityTime.Seconds() / time.Since(begun).Seconds())
	begun = time.Now()
	err := s.load(ctx, d, requests, clients)
	return float64(requests) / time.Since(begun).Seconds(), err
}

// arrivals are times of so many requests a second on average, independent of
// each other.
func arrivals(rate float64, length time.Duration) (list []time.Duration) {
	random := rand.New(rand.NewPCG(1, 2))
	for at := 0.0; at < length.Seconds(); at += random.ExpFloat64() / rate {
		list = append(list, time.Duration(at*float64(time.Second)))
	}
	return list
}

// openLoop sends requests when they are due, whether or not those before are
// answered.
type openLoop struct {
	door   door
	server *process
	due    []time.Duration
	// took is from when a request was due to the end of its answer; late is
	// from then to when it was sent, which is this program's part.
	took, late []time.Duration
}

func (o *openLoop) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	o.took, o.late = make([]time.Duration, len(o.due)), make([]time.Duration, len(o.due))
	ready := make(chan int, len(o.due))
	var asking sync.WaitGroup
	var asked atomic.Int64
	begun := time.Now()
	for range inFlight {
		asking.Go(func() {
			for i := range ready {
				o.late[i] = time.Since(begun) - o.due[i]
				token := o.server.Tokens[asked.Add(1)%int64(len(o.server.Tokens))]
				if err := o.server.ask(ctx, o.door, token); err != nil {
					stop(err)
				}
				o.took[i] = time.Since(begun) - o.due[i]
			}
		})
	}
	o.send(ctx, begun, ready)
	close(ready)
	asking.Wait()
	return context.Cause(ctx)
}

// send hands out requests as they are due. It sleeps by the system's clock:
// timers of the Go runtime may be late by as much as is to be measured. The
// runtime takes one who sleeps so for busy, so there is one processor more.
func (o *openLoop) send(ctx context.Context, begun time.Time, ready chan<- int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + 1))
	for i, due := range o.due {
		for wait := due - time.Since(begun); wait > 0; wait = due - time.Since(begun) {
			pause := syscall.NsecToTimespec(wait.Nanoseconds())
			_ = syscall.Nanosleep(&pause, nil) // interrupted: the rest is slept too
		}
		if ctx.Err() != nil {
			return
		}
		ready <- i
	}
}

// percentile is that of a sorted list, as people read times.
func percentile(sorted []time.Duration, part float64) time.Duration {
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))].Round(10 * time.Microsecond)
}
