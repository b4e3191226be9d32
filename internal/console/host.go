package console

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// onlyOurHost refuses pages to browsers that were led here under another name
// than the configured one: a name that points here at a stranger's will (DNS
// rebinding) makes the stranger's scripts and ours one origin. Loopback names
// are ours too: nobody else can point them anywhere.
func (p *Pages) onlyOurHost(next http.Handler) http.Handler {
	own := ""
	if u, err := url.Parse(p.PublicURL); err == nil {
		own = hostOf(u.Host)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostOf(r.Host); host != own && !loopback(host) {
			p.message(w, r, http.StatusMisdirectedRequest, "elsewhere", message{Words: "elsewhere.words", Link: p.PublicURL, LinkWords: "elsewhere.go"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf is the name in a Host header, without its port: behind a proxy the
// port is the proxy's affair.
func hostOf(header string) string {
	if name, _, err := net.SplitHostPort(header); err == nil {
		header = name
	}
	return strings.ToLower(strings.Trim(header, "[]"))
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
