package policy

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	someAddresses = []netip.Addr{
		{},
		netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("::ffff:203.0.113.5"), netip.MustParseAddr("198.51.100.7"),
		netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fe80::1%eth0"),
	}
	somePrefixes = []netip.Prefix{
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("203.0.113.5/32"), netip.MustParsePrefix("198.51.100.0/25"),
		netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("0.0.0.0/0"),
	}
	someOrganizations = []string{"", "acme", "other"}
)

func drawPolicy(t *rapid.T) Policy {
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	// Short ages come up often enough to refuse, long ones to accept.
	age := rapid.Map(rapid.SampledFrom([]int64{0, 300, 900, 3599, 3600, 86400, 315360000}), func(s int64) time.Duration {
		return time.Duration(s) * time.Second
	})
	p := Policy{
		PasswordEnabled: flag("password"), TwoFactorRequired: flag("two factor"), OAuthEnabled: flag("oauth"),
		OAuthProviders: Providers(rapid.IntRange(0, int(AllProviders)).Draw(t, "providers")),
		SAMLEnabled:    flag("saml"), SAMLAllowExternal: flag("external"), PasskeyEnabled: flag("passkey"),
		PersonalTokensEnabled: flag("tokens"), PersonalTokensManagedUsersEnabled: flag("managed"),
		PersonalTokensRequireAllowedMethod: flag("enforced"), MCPEnabled: flag("mcp"),
		MaxPersonalTokenAge: age.Draw(t, "personal age"), MaxApplicationTokenAge: age.Draw(t, "application age"),
		SessionMaxAge: age.Draw(t, "session age"), SessionIdle: age.Draw(t, "idle"),
	}
	p.Ranges.Enabled = flag("ranges")
	for _, prefix := range rapid.SliceOfNDistinct(rapid.SampledFrom(somePrefixes), 0, 4, rapid.ID).Draw(t, "list") {
		p.Ranges.List = append(p.Ranges.List, Range{prefix, rapid.SampledFrom([]string{"", "office", "“quoted” \n <b>"}).Draw(t, "description")})
	}
	return p
}

func drawFacts(t *rapid.T) Facts {
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	organization := rapid.SampledFrom(someOrganizations)
	when := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.IntRange(0, 3).Draw(t, "ever") == 0 {
			return time.Time{}
		}
		return mirrorNow.Add(time.Duration(rapid.Int64Range(-100000, 3600).Draw(t, "second")) * time.Second)
	})
	f := Facts{
		Action: Action(rapid.IntRange(0, 2).Draw(t, "action")), Now: mirrorNow,
		Client: rapid.SampledFrom(someAddresses).Draw(t, "client"),
		Credential: Credential{
			Kind:    CredentialKind(rapid.IntRange(0, 4).Draw(t, "kind")),
			Unknown: rapid.IntRange(0, 9).Draw(t, "unknown") == 0,
			Revoked: rapid.IntRange(0, 9).Draw(t, "revoked") == 0,
			Authentication: Authentication{
				Method:   Method(rapid.IntRange(0, 7).Draw(t, "method")),
				Provider: "idp", ProviderOrganization: organization.Draw(t, "provider organization"),
				SecondFactor: flag("factor"), At: when.Draw(t, "at"),
			},
			ProviderOff: rapid.IntRange(0, 4).Draw(t, "provider off") == 0,
			Created:     when.Draw(t, "created"), LastUsed: when.Draw(t, "last used"),
			BreakGlass: rapid.SampledFrom([]string{"", "", "", "", "acme"}).Draw(t, "break glass"),
		},
		Principal: Principal{
			Kind:                 PrincipalKind(rapid.IntRange(0, 1).Draw(t, "principal")),
			State:                State(max(0, rapid.IntRange(-5, 2).Draw(t, "state"))),
			ManagingOrganization: organization.Draw(t, "managing"), Member: rapid.IntRange(0, 4).Draw(t, "stranger") > 0, SecondFactorSetUp: flag("set up"),
		},
		Organization: organization.Draw(t, "organization"), Covered: rapid.IntRange(0, 4).Draw(t, "uncovered") > 0,
	}
	if rapid.IntRange(0, 3).Draw(t, "ends") == 0 {
		f.Credential.Expires, f.Principal.ValidFrom = when.Draw(t, "expires"), when.Draw(t, "valid from")
	}
	if flag("restricted") {
		f.Credential.Addresses = rapid.SliceOfN(rapid.SampledFrom(somePrefixes), 1, 3).Draw(t, "addresses")
	}
	if f.Action != Access && flag("right organization") {
		f.Organization = f.Principal.ManagingOrganization
	}
	if f.Organization != "" && rapid.IntRange(0, 9).Draw(t, "unreadable") > 0 {
		p := drawPolicy(t)
		f.Policy = &p
	}
	for range rapid.IntRange(0, 2).Draw(t, "memberships") {
		p := drawPolicy(t)
		f.Memberships = append(f.Memberships, &p)
	}
	return f
}

