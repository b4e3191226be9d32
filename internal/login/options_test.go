package login

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// domain gives an organization a verified domain.
func (w *world) domain(organizationID, name string) string {
	w.t.Helper()
	id, err := w.DB.NewID("dom")
	if err != nil {
		w.t.Fatal(err)
	}
	w.change(store.Organization(organizationID), func(ctx context.Context, tx *store.Tx) error {
		d := identity.Domain{ID: id, OrganizationID: organizationID, Name: name, VerificationType: identity.ProofDNS}
		if err := tx.AddDomain(ctx, d); err != nil {
			return err
		}
		return tx.VerifyDomain(ctx, d)
	})
	return id
}

// method gives an organization an identity provider for a domain.
func (w *world) method(organizationID, domainID, name string, edit ...func(*identity.AuthenticationMethod)) string {
	w.t.Helper()
	id, _ := w.DB.NewID("am")
	account := see(w, func(ctx context.Context, r *store.Read) (string, error) {
		o, err := r.Organization(ctx, organizationID)
		return o.AccountID, err
	})
	m := identity.AuthenticationMethod{
		ID: id, OrganizationID: organizationID, AccountID: account, Name: name, Type: identity.MethodTypeOIDC, Enabled: true, State: identity.MethodActive,
		TokenMaxAge: identity.DefaultMethodTokenAge, TokenExtend: true, Config: "{}",
	}
	for _, e := range edit {
		e(&m)
	}
	w.change(store.Organization(organizationID), func(ctx context.Context, tx *store.Tx) error {
		if err := tx.AddAuthenticationMethod(ctx, m); err != nil {
			return err
		}
		return tx.LinkMethodDomain(ctx, organizationID, id, domainID)
	})
	return id
}

func (w *world) options(email string) []Option {
	w.t.Helper()
	list, err := w.Options(w.t.Context(), Caller{Client: address(int(nextAddress.Add(1)))}, email)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// TestRAT02_OptionsFollowFromTheDomain, and nothing else.
func TestRAT02_OptionsFollowFromTheDomain(t *testing.T) {
	each(t, func(w *world) {
		w.ThirdParties = []string{"github", "google"}
		known := w.person("known@a.example", goodPassword)
		w.person("known@free.example", goodPassword)
		id := w.organization("Acme", `{"password_auth_enabled": false, "oauth_enabled": true, "oauth_providers_allowed": ["google"], "passkey_auth_enabled": false}`, known)
		domain := w.domain(id, "a.example")
		own := w.method(id, domain, "Acme's own")
		w.method(id, domain, "Off", func(m *identity.AuthenticationMethod) { m.Enabled = false })
		w.method(id, domain, "Draft", func(m *identity.AuthenticationMethod) { m.State = identity.MethodPending })

		with := func(action, name, provider string) Option {
			return Option{Action: action, Method: "GET", Name: name, Provider: provider, RedirectURL: w.PublicURL + "/login/with/" + provider}
		}
		if diff := cmp.Diff([]Option{with(ActionOIDC, "Acme's own", own), with(ActionGoogle, "Google", "google")}, w.options("known@a.example")); diff != "" {
			w.t.Error(diff)
		}
		open := []Option{ownPassword, with(ActionGoogle, "Google", "google"), with(ActionGitHub, "GitHub", "github"), ownPasskey}
		if diff := cmp.Diff(open, w.options("known@free.example")); diff != "" {
			w.t.Error(diff)
		}
		for _, pair := range [][2]string{{"known@a.example", "unknown@a.example"}, {"known@free.example", "unknown@free.example"}, {"known@free.example", ""}} {
			if diff := cmp.Diff(w.options(pair[0]), w.options(pair[1])); diff != "" {
				w.t.Errorf("%q told apart from %q:\n%s", pair[0], pair[1], diff)
			}
		}
		// The same in a browser.
		b := w.browser()
		b.at(StepIdentify)(b.begin(Begin{}))
		if flow := b.at(StepChoose)(b.identify("unknown@a.example")); !slices.Equal(flow.Options, w.options("known@a.example")) {
			w.t.Errorf("a browser sees %+v", flow.Options)
		}
	})
}

func TestOptionsAreNeverNone(t *testing.T) {
	w := lite(t)
	id := w.organization("Damaged", `{"password_auth_enabled": "perhaps"}`)
	w.domain(id, "a.example")
	if list := w.options(alice); len(list) != 1 || list[0].Action != ActionPassword {
		t.Errorf("offers %+v", list)
	}
	_, err := w.Options(t.Context(), Caller{}, "no address")
	want(t, "no address", err, identity.Invalid, "invalid_email_format")
	for range 100 {
		_, err = w.Options(t.Context(), Caller{Client: address(1)}, alice)
	}
	want(t, "too often", err, identity.TooMany, "too_many_requests")
}

// An organization's own provider can shorten sessions, never lengthen them.
func TestSES04_ProvidersShortenSessions(t *testing.T) {
	for _, c := range []struct {
		name     string
		shape    shape
		age      time.Duration
		extended bool
		want     shape
	}{
		{"browser, as long as the default", browserShape, 10 * time.Hour, true, browserShape},
		{"browser, five minutes without use", browserShape, 5 * time.Minute, true, shape{5 * time.Minute, 24 * time.Hour}},
		{"browser, five minutes in all", browserShape, 5 * time.Minute, false, shape{time.Hour, 5 * time.Minute}},
		{"browser, fifteen days", browserShape, 360 * time.Hour, false, browserShape},
		{"command line, an hour without use", commandLineShape, time.Hour, true, shape{time.Hour, 12 * time.Hour}},
		{"command line, fifteen days", commandLineShape, 360 * time.Hour, true, shape{360 * time.Hour, 12 * time.Hour}},
		{"command line, an hour in all", commandLineShape, time.Hour, false, shape{0, time.Hour}},
	} {
		if got := c.shape.within(c.age, c.extended); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
