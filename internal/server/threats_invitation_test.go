package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
)

// Rows ORG-01 to ORG-06, RAT-10, CON-01, DOS-05 and TOK-08 of invitations.

type m = map[string]any

func invitations(s *servertest.Server) string {
	return "/v1/organization/" + s.OrganizationID + "/invitation"
}

// invite mails an invitation and returns its code.
func invite(t *testing.T, s *servertest.Server, email string) string {
	t.Helper()
	s.Do(t, http.MethodPost, invitations(s), s.AdminToken, m{"user_email": email}).Want(http.StatusNoContent)
	return s.MailedCode(t, email, identity.MailInvitation)
}

// person adds somebody who is a member of nothing of A, and returns a session.
func person(t *testing.T, s *servertest.Server, email string) (userID, session string) {
	t.Helper()
	other := s.Eve(t)
	userID = s.AddUser(t, other.OrganizationID, email, "", false)
	return userID, s.Session(t, userID)
}

// refusedUnchanged makes sure that a refusal changes nothing.
func refusedUnchanged(t *testing.T, s *servertest.Server, method, path, token string, body any, status int, code string) {
	t.Helper()
	before := s.Dump(t)
	s.Do(t, method, path, token, body).WantCode(status, code)
	if s.Dump(t) != before {
		t.Errorf("%s %s: the refusal changed something", method, path)
	}
}

func accept(code string) string { return "/v1/invitation/" + code + "/accept" }

func TestORG01SomebodyElsesInvitation(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		carolID, carol := person(t, s, "carol@c.example")
		_, eve := person(t, s, "eve@e.example")
		code := invite(t, s, "carol@c.example")
		refusedUnchanged(t, s, http.MethodPost, accept(code), eve, nil, http.StatusForbidden, "invitation_not_yours")
		refusedUnchanged(t, s, http.MethodPost, invitations(s)+"/carol@c.example", eve, nil, http.StatusForbidden, "invitation_not_yours")

		signedUp := s.Do(t, http.MethodPost, "/v1/user", "", m{"email": "dave@c.example", "real_name": "Dave", "password": "seven purple umbrellas sing"}).Want(http.StatusOK)
		forDave := invite(t, s, "dave@c.example")
		for _, path := range []string{accept(forDave), invitations(s) + "/dave@c.example"} {
			before := s.Dump(t)
			s.Do(t, http.MethodPost, path, signedUp.String("token"), nil).Want(http.StatusForbidden)
			if s.Dump(t) != before {
				t.Error("an unconfirmed address changed something")
			}
		}

		if got := s.Do(t, http.MethodPost, accept(code), carol, nil).Want(http.StatusOK).String("organization_id"); got != s.OrganizationID {
			t.Errorf("joined %s", got)
		}
		refusedUnchanged(t, s, http.MethodPost, invitations(s)+"/carol@c.example", carol, nil, http.StatusBadRequest, "user_already_in_organization")
		refusedUnchanged(t, s, http.MethodPost, accept(code), carol, nil, http.StatusNotFound, "invitation_not_found")
		refusedUnchanged(t, s, http.MethodPost, invitations(s), s.AdminToken, m{"user_email": "Carol@C.example"}, http.StatusConflict, "user_already_in_organization")
		member := s.Do(t, http.MethodGet, "/v1/organization/"+s.OrganizationID+"/user/"+carolID, s.AdminToken, nil).Want(http.StatusOK).Object()
		if member["is_super_admin"] != false {
			t.Errorf("an invitation made a super admin: %v", member)
		}
	})
}

func TestORG02EditedInvitation(t *testing.T) {
	s := servertest.New(t)
	_, carol := person(t, s, "carol@c.example")
	other := s.Eve(t)
	code := invite(t, s, "carol@c.example")
	refusedUnchanged(t, s, http.MethodPost, "/v1/organization/"+other.OrganizationID+"/invitation/carol@c.example", carol, nil, http.StatusNotFound, "invitation_not_found")
	refusedUnchanged(t, s, http.MethodPost, "/v1/organization/org00000000000/invitation/carol@c.example", carol, nil, http.StatusNotFound, "invitation_not_found")
	refusedUnchanged(t, s, http.MethodPost, invitations(s)+"/carol@c.example", carol, m{"action": "promote"}, http.StatusBadRequest, "bad_request")
	refusedUnchanged(t, s, http.MethodPost, accept(strings.Repeat("A", 43)), carol, nil, http.StatusNotFound, "invitation_not_found")
	refusedUnchanged(t, s, http.MethodPost, "/v1/invitation/"+code+"/sign-up", "", m{"real_name": "Carol", "password": "seven purple umbrellas sing", "email": "eve@e.example"}, http.StatusBadRequest, "bad_request")
	refusedUnchanged(t, s, http.MethodPost, "/v1/invitation/"+code+"/sign-up", "", m{"real_name": "Carol", "password": "seven purple umbrellas sing"}, http.StatusConflict, "user_already_exists")
}

