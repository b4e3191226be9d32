package access

import (
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// place is what all who use an organization have in common, but for a pilot.
type place struct {
	organization string // that was asked about, whether it exists or not
	Organization identity.Organization
	pilot        string         // the change of the pilot that holds them
	policy       *policy.Policy // the organization's
	effective    *policy.Policy // theirs
}

// placeContent is what two equal places have alike; their policies follow from
// it.
type placeContent struct {
	asked        string
	organization identity.Organization
	pilot        string
}

func (p *place) content() placeContent { return placeContent{p.organization, p.Organization, p.pilot} }

// newPlace reads the policies of a place. One that cannot be read stays nil,
// which refuses (rule 0).
func newPlace(c placeContent) *place {
	p := &place{organization: c.asked, Organization: c.organization, pilot: c.pilot}
	if c.organization.ID == "" {
		return p
	}
	p.organization = c.organization.ID // equal, and not a piece of the request
	if own, err := policy.Parse([]byte(c.organization.Policy)); err == nil {
		p.policy, p.effective = &own, &own
	}
	if c.pilot != "" {
		p.effective = identity.EffectivePolicy(c.organization.Policy, c.pilot)
	}
	return p
}

// standing is what somebody may at an organization. Many stand alike.
type standing struct {
	Member, SuperAdmin bool
	Granted, Groups    []string
}

type standingContent struct {
	member, super   bool
	granted, groups string
}

func (s *standing) content() standingContent {
	// Quoted, so that no name of a group can pass for two.
	return standingContent{s.Member, s.SuperAdmin, fmt.Sprintf("%q", s.Granted), fmt.Sprintf("%q", s.Groups)}
}

// shared holds equal values once, while entries have them. What is shared was
// equal when it was read, so sharing makes nothing older than it was.
type shared[T any, C comparable] struct {
	seed    maphash.Seed
	content func(*T) C
	mu      sync.Mutex
	values  map[uint64]counted[T]
}

type counted[T any] struct {
	value   *T
	entries int
}

func newShared[T any, C comparable](content func(*T) C) *shared[T, C] {
	return &shared[T, C]{seed: maphash.MakeSeed(), content: content, values: map[uint64]counted[T]{}}
}

// find returns what entries hold of this content; nil: none does.
func (s *shared[T, C]) find(content C) *T {
	h := maphash.Comparable(s.seed, content)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.values[h]; v.value != nil && s.content(v.value) == content {
		return v.value
	}
	return nil
}

// hold returns the value that an entry is to have instead of an equal one. Of
// two contents with one hash the later is not shared.
func (s *shared[T, C]) hold(t *T) *T {
	content := s.content(t)
	h := maphash.Comparable(s.seed, content)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[h]
	if ok && v.value != t && s.content(v.value) != content {
		return t
	}
	if !ok {
		v.value = t
	}
	v.entries++
	s.values[h] = v
	return v.value
}

// release ends what hold began.
func (s *shared[T, C]) release(t *T) {
	h := maphash.Comparable(s.seed, s.content(t))
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.values[h]
	if v.value != t {
		return // was not shared
	}
	if v.entries--; v.entries == 0 {
		delete(s.values, h)
		return
	}
	s.values[h] = v
}
