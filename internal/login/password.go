package login

import (
	"context"
	"net/netip"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// ChangePassword replaces a person's password and returns the token of a new
// session, the only one that is left: all sessions and tokens, known devices
// and open one-time codes end. The new session goes by the authentication of
// the calling one, and the second factor stays on.
//
// Errors: Invalid with the reason for a password the rules refuse; Forbidden
// authentication_failed for a wrong current one, which counts like a failed
// login; TooMany and Unavailable as for Login.
func (s *Service) ChangePassword(ctx context.Context, p *identity.Principal, current, chosen string) (token string, err error) {
	if err := demandSession(p); err != nil {
		return "", err
	}
	who, err := s.again(ctx, p)
	if err != nil {
		return "", err
	}
	if err := s.acceptable(ctx, &who.user, chosen); err != nil {
		return "", err
	}
	if _, err := s.provePassword(ctx, who, current, callerOf(p)); err != nil {
		return "", err
	}
	phc, err := s.hash(ctx, chosen)
	if err != nil {
		return "", err
	}
	fresh := s.newSessionLike(p.Token)
	err = s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		if err := alive(ctx, &tx.Read, p); err != nil {
			return err
		}
		user, err := who.same(ctx, &tx.Read)
		if err != nil {
			return err
		}
		if err := setPassword(ctx, tx, &user, phc, "password_changed", "changed their password"); err != nil {
			return err
		}
		return fresh.begin(ctx, tx, user.ID, p.Token.Authentication)
	})
	if err != nil {
		return "", err
	}
	return fresh.plain, nil
}

// setPassword stores a password, ends everything that was born before it, and
// records that.
func setPassword(ctx context.Context, tx *store.Tx, u *identity.User, phc, action, description string) error {
	if err := tx.SetPassword(ctx, u.ID, phc); err != nil {
		return err
	}
	if err := tx.VoidTokens(ctx, u.ID); err != nil {
		return err
	}
	if err := record(ctx, tx, u, action, description, nil); err != nil {
		return err
	}
	return tx.SendMail(ctx, identity.Mail{Kind: identity.MailPasswordChanged, To: u.Email})
}

func (s *Service) hash(ctx context.Context, password string) (string, error) {
	if s.hashing != nil {
		s.hashing()
	}
	phc, err := s.Hasher.Hash(ctx, password)
	if err != nil {
		return "", busy(err)
	}
	return phc, nil
}

// acceptable refuses a password that the rules do not allow for a user.
func (s *Service) acceptable(ctx context.Context, u *identity.User, password string) error {
	verdict, err := s.check(ctx, u, password)
	if err != nil {
		return err
	}
	if !verdict.Acceptable {
		return identity.Invalidf(verdict.Code, "this password cannot be used. %s", verdict.Message)
	}
	return nil
}

func (s *Service) check(ctx context.Context, u *identity.User, password string) (credential.Verdict, error) {
	person := credential.Person{Email: u.Email, RealName: u.RealName}
	err := s.DB.Once(func(r *store.Read) error {
		list, err := r.OrganizationsOf(ctx, u.ID)
		for _, o := range list {
			person.Organizations = append(person.Organizations, o.Name)
		}
		return err
	})
	if err != nil {
		return credential.Verdict{}, err
	}
	return s.Rules.Check(password, person), nil
}

// Strength judges a password of somebody who has no account yet; email and
// realName may be empty. It asks no database. The error is the kind TooMany
// for more than 60 calls a minute from one address.
func (s *Service) Strength(client netip.Addr, email, realName, password string) (credential.Verdict, error) {
	if err := s.Call(client); err != nil {
		return credential.Verdict{}, err
	}
	return s.Rules.Check(password, credential.Person{Email: email, RealName: realName}), nil
}

// OwnStrength judges a new password of the caller.
func (s *Service) OwnStrength(ctx context.Context, p *identity.Principal, password string) (credential.Verdict, error) {
	return s.check(ctx, p.User, password)
}

// ResetPassword sets the password of whom a one-time code was sent to, ends
// all their sessions and tokens, known devices and other codes, and confirms
// their address. It logs nobody in, and the second factor stays on.
//
// Errors: Invalid user_weblink_action_expired for every code that is not good,
// and Invalid with the reason for a password the rules refuse, which leaves
// the code good; Unavailable as for Login; TooMany for more than 60 calls a
// minute from one address.
func (s *Service) ResetPassword(ctx context.Context, from Caller, code, chosen string) error {
	if err := s.Call(from.Client); err != nil {
		return err
	}
	return s.reset(ctx, from, code, chosen)
}

func (s *Service) reset(ctx context.Context, from Caller, code, chosen string) error {
	hash, _ := credential.HashCode(code) // no row has the empty hash
	owner, err := s.codeOwner(ctx, hash)
	if err != nil {
		return err
	}
	if err := s.acceptable(ctx, &owner, chosen); err != nil {
		return err
	}
	phc, err := s.hash(ctx, chosen)
	if err != nil {
		return err
	}
	return s.DB.Update(ctx, from.as(&owner, ""), store.User(owner.ID), func(tx *store.Tx) error {
		userID, err := tx.UseCode(ctx, hash, store.PurposePasswordReset)
		if err != nil {
			return err
		}
		user, err := tx.User(ctx, userID)
		if err != nil {
			return err
		}
		if !mayReset(&user) {
			return store.NoCode()
		}
		if user.EmailConfirmed.IsZero() {
			if err := claim(ctx, tx, &user); err != nil {
				return err
			}
		}
		// Who reads the mail is no stranger: guesses of others no longer
		// stand in the way of the new password.
		if err := tx.Right(ctx, "user:"+userID+":"+factorPassword); err != nil {
			return err
		}
		return setPassword(ctx, tx, &user, phc, "password_reset", "set a new password with a one-time code")
	})
}

// codeOwner is the user whose live code a hash is, without using it up.
func (s *Service) codeOwner(ctx context.Context, hash string) (user identity.User, err error) {
	err = s.DB.View(ctx, func(r *store.Read) error {
		userID, err := r.CodeOwner(ctx, hash, store.PurposePasswordReset)
		if err != nil {
			return err
		}
		if user, err = r.User(ctx, userID); err == nil && !mayReset(&user) {
			err = store.NoCode()
		}
		return err
	})
	return user, err
}

func mayReset(u *identity.User) bool { return !u.Application && u.State == identity.StateActive }
