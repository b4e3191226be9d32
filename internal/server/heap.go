package server

import (
	"os"
	"sync"
)

// heapReserve is memory, in bytes, that is never touched, so that the system
// gives none for it. The collector starts when the heap has doubled: what a
// server holds is little and lives long, what requests leave behind is much, and
// without the reserve it would run many times a second, which took a fifth of
// the processor under load. It bounds what the heap grows by between two runs.
const heapReserve = 96 << 20

// reserveHeap makes the collector run less often, unless the operator decided
// how often it does. It keeps what it returns.
var reserveHeap = sync.OnceValue(func() []byte {
	if !heapIsOurs() {
		return nil
	}
	return make([]byte, heapReserve)
})

// heapIsOurs is false where the operator decided how often the collector runs.
func heapIsOurs() bool { return os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" }
