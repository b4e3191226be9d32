// Command introspectionratio compares what an introspection, and a proxy's
// question at /forward-auth, cost our server with what the least conceivable
// server of the same answer would take:
//
//	go run ./scripts/introspectionratio [-requests 20000] [-rounds 5] [-clients 8] [-database-url URL | -postgres] [-half-load]
//
// It prints a line for each,
//
//	introspection ratio: 1.87 (server 52 µs, bare 28 µs CPU per request, 5 rounds, range 1.80-1.95)
//
// and with -half-load how long answers take while as much is asked of ours as
// keeps half busy of something, and then the same of the bare server, and of one
// that only echoes:
//
//	introspection at half load of one processor of its own, product: p50 60µs, p99 400µs (rounds 300µs to 600µs), p99.9 1.1ms; it has 50 % of a processor, who asks 40 %; asked late by p50 10µs, p99 50µs, p99.9 300µs (target: p99 under 1ms; 19000 requests a second)
//
// Something is all processors, with who asks on them too: then each is in the
// other's way, and half of both is less than half of what the server could do
// alone. Or, where there are two, it is one that the server has to itself, while
// who asks has another; then everything that the server does besides is in the
// way of its answers. What the one that echoes takes is the machine's and who
// asks'; what the bare one takes more than that is net/http's.
//
// The bare server is a net/http handler that reads the token from the form, or
// the Authorization header of a proxy's question, hashes it with SHA-256, looks the hash up in a map of 100,000 and writes a
// small JSON object. A proxy has no use for that: it wants headers, 18 of them, which cost net/http more than the JSON object. So the
// third line compares with a bare server that sends as many. Ours is whole: routing, the caller's own credential,
// facts, decision, log line and last-use records, on SQLite in a folder of its
// own, or on an empty database of PostgreSQL. Each runs as a child process of this program, so that the CPU time the
// system accounts to it is that of the server alone; both get the same requests
// from here over loopback, in turns, so that what else the machine does falls
// on both. Ratio and costs are medians of the rounds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport/internal/store/storetest"
	"github.com/sallyport/sallyport/scripts/child"
)

// The arguments by which the program starts itself as a server.
const (
	serveBare    = "serve-bare"
	serveProduct = "serve-product"
	serveEcho    = "serve-echo"
)

// longest bounds a run that hangs.
const longest = 5 * time.Minute

func main() { child.Main("introspectionratio", longest, run) }

func run(ctx context.Context, args []string) (err error) {
	if len(args) == 3 && args[0] == serveBare {
		return bare(ctx)
	}
	if len(args) == 3 && args[0] == serveProduct {
		return product(ctx, args[1], args[2])
	}
	if len(args) == 3 && args[0] == serveEcho {
		return echo(ctx)
	}
	flags := flag.NewFlagSet("introspectionratio", flag.ContinueOnError)
	requests := flags.Int("requests", 20_000, "requests to each server, over all rounds")
	rounds := flags.Int("rounds", 5, "turns that each server gets")
	clients := flags.Int("clients", 8, "connections that are kept open")
	database := flags.String("database-url", "", "an empty PostgreSQL database; without it SQLite")
	postgres := flags.Bool("postgres", false, "a PostgreSQL database that is made for it, in the server of withpg")
	halfLoad := flags.Bool("half-load", false, "measure how long answers take at half load, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *rounds < 1 || *clients < 1 || *requests < *rounds {
		return errors.New("write at least one round, one client, and as many requests as rounds")
	}
	if *postgres {
		made, drop, err := storetest.CreateDatabase()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, drop()) }()
		*database = made
	}
	dir, err := os.MkdirTemp("", "sallyport-introspection-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := compare(ctx, dir, *database, *requests / *rounds, *rounds, *clients, *halfLoad); err != nil || !*halfLoad {
		return err
	}
	if *database == "" {
		return halfLoadApart(ctx, dir, "")
	}
	if !*postgres {
		fmt.Println("on a processor of its own nothing is measured: that takes a second empty database (-postgres makes one)")
		return nil
	}
	made, drop, err := storetest.CreateDatabase()
	if err != nil {
		return err
	}
	return errors.Join(halfLoadApart(ctx, dir, made), drop())
}

