package telemetry

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// fromHere refuses what a web site makes a browser on this machine ask for,
// which a loopback address alone does not keep out: under the site's own name
// that it lets lead here, to read the answer, or across sites, to keep the
// server busy with profiles.
func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		if !thisMachine(r.Host) || site == "cross-site" || site == "same-site" {
			http.Error(w, "This opens under the address of the machine alone, such as http://127.0.0.1:9464/, and not from the page of a web site.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// thisMachine says whether a host is an address or localhost. Any other name may
// be a web site's that was made to lead here.
func thisMachine(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	_, err = netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil || name == "localhost"
}
