package server_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
)

const day = 24 * time.Hour

// watched is a scene whose organization has verified a domain with one managed
// member, bob.
type watched struct {
	*scene
	dns   *servertest.DNS
	claim servertest.Answer
	bob   string
}

func watch(t *testing.T, s *scene) *watched {
	t.Helper()
	w := &watched{scene: s, dns: servertest.NewDNS(t)}
	s.Org.Prober.DNSServers = []string{w.dns.Address}
	w.bob, _ = s.AddMember(t, "bob@"+registered, "")
	w.claim = addDomain(t, s.Server, s.AdminToken, s.OrganizationID, registered)
	publish(w.dns, registered, w.claim)
	verify(t, s.Server, s.AdminToken, w.claim).Want(http.StatusOK)
	return w
}

// pass lets time go by, a day and some minutes at a time, and checks after each.
func (w *watched) pass(t *testing.T, days int) {
	t.Helper()
	for range days {
		w.advance(day + 5*time.Minute)
		if n, err := w.CheckDomains(t.Context()); err != nil || n != 1 {
			t.Fatalf("%d domains checked, error %v; want 1", n, err)
		}
	}
}

func (w *watched) gone()      { w.dns.TXT("_sallyport-challenge." + registered) }
func (w *watched) published() { publish(w.dns, registered, w.claim) }

// want compares the state of the domain, whether bob is managed, and the
// numbers of mails to the admin and of events.
func (w *watched) want(t *testing.T, when, state string, managed bool, mails, events map[string]int) {
	t.Helper()
	if got := w.Value(t, `SELECT state FROM domains WHERE id = $1`, w.claim.String("domain_id")); got != state {
		t.Errorf("%s: state %q, want %q", when, got, state)
	}
	by := w.Value(t, `SELECT managing_organization_id FROM users WHERE id = $1`, w.bob)
	if want := map[bool]string{true: w.OrganizationID}[managed]; by != want {
		t.Errorf("%s: bob is managed by %q, want %q", when, by, want)
	}
	got := map[string]int{}
	for _, m := range w.Mails(t, servertest.AdminEmail) {
		got[m.Kind]++
	}
	for _, kind := range []string{identity.MailDomainAtRisk, identity.MailDomainLapsed, identity.MailDomainTrouble} {
		if got[kind] != mails[kind] {
			t.Errorf("%s: %d mails %s, want %d", when, got[kind], kind, mails[kind])
		}
	}
	for _, action := range []string{"domain_at_risk", "domain_lapsed", "domain_recovered"} {
		n := len(w.Rows(t, `SELECT id FROM events WHERE action = $1 AND organization_id = $2`, action, w.OrganizationID))
		if n != events[action] {
			t.Errorf("%s: %d events %s, want %d", when, n, action, events[action])
		}
	}
}

// TestDOM05_RecordGone: one absence is nothing, two a day apart are a risk, a
// week of it ends the verification; it does not come back by itself.
func TestDOM05_RecordGone(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		w := watch(t, s)
		none := map[string]int{}
		if n, err := w.CheckDomains(t.Context()); n != 0 || err != nil {
			t.Fatalf("checked %d at once after the verification, error %v", n, err)
		}
		w.pass(t, 3)
		w.want(t, "with the record", "verified", true, none, none)
		w.gone()
		w.pass(t, 1)
		w.want(t, "first absence", "verified", true, none, none)
		w.pass(t, 1)
		once := map[string]int{"domain_at_risk": 1}
		w.want(t, "second absence", "verified", true, once, once)
		w.pass(t, 6)
		w.want(t, "six days at risk", "verified", true, map[string]int{"domain_at_risk": 7}, once)
		w.pass(t, 1)
		mails, events := map[string]int{"domain_at_risk": 7, "domain_lapsed": 1}, map[string]int{"domain_at_risk": 1, "domain_lapsed": 1}
		w.want(t, "a week at risk", "unverified", false, mails, events)
		w.published()
		w.advance(2 * day)
		if n, err := w.CheckDomains(t.Context()); n != 0 || err != nil {
			t.Errorf("%d checks of a lapsed domain, error %v", n, err)
		}
		w.want(t, "back again", "unverified", false, mails, events)
		verify(t, s.Server, s.Session(t, s.AdminID), w.claim).Want(http.StatusOK)
		w.want(t, "verified by hand", "verified", true, mails, events)
	})
}

// TestDOM05_RecordComesBack: a proof that is back in time starts anew.
func TestDOM05_RecordComesBack(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		w := watch(t, s)
		w.gone()
		w.pass(t, 1)
		w.published()
		w.pass(t, 1)
		w.gone()
		w.pass(t, 1)
		w.want(t, "flapping", "verified", true, nil, nil)
		w.pass(t, 4)
		w.published()
		w.pass(t, 1)
		w.gone()
		w.pass(t, 1)
		w.want(t, "back from risk", "verified", true, map[string]int{"domain_at_risk": 4}, map[string]int{"domain_at_risk": 1, "domain_recovered": 1})
	})
}

