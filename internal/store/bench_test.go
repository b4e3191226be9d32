package store

import (
	"context"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// benchEach runs a benchmark on a town of each engine. PostgreSQL runs without
// fsync here; SQLite runs as in production.
func benchEach(b *testing.B, fn func(b *testing.B, db *DB)) {
	for _, engine := range engines {
		b.Run(engine, func(b *testing.B) {
			db := migrated(b, engine)
			town(b, db)
			addToken(b, db, personal("spp_bench000"))
			b.ReportAllocs()
			b.ResetTimer()
			fn(b, db)
		})
	}
}

// BenchmarkFacts is what a check costs that nothing is remembered for.
func BenchmarkFacts(b *testing.B) {
	benchEach(b, func(b *testing.B, db *DB) {
		for b.Loop() {
			if _, err := facts(b, db, "spp_bench000", "org-a"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkUpdate is one audited change after the other.
func BenchmarkUpdate(b *testing.B) {
	benchEach(b, func(b *testing.B, db *DB) {
		for b.Loop() {
			change(b, db, func(ctx context.Context, tx *Tx) error {
				return tx.SetProfile(ctx, identity.User{ID: "u-bob", RealName: "Bob"})
			})
		}
	})
}
