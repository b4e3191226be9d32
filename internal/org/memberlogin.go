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

// resetLife is how long a mailed link to set a new password lives
// (docs/parameters.md 3.7).
const resetLife = 30 * time.Minute

// MemberLogin is one way in which a member may log in.
type MemberLogin struct {
	Method       policy.Method
	User         identity.User
	SecondFactor bool // asked for beside it
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
			list = append(list, MemberLogin{policy.MethodPassword, m.User, m.User.SecondFactor})
		}
		return err
	})
	return list, err
}

// ResetMemberPassword mails a managed user a link to choose a new password.
// Nobody but the user sees it; their password and sessions stay until it is
// used. Invalid mail_not_configured when the server sends no mail.
func (s *Service) ResetMemberPassword(ctx context.Context, p *identity.Principal, userID string) error {
	organizationID := p.Organization.ID
	return s.DB.Update(ctx, p.Actor(), store.Organization(organizationID).And(store.User(userID)), func(tx *store.Tx) error {
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
