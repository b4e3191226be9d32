package access

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
)

// maxSightings bounds what waits to be written; what comes on top is not
// observed. A use that matters is made again.
const maxSightings = 4096

// sighting is a credential at an address, at the door of an organization.
type sighting struct {
	organization, prefix string
	client               netip.Addr
}

// sightings gathers the addresses that organizations are used from while they
// learn their ranges, until they are written.
type sightings struct {
	// Taken and to be written yet, and the organizations that may have too many
	// then, under uses.flush.
	left []identity.AddressUse
	full []overfull

	mu      sync.Mutex
	pending map[sighting]identity.AddressUse
	writing int // how many of left there are
}

// overfull is an organization that may have too many observed addresses: over so
// many, once they were counted.
type overfull struct {
	organization string
	counted      bool
	over         int
}

// see counts an accepted use. Those of the operator's recover session are none:
// that one passes from everywhere.
func (s *sightings) see(k *known, client netip.Addr, now time.Time) {
	if !client.IsValid() || k.Token.BreakGlass != "" {
		return
	}
	key := sighting{k.Organization.ID, k.Token.Prefix, client}
	s.mu.Lock()
	defer s.mu.Unlock()
	u, seen := s.pending[key]
	if !seen {
		if len(s.pending)+s.writing >= maxSightings {
			return
		}
		u = identity.AddressUse{OrganizationID: key.organization, Prefix: key.prefix, UserID: k.User.ID, IP: client.String(), First: now}
	}
	u.Last = now
	u.Uses++
	if s.pending == nil {
		s.pending = map[sighting]identity.AddressUse{}
	}
	s.pending[key] = u
}

// take moves what is pending into the hands of a flush, after one that has ended:
// into a list in the order of the table's key, so that two nodes lock rows in the
// same order.
func (s *sightings) take() {
	if len(s.left)+len(s.full) > 0 {
		return
	}
	s.mu.Lock()
	taken := s.pending
	s.pending, s.writing = nil, len(taken)
	s.mu.Unlock() // nobody waits for the order
	s.left = slices.SortedFunc(maps.Values(taken), func(a, b identity.AddressUse) int {
		return cmp.Or(strings.Compare(a.OrganizationID, b.OrganizationID), strings.Compare(a.Prefix, b.Prefix), strings.Compare(a.IP, b.IP))
	})
}

// part is what is to be written next.
func (s *sightings) part(most int) []identity.AddressUse { return s.left[:min(len(s.left), most)] }

// wrote notes that a part was written. One that was not stays, for the next
// flush.
func (s *sightings) wrote(part []identity.AddressUse) {
	for _, u := range part { // in the order of organizations
		if n := len(s.full); n == 0 || s.full[n-1].organization != u.OrganizationID {
			s.full = append(s.full, overfull{organization: u.OrganizationID})
		}
	}
	s.left = s.left[len(part):]
	s.mu.Lock()
	s.writing -= len(part)
	s.mu.Unlock()
}
