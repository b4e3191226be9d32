package org

import (
	"context"
	"net/url"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const (
	// resetLife is how long a mailed link to set a new password lives
	// (docs/parameters.md 3.7).
	resetLife = 30 * time.Minute
	// maxResetMails is how many of them admins can have sent to one address in
	// an hour (row RAT-10). What strangers ask for is counted apart: it must
	// not stand in the way of an admin.
	maxResetMails = 3
)

// MemberLogin is one way in which a member may log in.
type MemberLogin struct {
	ID           string // am + 11 hex digits, of a linked identity uam…, of a passkey pk…; the one that the user sees
	Method       policy.Method
	User         identity.User
	SecondFactor bool // asked for beside it
	// Provider is the id of an organization's identity provider, and
	// OrganizationID that organization; empty for others.
	Provider, OrganizationID string
	LastUsed                 time.Time // of a linked identity or passkey; zero: not known
}

// MemberLogins returns the ways in which a member may log in; none for
// application users.
func (s *Service) MemberLogins(ctx context.Context, p *identity.Principal, userID string) ([]MemberLogin, error) {
	list := []MemberLogin{}
	err := s.DB.View(ctx, func(r *store.Read) error {
		m, err := r.Member(ctx, p.Organization.ID, userID)
		if err != nil {
			return err
		}
		_, chosen, err := r.PasswordSince(ctx, userID)
		if list = list[:0]; err == nil && !chosen.IsZero() {
			list = append(list, MemberLogin{ID: identity.LoginMethodID(userID, policy.MethodPassword), Method: policy.MethodPassword, User: m.User, SecondFactor: m.User.SecondFactor})
		}
		if err != nil {
			return err
		}
		links, err := r.LinkedIdentities(ctx, userID)
		for _, l := range links {
			list = append(list, linkedLogin(p, m.User, l))
		}
		if err != nil {
			return err
		}
		keys, err := r.Passkeys(ctx, userID)
		for _, key := range keys {
			list = append(list, MemberLogin{ID: key.ID, Method: policy.MethodPasskey, User: m.User, LastUsed: key.LastUsed})
		}
		return err
	})
	return list, err
}

// linkedLogin is a linked identity as the organization's admins see it: which
// other organization's provider it is at is not theirs to know.
func linkedLogin(p *identity.Principal, u identity.User, l identity.LinkedIdentity) MemberLogin {
	m := MemberLogin{ID: l.ID, User: u, Method: policy.MethodOIDC, LastUsed: l.LastUsed}
	switch method, err := policy.ParseMethod(l.Provider); {
	case l.OrganizationID == "" && err == nil:
		m.Method = method
	case l.OrganizationID == p.Organization.ID:
		m.Provider, m.OrganizationID = l.Provider, l.OrganizationID
	}
	return m
}

// ResetMemberPassword mails a managed user a link to choose a new password.
// Nobody but the user sees it; their password and sessions stay until it is
// used. Where the address lapsed, the mail holds no link but says how to confirm
// the address again.
//
// Errors: Invalid mail_not_configured when the server sends no mail; TooMany
// for the fourth mail to the address within an hour, which leaves the last link
// good. An admin is known, so unlike a stranger they are told.
func (s *Service) ResetMemberPassword(ctx context.Context, p *identity.Principal, userID string) error {
	organizationID := p.Organization.ID
	return s.opening(ctx, p, store.Organization(organizationID).And(store.User(userID)), func(tx *store.Tx) error {
		c, err := beginMemberWork(ctx, tx, p, userID)
		if err != nil {
			return err
		}
		if err := c.managed(); err != nil {
			return err
		}
		u := &c.member.User
		switch {
		case u.State != identity.StateActive:
			return identity.Invalidf("bad_request", "the user is not active: reactivate them first")
		case !tx.MailEnabled():
			return identity.Invalidf("mail_not_configured", "this server sends no mail, so this is not offered: ask its operator to set SALLYPORT_SMTP_URL")
		}
		if err := mayMailReset(ctx, &tx.Read, u.Email); err != nil {
			return err
		}
		if !u.AddressLapsed.IsZero() { // somebody else may read the mail
			if err := tx.SendMail(ctx, identity.Mail{Kind: identity.MailAddressLapsed, To: u.Email}); err != nil {
				return err
			}
			return c.record("password_reset_sent", "mailed "+u.Email+" how to confirm the address again, and no link: its domain has lapsed", nil, nil)
		}
		plain, hash := credential.NewCode(s.rand())
		if err := tx.AddCode(ctx, hash, store.PurposePasswordReset, u.ID, tx.Now.Add(resetLife)); err != nil {
			return err
		}
		link := s.PublicURL + "/reset?code=" + url.QueryEscape(plain)
		mail := identity.Mail{Kind: identity.MailAdminPasswordReset, To: u.Email, Data: map[string]string{"organization": p.Organization.Name, "link": link}}
		if err := tx.SendMail(ctx, mail); err != nil {
			return err
		}
		return c.record("password_reset_sent", "mailed "+u.Email+" a link to set a new password", nil, nil)
	})
}

// mayMailReset refuses an address that admins had enough mails sent to.
func mayMailReset(ctx context.Context, r *store.Read, email string) error {
	sent, err := r.MailsSince(ctx, email, identity.MailAdminPasswordReset, r.Now.Add(-time.Hour))
	if err == nil && sent >= maxResetMails {
		return &identity.Error{
			Kind: identity.TooMany, Code: "too_many_requests", RetryAfter: 60,
			Message: "the user was mailed three such links within an hour: ask them to look into their mailbox, also among the spam; the last link is good for 30 minutes",
		}
	}
	return err
}
