package main

import (
	"math/rand/v2"
	"time"
)

// world is one run: the database, the nodes, and who looks at them.
type world struct {
	settings
	clockwork
	random *rand.Rand
	nodes  []*node
	result result

	// The database. A snapshot of the change log is how many changes were
	// committed: the simulation lets them commit in order.
	log   []change
	rows  map[int]row
	rowID int

	// version counts the committed changes of a scope; answered, how many of
	// these a check that starts now has to know.
	version, answered []int
}

type change struct{ scope, by int }

type row struct{ seen, answers int }

func simulate(s settings) result {
	w := &world{
		settings: s, random: rand.New(rand.NewPCG(s.seed, 14)),
		rows: map[int]row{}, version: make([]int, s.scopes), answered: make([]int, s.scopes),
	}
	for i := range s.nodes {
		n := &node{world: w, id: i, region: i % len(regions), idle: idleConnections, memory: map[int]int{}}
		n.rate = 1 + s.drift*(2*w.random.Float64()-1)
		w.nodes = append(w.nodes, n)
		w.after(w.upTo(s.lease/roundsOfLease), n.start)
	}
	w.after(w.pauseBetween(s.changes), w.changeNow)
	if s.dead > 0 {
		w.after(s.warmUp+s.length/4, w.kill)
	}
	for i := range s.cuts {
		w.planCut(i, s.warmUp+s.length*time.Duration(2*i+s.cuts)/time.Duration(3*s.cuts))
	}
	w.runUntil(s.warmUp + s.length)
	w.result.seconds = s.length.Seconds()
	return w.result
}

// counting says whether the run has warmed up.
func (w *world) counting() bool { return w.now >= w.warmUp }

// pauseBetween draws the time to the next of so many a second.
func (w *world) pauseBetween(perSecond float64) time.Duration {
	return time.Duration(w.random.ExpFloat64() / perSecond * float64(time.Second))
}

func (w *world) upTo(d time.Duration) time.Duration {
	return time.Duration(w.random.Float64() * float64(d))
}

// changeNow lets some node change something, and plans the next change.
func (w *world) changeNow() {
	w.nodes[w.random.IntN(len(w.nodes))].change()
	w.after(w.pauseBetween(w.changes), w.changeNow)
}

// kill stops a node in the middle distance for a while.
func (w *world) kill() {
	n := w.nodes[2]
	n.die()
	w.after(w.dead, n.start)
}

// planCut cuts a region off: the farthest at first, never the database's own.
func (w *world) planCut(i int, at time.Duration) {
	far := len(regions) - 1 - i%(len(regions)-1)
	if w.changesBeforeCutsIn > 0 {
		w.after(at-w.upTo(w.changesBeforeCutsIn), w.nodes[0].change)
	}
	set := func(cut bool) func() {
		return func() {
			for _, n := range w.nodes {
				if n.region == far {
					n.cutOff(cut)
				}
			}
		}
	}
	w.after(at, set(true))
	w.after(at+w.cut, set(false))
}

// way draws how long a message between a node and the database takes. TCP sends
// lost ones again, each time after twice the pause.
func (w *world) way(n *node) time.Duration {
	trip := regions[n.region].roundTrip
	d := time.Duration(float64(trip/2) * (1 + w.jitter*w.random.ExpFloat64()))
	for again := max(retransmit, trip); w.random.Float64() < w.loss; again *= 2 {
		d += again
	}
	return d
}

// carry does something at the other end of the way, unless the node is cut off
// when the message is sent or arrives.
func (w *world) carry(n *node, do func()) {
	if n.cut {
		return
	}
	w.after(w.way(n), func() {
		if !n.cut {
			do()
		}
	})
}

// ask runs a statement at the database and hands on that it is answered. A
// node that died meanwhile does not hear it; what it asked for has happened.
func (w *world) ask(n *node, statement, then func()) {
	life := n.life
	w.carry(n, func() {
		w.after(service, func() {
			statement()
			w.carry(n, func() {
				if n.life == life {
					then()
				}
			})
		})
	})
}

// askTimes asks for something that takes several statements, of which the last
// is the one that counts.
func (w *world) askTimes(n *node, times int, statement, then func()) {
	if times > 1 {
		w.ask(n, func() {}, func() { w.askTimes(n, times-1, statement, then) })
		return
	}
	w.ask(n, statement, then)
}

// protocol counts a statement that there would be none of without leases.
func (w *world) protocol() {
	if w.counting() {
		w.result.protocol++
	}
}
