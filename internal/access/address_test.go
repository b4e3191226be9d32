package access

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
)

// The rows of docs/parameters.md 3.9: whose address a request came from.

// behind are the proxies of most cases: one range of each family.
func behind(forwarded bool) Proxies {
	return Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("2001:db8:f::/64")}, Forwarded: forwarded}
}

// both runs a case with each of the two headers; entries are written as
// X-Forwarded-For has them and spelled for the other one.
func both(t *testing.T, check func(t *testing.T, p Proxies, header func(lines ...string) []string)) {
	t.Run("X-Forwarded-For", func(t *testing.T) {
		check(t, behind(false), func(lines ...string) []string { return lines })
	})
	t.Run("Forwarded", func(t *testing.T) {
		check(t, behind(true), func(lines ...string) []string {
			spelled := make([]string, len(lines))
			for i, line := range lines {
				spelled[i] = forwarded(line)
			}
			return spelled
		})
	})
}

// forwarded writes a line of X-Forwarded-For as RFC 7239 has it.
func forwarded(line string) string {
	entries := strings.Split(line, ",")
	for i, e := range entries {
		e = strings.TrimSpace(e)
		if strings.ContainsAny(e, ":[]") && !strings.HasPrefix(e, `"`) {
			e = `"` + e + `"`
		}
		entries[i] = "proto=https;For=" + e
	}
	return strings.Join(entries, ", ")
}

// want compares a derived address with its text; empty means unknown.
func want(t *testing.T, got identity.Address, client string) {
	t.Helper()
	if text := clientText(got); text != client {
		t.Errorf("client %q, want %q (chain %q)", text, client, got.Chain)
	}
}

func clientText(a identity.Address) string {
	if !a.Client.IsValid() {
		return ""
	}
	return a.Client.String()
}

func TestHeaderName(t *testing.T) {
	if got := (Proxies{}).Header(); got != "X-Forwarded-For" {
		t.Errorf("header %q", got)
	}
	if got := (Proxies{Forwarded: true}).Header(); got != "Forwarded" {
		t.Errorf("header %q", got)
	}
}

func TestIPX01_ForgedHeadersWithoutProxies(t *testing.T) {
	for _, p := range []Proxies{{}, {Forwarded: true}, {Trusted: []netip.Prefix{}}} {
		for _, header := range [][]string{nil, {"203.0.113.9"}, {"for=203.0.113.9"}, {"198.51.100.1", "203.0.113.9"}} {
			a := p.Client(netip.MustParseAddr("192.0.2.1"), header)
			want(t, a, "192.0.2.1")
			if a.Chain != "" {
				t.Errorf("chain %q is kept although nobody who wrote it is trusted", a.Chain)
			}
		}
	}
}

func TestIPX01_ForgedHeadersFromOutsideTheProxies(t *testing.T) {
	both(t, func(t *testing.T, p Proxies, header func(...string) []string) {
		a := p.Client(netip.MustParseAddr("10.0.1.1"), header("203.0.113.9"))
		want(t, a, "10.0.1.1")
		if a.Socket != netip.MustParseAddr("10.0.1.1") || a.Chain != "" {
			t.Errorf("got %+v", a)
		}
	})
}

func TestIPX02_ForgedEntriesBehindAProxy(t *testing.T) {
	for _, c := range []struct{ name, socket, header, client string }{
		{"the row", "10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"},
		{"one entry", "10.0.0.1", "198.51.100.7", "198.51.100.7"},
		{"trusted ones are passed over", "10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2,10.0.0.3", "198.51.100.7"},
		{"both families", "2001:db8:f::1", "203.0.113.9, 2001:db8::7, 2001:db8:f::2", "2001:db8::7"},
		{"a forged trusted entry stays behind the client", "10.0.0.1", "10.0.0.9, 198.51.100.7", "198.51.100.7"},
		{"garbage left of the client is not read", "10.0.0.1", "<script>, unknown,, 198.51.100.7", "198.51.100.7"},
		{"tabs and spaces", "10.0.0.1", "203.0.113.9 ,\t 198.51.100.7 \t", "198.51.100.7"},
		{"nothing but proxies", "10.0.0.1", "10.0.0.2, 10.0.0.3", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, p Proxies, header func(...string) []string) {
				a := p.Client(netip.MustParseAddr(c.socket), header(c.header))
				want(t, a, c.client)
				if a.Socket != netip.MustParseAddr(c.socket) {
					t.Errorf("socket %s, want %s", a.Socket, c.socket)
				}
				if !p.Forwarded && a.Chain != c.header {
					t.Errorf("chain %q, want the header as received", a.Chain)
				}
			})
		})
	}
}

