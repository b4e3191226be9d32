package org_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

func (s *stage) mustToken(p *identity.Principal, in org.TokenRequest) org.NewToken {
	s.t.Helper()
	made, err := s.org.CreateToken(s.t.Context(), p, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

func TestTOK06_LifetimesOfPersonalTokens(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name      string
		seconds   *float64
		long      bool
		limit     time.Duration
		want      time.Duration // of the expiry; zero: refused
		wantAsked time.Duration
	}{
		{name: "none is 90 days, and no maximum age", want: 90 * day},
		{name: "none under a lower limit", limit: 30 * day, want: 30 * day},
		{name: "least", seconds: float(600), want: 600 * time.Second, wantAsked: 600 * time.Second},
		{name: "under the least", seconds: float(599)},
		{name: "zero", seconds: float(0)},
		{name: "negative", seconds: float(-1)},
		{name: "a fraction", seconds: float(3600.5)},
		{name: "most of this server", seconds: float(366 * 86400), want: 366 * day, wantAsked: 366 * day},
		{name: "over it", seconds: float(366*86400 + 1)},
		{name: "most of the wire, not allowed", seconds: float(315360000)},
		{name: "most of the wire, allowed", seconds: float(315360000), long: true, want: 3650 * day, wantAsked: 3650 * day},
		{name: "over the wire's", seconds: float(315360001), long: true},
		{name: "far over", seconds: float(1e308), long: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := emptyStage(t, migrated.SQLite(t))
			s.bootstrap()
			s.org.AllowLongTokens, s.org.MaxTokenAge = c.long, c.limit
			before := s.all()
			made, err := s.org.CreateToken(t.Context(), s.admin(), org.TokenRequest{MaxAgeSeconds: c.seconds})
			if c.want == 0 {
				wantCode(t, err, "bad_request")
				if after := s.all(); after != before {
					t.Errorf("a refused request left %d events", after-before)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := made.Expires.Sub(s.db.Now()); got != c.want || made.MaxAge != c.wantAsked {
				t.Errorf("expires in %v with maximum age %v, want %v and %v", got, made.MaxAge, c.want, c.wantAsked)
			}
		})
	}
}

func TestTokenRequestsAreCheckedBeforeAnythingHappens(t *testing.T) {
	s := emptyStage(t, migrated.SQLite(t))
	s.bootstrap()
	for _, c := range []struct {
		name string
		in   org.TokenRequest
		want string
	}{
		{"long description", org.TokenRequest{Description: strings.Repeat("ä", 1001)}, "bad_request"},
		{"unknown scope", org.TokenRequest{Scopes: []string{"user:reed"}}, "bad_request"},
		{"empty scope", org.TokenRequest{Scopes: []string{""}}, "bad_request"},
		{"the scope to introspect", org.TokenRequest{Scopes: []string{identity.IntrospectPermission}}, "bad_request"},
		{"101 scopes", org.TokenRequest{Scopes: slices.Repeat([]string{"user"}, 101)}, "bad_request"},
		{"101 ranges", org.TokenRequest{Addresses: slices.Repeat([]string{"10.0.0.0/8"}, 101)}, "bad_request"},
		{"host bits", org.TokenRequest{Addresses: []string{"203.0.113.7/24"}}, "ip_address_not_valid"},
		{"mapped range", org.TokenRequest{Addresses: []string{"::ffff:203.0.113.0/120"}}, "ip_address_not_valid"},
		{"a name", org.TokenRequest{Addresses: []string{"example.com"}}, "ip_address_not_valid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.all()
			_, err := s.org.CreateToken(t.Context(), s.admin(), c.in)
			wantCode(t, err, c.want)
			if s.all() != before {
				t.Error("a refused request left an event")
			}
		})
	}
	made := s.mustToken(s.admin(), org.TokenRequest{
		Description: strings.Repeat("ä", 1000), Addresses: []string{"2001:DB8::/32", "10.0.0.0/8"}, Scopes: []string{"user:read", "all"},
	})
	list, err := s.org.Tokens(t.Context(), s.admin())
	if err != nil {
		t.Fatal(err)
	}
	if got := list[0]; got.Prefix != made.Prefix || !slices.Equal(got.AddressTexts, []string{"2001:DB8::/32", "10.0.0.0/8"}) || !slices.Equal(got.Scopes, []string{"user:read", "all"}) {
		t.Errorf("the list shows %+v, want what was sent", got)
	}
}

func TestPersonalTokensRememberTheLogin(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		by := policy.Authentication{Method: policy.MethodSAML, Provider: "am1", ProviderOrganization: s.first.OrganizationID, SecondFactor: true, At: s.db.Now()}
		s.change(store.Organization(s.first.OrganizationID), func(tx *store.Tx) error {
			return tx.AddAuthenticationMethod(s.t.Context(), identity.AuthenticationMethod{
				ID: by.Provider, OrganizationID: s.first.OrganizationID, AccountID: s.first.AccountID, Type: identity.MethodTypeSAML, Enabled: true, State: identity.MethodActive,
			})
		})
		bearer := s.sessionBy(s.first.UserID, by)
		s.pass(time.Minute)
		made := s.mustToken(s.as(bearer), org.TokenRequest{Description: "ci", MaxAgeSeconds: float(3600), ExtendWhenUsed: true})
		if made.Authentication != by || made.Parent != "" || !made.ExtendWhenUsed || !made.Manual || made.Kind != policy.PersonalToken {
			t.Errorf("made %+v, want the session's login %+v", made.Token, by)
		}
		p := s.as(made.Plain.Reveal())
		if p.Token.Authentication != by || p.Token.Identity != by.Provider {
			t.Errorf("stored with the login %+v and identity %q, want %+v and %q", p.Token.Authentication, p.Token.Identity, by, by.Provider)
		}
		events := s.events("token_created")
		if len(events) != 1 || events[0].Target.ID != made.Prefix || events[0].Actor.Credential != bearer[:12] {
			t.Fatalf("events %+v, want one of the new token by the session", events)
		}
		if strings.Contains(string(events[0].Detail), made.Plain.Reveal()[12:]) {
			t.Error("the event holds the secret")
		}
		ageless := s.mustToken(s.as(bearer), org.TokenRequest{ExtendWhenUsed: true})
		if ageless.ExtendWhenUsed {
			t.Error("a token without a maximum age is extended")
		}
		if child := s.mustToken(p, org.TokenRequest{}); child.Authentication != by || child.Identity != by.Provider {
			t.Errorf("a token made with it has the login %+v and identity %q", child.Authentication, child.Identity)
		}
	})
}

