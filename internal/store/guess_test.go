package store

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

var patient = GuessLimits{Window: time.Minute, Tries: 10, Waits: true, Close: 100}

func try(tb testing.TB, db *DB, id string, l GuessLimits) (g Guess) {
	tb.Helper()
	maintain(tb, db, func(ctx context.Context, tx *Tx) (err error) {
		g, err = tx.Try(ctx, id, l)
		return err
	})
	return g
}

func right(tb testing.TB, db *DB, id string) {
	tb.Helper()
	maintain(tb, db, func(ctx context.Context, tx *Tx) error { return tx.Right(ctx, id) })
}

func failures(tb testing.TB, db *DB, id string) int64 {
	tb.Helper()
	return read(tb, db, func(r *Read, ctx context.Context) (int64, error) { return r.Failures(ctx, id) })
}

// After five failures in a row each further try waits longer than the one
// before, up to a minute.
func TestRAT04WaitsGrow(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		limits := patient
		limits.Tries = 1000
		for i := range 4 {
			if g := try(t, db, "bob", limits); !g.Allowed {
				t.Fatalf("try %d: %+v", i+1, g)
			}
		}
		for i, seconds := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			wait := seconds * time.Second
			if g := try(t, db, "bob", limits); !g.Allowed {
				t.Fatalf("try %d: %+v", i+5, g)
			}
			if g := try(t, db, "bob", limits); g != (Guess{Wait: wait}) {
				t.Errorf("right after try %d: %+v, want a wait of %v", i+5, g, wait)
			}
			c.add(wait - time.Microsecond)
			if g := try(t, db, "bob", limits); g.Allowed || g.Wait != time.Second {
				t.Errorf("a microsecond before the end of the wait: %+v, want one second, the least that can be said", g)
			}
			c.add(time.Microsecond)
		}
		if n := failures(t, db, "bob"); n != 13 {
			t.Errorf("%d failures are counted, want 13: refused tries do not count", n)
		}
		if g := try(t, db, "eve", limits); !g.Allowed {
			t.Errorf("another counter: %+v", g)
		}
	})
}

func TestWindowLimitsTries(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		limits := GuessLimits{Window: time.Hour, Tries: 3}
		allowed := func(want bool) {
			t.Helper()
			if g := try(t, db, "device", limits); g.Allowed != want || !want && (g.Wait < time.Second || g.Wait > longestWait || g.Closed) {
				t.Errorf("%v after the start: %+v, want allowed: %v", c.now().Sub(start), g, want)
			}
			c.add(time.Minute)
		}
		for range limits.Tries {
			allowed(true)
		}
		allowed(false)
		c.add(56*time.Minute - time.Microsecond)
		allowed(false)
		c.t = start.Add(time.Hour)
		for range limits.Tries {
			allowed(true)
		}
		allowed(false)
	})
}

func TestRAT05CounterCloses(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		limits := GuessLimits{Window: time.Minute, Tries: 10, Close: 7}
		for range limits.Close {
			if g := try(t, db, "bob", limits); !g.Allowed {
				t.Fatalf("%+v", g)
			}
		}
		c.add(24 * time.Hour)
		if g := try(t, db, "bob", limits); g.Allowed || !g.Closed {
			t.Errorf("after %d failures and a day: %+v, want closed", limits.Close, g)
		}
		right(t, db, "bob")
		if g := try(t, db, "bob", limits); !g.Allowed || failures(t, db, "bob") != 1 {
			t.Errorf("after it was cleared: %+v", g)
		}
	})
}

func TestRightAnswerClears(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		setClock(db)
		right(t, db, "bob")
		if n := failures(t, db, "bob"); n != 0 {
			t.Errorf("a counter that was never used holds %d", n)
		}
		for range 5 {
			try(t, db, "bob", patient)
		}
		right(t, db, "bob")
		if g := try(t, db, "bob", patient); !g.Allowed {
			t.Errorf("the wait is left: %+v", g)
		}
		// Right answers take their own try out of the window.
		for range 30 {
			if g := try(t, db, "alice", patient); !g.Allowed {
				t.Fatalf("right answers are limited: %+v", g)
			}
			right(t, db, "alice")
		}
	})
}

