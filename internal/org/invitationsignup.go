package org

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// firstSessionLife is how long the session of a sign-up lasts, as that of a
// login.
const firstSessionLife = 12 * time.Hour

// InvitedSignUp is a sign-up of somebody who was invited and has no account.
type InvitedSignUp struct {
	Code     string
	RealName string // 1 to 256 characters
	Password string // judged by the rules for new passwords
	// Client is the caller's address, invalid when unknown; RequestID may be
	// empty.
	Client    netip.Addr
	RequestID string
}

// InvitedUser is what a sign-up by invitation made.
type InvitedUser struct {
	OrganizationID, UserID, Email string
	// Token is a session, shown this once. It is empty when the new user is
	// managed: then their first login has to follow the organization's policy.
	Token string
}

// SignUpInvited makes an account for the address of an invitation, confirmed
// because the code was mailed there, and accepts the invitation with it.
//
// Errors: as of AcceptInvitationByCode; Conflict user_already_exists for an
// address that has an account, which accepts after a login; Invalid with the
// reason for a password the rules refuse, which leaves the invitation open;
// Forbidden domain_proven_by_another_organization for a link that was handed
// over by an admin, when the address belongs to the domain of another
// organization: no mail proved it; TooMany for more than 60 calls a minute
// from one address; Unavailable when too many passwords are being hashed.
func (s *Service) SignUpInvited(ctx context.Context, in InvitedSignUp) (out InvitedUser, err error) {
	if s.Call != nil {
		if err := s.Call(in.Client); err != nil {
			return out, err
		}
	}
	if in.RealName, err = cleanRealName(in.RealName); err != nil {
		return out, err
	}
	invited, err := s.Invited(ctx, in.Code)
	if err != nil {
		return out, err
	}
	if invited.HasAccount {
		return out, hasAccount()
	}
	person := credential.Person{Email: invited.Email, RealName: in.RealName, Organizations: []string{invited.Organization}}
	phc, err := s.newPassword(ctx, person, in.Password)
	if err != nil {
		return out, err
	}
	user := identity.User{Email: invited.Email, RealName: in.RealName, State: identity.StateActive}
	if user.ID, err = s.DB.NewID("u"); err != nil {
		return out, err
	}
	return s.signUpInvited(ctx, in, user, phc)
}

func hasAccount() error {
	return identity.Conflictf("user_already_exists", "this address has an account: log in, then accept the invitation with `sallyport user accept-invitation CODE`")
}

func cleanRealName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > identity.MaxRealName {
		return "", identity.Invalidf("bad_request", `the field "real_name" must have 1 to %d characters`, identity.MaxRealName)
	}
	return name, identity.CheckName("real_name", name)
}

// newPassword judges and hashes a password.
func (s *Service) newPassword(ctx context.Context, person credential.Person, password string) (phc string, err error) {
	verdict := s.Rules.Check(password, person)
	if !verdict.Acceptable {
		return "", identity.Invalidf(verdict.Code, "this password cannot be used. %s", verdict.Message)
	}
	phc, err = s.Hasher.Hash(ctx, password)
	var full *credential.BusyError
	if errors.As(err, &full) {
		return "", &identity.Error{
			Kind: identity.Unavailable, Code: "service_unavailable", RetryAfter: 2, Cause: err,
			Message: "too many logins are waiting just now; try again in a moment",
		}
	}
	return phc, err
}

func (s *Service) signUpInvited(ctx context.Context, in InvitedSignUp, user identity.User, phc string) (out InvitedUser, err error) {
	hash, _ := credential.HashCode(in.Code)
	var organizationID string
	err = s.DB.Once(func(r *store.Read) error {
		i, err := r.InvitationByCode(ctx, hash)
		organizationID = i.OrganizationID
		return err
	})
	if err != nil {
		return out, err
	}
	actor := identity.Actor{Kind: identity.ActorUser, ID: user.ID, Name: user.Email, Client: in.Client, RequestID: in.RequestID}
	scope, err := s.joining(ctx, organizationID, user.ID, user.Email)
	if err != nil {
		return out, err
	}
	err = s.DB.Update(ctx, actor, scope, func(tx *store.Tx) error {
		i, o, err := takeInvitation(ctx, tx, organizationID, user.Email, hash)
		if err != nil {
			return err
		}
		if err := vouched(ctx, tx, i); err != nil {
			return err
		}
		out = InvitedUser{OrganizationID: o.ID, UserID: user.ID, Email: user.Email}
		out.Token, err = s.admit(ctx, tx, o, i, user, phc)
		return err
	})
	if err != nil {
		return InvitedUser{}, err
	}
	return out, nil
}

// vouched refuses links that no mail carried, for addresses of a domain that
// another organization has proved to be its own: an admin elsewhere does not
// vouch for its people.
func vouched(ctx context.Context, tx *store.Tx, i identity.Invitation) error {
	if tx.MailEnabled() {
		return nil
	}
	prover, err := tx.DomainProver(ctx, i.Email)
	if err == nil && prover != "" && prover != i.OrganizationID {
		err = identity.Forbiddenf("domain_proven_by_another_organization", "another organization has proved that this address's domain is its own: sign up there first, then log in and accept the invitation")
	}
	return err
}

// admit adds the user, makes them a member, and begins their first session
// unless they are managed.
func (s *Service) admit(ctx context.Context, tx *store.Tx, o identity.Organization, i identity.Invitation, user identity.User, phc string) (token string, err error) {
	user.EmailConfirmed = tx.Now
	if err := tx.AddUser(ctx, user); errors.Is(err, hasAccount()) {
		return "", hasAccount()
	} else if err != nil {
		return "", err
	}
	if err := tx.SetPassword(ctx, user.ID, phc); err != nil {
		return "", err
	}
	if err := join(ctx, tx, o, i, user); err != nil {
		return "", err
	}
	if user, err = tx.User(ctx, user.ID); err != nil || user.ManagingOrganizationID != "" {
		return "", err
	}
	made := s.sealToken(identity.Token{
		Kind: policy.Session, UserID: user.ID, Created: tx.Now, Expires: tx.Now.Add(firstSessionLife),
		Authentication: policy.Authentication{Method: policy.MethodPassword, At: tx.Now},
	}, credential.KindSession)
	return made.Plain.Reveal(), tx.AddToken(ctx, made.Token)
}
