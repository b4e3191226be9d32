package policy

import (
	"fmt"
	"net/netip"
	"strings"
)

// MaxRanges is how many ranges an organization may have.
const MaxRanges = 100

// ParseRange reads an address range in strict notation: an address, a slash
// and a prefix length, without spaces, zones or leading zeros, and with no bit
// set after the prefix. IPv4 ranges are written as such, never as
// ::ffff:203.0.113.0/120, which would match nothing: client addresses are
// unmapped before they are compared.
//
// The error is an *Invalid with no Field; where the author's intent is plain,
// its Suggestion is the form to write.
func ParseRange(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, badRange(text, "is not an address range such as 203.0.113.0/24 or 2001:db8::/32", loosely(text))
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, badRange(text, "is an IPv4 range written as IPv6", strictly(p))
	}
	if p != p.Masked() {
		return netip.Prefix{}, badRange(text, fmt.Sprintf("has bits set after its first %d", p.Bits()), strictly(p))
	}
	return p, nil
}

// AllAddresses reports whether a range holds every address of its family (/0).
// Such a list is accepted only when the caller confirms that this is meant.
func AllAddresses(r Ranges) bool {
	for i := range r.List {
		if r.List[i].Prefix.Bits() == 0 {
			return true
		}
	}
	return false
}

// contain reports whether the ranges are not enforced or hold the address. The
// zero Addr is in no range.
func (r *Ranges) contain(client netip.Addr) bool {
	if !r.Enabled {
		return true
	}
	for i := range r.List {
		if r.List[i].Prefix.Contains(client) {
			return true
		}
	}
	return false
}

// permit is contain for a credential's own list, where empty means no
// restriction.
func permit(list []netip.Prefix, client netip.Addr) bool {
	for i := range list {
		if list[i].Contains(client) {
			return true
		}
	}
	return len(list) == 0
}

// plain is the address as ranges know it: IPv4 out of IPv6, and no zone.
// netip compares neither a mapped nor a zoned address with a range, so a
// caller that forgot this would see refusals without a visible reason.
func plain(client netip.Addr) netip.Addr { return client.Unmap().WithZone("") }

func badRange(text, message, suggestion string) *Invalid {
	return &Invalid{
		Code:       CodeBadRange,
		Message:    fmt.Sprintf("%.64q %s", text, message),
		Suggestion: suggestion,
	}
}

// loosely is what somebody probably meant who added spaces or left the prefix
// length away; empty when in doubt.
func loosely(text string) string {
	text = strings.TrimSpace(text)
	if p, err := netip.ParsePrefix(text); err == nil {
		return strictly(p)
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()).String()
	}
	return ""
}

// strictly is the prefix without host bits and without mapping; empty for a
// mapped prefix too short to be an IPv4 range.
func strictly(p netip.Prefix) string {
	if !p.Addr().Is4In6() {
		return p.Masked().String()
	}
	const mapped = 96 // length of ::ffff:0:0/96, RFC 4291 section 2.5.5.2
	if p.Bits() < mapped {
		return ""
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped).Masked().String()
}

// Holding returns the ranges that hold an address, whether they are enforced or
// not: for telling people. What counts is Decide.
func (r Ranges) Holding(client netip.Addr) []Range {
	var list []Range
	for _, one := range r.List {
		if one.Prefix.Contains(plain(client)) {
			list = append(list, one)
		}
	}
	return list
}
