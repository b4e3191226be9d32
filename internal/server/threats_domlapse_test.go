package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const robEmail = "rob@" + registered

// staff is a watched domain with more people of A in it: rob, who can log in,
// dan, who is a member of B as well, and carol, whom nobody manages.
type staff struct {
	*watched
	b               servertest.Other // the buyer's organization
	rob, dan, carol string
}

func newStaff(t *testing.T, s *scene) *staff {
	t.Helper()
	f := &staff{b: s.Eve(t)}
	f.rob, _ = s.AddMember(t, robEmail, signUpPassword)
	f.dan, _ = s.AddMember(t, "dan@"+registered, "")
	s.join(t, f.b.OrganizationID, f.dan)
	f.watched = watch(t, s)
	f.carol, _ = s.AddMember(t, "carol@"+registered, "")
	return f
}

// buy proves the domain in B, whose record is the only one.
func (f *staff) buy(t *testing.T) (claim servertest.Answer) {
	t.Helper()
	session := f.Session(t, f.b.UserID)
	claim = addDomain(t, f.Server, session, f.b.OrganizationID, registered)
	publish(f.dns, registered, claim)
	return verify(t, f.Server, session, claim).Want(http.StatusOK)
}

// lapsedPeople are those whose addresses prove nothing, in the order of ids
// that is given.
func (f *staff) lapsedPeople(t *testing.T, when string, want ...string) {
	t.Helper()
	got := map[string]bool{}
	for _, row := range f.Rows(t, `SELECT id FROM users WHERE address_lapsed_at > 0`) {
		got[row[0]] = true
	}
	for _, id := range want {
		if !got[id] {
			t.Errorf("%s: the address of %s counts", when, id)
		}
		delete(got, id)
	}
	if len(got) != 0 {
		t.Errorf("%s: the addresses of %v lapsed too", when, got)
	}
}

func (f *staff) managers(t *testing.T, when, want string, people ...string) {
	t.Helper()
	for _, id := range people {
		if by := f.Value(t, `SELECT managing_organization_id FROM users WHERE id = $1`, id); by != want {
			t.Errorf("%s: %s is managed by %q, want %q", when, id, by, want)
		}
	}
}

// TestDOM06_BuyerReadsTheMail: whoever reads the mail of a domain that lapsed
// gets nothing of those who had addresses there; these keep what they have.
func TestDOM06_BuyerReadsTheMail(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		f := newStaff(t, s)
		personal := s.Token(t, identity.Token{Kind: policy.PersonalToken, UserID: f.rob, Expires: s.now().Add(30 * day)})
		f.gone()
		f.pass(t, 9)
		f.lapsedPeople(t, "lapsed", f.bob, f.rob, f.dan, f.carol)
		event := s.Value(t, `SELECT detail FROM events WHERE action = 'domain_lapsed' AND organization_id = $1`, s.OrganizationID)
		_, after, _ := strings.Cut(event, "lapsed_user_ids")
		for _, id := range []string{f.bob, f.rob, f.dan, f.carol} {
			if !strings.Contains(after, id) {
				t.Errorf("the event in A does not name %s: %s", id, event)
			}
		}

		f.buy(t)
		f.managers(t, "bought", "", f.bob, f.rob, f.dan, f.carol)
		f.mailHoldsNothing(t)
		f.adminMailHoldsNothing(t)
		f.addressEarnsNothing(t)
		s.Do(t, http.MethodGet, s.organizationPath(""), personal, nil).Want(http.StatusOK)
		s.Do(t, http.MethodGet, s.organizationPath(""), s.login(t, robEmail, signUpPassword, ""), nil).Want(http.StatusOK)
	})
}

// mailHoldsNothing asks for all the mail that strangers can ask for.
func (f *staff) mailHoldsNothing(t *testing.T) {
	t.Helper()
	already := len(f.Mails(t, robEmail))
	f.Do(t, http.MethodPost, "/v1/user/password_reset_request", "", m{"email": robEmail}).Want(http.StatusOK)
	f.signUp(t, robEmail, signUpPassword+"!").Want(http.StatusOK)
	mails := f.Mails(t, robEmail)[already:]
	if len(mails) != 2 {
		t.Fatalf("%d mails, want one of the reset and one of the sign-up", len(mails))
	}
	for _, mail := range mails {
		if mail.Kind != identity.MailAddressLapsed || len(mail.Data) != 0 {
			t.Errorf("a mail %s with %d data to an address that lapsed", mail.Kind, len(mail.Data))
		}
	}
	if n := f.Value(t, `SELECT COUNT(*) FROM one_time_codes WHERE user_id = $1`, f.rob); n != "0" {
		t.Errorf("%s codes were made", n)
	}
}

