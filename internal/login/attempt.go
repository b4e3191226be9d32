package login

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/thirdparty"
	"github.com/sallyport/sallyport/policy"
)

const (
	// attemptLife is how long an attempt lives, however far it gets
	// (docs/parameters.md 3.2, the flow cookie).
	attemptLife = 10 * time.Minute
	// maxTries is the number of wrong second factors that end an attempt: the
	// password is asked again (row MFA-04).
	maxTries = 5
	// attemptPurpose binds what an attempt seals to its place; the row is the
	// attempt's id.
	attemptPurpose = "attempt.sealed"
)

// details are what an attempt keeps that nobody may read from the database.
type details struct {
	CommandLine *CommandLine `json:"command_line,omitempty"`
	Approved    bool         `json:"approved,omitempty"` // the command line's request
	// Chosen is when the password that was proved had been chosen, in
	// microseconds: another one ends the attempt. 0: none was proved.
	Chosen int64 `json:"chosen,omitempty"`
	// Exposed says that the password that was proved is on a list of exposed
	// ones, which is told only after the second factor (row RAT-01).
	Exposed bool `json:"exposed,omitempty"`
	// Provider is the one that a link was begun for, or that the browser was
	// sent to.
	Provider string `json:"provider,omitempty"`
	// SignUp is a provider at whose sign-up page the login began.
	SignUp string `json:"sign_up,omitempty"`
	// Challenge is of the login at Provider that the browser was sent to.
	Challenge *thirdparty.Challenge `json:"challenge,omitempty"`
	// SAML is the request that the browser was sent to Provider with.
	SAML *samlRequest `json:"saml,omitempty"`
	// SAMLLogin is what the SAML provider said that the login was proved with.
	SAMLLogin *samlLogin `json:"saml_login,omitempty"`
	// Arrived is what a provider proved and nothing has come of yet.
	Arrived *arrival `json:"arrived,omitempty"`
	// Passkey is what a passkey is asked for at this step.
	Passkey *passkeyRequest `json:"passkey,omitempty"`
	// Registration is the state of a passkey that is being made.
	Registration json.RawMessage `json:"registration,omitempty"`
}

// running is an attempt that a request works on. It is changed in memory
// first, and then stored on condition that nobody else was quicker.
type running struct {
	identity.Attempt
	details details
	who     *subject // whom it is of; nil before that is known
	from    Caller
	// answering says that the answer of a passkey is being checked.
	answering bool
}

// Begin starts an attempt, and another one each time it is called.
//
// Errors: Invalid for a purpose, or a command line's address, that can be none;
// TooMany for more than 60 calls a minute from one address; for a step-up or a
// link what DemandSession says, and for a link Forbidden fresh_login_required
// and email_not_confirmed.
func (s *Service) Begin(ctx context.Context, from Caller, in Begin) (Flow, error) {
	if err := s.Call(from.Client); err != nil {
		return Flow{}, err
	}
	r, err := s.newAttempt(from, in)
	if err != nil {
		return Flow{}, err
	}
	if r.UserID != "" {
		err := s.DB.View(ctx, func(read *store.Read) (err error) {
			r.who, err = subjectByID(ctx, read, r.UserID, r.Device)
			return err
		})
		if err != nil {
			return Flow{}, err
		}
	}
	return s.open(ctx, r)
}

// open stores a new attempt and shows it, with its secret.
func (s *Service) open(ctx context.Context, r *running) (Flow, error) {
	secret, id := credential.NewCode(s.rand())
	err := s.DB.Maintain(ctx, func(tx *store.Tx) error { return s.add(ctx, tx, r, id, tx.Now.Add(attemptLife)) })
	if err != nil {
		return Flow{}, err
	}
	flow, err := s.show(ctx, r)
	flow.Secret = secret
	return flow, err
}

