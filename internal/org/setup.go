package org

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// setupCodeAge is how long a setup code works that no later start replaced.
// Servers are set up when they are new; one that was forgotten has to be
// started once more.
const setupCodeAge = 30 * 24 * time.Hour

// Setup is what the page asks for that sets an empty server up.
type Setup struct {
	Code         string // as OfferSetup made it
	Organization string // at most 83 characters
	Email        string
	RealName     string // 1 to 256 characters
	Password     string // judged by the rules for new passwords
	// Client is the caller's address, invalid when unknown; RequestID may be
	// empty.
	Client    netip.Addr
	RequestID string
}

// Empty says whether no organization was ever created, so that the server
// waits to be set up. Once one was, it asks nobody any more.
func (s *Service) Empty(ctx context.Context) (bool, error) {
	if s.setUp.Load() {
		return false, nil
	}
	var exists bool
	err := s.DB.Once(func(r *store.Read) (err error) {
		exists, err = r.AnyOrganization(ctx)
		return err
	})
	if exists {
		s.setUp.Store(true)
	}
	return err == nil && !exists, err
}

// OfferSetup makes the code that SetUp takes; only its hash is stored. Codes
// made before no longer work: of several nodes that start, and of several
// starts, the last one's code counts, at every node. It is empty when there is
// nothing to set up.
func (s *Service) OfferSetup(ctx context.Context) (code string, err error) {
	if empty, err := s.Empty(ctx); err != nil || !empty {
		return "", err
	}
	code, hash := credential.NewCode(s.rand())
	err = s.DB.Update(ctx, identity.Actor{Kind: identity.ActorSystem}, store.Installation(), func(tx *store.Tx) error {
		if err := unclaimed(ctx, tx); err != nil {
			return err
		}
		if err := tx.EndSetupAttempts(ctx); err != nil {
			return err
		}
		if err := tx.AddAttempt(ctx, identity.Attempt{ID: hash, Purpose: identity.AttemptSetup, Expires: tx.Now.Add(setupCodeAge)}); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{
			Action: "setup_code_made", Target: identity.Target{Kind: "installation"}, Description: "made the code to set the empty server up with, and wrote it to its log",
		})
	})
	if errors.Is(err, alreadyBootstrapped()) {
		return "", nil
	}
	return code, err
}

// SetUp is Bootstrap for whoever holds the code of OfferSetup. It makes no
// session: its caller logs in with the password.
//
// Errors: Conflict already_bootstrapped once an organization exists, whatever
// else is sent; Forbidden setup_code_wrong for every code that does not work;
// Invalid with the reason for a name, an address or a password that cannot be
// used, and Conflict setup_address_taken, which leave the code good; TooMany for more than 60 calls a minute
// from one address; Unavailable when too many passwords are being hashed.
func (s *Service) SetUp(ctx context.Context, in Setup) (out Bootstrapped, err error) {
	if s.Call != nil {
		if err := s.Call(in.Client); err != nil {
			return out, err
		}
	}
	// The code first: strangers cannot make the server hash passwords.
	hash, err := s.setupCode(ctx, in.Code)
	if err != nil {
		return out, err
	}
	request, err := s.firstAdmin(ctx, in)
	if err != nil {
		return out, err
	}
	by := operator
	by.Client, by.RequestID = in.Client, in.RequestID
	out, err = s.bootstrap(ctx, by, request, func(tx *store.Tx) error {
		_, err := tx.SetupAttempt(ctx, hash) // which bootstrap ends
		return setupCodeError(err)
	})
	if errors.Is(err, hasAccount()) {
		err = identity.Conflictf("setup_address_taken", "somebody has signed up with this address already: take another one for the first admin, and invite this one afterwards")
	}
	return out, err
}

// firstAdmin judges all that is asked for beside the code.
func (s *Service) firstAdmin(ctx context.Context, in Setup) (request BootstrapRequest, err error) {
	request = BootstrapRequest{Email: in.Email, Organization: in.Organization, NoSession: true}
	if _, err := cleanName("organization", in.Organization); err != nil {
		if e, ok := errors.AsType[*identity.Error](err); ok {
			e.Code = "organization_name_invalid" // beside another name, which field it is about
		}
		return request, err
	}
	if request.RealName, err = cleanRealName(in.RealName); err != nil {
		return request, err
	}
	if _, err := identity.ParseEmail(in.Email); err != nil {
		return request, err
	}
	person := credential.Person{Email: in.Email, RealName: request.RealName, Organizations: []string{in.Organization}}
	request.PasswordHash, err = s.newPassword(ctx, person, in.Password)
	return request, err
}

// setupCode is the hash of a code that works now.
func (s *Service) setupCode(ctx context.Context, code string) (hash string, err error) {
	hash, ok := credential.HashCode(code)
	err = s.DB.View(ctx, func(r *store.Read) error {
		if exists, err := r.AnyOrganization(ctx); err != nil {
			return err
		} else if exists {
			return alreadyBootstrapped()
		}
		if !ok {
			return wrongSetupCode()
		}
		_, err := r.SetupAttempt(ctx, hash)
		return setupCodeError(err)
	})
	return hash, err
}

// setupCodeError says in words of its own that there is no such attempt.
func setupCodeError(err error) error {
	if errors.Is(err, store.NoAttempt()) {
		return wrongSetupCode()
	}
	return err
}

func wrongSetupCode() *identity.Error {
	return identity.Forbiddenf("setup_code_wrong", "this is not the setup code: copy the one that the server wrote to its log when it was last started; each start writes another")
}

func alreadyBootstrapped() *identity.Error {
	return identity.Conflictf("already_bootstrapped", "there is an organization already, so nothing was changed; to get back into it, use `sallyport recover`")
}

// unclaimed is an error once an organization was created.
func unclaimed(ctx context.Context, tx *store.Tx) error {
	exists, err := tx.AnyOrganization(ctx)
	if err == nil && exists {
		err = alreadyBootstrapped()
	}
	return err
}

// claimed is an error until the first organization was created: the first one
// is made by whoever runs the server, not by whoever signs up first.
func claimed(ctx context.Context, tx *store.Tx) error {
	exists, err := tx.AnyOrganization(ctx)
	if err == nil && !exists {
		err = identity.Forbiddenf("setup_required", "this server is not set up yet: whoever runs it finds the code for its page /setup in its log, or makes the first organization with `sallyport bootstrap`")
	}
	return err
}
