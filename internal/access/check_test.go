package access

import (
	"context"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

// request is a usual one: a member's personal token at the organization.
func (w *world) request() Request {
	w.tb.Helper()
	o := w.organization(func(p *policy.Policy) { p.Ranges = rangesOf("203.0.113.0/24", "198.51.100.0/24") })
	return Request{
		Bearer: w.token(policy.PersonalToken, w.user(o), func(t *identity.Token) { t.Scopes = []string{"user", "projects"} }), Organization: o,
		Address: identity.Address{Client: home, Socket: home}, UserAgent: "test/1", RequestID: "req_1",
		Need: Need{Scopes: []string{"projects:read"}, Permission: Member},
	}
}

// TestCheckAllocates keeps the hot path lean: one allocation, the principal. A
// use that is handed on for writing, once a second, costs more.
func TestCheckAllocates(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, ctx := w.request(), context.Background()
		w.accepted(r.Bearer, r.Organization)
		at := w.clock.now()
		w.now = func() time.Time { return at }
		measure := func() float64 {
			return testing.AllocsPerRun(1000, func() {
				if _, err := w.Check(ctx, r); err != nil {
					t.Fatal(err)
				}
			})
		}
		// What follows the change log allocates beside it: the fewest are ours.
		fewest := measure()
		for n := 0; n < 20 && fewest > 1; n++ {
			fewest = min(fewest, measure())
		}
		if fewest > 1 {
			t.Errorf("%v allocations for a check in memory, want 1", fewest)
		}
	})
}

func benchmarkCheck(b *testing.B, w *world) {
	r, ctx := w.request(), context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Check(ctx, r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheck is a whole check with the facts in memory.
func BenchmarkCheck(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkCheck(b, onSQLite(b)) })
	b.Run("postgres", func(b *testing.B) { benchmarkCheck(b, newWorld(b, migrated.Postgres(b))) })
}

// BenchmarkCheckParallel is BenchmarkCheck on all cores.
func BenchmarkCheckParallel(b *testing.B) {
	w := onSQLite(b)
	r, ctx := w.request(), context.Background()
	b.ReportAllocs()
	b.RunParallel(func(loop *testing.PB) {
		for loop.Next() {
			if _, err := w.Check(ctx, r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkCheckUncached reads the facts from the database each time, as a node
// without a lease does.
func BenchmarkCheckUncached(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		w := onSQLite(b)
		w.Checker = w.leaseless()
		benchmarkCheck(b, w)
	})
	b.Run("postgres", func(b *testing.B) {
		w := newWorld(b, migrated.Postgres(b))
		w.Checker = w.leaseless()
		benchmarkCheck(b, w)
	})
}

// BenchmarkRefusal is a refusal that is recorded already.
func BenchmarkRefusal(b *testing.B) {
	w := onSQLite(b)
	at := w.clock.now()
	w.now = func() time.Time { return at }
	r, ctx := w.request(), context.Background()
	w.setPolicy(r.Organization, func(p *policy.Policy) { p.PersonalTokensEnabled = false })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Check(ctx, r); err == nil {
			b.Fatal("accepted")
		}
	}
}
