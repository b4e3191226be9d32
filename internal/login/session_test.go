package login

import (
	"context"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// TestSES05_LogoutEndsTheToken, of whatever kind; the second call is that of a
// bad credential.
func TestSES05_LogoutEndsTheToken(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		app := w.person("app@applications.a.example", "", func(u *identity.User) { u.Application, u.RealName = true, "robot" })
		id := w.organization("A", `{}`, u, app)
		app.OrganizationID = id
		for _, c := range []struct {
			name, action string
			p            *identity.Principal
		}{
			{"session", "logout", w.session(u)},
			{"personal token", "token_revoked", w.token(u, policy.PersonalToken, policy.MethodPassword)},
			{"application token", "token_revoked", w.token(app, policy.ApplicationToken, policy.MethodNone)},
		} {
			c.p.User.OrganizationID = ""
			if c.p.User.Application {
				c.p.User.OrganizationID = id
			}
			other := w.session(u)
			events := len(w.events(c.action))
			w.change(store.User(c.p.User.ID), func(ctx context.Context, tx *store.Tx) error {
				return tx.SetTokenDescription(ctx, c.p.Token.Prefix, "words of "+c.name)
			})
			if err := w.Logout(w.t.Context(), c.p); err != nil {
				w.t.Fatalf("%s: %v", c.name, err)
			}
			w.wantAlive(c.name, c.p, false)
			w.wantAlive("another session", other, true)
			want(w.t, c.name+" again", w.Logout(w.t.Context(), c.p), identity.Unauthenticated, "authentication_failed")
			e := w.wantEvents(c.action, events+1)[0]
			if e.Target.ID != c.p.Token.Prefix || e.Target.Name != "words of "+c.name || e.Actor.ID != c.p.User.ID {
				w.t.Errorf("%s: event %+v", c.name, e)
			}
			if c.p.User.Application && e.OrganizationID != id {
				w.t.Errorf("%s: the event is not in the organization's log", c.name)
			}
		}
	})
}

func TestLogoutOnce(t *testing.T) {
	each(t, func(w *world) {
		p := w.session(w.person(alice, goodPassword))
		errs := together(32, func(int) error { return w.Logout(w.t.Context(), p) })
		if n := successes(errs); n != 1 {
			w.t.Errorf("%d of 32 succeeded", n)
		}
		w.wantEvents("logout", 1)
	})
}

// TestSES10_ExpireEverything: all that was issued until then, in the same
// microsecond too, and nothing of others.
func TestSES10_ExpireEverything(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		bystander := w.session(w.person("bob@b.example", goodPassword))
		older := w.session(u)
		w.clock.advance(time.Second)
		p, personal := w.session(u), w.token(u, policy.PersonalToken, policy.MethodSAML)
		words, err := w.ExpireTokens(w.t.Context(), p)
		if err != nil || words == "" {
			w.t.Fatalf("%q, %v", words, err)
		}
		for what, ended := range map[string]*identity.Principal{"the presented session": p, "an older session": older, "a personal token": personal} {
			w.wantAlive(what, ended, false)
		}
		w.wantAlive("somebody else's session", bystander, true)
		w.wantEvents("tokens_expired", 1)
		w.wantAlive("a session after it", w.session(u), true)
	})
}
