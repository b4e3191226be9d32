// Command writeratio compares how many audited changes a second our server
// makes on PostgreSQL with what the database does for a transaction of the same
// statements:
//
//	go run ./scripts/writeratio [-clients 16] [-seconds 3] [-rounds 7] [-fsync=true] [-show]
//
// It prints
//
//	write ratio: 0.71 (target 0.60 or more; 812 tokens made over HTTP, 1140 pgbench transactions a second from 16 clients, fsync on, 5 rounds, range 0.68-0.74)
//	write ratio of the store alone: 0.93 (1060 tokens made without HTTP a second)
//	by processor time: 0.70, the store alone 0.90 (pgbench 780 µs a change, of which PostgreSQL 630; over HTTP 1110, 740; without 870, 650)
//
// The last line is of use where something else is at work on the machine: then
// the rates say little, and the time that a change takes from the processors, of
// the database, the server and whoever asks it together, still does.
//
// A change is a personal token that somebody makes with a session: the whole
// server over HTTP, with check, decision, event, log line, and the wait until
// every node has followed; or the same use case without HTTP. Its transaction is
// taken from PostgreSQL's own log, statement by statement with its values, and
// becomes the script that pgbench runs, prepared, from as many clients: only
// what has to differ between two changes is put in anew. So the script cannot
// fall behind the program. All run in turns against one private server, so that
// what else the machine does falls on all; figures are medians of the rounds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/store/storetest"
	"github.com/sallyport/sallyport/scripts/child"
)

// longest bounds a run that hangs, and most what is asked of the machine.
const (
	longest     = 10 * time.Minute
	mostClients = 64
	mostSeconds = 60
	mostRounds  = 20
	target      = 0.60
)

func main() { child.Main("writeratio", longest, run) }

// plan is how a run is made.
type plan struct {
	clients, seconds, rounds int
	fsync, show              bool
}

func run(ctx context.Context, args []string) error {
	if len(args) == 4 && args[0] == serveProduct {
		return product(ctx, args[1], args[2], args[3])
	}
	var p plan
	flags := flag.NewFlagSet("writeratio", flag.ContinueOnError)
	flags.IntVar(&p.clients, "clients", 16, "who write at the same time")
	flags.IntVar(&p.seconds, "seconds", 3, "length of a turn")
	flags.IntVar(&p.rounds, "rounds", 7, "turns that each gets")
	flags.BoolVar(&p.fsync, "fsync", true, "let PostgreSQL wait for the disk, as in production")
	flags.BoolVar(&p.show, "show", false, "print pgbench's script first")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, n := range [][2]int{{p.clients, mostClients}, {p.seconds, mostSeconds}, {p.rounds, mostRounds}} {
		if n[0] < 1 || n[0] > n[1] {
			return fmt.Errorf("write at least 1, and at most %d clients, %d seconds and %d rounds", mostClients, mostSeconds, mostRounds)
		}
	}
	return p.compare(ctx)
}

// compare runs all three and prints the lines.
func (p plan) compare(ctx context.Context) (err error) {
	durability := storetest.Durable
	if !p.fsync {
		durability = storetest.Fast
	}
	postgres, err := storetest.Launch(durability)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, postgres.Close()) }()
	dir, err := os.MkdirTemp("", "sallyport-writeratio-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	url, err := database(ctx, postgres)
	if err != nil {
		return err
	}
	server, err := launch(ctx, dir, url, p.clients)
	if err != nil {
		return err
	}
	defer server.End()
	statements, err := capture(ctx, postgres, url, server.makeSample)
	if err != nil {
		return err
	}
	bench, err := newBench(postgres, dir, url, statements)
	if err != nil {
		return err
	}
	if p.show {
		fmt.Print(bench.text)
	}
	return p.rate(ctx, url, bench, server, alone{server})
}

// contestant writes from some clients for a time, and returns how many changes
// it made a second.
type contestant interface {
	write(ctx context.Context, clients int, length time.Duration) (float64, error)
}

func (p plan) rate(ctx context.Context, url string, contestants ...contestant) error {
	length := time.Duration(p.seconds) * time.Second
	rates, costs := make([][]float64, len(contestants)), make([][]cost, len(contestants))
	for round := range p.rounds + 1 {
		for i, c := range contestants {
			if err := forget(ctx, url); err != nil {
				return err
			}
			before, err := spent()
			if err != nil {
				return err
			}
			rate, err := c.write(ctx, p.clients, length)
			if err != nil {
				return err
			}
			after, err := spent()
			if err != nil {
				return err
			}
			if round > 0 { // connections and caches grow before anything is counted
				rates[i] = append(rates[i], rate)
				costs[i] = append(costs[i], after.of(before, rate*length.Seconds()))
			}
		}
	}
	fsync := map[bool]string{true: "on", false: "off"}[p.fsync]
	served, alone := ratios(rates[1], rates[0]), ratios(rates[2], rates[0])
	fmt.Printf("write ratio: %.2f (target %.2f or more; %.0f tokens made over HTTP, %.0f pgbench transactions a second from %d clients, fsync %s, %d rounds, range %.2f-%.2f)\n",
		median(served), target, median(rates[1]), median(rates[0]), p.clients, fsync, p.rounds, slices.Min(served), slices.Max(served))
	fmt.Printf("write ratio of the store alone: %.2f (%.0f tokens made without HTTP a second)\n", median(alone), median(rates[2]))
	bench, http, direct := costs[0], costs[1], costs[2]
	fmt.Printf("by processor time: %.2f, the store alone %.2f (pgbench %.0f µs a change, of which PostgreSQL %.0f; over HTTP %.0f, %.0f; without %.0f, %.0f)\n",
		median(ratios(all(bench), all(http))), median(ratios(all(bench), all(direct))),
		median(all(bench)), median(ofDatabase(bench)), median(all(http)), median(ofDatabase(http)), median(all(direct)), median(ofDatabase(direct)))
	return nil
}

func ratios(of, to []float64) []float64 {
	list := make([]float64, len(of))
	for i := range of {
		list[i] = of[i] / to[i]
	}
	return list
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