// adminMailHoldsNothing has an admin ask, whom the lapse left no power, and who
// gets some behind the server's back.
func (f *staff) adminMailHoldsNothing(t *testing.T) {
	t.Helper()
	admin := f.Session(t, f.AdminID)
	reset := f.organizationPath("/user/" + f.rob + "/reset_password")
	f.Do(t, http.MethodPost, reset, admin, nil).WantCode(http.StatusForbidden, "action_forbidden_on_unmanaged_users")
	f.Manage(t, f.rob)
	already := len(f.Mails(t, robEmail))
	f.Do(t, http.MethodPost, reset, admin, nil).Want(http.StatusNoContent)
	mails := f.Mails(t, robEmail)[already:]
	if len(mails) != 1 || mails[0].Kind != identity.MailAddressLapsed || len(mails[0].Data) != 0 {
		t.Errorf("mails %+v of an admin's reset", mails)
	}
	f.change(t, store.User(f.rob), func(ctx context.Context, tx *store.Tx) error {
		return tx.SetManagingOrganization(ctx, f.rob, "")
	})
}

// addressEarnsNothing tries what a confirmed address is asked for.
func (f *staff) addressEarnsNothing(t *testing.T) {
	t.Helper()
	eve, rob := f.Session(t, f.b.UserID), f.Session(t, f.rob)
	f.Do(t, http.MethodPost, "/v1/organization/"+f.b.OrganizationID+"/invitation", eve, m{"user_email": robEmail}).Want(http.StatusNoContent)
	code := f.MailedCode(t, robEmail, identity.MailInvitation)
	for path, body := range map[string]any{
		accept(code): nil, "/v1/organization/" + f.b.OrganizationID + "/invitation/" + robEmail: nil,
		"/v1/organizations": m{"organization_name": "Mine", "tier": "business"}, "/v1/access_token": m{"description": "x"},
	} {
		before := f.Dump(t)
		answer := f.Do(t, http.MethodPost, path, rob, body).WantCode(http.StatusForbidden, "email_not_confirmed")
		if !strings.Contains(string(answer.Body), "verify-email --resend") {
			t.Errorf("%s does not say what to do", answer.Body)
		}
		if f.Dump(t) != before {
			t.Errorf("POST %s changed something", path)
		}
	}
	signUp := m{"real_name": "Rob", "password": signUpPassword + "!"}
	f.nothing(t, "a sign-up with the invitation", func() {
		f.Do(t, http.MethodPost, "/v1/invitation/"+code+"/sign-up", "", signUp).WantCode(http.StatusConflict, "user_already_exists")
	})
}

// TestDOM06_ConfirmAgain: a new code confirms, together with a login of its
// owner; whoever proves so to be one of B's people is managed by B.
func TestDOM06_ConfirmAgain(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		f := newStaff(t, s)
		f.gone()
		f.pass(t, 9)
		f.buy(t)
		rob := s.login(t, robEmail, signUpPassword, "")
		s.Do(t, http.MethodPost, "/v1/me/verify_email", rob, nil).Want(http.StatusOK)
		code := s.MailedCode(t, robEmail, identity.MailConfirmAgain)
		s.nothing(t, "the code without a login", func() {
			s.Do(t, http.MethodPost, "/v1/user/verify_email/"+code, "", nil).WantCode(http.StatusForbidden, "email_confirmation_needs_login")
		})
		eve := s.Session(t, f.b.UserID)
		s.nothing(t, "the code in another's login", func() {
			s.Do(t, http.MethodPost, "/v1/me/verify_email/"+code, eve, nil).WantCode(http.StatusBadRequest, "user_weblink_action_expired")
		})
		last := s.lastEvent(t)
		s.Do(t, http.MethodPost, "/v1/me/verify_email/"+code, rob, nil).Want(http.StatusOK)
		var actions []string
		for _, e := range s.since(t, last) {
			actions = append(actions, e.action)
		}
		if got := strings.Join(actions, " "); got != "email_confirmed user_managed" {
			t.Errorf("events %q", got)
		}
		f.lapsedPeople(t, "confirmed", f.bob, f.dan, f.carol)
		f.managers(t, "confirmed", f.b.OrganizationID, f.rob)
		s.Do(t, http.MethodPost, "/v1/me/verify_email", rob, nil).WantCode(http.StatusConflict, "email_already_confirmed")
	})
}

