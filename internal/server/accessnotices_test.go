package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/mail"
	"github.com/sallyport/sallyport/internal/server/servertest"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// letters are the messages that wait to be delivered, worded, by recipient.
func (s *scene) letters(t *testing.T) map[string][]mail.Message {
	t.Helper()
	s.Settle(t)
	list, err := s.DB.HeldMail(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]mail.Message{}
	for _, m := range list {
		if !strings.HasPrefix(m.Mail.Kind, "access_") && m.Mail.Kind != identity.MailTokensRefused {
			continue
		}
		worded, err := mail.Render(s.Config.Brand, s.Config.PublicURL, m.Mail.Kind, m.Mail.Data)
		if err != nil {
			t.Errorf("%s to %s: %v", m.Mail.Kind, m.Mail.To, err)
		}
		out[m.Mail.To] = append(out[m.Mail.To], worded)
	}
	return out
}

// Whom a change keeps out gets one mail with the cure, which names nobody else;
// an admin gets one with the counts; nobody does where the organization has
// switched that off.
func TestThoseWhomAChangeKeepsOutAreTold(t *testing.T) {
	scenes(t, func(t *testing.T, s *scene) {
		s.linkAdmin(t)
		s.AddUser(t, s.OrganizationID, "bob@elsewhere.example", "the password of somebody called bob", false)
		s.AddUser(t, s.OrganizationID, "carol@elsewhere.example", "", false) // has no way in to lose
		s.Token(t, identity.Token{Kind: policy.PersonalToken, UserID: s.AdminID, Manual: true, Description: "deploy"})
		path := "/v1/organization/" + s.OrganizationID + "/config/authentication"
		change := func(body map[string]any) {
			s.Do(t, http.MethodPatch, path, s.AdminToken, body).Want(http.StatusOK)
		}
		off := map[string]any{"password_auth_enabled": false, "personal_tokens_require_allowed_auth_method": true, "accept_lockout": true}
		change(off)
		got := s.letters(t)
		toBob, toAdmin := got["bob@elsewhere.example"], got[servertest.AdminEmail]
		if len(got) != 2 || len(toBob) != 1 || len(toAdmin) != 1 {
			t.Fatalf("mail to %d people: %d to bob, %d to the admin; want one to each of the two", len(got), len(toBob), len(toAdmin))
		}
		for text, want := range map[string]bool{
			"does not allow logging in with a password": true, "log in with ": true, s.Config.PublicURL + "/login": true,
			servertest.AdminEmail: false, "carol": false, "one person": false,
		} {
			if strings.Contains(toBob[0].Text, text) != want {
				t.Errorf("bob reads %q: %t, want %t:\n%s", text, !want, want, toBob[0].Text)
			}
		}
		for _, text := range []string{"one person has no way in", "one personal token", "You are among them", "one person was told by mail"} {
			if !strings.Contains(toAdmin[0].Text, text) {
				t.Errorf("the admin does not read %q:\n%s", text, toAdmin[0].Text)
			}
		}
		// Back, which takes nothing from anybody, and again without notices.
		token := s.Token(t, identity.Token{Kind: policy.Session, UserID: s.AdminID, Authentication: policy.Authentication{Method: policy.MethodGitHub, At: s.now()}})
		again := func(body map[string]any) {
			s.Do(t, http.MethodPatch, path, token, body).Want(http.StatusOK)
		}
		again(map[string]any{"password_auth_enabled": true})
		again(map[string]any{"access_notices": false})
		if shown := s.Do(t, http.MethodGet, path, token, nil).Want(http.StatusOK).Object()["access_notices"]; shown != false {
			t.Errorf("access_notices is %v", shown)
		}
		again(map[string]any{"password_auth_enabled": false})
		if n := len(s.letters(t)["bob@elsewhere.example"]); n != 1 {
			t.Errorf("bob has %d mails, want the one from before", n)
		}
		if n := len(s.Rows(t, `SELECT id FROM events WHERE action = 'access_notices_changed'`)); n != 1 {
			t.Errorf("%d events of the switch, want 1", n)
		}
	})
}

// linkAdmin links an identity at GitHub to the admin, which is a way in.
func (s *scene) linkAdmin(t *testing.T) {
	s.Org.ThirdParties = []string{"github"}
	s.change(t, store.User(s.AdminID), func(ctx context.Context, tx *store.Tx) error {
		return tx.AddLinkedIdentity(ctx, identity.LinkedIdentity{ID: "uam0000000000a", UserID: s.AdminID, Provider: identity.ProviderGitHub, Subject: "1"})
	})
}
