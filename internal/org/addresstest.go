package org

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// AddressTest is what the ranges of an organization mean for an address.
type AddressTest struct {
	Address netip.Addr     // in the form that is compared
	Ranges  []policy.Range // that hold it
	Enabled bool           // they are enforced
	Allowed bool           // the organization is reached from it
	// Pilots are those for whose people it is otherwise.
	Pilots []PilotTest
}

// PilotTest is what an address means for the people whom a pilot holds.
type PilotTest struct {
	ID, Name string
	Allowed  bool
}

// TestAddress says whether the ranges of the accessed organization let an
// address in, and which of them hold it.
func (s *Service) TestAddress(ctx context.Context, p *identity.Principal, text string) (AddressTest, error) {
	address, err := parseAddress(text)
	if err != nil {
		return AddressTest{}, err
	}
	now, err := s.Policy(p)
	if err != nil {
		return AddressTest{}, err
	}
	t := AddressTest{
		Address: address, Ranges: now.Ranges.Holding(address), Enabled: now.Ranges.Enabled, Allowed: reached(p, &now, address),
	}
	var pilots []identity.Pilot
	err = s.DB.Once(func(r *store.Read) (err error) {
		pilots, err = r.Pilots(ctx, p.Organization.ID)
		return err
	})
	for _, pilot := range pilots {
		// A policy that cannot be read lets nobody in.
		next := identity.EffectivePolicy(p.Organization.Policy, pilot.Change)
		if allowed := next != nil && reached(p, next, address); allowed != t.Allowed {
			t.Pilots = append(t.Pilots, PilotTest{pilot.ID, pilot.Name, allowed})
		}
	}
	return t, err
}

// reached asks the rules whether a policy's ranges let an address in, for a
// credential that has no list of its own.
func reached(p *identity.Principal, next *policy.Policy, from netip.Addr) bool {
	f := p.Facts
	f.Action, f.Organization, f.Policy, f.Client = policy.Access, p.Organization.ID, next, from
	f.Credential.Addresses, f.Credential.BreakGlass = nil, ""
	return !slices.Contains(policy.Decide(&f).Codes(), policy.CodeAddress)
}

// parseAddress reads one address as people write it, and brings it into the
// form that is compared: IPv4 out of IPv6.
func parseAddress(text string) (netip.Addr, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return netip.Addr{}, identity.Invalidf("ip_address_not_present", "which address? Add ?address=203.0.113.7")
	}
	a, err := netip.ParseAddr(text)
	switch {
	case err == nil && a.Zone() == "":
		return a.Unmap(), nil
	case err == nil:
		return netip.Addr{}, badAddress(text, a.WithZone("").Unmap().String())
	}
	if with, err := netip.ParseAddrPort(text); err == nil {
		return netip.Addr{}, badAddress(text, with.Addr().WithZone("").Unmap().String())
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return netip.Addr{}, badAddress(text, prefix.Addr().Unmap().String())
	}
	return netip.Addr{}, badAddress(text, "")
}

func badAddress(text, meant string) error {
	if meant != "" {
		return identity.Invalidf("ip_address_not_valid", "%.64q is not one IP address; did you mean %s?", text, meant)
	}
	return identity.Invalidf("ip_address_not_valid", "%.64q is not an IP address such as 203.0.113.7 or 2001:db8::1", text)
}
