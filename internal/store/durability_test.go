package store

import (
	"context"
	"errors"
	"testing"
)

// What is committed lightly does not wait for the disk; whatever is committed
// after it does, however the light transaction ended.
func TestOnlyLightCommitsDoNotWaitForTheDisk(t *testing.T) {
	const normal, full = 1, 2
	synchronous := func(q querier) int64 {
		n, err := one(context.Background(), q, scanInt, `PRAGMA synchronous`)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	refused := errors.New("refused")
	ends := map[string]func(ctx context.Context, tx *Tx, cancel func()) error{
		"written": func(ctx context.Context, tx *Tx, _ func()) error {
			return tx.write(ctx, `UPDATE users SET last_active_at = 7 WHERE id = 'u-bob'`)
		},
		"refused": func(context.Context, *Tx, func()) error { return refused },
		"broken": func(ctx context.Context, tx *Tx, _ func()) error {
			return tx.write(ctx, `UPDATE nowhere SET nothing = 1`)
		},
		"given up": func(ctx context.Context, tx *Tx, cancel func()) error {
			cancel()
			return tx.write(ctx, `UPDATE users SET last_active_at = 8 WHERE id = 'u-bob'`)
		},
		"ended by hand": func(ctx context.Context, tx *Tx, _ func()) error {
			_, err := tx.q.exec(ctx, `ROLLBACK`)
			return err
		},
		"panicking": func(context.Context, *Tx, func()) error { panic(refused) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			db := migrated(t, "sqlite")
			town(t, db)
			for range 2 {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				func() {
					defer func() { _ = recover() }()
					err := db.MaintainLightly(ctx, func(tx *Tx) error {
						if n := synchronous(tx.q); n != normal {
							t.Errorf("its commit has synchronous=%d", n)
						}
						return end(ctx, tx, cancel)
					})
					if (err == nil) != (name == "written") {
						t.Errorf("it ended with %v", err)
					}
				}()
				if n := synchronous(db.write); n != full {
					t.Errorf("others commit with synchronous=%d", n)
				}
				maintain(t, db, func(ctx context.Context, tx *Tx) error {
					if n := synchronous(tx.q); n != full {
						t.Errorf("a change commits with synchronous=%d", n)
					}
					return tx.write(ctx, `UPDATE users SET last_active_at = last_active_at + 1 WHERE id = 'u-bob'`)
				})
			}
		})
	}
}

// Whoever has no turn to write gives up when it is told to.
func TestLightMaintenanceWaitsForItsTurnNoLongerThanAsked(t *testing.T) {
	db := migrated(t, "sqlite")
	maintain(t, db, func(context.Context, *Tx) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := db.MaintainLightly(ctx, func(*Tx) error { return nil }); err == nil {
			t.Error("it wrote while another one did")
		}
		return nil
	})
}
