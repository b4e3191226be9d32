package main

import "time"

// region is where nodes are; its round trip to the database is all that counts,
// as nodes do not talk to each other.
type region struct {
	name      string
	roundTrip time.Duration
}

// regions are at the median round trips that Microsoft publishes for Azure,
// seen from East US, where the database is (Azure network round-trip latency
// statistics, 30 days until 2024-06-19). Within the region it is our assumption.
var regions = []region{
	{"East US", time.Millisecond},
	{"West US", 74 * time.Millisecond},
	{"West Europe", 90 * time.Millisecond},
	{"Australia East", 201 * time.Millisecond},
	{"Southeast Asia", 234 * time.Millisecond},
}

// What internal/store does.
const (
	roundsOfLease  = 6
	retriesOfLease = 30
	firstPause     = time.Millisecond
	lastPause      = 20 * time.Millisecond
	// idleConnections are those that a new line can be taken from; opening one
	// takes dialTrips: TCP, the request for TLS, TLS, and three for SCRAM.
	idleConnections = 4
	dialTrips       = 6
	// changeTrips are the statements of a small transaction with its event.
	changeTrips = 6
	// service is how long the database takes for a statement.
	service = 200 * time.Microsecond
	// retransmit is the least that TCP waits before it sends a lost segment again.
	retransmit = 200 * time.Millisecond
)

// setUpTime is how long connecting and registering may take where they are not
// part of the round.
const setUpTime = 10 * time.Second

// leases are the lengths that are compared.
var leases = []time.Duration{time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second}

// settings are one run.
type settings struct {
	nodes  int
	lease  time.Duration
	seed   uint64
	warmUp time.Duration // before anything is counted
	length time.Duration // of what is counted

	changes float64 // a second, of all nodes
	checks  float64 // a second, of each node
	scopes  int     // that credentials are read from

	jitter float64 // mean lateness of a message, as a part of the way
	loss   float64 // part of messages that TCP has to send again
	drift  float64 // how much clocks go wrong at most

	dead                time.Duration // for which a node stays dead, a quarter into the run; 0: none does
	cuts                int           // how often a region is cut off, in turns, beginning with the farthest
	cut                 time.Duration // for how long
	noWait, fromReply   bool          // mutations
	setUpApart          bool          // the time for a round does not include connecting
	changesBeforeCutsIn time.Duration // a change is made at a random moment of so long before a cut; 0: no special one
}

// usual are the settings of the table.
func usual(nodes int, lease time.Duration, seed uint64) settings {
	return settings{
		nodes: nodes, lease: lease, seed: seed, warmUp: max(2*lease, 30*time.Second), length: 2 * time.Minute,
		changes: 2, checks: 100, scopes: 1000,
		jitter: 0.05, loss: 0.001, drift: 0.0005,
		dead: 20 * time.Second, cuts: 1, cut: 10 * time.Second,
	}
}