func TestORG03LateTwiceWithdrawn(t *testing.T) {
	var ahead atomic.Int64
	s := servertest.Start(t, servertest.Options{Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	_, carol := person(t, s, "carol@c.example")
	first := invite(t, s, "carol@c.example")
	second := invite(t, s, "carol@c.example")
	refusedUnchanged(t, s, http.MethodPost, accept(first), carol, nil, http.StatusNotFound, "invitation_not_found")

	s.Do(t, http.MethodDelete, invitations(s)+"/carol@c.example", s.AdminToken, nil).Want(http.StatusNoContent)
	refusedUnchanged(t, s, http.MethodPost, accept(second), carol, nil, http.StatusNotFound, "invitation_not_found")
	// The provider deletes an invitation that may be gone, and takes 404.
	refusedUnchanged(t, s, http.MethodDelete, invitations(s)+"/carol@c.example", s.AdminToken, nil, http.StatusNotFound, "invitation_not_found")

	late := invite(t, s, "late@c.example")
	ahead.Store(int64(7*24*time.Hour + time.Second))
	refusedUnchanged(t, s, http.MethodPost, "/v1/invitation/"+late+"/sign-up", "", m{"real_name": "Late", "password": "seven purple umbrellas sing"}, http.StatusBadRequest, "invitation_expired")
}

func TestCON01OneAcceptance(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		_, carol := person(t, s, "carol@c.example")
		for name, call := range map[string]struct {
			path, token string
			body        any
		}{
			"account": {accept(invite(t, s, "carol@c.example")), carol, nil},
			"sign-up": {"/v1/invitation/" + invite(t, s, "new@c.example") + "/sign-up", "", m{"real_name": "New", "password": "seven purple umbrellas sing"}},
		} {
			var all sync.WaitGroup
			var won atomic.Int64
			for range 64 {
				all.Go(func() {
					switch a := s.Do(t, http.MethodPost, call.path, call.token, call.body); {
					case a.Status == http.StatusOK:
						won.Add(1)
					case a.Status >= 500 && a.Status != http.StatusServiceUnavailable:
						t.Errorf("%s: status %d: %s", name, a.Status, a.Body)
					}
				})
			}
			all.Wait()
			if won.Load() != 1 {
				t.Errorf("%s: %d of 64 acceptances won", name, won.Load())
			}
		}
		if n := s.Value(t, `SELECT COUNT(*) FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.organization_id = $1 AND u.email LIKE '%@c.example'`, s.OrganizationID); n != "2" {
			t.Errorf("%s members joined, want 2", n)
		}
	})
}

func TestORG04AdminsSeeNoCode(t *testing.T) {
	s := servertest.New(t)
	code := invite(t, s, "new@c.example")
	list := s.Do(t, http.MethodGet, invitations(s), s.AdminToken, nil).Want(http.StatusOK)
	if !strings.Contains(string(list.Body), "new@c.example") {
		t.Errorf("the invitation is not listed: %s", list.Body)
	}
	for what, text := range map[string]string{"list": string(list.Body), "log": s.Logs.String(), "database": s.Dump(t)} {
		if strings.Contains(text, code) {
			t.Errorf("the code is in the %s", what)
		}
	}
	refusedUnchanged(t, s, http.MethodPost, "/v1/organization/"+s.OrganizationID+"/invitation-link", s.AdminToken, m{"user_email": "new@c.example"}, http.StatusBadRequest, "invitation_link_not_offered")
}

func TestORG05InviterLosesThePermission(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		bobID, bob := s.AddMember(t, "bob@a.example", "")
		s.Grant(t, bobID, "organization:users:write")
		s.Do(t, http.MethodPost, invitations(s), bob, m{"user_email": "new@c.example"}).Want(http.StatusNoContent)
		signUp := "/v1/invitation/" + s.MailedCode(t, "new@c.example", identity.MailInvitation) + "/sign-up"
		body := m{"real_name": "New", "password": "seven purple umbrellas sing"}
		s.Grant(t, bobID)
		refusedUnchanged(t, s, http.MethodPost, signUp, "", body, http.StatusNotFound, "invitation_not_found")
		s.Grant(t, bobID, "organization:users:write")
		if made := s.Do(t, http.MethodPost, signUp, "", body).Want(http.StatusOK); s.Do(t, http.MethodGet, "/v1/organizations", made.String("token"), nil).Want(http.StatusOK).Body == nil {
			t.Error("the session of the sign-up is of no use")
		}
	})
}