func TestTokensMadeByTokensReachNoFurther(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		parent := s.mustToken(s.admin(), org.TokenRequest{
			MaxAgeSeconds: float(7200), Scopes: []string{"user", "authentication:write"}, Addresses: []string{"198.51.100.0/24", "2001:db8::/32"},
		})
		s.pass(30 * time.Minute)
		by := s.as(parent.Plain.Reveal())

		child := s.mustToken(by, org.TokenRequest{MaxAgeSeconds: float(86400), ExtendWhenUsed: true})
		if !child.Expires.Equal(parent.Expires) || child.ExtendWhenUsed {
			t.Errorf("the child expires %v (extended when used: %t), want its parent's %v", child.Expires, child.ExtendWhenUsed, parent.Expires)
		}
		if child.Parent != parent.Prefix || child.Authentication != parent.Authentication {
			t.Errorf("the child is %+v", child.Token)
		}
		if !slices.Equal(child.Scopes, parent.Scopes) || !slices.Equal(child.AddressTexts, parent.AddressTexts) {
			t.Errorf("the child has scopes %v and addresses %v, want its parent's", child.Scopes, child.AddressTexts)
		}
		short := s.mustToken(by, org.TokenRequest{MaxAgeSeconds: float(600), Scopes: []string{"user:read"}, Addresses: []string{"198.51.100.7/32", "2001:db8:1::/48"}})
		if got := short.Expires.Sub(s.db.Now()); got != 600*time.Second {
			t.Errorf("a short child lives %v", got)
		}
		for _, in := range []org.TokenRequest{
			{Scopes: []string{"user:read", "projects:read"}},
			{Scopes: []string{"authentication"}},
			{Scopes: []string{"all"}},
			{Addresses: []string{"198.51.0.0/16"}},
			{Addresses: []string{"198.51.100.0/24", "203.0.113.0/24"}},
			{Addresses: []string{"::/0"}},
		} {
			_, err := s.org.CreateToken(t.Context(), by, in)
			wantCode(t, err, "request_forbidden")
		}

		// Down to the grandchildren they die together, in one event.
		s.pass(time.Second)
		grandchild := s.mustToken(s.as(child.Plain.Reveal()), org.TokenRequest{})
		if err := s.org.RevokeToken(t.Context(), s.admin(), parent.Prefix); err != nil {
			t.Fatal(err)
		}
		for _, dead := range []org.NewToken{parent, child, short, grandchild} {
			_, err := s.try(dead.Plain.Reveal())
			wantCode(t, err, "authentication_failed")
		}
		events := s.events("token_revoked")
		if len(events) != 1 {
			t.Fatalf("%d events, want one for all", len(events))
		}
		for _, dead := range []org.NewToken{parent, child, short, grandchild} {
			if !strings.Contains(string(events[0].Detail), dead.Prefix) {
				t.Errorf("the event does not name %s: %s", dead.Prefix, events[0].Detail)
			}
		}
	})
}