// newAttempt is the attempt that Begin stores.
func (s *Service) newAttempt(from Caller, in Begin) (*running, error) {
	device, _ := credential.HashCode(in.Device)
	r := &running{from: from, Attempt: identity.Attempt{
		Purpose: cmp.Or(in.Purpose, identity.AttemptLogin), Next: OwnPath(in.Next), Device: device, Client: identity.ClientBrowser,
	}}
	switch r.Purpose {
	case identity.AttemptLogin:
		if in.CommandLine != nil {
			if err := in.CommandLine.check(); err != nil {
				return nil, err
			}
			r.Client, r.details.CommandLine = identity.ClientCommandLine, in.CommandLine
			r.approveOnly(in.Principal)
		}
		if in.SignUp {
			r.details.SignUp = in.Provider
		}
	case identity.AttemptStepUp, identity.AttemptLink:
		if err := s.mayBegin(r.Purpose, in.Principal); err != nil {
			return nil, err
		}
		r.of(in.Principal)
		r.details.Provider = in.Provider
	default:
		return nil, identity.Invalidf("bad_request", "a login begins for one of: %s, %s, %s", identity.AttemptLogin, identity.AttemptStepUp, identity.AttemptLink)
	}
	return r, nil
}

// mayBegin refuses step-ups and links that no fresh enough session asks for.
func (s *Service) mayBegin(purpose string, p *identity.Principal) error {
	if p == nil {
		return identity.BadCredential()
	}
	if err := demandSession(p); err != nil || purpose == identity.AttemptStepUp {
		return err
	}
	if err := p.DemandFreshSession(s.now()); err != nil {
		return err
	}
	return p.User.DemandAddress()
}

// of ties the attempt to a session and its owner.
func (r *running) of(p *identity.Principal) {
	r.UserID, r.Email, r.Session = p.User.ID, p.User.Email, p.Token.Prefix
}

// approveOnly lets somebody who is logged in answer a command line's request
// at once. The new session will go by the authentication of theirs.
func (r *running) approveOnly(p *identity.Principal) {
	if p == nil || demandSession(p) != nil || p.Token.BreakGlass != "" {
		return
	}
	r.of(p)
	r.Authentication, r.Identity = p.Token.Authentication, p.Token.Identity
}

// add stores the attempt as a new row.
func (s *Service) add(ctx context.Context, tx *store.Tx, r *running, id string, expires time.Time) error {
	row, err := s.sealed(r, id)
	if err != nil {
		return err
	}
	row.Expires = expires
	return tx.AddAttempt(ctx, row)
}

// sealed is the row of an attempt under an id. Its step is for whoever looks
// at the database; what comes next is decided anew each time.
func (s *Service) sealed(r *running, id string) (identity.Attempt, error) {
	if r.Step != string(stepExchange) {
		s.prepare(r)
	}
	text, err := json.Marshal(r.details)
	if err != nil {
		return identity.Attempt{}, fmt.Errorf("encode a login attempt: %w", err)
	}
	row := r.Attempt
	row.ID, row.Sealed = id, s.Keys.Seal(attemptPurpose, id, text)
	if row.Step != string(stepExchange) {
		row.Step = string(next(r))
	}
	return row, nil
}

// load is the live attempt that a flow secret holds.
func (s *Service) load(ctx context.Context, from Caller, secret string) (*running, error) {
	id, ok := credential.HashCode(secret)
	if !ok {
		return nil, store.NoAttempt()
	}
	r, err := s.loadID(ctx, from, id)
	if err == nil && (r.Step == string(stepExchange) || r.Purpose == identity.AttemptRegisterPasskey || r.Purpose == identity.AttemptLogout) {
		return nil, store.NoAttempt()
	}
	return r, err
}

func (s *Service) loadID(ctx context.Context, from Caller, id string) (*running, error) {
	r := &running{}
	err := s.DB.View(ctx, func(read *store.Read) (err error) {
		*r = running{from: from}
		if r.Attempt, err = read.Attempt(ctx, id); err != nil || r.UserID == "" {
			return err
		}
		r.who, err = subjectByID(ctx, read, r.UserID, r.Device)
		return err
	})
	if err != nil {
		return nil, err
	}
	text, err := s.Keys.Open(attemptPurpose, id, r.Sealed)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &r.details); err != nil {
		return nil, fmt.Errorf("decode a login attempt: %w", err)
	}
	if r.details.Chosen != 0 && r.details.Chosen != r.who.chosen.UnixMicro() {
		return nil, store.NoAttempt()
	}
	return r, nil
}