// TestDOM06_VerifiedAgain: addresses count again once the organization that
// lost the domain has it back; those that another one lost do not.
func TestDOM06_VerifiedAgain(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		f := newStaff(t, s)
		f.gone()
		f.pass(t, 9)
		bought := f.buy(t)
		outsider := s.AddUser(t, f.b.OrganizationID, "new@"+registered, "", false) // of B, proven, not managed
		eve := s.Session(t, f.b.UserID)
		s.Do(t, http.MethodDelete, domainsOf(f.b.OrganizationID)+"/"+bought.String("domain_id"), eve, nil).Want(http.StatusNoContent)
		f.lapsedPeople(t, "sold", f.bob, f.rob, f.dan, f.carol, outsider)
		f.published()
		admin := s.Session(t, s.Value(t, `SELECT id FROM users WHERE email = $1`, servertest.AdminEmail))
		e := s.one(t, "domain_verified", func() {
			verify(t, s.Server, admin, f.claim).Want(http.StatusOK)
		})
		f.lapsedPeople(t, "back", outsider)
		f.managers(t, "back", s.OrganizationID, f.bob, f.rob, f.dan, f.carol)
		f.managers(t, "back", "", outsider)
		_, restored, _ := strings.Cut(e.detail, "restored_user_ids")
		if e.organization != s.OrganizationID || !strings.Contains(restored, f.rob) || strings.Contains(restored, outsider) {
			t.Errorf("event in %s: %s", e.organization, e.detail)
		}
		s.Do(t, http.MethodPost, "/v1/user/password_reset_request", "", m{"email": robEmail}).Want(http.StatusOK)
		s.MailedCode(t, robEmail, identity.MailPasswordReset)
	})
}

// TestDOM06_Removed: giving a domain up does the same at once, and codes that
// are on their way end; a claim that was never proved touches nobody.
func TestDOM06_Removed(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		f := newStaff(t, s)
		claimed := addDomain(t, s.Server, s.AdminToken, s.OrganizationID, "other-rockets.com")
		s.AddMember(t, "guest@other-rockets.com", "")
		s.Do(t, http.MethodDelete, domainsOf(s.OrganizationID)+"/"+claimed.String("domain_id"), s.AdminToken, nil).Want(http.StatusNoContent)
		f.lapsedPeople(t, "a claim is removed")

		s.Do(t, http.MethodPost, "/v1/user/password_reset_request", "", m{"email": robEmail}).Want(http.StatusOK)
		code := s.MailedCode(t, robEmail, identity.MailPasswordReset)
		s.one(t, "domain_removed", func() {
			s.Do(t, http.MethodDelete, domainsOf(s.OrganizationID)+"/"+f.claim.String("domain_id"), s.AdminToken, nil).Want(http.StatusNoContent)
		})
		f.lapsedPeople(t, "removed", f.bob, f.rob, f.dan, f.carol)
		s.nothing(t, "the older code", func() {
			s.Do(t, http.MethodPost, "/v1/user/password_reset/"+code, "", m{"new_password": signUpPassword + "!"}).WantCode(http.StatusBadRequest, "user_weblink_action_expired")
		})
		f.mailHoldsNothing(t)
	})
}

// TestDOM06_UnprovenIsNotManaged: verifying takes in nobody whose address was
// never confirmed, and nobody whom another organization manages.
func TestDOM06_UnprovenIsNotManaged(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		b := s.Eve(t)
		s.signUp(t, robEmail, signUpPassword).Want(http.StatusOK) // as eve may, before its owner does
		rob := s.Value(t, `SELECT id FROM users WHERE email = $1`, robEmail)
		s.join(t, b.OrganizationID, rob)
		taken, _ := s.AddMember(t, "taken@"+registered, "")
		s.Manage(t, taken)
		s.join(t, b.OrganizationID, taken)
		f := &staff{watched: &watched{scene: s, dns: servertest.NewDNS(t)}, b: b}
		s.Org.Prober.DNSServers = []string{f.dns.Address}
		f.buy(t)
		f.managers(t, "verified", "", rob)
		f.managers(t, "verified", s.OrganizationID, taken)
	})
}
