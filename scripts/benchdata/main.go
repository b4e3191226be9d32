// Command benchdata says how lists, searches and checks fare as a database
// grows:
//
//	go run ./scripts/benchdata [-share 10] [-database-url URL]
//
// It fills one database with 1 % of 10,000,000 audit events, 1,000,000 tokens,
// 100,000 users and 10,000 organizations and another with the share that was
// asked for (in percent), and asks both in turn, so that what else the machine
// does meets them alike. A line for each query says the medians and how much
// slower the large one is:
//
//	people, a page      0.31 ms     0.33 ms    1.1
//
// PostgreSQL is measured twice, while its statistics of the large one are those
// of 1 % and with new ones. Then it says how long changes and checks take while the clean-up runs
// and, on SQLite, while a backup is written.
//
// It exits with 1 when one became more than twice as slow. One organization has
// half of the people and of the events, as the largest customer has;
// the queries ask for it. Its events are the oldest, so that an
// index of all organizations together leads nowhere. Chains of events are whole. The databases are SQLite in
// a folder that is removed at the end, or two schemas of an empty one of
// PostgreSQL, which go run ./scripts/withpg has.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	share := flag.Int("share", 10, "percent of the full size, 1 to 100")
	filled := flag.Bool("filled", false, "the database of PostgreSQL was filled to that share before: only measure")
	database := flag.String("database-url", "", "empty database of PostgreSQL; without: SQLite in a temporary folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	slow, err := run(ctx, *share, *database, *filled)
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchdata:", err)
	}
	if err != nil || slow > 0 {
		stop()
		os.Exit(1)
	}
}

// run opens and fills the databases and measures, and returns how many queries
// are too slow on the large one.
func run(ctx context.Context, share int, database string, filled bool) (slow int, err error) {
	if share < 2 || share > 100 {
		return 0, fmt.Errorf("a share of %d is not between 2 and 100", share)
	}
	place := func(name string) (string, error) { return schema(ctx, database, name) }
	if database == "" {
		dir, err := os.MkdirTemp("", "benchdata-")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
		if err := hasRoom(dir, share); err != nil {
			return 0, err
		}
		place = func(name string) (string, error) { return "sqlite:" + filepath.Join(dir, name+".db"), nil }
	}
	var both [2]*loader
	for i, name := range []string{"small", "large"} {
		at, err := place(name)
		if err == nil {
			both[i], err = newLoader(ctx, at)
		}
		if err != nil {
			return 0, err
		}
		defer both[i].close()
	}
	if slow, err = compare(ctx, both[0], both[1], share, filled); err != nil {
		return 0, err
	}
	return slow, upkeep(ctx, both[1].db, both[1])
}

// compare fills both, measures, and returns how many queries are too slow on
// the large one.
func compare(ctx context.Context, small, large *loader, share int, filled bool) (slow int, err error) {
	if filled {
		if err := errors.Join(small.resume(ctx, full.times(1)), large.resume(ctx, full.times(share))); err != nil {
			return 0, err
		}
		m, err := measure(ctx, small, large)
		if err != nil {
			return 0, err
		}
		return report(m, m, share), nil
	}
	begun := time.Now()
	for _, l := range []*loader{small, large} {
		if err := l.fill(ctx, full.times(1)); err != nil {
			return 0, err
		}
		if err := l.bulk.gatherStatistics(ctx); err != nil {
			return 0, err
		}
	}
	if err := large.fill(ctx, full.times(share)); err != nil {
		return 0, err
	}
	fmt.Fprintf(os.Stderr, "filled in %s\n", time.Since(begun).Round(time.Second))
	stale, err := measure(ctx, small, large)
	if err != nil {
		return 0, err
	}
	known := stale
	if large.bulk.postgres {
		if err := large.bulk.gatherStatistics(ctx); err != nil {
			return 0, err
		}
		if known, err = measure(ctx, small, large); err != nil {
			return 0, err
		}
	}
	return report(stale, known, share), nil
}

// schema makes a schema of a database of PostgreSQL, if it is not there, and
// returns its URL.
func schema(ctx context.Context, database, name string) (string, error) {
	u, err := url.Parse(database)
	if err != nil {
		return "", errors.New("-database-url is no URL")
	}
	b, err := openBulk(database)
	if err != nil {
		return "", err
	}
	defer b.db.Close()
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	_, err = b.db.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS `+name)
	return u.String(), err
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
