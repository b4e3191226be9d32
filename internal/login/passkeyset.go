package login

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const (
	// maxPasskeys is how many one user has, suspended ones included.
	maxPasskeys = 20
	// maxPasskeyName is the longest name of one, in characters.
	maxPasskeyName = 128
)

// Passkeys returns the caller's passkeys, suspended ones too, oldest first.
func (s *Service) Passkeys(ctx context.Context, p *identity.Principal) ([]identity.Passkey, error) {
	if err := demandPerson(p); err != nil {
		return nil, err
	}
	var list []identity.Passkey
	err := s.DB.Once(func(r *store.Read) (err error) {
		list, err = r.Passkeys(ctx, p.User.ID)
		return err
	})
	return list, err
}

// PasskeyOffer is a passkey that is being made.
type PasskeyOffer struct {
	Secret string // goes back with the answer; good once, for 5 minutes, in the session it was made for
	// Options are PublicKeyCredentialCreationOptions as JSON (WebAuthn level 3,
	// section 5.4).
	Options []byte
}

// OfferPasskey begins to register a passkey of the caller.
//
// Errors: what DemandFreshSession says; Invalid passkeys_not_available;
// Conflict passkey_limit_reached.
func (s *Service) OfferPasskey(ctx context.Context, p *identity.Principal) (PasskeyOffer, error) {
	if err := s.mayRegister(p); err != nil {
		return PasskeyOffer{}, err
	}
	rp, err := s.relyingParty()
	if err != nil {
		return PasskeyOffer{}, err
	}
	existing, err := s.Passkeys(ctx, p)
	if err == nil {
		err = roomFor(existing)
	}
	if err != nil {
		return PasskeyOffer{}, err
	}
	user := credential.PasskeyUser{Handle: []byte(p.User.ID), Name: p.User.Email, DisplayName: p.User.RealName}
	offer := PasskeyOffer{}
	r := &running{from: callerOf(p), Attempt: identity.Attempt{Purpose: identity.AttemptRegisterPasskey, Client: identity.ClientBrowser}}
	r.UserID, r.Session = p.User.ID, p.Token.Prefix
	if offer.Options, r.details.Registration, err = rp.BeginRegistration(user, refs(existing)); err != nil {
		return PasskeyOffer{}, err
	}
	var id string
	offer.Secret, id = credential.NewCode(s.rand())
	err = s.DB.Maintain(ctx, func(tx *store.Tx) error { return s.add(ctx, tx, r, id, tx.Now.Add(credential.PasskeyTimeout)) })
	if err != nil {
		return PasskeyOffer{}, err
	}
	return offer, nil
}

func (s *Service) mayRegister(p *identity.Principal) error {
	if err := demandPerson(p); err != nil {
		return err
	}
	return p.DemandFreshSession(s.now())
}

func roomFor(existing []identity.Passkey) error {
	if len(existing) < maxPasskeys {
		return nil
	}
	return identity.Conflictf("passkey_limit_reached", "you have %d passkeys, as many as one account can have: remove one that you no longer use first", maxPasskeys)
}

// PasskeyAdded is what registering a passkey gives.
type PasskeyAdded struct {
	Passkey identity.Passkey
	// Token is of the new session where the passkey is the user's first second
	// factor, shown this once; empty: the session goes on.
	Token string
	// RecoveryCodes are shown this once; none where the user has some that are
	// not used yet, from another second factor.
	RecoveryCodes []string
}