// tighten makes one field of a policy stricter, if it can be.
func tighten(t *rapid.T, p Policy) Policy {
	shorter := func(d time.Duration) time.Duration {
		if d == 0 {
			return 20 * time.Hour
		}
		return d/2 + 1
	}
	p.Ranges.List = slices.Clone(p.Ranges.List)
	for _, change := range []func(){
		func() { p.PasswordEnabled = false },
		func() { p.TwoFactorRequired = true },
		func() { p.OAuthEnabled = false },
		func() { p.OAuthProviders &= Providers(rapid.IntRange(0, 7).Draw(t, "keep")) },
		func() { p.SAMLEnabled = false },
		func() { p.SAMLAllowExternal = false },
		func() { p.PasskeyEnabled = false },
		func() { p.PersonalTokensEnabled = false },
		func() { p.PersonalTokensManagedUsersEnabled = false },
		func() { p.PersonalTokensRequireAllowedMethod = true },
		func() { p.MCPEnabled = false },
		func() { p.MaxPersonalTokenAge = shorter(p.MaxPersonalTokenAge) },
		func() { p.MaxApplicationTokenAge = shorter(p.MaxApplicationTokenAge) },
		func() { p.SessionMaxAge = shorter(p.SessionMaxAge) },
		func() { p.SessionIdle = shorter(p.SessionIdle) },
		func() { p.Ranges.Enabled = true },
		func() { p.Ranges.List = p.Ranges.List[:len(p.Ranges.List)/2] },
	} {
		if rapid.IntRange(0, 5).Draw(t, "tighten") == 0 {
			change()
		}
	}
	return p
}

func TestTighteningNeverAccepts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		before := Decide(&f)
		if f.Policy != nil {
			p := tighten(t, *f.Policy)
			f.Policy = &p
		}
		for i, m := range f.Memberships {
			p := tighten(t, *m)
			f.Memberships[i] = &p
		}
		after := Decide(&f)
		if lost := before.refused &^ after.refused; lost != 0 {
			t.Fatalf("before %v, after tightening %v", before.Reasons(), after.Reasons())
		}
		f.Policy = nil
		if !before.Allowed() && Decide(&f).Allowed() {
			t.Fatalf("before %v, without a readable policy allowed", before.Reasons())
		}
	})
}

// The method fields are all but the ages, the ranges and the personal-token
// switches as far as creation is concerned, which rule 11 refuses outright.
func TestApplicationTokenIgnoresMethods(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		f.Credential.Kind = rapid.SampledFrom([]CredentialKind{ApplicationToken, SCIMToken}).Draw(t, "machine")
		f.Action = rapid.SampledFrom([]Action{Access, CreatePersonalToken}).Draw(t, "use")
		before := Decide(&f)
		if f.Policy != nil {
			p := drawPolicy(t)
			p.Ranges, p.MaxApplicationTokenAge = f.Policy.Ranges, f.Policy.MaxApplicationTokenAge
			f.Policy = &p
		}
		f.Credential.Authentication = drawFacts(t).Credential.Authentication
		if after := Decide(&f); after != before {
			t.Fatalf("before %v, with other method fields %v", before.Reasons(), after.Reasons())
		}
	})
}

