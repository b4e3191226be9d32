package access

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

// stored is a token as the database has it.
func (w *world) stored(bearer string) identity.Token {
	w.tb.Helper()
	var f store.Facts
	w.must(w.db.Once(func(r *store.Read) (err error) {
		f, err = r.Facts(context.Background(), prefixOf(bearer), "")
		return err
	}))
	return f.Token
}

func TestUsesAreWritten(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		u := w.user()
		bearer := w.token(policy.PersonalToken, u)
		w.accepted(bearer, "")
		if got := w.stored(bearer); !got.LastUsed.IsZero() {
			t.Fatal("a check wrote on the hot path")
		}
		w.must(w.FlushUses(t.Context()))
		got := w.stored(bearer)
		if got.LastUsed.IsZero() || got.LastIP != home.String() || got.LastUserAgent != "test/1" {
			t.Errorf("used %v from %q with %q", got.LastUsed, got.LastIP, got.LastUserAgent)
		}
		var user identity.User
		w.must(w.db.Once(func(r *store.Read) (err error) {
			user, err = r.User(t.Context(), u)
			return err
		}))
		if !user.LastActive.Equal(got.LastUsed) {
			t.Errorf("the owner was last active %v, the token used %v", user.LastActive, got.LastUsed)
		}
		// Within a second another use is not worth writing; after it one is.
		w.accepted(bearer, "")
		w.must(w.FlushUses(t.Context()))
		if again := w.stored(bearer); w.db.Engine() == "sqlite" && !again.LastUsed.Equal(got.LastUsed) {
			t.Errorf("written again after less than a second: %v", again.LastUsed.Sub(got.LastUsed))
		}
		w.clock.advance(time.Second)
		w.accepted(bearer, "", from(""))
		w.must(w.FlushUses(t.Context()))
		if again := w.stored(bearer); !again.LastUsed.After(got.LastUsed.Add(time.Second)) || again.LastIP != "" {
			t.Errorf("after a second: used %v from %q", again.LastUsed, again.LastIP)
		}
	})
}

func TestRefusedUsesAreNone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization(func(p *policy.Policy) { p.TwoFactorRequired = true })
		bearer := w.token(policy.Session, w.user(o))
		w.refused(bearer, o, policy.CodeSecondFactor)
		w.refused(bearer, "", "session_required", needing(Need{Session: true}), func(r *Request) { r.Bearer = w.token(policy.PersonalToken, w.user()) })
		w.must(w.FlushUses(t.Context()))
		if got := w.stored(bearer); !got.LastUsed.IsZero() {
			t.Errorf("a refused use was written: %v", got.LastUsed)
		}
	})
}

// What clients say of themselves may be any bytes; neither they nor their
// length may stop the others' records.
func TestHostileUserAgents(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		agents := []string{"a\xff\xfeb", "nul\x00", strings.Repeat("é", 4<<10), strings.Repeat("\xff", 4<<10), "", "x" + strings.Repeat("日", 100), "\x1b[31mred\x1b[0m"}
		bearers := make([]string, len(agents))
		for i, agent := range agents {
			bearers[i] = w.token(policy.PersonalToken, w.user())
			w.accepted(bearers[i], "", func(r *Request) { r.UserAgent = agent })
		}
		w.must(w.FlushUses(t.Context()))
		for i, bearer := range bearers {
			got := w.stored(bearer)
			if got.LastUsed.IsZero() || !utf8.ValidString(got.LastUserAgent) || len(got.LastUserAgent) > maxUserAgent || strings.ContainsRune(got.LastUserAgent, 0) {
				t.Errorf("%.20q is kept as %q, used %v", agents[i], got.LastUserAgent, got.LastUsed)
			}
		}
	})
}

// A token that is extended when used lives on from the moment of use, before
// anything is written, at every door.
func TestUseExtendsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization()
		bearer := w.token(policy.PersonalToken, w.user(o), func(t *identity.Token) {
			t.MaxAge, t.ExtendWhenUsed = time.Hour, true
			t.Expires = w.clock.now().Add(time.Hour)
		})
		w.accepted(bearer, o)
		w.accepted(bearer, "")
		for range 3 {
			w.clock.advance(40 * time.Minute)
			w.accepted(bearer, "")
		}
		// 2 hours later, and last used at another door: it is alive at both.
		w.accepted(bearer, o)
		w.must(w.FlushUses(t.Context()))
		got := w.stored(bearer)
		if !got.Expires.Equal(got.LastUsed.Add(time.Hour)) {
			t.Errorf("used %v, expires %v", got.LastUsed, got.Expires)
		}
		w.clock.advance(time.Hour + time.Second)
		w.refused(bearer, o, policy.CodeAuthentication)
		w.refused(bearer, "", policy.CodeAuthentication)
		w.clock.advance(-time.Hour)
		w.accepted(bearer, "") // a refused use extends nothing, and ends nothing
	})
}