func TestIPX02_ChainIsCut(t *testing.T) {
	long := strings.Repeat("203.0.113.9, ", 40) + "198.51.100.7"
	a := behind(false).Client(netip.MustParseAddr("10.0.0.1"), []string{long})
	want(t, a, "198.51.100.7")
	if a.Chain != long[:200] {
		t.Errorf("chain has %d characters, want the first 200", len(a.Chain))
	}
	a = behind(false).Client(netip.MustParseAddr("10.0.0.1"), []string{"x" + strings.Repeat("é", 150)})
	if want := "x" + strings.Repeat("é", 99); a.Chain != want {
		t.Errorf("chain %q is cut inside a character", a.Chain)
	}
}

func TestIPX02_ChainIsText(t *testing.T) {
	a := behind(false).Client(netip.MustParseAddr("10.0.0.1"), []string{"a\xffb, 198.51.100.7"})
	want(t, a, "198.51.100.7")
	if a.Chain != "a\uFFFDb, 198.51.100.7" {
		t.Errorf("chain %q, want valid UTF-8", a.Chain)
	}
}

func TestIPX03_SplitAndMixedHeaders(t *testing.T) {
	entries := func(n int) string { return strings.Repeat("203.0.113.9,", n-1) + "198.51.100.7" }
	for _, c := range []struct {
		name   string
		lines  []string
		client string
	}{
		{"no header", nil, ""},
		{"lines in order", []string{"203.0.113.9", "198.51.100.7"}, "198.51.100.7"},
		{"the last line is only proxies", []string{"203.0.113.9, 198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
		{"an empty last line", []string{"198.51.100.7", ""}, ""},
		{"50 entries", []string{entries(50)}, "198.51.100.7"},
		{"51 entries", []string{entries(51)}, ""},
		{"51 entries in two lines", []string{entries(50), "198.51.100.7"}, ""},
		{"500 entries", []string{entries(500)}, ""},
		{"4 KiB", []string{"203.0.113.9," + strings.Repeat(" ", 4096-12-12) + "198.51.100.7"}, "198.51.100.7"},
		{"more than 4 KiB", []string{"203.0.113.9," + strings.Repeat(" ", 4096-12-11) + "198.51.100.7"}, ""},
		{"10 KiB over several lines", []string{strings.Repeat(" ", 3<<10), strings.Repeat(" ", 3<<10), strings.Repeat(" ", 4<<10) + "198.51.100.7"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want(t, behind(false).Client(netip.MustParseAddr("10.0.0.1"), c.lines), c.client)
		})
	}
	both(t, func(t *testing.T, p Proxies, header func(...string) []string) {
		want(t, p.Client(netip.MustParseAddr("10.0.0.1"), header("203.0.113.9", "198.51.100.7, 10.0.0.4", "10.0.0.3")), "198.51.100.7")
	})
}

func TestIPX04_IPv4InsideIPv6(t *testing.T) {
	both(t, func(t *testing.T, p Proxies, header func(...string) []string) {
		a := p.Client(netip.MustParseAddr("::ffff:203.0.113.5"), nil)
		want(t, a, "203.0.113.5")
		if a.Socket != netip.MustParseAddr("203.0.113.5") {
			t.Errorf("socket %s", a.Socket)
		}
		want(t, p.Client(netip.MustParseAddr("::ffff:10.0.0.1"), header("[::ffff:203.0.113.5]")), "203.0.113.5")
		want(t, p.Client(netip.MustParseAddr("10.0.0.1"), header("::ffff:203.0.113.5")), "203.0.113.5")
		// A mapped proxy is a proxy.
		want(t, p.Client(netip.MustParseAddr("10.0.0.1"), header("198.51.100.7, ::ffff:10.0.0.2")), "198.51.100.7")
	})
}

func TestIPX05_Zones(t *testing.T) {
	p := Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("fe80::/10")}}
	want(t, Proxies{}.Client(netip.MustParseAddr("fe80::1%eth0"), nil), "fe80::1")
	// The peer counts as the proxy it is, zone or not.
	want(t, p.Client(netip.MustParseAddr("fe80::1%eth0"), []string{"198.51.100.7"}), "198.51.100.7")
	both(t, func(t *testing.T, p Proxies, header func(...string) []string) {
		want(t, p.Client(netip.MustParseAddr("10.0.0.1"), header("fe80::1%eth0")), "")
		want(t, p.Client(netip.MustParseAddr("10.0.0.1"), header("198.51.100.7, [fe80::1%25eth0]:80")), "")
	})
}

