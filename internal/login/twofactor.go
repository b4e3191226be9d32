package login

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// MethodOTP is the second factor by codes of an authenticator app.
const MethodOTP = "otp"

// offerLife is how long an offered secret waits for its first code.
const offerLife = 10 * time.Minute

// TwoFactorOffer is an authenticator that is being set up, or the zero value
// after the second factor was switched off.
type TwoFactorOffer struct {
	Method string // MethodOTP; empty: no authenticator
	URI    string // otpauth://totp/…, holds the secret
	QRCode []byte // the URI as a PNG image
}

// ConfigureTwoFactor begins to enable the second factor (method "otp") or
// disables it (method nil, "" or "none"). Both need the current password.
//
// Enabling offers a new secret for 10 minutes; nothing is enabled before
// ConfirmTwoFactor. It is the Conflict two_factor_already_enabled when a factor
// is on. Disabling also needs the factor: either a session that used it and is
// not older than 10 minutes, or a code, which may be a recovery code; else it is
// Forbidden fresh_login_required. It ends all other sessions and the personal tokens that
// descend from a password login. Disabling what is off changes nothing.
//
// Other errors are those of ChangePassword and, for the code, of Login.
func (s *Service) ConfigureTwoFactor(ctx context.Context, p *identity.Principal, method *string, password, code string) (TwoFactorOffer, error) {
	enable := method != nil && *method == MethodOTP
	if !enable && method != nil && *method != "" && *method != "none" {
		return TwoFactorOffer{}, identity.Invalidf("bad_request", `the second factor can be "otp", or "none" to switch it off`)
	}
	if err := demandSession(p); err != nil {
		return TwoFactorOffer{}, err
	}
	who, err := s.again(ctx, p)
	if err != nil {
		return TwoFactorOffer{}, err
	}
	if _, err := s.provePassword(ctx, who, password, callerOf(p)); err != nil {
		return TwoFactorOffer{}, err
	}
	if enable {
		return s.offer(ctx, p, who)
	}
	return TwoFactorOffer{}, s.disable(ctx, p, who, code)
}

func (s *Service) offer(ctx context.Context, p *identity.Principal, who *subject) (TwoFactorOffer, error) {
	if who.sealed != "" {
		return TwoFactorOffer{}, alreadyEnabled()
	}
	secret := credential.NewSecret(s.rand())
	uri := credential.URI(s.Brand, who.user.Email, secret)
	png, err := credential.QRCode(uri)
	if err != nil {
		return TwoFactorOffer{}, err
	}
	sealed := s.Keys.Seal(identity.TOTPPurpose, who.user.ID, secret)
	err = s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		if _, err := s.stillSame(ctx, tx, p, who); err != nil {
			return err
		}
		if err := tx.OfferTOTP(ctx, who.user.ID, sealed, tx.Now.Add(offerLife)); err != nil {
			return err
		}
		return record(ctx, tx, &who.user, "two_factor_offered", "began to set up a second factor", nil)
	})
	if err != nil {
		return TwoFactorOffer{}, err
	}
	return TwoFactorOffer{MethodOTP, uri, png}, nil
}

func alreadyEnabled() error {
	return identity.Conflictf("two_factor_already_enabled", "the second factor is on already; to move it to another device, disable it first and enable it again")
}

// stillSame looks again, in the transaction that holds the user, at the
// session and at what was proved.
func (s *Service) stillSame(ctx context.Context, tx *store.Tx, p *identity.Principal, who *subject) (identity.User, error) {
	if err := alive(ctx, &tx.Read, p); err != nil {
		return identity.User{}, err
	}
	user, err := who.same(ctx, &tx.Read)
	if isKind(err, identity.NeedsCode) {
		err = identity.Conflictf("two_factor_changed", "the second factor was changed by another session meanwhile; look at its state and try again")
	}
	return user, err
}

// disable takes the authenticator away. The recovery codes go with the last
// factor.
func (s *Service) disable(ctx context.Context, p *identity.Principal, who *subject, typed string) error {
	if who.sealed == "" {
		return nil
	}
	present, err := s.presence(ctx, p, who, typed)
	if err != nil {
		return err
	}
	err = s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		user, err := s.stillSame(ctx, tx, p, who)
		if err != nil {
			return err
		}
		if err := present.spend(ctx, tx, &user); err != nil {
			return err
		}
		if err := tx.RemoveTOTP(ctx, user.ID); err != nil {
			return err
		}
		if err := forgetRecovery(ctx, tx, user.ID); err != nil {
			return err
		}
		if err := endOthers(ctx, tx, &user, p.Token.Prefix, "two_factor_disabled", "switched the second factor off"); err != nil {
			return err
		}
		return tx.SendMail(ctx, identity.Mail{Kind: identity.MailTwoFactorDisabled, To: user.Email})
	})
	switch {
	case errors.Is(err, errReplayed):
		return s.replayed(ctx, *present.guess)
	case errors.Is(err, errWrongRecovery):
		return s.wrong(ctx, *present.guess)
	}
	return err
}

// presence makes sure that the holder of the second factor is there: a code,
// or a session that used the factor a short time ago.
func (s *Service) presence(ctx context.Context, p *identity.Principal, who *subject, typed string) (proof, error) {
	typed, err := cleanTyped(typed)
	if err != nil {
		return proof{}, err
	}
	if typed != "" {
		return s.proveSecond(ctx, who, typed, callerOf(p))
	}
	if p.Token.Authentication.SecondFactor && p.Fresh(s.now()) {
		return proof{}, nil
	}
	return proof{}, p.NotFresh()
}

