package store

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// way is a way to a database that counts how often somebody who has had an
// answer asks again.
type way struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	journeys int
}

// wayTo begins a way to the server of a URL, and returns the URL that goes it.
func wayTo(t *testing.T, database string) (w *way, over string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	w = &way{to: u.Host}
	if w.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = w.listener.Addr().String()
	var lines sync.WaitGroup
	lines.Go(func() {
		for {
			c, err := w.listener.Accept()
			if err != nil {
				return
			}
			lines.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = w.listener.Close()
		lines.Wait()
	})
	return w, u.String()
}

// carry passes on what both sides of a connection say, until one of them ends.
func (w *way) carry(asking net.Conn) {
	defer asking.Close()
	answering, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	answered := true // under mu
	var back sync.WaitGroup
	back.Go(func() {
		defer asking.Close()
		_, _ = io.Copy(asking, heard{answering, func() { w.note(&answered, true) }})
	})
	_, _ = io.Copy(answering, heard{asking, func() { w.note(&answered, false) }})
	_ = answering.Close()
	back.Wait()
}

// note notes that one side has spoken.
func (w *way) note(answered *bool, answers bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if *answered && !answers {
		w.journeys++
	}
	*answered = answers
}

// during counts the journeys of some work.
func (w *way) during(work func()) int {
	w.mu.Lock()
	before := w.journeys
	w.mu.Unlock()
	work()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.journeys - before
}

// heard says whenever something was read.
type heard struct {
	io.Reader
	note func()
}

func (h heard) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	if n > 0 {
		h.note()
	}
	return n, err
}

// TestJourneysOfAChange: to the lock and the end of the chain; to what it reads;
// with what it writes and the commit; and to the nodes that have to follow.
func TestJourneysOfAChange(t *testing.T) {
	w, over := wayTo(t, migratedURL(t, "postgres"))
	db := connect(t, over)
	town(t, db)
	session := identity.Token{Prefix: "sps_session0", Kind: policy.Session, UserID: "u-alice"}
	change(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddToken(ctx, session) })
	alike := func(ctx context.Context, tx *Tx) error {
		m, err := tx.Maker(ctx, "u-alice", session.Prefix, "org-a", policy.PersonalToken)
		if err != nil {
			return err
		}
		if !m.Member || len(m.Policies) != 1 || m.Tokens != 0 {
			return errors.New("what was read is not whole")
		}
		return tx.SetTokenDescription(ctx, session.Prefix, "changed")
	}
	for _, c := range []struct {
		what string
		want int
		work func()
	}{
		{"a change that reads", 4, func() { change(t, db, alike) }},
		{"a change that only writes", 3, func() {
			change(t, db, func(ctx context.Context, tx *Tx) error { return tx.SetTokenDescription(ctx, session.Prefix, "changed") })
		}},
	} {
		// Statements are prepared once for each connection, and one that rested is
		// tried before it is used: the fewest are what it takes.
		fewest := w.during(c.work)
		for range 20 {
			fewest = min(fewest, w.during(c.work))
		}
		if fewest != c.want {
			t.Errorf("%s takes %d journeys, want %d", c.what, fewest, c.want)
		}
	}
}
