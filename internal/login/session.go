package login

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// How long sessions last (docs/parameters.md 3.2).
const (
	// commandLineLife is how long a command line's session lasts; using it does
	// not prolong it.
	commandLineLife = 12 * time.Hour
	// browserIdle is how long a browser's session may be unused, browserLife
	// how long it lasts in all.
	browserIdle = time.Hour
	browserLife = 24 * time.Hour
	// maxSessions is how many live sessions one user has; the least recently
	// used one makes room.
	maxSessions = 1000
)

// shape is how long a session lasts.
type shape struct {
	idle time.Duration // without use; 0: no such limit
	life time.Duration // in all
}

var (
	commandLineShape = shape{life: commandLineLife}
	browserShape     = shape{browserIdle, browserLife}
)

// shapeOf is how long a session of a client lasts that is begun by a login. An
// organization's own identity provider can shorten it.
func shapeOf(ctx context.Context, r *store.Read, client string, how policy.Authentication) (shape, error) {
	h := commandLineShape
	if client == identity.ClientBrowser {
		h = browserShape
	}
	if how.Method != policy.MethodSAML && how.Method != policy.MethodOIDC {
		return h, nil
	}
	method, err := r.AnyAuthenticationMethod(ctx, how.Provider)
	if err != nil || method.TokenMaxAge == 0 {
		return h, err
	}
	return h.within(method.TokenMaxAge, method.TokenExtend), nil
}

// within is the shape under a provider's own limit, which begins anew with each
// use when it is extended.
func (h shape) within(age time.Duration, extended bool) shape {
	switch {
	case !extended:
		h.life = min(h.life, age)
	case h.idle == 0 || age < h.idle:
		h.idle = age
	}
	return h
}

// shapeLike is that of a session that another one takes the place of.
func shapeLike(t *identity.Token) shape {
	end := t.Ends
	if end.IsZero() {
		end = t.Expires
	}
	// Some begin a microsecond after what they replaced, see begin.
	h := shape{life: end.Sub(t.Created).Round(time.Second)}
	if end.IsZero() {
		h = commandLineShape
	}
	if t.ExtendWhenUsed {
		h.idle = t.MaxAge
	}
	return h
}

// session is a new session token that is not stored yet.
type session struct {
	plain, prefix string
	hash          [32]byte
	shape         shape
	identity      string // id of the linked identity or passkey it was proved with
	follows       string // prefix of the session that let it in, or that it replaces; empty: none
}

// newSession is a command line's.
func (s *Service) newSession() session {
	plain, prefix, hash := credential.New(credential.KindSession, s.rand())
	return session{plain: plain, prefix: prefix, hash: hash, shape: commandLineShape}
}

// newSessionLike takes the place of another one: it lasts as long, counted
// anew, and descends from the same identity.
func (s *Service) newSessionLike(t *identity.Token) session {
	n := s.newSession()
	n.shape, n.identity, n.follows = shapeLike(t), t.Identity, t.Prefix
	return n
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
	t := identity.Token{
		Prefix: n.prefix, Hash: n.hash, Kind: policy.Session, UserID: userID, Authentication: how, Identity: n.identity,
		Created: tx.Now, Ends: tx.Now.Add(n.shape.life),
	}
	if !t.Created.After(user.TokensValidFrom) {
		t.Created = user.TokensValidFrom.Add(time.Microsecond)
	}
	t.Expires = t.Ends
	if idle := n.shape.idle; idle > 0 && idle < n.shape.life {
		t.MaxAge, t.ExtendWhenUsed, t.Expires = idle, true, tx.Now.Add(idle)
	}
	if err := tx.AddToken(ctx, t); err != nil || n.follows == "" {
		return err
	}
	return tx.FollowSAMLSession(ctx, n.follows, n.prefix)
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
		e.Target = identity.Target{Kind: "token", ID: p.Token.Prefix}
		if e.Target.Name, err = tx.TokenDescription(ctx, p.Token.Prefix); err != nil {
			return err
		}
		e.Detail = detail(map[string]any{"ended": ended})
		return tx.Record(ctx, e)
	})
}

// ExpireTokens ends all sessions and personal tokens of a person, the presented
// one included, and logins that are under way: whoever is in the middle of one
// would have a session again. It returns a sentence about it.
func (s *Service) ExpireTokens(ctx context.Context, p *identity.Principal) (string, error) {
	if err := demandPerson(p); err != nil {
		return "", err
	}
	err := s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		if err := errors.Join(tx.VoidTokens(ctx, p.User.ID), tx.EndAttemptsOf(ctx, p.User.ID)); err != nil {
			return err
		}
		return record(ctx, tx, p.User, "tokens_expired", "ended all their sessions and personal tokens", nil)
	})
	return "All your sessions and personal tokens have ended. Log in again.", err
}
