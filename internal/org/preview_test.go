package org_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest/migrated"
	"github.com/sallyport/sallyport/policy"
)

// everything is a page that holds all there is.
var everything = org.Page{Limit: 1 << 20}

// The preview of a change is, as a set, the difference between what the door
// really says before the change and after it.
func TestPreviewsAreTheDifferenceOfRealDecisions(t *testing.T) {
	s := emptyStage(t, migrated.SQLite(t))
	s.bootstrap()
	rapid.Check(t, func(rt *rapid.T) {
		w := randomWorld(rt, s)
		change := randomPolicy(rt)
		document, err := json.Marshal(change)
		if err != nil {
			rt.Fatal(err)
		}
		impact, err := s.org.PreviewPolicy(t.Context(), w.admin, document, everything)
		if err != nil {
			rt.Fatalf("%s: %v", document, err)
		}
		// After the preview, because the questions are uses themselves.
		before := w.opened()
		w.set(document)
		w.compare(rt, impact, before, w.opened())
	})
}

// randomised is an organization of random people with random credentials.
type randomised struct {
	*stage
	id          string
	admin       *identity.Principal
	credentials map[string]drawn // by prefix
}

type drawn struct {
	plain string
	kind  policy.CredentialKind
	from  []netip.Addr // one of which it may come from
	// veiled: of another organization's provider. It is counted, whenever and
	// wherever it was used.
	veiled bool
	// proven: its owner has confirmed their address.
	proven bool
}

var (
	someAddresses = []string{"198.51.100.7", "198.51.100.200", "203.0.113.9", "2001:db8::1"}
	someRanges    = []string{"198.51.100.0/24", "198.51.100.0/28", "203.0.113.0/24", "2001:db8::/32", "192.0.2.0/24"}
	someMethods   = []policy.Method{policy.MethodPassword, policy.MethodGoogle, policy.MethodMicrosoft, policy.MethodGitHub, policy.MethodPasskey, policy.MethodSAML, policy.MethodOIDC}
)

