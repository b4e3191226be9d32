package login

import (
	"context"
	"errors"
	"strings"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// SignUp is a new account.
type SignUp struct {
	Email, RealName string
	Password        string // empty: none yet; it is set with a mailed code
	From            Caller
}

// SignedUp is the answer to a sign-up: a session, shown this once. Where the
// address has an account already, it is a token that opens nothing.
type SignedUp struct {
	Token string
	Email string // canonical
}

// SignUp makes an account and mails a code to confirm its address. Until then
// the account's sessions can confirm, ask for another mail, and log out.
//
// Whether the address has an account already is told to nobody but its owner,
// by mail: the answer is the same. Where that account's address is not
// confirmed either, nobody knows whose sign-up is the owner's; so its password
// is chosen anew with the mailed code, which ends all that was there before
// (row EML-06).
//
// Errors: Invalid for an address that can be none, an empty name, or a
// password the rules refuse, and mail_not_configured; TooMany for more than 60
// calls a minute from one address; Unavailable as for Login.
func (s *Service) SignUp(ctx context.Context, in SignUp) (SignedUp, error) {
	if err := s.Call(in.From.Client); err != nil {
		return SignedUp{}, err
	}
	if !s.DB.MailEnabled() {
		return SignedUp{}, notConfigured()
	}
	var err error
	if in.Email, err = identity.ParseEmail(in.Email); err != nil {
		return SignedUp{}, err
	}
	profile := ProfileChange{RealName: in.RealName}
	if err := profile.check(); err != nil {
		return SignedUp{}, err
	}
	in.RealName = profile.RealName
	phc, err := s.firstPassword(ctx, in)
	if err != nil {
		return SignedUp{}, err
	}
	return s.signUp(ctx, in, phc)
}

// firstPassword judges and hashes the password of a sign-up; empty: none.
func (s *Service) firstPassword(ctx context.Context, in SignUp) (phc string, err error) {
	if in.Password == "" {
		return "", nil
	}
	if err := checkPassword(in.Password); err != nil {
		return "", err
	}
	verdict := s.Rules.Check(in.Password, credential.Person{Email: in.Email, RealName: in.RealName})
	if !verdict.Acceptable {
		return "", identity.Invalidf(verdict.Code, "this password cannot be used. %s", verdict.Message)
	}
	return s.hash(ctx, in.Password)
}

func (s *Service) signUp(ctx context.Context, in SignUp, phc string) (SignedUp, error) {
	fresh := s.newSession()
	out := SignedUp{Token: fresh.plain, Email: in.Email}
	known, err := s.ownerOf(ctx, in.Email)
	if err == nil && known.ID == "" {
		err = s.addUser(ctx, in, phc, fresh)
		if !errors.Is(err, errTaken) {
			return out, err
		}
		known, err = s.ownerOf(ctx, in.Email) // somebody else was quicker
	}
	if err != nil {
		return SignedUp{}, err
	}
	return out, s.signUpAgain(ctx, in, &known)
}

// errTaken is the store's answer for an address that has an account.
var errTaken = &identity.Error{Kind: identity.Conflict, Code: "user_already_exists"}

func (s *Service) addUser(ctx context.Context, in SignUp, phc string, fresh session) error {
	id, err := s.DB.NewID("u")
	if err != nil {
		return err
	}
	user := identity.User{ID: id, Email: in.Email, RealName: in.RealName, State: identity.StateActive}
	return s.DB.Update(ctx, in.From.anonymous(), store.User(id), func(tx *store.Tx) error {
		if err := s.asked(ctx, tx, in.Email); err != nil {
			return err
		}
		if err := tx.AddUser(ctx, user); err != nil {
			return err
		}
		if phc != "" {
			if err := tx.SetPassword(ctx, id, phc); err != nil {
				return err
			}
		}
		if err := fresh.begin(ctx, tx, id, policy.Authentication{Method: policy.MethodPassword, At: tx.Now}); err != nil {
			return err
		}
		if err := s.mailCode(ctx, tx, &user, confirmLetter); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{Action: "user_created", Target: target(&user), Description: "signed up; the e-mail address is not confirmed yet"})
	})
}

// signUpAgain tells the owner of an address that somebody signed up with it.
// What was typed changes nothing.
func (s *Service) signUpAgain(ctx context.Context, in SignUp, known *identity.User) error {
	return s.mailOwner(ctx, in.From, signUpCall, in.Email, known, func(tx *store.Tx, u *identity.User) error {
		if !u.EmailConfirmed.IsZero() {
			return tx.SendMail(ctx, identity.Mail{Kind: identity.MailAccountExists, To: u.Email})
		}
		// The first code would confirm the first password.
		if err := tx.EndCodes(ctx, u.ID); err != nil {
			return err
		}
		return s.mailCode(ctx, tx, u, claimLetter)
	})
}