func TestDOS05_EleventhPersonalToken(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		var made []org.NewToken
		for range 10 {
			made = append(made, s.mustToken(s.admin(), org.TokenRequest{}))
		}
		_, err := s.org.CreateToken(t.Context(), s.admin(), org.TokenRequest{})
		wantCode(t, err, "token_limit_reached")
		for _, m := range made {
			s.as(m.Plain.Reveal()) // none was evicted
		}
		if err := s.org.RevokeToken(t.Context(), s.admin(), made[0].Prefix); err != nil {
			t.Fatal(err)
		}
		s.mustToken(s.admin(), org.TokenRequest{})
	})
}

func TestDOS05_ManyAtOnceAreStillTen(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		p := s.admin()
		errs := make(chan error, 20)
		for range 20 {
			go func() {
				_, err := s.org.CreateToken(t.Context(), p, org.TokenRequest{})
				errs <- err
			}()
		}
		made := 0
		for range 20 {
			switch c := code(<-errs); c {
			case "":
				made++
			case "token_limit_reached":
			default:
				t.Error(c)
			}
		}
		if made != 10 || len(s.events("token_created")) != 10 {
			t.Errorf("%d tokens and %d events, want 10", made, len(s.events("token_created")))
		}
	})
}

func TestPOL06_WhoMayCreatePersonalTokens(t *testing.T) {
	const (
		enabled  = `{}`
		managed  = `{"personal_tokens_managed_users_enabled": false}`
		disabled = `{"personal_tokens_enabled": false}`
	)
	onStages(t, func(t *testing.T, s *stage) {
		people := map[bool]string{true: s.session(s.person("managed@a.example", true)), false: s.session(s.person("free@b.example", false))}
		s.pass(time.Second)
		for _, c := range []struct {
			name, policy string
			managed      bool
			want         string
		}{
			{"enabled, managed", enabled, true, ""},
			{"enabled, other", enabled, false, ""},
			{"off for managed users, managed", managed, true, "user_personal_token_not_allowed"},
			{"off for managed users, other", managed, false, ""},
			{"off for all, managed", disabled, true, "user_personal_token_not_allowed"},
			// Their only organization: a token could be used nowhere.
			{"off for all, other", disabled, false, "user_personal_token_not_allowed"},
		} {
			s.policyIs(c.policy)
			s.pass(time.Minute) // the same refusal is recorded once in a minute
			before := s.all()
			_, err := s.org.CreateToken(t.Context(), s.as(people[c.managed]), org.TokenRequest{})
			refused := wantCode(t, err, c.want)
			if s.all() != before+1 {
				t.Errorf("%s: %d events, want one", c.name, s.all()-before)
			}
			if refused == nil {
				continue
			}
			if refused.Kind != identity.Forbidden || refused.Metadata["remedy"] == "" || refused.Metadata["decision_id"] == "" {
				t.Errorf("%s: %+v, want a remedy and a decision", c.name, refused)
			}
			e := s.events("token_refused")
			last := e[len(e)-1]
			if last.Outcome != identity.Refused || last.DecisionID != refused.Metadata["decision_id"] || (last.OrganizationID != "") != c.managed {
				t.Errorf("%s: event %+v", c.name, last)
			}
			_, facts, d, err := identity.Replay(last.Detail)
			if err != nil || d.Code() != c.want || len(facts.Memberships) > 0 == c.managed {
				t.Errorf("%s: replays to %q with %d memberships (%v)", c.name, d.Code(), len(facts.Memberships), err)
			}
		}
	})
}