func randomWorld(rt *rapid.T, s *stage) *randomised {
	ids := []string{}
	for range 32 {
		id, err := s.db.NewID("x")
		if err != nil {
			rt.Fatal(err)
		}
		ids = append(ids, id[1:])
	}
	next := func(prefix string) string { id := ids[0]; ids = ids[1:]; return prefix + id }
	w := &randomised{stage: s, id: next("org"), credentials: map[string]drawn{}}
	o := identity.Organization{ID: w.id, Name: "W", Tier: "business", AccountID: next("a"), Policy: randomStored(rt), PolicyVersion: 1}
	admin := identity.User{ID: next("u"), Email: next("admin") + "@w.example", EmailConfirmed: s.db.Now(), State: identity.StateActive}
	methods := []identity.AuthenticationMethod{}
	for i := range 2 {
		methods = append(methods, identity.AuthenticationMethod{
			ID: next("am"), OrganizationID: w.id, AccountID: o.AccountID, Name: "P", Type: identity.MethodTypeSAML, State: identity.MethodActive,
			Enabled: i == 0 || rapid.Bool().Draw(rt, "enabled"), TokenMaxAge: time.Hour, Config: "{}",
		})
	}
	group := identity.Group{ID: next("ug"), OrganizationID: w.id, Name: next("group")}
	s.change(store.Organization(w.id), func(tx *store.Tx) error {
		ctx := s.t.Context()
		steps := []error{tx.AddOrganization(ctx, o), tx.AddUser(ctx, admin), tx.AddMember(ctx, w.id, admin.ID, true), tx.AddGroup(ctx, group)}
		for _, m := range methods {
			steps = append(steps, tx.AddAuthenticationMethod(ctx, m))
		}
		people := []string{}
		for i := range rapid.IntRange(1, 5).Draw(rt, "people") {
			u := identity.User{ID: next("u"), Email: fmt.Sprintf("%s@w.example", next("p")), State: identity.StateActive}
			if rapid.IntRange(0, 9).Draw(rt, "confirmed") > 0 {
				u.EmailConfirmed = s.db.Now()
			}
			if rapid.Bool().Draw(rt, "managed") {
				u.ManagingOrganizationID = w.id
			}
			if i == 0 && rapid.Bool().Draw(rt, "application") {
				u.Application, u.OrganizationID, u.EmailConfirmed, u.ManagingOrganizationID = true, w.id, time.Time{}, ""
			}
			people = append(people, u.ID)
			steps = append(steps, tx.AddUser(ctx, u), tx.AddMember(ctx, w.id, u.ID, false))
			if rapid.Bool().Draw(rt, "in the group") {
				steps = append(steps, tx.AddToGroup(ctx, w.id, group.ID, u.ID))
			}
			for range rapid.IntRange(0, 3).Draw(rt, "credentials") {
				steps = append(steps, w.addToken(rt, tx, u, methods))
			}
			if rapid.IntRange(0, 9).Draw(rt, "deactivated") == 0 {
				steps = append(steps, tx.SetUserState(ctx, u.ID, identity.StateDeactivated))
			}
		}
		for i := range rapid.IntRange(0, 3).Draw(rt, "pilots") {
			pilot := randomPilot(rt, people, group.ID)
			pilot.ID, pilot.OrganizationID, pilot.Name = next("plt"), w.id, fmt.Sprint("pilot ", i)
			pilot.Created = tx.Now.Add(-time.Duration(rapid.IntRange(0, 2).Draw(rt, "age of the pilot")) * time.Hour)
			steps = append(steps, tx.AddPilot(ctx, pilot))
		}
		return errors.Join(steps...)
	})
	s.pass(time.Duration(rapid.IntRange(1, 7200).Draw(rt, "later")) * time.Second)
	w.admin = w.principal(rt, admin, o)
	return w
}

// principal is an admin whose session is not among the credentials.
func (w *randomised) principal(rt *rapid.T, u identity.User, o identity.Organization) *identity.Principal {
	stored, err := policy.Parse([]byte(o.Policy))
	if err != nil {
		rt.Fatal(err)
	}
	token := &identity.Token{Kind: policy.Session, UserID: u.ID, Authentication: policy.Authentication{Method: policy.MethodPassword, At: w.db.Now()}}
	return &identity.Principal{User: &u, Token: token, Organization: &o, Policy: &stored, Member: true, SuperAdmin: true}
}

