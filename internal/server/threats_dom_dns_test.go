package server_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/server/servertest"
)

const challenge = "_sallyport-challenge" // the label in front of a domain

// recordCase is a domain, the zone that its owner wrote for the line that the
// server asks for, and what must come of it. No function: the server refuses;
// no zone: it answers SERVFAIL.
type recordCase struct {
	domain   string
	zone     func(line string) servertest.Zone
	verified bool
	says     string
}

// verifyAt claims the domains, lets another author's name server publish their
// zones, and verifies each; before are name servers asked earlier. At most ten
// domains: the server verifies no more in a minute.
func verifyAt(t *testing.T, s *servertest.Server, cases []recordCase, before ...string) {
	t.Helper()
	zones, claims := map[string]servertest.Zone{}, make([]servertest.Answer, len(cases))
	for i, c := range cases {
		claims[i] = addDomain(t, s, s.AdminToken, s.OrganizationID, c.domain)
		if c.zone != nil {
			zones[c.domain] = c.zone("token=" + claims[i].String("challenge_token") + ",expiry=never")
		}
	}
	s.Org.Prober.DNSServers = append(before, servertest.NSD(t, zones).Address)
	for i, c := range cases {
		t.Run(c.domain, func(t *testing.T) {
			state := `SELECT state FROM domains WHERE name = '` + c.domain + `'`
			was := s.Value(t, state)
			answer := verify(t, s, s.AdminToken, claims[i])
			if c.verified {
				if got := answer.Want(http.StatusOK).String("state"); got != "verified" {
					t.Errorf("state %q, want verified", got)
				}
				return
			}
			answer.WantCode(http.StatusBadRequest, "organization_domain_verification_failed")
			if !strings.Contains(string(answer.Body), c.says) {
				t.Errorf("%s does not say %q", answer.Body, c.says)
			}
			if now := s.Value(t, state); now != was || now == "verified" {
				t.Errorf("state %q before and %q after a failure", was, now)
			}
		})
	}
}

func at(label string, records ...[]string) servertest.Zone {
	return servertest.Zone{label: records}
}

const (
	noRecord = "there is no TXT record"
	noAnswer = "no usable answer"
)

// TestDOM01_RealNameServer: what stands in a real zone is judged as it is on
// the wire.
func TestDOM01_RealNameServer(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		verifyAt(t, s, []recordCase{
			{"right-rockets.com", func(line string) servertest.Zone { return at(challenge, []string{line}) }, true, ""},
			{"case-rockets.com", func(line string) servertest.Zone { return at(challenge, []string{strings.ToLower(line)}) }, false, noRecord},
			{"inside-rockets.com", func(line string) servertest.Zone { return at(challenge, []string{"x " + line + " y"}) }, false, noRecord},
			{"bare-rockets.com", func(line string) servertest.Zone { return at("@", []string{line}) }, false, noRecord},
			{"www-rockets.com", func(line string) servertest.Zone { return at("www", []string{line}) }, false, noRecord},
			{"deep-rockets.com", func(line string) servertest.Zone { return at(challenge+".www", []string{line}) }, false, noRecord},
			{"joined-rockets.com", func(line string) servertest.Zone { return at(challenge, []string{line[:5], line[5:20], line[20:]}) }, true, ""},
			{"apart-rockets.com", func(line string) servertest.Zone { return at(challenge, []string{line[:5]}, []string{line[5:]}) }, false, noRecord},
			{"several-rockets.com", func(line string) servertest.Zone {
				return at(challenge, []string{"v=spf1 -all"}, []string{"token=other,expiry=never"}, []string{line}, []string{"zzz"})
			}, true, ""},
		})
	})
}

// TestDOM05_RealNameServer: names that do not exist, a server that refuses or
// cannot read its zone, and an answer too long for UDP.
func TestDOM05_RealNameServer(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		verifyAt(t, s, []recordCase{
			{"broken-rockets.com", func(string) servertest.Zone { return nil }, false, noAnswer},
			{"missing-rockets.com", func(string) servertest.Zone { return servertest.Zone{} }, false, noRecord},
			{"refused-rockets.com", nil, false, noAnswer},
			{"long-rockets.com", func(line string) servertest.Zone { return at(challenge, many([]string{line})...) }, true, ""},
			{"longer-rockets.com", func(string) servertest.Zone { return at(challenge, many([]string{"last"})...) }, false, noRecord},
		})
	})
}

// many are twenty records of 255 bytes and one more: 5 KiB, which only TCP
// carries in one answer.
func many(last []string) (records [][]string) {
	for i := range 20 {
		records = append(records, []string{strings.Repeat(string(rune('a'+i)), 255)})
	}
	return append(records, last)
}

