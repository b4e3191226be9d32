package store

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// wanting is how many have or await the turn in a scope.
func (t *turns) wanting(scope string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.all[scope]; w != nil {
		return w.wanted
	}
	return 0
}

// hold makes a change of an organization that stays in the middle until it is
// released.
func hold(t *testing.T, db *DB, organization string) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		err := db.Update(t.Context(), alice, Organization(organization), func(tx *Tx) error {
			close(held)
			<-free
			return tx.Record(t.Context(), identity.Event{Action: "changed"})
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	return func() {
		close(free)
		running.Wait()
	}
}

// However many wait for one organization, strangers get a connection. Here the
// server has the fewest there may be, and one of them follows.
func TestWhoWaitsForAScopeTakesNoConnectionFromStrangers(t *testing.T) {
	url := newURL(t, "postgres")
	migrate(t, connect(t, url))
	m := follow(t, url)
	m.LimitConnections(FewestConnections)
	release := hold(t, m.DB, "org-a")
	var waiting sync.WaitGroup
	const many = 4 * FewestConnections
	for range many {
		waiting.Go(func() { note(t, m.DB, "org-a", "u") })
	}
	for m.turns.wanting("organization:org-a") <= many {
		runtime.Gosched()
	}
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	for i := range 10 {
		err := m.Update(ctx, alice, Organization(strconv.Itoa(i)), func(tx *Tx) error { return tx.Record(ctx, identity.Event{Action: "changed"}) })
		if err != nil {
			t.Fatalf("a stranger's change: %v", err)
		}
		if err := m.View(ctx, func(r *Read) error { _, err := r.Nodes(ctx); return err }); err != nil {
			t.Fatalf("a stranger's question: %v", err)
		}
	}
	release()
	waiting.Wait()
	if n := number(t, m.DB, `SELECT COUNT(*) FROM events WHERE chain = 'organization:org-a'`); n != many+1 {
		t.Errorf("%d of %d changes were made", n, many+1)
	}
	if len(m.turns.all) > 0 {
		t.Errorf("%d turns are left", len(m.turns.all))
	}
}

// narrow is a follower with as few connections as there may be.
func narrow(t *testing.T) (*memory, context.Context) {
	t.Helper()
	url := newURL(t, "postgres")
	migrate(t, connect(t, url))
	m := follow(t, url)
	m.LimitConnections(FewestConnections)
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	t.Cleanup(cancel)
	return m, ctx
}

// A change that looks at what is stored without it, as the guard of the last
// admin does, finds a connection however many do the same.
func TestWritersLeaveAConnection(t *testing.T) {
	m, ctx := narrow(t)
	atOnce(8*FewestConnections, func(i int) {
		for n := range 5 {
			err := m.Update(ctx, alice, Organization(strconv.Itoa(100*i+n)), func(tx *Tx) error {
				if err := m.View(ctx, func(r *Read) error { _, err := r.Nodes(ctx); return err }); err != nil {
					return err
				}
				return tx.Record(ctx, identity.Event{Action: "changed"})
			})
			if err != nil {
				t.Errorf("a change that looks: %v", err)
				return
			}
		}
	})
}

// So does a change that is held until its answer is known.
func TestHeldWritersLeaveAConnection(t *testing.T) {
	m, ctx := narrow(t)
	atOnce(8*FewestConnections, func(i int) {
		for n := range 5 {
			id := strconv.Itoa(100*i + n)
			inside, held := m.Hold(ctx, id)
			err := m.Update(inside, alice, Organization(id), func(tx *Tx) error {
				if err := m.View(inside, func(r *Read) error { _, err := r.Nodes(ctx); return err }); err != nil {
					return err
				}
				return tx.Record(ctx, identity.Event{Action: "changed"})
			})
			if err == nil {
				_, err = held.Commit(ctx, "answer")
			}
			held.Drop()
			if err != nil {
				t.Errorf("a held change that looks: %v", err)
				return
			}
		}
	})
}

// Who gives up waiting leaves the turn to the others.
func TestTurns(t *testing.T) {
	var all turns
	give, err := all.take(t.Context(), []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var order []string
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, err := all.take(ctx, []string{"0", "b", "c"}); !errors.Is(err, context.Canceled) {
			t.Errorf("gave up with %v", err)
		}
	})
	for all.wanting("b") < 2 {
		runtime.Gosched()
	}
	waiting.Go(func() {
		give, err := all.take(t.Context(), []string{"a"})
		if err != nil {
			t.Error(err)
			return
		}
		order = append(order, "second")
		give()
	})
	for all.wanting("a") < 2 {
		runtime.Gosched()
	}
	cancel()
	for all.wanting("0") > 0 { // it gives back what it had
		runtime.Gosched()
	}
	order = append(order, "first")
	give()
	waiting.Wait()
	if !slices.Equal(order, []string{"first", "second"}) || len(all.all) > 0 {
		t.Errorf("order %v, %d turns left", order, len(all.all))
	}
}

// BenchmarkTurn is what a change pays for its turn when nobody else wants it.
func BenchmarkTurn(b *testing.B) {
	var all turns
	b.ReportAllocs()
	for b.Loop() {
		give, err := all.take(b.Context(), []string{"organization:a"})
		if err != nil {
			b.Fatal(err)
		}
		give()
	}
}
