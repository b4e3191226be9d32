package access

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

// learn makes an organization observe addresses for a time.
func (w *world) learn(organization string, d time.Duration) {
	w.tb.Helper()
	until := time.Time{}
	if d > 0 {
		until = w.clock.now().Add(d)
	}
	w.update(store.Organization(organization), func(ctx context.Context, tx *store.Tx) error { return tx.SetLearning(ctx, organization, until) })
}

// seen are the written observations: uses by prefix and address.
func (w *world) seen(organization string) map[[2]string]int64 {
	w.tb.Helper()
	w.must(w.FlushUses(context.Background()))
	var list []identity.SeenAddress
	w.must(w.db.Once(func(r *store.Read) (err error) {
		list, err = r.SeenAddresses(context.Background(), organization)
		return err
	}))
	uses := map[[2]string]int64{}
	for _, s := range list {
		uses[[2]string{s.Prefix, s.IP}] = s.Uses
	}
	return uses
}

func wantSeen(t *testing.T, what string, got, want map[[2]string]int64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: seen %v, want %v", what, got, want)
		return
	}
	for key, n := range want {
		if got[key] != n {
			t.Errorf("%s: seen %v, want %v", what, got, want)
		}
	}
}

// Only accepted uses at the organization's own door, of its members, while it
// learns, are observed.
func TestSightings(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization(func(p *policy.Policy) {
			p.Ranges = policy.Ranges{Enabled: true, List: []policy.Range{{Prefix: netip.MustParsePrefix("198.51.100.0/24")}, {Prefix: netip.MustParsePrefix("2001:db8::/32")}}}
		})
		other := w.organization()
		u := w.user(o, other)
		bearer := w.token(policy.PersonalToken, u)
		app := w.token(policy.ApplicationToken, u)
		w.accepted(bearer, o)
		wantSeen(t, "before", w.seen(o), nil)
		w.learn(o, time.Hour)
		w.accepted(bearer, o)
		w.accepted(bearer, o)
		w.accepted(bearer, "")
		w.accepted(bearer, other)
		w.accepted(app, o, from("2001:db8::1"))
		w.refused(bearer, o, policy.CodeAddress, from("203.0.113.66"))
		w.refused(bearer, o, policy.CodeAddress, from(""))
		w.refused(bearer, o, "session_required", from("198.51.100.66"), needing(Need{Session: true}))
		w.refused(w.token(policy.PersonalToken, w.user()), o, "organization_not_found", from("198.51.100.67"))
		want := map[[2]string]int64{{prefixOf(bearer), home.String()}: 2, {prefixOf(app), "2001:db8::1"}: 1}
		wantSeen(t, "while it learns", w.seen(o), want)
		wantSeen(t, "another organization", w.seen(other), nil)
		w.accepted(bearer, o)
		want[[2]string{prefixOf(bearer), home.String()}]++
		wantSeen(t, "added to", w.seen(o), want)

		// What is used but not written when learning ends is not kept.
		w.accepted(bearer, o, from("198.51.100.8"))
		w.learn(o, 0)
		w.accepted(bearer, o, from("198.51.100.9"))
		wantSeen(t, "switched off", w.seen(o), want)
		w.learn(o, time.Hour)
		w.clock.advance(time.Hour)
		w.accepted(bearer, o, from("198.51.100.9"))
		wantSeen(t, "over", w.seen(o), want)

		// A credential that ended shows nothing any more.
		w.update(store.User(u), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.RevokeToken(ctx, u, prefixOf(app))
			return err
		})
		delete(want, [2]string{prefixOf(app), "2001:db8::1"})
		wantSeen(t, "revoked", w.seen(o), want)
	})
}

// The operator's recover session passes from everywhere, so where it is used
// from says nothing.
func TestSightingsLeaveOutTheOperator(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization()
		w.learn(o, time.Hour)
		w.accepted(w.token(policy.Session, w.user(o), func(t *identity.Token) { t.BreakGlass = o }), o)
		wantSeen(t, "recover", w.seen(o), nil)
	})
}

// Nobody's addresses fill the memory: a stolen token behind a network of its
// own has any number of them.
func TestDOSSightingsAreBounded(t *testing.T) {
	w := onSQLite(t)
	o := w.organization()
	bearer := w.token(policy.PersonalToken, w.user(o))
	w.learn(o, time.Hour)
	a := netip.MustParseAddr("2001:db8::1")
	for range maxSightings + 10 {
		a = a.Next()
		w.accepted(bearer, o, from(a.String()))
	}
	if n := len(w.sightings.pending); n != maxSightings {
		t.Errorf("%d addresses wait", n)
	}
}