func TestAUD05_RefusedCreationsAreRecordedOnceAMinute(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		bearer := s.session(s.person("managed@a.example", true))
		s.pass(time.Second)
		s.policyIs(`{"personal_tokens_enabled": false}`)
		var ids []any
		for range 20 {
			_, err := s.org.CreateToken(t.Context(), s.as(bearer), org.TokenRequest{})
			ids = append(ids, wantCode(t, err, "user_personal_token_not_allowed").Metadata["decision_id"])
		}
		s.pass(time.Minute)
		_, err := s.org.CreateToken(t.Context(), s.as(bearer), org.TokenRequest{})
		ids = append(ids, wantCode(t, err, "user_personal_token_not_allowed").Metadata["decision_id"])
		if len(s.events("token_refused")) != 2 || ids[0] != ids[19] || ids[0] == ids[20] {
			t.Errorf("%d events with decisions %v, want two", len(s.events("token_refused")), ids)
		}
		x, err := s.org.ExplainDecision(t.Context(), s.admin(), ids[0].(string))
		if err != nil || x.Event.Action != "token_refused" || x.Facts.Action != policy.CreatePersonalToken {
			t.Errorf("the admin finds %+v, %v", x, err)
		}
	})
}

func TestPOL_AnUnreadablePolicyOfTheManagingOrganizationRefuses(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		p := s.as(s.session(s.person("managed@a.example", true)))
		s.change(store.Organization(s.first.OrganizationID), func(tx *store.Tx) error {
			return tx.SetPolicy(t.Context(), s.first.OrganizationID, `{"damaged`, "prepared")
		})
		_, err := s.org.CreateToken(t.Context(), p, org.TokenRequest{})
		wantCode(t, err, "policy_unreadable")
	})
}

// The request was let in, and before it does its work the caller is thrown out.
func TestTOK05_NoTokenComesOutOfADeadCredential(t *testing.T) {
	for _, c := range []struct {
		name  string
		throw func(s *stage, tx *store.Tx, userID string, p *identity.Principal) error
	}{
		{"revoked", func(s *stage, tx *store.Tx, userID string, p *identity.Principal) error {
			_, err := tx.RevokeToken(s.t.Context(), userID, p.Token.Prefix)
			return err
		}},
		{"voided", func(s *stage, tx *store.Tx, userID string, _ *identity.Principal) error {
			return tx.VoidTokens(s.t.Context(), userID)
		}},
		{"deactivated", func(s *stage, tx *store.Tx, userID string, _ *identity.Principal) error {
			return tx.SetUserState(s.t.Context(), userID, identity.StateDeactivated)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onStages(t, func(t *testing.T, s *stage) {
				id := s.person("bob@b.example", false)
				p := s.as(s.session(id))
				s.pass(time.Second)
				s.change(store.User(id), func(tx *store.Tx) error { return c.throw(s, tx, id, p) })
				s.pass(time.Second)
				_, err := s.org.CreateToken(t.Context(), p, org.TokenRequest{})
				wantCode(t, err, "authentication_failed")
				if n := len(s.events("token_created")); n != 0 {
					t.Errorf("%d tokens were made", n)
				}
			})
		})
	}
}