// TestDOM05_SilentNameServer: the next server is asked when one never answers.
func TestDOM05_SilentNameServer(t *testing.T) {
	t.Parallel()
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		silent, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		verifyAt(t, s, []recordCase{
			{"patient-rockets.com", func(line string) servertest.Zone { return at(challenge, []string{line}) }, true, ""},
		}, silent.LocalAddr().String())
		query := make([]byte, 512)
		if n, _, err := silent.ReadFrom(query); err != nil || n == 0 {
			t.Errorf("the silent server was not asked: %v", err)
		}
	})
}

// proved is the zone of the watched domain with its record, or without.
func (w *watched) proved(there bool) servertest.Zone {
	if !there {
		return at("www", []string{"nothing"})
	}
	return at(challenge, []string{"token=" + w.claim.String("challenge_token") + ",expiry=never"})
}

// watchReal is watch with a real name server.
func watchReal(t *testing.T, s *scene) (*watched, *servertest.NameServer) {
	t.Helper()
	w := &watched{scene: s}
	w.bob, _ = s.AddMember(t, "bob@"+registered, "")
	w.claim = addDomain(t, s.Server, s.AdminToken, s.OrganizationID, registered)
	names := servertest.NSD(t, map[string]servertest.Zone{registered: w.proved(true)})
	s.Org.Prober.DNSServers = []string{names.Address}
	verify(t, s.Server, s.AdminToken, w.claim).Want(http.StatusOK)
	return w, names
}

// TestDOM05_RealFlapping: a record that comes and goes puts nothing at risk,
// one that is gone at two checks does.
func TestDOM05_RealFlapping(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		w, names := watchReal(t, s)
		for _, there := range []bool{false, true, false, true, false} {
			names.Publish(t, registered, w.proved(there))
			w.pass(t, 1)
		}
		w.want(t, "flapping", "verified", true, nil, nil)
		w.pass(t, 1)
		w.want(t, "gone twice", "verified", true, map[string]int{"domain_at_risk": 1}, map[string]int{"domain_at_risk": 1})
		names.Publish(t, registered, w.proved(true))
		w.pass(t, 1)
		w.want(t, "there again", "verified", true, map[string]int{"domain_at_risk": 1}, map[string]int{"domain_at_risk": 1, "domain_recovered": 1})
	})
}

// TestDOM05_RealTimeout: a server that holds its sockets and answers nothing is
// trouble, and no absence.
func TestDOM05_RealTimeout(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		w, names := watchReal(t, s)
		other := addDomain(t, s.Server, s.AdminToken, s.OrganizationID, "other-rockets.com")
		resume := names.Pause(t)
		answer := verify(t, s.Server, s.AdminToken, other).WantCode(http.StatusBadRequest, "organization_domain_verification_failed")
		if text := string(answer.Body); !strings.Contains(text, noAnswer) {
			t.Errorf("%s does not say %q", text, noAnswer)
		}
		w.pass(t, 2)
		w.want(t, "two days of silence", "verified", true, map[string]int{"domain_trouble": 1}, nil)
		resume()
		w.pass(t, 1)
		if since := s.Value(t, `SELECT trouble_since FROM domains WHERE id = $1`, w.claim.String("domain_id")); since != "0" {
			t.Errorf("trouble since %s after an answer", since)
		}
	})
}

// TestDOM05_RealServersDisagree: of servers of which one is behind the first
// decides, and one absence is no risk; a server that does not know the zone, or
// cannot read it, decides nothing.
func TestDOM05_RealServersDisagree(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		w, current := watchReal(t, s)
		behind := servertest.NSD(t, map[string]servertest.Zone{registered: w.proved(false)})
		stranger := servertest.NSD(t, map[string]servertest.Zone{"other-rockets.com": {}})
		broken := servertest.NSD(t, map[string]servertest.Zone{registered: nil})
		absences := `SELECT absent_checks FROM domains WHERE id = $1`
		for _, c := range []struct {
			when    string
			servers []*servertest.NameServer
			absent  string
		}{
			{"the current one first", []*servertest.NameServer{current, behind}, "0"},
			{"those that know nothing first", []*servertest.NameServer{stranger, broken, current}, "0"},
			{"the one behind first", []*servertest.NameServer{behind, current}, "1"},
			{"the one behind next to those", []*servertest.NameServer{stranger, current, behind}, "0"},
		} {
			s.Org.Prober.DNSServers = nil
			for _, names := range c.servers {
				s.Org.Prober.DNSServers = append(s.Org.Prober.DNSServers, names.Address)
			}
			w.pass(t, 1)
			if got := s.Value(t, absences, w.claim.String("domain_id")); got != c.absent {
				t.Errorf("%s: %s absences, want %s", c.when, got, c.absent)
			}
		}
		w.want(t, "all along", "verified", true, nil, nil)
	})
}