// change stores what a request changed, under the same secret.
func (s *Service) change(ctx context.Context, r *running) error {
	row, err := s.sealed(r, r.ID)
	if err != nil {
		return err
	}
	err = s.DB.Maintain(ctx, func(tx *store.Tx) error {
		ok, err := tx.ChangeAttempt(ctx, row)
		if err == nil && !ok {
			err = overtaken()
		}
		return err
	})
	r.Version++
	return err
}

// overtaken is the answer when another request went on with the attempt.
func overtaken() error {
	return identity.Conflictf("login_attempt_changed", "this login went on in another window or by another click meanwhile: load the page again")
}

// otherStep is the answer to what the attempt does not ask for.
func otherStep() error {
	return identity.Conflictf("login_attempt_changed", "this login is at another step: load the page again")
}

// Resume shows an attempt where it stands; nothing changes. The error is
// Invalid login_attempt_expired for every secret that holds no live attempt.
func (s *Service) Resume(ctx context.Context, from Caller, secret string) (Flow, error) {
	r, err := s.load(ctx, from, secret)
	if err != nil {
		return Flow{}, err
	}
	return s.show(ctx, r)
}

// Identify says who wants to log in. It may be said anew: what was proved for
// another address is forgotten. Whether the address has an account changes
// nothing.
//
// Errors: Invalid for an address that can be none and as for Resume; Conflict
// in a step-up, whose account is fixed; TooMany as for Begin.
func (s *Service) Identify(ctx context.Context, from Caller, secret, email string) (Flow, error) {
	if err := s.Call(from.Client); err != nil {
		return Flow{}, err
	}
	email, err := identity.ParseEmail(email)
	if err != nil {
		return Flow{}, err
	}
	r, err := s.load(ctx, from, secret)
	if err != nil {
		return Flow{}, err
	}
	if r.Session != "" && r.Purpose != identity.AttemptLogin {
		return Flow{}, otherStep()
	}
	logged := r.Session != ""
	r.forget()
	r.Email = email
	if r.details.Arrived != nil {
		r.details.Arrived.HasAccount = true
	}
	if logged {
		// Somebody else than the session's owner: the row is tied to that one.
		return s.proved(ctx, r, proof{})
	}
	if err := s.change(ctx, r); err != nil {
		return Flow{}, err
	}
	return s.show(ctx, r)
}

// forget takes back what was proved about the person, but not what a provider
// proved about an identity that waits to be linked.
func (r *running) forget() {
	r.Authentication, r.Identity, r.Tries = policy.Authentication{}, "", 0
	r.details.Chosen, r.details.Exposed, r.details.SAMLLogin = 0, false, nil
	if r.Purpose == identity.AttemptLogin {
		r.UserID, r.Session, r.who = "", "", nil
	}
}

// Password proves a password for the address of the attempt; it may be typed
// again at a later step. The answer to a wrong one, and the work done for it,
// are the same for every address.
//
// Errors: as for Login, without those of the second factor; Conflict when no
// address is known yet.
func (s *Service) Password(ctx context.Context, from Caller, secret, password string) (Flow, error) {
	r, rehash, err := s.typed(ctx, from, secret, password)
	if err != nil {
		return Flow{}, err
	}
	if rehash {
		s.rehash(ctx, r.who, password)
	}
	r.UserID, r.Authentication.Method, r.Authentication.At = r.who.user.ID, policy.MethodPassword, s.now()
	r.details.Chosen, r.details.Exposed = r.who.chosen.UnixMicro(), s.exposed(password)
	if next(r) == StepFactor && r.Purpose == identity.AttemptLogin {
		if err := s.mailHalfLogin(ctx, r.who, from); err != nil {
			return Flow{}, err
		}
	}
	return s.proved(ctx, r, proof{})
}