// Two organizations that disagree: what the other one says, in its policy or
// about its management of the user, changes nothing on access here.
func TestOtherOrganizationsPolicyNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		f.Action, f.Organization = Access, "acme"
		p := drawPolicy(t)
		f.Policy = &p
		before := Decide(&f)
		beta := drawPolicy(t)
		f.Memberships = []*Policy{&p, &beta}
		f.Principal.ManagingOrganization = rapid.SampledFrom(someOrganizations).Draw(t, "manager")
		f.Principal.SecondFactorSetUp = !f.Principal.SecondFactorSetUp
		if f.Credential.BreakGlass == "" {
			f.Credential.BreakGlass = "other"
		}
		if after := Decide(&f); after != before {
			t.Fatalf("before %v, after a change elsewhere %v", before.Reasons(), after.Reasons())
		}
	})
}

func TestOrderOfRangesNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		before := Decide(&f)
		if f.Policy != nil {
			p := *f.Policy
			p.Ranges.List = rapid.Permutation(p.Ranges.List).Draw(t, "order")
			f.Policy = &p
		}
		f.Credential.Addresses = rapid.Permutation(f.Credential.Addresses).Draw(t, "own order")
		if after := Decide(&f); after != before {
			t.Fatalf("before %v, in another order %v", before.Reasons(), after.Reasons())
		}
	})
}

func TestDecisionIsConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		if difference := compare(&f); difference != "" {
			t.Fatal(difference)
		}
		checkDecision(t, &f, Decide(&f))
	})
}

type failer interface{ Fatalf(string, ...any) }

// checkDecision is what holds for every decision about f.
func checkDecision(t failer, f *Facts, d Decision) {
	reasons := d.Reasons()
	if !slices.IsSortedFunc(reasons, func(a, b Reason) int { return a.Rule - b.Rule }) {
		t.Fatalf("reasons %v are not in order", reasons)
	}
	if d.Allowed() != (len(reasons) == 0) || d.Allowed() != (d.Code() == "") || d.Allowed() != (d.Status() == 200) {
		t.Fatalf("allowed %t with reasons %v, code %q, status %d", d.Allowed(), reasons, d.Code(), d.Status())
	}
	if !d.Allowed() && (reasons[0].Code != d.Code() || reasons[0].Rule != d.Rule()) {
		t.Fatalf("first reason %v, code %q by rule %d", reasons[0], d.Code(), d.Rule())
	}
	shown := d.Visible()
	if shown.Allowed() != d.Allowed() || shown.refused&^d.refused&^(1<<1) != 0 || shown != shown.Visible() {
		t.Fatalf("visible %v of %v", shown.Reasons(), reasons)
	}
	if text := d.Remedy(f).Text; (text == "") != d.Allowed() {
		t.Fatalf("allowed %t with remedy %q", d.Allowed(), text)
	}
	verdicts := d.Verdicts(f)
	if len(verdicts) != lastRule+1 {
		t.Fatalf("%d verdicts", len(verdicts))
	}
	for i, v := range verdicts {
		if v.Rule != i || v.Text == "" || (v.Outcome == Refused) != (!d.Allowed() && d.refusals().has(i)) {
			t.Fatalf("verdict %v of %v", v, reasons)
		}
	}
}

func TestPolicyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(data)
		if err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		if diff := cmp.Diff(p, got, comparePrefixes); diff != "" {
			t.Fatalf("%s in %s", diff, data)
		}
		// A whole document leaves nothing of what it is laid over.
		if over, err := ParseOver(drawPolicy(t), data); err != nil || !cmp.Equal(withoutWords(p), withoutWords(over), comparePrefixes) {
			t.Fatalf("over another policy: %+v, %v; want %+v", over, err, p)
		}
	})
}

// withoutWords leaves out the descriptions: an absent object of descriptions
// keeps those that are there.
func withoutWords(p Policy) Policy {
	p.Ranges.List = slices.Clone(p.Ranges.List)
	for i := range p.Ranges.List {
		p.Ranges.List[i].Description = ""
	}
	return p
}

var comparePrefixes = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

func TestFactsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFacts(t)
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseFacts(data)
		if err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		if diff := cmp.Diff(f, got, comparePrefixes); diff != "" {
			t.Fatalf("%s in %s", diff, data)
		}
		if before, after := Decide(&f), Decide(&got); before != after {
			t.Fatalf("replayed %v, decided %v", after.Reasons(), before.Reasons())
		}
	})
}