// RegisterPasskey finishes what OfferPasskey began; response is the JSON of
// RegistrationResponse (WebAuthn level 3, section 5.1). An empty name gives one
// with the date. An answer, right or wrong, ends the offer.
//
// The first second factor of a user ends all sessions and the personal tokens
// that descend from a password login, and gives a new session and recovery
// codes, as ConfirmTwoFactor does.
//
// Errors: what DemandFreshSession says; Invalid for a name, for an offer that
// is over or not this session's (login_attempt_expired), and for an answer that
// is not accepted (passkey_verification_failed); Conflict for a passkey that is
// registered already, and for one too many.
func (s *Service) RegisterPasskey(ctx context.Context, p *identity.Principal, secret, name string, response []byte) (PasskeyAdded, error) {
	if err := s.mayRegister(p); err != nil {
		return PasskeyAdded{}, err
	}
	name, err := passkeyName(name)
	if err != nil {
		return PasskeyAdded{}, err
	}
	if err := answers(response); err != nil {
		return PasskeyAdded{}, err
	}
	state, err := s.registration(ctx, p, secret)
	if err != nil {
		return PasskeyAdded{}, err
	}
	rp, err := s.relyingParty()
	if err != nil {
		return PasskeyAdded{}, err
	}
	made, err := rp.FinishRegistration(state, response)
	if err != nil {
		return PasskeyAdded{}, s.notRegistered(p, err)
	}
	return s.keepPasskey(ctx, p, name, made)
}

// passkeyName judges a name that a person gave; empty: none was given.
func passkeyName(name string) (string, error) {
	name = strings.TrimSpace(name)
	return name, identity.CheckProfileField("name", &name, maxPasskeyName)
}

// registration uses an offer up and returns its state.
func (s *Service) registration(ctx context.Context, p *identity.Principal, secret string) ([]byte, error) {
	id, ok := credential.HashCode(secret)
	if !ok {
		return nil, store.NoAttempt()
	}
	r, err := s.loadID(ctx, callerOf(p), id)
	if err != nil {
		return nil, err
	}
	if r.Purpose != identity.AttemptRegisterPasskey || r.UserID != p.User.ID || r.Session != p.Token.Prefix {
		return nil, store.NoAttempt()
	}
	err = s.DB.Maintain(ctx, func(tx *store.Tx) error {
		ended, err := tx.EndAttempt(ctx, r.ID, r.Version)
		if err == nil && !ended {
			err = store.NoAttempt()
		}
		return err
	})
	return r.details.Registration, err
}

func (s *Service) notRegistered(p *identity.Principal, failed error) error {
	why, ok := errors.AsType[*credential.PasskeyError](failed)
	if !ok {
		return failed
	}
	s.Log.Info("a passkey was not registered", "reason", failed.Error(), "user_id", p.User.ID, "request_id", p.RequestID)
	if why.Reason == credential.PasskeyKnown {
		return identity.Conflictf("passkey_already_registered", "this passkey is registered already; log in with it, or use another one")
	}
	return identity.Invalidf("passkey_verification_failed", "this passkey was not accepted: begin again, in a browser that has this server's own page open")
}

func (s *Service) keepPasskey(ctx context.Context, p *identity.Principal, name string, made credential.Registered) (PasskeyAdded, error) {
	id, err := s.DB.NewID("pk")
	if err != nil {
		return PasskeyAdded{}, err
	}
	key := identity.Passkey{
		ID: id, UserID: p.User.ID, CredentialID: made.CredentialID, PublicKey: made.PublicKey, Name: name, AAGUID: made.AAGUID,
		Transports: made.Transports, SignCount: made.SignCount, BackupEligible: made.BackupEligible, BackedUp: made.BackedUp, UserVerified: made.UserVerified,
	}
	fresh := s.newSessionLike(p.Token)
	codes, hashes := s.Keys.NewRecoveryCodes(s.rand())
	var added PasskeyAdded
	err = s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		added = PasskeyAdded{Passkey: key}
		user, who, err := holder(ctx, tx, p)
		if err != nil {
			return err
		}
		if added.Passkey, err = addPasskey(ctx, tx, key); err != nil {
			return err
		}
		codesToo, err := firstRecovery(ctx, tx, user.ID, hashes)
		if err != nil {
			return err
		}
		if codesToo {
			added.RecoveryCodes = codes
		}
		fields := map[string]any{}
		if !who.hasFactor() {
			if fields, err = endWeaker(ctx, tx, user.ID, ""); err != nil {
				return err
			}
			if err := fresh.begin(ctx, tx, user.ID, strengthened(p.Token.Authentication, tx)); err != nil {
				return err
			}
			added.Token = fresh.plain
		}
		if err := recordPasskey(ctx, tx, &user, &added.Passkey, "passkey_added", "added a passkey", fields); err != nil {
			return err
		}
		return tx.SendMail(ctx, identity.Mail{Kind: identity.MailFactorAdded, To: user.Email, Data: map[string]string{"factor": inWords(&added.Passkey)}})
	})
	if err != nil {
		return PasskeyAdded{}, err
	}
	return added, nil
}

