package org

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

const (
	// Several addresses of one network of this size are proposed as that
	// network: a provider hands them out in turn, and a machine with IPv6
	// changes its own within the /64 by the day (RFC 8981).
	networkIPv4, networkIPv6 = 24, 64
	// manyPeople behind one address are more than a household.
	manyPeople = 5
	// What is shown at most: of proposals, and of the credentials of each.
	maxProposals, maxProposalCredentials = 200, 50
)

// Suggestion is what the observed addresses suggest.
type Suggestion struct {
	Proposals []RangeProposal
	More      int            // proposals that are left out
	Hints     []RangeHint    // about the whole
	Unused    []policy.Range // ranges of the list that nobody was seen in
}

// RangeProposal is a range that holds addresses that were seen and that the
// list does not hold yet.
type RangeProposal struct {
	Prefix      netip.Prefix
	Addresses   []netip.Addr
	First, Last time.Time
	Uses        int64
	People      int // application users included
	// Credentials are those that were used from there, the last used first.
	Credentials     []SeenCredential
	MoreCredentials int
	Hints           []RangeHint
}

// SeenCredential is a credential that was used from a proposed range.
type SeenCredential struct {
	Prefix      string
	Kind        policy.CredentialKind
	Description string
	UserID      string
	Owner       string // e-mail address, or the name of an application user
	Application bool
	Last        time.Time
	Uses        int64
	Addresses   int
}

// RangeHint is something to think about before a range is adopted.
type RangeHint struct{ Code, Text string }

// The codes of hints.
const (
	HintOneCredential = "one_credential"
	HintShared        = "shared_address"
	HintCarrierNAT    = "carrier_grade_nat"
	HintPrivate       = "private_address"
	HintOnlyIPv4      = "only_ipv4"
	HintOnlyIPv6      = "only_ipv6"
)

// carrierNAT is what providers give to customers who share one address (RFC
// 6598); it is never seen on the public network.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// suggest makes proposals of what was seen: the fewest ranges that hold every
// address that the list does not hold yet.
func suggest(seen []identity.SeenAddress, ranges policy.Ranges) Suggestion {
	var s Suggestion
	networks, used := map[netip.Prefix][]observed{}, map[netip.Prefix]bool{}
	for _, one := range seen {
		a, err := netip.ParseAddr(one.IP)
		if err != nil {
			continue // none is written
		}
		held := ranges.Holding(a)
		for _, r := range held {
			used[r.Prefix] = true
		}
		if len(held) == 0 {
			n := networkOf(a)
			networks[n] = append(networks[n], observed{one, a})
		}
	}
	for n, list := range networks {
		s.Proposals = append(s.Proposals, propose(n, list))
	}
	slices.SortFunc(s.Proposals, func(a, b RangeProposal) int {
		return cmp.Or(cmp.Compare(b.People, a.People), b.Last.Compare(a.Last), a.Prefix.Compare(b.Prefix))
	})
	s.Hints = hintsOfAll(seen, ranges, s.Proposals)
	if more := len(s.Proposals) - maxProposals; more > 0 {
		s.Proposals, s.More = s.Proposals[:maxProposals], more
	}
	for _, r := range ranges.List {
		if len(seen) > 0 && !used[r.Prefix] {
			s.Unused = append(s.Unused, r)
		}
	}
	return s
}

// observed is what was seen with its address read.
type observed struct {
	identity.SeenAddress
	at netip.Addr
}

