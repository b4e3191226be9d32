package policy

import (
	"fmt"
	"math/bits"
	"net/netip"
	"testing"
	"time"
)

// The mirror states the rules a second time and the other way round: not what
// is refused, but what is allowed, method by method. It shares no code with
// Decide, and the tests below compare the two over every combination of the
// discrete facts. Where they differ, one of them misreads the specification.

// mirror says of each concern whether it is in order, with the rules that
// would refuse otherwise.
type mirror struct {
	genuine, readable, person, place, belongs, tokens, method, factor, young, covered bool
}

var mirrorRules = []struct {
	concern string
	ok      func(mirror) bool
	rules   rules
}{
	{"genuine", func(m mirror) bool { return m.genuine }, 1<<1 | 1<<2 | 1<<3},
	{"readable", func(m mirror) bool { return m.readable }, 1 << 0},
	{"person", func(m mirror) bool { return m.person }, 1 << 4},
	{"place", func(m mirror) bool { return m.place }, 1<<5 | 1<<6},
	{"belongs", func(m mirror) bool { return m.belongs }, 1 << 7},
	{"tokens", func(m mirror) bool { return m.tokens }, 1<<9 | 1<<10 | 1<<11},
	{"method", func(m mirror) bool { return m.method }, 1<<12 | 1<<13 | 1<<14 | 1<<15 | 1<<16},
	{"factor", func(m mirror) bool { return m.factor }, 1 << 17},
	{"young", func(m mirror) bool { return m.young }, 1 << 18},
	{"covered", func(m mirror) bool { return m.covered }, 1 << 19},
}

func (m mirror) allowed() bool {
	return m.genuine && m.readable && m.person && m.place && m.belongs && m.tokens && m.method && m.factor && m.young && m.covered
}

// mirrored is the mirror's view of facts.
func mirrored(f *Facts) mirror {
	everything := mirror{true, true, true, true, true, true, true, true, true, true}
	if !mirrorGenuine(f) {
		everything.genuine = false // and nothing else is asked
		return everything
	}
	if f.Action == Login {
		return mirrorLogin(f, everything)
	}
	if f.Action == CreatePersonalToken {
		return mirrorCreate(f, everything)
	}
	return mirrorAccess(f, everything)
}

// A genuine credential is one that we made, have not taken back, and that is
// between its two ends. A login has not presented any.
func mirrorGenuine(f *Facts) bool {
	c := f.Credential
	switch c.Kind {
	case CredentialNone:
		return f.Action == Login
	case Session, PersonalToken, ApplicationToken, SCIMToken:
	default:
		return false
	}
	begun := f.Principal.ValidFrom.IsZero() || c.Created.Truncate(time.Microsecond).After(f.Principal.ValidFrom.Truncate(time.Microsecond))
	going := c.Expires.IsZero() || f.Now.Before(c.Expires)
	return !c.Unknown && !c.Revoked && begun && going
}

func mirrorLogin(f *Facts, m mirror) mirror {
	m.person = f.Principal.State == Active
	if f.Principal.ManagingOrganization == "" {
		return m
	}
	if m.readable = f.Policy != nil && f.Organization == f.Principal.ManagingOrganization; !m.readable {
		return m
	}
	m.place = mirrorPlace(f)
	m.method = mirrorMethod(f)
	return m
}

func mirrorCreate(f *Facts, m mirror) mirror {
	manager := f.Principal.ManagingOrganization
	managed := manager != ""
	if managed {
		if f.Credential.Kind == Session && f.Credential.BreakGlass == manager {
			return m
		}
		m.readable = f.Policy != nil && f.Organization == manager
	}
	m.person = f.Principal.State == Active
	m.place = mirrorOwnPlace(f)
	m.tokens = f.Principal.Kind == User && (f.Credential.Kind == Session || f.Credential.Kind == PersonalToken) && mirrorSomewhere(f)
	if managed && m.readable {
		m.place = m.place && mirrorPlace(f)
		m.tokens = m.tokens && f.Policy.PersonalTokensEnabled && f.Policy.PersonalTokensManagedUsersEnabled
		m.young = mirrorYoung(f)
	}
	return m
}

func mirrorAccess(f *Facts, m mirror) mirror {
	if f.Organization == "" {
		m.person = f.Principal.State == Active
		m.place = mirrorOwnPlace(f)
		m.covered = f.Covered
		return m
	}
	if f.Credential.Kind == Session && f.Credential.BreakGlass == f.Organization {
		return m
	}
	m.readable = f.Policy != nil
	m.person = f.Principal.State == Active
	m.place = mirrorOwnPlace(f)
	m.belongs = f.Principal.Member
	m.covered = f.Covered
	if !m.readable {
		return m
	}
	m.place = m.place && mirrorPlace(f)
	m.young = mirrorYoung(f)
	switch f.Credential.Kind {
	case Session:
		m.method = mirrorMethod(f)
		a := f.Credential.Authentication
		m.factor = a.Method != MethodPassword || a.SecondFactor || !f.Policy.TwoFactorRequired
	case PersonalToken:
		m.tokens = f.Policy.PersonalTokensEnabled && f.Policy.PersonalTokensManagedUsersEnabled
		m.method = !f.Policy.PersonalTokensRequireAllowedMethod || mirrorMethod(f)
	}
	return m
}

