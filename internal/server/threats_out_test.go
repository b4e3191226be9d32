package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// Rows OUT-01 and OUT-02 of the one request that admins make the server send
// where they want: that for the file of a domain. What the file's site may
// answer, and its certificate, is tested in package org.

// TestOUT01_NotSaved: what is no registered domain cannot be claimed, so that
// no address, port or other scheme gets into a request.
func TestOUT01_NotSaved(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		for _, name := range []string{
			"127.0.0.1", "0.0.0.0", "[::]", "::1", "[::1]", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "198.18.0.1", "224.0.0.1",
			"127.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "localhost", "localhost.", "metadata.google.internal",
			"a@acme-rockets.com", "user:pw@acme-rockets.com", "acme-rockets.com:22", "acme-rockets.com:5432", "acme-rockets.com/x", "acme-rockets.com?x", "acme-rockets.com#x",
			"file:///etc/passwd", "gopher://acme-rockets.com", "unix:/run/x.sock", "https://acme-rockets.com", "acme-rockets.com\r\nX: y", "acme-rockets.com%00",
		} {
			s.nothing(t, name, func() {
				s.Do(t, http.MethodPost, domainsOf(s.OrganizationID), s.AdminToken, m{"domain_name": name, "verification_type": "http"}).Want(http.StatusBadRequest)
			})
		}
	})
}

// insideHosts are names that lead inside, by what is wrong with them. The
// addresses that look public are never dialled.
func insideHosts(dns *servertest.DNS) map[string]servertest.Host {
	dns.SetHost("inside.example", servertest.Host{Addresses: []string{"127.0.0.1"}})
	return map[string]servertest.Host{
		"loopback":  {Addresses: []string{"127.0.0.1"}},
		"loopback6": {Addresses: []string{"::1"}},
		"mapped":    {Addresses: []string{"::ffff:127.0.0.1"}},
		"any":       {Addresses: []string{"0.0.0.0"}},
		"private":   {Addresses: []string{"10.1.2.3"}},
		"metadata":  {Addresses: []string{"169.254.169.254"}},
		"local6":    {Addresses: []string{"fd00:ec2::254"}},
		"shared":    {Addresses: []string{"100.64.0.1"}},
		"alias":     {Alias: "inside.example"},
		"two":       {Addresses: []string{"9.9.9.9", "127.0.0.1"}},
	}
}

// TestOUT01_OUT02_RefusedAtDial: a name that leads inside, by its addresses, by
// one of two, or by another name, is looked up once and not connected to; one
// event says so and does not hold the address.
func TestOUT01_OUT02_RefusedAtDial(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		dns := servertest.NewDNS(t)
		s.Org.Prober.DNSServers = []string{dns.Address}
		s.Org.Prober.AllowPrivate = false
		for what, host := range insideHosts(dns) {
			name := what + "-rockets.com"
			dns.SetHost(name, host)
			claim := s.Do(t, http.MethodPost, domainsOf(s.OrganizationID), s.AdminToken, m{"domain_name": name, "verification_type": "http"}).Want(http.StatusOK)
			e := s.nothing(t, what, func() {
				answer := verify(t, s.Server, s.AdminToken, claim).WantCode(http.StatusBadRequest, "organization_domain_verification_failed")
				if text := string(answer.Body); !strings.Contains(text, "leads to a private address") {
					t.Errorf("%s: %s", what, text)
				}
			}, "outbound_blocked")
			if len(e) != 1 {
				continue
			}
			if e[0].outcome != identity.Refused || e[0].organization != s.OrganizationID || e[0].target != claim.String("domain_id") {
				t.Errorf("%s: %+v", what, e[0])
			}
			for _, address := range append(host.Addresses, "127.0.0.1") {
				if strings.Contains(fmt.Sprint(e[0].description, e[0].detail), address) {
					t.Errorf("%s: the event tells %s: %+v", what, address, e[0])
				}
			}
			if n := dns.Asked(name); n != 1 {
				t.Errorf("%s: its addresses were asked for %d times", what, n)
			}
			s.advance(time.Minute)
		}
	})
}

// TestOUT01_RefusedInTheBackground: the daily look is refused and recorded
// alike; it is trouble and not absence.
func TestOUT01_RefusedInTheBackground(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		w := watch(t, s)
		s.Org.Prober.AllowPrivate = false
		w.dns.SetHost(registered, servertest.Host{Addresses: []string{"127.0.0.1"}})
		s.Do(t, http.MethodPatch, domainsOf(s.OrganizationID)+"/"+w.claim.String("domain_id"), s.AdminToken, m{"verification_type": "http"}).Want(http.StatusOK)
		last := s.lastEvent(t)
		w.pass(t, 1)
		events := s.since(t, last)
		if len(events) != 1 || events[0].action != "outbound_blocked" || events[0].organization != s.OrganizationID {
			t.Errorf("events %+v", events)
		}
		w.want(t, "blocked", "verified", true, nil, nil)
	})
}
