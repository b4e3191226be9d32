package server_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

// registered stands under a suffix that is no public one.
const registered = "acme-rockets.com"

func domainsOf(organizationID string) string {
	return "/v1/organization/" + organizationID + "/domains"
}

func addDomain(t *testing.T, s *servertest.Server, token, organizationID, name string) servertest.Answer {
	t.Helper()
	return s.Do(t, http.MethodPost, domainsOf(organizationID), token, map[string]any{"domain_name": name}).Want(http.StatusOK)
}

// publish puts the record of a claim where it belongs.
func publish(dns *servertest.DNS, name string, claims ...servertest.Answer) {
	records := [][]string{{"v=spf1 -all"}}
	for _, c := range claims {
		records = append(records, []string{"token=" + c.String("challenge_token"), ",expiry=never"}) // two strings of one record
	}
	dns.TXT("_sallyport-challenge."+name, records...)
}

func verify(t *testing.T, s *servertest.Server, token string, claim servertest.Answer) servertest.Answer {
	t.Helper()
	return s.Do(t, http.MethodPost, domainsOf(claim.String("organization_id"))+"/"+claim.String("domain_id")+"/verify", token, nil)
}

// TestDOM01_OnlyTheExactRecordCounts: another's token, one in other letters,
// inside a longer text, or at another label proves nothing.
func TestDOM01_OnlyTheExactRecordCounts(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		dns := servertest.NewDNS(t)
		s.Org.Prober.DNSServers = []string{dns.Address}
		claim := addDomain(t, s.Server, s.AdminToken, s.OrganizationID, registered)
		label, line := "_sallyport-challenge."+registered, "token="+claim.String("challenge_token")+",expiry=never"
		for _, c := range []struct{ name, at, text string }{
			{"other letters", label, strings.ToLower(line)},
			{"a longer text", label, "x " + line},
			{"a longer end", label, line + " "},
			{"one letter less", label, line[:len(line)-1]},
			{"the bare domain", registered, line},
			{"www", "www." + registered, line},
		} {
			dns.TXT(c.at, []string{c.text})
			verify(t, s.Server, s.AdminToken, claim).WantCode(http.StatusBadRequest, "organization_domain_verification_failed")
			dns.TXT(c.at)
		}
		if n := s.Value(t, `SELECT COUNT(*) FROM events WHERE action = 'domain_verification_failed'`); n != "1" {
			t.Errorf("%s events of failed verifications within a minute, want 1", n)
		}
		publish(dns, registered, claim)
		if state := verify(t, s.Server, s.AdminToken, claim).Want(http.StatusOK).String("state"); state != "verified" {
			t.Errorf("state %q after the exact record", state)
		}
	})
}

// TestDOM02_OneOwner: of many who prove a domain at the same time one gets it.
func TestDOM02_OneOwner(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		dns := servertest.NewDNS(t)
		s.Org.Prober.DNSServers = []string{dns.Address}
		eve := s.Eve(t)
		a := addDomain(t, s, s.AdminToken, s.OrganizationID, registered)
		b := addDomain(t, s, eve.Session, eve.OrganizationID, registered)
		publish(dns, registered, a, b)
		codes := make([]int, 16)
		var all sync.WaitGroup
		for i := range codes {
			all.Go(func() {
				claim, token := a, s.AdminToken
				if i%2 == 1 {
					claim, token = b, eve.Session
				}
				codes[i] = verify(t, s, token, claim).Status
			})
		}
		all.Wait()
		won := map[int]bool{}
		for i, code := range codes {
			won[i%2] = won[i%2] || code == http.StatusOK
			if code != http.StatusOK && code != http.StatusConflict {
				t.Errorf("call %d: status %d", i, code)
			}
		}
		if n := s.Value(t, `SELECT COUNT(*) FROM domains WHERE state = 'verified'`); n != "1" || won[0] == won[1] {
			t.Errorf("%s winners in the database, answers %v", n, codes)
		}
	})
}