func TestORG06InvitationsOfOthers(t *testing.T) {
	s := servertest.New(t)
	invite(t, s, "new@c.example")
	eve := s.Eve(t).Session
	refusedUnchanged(t, s, http.MethodGet, invitations(s), eve, nil, http.StatusNotFound, "organization_not_found")
	refusedUnchanged(t, s, http.MethodPost, invitations(s), eve, m{"user_email": "new@c.example"}, http.StatusNotFound, "organization_not_found")
	refusedUnchanged(t, s, http.MethodDelete, invitations(s)+"/new@c.example", eve, nil, http.StatusNotFound, "organization_not_found")
}

func TestRAT10InvitationsToOneAddress(t *testing.T) {
	s := newScene(t, servertest.Options{}).Server
	for range 20 {
		s.Do(t, http.MethodPost, invitations(s), s.AdminToken, m{"user_email": "new@c.example"}).Want(http.StatusNoContent)
	}
	if n := len(s.Mails(t, "new@c.example")); n != 5 {
		t.Errorf("%d mails, want 5", n)
	}
	// The last code that was mailed is still good.
	code := s.MailedCode(t, "new@c.example", identity.MailInvitation)
	s.Do(t, http.MethodPost, "/v1/invitation/"+code+"/sign-up", "", m{"real_name": "New", "password": "seven purple umbrellas sing"}).Want(http.StatusOK)
}

func TestDOS05OpenInvitations(t *testing.T) {
	s := servertest.New(t)
	for n := range 500 {
		s.Do(t, http.MethodPost, invitations(s), s.AdminToken, m{"user_email": fmt.Sprintf("n%d@c.example", n)}).Want(http.StatusNoContent)
	}
	refusedUnchanged(t, s, http.MethodPost, invitations(s), s.AdminToken, m{"user_email": "one-more@c.example"}, http.StatusBadRequest, "invitation_limit_reached")
	s.Do(t, http.MethodPost, invitations(s), s.AdminToken, m{"user_email": "n7@c.example"}).Want(http.StatusNoContent)
}

func TestTOK08ApplicationTokenAcceptsNothing(t *testing.T) {
	s := servertest.New(t)
	_, app := s.App(t)
	code := invite(t, s, "new@c.example")
	refusedUnchanged(t, s, http.MethodPost, accept(code), app, nil, http.StatusForbidden, "action_forbidden_for_application_users")
	refusedUnchanged(t, s, http.MethodPost, invitations(s)+"/new@c.example", app, nil, http.StatusForbidden, "action_forbidden_for_application_users")
}

func TestInvitationLinkWithoutMail(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Config: func(c *server.Config) { c.HoldMail = false }})
	link := "/v1/organization/" + s.OrganizationID + "/invitation-link"
	refusedUnchanged(t, s, http.MethodPost, invitations(s), s.AdminToken, m{"user_email": "new@c.example"}, http.StatusBadRequest, "mail_not_configured")
	bobID, bob := s.AddMember(t, "bob@a.example", "")
	s.Grant(t, bobID, "organization:users:write")
	s.Do(t, http.MethodPost, link, bob, m{"user_email": "new@c.example"}).Want(http.StatusForbidden)
	made := s.Do(t, http.MethodPost, link, s.AdminToken, m{"user_email": "new@c.example"}).Want(http.StatusOK)
	u, err := url.Parse(made.String("invitation_link"))
	if err != nil {
		t.Fatal(err)
	}
	s.Do(t, http.MethodPost, "/v1/invitation/"+u.Query().Get("code")+"/sign-up", "", m{"real_name": "New", "password": "seven purple umbrellas sing"}).Want(http.StatusOK)
}

func TestInvitationPage(t *testing.T) {
	s := servertest.New(t)
	code := invite(t, s, "new@c.example")
	before := s.Dump(t)
	page := s.Do(t, http.MethodGet, "/invitation?code="+code, "", nil).Want(http.StatusOK)
	if text := string(page.Body); !strings.Contains(text, "new@c.example") || !strings.Contains(text, servertest.Organization) || !strings.Contains(text, "<form") {
		t.Errorf("the page is %s", text)
	}
	if s.Dump(t) != before {
		t.Error("opening the page changed something")
	}
	s.Do(t, http.MethodGet, "/invitation?code=x", "", nil).Want(http.StatusBadRequest)
	form := url.Values{"code": {code}, "real_name": {"New"}, "password": {"seven purple umbrellas sing"}}
	post := func(site string) servertest.Answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/invitation", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", site)
		return s.Send(t, req)
	}
	post("cross-site").Want(http.StatusForbidden)
	if s.Dump(t) != before {
		t.Error("a page of another site changed something")
	}
	post("same-origin").Want(http.StatusOK)
	s.Do(t, http.MethodPost, "/v1/userauth", "", m{"email": "new@c.example", "password": "seven purple umbrellas sing"}).Want(http.StatusOK)
}

