package main

import (
	"maps"
	"slices"
	"time"
)

// writer is a node that waits until all know of its change.
type writer struct {
	*node
	at, scope, version int
	begun              time.Duration // by its clock, after the commit
	committed          time.Duration
	looked             bool
	pause              time.Duration
}

// change makes one, as far as the node can.
func (n *node) change() {
	if !n.alive || n.cut {
		return
	}
	w := &writer{node: n, scope: n.random.IntN(n.scopes), pause: firstPause}
	n.askTimes(n, changeTrips, func() {
		n.log = append(n.log, change{scope: w.scope, by: n.id})
		n.version[w.scope]++
		w.at, w.version = len(n.log), n.version[w.scope]
	}, func() {
		n.forget(w.scope)
		w.begun, w.committed = n.clock(), n.now
		if n.noWait {
			w.answer()
			return
		}
		w.look()
	})
}

// look reads who has not followed yet, and goes on.
func (w *writer) look() {
	behind := map[int]row{}
	w.ask(w.node, func() {
		w.protocol()
		for id, r := range w.rows {
			if r.seen < w.at && id != w.row {
				behind[id] = r
			}
		}
	}, func() { w.judge(behind) })
}

func (w *writer) judge(behind map[int]row) {
	if w.clock()-w.begun > w.lease+w.lease/20 {
		for _, id := range slices.Sorted(maps.Keys(behind)) {
			w.strike(id, behind[id])
		}
		clear(behind)
	}
	if len(behind) == 0 {
		w.answer()
		return
	}
	if !w.looked {
		w.looked = true
		w.ask(w.node, w.notify, w.rest)
		return
	}
	w.rest()
}

func (w *writer) rest() {
	w.afterOwn(w.pause, w.look)
	w.pause = min(2*w.pause, lastPause)
}

// notify tells all that listen, but for the writer itself, which it does not
// wake.
func (w *writer) notify() {
	w.protocol()
	for _, n := range w.nodes {
		if n != w.node && n.line {
			w.carry(n, n.wake)
		}
	}
}

// strike removes a row that has not moved.
func (w *writer) strike(id int, r row) {
	w.ask(w.node, func() {
		w.protocol()
		if w.rows[id] == r {
			delete(w.rows, id)
		}
	}, func() {})
}

func (w *writer) answer() {
	w.world.answered[w.scope] = max(w.world.answered[w.scope], w.version)
	if w.counting() {
		w.result.waits = append(w.result.waits, w.now-w.committed)
	}
}
