package login

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

func TestSES07_SessionsAreOnesOwn(t *testing.T) {
	each(t, func(w *world) {
		u, bob := w.person(alice, goodPassword), w.person("bob@a.example", goodPassword)
		first := w.session(u)
		w.clock.advance(time.Second)
		second, third, bobs := w.session(u), w.session(u), w.session(bob)
		token := w.token(u, policy.PersonalToken, policy.MethodPassword)

		list, err := w.Sessions(w.t.Context(), second)
		if err != nil || len(list) != 3 || slices.ContainsFunc(list, func(t identity.Token) bool { return t.Kind != policy.Session || t.UserID != u.ID }) {
			w.t.Errorf("%d sessions, %v", len(list), err)
		}
		before := w.allEvents()
		for what, id := range map[string]string{"bob's": bobs.Token.Prefix, "a token": token.Token.Prefix, "none": "sps_00000000", "empty": "", "a pattern": "%"} {
			want(w.t, what, w.EndSession(w.t.Context(), second, id), identity.NotFound, "session_not_found")
		}
		_, err = w.EndOtherSessions(w.t.Context(), token)
		want(w.t, "by a token", err, identity.Forbidden, "session_required")
		want(w.t, "by a token", w.EndSession(w.t.Context(), token, first.Token.Prefix), identity.Forbidden, "session_required")
		if n := w.allEvents(); n != before {
			w.t.Errorf("%d events", n-before)
		}

		if err := w.EndSession(w.t.Context(), second, first.Token.Prefix); err != nil {
			w.t.Fatal(err)
		}
		w.wantAlive("the ended one", first, false)
		want(w.t, "again", w.EndSession(w.t.Context(), second, first.Token.Prefix), identity.NotFound, "session_not_found")
		ended, err := w.EndOtherSessions(w.t.Context(), second)
		if err != nil || ended != 1 {
			w.t.Errorf("%d ended, %v", ended, err)
		}
		w.wantAlive("the other one", third, false)
		w.wantAlive("the calling one", second, true)
		w.wantAlive("bob's", bobs, true)
		w.wantAlive("the token", token, true)
		w.wantEvents("session_ended", 1)
		w.wantEvents("sessions_ended", 1)
	})
}

// A new session in place of an older one lasts as long as that was made for, and
// the single logout that would have ended that ends it.
func TestReplacedSessionsKeepTheirKind(t *testing.T) {
	each(t, func(w *world) {
		w.person(alice, goodPassword)
		b := w.browser()
		b.at(StepIdentify)(b.begin(Begin{}))
		b.at(StepChoose)(b.identify(alice))
		browsers := w.principal(b.at(StepDone)(b.password(goodPassword)).Done.Token)
		w.change(store.User(browsers.User.ID), func(ctx context.Context, tx *store.Tx) error {
			return tx.AddSAMLSession(ctx, identity.SAMLSession{TokenPrefix: browsers.Token.Prefix, MethodID: "am-a", NameID: "alice", SessionIndex: "_1"})
		})
		token, err := w.ChangePassword(w.t.Context(), browsers, goodPassword, nextPassword)
		if err != nil {
			w.t.Fatal(err)
		}
		if got := shapeLike(w.principal(token).Token); got != browserShape {
			w.t.Errorf("a browser's session became %+v", got)
		}
		named := see(w, func(ctx context.Context, r *store.Read) ([]identity.SAMLSession, error) {
			return r.SAMLSessions(ctx, "am-a", "alice", "_1")
		})
		if len(named) != 1 || named[0].TokenPrefix != w.principal(token).Token.Prefix {
			w.t.Errorf("a logout by the provider ends %+v", named)
		}
		out := w.enter(In{Email: alice, Password: nextPassword})
		token, err = w.ChangePassword(w.t.Context(), w.principal(out.Token), nextPassword, goodPassword)
		if err != nil {
			w.t.Fatal(err)
		}
		if got := shapeLike(w.principal(token).Token); got != commandLineShape {
			w.t.Errorf("a command line's session became %+v", got)
		}
	})
}
