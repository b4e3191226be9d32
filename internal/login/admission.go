package login

import (
	"net/netip"
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
//
// What comes from one address takes half of the places at most: guesses at many
// names at once, which its bucket counts only when they turned out wrong, leave
// the other half.
func (s *Service) admit(email, device string, client netip.Addr) (leave func(), err error) {
	key, from := [2]string{email, device}, bucketOf(client)
	if !s.trying.begin(key, strangerLimits.Tries) {
		return nil, s.told(tooMany(time.Second))
	}
	if !s.crowds.begin(from, max(1, s.Hasher.Places()/2)) {
		s.trying.end(key)
		return nil, s.told(busy(s.Hasher.TurnAway()))
	}
	giveBack, err := s.Hasher.Admit()
	if err != nil {
		s.crowds.end(from)
		s.trying.end(key)
		return nil, s.told(busy(err))
	}
	return func() {
		giveBack()
		s.crowds.end(from)
		s.trying.end(key)
	}, nil
}

// tries are those that are being checked just now, by whom they are for or from.
type tries[K comparable] struct {
	mu  sync.Mutex
	now map[K]int64
}

// begin notes a try, unless there are as many as may be.
func (t *tries[K]) begin(key K, most int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now[key] >= most {
		return false
	}
	if t.now == nil {
		t.now = map[K]int64{}
	}
	t.now[key]++
	return true
}

func (t *tries[K]) end(key K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now[key]--; t.now[key] == 0 {
		delete(t.now, key)
	}
}