// typed loads an attempt and checks the password that was typed for it.
func (s *Service) typed(ctx context.Context, from Caller, secret, password string) (r *running, rehash bool, err error) {
	if r, err = s.load(ctx, from, secret); err != nil {
		return nil, false, err
	}
	if r.Email == "" || r.Purpose == identity.AttemptLink {
		return nil, false, otherStep()
	}
	leave, err := s.admit(r.Email, r.Device, from.Client)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	r.forget()
	if r.who == nil {
		if r.who, err = s.byName(ctx, r.Email, r.Device); err != nil {
			return nil, false, err
		}
	}
	r.who.here = r.Session != ""
	rehash, err = s.provePassword(ctx, r.who, password, from)
	return r, rehash, err
}

// Code proves the second factor: six digits of the authenticator app, or a
// recovery code. Five wrong ones end the attempt.
//
// Errors: Forbidden user_config_2fa_otp_verification_failed for a wrong or used
// one; the others as for Login.
func (s *Service) Code(ctx context.Context, from Caller, secret, typed string) (Flow, error) {
	r, err := s.load(ctx, from, secret)
	if err != nil {
		return Flow{}, err
	}
	if next(r) != StepFactor {
		return Flow{}, otherStep()
	}
	if typed, err = cleanTyped(typed); err != nil {
		return Flow{}, err
	}
	if typed == "" {
		return Flow{}, identity.Invalidf("bad_request", "no code was entered: enter the six digits that your authenticator app shows, or a recovery code")
	}
	return s.tried(ctx, r, func() (Flow, error) {
		p, err := s.proveSecond(ctx, r.who, typed, from)
		if err != nil {
			return Flow{}, err
		}
		r.Authentication.SecondFactor, r.Authentication.At = true, s.now()
		return s.proved(ctx, r, p)
	})
}

// tried runs one try of a passkey or second factor. The try is counted first, on
// condition that no other one is going on, so that simultaneous ones cannot
// all see a low number; what could not be checked is not counted.
func (s *Service) tried(ctx context.Context, r *running, try func() (Flow, error)) (Flow, error) {
	r.Tries++
	if err := s.change(ctx, r); err != nil {
		return Flow{}, err
	}
	before := *r
	flow, err := try()
	switch {
	case isKind(err, identity.TooMany), isKind(err, identity.Unavailable):
		before.Tries--
		if err := s.change(ctx, &before); err != nil && !isKind(err, identity.Conflict) {
			return Flow{}, err
		}
	case errors.Is(err, wrongCode()) && r.Tries >= maxTries:
		last := identity.Forbiddenf(wrongCode().Code, "this was the fifth wrong code: log in again with your password")
		return Flow{}, cmp.Or(s.end(ctx, r.ID, r.Version), error(last))
	case errors.Is(err, notAccepted()) && r.Tries >= maxTries:
		last := identity.Invalidf(notAccepted().Code, "this was the fifth wrong answer: begin the login anew")
		return Flow{}, cmp.Or(s.end(ctx, r.ID, r.Version), error(last))
	}
	return flow, err
}

// Abandon ends an attempt. One that is over already is no error.
func (s *Service) Abandon(ctx context.Context, secret string) error {
	r, err := s.load(ctx, Caller{}, secret)
	if errors.Is(err, store.NoAttempt()) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.end(ctx, r.ID, r.Version)
}

func (s *Service) end(ctx context.Context, id string, version int64) error {
	return s.DB.Maintain(ctx, func(tx *store.Tx) error {
		_, err := tx.EndAttempt(ctx, id, version)
		return err
	})
}

// Accept says yes: to a command line that asks for a session (StepApprove), to
// a new account (StepSignUp, with its real name), to linking a provider's
// identity (StepLink). Errors: Conflict at any other step.
func (s *Service) Accept(ctx context.Context, from Caller, secret, realName string) (Flow, error) {
	r, err := s.load(ctx, from, secret)
	if err != nil {
		return Flow{}, err
	}
	switch next(r) {
	case StepApprove:
		return s.approve(ctx, r)
	case StepSignUp:
		return s.acceptSignUp(ctx, r, realName)
	case StepLink:
		return s.acceptLink(ctx, r)
	}
	return Flow{}, otherStep()
}