// A session that use extends ends all the same, at its absolute end.
func TestSES04_ExtensionStopsAtTheEnd(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization()
		ends := w.clock.now().Add(2 * time.Hour).Truncate(time.Microsecond)
		bearer := w.token(policy.Session, w.user(o), func(t *identity.Token) {
			t.MaxAge, t.ExtendWhenUsed, t.Expires, t.Ends = time.Hour, true, w.clock.now().Add(time.Hour), ends
		})
		for range 2 {
			w.clock.advance(50 * time.Minute)
			w.accepted(bearer, o)
			w.must(w.FlushUses(t.Context()))
		}
		if got := w.stored(bearer).Expires; !got.Equal(ends) {
			t.Errorf("used 20 minutes before its end, it expires %v after that", got.Sub(ends))
		}
		w.clock.advance(19 * time.Minute)
		w.accepted(bearer, "")
		w.clock.advance(time.Minute + time.Second)
		w.refused(bearer, o, policy.CodeAuthentication)
		w.refused(bearer, "", policy.CodeAuthentication)
		w.must(w.FlushUses(t.Context()))
		if got := w.stored(bearer).Expires; !got.Equal(ends) {
			t.Errorf("at last it expires %v after its end", got.Sub(ends))
		}
	})
}

// An end counts also where the expiry is later, or none.
func TestEndsCapTheExpiry(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for name, expires := range map[string]time.Time{"never": {}, "later": w.clock.now().Add(time.Hour)} {
			bearer := w.token(policy.PersonalToken, w.user(), func(t *identity.Token) {
				t.Expires, t.Ends = expires, w.clock.now().Add(time.Minute)
			})
			w.accepted(bearer, "")
			w.clock.advance(2 * time.Minute)
			t.Log(name)
			w.refused(bearer, "", policy.CodeAuthentication)
		}
	})
}

func TestUseDoesNotExtendOthers(t *testing.T) {
	for name, change := range map[string]func(*identity.Token){
		"not asked for":   func(t *identity.Token) { t.MaxAge = time.Hour },
		"without an age":  func(t *identity.Token) { t.ExtendWhenUsed = true },
		"a shorter limit": func(t *identity.Token) { t.ExtendWhenUsed, t.MaxAge = true, time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				bearer := w.token(policy.PersonalToken, w.user(), change, func(t *identity.Token) { t.Expires = w.clock.now().Add(time.Hour) })
				expires := w.stored(bearer).Expires
				w.clock.advance(50 * time.Minute)
				w.accepted(bearer, "")
				w.must(w.FlushUses(t.Context()))
				if got := w.stored(bearer).Expires; !got.Equal(expires) {
					t.Errorf("expires %v, was %v", got, expires)
				}
				w.clock.advance(11 * time.Minute)
				w.refused(bearer, "", policy.CodeAuthentication)
			})
		})
	}
	each(t, func(t *testing.T, w *world) {
		bearer := w.token(policy.PersonalToken, w.user(), func(t *identity.Token) {
			t.Expires, t.ExtendWhenUsed, t.MaxAge = time.Time{}, true, time.Hour
		})
		w.accepted(bearer, "")
		w.must(w.FlushUses(t.Context()))
		w.clock.advance(365 * 24 * time.Hour)
		w.accepted(bearer, "")
	})
}

// An organization's idle limit counts every use, also those at other doors and
// those not written yet.
func TestIdleLimitSeesUnwrittenUses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization(func(p *policy.Policy) { p.SessionIdle = 15 * time.Minute })
		bearer := w.token(policy.Session, w.user(o))
		w.accepted(bearer, o)
		for range 4 {
			w.clock.advance(10 * time.Minute)
			w.accepted(bearer, o)
		}
		w.clock.advance(10 * time.Minute)
		w.accepted(bearer, "")
		w.clock.advance(10 * time.Minute)
		w.accepted(bearer, o)
		w.clock.advance(16 * time.Minute)
		w.refused(bearer, o, policy.CodeTooOld)
		w.must(w.FlushUses(t.Context()))
		w.refused(bearer, o, policy.CodeTooOld)
	})
}

// What is in memory after a change was read again is not older than what was
// used before it.
func TestUsesSurviveForgetting(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		o := w.organization(func(p *policy.Policy) { p.SessionIdle = 15 * time.Minute })
		bearer := w.token(policy.Session, w.user(o))
		w.clock.advance(10 * time.Minute)
		w.accepted(bearer, o)
		w.setPolicy(o, func(p *policy.Policy) { p.SessionIdle, p.TwoFactorRequired = 15*time.Minute, false })
		w.clock.advance(10 * time.Minute)
		w.accepted(bearer, o)
	})
}

// A flush that fails loses nothing; the next one writes.
func TestFailedFlushKeepsUses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var bearers []string
		for range 3 {
			bearers = append(bearers, w.token(policy.PersonalToken, w.user()))
			w.accepted(bearers[len(bearers)-1], "")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.FlushUses(ctx); err == nil {
			t.Fatal("flushed with a context that has ended")
		}
		w.must(w.FlushUses(t.Context()))
		for _, b := range bearers {
			if w.stored(b).LastUsed.IsZero() {
				t.Error("a use is lost")
			}
		}
	})
}

