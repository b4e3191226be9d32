package login

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/policy"
)

func text(s string) *string { return &s }

func TestUpdateMe(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		p := w.session(u)
		me, err := w.UpdateMe(w.t.Context(), p, ProfileChange{RealName: " Alice B. ", City: text("Turku"), Country: text("FI")})
		if err != nil {
			w.t.Fatal(err)
		}
		if me.User.RealName != "Alice B." || me.User.City != "Turku" || me.User.Country != "FI" || me.User.Email != alice {
			w.t.Errorf("got %+v", me.User)
		}
		e := w.wantEvents("user_updated", 1)[0]
		var got struct{ Before, After map[string]string }
		if err := json.Unmarshal(e.Detail, &got); err != nil || got.Before["city"] != "" || got.After["city"] != "Turku" {
			w.t.Errorf("detail %s: %v", e.Detail, err)
		}
		if me, err = w.UpdateMe(w.t.Context(), p, ProfileChange{RealName: "Alice B.", City: text("Turku")}); err != nil || me.User.Country != "FI" {
			w.t.Errorf("no change: %+v, %v", me.User, err)
		}
		w.wantEvents("user_updated", 1)
		if me, err = w.UpdateMe(w.t.Context(), p, ProfileChange{RealName: "Alice B.", Country: text("")}); err != nil || me.User.Country != "" || me.User.City != "Turku" {
			w.t.Errorf("a field taken away: %+v, %v", me.User, err)
		}
		if again, err := w.Me(w.t.Context(), p); err != nil || cmp.Diff(me, again) != "" {
			w.t.Errorf("read again: %v %s", err, cmp.Diff(me, again))
		}
		w.manage(u, w.organization("A", `{}`, u))
		_, err = w.UpdateMe(w.t.Context(), p, ProfileChange{RealName: "Alice C."})
		want(w.t, "a managed user", err, identity.Forbidden, "action_forbidden_for_managed_users")
	})
}

func TestProfileFieldsAreJudged(t *testing.T) {
	w := lite(t)
	p := w.session(w.person(alice, goodPassword))
	for name, change := range map[string]ProfileChange{
		"no name":              {},
		"spaces for a name":    {RealName: "   "},
		"257 characters":       {RealName: strings.Repeat("é", 257)},
		"a country's name":     {RealName: "Alice", Country: text("Finland")},
		"a lower-case country": {RealName: "Alice", Country: text("fi")},
	} {
		_, err := w.UpdateMe(t.Context(), p, change)
		want(t, name, err, identity.Invalid, "bad_request")
	}
	for name, change := range map[string]ProfileChange{
		"a line break":    {RealName: "Alice\r\nadmin"},
		"an escape":       {RealName: "Alice", City: text("\x1b[31m")},
		"turned around":   {RealName: "Alice", JobTitle: text("nimda\u202e")},
		"of no width":     {RealName: "Ali\u200bce"},
		"a filler's name": {RealName: "\u3164"},
	} {
		_, err := w.UpdateMe(t.Context(), p, change)
		want(t, name, err, identity.Invalid, identity.CodeUnseen)
	}
	if _, err := w.UpdateMe(t.Context(), p, ProfileChange{RealName: strings.Repeat("é", 256)}); err != nil {
		t.Errorf("256 characters: %v", err)
	}
}

func TestLoginMethods(t *testing.T) {
	each(t, func(w *world) {
		u := w.person(alice, goodPassword)
		p := w.session(u)
		list, err := w.LoginMethods(w.t.Context(), p)
		if err != nil || len(list) != 1 {
			w.t.Fatalf("%+v, %v", list, err)
		}
		first := list[0]
		if first.Method != policy.MethodPassword || !first.Active || !strings.HasPrefix(first.ID, "am") || len(first.ID) != 13 || first.Email != alice {
			w.t.Errorf("got %+v", first)
		}
		w.clock.advance(time.Hour)
		saml := w.token(u, policy.Session, policy.MethodSAML)
		if list, err = w.LoginMethods(w.t.Context(), saml); err != nil || list[0].Active || list[0].ID != first.ID || !list[0].LastLogin.IsZero() {
			w.t.Errorf("from another login: %+v, %v", list, err)
		}
		none := w.person("sso@a.example", "")
		if list, err = w.LoginMethods(w.t.Context(), w.token(none, policy.Session, policy.MethodSAML)); err != nil || list == nil || len(list) != 0 {
			w.t.Errorf("without a password: %+v, %v", list, err)
		}
		w.enrol(u)
		me, err := w.Me(w.t.Context(), p)
		if diff := cmp.Diff([]string{"password", "otp"}, me.Methods); err != nil || diff != "" {
			w.t.Errorf("%v %s", err, diff)
		}
	})
}
