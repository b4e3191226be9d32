package outbound

import (
	"net/netip"
	"slices"
)

// notInternet are the special ranges that netip has no word for (RFC 6890).
var notInternet = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
}

// internet6 is all of IPv6 that is routed; embedded are the parts of it that
// lead to an IPv4 address or nowhere.
var (
	internet6 = netip.MustParsePrefix("2000::/3")
	embedded  = []netip.Prefix{netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16")}
)

// OnInternet says whether an address is one that everybody can reach.
func OnInternet(a netip.Addr) bool {
	a = a.Unmap()
	within := func(p netip.Prefix) bool { return p.Contains(a) }
	if a.Is4() {
		return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(notInternet, within)
	}
	return internet6.Contains(a) && !slices.ContainsFunc(embedded, within)
}
