package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport/scripts/child"
)

const (
	// halfRounds are taken in turns, of halfTime each.
	halfRounds = 5
	halfTime   = time.Second
	// firstRate is asked for, in requests a second, to see what one takes; what
	// that says is asked for next. After so many steps a rate hardly changes.
	firstRate = 5_000
	rateSteps = 3
	// latencyTarget is what 99 of 100 answers are to keep.
	latencyTarget = time.Millisecond
)

// setting is where servers and who asks run, and so what half load is.
type setting struct {
	half string
	// servers and asker are the processors of each; nil: all are everybody's.
	servers, asker *unix.CPUSet
}

// shared has all processors for everybody, half of which are to be busy: with
// the server and with who asks it.
var shared = setting{half: fmt.Sprintf("%d processors that it shares with who asks", runtime.NumCPU())}

// apart gives one processor to the server, half of which is to be busy, and
// another to who asks. It is not ok where there is only one.
func apart() (s setting, ok bool, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return s, false, err
	}
	s = setting{"one processor of its own", new(unix.CPUSet), new(unix.CPUSet)}
	s.servers.Set(next(&all))
	if all.Count() == 0 {
		return s, false, nil
	}
	s.asker.Set(next(&all))
	return s, true, nil
}

// next takes a processor out of a set.
func next(set *unix.CPUSet) int {
	n := 0
	for !set.IsSet(n) {
		n++
	}
	set.Clear(n)
	return n
}

// processors are those of which half are to be busy.
func (s setting) processors() int {
	if s.servers != nil {
		return s.servers.Count()
	}
	return runtime.NumCPU()
}

// halfLoad measures how long answers take while half of what the first server
// can answer is asked of each, in turns, and prints a line for each. Requests
// come at times that are settled before, at random as those of people who know
// nothing of each other do, and time counts from then: an answer that comes late
// makes the later ones late, and no request waits unseen for its turn.
func (s setting) halfLoad(ctx context.Context, d door, servers []*process) error {
	var list []*halved
	for _, server := range servers {
		h, err := s.halve(ctx, d, server)
		if err != nil {
			return err
		}
		defer h.close()
		list = append(list, h)
	}
	rate, err := list[0].rate(ctx)
	if err != nil {
		return servers[0].Failed(err)
	}
	due := arrivals(rate, halfTime)
	for round := range halfRounds + 1 {
		for _, h := range list {
			if round == 1 {
				h.forget() // connections, caches and the heap have grown
			}
			if err := h.round(ctx, due); err != nil {
				return h.server.Failed(err)
			}
		}
	}
	for i, h := range list {
		fmt.Printf("%s at half load of %s, %v", d.name, s.half, h)
		if i == 0 {
			fmt.Printf(" (target: p99 under %v; %.0f requests a second)", latencyTarget, rate)
		}
		fmt.Println()
	}
	return nil
}

// halved is a server, who asks it, and what came of it.
type halved struct {
	*asker
	setting
	server *process
	counted
}

// counted is what came of some rounds.
type counted struct {
	rounds        int
	server, asker time.Duration // of processors
	took, delayed latencies
}

func (s setting) halve(ctx context.Context, d door, server *process) (*halved, error) {
	requests, err := d.written(ctx, server)
	if err != nil {
		return nil, err
	}
	a, err := newAsker(server.URL, requests, s.asker)
	if err != nil {
		return nil, err
	}
	h := &halved{asker: a, setting: s, server: server}
	// On each connection at once: ours ends one on which nothing comes.
	if err := h.run(ctx, make([]time.Duration, lanes)); err != nil {
		return nil, errors.Join(server.Failed(err), a.close())
	}
	return h, nil
}

func (h *halved) forget() { h.counted = counted{} }

func (h *halved) round(ctx context.Context, due []time.Duration) error {
	before, err := h.server.cpu()
	if err != nil {
		return err
	}
	own, err := child.UsedBy(os.Getpid())
	if err != nil {
		return err
	}
	if err := h.run(ctx, due); err != nil {
		return err
	}
	now, err := child.UsedBy(os.Getpid())
	if err != nil {
		return err
	}
	after, err := h.server.cpu()
	c := &h.counted
	c.rounds, c.server, c.asker = c.rounds+1, c.server+after-before, c.asker+now.Own-own.Own
	c.took.add(h.asker.took)
	c.delayed.add(h.late)
	return err
}

// rate is of how many requests a second half of the processors are busy, by what
// one takes when about so many come. When the next is sent as soon as a
// connection is free, many come at once, and each takes less.
func (h *halved) rate(ctx context.Context) (rate float64, err error) {
	rate = firstRate
	for range rateSteps {
		h.forget()
		due := arrivals(rate, halfTime)
		if err := h.round(ctx, due); err != nil {
			return 0, err
		}
		busy := h.counted.server
		if h.setting.asker == nil {
			busy += h.counted.asker
		}
		rate = float64(h.processors()*len(due)) / 2 / busy.Seconds()
	}
	return rate, nil
}

func (h *halved) String() string {
	c := &h.counted
	share := func(used time.Duration) float64 {
		return 100 * used.Seconds() / (float64(c.rounds) * halfTime.Seconds())
	}
	return fmt.Sprintf("%s: p50 %v, p99 %v (rounds %v to %v), p99.9 %v; it has %.0f %% of a processor, who asks %.0f %%; asked late by p50 %v, p99 %v, p99.9 %v",
		strings.TrimPrefix(h.server.kind, "serve-"), c.took.part(0.5), c.took.part(0.99), slices.Min(c.took.p99), slices.Max(c.took.p99), c.took.part(0.999),
		share(c.server), share(c.asker), c.delayed.part(0.5), c.delayed.part(0.99), c.delayed.part(0.999))
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

// written are the requests for each token as they go over the wire.
func (d door) written(ctx context.Context, s *process) ([][]byte, error) {
	list := make([][]byte, len(s.Tokens))
	for i, token := range s.Tokens {
		req, err := d.request(ctx, s, token)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := req.Write(&b); err != nil {
			return nil, err
		}
		list[i] = b.Bytes()
	}
	return list, nil
}

// latencies are sorted, those of all rounds and the 99th percentile of each.
type latencies struct {
	all, p99 []time.Duration
}

func (l *latencies) add(round []time.Duration) {
	slices.Sort(round)
	l.all = append(l.all, round...)
	slices.Sort(l.all)
	l.p99 = append(l.p99, percentile(round, 0.99))
}

func (l *latencies) part(part float64) time.Duration { return percentile(l.all, part) }

// percentile is that of a sorted list, as people read times.
func percentile(sorted []time.Duration, part float64) time.Duration {
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))].Round(10 * time.Microsecond)
}
