package org

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// ApplicationTokens returns the live tokens of an application user, newest
// first.
func (s *Service) ApplicationTokens(ctx context.Context, p *identity.Principal, userID string) ([]identity.Token, error) {
	if _, err := s.ApplicationUser(ctx, p, userID); err != nil {
		return nil, err
	}
	return s.tokensOf(ctx, userID)
}

// CreateApplicationToken makes a token of an application user.
//
// Nobody gains by it what they do not hold: a caller who is not an admin makes
// tokens only for application users without any permission, only an admin puts
// in the scope that lets a service introspect, and a token that makes another
// gives it no scope and no address that it has not itself. Unlike a personal
// token it outlives the one it was made with: the programs that rotate tokens
// would otherwise cut off those they serve.
func (s *Service) CreateApplicationToken(ctx context.Context, p *identity.Principal, userID string, in TokenRequest) (NewToken, error) {
	asked, err := s.askedToken(in)
	if err != nil {
		return NewToken{}, err
	}
	if err := mayAskFor(p, &asked); err != nil {
		return NewToken{}, err
	}
	var made NewToken
	err = s.opening(ctx, p, applicationUserScope(p, userID), func(tx *store.Tx) error {
		m, err := applicationUser(ctx, &tx.Read, p.Organization.ID, userID)
		if err != nil {
			return err
		}
		if err := mayMakeTokenFor(ctx, tx, p, m); err != nil {
			return err
		}
		n, err := tx.CountTokens(ctx, userID, policy.ApplicationToken)
		if err != nil {
			return err
		}
		if err := checkTokenCount(n); err != nil {
			return err
		}
		t := asked
		t.Kind, t.UserID = policy.ApplicationToken, userID
		s.date(&t, tx.Now)
		made = s.sealToken(t, credential.KindApplication)
		if err := tx.AddToken(ctx, made.Token); err != nil {
			return err
		}
		return tx.Record(ctx, identity.Event{
			Action: "token_created", OrganizationID: p.Organization.ID, AccountID: p.Organization.AccountID, Target: tokenTarget(made.Token),
			Description: fmt.Sprintf("created token %s of the application user %q", made.Prefix, m.User.RealName), Detail: createdTokenDetail(made.Token),
		})
	})
	if err != nil {
		return NewToken{}, err
	}
	return made, nil
}

// mayAskFor refuses a token that reaches further than the caller's.
func mayAskFor(p *identity.Principal, t *identity.Token) error {
	if slices.Contains(t.Scopes, identity.IntrospectPermission) && !p.Admin() {
		return identity.Forbiddenf("request_forbidden", "only an organization admin can put the scope %s into a token; leave it out, or ask one", identity.IntrospectPermission)
	}
	if p.Token.Kind == policy.Session {
		return nil
	}
	return within(t, p.Token)
}

// mayMakeTokenFor refuses tokens of application users that hold more than the
// caller can be sure to hold: any permission at all, unless the caller is an
// admin.
func mayMakeTokenFor(ctx context.Context, tx *store.Tx, p *identity.Principal, m identity.Member) error {
	if m.User.State != identity.StateActive {
		// The token would come alive when the user is activated again.
		return identity.Forbiddenf("user_deactivated", "this application user is deactivated; activate it first")
	}
	if p.Admin() {
		return nil
	}
	grants, err := tx.HeldBy(ctx, p.Organization.ID, m.UserID)
	if err != nil {
		return err
	}
	if len(grants) > 0 || m.SuperAdmin {
		return identity.Forbiddenf("request_forbidden", "this application user has permissions, so only an organization admin can make tokens for it; ask one")
	}
	return nil
}

// RevokeApplicationToken ends a token of an application user, named by its
// prefix or whole.
func (s *Service) RevokeApplicationToken(ctx context.Context, p *identity.Principal, userID, name string) error {
	return s.DB.Update(ctx, p.Actor(), applicationUserScope(p, userID), func(tx *store.Tx) error {
		m, err := applicationUser(ctx, &tx.Read, p.Organization.ID, userID)
		if err != nil {
			return err
		}
		if err := mayEndTokens(ctx, &tx.Read, p, m); err != nil {
			return err
		}
		return revokeToken(ctx, tx, userID, name, identity.Event{OrganizationID: p.Organization.ID, AccountID: p.Organization.AccountID})
	})
}