// What could not be written is written later, once.
func TestSightingsSurviveAFailedWrite(t *testing.T) {
	w := onSQLite(t)
	o := w.organization()
	bearer := w.token(policy.PersonalToken, w.user(o))
	w.learn(o, time.Hour)
	w.accepted(bearer, o)
	w.accepted(bearer, o, from("2001:db8::1"))
	w.sightings.take()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.writeNext(ctx); err == nil {
		t.Fatal("written with a context that had ended")
	}
	w.accepted(bearer, o)
	if n := w.Waiting(); n != 4 { // the use of the token, two addresses that were taken, and one again
		t.Errorf("%d wait", n)
	}
	wantSeen(t, "afterwards", w.seen(o), map[[2]string]int64{{prefixOf(bearer), home.String()}: 2, {prefixOf(bearer), "2001:db8::1"}: 1})
}

// Addresses are written in parts with rests between them, as last uses are, and
// whoever asks for a list waits for none of the rests.
func TestSightingsAreWrittenWithRests(t *testing.T) {
	for name, ask := range map[string]bool{"nobody asks": false, "a list asks": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLeaselessWorld(t, migrated.SQLite(t))
				o, addresses := w.observe(4*w.db.UsesAtOnce() - 1)
				var flushing sync.WaitGroup
				begun := time.Now()
				flushing.Go(func() { w.must(w.flushGently(t.Context())) })
				synctest.Wait() // the use of the token is written, and it rests
				if n := w.Waiting(); n != addresses {
					t.Errorf("%d wait, want %d", n, addresses)
				}
				if ask {
					if n := len(w.seen(o)); n != addresses || w.Waiting() != 0 {
						t.Errorf("%d are written, %d wait", n, w.Waiting())
					}
					if time.Now() != begun {
						t.Errorf("the list waited for %v", time.Since(begun))
					}
				}
				flushing.Wait()
				if took := time.Since(begun); w.Waiting() != 0 || took == 0 || took > flushFor {
					t.Errorf("%d wait after %v", w.Waiting(), took)
				}
				if n := len(w.seen(o)); n != addresses {
					t.Errorf("%d are written", n)
				}
			})
		})
	}
}

// observe has an organization used from so many addresses, a hundred by each token.
func (w *world) observe(addresses int) (organization string, n int) {
	o := w.organization()
	w.learn(o, 24*time.Hour)
	bearer, a := "", netip.MustParseAddr("2001:db8::1")
	for i := range addresses {
		if i%100 == 0 {
			bearer = w.token(policy.PersonalToken, w.user(o))
		}
		a = a.Next()
		w.accepted(bearer, o, from(a.String()))
	}
	return o, addresses
}

// What an organization has too many of goes, the longest unused first, after
// everything is written.
func TestSightingsOverTheBoundGo(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		over := w.db.UsesAtOnce() + 3
		o, addresses := w.observe(over)
		other, _ := w.observe(1)
		raw, err := storetest.Connect(w.url)
		w.must(err)
		defer raw.Close()
		if _, err := raw.ExecContext(t.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
			INSERT INTO address_uses SELECT '`+o+`', 'spp_' || i, '192.0.2.9', 'u', i, i, 1 FROM n`); err != nil {
			t.Fatal(err)
		}
		w.must(w.FlushUses(t.Context()))
		var kept, oldest int
		if err := raw.QueryRowContext(t.Context(), `SELECT COUNT(*), MIN(last_used_at) FROM address_uses WHERE organization_id = '`+o+`'`).Scan(&kept, &oldest); err != nil {
			t.Fatal(err)
		}
		if kept != store.MaxAddressUses || oldest != over+1 {
			t.Errorf("%d are kept, the oldest is number %d, want %d", kept, oldest, over+1)
		}
		if n := len(w.seen(o)); n != addresses {
			t.Errorf("%d of %d were written", n, addresses)
		}
		if n := len(w.seen(other)); n != 1 {
			t.Errorf("another organization has %d", n)
		}
	})
}

// BenchmarkCheckLearning is BenchmarkCheck at an organization that learns.
func BenchmarkCheckLearning(b *testing.B) {
	w := onSQLite(b)
	o := w.organization()
	bearer := w.token(policy.PersonalToken, w.user(o))
	w.learn(o, 24*time.Hour)
	r := Request{Bearer: bearer, Organization: o, Address: identity.Address{Client: home, Socket: home}, UserAgent: "bench/1"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Check(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
