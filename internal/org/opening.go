package org

import (
	"context"
	"slices"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// opening is store.DB.Update for a change that opens a way in: a token, an
// invitation, a role, an identity provider. Such a change outlives the
// credential it is asked with, so that is looked at again, now that nobody can
// change it: a credential that was voided after its request was let in leaves
// nothing behind, and neither does somebody who was demoted meanwhile.
//
// The caller's own scope is held with the change's. Whoever voids the credential
// holds it too, so one of the two is first.
func (s *Service) opening(ctx context.Context, p *identity.Principal, scope store.Scope, fn func(*store.Tx) error) error {
	return s.DB.Update(ctx, p.Actor(), scope.And(store.User(p.User.ID)), func(tx *store.Tx) error {
		if err := s.stillAccepted(ctx, tx, p); err != nil {
			return err
		}
		return fn(tx)
	})
}

// stillAccepted decides once more on the request of a caller. The error is of
// the kind that access.Checker gives.
func (s *Service) stillAccepted(ctx context.Context, tx *store.Tx, p *identity.Principal) error {
	known, f, err := reread(ctx, tx, p)
	if err != nil {
		return err
	}
	if d := policy.Decide(&f); !d.Allowed() {
		return identity.RefusedError(d, &f, "", s.PublicURL)
	}
	if holdsLess(p, &known) {
		return permissionsChanged()
	}
	return nil
}

// reread reads again what the request of a caller was accepted on.
func reread(ctx context.Context, tx *store.Tx, p *identity.Principal) (known store.Facts, f policy.Facts, err error) {
	f = p.Facts
	if known, err = tx.Facts(ctx, p.Token.Prefix, f.Organization); err != nil {
		return known, f, err
	}
	f.Now, f.Policy = tx.Now, tx.EffectivePolicy(known.Organization.Policy, known.Pilot)
	f.Credential, f.Principal = credentialNow(p, &known), known.User.Principal(known.Member)
	return known, f, nil
}

// credentialNow is the caller's credential as it was read again.
func credentialNow(p *identity.Principal, known *store.Facts) policy.Credential {
	c := known.Token.Credential()
	c.ProviderOff = known.ProviderOff
	// Uses that are not written yet have moved these.
	c.Expires, c.LastUsed = p.Facts.Credential.Expires, p.Facts.Credential.LastUsed
	return c
}

// holdsLess says whether a caller has lost something in the organization since
// the request was let in because of it.
func holdsLess(p *identity.Principal, now *store.Facts) bool {
	lost := func(permission string) bool { return !slices.Contains(now.Granted, permission) }
	return p.SuperAdmin && !now.SuperAdmin || slices.ContainsFunc(p.Granted, lost)
}

func permissionsChanged() error {
	return identity.Forbiddenf("permission_denied", "what you may do in this organization was changed while you asked for this, so nothing was done: look at what you may do now, and ask again if it is still yours to do")
}
