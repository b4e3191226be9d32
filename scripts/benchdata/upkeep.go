package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/store"
)

const (
	// spell is for how long an upkeep is watched.
	spell = 10 * time.Second
	// pause is how long somebody waits between two requests.
	pause = 2 * time.Millisecond
	// deadTokens is how many tokens the clean-up finds.
	deadTokens = 50_000
)

// upkeep says how changes and checks fare while nothing else happens, while old
// events go, while dead tokens go and, on SQLite, while a backup is written.
func upkeep(ctx context.Context, db *store.DB, l *loader) error {
	db.Now = time.Now
	fmt.Printf("\n%-32s %9s %9s %9s   %9s %9s %9s\n", "meanwhile", "change", "99 %", "longest", "check", "99 %", "longest")
	works := []struct {
		name string
		work func(context.Context) (string, error)
	}{
		{"nothing", func(ctx context.Context) (string, error) { return "", rest(ctx) }},
		{"old events go", func(ctx context.Context) (string, error) { return removeEvents(ctx, db) }},
		{"dead tokens go", func(ctx context.Context) (string, error) { return l.removeTokens(ctx) }},
	}
	if db.Engine() == "sqlite" {
		works = append(works, works[0])
		works[3].name, works[3].work = "a backup is written", func(ctx context.Context) (string, error) { return backUp(ctx, db) }
	}
	for _, w := range works {
		if err := l.watch(ctx, w.name, w.work); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// watch prints how long changes and checks take during a work.
func (l *loader) watch(ctx context.Context, name string, work func(context.Context) (string, error)) error {
	var changes, checks []time.Duration
	var failures [2]error
	others, stop := context.WithCancel(ctx)
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { changes, failures[0] = timed(others, func() error { return change(ctx, l.db) }) })
	both.Go(func() {
		checks, failures[1] = timed(others, func() error {
			return l.db.View(ctx, func(r *store.Read) error { return queries[0].ask(ctx, r, l) })
		})
	})
	said, err := work(ctx)
	stop()
	both.Wait()
	if err := errors.Join(err, failures[0], failures[1]); err != nil {
		return err
	}
	fmt.Printf("%-32s", name)
	for _, took := range [][]time.Duration{changes, checks} {
		for _, q := range []float64{0.5, 0.99, 1} {
			fmt.Printf(" %7.2fms", milliseconds(quantile(took, q)))
		}
		fmt.Print("  ")
	}
	fmt.Println(said)
	return nil
}

// timed asks again and again until ctx ends, and returns how long each took.
func timed(ctx context.Context, ask func() error) (took []time.Duration, err error) {
	for ctx.Err() == nil {
		begun := time.Now()
		if err := ask(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return took, nil
}

func rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(spell):
		return nil
	}
}

// removeEvents lets the oldest go as the server does, for a while.
func removeEvents(ctx context.Context, db *store.DB) (string, error) {
	begun := time.Now()
	var steps []time.Duration
	var total int64
	for time.Since(begun) < spell {
		step := time.Now()
		var n int64
		err := db.MaintainLightly(ctx, func(tx *store.Tx) (err error) {
			n, err = tx.RemoveEvents(ctx, begun)
			return err
		})
		if err != nil {
			return "", err
		}
		if n == 0 {
			break
		}
		steps, total = append(steps, time.Since(step)), total+n
		time.Sleep(time.Since(step)) // as RemoveOldEvents does
	}
	return fmt.Sprintf("%d events a second, a step of %d in %.0f ms, at most %.0f ms", int(float64(total)/time.Since(begun).Seconds()), total/max(int64(len(steps)), 1),
		milliseconds(quantile(steps, 0.5)), milliseconds(quantile(steps, 1))), nil
}

// removeTokens revokes some as if it were long ago, and lets the clean-up run.
func (l *loader) removeTokens(ctx context.Context) (string, error) {
	revoked := min(deadTokens, l.done.tokens/4)
	if _, err := l.bulk.db.ExecContext(ctx, `UPDATE tokens SET revoked_at = 1 WHERE prefix >= $1`, prefix(l.done.tokens-revoked)); err != nil {
		return "", err
	}
	begun := time.Now()
	rows, err := l.db.CleanUp(ctx)
	return fmt.Sprintf("%d rows, %d a second", rows, int(float64(rows)/time.Since(begun).Seconds())), err
}

// backUp writes a copy beside the database.
func backUp(ctx context.Context, db *store.DB) (string, error) {
	dir, err := os.MkdirTemp("", "benchdata-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "backup.db")
	begun := time.Now()
	if err := db.Backup(ctx, file); err != nil {
		return "", err
	}
	took := time.Since(begun)
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%.1f GB in %s", float64(info.Size())/1e9, took.Round(100*time.Millisecond)), nil
}
