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
// server asks for, and what must come of it. No zone: the server refuses.
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
	s.Org.Prober.DNSServers = append(before, servertest.NSD(t, zones))
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
	verifyAt(t, servertest.New(t), []recordCase{
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
}

// TestDOM05_RealNameServer: names that do not exist, a server that refuses, and
// an answer too long for UDP.
func TestDOM05_RealNameServer(t *testing.T) {
	verifyAt(t, servertest.New(t), []recordCase{
		{"missing-rockets.com", func(string) servertest.Zone { return servertest.Zone{} }, false, noRecord},
		{"refused-rockets.com", nil, false, noAnswer},
		{"long-rockets.com", func(line string) servertest.Zone { return at(challenge, many([]string{line})...) }, true, ""},
		{"longer-rockets.com", func(string) servertest.Zone { return at(challenge, many([]string{"last"})...) }, false, noRecord},
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
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	verifyAt(t, servertest.New(t), []recordCase{
		{"patient-rockets.com", func(line string) servertest.Zone { return at(challenge, []string{line}) }, true, ""},
	}, silent.LocalAddr().String())
	query := make([]byte, 512)
	if n, _, err := silent.ReadFrom(query); err != nil || n == 0 {
		t.Errorf("the silent server was not asked: %v", err)
	}
}
