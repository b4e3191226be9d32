package store

import (
	"testing"
	"time"
)

func TestR7ClockAhead(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		for _, ahead := range []time.Duration{0, time.Hour, -30 * 24 * time.Hour} {
			db.Now = func() time.Time { return time.Now().Add(ahead) }
			want := ahead
			if db.Engine() == "sqlite" {
				want = 0
			}
			got, err := db.ClockAhead(t.Context())
			for begun := time.Now(); err != nil && time.Since(begun) < hang; {
				got, err = db.ClockAhead(t.Context()) // a slow answer says nothing
			}
			if err != nil || (got-want).Abs() > clockTime {
				t.Errorf("ahead by %v, %v; want %v", got, err, want)
			}
		}
	})
}