// doors are the ways to ask, named after the database.
func doors(database string) []door {
	list := []door{{"introspection", introspection}, {"forward-auth", forwardAuth}, {"forward-auth, both in headers,", forwardAuthHeaders}}
	for i := range list {
		if database != "" {
			list[i].name = "PostgreSQL: " + list[i].name
		}
	}
	return list
}

// compare runs both servers and prints a line for each door, and for half load
// on shared processors.
func compare(ctx context.Context, dir, database string, requests, rounds, clients int, halfLoad bool) error {
	servers, end, err := launchAll(ctx, dir, database, nil)
	defer end()
	if err != nil {
		return err
	}
	for _, d := range doors(database) {
		if err := d.compare(ctx, [2]*process{servers[1], servers[0]}, requests, rounds, clients); err != nil {
			return err
		}
	}
	if !halfLoad {
		return nil
	}
	return shared.halfLoads(ctx, database, servers)
}

// halfLoadApart has servers on a processor of their own.
func halfLoadApart(ctx context.Context, dir, database string) error {
	s, ok, err := apart()
	if err != nil {
		return err
	}
	if !ok {
		fmt.Println("on a processor of its own nothing is measured: there is only one")
		return nil
	}
	dir = filepath.Join(dir, "apart")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	servers, end, err := launchAll(ctx, dir, database, s.servers)
	defer end()
	if err != nil {
		return err
	}
	return s.halfLoads(ctx, database, servers)
}

func (s setting) halfLoads(ctx context.Context, database string, servers []*process) error {
	for _, d := range doors(database)[:2] {
		if err := s.halfLoad(ctx, d, servers); err != nil {
			return err
		}
	}
	return nil
}

// launchAll starts ours, the bare one and the one that echoes.
func launchAll(ctx context.Context, dir, database string, on *unix.CPUSet) (list []*process, end func(), err error) {
	end = func() {
		for _, s := range list {
			s.End()
		}
	}
	for _, kind := range []string{serveProduct, serveBare, serveEcho} {
		s, err := launch(ctx, kind, dir, database, on)
		if err != nil {
			return list, end, err // those that run are to be ended
		}
		list = append(list, s)
	}
	list[2].Tokens, list[2].Caller = list[1].Tokens, list[1].Caller // it looks at neither
	return list, end, nil
}

// door is a way to ask.
type door struct {
	name    string
	request func(ctx context.Context, s *process, token string) (*http.Request, error)
}

// compare runs the rounds and prints the line.
func (d door) compare(ctx context.Context, servers [2]*process, requests, rounds, clients int) error {
	for _, s := range servers {
		// Connections, caches and the heap grow before anything is counted.
		if _, err := s.cost(ctx, d, requests/2+1, clients); err != nil {
			return fmt.Errorf("%s: warm up: %w", s.kind, err)
		}
	}
	var costs [2][]float64
	var ratios []float64
	for range rounds {
		for i, s := range servers {
			cost, err := s.cost(ctx, d, requests, clients)
			if err != nil {
				return fmt.Errorf("%s: %w", s.kind, err)
			}
			costs[i] = append(costs[i], cost)
		}
		last := len(ratios)
		ratios = append(ratios, costs[1][last]/costs[0][last])
	}
	fmt.Printf("%s ratio: %.2f (server %.0f µs, bare %.0f µs CPU per request, %d rounds, range %.2f-%.2f)\n",
		d.name, median(ratios), median(costs[1]), median(costs[0]), rounds, slices.Min(ratios), slices.Max(ratios))
	return nil
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
