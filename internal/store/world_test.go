package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// BenchmarkWorld reads an organization of 10,000 people with 50,000
// credentials.
func BenchmarkWorld(b *testing.B) {
	benchEach(b, func(b *testing.B, db *DB) {
		crowd(b, db, 10_000)
		b.ResetTimer()
		for b.Loop() {
			err := db.View(b.Context(), func(r *Read) error {
				w, err := r.World(b.Context(), "org-a")
				if err == nil && len(w.Credentials) < 50_000 {
					b.Fatalf("%d people, %d credentials", len(w.People), len(w.Credentials))
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRehearsal is how long others wait for a preview in an organization of
// 10,000 people with 50,000 credentials, and how long they would if the worlds
// were read in its transaction.
func BenchmarkRehearsal(b *testing.B) {
	benchEach(b, func(b *testing.B, db *DB) {
		crowd(b, db, 10_000)
		var before, after World
		trial := db.Rehearsal("org-a", &before, &after)
		remove := func(tx *Tx) error {
			return errors.Join(tx.RemoveMember(b.Context(), "org-a", "u00000000000"), tx.Record(b.Context(), identity.Event{Action: "changed"}))
		}
		whole := func(tx *Tx) error {
			if _, err := tx.World(b.Context(), "org-a"); err != nil {
				return err
			}
			if err := remove(tx); err != nil {
				return err
			}
			_, err := tx.World(b.Context(), "org-a")
			return errors.Join(errRehearsed, err)
		}
		var held, wholly time.Duration
		b.ResetTimer()
		for b.Loop() {
			held += waitFor(b, db, func(ctx context.Context, begun func()) error {
				return trial.Update(ctx, alice, Organization("org-a"), func(tx *Tx) error { begun(); return remove(tx) })
			})
			wholly += waitFor(b, db, func(ctx context.Context, begun func()) error {
				err := db.Update(ctx, alice, Organization("org-a"), func(tx *Tx) error { begun(); return whole(tx) })
				if errors.Is(err, errRehearsed) {
					err = nil
				}
				return err
			})
		}
		if len(before.People) != len(after.People)+1 {
			b.Errorf("%d people before, %d after", len(before.People), len(after.People))
		}
		b.ReportMetric(float64(held.Microseconds())/float64(b.N)/1000, "ms-held")
		b.ReportMetric(float64(wholly.Microseconds())/float64(b.N)/1000, "ms-held-wholly")
	})
}

// waitFor runs work, and returns how long another change of the same
// organization, and so on SQLite anybody's, waits from when work has begun.
func waitFor(b *testing.B, db *DB, work func(ctx context.Context, begun func()) error) (waited time.Duration) {
	b.Helper()
	var other sync.WaitGroup
	err := work(b.Context(), func() {
		from := time.Now()
		other.Go(func() {
			if err := db.Update(b.Context(), alice, Organization("org-a"), func(tx *Tx) error {
				waited = time.Since(from)
				return nil
			}); err != nil {
				b.Error(err)
			}
		})
	})
	if other.Wait(); err != nil {
		b.Fatal(err)
	}
	return waited
}

// crowd adds people with five credentials each.
func crowd(tb testing.TB, db *DB, people int) {
	tb.Helper()
	for from := 0; from < people; from += 1000 {
		change(tb, db, func(ctx context.Context, tx *Tx) error {
			for i := from; i < min(from+1000, people); i++ {
				id := fmt.Sprintf("u%011x", i)
				if err := tx.AddUser(ctx, person(id, id+"@crowd.example")); err != nil {
					return err
				}
				if err := tx.AddMember(ctx, "org-a", id, false); err != nil {
					return err
				}
				for j := range 5 {
					t := identity.Token{
						Prefix: fmt.Sprintf("spp_%07x%d", i, j), UserID: id, Kind: policy.Session + policy.CredentialKind(j%2), Expires: tx.Now.Add(time.Hour),
						Authentication: policy.Authentication{Method: policy.MethodPassword, At: tx.Now},
					}
					if err := tx.AddToken(ctx, t); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
}
