// Command leasesim plays the lease protocol of docs/adr/0014-leases.md with
// many nodes in five regions around one database:
//
//	go run ./scripts/leasesim [-nodes 100] [-minutes 2] [-changes 2] [-seed 1]
//
// For each length of the lease it prints how long changes wait for the nodes,
// what the database has to do, and how many checks are answered from memory, of
// all and of those in the farthest region. Messages are late and lost; in the
// lines of trouble a node dies and that region is cut off as well. It fails if a
// check that starts after the answer to a change does not know of it.
//
// It is a simulation: nothing is measured but the protocol itself, and the same
// seed gives the same table. The proof over all orders of steps is the model in
// internal/access; this is about how long things take at a size that no test
// can start. What it knows of the program are the constants of settings.go.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "leasesim:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("leasesim", flag.ContinueOnError)
	nodes := flags.Int("nodes", 100, "nodes, spread evenly over the regions")
	minutes := flags.Int("minutes", 2, "simulated minutes for each length of the lease")
	changes := flags.Float64("changes", 2, "changes a second, of all nodes together")
	seed := flags.Uint64("seed", 1, "of everything that is random")
	noWait := flags.Bool("mutate-no-wait", false, "break the protocol: writers answer without waiting")
	fromReply := flags.Bool("mutate-from-reply", false, "break the protocol: leases count from the reply")
	within := flags.Bool("set-up-within", false, "what if connecting and registering were part of a round's time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *nodes < len(regions) || *minutes < 1 || *changes <= 0 {
		return fmt.Errorf("needs %d nodes, a minute, and changes", len(regions))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tlease\tchanges\twait p50\tp95\tp99\tlongest\trenewals/s\tprotocol/s\tfrom memory\tfarthest region\trefused\t")
	violations := 0
	for _, trouble := range []string{"calm", "trouble"} {
		for _, lease := range leases {
			s := usual(*nodes, lease, *seed)
			if trouble == "calm" {
				s.dead, s.cuts = 0, 0
			}
			s.length, s.changes = time.Duration(*minutes)*time.Minute, *changes
			s.noWait, s.fromReply = *noWait, *fromReply
			s.setUpApart = !*within
			r := simulate(s)
			violations += r.violations
			r.row(w, trouble, lease)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if violations > 0 {
		return fmt.Errorf("%d checks accepted what a change that was answered before them refuses", violations)
	}
	return nil
}