// A use between a flush's start and its failure is the newer one.
func TestGivingBackKeepsTheLaterUse(t *testing.T) {
	s := &uses{pending: map[string]identity.Use{}}
	s.add(identity.Use{Prefix: "a", At: start})
	s.add(identity.Use{Prefix: "b", At: start})
	s.take()
	batch := s.part(2)
	if len(batch) != 2 || batch[0].Prefix != "a" || !s.latest("a").At.Equal(start) {
		t.Fatalf("took %+v", batch)
	}
	later := start.Add(time.Minute)
	s.add(identity.Use{Prefix: "a", At: later})
	s.give()
	if !s.latest("a").At.Equal(later) || !s.latest("b").At.Equal(start) || !s.latest("c").At.IsZero() {
		t.Errorf("pending %+v", s.pending)
	}
	s.give()
}

// pend has a user's token wait to be written, and so many uses of tokens that do
// not exist.
func (w *world) pend(others int) (bearer string) {
	u := w.user()
	bearer = w.token(policy.PersonalToken, u)
	w.accepted(bearer, "")
	for i := range others {
		w.uses.add(identity.Use{Prefix: fmt.Sprintf("spp_%08d", i), UserID: u, At: start})
	}
	return bearer
}

func (w *world) wantAllWritten(t *testing.T, bearer string) {
	t.Helper()
	if w.stored(bearer).LastUsed.IsZero() || w.Waiting() != 0 {
		t.Errorf("the token was used %v, %d uses wait", w.stored(bearer).LastUsed, w.Waiting())
	}
}

func TestManyUsesAreWrittenInParts(t *testing.T) {
	w := onSQLite(t)
	bearer := w.pend(2*w.db.UsesAtOnce() + 1)
	w.must(w.FlushUses(t.Context()))
	w.wantAllWritten(t, bearer)
}

// Between the parts of a flush in the background nothing is forgotten, and
// whoever asks for a list waits for none of the rests.
func TestUsesAreWrittenWithRests(t *testing.T) {
	for name, ask := range map[string]bool{"nobody asks": false, "a list asks": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newLeaselessWorld(t, migrated.SQLite(t))
				parts := 4
				bearer := w.pend(parts*w.db.UsesAtOnce() - 1)
				var flushing sync.WaitGroup
				begun := time.Now()
				flushing.Go(func() { w.must(w.flushGently(t.Context())) })
				synctest.Wait() // the first part is written, and it rests
				w.uses.flush.Lock()
				left := len(w.uses.left)
				w.uses.flush.Unlock()
				if left != (parts-1)*w.db.UsesAtOnce() || w.uses.latest(prefixOf(bearer)).At.IsZero() {
					t.Errorf("%d are left, and of what was used is known %+v", left, w.uses.latest(prefixOf(bearer)))
				}
				if ask {
					w.must(w.FlushUses(t.Context()))
					w.wantAllWritten(t, bearer)
					if time.Now() != begun {
						t.Errorf("the list waited for %v", time.Since(begun))
					}
				}
				flushing.Wait()
				w.wantAllWritten(t, bearer)
				if took := time.Since(begun); took == 0 || took > flushFor {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// A flush that ends while it rests leaves the rest to the last one, and one that
// fails to the next.
func TestRestsAreNoLoss(t *testing.T) {
	w := onSQLite(t)
	bearer := w.pend(2 * w.db.UsesAtOnce())
	ended, stop := context.WithCancel(t.Context())
	w.uses.take()
	if all, err := w.writeNext(t.Context()); all || err != nil {
		t.Fatalf("all is written: %v, %v", all, err)
	}
	stop()
	w.Run(ended)
	w.wantAllWritten(t, bearer)

	bearer = w.pend(2 * w.db.UsesAtOnce())
	w.uses.take()
	if all, err := w.writeNext(t.Context()); all || err != nil {
		t.Fatalf("all is written: %v, %v", all, err)
	}
	if all, err := w.writeNext(ended); all || err == nil {
		t.Fatalf("written after the end: %v, %v", all, err)
	}
	if w.uses.left != nil || w.Waiting() < w.db.UsesAtOnce() {
		t.Errorf("%d wait", w.Waiting())
	}
	w.must(w.FlushUses(t.Context()))
	w.wantAllWritten(t, bearer)
}

// Run writes what is pending when it ends.
func TestRunFlushesAtItsEnd(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		bearer := w.token(policy.PersonalToken, w.user())
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		w.accepted(bearer, "")
		stop()
		running.Wait()
		if w.stored(bearer).LastUsed.IsZero() {
			t.Error("a use is lost at the end")
		}
	})
}

func TestRunSaysWhatIsLost(t *testing.T) {
	w := onSQLite(t)
	var logged strings.Builder
	w.log = slog.New(slog.NewTextHandler(&logged, nil))
	bearer := w.token(policy.PersonalToken, w.user())
	w.accepted(bearer, "")
	w.must(w.db.Close())
	ctx, stop := context.WithCancel(t.Context())
	stop()
	w.Run(ctx)
	if !strings.Contains(logged.String(), "last-use records are lost") || strings.Contains(logged.String(), prefixOf(bearer)) {
		t.Errorf("logged %q", logged.String())
	}
}
