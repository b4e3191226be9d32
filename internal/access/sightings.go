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

// sightingsAtOnce bounds those that one transaction writes. It counts what the
// organization has: with few at once that would be most of its work.
const sightingsAtOnce = 256

// sighting is a credential at an address, at the door of an organization.
type sighting struct {
	organization, prefix string
	client               netip.Addr
}

// sightings gathers the addresses that organizations are used from while they
// learn their ranges, until they are written.
type sightings struct {
	mu      sync.Mutex
	pending map[sighting]identity.AddressUse
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
		if len(s.pending) >= maxSightings {
			return
		}
		u = identity.AddressUse{OrganizationID: key.organization, Prefix: key.prefix, UserID: k.User.ID, IP: client.String(), First: now}
	}
	u.Last = now
	u.Uses++
	s.put(key, u)
}

func (s *sightings) put(key sighting, u identity.AddressUse) {
	if s.pending == nil {
		s.pending = map[sighting]identity.AddressUse{}
	}
	s.pending[key] = u
}

// take empties what is pending into a list in the order of the table's key, so
// that two nodes lock rows in the same order.
func (s *sightings) take() []identity.AddressUse {
	s.mu.Lock()
	taken := s.pending
	s.pending = nil
	s.mu.Unlock() // nobody waits for the order
	return slices.SortedFunc(maps.Values(taken), func(a, b identity.AddressUse) int {
		return cmp.Or(strings.Compare(a.OrganizationID, b.OrganizationID), strings.Compare(a.Prefix, b.Prefix), strings.Compare(a.IP, b.IP))
	})
}

// give takes back what could not be written.
func (s *sightings) give(unwritten []identity.AddressUse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range unwritten {
		client, _ := netip.ParseAddr(u.IP) // it was one
		key := sighting{u.OrganizationID, u.Prefix, client}
		if later, ok := s.pending[key]; ok {
			u.Last, u.Uses = later.Last, u.Uses+later.Uses
		}
		s.put(key, u)
	}
}
