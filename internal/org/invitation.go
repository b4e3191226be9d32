package org

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

const (
	// usersWrite lets its holder invite and remove people.
	usersWrite = "organization:users:write"
	// invitationLife is how long an invitation can be accepted
	// (docs/parameters.md 3.7).
	invitationLife = 7 * 24 * time.Hour
	// maxInvitations is how many can be open in one organization.
	maxInvitations = 500
	// maxInvitationMails is how many an address is sent in an hour, by all
	// organizations together.
	maxInvitationMails = 5
)

// Invitations returns the invitations of the accessed organization that were
// neither accepted nor withdrawn, expired ones too. No code is in them.
func (s *Service) Invitations(ctx context.Context, p *identity.Principal) (list []identity.Invitation, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		list, err = r.Invitations(ctx, p.Organization.ID)
		return err
	})
	return list, err
}

// SendsMail says whether the server sends mail: else invitations are links that
// an admin hands over.
func (s *Service) SendsMail() bool { return s.DB.MailEnabled() }

// Invite mails an invitation to join the accessed organization as a plain
// member. Inviting an address again renews its invitation: a new code, seven
// more days, and the old code ends.
//
// An address that got five invitations within the hour is sent no more, and
// what it has stays as it is; the caller is told nothing of that, for others
// may have sent them.
//
// Errors: Invalid invalid_email_format; Conflict user_already_in_organization;
// Invalid invitation_limit_reached for the 501st open one; Invalid
// mail_not_configured on a server that sends no mail.
func (s *Service) Invite(ctx context.Context, p *identity.Principal, email string) error {
	email, err := identity.ParseEmail(email)
	if err != nil {
		return err
	}
	code, hash := credential.NewCode(s.rand())
	return s.opening(ctx, p, store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		if !tx.MailEnabled() {
			return identity.Invalidf("mail_not_configured", "this server sends no mail: ask an admin of the organization for an invitation link (`sallyport organization user invite EMAIL --print-link`), or the operator to set SALLYPORT_SMTP_URL")
		}
		sent, err := tx.MailsSince(ctx, email, identity.MailInvitation, tx.Now.Add(-time.Hour))
		if err != nil {
			return err
		}
		i, renewed, err := draftInvitation(ctx, tx, p, email)
		if err != nil || renewed && sent >= maxInvitationMails {
			return err
		}
		if err := putInvitation(ctx, tx, p, i, hash, "sent an invitation to "+email); err != nil || sent >= maxInvitationMails {
			return err
		}
		return tx.SendMail(ctx, s.invitationMail(p, i, code))
	})
}

// NewInvitationLink makes an invitation like Invite, and returns its link for
// an admin to hand over: for servers that send no mail. Where mail is sent the
// link goes to its address only, because it proves who reads there.
//
// Errors as of Invite; Forbidden user_role_not_allowed_to_perform_operation
// for callers who are no admins; Invalid invitation_link_not_offered where
// mail is sent.
func (s *Service) NewInvitationLink(ctx context.Context, p *identity.Principal, email string) (link string, expires time.Time, err error) {
	if email, err = identity.ParseEmail(email); err != nil {
		return "", expires, err
	}
	if !p.Admin() {
		return "", expires, identity.Forbiddenf("user_role_not_allowed_to_perform_operation", "only an admin may see an invitation's link; ask one of yours")
	}
	code, hash := credential.NewCode(s.rand())
	err = s.opening(ctx, p, store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		if tx.MailEnabled() {
			return identity.Invalidf("invitation_link_not_offered", "this server sends mail, so the link goes to the invited person only: invite them without asking for it")
		}
		i, _, err := draftInvitation(ctx, tx, p, email)
		if err != nil {
			return err
		}
		expires = i.Expires
		return putInvitation(ctx, tx, p, i, hash, "made an invitation link for "+email)
	})
	if err != nil {
		return "", time.Time{}, err
	}
	return s.invitationLink(code), expires, nil
}

// draftInvitation is a new or renewed invitation, not stored yet.
func draftInvitation(ctx context.Context, tx *store.Tx, p *identity.Principal, email string) (i identity.Invitation, renewed bool, err error) {
	i = identity.Invitation{OrganizationID: p.Organization.ID, Email: email, InvitedBy: p.User.ID, Expires: tx.Now.Add(invitationLife)}
	if err := notMember(ctx, &tx.Read, i.OrganizationID, email); err != nil {
		return i, false, err
	}
	old, err := tx.Invitation(ctx, i.OrganizationID, email)
	if err != nil && !isMissing(err) {
		return i, false, err
	}
	if renewed = err == nil; renewed && old.Expires.After(tx.Now) {
		return i, renewed, nil
	}
	open, err := tx.CountInvitations(ctx, i.OrganizationID)
	if err == nil && open >= maxInvitations {
		err = identity.Invalidf("invitation_limit_reached", "%d invitations are open, which is the most; withdraw some, or wait until they are accepted", open)
	}
	return i, renewed, err
}