// joinUp signs somebody up and confirms their address.
func joinUp(t *testing.T, s *scene, email string) {
	t.Helper()
	s.signUp(t, email, signUpPassword)
	s.Do(t, http.MethodPost, "/v1/user/verify_email/"+s.MailedCode(t, email, identity.MailVerifyEmail), "", nil).Want(http.StatusOK)
}

// TestDOM05_AtRiskTakesNobodyIn: whoever confirms an address meanwhile is not
// managed.
func TestDOM05_AtRiskTakesNobodyIn(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		w := watch(t, s)
		w.gone()
		w.pass(t, 2)
		joinUp(t, s, "carol@"+registered)
		managing := `SELECT managing_organization_id FROM users WHERE email = $1`
		if by := s.Value(t, managing, "carol@"+registered); by != "" {
			t.Errorf("carol is managed by %q of a domain at risk", by)
		}
		w.published()
		w.pass(t, 1)
		joinUp(t, s, "dan@"+registered)
		if by := s.Value(t, managing, "dan@"+registered); by != s.OrganizationID {
			t.Errorf("dan is managed by %q once the proof is back", by)
		}
		if n := s.Value(t, `SELECT COUNT(*) FROM events WHERE action = 'user_managed' AND organization_id = $1`, s.OrganizationID); n != "1" {
			t.Errorf("%s events of managed users, want 1", n)
		}
	})
}

// TestDOM05_Trouble: answers that say nothing keep the state for two weeks.
func TestDOM05_Trouble(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		w := watch(t, s)
		w.dns.Fail(dnsmessage.RCodeServerFailure)
		w.pass(t, 1)
		w.want(t, "first trouble", "verified", true, nil, nil)
		w.dns.Fail(dnsmessage.RCodeRefused)
		w.pass(t, 6)
		w.want(t, "six days", "verified", true, map[string]int{"domain_trouble": 6}, nil)
		w.dns.Fail(dnsmessage.RCodeSuccess)
		w.pass(t, 1)
		w.dns.Fail(dnsmessage.RCodeServerFailure)
		w.pass(t, 14)
		w.want(t, "thirteen days anew", "verified", true, map[string]int{"domain_trouble": 19}, nil)
		w.pass(t, 1)
		w.want(t, "two weeks", "unverified", false, map[string]int{"domain_trouble": 19, "domain_lapsed": 1}, map[string]int{"domain_lapsed": 1})
	})
}

// TestDOM05_NodesCheckOnce: of nodes that look at the same time one checks.
func TestDOM05_NodesCheckOnce(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		w := watch(t, s)
		w.advance(day + 5*time.Minute)
		var all sync.WaitGroup
		var checked atomic.Int64
		for range 8 {
			all.Go(func() {
				n, err := w.CheckDomains(t.Context())
				checked.Add(int64(n))
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := checked.Load(); n != 1 {
			t.Errorf("checked %d times, want once", n)
		}
	})
}

// TestDOM06_Bought: after a lapse another organization proves the domain;
// people do not move with it.
func TestDOM06_Bought(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		w := watch(t, s)
		eve := s.Eve(t)
		w.gone()
		w.pass(t, 9)
		session := s.Session(t, eve.UserID)
		bought := addDomain(t, s.Server, session, eve.OrganizationID, registered)
		publish(w.dns, registered, bought)
		verify(t, s.Server, session, bought).Want(http.StatusOK)
		w.want(t, "bought", "unverified", false, map[string]int{"domain_at_risk": 7, "domain_lapsed": 1}, map[string]int{"domain_at_risk": 1, "domain_lapsed": 1})
		if in := s.Value(t, `SELECT COUNT(*) FROM memberships WHERE user_id = $1 AND organization_id = $2`, w.bob, s.OrganizationID); in != "1" {
			t.Error("bob is no longer a member of A")
		}
		if in := s.Value(t, `SELECT COUNT(*) FROM memberships WHERE user_id = $1 AND organization_id = $2`, w.bob, eve.OrganizationID); in != "0" {
			t.Error("bob is a member of B")
		}
	})
}

// TestDOM09_LapseFreesThoseWhoLeft: whom the organization manages by the
// domain is free of it, member or not; others are as they were.
func TestDOM09_LapseFreesThoseWhoLeft(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		w := watch(t, s)
		left := s.AddUser(t, "", "left@"+registered, "", false)
		guest, _ := s.AddMember(t, "guest@sub."+registered, "")
		s.Manage(t, left)
		s.Manage(t, guest)
		w.gone()
		w.pass(t, 9)
		for id, want := range map[string]string{w.bob: "", left: "", guest: s.OrganizationID} {
			if by := s.Value(t, `SELECT managing_organization_id FROM users WHERE id = $1`, id); by != want {
				t.Errorf("%s is managed by %q, want %q", id, by, want)
			}
		}
	})
}