// Sign-ups with a code are limited by address, through the API and the page
// together; a refused one leaves the invitation open.
func TestInvitedSignUpsAreLimitedByAddress(t *testing.T) {
	at := time.Now()
	var ahead atomic.Int64
	s := servertest.Start(t, servertest.Options{Clock: func() time.Time { return at.Add(time.Duration(ahead.Load())) }})
	code := invite(t, s, "new@c.example")
	signUp := "/v1/invitation/" + code + "/sign-up"
	form := url.Values{"code": {code}, "real_name": {"New"}, "password": {"seven purple umbrellas sing"}}
	page := func() servertest.Answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/invitation", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return s.Send(t, req)
	}
	for range 60 {
		s.Do(t, http.MethodPost, "/v1/invitation/x/sign-up", "", m{"real_name": "New", "password": "seven purple umbrellas sing"}).
			WantCode(http.StatusNotFound, "invitation_not_found")
	}
	refusedUnchanged(t, s, http.MethodPost, signUp, "", m{"real_name": "New", "password": "seven purple umbrellas sing"}, http.StatusTooManyRequests, "too_many_requests")
	if a := page().Want(http.StatusTooManyRequests); !strings.Contains(string(a.Body), "Too many attempts") || !strings.Contains(string(a.Body), "<form") {
		t.Errorf("the page says %s", a.Body)
	}
	ahead.Add(int64(time.Second))
	page().Want(http.StatusOK)
	// The event says from where.
	if got := s.Value(t, `SELECT client_ip FROM events WHERE action = 'invitation_accepted'`); got != "127.0.0.1" {
		t.Errorf("the event says the address %q", got)
	}
}

// verifyDomain makes a domain an organization's own.
func verifyDomain(t *testing.T, s *servertest.Server, organizationID, name string) {
	t.Helper()
	err := s.DB.Update(t.Context(), identity.Actor{Kind: identity.ActorOperator}, store.Organization(organizationID), func(tx *store.Tx) error {
		ctx := t.Context()
		d := identity.Domain{ID: "dom-" + name, OrganizationID: organizationID, Name: name, Challenge: "x", VerificationType: identity.ProofDNS, State: identity.DomainUnverified}
		if err := tx.AddDomain(ctx, d); err != nil {
			return err
		}
		if err := tx.VerifyDomain(ctx, d); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{Action: "prepared", Description: "a test verified a domain", OrganizationID: organizationID})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whoever joins with an address of a verified domain is managed from then on,
// and gets no session that did not follow the policy.
func TestInvitedIntoTheirDomain(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		verifyDomain(t, s, s.OrganizationID, "c.example")
		code := invite(t, s, "new@c.example")
		made := s.Do(t, http.MethodPost, "/v1/invitation/"+code+"/sign-up", "", m{"real_name": "New", "password": "seven purple umbrellas sing"}).Want(http.StatusOK).Object()
		if made["token"] != nil {
			t.Error("a managed user got a session without a login")
		}
		if got := s.Value(t, `SELECT managing_organization_id FROM users WHERE id = $1`, made["user_id"]); got != s.OrganizationID {
			t.Errorf("managed by %q", got)
		}
	})
}

// An admin elsewhere does not vouch for the people of a verified domain.
func TestInvitationLinkForAnothersDomain(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Config: func(c *server.Config) { c.HoldMail = false }})
	verifyDomain(t, s, s.OrganizationID, "c.example")
	eve := s.Eve(t)
	link := s.Do(t, http.MethodPost, "/v1/organization/"+eve.OrganizationID+"/invitation-link", eve.Session, m{"user_email": "ceo@c.example"}).Want(http.StatusOK).String("invitation_link")
	_, code, _ := strings.Cut(link, "code=")
	refusedUnchanged(t, s, http.MethodPost, "/v1/invitation/"+code+"/sign-up", "", m{"real_name": "CEO", "password": "seven purple umbrellas sing"}, http.StatusForbidden, "domain_proven_by_another_organization")
}