// holder is the caller as the transaction sees them, in a session that has not
// ended meanwhile.
func holder(ctx context.Context, tx *store.Tx, p *identity.Principal) (identity.User, *subject, error) {
	if err := alive(ctx, &tx.Read, p); err != nil {
		return identity.User{}, nil, err
	}
	user, err := tx.User(ctx, p.User.ID)
	if err != nil {
		return user, nil, err
	}
	who := &subject{user: user}
	return user, who, who.loadFactors(ctx, &tx.Read)
}

// addPasskey stores a passkey, if there is room, under its name or the date.
func addPasskey(ctx context.Context, tx *store.Tx, key identity.Passkey) (identity.Passkey, error) {
	all, err := tx.Passkeys(ctx, key.UserID)
	if err == nil {
		err = roomFor(all)
	}
	if err != nil {
		return key, err
	}
	if key.Name == "" {
		key.Name = "Passkey of " + tx.Now.UTC().Format("2 January 2006")
	}
	key.Created = tx.Now
	return key, tx.AddPasskey(ctx, key)
}

// strengthened is how a session goes on whose owner has just shown a second
// factor.
func strengthened(how policy.Authentication, tx *store.Tx) policy.Authentication {
	if how.Method == policy.MethodPassword {
		how.SecondFactor, how.At = true, tx.Now
	}
	return how
}

func inWords(key *identity.Passkey) string { return "the passkey “" + key.Name + "”" }

// recordPasskey writes the event of a change of a passkey.
func recordPasskey(ctx context.Context, tx *store.Tx, u *identity.User, key *identity.Passkey, action, description string, fields map[string]any) error {
	all := map[string]any{"passkey_id": key.ID, "name": key.Name}
	maps.Copy(all, fields)
	return record(ctx, tx, u, action, description, all)
}

// RenamePasskey changes the name of one of the caller's passkeys.
//
// Errors: what DemandSession says; Invalid for an empty or long name; NotFound
// passkey_not_found.
func (s *Service) RenamePasskey(ctx context.Context, p *identity.Principal, id, name string) (identity.Passkey, error) {
	if err := demandSession(p); err != nil {
		return identity.Passkey{}, err
	}
	name, err := passkeyName(name)
	if err != nil {
		return identity.Passkey{}, err
	}
	if name == "" {
		return identity.Passkey{}, identity.Invalidf("bad_request", `the field "name" is empty: write what you recognize the passkey by`)
	}
	var key identity.Passkey
	err = s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		user, _, err := holder(ctx, tx, p)
		if err != nil {
			return err
		}
		if key, err = tx.Passkey(ctx, user.ID, id); err != nil {
			return err
		}
		before := key.Name
		if err := tx.RenamePasskey(ctx, user.ID, id, name); err != nil {
			return err
		}
		key.Name = name
		return recordPasskey(ctx, tx, &user, &key, "passkey_renamed", "renamed a passkey", map[string]any{"before": before})
	})
	return key, err
}

