package store

import (
	"slices"
	"sync"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

// mostPolicyText bounds the texts of the policies that are kept parsed, in
// bytes; one text takes a part of it at most, so that no organization can crowd
// out all others.
const (
	mostPolicyText = 4 << 20
	onePolicyText  = mostPolicyText / 64
)

// policies keeps what policies say, by their text: to read one takes as long as
// most statements. Nothing here grows old, because another text is another
// policy.
type policies struct {
	mu   sync.Mutex
	read map[policyText]*policy.Policy // nil: it cannot be read
	size int                           // of the texts
}

// policyText is an organization's policy and what a pilot lays over it.
type policyText struct{ stored, change string }

func (t policyText) size() int { return len(t.stored) + len(t.change) }

// EffectivePolicy is identity.EffectivePolicy. It belongs to the caller.
func (r *Read) EffectivePolicy(stored, change string) *policy.Policy {
	p := r.policies.effective(policyText{stored, change})
	if p == nil {
		return nil
	}
	own := *p
	own.Ranges.List = slices.Clone(p.Ranges.List)
	return &own
}

// effective returns a policy that nobody may change.
func (m *policies) effective(t policyText) *policy.Policy {
	m.mu.Lock()
	p, known := m.read[t]
	m.mu.Unlock()
	if known {
		return p
	}
	p = identity.EffectivePolicy(t.stored, t.change)
	if t.size() <= onePolicyText {
		m.keep(t, p)
	}
	return p
}

// keep makes room by forgetting some others, whichever they are: all that are in
// use soon come back.
func (m *policies) keep(t policyText, p *policy.Policy) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.read[t]; known {
		return
	}
	for old := range m.read {
		if m.size+t.size() <= mostPolicyText {
			break
		}
		delete(m.read, old)
		m.size -= old.size()
	}
	if m.read == nil {
		m.read = map[policyText]*policy.Policy{}
	}
	m.read[t] = p
	m.size += t.size()
}
