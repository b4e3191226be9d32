package login

import (
	"sync"
	"time"
)

// admit gives a place to somebody whose password is about to be looked up,
// counted and checked; the caller gives it back. Under a flood the others are
// turned away before anything is read or written for them, so that it costs
// nobody else the database.
//
// What is typed for one name from one device takes no more places than it has
// tries: so the guesses at one name meet the limit of guesses, as TooMany, and
// leave room for others. The cookie need not be known yet. Who invents some
// finds the places that everybody shares, and the owner of a known device is in
// nobody's way.
func (s *Service) admit(email, device string) (leave func(), err error) {
	key := [2]string{email, device}
	if !s.trying.begin(key) {
		return nil, s.told(tooMany(time.Second))
	}
	giveBack, err := s.Hasher.Admit()
	if err != nil {
		s.trying.end(key)
		return nil, s.told(busy(err))
	}
	return func() {
		giveBack()
		s.trying.end(key)
	}, nil
}

// tries are those that are being checked just now, by name and device.
type tries struct {
	mu  sync.Mutex
	now map[[2]string]int64
}

func (t *tries) begin(key [2]string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now[key] >= strangerLimits.Tries {
		return false
	}
	if t.now == nil {
		t.now = map[[2]string]int64{}
	}
	t.now[key]++
	return true
}

func (t *tries) end(key [2]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now[key]--; t.now[key] == 0 {
		delete(t.now, key)
	}
}
