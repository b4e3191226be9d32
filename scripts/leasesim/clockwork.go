package main

import (
	"container/heap"
	"time"
)

// clockwork does what is due, in order, without time passing.
type clockwork struct {
	now   time.Duration
	seq   int
	queue queue
}

// step is something to do. Those of the same moment come in the order in which
// they were asked for, so that a run can be repeated.
type step struct {
	at  time.Duration
	seq int
	do  func()
}

func (c *clockwork) after(d time.Duration, do func()) {
	c.seq++
	heap.Push(&c.queue, step{at: c.now + d, seq: c.seq, do: do})
}

func (c *clockwork) runUntil(end time.Duration) {
	for len(c.queue) > 0 && c.queue[0].at <= end {
		s := heap.Pop(&c.queue).(step)
		c.now = s.at
		s.do()
	}
}

// queue implements heap.Interface.
type queue []step

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}

func (q *queue) Push(x any) { *q = append(*q, x.(step)) }

func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
