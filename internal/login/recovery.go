package login

import (
	"context"
	"errors"
	"strconv"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// errWrongRecovery says that a typed code is none of the user's, or was used.
var errWrongRecovery = errors.New("login: wrong recovery code")

// TwoFactorState is what a user has set up.
type TwoFactorState struct {
	Method            string // MethodOTP, MethodPasskey, or empty: no second factor
	RecoveryCodesLeft int64
	Passkeys          int64 // those that can be used
}

// MethodPasskey is the second factor by passkeys alone.
const MethodPasskey = "passkey"

// TwoFactor returns what the caller has set up.
func (s *Service) TwoFactor(ctx context.Context, p *identity.Principal) (TwoFactorState, error) {
	if err := demandPerson(p); err != nil {
		return TwoFactorState{}, err
	}
	var state TwoFactorState
	err := s.DB.View(ctx, func(r *store.Read) (err error) {
		who := subject{user: *p.User}
		if err = who.loadFactors(ctx, r); err != nil {
			return err
		}
		state = TwoFactorState{Method: who.method(), Passkeys: int64(len(who.passkeys))}
		state.RecoveryCodesLeft, err = r.RecoveryCodesLeft(ctx, p.User.ID)
		return err
	})
	return state, err
}

// method is the second factor in a word; empty: there is none.
func (w *subject) method() string {
	switch {
	case w.sealed != "":
		return MethodOTP
	case len(w.passkeys) > 0:
		return MethodPasskey
	}
	return ""
}

// RenewRecoveryCodes makes ten new recovery codes, returned this once; all
// older ones end, and the owner is told by mail.
//
// Errors: what DemandFreshSession says, also for a login that showed no second
// factor; Conflict two_factor_not_enabled where there is none that the codes
// could stand in for.
func (s *Service) RenewRecoveryCodes(ctx context.Context, p *identity.Principal) ([]string, error) {
	if err := demandPerson(p); err != nil {
		return nil, err
	}
	if err := p.DemandFreshSession(s.now()); err != nil {
		return nil, err
	}
	codes, hashes := s.Keys.NewRecoveryCodes(s.rand())
	err := s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		if err := alive(ctx, &tx.Read, p); err != nil {
			return err
		}
		who := subject{user: *p.User}
		if err := who.loadFactors(ctx, &tx.Read); err != nil {
			return err
		}
		if !who.hasFactor() {
			return identity.Conflictf("two_factor_not_enabled", "recovery codes stand in for a second factor, and none is set up: begin with `sallyport user two-factor enable`")
		}
		if err := demandFactor(p); err != nil {
			return err
		}
		if err := tx.SetRecoveryCodes(ctx, p.User.ID, hashes); err != nil {
			return err
		}
		if err := record(ctx, tx, p.User, "recovery_codes_renewed", "made new recovery codes; the older ones have ended", nil); err != nil {
			return err
		}
		return tx.SendMail(ctx, identity.Mail{Kind: identity.MailRecoveryRenewed, To: p.User.Email})
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// firstRecovery gives a user recovery codes together with a second factor,
// unless there are unused ones from another factor. It reports whether it did.
func firstRecovery(ctx context.Context, tx *store.Tx, userID string, hashes []string) (bool, error) {
	left, err := tx.RecoveryCodesLeft(ctx, userID)
	if err != nil || left > 0 {
		return false, err
	}
	return true, tx.SetRecoveryCodes(ctx, userID, hashes)
}

// forgetRecovery ends the recovery codes once a user has no second factor any
// more.
func forgetRecovery(ctx context.Context, tx *store.Tx, userID string) error {
	who := subject{user: identity.User{ID: userID}}
	if err := who.loadFactors(ctx, &tx.Read); err != nil || who.hasFactor() {
		return err
	}
	return tx.RemoveRecoveryCodes(ctx, userID)
}

// proveRecovery counts a guess at a recovery code. Whether it is right turns
// out when it is used up, in one step.
func (s *Service) proveRecovery(ctx context.Context, who *subject, typed string, from Caller) (proof, error) {
	g, err := s.count(ctx, who, factorRecovery, from)
	if err != nil {
		return proof{}, err
	}
	hashes, ok := s.Keys.HashRecoveryCode(typed)
	if !ok || g.closed {
		return proof{}, s.wrong(ctx, g)
	}
	return proof{guess: &g, words: "a recovery code", recorded: true, use: func(ctx context.Context, tx *store.Tx, u *identity.User) error {
		return useRecovery(ctx, tx, u, hashes)
	}}, nil
}

// useRecovery uses a code up, and tells its owner.
func useRecovery(ctx context.Context, tx *store.Tx, u *identity.User, hashes []string) error {
	used := false
	for _, hash := range hashes {
		ok, err := tx.UseRecoveryCode(ctx, u.ID, hash)
		if err != nil {
			return err
		}
		if used = ok; used {
			break
		}
	}
	if !used {
		return errWrongRecovery
	}
	left, err := tx.RecoveryCodesLeft(ctx, u.ID)
	if err != nil {
		return err
	}
	if err := record(ctx, tx, u, "recovery_code_used", "used a recovery code instead of the second factor", map[string]any{"recovery_codes_left": left}); err != nil {
		return err
	}
	return tx.SendMail(ctx, identity.Mail{Kind: identity.MailRecoveryUsed, To: u.Email, Data: map[string]string{"left": recoveryLeft(left)}})
}

func recoveryLeft(left int64) string {
	switch left {
	case 0:
		return "none is"
	case 1:
		return "one is"
	}
	return strconv.FormatInt(left, 10) + " are"
}
