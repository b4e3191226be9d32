package org

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// outlook decides for everybody of a world, under the policy that its
// organization has or would have. All its answers are policy.Decide's.
type outlook struct {
	*store.World
	policy       *policy.Policy            // nil: unreadable, which refuses
	pilots       map[string]*policy.Policy // by what is laid over
	thirdParties []string                  // that the operator has set up
}

func (s *Service) outlook(w *store.World, p *policy.Policy) *outlook {
	return &outlook{World: w, policy: p, pilots: map[string]*policy.Policy{}, thirdParties: s.ThirdParties}
}

// policyFor is the policy that a person meets: the organization's, with what
// their pilot says laid over it.
func (o *outlook) policyFor(p *store.Resident) *policy.Policy {
	if p.Pilot == "" || o.policy == nil {
		return o.policy
	}
	laid, known := o.pilots[p.Pilot]
	if !known {
		// A pilot that does not fit refuses, as an unreadable policy does.
		if over, err := policy.ParseOver(*o.policy, []byte(p.Pilot)); err == nil && policy.Validate(over) == nil {
			laid = &over
		}
		o.pilots[p.Pilot] = laid
	}
	return laid
}

// verdict is a decision with what it was made on.
type verdict struct {
	policy.Decision
	facts policy.Facts
	// closed says that no policy lets the person in: their address was never
	// confirmed.
	closed bool
}

func (v *verdict) opens() bool { return v.Allowed() && !v.closed }

// credential judges a credential at the address it was last used from. One that
// was never used is judged at an address from which it is allowed, if there is
// one.
func (o *outlook) credential(p *store.Resident, c *store.LiveCredential) (v verdict) {
	v.closed = !p.Application && !p.EmailConfirmed
	v.facts = policy.Facts{
		Action: policy.Access, Now: o.Now, Credential: c.Credential, Principal: p.Principal,
		Organization: o.Organization.ID, Policy: o.policyFor(p), Covered: true,
	}
	if !o.shows(c) {
		v.facts.Credential = o.veiled(c.Credential)
	} else if !c.LastUsed.IsZero() {
		v.facts.Client, _ = netip.ParseAddr(c.LastIP)
		v.Decision = policy.Decide(&v.facts)
		return v
	}
	for _, v.facts.Client = range addressesFor(v.facts.Credential.Addresses, v.facts.Policy) {
		if v.Decision = policy.Decide(&v.facts); v.Allowed() || !onlyAddress(v.Decision) {
			return v
		}
	}
	return v
}

// shows says whether the organization's own lists name a credential: see
// MemberTokens.
func (o *outlook) shows(c *store.LiveCredential) bool {
	return ownOrNobodys(c.Credential.Authentication, o.Organization.ID)
}

// veiled is a credential that the organization's lists do not show, as it is
// judged for them: made now, never used, and good from everywhere. Else whoever
// previews one range after the other, or one longest age, would read from the
// totals where and when somebody is at another organization.
func (o *outlook) veiled(c policy.Credential) policy.Credential {
	c.Created, c.LastUsed, c.Expires, c.Addresses = o.Now, o.Now, time.Time{}, nil
	c.Authentication.At = o.Now
	return c
}

// onlyAddress says whether another address could change a refusal.
func onlyAddress(d policy.Decision) bool {
	return !slices.ContainsFunc(d.Codes(), func(code string) bool { return code != policy.CodeAddress })
}

// anywhere stands for an address that nothing restricts (RFC 5737).
var anywhere = netip.AddrFrom4([4]byte{192, 0, 2, 1})

// addressesFor are addresses of which one is in both lists, if any address is:
// of two ranges that overlap one holds the other, so that the beginning of the
// narrower is in both.
func addressesFor(own []netip.Prefix, p *policy.Policy) []netip.Addr {
	list := []netip.Addr{}
	if p != nil && p.Ranges.Enabled {
		for _, r := range p.Ranges.List {
			list = append(list, r.Prefix.Addr())
		}
	}
	for _, r := range own {
		list = append(list, r.Addr())
	}
	if len(list) == 0 {
		list = append(list, anywhere)
	}
	return list
}

// ways are the ways in that a person has set up, as logging in with them would
// be proved. None for application users.
func (o *outlook) ways(p *store.Resident) []store.WayIn {
	var ways []store.WayIn
	if p.Application {
		return nil
	}
	if p.Password {
		// Who has a second factor is always asked for it after the password.
		ways = append(ways, store.WayIn{Authentication: policy.Authentication{Method: policy.MethodPassword, SecondFactor: p.Principal.SecondFactorSetUp}})
	}
	if p.Passkey {
		ways = append(ways, store.WayIn{Authentication: policy.Authentication{Method: policy.MethodPasskey, SecondFactor: true}})
	}
	for _, l := range p.Links {
		if l.Authentication.Provider != "" || slices.Contains(o.thirdParties, l.Authentication.Method.String()) {
			ways = append(ways, l)
		}
	}
	return ways
}

// way judges a way in: the login, where an organization has a say in it, and
// the access of the session that it gives.
func (o *outlook) way(p *store.Resident, way store.WayIn) (v verdict) {
	way.Authentication.At = o.Now
	v.closed = !p.EmailConfirmed
	v.facts = policy.Facts{
		Action: policy.Login, Now: o.Now, Principal: p.Principal, Credential: policy.Credential{Authentication: way.Authentication},
		Organization: p.Principal.ManagingOrganization, Policy: o.managing(p), Covered: true,
	}
	v.facts.Client = addressesFor(nil, v.facts.Policy)[0]
	if v.Decision = policy.Decide(&v.facts); !v.Allowed() {
		return v
	}
	v.facts.Action = policy.Access
	v.facts.Organization, v.facts.Policy = o.Organization.ID, o.policyFor(p)
	v.facts.Client = addressesFor(nil, v.facts.Policy)[0]
	v.facts.Credential.Kind, v.facts.Credential.ProviderOff, v.facts.Credential.Created = policy.Session, way.Off, o.Now
	v.facts.Principal.ValidFrom = policy.Principal{}.ValidFrom // a session that is made now is younger
	v.Decision = policy.Decide(&v.facts)
	return v
}

// managing is the policy under which a person logs in; nil: nobody's, or one
// that cannot be read.
func (o *outlook) managing(p *store.Resident) *policy.Policy {
	switch p.Principal.ManagingOrganization {
	case "":
		return nil
	case o.Organization.ID:
		return o.policyFor(p)
	}
	return readPolicy(p.ManagingPolicy)
}

// getsIn says whether one of a person's ways in opens the organization.
func (o *outlook) getsIn(p *store.Resident) bool {
	return slices.ContainsFunc(o.ways(p), func(w store.WayIn) bool {
		v := o.way(p, w)
		return v.opens()
	})
}
