package org

import (
	"context"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// RebindToken binds one of the caller's personal tokens, named by its prefix or
// whole, to the login of the caller's session: a token that sleeps because the
// login it was made with is not allowed any more wakes without a new secret
// being carried to where it is used. Nothing else of it changes: it ends when
// it would have ended, and may do what it could.
//
// Only a person in a session decides that. No token wakes by itself because its
// owner logged in otherwise (POL-03), and a session that could not make a token,
// or that the managing organization does not accept, binds none.
//
// A token that was made with another one keeps the login of that one, or it
// would reach further than what it was made with. It is bound by binding the
// first of its line, and then with all that was made with it.
func (s *Service) RebindToken(ctx context.Context, p *identity.Principal, name string) (t identity.Token, err error) {
	if err := p.DemandFreshSession(s.DB.Now()); err != nil {
		return t, err
	}
	var refused error
	err = s.DB.Update(ctx, p.Actor(), store.User(p.User.ID), func(tx *store.Tx) error {
		known, facts, err := creator(ctx, tx, p)
		if err != nil {
			return err
		}
		if t, err = rebindable(ctx, tx, p.User.ID, name); err != nil {
			return err
		}
		if refused, err = s.refuseRebinding(ctx, tx, p, &known.Facts, facts); err != nil || refused != nil {
			return err
		}
		return rebind(ctx, tx, &t, &known.Facts)
	})
	if err == nil {
		err = refused
	}
	return t, err
}

// refuseRebinding judges the session twice: as one that makes a token, and as
// one that is used at the managing organization. A session that is refused
// there must not lend its login to a token.
func (s *Service) refuseRebinding(ctx context.Context, tx *store.Tx, p *identity.Principal, known *store.Facts, facts policy.Facts) (refused, err error) {
	if known.Token.Authentication.Method == policy.MethodNone {
		return identity.Forbiddenf("action_forbidden", "this session was not begun with a login, so no token can be bound to it: log in, and repeat it from that session"), nil
	}
	if err := known.User.DemandAddress(); err != nil {
		return err, nil
	}
	used := facts
	used.Action = policy.Access
	for _, f := range []*policy.Facts{&facts, &used} {
		if d := policy.Decide(f); !d.Allowed() {
			return s.refuseToken(ctx, tx, p, known, f, d)
		}
	}
	return nil, nil
}

// rebindable finds a token that may be bound to another login.
func rebindable(ctx context.Context, tx *store.Tx, userID, name string) (identity.Token, error) {
	t, err := findToken(ctx, tx, userID, name)
	switch {
	case err != nil:
		return t, err
	case t.Kind != policy.PersonalToken:
		return t, identity.Invalidf("bad_request", "only personal tokens are bound to a login; %s is a %s", t.Prefix, t.Kind)
	case t.Parent != "":
		return t, identity.Invalidf("token_made_with_another", "the token %s was made with %s and shares its login: bind that one, and all that was made with it follows", t.Prefix, t.Parent)
	}
	return t, nil
}

// rebind writes the login of a known session into a token and what was made
// with it.
func rebind(ctx context.Context, tx *store.Tx, t *identity.Token, by *store.Facts) error {
	before := loginDetail(t.Authentication)
	changed, err := tx.RebindToken(ctx, t.UserID, t.Prefix, &by.Token)
	if err != nil {
		return err
	}
	if len(changed) == 0 {
		return store.NoToken()
	}
	t.Authentication, t.Identity = by.Token.Authentication, by.Token.Identity
	after := loginDetail(t.Authentication)
	after["tokens"] = changed
	err = tx.Record(ctx, identity.Event{
		Action: "token_rebound", OrganizationID: by.Organization.ID, AccountID: by.Organization.AccountID, Target: tokenTarget(*t),
		Description: "bound the personal token " + t.Prefix + " to a login by " + t.Authentication.Method.String(),
		Detail:      beforeAfter(before, after),
	})
	if err != nil {
		return err
	}
	return tx.SendMail(ctx, identity.Mail{Kind: identity.MailTokenRebound, To: by.User.Email, Data: map[string]string{"prefix": t.Prefix}})
}

// loginDetail is a login in the detail of an event.
func loginDetail(a policy.Authentication) map[string]any {
	detail := map[string]any{"method": a.Method.String(), "second_factor": a.SecondFactor, "at": a.At}
	if a.Provider != "" {
		detail["provider"] = a.Provider
	}
	return detail
}
