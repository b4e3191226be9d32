package login

import (
	"context"
	"slices"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// Sessions returns the caller's live sessions, newest first. A session's id is
// its prefix, which opens nothing.
func (s *Service) Sessions(ctx context.Context, p *identity.Principal) ([]identity.Token, error) {
	if err := demandPerson(p); err != nil {
		return nil, err
	}
	if s.Flush != nil {
		if err := s.Flush(); err != nil {
			return nil, err
		}
	}
	var list []identity.Token
	err := s.DB.Once(func(r *store.Read) (err error) {
		list, err = r.Tokens(ctx, p.User.ID)
		return err
	})
	return slices.DeleteFunc(list, func(t identity.Token) bool { return t.Kind != policy.Session }), err
}

// noSession is the answer for a session that does not exist, has ended, or is
// somebody else's.
func noSession() error {
	return identity.NotFoundf("session_not_found", "you have no such live session; list yours with `sallyport user session list`")
}

// EndSession ends one of the caller's sessions, which may be the one that
// calls. Errors: what DemandSession says; NotFound session_not_found.
func (s *Service) EndSession(ctx context.Context, p *identity.Principal, id string) error {
	if err := demandSession(p); err != nil {
		return err
	}
	return s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		if err := alive(ctx, &tx.Read, p); err != nil {
			return err
		}
		t, err := tx.Token(ctx, p.User.ID, id)
		if isKind(err, identity.NotFound) || err == nil && t.Kind != policy.Session {
			return noSession()
		}
		if err != nil {
			return err
		}
		if _, err := tx.RevokeToken(ctx, p.User.ID, id); err != nil {
			return err
		}
		e, err := about(ctx, tx, p.User, "session_ended", "ended one of their sessions")
		if err != nil {
			return err
		}
		e.Target = identity.Target{Kind: "token", ID: id}
		return tx.Record(ctx, e)
	})
}

// EndOtherSessions ends all of the caller's sessions but the one that calls,
// and logins that are under way. It returns how many sessions it ended.
func (s *Service) EndOtherSessions(ctx context.Context, p *identity.Principal) (int64, error) {
	if err := demandSession(p); err != nil {
		return 0, err
	}
	var ended int64
	err := s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		if err := alive(ctx, &tx.Read, p); err != nil {
			return err
		}
		live, err := tx.CountTokens(ctx, p.User.ID, policy.Session)
		if err != nil {
			return err
		}
		// Those that have run out are ended too, and are not worth counting.
		if _, err := tx.RevokeSessions(ctx, p.User.ID, p.Token.Prefix); err != nil {
			return err
		}
		if err := tx.EndAttemptsOf(ctx, p.User.ID); err != nil {
			return err
		}
		ended = live - 1
		return record(ctx, tx, p.User, "sessions_ended", "ended all their other sessions", map[string]any{"ended_sessions": ended})
	})
	return ended, err
}
