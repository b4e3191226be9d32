package login

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

const (
	// sessionLife is how long a session lasts; using it does not prolong it.
	sessionLife = 12 * time.Hour
	// maxSessions is how many live sessions one user has; the least recently
	// used one makes room.
	maxSessions = 1000
)

// session is a new session token that is not stored yet.
type session struct {
	plain, prefix string
	hash          [32]byte
}

func (s *Service) newSession() session {
	plain, prefix, hash := credential.New(credential.KindSession, s.rand())
	return session{plain, prefix, hash}
}

// begin stores the session. It is made younger than whatever voided its
// owner's tokens, in this transaction or by a clock that ran ahead: else it
// would be dead from the start.
func (n session) begin(ctx context.Context, tx *store.Tx, userID string, how policy.Authentication) error {
	if err := makeRoom(ctx, tx, userID); err != nil {
		return err
	}
	user, err := tx.User(ctx, userID)
	if err != nil {
		return err
	}
	created := tx.Now
	if !created.After(user.TokensValidFrom) {
		created = user.TokensValidFrom.Add(time.Microsecond)
	}
	return tx.AddToken(ctx, identity.Token{
		Prefix: n.prefix, Hash: n.hash, Kind: policy.Session, UserID: userID,
		Created: created, Expires: tx.Now.Add(sessionLife), Authentication: how,
	})
}

func makeRoom(ctx context.Context, tx *store.Tx, userID string) error {
	live, err := tx.CountTokens(ctx, userID, policy.Session)
	if err != nil {
		return err
	}
	for ; live >= maxSessions; live-- {
		oldest, err := tx.OldestSession(ctx, userID)
		if err != nil {
			return err
		}
		if _, err := tx.RevokeToken(ctx, userID, oldest.Prefix); err != nil {
			return err
		}
	}
	return nil
}

// demandPerson refuses callers that no person sits behind.
func demandPerson(p *identity.Principal) error {
	if p.User.Application {
		return identity.Forbiddenf("action_forbidden_for_application_users", "application users cannot do this; a person has to, from a login of their own")
	}
	return nil
}

// demandSession is demandPerson for what a token must not do.
func demandSession(p *identity.Principal) error {
	if err := demandPerson(p); err != nil {
		return err
	}
	return p.DemandSession()
}

// alive makes sure, in the transaction that holds the user, that the session a
// change was asked from has not ended meanwhile.
func alive(ctx context.Context, r *store.Read, p *identity.Principal) error {
	if _, err := r.Token(ctx, p.User.ID, p.Token.Prefix); err != nil {
		return endedMeanwhile(err)
	}
	return nil
}

func endedMeanwhile(err error) error {
	if isKind(err, identity.NotFound) {
		return identity.BadCredential()
	}
	return err
}

// Logout ends the presented token, of whatever kind. Of several simultaneous
// calls one succeeds; the others are answered like every bad credential.
func (s *Service) Logout(ctx context.Context, p *identity.Principal) error {
	return s.DB.Update(ctx, p.Actor(), ownScope(p), func(tx *store.Tx) error {
		ended, err := tx.RevokeToken(ctx, p.User.ID, p.Token.Prefix)
		if err != nil {
			return err
		}
		if len(ended) == 0 {
			return identity.BadCredential()
		}
		action, words := "token_revoked", "revoked the token it was called with, and those made with it"
		if p.Token.Kind == policy.Session {
			action, words = "logout", "logged out"
		}
		e, err := about(ctx, tx, p.User, action, words)
		if err != nil {
			return err
		}
		e.Target = identity.Target{Kind: "token", ID: p.Token.Prefix, Name: p.Token.Description}
		e.Detail = detail(map[string]any{"ended": ended})
		return tx.Record(ctx, e)
	})
}

// ExpireTokens ends all sessions and personal tokens of a person, the
// presented one included, and returns a sentence about it.
func (s *Service) ExpireTokens(ctx context.Context, p *identity.Principal) (string, error) {
	if err := demandPerson(p); err != nil {
		return "", err
	}
	err := s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		if err := tx.VoidTokens(ctx, p.User.ID); err != nil {
			return err
		}
		e, err := about(ctx, tx, p.User, "tokens_expired", "ended all their sessions and personal tokens")
		if err != nil {
			return err
		}
		return tx.Record(ctx, e)
	})
	return "All your sessions and personal tokens have ended. Log in again.", err
}
