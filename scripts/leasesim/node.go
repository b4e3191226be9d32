package main

import "time"

// node is a server. Its clock goes at its own rate.
type node struct {
	*world
	id, region int
	rate       float64
	life       int  // which of its lives this is
	alive, cut bool // cut: off from the database

	// Following, as internal/store does.
	round    int             // the number of the one that runs, or of the pause after it
	line     bool            // whether there is a connection
	prepared map[string]bool // statements known on it; others take two ways there and back
	idle     int             // other connections
	row      int             // 0: none
	seen     int
	known    bool
	answered time.Duration // by its clock
	resting  bool
	notified bool // while it was not resting
	woken    bool

	leased bool
	from   time.Duration // by its clock

	// memory has the version of each scope that it holds; marks count what was
	// forgotten, so that what was being read meanwhile is not kept.
	memory map[int]int
	marks  int
}

func (n *node) clock() time.Duration { return time.Duration(float64(n.now) * n.rate) }

// afterOwn does something after a time by the node's clock, if it still lives.
func (n *node) afterOwn(d time.Duration, do func()) {
	life := n.life
	n.after(time.Duration(float64(d)/n.rate), func() {
		if n.life == life {
			do()
		}
	})
}

func (n *node) start() {
	n.life++
	n.alive = true
	n.begin()
	n.afterOwn(n.pauseBetween(n.checks), n.checkNow)
}

// die loses everything at once.
func (n *node) die() {
	n.life++
	n.alive, n.leased, n.line, n.idle, n.row, n.known = false, false, false, 0, 0, false
	n.forgetAll()
}

func (n *node) cutOff(cut bool) {
	n.cut = cut
	n.idle = 0
}

func (n *node) fresh() bool { return n.leased && n.clock()-n.from < n.lease }

func (n *node) forget(scope int) {
	n.marks++
	delete(n.memory, scope)
}

func (n *node) forgetAll() {
	n.marks++
	clear(n.memory)
}

// begin starts a round, which has half of the lease. What is there only once,
// the line and the row, is not part of that, unless it is to be tried so.
func (n *node) begin() {
	limit := n.lease / 2
	if n.setUpApart {
		limit = setUpTime
	}
	mine, from := n.limited(limit), n.clock()
	n.connect(mine, func() {
		n.register(mine, func() {
			if n.setUpApart {
				mine, from = n.limited(n.lease/2), n.clock()
			}
			n.look(mine, from)
		})
	})
}

// limited begins something that is given up after a time, and returns its number.
func (n *node) limited(d time.Duration) int {
	n.round++
	n.resting = false
	mine := n.round
	n.afterOwn(d, func() {
		if n.round == mine && !n.resting {
			n.failed()
		}
	})
	return mine
}

// failed gives the round and its connection up.
func (n *node) failed() {
	n.round++
	n.line = false
	n.afterOwn(n.lease/retriesOfLease, n.begin)
}

// say runs a statement on the line for a round, and goes on unless that was
// given up.
func (n *node) say(round int, name string, statement, then func()) {
	times := 2
	if n.prepared[name] {
		times = 1
	}
	n.askTimes(n, times, func() { n.protocol(); statement() }, func() {
		if n.round == round {
			n.prepared[name] = true
			then()
		}
	})
}

func (n *node) connect(round int, then func()) {
	if n.line {
		then()
		return
	}
	dial := dialTrips
	if n.idle > 0 {
		n.idle--
		dial = 0
	}
	n.askTimes(n, dial+1, n.protocol, func() { // and LISTEN
		if n.round == round {
			n.line, n.prepared = true, map[string]bool{}
			n.recall(round, then)
		}
	})
}

func (n *node) recall(round int, then func()) {
	if n.row == 0 {
		then()
		return
	}
	var stored row
	var there bool
	n.say(round, "recall", func() { stored, there = n.rows[n.row] }, func() {
		if n.seen = stored.seen; !there {
			n.row = 0
		}
		then()
	})
}

func (n *node) register(round int, then func()) {
	if n.row != 0 {
		then()
		return
	}
	id := 0
	n.say(round, "register", func() { n.rowID++; id = n.rowID; n.rows[id] = row{} }, func() {
		n.row, n.seen, n.known = id, 0, false
		then()
	})
}

// look reads what is new, forgets it, and takes a lease from the moment before.
func (n *node) look(round int, from time.Duration) {
	snapshot, there := 0, false
	n.say(round, "look", func() {
		snapshot = len(n.log)
		_, there = n.rows[n.row]
		if n.counting() {
			n.result.renewals++
		}
	}, func() {
		if !there {
			n.row = 0
			n.failed()
			return
		}
		if n.mustAnswer(snapshot) {
			n.answer(round, snapshot, from)
			return
		}
		n.renewed(from)
	})
}

// mustAnswer forgets what others changed, and says whether the row has to say
// so before there is a lease.
func (n *node) mustAnswer(snapshot int) bool {
	if !n.known {
		n.forgetAll()
		return true
	}
	news := false
	for _, c := range n.log[min(n.seen, snapshot):snapshot] {
		if c.by != n.id {
			n.forget(c.scope)
			news = true
		}
	}
	return news || snapshot > n.seen && (n.woken || n.clock()-n.answered > n.lease/roundsOfLease)
}

func (n *node) answer(round, snapshot int, from time.Duration) {
	there := false
	n.say(round, "answer", func() {
		r, ok := n.rows[n.row]
		if there = ok; ok {
			n.rows[n.row] = row{seen: snapshot, answers: r.answers + 1}
		}
	}, func() {
		if !there {
			n.row = 0
			n.failed()
			return
		}
		n.seen, n.known, n.answered = snapshot, true, n.clock()
		n.renewed(from)
	})
}

func (n *node) renewed(from time.Duration) {
	if n.fromReply {
		from = n.clock()
	}
	n.leased, n.from = true, from
	n.resting, n.woken = true, false
	if n.notified {
		n.wake()
		return
	}
	mine := n.round
	n.afterOwn(n.lease/roundsOfLease, func() {
		if n.round == mine {
			n.begin()
		}
	})
}

// wake is a notification that arrives.
func (n *node) wake() {
	if n.notified = !n.resting; !n.notified {
		n.woken = true
		n.begin()
	}
}

// checkNow checks a credential, and plans the next check.
func (n *node) checkNow() {
	n.afterOwn(n.pauseBetween(n.checks), n.checkNow)
	scope := n.random.IntN(n.scopes)
	due := n.world.answered[scope]
	n.result.asked(n)
	if version, ok := n.memory[scope]; ok && n.fresh() {
		n.result.remembered(n)
		n.result.judge(version, due)
		return
	}
	if n.cut {
		n.result.refuse(n)
		return
	}
	version, marks := 0, n.marks
	n.ask(n, func() { version = n.version[scope] }, func() {
		n.result.judge(version, due)
		n.idle = max(n.idle, 1)
		if n.marks == marks {
			n.memory[scope] = version
		}
	})
}