func networkOf(a netip.Addr) netip.Prefix {
	bits := networkIPv6
	if a.Is4() {
		bits = networkIPv4
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// propose makes a proposal of what was seen in one network.
func propose(network netip.Prefix, list []observed) RangeProposal {
	p := RangeProposal{Prefix: network, First: list[0].First}
	people, credentials := map[string]bool{}, map[string]*SeenCredential{}
	for _, o := range list {
		p.Addresses = append(p.Addresses, o.at)
		p.Uses += o.Uses
		people[o.UserID] = true
		if o.First.Before(p.First) {
			p.First = o.First
		}
		if o.Last.After(p.Last) {
			p.Last = o.Last
		}
		c := credentials[o.Prefix]
		if c == nil {
			c = credentialOf(o.SeenAddress)
			credentials[o.Prefix] = c
		}
		c.add(o.SeenAddress)
	}
	slices.SortFunc(p.Addresses, netip.Addr.Compare)
	p.Addresses = slices.Compact(p.Addresses)
	if len(p.Addresses) == 1 {
		p.Prefix = netip.PrefixFrom(p.Addresses[0], p.Addresses[0].BitLen())
	}
	for _, c := range credentials {
		p.Credentials = append(p.Credentials, *c)
	}
	slices.SortFunc(p.Credentials, func(a, b SeenCredential) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Prefix, b.Prefix))
	})
	p.People = len(people)
	p.Hints = p.hints()
	if more := len(p.Credentials) - maxProposalCredentials; more > 0 {
		p.Credentials, p.MoreCredentials = p.Credentials[:maxProposalCredentials], more
	}
	return p
}

func credentialOf(s identity.SeenAddress) *SeenCredential {
	owner := s.Email
	if s.Application {
		owner = s.RealName
	}
	return &SeenCredential{Prefix: s.Prefix, Kind: s.Kind, Description: s.Description, UserID: s.UserID, Owner: owner, Application: s.Application}
}

func (c *SeenCredential) add(s identity.SeenAddress) {
	c.Uses += s.Uses
	c.Addresses++
	if s.Last.After(c.Last) {
		c.Last = s.Last
	}
}

// hints are what to think about before this range is adopted.
func (p *RangeProposal) hints() []RangeHint {
	var list []RangeHint
	if len(p.Credentials) == 1 {
		list = append(list, RangeHint{HintOneCredential, fmt.Sprintf("only one credential of %s was used from here: ask them whether that was they, for a stolen token looks the same", p.Credentials[0].Owner)})
	}
	first := p.Addresses[0]
	switch {
	case carrierNAT.Contains(first):
		list = append(list, RangeHint{HintCarrierNAT, "an address that a provider gives to customers who share a public one: it means a network of the server's own provider, or a proxy that is not trusted"})
	case first.IsPrivate() || first.IsLoopback() || first.IsLinkLocalUnicast():
		list = append(list, RangeHint{HintPrivate, "a private address: it is seen only from the server's own network, or where a proxy in front is not trusted (SALLYPORT_TRUSTED_PROXIES) and everybody seems to come from it"})
	case p.People >= manyPeople && len(p.Addresses) == 1:
		list = append(list, RangeHint{HintShared, fmt.Sprintf("%d people share this address: an office, a VPN, or a provider's gateway, in which case strangers come from it too", p.People)})
	}
	return list
}

// hintsOfAll says when only one of the two kinds of address was seen or is
// listed: a machine that has both uses either.
func hintsOfAll(seen []identity.SeenAddress, ranges policy.Ranges, proposals []RangeProposal) []RangeHint {
	four, six := false, false
	note := func(a netip.Addr) { four, six = four || a.Is4(), six || a.Is6() }
	for _, r := range ranges.List {
		note(r.Prefix.Addr())
	}
	for _, p := range proposals {
		note(p.Prefix.Addr())
	}
	switch {
	case len(seen) == 0 || four == six:
		return nil
	case four:
		return []RangeHint{{HintOnlyIPv4, "only IPv4 was seen or is listed: a machine that gets IPv6 as well will use it, and be refused; list the network's IPv6 range too"}}
	}
	return []RangeHint{{HintOnlyIPv6, "only IPv6 was seen or is listed: a machine whose IPv6 fails for a moment falls back to IPv4, and is refused; list the network's IPv4 range too"}}
}
