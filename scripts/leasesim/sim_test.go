package main

import (
	"reflect"
	"testing"
	"time"
)

// hostile are settings under which a wrong protocol shows: clocks as different
// as is allowed, late messages, and regions that are cut off just after a
// change that they have not heard of.
func hostile(seed uint64) settings {
	s := usual(15, 5*time.Second, seed)
	s.warmUp, s.length = 10*time.Second, 80*time.Second
	s.changes, s.checks, s.scopes = 2, 40, 3
	s.jitter, s.loss, s.drift = 0.5, 0.05, 0.024
	s.dead, s.cuts, s.cut, s.changesBeforeCutsIn = 5*time.Second, 4, 8*time.Second, 300*time.Millisecond
	return s
}

func TestNobodyAcceptsWhatAnAnsweredChangeRefuses(t *testing.T) {
	for seed := range uint64(8) {
		s := hostile(seed)
		s.setUpApart = seed%2 == 1
		r := simulate(s)
		if r.violations > 0 {
			t.Errorf("seed %d: %d violations", seed, r.violations)
		}
		if r.all.remembered == 0 || r.all.refused == 0 || len(r.waits) == 0 {
			t.Errorf("seed %d: nothing happened: %+v", seed, r.all)
		}
	}
}

// TestMutationsAreFound breaks the protocol: a simulation that accepts that
// would not mean anything.
func TestMutationsAreFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		mutate func(*settings)
	}{
		{"the writer does not wait", func(s *settings) { s.noWait = true }},
		{"leases count from the reply", func(s *settings) { s.fromReply = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := 0
			for seed := range uint64(8) {
				s := hostile(seed)
				c.mutate(&s)
				found += simulate(s).violations
			}
			if found == 0 {
				t.Error("no check accepted what it must not")
			}
		})
	}
}

func TestARunCanBeRepeated(t *testing.T) {
	if a, b := simulate(hostile(3)), simulate(hostile(3)); !reflect.DeepEqual(a, b) {
		t.Errorf("two runs of one seed differ: %d and %d statements", a.protocol, b.protocol)
	}
}

// TestAChangeWaitsForTheDead says that it does so once, for the lease and 5 %.
func TestAChangeWaitsForTheDead(t *testing.T) {
	s := usual(10, 5*time.Second, 1)
	s.cuts, s.loss, s.checks = 0, 0, 5
	r := simulate(s)
	if longest := r.wait(1); longest < 4*time.Second || longest > 6*time.Second {
		t.Errorf("the longest wait was %v", longest)
	}
	if usual := r.wait(0.5); usual > time.Second {
		t.Errorf("changes wait %v for nodes that live", usual)
	}
}

// TestALeaseHasToSuitTheDistance holds what docs/scaling.md says of it: the
// first round takes seven times the way to the database and back, and has half
// a lease for that.
func TestALeaseHasToSuitTheDistance(t *testing.T) {
	for _, c := range []struct {
		lease time.Duration
		apart bool
		held  bool
	}{
		{3 * time.Second, false, false},
		{3 * time.Second, true, true},
		{5 * time.Second, false, true},
	} {
		s := usual(10, c.lease, 1)
		s.length, s.dead, s.cuts, s.checks, s.setUpApart = 30*time.Second, 0, 0, 5, c.apart
		if r := simulate(s); r.far.remembered > 0 != c.held {
			t.Errorf("lease %v, set-up apart %v: %d checks from memory in the farthest region", c.lease, c.apart, r.far.remembered)
		}
	}
}
