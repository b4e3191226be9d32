// Command benchdata says how lists, searches and checks fare as a database
// grows:
//
//	go run ./scripts/benchdata [-share 10] [-database-url URL]
//
// It fills a database with 1 % of 10,000,000 audit events, 1,000,000 tokens,
// 100,000 users and 10,000 organizations, measures, fills it to the share that
// was asked for (in percent) and measures again. A line for each query says the
// medians and by how much it became slower:
//
//	people, a page      0.31 ms     0.33 ms    1.1
//
// PostgreSQL is measured twice, before it has statistics of the new rows and
// after. Then it says how long changes and checks take while the clean-up runs
// and, on SQLite, while a backup is written.
//
// It exits with 1 when one became more than twice as slow. One organization has
// half of the people and of the events, as the largest customer has;
// the queries ask for it. Its events are the oldest, so that an
// index of all organizations together leads nowhere. Chains of events are whole. The database is SQLite in
// a folder that is removed at the end, or an empty one of PostgreSQL, which
// go run ./scripts/withpg has.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/internal/store"
)

func main() {
	share := flag.Int("share", 10, "percent of the full size, 1 to 100")
	filled := flag.Bool("filled", false, "the database was filled to that share before: only measure")
	url := flag.String("database-url", "", "empty database of PostgreSQL; without: SQLite in a temporary folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	slow, err := run(ctx, *share, *url, *filled)
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchdata:", err)
	}
	if err != nil || slow > 0 {
		stop()
		os.Exit(1)
	}
}

// run opens the database, fills it and measures, and returns how many queries
// grew too slow.
func run(ctx context.Context, share int, url string, filled bool) (slow int, err error) {
	if share < 2 || share > 100 {
		return 0, fmt.Errorf("a share of %d is not between 2 and 100", share)
	}
	if url == "" {
		dir, err := os.MkdirTemp("", "benchdata-")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
		if err := hasRoom(dir, share); err != nil {
			return 0, err
		}
		url = "sqlite:" + filepath.Join(dir, "benchdata.db")
	}
	db, err := store.Open(url)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if _, err := db.Migrate(ctx); err != nil {
		return 0, err
	}
	b, err := openBulk(url)
	if err != nil {
		return 0, err
	}
	defer b.db.Close()
	l := newLoader(db, b)
	if filled {
		if err := l.resume(ctx, full.times(share)); err != nil {
			return 0, err
		}
		times, err := measure(ctx, db, l)
		if err != nil {
			return 0, err
		}
		report(times, nil, times, share)
		return 0, upkeep(ctx, db, l)
	}
	if slow, err = grow(ctx, l, share); err != nil {
		return 0, err
	}
	return slow, upkeep(ctx, db, l)
}

// grow fills and measures twice, and returns how many queries grew too slow.
func grow(ctx context.Context, l *loader, share int) (slow int, err error) {
	var small, unknown, large map[string]time.Duration
	for _, percent := range []int{1, share} {
		begun := time.Now()
		if err := l.fill(ctx, full.times(percent)); err != nil {
			return 0, err
		}
		fmt.Fprintf(os.Stderr, "%d %%: filled in %s\n", percent, time.Since(begun).Round(time.Second))
		if l.bulk.postgres {
			if unknown, err = measure(ctx, l.db, l); err != nil {
				return 0, err
			}
		}
		if err := l.bulk.gatherStatistics(ctx); err != nil {
			return 0, err
		}
		small = large
		if large, err = measure(ctx, l.db, l); err != nil {
			return 0, err
		}
	}
	return report(small, unknown, large, share), nil
}

// bytesOfEvent is what an event with its share of the rest takes on disk, with
// indexes and the write-ahead log.
const bytesOfEvent = 1500

// hasRoom is nil when the disk holds the data twice.
func hasRoom(dir string, share int) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return err
	}
	need := uint64(2 * bytesOfEvent * full.times(share).events)
	if free := disk.Bavail * uint64(disk.Bsize); free < need {
		return fmt.Errorf("%s has %d GB free, and %d are needed; set TMPDIR, or ask for a smaller -share", dir, free>>30, need>>30)
	}
	return nil
}
