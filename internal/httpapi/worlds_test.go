package httpapi_test

import (
	"sync"
	"testing"
)

// worlds lends worlds to the parts of a test, each as if it were new. Making one
// takes longer than what most parts do in it.
type worlds struct {
	whole *testing.T // the worlds end with it
	mu    sync.Mutex
	free  []*world
}

func newWorlds(t *testing.T) *worlds { return &worlds{whole: t} }

// take lends a world to a part of the test, until its end.
func (l *worlds) take(t *testing.T) *world {
	t.Helper()
	w := l.next()
	t.Cleanup(func() {
		again := w.renewed(t)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.free = append(l.free, again)
	})
	return w
}

func (l *worlds) next() *world {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		w := l.free[n-1]
		l.free = l.free[:n-1]
		return w
	}
	w := newWorld(l.whole)
	restore, mailOff := w.Remember(l.whole), w.DB.MailOff
	made := *w
	made.renewed = func(tb testing.TB) *world {
		tb.Helper()
		restore(tb)
		w.DB.MailOff = mailOff // some examples turn it off, or on
		again := made
		return &again
	}
	w.renewed = made.renewed
	return w
}
