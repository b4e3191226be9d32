package server_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// The outcomes of an operation, as its sender knows them.
const (
	sent    = "sent"    // not answered yet
	ok      = "ok"      // acknowledged
	refused = "refused" // answered with a 4xx: nothing may have changed
	unknown = "unknown" // no answer, or a 5xx
	// What a check made of the unknown ones; it stays so.
	happened = "happened"
	absent   = "absent"
)

// operation is one line of the ledger: what was sent, and what came of it.
type operation struct {
	N      int    `json:"n"` // in the order of sending
	Worker int    `json:"worker"`
	Action string `json:"action"` // of the event that an effect leaves
	// Key is what that event names: the id or the name of its target, or a
	// value in its detail.
	Key string `json:"key"`
	// ID names what was made, once it is known: a token's prefix, a user.
	ID string `json:"id,omitempty"`
	// Of names the application user that a token or grant belongs to.
	Of          string   `json:"of,omitempty"`
	Permissions []string `json:"permissions,omitempty"`
	Outcome     string   `json:"outcome"`
	Answered    int      `json:"answered,omitempty"` // position of the answer among sendings and answers
	Sent        int      `json:"sent"`               // position of the sending
	Request     string   `json:"request,omitempty"`  // the server's id of the answered request
	Problem     string   `json:"problem,omitempty"`

	secret   string // of a token that was made; not written to the file
	happened bool   // what the check found
	events   int
}

// ledger is the memory of the load program. It lives in the process that
// survives, and in a file, written before sending and after each answer.
type ledger struct {
	mu         sync.Mutex
	operations []*operation
	clock      int
	file       *os.File
	misses     []string
}

func newLedger(tb testing.TB) *ledger {
	tb.Helper()
	// Not the test's own folder: what a failed run leaves is worth keeping.
	dir, err := os.MkdirTemp("", "sallyport-ledger-")
	if err != nil {
		tb.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "ledger.jsonl"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := file.Close(); err != nil {
			tb.Error(err)
		}
		if tb.Failed() {
			tb.Logf("the ledger is kept in %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return &ledger{file: file}
}

// begin writes down what is about to be sent.
func (l *ledger) begin(o operation) *operation {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	o.N, o.Sent, o.Outcome = len(l.operations)+1, l.clock, sent
	l.operations = append(l.operations, &o)
	l.write(&o)
	return &o
}

// end writes down what came back.
func (l *ledger) end(o *operation, outcome string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	o.Outcome, o.Answered = outcome, l.clock
	l.write(o)
}

func (l *ledger) write(o *operation) {
	line, err := json.Marshal(o)
	if err == nil {
		_, err = l.file.Write(append(line, '\n'))
	}
	if err != nil {
		l.misses = append(l.misses, "the ledger cannot be written: "+err.Error())
	}
}

// now is the position after everything sent and answered so far.
func (l *ledger) now() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock
}

// miss notes something that must not be.
func (l *ledger) miss(kind, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.misses = append(l.misses, kind+": "+fmt.Sprintf(format, args...))
}

// during is the ledger as a copy of the database may show it that was taken
// between two positions: what was answered before is in it, what was sent
// afterwards is not, the rest may be.
func (l *ledger) during(begin, end int) *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	cut := &ledger{file: l.file}
	for _, o := range l.operations {
		c := *o
		switch {
		case c.Sent > end:
			continue
		case c.Answered == 0 || c.Answered > begin:
			c.Outcome, c.Request = unknown, o.Request
		}
		cut.operations = append(cut.operations, &c)
	}
	return cut
}

// report fails the test with the misses.
func (l *ledger) report(tb testing.TB, when string) {
	tb.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	const most = 20
	for i, m := range l.misses {
		if i == most {
			tb.Errorf("%s: and %d more", when, len(l.misses)-most)
			break
		}
		tb.Errorf("%s: %s", when, m)
	}
	l.misses = nil
}

// counts are the numbers of operations by outcome.
func (l *ledger) counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[string]int{}
	for _, o := range l.operations {
		n[o.Outcome]++
	}
	return n
}