// endOthers ends what a change of the second factor ends: sessions but one,
// personal tokens that descend from a password login, known devices and
// one-time codes. It records the change.
func endOthers(ctx context.Context, tx *store.Tx, u *identity.User, except, action, description string) error {
	ended, err := endWeaker(ctx, tx, u.ID, except)
	if err != nil {
		return err
	}
	return record(ctx, tx, u, action, description, ended)
}

// endWeaker is endOthers for who records the change themselves; it returns what
// of it belongs into the event's detail.
func endWeaker(ctx context.Context, tx *store.Tx, userID, except string) (map[string]any, error) {
	tokens, err := tx.RevokePasswordTokens(ctx, userID, "", policy.PersonalToken)
	if err != nil {
		return nil, err
	}
	sessions, err := tx.RevokeSessions(ctx, userID, except)
	if err != nil {
		return nil, err
	}
	return map[string]any{"ended_sessions": sessions, "ended_personal_tokens": tokens}, tx.EndCodes(ctx, userID)
}

// TwoFactorOn is what switching the second factor on gives.
type TwoFactorOn struct {
	Token string // of the new session, shown this once
	// RecoveryCodes are shown this once; none where the user has some that are
	// not used yet, from another second factor.
	RecoveryCodes []string
}

// ConfirmTwoFactor enables the second factor that ConfigureTwoFactor offered;
// uri is the offered one, code the first of that authenticator. It ends all
// sessions and the personal tokens that descend from a password login, and
// returns the token of a new session, and recovery codes with the first factor.
// The code cannot be used again.
//
// Errors: Invalid for another uri or one that is too old, and as for
// ConfigureTwoFactor.
func (s *Service) ConfirmTwoFactor(ctx context.Context, p *identity.Principal, password, uri, code string) (TwoFactorOn, error) {
	if err := demandSession(p); err != nil {
		return TwoFactorOn{}, err
	}
	who, err := s.again(ctx, p)
	if err != nil {
		return TwoFactorOn{}, err
	}
	if _, err := s.provePassword(ctx, who, password, callerOf(p)); err != nil {
		return TwoFactorOn{}, err
	}
	if who.sealed != "" {
		return TwoFactorOn{}, alreadyEnabled()
	}
	sealed, err := s.offered(ctx, who, uri)
	if err != nil {
		return TwoFactorOn{}, err
	}
	proven, err := s.proveCode(ctx, who, sealed, 0, code, callerOf(p))
	if err != nil {
		return TwoFactorOn{}, err
	}
	return s.enable(ctx, p, who, sealed, proven)
}

// offered returns the live offer that an address stands for, sealed.
func (s *Service) offered(ctx context.Context, who *subject, uri string) (sealed string, err error) {
	err = s.DB.Once(func(r *store.Read) error {
		sealed, err = r.TOTPOffer(ctx, who.user.ID)
		return err
	})
	if err != nil {
		return "", err
	}
	if sealed == "" {
		return "", noOffer()
	}
	secret, err := s.Keys.Open(identity.TOTPPurpose, who.user.ID, sealed)
	if err != nil {
		return "", err
	}
	want := credential.URI(s.Brand, who.user.Email, secret)
	if subtle.ConstantTimeCompare([]byte(want), []byte(uri)) != 1 {
		return "", noOffer()
	}
	return sealed, nil
}

// become makes the offered authenticator, whose code was proved, the user's
// second factor. The code's step is the factor's first accepted one.
func (c *provenCode) become(ctx context.Context, tx *store.Tx, userID, sealed string) error {
	offer, err := tx.TOTPOffer(ctx, userID)
	if err != nil {
		return err
	}
	if offer != sealed {
		return noOffer()
	}
	set, err := tx.SetTOTP(ctx, userID, sealed, c.step)
	if err != nil {
		return err
	}
	if !set {
		return noOffer()
	}
	return tx.Right(ctx, c.counter)
}

func noOffer() error {
	return identity.Invalidf("bad_request", `this "uri" is not the one offered in the last 10 minutes: begin again and send back the one that is answered`)
}

func (s *Service) enable(ctx context.Context, p *identity.Principal, who *subject, sealed string, proven *provenCode) (TwoFactorOn, error) {
	fresh := s.newSessionLike(p.Token)
	codes, hashes := s.Keys.NewRecoveryCodes(s.rand())
	var on TwoFactorOn
	err := s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		on = TwoFactorOn{Token: fresh.plain}
		user, err := s.stillSame(ctx, tx, p, who)
		if err != nil {
			return err
		}
		if err := proven.become(ctx, tx, user.ID, sealed); err != nil {
			return err
		}
		first, err := firstRecovery(ctx, tx, user.ID, hashes)
		if err != nil {
			return err
		}
		if first {
			on.RecoveryCodes = codes
		}
		if err := endOthers(ctx, tx, &user, "", "two_factor_enabled", "switched the second factor on"); err != nil {
			return err
		}
		how := p.Token.Authentication
		if how.Method == policy.MethodPassword {
			how.SecondFactor, how.At = true, tx.Now
		}
		if err := fresh.begin(ctx, tx, user.ID, how); err != nil {
			return err
		}
		return tx.SendMail(ctx, identity.Mail{Kind: identity.MailFactorAdded, To: user.Email, Data: map[string]string{"factor": "an authenticator app"}})
	})
	if err != nil {
		return TwoFactorOn{}, err
	}
	return on, nil
}
