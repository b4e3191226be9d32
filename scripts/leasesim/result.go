package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// result is what a run comes to.
type result struct {
	seconds            float64
	waits              []time.Duration // of changes, from the commit to the answer
	renewals, protocol int             // statements
	all, far           share           // checks; far: in the farthest region
	violations         int
}

type share struct{ asked, remembered, refused int }

func (r *result) asked(n *node)      { r.count(n, func(s *share) { s.asked++ }) }
func (r *result) remembered(n *node) { r.count(n, func(s *share) { s.remembered++ }) }
func (r *result) refuse(n *node)     { r.count(n, func(s *share) { s.refused++ }) }

func (r *result) count(n *node, in func(*share)) {
	if !n.counting() {
		return
	}
	in(&r.all)
	if n.region == len(regions)-1 {
		in(&r.far)
	}
}

// judge is the promise: who starts after the answer knows of the change. It is
// looked at from the first moment on.
func (r *result) judge(version, due int) {
	if version < due {
		r.violations++
	}
}

func (s share) memory() float64 { return 100 * float64(s.remembered) / float64(max(1, s.asked)) }

func (s share) lost() float64 { return 100 * float64(s.refused) / float64(max(1, s.asked)) }

// wait returns a quantile of the time that changes wait.
func (r *result) wait(part float64) time.Duration {
	if len(r.waits) == 0 {
		return 0
	}
	slices.Sort(r.waits)
	return r.waits[int(part*float64(len(r.waits)-1))].Round(time.Millisecond)
}

func (r *result) row(out io.Writer, trouble string, lease time.Duration) {
	fmt.Fprintf(out, "%s\t%v\t%d\t%v\t%v\t%v\t%v\t%.0f\t%.0f\t%.1f %%\t%.1f %%\t%.2f %%\t\n", trouble, lease, len(r.waits),
		r.wait(0.5), r.wait(0.95), r.wait(0.99), r.wait(1),
		float64(r.renewals)/r.seconds, float64(r.protocol)/r.seconds, r.all.memory(), r.far.memory(), r.all.lost())
}