// mailOwner records a call about a user that mail may go to and runs fn, which
// sends it, and else does the same work for nobody, so that the two cannot be
// told apart. An address that lapsed gets none of fn's. known may be empty.
func (s *Service) mailOwner(ctx context.Context, from Caller, c openCall, email string, known *identity.User, fn func(*store.Tx, *identity.User) error) error {
	reached := false
	if known.ID != "" && !known.Application {
		err := s.DB.Update(ctx, from.anonymous(), store.User(known.ID), func(tx *store.Tx) error {
			reached = false
			user, err := tx.User(ctx, known.ID)
			if err != nil {
				return err
			}
			ok, err := mailable(ctx, &tx.Read, user.Email, c.kinds)
			if err != nil || !ok || user.State == identity.StateDeleted {
				return err
			}
			reached = true
			if err := s.asked(ctx, tx, email); err != nil {
				return err
			}
			if err := record(ctx, tx, &user, c.action, c.words, nil); err != nil {
				return err
			}
			if !user.AddressLapsed.IsZero() {
				return tx.SendMail(ctx, lapsedMail(&user))
			}
			return fn(tx, &user)
		})
		if err != nil || reached {
			return err
		}
	}
	return s.DB.Maintain(ctx, func(tx *store.Tx) error { return s.asked(ctx, tx, email) })
}

// openCall is a call by which anybody who knows an address has mail sent to it.
type openCall struct {
	kinds         []string // of the mails: three of each call an hour
	action, words string   // of its event
}

var (
	signUpCall = openCall{
		[]string{identity.MailVerifyEmail, identity.MailClaimAccount, identity.MailAccountExists, identity.MailAddressLapsed},
		"sign_up_repeated", "somebody signed up with the address of this account; its owner was told by mail",
	}
	resetCall = openCall{
		[]string{identity.MailPasswordReset, identity.MailPasswordResetNone, identity.MailAddressLapsed},
		"password_reset_requested", "somebody asked for a new password for this account; its owner got a mail",
	}
)

// againMail is what the owner of an address that lapsed asks for.
var againMail = []string{identity.MailConfirmAgain}

// claim gives an account whose address was never confirmed to whoever has just
// proved to read mail there: nothing that was made before the proof survives,
// because somebody else may have made it ready for its future owner. The
// caller sets the password, which ends sessions, tokens and codes.
func claim(ctx context.Context, tx *store.Tx, u *identity.User) error {
	if err := tx.RemoveProofs(ctx, u.ID); err != nil {
		return err
	}
	if err := tx.ConfirmEmail(ctx, u.ID); err != nil {
		return err
	}
	return record(ctx, tx, u, "account_claimed", "took over an account whose address nobody had confirmed; all that was set up before has ended", nil)
}

// ConfirmEmail confirms the address of whom a code was mailed to and returns
// it. It logs nobody in. Errors: Invalid user_weblink_action_expired for every
// code that is not good; Forbidden email_confirmation_needs_login for the code
// of an address that lapsed, which stays good; TooMany as for SignUp.
func (s *Service) ConfirmEmail(ctx context.Context, from Caller, code string) (email string, err error) {
	if err := s.Call(from.Client); err != nil {
		return "", err
	}
	return s.confirm(ctx, from, code, nil)
}

// ConfirmOwnEmail confirms the caller's address with a code that was mailed
// there. An address that lapsed is confirmed by nothing else: whoever reads its
// mail now may be another than who has the account. Errors: Invalid
// user_weblink_action_expired for every code that is not good, or not the
// caller's.
func (s *Service) ConfirmOwnEmail(ctx context.Context, p *identity.Principal, from Caller, code string) (email string, err error) {
	if err := demandSession(p); err != nil {
		return "", err
	}
	return s.confirm(ctx, from, code, p)
}

// confirm uses a code up; p is nil when nobody is logged in.
func (s *Service) confirm(ctx context.Context, from Caller, code string, p *identity.Principal) (email string, err error) {
	hash, _ := credential.HashCode(code) // no row has the empty hash
	var owner identity.User
	var adopting store.Scope
	err = s.DB.View(ctx, func(r *store.Read) (err error) {
		if owner, err = confirming(ctx, r, hash, p); err != nil {
			return err
		}
		adopting, err = r.AdoptingScope(ctx, owner.Email)
		return err
	})
	if err != nil {
		return "", err
	}
	actor := from.as(&owner, "")
	if p != nil {
		actor = p.Actor()
	}
	err = s.DB.Update(ctx, actor, store.User(owner.ID).And(adopting), func(tx *store.Tx) error {
		if p != nil {
			if err := alive(ctx, &tx.Read, p); err != nil {
				return err
			}
		}
		user, err := confirming(ctx, &tx.Read, hash, p)
		if err != nil {
			return err
		}
		if _, err := tx.UseCode(ctx, hash, store.PurposeVerifyEmail); err != nil {
			return err
		}
		if err := tx.ConfirmEmail(ctx, user.ID); err != nil {
			return err
		}
		words := "confirmed the e-mail address"
		if !user.AddressLapsed.IsZero() {
			words += " again, whose domain had lapsed"
		}
		if err := record(ctx, tx, &user, "email_confirmed", words, nil); err != nil {
			return err
		}
		return adopt(ctx, tx, &user)
	})
	return owner.Email, err
}

