package server

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// roomyFor is how long room is kept after the last hash: making and taking it
// stops the program for a moment.
const roomyFor = time.Second

// hashingPercent is by how much of itself the heap may grow between two
// collections while passwords are hashed: each leaves 19 MiB behind, in which
// the collector has nothing to look for.
const hashingPercent = 50

// elbowRoom gives Go's scheduler more processors than there are cores while
// passwords are hashed (docs/adr/0018-room-beside-hashes.md). The hashes take
// all the scheduler's processors otherwise, and whatever else there is to do
// waits for the next of its time slices, ten milliseconds each; so it is the
// operating system that divides the cores, in which who needs little comes
// first.
type elbowRoom struct {
	mu      sync.Mutex
	hashing int
	made    bool
	percent int         // how much the heap grew between two collections before
	idle    *time.Timer // takes the room back
}

// makeElbowRoom is what a hasher calls before each hash. It is nil where the
// operator decided how many processors there are.
func makeElbowRoom() (began func() (ended func())) {
	if os.Getenv("GOMAXPROCS") != "" {
		return nil
	}
	return new(elbowRoom).begin
}

func (e *elbowRoom) begin() (ended func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hashing++
	if !e.made {
		e.made = true
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0)) // as many hashes run as there were
		if heapIsOurs() {
			e.percent = debug.SetGCPercent(hashingPercent)
		}
	}
	return e.end
}

func (e *elbowRoom) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hashing--; e.hashing > 0 {
		return
	}
	if e.idle == nil {
		e.idle = time.AfterFunc(roomyFor, e.takeBack)
		return
	}
	e.idle.Reset(roomyFor)
}

// takeBack lets the runtime follow the cores, and what a container may have of
// them, again.
func (e *elbowRoom) takeBack() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.made && e.hashing == 0 {
		e.made = false
		runtime.SetDefaultGOMAXPROCS()
		if heapIsOurs() {
			debug.SetGCPercent(e.percent)
		}
	}
}