// RemovePasskey takes one of the caller's passkeys away, with the sessions and
// tokens that descend from logins with it, which may be the session that calls.
// With the last second factor go the recovery codes, all other sessions and the
// personal tokens that descend from a password login.
//
// Errors: what DemandFreshSession says, also for a session without the second
// factor where one is set up; NotFound passkey_not_found; Conflict
// user_authentication_method_last for the only way to log in that is left.
func (s *Service) RemovePasskey(ctx context.Context, p *identity.Principal, id string) error {
	if err := s.mayRegister(p); err != nil {
		return err
	}
	return s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		user, who, err := holder(ctx, tx, p)
		if err != nil {
			return err
		}
		key, err := tx.Passkey(ctx, user.ID, id)
		if err != nil {
			return err
		}
		if err := mayRemove(ctx, &tx.Read, p, who, &key); err != nil {
			return err
		}
		if err := tx.RemovePasskey(ctx, user.ID, id); err != nil {
			return err
		}
		fields, err := endWithout(ctx, tx, p, who, &key)
		if err != nil {
			return err
		}
		if err := recordPasskey(ctx, tx, &user, &key, "passkey_removed", "removed a passkey", fields); err != nil {
			return err
		}
		return tx.SendMail(ctx, identity.Mail{Kind: identity.MailFactorRemoved, To: user.Email, Data: map[string]string{"factor": inWords(&key)}})
	})
}

// demandFactor refuses a session whose login showed no second factor. It is for
// changes of the second factor itself: a login at a provider is fresh without
// one, and must not become the way round it.
func demandFactor(p *identity.Principal) error {
	if p.Token.Authentication.SecondFactor {
		return nil
	}
	refusal := p.NotFresh()
	remedy := "log in again with a passkey, or with your password and second factor, and repeat it within 10 minutes"
	refusal.Message, refusal.Metadata = "this needs a login with the second factor: "+remedy, map[string]any{"remedy": remedy}
	return refusal
}

// mayRemove refuses who has not shown a second factor although one is set up
// (row MFA-07), and leaves the last way in.
func mayRemove(ctx context.Context, r *store.Read, p *identity.Principal, who *subject, key *identity.Passkey) error {
	if who.hasFactor() {
		if err := demandFactor(p); err != nil {
			return err
		}
	}
	if !key.Live() || who.phc != "" || len(who.without(key)) > 0 {
		return nil
	}
	links, err := r.LinkedIdentities(ctx, who.user.ID)
	if err != nil || len(links) > 0 {
		return err
	}
	return identity.Conflictf("user_authentication_method_last", "this is the only way you can log in: set a password, add another passkey or link an identity first")
}

// without are the live passkeys but one.
func (w *subject) without(key *identity.Passkey) []identity.Passkey {
	return slices.DeleteFunc(slices.Clone(w.passkeys), func(p identity.Passkey) bool { return p.ID == key.ID })
}

// endWithout ends what a passkey that is gone leaves behind.
func endWithout(ctx context.Context, tx *store.Tx, p *identity.Principal, who *subject, key *identity.Passkey) (map[string]any, error) {
	fields, err := endOpened(ctx, tx, key)
	if err != nil {
		return nil, err
	}
	if !key.Live() || who.sealed != "" || len(who.without(key)) > 0 {
		return fields, nil
	}
	if err := forgetRecovery(ctx, tx, who.user.ID); err != nil {
		return nil, err
	}
	more, err := endWeaker(ctx, tx, who.user.ID, p.Token.Prefix)
	maps.Copy(fields, more)
	return fields, err
}

// endOpened ends what logins with a passkey have opened, and those that are
// still under way. It returns what of it belongs into the event's detail.
func endOpened(ctx context.Context, tx *store.Tx, key *identity.Passkey) (map[string]any, error) {
	ended, err := tx.RevokeTokensOfIdentity(ctx, key.UserID, key.ID)
	if err != nil {
		return nil, err
	}
	return map[string]any{"ended_tokens": ended}, tx.EndAttemptsOf(ctx, key.UserID)
}