// confirming is the user whose live code of confirmation a hash is, and who may
// use it: for an address that lapsed the code proves the mailbox, and the login
// of p the account. p is nil when nobody is logged in.
func confirming(ctx context.Context, r *store.Read, hash string, p *identity.Principal) (identity.User, error) {
	id, err := r.CodeOwner(ctx, hash, store.PurposeVerifyEmail)
	if err != nil {
		return identity.User{}, err
	}
	user, err := r.User(ctx, id)
	switch {
	case err != nil:
	case !mayReset(&user), p != nil && p.User.ID != user.ID:
		err = store.NoCode()
	case p == nil && !user.AddressLapsed.IsZero():
		err = identity.Forbiddenf("email_confirmation_needs_login", "the domain of this address changed hands, so the code counts only together with a login: run `sallyport user verify-email CODE` where you are logged in")
	}
	return user, err
}

// ResendConfirmation mails the caller another code; the older one ends. After
// three in an hour it says so and mails nothing.
func (s *Service) ResendConfirmation(ctx context.Context, p *identity.Principal) error {
	if err := demandSession(p); err != nil {
		return err
	}
	if !s.DB.MailEnabled() {
		return notConfigured()
	}
	return s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		if err := alive(ctx, &tx.Read, p); err != nil {
			return err
		}
		user, err := tx.User(ctx, p.User.ID)
		if err != nil {
			return err
		}
		if user.AddressProven() {
			return identity.Conflictf("email_already_confirmed", "your e-mail address %s is confirmed already", user.Email)
		}
		again := !user.AddressLapsed.IsZero()
		kinds := signUpCall.kinds
		if again {
			kinds = againMail // which strangers cannot use up
		}
		ok, err := mailable(ctx, &tx.Read, user.Email, kinds)
		if err != nil {
			return err
		}
		if !ok {
			return &identity.Error{Kind: identity.TooMany, Code: "too_many_requests", Message: "three mails were sent within an hour: look into your mailbox, also among the spam, and try again later", RetryAfter: 60}
		}
		if err := record(ctx, tx, &user, "email_confirmation_requested", "asked for another mail to confirm the e-mail address", nil); err != nil {
			return err
		}
		if again {
			return s.mailCode(ctx, tx, &user, confirmAgainLetter)
		}
		// Once somebody else signed up too, only a new password proves whose
		// account it is.
		claims, err := tx.MailsSince(ctx, user.Email, identity.MailClaimAccount, user.Created)
		if err != nil {
			return err
		}
		if claims > 0 {
			return s.mailCode(ctx, tx, &user, claimLetter)
		}
		return s.mailCode(ctx, tx, &user, confirmLetter)
	})
}

// RequestReset mails a code to set a new password with. Whether somebody has
// the address, and may log in with a password, only the mail says: the answer
// is always the same.
//
// Errors: Invalid for an address that can be none, and mail_not_configured;
// TooMany as for SignUp.
func (s *Service) RequestReset(ctx context.Context, from Caller, email string) error {
	return s.requestMail(ctx, from, resetCall, strings.TrimSpace(email), func(tx *store.Tx, u *identity.User) error {
		why, err := noReset(ctx, tx, u)
		if err != nil {
			return err
		}
		if why != "" {
			return tx.SendMail(ctx, identity.Mail{Kind: identity.MailPasswordResetNone, To: u.Email, Data: map[string]string{"why": why}})
		}
		return s.mailCode(ctx, tx, u, resetLetter)
	})
}

// requestMail is mailOwner for an address as it was typed.
func (s *Service) requestMail(ctx context.Context, from Caller, c openCall, typed string, fn func(*store.Tx, *identity.User) error) error {
	if err := s.Call(from.Client); err != nil {
		return err
	}
	if !s.DB.MailEnabled() {
		return notConfigured()
	}
	email, err := identity.ParseEmail(typed)
	if err != nil {
		return err
	}
	known, err := s.ownerOf(ctx, email)
	if err != nil {
		return err
	}
	return s.mailOwner(ctx, from, c, email, &known, fn)
}

// ownerOf is who has an address; without an ID when nobody does.
func (s *Service) ownerOf(ctx context.Context, email string) (u identity.User, err error) {
	err = s.DB.Once(func(r *store.Read) (err error) {
		u, err = r.UserByEmail(ctx, email)
		return err
	})
	if errors.Is(err, store.NoUser()) {
		return identity.User{}, nil
	}
	return u, err
}

// noReset says why a user cannot set a password; empty: they can.
func noReset(ctx context.Context, tx *store.Tx, u *identity.User) (why string, err error) {
	if u.State == identity.StateDeactivated {
		return "the account is deactivated; ask an admin of your organization", nil
	}
	organization, err := managing(ctx, &tx.Read, u)
	if err != nil || organization.ID == "" {
		return "", err
	}
	p, err := tx.PolicyFor(ctx, organization, u.ID)
	if err != nil {
		return "", err
	}
	if p == nil || !p.PasswordEnabled { // one that cannot be read allows nothing
		return "your organization does not let you log in with a password; log in the way it told you", nil
	}
	return "", nil
}