// notMember refuses an address whose owner is a member already.
func notMember(ctx context.Context, r *store.Read, organizationID, email string) error {
	u, err := r.UserByEmail(ctx, email)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = r.Member(ctx, organizationID, u.ID)
	if isMissing(err) {
		return nil
	}
	if err == nil {
		err = identity.Conflictf("user_already_in_organization", "%s is a member of the organization already", email)
	}
	return err
}

func putInvitation(ctx context.Context, tx *store.Tx, p *identity.Principal, i identity.Invitation, hash, description string) error {
	if err := tx.SetInvitation(ctx, i, hash); err != nil {
		return err
	}
	e := invitationEvent("invitation_sent", *p.Organization, i.Email, description)
	e.Detail = beforeAfter(nil, map[string]any{"user_email": i.Email, "expiry_time": i.Expires})
	return tx.Record(ctx, e)
}

func invitationEvent(action string, o identity.Organization, email, description string) identity.Event {
	return identity.Event{
		Action: action, OrganizationID: o.ID, AccountID: o.AccountID,
		Target: identity.Target{Kind: "invitation", ID: email, Name: email}, Description: description,
	}
}

func (s *Service) invitationLink(code string) string {
	return s.PublicURL + "/invitation?code=" + url.QueryEscape(code)
}

func (s *Service) invitationMail(p *identity.Principal, i identity.Invitation, code string) identity.Mail {
	inviter := p.User.RealName
	if inviter == "" {
		inviter = p.User.Email
	}
	return identity.Mail{Kind: identity.MailInvitation, To: i.Email, Data: map[string]string{
		"organization": p.Organization.Name, "inviter": inviter, "link": s.invitationLink(code),
		"expires": i.Expires.Format("2 January 2006, 15:04 MST"),
	}}
}

// WithdrawInvitation ends an invitation of the accessed organization.
func (s *Service) WithdrawInvitation(ctx context.Context, p *identity.Principal, email string) error {
	canonical, err := identity.ParseEmail(email)
	if err != nil {
		return store.NoInvitation()
	}
	return s.DB.Update(ctx, p.Actor(), store.Organization(p.Organization.ID), func(tx *store.Tx) error {
		i, err := tx.Invitation(ctx, p.Organization.ID, canonical)
		if err != nil {
			return err
		}
		if err := tx.DeleteInvitation(ctx, i.OrganizationID, i.Email); err != nil {
			return err
		}
		e := invitationEvent("invitation_withdrawn", *p.Organization, i.Email, "withdrew the invitation of "+i.Email)
		e.Detail = beforeAfter(map[string]any{"user_email": i.Email, "expiry_time": i.Expires}, nil)
		return tx.Record(ctx, e)
	})
}

// AcceptInvitation makes the caller a plain member of the organization that
// invited their address.
//
// Errors: Forbidden invitation_not_yours for another address than the
// caller's, whether or not it was invited; Forbidden email_not_confirmed;
// NotFound invitation_not_found, also when whoever sent it may no longer
// invite; Invalid invitation_expired, and user_already_in_organization.
func (s *Service) AcceptInvitation(ctx context.Context, p *identity.Principal, organizationID, email string) error {
	canonical, err := identity.ParseEmail(email)
	if err != nil || canonical != p.User.Email {
		return notYours()
	}
	return s.accept(ctx, p, organizationID, canonical, "")
}

func notYours() error {
	return identity.Forbiddenf("invitation_not_yours", "an invitation is for the address it was sent to: log in as that user to accept it")
}

// AcceptInvitationByCode is AcceptInvitation for the code of a mailed link. It
// returns the organization's id.
func (s *Service) AcceptInvitationByCode(ctx context.Context, p *identity.Principal, code string) (organizationID string, err error) {
	hash, _ := credential.HashCode(code) // no row has the empty hash
	var i identity.Invitation
	err = s.DB.Once(func(r *store.Read) error {
		i, err = r.InvitationByCode(ctx, hash)
		return err
	})
	if err == nil && i.Email != p.User.Email {
		err = notYours()
	}
	if err != nil {
		return "", err
	}
	return i.OrganizationID, s.accept(ctx, p, i.OrganizationID, i.Email, hash)
}

// accept joins a user who is there already. hash is that of the code that was
// shown; empty: none was.
func (s *Service) accept(ctx context.Context, p *identity.Principal, organizationID, email, hash string) error {
	scope, err := s.joining(ctx, organizationID, p.User.ID, email)
	if err != nil {
		return err
	}
	return s.opening(ctx, p, scope, func(tx *store.Tx) error {
		u, err := tx.User(ctx, p.User.ID)
		if err != nil {
			return err
		}
		if u.Email != email {
			return notYours()
		}
		if err := u.DemandAddress(); err != nil {
			return err
		}
		if _, err := tx.Member(ctx, organizationID, u.ID); err == nil {
			return identity.Invalidf("user_already_in_organization", "you are a member of this organization already")
		} else if !isMissing(err) {
			return err
		}
		i, o, err := takeInvitation(ctx, tx, organizationID, email, hash)
		if err != nil {
			return err
		}
		return join(ctx, tx, o, i, u)
	})
}