func TestTOK12_OnlyOwnTokensByTheirWholeNames(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		mine := s.mustToken(s.admin(), org.TokenRequest{Description: "mine"})
		foreign := s.mustToken(s.as(s.session(s.person("bob@b.example", false))), org.TokenRequest{Description: "foreign"})
		// Well-formed, with the prefix of mine and another secret.
		forged := forge(mine.Prefix)
		if prefix, ok := credential.Prefix(forged); !ok || prefix != mine.Prefix {
			t.Fatalf("the forged token has the prefix %q", prefix)
		}
		before := s.all()
		for _, name := range []string{
			"", "s", "%", "*", "../" + mine.Prefix, mine.Prefix[:11], mine.Prefix + "x", mine.Prefix + "\x00", "spp_________",
			foreign.Prefix, foreign.Plain.Reveal(), forged, mine.Plain.Reveal()[:99], mine.Plain.Reveal() + "\n",
		} {
			wantCode(t, s.org.RevokeToken(t.Context(), s.admin(), name), "token_not_found")
			_, err := s.org.UpdateToken(t.Context(), s.admin(), name, "changed")
			wantCode(t, err, "token_not_found")
		}
		if s.all() != before {
			t.Error("something was recorded")
		}
		s.as(mine.Plain.Reveal())
		s.as(foreign.Plain.Reveal())

		changed, err := s.org.UpdateToken(t.Context(), s.admin(), mine.Plain.Reveal(), "changed")
		if err != nil || changed.Description != "changed" {
			t.Errorf("got %q, %v", changed.Description, err)
		}
		if e := s.events("token_updated"); len(e) != 1 || string(e[0].Detail) != `{"before":{"description":"mine"},"after":{"description":"changed"}}` {
			t.Errorf("events %+v", e)
		}
		// With the token that is being revoked, by its whole text, once.
		self := s.as(mine.Plain.Reveal())
		if err := s.org.RevokeToken(t.Context(), self, mine.Plain.Reveal()); err != nil {
			t.Fatal(err)
		}
		wantCode(t, s.org.RevokeToken(t.Context(), self, mine.Prefix), "token_not_found")
		_, err = s.try(mine.Plain.Reveal())
		wantCode(t, err, "authentication_failed")
		if n := len(s.events("token_revoked")); n != 1 {
			t.Errorf("%d events, want one", n)
		}
	})
}

// forge makes a well-formed token with a given prefix and another secret.
func forge(prefix string) string {
	plain, _, _ := credential.New(credential.KindPersonal, &prefixed{text: prefix[4:]})
	return plain
}

// prefixed is a source of randomness from which a token reads a given text.
type prefixed struct{ text string }

func (p *prefixed) Read(b []byte) (int, error) {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for i := range b {
		b[i] = 10
		if p.text != "" {
			b[i], p.text = byte(strings.IndexByte(digits, p.text[0])), p.text[1:]
		}
	}
	return len(b), nil
}

func TestListsShowLastUse(t *testing.T) {
	onStages(t, func(t *testing.T, s *stage) {
		made := s.mustToken(s.admin(), org.TokenRequest{})
		s.pass(time.Minute)
		s.as(made.Plain.Reveal())
		list, err := s.org.Tokens(t.Context(), s.admin())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(t identity.Token) bool { return t.Prefix == made.Prefix })
		if i < 0 || !list[i].LastUsed.Equal(s.db.Now()) || list[i].LastIP != netip.MustParseAddr(inside).String() {
			t.Errorf("listed as %+v, want used just now", list)
		}
		if len(list) != 2 {
			t.Errorf("%d tokens, want the session too", len(list))
		}
	})
}