// mirrorMethod is what is allowed, method by method.
func mirrorMethod(f *Facts) bool {
	p, a := f.Policy, f.Credential.Authentication
	switch a.Method {
	case MethodPassword:
		return p.PasswordEnabled
	case MethodGoogle:
		return p.OAuthEnabled && p.OAuthProviders&Google != 0
	case MethodMicrosoft:
		return p.OAuthEnabled && p.OAuthProviders&Microsoft != 0
	case MethodGitHub:
		return p.OAuthEnabled && p.OAuthProviders&GitHub != 0
	case MethodSAML, MethodOIDC:
		own := a.ProviderOrganization == f.Organization
		out := own && f.Credential.ProviderOff && f.Action != Login
		return p.SAMLEnabled && (p.SAMLAllowExternal || own) && !out
	case MethodPasskey:
		return p.PasskeyEnabled
	}
	return false
}

// mirrorSomewhere: a personal token is of use to somebody without any
// organization, or where one organization takes it.
func mirrorSomewhere(f *Facts) bool {
	takers := 0
	for _, p := range f.Memberships {
		if p != nil && p.PersonalTokensEnabled {
			takers++
		}
	}
	return takers > 0 || len(f.Memberships) == 0
}

func mirrorPlace(f *Facts) bool {
	in := !f.Policy.Ranges.Enabled
	for _, r := range f.Policy.Ranges.List {
		in = in || mirrorIn(f.Client, r.Prefix)
	}
	return in
}

func mirrorOwnPlace(f *Facts) bool {
	in := len(f.Credential.Addresses) == 0
	for _, p := range f.Credential.Addresses {
		in = in || mirrorIn(f.Client, p)
	}
	return in
}

// mirrorIn compares the leading bits by hand.
func mirrorIn(client netip.Addr, p netip.Prefix) bool {
	if !client.IsValid() || !p.IsValid() {
		return false
	}
	a, b := client.Unmap().AsSlice(), p.Addr().AsSlice()
	if len(a) != len(b) {
		return false
	}
	equal := 0
	for i := range a {
		same := bits.LeadingZeros8(a[i] ^ b[i])
		equal += same
		if same < 8 {
			break
		}
	}
	return equal >= p.Bits()
}

func mirrorYoung(f *Facts) bool {
	c, p := f.Credential, f.Policy
	within := func(start time.Time, limit time.Duration) bool {
		return limit == 0 || !start.Add(limit).Before(f.Now)
	}
	switch c.Kind {
	case Session:
		used := within(c.LastUsed, p.SessionIdle) && !c.LastUsed.IsZero() || within(c.Created, p.SessionIdle)
		login := c.Created // or before, where another session let it in
		if at := c.Authentication.At; !at.IsZero() && login.After(at) {
			login = at
		}
		return within(login, p.SessionMaxAge) && used
	case PersonalToken:
		return within(c.Created, p.MaxPersonalTokenAge)
	case ApplicationToken:
		return within(c.Created, p.MaxApplicationTokenAge)
	}
	return true
}

// compare returns what differs between the decision and the mirror, or "".
func compare(f *Facts) string {
	d, m := Decide(f), mirrored(f)
	if d.Allowed() != m.allowed() {
		return fmt.Sprintf("Decide allows: %t, mirror: %t %+v", d.Allowed(), m.allowed(), m)
	}
	for i := range mirrorRules {
		r := &mirrorRules[i]
		if ok := r.ok(m); ok != (d.refused&r.rules == 0) {
			return fmt.Sprintf("%s: mirror says in order: %t, Decide refuses by %v", r.concern, ok, d.Reasons())
		}
	}
	return ""
}

var mirrorNow = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// TestMirrorMethods goes over method x kind x who manages x second factor used
// x every switch of the policy x providers x whose identity provider x action
// x state and membership. A method that is no method stands for all such.
func TestMirrorMethods(t *testing.T) {
	t.Parallel()
	for method := MethodNone; method <= MethodOIDC+1; method++ {
		t.Run(method.String(), func(t *testing.T) {
			t.Parallel()
			n := 0
			for kind := CredentialNone; kind <= SCIMToken; kind++ {
				n += mirrorSwitches(t, method, kind)
			}
			t.Logf("%d combinations", n)
		})
	}
}

// mirrorSwitches is one loop over bits: the 9 switches and 3 providers,
// and 9 bits of other facts.
func mirrorSwitches(t *testing.T, method Method, kind CredentialKind) int {
	const policyBits, factBits = 12, 9
	n := 0
	for facts := range 1 << factBits {
		p := Policy{}
		f := Facts{Now: mirrorNow, Policy: &p, Organization: "acme", Covered: true}
		f.Credential = Credential{Kind: kind, Created: mirrorNow.Add(-time.Hour)}
		f.Credential.Authentication = Authentication{Method: method}
		if !setFactBits(&f, facts) {
			continue
		}
		for switches := range 1 << policyBits {
			setSwitches(&p, switches)
			n++
			if difference := compare(&f); difference != "" {
				data, err := f.MarshalJSON()
				t.Fatalf("%s\nfacts (%v): %s", difference, err, data)
			}
		}
	}
	return n
}