func TestUncountTakesATryBack(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		uncount := func(at time.Time) {
			t.Helper()
			maintain(t, db, func(ctx context.Context, tx *Tx) error { return tx.Uncount(ctx, "bob", at) })
		}
		uncount(start)
		for range 5 {
			try(t, db, "bob", patient)
		}
		uncount(c.now())
		if n := failures(t, db, "bob"); n != 4 {
			t.Errorf("%d failures are left, want 4", n)
		}
		if g := try(t, db, "bob", patient); !g.Allowed {
			t.Errorf("the wait of the uncounted try is left: %+v", g)
		}
		uncount(c.now().Add(-time.Hour))
		if g := try(t, db, "bob", patient); g.Allowed {
			t.Error("uncounting an older try ended the wait of a newer one")
		}
	})
}

// The clock of another node, or one set back, opens no closed door and closes
// none for ever.
func TestGuessesWhenTheClockGoesBack(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		for range 5 {
			try(t, db, "bob", patient)
		}
		c.add(-24 * time.Hour)
		if g := try(t, db, "bob", patient); g.Allowed || g.Wait != longestWait {
			t.Errorf("a day earlier: %+v, want the longest wait", g)
		}
	})
}

func TestRAT06ParallelGuesses(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		for _, tc := range []struct {
			name   string
			limits GuessLimits
			want   int64
		}{
			{"tries of a window", GuessLimits{Window: time.Minute, Tries: 10}, 10},
			{"waits", patient, 5},
			{"closing", GuessLimits{Window: time.Minute, Tries: 1000, Close: 7}, 7},
		} {
			t.Run(tc.name, func(t *testing.T) {
				setClock(db) // stands still
				var allowed atomic.Int64
				atOnce(200, func(int) {
					err := db.Maintain(t.Context(), func(tx *Tx) error {
						g, err := tx.Try(t.Context(), tc.name, tc.limits)
						if g.Allowed {
							allowed.Add(1)
						} else if g.Wait < time.Second || g.Wait > longestWait {
							t.Errorf("refused with a wait of %v", g.Wait)
						}
						return err
					})
					if err != nil {
						t.Error(err)
					}
				})
				if n := allowed.Load(); n != tc.want {
					t.Errorf("%d of 200 simultaneous tries were let through, want %d", n, tc.want)
				}
			})
		}
	})
}

func TestKnownDevices(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		known := func(hash, user string) bool {
			t.Helper()
			return read(t, db, func(r *Read, ctx context.Context) (bool, error) { return r.KnownDevice(ctx, hash, user) })
		}
		add := func(hash, replaces, user string) {
			t.Helper()
			maintain(t, db, func(ctx context.Context, tx *Tx) error {
				return tx.AddDevice(ctx, hash, replaces, user, tx.Now.Add(time.Hour))
			})
		}
		add("one", "", "u-bob")
		add("two", "", "u-bob")
		add("eves", "one", "u-eve") // somebody else's cookie is not hers to end
		if !known("one", "u-bob") || known("one", "u-eve") || known("none", "u-bob") {
			t.Error("a device is known to the wrong user")
		}
		add("three", "one", "u-bob")
		if known("one", "u-bob") || !known("three", "u-bob") || !known("two", "u-bob") {
			t.Error("a login replaces the cookie it came with, and no other")
		}
		maintain(t, db, func(ctx context.Context, tx *Tx) error { return tx.ForgetDevices(ctx, "u-bob") })
		if known("two", "u-bob") || known("three", "u-bob") || !known("eves", "u-eve") {
			t.Error("forgetting reaches one user's devices")
		}
		c.add(time.Hour)
		if known("eves", "u-eve") {
			t.Error("a device is known for ever")
		}
	})
}

func TestOnlyTheNewestDevicesAreKept(t *testing.T) {
	eachTown(t, func(t *testing.T, db *DB) {
		c := setClock(db)
		for _, hash := range []string{"one", "two", "three"} {
			c.add(time.Second)
			maintain(t, db, func(ctx context.Context, tx *Tx) error {
				return errors.Join(tx.AddDevice(ctx, hash, "", "u-bob", tx.Now.Add(time.Hour)), tx.AddDevice(ctx, "eves "+hash, "", "u-eve", tx.Now.Add(time.Hour)))
			})
		}
		for _, keep := range []struct {
			newest int
			want   int64
		}{{3, 6}, {2, 5}, {2, 5}, {0, 3}} {
			maintain(t, db, func(ctx context.Context, tx *Tx) error { return tx.KeepDevices(ctx, "u-bob", keep.newest) })
			if n := number(t, db, `SELECT COUNT(*) FROM known_devices`); n != keep.want {
				t.Errorf("keeping %d: %d devices are left, want %d", keep.newest, n, keep.want)
			}
			if keep.newest == 2 && number(t, db, `SELECT COUNT(*) FROM known_devices WHERE hash = 'one'`) != 0 {
				t.Error("the oldest was kept")
			}
		}
	})
}
