package org

import (
	"cmp"
	"context"
	"errors"
	"maps"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// RemoveMemberLogin takes a way to log in away from a managed user: a linked
// identity or a passkey, by the id that MemberLogins tells. What was made with
// it ends, and the user is told by mail. The last way may go too: the user can
// be mailed a link to set a password.
//
// A passkey that was the only second factor takes the recovery codes along,
// and ends what ResetSecondFactor ends.
//
// Errors: those of ResetSecondFactor; Invalid for the password, which is reset
// instead; NotFound user_authentication_method_not_found.
func (s *Service) RemoveMemberLogin(ctx context.Context, p *identity.Principal, userID, id string) error {
	return s.clearProofs(ctx, p, userID, func(c *memberWork) error {
		if id == identity.LoginMethodID(userID, policy.MethodPassword) {
			return identity.Invalidf("bad_request", "a password cannot be removed: mail the user a link to set a new one with `sallyport organization user reset-password`, or deactivate the user")
		}
		key, err := c.tx.Passkey(ctx, userID, id)
		switch {
		case isMissing(err):
			return c.unlink(id)
		case err != nil:
			return err
		}
		return c.removePasskey(key)
	})
}

// ResetSecondFactor clears all second factors of a managed user: the
// authenticator and one that is being set up, passkeys, recovery codes. Their
// sessions, and the personal tokens made by password or passkey, end; the user
// is told by mail. Password and linked identities stay. Where there is nothing
// to clear, nothing changes.
//
// Errors: Forbidden action_forbidden_on_unmanaged_users,
// action_forbidden_on_application_users, and
// user_role_not_allowed_to_perform_operation for whom the caller may not act
// on, the caller included: one's own factor is removed by showing it.
func (s *Service) ResetSecondFactor(ctx context.Context, p *identity.Principal, userID string) error {
	return s.clearProofs(ctx, p, userID, (*memberWork).clearFactors)
}

// clearProofs does an admin's work on what a managed user proves themselves
// with. What is left may be less to get past.
func (s *Service) clearProofs(ctx context.Context, p *identity.Principal, userID string, work func(*memberWork) error) error {
	return s.opening(ctx, p, store.Organization(p.Organization.ID).And(store.User(userID)), func(tx *store.Tx) error {
		c, err := beginMemberWork(ctx, tx, p, userID)
		if err != nil {
			return err
		}
		if err := c.managed(); err != nil {
			return err
		}
		if userID == p.User.ID {
			return identity.Forbiddenf("user_role_not_allowed_to_perform_operation", "this is your own account: use `sallyport user two-factor disable` or the page %s/profile/authentication, which ask for the factor itself; or ask another admin", s.PublicURL)
		}
		return work(c)
	})
}

func (c *memberWork) clearFactors() error {
	proofs, err := c.proofs()
	if err != nil || proofs.none() {
		return err
	}
	u := &c.member.User
	ended, err := c.endPasskeys(proofs.passkeys)
	if err != nil {
		return err
	}
	err = errors.Join(c.tx.RemoveTOTP(c.ctx, u.ID), c.tx.ForgetTOTPOffer(c.ctx, u.ID), c.tx.RemoveRecoveryCodes(c.ctx, u.ID))
	if err != nil {
		return err
	}
	after, err := c.endWeaker()
	if err != nil {
		return err
	}
	after["ended_tokens"] = ended
	before := map[string]any{"authenticator": proofs.authenticator, "passkeys": len(proofs.passkeys), "recovery_codes": proofs.recoveryCodes}
	if err := c.record("second_factor_cleared", "cleared the second factors of "+u.Email+" and ended their sessions", before, after); err != nil {
		return err
	}
	return c.tx.SendMail(c.ctx, identity.Mail{Kind: identity.MailFactorsCleared, To: u.Email, Data: map[string]string{"organization": c.p.Organization.Name}})
}

// secondProofs are what a user has as second factors.
type secondProofs struct {
	authenticator, offered bool
	passkeys               []identity.Passkey
	recoveryCodes          int64
}

func (p secondProofs) none() bool {
	return !p.authenticator && !p.offered && len(p.passkeys) == 0 && p.recoveryCodes == 0
}

// live says whether a second factor is left beside one passkey.
func (p secondProofs) live(except string) bool {
	for _, key := range p.passkeys {
		if key.ID != except && key.Live() {
			return true
		}
	}
	return p.authenticator
}

func (c *memberWork) proofs() (p secondProofs, err error) {
	r, userID := &c.tx.Read, c.member.UserID
	sealed, _, err := r.TOTPSecret(c.ctx, userID)
	if err != nil {
		return p, err
	}
	offer, err := r.TOTPOffer(c.ctx, userID)
	if err != nil {
		return p, err
	}
	p.authenticator, p.offered = sealed != "", offer != ""
	if p.passkeys, err = r.Passkeys(c.ctx, userID); err != nil {
		return p, err
	}
	p.recoveryCodes, err = r.RecoveryCodesLeft(c.ctx, userID)
	return p, err
}

// endPasskeys removes passkeys with the tokens that they proved; it returns
// how many tokens ended.
func (c *memberWork) endPasskeys(list []identity.Passkey) (total int64, err error) {
	for _, key := range list {
		ended, err := c.tx.RevokeTokensOfIdentity(c.ctx, c.member.UserID, key.ID)
		if err != nil {
			return 0, err
		}
		if err := c.tx.RemovePasskey(c.ctx, c.member.UserID, key.ID); err != nil {
			return 0, err
		}
		total += ended
	}
	return total, nil
}

// endWeaker ends what a user's own removal of the last second factor ends:
// sessions, personal tokens that descend from a password login, known devices
// and one-time codes. It returns what of it the event says.
func (c *memberWork) endWeaker() (map[string]any, error) {
	userID := c.member.UserID
	tokens, err := c.tx.RevokePasswordTokens(c.ctx, userID, "", policy.PersonalToken)
	if err != nil {
		return nil, err
	}
	sessions, err := c.tx.RevokeSessions(c.ctx, userID, "")
	if err != nil {
		return nil, err
	}
	return map[string]any{"ended_sessions": sessions, "ended_personal_tokens": tokens}, c.tx.EndCodes(c.ctx, userID)
}

func (c *memberWork) removePasskey(key identity.Passkey) error {
	proofs, err := c.proofs()
	if err != nil {
		return err
	}
	ended, err := c.endPasskeys([]identity.Passkey{key})
	if err != nil {
		return err
	}
	after := map[string]any{"ended_tokens": ended}
	if key.Live() && !proofs.live(key.ID) {
		if err := c.tx.RemoveRecoveryCodes(c.ctx, c.member.UserID); err != nil {
			return err
		}
		more, err := c.endWeaker()
		if err != nil {
			return err
		}
		maps.Copy(after, more)
	}
	return c.loginRemoved(key.ID, policy.MethodPasskey, "the passkey “"+key.Name+"”", after)
}

func (c *memberWork) unlink(id string) error {
	l, err := c.tx.LinkedIdentity(c.ctx, c.member.UserID, id)
	if err != nil {
		return err
	}
	ended, err := c.tx.RevokeTokensOfIdentity(c.ctx, l.UserID, id)
	if err != nil {
		return err
	}
	if err := c.tx.RemoveLinkedIdentity(c.ctx, l.UserID, id); err != nil {
		return err
	}
	label, err := providerLabel(c.ctx, &c.tx.Read, l)
	if err != nil {
		return err
	}
	seen := linkedLogin(c.p, c.member.User, l)
	return c.loginRemoved(id, seen.Method, cmp.Or(l.PublicIdentity, "an identity")+" at "+label, map[string]any{"ended_tokens": ended})
}

// providerLabel is the name of a linked identity's provider for its owner.
func providerLabel(ctx context.Context, r *store.Read, l identity.LinkedIdentity) (string, error) {
	switch l.Provider {
	case identity.ProviderGoogle:
		return "Google", nil
	case identity.ProviderMicrosoft:
		return "Microsoft", nil
	case identity.ProviderGitHub:
		return "GitHub", nil
	}
	m, err := r.AnyAuthenticationMethod(ctx, l.Provider)
	if isMissing(err) {
		return "an identity provider", nil
	}
	return m.Name, err
}

// loginRemoved records that a way to log in is gone, and tells the user. Only
// the mail names it: another organization's provider is not for this one's log.
func (c *memberWork) loginRemoved(id string, method policy.Method, words string, after map[string]any) error {
	u := &c.member.User
	before := map[string]any{"method": method.String(), "method_id": id}
	if err := c.record("login_method_removed", "removed a way to log in of "+u.Email+"; what was made with it has ended", before, after); err != nil {
		return err
	}
	return c.tx.SendMail(c.ctx, identity.Mail{Kind: identity.MailMethodTaken, To: u.Email, Data: map[string]string{"organization": c.p.Organization.Name, "method": words}})
}