// TestDOM07_MembersAreManagedGuestsAreNot, TestDOM04 likewise: exactly the
// domain counts; removing it sets people free at once.
func TestDOM07_MembersAreManagedGuestsAreNot(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		dns := servertest.NewDNS(t)
		s.Org.Prober.DNSServers = []string{dns.Address}
		in, _ := s.AddMember(t, "bob@"+registered, "")
		for _, other := range []string{"evil-" + registered, registered + ".evil-example.com", "sub." + registered} {
			s.AddMember(t, "bob@"+other, "")
		}
		claim := addDomain(t, s, s.AdminToken, s.OrganizationID, registered)
		publish(dns, registered, claim)
		verify(t, s, s.AdminToken, claim).Want(http.StatusOK)
		managed := `SELECT COALESCE(MAX(id), '') || ' ' || COUNT(*) FROM users WHERE managing_organization_id <> ''`
		if got, want := s.Value(t, managed), in+" 1"; got != want {
			t.Errorf("managed: %q, want %q", got, want)
		}
		s.Do(t, http.MethodDelete, domainsOf(s.OrganizationID)+"/"+claim.String("domain_id"), s.AdminToken, nil).Want(http.StatusNoContent)
		if got := s.Value(t, managed); got != " 0" {
			t.Errorf("managed after the removal: %q", got)
		}
	})
}

// TestDOM04_OnlyTheDomainItself: names that only end or begin like a verified
// domain are other people's, whoever is a member already and whoever signs up
// afterwards.
func TestDOM04_OnlyTheDomainItself(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		dns := servertest.NewDNS(t)
		s.Org.Prober.DNSServers = []string{dns.Address}
		for _, domain := range []string{"evil-" + registered, registered + ".evil.example", "sub." + registered, registered + "x"} {
			s.AddUser(t, s.OrganizationID, "member@"+domain, "", false)
		}
		own := s.AddUser(t, s.OrganizationID, "member@"+registered, "", false)
		claim := addDomain(t, s, s.AdminToken, s.OrganizationID, registered)
		publish(dns, registered, claim)
		verify(t, s, s.AdminToken, claim).Want(http.StatusOK)

		signUp := map[string]string{"email": "late@sub." + registered, "real_name": "Late", "password": bobPassword}
		s.Do(t, http.MethodPost, "/v1/user", "", signUp).Want(http.StatusOK)
		code := s.MailedCode(t, signUp["email"], identity.MailVerifyEmail)
		s.Do(t, http.MethodPost, "/v1/user/verify_email/"+code, "", nil).Want(http.StatusOK)
		signUp["email"] = "x@" + registered + "@evil.example"
		s.Do(t, http.MethodPost, "/v1/user", "", signUp).WantCode(http.StatusBadRequest, "invalid_email_format")

		if managed := s.Value(t, `SELECT COUNT(*) FROM users WHERE managing_organization_id <> ''`); managed != "1" {
			t.Errorf("%s people are managed, want one", managed)
		}
		if by := s.Value(t, `SELECT managing_organization_id FROM users WHERE id = '`+own+`'`); by != s.OrganizationID {
			t.Errorf("the domain's own member is managed by %q", by)
		}
	})
}

// TestDOM05_TroubleIsNoProofAndSaysSo: answers that say nothing verify nothing.
func TestDOM05_TroubleIsNoProofAndSaysSo(t *testing.T) {
	s := servertest.New(t)
	dns, good := servertest.NewDNS(t), servertest.NewDNS(t)
	s.Org.Prober.DNSServers = []string{dns.Address}
	claim := addDomain(t, s, s.AdminToken, s.OrganizationID, registered)
	publish(dns, registered, claim)
	publish(good, registered, claim)
	for _, code := range []dnsmessage.RCode{dnsmessage.RCodeServerFailure, dnsmessage.RCodeRefused} {
		dns.Fail(code)
		answer := verify(t, s, s.AdminToken, claim).WantCode(http.StatusBadRequest, "organization_domain_verification_failed")
		if text := string(answer.Body); !strings.Contains(text, "no usable answer") {
			t.Errorf("%v: %s", code, text)
		}
	}
	// The next server is asked when one is in trouble.
	s.Org.Prober.DNSServers = []string{dns.Address, good.Address}
	verify(t, s, s.AdminToken, claim).Want(http.StatusOK)
}

// TestDOM10_VerifyingIsLimited: the eleventh try of a minute asks nobody.
func TestDOM10_VerifyingIsLimited(t *testing.T) {
	s := servertest.New(t)
	dns := servertest.NewDNS(t)
	s.Org.Prober.DNSServers = []string{dns.Address}
	claim := addDomain(t, s, s.AdminToken, s.OrganizationID, registered)
	status := 0
	for range 30 {
		if status = verify(t, s, s.AdminToken, claim).Status; status == http.StatusTooManyRequests {
			return
		}
	}
	t.Errorf("30 tries were let through, the last with status %d", status)
}