func (w *randomised) addToken(rt *rapid.T, tx *store.Tx, u identity.User, methods []identity.AuthenticationMethod) error {
	ctx := w.t.Context()
	kinds := map[policy.CredentialKind]credential.Kind{policy.Session: credential.KindSession, policy.PersonalToken: credential.KindPersonal, policy.ApplicationToken: credential.KindApplication}
	t := identity.Token{UserID: u.ID, Kind: rapid.SampledFrom([]policy.CredentialKind{policy.Session, policy.PersonalToken}).Draw(rt, "kind")}
	if u.Application {
		t.Kind = policy.ApplicationToken
	} else {
		a := policy.Authentication{Method: rapid.SampledFrom(someMethods).Draw(rt, "method"), SecondFactor: rapid.Bool().Draw(rt, "second factor"), At: tx.Now}
		if a.Method == policy.MethodSAML || a.Method == policy.MethodOIDC {
			a.Provider, a.ProviderOrganization = rapid.SampledFrom(methods).Draw(rt, "provider").ID, w.id
			if rapid.Bool().Draw(rt, "external") {
				a.Provider, a.ProviderOrganization = "am0external0", "org0external0"
			}
		}
		t.Authentication = a
	}
	if rapid.IntRange(0, 3).Draw(rt, "own list") == 0 {
		t.AddressTexts = []string{rapid.SampledFrom(someRanges).Draw(rt, "own range")}
	}
	if life := rapid.IntRange(0, 4).Draw(rt, "life"); life > 0 {
		t.Expires = tx.Now.Add(time.Duration(life) * time.Hour)
	}
	var plain string
	plain, t.Prefix, t.Hash = credential.New(kinds[t.Kind], rand.Reader)
	d := drawn{plain: plain, kind: t.Kind, veiled: t.Authentication.ProviderOrganization != "" && t.Authentication.ProviderOrganization != w.id, proven: !u.EmailConfirmed.IsZero()}
	for _, text := range slices.Concat(someRanges, someAddresses) {
		if p, err := netip.ParsePrefix(text); err == nil {
			d.from = append(d.from, p.Addr())
		} else {
			d.from = append(d.from, netip.MustParseAddr(text))
		}
	}
	if err := tx.AddToken(ctx, t); err != nil {
		return err
	}
	if rapid.Bool().Draw(rt, "used") {
		address := rapid.SampledFrom(someAddresses).Draw(rt, "address")
		d.from = []netip.Addr{netip.MustParseAddr(address)}
		if _, err := tx.RecordUses(ctx, []identity.Use{{Prefix: t.Prefix, UserID: u.ID, At: tx.Now, IP: address, Idle: time.Duration(rapid.SampledFrom([]int{0, 700, 5000}).Draw(rt, "idle")) * time.Second}}); err != nil {
			return err
		}
	}
	w.credentials[t.Prefix] = d
	return nil
}

// randomPolicy draws fields of a policy, ranges included, as a change sets
// them. It always leaves a method.
func randomPolicy(rt *rapid.T) map[string]any {
	change := map[string]any{}
	for _, field := range []string{
		"password_auth_enabled", "two_factor_required", "oauth_enabled", "saml_enabled", "saml_allow_external", "personal_tokens_enabled",
		"personal_tokens_managed_users_enabled", "personal_tokens_require_allowed_auth_method",
	} {
		if rapid.IntRange(0, 2).Draw(rt, field+" is set") == 0 {
			change[field] = rapid.Bool().Draw(rt, field)
		}
	}
	change["passkey_auth_enabled"] = true
	for field, values := range map[string][]any{
		"oauth_providers_allowed":        {[]string{"google"}, []string{"microsoft", "github"}, []string{}},
		"max_personal_token_age_seconds": {nil, 600, 3600}, "max_application_token_age_seconds": {nil, 600, 3600},
		"session_max_age_seconds": {nil, 900, 3600}, "session_idle_seconds": {nil, 300, 1800},
	} {
		if rapid.IntRange(0, 2).Draw(rt, field+" is set") == 0 {
			change[field] = rapid.SampledFrom(values).Draw(rt, field)
		}
	}
	if rapid.IntRange(0, 2).Draw(rt, "ranges are set") == 0 {
		change["api_client_ip_allowlist"] = rapid.SliceOfNDistinct(rapid.SampledFrom(someRanges), 1, 3, rapid.ID).Draw(rt, "ranges")
		change["api_client_ip_allowlist_enabled"] = rapid.Bool().Draw(rt, "ranges are enforced")
	}
	return change
}

// randomPilot names some people, or the group. What it sets may not fit the
// policy, which refuses.
func randomPilot(rt *rapid.T, people []string, group string) identity.Pilot {
	change := randomPolicy(rt)
	delete(change, "passkey_auth_enabled")
	if rapid.Bool().Draw(rt, "the pilot refuses passkeys") {
		change["passkey_auth_enabled"] = false
	}
	text, err := json.Marshal(change)
	if err != nil {
		rt.Fatal(err)
	}
	pilot := identity.Pilot{Change: string(text)}
	for _, id := range people {
		if rapid.Bool().Draw(rt, "in the pilot") {
			pilot.Users = append(pilot.Users, id)
		}
	}
	if rapid.Bool().Draw(rt, "the pilot names the group") {
		pilot.Groups = []string{group}
	}
	return pilot
}

