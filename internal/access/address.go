package access

import (
	"net/http"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/identity"
)

const (
	maxChainEntries = 50
	maxChainBytes   = 4 << 10
	// maxChainText is how much of a chain is recorded.
	maxChainText = 200
)

// Proxies derives the client's address behind trusted proxies
// (docs/parameters.md 3.9). The zero value trusts nobody.
type Proxies struct {
	Trusted []netip.Prefix
	// Forwarded reads the header of RFC 7239 instead of X-Forwarded-For.
	Forwarded bool
}

// Header is the one header that is read.
func (p Proxies) Header() string {
	if p.Forwarded {
		return "Forwarded"
	}
	return "X-Forwarded-For"
}

// Caller is the address of a request's sender.
func (p Proxies) Caller(r *http.Request) identity.Address {
	// A socket without an address has the zero one, which is unknown.
	socket, _ := netip.ParseAddrPort(r.RemoteAddr)
	return p.Client(socket.Addr(), r.Header.Values(p.Header()))
}

// Client derives the caller's address: start with the socket's, and while the
// address at hand is a trusted proxy's take the next entry of the header from
// the right. The first that is not trusted is the client. Nothing left, an
// entry that does not parse or too many entries make the address unknown.
func (p Proxies) Client(socket netip.Addr, header []string) identity.Address {
	socket = socket.Unmap().WithZone("")
	a := identity.Address{Client: socket, Socket: socket}
	if len(p.Trusted) == 0 || !p.trusts(socket) {
		return a
	}
	a.Chain = cutText(strings.Join(header, ", "), maxChainText)
	entries, ok := split(header)
	if !ok {
		a.Client = netip.Addr{}
		return a
	}
	for i := len(entries); p.trusts(a.Client); i-- {
		if i == 0 {
			a.Client = netip.Addr{}
			return a
		}
		a.Client = p.entry(entries[i-1])
	}
	return a
}

func (p Proxies) trusts(a netip.Addr) bool { return p.trustedBy(a).IsValid() }

// trustedBy is the trusted prefix that holds an address; the zero one when none
// does.
func (p Proxies) trustedBy(a netip.Addr) netip.Prefix {
	for _, t := range p.Trusted {
		if t.Contains(a) {
			return t
		}
	}
	return netip.Prefix{}
}

// Trace is how the address of a request's sender was found, for people who
// wonder about it.
type Trace struct {
	identity.Address
	// Header is the one that a trusted proxy is believed by, Received what came
	// in it, cut; it counts where the connection is a trusted proxy's (Believed).
	Header, Received string
	Believed         bool
	// Hops are the addresses that were looked at, the connection's first. All
	// but the last are of trusted proxies.
	Hops []Hop
	// Ignored are other headers that came and name an address; nobody reads
	// them.
	Ignored []string
}

// Hop is an address that was looked at.
type Hop struct {
	Address netip.Addr
	Trusted netip.Prefix // that holds it; the zero one: it is no trusted proxy
}

// forwarding are the headers by which proxies, and those who would like to be
// one, name a client.
var forwarding = []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip"}

// Trace is Caller with the way to its answer.
func (p Proxies) Trace(r *http.Request) Trace {
	values := r.Header.Values(p.Header())
	t := Trace{Address: p.Caller(r), Header: p.Header(), Received: cutText(strings.Join(values, ", "), maxChainText)}
	t.Believed = p.trusts(t.Socket)
	for _, name := range forwarding {
		if r.Header.Get(name) != "" && (name != t.Header || !t.Believed) {
			t.Ignored = append(t.Ignored, name)
		}
	}
	entries, _ := split(values)
	at := t.Socket
	for i := len(entries); at.IsValid(); i-- {
		t.Hops = append(t.Hops, Hop{at, p.trustedBy(at)})
		if i == 0 || !p.trusts(at) {
			break
		}
		at = p.entry(entries[i-1])
	}
	return t
}

// split cuts the lines of a header, in their order, into entries.
func split(header []string) ([]string, bool) {
	size := 0
	var entries []string
	for _, line := range header {
		if size += len(line); size > maxChainBytes {
			return nil, false
		}
		entries = append(entries, strings.Split(line, ",")...)
	}
	return entries, len(entries) <= maxChainEntries
}

// entry reads one entry; the zero address is unknown.
func (p Proxies) entry(text string) netip.Addr {
	text = strings.Trim(text, " \t")
	if p.Forwarded {
		text = forwardedFor(text)
	}
	text = unquote(text)
	if strings.HasPrefix(text, "[") {
		host, port, ok := strings.Cut(text[1:], "]")
		if !ok || port != "" && !isPort(strings.TrimPrefix(port, ":")) || port != "" && port[0] != ':' {
			return netip.Addr{}
		}
		text = host
		if !strings.Contains(text, ":") {
			return netip.Addr{}
		}
	} else if host, port, ok := strings.Cut(text, ":"); ok && strings.Count(text, ":") == 1 {
		if !isPort(port) {
			return netip.Addr{}
		}
		text = host
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}
	}
	return a.Unmap()
}

func isPort(s string) bool {
	if s == "" || len(s) > 5 {
		return false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n <= 65535
}

// forwardedFor takes the for parameter out of one element of RFC 7239, section
// 4. An element that names it twice breaks the RFC and names nobody.
func forwardedFor(element string) string {
	found := ""
	for pair := range strings.SplitSeq(element, ";") {
		name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
		if !ok || !strings.EqualFold(name, "for") {
			continue
		}
		if found != "" {
			return ""
		}
		found = value
	}
	return found
}

// unquote takes one pair of quotes away; addresses need no escapes inside.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// cutText is the beginning of what a client wrote, in at most limit bytes of
// valid UTF-8: header values may hold any byte, databases and JSON may not.
func cutText(s string, limit int) string {
	s = strings.ToValidUTF8(s[:min(len(s), 2*limit)], "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
