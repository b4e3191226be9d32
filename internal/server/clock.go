package server

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// clockEvery is how often a server compares its clock with the database's.
const clockEvery = 5 * time.Second

// clock is what the last comparison found.
type clock struct {
	comparing sync.Mutex   // the last word is that of the last reading
	ahead     atomic.Int64 // of the database's, in nanoseconds
	wrong     atomic.Bool  // said so in the log
}

// CompareClock looks whether this server's clock and the database's agree; a
// running server does it every few seconds. With a clock that is behind the
// others' a server would accept what has ended, so it is not ready. That the
// database is not reached is said elsewhere, and leaves what was found.
func (s *Server) CompareClock(ctx context.Context) {
	s.clock.comparing.Lock()
	defer s.clock.comparing.Unlock()
	ahead, err := s.DB.ClockAhead(ctx)
	if err != nil {
		return
	}
	s.clock.ahead.Store(int64(ahead))
	wrong := ahead.Abs() > maxClockSkew
	if s.clock.wrong.Swap(wrong) == wrong {
		return
	}
	if wrong {
		s.Log.Error("this server's clock and the database's do not agree: the server is not ready until the wrong one is set right", "ahead", ahead.Round(time.Millisecond).String())
		return
	}
	s.Log.Info("this server's clock and the database's agree again")
}

// inTime is nil while the clocks agreed at the last comparison.
func (c *clock) inTime() error {
	if ahead := time.Duration(c.ahead.Load()); ahead.Abs() > maxClockSkew {
		return fmt.Errorf("the clock is %v ahead of the database's", ahead.Round(time.Millisecond))
	}
	return nil
}