func randomStored(rt *rapid.T) string {
	text, err := json.Marshal(randomPolicy(rt))
	if err != nil {
		rt.Fatal(err)
	}
	return string(text)
}

// opened are the credentials that the door lets in.
func (w *randomised) opened() map[string]bool {
	w.t.Helper()
	open := map[string]bool{}
	for prefix, d := range w.credentials {
		for _, from := range d.from {
			_, err := w.access.Check(w.t.Context(), access.Request{
				Bearer: d.plain, Organization: w.id, Address: identity.Address{Client: from}, RequestID: "req_test", Need: access.Need{Permission: access.Member, Unconfirmed: d.kind == policy.ApplicationToken},
			})
			if open[prefix] = err == nil || d.veiled && d.proven && onlyWhereOrWhen(err); open[prefix] {
				break
			}
		}
	}
	return open
}

// onlyWhereOrWhen says whether a refusal is of nothing but the address and the
// age of a credential.
func onlyWhereOrWhen(err error) bool {
	var refused *identity.Error
	if !errors.As(err, &refused) {
		return false
	}
	reasons, _ := refused.Metadata["reasons"].([]string)
	return len(reasons) > 0 && !slices.ContainsFunc(reasons, func(code string) bool { return code != policy.CodeAddress && code != policy.CodeTooOld })
}

// set replaces the policy for real, without guards.
func (w *randomised) set(document []byte) {
	w.t.Helper()
	w.change(store.Organization(w.id), func(tx *store.Tx) error {
		o, err := tx.Organization(w.t.Context(), w.id)
		if err != nil {
			return err
		}
		base, err := policy.Parse([]byte(o.Policy))
		if err != nil {
			return err
		}
		next, err := policy.ParseOver(base, document)
		if err != nil {
			return err
		}
		text, err := json.Marshal(next)
		if err != nil {
			return err
		}
		return tx.SetPolicy(w.t.Context(), w.id, string(text), "prepared")
	})
}

func (w *randomised) compare(rt *rapid.T, got org.Impact, before, after map[string]bool) {
	want := map[string][]string{}
	veiled := map[string]int{}
	for prefix, d := range w.credentials {
		key := "loses " + d.kind.String()
		if after[prefix] {
			key = "regains " + d.kind.String()
		}
		switch {
		case before[prefix] == after[prefix]:
		case d.veiled:
			veiled[key]++
		default:
			want[key] = append(want[key], prefix)
		}
	}
	has := map[string][]string{}
	for name, a := range map[string]org.Affected{"loses ": got.Loses, "regains ": got.Regains} {
		for kind, hits := range map[policy.CredentialKind]org.Hits{policy.Session: a.Sessions, policy.PersonalToken: a.PersonalTokens, policy.ApplicationToken: a.ApplicationTokens} {
			if hits.Total != len(hits.Page)+veiled[name+kind.String()] {
				rt.Fatalf("%s%s: %d in all, %d shown, and %d that are not", name, kind, hits.Total, len(hits.Page), veiled[name+kind.String()])
			}
			for _, h := range hits.Page {
				has[name+kind.String()] = append(has[name+kind.String()], h.Prefix)
				if len(h.Reasons) == 0 || h.Remedy.Text == "" {
					rt.Fatalf("%s%s: %s has the reasons %v and the remedy %+v", name, kind, h.Prefix, h.Reasons, h.Remedy)
				}
			}
		}
	}
	for _, m := range []map[string][]string{want, has} {
		for key := range m {
			slices.Sort(m[key])
		}
	}
	if diff := cmp.Diff(want, has); diff != "" {
		rt.Fatalf("the preview differs from what happened (-happened +preview):\n%s\nchanged fields: %v", diff, slices.Sorted(maps.Keys(want)))
	}
}