func TestIPX06_Notations(t *testing.T) {
	unknown := []string{
		"203.0.113.05", "0xcb.0.113.5", "3405803781", "203.0.113", "", "unknown", "_h", "_hidden:80", "203.0.113.5:99999", "203.0.113.5:", "203.0.113.5:x",
		"203.0.113.5:123456", "203.0.113.5:-1", "203.0.113.5:+80", "203.0.113.256", "203.0.113.5/32", "203.0.113.5 198.51.100.7", "203.0.113.5:80:90",
		"[203.0.113.5]", "[203.0.113.5]:80", "[2001:db8::1", "2001:db8::1]", "[2001:db8::1]80", "[2001:db8::1]:", "[2001:db8::1]:99999", "[2001:db8::1]::80", "[]", "[",
		"2001:db8::1::2", "2001:db8::12345", ":", "::1%", "localhost", `"`, `""`, `"203.0.113.5`, `203.0.113.5"`, `""203.0.113.5""`, "２０３.0.113.5", "203.0.113.5\x00",
	}
	known := []struct{ entry, client string }{
		{"203.0.113.5:4711", "203.0.113.5"},
		{"203.0.113.5:0", "203.0.113.5"},
		{"203.0.113.5:65535", "203.0.113.5"},
		{"[2001:db8::1]:443", "2001:db8::1"},
		{`"[2001:db8::1]"`, "2001:db8::1"},
		{`"[2001:db8::1]:443"`, "2001:db8::1"},
		{`"203.0.113.5:4711"`, "203.0.113.5"},
		{"2001:DB8:0:0::1", "2001:db8::1"},
		{"::1", "::1"},
	}
	both(t, func(t *testing.T, p Proxies, header func(...string) []string) {
		for _, entry := range unknown {
			t.Run("unknown "+entry, func(t *testing.T) {
				want(t, p.Client(netip.MustParseAddr("10.0.0.1"), header(entry)), "")
				want(t, p.Client(netip.MustParseAddr("10.0.0.1"), header("198.51.100.7,"+entry)), "")
			})
		}
		for _, c := range known {
			t.Run("known "+c.entry, func(t *testing.T) {
				want(t, p.Client(netip.MustParseAddr("10.0.0.1"), header(c.entry)), c.client)
			})
		}
	})
}

// RFC 7239 section 4: one element is a list of pairs, of which for= may stand
// anywhere, once.
func TestForwardedElements(t *testing.T) {
	for _, c := range []struct{ element, client string }{
		{"for=198.51.100.7", "198.51.100.7"},
		{"FOR=198.51.100.7;proto=http", "198.51.100.7"},
		{"by=10.0.0.9; for=198.51.100.7 ;host=x", "198.51.100.7"},
		{`for="[2001:db8::17]:4711"`, "2001:db8::17"},
		{"proto=https;by=203.0.113.43", ""},
		{"198.51.100.7", ""},
		{"for =198.51.100.7", ""},
		{"for= 198.51.100.7", ""},
		{"forx=198.51.100.7", ""},
		{"for=", ""},
		{"for", ""},
		{"for=198.51.100.7;for=203.0.113.9", ""},
		{"for=203.0.113.9;host=x;For=198.51.100.7", ""},
	} {
		t.Run(c.element, func(t *testing.T) {
			want(t, behind(true).Client(netip.MustParseAddr("10.0.0.1"), []string{c.element}), c.client)
		})
	}
}

// FuzzClient: whatever arrives, the answer is an address without zone and not
// mapped, or unknown; and nothing a caller writes left of what the nearest
// proxy saw has any weight.
func FuzzClient(f *testing.F) {
	for _, header := range []string{"", "198.51.100.7", "for=198.51.100.7", `for="[2001:db8::1]:80", for=10.0.0.2`, "203.0.113.9, 10.0.0.3", "[::ffff:10.0.0.1]:80,x", `"`, "fe80::1%eth0"} {
		f.Add("10.0.0.1", header, "203.0.113.9", false)
		f.Add("::ffff:10.0.0.1", header, `for="x`, true)
	}
	f.Fuzz(func(t *testing.T, socketText, line, forged string, rfc7239 bool) {
		socket, err := netip.ParseAddr(socketText)
		if err != nil {
			t.Skip()
		}
		plain := socket.Unmap().WithZone("")
		if got := (Proxies{Forwarded: rfc7239}).Client(socket, []string{line}); got.Client != plain {
			t.Fatalf("trusting nobody: client %s, want the socket's %s", got.Client, plain)
		}
		p := behind(rfc7239)
		got := p.Client(socket, []string{line})
		if got.Client.Zone() != "" || got.Client.Is4In6() {
			t.Fatalf("client %s is mapped or has a zone", got.Client)
		}
		if p.trusts(got.Client) {
			t.Fatalf("client %s is a proxy", got.Client)
		}
		// The nearest proxy appends who called it; what that caller sent
		// stands to the left.
		seen := "198.51.100.7"
		if rfc7239 {
			seen = "for=198.51.100.7"
		}
		first, second := p.Client(socket, []string{line, seen}), p.Client(socket, []string{forged, seen})
		if first.Client.IsValid() && second.Client.IsValid() && first.Client != second.Client {
			t.Fatalf("what the caller writes decides: %s or %s", first.Client, second.Client)
		}
	})
}