// setFactBits reports false for a combination that repeats another one.
func setFactBits(f *Facts, b int) bool {
	f.Action = Action(b & 3)
	f.Principal.ManagingOrganization = []string{"", "acme", "other", ""}[b>>2&3]
	f.Credential.Authentication.SecondFactor = b>>4&1 != 0
	f.Credential.Authentication.ProviderOrganization = []string{"acme", "other"}[b>>5&1]
	f.Principal.State = []State{Active, Deactivated}[b>>6&1]
	f.Principal.Member = b>>7&1 != 0
	f.Credential.ProviderOff = b>>8&1 != 0
	if f.Action != Access {
		f.Organization = f.Principal.ManagingOrganization
	}
	return b&3 != 3 && b>>2&3 != 3
}

// setSwitches leaves mcp_enabled to the parity of the others: it decides
// nothing here, and would only double the time.
func setSwitches(p *Policy, b int) {
	p.PasswordEnabled = b&1 != 0
	p.TwoFactorRequired = b>>1&1 != 0
	p.OAuthEnabled = b>>2&1 != 0
	p.SAMLEnabled = b>>3&1 != 0
	p.SAMLAllowExternal = b>>4&1 != 0
	p.PasskeyEnabled = b>>5&1 != 0
	p.PersonalTokensEnabled = b>>6&1 != 0
	p.PersonalTokensManagedUsersEnabled = b>>7&1 != 0
	p.PersonalTokensRequireAllowedMethod = b>>8&1 != 0
	p.OAuthProviders = Providers(b >> 9 & 7)
	p.MCPEnabled = bits.OnesCount(uint(b))&1 != 0
}

// TestMirrorRest goes over everything that the methods have no part in:
// whether the credential is genuine, the addresses, ages, membership, state,
// coverage, break-glass, and policies that cannot be read.
func TestMirrorRest(t *testing.T) {
	t.Parallel()
	for _, action := range []Action{Access, Login, CreatePersonalToken, 3} {
		for kind := CredentialNone; kind <= SCIMToken+1; kind++ {
			t.Run(action.String()+"/"+kind.String(), func(t *testing.T) {
				t.Parallel()
				mirrorRest(t, action, kind)
			})
		}
	}
}

func mirrorRest(t *testing.T, action Action, kind CredentialKind) {
	const factBits = 18
	within := Range{Prefix: netip.MustParsePrefix("203.0.113.0/24")}
	own := []netip.Prefix{netip.MustParsePrefix("2001:db8::/32"), within.Prefix}
	off, on := Default(), Default()
	off.PersonalTokensEnabled = false
	memberships := [][]*Policy{nil, {&off, nil}, {&off, &on}, {nil}}
	clients := []netip.Addr{{}, netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("::ffff:203.0.113.6"), netip.MustParseAddr("2001:db8::9")}
	p := Default()
	p.Ranges.List = []Range{within}
	p.MaxPersonalTokenAge, p.MaxApplicationTokenAge, p.SessionMaxAge = time.Hour, time.Hour, time.Hour
	for b := range 1 << factBits {
		p.Ranges.Enabled = b&1 != 0
		p.SessionIdle = time.Duration(b>>1&1) * 30 * time.Minute
		f := Facts{Action: action, Now: mirrorNow, Policy: &p, Organization: "acme"}
		f.Client = clients[b>>2&3]
		c := &f.Credential
		c.Kind, c.Authentication.Method = kind, MethodPassword
		c.Created = mirrorNow.Add([]time.Duration{-time.Hour, -time.Hour - 1}[b>>4&1])
		c.LastUsed = []time.Time{{}, mirrorNow.Add(-time.Minute)}[b>>5&1]
		c.Addresses = [][]netip.Prefix{nil, own}[b>>6&1]
		c.BreakGlass = []string{"", "acme"}[b>>7&1]
		switch b >> 8 & 7 { // genuine in four of eight
		case 0:
			c.Unknown = true
		case 1:
			c.Revoked = true
		case 2:
			c.Expires = mirrorNow
		case 3:
			f.Principal.ValidFrom = c.Created
		case 4:
			c.Expires, f.Principal.ValidFrom = mirrorNow.Add(1), c.Created.Add(-time.Microsecond)
		}
		f.Covered = b>>11&1 != 0
		f.Principal.Member = b>>12&1 != 0
		f.Principal.State = []State{Active, Deleted}[b>>13&1]
		f.Memberships = memberships[b>>14&3]
		switch b >> 16 & 3 {
		case 0:
			f.Policy = nil
		case 1:
			f.Organization, f.Policy = "", nil
		case 2:
			f.Principal.ManagingOrganization = "acme"
		}
		f.Principal.Kind = PrincipalKind(b >> 14 & 1 & (b >> 16))
		if difference := compare(&f); difference != "" {
			data, err := f.MarshalJSON()
			t.Fatalf("%s\nfacts (%v): %s", difference, err, data)
		}
	}
}