// takeInvitation uses an invitation up, if it still is what it was: the right
// code, in time, and sent by somebody who may still invite.
func takeInvitation(ctx context.Context, tx *store.Tx, organizationID, email, hash string) (i identity.Invitation, o identity.Organization, err error) {
	if i, o, err = validInvitation(ctx, &tx.Read, func() (identity.Invitation, error) {
		if hash != "" {
			return tx.InvitationByCode(ctx, hash)
		}
		return tx.Invitation(ctx, organizationID, email)
	}); err != nil {
		return i, o, err
	}
	if i.OrganizationID != organizationID || i.Email != email {
		return i, o, store.NoInvitation()
	}
	return i, o, tx.DeleteInvitation(ctx, organizationID, email)
}

// validInvitation judges an invitation at the moment of the reading.
func validInvitation(ctx context.Context, r *store.Read, find func() (identity.Invitation, error)) (i identity.Invitation, o identity.Organization, err error) {
	if i, err = find(); err != nil {
		return i, o, err
	}
	if o, err = r.Organization(ctx, i.OrganizationID); isMissing(err) {
		return i, o, store.NoInvitation()
	}
	if err != nil {
		return i, o, err
	}
	if !i.Expires.After(r.Now) {
		return i, o, identity.Invalidf("invitation_expired", "this invitation has expired; ask whoever sent it for a new one")
	}
	may, err := mayInvite(ctx, r, i)
	if err == nil && !may {
		err = identity.NotFoundf("invitation_not_found", "whoever sent this invitation may no longer invite people; ask an admin of the organization for a new one")
	}
	return i, o, err
}

// mayInvite says whether the sender of an invitation still may invite.
func mayInvite(ctx context.Context, r *store.Read, i identity.Invitation) (bool, error) {
	inviter, err := r.User(ctx, i.InvitedBy)
	if err != nil || inviter.State != identity.StateActive {
		return false, err
	}
	held, err := standingIn(ctx, r, i.OrganizationID, i.InvitedBy)
	return held.holds(place{organization: i.OrganizationID}, usersWrite), err
}

// joining is the scope of join: the organization, the user, and whoever has
// verified the domain of the user's address.
func (s *Service) joining(ctx context.Context, organizationID, userID, email string) (scope store.Scope, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		adopting, err := r.AdoptingScope(ctx, email)
		scope = store.Organization(organizationID).And(store.User(userID)).And(adopting)
		return err
	})
	return scope, err
}

// join makes an invited user a member, and a managed one where an organization
// has proved the domain of their address to be its own.
func join(ctx context.Context, tx *store.Tx, o identity.Organization, i identity.Invitation, u identity.User) error {
	if err := tx.AddMember(ctx, o.ID, u.ID, false); err != nil {
		return err
	}
	e := invitationEvent("invitation_accepted", o, i.Email, fmt.Sprintf("joined the organization %q, invited by %s", o.Name, i.InviterName))
	e.Target = identity.Target{Kind: "user", ID: u.ID, Name: u.Email}
	e.Detail = beforeAfter(nil, map[string]any{"user_id": u.ID, "user_email": u.Email, "invited_by": i.InvitedBy})
	if err := tx.Record(ctx, e); err != nil {
		return err
	}
	return adopt(ctx, tx, u)
}

// adopt makes a user managed by the organization of their domain, if there is
// one and nobody manages them yet.
func adopt(ctx context.Context, tx *store.Tx, u identity.User) error {
	return tx.Adopt(ctx, u, func(o identity.Organization) (string, json.RawMessage) {
		return fmt.Sprintf("became a managed user of %q, which has verified the domain of %s", o.Name, u.Email),
			beforeAfter(nil, map[string]any{"managing_organization_id": o.ID})
	})
}

// Invited is what the page of an invitation shows to whoever has its code.
type Invited struct {
	Organization, Email, Inviter string
	Expires                      time.Time
	HasAccount                   bool // whether the address has an account: then it accepts after a login
}

// Invited returns what a code invites to. It changes nothing. Errors as of
// AcceptInvitationByCode, as far as they are not about the caller.
func (s *Service) Invited(ctx context.Context, code string) (out Invited, err error) {
	hash, _ := credential.HashCode(code)
	err = s.DB.View(ctx, func(r *store.Read) error {
		i, o, err := validInvitation(ctx, r, func() (identity.Invitation, error) { return r.InvitationByCode(ctx, hash) })
		if err != nil {
			return err
		}
		_, err = r.UserByEmail(ctx, i.Email)
		out = Invited{Organization: o.Name, Email: i.Email, Inviter: i.InviterName, Expires: i.Expires, HasAccount: err == nil}
		if isMissing(err) {
			err = nil
		}
		return err
	})
	return out, err
}
