package store

import (
	"context"
	"fmt"
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
