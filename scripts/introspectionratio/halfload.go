package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	// halfRounds are taken in turns, of halfTime each.
	halfRounds = 5
	halfTime   = time.Second
	// capacityRequests are enough to say how many a second there can be.
	capacityRequests = 100_000
	// latencyTarget is what 99 of 100 answers are to keep.
	latencyTarget = time.Millisecond
)

// halfLoad measures how long answers take while half of what the first server
// can answer is asked of each, in turns, and prints a line for each. Requests
// come at times that are settled before, at random as those of people who know
// nothing of each other do, and time counts from then: an answer that comes late
// makes the later ones late, and no request waits unseen for its turn.
func (d door) halfLoad(ctx context.Context, servers []*process) error {
	var list []*halved
	for _, s := range servers {
		h, err := d.halve(ctx, s)
		if err != nil {
			return err
		}
		defer h.close()
		list = append(list, h)
	}
	capacity, err := list[0].capacity(ctx)
	if err != nil {
		return servers[0].Failed(err)
	}
	due := arrivals(capacity/2, halfTime)
	for range halfRounds {
		for _, h := range list {
			if err := h.round(ctx, due); err != nil {
				return h.server.Failed(err)
			}
		}
	}
	for i, h := range list {
		fmt.Printf("%s at half load, %v", d.name, h)
		if i == 0 {
			fmt.Printf(" (target: p99 under %v; %.0f of %.0f requests a second)", latencyTarget, capacity/2, capacity)
		}
		fmt.Println()
	}
	return nil
}

// halved is a server, who asks it, and what came of it.
type halved struct {
	*asker
	server        *process
	rounds        int
	used          time.Duration // of processors, by the server
	took, delayed latencies
}

func (d door) halve(ctx context.Context, s *process) (*halved, error) {
	requests, err := d.written(ctx, s)
	if err != nil {
		return nil, err
	}
	a, err := newAsker(s.URL, requests)
	return &halved{asker: a, server: s}, err
}

func (h *halved) round(ctx context.Context, due []time.Duration) error {
	before, err := h.server.cpu()
	if err != nil {
		return err
	}
	if err := h.run(ctx, due); err != nil {
		return err
	}
	after, err := h.server.cpu()
	h.rounds, h.used = h.rounds+1, h.used+after-before
	h.took.add(h.asker.took)
	h.delayed.add(h.late)
	return err
}

func (h *halved) String() string {
	share := h.used.Seconds() / (float64(h.rounds*runtime.NumCPU()) * halfTime.Seconds())
	return fmt.Sprintf("%s: p50 %v, p99 %v (rounds %v to %v), p99.9 %v; it has %.0f %% of %d processors; asked late by p50 %v, p99 %v, p99.9 %v",
		strings.TrimPrefix(h.server.kind, "serve-"), h.took.part(0.5), h.took.part(0.99), slices.Min(h.took.p99), slices.Max(h.took.p99), h.took.part(0.999),
		100*share, runtime.NumCPU(), h.delayed.part(0.5), h.delayed.part(0.99), h.delayed.part(0.999))
}

// capacity is how many requests a second are answered when the next is sent as
// soon as a connection is free.
func (a *asker) capacity(ctx context.Context) (float64, error) {
	begun := time.Now()
	err := a.run(ctx, make([]time.Duration, capacityRequests))
	return capacityRequests / time.Since(begun).Seconds(), err
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
